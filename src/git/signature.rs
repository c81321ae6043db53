//! SSH signatures of commits, as `git verify-commit` reads them.
//!
//! The key is read once and signs any number of commits. RSA signs with SHA-512 through ring, all others through the key
//! itself. OpenPGP and hardware keys are not carried out. Spec: OpenSSH's PROTOCOL.sshsig, namespace `git`.

use std::fmt;
use std::sync::Arc;

use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::{LineEnding, Signature, SshSig};
use russh::keys::{Algorithm, HashAlg, PrivateKey};

use crate::git::ssh_login::RingRsa;
use crate::secret::Secret;

const NAMESPACE: &str = "git";

/// Signs commits with one private key. Equal if the keys are.
#[derive(Clone)]
pub struct Signer {
    key: Arc<PrivateKey>,
    rsa: Option<Arc<RingRsa>>,
}

impl Signer {
    /// Reads a private key, opens it with its passphrase, and tries it.
    ///
    /// # Errors
    /// Why it cannot sign, without a word of the key.
    pub fn new(key: &Secret, passphrase: Option<&Secret>) -> Result<Self, String> {
        let phrase = passphrase.map(|secret| secret.expose());
        let key = match russh::keys::decode_secret_key(key.expose(), phrase) {
            Ok(key) => key,
            Err(russh::keys::Error::KeyIsEncrypted) => {
                return Err("the key is encrypted, and there is no passphrase".to_owned());
            }
            Err(error) if phrase.is_some() => {
                return Err(format!("the key cannot be opened with the passphrase: {error}"));
            }
            Err(error) => return Err(format!("the key cannot be read: {error}")),
        };
        let rsa = match key.key_data() {
            KeypairData::Rsa(pair) => Some(Arc::new(RingRsa::new(pair).map_err(|error| error.to_string())?)),
            _ => None,
        };
        let signer = Self { key: Arc::new(key), rsa };
        signer.sign(b"tried at the start")?;
        Ok(signer)
    }

    /// Gives the public key's fingerprint, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Signs the bytes of a commit; gives the armoured signature, without a line end behind it.
    ///
    /// # Errors
    /// Why the key cannot sign.
    pub fn sign(&self, content: &[u8]) -> Result<String, String> {
        let kind = self.key.algorithm();
        let refuse =
            |error: &dyn fmt::Display| format!("a key of the kind {} cannot sign commits: {error}", kind.as_str());
        let signature = match &self.rsa {
            Some(rsa) => {
                let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, content).map_err(|error| refuse(&error))?;
                let raw = rsa.sign(&ring::signature::RSA_PKCS1_SHA512, &data).map_err(|error| refuse(&error))?;
                let algorithm = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
                let public = self.key.public_key().key_data().clone();
                Signature::new(algorithm, raw)
                    .and_then(|signature| SshSig::new(public, NAMESPACE, HashAlg::Sha512, signature))
            }
            None => self.key.sign(NAMESPACE, HashAlg::Sha512, content),
        };
        let armoured =
            signature.and_then(|signature| signature.to_pem(LineEnding::LF)).map_err(|error| refuse(&error))?;
        Ok(armoured.trim_end().to_owned())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.fingerprint())
    }
}

impl PartialEq for Signer {
    fn eq(&self, other: &Self) -> bool {
        self.key.public_key().key_data() == other.key.public_key().key_data()
    }
}

impl Eq for Signer {}
