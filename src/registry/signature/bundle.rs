//! Sigstore bundles, which cosign makes since version 3: a DSSE envelope around an in-toto statement, or a signature of
//! the content itself.
//!
//! Specs: sigstore `sigstore_bundle.proto` in its JSON form, versions 0.1 to 0.3; DSSE v1.0.2 (`PAE`); in-toto Statement
//! v0.1 and v1; cosign `BUNDLE_SPEC.md`. Verified is by public key alone: certificates, logs and timestamps in a bundle
//! are not looked at. Nothing that is signed is read before its signature was verified.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use crate::model::names::Digest;
use crate::model::verification::Unverified;
use crate::registry::signature::key::PublicKey;

/// The media type of bundles since version 0.3.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The media type before, without its version.
const OLDER_BUNDLE: &str = "application/vnd.dev.sigstore.bundle+json;version=0.";
/// What `cosign sign` states of an image. Every other predicate is an attestation.
pub(super) const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
/// The payload type of in-toto statements.
const IN_TOTO: &str = "application/vnd.in-toto+json";
const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/// DSSE allows both alphabets, and some writers leave the padding out.
const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// A bundle that could be read.
pub(super) struct Bundle {
    content: Content,
    /// It carries a certificate, and no key.
    is_keyless: bool,
}

enum Content {
    Envelope { payload_type: String, payload: Vec<u8>, signature: Vec<u8> },
    Message { digest: Option<Digest>, signature: Vec<u8> },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: String,
    verification_material: Option<Material>,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_digest: Option<MessageDigest>,
    signature: String,
}

#[derive(Deserialize)]
struct MessageDigest {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digests,
}

/// Two digests of one algorithm are an error: readers would not agree on which one counts.
#[derive(Deserialize)]
struct Digests {
    sha256: Option<String>,
    sha512: Option<String>,
}

/// Tells whether a media type or artifact type is that of a bundle.
pub(super) fn is_bundle(kind: &str) -> bool {
    let version = kind.strip_prefix(OLDER_BUNDLE);
    kind == BUNDLE || version.is_some_and(|minor| ["1", "2", "3"].contains(&minor))
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Unverified> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|_| Unverified::Unreadable("a bundle is no JSON of that kind"))?;
        if !is_bundle(&document.media_type) {
            return Err(Unverified::Unreadable("a bundle is of a version that is not known"));
        }
        let is_keyless = document.verification_material.is_none_or(|material| material.public_key.is_none());
        let base64 = |text: &str| decode(text).ok_or(Unverified::Unreadable("a bundle holds no base64"));
        let content = match (document.dsse_envelope, document.message_signature) {
            (Some(envelope), None) => {
                // The bundle's specification: exactly one.
                let [signature] = envelope.signatures.as_slice() else {
                    return Err(Unverified::Unreadable("a bundle has not one signature"));
                };
                let (payload, signature) = (base64(&envelope.payload)?, base64(&signature.sig)?);
                Content::Envelope { payload_type: envelope.payload_type, payload, signature }
            }
            (None, Some(message)) => {
                let signature = base64(&message.signature)?;
                let digest = message.message_digest.map(|named| named.read()).transpose()?;
                Content::Message { digest, signature }
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(Unverified::Unreadable("a bundle holds neither an envelope nor a signature, or both"));
            }
        };
        Ok(Self { content, is_keyless })
    }

    /// Tells whether the bytes that were signed are those of the manifest itself, which must then be given.
    pub(super) fn signs_content(&self) -> bool {
        matches!(self.content, Content::Message { .. })
    }

    /// Holds the bundle against one key.
    ///
    /// # Errors
    /// Why it is no signature of this digest by the key.
    pub(super) fn check(&self, key: &PublicKey, digest: &Digest, manifest: &[u8]) -> Result<(), Unverified> {
        let other = if self.is_keyless { Unverified::Keyless } else { Unverified::OtherKey };
        match &self.content {
            Content::Envelope { payload_type, payload, signature } => {
                if !key.has_signed(&encode(payload_type, payload), signature) {
                    return Err(other);
                }
                if payload_type != IN_TOTO {
                    return Err(Unverified::OtherStatement);
                }
                is_of(payload, digest)
            }
            Content::Message { digest: named, signature } => {
                if named.as_ref().is_some_and(|named| named != digest) {
                    return Err(Unverified::Unreadable("a bundle is of another content"));
                }
                // These bytes have the digest, so who signed them signed it.
                if key.has_signed(manifest, signature) { Ok(()) } else { Err(other) }
            }
        }
    }
}

