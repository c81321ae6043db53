//! Comments on pull requests. Each is written once: a hidden mark at its end says which one it is.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::message::pull_request::body::{days, shown};
use crate::message::pull_request::foreign::{code, text as foreign_text};
use crate::message::pull_request::{changes, key};
use crate::message::trailers::Change;
use crate::model::change::{Notice, PullText};
use crate::model::forge::{LABEL_REBASE, LABEL_RETRY};

/// Values that a comment lists.
const LISTED: usize = 20;

/// A comment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Comment {
    /// What it is found again by; the last line of the text.
    pub mark: String,
    /// All of it.
    pub text: String,
}

impl Comment {
    fn new(kind: &str, what: &str, text: &str) -> Self {
        let hash = hex::encode(Sha256::digest(what).get(..8).unwrap_or_default());
        let mark = format!("<!-- repin-comment {kind} {hash} -->");
        Self { text: format!("{text}\n\n{mark}"), mark }
    }
}

/// Says what somebody has to know who takes part.
pub fn notice(notice: &Notice) -> Comment {
    match notice {
        Notice::Foreign { author, commit } => {
            let text = format!(
                "{} committed `{}` to this branch, so repin leaves it alone from here on: neither the branch nor this pull \
                 request is changed, until the branch is gone. The label `{LABEL_REBASE}` has the branch made anew from its \
                 base, without that commit.",
                code(author, 60),
                commit.short()
            );
            Comment::new("foreign", &commit.to_string(), &text)
        }
        Notice::Refused { closed_by, values } => {
            let who = closed_by
                .as_ref()
                .map_or_else(|| "This".to_owned(), |login| format!("{} closed this, so it", code(login, 60)));
            let text = format!(
                "{who} counts as refused: repin does not propose the following again, and a higher version opens a new pull \
                 request. The label `{LABEL_RETRY}` on this one takes the refusal back.\n\n{}",
                list(values.iter().map(|value| code(value, 200)))
            );
            Comment::new("refused", &values.join("\n"), &text)
        }
    }
}

/// Says why repin closed a pull request, and how long it may come back.
pub fn closed(reason: &str, reopened_within: Duration) -> Comment {
    let text = format!(
        "repin closed this: {}. If it is wanted again within {}, it is opened again.",
        foreign_text(reason, 500).trim_end_matches('.'),
        days(reopened_within)
    );
    Comment::new("closed", reason, &text)
}

/// Says what is new in a pull request in which a person has taken part.
pub fn updated(text: &PullText, old: &[Change]) -> Comment {
    let new = changes(text);
    let before = |change: &Change| old.iter().find(|one| (&one.file, &one.key) == (&change.file, &change.key));
    let is_kept = |change: &Change| new.iter().any(|one| (&one.file, &one.key) == (&change.file, &change.key));
    let value = |change: &Change| shown(Some(&change.new));
    let mut lines = Vec::new();
    for change in &new {
        let (image, to) = (code(&change.image, 200), value(change));
        match before(change) {
            Some(one) if one.new == change.new => {}
            Some(one) => lines.push(format!("{image}: {to} instead of {}", value(one))),
            None => lines.push(format!("{image}: {to} came in")),
        }
    }
    for change in old.iter().filter(|change| !is_kept(change)) {
        lines.push(format!("{}: {} went out", code(&change.image, 200), value(change)));
    }
    if lines.is_empty() {
        lines.push("the same values, with other digests or for other places".to_owned());
    }
    lines.dedup();
    let base = code(&text.base, 100);
    let said = format!(
        "repin made the branch anew from the head of {base}; the table above is up to date.\n\n{}",
        list(lines.into_iter())
    );
    Comment::new("updated", &key(text), &said)
}

fn list(lines: impl ExactSizeIterator<Item = String>) -> String {
    let more = lines.len().saturating_sub(LISTED);
    let mut shown: Vec<String> = lines.take(LISTED).map(|line| format!("- {line}")).collect();
    if more > 0 {
        shown.push(format!("- and {more} more"));
    }
    shown.join("\n")
}
