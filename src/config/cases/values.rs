//! The values of a case: tags, times, and what is expected.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::config::cases::keys::{EXPECT, TAG, VERDICTS};
use crate::config::reader::Value;
use crate::model::metadata::Platform;
use crate::model::names::{Digest, Tag};
use crate::plan::trial::cases::{Expectation, Offer, STANDINGS};

/// Reads a tag as written, from a text or from a mapping.
pub(super) fn offer(value: &Value<'_>) -> Option<Offer> {
    if value.is_scalar() {
        let tag = tag(value)?;
        return Some(Offer { tag, digest: None, created: None, platforms: None, seen: None, is_signed: true });
    }
    let fields = value.fields(&TAG);
    let tag = fields.get("tag").and_then(tag);
    let digest = fields.get("digest").map(|value| {
        let digest = value.text()?.parse::<Digest>();
        digest.map_err(|error| value.invalid(error.rule, "write it whole, or leave it out")).ok()
    });
    let created = match fields.written("created") {
        None => Some(None),
        Some(value) if value.is_null() => Some(Some(None)),
        Some(value) => time(value).map(|time| Some(Some(time))),
    };
    let platforms = fields.get("platforms").map(|list| list.items().iter().map(platform).collect::<Option<Vec<_>>>());
    let seen = fields.get("seen").map(time);
    let is_signed = fields.get("signed").map_or(Some(true), Value::boolean);
    Some(Offer {
        tag: tag?,
        digest: digest.map_or(Some(None), |read| read.map(Some))?,
        created: created?,
        platforms: platforms.map_or(Some(None), |read| read.map(Some))?,
        seen: seen.map_or(Some(None), |read| read.map(Some))?,
        is_signed: is_signed?,
    })
}

/// Reads what is expected of these tags; none = it is not known which there are.
pub(super) fn expectation(value: &Value<'_>, tags: Option<&BTreeSet<&str>>) -> Option<Expectation> {
    let fields = value.fields(&EXPECT);
    let is_there = |tag: &str| tags.is_none_or(|tags| tags.contains(tag));
    let mut expect = Expectation::default();
    match fields.written("chosen") {
        None => {}
        Some(value) if value.is_null() => expect.chosen = Some(None),
        Some(value) => {
            let text = value.text()?;
            let tag = text.split_once('@').map_or(text, |(tag, _)| tag);
            let is_followed = text.starts_with("sha256:") || text.starts_with("sha512:");
            if !is_there(tag) && !is_followed {
                let hint = "correct it, or add it to `tags`; `chosen: null` expects that nothing is taken";
                value.invalid("`tags` has no such tag", hint);
            }
            expect.chosen = Some(Some(text.to_owned()));
        }
    }
    expect.code = fields.get("code").and_then(Value::text).map(str::to_owned);
    for (tag, line, code) in fields.get("rejected").map(Value::entries).unwrap_or_default() {
        if !is_there(tag) {
            let message = format!("`{}` is none of the `tags` of the case", code.path);
            let hint = Some("correct it, or add it to `tags`".to_owned());
            value.reader.error("config/invalid-value", Some(line), message, hint);
        }
        let words: Vec<&'static str> = VERDICTS.into_iter().chain(STANDINGS).collect();
        if let Some(word) = code.word(&words) {
            expect.rejected.insert(tag.to_owned(), word.to_owned());
        }
    }
    if fields.is_clean && expect == Expectation::default() {
        let hint = "expect `chosen`, `code` or `rejected`";
        value.error("config/missing-key", "expects nothing, so the case could not fail", hint);
    }
    Some(expect)
}

fn tag(value: &Value<'_>) -> Option<Tag> {
    let tag = value.text()?.parse::<Tag>();
    tag.map_err(|error| value.invalid(error.rule, "write a tag as a registry lists it")).ok()
}

/// Reads what stands or stood: a tag, a digest, or both.
pub(super) fn standing(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let is_digest = |text: &str| text.parse::<Digest>().is_ok();
    let is_good = match text.split_once('@') {
        Some((tag, digest)) => tag.parse::<Tag>().is_ok() && is_digest(digest),
        None => text.parse::<Tag>().is_ok() || is_digest(text),
    };
    if !is_good {
        value.invalid("it is a tag, a digest, or both", "write for example `1.2.0` or `1.2.0@sha256:…`");
        return None;
    }
    Some(text.to_owned())
}

fn platform(value: &Value<'_>) -> Option<Platform> {
    let read = value.text()?.parse::<Platform>();
    read.map_err(|error| value.invalid(error, "write for example `linux/amd64`")).ok()
}

/// Reads a time.
pub(super) fn time(value: &Value<'_>) -> Option<Timestamp> {
    let read = value.text()?.parse::<Timestamp>();
    read.map_err(|_| value.invalid("it is a time as RFC 3339 writes it", "write for example 2026-01-05T10:00:00Z")).ok()
}
