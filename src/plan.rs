//! The decision: one pure function of a snapshot.
//!
//! `reconcile` gathers a [`Snapshot`], [`decide`] gives outcomes, change sets and questions; questions are answered into
//! the snapshot and `decide` runs again until none is left. `plan`, `explain` and the daemon are views of the same value.
//! No clock, network or disk in here.

pub mod capped;
pub mod explain;
pub mod gates;
pub mod group;
mod hints;
pub mod judge;
pub mod limits;
pub mod locate;
mod owners;
pub mod past;
pub mod promotion;
mod provenance;
pub mod pulls;
pub mod rollback;
mod schedule;
pub mod settings;
pub mod status;
mod text;
pub mod together;
pub mod trace;
pub mod trial;
pub mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use crate::message::Wording;
use crate::model::change::{ChangeSet, Chore};
use crate::model::history::CommitId;
use crate::model::hold::Hold;
use crate::model::metadata::{Described, Labels, Needs};
use crate::model::names::{Branch, Digest, ImageName, RepoPath, Tag};
use crate::model::outcome::{Outcome, OutcomeResult, outcome_id};
use crate::model::policy::Strategy;
use crate::model::problem::Problem;
use crate::model::rule::Rule;
use crate::model::tags::Tags;
use crate::model::tracked::{RemoteBranch, TrackedImage};
use crate::model::verification::{KeyName, Verification};
use crate::model::window::Window;
use crate::plan::hints::problems;
pub use crate::plan::hints::{hint, is_of_definition};
use crate::plan::judge::{Demands, Judgement, judge};
use crate::plan::limits::Hours;
pub use crate::plan::locate::Failure;
use crate::plan::locate::{FileState, Located, Site};
pub use crate::plan::owners::Sharer;
use crate::plan::pulls::Pulls;
use crate::plan::rollback::{FirstSeen, Timeline};
use crate::rules::EffectiveRule;
use crate::rules::terms::{Terms, terms};
use crate::selection::Memo;

/// The tags of one image, as the registry listed them this cycle.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Listed {
    /// The tags.
    pub tags: Tags,
    /// How many entries of the list are no legal tags and were left out.
    pub dropped: usize,
    /// Why our own caps cut the list, if they did.
    pub truncated: Option<String>,
    /// An earlier listing of this image held tags.
    pub was_filled: bool,
    /// What was made of these tags; a listing that did not change keeps it.
    pub memo: Memo,
}

/// A tracked image with what was gathered about its place. Nothing in it is changed in place: another one is made.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The image.
    pub tracked: Arc<TrackedImage>,
    /// Where its tag stands; none where no target could be resolved or the repository was not read.
    pub located: Option<Located>,
    /// What the rules say for the located file.
    pub rule: Option<EffectiveRule>,
    /// What stood at the place.
    pub timeline: Timeline,
    /// What was made of the rules and the annotations.
    pub memo: TermsMemo,
}

/// The terms of a subject, made once. A copy has none yet: what they are made from may be changed in it.
#[derive(Debug, Default)]
pub struct TermsMemo(OnceLock<Terms>);

impl Clone for TermsMemo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Subject {
    /// Gives the environment that the rules give to the place.
    pub fn environment(&self) -> Option<&str> {
        self.rule.as_ref().and_then(|rule| rule.environment.as_deref())
    }

    /// Gives the name of the repository that would be written.
    pub fn repository(&self) -> &str {
        let target = self.tracked.target.as_ref();
        target.map_or(&self.tracked.application.repository, |target| &target.base.repository)
    }

    /// Gives what the rules and the annotations make of each other; nothing where the place is not known.
    pub fn terms(&self) -> &Terms {
        self.memo.0.get_or_init(|| self.rule.as_ref().map(|rule| terms(rule, &self.tracked)).unwrap_or_default())
    }
}

