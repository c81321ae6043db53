//! Harbor.
//!
//! | quirk | source |
//! |---|---|
//! | the token service is `/service/token` with the service `harbor-registry`; another one is a 400 | goharbor/harbor `src/core/service/token/token.go` |
//! | a wrong password gets a token all the same, for nothing: only a request without a scope is refused | goharbor/harbor `src/core/service/token/creator.go` (`Create`) |
//! | whoever sends an `Authorization` that is not enough, a token that ended too, is challenged for Basic, not for Bearer | goharbor/harbor `src/server/middleware/v2auth/auth.go` (`getChallenge`) |
//! | a project that does not exist is a 401 without a challenge | the same file (`check`, `projectID`) |
//! | HEAD without `Authorization` is a 401 even for what is public | the same file, #11271 |
//! | every tag without `n`; with it pages by name, `Link` relative | goharbor/harbor `src/server/registry/tag.go`, `util.go` (`SetLinkHeader`) |
//! | users such as `robot$acme+puller` | goharbor.io/docs, "Create project robot accounts" |

use serde_json::json;

use crate::hosted::{About, Access, Answer, Asked, Model, State};

pub struct Harbor;

impl Model for Harbor {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        if asked.path == "/service/token" {
            return token(state, asked);
        }
        let (About::Tags(name) | About::Manifest(name, _)) = asked.about() else {
            return Answer::error(404, "NOT_FOUND", "not found");
        };
        let project = |of: &str| of.split('/').next().unwrap_or_default().to_owned();
        let unauthorized = |text: &str| {
            let message = format!("unauthorized to access repository: {name}, action: pull");
            Answer::error(401, "UNAUTHORIZED", &message).with("www-authenticate", text)
        };
        if !state.repositories.keys().any(|known| project(known) == project(name)) {
            return unauthorized("");
        }
        let by_password = state.who(asked).ok().flatten().is_some_and(|account| account.may_read);
        let is_open = asked.authorization.is_none()
            && asked.method != "HEAD"
            && state.repositories.get(name).is_some_and(|repository| repository.is_public);
        if state.access(asked, name) != Access::Granted && !by_password && !is_open {
            return match asked.authorization {
                Some(_) => unauthorized("Basic realm=\"harbor\""),
                None => unauthorized(&format!(
                    "Bearer realm=\"{}/service/token\",service=\"harbor-registry\",scope=\"repository:{name}:pull\"",
                    state.origin()
                )),
            };
        }
        match asked.about() {
            About::Tags(name) => {
                let Some(repository) = state.repositories.get(name) else {
                    return Answer::error(404, "NOT_FOUND", &format!("repository {name} not found"));
                };
                let n = asked.n().unwrap_or(usize::MAX);
                let page = repository.after_name(asked.parameter("last"), n);
                let next = format!("/v2/{name}/tags/list?last={}&n={n}", page.last());
                Answer::tags(name, &page.tags).with_next(page.has_more.then_some(next))
            }
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::error(404, "NOT_FOUND", "not found"),
        }
    }
}

fn token(state: &mut State, asked: &Asked) -> Answer {
    let service = asked.parameter("service").unwrap_or_default();
    if service != "harbor-registry" {
        return Answer::new(400, "text/plain", format!("Unable to handle service: {service}"));
    }
    let Some(scope) = asked.scope().map(str::to_owned) else { return Answer::new(401, "text/plain", "") };
    let account = state.who(asked).unwrap_or_default();
    let good = state.may_read(account, &scope);
    let token = state.grant(if good { &scope } else { "" });
    Answer::json(
        200,
        &json!({"token": token, "access_token": "", "expires_in": 1800, "issued_at": "2026-01-01T00:00:00Z"}),
    )
}
