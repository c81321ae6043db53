//! The body of a pull request: the table, a section for each image, and what a person can do. Shortened by whole entries.

use std::time::Duration;

use crate::message::pull_request::foreign::{code, host, host_link, link, text as foreign_text};
use crate::model::change::{News, PullText, WrittenPlace};
use crate::model::forge::{Comparison, Course, LABEL_REBASE, LABEL_RETRY, SourceCommit, SourcePull};
use crate::model::interval::to_the_minute;
use crate::model::source::Source;

/// Longest body, in bytes, and so in characters. GitHub takes 65,536 characters.
const MAX_BYTES: usize = 59_000;
/// Hexadecimal digits of a short digest, and of a short revision.
const DIGEST: usize = 12;
const REVISION: usize = 10;

/// How much a section tells.
#[derive(Clone, Copy)]
struct Detail {
    pulls: usize,
    commits: usize,
    passed_over: usize,
    places: usize,
}

/// From all to the least.
const DETAILS: [Detail; 4] = [
    Detail { pulls: 50, commits: 50, passed_over: 5, places: 5 },
    Detail { pulls: 20, commits: 10, passed_over: 5, places: 3 },
    Detail { pulls: 5, commits: 3, passed_over: 2, places: 1 },
    Detail { pulls: 0, commits: 0, passed_over: 1, places: 1 },
];

/// All places that get the same image for the same reason.
struct Image<'a> {
    first: &'a WrittenPlace,
    places: Vec<&'a WrittenPlace>,
    news: Option<&'a News>,
}

/// Writes everything in front of the marker, which takes `marker` bytes.
pub(super) fn body(text: &PullText, marker: usize) -> String {
    let (intro, guide) = (intro(text), guide(text));
    let room = MAX_BYTES.saturating_sub(marker + intro.len() + guide.len() + 200);
    let table = table(text, room / 10 * 6);
    let sections = sections(&images(text), room.saturating_sub(table.len()));
    format!("{intro}\n{table}\n{sections}{guide}")
}

fn intro(text: &PullText) -> String {
    format!(
        "repin proposes these changes for the branch {} of {}.\n",
        code(&text.base, 100),
        code(&text.commit.repository, 60)
    )
}

/// One row for each place.
fn table(text: &PullText, room: usize) -> String {
    let places = &text.commit.places;
    let mut out = "| application | environment | image | from | to | digest |\n|---|---|---|---|---|---|\n".to_owned();
    for (at, place) in places.iter().enumerate() {
        let row = row(place);
        let rest = places.len() - at;
        if out.len() + row.len() > room {
            out.push_str(&format!("\nand {rest} more.\n"));
            break;
        }
        out.push_str(&row);
    }
    out
}

fn row(place: &WrittenPlace) -> String {
    let (application, environment) = &place.application;
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        code(application, 120),
        environment.as_deref().map_or_else(|| "-".to_owned(), |environment| foreign_text(environment, 60)),
        code(&place.image, 200),
        shown(place.old.as_deref()),
        shown(Some(&place.new)),
        place.digest.as_deref().map_or_else(|| "-".to_owned(), |digest| code(&short(digest), 40)),
    )
}

fn images(text: &PullText) -> Vec<Image<'_>> {
    let mut all: Vec<Image<'_>> = Vec::new();
    for place in &text.commit.places {
        let is_same = |image: &&mut Image<'_>| {
            let one = image.first;
            (&one.image, &one.old, &one.new, &one.digest) == (&place.image, &place.old, &place.new, &place.digest)
        };
        match all.iter_mut().find(is_same) {
            Some(image) => image.places.push(place),
            None => {
                let news = text.news.get(&(place.image.clone(), place.old.clone(), place.new.clone()));
                all.push(Image { first: place, places: vec![place], news });
            }
        }
    }
    all
}

