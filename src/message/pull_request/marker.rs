//! The hidden marker at the end of a pull request's body: what it holds, for a machine.
//!
//! An HTML comment with one JSON object, pure ASCII, in which nothing ends a comment or means anything to a forge: `-->` and
//! the like are written as escapes. It is the last one of a body that counts. Whoever may edit the body may write it, so
//! it is read as a claim: typed, capped, and never a reason to write anything into Git.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::message::trailers::Change;

/// Version of the marker's grammar.
pub const FORMAT: u32 = 1;
const BEGIN: &str = "<!--";
const NAME: &str = "repin:";
const END: &str = "-->";
/// Longest marker that is read, in bytes.
const MAX_BYTES: usize = 60_000;
/// Room for the changes of one that is written, in bytes: the body has to hold it whole.
const MAX_CHANGES: usize = 50_000;
/// Longest texts within it, in bytes.
const MAX_TEXT: usize = 1_000;

/// What a pull request holds, and what repin did about it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Marker {
    /// Version of the grammar.
    pub format: u32,
    /// The branch that the pull request brings.
    pub branch: String,
    /// The changes that it brings.
    pub changes: Vec<Change>,
    /// How many more changes there are that the body has no room for; `text` covers them too.
    pub more: usize,
    /// What decides title and body, see [`crate::message::pull_request::key`].
    pub text: String,
    /// Why repin closed it; none if it did not.
    pub closed: Option<String>,
    /// What people were told in comments, and what the forge was asked for.
    pub told: BTreeSet<String>,
    /// Which configuration opened it, as eight digits; empty if it does not say.
    pub by: String,
}

/// The same, as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    branch: String,
    changes: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    more: usize,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed: Option<String>,
    #[serde(default)]
    told: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    by: String,
}

impl Marker {
    /// Writes it as one line. Changes for which there is no room are counted.
    pub fn write(&self) -> String {
        let mut changes = Vec::new();
        let mut length = 0;
        for change in &self.changes {
            let line = change.write();
            length += escaped(&line).len() + 3;
            if length > MAX_CHANGES {
                break;
            }
            changes.push(line);
        }
        let more = self.more + self.changes.len() - changes.len();
        let written = Written {
            format: self.format,
            branch: self.branch.clone(),
            changes,
            more,
            text: self.text.clone(),
            closed: self.closed.as_deref().map(|reason| capped(reason).to_owned()),
            told: self.told.clone(),
            by: self.by.clone(),
        };
        // Strings, numbers and lists of them: JSON has a form for all of it.
        let json = serde_json::to_string(&written).unwrap_or_default();
        format!("{BEGIN} {NAME} {} {END}", escaped(&json))
    }

    /// Reads the last marker of a body; none if there is none, or it is not of the grammar. Line ends within it count as
    /// blanks: forges and mail programs wrap.
    pub fn parse(body: &str) -> Option<Self> {
        let (start, end) = last(body)?;
        let text = body.get(start + BEGIN.len()..end - END.len())?.trim_start().strip_prefix(NAME)?;
        if text.len() > MAX_BYTES {
            return None;
        }
        let is_blank = |c: char| c == '\r' || c == '\n' || c == '\t';
        let text = text.split(is_blank).map(|part| part.trim_matches(' ')).filter(|part| !part.is_empty());
        let written: Written = serde_json::from_str(&text.collect::<Vec<_>>().join(" ")).ok()?;
        let changes = written.changes.iter().map(|line| Change::parse(line)).collect::<Option<Vec<_>>>()?;
        let texts = [Some(&written.branch), Some(&written.text), Some(&written.by), written.closed.as_ref()];
        let is_short = texts.into_iter().flatten().chain(&written.told).all(|text| text.len() <= MAX_TEXT);
        is_short.then_some(Self {
            format: written.format,
            branch: written.branch,
            changes,
            more: written.more,
            text: written.text,
            closed: written.closed,
            told: written.told,
            by: written.by,
        })
    }
}

/// Puts a marker in the place of a body's last one, or behind the body if there is none.
pub fn replace(body: &str, marker: &Marker) -> String {
    let written = marker.write();
    match last(body) {
        Some((start, end)) => {
            format!("{}{written}{}", body.get(..start).unwrap_or_default(), body.get(end..).unwrap_or_default())
        }
        None if body.trim().is_empty() => written,
        None => format!("{}\n\n{written}", body.trim_end()),
    }
}

/// Where the last marker begins and ends.
fn last(body: &str) -> Option<(usize, usize)> {
    let is_ours =
        |(at, _): &(usize, &str)| body.get(at + BEGIN.len()..).is_some_and(|rest| rest.trim_start().starts_with(NAME));
    let (start, _) = body.rmatch_indices(BEGIN).find(is_ours)?;
    let end = body.get(start..)?.find(END)? + start + END.len();
    Some((start, end))
}

fn capped(text: &str) -> &str {
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// Escapes what could end the comment or mean something to a forge; all of it can only stand within strings of the JSON.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut before = ' ';
    for c in json.chars() {
        let is_plain = match c {
            '<' | '>' | '&' | '#' | '@' | '!' | '`' => false,
            '-' | '/' => before != c,
            c => c.is_ascii() && !c.is_ascii_control(),
        };
        if is_plain {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        before = c;
    }
    out
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
