//! Public keys of operators: which kinds there are, and what their signatures are made of.
//!
//! A key is a PEM file with one `PUBLIC KEY` (RFC 7468, RFC 5280 `SubjectPublicKeyInfo`), as `cosign generate-key-pair`
//! and `openssl pkey -pubout` write it. Hashes are those of cosign: SHA-256, for P-384 also SHA-384. Nothing here reads
//! files.

use std::fmt;

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest as _, Sha256};
use spki::SubjectPublicKeyInfoRef;
use spki::der::asn1::UintRef;
use spki::der::{Decode, Reader, SliceReader};

/// Largest modulus of an RSA key, in bits.
const MAX_RSA_BITS: usize = 8192;
/// Smallest one.
const MIN_RSA_BITS: usize = 2048;

/// Kinds by the object identifiers of their algorithm (RFC 5480, RFC 8410, RFC 8017).
const EC: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const EDWARDS25519: &str = "1.3.101.112";
const RSA: &str = "1.2.840.113549.1.1.1";

/// A public key that can verify.
#[derive(Clone, Eq, PartialEq)]
pub struct PublicKey {
    kind: Kind,
    /// The key itself, as its algorithm has it.
    bytes: Vec<u8>,
    fingerprint: Fingerprint,
}

/// What tells one key from every other: SHA-256 of its `SubjectPublicKeyInfo`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Fingerprint([u8; 32]);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    EcdsaP256,
    EcdsaP384,
    Ed25519,
    Rsa,
}

/// Why a file is no key that can verify. No message holds what the file holds.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// It is no PEM, or its PEM cannot be read.
    #[error("it is no public key in PEM form")]
    NotPem,
    /// It is a private key.
    #[error("it is a private key, and signatures are verified with the public one")]
    Private,
    /// It is PEM of something else.
    #[error("it holds no `PUBLIC KEY` but another kind of PEM")]
    OtherPem,
    /// There are several.
    #[error("it holds {0} keys, and each file holds one")]
    Several(usize),
    /// Its bytes are no key.
    #[error("its bytes are no public key (SubjectPublicKeyInfo)")]
    NotAKey,
    /// Its algorithm or curve is not known.
    #[error("its algorithm is not known: ECDSA on P-256 or P-384, Ed25519 and RSA are")]
    Algorithm,
    /// An RSA key of this many bits.
    #[error("it is an RSA key of {0} bits, and {MIN_RSA_BITS} to {MAX_RSA_BITS} are allowed")]
    RsaBits(usize),
}

impl PublicKey {
    /// Reads the one public key of a PEM file.
    ///
    /// # Errors
    /// The rule that the file breaks.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(pem).map_err(|_| KeyError::NotPem)?;
        let labels: Vec<&str> = text.lines().filter_map(label).collect();
        if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
            return Err(KeyError::Private);
        }
        match labels.as_slice() {
            [] => return Err(KeyError::NotPem),
            ["PUBLIC KEY"] => {}
            [_] => return Err(KeyError::OtherPem),
            several => return Err(KeyError::Several(several.len())),
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| KeyError::NotPem)?;
        Self::from_der(&der)
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::NotAKey)?;
        let bytes = info.subject_public_key.as_bytes().ok_or(KeyError::NotAKey)?;
        let curve = || info.algorithm.parameters_oid().map(|oid| oid.to_string()).map_err(|_| KeyError::Algorithm);
        // RFC 5480, section 2.2: an uncompressed point begins with 4.
        let is_point = |length: usize| bytes.len() == 2 * length + 1 && bytes.first() == Some(&4);
        let (kind, is_whole) = match info.algorithm.oid.to_string().as_str() {
            EC => match curve()?.as_str() {
                P256 => (Kind::EcdsaP256, is_point(32)),
                P384 => (Kind::EcdsaP384, is_point(48)),
                _ => return Err(KeyError::Algorithm),
            },
            EDWARDS25519 => (Kind::Ed25519, bytes.len() == 32),
            RSA => {
                let bits = modulus_bits(bytes).ok_or(KeyError::NotAKey)?;
                if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
                    return Err(KeyError::RsaBits(bits));
                }
                (Kind::Rsa, true)
            }
            _ => return Err(KeyError::Algorithm),
        };
        if !is_whole {
            return Err(KeyError::NotAKey);
        }
        Ok(Self { kind, bytes: bytes.to_vec(), fingerprint: Fingerprint(Sha256::digest(der).into()) })
    }

    /// Gives what tells it from every other key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Tells whether this key signed the message.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithms: &[&'static dyn VerificationAlgorithm] = match self.kind {
            Kind::EcdsaP256 => &[&ECDSA_P256_SHA256_ASN1],
            // cosign signs with SHA-256 by default, and with the hash of the curve in bundles.
            Kind::EcdsaP384 => &[&ECDSA_P384_SHA256_ASN1, &ECDSA_P384_SHA384_ASN1],
            Kind::Ed25519 => &[&ED25519],
            Kind::Rsa => &[&RSA_PKCS1_2048_8192_SHA256],
        };
        let verifies = |algorithm: &&'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(*algorithm, &self.bytes).verify(message, signature).is_ok()
        };
        algorithms.iter().any(verifies)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("kind", &self.kind).field("fingerprint", &self.fingerprint).finish()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn label(line: &str) -> Option<&str> {
    line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----")
}

