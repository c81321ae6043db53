//! Bearer tokens by what a registry grants with them (Docker's token specification, OAuth 2 for identity tokens).
//!
//! What a token is asked for is written in the challenge of a refused request: realm, service and scope. Tokens are kept
//! by that, and by the credentials they were given for, until shortly before they end, and asked for once, however many
//! requests wait for one. From the challenge for one repository that of another one of the same registry can be told, so
//! only the first request of all is refused.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use crate::credentials::Credentials;

/// The longest time that a token is kept, whatever its service says.
const LONGEST: u64 = 24 * 3600;
/// How long before its end a token is not used any more, for the way and for clocks; a quarter of a short life.
const MARGIN: u64 = 10;

/// What a token is asked for. The realm was checked.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Grant {
    pub(crate) realm: Url,
    pub(crate) service: Option<String>,
    pub(crate) scope: String,
}

/// A token and when to stop using it.
#[derive(Clone)]
pub(crate) struct Token {
    /// The `Authorization` header, marked as sensitive.
    pub(crate) header: HeaderValue,
    ends: Instant,
}

/// The place of one token: empty while it is asked for.
pub(crate) type Slot = Arc<OnceCell<Token>>;

/// The tokens of one registry.
#[derive(Default)]
pub(crate) struct Tokens {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_repository: HashMap<String, Arc<Grant>>,
    /// A docker file may have other credentials for each repository, and a registry one scope for all of them (Gitea: `*`).
    slots: HashMap<Arc<Grant>, Vec<(Credentials, Slot)>>,
    /// A grant whose scope names its repository and nothing else.
    pattern: Option<Arc<Grant>>,
}

impl Tokens {
    /// Gives what is to be asked for before a request to this repository; none if the registry wanted no token so far.
    pub(crate) fn grant(&self, repository: &str) -> Option<Arc<Grant>> {
        let state = self.state();
        let known = state.by_repository.get(repository).cloned();
        known.or_else(|| {
            let pattern = state.pattern.as_ref()?;
            Some(Arc::new(Grant { scope: pull_scope(repository), ..Grant::clone(pattern) }))
        })
    }

    /// Remembers what the registry wants for a repository.
    pub(crate) fn learn(&self, repository: &str, grant: Grant) -> Arc<Grant> {
        let mut state = self.state();
        let grant = Arc::new(grant);
        state.pattern = (grant.scope == pull_scope(repository)).then(|| grant.clone());
        state.by_repository.insert(repository.to_owned(), grant.clone());
        grant
    }

