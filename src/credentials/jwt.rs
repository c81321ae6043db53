//! JSON Web Tokens: RS256 by our own key (RFC 7515, 7519), and the end of somebody else's.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

/// Signs claims with a private key in PEM form (PKCS #8 or PKCS #1); the header names the key where it has an id.
///
/// # Errors
/// The key cannot be used; the reason holds nothing of it.
pub(crate) fn sign(claims: &Value, key_id: Option<&str>, pem: &str) -> Result<String, &'static str> {
    let key = key(pem)?;
    let header = match key_id {
        Some(id) => json!({"alg": "RS256", "typ": "JWT", "kid": id}),
        None => json!({"alg": "RS256", "typ": "JWT"}),
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    let signed = key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature);
    signed.map_err(|_| "its private key cannot sign")?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Gives when a token says that it ends. Nothing is verified: it is only about when to ask again.
pub(crate) fn end(token: &str) -> Option<Timestamp> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}

/// Tells whether a text is a private key that can sign.
///
/// # Errors
/// The rule that it breaks; the reason holds nothing of it.
pub(crate) fn check(pem: &str) -> Result<(), &'static str> {
    key(pem).map(drop)
}

fn key(pem: &str) -> Result<RsaKeyPair, &'static str> {
    let bad = "its private key is no RSA key of 2048 to 8192 bits in PEM form";
    let inner = |label: &str| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
    };
    let read = match (inner("PRIVATE KEY"), inner("RSA PRIVATE KEY")) {
        (Some(der), _) => RsaKeyPair::from_pkcs8(&der),
        (None, Some(der)) => RsaKeyPair::from_der(&der),
        (None, None) => return Err(bad),
    };
    read.map_err(|_| bad)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_and_nothing_else_is_one() {
        let token = |claims: &str| format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(end(&token(r#"{"exp":1767225600}"#)), Timestamp::from_second(1_767_225_600).ok());
        for bad in [token("{}"), token("<html>"), token(r#"{"exp":"soon"}"#), "e30.e30".to_owned(), String::new()] {
            assert_eq!(end(&bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        for pem in ["", "hunter2", "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----"] {
            let error = sign(&json!({}), Some("1"), pem).unwrap_err();
            assert!(error.starts_with("its private key is no RSA key"), "{error}");
        }
    }
}
