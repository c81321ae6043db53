//! What a query is about: which values, revisions and commits count as it, and which places are told of.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use crate::model::forge::SourcePull;
use crate::model::history::CommitId;
use crate::model::names::ImageName;
use crate::model::pull_name::PullName;
use crate::plan::past::Stay;
use crate::plan::trace::facts::{Answer, Question};
use crate::plan::trace::query::{Query, SHORTEST};
use crate::plan::trace::shown::{Target, pull};
use crate::plan::trace::{Line, Scene};

/// What is looked for, and where.
#[derive(Default)]
pub(super) struct Sought {
    /// What counts as it; none = whatever stands.
    pub(super) thing: Option<Thing>,
    /// Positions of the places that have to do with it.
    pub(super) places: BTreeSet<usize>,
    /// Whether the other places of their services are told of.
    pub(super) with_siblings: bool,
    /// What is known of it.
    pub(super) target: Target,
}

/// What counts as what was asked for.
#[derive(Default)]
pub(super) struct Thing {
    /// What it is called, for messages.
    pub(super) name: String,
    /// Commits of configured repositories.
    commits: HashSet<CommitId>,
    /// Digests.
    digests: HashSet<String>,
    /// Tags, each with the digest that is meant where it is known, by image.
    tags: HashMap<ImageName, Vec<(String, Option<String>)>>,
    /// Revisions, by the URL of the sources; of an empty one, of all.
    pub(super) revisions: BTreeMap<String, Vec<String>>,
    /// No place held it before this time.
    pub(super) since: Option<Timestamp>,
    /// Why it can be nowhere, or is not known.
    pub(super) obstacle: Option<Obstacle>,
}

/// Why nothing can be told of what was asked for.
pub(super) enum Obstacle {
    /// It can be nowhere yet.
    Nowhere(String),
    /// Nobody says what it is.
    Unknown(String),
}

impl Thing {
    /// Tells whether a stay is it, by what Git says alone.
    pub(super) fn is_it(&self, line: &Line<'_>, stay: &Stay, scene: &Scene<'_>) -> bool {
        let noted = stay.note.as_ref().map(|note| note.commit);
        if self.commits.contains(&stay.commit.id) || noted.is_some_and(|commit| self.commits.contains(&commit)) {
            return true;
        }
        let digest = stay.digest();
        if digest.is_some_and(|digest| self.digests.contains(digest)) {
            return true;
        }
        if let (Some(tag), Some(image)) = (stay.tag(), &line.subject.tracked.image)
            && let Some(known) = self.tags.get(image)
        {
            let is_same = |known: &Option<String>| match (known.as_deref(), digest) {
                (Some(known), Some(digest)) => known == digest,
                _ => true,
            };
            if known.iter().any(|(known, digest)| known == tag && is_same(digest)) {
                return true;
            }
        }
        if self.revisions.is_empty() {
            return false;
        }
        let Some((source, _)) = scene.source(line, stay) else { return false };
        let of_url = |url: &str| self.revisions.get(url).into_iter().flatten();
        of_url(source.url()).chain(of_url("")).any(|wanted| is_revision(source.revision(), wanted))
    }

    /// Gives the tags of an image that count as it.
    pub(super) fn tags_of(&self, image: &ImageName) -> Vec<&str> {
        self.tags.get(image).into_iter().flatten().map(|(tag, _)| tag.as_str()).collect()
    }

    /// Counts the value of a stay as it.
    fn add_value(&mut self, line: &Line<'_>, stay: &Stay) {
        self.digests.extend(stay.digest().map(str::to_owned));
        if let (Some(image), Some(tag)) = (&line.subject.tracked.image, stay.tag()) {
            let known = self.tags.entry(image.clone()).or_default();
            let value = (tag.to_owned(), stay.digest().map(str::to_owned));
            if !known.contains(&value) {
                known.push(value);
            }
        }
        self.since = Some(self.since.map_or(stay.since, |since| since.min(stay.since)));
    }

    fn add_revision(&mut self, url: &str, id: &str) {
        let known = self.revisions.entry(url.to_owned()).or_default();
        if !known.iter().any(|one| one == id) {
            known.push(id.to_owned());
        }
    }
}

/// Tells whether two texts name one commit: one may be the beginning of the other.
fn is_revision(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    let is_id = short.len() >= SHORTEST && short.bytes().all(|c| c.is_ascii_hexdigit());
    one == other || (is_id && long.starts_with(short.as_str()))
}

