//! JFrog Artifactory, with repositories by path (`<host>/<repository key>/<image>`).
//!
//! | quirk | source |
//! |---|---|
//! | `Link` leaves out the repository key, and what it names is a 404 | renovatebot/renovate#20745 (RTFACT-18971), renovatebot/renovate#15030 |
//! | its `last` is no tag but how many were read | renovatebot/renovate#15080 (`last=10000&n=10000`) |
//! | the token service is below the path of the repository | earthly/earthly#1017 |

use crate::hosted::{About, Access, Answer, Asked, Model, State};

pub struct Artifactory;

impl Model for Artifactory {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        self.decide(state, asked).with("x-jfrog-version", "Artifactory/7.46.11 74611900")
    }
}

impl Artifactory {
    fn decide(&self, state: &mut State, asked: &Asked) -> Answer {
        if asked.path.starts_with("/artifactory/api/docker/") && asked.path.ends_with("/v2/token") {
            return token(state, asked);
        }
        let (About::Tags(name) | About::Manifest(name, _)) = asked.about() else {
            return Answer::error(404, "NOT_FOUND", "not found");
        };
        let (key, image) = name.split_once('/').unwrap_or((name, ""));
        if !state.repositories.keys().any(|known| known.split('/').next() == Some(key)) {
            return Answer::json(404, &serde_json::json!({"errors": [{"status": 404, "message": "Not Found"}]}));
        }
        if state.access(asked, name) != Access::Granted {
            let text = format!(
                "Bearer realm=\"{}/artifactory/api/docker/{key}/v2/token\",service=\"acme.jfrog.io\",scope=\"repository:{name}:pull\"",
                state.origin()
            );
            return Answer::error(401, "UNAUTHORIZED", "The client does not have permission for manifest")
                .with("www-authenticate", &text);
        }
        match asked.about() {
            About::Tags(name) => {
                let all = state.repositories[name].by_name();
                let n = asked.n().unwrap_or(usize::MAX);
                let start = asked.parameter("last").and_then(|last| last.parse::<usize>().ok()).unwrap_or(0);
                let page: Vec<String> = all.iter().skip(start).take(n).cloned().collect();
                let end = start + page.len();
                let next = format!("/v2/{image}/tags/list?last={end}&n={n}");
                Answer::tags(name, &page).with_next((end < all.len()).then_some(next))
            }
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::error(404, "NOT_FOUND", "not found"),
        }
    }
}

fn token(state: &mut State, asked: &Asked) -> Answer {
    let scope = asked.scope().unwrap_or_default().to_owned();
    match state.who(asked) {
        Ok(account) if state.may_read(account, &scope) => {
            let token = state.grant(&scope);
            Answer::token(&token)
        }
        _ => Answer::json(401, &serde_json::json!({"errors": [{"status": 401, "message": "Bad credentials"}]})),
    }
}