/// With as much detail for each as there is room for all.
fn sections(images: &[Image<'_>], room: usize) -> String {
    for detail in DETAILS {
        let all: String = images.iter().map(|image| section(image, detail)).collect();
        if all.len() <= room {
            return all;
        }
    }
    let [.., least] = DETAILS;
    let mut out = String::new();
    for (at, image) in images.iter().enumerate() {
        let one = section(image, least);
        if out.len() + one.len() > room {
            out.push_str(&format!("and {} more images.\n\n", images.len() - at));
            break;
        }
        out.push_str(&one);
    }
    out
}

fn section(image: &Image<'_>, detail: Detail) -> String {
    let place = image.first;
    let mut out =
        format!("### {}: {} -> {}\n\n", code(&place.image, 200), shown(place.old.as_deref()), shown(Some(&place.new)));
    let mut line = |name: &str, what: String| out.push_str(&format!("- {name}: {what}\n"));
    line("Why", foreign_text(&place.reason, 400));
    if let Some(digest) = &place.digest {
        line("Digest", code(digest, 150));
    }
    if let Some(time) = place.first_seen {
        line("First seen", to_the_minute(time));
    }
    line("Where", places(&image.places, detail.places));
    if let Some(source) = place.labels.as_ref().and_then(Source::of) {
        line("Sources, by its labels", sources(&source, image.news));
    }
    if !place.passed_over.is_empty() {
        let one = |(tag, why): &(String, String)| format!("{}: {}", code(tag, 130), foreign_text(why, 200));
        let all: Vec<String> = place.passed_over.iter().take(detail.passed_over).map(one).collect();
        line("Passed over", all.join("; "));
    }
    out.push('\n');
    if let Some(news) = image.news {
        out.push_str(&told(news, detail));
    }
    out
}

fn places(places: &[&WrittenPlace], limit: usize) -> String {
    let one = |place: &&WrittenPlace| format!("{} in {}", code(&place.key, 150), code(&place.file, 200));
    let shown: Vec<String> = places.iter().take(limit).map(one).collect();
    let more = places.len() - shown.len();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

fn sources(new: &Source, news: Option<&News>) -> String {
    let label = foreign_text(new.url().split_once("://").map_or("", |(_, rest)| rest), 150);
    let place = link(&label, new.url()).unwrap_or(label);
    let old = news.and_then(|news| news.old.as_ref()).and_then(Source::of);
    let revision = |text: &str| code(short_revision(text), 100);
    match old.filter(|old| old.url() == new.url() && old.revision() != new.revision()) {
        Some(old) => format!("{place}, {} -> {}", revision(old.revision()), revision(new.revision())),
        None => format!("{place} at {}", revision(new.revision())),
    }
}

/// What lies between the two images.
fn told(news: &News, detail: Detail) -> String {
    let Some(comparison) = &news.comparison else {
        let missing = news.missing.as_deref().map(|why| foreign_text(why, 300));
        return missing.map(|why| format!("What lies between is not shown: {why}\n\n")).unwrap_or_default();
    };
    let mut out = String::new();
    if let Some(warning) = warning(comparison) {
        out.push_str(&format!("**{warning}**\n\n"));
    }
    if comparison.course == Course::Same {
        return out;
    }
    let compared = host_link("compared on ", &comparison.url);
    let compared = compared.map(|link| format!(", {link}")).unwrap_or_default();
    out.push_str(&format!("{}{compared}\n\n", counted(comparison.total, "commit")));
    if let Some(missing) = &news.missing {
        out.push_str(&format!("Not all of it is shown: {}\n\n", foreign_text(missing, 300)));
    }
    let forge = host(&comparison.url);
    let pulls: Vec<String> = news.pulls.iter().take(detail.pulls).map(|pull| pulled(pull, forge.as_deref())).collect();
    out.push_str(&listed("Pull requests", pulls, news.pulls.len()));
    let commits = comparison.commits.iter().take(detail.commits);
    let commits: Vec<String> = commits.map(|commit| committed(commit, forge.as_deref())).collect();
    let total = usize::try_from(comparison.total).unwrap_or(usize::MAX).max(comparison.commits.len());
    out.push_str(&listed("Commits, newest first", commits, total));
    out
}

fn warning(comparison: &Comparison) -> Option<&'static str> {
    match comparison.course {
        Course::Ahead => None,
        Course::Same => Some("Both images were built from the same revision."),
        Course::Behind => Some("The new image is built from an older revision than the old one: this goes back."),
        Course::Diverged => {
            Some("The new image is not built on top of the old one: each has commits that the other has not.")
        }
    }
}

fn listed(title: &str, lines: Vec<String>, total: usize) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let more = total - lines.len();
    let mut out = format!("{title}:\n\n");
    lines.iter().for_each(|line| out.push_str(&format!("- {line}\n")));
    if more > 0 {
        out.push_str(&format!("- and {more} more\n"));
    }
    out.push('\n');
    out
}

