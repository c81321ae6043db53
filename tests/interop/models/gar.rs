//! Google Artifact Registry, and Container Registry before it.
//!
//! | quirk | source |
//! |---|---|
//! | the token service is the registry itself; an access token is the password of the user `oauth2accesstoken` | docs.cloud.google.com/artifact-registry/docs/docker/authentication#token |
//! | a list is one page, whatever `n` asks for | google/go-containerregistry#897 |
//! | beside `tags` it holds `child` and `manifest`, a map that is many times as large; `timeUploadedMs` is a text or a number | google/go-containerregistry `pkg/v1/google/list.go` |
//! | some requests that it cannot read are answered 200 with a web page | gardener/cc-utils#1557 |

use serde_json::json;

use crate::hosted::{About, Access, Answer, Asked, Model, State, digest};

pub struct Gar {
    /// Lists are answered with a web page.
    pub is_confused: bool,
}

const SERVICE: &str = "europe-docker.pkg.dev";

impl Model for Gar {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        if asked.path == "/v2/token" {
            return token(state, asked);
        }
        let (About::Tags(name) | About::Manifest(name, _)) = asked.about() else {
            return Answer::error(404, "NAME_INVALID", "invalid name");
        };
        match state.access(asked, name) {
            Access::Granted => {}
            Access::Insufficient | Access::Ended | Access::Nothing => {
                let text = format!(
                    "Bearer realm=\"{}/v2/token\",service=\"{SERVICE}\",scope=\"repository:{name}:pull\"",
                    state.origin()
                );
                return Answer::error(401, "UNAUTHORIZED", "authentication failed").with("www-authenticate", &text);
            }
        }
        match asked.about() {
            About::Tags(_) if self.is_confused => Answer::new(200, "text/html", "<!DOCTYPE html><title>Error</title>"),
            About::Tags(name) => list(state, name),
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::error(404, "NAME_INVALID", "invalid name"),
        }
    }
}

fn list(state: &State, name: &str) -> Answer {
    let tags = state.repositories[name].by_name();
    let about = |(at, tag): (usize, &String)| {
        let uploaded = if at % 2 == 0 { json!("1577836800000") } else { json!(1_577_836_800_000_i64) };
        let one = json!({
            "imageSizeBytes": "24637", "layerId": "", "mediaType": crate::hosted::OCI_MANIFEST, "tag": [tag],
            "timeCreatedMs": "315532800000", "timeUploadedMs": uploaded,
        });
        (digest(tag), one)
    };
    let manifests: serde_json::Map<_, _> = tags.iter().enumerate().map(about).collect();
    Answer::json(200, &json!({"child": ["cache"], "manifest": manifests, "name": name, "tags": tags}))
}

fn token(state: &mut State, asked: &Asked) -> Answer {
    let scope = asked.scope().unwrap_or_default().to_owned();
    match state.who(asked) {
        Err(()) => Answer::error(401, "UNAUTHORIZED", "The request has invalid authentication credentials"),
        Ok(account) if state.may_read(account, &scope) && asked.parameter("service") == Some(SERVICE) => {
            let token = state.grant(&scope);
            Answer::token(&token)
        }
        Ok(_) => {
            let message = "Permission \"artifactregistry.repositories.downloadArtifacts\" denied on the resource";
            Answer::error(403, "DENIED", message)
        }
    }
}
