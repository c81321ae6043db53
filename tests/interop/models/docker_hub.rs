//! Docker Hub.
//!
//! | quirk | source |
//! |---|---|
//! | the token service has a host of its own, `auth.docker.io`, and is asked with service and scope | docs.docker.com/docker-hub/usage/pulls, "View pull rate and limit" |
//! | a wrong password is told in a field `details`, in no list of errors | moby's `registry/auth.go` prints it as "unauthorized: incorrect username or password" (docker-archive-public/docker.kitematic#2837); distribution's client reads `details` for it |
//! | who may not read gets a token all the same, for nothing; the API answers 401 with `insufficient_scope` | docker-archive/docker-registry#1071 |
//! | without `n` every tag comes in one page, with `n` there are pages | regclient/regclient#272, gadievron/raptor#495 |
//! | manifests carry `ratelimit-limit` and `ratelimit-remaining` with `;w=21600`; GET counts, HEAD does not | docs.docker.com/docker-hub/usage/pulls |
//! | beyond the limit a manifest is answered 429 with a long text | docs.docker.com/docker-hub/usage/pulls |
//! | the overall limit answers a short 429, and names seconds in `Retry-After` | forums.docker.com/t/145136, docker/docs#22916 |

use serde_json::json;

use crate::hosted::{About, Access, Answer, Asked, Door, Model, State};

const WINDOW: &str = "w=21600";

pub struct DockerHub {
    /// Manifests that may be pulled in the window; none = no limit is told.
    pub pulls: Option<usize>,
    /// Seconds to wait, if the overall limit is reached.
    pub abuse: Option<u64>,
}

impl Model for DockerHub {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        if asked.door == Door::Service {
            return token(state, asked);
        }
        if let Some(seconds) = self.abuse {
            return Answer::new(429, "text/plain", "Too Many Requests\n").with("retry-after", &seconds.to_string());
        }
        let (About::Tags(name) | About::Manifest(name, _)) = asked.about() else {
            return Answer::error(404, "UNSUPPORTED", "page not found");
        };
        match state.access(asked, name) {
            Access::Granted => {}
            Access::Insufficient => return challenge(state, name, ",error=\"insufficient_scope\""),
            Access::Ended => return challenge(state, name, ",error=\"invalid_token\""),
            Access::Nothing => return challenge(state, name, ""),
        }
        match asked.about() {
            About::Tags(name) => {
                let page =
                    state.repositories[name].after_name(asked.parameter("last"), asked.n().unwrap_or(usize::MAX));
                let next = format!("/v2/{name}/tags/list?last={}&n={}", page.last(), asked.n().unwrap_or_default());
                Answer::tags(name, &page.tags).with_next(page.has_more.then_some(next))
            }
            About::Manifest(name, reference) => self.manifest(state, asked, name, reference),
            About::Other => Answer::error(404, "UNSUPPORTED", "page not found"),
        }
    }
}

impl DockerHub {
    fn manifest(&self, state: &mut State, asked: &Asked, name: &str, reference: &str) -> Answer {
        let Some(limit) = self.pulls else { return state.manifest(asked, name, reference) };
        if asked.method == "GET" && state.pulls >= limit {
            let text = "You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: \
                        https://www.docker.com/increase-rate-limit";
            return Answer::error(429, "TOOMANYREQUESTS", text);
        }
        let answer = state.manifest(asked, name, reference);
        answer
            .with("ratelimit-limit", &format!("{limit};{WINDOW}"))
            .with("ratelimit-remaining", &format!("{};{WINDOW}", limit - state.pulls))
    }
}

fn challenge(state: &State, name: &str, error: &str) -> Answer {
    let text = format!(
        "Bearer realm=\"{}/token\",service=\"registry.docker.io\",scope=\"repository:{name}:pull\"{error}",
        state.service_origin()
    );
    Answer::error(401, "UNAUTHORIZED", "authentication required").with("www-authenticate", &text)
}

fn token(state: &mut State, asked: &Asked) -> Answer {
    if (asked.method.as_str(), asked.path.as_str()) != ("GET", "/token") {
        return Answer::new(404, "text/plain", "404 page not found");
    }
    let Ok(account) = state.who(asked) else {
        return Answer::json(401, &json!({"details": "incorrect username or password"}));
    };
    let scope = asked.scope().unwrap_or_default().to_owned();
    let good = asked.parameter("service") == Some("registry.docker.io") && state.may_read(account, &scope);
    let token = state.grant(if good { &scope } else { "" });
    Answer::json(200, &json!({"token": token, "access_token": token, "expires_in": 300}))
}
