//! New tags at every image location, each edit proven by bytes, by other readers and by what is rendered.

use std::collections::BTreeMap;

use repin::diagnostic::Diagnostic as _;
use repin::manifest::place::{Current, Held, Place, Wanted, split_spec};
use repin::manifest::survey::{Surveyed, survey};
use repin::manifest::{Edit, EditError, Edited, Source, apply, inverse};
use repin::model::key_path::{KeyPath, Segment};
use repin::model::names::RepoPath;
use repin::model::tracked::{CHART, KUSTOMIZATIONS};
use serde_json::{Value, json};

use crate::judges::{Change, Judges, Rendered};
use crate::report::Report;
use crate::tree::Tree;

/// Kinds of tags: a version, one that reads as a number, a long one of a calendar, one of a commit.
const TAGS: [&str; 4] =
    ["9.9.9-repin", "1.10", "2026.11.26-1830.0f3c9a7d4e21b8c65-main-build.20261126183000", "sha-0e5cc39"];

/// An edit that was made.
struct Made {
    after: String,
    /// What stands at the place now.
    value: String,
    /// The tag or digest that is new.
    new: String,
}

/// Proves edits at each `every`-th location of a repository.
pub(crate) fn prove(tree: &Tree, judges: &mut Judges, report: &mut Report, every: usize) {
    let users = users(tree);
    let mut number = 0;
    for file in tree.files() {
        let Ok(source) = tree.source(file) else { continue };
        let name = file.parts().last().unwrap_or_default();
        let mut told = false;
        for one in survey(&source, name) {
            number += 1;
            if number % every != 0 {
                continue;
            }
            report.count("locations");
            let at = format!("{file}: {}", one.place.key());
            let held = match &one.held {
                Ok(held) => held,
                Err(error) => {
                    report.count("refused");
                    report.note("refused", format!("{} (to read)", error.code()));
                    continue;
                }
            };
            let Some(mut made) = all_tags(&source, &one, held, &at, report) else { continue };
            let made = made.swap_remove(number % made.len());
            report.count("proven");
            read(judges, report, &source, &made, &at, &mut told);
            render(tree, judges, report, &users, file, &one, held, &made, &at);
        }
    }
}

/// Writes each kind of tag, and proves by bytes that nothing else is written.
fn all_tags(source: &Source, one: &Surveyed, held: &Held, at: &str, report: &mut Report) -> Option<Vec<Made>> {
    let mut all = Vec::new();
    for (number, tag) in TAGS.iter().enumerate() {
        let is_digest = matches!(one.place, Place::Entry { is_digest: true, .. });
        let digest = format!("sha256:{}", ["0123456789abcdef", "fedcba9876543210"][number % 2].repeat(4));
        let wanted = if is_digest {
            Wanted { tag: None, digest: Some(digest.clone()) }
        } else {
            Wanted { tag: Some((*tag).to_owned()), digest: held.digest.clone() }
        };
        let (value, new) = (value(one, held, &wanted), if is_digest { digest } else { (*tag).to_owned() });
        let after = match one.place.write(source, &one.image, &wanted) {
            Ok(after) => after,
            Err(error) => {
                report.count("refused");
                report.note("refused", error.code().to_owned());
                report.note("refused: such as", format!("{at}: {error}"));
                return None;
            }
        };
        let old = match &held.current {
            Current::Text(text) => Some(text.as_str()),
            Current::Absent | Current::Null => None,
        };
        if let Err(why) = only(source.text(), &after, old, &value) {
            report.wrong(format!("{at}: {why}"));
            return None;
        }
        if let Place::Tag(address) | Place::Spec(address) = &one.place {
            // What several places of one image share is written by the place alone.
            let edited = match source.set_at(address, &value) {
                Ok(edited) => edited,
                Err(EditError::Shared { .. }) => {
                    let (start, end, new) = span(source.text(), &after);
                    let edit =
                        Edit { span: start..end, old: source.text()[start..end].to_owned(), new: new.to_owned() };
                    Edited { text: after.clone(), edits: vec![edit] }
                }
                Err(error) => panic!("{at}: it was written a moment ago, and now: {error}"),
            };
            let back = apply(&edited.text, &inverse(&edited.edits)).expect("an inverse edit applies");
            if edited.text != after || back != source.text() {
                report.wrong(format!("{at}: the inverse edit does not give back the file"));
                return None;
            }
        }
        let read = Source::parse(&after).ok().and_then(|after| one.place.read(&after, &one.image).ok());
        if !read.is_some_and(|read| read.tag == wanted.tag && read.digest == wanted.digest) {
            report.wrong(format!("{at}: `{new}` is not what is read there then"));
            return None;
        }
        all.push(Made { after, value, new });
    }
    Some(all)
}

