//! The entries of `history`: what stood at places, one line of the story each, newest first.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::message::merged::MergedPull;
use crate::model::forge::ForgeKind;
use crate::model::pull_name;
use crate::model::source::Source;
use crate::model::text::plain;
use crate::plan::past::{Book, By, Past, Stay};
use crate::plan::{Snapshot, Subject, shown_key};

/// Where people read a repository, and what it is called.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Web {
    /// `https://host/owner/name`; none where it is not on a server.
    pub url: Option<String>,
    /// The kind of its forge, where that is known.
    pub kind: Option<ForgeKind>,
    /// All its names, as [`crate::model::remote_url::RemoteUrl::normalised`] writes them.
    pub names: Vec<String>,
}

/// Where people read the configured repositories, by name.
pub type Webs = BTreeMap<String, Web>;

/// Which entries are wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wish {
    /// Only what came at or after this time, and what stood then.
    pub since: Option<Timestamp>,
    /// Only this environment.
    pub environment: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// One value that stood at one place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// `namespace/name`.
    pub application: String,
    /// The alias.
    pub alias: String,
    /// The image without tag.
    pub image: String,
    /// Environment that the rules give to the place.
    pub environment: Option<String>,
    /// Name of the configured repository.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The file.
    pub file: String,
    /// The key path.
    pub key: Option<String>,
    /// What stood there before.
    pub old: Option<String>,
    /// What came; none where it was taken out.
    pub new: Option<String>,
    /// The tag of it.
    pub tag: Option<String>,
    /// Its digest, from the file or as the commit says it.
    pub digest: Option<String>,
    /// From when on it stood there.
    pub since: Timestamp,
    /// Until when; none = it stands.
    pub until: Option<Timestamp>,
    /// How long that is, or is by now.
    pub seconds: i64,
    /// It may have stood longer: older history was not read.
    pub is_cut: bool,
    /// `repin`, `person` or `tool`.
    pub by: &'static str,
    /// The values that this took back, newest first.
    pub took_back: Vec<String>,
    /// Why repin chose it.
    pub reason: Option<String>,
    /// Where the image comes from.
    pub source: Option<SourceShown>,
    /// The commit that brought it.
    pub commit: CommitShown,
}

/// Where an image comes from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SourceShown {
    /// The URL of the sources.
    pub url: String,
    /// The commit.
    pub revision: String,
}

/// A commit on the first-parent line of a branch.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CommitShown {
    /// Its id.
    pub id: String,
    /// Name of its author.
    pub author: String,
    /// Address of its author.
    pub email: String,
    /// When it was committed.
    pub time: Timestamp,
    /// Its subject.
    pub subject: String,
    /// The pull request that brought it, where Git says so.
    pub pull_request: Option<PullShown>,
    /// Who merged it, where it is a merge of what repin committed.
    pub merged_by: Option<String>,
}

/// A pull request, as far as it is known.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PullShown {
    /// Its number.
    pub number: u64,
    /// How it is written: `#12`, or `!12` on GitLab.
    pub text: String,
    /// Its URL, where that is known.
    pub url: Option<String>,
}