    /// Gives the place to take a token from that these credentials get. It is a new one if the last token ended, or is the
    /// one that was refused.
    pub(crate) fn slot(&self, grant: &Arc<Grant>, by: &Credentials, refused: Option<&Slot>, now: Instant) -> Slot {
        let mut state = self.state();
        let slots = state.slots.entry(grant.clone()).or_default();
        // An empty place is being filled by another request, a usable one has just been filled: both are shared.
        slots.retain(|(_, slot)| {
            let is_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, slot));
            !is_refused && slot.get().is_none_or(|token| token.ends > now)
        });
        if let Some((_, slot)) = slots.iter().find(|(known, _)| known == by) {
            return slot.clone();
        }
        let slot = Slot::default();
        slots.push((by.clone(), slot.clone()));
        slot
    }

    /// Forgets all tokens, and keeps what they were asked for: the next ones are asked for with other credentials.
    pub(crate) fn forget(&self) {
        self.state().slots.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The scope to read one repository. The registry itself is asked with a token that is good for nothing else, as
/// `docker login` does.
pub(crate) fn pull_scope(repository: &str) -> String {
    if repository.is_empty() { String::new() } else { format!("repository:{repository}:pull") }
}

impl Token {
    /// Reads the answer of a token service, which came at `now`. `None` if it is none.
    pub(crate) fn parse(body: &[u8], now: Instant) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
            #[serde(default)]
            expires_in: serde_json::Value,
        }
        let answer: Answer = serde_json::from_slice(body).ok()?;
        let given = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty())?;
        let mut header = HeaderValue::from_str(&format!("Bearer {given}")).ok()?;
        header.set_sensitive(true);
        // The specification's default is 60 s, and no token is of use that ends at once. A life that is no such number makes
        // the token no worse; OAuth 2 services write it as a text too.
        let life = answer.expires_in.as_u64().or_else(|| answer.expires_in.as_str()?.parse().ok());
        let life = life.unwrap_or(60).clamp(1, LONGEST);
        let lifetime = Duration::from_millis(life * 1000 - (life * 250).min(MARGIN * 1000));
        Some(Self { header, ends: now + lifetime })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn grant(repository: &str, scope: &str) -> (String, Grant) {
        let realm = "https://auth.example.com/token".parse().unwrap();
        (repository.to_owned(), Grant { realm, service: Some("r".to_owned()), scope: scope.to_owned() })
    }

    const NOBODY: &Credentials = &Credentials::Anonymous;

    fn token(expires_in: u64, now: Instant) -> Token {
        Token::parse(format!(r#"{{"token":"x","expires_in":{expires_in}}}"#).as_bytes(), now).unwrap()
    }

    #[test]
    fn a_token_is_read_in_both_spellings_and_never_breaks_a_header() {
        for (body, expected) in [
            (r#"{"token":"a"}"#, Some("Bearer a")),
            (r#"{"access_token":"b","expires_in":0}"#, Some("Bearer b")),
            (r#"{"token":"","access_token":"b"}"#, Some("Bearer b")),
            (r#"{"token":"a","access_token":"b","expires_in":18446744073709551615}"#, Some("Bearer a")),
            (r#"{"token":"a","expires_in":"3600"}"#, Some("Bearer a")),
            (r#"{"token":"a","expires_in":null}"#, Some("Bearer a")),
            (r#"{"token":"a","expires_in":-5}"#, Some("Bearer a")),
            (r#"{"token":"a","expires_in":300.5}"#, Some("Bearer a")),
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
    fn a_token_is_used_until_shortly_before_its_end() {
        let now = Instant::now();
        for (life, usable_ms) in [(300, 290_000), (60, 50_000), (4, 3_000), (1, 750), (0, 750), (90_000, 86_390_000)] {
            let ends = token(life, now).ends;
            assert_eq!((ends - now).as_millis(), usable_ms, "{life}");
        }
        let text = Token::parse(br#"{"token":"x","expires_in":"300"}"#, now).unwrap();
        assert_eq!((text.ends - now).as_secs(), 290);
    }

    #[test]
    fn a_token_is_asked_for_once_by_scope_and_renewed_when_it_ends_or_is_refused() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        let (web, wanted) = grant("web", "repository:web:pull");
        let grant_of_web = tokens.learn(&web, wanted);
        let slot = tokens.slot(&grant_of_web, NOBODY, None, now);
        assert!(
            Arc::ptr_eq(&slot, &tokens.slot(&grant_of_web, NOBODY, None, now)),
            "one request asks, the others wait"
        );
        slot.set(token(300, now)).ok().unwrap();
        assert!(Arc::ptr_eq(&slot, &tokens.slot(&grant_of_web, NOBODY, None, now + Duration::from_secs(289))));
        let later = tokens.slot(&grant_of_web, NOBODY, None, now + Duration::from_secs(290));
        assert!(!Arc::ptr_eq(&slot, &later));
        later.set(token(300, now)).ok().unwrap();
        let renewed = tokens.slot(&grant_of_web, NOBODY, Some(&later), now);
        assert!(!Arc::ptr_eq(&later, &renewed));
        let second = tokens.slot(&grant_of_web, NOBODY, Some(&later), now);
        assert!(Arc::ptr_eq(&renewed, &second), "the second refusal shares the first's renewal");
        renewed.set(token(300, now)).ok().unwrap();
        tokens.forget();
        assert!(tokens.slot(&grant_of_web, NOBODY, None, now).get().is_none());
    }

    #[test]
    fn what_another_repository_needs_is_told_from_the_first_one_where_scopes_name_repositories() {
        let tokens = Tokens::default();
        assert_eq!(tokens.grant("web"), None);
        let (web, wanted) = grant("web", "repository:web:pull");
        tokens.learn(&web, wanted);
        assert_eq!(*tokens.grant("api").unwrap(), grant("api", "repository:api:pull").1);
        // One scope for everything, or more than to pull: nothing is told from it, and it is shared.
        for scope in ["all", "repository:web:pull,push"] {
            let tokens = Tokens::default();
            let (web, wanted) = grant("web", scope);
            tokens.learn(&web, wanted);
            assert_eq!(tokens.grant("api"), None, "{scope}");
            let (api, wanted) = grant("api", scope);
            let api = tokens.learn(&api, wanted);
            let now = Instant::now();
            let slot = tokens.slot(&tokens.grant("web").unwrap(), NOBODY, None, now);
            assert!(Arc::ptr_eq(&slot, &tokens.slot(&api, NOBODY, None, now)), "{scope}");
        }
    }

    #[test]
    fn what_was_given_for_some_credentials_is_not_used_for_others() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        let (web, wanted) = grant("web", "*");
        let grant = tokens.learn(&web, wanted);
        let other = Credentials::Token(crate::secret::Secret::new("other"));
        let slot = tokens.slot(&grant, NOBODY, None, now);
        slot.set(token(300, now)).ok().unwrap();
        assert!(tokens.slot(&grant, &other, None, now).get().is_none());
        assert!(Arc::ptr_eq(&slot, &tokens.slot(&grant, NOBODY, None, now)));
    }
}
