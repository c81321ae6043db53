//! A policy on trial: what it would choose for an image, without an Application and a repository.
//!
//! The image gets a file of its own that nobody keeps, so that everything else is the decision of a cycle: the same
//! snapshot, questions, guards and outcome. What registries say is answered by `reconcile`, or by a [`cases`] file.

pub mod cases;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::annotations::ImageRequest;
use crate::manifest::Source;
use crate::model::forge::PullWishes;
use crate::model::history::{CommitId, CommitInfo};
use crate::model::key_path::KeyPath;
use crate::model::names::{APPLICATION, ApplicationKey, ImageName, RepoPath, Tag};
use crate::model::outcome::OutcomeResult;
use crate::model::rule::Delivery;
use crate::model::tracked::{Form, HelmSearch, Layer, RemoteBranch, Search, Target, TrackedImage};
use crate::plan::explain::{ExplainedTag, Gate, candidates, gates};
use crate::plan::locate::{FileState, Files, Located, locate};
use crate::plan::rollback::{Standing, Stood, Timeline, tag_of};
use crate::plan::{Decision, Question, Snapshot, Subject, TermsMemo};
use crate::rules::EffectiveRule;
use crate::selection;

/// What messages say of a place where nothing stands yet.
const FROM_NOTHING: &str = "no tag becomes ";

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct Trial<'a> {
    /// The image and its policy.
    pub request: &'a ImageRequest,
    /// The image as its registry is asked for it.
    pub asked: Option<&'a ImageName>,
    /// What stands: a tag, a tag with a digest, or nothing.
    pub current: Option<&'a str>,
    /// What stood before, oldest first.
    pub stood: &'a [String],
    /// The decision's clock.
    pub now: Timestamp,
}

/// What a policy makes of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The policy in words.
    pub policy: String,
    /// The tag that stands at the end: the new one, or the one that is the newest already; none if something stands in
    /// the way.
    pub chosen: Option<String>,
    /// The value as outcomes show it, with its digest where the policy pins one; none as above.
    pub value: Option<String>,
    /// The digest of the chosen tag, if it is known.
    pub digest: Option<String>,
    /// What would become of it in a cycle.
    pub result: OutcomeResult,
    /// The outcome's code.
    pub code: String,
    /// The outcome's message.
    pub message: String,
    /// Every tag, best first.
    pub candidates: Vec<ExplainedTag>,
    /// What stands in the way.
    pub gates: Vec<Gate>,
}

impl Trial<'_> {
    /// Gives the snapshot on which it is decided, without any answer of a registry.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { now: self.now, ..Snapshot::default() };
        let mut tracked = self.tracked();
        let mut located = None;
        if let Some(Ground { base, head, file, key }) = Ground::new() {
            let text = file_text(&tracked.image_text, self.current);
            let state = match Source::parse(&text) {
                Ok(source) => FileState::Parsed(Arc::new(source)),
                Err(error) => FileState::Unreadable(Arc::new(error)),
            };
            let helm = HelmSearch {
                files: vec![Layer::of(file.clone())],
                fallback: Layer::of(file.clone()),
                values: vec![Layer::of(file.clone())],
                overriding: Vec::new(),
                key,
                form: Form::Spec,
                name_key: None,
            };
            let target = Target {
                base: base.clone(),
                made: None,
                own_paths: vec![RepoPath::default()],
                listed: vec![file.clone()],
                search: Search::Helm(helm),
                declared: Arc::default(),
            };
            let read = |_: &RepoPath| state.clone();
            let files =
                Files { read: &read, count: &|_, _| 0, naming: &|_, _| Vec::new(), holding: &|_, _, _| Vec::new() };
            located = locate(&tracked, &target, files).pop();
            tracked.target = Some(target);
            snapshot.heads.insert(base.clone(), head);
            snapshot.files.insert((base, file), state);
        }
        let rule = EffectiveRule { delivery: Delivery::Commit, matched: true, ..EffectiveRule::default() };
        let timeline = self.timeline(located.as_ref());
        let subject =
            Subject { tracked: Arc::new(tracked), located, rule: Some(rule), timeline, memo: TermsMemo::default() };
        snapshot.subjects.push(Arc::new(subject));
        snapshot
    }

    fn tracked(&self) -> TrackedImage {
        let request = self.request;
        TrackedImage {
            application: ApplicationKey {
                kind: APPLICATION.to_owned(),
                repository: String::new(),
                file: None,
                namespace: "policy".to_owned(),
                name: "policy".to_owned(),
            },
            rendered: None,
            line: 1,
            project: String::new(),
            labels: BTreeMap::new(),
            alias: request.alias.clone(),
            image_text: request.image_text.clone(),
            image: request.image.clone(),
            asked: self.asked.cloned(),
            policy: request.policy.clone(),
            target: None,
            interval: None,
            group: None,
            delivery: None,
            pull_request: PullWishes::default(),
            wishes: request.wishes.clone(),
            key: None,
            refusal: request.refusal.clone(),
        }
    }

    /// What stood, and what stands, each brought by a commit of somebody.
    fn timeline(&self, located: Option<&Located>) -> Timeline {
        if self.stood.is_empty() {
            return Timeline::default();
        }
        let now = located.and_then(|located| located.site.as_ref().ok()).and_then(|site| site.shown());
        let texts = self.stood.iter().cloned().chain(now.filter(|now| !now.is_empty()));
        let standing = |(at, text): (usize, String)| {
            let commit = CommitInfo {
                id: format!("{at:040x}").parse().ok()?,
                author_name: "somebody".to_owned(),
                author_email: String::new(),
                time: self.now,
                committer_name: "somebody".to_owned(),
                committer_email: String::new(),
                committed: self.now,
                subject: format!("Write {text}"),
                message: String::new(),
            };
            let since = commit.committed;
            Some(Standing { at: at as u64, commit: Arc::new(commit), since, stood: stood(&text), claimed: None })
        };
        let mut standings: Vec<Standing> = texts.enumerate().filter_map(standing).collect();
        standings.reverse();
        Timeline { standings, ..Timeline::default() }
    }
}

