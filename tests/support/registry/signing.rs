//! Signatures as cosign stores them, made with keys of our own, and the lists that name them.
//!
//! Written from cosign's `SIGNATURE_SPEC.md` and `BUNDLE_SPEC.md`, sigstore's bundle in JSON, and DSSE's `PAE`; nothing of
//! the code under test is used.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

use super::{FakeRegistry, OCI_INDEX, OCI_MANIFEST, Part, digest};

pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
pub const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// A key for tests: ring makes none of this kind.
const RSA: &str = include_str!("../../data/cosign/rsa.key");

/// Whoever signs.
pub enum Signer {
    Ecdsa { key: EcdsaKeyPair, is_p384: bool },
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    /// A new key of the kind that `cosign generate-key-pair` makes.
    pub fn p256() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &random).unwrap();
        Self::Ecdsa { key, is_p384: false }
    }

    /// A new key.
    pub fn p384() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, made.as_ref(), &random).unwrap();
        Self::Ecdsa { key, is_p384: true }
    }

    /// A new key.
    pub fn ed25519() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap())
    }

    /// The one key of this kind.
    pub fn rsa() -> Self {
        let base64: String = RSA.lines().filter(|line| !line.starts_with("-----")).collect();
        Self::Rsa(RsaKeyPair::from_pkcs8(&STANDARD.decode(base64).unwrap()).unwrap())
    }

    /// The public key as `cosign.pub` has it.
    pub fn pem(&self) -> String {
        // The beginning of a `SubjectPublicKeyInfo` of each kind, up to the key itself.
        let (start, key) = match self {
            Self::Ecdsa { key, is_p384: false } => {
                ("3059301306072a8648ce3d020106082a8648ce3d030107034200", key.public_key().as_ref())
            }
            Self::Ecdsa { key, is_p384: true } => {
                ("3076301006072a8648ce3d020106052b81040022036200", key.public_key().as_ref())
            }
            Self::Ed25519(key) => ("302a300506032b6570032100", key.public_key().as_ref()),
            Self::Rsa(key) => ("30820122300d06092a864886f70d01010105000382010f00", key.public_key().as_ref()),
        };
        let der = [&hex::decode(start).unwrap(), key].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ecdsa { key, .. } => key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// What `cosign sign` stores up to version 2, for a digest.
    pub fn classic(&self, digest: &str) -> Stored {
        let payload = payload(digest, "registry.example/any/name");
        let signature = STANDARD.encode(self.sign(payload.as_bytes()));
        Stored::layers(&[(SIMPLE_SIGNING, payload.as_bytes(), json!({SIGNATURE: signature}))])
    }

    /// What `cosign sign` stores since version 3, for a digest.
    pub fn referrer(&self, digest: &str) -> Stored {
        Stored::bundle(&self.envelope(&statement(SIGNED, digest)), digest)
    }

    /// A bundle with an envelope around a statement.
    pub fn envelope(&self, statement: &str) -> Value {
        let encoded = format!("DSSEv1 {} {IN_TOTO} {} {statement}", IN_TOTO.len(), statement.len());
        bundle(json!({"dsseEnvelope": {
            "payload": STANDARD.encode(statement), "payloadType": IN_TOTO,
            "signatures": [{"sig": STANDARD.encode(self.sign(encoded.as_bytes()))}],
        }}))
    }

    /// A bundle with a signature of the content itself.
    pub fn message(&self, content: &[u8]) -> Value {
        let hash = hex::decode(&digest(content)[7..]).unwrap();
        bundle(json!({"messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(hash)},
            "signature": STANDARD.encode(self.sign(content)),
        }}))
    }
}

/// A bundle by a public key, with this content.
pub fn bundle(content: Value) -> Value {
    let mut bundle = json!({
        "mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": "any"}, "tlogEntries": []},
    });
    bundle.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
    bundle
}

/// What is signed up to version 2 of cosign.
pub fn payload(digest: &str, reference: &str) -> String {
    json!({
        "critical": {
            "identity": {"docker-reference": reference}, "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string()
}

/// A statement of in-toto with this predicate, of a digest.
pub fn statement(predicate: &str, digest: &str) -> String {
    let (algorithm, hex) = digest.split_once(':').unwrap();
    json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {algorithm: hex}}],
        "predicateType": predicate, "predicate": {},
    })
    .to_string()
}

