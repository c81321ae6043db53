//! Title and body of pull requests, and the comments on them: what a person reads in a mail, and the hidden marker.
//!
//! Plain Markdown that reads well as text. What comes from strangers goes through [`foreign`]. A text changes only if what
//! it is about changes ([`key`]): ages are given as times, and news are taken as they are when it is written.

mod body;
mod comments;
mod foreign;
mod marker;

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::message::pull_request::body::short;
pub use crate::message::pull_request::comments::{Comment, closed, notice, updated};
pub use crate::message::pull_request::marker::{FORMAT, Marker, replace};
use crate::message::trailers::Change;
use crate::message::{application_parts, distinct};
use crate::model::change::{PullText, WrittenPlace};

/// Longest title, in characters.
const TITLE: usize = 100;
/// Longest name within it, in characters.
const NAME: usize = 60;

/// What a pull request says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rendered {
    /// Its title.
    pub title: String,
    /// Its body; the marker is its last line. Less than 60,000 bytes.
    pub body: String,
    /// What decides both, see [`key`].
    pub key: String,
}

/// Writes title and body. The marker gets the text's key; it stands whole whatever else has to be shortened.
pub fn render(text: &PullText, marker: &Marker) -> Rendered {
    let key = key(text);
    let written = Marker { text: key.clone(), ..marker.clone() }.write();
    let body = format!("{}\n{written}", body::body(text, written.len()));
    Rendered { title: title(text), body, key }
}

/// Gives 16 hexadecimal digits of what title and body are about: group, base, Applications and changes. News, ages and
/// tags that were passed over are not among it, so that a quiet cycle changes nothing.
pub fn key(text: &PullText) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: Option<&str>| match text {
        None => hash.update([0]),
        Some(text) => {
            hash.update([1]);
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text);
        }
    };
    part(Some(&text.group));
    part(Some(&text.base));
    for (name, environment) in &text.commit.applications {
        part(Some(name));
        part(environment.as_deref());
    }
    part(None);
    for Change { file, key, image, old, new, digest } in changes(text) {
        [Some(file), Some(key), Some(image), old, Some(new), digest].iter().for_each(|one| part(one.as_deref()));
    }
    hex::encode(hash.finalize().get(..8).unwrap_or_default())
}

/// Gives the changes as trailers and marker name them.
pub fn changes(text: &PullText) -> Vec<Change> {
    text.commit.places.iter().map(Change::of).collect()
}

/// `Update web to 1.3.0 in production`; for many the group, and as much as a line can name.
fn title(text: &PullText) -> String {
    let name = |label: &str| foreign::plain(application_parts(label).1, NAME);
    let value = |place: &WrittenPlace| foreign::plain(&short(tag(&place.new)), NAME);
    let places = &text.commit.places;
    let first = places.first();
    let is_of_one = places.iter().all(|place| Some(&place.application) == first.map(|one| &one.application));
    let group = foreign::plain(&text.group, NAME);
    let (title, place) = match places.as_slice() {
        [] => (format!("Update {group}"), String::new()),
        [one] => (format!("Update {} to {}", name(&one.application.0), value(one)), environment(text)),
        [first, ..] if is_of_one => {
            let part = |place: &WrittenPlace| format!("{} {}", foreign::plain(&place.alias, NAME), value(place));
            let parts: Vec<String> = distinct(places.iter().map(part));
            let name = name(&first.application.0);
            let listed = format!("Update {name}: {}", parts.join(", "));
            let counted = format!("Update {name}: {} images", parts.len());
            let place = environment(text);
            let fits = listed.chars().count() + place.chars().count() <= TITLE;
            (if fits { listed } else { counted }, place)
        }
        _ => {
            let part = |place: &WrittenPlace| format!("{} {}", name(&place.application.0), value(place));
            let parts: Vec<String> = distinct(places.iter().map(part));
            let names: BTreeSet<&str> = text.commit.applications.iter().map(|(name, _)| name.as_str()).collect();
            let place = Some(environment(text)).filter(|place| *place != format!(" in {group}")).unwrap_or_default();
            let group = if group.is_empty() { format!("{} applications", names.len()) } else { group };
            let listed = format!("Update {group}: {}", parts.join(", "));
            let counted = format!("Update {group}: {} images of {} applications", images(text), names.len());
            let fits = listed.chars().count() + place.chars().count() <= TITLE;
            (if fits { listed } else { counted }, place)
        }
    };
    title.chars().chain(place.chars()).take(2 * TITLE).collect()
}

fn images(text: &PullText) -> usize {
    text.commit.places.iter().map(|place| &place.image).collect::<BTreeSet<_>>().len()
}

/// The environment that all Applications have in common.
fn environment(text: &PullText) -> String {
    let mut all = text.commit.applications.iter().map(|(_, environment)| environment.as_deref());
    match all.next().flatten() {
        Some(first) if all.all(|other| other == Some(first)) => format!(" in {}", foreign::plain(first, NAME)),
        _ => String::new(),
    }
}

/// The tag of a value that has one; else its digest.
fn tag(value: &str) -> &str {
    value.split_once('@').map_or(value, |(tag, digest)| if tag.is_empty() { digest } else { tag })
}
