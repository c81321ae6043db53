//! Sonatype Nexus Repository.
//!
//! | quirk | source |
//! |---|---|
//! | a connector (a port of its own) names the next page with the path of the main port, which it answers 400 | sonatype/nexus-public#1011 |
//! | a group cuts at `n` and names no next page | sonatype/nexus-public#117, renovatebot/renovate#18447 |
//! | the challenge is `BASIC` in capitals | sonatype/nexus-public#921 |

use crate::hosted::{About, Answer, Asked, Model, State};

pub struct Nexus {
    /// A group of repositories, else a connector.
    pub is_group: bool,
}

impl Model for Nexus {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        if !state.who(asked).is_ok_and(|account| account.is_some()) {
            return Answer::error(401, "UNAUTHORIZED", "access to the requested resource is not authorized")
                .with("www-authenticate", "BASIC realm=\"Sonatype Nexus Repository Manager\"");
        }
        if asked.path.starts_with("/repository/") {
            return Answer::new(400, "text/html", "<!DOCTYPE html><title>400 - Nexus Repository Manager</title>");
        }
        match asked.about() {
            About::Tags(name) => {
                let Some(repository) = state.repositories.get(name) else {
                    return Answer::error(404, "NAME_UNKNOWN", "repository name not known to registry");
                };
                let n = asked.n().unwrap_or(usize::MAX);
                let page = repository.after_name(asked.parameter("last"), n);
                let origin = state.origin();
                let next = format!("{origin}/repository/docker-hosted/v2/{name}/tags/list?n={n}&last={}", page.last());
                Answer::tags(name, &page.tags).with_next((page.has_more && !self.is_group).then_some(next))
            }
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::new(404, "text/html", "<!DOCTYPE html>"),
        }
    }
}