/// Lists what stood at the places of the Applications that `is_meant` names, newest first. Gives how many more there are.
pub fn entries(
    snapshot: &Snapshot,
    past: &Past,
    webs: &Webs,
    wish: &Wish,
    is_meant: &dyn Fn(&Subject) -> bool,
) -> (Vec<Entry>, usize) {
    let book = Book::open(snapshot, past);
    let is_wanted = |subject: &&Subject| {
        let environment = subject.environment();
        let is_there = wish.environment.as_deref().is_none_or(|wanted| environment == Some(wanted));
        is_there && is_meant(subject)
    };
    // (time, place on the line) orders commits of one branch as Git has them.
    let mut found: Vec<(&Subject, Stay)> = Vec::new();
    for subject in snapshot.subjects.iter().map(|subject| &**subject).filter(is_wanted) {
        let stays = book.stays(subject).into_iter();
        // What stood at the time is part of the answer.
        let is_asked = |stay: &Stay| wish.since.is_none_or(|since| stay.until.is_none_or(|until| until > since));
        found.extend(stays.take_while(is_asked).map(|stay| (subject, stay)));
    }
    found.sort_by(|(one, first), (other, second)| {
        let place = |subject: &Subject| subject.tracked.target.as_ref().map(|target| target.base.clone());
        let time = second.since.cmp(&first.since);
        time.then_with(|| place(one).cmp(&place(other)))
            .then_with(|| second.at.cmp(&first.at))
            .then_with(|| one.tracked.application.cmp(&other.tracked.application))
            .then_with(|| one.tracked.alias.cmp(&other.tracked.alias))
            .then_with(|| file(one).cmp(&file(other)))
            .then_with(|| shown_key(one).cmp(&shown_key(other)))
    });
    let limit = wish.limit.unwrap_or(usize::MAX);
    let left_out = found.len().saturating_sub(limit);
    let shown = |(subject, stay): &(&Subject, Stay)| entry(subject, stay, webs, book.now());
    (found.iter().take(limit).map(shown).collect(), left_out)
}

fn file(subject: &Subject) -> String {
    subject.located.as_ref().map(|located| located.file.to_string()).unwrap_or_default()
}

fn entry(subject: &Subject, stay: &Stay, webs: &Webs, now: Timestamp) -> Entry {
    let image = &subject.tracked;
    let base = image.target.as_ref().map(|target| &target.base);
    let repository = base.map_or(&image.application.repository, |base| &base.repository);
    let end = stay.until.unwrap_or(now);
    Entry {
        application: image.application.label(),
        alias: image.alias.clone(),
        image: image.image_text.clone(),
        environment: subject.environment().map(str::to_owned),
        repository: repository.clone(),
        branch: base.map(|base| base.branch.to_string()).unwrap_or_default(),
        file: file(subject),
        key: shown_key(subject),
        old: stay.before.as_ref().and_then(|before| before.shown()),
        new: stay.stood.shown(),
        tag: stay.tag().map(str::to_owned),
        digest: stay.digest().map(str::to_owned),
        since: stay.since,
        until: stay.until,
        seconds: end.duration_since(stay.since).as_secs().max(0),
        is_cut: stay.is_cut,
        by: word(stay.by),
        took_back: stay.took_back.clone(),
        reason: stay.note.as_ref().and_then(|note| note.reason.as_deref()).map(plain),
        source: stay.note.as_ref().and_then(|note| note.source.as_ref()).map(source),
        commit: commit(stay, webs.get(repository)),
    }
}

/// Gives the word of the documents for who brought a value.
pub fn word(by: By) -> &'static str {
    match by {
        By::Repin => "repin",
        By::Tool => "tool",
        By::Person => "person",
    }
}

/// Shows a source.
pub fn source(source: &Source) -> SourceShown {
    SourceShown { url: plain(source.url()), revision: plain(source.revision()) }
}

/// Shows the commit that brought a value.
pub fn commit(stay: &Stay, web: Option<&Web>) -> CommitShown {
    let commit = &stay.commit;
    CommitShown {
        id: commit.id.to_string(),
        author: plain(&commit.author_name),
        email: plain(&commit.author_email),
        time: commit.committed,
        subject: plain(&commit.subject),
        pull_request: stay.pull.as_ref().map(|pull| pull_request(pull, web)),
        merged_by: stay.note.as_ref().and_then(|note| note.merged_by.as_deref()).map(plain),
    }
}

fn pull_request(pull: &MergedPull, web: Option<&Web>) -> PullShown {
    let of_web = || {
        let web = web?;

        // Nobody else writes `!12`.
        let kind = if pull.sign == '!' { Some(ForgeKind::GitLab) } else { web.kind };
        Some(pull_name::url(kind?, web.url.as_ref()?, pull.number))
    };
    let url = pull.url.clone().or_else(of_web).map(|url| plain(&url));
    PullShown { number: pull.number, text: format!("{}{}", pull.sign, pull.number), url }
}
