//! Cosign's first format: a layer is what was signed ("simple signing"), its annotation the signature.
//!
//! Spec: cosign `SIGNATURE_SPEC.md`. The name of the image in it (`critical.identity.docker-reference`) is not believed,
//! as the specification says: an image that is copied to another name has the same digest, and is the same image.

use serde::Deserialize;

use crate::model::names::Digest;
use crate::model::verification::Unverified;
use crate::registry::signature::key::PublicKey;

/// The media type of a layer that was signed.
pub(super) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of the layer that holds its signature, in base64.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation that holds the certificate of a keyless signature.
pub(super) const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// What such a payload says it is.
const TYPE: &str = "cosign container image signature";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// Holds a payload and its signature against one key.
///
/// # Errors
/// Why it is no signature of this digest by the key.
pub(super) fn check(key: &PublicKey, digest: &Digest, payload: &[u8], signature: &[u8]) -> Result<(), Unverified> {
    if key.has_signed(payload, signature) { is_of(payload, digest) } else { Err(Unverified::OtherKey) }
}

/// Tells whether a payload that somebody signed is of this digest.
fn is_of(payload: &[u8], digest: &Digest) -> Result<(), Unverified> {
    let Payload { critical } = serde_json::from_slice(payload).map_err(|_| Unverified::OtherStatement)?;
    if critical.kind != TYPE {
        return Err(Unverified::OtherStatement);
    }
    if critical.image.docker_manifest_digest == digest.as_str() { Ok(()) } else { Err(Unverified::OtherDigest) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_counts_only_as_a_signature_of_that_digest() {
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let good = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"other.example/x"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{TYPE}"}},"optional":null}}"#
        );
        let image = format!(r#"{{"docker-manifest-digest":"{digest}"}}"#);
        for (text, expected) in [
            (good.clone(), Ok(())),
            // The name is not believed, so it may be anything.
            (good.replace(r#"{"docker-reference":"other.example/x"}"#, "[7]"), Ok(())),
            (good.replace(&"a".repeat(64), &"b".repeat(64)), Err(Unverified::OtherDigest)),
            (good.replace("sha256:", "sha256: "), Err(Unverified::OtherDigest)),
            (good.replace(TYPE, "atomic container signature"), Err(Unverified::OtherStatement)),
            (good.replace(TYPE, "Cosign container image signature"), Err(Unverified::OtherStatement)),
            (good.replace(&format!(",\"type\":\"{TYPE}\""), ""), Err(Unverified::OtherStatement)),
            (good.replace("docker-manifest-digest", "Docker-manifest-digest"), Err(Unverified::OtherStatement)),
            // Readers would not agree on which of two counts.
            (good.replace("\"image\":", &format!("\"image\":{image},\"image\":")), Err(Unverified::OtherStatement)),
            (
                good.replace(
                    "\"docker-manifest-digest\":",
                    "\"docker-manifest-digest\":\"x\",\"docker-manifest-digest\":",
                ),
                Err(Unverified::OtherStatement),
            ),
            (good.replace("\"critical\":", "\"critical\":{},\"critical\":"), Err(Unverified::OtherStatement)),
            (good.clone() + "{}", Err(Unverified::OtherStatement)),
            (good[1..].to_owned(), Err(Unverified::OtherStatement)),
            ("null".to_owned(), Err(Unverified::OtherStatement)),
            ("{\"critical\":".repeat(100_000), Err(Unverified::OtherStatement)),
        ] {
            assert_eq!(is_of(text.as_bytes(), &digest), expected, "{}", &text[..text.len().min(300)]);
        }
    }
}