fn pulled(pull: &SourcePull, forge: Option<&str>) -> String {
    let label = format!("pull request {}", pull.number);
    let label = linked(label, &pull.url, forge);
    let merged = pull.merged.map(|time| format!(", merged {}", to_the_minute(time))).unwrap_or_default();
    format!("{label}: {}, by {}{merged}", foreign_text(&pull.title, 200), foreign_text(&pull.author, 60))
}

fn committed(commit: &SourceCommit, forge: Option<&str>) -> String {
    let label = linked(commit.id.short(), &commit.url, forge);
    format!("{label}: {}, by {}", foreign_text(&commit.subject, 200), foreign_text(&commit.author, 60))
}

/// A link only to the forge that was asked: a short word must not lead to somewhere else.
fn linked(label: String, url: &str, forge: Option<&str>) -> String {
    let is_there = host(url).as_deref() == forge;
    Some(url).filter(|_| is_there).and_then(|url| link(&label, url)).unwrap_or(label)
}

/// What a person can do, in the words of the lifecycle.
fn guide(text: &PullText) -> String {
    let base = code(&text.base, 100);
    let resume = match text.commit.applications.as_slice() {
        [(one, _)] => code(&format!("Repin-Resume: {one}"), 150),
        _ => "`Repin-Resume: <application>`".to_owned(),
    };
    format!(
        "### What you can do\n\n\
         - Take it: merge this pull request. A merge commit, a squash and a rebase are the same to repin.\n\
         - Take it later: leave it open. A newer version comes into this same pull request, from the head of {base} as it is \
         then; when nothing is left to change, it is closed, and opened again if it is wanted again within {}.\n\
         - Skip it: close it. What it holds is not proposed again, and a higher version opens a new pull request. The label \
         `{LABEL_RETRY}` on the closed one takes that back.\n\
         - Change it: commit to its branch. From then on repin leaves the branch alone, until it is gone. The label \
         `{LABEL_REBASE}` has it made anew from {base}, without your commits.\n\
         - Go back after the merge: `git revert`. What was taken back is not proposed again, only what is higher, or what a \
         commit to {base} with the trailer {resume} releases.\n",
        days(text.reopened_within)
    )
}

/// A value in a table: with a short digest, and a word where there is none.
pub(super) fn shown(value: Option<&str>) -> String {
    match value {
        None => "(none)".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(value) => code(&short(value), 150),
    }
}

/// Shortens the digest of a value, wherever it stands.
pub(super) fn short(value: &str) -> String {
    for algorithm in ["sha256:", "sha512:"] {
        if let Some((before, digits)) = value.split_once(algorithm) {
            let kept: String = digits.chars().take(DIGEST).collect();
            return format!("{before}{algorithm}{kept}");
        }
    }
    value.to_owned()
}

fn short_revision(revision: &str) -> &str {
    let is_id = matches!(revision.len(), 40 | 64) && revision.bytes().all(|c| c.is_ascii_hexdigit());
    if is_id { revision.get(..REVISION).unwrap_or(revision) } else { revision }
}

pub(super) fn days(time: Duration) -> String {
    let hours = time.as_secs() / 3600;
    if hours >= 48 && hours.is_multiple_of(24) { format!("{} days", hours / 24) } else { counted(hours, "hour") }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