impl MessageDigest {
    fn read(&self) -> Result<Digest, Unverified> {
        let algorithm = match self.algorithm.as_str() {
            "SHA2_256" => "sha256",
            "SHA2_512" => "sha512",
            _ => return Err(Unverified::Unreadable("a bundle has a digest of an algorithm that is not known")),
        };
        let bytes = decode(&self.digest).ok_or(Unverified::Unreadable("a bundle holds no base64"))?;
        let text = format!("{algorithm}:{}", hex::encode(bytes));
        text.parse().map_err(|_| Unverified::Unreadable("a bundle has a digest that is none"))
    }
}

/// Tells whether a statement that somebody signed says that this digest is signed.
fn is_of(statement: &[u8], digest: &Digest) -> Result<(), Unverified> {
    let statement: Statement = serde_json::from_slice(statement).map_err(|_| Unverified::OtherStatement)?;
    if !STATEMENTS.contains(&statement.kind.as_str()) || statement.predicate_type != SIGNED {
        return Err(Unverified::OtherStatement);
    }
    let is_named = |subject: &Subject| {
        let named = match digest.as_str().split_once(':') {
            Some(("sha256", hex)) => (subject.digest.sha256.as_deref(), hex),
            Some(("sha512", hex)) => (subject.digest.sha512.as_deref(), hex),
            _ => return false,
        };
        named.0 == Some(named.1)
    };
    if statement.subject.iter().any(is_named) { Ok(()) } else { Err(Unverified::OtherDigest) }
}

