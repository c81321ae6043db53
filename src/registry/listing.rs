//! Tag lists: page after page until there is no next one (OCI Distribution 1.1, "Listing Tags").

use std::collections::HashSet;
use std::fmt;

use reqwest::header::LINK;
use reqwest::{Method, StatusCode};
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::http::link;
use crate::model::names::ImageName;
use crate::model::tags::{TagBuffer, Tags};
use crate::registry::answer::Answer;
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host, PageHabits, Question};
use crate::registry::options::Limits;
use crate::registry::pace::Share;
use crate::registry::trust;

/// Pages in a row that may bring no new tag before the listing counts as endless.
const MAX_EMPTY_PAGES: usize = 3;
/// A number of tags in a page that every registry takes, and to which some cut what is asked for.
const SMALL_PAGE: u32 = 100;
/// How often a registry may refuse the number of tags: then it is asked for a small page, then without any number.
const MAX_SIZE_REFUSALS: u8 = 2;

/// The tags of one repository.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listing {
    /// Its legal tags.
    pub tags: Tags,
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

pub(crate) async fn list_tags(host: &Host, image: &ImageName) -> Result<Listing, RegistryError> {
    let mut reading = Reading {
        host,
        image,
        limits: host.limits(),
        budget: Budget::new(host.limits().listing_time),
        pages: Vec::new(),
        count: 0,
        dropped: 0,
        visited: HashSet::new(),
        empty_pages: 0,
    };
    let truncated = reading.read().await?;
    reading.join();
    let Reading { mut pages, dropped, limits, .. } = reading;
    let mut tags = pages.pop().unwrap_or_default();
    tags.truncate(limits.tags);
    Ok(Listing { tags, dropped, truncated })
}

/// A listing while it is read.
struct Reading<'a> {
    host: &'a Host,
    image: &'a ImageName,
    limits: &'a Limits,
    budget: Budget,
    /// The tags of each page.
    pages: Vec<Tags>,
    /// How many tags are in them; what is in several pages is counted for each.
    count: usize,
    dropped: usize,
    visited: HashSet<Url>,
    /// Pages in a row that brought nothing new.
    empty_pages: usize,
}

/// One page as it came.
struct Page {
    /// How many entries it has, legal or not.
    len: usize,
    /// Whether it brought a tag that was not known.
    is_fresh: bool,
    /// Its last tag.
    last: Option<String>,
    next: Option<Url>,
}

