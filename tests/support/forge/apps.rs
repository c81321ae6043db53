//! GitHub Apps: who signs with the key of an App gets a token for each organisation that installed it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::Value;

/// The Apps of a forge by id.
#[derive(Default)]
pub struct Apps {
    pub apps: BTreeMap<String, App>,
    /// Seconds that a token lives.
    pub life: Option<i64>,
}

pub struct App {
    pub slug: String,
    pub public_key: Vec<u8>,
    /// Owners that installed it, with the id of the installation.
    pub installations: BTreeMap<String, u64>,
}

impl Apps {
    /// The App that signed a token (<https://docs.github.com/apps>, "Generating a JSON Web Token"), or why it is refused.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<String, &'static str> {
        let malformed = "A JSON web token could not be decoded";
        let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { return Err(malformed) };
        let decode = |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
        let (Some(head), Some(said)) = (decode(header), decode(claims)) else { return Err(malformed) };
        if head["alg"] != "RS256" {
            return Err(malformed);
        }
        // The id may be sent as a number or as a text.
        let issuer = said["iss"].as_str().map_or_else(|| said["iss"].to_string(), str::to_owned);
        let app = self.apps.get(&issuer).ok_or("Integration not found")?;
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &app.public_key);
        key.verify(signed.as_bytes(), &signature).map_err(|_| malformed)?;
        let (Some(issued), Some(expires)) = (said["iat"].as_i64(), said["exp"].as_i64()) else {
            return Err(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            );
        };
        let now = now.as_second();
        if expires <= now {
            return Err("'Expiration time' claim ('exp') is too far in the past");
        }
        if expires > now + 600 {
            return Err("'Expiration time' claim ('exp') is too far in the future");
        }
        if issued > now {
            return Err("'Issued at' claim ('iat') must be in the past");
        }
        Ok(issuer)
    }
}

/// The public half of a private key in PEM, as GitHub hands it out (PKCS #1) or turned into PKCS #8.
pub fn public_key(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let der = STANDARD.decode(body).expect("PEM");
    let pair =
        if pem.contains("BEGIN RSA PRIVATE KEY") { RsaKeyPair::from_der(&der) } else { RsaKeyPair::from_pkcs8(&der) };
    pair.expect("an RSA key").public_key().as_ref().to_vec()
}
