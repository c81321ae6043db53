//! Quay, as quay.io and as Red Hat Quay.
//!
//! | quirk | source |
//! |---|---|
//! | at most 100 tags a page, whatever `n` asks for; `last` is a tag, `Link` is relative | quay/quay `endpoints/v2/__init__.py` (`oci_tag_paginate`); deitch/docker_registry2#106 |
//! | before: 50 a page, an opaque `next_page`, the absolute URL, in the order of pushes; `last` is opaque too | the same file (`paginate`); TritonDataCenter/node-docker-registry-client#12, ivanilves/lstags#185 |
//! | everybody gets a token, for nothing if the repository may not be read; the API then answers 401, for what is missing as well | quay/quay `endpoints/v2/v2auth.py`, `_require_repo_permission` |
//! | the answer holds `token` alone, without `expires_in` | quay/quay `endpoints/v2/v2auth.py` |
//! | users such as `acme+robot` and `$oauthtoken`; a wrong one is told at `/v2/auth` | quay/quay `endpoints/v2/v2auth.py` (`InvalidLogin`); docs.redhat.com, "Creating a robot account" |
//! | a scope that it cannot read is a 400 | quay/quay `endpoints/v2/v2auth.py` (`InvalidRequest`) |

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::json;

use crate::hosted::{About, Access, Answer, Asked, Model, State};

pub struct Quay {
    /// Pages as they were before.
    pub is_old: bool,
}

const SERVICE: &str = "quay.io";

impl Model for Quay {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        if asked.path == "/v2/auth" {
            return token(state, asked);
        }
        let (About::Tags(name) | About::Manifest(name, _)) = asked.about() else {
            return Answer::error(404, "UNSUPPORTED", "The operation is unsupported.");
        };
        if state.access(asked, name) != Access::Granted {
            let text = format!(
                "Bearer realm=\"{}/v2/auth\",service=\"{SERVICE}\",scope=\"repository:{name}:pull\"",
                state.origin()
            );
            let message = "access to the requested resource is not authorized";
            return Answer::error(401, "UNAUTHORIZED", message).with("www-authenticate", &text);
        }
        match asked.about() {
            About::Tags(name) if self.is_old => old_page(state, asked, name),
            About::Tags(name) => {
                let n = asked.n().unwrap_or(100).min(100);
                let page = state.repositories[name].after_name(asked.parameter("last"), n);
                let next = format!("/v2/{name}/tags/list?n={n}&last={}", page.last());
                Answer::tags(name, &page.tags).with_next(page.has_more.then_some(next))
            }
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::error(404, "UNSUPPORTED", "The operation is unsupported."),
        }
    }
}

fn old_page(state: &State, asked: &Asked, name: &str) -> Answer {
    let n = asked.n().unwrap_or(50).clamp(1, 50);
    let token = asked.parameter("next_page").or(asked.parameter("last")).and_then(|token| URL_SAFE.decode(token).ok());
    let start = token.and_then(|token| String::from_utf8(token).ok()?.strip_prefix("start_id=")?.parse().ok());
    let (page, end) = state.repositories[name].after_push(start.unwrap_or(0), n);
    let token = URL_SAFE.encode(format!("start_id={end}")).replace('=', "%3D");
    let next = format!("{}/v2/{name}/tags/list?next_page={token}&n={n}", state.origin());
    Answer::tags(name, &page.tags).with_next(page.has_more.then_some(next))
}

fn token(state: &mut State, asked: &Asked) -> Answer {
    let Ok(account) = state.who(asked) else {
        let message = "Could not find robot with specified username";
        return Answer::error(401, "UNAUTHORIZED", message);
    };
    let Some(scope) = asked.scope().map(str::to_owned) else {
        return Answer::error(400, "INVALID_REQUEST", "Unable to decode repository and actions");
    };
    let good = asked.parameter("service") == Some(SERVICE) && state.may_read(account, &scope);
    let token = state.grant(if good { &scope } else { "" });
    Answer::json(200, &json!({"token": token}))
}
