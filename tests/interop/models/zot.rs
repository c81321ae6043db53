//! zot, without accounts.
//!
//! | quirk | source |
//! |---|---|
//! | `Link` once had its target in no angle brackets | project-zot/zot `pkg/api/routes.go` of 1.3 (`ListTags`) |
//! | a `last` that is no tag is a 404 | the same |
//! | without `n` the list had no order | project-zot/zot#1777 |
//! | the answer to HEAD of a manifest says `content-length: 0` | project-zot/zot `pkg/api/routes.go` of 1.3 (`CheckManifest`) |

use crate::hosted::{About, Answer, Asked, Model, State};

pub struct Zot {
    /// With the `Link` that is none.
    pub is_old: bool,
}

impl Model for Zot {
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer {
        let unknown =
            |name: &str| Answer::error(404, "NAME_UNKNOWN", &format!("repository name not known to registry: {name}"));
        match asked.about() {
            About::Tags(name) => {
                let Some(repository) = state.repositories.get(name) else { return unknown(name) };
                let Some(n) = asked.n() else { return Answer::tags(name, &repository.by_age()) };
                let last = asked.parameter("last");
                if last.is_some_and(|last| !repository.by_age().iter().any(|tag| tag == last)) {
                    return Answer::new(404, "text/plain", "");
                }
                let page = repository.after_name(last, n);
                let next = format!("/v2/{name}/tags/list?n={n}&last={}", page.last());
                let answer = Answer::tags(name, &page.tags);
                match page.has_more {
                    true if self.is_old => answer.with("link", &format!("{next}; rel=\"next\"")),
                    has_more => answer.with_next(has_more.then_some(next)),
                }
            }
            About::Manifest(name, _) if !state.repositories.contains_key(name) => unknown(name),
            About::Manifest(name, reference) => state.manifest(asked, name, reference),
            About::Other => Answer::new(404, "text/plain", ""),
        }
    }
}
