//! Proving to an ssh server who asks: a private key, or the keys of an agent.
//!
//! RSA keys sign with SHA-2 through ring: SHA-1 is never used, and no RSA code with a timing side channel sees a
//! private key. Spec: RFC 4252, RFC 8332.

use std::path::Path;
use std::sync::Arc;

use num_bigint::BigUint;
use russh::client::{AuthResult, Handle};
use russh::keys::agent::{AgentIdentity, client::AgentClient};
use russh::keys::ssh_key::Mpint;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg};

use crate::credentials::Credentials;
use crate::git::ssh::{Guard, SshError};
use crate::secret::Secret;

/// Keys of an agent that are tried; servers end a connection after a few.
const MAX_AGENT_KEYS: usize = 5;

/// Tells whether a private key is encrypted, without opening it: that costs time by design.
///
/// # Errors
/// Why it cannot be read.
pub fn is_encrypted_key(key: &Secret) -> Result<bool, String> {
    match russh::keys::decode_secret_key(key.expose(), None) {
        Ok(_) => Ok(false),
        Err(russh::keys::Error::KeyIsEncrypted) => Ok(true),
        Err(error) => Err(error.to_string()),
    }
}

/// What proves who asks, read and ready before anything is sent.
pub(in crate::git) enum Proof {
    Key(Arc<PrivateKey>),
    Agent(std::path::PathBuf),
}

impl Proof {
    /// Reads the key, if there is one.
    pub(in crate::git) fn new(credentials: &Credentials) -> Result<Self, SshError> {
        match credentials {
            Credentials::SshKey { key, passphrase } => {
                let phrase = passphrase.as_ref().map(|secret| secret.expose());
                let key = russh::keys::decode_secret_key(key.expose(), phrase)
                    .map_err(|error| SshError::Refused(format!("the private key cannot be used: {error}")))?;
                Ok(Self::Key(Arc::new(key)))
            }
            Credentials::SshAgent { socket } => Ok(Self::Agent(socket.clone())),
            Credentials::Anonymous
            | Credentials::Basic { .. }
            | Credentials::Token(_)
            | Credentials::IdentityToken(_) => {
                Err(SshError::Refused("it wants a key, and none are configured".to_owned()))
            }
        }
    }

    /// Logs in.
    pub(in crate::git) async fn present(&self, session: &mut Handle<Guard>, user: &str) -> Result<(), SshError> {
        match self {
            Self::Key(key) => {
                let shown = key.fingerprint(HashAlg::Sha256).to_string();
                let result = match key.key_data() {
                    KeypairData::Rsa(pair) => {
                        let hash = rsa_hash(session).await?;
                        let mut signer = RingRsa::new(pair)?;
                        session.authenticate_publickey_with(user, key.public_key().clone(), hash, &mut signer).await?
                    }
                    _ => {
                        let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
                        session.authenticate_publickey(user, key).await?
                    }
                };
                accepted(&result, user, &[shown])
            }
            Self::Agent(socket) => by_agent(session, user, socket).await,
        }
    }
}

async fn by_agent(session: &mut Handle<Guard>, user: &str, socket: &Path) -> Result<(), SshError> {
    let failed = |error: &dyn std::fmt::Display| SshError::Refused(format!("the ssh agent cannot be asked: {error}"));
    let mut agent = AgentClient::connect_uds(socket).await.map_err(|error| failed(&error))?;
    let identities = agent.request_identities().await.map_err(|error| failed(&error))?;
    let mut tried = Vec::new();
    for identity in identities.into_iter().take(MAX_AGENT_KEYS) {
        let AgentIdentity::PublicKey { key, .. } = identity else { continue };
        tried.push(key.fingerprint(HashAlg::Sha256).to_string());
        let hash = match key.algorithm() {
            Algorithm::Rsa { .. } => rsa_hash(session).await?,
            _ => None,
        };
        // A key that the agent does not sign with must not hide the next one.
        if let Ok(result) = session.authenticate_publickey_with(user, key, hash, &mut agent).await
            && result.success()
        {
            return Ok(());
        }
        if session.is_closed() {
            break;
        }
    }
    Err(refused(user, &tried))
}

