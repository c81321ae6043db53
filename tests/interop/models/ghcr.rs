//! GitHub's container registry.
//!
//! | quirk | source |
//! |---|---|
//! | public images too are read with a token only, which everybody gets | CybercentreCanada/assemblyline#200 |
//! | nobody gets a token for what is private: 401 | openai/tunnel-client#75 |
//! | a token of GitHub is the password at `/token`; at the API neither HTTP Basic nor the token itself works: DENIED, "invalid token" | argoproj-labs/argocd-image-updater#303, HarborGuard/HarborGuard#191 (403, the status of DENIED in distribution/distribution `registry/api/errcode`) |
//! | an account that may not read is refused by `/token`: DENIED, "requested access to the resource is denied" | akuity/kargo#4293 |
//! | an expired token of GitHub is a 403 | mckinsey/agents-at-scale-ark#532 |
//! | 100 tags without `n`, as many as asked for with it; the next page by `Link` | smg-project/smg#2348, gadievron/raptor#495 |
//!
//! No order of the tags is documented: the model has that of the pushes.

use crate::hosted::{About, Access, Answer, Asked, Door, Model, State};

pub struct Ghcr;

impl Model for Ghcr {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        if asked.door == Door::Api && asked.path == "/token" {
            return token(state, asked);
        }
        let (About::Tags(name) | About::Manifest(name, _)) = asked.about() else {
            return Answer::error(404, "UNSUPPORTED", "page not found");
        };
        match state.access(asked, name) {
            Access::Granted => {}
            Access::Nothing if asked.authorization.is_some() => return Answer::error(403, "DENIED", "invalid token"),
            Access::Nothing | Access::Ended | Access::Insufficient => {
                let text = format!(
                    "Bearer realm=\"{}/token\",service=\"ghcr.io\",scope=\"repository:{name}:pull\"",
                    state.origin()
                );
                return Answer::error(401, "UNAUTHORIZED", "authentication required").with("www-authenticate", &text);
            }
        }
        match asked.about() {
            About::Tags(name) => {
                let (n, last) = (asked.n().unwrap_or(100), asked.parameter("last"));
                let repository = &state.repositories[name];
                let all = repository.by_age();
                let start = last.and_then(|last| all.iter().position(|tag| tag == last)).map_or(0, |at| at + 1);
                let page: Vec<String> = all.iter().skip(start).take(n).cloned().collect();
                let has_more = start + page.len() < all.len();
                let end = page.last().cloned().unwrap_or_default();
                let next = format!("/v2/{name}/tags/list?last={end}&n={n}");
                Answer::tags(name, &page).with_next(has_more.then_some(next))
            }
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::error(404, "UNSUPPORTED", "page not found"),
        }
    }
}

fn token(state: &mut State, asked: &Asked) -> Answer {
    let scope = asked.scope().unwrap_or_default().to_owned();
    match state.who(asked) {
        Err(()) => Answer::error(403, "DENIED", "denied"),
        Ok(account) if state.may_read(account, &scope) && asked.parameter("service") == Some("ghcr.io") => {
            let token = state.grant(&scope);
            Answer::token(&token)
        }
        Ok(None) => Answer::error(401, "UNAUTHORIZED", "authentication required"),
        Ok(Some(_)) => Answer::error(403, "DENIED", "requested access to the resource is denied"),
    }
}