impl Reading<'_> {
    /// Reads all pages. Gives which of our own limits cut them short.
    async fn read(&mut self) -> Result<Option<Truncation>, RegistryError> {
        let Some(mut page) = self.first_page().await? else { return Ok(Some(Truncation::Time)) };
        loop {
            let is_probe = page.next.is_none();
            let Some(next) = page.next.take().map_or_else(|| self.unlinked(&page), |next| Ok(Some(next)))? else {
                return Ok((self.tags() > self.limits.tags).then_some(Truncation::Tags));
            };
            if self.visited.contains(&next) {
                return Err(self.bad("its pages go round: a next page was read before".to_owned()));
            }
            self.empty_pages = if page.is_fresh { 0 } else { self.empty_pages + 1 };
            if self.empty_pages >= MAX_EMPTY_PAGES {
                return Err(
                    self.bad(format!("{MAX_EMPTY_PAGES} pages in a row hold no new tag, and there is a next one"))
                );
            }
            let (visited, tags) = (self.visited.len(), self.tags());
            let cuts = [
                (tags >= self.limits.tags, Truncation::Tags),
                (visited >= self.limits.pages, Truncation::Pages),
                (self.budget.is_spent(), Truncation::Time),
            ];
            if let Some((_, cut)) = cuts.into_iter().find(|(is_reached, _)| *is_reached) {
                return Ok(Some(cut));
            }
            page = match self.page(next).await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(Some(Truncation::Time)),
                // Who does not know `last` may refuse it; the page before was the whole list then.
                Err(RegistryError::NotFound { .. } | RegistryError::ServerError { status: 400..=499, .. })
                    if is_probe =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            if is_probe && !page.is_fresh {
                self.learn(|habits| habits.is_told_whole |= page.len > 0);
                return Ok((self.tags() > self.limits.tags).then_some(Truncation::Tags));
            }
        }
    }

    /// Asks for the first page with fewer tags where the registry refuses so many. None if time is up.
    async fn first_page(&mut self) -> Result<Option<Page>, RegistryError> {
        loop {
            let habits = self.host.page_habits();
            let url = self.host.url(self.image, &format!("tags/list{}", self.page_size(habits.refusals)))?;
            match self.page(url).await {
                Err(error) if is_too_many(&error) => {
                    self.visited.clear();
                    // Refused without a number too, it was not the number.
                    let is_hopeless = habits.refusals >= MAX_SIZE_REFUSALS;
                    self.learn(|habits| habits.refusals = if is_hopeless { 0 } else { habits.refusals + 1 });
                    if is_hopeless {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
                Ok(page) => return Ok(page),
            }
        }
    }

    /// The query for the number of tags in a page.
    fn page_size(&self, refusals: u8) -> String {
        match refusals {
            0 => format!("?n={}", self.limits.page_size),
            1 => format!("?n={}", self.limits.page_size.min(SMALL_PAGE)),
            _ => String::new(),
        }
    }

    /// Reads one page. None if the time of the whole listing is up and pages were read before.
    async fn page(&mut self, url: Url) -> Result<Option<Page>, RegistryError> {
        self.visited.insert(url.clone());
        let question = Question {
            image: self.image,
            method: Method::GET,
            accept: "application/json",
            cap: self.limits.bytes_per_page,
            is_blob: false,
            if_none_match: None,
            // A list that was begun is read to its end.
            share: if self.visited.len() > 1 { Share::Begun } else { Share::List },
        };
        let answer = match self.host.ask(&question, url, &mut self.budget).await {
            Err(RegistryError::Timeout { .. }) if self.budget.is_spent() && self.visited.len() > 1 => return Ok(None),
            other => other?,
        };
        if answer.status != StatusCode::OK {
            return Err(self.host.refusal(self.image, &answer));
        }
        let entries = page(&answer).map_err(|reason| self.bad(reason))?;
        let (len, last) = (entries.tags.len() + entries.dropped, entries.tags.last().map(str::to_owned));
        let next = next_page(self.host, self.image, &answer)?;
        if next.is_some() && !self.host.page_habits().is_told_whole {
            self.learn(|habits| habits.is_told_whole = true);
        }
        let tags = entries.tags.into_tags();
        // The first tag nearly always tells it.
        let is_fresh = tags.iter().any(|tag| !self.pages.iter().any(|page| page.contains(tag)));
        self.dropped += entries.dropped;
        self.count += tags.len();
        self.pages.push(tags);
        Ok(Some(Page { len, is_fresh, last, next }))
    }

    /// Counts the tags, or gives a higher number if that is no more than are read.
    fn tags(&mut self) -> usize {
        if self.count >= self.limits.tags {
            self.join();
        }
        self.count
    }

    /// Makes one of all pages.
    fn join(&mut self) {
        if self.pages.len() > 1 {
            self.pages = vec![Tags::union(&self.pages)];
            self.count = self.pages.iter().map(Tags::len).sum();
        }
    }

    /// Gives the page after one without `Link` that is as full as pages get: some registries know `last` and no `Link`.
    fn unlinked(&self, page: &Page) -> Result<Option<Url>, RegistryError> {
        let habits = self.host.page_habits();
        let asked = self.limits.page_size as usize;
        let is_full = page.len > 0 && (page.len == asked || page.len == (SMALL_PAGE as usize).min(asked));
        let (Some(last), true) = (&page.last, is_full && !habits.is_told_whole) else { return Ok(None) };
        let mut url = self.host.url(self.image, &format!("tags/list{}", self.page_size(habits.refusals)))?;
        url.query_pairs_mut().append_pair("last", last);
        Ok(Some(url).filter(|url| !self.visited.contains(url)))
    }

    fn learn(&self, change: impl FnOnce(&mut PageHabits)) {
        let mut habits = self.host.page_habits();
        change(&mut habits);
        self.host.learn_page_habits(habits);
    }

    fn bad(&self, reason: String) -> RegistryError {
        RegistryError::BadListing { image: self.image.clone(), reason }
    }
}

/// Tells whether a registry refuses the number of tags that was asked for: Distribution 3 answers 400 with
/// PAGINATION_NUMBER_INVALID, others answer 405, 416 or 422.
fn is_too_many(error: &RegistryError) -> bool {
    match error {
        RegistryError::ServerError { status: 400, detail, .. } => {
            detail.is_empty() || detail.contains("PAGINATION_NUMBER_INVALID")
        }
        RegistryError::ServerError { status, .. } => matches!(status, 405 | 413 | 414 | 416 | 422),
        _ => false,
    }
}

/// The tags of one page.
#[derive(Default)]
struct Entries {
    tags: TagBuffer,
    /// How many entries are no legal tags.
    dropped: usize,
}

/// Takes in one entry.
impl<'de> DeserializeSeed<'de> for &mut Entries {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for &mut Entries {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if !self.tags.push(text) {
            self.dropped += 1;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_unit<E>(self) -> Result<Entries, E> {
                Ok(Entries::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries, A::Error> {
                let mut entries = Entries::default();
                while let Some(()) = list.next_element_seed(&mut entries)? {}
                Ok(entries)
            }
        }
        from.deserialize_any(List)
    }
}

/// Reads one page. `tags` must be there; `null` is what some registries answer for none.
fn page(answer: &Answer) -> Result<Entries, String> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default, deserialize_with = "present")]
        tags: Option<Entries>,
    }
    fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Entries>, D::Error> {
        Entries::deserialize(from).map(Some)
    }

    let body = answer.body.as_ref().map_err(ToString::to_string)?;
    if answer.is_html() {
        return Err("it is a web page (HTML), not JSON".to_owned());
    }
    let document: Document = serde_json::from_slice(body).map_err(|error| {
        if error.is_eof() {
            format!("it ends too early, after {} bytes", body.len())
        } else if error.is_data() {
            "it is JSON, and no object with a list of texts as `tags`".to_owned()
        } else {
            format!("it is no JSON (line {}, column {})", error.line(), error.column())
        }
    })?;
    document.tags.ok_or_else(|| "it holds no `tags`".to_owned())
}

