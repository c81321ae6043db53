//! Tag lists: page after page until there is no next one (OCI Distribution 1.1, "Listing Tags").

use std::collections::{BTreeSet, HashSet};

use reqwest::header::LINK;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::model::names::ImageName;
use crate::model::names::Tag;
use crate::registry::answer::Answer;
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host, Question};
use crate::registry::link;
use crate::registry::options::Limits;
use crate::registry::trust;

/// Pages in a row that may bring no new tag before the listing counts as endless.
const MAX_EMPTY_PAGES: usize = 3;

/// The tags of one repository.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    /// Each tag once, sorted by bytes.
    pub tags: Vec<Tag>,
    /// How many entries are no legal tags and were left out.
    pub dropped: usize,
    /// Set if there is more that one of our own limits kept out. Such a listing proves no absence.
    pub truncated: Option<Truncation>,
}

/// Which of our own limits cut a listing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Truncation {
    /// `Limits::pages`.
    Pages,
    /// `Limits::tags`.
    Tags,
    /// `Limits::listing_time`.
    Time,
}

impl Truncation {
    /// Says in words which limit was reached.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Pages => "it has more pages than are read",
            Self::Tags => "it has more tags than are read",
            Self::Time => "reading it took longer than is waited",
        }
    }
}

pub(crate) async fn list_tags(host: &Host, image: &ImageName, limits: &Limits) -> Result<Listing, RegistryError> {
    let bad = |reason: String| RegistryError::BadListing { image: image.clone(), reason };
    let question =
        Question { image, method: Method::GET, accept: "application/json", cap: limits.bytes_per_page, is_blob: false };
    let mut budget = Budget::new(limits.listing_time);
    let mut tags: BTreeSet<Tag> = BTreeSet::new();
    let mut dropped = 0;
    let mut visited: HashSet<Url> = HashSet::new();
    let mut empty_pages = 0;
    let mut url = host.url(image, &format!("tags/list?n={}", limits.page_size))?;
    let truncated = loop {
        visited.insert(url.clone());
        let answer = match host.ask(&question, url, &mut budget).await {
            Err(RegistryError::Timeout { .. }) if budget.is_spent() && visited.len() > 1 => {
                break Some(Truncation::Time);
            }
            other => other?,
        };
        if answer.status != StatusCode::OK {
            return Err(host.refusal(image, &answer));
        }
        let before = tags.len();
        for text in page(&answer).map_err(bad)? {
            match text.parse() {
                Ok(tag) => {
                    tags.insert(tag);
                }
                Err(_) => dropped += 1,
            }
        }
        let Some(next) = next_page(host, image, &answer)? else {
            break (tags.len() > limits.tags).then_some(Truncation::Tags);
        };
        if visited.contains(&next) {
            return Err(bad("its pages go round: a next page was read before".to_owned()));
        }
        empty_pages = if tags.len() == before { empty_pages + 1 } else { 0 };
        if empty_pages >= MAX_EMPTY_PAGES {
            return Err(bad(format!("{MAX_EMPTY_PAGES} pages in a row hold no new tag, and there is a next one")));
        }
        if tags.len() >= limits.tags {
            break Some(Truncation::Tags);
        }
        if visited.len() >= limits.pages {
            break Some(Truncation::Pages);
        }
        if budget.is_spent() {
            break Some(Truncation::Time);
        }
        url = next;
    };
    Ok(Listing { tags: tags.into_iter().take(limits.tags).collect(), dropped, truncated })
}

/// Reads one page. `tags` must be there; `null` is what some registries answer for none.
fn page(answer: &Answer) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default, deserialize_with = "present")]
        tags: Option<Option<Vec<String>>>,
    }
    fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<Vec<String>>>, D::Error> {
        Option::deserialize(from).map(Some)
    }

    let body = answer.body.as_ref().map_err(ToString::to_string)?;
    if answer.is_html() {
        return Err("it is a web page (HTML), not JSON".to_owned());
    }
    let page: Page = serde_json::from_slice(body).map_err(|error| {
        if error.is_eof() {
            format!("it ends too early, after {} bytes", body.len())
        } else if error.is_data() {
            "it is JSON, and no object with a list of texts as `tags`".to_owned()
        } else {
            format!("it is no JSON (line {}, column {})", error.line(), error.column())
        }
    })?;
    Ok(page.tags.ok_or("it holds no `tags`")?.unwrap_or_default())
}

fn next_page(host: &Host, image: &ImageName, answer: &Answer) -> Result<Option<Url>, RegistryError> {
    let mut links = answer.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = links.find_map(link::next) else { return Ok(None) };
    // `Link` may be relative (RFC 8288, section 3.1), so resolve it against the URL that answered.
    let mut next = answer.url.join(target).map_err(|_| RegistryError::BadListing {
        image: image.clone(),
        reason: "its next page is no URL".to_owned(),
    })?;
    next.set_fragment(None);
    if trust::same_origin(&next, &answer.url) && next.username().is_empty() && next.password().is_none() {
        return Ok(Some(next));
    }
    Err(RegistryError::UntrustedUrl {
        image: image.clone(),
        what: "next page",
        url: host.clean(&trust::place(&next)),
        rule: "the next page stays at the scheme, host and port of the registry's API",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::BytesMut;
    use reqwest::header::HeaderMap;

    use super::*;

    fn check(body: &str) -> Result<Vec<String>, String> {
        page(&Answer {
            url: "https://r.example".parse().unwrap(),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Ok(BytesMut::from(body)),
        })
    }

    #[test]
    fn a_page_is_whole_or_an_error() {
        let tags = |tags: &[&str]| Ok(tags.iter().map(|tag| (*tag).to_owned()).collect());
        let error = |text: &str| Err(text.to_owned());
        let shape = "it is JSON, and no object with a list of texts as `tags`";
        for (body, expected) in [
            (r#"{"name":"a","tags":["1","2"],"more":{}}"#, tags(&["1", "2"])),
            (r#"{"tags":null}"#, tags(&[])),
            (r#"{"tags":[]}"#, tags(&[])),
            (r#"{"name":"a"}"#, error("it holds no `tags`")),
            (r#"{"tags":["1","#, error("it ends too early, after 13 bytes")),
            ("", error("it ends too early, after 0 bytes")),
            (" \n<!DOCTYPE html>", error("it is a web page (HTML), not JSON")),
            (r#"{"tags":"1"}"#, error(shape)),
            (r#"{"tags":[1]}"#, error(shape)),
            (r#"{"tags":["1"],"tags":["2"]}"#, error(shape)),
            (r#"["1"]"#, error(shape)),
            ("null", error(shape)),
            (r#"{"tags":["1"]} x"#, error("it is no JSON (line 1, column 16)")),
        ] {
            assert_eq!(check(body), expected, "{body}");
        }
    }
}
