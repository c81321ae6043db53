//! A GitHub App: what proves that we are it, and the tokens of its installations.
//!
//! An App is installed for each organisation apart; a token of one installation says nothing to another. Tokens are kept
//! until shortly before their end, and asked for once, however many wait for one.
//! Documents: GitHub, "Generating a JSON Web Token (JWT) for a GitHub App", "Generating an installation access token".

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::credentials::jwt;
use crate::forge::json;
use crate::secret::Secret;

/// How far the forge's clock may be behind ours.
const SKEW: i64 = 60;
/// How long a proof lasts from now; with the skew GitHub's ten minutes are not reached.
const LASTS: i64 = 480;
/// How long before its end a token is not used any more: a push that begins with it must end with it.
const RESERVE: Duration = Duration::from_secs(300);
/// The longest that a token is kept, whatever the forge says.
const LONGEST: Duration = Duration::from_secs(3600);

/// An App and its tokens.
#[derive(Debug)]
pub(super) struct App {
    id: String,
    key: Secret,
    slots: Mutex<BTreeMap<String, Slot>>,
}

/// Where a token of one installation is, or will be.
pub(super) type Slot = Arc<OnceCell<Token>>;

/// A token of one installation.
#[derive(Debug)]
pub(super) struct Token {
    /// The token.
    pub(super) secret: Secret,
    /// Until when it is used.
    pub(super) ends: Instant,
}

impl App {
    /// Checks that the key can sign.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(super) fn new(id: String, key: Secret) -> Result<Self, &'static str> {
        if id.is_empty() || !id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-')) {
            return Err("the id of an App is letters, digits and . _ -");
        }
        jwt::check(key.expose())?;
        Ok(Self { id, key, slots: Mutex::default() })
    }

    /// Gives what proves that we are the App.
    ///
    /// # Errors
    /// The key cannot sign.
    pub(super) fn proof(&self, now: Timestamp) -> Result<Secret, &'static str> {
        let now = now.as_second();
        let claims = json!({"iat": now - SKEW, "exp": now + LASTS, "iss": self.id});
        jwt::sign(&claims, None, self.key.expose()).map(Secret::new)
    }

    /// Gives the place of an owner's token; an empty one if there is none yet, or it is about to end.
    pub(super) fn slot(&self, owner: &str, now: Instant) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(owner.to_ascii_lowercase()).or_default();
        if slot.get().is_some_and(|token| token.ends <= now) {
            *slot = Slot::default();
        }
        slot.clone()
    }

    /// Gives up a token that was refused, unless there is a newer one already.
    pub(super) fn forget(&self, owner: &str, refused: &Slot) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get_mut(&owner.to_ascii_lowercase())
            && Arc::ptr_eq(slot, refused)
        {
            *slot = Slot::default();
        }
    }
}

impl Token {
    /// Reads what the forge gives.
    pub(super) fn parse(answer: &Value, now: Timestamp, clock: Instant) -> Option<Self> {
        let secret = json::text(answer, "/token").filter(|token| !token.is_empty())?;
        let left = json::time(answer, "/expires_at")?.as_second() - now.as_second();
        let left = Duration::from_secs(u64::try_from(left).ok().filter(|left| *left > 0)?).min(LONGEST);
        Some(Self { secret: Secret::new(secret), ends: clock + left - RESERVE.min(left / 4) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};

    use super::*;

    const KEY: &str = include_str!("../../tests/data/google/key.pem");
    /// The same key as GitHub gives it.
    const PKCS1: &str = include_str!("../../tests/data/google/key.pkcs1.pem");

    #[test]
    fn a_proof_is_signed_with_the_key_in_either_form_and_lasts_less_than_ten_minutes() {
        let der = STANDARD.decode(KEY.lines().filter(|line| !line.starts_with("-----")).collect::<String>()).unwrap();
        let public = RsaKeyPair::from_pkcs8(&der).unwrap().public_key().as_ref().to_vec();
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert!(PKCS1.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
        for key in [KEY, PKCS1] {
            let app = App::new("Iv1.8a61f9b3a7aba766".to_owned(), Secret::new(key)).unwrap();
            let proof = app.proof(now).unwrap();
            let (text, signature) = proof.expose().rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let verifier = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
            verifier.verify(text.as_bytes(), &signature).unwrap();
            let part =
                |text: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap() };
            let (header, claims) = text.split_once('.').unwrap();
            assert_eq!(part(header), json!({"alg": "RS256", "typ": "JWT"}));
            let at = now.as_second();
            assert_eq!(part(claims), json!({"iat": at - 60, "exp": at + 480, "iss": "Iv1.8a61f9b3a7aba766"}));
        }
    }

    #[test]
    fn what_cannot_be_an_app_is_refused_at_the_start() {
        for (id, key) in [("", KEY), ("1 2", KEY), ("1", "hunter2"), ("1", "")] {
            let error = App::new(id.to_owned(), Secret::new(key)).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_token_is_not_used_to_its_very_end() {
        let (now, clock) = ("2026-01-02T03:00:00Z".parse().unwrap(), Instant::now());
        for (ends, left) in [
            ("2026-01-02T04:00:00Z", Some(3300)),
            ("2026-01-03T04:00:00Z", Some(3300)),
            ("2026-01-02T03:04:00Z", Some(180)),
            ("2026-01-02T03:00:00Z", None),
            ("2026-01-02T02:00:00Z", None),
            ("soon", None),
        ] {
            let token = Token::parse(&json!({"token": "ghs_x", "expires_at": ends}), now, clock);
            assert_eq!(token.map(|token| (token.ends - clock).as_secs()), left, "{ends}");
        }
        assert!(Token::parse(&json!({"token": "", "expires_at": "2026-01-02T04:00:00Z"}), now, clock).is_none());
    }

    #[test]
    fn a_token_about_to_end_is_replaced() {
        let app = App::new("1".to_owned(), Secret::new(KEY)).unwrap();
        let now = Instant::now();
        let first = app.slot("acme", now);
        first.set(Token { secret: Secret::new("ghs_x"), ends: now + RESERVE }).unwrap();
        assert!(Arc::ptr_eq(&first, &app.slot("acme", now)));
        assert!(!Arc::ptr_eq(&first, &app.slot("acme", now + RESERVE)));
    }

    #[test]
    fn a_refused_token_is_given_up_once() {
        let app = App::new("1".to_owned(), Secret::new(KEY)).unwrap();
        let now = Instant::now();
        let first = app.slot("Acme", now);
        assert!(Arc::ptr_eq(&first, &app.slot("acme", now)) && !Arc::ptr_eq(&first, &app.slot("zoo", now)));
        app.forget("acme", &first);
        let second = app.slot("acme", now);
        assert!(!Arc::ptr_eq(&first, &second));
        app.forget("acme", &first);
        assert!(Arc::ptr_eq(&second, &app.slot("acme", now)));
    }
}