/// A manifest with the blobs that it names.
#[derive(Clone)]
pub struct Stored {
    pub manifest: Value,
    pub blobs: Vec<Vec<u8>>,
}

impl Stored {
    /// Layers: media type, content, annotations.
    pub fn layers(layers: &[(&str, &[u8], Value)]) -> Self {
        let layer = |(kind, content, annotations): &(&str, &[u8], Value)| json!({"mediaType": kind, "digest": digest(content), "size": content.len(), "annotations": annotations});
        let config = b"{}".to_vec();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(&config), "size": 2},
            "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        });
        let blobs = layers.iter().map(|(_, content, _)| content.to_vec()).chain([config]).collect();
        Self { manifest, blobs }
    }

    /// A bundle that refers to a digest.
    pub fn bundle(bundle: &Value, subject: &str) -> Self {
        let mut stored = Self::layers(&[(BUNDLE, bundle.to_string().as_bytes(), json!({}))]);
        stored.manifest["artifactType"] = BUNDLE.into();
        stored.manifest["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": subject, "size": 1});
        stored
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.manifest.to_string().into_bytes()
    }

    pub fn digest(&self) -> String {
        digest(&self.bytes())
    }

    /// What a list of referrers says of it.
    pub fn descriptor(&self) -> Value {
        let mut entry = json!({"mediaType": OCI_MANIFEST, "digest": self.digest(), "size": self.bytes().len()});
        for name in ["artifactType", "annotations"] {
            if let Some(value) = self.manifest.get(name) {
                entry[name] = value.clone();
            }
        }
        entry
    }
}

/// A list of referrers as clients store it under a tag.
pub fn index(entries: &[Value]) -> Vec<u8> {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string().into_bytes()
}

/// The tag of what belongs to a digest: with `.sig` that of cosign, with nothing that of the referrers tag schema.
pub fn tag_of(digest: &str, suffix: &str) -> String {
    format!("{}{suffix}", digest.replace(':', "-"))
}

impl FakeRegistry {
    /// Keeps a manifest and its blobs, without a tag.
    pub fn store(&self, repository: &str, stored: &Stored) {
        let mut world = self.world();
        let parts = &mut world.repositories.entry(repository.to_owned()).or_default().parts;
        let blobs = stored.blobs.iter().map(|body| ("application/octet-stream", body.clone()));
        for (kind, body) in blobs.chain([(OCI_MANIFEST, stored.bytes())]) {
            parts.insert(digest(&body), Part { kind: kind.to_owned(), body });
        }
    }

    /// Keeps it under a tag too.
    pub fn store_as(&self, repository: &str, tag: &str, stored: &Stored) {
        self.store(repository, stored);
        self.tag_bytes(repository, tag, OCI_MANIFEST, &stored.bytes());
    }

    /// Has a tag name these bytes.
    pub fn tag_bytes(&self, repository: &str, tag: &str, kind: &str, bytes: &[u8]) {
        let mut world = self.world();
        let repository = world.repositories.entry(repository.to_owned()).or_default();
        repository.tags.insert(tag.to_owned());
        repository.images.insert(tag.to_owned(), digest(bytes));
        repository.parts.insert(digest(bytes), Part { kind: kind.to_owned(), body: bytes.to_vec() });
    }

    /// Keeps it as a referrer of a digest.
    pub fn refer(&self, repository: &str, subject: &str, stored: &Stored) {
        self.store(repository, stored);
        self.list_referrer(repository, subject, stored.descriptor());
    }

    /// Adds an entry to the referrers of a digest, whatever it names.
    pub fn list_referrer(&self, repository: &str, subject: &str, entry: Value) {
        let mut world = self.world();
        let repository = world.repositories.entry(repository.to_owned()).or_default();
        repository.referrers.entry(subject.to_owned()).or_default().push(entry);
    }

    /// The manifest or blob with a digest.
    pub fn bytes_of(&self, repository: &str, digest: &str) -> Vec<u8> {
        self.world().repositories[repository].parts[digest].body.clone()
    }
}
