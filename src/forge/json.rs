//! Reading the answers of forges: what has not the form that it should have is not there.

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::model::forge::SourceCommit;
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// Gives a text; `at` is a JSON pointer (RFC 6901), as everywhere here.
pub(super) fn text<'a>(value: &'a Value, at: &str) -> Option<&'a str> {
    value.pointer(at)?.as_str()
}

/// Gives a text, empty where there is none.
pub(super) fn owned(value: &Value, at: &str) -> String {
    text(value, at).unwrap_or_default().to_owned()
}

/// Gives a number that is not negative.
pub(super) fn number(value: &Value, at: &str) -> Option<u64> {
    value.pointer(at)?.as_u64()
}

/// Gives a claim.
pub(super) fn flag(value: &Value, at: &str) -> Option<bool> {
    value.pointer(at)?.as_bool()
}

/// Gives a time (RFC 3339).
pub(super) fn time(value: &Value, at: &str) -> Option<Timestamp> {
    text(value, at)?.parse().ok()
}

/// Gives the id of a commit.
pub(super) fn commit(value: &Value, at: &str) -> Option<CommitId> {
    text(value, at)?.parse().ok()
}

/// Gives a branch.
pub(super) fn branch(value: &Value, at: &str) -> Option<Branch> {
    text(value, at)?.parse().ok()
}

/// Gives the members of a list, none where there is no list.
pub(super) fn list<'a>(value: &'a Value, at: &str) -> &'a [Value] {
    value.pointer(at).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Gives where people read something: what the forge says if it is an http(s) URL without a user, else `own`.
pub(super) fn link(value: &Value, at: &str, own: String) -> String {
    let is_safe = |text: &&str| {
        let is_web = |url: Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty();
        text.len() <= 2000 && !text.contains(char::is_whitespace) && text.parse().is_ok_and(is_web)
    };
    text(value, at).filter(is_safe).map_or(own, str::to_owned)
}

/// Gives the first line of a message.
pub(super) fn subject(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_end().to_owned()
}

/// Tells whether two logins are the same: no forge takes case for a difference.
pub(super) fn same_login(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Tells whether a text can name a revision: an id, a tag or a branch, and nothing that a path or a range would read
/// otherwise.
pub(super) fn is_revision(text: &str) -> bool {
    text.parse::<Branch>().is_ok() && text.is_ascii()
}

/// Gives the commits between two revisions newest first, whichever way the forge lists them: the new revision is at one of
/// the ends. Where it is at none (a name and no id), `is_oldest_first` says how the forge does it.
pub(super) fn newest_first(mut commits: Vec<SourceCommit>, new: &str, is_oldest_first: bool) -> Vec<SourceCommit> {
    let is_new = |commit: Option<&SourceCommit>| commit.is_some_and(|commit| commit.id.to_string().starts_with(new));
    let is_hex = new.len() >= 7 && new.bytes().all(|c| c.is_ascii_hexdigit());
    let is_turned = match (is_hex && is_new(commits.first()), is_hex && is_new(commits.last())) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => is_oldest_first,
    };
    if is_turned {
        commits.reverse();
    }
    commits
}