/// Gives the page that a list says comes next, if it may be asked for.
pub(crate) fn next_page(host: &Host, image: &ImageName, answer: &Answer) -> Result<Option<Url>, RegistryError> {
    let mut links = answer.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = links.find_map(link::next) else { return Ok(None) };
    // `Link` may be relative (RFC 8288, section 3.1), so resolve it against the URL that answered.
    let mut next = answer.url.join(target).map_err(|_| RegistryError::BadListing {
        image: image.clone(),
        reason: "its next page is no URL".to_owned(),
    })?;
    next.set_fragment(None);
    at_the_list(&mut next, &answer.url);
    if trust::same_origin(&next, &answer.url) && next.username().is_empty() && next.password().is_none() {
        return Ok(Some(next));
    }
    Err(RegistryError::UntrustedUrl {
        image: image.clone(),
        what: "next page",
        url: host.shown(&next),
        rule: "the next page stays at the scheme, host and port of the registry's API",
    })
}

/// Corrects what a registry says of itself. It may not know that TLS ends at a proxy before it, and so write `http` and no
/// port. And it may name its list by a path that does not lead there: without what a proxy puts before it, without the
/// repository key (Artifactory), or as another door of it has it (Nexus). Pages of one list differ in their query.
fn at_the_list(next: &mut Url, answered: &Url) {
    let is_own_name = next.host() == answered.host() && next.port().is_none();
    if is_own_name && next.scheme() == "http" && answered.scheme() == "https" {
        // Both are special schemes, and the port is one that an URL may have.
        let _ = next.set_scheme("https");
        let _ = next.set_port(answered.port());
    }
    if next.path().ends_with("/tags/list") {
        next.set_path(answered.path());
    }
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
        .map(|entries| entries.tags.into_tags().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_next_page_is_asked_for_where_the_page_came_from() {
        let answered: Url = "https://r.example:8443/hub/v2/a/b/tags/list?n=2".parse().unwrap();
        let here = "https://r.example:8443/hub/v2/a/b/tags/list?x";
        for (link, expected) in [
            ("http://r.example/hub/v2/a/b/tags/list?x", here),
            ("http://r.example:80/v2/a/b/tags/list?x", here),
            ("/v2/a/b/tags/list?x", here),
            ("/v2/b/tags/list?x", here),
            ("https://r.example:8443/repository/hub/v2/a/b/tags/list?x", here),
            ("?x", here),
            ("/page/2?x", "https://r.example:8443/page/2?x"),
            ("http://r.example:81/v2/a/b/tags/list?x", "http://r.example:81/hub/v2/a/b/tags/list?x"),
            ("http://evil.example/v2/a/b/tags/list", "http://evil.example/hub/v2/a/b/tags/list"),
        ] {
            let mut next = answered.join(link).unwrap();
            at_the_list(&mut next, &answered);
            assert_eq!(next.as_str(), expected, "{link}");
        }
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