/// DSSE's pre-authentication encoding: what is signed instead of the payload alone.
fn encode(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

/// Reads base64 in either alphabet.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn digest(digit: &str) -> Digest {
        format!("sha256:{}", digit.repeat(64)).parse().unwrap()
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // The example of DSSE's protocol.md.
        assert_eq!(
            encode("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        // Lengths are of bytes, and nothing that is moved between type and payload gives the same bytes.
        assert_eq!(encode("é", b""), "DSSEv1 2 é 0 ".as_bytes());
        assert_ne!(encode("a", b"b 1 c"), encode("a 1 b", b"c"));
    }

    #[test]
    fn a_statement_counts_only_as_a_signature_of_that_digest() {
        let statement = |kind: &str, predicate: &str, subject: &str| {
            format!(r#"{{"_type":"{kind}","predicateType":"{predicate}","subject":{subject},"predicate":{{}}}}"#)
        };
        let (v1, a, b) = (STATEMENTS[0], "a".repeat(64), "b".repeat(64));
        let of_a = format!(r#"[{{"digest":{{"sha256":"{a}"}}}}]"#);
        for (text, expected) in [
            (statement(v1, SIGNED, &of_a), Ok(())),
            (statement(STATEMENTS[1], SIGNED, &of_a), Ok(())),
            (statement(v1, SIGNED, &of_a).replace(r#","predicate":{}"#, ""), Ok(())),
            (
                statement(
                    v1,
                    SIGNED,
                    &format!(r#"[{{"name":"x","digest":{{"sha256":"{b}"}}}},{{"digest":{{"sha256":"{a}"}}}}]"#),
                ),
                Ok(()),
            ),
            (statement(v1, SIGNED, &of_a.replace(&a, &b)), Err(Unverified::OtherDigest)),
            (statement(v1, SIGNED, &of_a.replace("sha256", "sha512")), Err(Unverified::OtherDigest)),
            (
                statement(v1, SIGNED, &of_a.to_uppercase().replace("DIGEST", "digest").replace("SHA256", "sha256")),
                Err(Unverified::OtherDigest),
            ),
            (statement(v1, SIGNED, "[]"), Err(Unverified::OtherDigest)),
            (statement(v1, "https://slsa.dev/provenance/v1", &of_a), Err(Unverified::OtherStatement)),
            (statement("x", SIGNED, &of_a), Err(Unverified::OtherStatement)),
            (
                statement(v1, SIGNED, &format!(r#"[{{"digest":{{"sha256":"{b}","sha256":"{a}"}}}}]"#)),
                Err(Unverified::OtherStatement),
            ),
            (statement(v1, SIGNED, &format!(r#"{of_a},"subject":{of_a}"#)), Err(Unverified::OtherStatement)),
            (statement(v1, SIGNED, r#"[{"digest":"x"}]"#), Err(Unverified::OtherStatement)),
            (format!("{} x", statement(v1, SIGNED, &of_a)), Err(Unverified::OtherStatement)),
            (String::new(), Err(Unverified::OtherStatement)),
            ("[".repeat(100_000), Err(Unverified::OtherStatement)),
        ] {
            assert_eq!(is_of(text.as_bytes(), &digest("a")), expected, "{}", &text[..text.len().min(300)]);
        }
        let sha512: Digest = format!("sha512:{}", "c".repeat(128)).parse().unwrap();
        let of_c = format!(r#"[{{"digest":{{"sha512":"{}"}}}}]"#, "c".repeat(128));
        assert_eq!(is_of(statement(v1, SIGNED, &of_c).as_bytes(), &sha512), Ok(()));
    }

    #[test]
    fn a_bundle_is_read_whole_or_not_at_all() {
        let envelope = r#""dsseEnvelope":{"payload":"e30=","payloadType":"t","signatures":[{"sig":"AA=="}]}"#;
        let message = r#""messageSignature":{"messageDigest":{"algorithm":"SHA2_256","digest":"qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo="},"signature":"AA"}"#;
        let bundle = |kind: &str, content: &str| {
            format!(r#"{{"mediaType":"{kind}","verificationMaterial":{{"publicKey":{{"hint":"x"}}}},{content}}}"#)
        };
        let version = "a bundle is of a version that is not known";
        let shape = "a bundle is no JSON of that kind";
        let neither = "a bundle holds neither an envelope nor a signature, or both";
        for (text, expected) in [
            (bundle(BUNDLE, envelope), None),
            (bundle("application/vnd.dev.sigstore.bundle+json;version=0.1", envelope), None),
            (bundle(BUNDLE, message), None),
            (bundle(BUNDLE, &envelope.replace("AA==", "-_8")), None),
            (bundle(BUNDLE, &message.replace("\"messageDigest\":{", "\"x\":{")), None),
            (bundle("application/vnd.dev.sigstore.bundle.v0.4+json", envelope), Some(version)),
            (bundle("application/json", envelope), Some(version)),
            (bundle(BUNDLE, &format!("{envelope},{message}")), Some(neither)),
            (bundle(BUNDLE, "\"x\":1"), Some(neither)),
            (bundle(BUNDLE, &format!("{envelope},{envelope}")), Some(shape)),
            (bundle(BUNDLE, &envelope.replace(r#"[{"sig":"AA=="}]"#, "[]")), Some("a bundle has not one signature")),
            (
                bundle(BUNDLE, &envelope.replace(r#"[{"sig":"AA=="}]"#, r#"[{"sig":"AA=="},{"sig":"AA=="}]"#)),
                Some("a bundle has not one signature"),
            ),
            (bundle(BUNDLE, &envelope.replace("AA==", "A!")), Some("a bundle holds no base64")),
            (bundle(BUNDLE, &envelope.replace("\"e30=\"", "1")), Some(shape)),
            (
                bundle(BUNDLE, &message.replace("SHA2_256", "MD5")),
                Some("a bundle has a digest of an algorithm that is not known"),
            ),
            (bundle(BUNDLE, &message.replace("qqqqqqqq", "")), Some("a bundle has a digest that is none")),
            (bundle(BUNDLE, envelope)[1..].to_owned(), Some(shape)),
            (bundle(BUNDLE, envelope) + "}", Some(shape)),
            (String::new(), Some(shape)),
            ("[".repeat(100_000), Some(shape)),
        ] {
            let read = Bundle::parse(text.as_bytes()).map(drop);
            assert_eq!(
                read,
                expected.map_or(Ok(()), |why| Err(Unverified::Unreadable(why))),
                "{}",
                &text[..text.len().min(300)]
            );
        }
    }
}