/// Finds what a query is about.
pub(super) fn seek(scene: &Scene<'_>, query: &Query) -> Sought {
    match query {
        Query::Applications(these) => {
            let is_it = |line: &Line<'_>| these.contains(&line.subject.tracked.application);
            Sought { places: places(scene, is_it), ..Sought::default() }
        }
        Query::Image { image, tag, digest } => seek_image(scene, image.as_ref(), tag.as_deref(), digest.as_deref()),
        Query::Commit { id, project } => seek_commit(scene, id, project.as_deref()),
        Query::PullRequest(name) => seek_pull(scene, name),
    }
}

fn places(scene: &Scene<'_>, is_it: impl Fn(&Line<'_>) -> bool) -> BTreeSet<usize> {
    scene.lines.iter().enumerate().filter(|(_, line)| is_it(line)).map(|(index, _)| index).collect()
}

fn seek_image(scene: &Scene<'_>, image: Option<&ImageName>, tag: Option<&str>, digest: Option<&str>) -> Sought {
    let is_image = |line: &Line<'_>| line.subject.tracked.image.as_ref() == image && image.is_some();
    if tag.is_none() && digest.is_none() {
        return Sought { places: places(scene, is_image), ..Sought::default() };
    }
    let shown = [image.map(ToString::to_string), tag.map(|tag| format!(":{tag}")), digest.map(|one| format!("@{one}"))];
    let mut thing = Thing { name: shown.into_iter().flatten().collect(), ..Thing::default() };
    thing.name = thing.name.trim_start_matches('@').to_owned();
    thing.digests.extend(digest.map(str::to_owned));
    if let (Some(image), Some(tag)) = (image, tag) {
        thing.tags.insert(image.clone(), vec![(tag.to_owned(), digest.map(str::to_owned))]);
    }
    let has_digest = |line: &Line<'_>| digest.is_some() && line.stays.iter().any(|stay| stay.digest() == digest);
    let places = places(scene, |line| is_image(line) || has_digest(line));
    Sought { thing: Some(thing), places, with_siblings: true, ..Sought::default() }
}

/// A commit of a configured repository, or of somebody's sources.
fn seek_commit(scene: &Scene<'_>, id: &str, project: Option<&str>) -> Sought {
    let short = id.get(..10).unwrap_or(id);
    let mut thing = Thing { name: format!("commit {short}"), ..Thing::default() };
    let mut sought = Sought { with_siblings: true, ..Sought::default() };
    let mut revisions: BTreeSet<(String, String)> = BTreeSet::new();
    for (index, line) in scene.lines.iter().enumerate() {
        let is_home = project.is_none_or(|project| has_name(scene, line, |name| name.eq_ignore_ascii_case(project)));
        for stay in &line.stays {
            let noted = stay.note.as_ref().map(|note| note.commit);
            let begins = |commit: &CommitId| commit.to_string().starts_with(id);
            let of_home = [Some(stay.commit.id), noted].into_iter().flatten().find(|commit| is_home && begins(commit));
            let source = stay.note.as_ref().and_then(|note| note.source.as_ref()).filter(|source| {
                let is_project = project.is_none_or(|project| normalised(source.url()).eq_ignore_ascii_case(project));
                is_project && is_revision(source.revision(), id)
            });
            if let Some(source) = source {
                revisions.insert((source.url().to_owned(), source.revision().to_owned()));
            }
            if of_home.is_some() || source.is_some() {
                thing.commits.extend(of_home);
                thing.add_value(line, stay);
                sought.places.insert(index);
            }
        }
    }
    if sought.places.is_empty() {
        for url in sources(scene, |url| project.is_none_or(|project| normalised(url).eq_ignore_ascii_case(project))) {
            let answer = scene.ask(Question::Commit { url: url.clone(), id: id.to_owned() });
            if let Some(Answer::Commit(Some(commit))) = answer {
                revisions.insert((url.clone(), commit.id.to_string()));
                thing.since = commit.time;
                sought.places.extend(places(scene, |line| is_of(scene, line, &url)));
            }
        }
    }
    sought.target.revision = revisions.first().map(|(_, revision)| revision.clone());
    revisions.iter().for_each(|(url, revision)| thing.add_revision(url, revision));
    sought.thing = Some(thing);
    sought
}