/// Everything one decision rests on.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The decision's clock.
    pub now: Timestamp,
    /// The heads that were read.
    pub heads: BTreeMap<RemoteBranch, CommitId>,
    /// The clock of the last cycle, for the schedules of rules; none = all of them are due.
    pub since: Option<Timestamp>,
    /// Why a repository could not be read.
    pub repository_failures: BTreeMap<String, Failure>,
    /// Why one of a repository's branches could not be read, where the repository could.
    pub branch_failures: BTreeMap<RemoteBranch, Failure>,
    /// The rules, for branches whose names are found while deciding.
    pub rules: Arc<[Rule]>,
    /// Every branch that the remotes have, by repository.
    pub advertised: BTreeMap<String, Arc<BTreeMap<Branch, CommitId>>>,
    /// Files that were asked for by [`Question::File`].
    pub files: BTreeMap<(RemoteBranch, RepoPath), FileState>,
    /// The places of tracked images, and images whose place is not known.
    pub subjects: Vec<Arc<Subject>>,
    /// Images of registries that the operator did not name.
    pub unconfigured: BTreeSet<ImageName>,
    /// Tag lists.
    pub listings: BTreeMap<ImageName, Result<Arc<Listed>, Failure>>,
    /// Answers of manifests: a digest, or `None` where the registry has none.
    pub manifests: BTreeMap<(ImageName, Tag), Result<Option<Digest>, Failure>>,
    /// What images say of themselves, looked at in this cycle, or `None` where the registry has none.
    pub metadata: BTreeMap<ImageName, BTreeMap<Tag, Result<Option<Described>, Failure>>>,
    /// What tags named when they were looked at last, and what that says of itself. Good for an order; nothing is written
    /// that was not looked at in this cycle.
    pub remembered: BTreeMap<ImageName, BTreeMap<Tag, Described>>,
    /// What images say of their sources that are about to be written; none where it is not known.
    pub labels: BTreeMap<(ImageName, Digest), Option<Labels>>,
    /// What signatures of digests are worth, by key.
    pub verifications: BTreeMap<(ImageName, Digest), BTreeMap<KeyName, Result<Verification, Failure>>>,
    /// When tags were first seen with a digest, as far as the cache knows; what is not in here is seen now.
    pub first_seen: FirstSeen,
    /// How commit messages are written.
    pub wording: Arc<Wording>,
    /// Pull requests, by repository; none of repositories without a forge.
    pub pulls: BTreeMap<String, Result<Pulls, Failure>>,
    /// Repositories whose forge makes the commits: one for each branch and cycle.
    pub by_forge: BTreeSet<String>,
    /// Tells this configuration from others that may write the same repositories, as eight digits.
    pub instance: String,
    /// Applications, by `namespace/name`, in whose files something is wrong: what they ask for is not sure.
    pub unsure: BTreeSet<String>,
    /// Nothing is written, whatever the rules say.
    pub observe: bool,
    /// The windows of the configuration, by name.
    pub windows: Arc<BTreeMap<String, Window>>,
    /// What people hold and let through, by the repository whose file says it.
    pub holds: BTreeMap<String, Result<Arc<Vec<Hold>>, Failure>>,
    /// Why the operator stopped everything; none = nothing is stopped.
    pub stop: Option<String>,
    /// The most changes of one push, whatever the rules say.
    pub max_changes_per_push: Option<u32>,
    /// Everything that asks for images was read: what nobody asks for in here is asked for by nobody.
    pub is_whole: bool,
}

impl Snapshot {
    /// Gives the images for whose tags somebody waits.
    pub fn aged(&self) -> BTreeSet<&ImageName> {
        let waits = owners::waits(self, &owners::shared(self));
        waits.keys().filter_map(|index| self.subjects.get(*index)?.tracked.asked.as_ref()).collect()
    }

    /// Gives what a tag's image says of itself, looked at in this cycle.
    pub fn described_now(&self, image: &ImageName, tag: &Tag) -> Option<Result<Option<&Described>, &Failure>> {
        Some(self.metadata.get(image)?.get(tag)?.as_ref().map(Option::as_ref))
    }

