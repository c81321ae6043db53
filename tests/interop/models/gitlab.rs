//! GitLab's container registry.
//!
//! | quirk | source |
//! |---|---|
//! | the token service is `/jwt/auth` of GitLab itself, at another host, with the service `container_registry` | getwud/wud#600, n0madic/gitlab-registry-images-cleaner#13 |
//! | a wrong password: "HTTP Basic: Access denied" | basecamp/kamal#1498 |
//! | an account that may not read, and nobody at what is private: "access forbidden", 403 | getwud/wud#600, cirruslabs/gitlab-tart-executor#101 |
//! | deploy tokens are users such as `gitlab+deploy-token-7` | fluxcd/flux#2999, docs.gitlab.com/user/project/deploy_tokens |
//! | 100 tags without a usable `n`, as many as asked for with it; `Link` is relative | gitlab-org/container-registry `registry/handlers/tags.go` |
//! | no tags are `null` | the same file |

use serde_json::json;

use crate::hosted::{About, Access, Answer, Asked, Door, Model, State};

pub struct GitLab;

impl Model for GitLab {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        if asked.door == Door::Service {
            return token(state, asked);
        }
        let (About::Tags(name) | About::Manifest(name, _)) = asked.about() else {
            return Answer::new(404, "text/plain", "404 page not found");
        };
        let error = match state.access(asked, name) {
            Access::Granted => None,
            Access::Nothing => Some(""),
            Access::Insufficient => Some(",error=\"insufficient_scope\""),
            Access::Ended => Some(",error=\"invalid_token\""),
        };
        if let Some(error) = error {
            let text = format!(
                "Bearer realm=\"{}/jwt/auth\",service=\"container_registry\",scope=\"repository:{name}:pull\"{error}",
                state.service_origin()
            );
            return Answer::error(401, "UNAUTHORIZED", "authentication required").with("www-authenticate", &text);
        }
        match asked.about() {
            About::Tags(name) => {
                let n = asked.n().filter(|n| *n > 0).unwrap_or(100);
                let page = state.repositories[name].after_name(asked.parameter("last"), n);
                if page.tags.is_empty() {
                    return Answer::json(200, &json!({"name": name, "tags": null}));
                }
                let next = format!("/v2/{name}/tags/list?last={}&n={n}", page.last());
                Answer::tags(name, &page.tags).with_next(page.has_more.then_some(next))
            }
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::new(404, "text/plain", "404 page not found"),
        }
    }
}

fn token(state: &mut State, asked: &Asked) -> Answer {
    if asked.path != "/jwt/auth" {
        return Answer::new(404, "text/html", "<!DOCTYPE html><title>Not Found</title>");
    }
    let scope = asked.scope().unwrap_or_default().to_owned();
    match state.who(asked) {
        Err(()) => {
            let message = "HTTP Basic: Access denied. If a password was provided for Git authentication, the password was \
                           incorrect or you're required to use a token instead of a password.";
            Answer::error(401, "UNAUTHORIZED", message)
        }
        Ok(account) if state.may_read(account, &scope) && asked.parameter("service") == Some("container_registry") => {
            let token = state.grant(&scope);
            Answer::json(200, &json!({"token": token}))
        }
        Ok(_) => Answer::error(403, "DENIED", "access forbidden"),
    }
}
