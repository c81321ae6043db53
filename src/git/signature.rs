//! Signatures of commits, as `git verify-commit` reads them: those of SSH here, those of OpenPGP in `openpgp.rs`.
//!
//! The key is read once and signs any number of commits. RSA signs with SHA-512 through ring, all others through the key
//! itself. Hardware keys and agents are not carried out. Spec: OpenSSH's PROTOCOL.sshsig, namespace `git`.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::ssh_key::{LineEnding, Signature, SshSig};
use russh::keys::{Algorithm, HashAlg, PrivateKey};

use crate::git::openpgp::OpenPgpKey;
use crate::git::ssh_login::RingRsa;
use crate::secret::Secret;

const NAMESPACE: &str = "git";

/// Signs commits with one private key. Equal if the keys are.
#[derive(Clone)]
pub struct Signer(Kind);

#[derive(Clone)]
enum Kind {
    Ssh(Arc<SshKey>),
    OpenPgp(Arc<OpenPgpKey>),
}

struct SshKey {
    key: PrivateKey,
    rsa: Option<RingRsa>,
}

impl Signer {
    /// Reads a private key of SSH, opens it with its passphrase, and tries it.
    ///
    /// # Errors
    /// Why it cannot sign, without a word of the key.
    pub fn new(key: &Secret, passphrase: Option<&Secret>) -> Result<Self, String> {
        Self(Kind::Ssh(Arc::new(SshKey::new(key, passphrase)?))).tried()
    }

    /// Reads an armoured private key of OpenPGP, opens it with its passphrase, and tries it.
    ///
    /// # Errors
    /// As [`Signer::new`].
    pub fn open_pgp(key: &Secret, passphrase: Option<&Secret>) -> Result<Self, String> {
        Self(Kind::OpenPgp(Arc::new(OpenPgpKey::new(key, passphrase)?))).tried()
    }

    fn tried(self) -> Result<Self, String> {
        self.sign(b"tried at the start", Timestamp::UNIX_EPOCH).map(|_| self)
    }

    /// Gives the public key's fingerprint, as `ssh-keygen -l` and `gpg` show it.
    pub fn fingerprint(&self) -> String {
        match &self.0 {
            Kind::Ssh(ssh) => ssh.key.fingerprint(HashAlg::Sha256).to_string(),
            Kind::OpenPgp(key) => key.fingerprint(),
        }
    }

    /// Signs the bytes of a commit; gives the armoured signature, without a line end behind it. The time is what an
    /// OpenPGP signature says of itself.
    ///
    /// # Errors
    /// Why the key cannot sign.
    pub fn sign(&self, content: &[u8], time: Timestamp) -> Result<String, String> {
        match &self.0 {
            Kind::Ssh(ssh) => ssh.sign(content),
            Kind::OpenPgp(key) => key.sign(content, time),
        }
    }
}

impl SshKey {
    fn new(key: &Secret, passphrase: Option<&Secret>) -> Result<Self, String> {
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
            KeypairData::Rsa(pair) => Some(RingRsa::new(pair).map_err(|error| error.to_string())?),
            _ => None,
        };
        Ok(Self { key, rsa })
    }

    fn sign(&self, content: &[u8]) -> Result<String, String> {
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
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for Signer {}