    /// The same, or as it is remembered.
    pub fn described(&self, image: &ImageName, tag: &Tag) -> Option<Result<Option<&Described>, &Failure>> {
        self.described_now(image, tag).or_else(|| Some(Ok(Some(self.remembered.get(image)?.get(tag)?))))
    }

    /// Gives what is to be known of images, for all that track them with an order or a filter that looks into images.
    pub fn needs(&self) -> BTreeMap<&ImageName, Needs> {
        let mut all: BTreeMap<&ImageName, (Needs, bool)> = BTreeMap::new();
        for tracked in self.subjects.iter().map(|subject| &subject.tracked) {
            let is_dated = tracked.policy.strategy == Strategy::NewestBuild;
            let (Some(image), true) = (&tracked.asked, is_dated) else { continue };
            let (needs, wants_all) = all.entry(image).or_default();
            needs.created = true;
            *wants_all |= tracked.policy.platforms.is_empty();
            needs.platforms.extend(tracked.policy.platforms.iter().cloned());
        }
        let whole = |(image, (needs, wants_all)): (_, (Needs, bool))| {
            let platforms = if wants_all { Vec::new() } else { needs.platforms };
            (image, Needs { platforms, ..needs })
        };
        all.into_iter().map(whole).collect()
    }
}

/// What a decision lacks.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Question {
    /// The tags of an image.
    Listing(ImageName),
    /// Whether a tag's manifest answers, and its digest.
    Manifest(ImageName, Tag),
    /// What a tag's image says of itself, and its digest, both now.
    Metadata(ImageName, Tag),
    /// The same, or what is remembered of it.
    Remembered(ImageName, Tag),
    /// Whether these keys signed a digest.
    Verification(ImageName, Digest, BTreeSet<KeyName>),
    /// What the image behind a digest says of its sources. It is for texts only: "unknown" is an answer too.
    Labels(ImageName, Digest),
    /// A file at the head of a branch: one that may be about to be written, or of a branch that no target reads.
    File(RemoteBranch, RepoPath),
    /// The closed and merged pull requests of a branch in a repository.
    Closed(String, Branch),
}

impl Question {
    /// Gives the image that is asked about; none where Git answers.
    pub fn image(&self) -> Option<&ImageName> {
        match self {
            Self::Listing(image)
            | Self::Manifest(image, _)
            | Self::Metadata(image, _)
            | Self::Remembered(image, _)
            | Self::Verification(image, ..)
            | Self::Labels(image, _) => Some(image),
            Self::File(..) | Self::Closed(..) => None,
        }
    }
}

/// What is to be done, and why.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// One outcome for each subject, in the snapshot's order.
    pub outcomes: Vec<Outcome>,
    /// What goes into `explain` besides.
    pub judgements: Vec<Judgement>,
    /// What is to be written.
    pub changes: Vec<ChangeSet>,
    /// What is done about pull requests besides.
    pub chores: Vec<Chore>,
    /// What must be answered first; nothing is written while one is open.
    pub questions: Vec<Question>,
    /// Failures as problems with their hints.
    pub problems: Vec<Problem>,
}