/// Gives the size of an RSA key (RFC 8017, appendix A.1.1: modulus and exponent).
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(key).ok()?;
    let modulus = reader.sequence(|inner| {
        let modulus = UintRef::decode(inner)?;
        UintRef::decode(inner)?;
        Ok::<_, spki::der::Error>(modulus)
    });
    let bytes = modulus.ok()?.as_bytes();
    reader.finish().ok()?;
    let first = bytes.first()?;
    Some(bytes.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    // Made once with openssl: `openssl pkey -pubout`, and `openssl dgst -sha256 -sign` over `MESSAGE`.
    const MESSAGE: &[u8] = b"repin test message\n";
    const P256_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExlQZV/vQHA7jjp9yZrtKynpgU2voaGaKgS6VhhGtSp36WHXxhydpj52m/sOAfwkY+BTLkdJvzW8/w6/w/CSOlA==";
    const P384_KEY: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAECJQlu5mzofgUrIRh+TwwOi2gDQT8WDYq8rxYeV3YTCN++jFdmZSobmAlOA7OtBaSXQ8SJPDeRssW6c7FDTij3bV8UZ/fbg8jlv5yExyuDdy/XZ/hRyrmIaYmlrjODQOG";
    const ED25519_KEY: &str = "MCowBQYDK2VwAyEAWF2WbX2XqOhb7yKoxmqiDMmkkC7q/TLRIetJnkwykxs=";
    const RSA_KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAget3HpICZANJjR25AG5jL2KfAv1Wscts0MJnWxWMHbyHNWvW7AJJVrfki3Flbuy3wApOVyMNBBq27MJ1BHtWnRn4Ti8SwmAgdGMcybNWjADHvfUpKrb8hJLFK1sUUvd6RSxhGul1lLzL9gw7BMnUKiAKFczqsDXYDeZ3fWHsz8MMKzQdGUQwzxEEm1TCFngn7/3YCn3yzxxhs7ySgYSPC5D0s81G3QuRBlXE3oHFbdKeog+P4WuED52Yu77X1KBGZLLtb/SGyuwcMlV/VoxkIckGgAouaGjI2l6USlHQ4MJtNyB8hpMMVr4WRQRsNbbenMDIJgAowTpmJRfPgCiRvwIDAQAB";
    const P521_KEY: &str = "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQBibpvDtn2PQ6UwR/luUnsdhRCwPB1/I17pVDqrex6+gOgY5Io7Jds+EQku4p/HxglE34f8StwoKYwgn0zMmdo79gBpO7oGO9/NKFtnR5bbdxOG2VskgFU+q6nZakNw7P9Ie49Qt2SZEkePmNbloTPe7QSp3f84dcnWFZI14UepeFX0Uo=";
    const SECP256K1_KEY: &str = "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEJ5OZgBN2Bpu55yiRSGyPJkhEILMoiDHltfMOUj5lc4h7wWLVagpJpXt+2CGv0+Dzad5mTe2AW4/nBfjUhAkvBg==";
    const X25519_KEY: &str = "MCowBQYDK2VuAyEA3zazd/gZ/w4bDp2/PxDtGe4Up4/t47E5MBXCt0j4lQQ=";
    const COMPRESSED_KEY: &str = "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACxlQZV/vQHA7jjp9yZrtKynpgU2voaGaKgS6VhhGtSp0=";
    const RSA_1024_KEY: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC8UWMvRBhWK0KzlU6m4O9KvVHVSs35jGHveMBy+qW/PgHH9Yb6cbKjYCyfO6j45IGH2AQOkkF9JR1f1odcYYxhkBWzq4PoZdInaGtrGnznwqDCH3Ltq9a5kFWRkUtpunk/yRlxYrTscOW6F8zSECw+mqAirN2MCcLYbMvavHM76wIDAQAB";
    const P256_SIGNATURE: &str =
        "MEQCIAp9dBdS98+/g8dg/rWKF2O6yVlqJ5lVPnzySm1joI4EAiAcODCLEXd80bZ6fABmXlZuQHSQj7UnjFDHu6k0El200w==";
    const P384_SHA256_SIGNATURE: &str = "MGUCMQCFhOgwvA1HPHnob1KXr/Cic2WpcFqMGyIS1tDNAZuecmieiJzBkj9WW85tGrZg5RICMBPo323kNEKoKNTQPSvmIbMuz5YRoiH2U7b19219Zrq5lg+2dMeuXHOMveKh4mbZGA==";
    const P384_SHA384_SIGNATURE: &str = "MGYCMQCXhTWXFyXftzJ4vXBxH38h+nwljNAHmOZMWUTtRexEiWC38pQUUHZBMm/8EFddtgsCMQCGi9mZsaUi9FrpADjT4G3oWXOH+b2r1rs4tqk9plvyG5HDwS6F7qbqAYD3Spj+CTo=";
    const ED25519_SIGNATURE: &str =
        "ZrM4lrG/MOr5aPFufUIQEM+2WPPZVI8ZGETMm7a1QAXSoM/IpLPkndSu377YfWet1fdZHOglj8Qz/Br3yUbdCg==";
    const RSA_SIGNATURE: &str = "a8aann0xtQhjLlf4tMMC+hs54Vy4+3zkahJav1bWYwK3mZBnMBnMU3s4Zg7r6srALxbPVycSAWB1TPI7SEvWpgA1TTOBmUb11sfI46WLtSySwoUg53LTHklWUuqSeGhZPj6Yuip2wHMmM9esRNqahxJUO0nMmLPfl+42epFVutxgheYhfU8EvHcFYy4WPOJZVaIXD2Ut7LLuxo9tynAjkBRZr8SR0y9sepxBIE8DmItEUmG02h9GevKCYqPqsdyuQBZRs3d8ShdH7n9mzp6yyHUp7c42/LmjfncLVOFoosI0LAJI76TCglZAvPt8Vuu1Ft8G6Wybb1OimmlQIEXYzA==";

    fn pem(base64: &str) -> String {
        format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
    }

    fn key(base64: &str) -> PublicKey {
        PublicKey::from_pem(pem(base64).as_bytes()).unwrap()
    }

    #[test]
    fn every_kind_of_key_verifies_what_openssl_signed_with_it_and_nothing_else() {
        let keys = [P256_KEY, P384_KEY, ED25519_KEY, RSA_KEY].map(key);
        for (signer, signature) in [
            (0, P256_SIGNATURE),
            (1, P384_SHA256_SIGNATURE),
            (1, P384_SHA384_SIGNATURE),
            (2, ED25519_SIGNATURE),
            (3, RSA_SIGNATURE),
        ] {
            let signature = STANDARD.decode(signature).unwrap();
            for (at, key) in keys.iter().enumerate() {
                assert_eq!(key.has_signed(MESSAGE, &signature), at == signer, "{key:?}");
                assert!(!key.has_signed(b"repin test message", &signature), "{key:?}");
                let mut other = signature.clone();
                other[10] ^= 1;
                assert!(!key.has_signed(MESSAGE, &other), "{key:?}");
            }
        }
        assert!(keys.iter().all(|key| !key.has_signed(MESSAGE, &[])));
    }

    #[test]
    fn what_is_no_public_key_of_a_known_kind_is_refused_with_the_rule() {
        let private = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let (good, two) = (pem(P256_KEY), pem(P256_KEY) + &pem(ED25519_KEY));
        for (text, expected) in [
            (good.clone(), None),
            (format!("a comment\n\n{}", good.replace('\n', "\r\n")), None),
            (String::new(), Some(KeyError::NotPem)),
            ("ssh-ed25519 AAAA".to_owned(), Some(KeyError::NotPem)),
            (good.replace("-----END PUBLIC KEY-----", ""), Some(KeyError::NotPem)),
            (pem("!!!!"), Some(KeyError::NotPem)),
            (private("PRIVATE KEY"), Some(KeyError::Private)),
            (private("EC PRIVATE KEY"), Some(KeyError::Private)),
            (private("ENCRYPTED SIGSTORE PRIVATE KEY"), Some(KeyError::Private)),
            (good.clone() + &private("PRIVATE KEY"), Some(KeyError::Private)),
            (private("CERTIFICATE"), Some(KeyError::OtherPem)),
            (private("RSA PUBLIC KEY"), Some(KeyError::OtherPem)),
            (two, Some(KeyError::Several(2))),
            (pem("AAAA"), Some(KeyError::NotAKey)),
            (pem(COMPRESSED_KEY), Some(KeyError::NotAKey)),
            (pem(&P256_KEY[..P256_KEY.len() - 4]), Some(KeyError::NotAKey)),
            (pem(P521_KEY), Some(KeyError::Algorithm)),
            (pem(SECP256K1_KEY), Some(KeyError::Algorithm)),
            (pem(X25519_KEY), Some(KeyError::Algorithm)),
            (pem(RSA_1024_KEY), Some(KeyError::RsaBits(1024))),
        ] {
            assert_eq!(PublicKey::from_pem(text.as_bytes()).err(), expected, "{text}");
        }
        assert_eq!(PublicKey::from_pem(b"\xff").err(), Some(KeyError::NotPem));
    }

    #[test]
    fn a_fingerprint_tells_keys_apart_and_is_the_hint_of_cosign() {
        // openssl pkey -pubin -in p256.pub -outform DER | sha256sum
        let expected = "105c7f246eb391ce3d492169f8d843556fbafdfc9a72efad32f7bf874dd7924e";
        assert_eq!(key(P256_KEY).fingerprint().to_string(), expected);
        assert_ne!(key(P256_KEY).fingerprint(), key(P384_KEY).fingerprint());
    }
}
