//! Amazon's registry: the private one, and `public.ecr.aws`.
//!
//! | quirk | source |
//! |---|---|
//! | the private one takes its password by HTTP Basic with the user `AWS`, and exchanges it for nothing | docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html, "Using HTTP API authentication" |
//! | without one: 401, "Not Authorized" as plain text, and a challenge for Basic | mdlavin/copy-docker-image#5, kciter/aws-ecr-action#1 ("no basic auth credentials") |
//! | a password that ended is a 403 without a challenge | flipt-io/flipt#3043 |
//! | `n` beyond 1000 is refused with 405, UNSUPPORTED; 100 without `n` | google/go-containerregistry#681, CodesWhat/drydock#927, genuinetools/reg#206 |
//! | `Link` is absolute, its `last` opaque, and no other `last` is taken: 405 | deitch/docker_registry2#34, CodesWhat/drydock#927 |
//! | the list has no order, and is sent as text/plain | deitch/docker_registry2#34 |
//! | a repository must have been made: NAME_UNKNOWN, "does not exist in the registry with id" | plexsystems/sinker#55 |
//! | at `public.ecr.aws` everybody gets a token; one that ended is answered 400 without a challenge | aws/containers-roadmap#2835 |

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::hosted::{About, Access, Answer, Asked, Model, State};

pub struct Ecr {
    pub is_public: bool,
}

impl Model for Ecr {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        if self.is_public && asked.path == "/token/" {
            let scope = asked.scope().unwrap_or_default().to_owned();
            let token = state.grant(&scope);
            return Answer::token(&token);
        }
        let (About::Tags(name) | About::Manifest(name, _)) = asked.about() else {
            return Answer::new(404, "text/plain", "404 page not found");
        };
        let refused = if self.is_public { refuse_token(state, asked, name) } else { refuse_password(state, asked) };
        if let Some(refused) = refused {
            return refused;
        }
        if !state.repositories.contains_key(name) {
            let message =
                format!("The repository with name '{name}' does not exist in the registry with id '123456789012'");
            return Answer::error(404, "NAME_UNKNOWN", &message);
        }
        match asked.about() {
            About::Tags(name) => page(state, asked, name),
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::new(404, "text/plain", "404 page not found"),
        }
    }
}

fn refuse_password(state: &State, asked: &Asked) -> Option<Answer> {
    match state.who(asked) {
        Ok(Some(_)) => None,
        Err(()) if asked.basic().is_some_and(|(user, _)| user == "AWS") => {
            Some(Answer::error(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again."))
        }
        _ => {
            let text = format!("Basic realm=\"{}/\",service=\"ecr.amazonaws.com\"", state.origin());
            Some(Answer::new(401, "text/plain; charset=utf-8", "Not Authorized\n").with("www-authenticate", &text))
        }
    }
}

fn refuse_token(state: &State, asked: &Asked, name: &str) -> Option<Answer> {
    match state.access(asked, name) {
        Access::Granted => None,
        Access::Ended => Some(Answer::error(400, "DENIED", "Your authorization token is invalid.")),
        Access::Insufficient | Access::Nothing => {
            let text = format!(
                "Bearer realm=\"{}/token/\",service=\"public.ecr.aws\",scope=\"repository:{name}:pull\"",
                state.origin()
            );
            Some(Answer::new(401, "text/plain; charset=utf-8", "Not Authorized\n").with("www-authenticate", &text))
        }
    }
}

fn page(state: &State, asked: &Asked, name: &str) -> Answer {
    let n = asked.n().unwrap_or(100);
    if n > 1000 {
        let message = "Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value less than or \
                       equal to 1000'";
        return Answer::error(405, "UNSUPPORTED", message);
    }
    let start = match asked.parameter("last") {
        None => 0,
        Some(token) => {
            let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|token| String::from_utf8(token).ok());
            let Some(start) = decoded.and_then(|token| token.strip_prefix("push ")?.parse().ok()) else {
                let message =
                    "Invalid parameter at 'NextToken' failed to satisfy constraint: 'Invalid next token provided'";
                return Answer::error(405, "UNSUPPORTED", message);
            };
            start
        }
    };
    let (page, end) = state.repositories[name].after_push(start, n);
    let token = URL_SAFE_NO_PAD.encode(format!("push {end}"));
    let next = format!("{}/v2/{name}/tags/list?n={n}&last={token}", state.origin());
    let mut tags = page.tags;
    tags.reverse();
    let body = serde_json::json!({"name": name, "tags": tags}).to_string();
    Answer::new(200, "text/plain; charset=utf-8", body)
        .with("docker-distribution-api-version", "registry/2.0")
        .with_next(page.has_more.then_some(next))
}