/// The text that stands at the place afterwards.
fn value(one: &Surveyed, held: &Held, wanted: &Wanted) -> String {
    let tag = wanted.tag.clone().unwrap_or_default();
    let digest = wanted.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    match (&one.place, &held.current) {
        (Place::Entry { is_digest: true, .. }, _) => wanted.digest.clone().unwrap_or_default(),
        (Place::Entry { .. }, _) => tag,
        (Place::Tag(_), Current::Text(text)) if text.contains('@') => format!("{tag}{digest}"),
        (Place::Tag(_), _) => tag,
        // The others are found by nobody who surveys a file.
        (_, _) => {
            format!("{}:{tag}{digest}", held.name.clone().unwrap_or_else(|| one.image.to_string()))
        }
    }
}

/// Where two texts differ: the first byte, the last of the first text, and what stands there in the second.
fn span<'a>(before: &str, after: &'a str) -> (usize, usize, &'a str) {
    let (one, two) = (before.as_bytes(), after.as_bytes());
    let mut start = one.iter().zip(two).take_while(|(a, b)| a == b).count();
    while !before.is_char_boundary(start) || !after.is_char_boundary(start) {
        start -= 1;
    }
    let most = (one.len() - start).min(two.len() - start);
    let mut same = one.iter().rev().zip(two.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    while !before.is_char_boundary(one.len() - same) || !after.is_char_boundary(two.len() - same) {
        same -= 1;
    }
    (start, one.len() - same, &after[start..two.len() - same])
}

/// Proves by the lines around what differs that one scalar was replaced, in quotes or without, or one key added.
fn only(before: &str, after: &str, old: Option<&str>, new: &str) -> Result<(), String> {
    let (start, end, text) = span(before, after);
    let first = before[..start].rfind('\n').map_or(0, |at| at + 1);
    let rest = before[end..].find('\n').map_or(before.len() - end, |at| at);
    let line = &before[first..end + rest];
    let changed = format!("{}{text}{}", &before[first..start], &before[end..end + rest]);
    let spellings = |text: &str| [text.to_owned(), format!("\"{text}\""), format!("'{text}'")];
    let news = spellings(new);
    let is_replaced = |old: &str| {
        line.match_indices(old)
            .any(|(at, _)| news.iter().any(|new| changed == format!("{}{new}{}", &line[..at], &line[at + old.len()..])))
    };
    let is_right = match old {
        Some(old) if !old.is_empty() => spellings(old).iter().any(|old| is_replaced(old)),
        Some(_) => ["\"\"", "''"].iter().any(|old| is_replaced(old)),
        // A null gets a value, or a key is added; nothing is taken away but `~` or `null`.
        None => {
            ["~", "null", "Null", "NULL"].iter().any(|old| is_replaced(old))
                || (start == end && news.iter().any(|new| text.contains(new.as_str())) && text.lines().count() <= 2)
        }
    };
    if is_right { Ok(()) } else { Err(format!("more than a value differs: {line:?} is now {changed:?}")) }
}

/// Asks the readers in what the texts differ: in one value, which is a string now.
fn read(judges: &mut Judges, report: &mut Report, source: &Source, made: &Made, at: &str, told: &mut bool) {
    let (start, end, new) = span(source.text(), &made.after);
    let mut agree = 0;
    let readers = judges.readers.len();
    for (reader, judge) in &mut judges.readers {
        if !*told {
            judge.ask(&json!({ "before": source.text() }));
        }
        let answer = judge.ask(&json!({ "start": start, "end": end, "new": new }));
        if let Some(why) = answer["unread"].as_str() {
            report.note("not read before the edit", format!("{reader}: {at}: {why}"));
            continue;
        }
        let differ = answer["differ"].as_array().cloned().unwrap_or_default();
        let is_string = |one: &Value| matches!(one[3].as_str(), Some("tag:yaml.org,2002:str" | "string"));
        match differ.as_slice() {
            [one] if one[4] == made.value.as_str() && is_string(one) => agree += 1,
            other => report.wrong(format!("{at}: to {reader} this differs: {other:?}, not `{}` alone", made.value)),
        }
    }
    *told = true;
    if agree == readers {
        report.count("read");
    }
}

/// Gives for each file the directories whose kustomization names it.
fn users(tree: &Tree) -> BTreeMap<RepoPath, Vec<RepoPath>> {
    let mut found: BTreeMap<RepoPath, Vec<RepoPath>> = BTreeMap::new();
    for directory in tree.directories(&KUSTOMIZATIONS) {
        let files = KUSTOMIZATIONS.iter().filter_map(|name| directory.join(name)).filter(|file| tree.has(file));
        for file in files {
            let Ok(source) = tree.source(&file) else { continue };
            found.entry(file).or_default().push(directory.clone());
            for node in source.documents().iter().flat_map(|document| document.nodes()) {
                if let Some(named) = node.as_str().and_then(|text| directory.join(text)).filter(|file| tree.has(file)) {
                    found.entry(named).or_default().push(directory.clone());
                }
            }
        }
    }
    found
}

/// Gives the chart of a file of values: `values*.yaml` beside `Chart.yaml`, or what stands in `ci/`.
fn chart_of(tree: &Tree, file: &RepoPath) -> Option<RepoPath> {
    let chart = tree.above(file, &[CHART])?;
    let name = file.parts().last()?;
    let is_values = file.parent() == chart && name.starts_with("values") || Some(file.parent()) == chart.join("ci");
    is_values.then_some(chart)
}

#[allow(clippy::too_many_arguments)]
fn render(
    tree: &Tree,
    judges: &mut Judges,
    report: &mut Report,
    users: &BTreeMap<RepoPath, Vec<RepoPath>>,
    file: &RepoPath,
    one: &Surveyed,
    held: &Held,
    made: &Made,
    at: &str,
) {
    let files = BTreeMap::from([(file.clone(), made.after.clone())]);
    if let Some(chart) = chart_of(tree, file) {
        let set = match &one.place {
            Place::Tag(address) | Place::Spec(address) if address.object.is_none() => {
                Some(json!({ "steps": steps(&address.key), "value": made.value }))
            }
            _ => None,
        };
        match judges.render("helm", &chart, &files, set) {
            Rendered::Done { changed, structure, as_set, .. } => {
                if as_set == Some(false) {
                    report.wrong(format!("{at}: Helm renders something else than for the same value set by itself"));
                } else if changed.is_empty() && structure.is_empty() {
                    report.count("helm/not shown");
                } else if structure.is_empty() && changed.iter().all(|change| tells(change, held, &made.new)) {
                    report.count("helm");
                } else {
                    report.count("helm/derived");
                    let odd = changed.iter().find(|change| !tells(change, held, &made.new));
                    let odd = odd.map(|odd| format!("{}: {:.80} -> {:.80}", odd.at, odd.before, odd.after));
                    report.note(
                        "helm/derived",
                        format!("{at}: {}", odd.or(structure.first().cloned()).unwrap_or_default()),
                    );
                }
            }
            Rendered::Refused(_, Some(false)) => {
                report.wrong(format!("{at}: Helm renders it no more, but does for the same value set by itself"));
            }
            Rendered::Refused(why, _) => {
                report.count("helm/refused by the chart");
                report.note("helm/refused by the chart", format!("{chart}: {why}"));
            }
            Rendered::Not(why) => {
                report.count("unrendered");
                report.note("unrendered", format!("{chart}: {why}"));
            }
        }
        return;
    }
    let Some(directory) = users.get(file).and_then(|directories| directories.first()) else {
        report.count("rendered by nobody");
        return;
    };
    match judges.render("kustomize", directory, &files, None) {
        Rendered::Done { changed, structure, .. } => {
            // A key that was not there is one leaf more.
            let is_new =
                |at: &String| held.current == Current::Absent && ["tag", "newTag"].iter().any(|key| at.ends_with(key));
            let is_whole = structure.is_empty() || structure.len() == 1 && structure.iter().all(is_new);
            if !is_whole || !changed.iter().all(|change| change.after.contains(&made.new)) {
                let odd: Vec<String> =
                    changed.iter().map(|odd| format!("{}: {} -> {}", odd.at, odd.before, odd.after)).collect();
                report
                    .wrong(format!("{at}: kustomize renders more than the image otherwise: {structure:?} {odd:.400?}"));
            } else if changed.is_empty() && structure.is_empty() {
                report.count("kustomize/not shown");
            } else {
                report.count("kustomize");
            }
        }
        Rendered::Refused(why, _) => report.wrong(format!("{at}: kustomize refuses the edit: {why}")),
        Rendered::Not(why) => {
            report.count("unrendered");
            report.note("unrendered", format!("{directory}: {why}"));
        }
    }
}

/// Tells whether a leaf differs in the tag alone: an image with another tag, a text in which the tag stands, or the checksum
/// of one.
pub(crate) fn tells(change: &Change, held: &Held, new: &str) -> bool {
    let (before, after) = (split_spec(&change.before), split_spec(&change.after));
    if before.0 == after.0 && after.1 == Some(new) {
        return true;
    }
    let old = held.tag.as_deref().unwrap_or_default();
    change.at.contains("checksum")
        || change.after.contains(new)
            && (old.is_empty() || change.after.replace(new, old) == change.before.replace(new, old))
}

/// Gives a key path in the form of the scripts.
fn steps(key: &KeyPath) -> Vec<Value> {
    let step = |segment: &Segment| match segment {
        Segment::Key(key) => json!({ "key": key }),
        Segment::Index(index) => json!({ "index": index }),
        Segment::Where { field, value } => json!({ "field": field, "value": value }),
    };
    key.segments().iter().map(step).collect()
}
