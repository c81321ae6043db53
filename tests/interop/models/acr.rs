//! Azure's container registry.
//!
//! | quirk | source |
//! |---|---|
//! | an access token is asked for at `/oauth2/token`: with POST and a refresh token, or with GET and HTTP Basic | Azure/acr `docs/AAD-OAuth.md` |
//! | its answer holds `access_token` alone | Azure/acr `docs/AAD-OAuth.md` |
//! | a refresh token is the password of the user 00000000-0000-0000-0000-000000000000 | Azure/acr `docs/AAD-OAuth.md` |
//! | the API takes HTTP Basic itself too | Azure/acr `docs/AAD-OAuth.md`, "Catalog listing using SP/Admin with Basic Auth" |
//! | at most 1000 tags a page, whatever `n` asks for; 100 without it | Azure/acr#749, Azure/azure-powershell#16032 |
//! | `Link` is relative and has an empty `orderby` | Azure/acr `docs/AAD-OAuth.md`, "Tag Listing" |

use serde_json::json;

use crate::hosted::{About, Access, Answer, Asked, Model, State};

pub const NULL_USER: &str = "00000000-0000-0000-0000-000000000000";
const SERVICE: &str = "acme.azurecr.io";

pub struct Acr;

impl Model for Acr {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        if asked.path == "/oauth2/token" {
            return token(state, asked);
        }
        let (About::Tags(name) | About::Manifest(name, _)) = asked.about() else {
            return Answer::error(404, "NOT_FOUND", "not found");
        };
        let by_password = matches!(state.who(asked), Ok(Some(account)) if state.may_read(Some(account), name));
        if state.access(asked, name) != Access::Granted && !by_password {
            let text = format!(
                "Bearer realm=\"{}/oauth2/token\",service=\"{SERVICE}\",scope=\"repository:{name}:pull\"",
                state.origin()
            );
            return Answer::error(401, "UNAUTHORIZED", "authentication required").with("www-authenticate", &text);
        }
        match asked.about() {
            About::Tags(name) => {
                let n = asked.n().unwrap_or(100).min(1000);
                let page = state.repositories[name].after_name(asked.parameter("last"), n);
                let next = format!("/v2/{name}/tags/list?last={}&n={n}&orderby=", page.last());
                Answer::tags(name, &page.tags).with_next(page.has_more.then_some(next))
            }
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::error(404, "NOT_FOUND", "not found"),
        }
    }
}

fn token(state: &mut State, asked: &Asked) -> Answer {
    let refused =
        || Answer::error(401, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization");
    let of = |name: &str| asked.form.get(name).map(String::as_str);
    let (service, scope, account) = match asked.method.as_str() {
        "POST" if asked.authorization.is_none() && of("grant_type") == Some("refresh_token") => {
            let Some(sent) = of("refresh_token") else { return refused() };
            let known = state.accounts.get(NULL_USER).filter(|account| account.password == sent);
            let Some(account) = known else { return refused() };
            let scope = of("scope").and_then(|scope| scope.strip_prefix("repository:")?.strip_suffix(":pull"));
            (of("service"), scope, Some(account))
        }
        "POST" => return Answer::error(400, "UNSUPPORTED", "grant_type is not supported"),
        _ => match state.who(asked) {
            Ok(account) => (asked.parameter("service"), asked.scope(), account),
            Err(()) => return refused(),
        },
    };
    let scope = scope.unwrap_or_default().to_owned();
    if service != Some(SERVICE) || !state.may_read(account, &scope) {
        return refused();
    }
    let token = state.grant(&scope);
    Answer::json(200, &json!({"access_token": token}))
}