/// Decides. With open questions only `questions` is filled.
pub fn decide(snapshot: &Snapshot) -> Decision {
    let mut questions = BTreeSet::new();
    let mut judgements = Vec::with_capacity(snapshot.subjects.len());
    let shared = owners::shared(snapshot);
    let waits = owners::waits(snapshot, &shared);
    let keys = owners::keys(snapshot, &shared);
    let lifted = gates::let_through(snapshot);
    let promoted = promotion::promoted(snapshot, &lifted);
    for (index, subject) in snapshot.subjects.iter().enumerate() {
        let demands = Demands {
            wait: waits.get(&index),
            keys: keys.get(&index),
            promoted: promoted.get(&index),
            follows_rollback: subject.terms().follow_rollback,
            let_through: lifted.get(&index).map(String::as_str),
        };
        match judge(snapshot, subject, demands) {
            Ok(judgement) => {
                if judgement.result == OutcomeResult::Pending {
                    questions.extend(unread_file(snapshot, subject));
                }
                let (is_promoted, is_lifted) = (promoted.contains_key(&index), lifted.contains_key(&index));
                judgements.push(Judgement { is_promoted, is_lifted, ..judgement });
            }
            Err(asked) => {
                // Whoever asks for more than the tags may be about to write.
                if asked.iter().any(|question| !matches!(question, Question::Listing(_))) {
                    questions.extend(unread_file(snapshot, subject));
                }
                questions.extend(asked);
            }
        }
    }
    if !questions.is_empty() {
        return Decision { questions: questions.into_iter().collect(), ..Decision::default() };
    }
    group::strictest(snapshot, &shared, &mut judgements);
    group::contest(snapshot, &shared, &mut judgements);
    owners::tell(snapshot, &shared, &mut judgements);
    group::observe(snapshot, &mut judgements);
    schedule::wait(snapshot, &mut judgements);
    gates::close(snapshot, &lifted, &shared, &mut judgements);
    together::wait(snapshot, &mut judgements);
    let mut hours = Hours::of(snapshot);
    limits::per_hour(snapshot, &mut hours, &lifted, &mut judgements);
    limits::per_push(snapshot, &lifted, &mut judgements);
    together::wait(snapshot, &mut judgements);
    let made = match group::name_branches(snapshot, &mut judgements) {
        Ok(made) => made,
        Err(questions) => return Decision { questions, ..Decision::default() },
    };
    let group::Grouped { sets: mut changes, proposed } = group::group(snapshot, &mut judgements, &made);
    let pulls::Settled { sets, chores, questions } =
        pulls::settle(snapshot, &promoted, &mut hours, &mut judgements, proposed);
    if !questions.is_empty() {
        return Decision { questions, ..Decision::default() };
    }
    changes.extend(sets);
    let questions = provenance::ask(snapshot, &judgements);
    if !questions.is_empty() {
        return Decision { questions, ..Decision::default() };
    }
    let stand_ins = text::write(snapshot, &mut changes);
    let outcomes =
        snapshot.subjects.iter().zip(&judgements).map(|(subject, judgement)| outcome(subject, judgement)).collect();
    let mut problems = problems(snapshot, &judgements);
    problems.extend(stand_ins);
    problems.extend(capped::capped(snapshot));
    Decision { outcomes, judgements, changes, chores, questions: Vec::new(), problems }
}

/// Asks for the file of a place, if it was not read.
fn unread_file(snapshot: &Snapshot, subject: &Subject) -> Option<Question> {
    let base = &subject.tracked.target.as_ref()?.base;
    let located = subject.located.as_ref().filter(|located| located.place.is_some() && located.site.is_ok())?;
    let key = (base.clone(), located.file.clone());
    (!snapshot.files.contains_key(&key)).then_some(Question::File(key.0, key.1))
}

fn outcome(subject: &Subject, judgement: &Judgement) -> Outcome {
    let image = &subject.tracked;
    let file = subject.located.as_ref().map(|located| located.file.to_string());
    let key = shown_key(subject);
    let site = subject.located.as_ref().and_then(|located| located.site.as_ref().ok());
    let from = site.and_then(Site::shown);
    Outcome {
        id: outcome_id(&image.application, &image.alias, file.as_deref(), key.as_deref()),
        application: image.application.label(),
        repository: subject.repository().to_owned(),
        environment: subject.environment().map(str::to_owned),
        alias: image.alias.clone(),
        image: image.image_text.clone(),
        file,
        key,
        from,
        to: judgement.to.clone(),
        result: judgement.result,
        code: judgement.code.clone(),
        message: judgement.message.clone(),
        until: judgement.until,
        commit: None,
        pull_request: judgement.pull_request.clone(),
    }
}

/// Gives the key path of a subject as people read it: the located one, else what the annotations name.
pub(crate) fn shown_key(subject: &Subject) -> Option<String> {
    let located = subject.located.as_ref().and_then(|located| located.key.clone());
    located.or_else(|| subject.tracked.key.as_ref().map(ToString::to_string))
}