impl Answer {
    /// Reads the answer of a decision on [`Trial::snapshot`]; none if it was not decided.
    pub fn of(snapshot: &Snapshot, decision: &Decision) -> Option<Self> {
        let (subject, judgement) = (snapshot.subjects.first()?, decision.judgements.first()?);
        let policy = &subject.tracked.policy;
        let value = match judgement.result {
            OutcomeResult::Current | OutcomeResult::Pending | OutcomeResult::Delivered => judgement.to.clone(),
            OutcomeResult::Held | OutcomeResult::Failed => None,
        };
        let chosen = value.as_deref().map(tag_of).map(str::to_owned);
        let digest = judgement.digest.clone();
        let digest = digest.or_else(|| Some(value.as_deref()?.split_once('@')?.1.to_owned()));
        let answered = || digest_of(snapshot, subject.tracked.asked.as_ref()?, chosen.as_deref()?);
        let message = match judgement.message.strip_prefix(FROM_NOTHING) {
            Some(rest) => rest.replacen(", ", " is ", 1),
            None => judgement.message.clone(),
        };
        Some(Self {
            policy: selection::describe(policy),
            digest: digest.or_else(answered),
            result: judgement.result,
            code: judgement.code.clone(),
            message,
            candidates: candidates(snapshot, subject, judgement, chosen.as_deref()),
            gates: gates(judgement),
            chosen,
            value,
        })
    }

    /// Gives the question for the digest of the chosen tag, if that is not known.
    pub fn asks_digest(&self, snapshot: &Snapshot) -> Option<Question> {
        let image = snapshot.subjects.first()?.tracked.asked.clone()?;
        let tag = self.chosen.as_ref().filter(|_| self.digest.is_none())?.parse().ok()?;
        Some(Question::Manifest(image, tag))
    }
}

/// Gives the digest that a tag has, as far as a registry was asked.
fn digest_of(snapshot: &Snapshot, image: &ImageName, tag: &str) -> Option<String> {
    let tag: Tag = tag.parse().ok()?;
    let described = snapshot.metadata.get(image).and_then(|tags| tags.get(&tag)?.as_ref().ok()?.as_ref());
    let manifest = snapshot.manifests.get(&(image.clone(), tag)).and_then(|answer| answer.as_ref().ok()?.as_ref());
    described.map(|described| &described.digest).or(manifest).map(ToString::to_string)
}

/// The place that nobody keeps.
struct Ground {
    base: RemoteBranch,
    head: CommitId,
    file: RepoPath,
    key: KeyPath,
}

impl Ground {
    fn new() -> Option<Self> {
        let base = RemoteBranch { repository: String::new(), branch: "main".parse().ok()? };
        let head = "0".repeat(40).parse().ok()?;
        Some(Self { base, head, file: "values.yaml".parse().ok()?, key: KeyPath::of_key("image").ok()? })
    }
}

/// Gives the text of the file: the image, as far as something stands. Names, tags and digests need no escapes in quotes.
fn file_text(image: &str, current: Option<&str>) -> String {
    let joint = match current {
        None => "",
        Some(current) if current.starts_with("sha256:") || current.starts_with("sha512:") => "@",
        Some(_) => ":",
    };
    format!("image: \"{image}{joint}{}\"\n", current.unwrap_or_default())
}

fn stood(text: &str) -> Stood {
    let (tag, digest) = match text.split_once('@') {
        Some((tag, digest)) => (tag, Some(digest.to_owned())),
        None if text.starts_with("sha256:") || text.starts_with("sha512:") => ("", Some(text.to_owned())),
        None => (text, None),
    };
    Stood::Tag { tag: tag.to_owned(), digest }
}