fn seek_pull(scene: &Scene<'_>, name: &PullName) -> Sought {
    let mut thing = Thing { name: name.to_string(), ..Thing::default() };
    let mut sought = Sought { with_siblings: true, ..Sought::default() };
    for (index, line) in scene.lines.iter().enumerate() {
        if !has_name(scene, line, |own| name.is_of(own)) {
            continue;
        }
        for stay in line.stays.iter().filter(|stay| stay.pull.as_ref().is_some_and(|pull| pull.number == name.number)) {
            thing.commits.insert(stay.commit.id);
            thing.add_value(line, stay);
            if let Some(source) = stay.note.as_ref().and_then(|note| note.source.as_ref()) {
                thing.add_revision(source.url(), source.revision());
            }
            sought.places.insert(index);
        }
    }
    if sought.places.is_empty() {
        for url in sources(scene, |url| name.is_of(normalised(url))) {
            sought.places.extend(places(scene, |line| is_of(scene, line, &url)));
            match scene.ask(Question::Pull { url: url.clone(), number: name.number }) {
                Some(Answer::Pull(Some(found))) => {
                    sought.target.pull_request = Some(pull(found, approvals(scene, &url, found.number)));
                    take_pull(&mut thing, &mut sought.target, &url, found);
                }
                Some(Answer::Pull(None)) => {
                    thing.obstacle = Some(Obstacle::Unknown(format!("{url} has no pull request {}", name.number)));
                }
                answer => {
                    let why = format!("what {name} became is not known: {}", unanswered(answer, &url));
                    thing.obstacle.get_or_insert(Obstacle::Unknown(why));
                }
            }
        }
    }
    sought.thing = Some(thing);
    sought
}

fn take_pull(thing: &mut Thing, target: &mut Target, url: &str, found: &SourcePull) {
    match (found.merged, found.merge_commit) {
        (Some(merged), Some(commit)) => {
            thing.add_revision(url, &commit.to_string());
            target.revision = Some(commit.to_string());
            thing.since = Some(merged);
            thing.obstacle = None;
        }
        (None, _) => thing.obstacle = Some(Obstacle::Nowhere(format!("{} is not merged", thing.name))),
        (Some(_), None) => {
            let why = format!("the forge does not say which commit {} made", thing.name);
            thing.obstacle = Some(Obstacle::Unknown(why));
        }
    }
}

/// Gives who approves of a pull request, as far as that is known.
pub(super) fn approvals(scene: &Scene<'_>, url: &str, number: u64) -> Vec<String> {
    let question = Question::Approvals { url: url.to_owned(), number, is_own: false };
    match scene.ask(question) {
        Some(Answer::Approvals(all)) => all.iter().map(|one| crate::model::text::plain(&one.login)).collect(),
        _ => Vec::new(),
    }
}

/// Says why there is no answer.
pub(super) fn unanswered(answer: Option<&Answer>, url: &str) -> String {
    match answer {
        Some(Answer::Unconfigured) => format!("no forge is configured for {url}"),
        Some(Answer::LeftOut) => "enough requests were made".to_owned(),
        Some(Answer::Failed(failure)) => failure.message.clone(),
        _ => "its forge was not asked yet".to_owned(),
    }
}

/// Gives the URLs of all sources that commits name and that are meant.
fn sources(scene: &Scene<'_>, is_meant: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    for line in scene.lines {
        for source in line.stays.iter().filter_map(|stay| stay.note.as_ref()?.source.as_ref()) {
            if !all.contains(source.url()) && is_meant(source.url()) {
                all.insert(source.url().to_owned());
            }
        }
        let now = line.stays.first().and_then(|stay| scene.source(line, stay));
        all.extend(now.map(|(source, _)| source.url().to_owned()).filter(|url| is_meant(url)));
    }
    all
}

fn is_of(scene: &Scene<'_>, line: &Line<'_>, url: &str) -> bool {
    let now = || line.stays.first().and_then(|stay| scene.source(line, stay));
    let mut told = line.stays.iter().filter_map(|stay| stay.note.as_ref()?.source.as_ref());
    told.any(|source| source.url() == url) || now().is_some_and(|(source, _)| source.url() == url)
}

fn has_name(scene: &Scene<'_>, line: &Line<'_>, is_it: impl Fn(&str) -> bool) -> bool {
    let base = line.subject.tracked.target.as_ref().map(|target| &target.base.repository);
    let web = base.and_then(|repository| scene.webs.get(repository));
    web.is_some_and(|web| web.names.iter().any(|name| is_it(name)))
}

/// Gives `host/owner/name` of a URL.
fn normalised(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_may_be_written_short() {
        for (one, other, is_same) in [
            ("0123456789", "0123456", true),
            ("0123456", "0123456789", true),
            ("ABCDEF0", "abcdef0123", true),
            ("0123456789", "012345", false),
            ("v1.0.0", "v1.0.0", true),
            ("v1.0.0-rc", "v1.0.0-", false),
            ("0123456789", "1123456", false),
        ] {
            assert_eq!(is_revision(one, other), is_same, "{one} {other}");
        }
    }
}
