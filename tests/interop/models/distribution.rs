//! Distribution 3, the reference registry. Version 2.8 is here as the real `docker-registry`.
//!
//! | quirk | source |
//! |---|---|
//! | pages by name, only with `n`; `Link` is relative | distribution/distribution `registry/handlers/tags.go` |
//! | 3.1.0 refuses `n` beyond `tags.maxtags` (1000 unless set): 400, PAGINATION_NUMBER_INVALID | distribution/distribution#4844 |
//! | from 3.1.1 on it answers with as many as it gives | distribution/distribution#4856 |
//! | after the last tag is deleted the repository is a 404 | distribution/distribution#4324 |

use crate::hosted::{About, Answer, Asked, Model, State};

pub struct Distribution {
    pub maxtags: usize,
    pub refuses: bool,
}

impl Model for Distribution {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        let account = state.who(asked);
        if !account.is_ok_and(|account| account.is_some()) {
            return Answer::error(401, "UNAUTHORIZED", "authentication required")
                .with("www-authenticate", "Basic realm=\"Registry Realm\"");
        }
        let unknown = Answer::error(404, "NAME_UNKNOWN", "repository name not known to registry");
        match asked.about() {
            About::Tags(name) => {
                let Some(repository) = state.repositories.get(name) else { return unknown };
                let asked_for = match asked.parameter("n") {
                    None => None,
                    Some(text) => match text.parse::<usize>() {
                        Ok(n) if n <= self.maxtags || !self.refuses => Some(n.min(self.maxtags)),
                        _ => {
                            let message = "invalid number of results requested";
                            return Answer::error(400, "PAGINATION_NUMBER_INVALID", message);
                        }
                    },
                };
                let page = repository.after_name(asked.parameter("last"), asked_for.unwrap_or(usize::MAX));
                let next = format!("/v2/{name}/tags/list?last={}&n={}", page.last(), asked_for.unwrap_or_default());
                match page.tags.is_empty() {
                    true if asked.parameter("last").is_none() => unknown,
                    _ => Answer::tags(name, &page.tags).with_next(page.has_more.then_some(next)),
                }
            }
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::new(404, "text/plain", "404 page not found"),
        }
    }
}
