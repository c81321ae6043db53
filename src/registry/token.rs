//! Anonymous tokens of registries that hand one to everybody (the Bearer flow of Docker's token specification).
//!
//! No credentials take part in it. Tokens are kept per repository until shortly before they end, and asked for once,
//! however many requests wait for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// A token and when to stop using it.
#[derive(Clone)]
pub(crate) struct Token {
    /// The `Authorization` header, marked as sensitive.
    pub(crate) header: HeaderValue,
    ends: Instant,
}

/// The place of one repository's token: empty while it is asked for.
pub(crate) type Slot = Arc<OnceCell<Token>>;

/// The tokens of one registry by repository.
#[derive(Default)]
pub(crate) struct Tokens {
    slots: Mutex<HashMap<String, Slot>>,
}

impl Tokens {
    /// Gives the place of a token that can be used now.
    pub(crate) fn usable(&self, repository: &str, now: Instant) -> Option<Slot> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.get(repository).filter(|slot| slot.get().is_some_and(|token| now < token.ends)).cloned()
    }

    /// Gives the place to take a new token from, after the registry refused `refused` (or no token at all).
    pub(crate) fn renew(&self, repository: &str, refused: Option<&Slot>, now: Instant) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(repository.to_owned()).or_default();
        let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, slot));
        // An empty place is being filled by another request, a usable one has just been filled: both are shared.
        if is_refused || slot.get().is_some_and(|token| token.ends <= now) {
            *slot = Slot::default();
        }
        slot.clone()
    }
}

impl Token {
    /// Reads the answer of a token service, which came at `now`. `None` if it is none.
    pub(crate) fn parse(body: &[u8], now: Instant) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
            expires_in: Option<u64>,
        }
        let answer: Answer = serde_json::from_slice(body).ok()?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty())?;
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        // The specification's default is 60 s. Ten of them are kept as a margin for the way and for clocks.
        let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(60).clamp(20, 3600) - 10);
        Some(Self { header, ends: now + lifetime })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_token_is_read_in_both_spellings_and_never_breaks_a_header() {
        for (body, expected) in [
            (r#"{"token":"a"}"#, Some("Bearer a")),
            (r#"{"access_token":"b","expires_in":0}"#, Some("Bearer b")),
            (r#"{"token":"a","access_token":"b","expires_in":18446744073709551615}"#, Some("Bearer a")),
            (r#"{"token":"a\r\nHost: evil"}"#, None),
            (r#"{"token":""}"#, None),
            ("{}", None),
            ("<html>", None),
        ] {
            let token = Token::parse(body.as_bytes(), Instant::now());
            assert_eq!(token.as_ref().map(|token| token.header.to_str().unwrap()), expected, "{body}");
            assert!(!token.is_some_and(|token| format!("{:?}", token.header).contains("Bearer")));
        }
    }

    #[test]
    fn a_token_is_used_until_shortly_before_its_end_and_renewed_once() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        assert!(tokens.usable("a", now).is_none());
        let slot = tokens.renew("a", None, now);
        assert!(Arc::ptr_eq(&slot, &tokens.renew("a", None, now)), "one request asks, the others wait");
        slot.set(Token::parse(br#"{"token":"x","expires_in":300}"#, now).unwrap()).ok().unwrap();
        assert!(tokens.usable("a", now + Duration::from_secs(289)).is_some());
        assert!(tokens.usable("b", now).is_none());
        let later = now + Duration::from_secs(290);
        assert!(tokens.usable("a", later).is_none());
        assert!(!Arc::ptr_eq(&slot, &tokens.renew("a", None, later)));
    }

    #[test]
    fn a_refused_token_is_not_given_again() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        let slot = tokens.renew("a", None, now);
        slot.set(Token::parse(br#"{"token":"x"}"#, now).unwrap()).ok().unwrap();
        let renewed = tokens.renew("a", Some(&slot), now);
        assert!(!Arc::ptr_eq(&slot, &renewed));
        assert!(
            Arc::ptr_eq(&renewed, &tokens.renew("a", Some(&slot), now)),
            "the second refusal shares the first's renewal"
        );
    }
}