async fn rsa_hash(session: &Handle<Guard>) -> Result<Option<HashAlg>, SshError> {
    let best = session.best_supported_rsa_hash().await?;
    Ok(best.flatten().or(Some(HashAlg::Sha512)))
}

fn accepted(result: &AuthResult, user: &str, tried: &[String]) -> Result<(), SshError> {
    if result.success() { Ok(()) } else { Err(refused(user, tried)) }
}

fn refused(user: &str, tried: &[String]) -> SshError {
    let keys =
        if tried.is_empty() { "the agent has no keys".to_owned() } else { format!("tried {}", tried.join(", ")) };
    SshError::Refused(format!("the key of `{user}` is not accepted ({keys})"))
}

/// Signs with an RSA key.
pub(in crate::git) struct RingRsa(ring::rsa::KeyPair);

impl RingRsa {
    pub(in crate::git) fn new(pair: &RsaKeypair) -> Result<Self, SshError> {
        let bytes = |number: &Mpint| number.as_positive_bytes().unwrap_or_default().to_vec();
        let private = pair.private();
        let public = (bytes(pair.public().n()), bytes(pair.public().e()));
        let primes = (bytes(private.p()), bytes(private.q()));
        Self::from_parts(public, bytes(private.d()), primes, bytes(private.iqmp()))
    }

    /// Takes n and e, d, p and q, and the inverse of q modulo p.
    pub(in crate::git) fn from_parts(
        (n, e): (Vec<u8>, Vec<u8>),
        d: Vec<u8>,
        (p, q): (Vec<u8>, Vec<u8>),
        inverse: Vec<u8>,
    ) -> Result<Self, SshError> {
        let refuse = |reason: String| SshError::Refused(format!("the RSA key cannot be used: {reason}"));
        // OpenSSH's format and OpenPGP's leave out what follows from the others: d mod (p-1) and d mod (q-1).
        let reduced = |prime: &[u8]| {
            let prime = BigUint::from_bytes_be(prime);
            (prime > BigUint::from(1_u8)).then(|| (BigUint::from_bytes_be(&d) % (prime - 1_u8)).to_bytes_be())
        };
        let (Some(d_p), Some(d_q)) = (reduced(&p), reduced(&q)) else {
            return Err(refuse("its numbers are no primes".to_owned()));
        };
        let public_key = ring::rsa::PublicKeyComponents { n, e };
        let components = ring::rsa::KeyPairComponents { public_key, dP: d_p, dQ: d_q, qInv: inverse, d, p, q };
        ring::rsa::KeyPair::from_components(&components).map(Self).map_err(|error| refuse(error.to_string()))
    }

    pub(in crate::git) fn sign(
        &self,
        padding: &'static dyn ring::signature::RsaEncoding,
        data: &[u8],
    ) -> Result<Vec<u8>, SshError> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(padding, &ring::rand::SystemRandom::new(), data, &mut signature)
            .map_err(|_| SshError::Refused("the RSA key cannot sign".to_owned()))?;
        Ok(signature)
    }
}

impl russh::Signer for RingRsa {
    type Error = SshError;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, SshError> {
        let (name, padding): (&[u8], &'static dyn ring::signature::RsaEncoding) = match hash {
            Some(HashAlg::Sha256) => (b"rsa-sha2-256", &ring::signature::RSA_PKCS1_SHA256),
            _ => (b"rsa-sha2-512", &ring::signature::RSA_PKCS1_SHA512),
        };
        let signature = self.sign(padding, &data)?;
        // RFC 4252, 7: the signature follows as a string that holds two strings.
        let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
        data.extend(length(name.len() + signature.len() + 8));
        for part in [name, &signature] {
            data.extend(length(part.len()));
            data.extend_from_slice(part);
        }
        Ok(data)
    }
}
