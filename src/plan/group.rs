//! Judgements -> change sets: places that several want, then one commit for each unit (`per`), with edits and messages.

mod made;
mod proposed;
mod unit;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::Source;
use crate::model::change::{ChangeSet, CommitText, FileChange, PlannedCommit, WrittenPlace};
use crate::model::names::{Branch, RepoPath};
use crate::model::outcome::OutcomeResult;
use crate::model::rule::Delivery;
use crate::model::tracked::RemoteBranch;
use crate::model::verification::keys_in_words;
pub use crate::plan::group::made::name_branches;
pub(super) use crate::plan::group::proposed::Proposed;
use crate::plan::group::proposed::propose;
pub(super) use crate::plan::group::unit::{Unit, Way, way};
use crate::plan::judge::{Judgement, delivery, is_within_reach, no_such_branch, rule_hold};
use crate::plan::locate::{FileState, Located, Site, edit_failure};
use crate::plan::owners::{Place, Shared, place};
use crate::plan::{Failure, Snapshot, Subject, provenance, shown_key, together};

/// Guard 5: of the rules of all owners of a place the strictest holds.
pub(super) fn strictest(snapshot: &Snapshot, shared: &[Shared<'_>], judgements: &mut [Judgement]) {
    for (subject, judgement) in snapshot.subjects.iter().zip(judgements.iter_mut()) {
        // What was decided on may be more careful than the rules.
        let own = if judgement.is_promoted { judgement.delivery } else { Delivery::Commit };
        judgement.delivery = delivery(subject).max(own);
    }
    for Shared { place, owners: indexes } in shared {
        let strict = indexes.iter().filter_map(|index| judgements.get(*index)).map(|one| one.delivery).max();
        for index in indexes {
            let Some((judgement, strict)) = judgements.get_mut(*index).zip(strict) else { continue };
            judgement.delivery = strict;
        }
        let rule = |index: usize| {
            let subject = snapshot.subjects.get(index)?;
            Some((delivery(subject), subject.rule.as_ref()?))
        };
        let strict = indexes.iter().copied().filter_map(|index| Some((index, rule(index)?)));
        let strict = strict.max_by_key(|(_, (delivery, rule))| (*delivery, !rule.unsupported.is_empty()));
        let Some((strict, (delivery, rule))) = strict else { continue };
        let Some(hold) = rule_hold(rule, delivery, place.1) else { continue };
        let owner = snapshot.subjects.get(strict).map(|subject| named(subject)).map(|(label, environment)| {
            environment.map(|environment| format!("{label} ({environment})")).unwrap_or(label)
        });
        for index in indexes {
            let Some(judgement) = judgements.get_mut(*index).filter(|one| one.result == OutcomeResult::Pending) else {
                continue;
            };
            judgement.result = OutcomeResult::Held;
            judgement.code.clone_from(&hold.code);
            judgement.message = format!(
                "{}, as part of {}, which shares the place",
                hold.message,
                owner.as_deref().unwrap_or_default()
            );
        }
    }
}

/// Guard 5: a place has one desired value. Owners that disagree are all held, each named.
pub(super) fn contest(snapshot: &Snapshot, shared: &[Shared<'_>], judgements: &mut [Judgement]) {
    for Shared { place, owners: indexes } in shared {
        let template = |index: usize| way(&snapshot.subjects[index]).and_then(|(_, template)| template);
        let wants = |one: &Judgement, index| (one.result, one.to.clone(), one.wanted.clone(), template(index));
        let wanted: Vec<_> = indexes.iter().map(|index| wants(&judgements[*index], *index)).collect();
        let moves = wanted.iter().any(|(result, ..)| *result == OutcomeResult::Pending);
        let agree = wanted.iter().all(|one| Some(one) == wanted.first());
        if !moves || agree {
            continue;
        }
        let key = indexes
            .first()
            .and_then(|index| snapshot.subjects.get(*index))
            .and_then(|subject| shown_key(subject))
            .unwrap_or_default();
        let name = |index: usize| {
            let image = &snapshot.subjects[index].tracked;
            let says = match (&judgements[index].to, judgements[index].result) {
                (Some(to), OutcomeResult::Pending | OutcomeResult::Current) => {
                    let is_bare = judgements[index].wanted.as_ref().is_some_and(|wanted| wanted.tag.is_none());
                    let part = if is_bare { ", by its digest alone" } else { "" };
                    let branch = template(index).map(|template| format!(" on the branch `{}`", template.as_str()));
                    format!("wants {to}{part}{}", branch.unwrap_or_default())
                }
                _ => format!("is held or failed ({})", judgements[index].code),
            };
            let own = shown_key(&snapshot.subjects[index]);
            // Anchors and merge keys show one value at several key paths.
            let at = own.filter(|own| *own != key).map(|own| format!(" at `{own}`")).unwrap_or_default();
            format!("{} ({}){at} {says}", image.application.label(), image.alias)
        };
        let names: Vec<String> = indexes.iter().map(|index| name(*index)).collect();
        let names = names.join("; ");
        let message = format!(
            "{}#{key} has several owners that do not agree: {names}; let one of them own it, or give each a value of its own",
            place.1
        );
        for index in indexes {
            let judgement = &mut judgements[*index];
            let guarded = judgement.result == OutcomeResult::Held && judgement.code.starts_with("guard/");
            if guarded || matches!(judgement.result, OutcomeResult::Pending | OutcomeResult::Current) {
                let (to, back) = (judgement.to.take(), judgement.look_back.take());
                *judgement = Judgement::held("place/contested", message.clone());
                (judgement.to, judgement.look_back) = (to, back);
            }
        }
    }
}

/// Holds what a rule only observes; one observing owner of a place holds all of them.
pub fn observe(snapshot: &Snapshot, judgements: &mut [Judgement]) {
    let observed: BTreeSet<Place<'_>> = snapshot
        .subjects
        .iter()
        .filter(|subject| is_within_reach(subject) && subject.rule.as_ref().is_some_and(|rule| rule.observe))
        .filter_map(|subject| place(subject))
        .collect();
    for (subject, judgement) in snapshot.subjects.iter().zip(judgements) {
        if judgement.result == OutcomeResult::Pending && place(subject).is_some_and(|place| observed.contains(&place)) {
            judgement.result = OutcomeResult::Held;
            judgement.code = "rule/observe".to_owned();
            judgement.message = format!("{}; the rules say `observe: true`, so nothing is written", judgement.message);
        }
    }
}

/// What is pending on one branch, by the commit that it belongs to.
type Units<'a> = BTreeMap<Unit<'a>, Vec<usize>>;

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Grouped<'a> {
    /// What goes to branches by commits.
    pub(super) sets: Vec<ChangeSet>,
    /// What goes there by pull requests, one for each group.
    pub(super) proposed: Vec<Proposed<'a>>,
}

/// Groups what is pending into one change set per repository and written branch, one commit per unit, and one commit for
/// each pull request. `made` names the branches that are made, by position. An edit that is refused turns its judgement
/// into a failure.
pub(super) fn group<'a>(
    snapshot: &'a Snapshot,
    judgements: &mut [Judgement],
    made: &BTreeMap<usize, Branch>,
) -> Grouped<'a> {
    let mut by_branch: BTreeMap<(&RemoteBranch, Option<&Branch>), Units<'_>> = BTreeMap::new();
    let mut by_pull: BTreeMap<&RemoteBranch, Units<'_>> = BTreeMap::new();
    for (index, subject) in snapshot.subjects.iter().enumerate() {
        if judgements[index].result != OutcomeResult::Pending {
            continue;
        }
        let delivery = judgements[index].delivery;
        if let Some(target) = &subject.tracked.target {
            let branch = match delivery {
                Delivery::PullRequest => by_pull.entry(&target.base).or_default(),
                Delivery::Commit | Delivery::None => by_branch.entry((&target.base, made.get(&index))).or_default(),
            };
            let is_one = delivery != Delivery::PullRequest && snapshot.by_forge.contains(&target.base.repository);
            let unit = if is_one { Unit::Repository } else { Unit::of_judged(subject, &judgements[index]) };
            branch.entry(unit).or_default().push(index);
        }
    }
    let proposed = propose(snapshot, judgements, by_pull);
    let mut sets = Vec::new();
    for ((base, made), mut units) in by_branch {
        let Some(head) = snapshot.heads.get(base) else {
            let failure = no_such_branch(base);
            for index in units.into_values().flatten() {
                judgements[index] = Judgement::failed(&failure).with(judgements[index].to.take(), None);
            }
            continue;
        };
        let branch = made.unwrap_or(&base.branch);
        let mut editor = Editor { snapshot, base, branch, texts: BTreeMap::new(), done: BTreeMap::new() };
        let mut commits = Vec::new();
        for indexes in units.values_mut() {
            // By Application, and by the order of its list within it, whatever the order of gathering.
            indexes.sort_by_key(|index| &snapshot.subjects[*index].tracked.application);
            commits.extend(editor.commit(indexes, judgements));
        }
        let members: BTreeSet<usize> = units.into_values().flatten().collect();
        editor.share(&mut commits, judgements, &members);
        if !commits.is_empty() {
            let RemoteBranch { repository, branch: base } = base.clone();
            sets.push(ChangeSet { repository, base, branch: branch.clone(), head: *head, commits, proposal: None });
        }
    }
    Grouped { sets, proposed }
}

/// Has a commit that writes a place named for another owner of it.
fn join(commit: &mut PlannedCommit, index: usize, subject: &Subject) {
    commit.subjects.push(index);
    let named = named(subject);
    if !commit.text.applications.contains(&named) {
        commit.text.applications.push(named);
    }
}

/// What a commit changed in the editor.
#[derive(Default)]
struct Undo<'a> {
    /// Texts that were replaced, in order.
    texts: Vec<(RepoPath, Option<Arc<Source>>)>,
    done: Vec<Place<'a>>,
}

/// Applies edits one after the other, so that commits of one file stand on each other.
struct Editor<'a> {
    snapshot: &'a Snapshot,
    base: &'a RemoteBranch,
    /// The branch that is written.
    branch: &'a Branch,
    texts: BTreeMap<RepoPath, Arc<Source>>,
    /// Places that a commit of this set writes: its position among the commits.
    done: BTreeMap<Place<'a>, (usize, String)>,
}

impl<'a> Editor<'a> {
    /// Makes the commit of a unit. What is promoted together is written whole: if one edit is refused, those that are
    /// promoted with it wait, and the rest goes on.
    fn commit(&mut self, indexes: &[usize], judgements: &mut [Judgement]) -> Option<PlannedCommit> {
        let mut undo = Undo::default();
        let commit = self.commit_each(indexes, judgements, &mut undo);
        let Some(broken) = together::broken(self.snapshot, indexes, judgements) else { return commit };
        for (file, before) in undo.texts.into_iter().rev() {
            match before {
                Some(source) => drop(self.texts.insert(file, source)),
                None => drop(self.texts.remove(&file)),
            }
        }
        undo.done.iter().for_each(|place| drop(self.done.remove(place)));
        let rest = together::without(self.snapshot, broken, indexes, judgements);
        self.commit(&rest, judgements)
    }

    fn commit_each(
        &mut self,
        indexes: &[usize],
        judgements: &mut [Judgement],
        undo: &mut Undo<'a>,
    ) -> Option<PlannedCommit> {
        let mut files: BTreeMap<RepoPath, FileChange> = BTreeMap::new();
        let mut written = Vec::new();
        let mut subjects = Vec::new();
        let commit_number = self.done.values().map(|(number, _)| number + 1).max().unwrap_or(0);
        for index in indexes {
            let subject = &self.snapshot.subjects[*index];
            let Some(place) = place(subject) else { continue };
            if self.done.contains_key(&place) {
                continue;
            }
            match self.edit(subject, &judgements[*index]) {
                // Nothing to write, and no empty commit that would stop the others of its push.
                Ok((before, after, ..)) if before == after.text() => {
                    let judgement = &mut judgements[*index];
                    judgement.result = OutcomeResult::Current;
                    judgement.code = "current".to_owned();
                }
                Ok((before, after, file)) => {
                    let is_new = !self.texts.contains_key(&file) && self.is_missing(&file);
                    files
                        .entry(file.clone())
                        .or_insert_with(|| FileChange { path: file.clone(), before, is_new, after: String::new() })
                        .after = after.text().to_owned();
                    let before = self.texts.insert(file.clone(), after);
                    undo.texts.push((file, before));
                    undo.done.push(place);
                    written.push(written_place(self.snapshot, subject, &judgements[*index], &place));
                    self.done.insert(place, (commit_number, judgements[*index].to.clone().unwrap_or_default()));
                    subjects.push(*index);
                }
                Err(failure) => {
                    // What was chosen stays said, so that a person knows what to write by hand.
                    let judgement = &mut judgements[*index];
                    let (to, back, is_promoted) =
                        (judgement.to.take(), judgement.look_back.take(), judgement.is_promoted);
                    *judgement = Judgement { is_promoted, ..Judgement::failed(&failure).with(to, back) };
                }
            }
        }
        subjects.first()?;
        let mut applications = Vec::new();
        for subject in subjects.iter().filter_map(|index| self.snapshot.subjects.get(*index)) {
            let named = named(subject);
            if !applications.contains(&named) {
                applications.push(named);
            }
        }
        let text = CommitText {
            repository: self.base.repository.clone(),
            branch: self.branch.to_string(),
            applications,
            places: written,
        };
        Some(PlannedCommit { subjects, text, message: String::new(), files: files.into_values().collect() })
    }

    fn edit(&self, subject: &Subject, judgement: &Judgement) -> Result<(String, Arc<Source>, RepoPath), Failure> {
        let missing = |what: &str| Failure {
            code: "edit/unproven".into(),
            message: format!("{what} is missing"),
            hint: None,
            line: None,
        };
        let (Some(Located { file, place: Some(place), site: Ok(site), .. }), Some(image), Some(wanted)) =
            (&subject.located, &subject.tracked.image, &judgement.wanted)
        else {
            return Err(missing("the place"));
        };
        let before = match self.texts.get(file) {
            Some(source) => source.clone(),
            None => match self.snapshot.files.get(&(self.base.clone(), file.clone())) {
                Some(FileState::Parsed(source)) => source.clone(),
                _ if place.makes_its_file() && self.is_missing(file) => {
                    Arc::new(Source::parse("").map_err(|error| edit_failure(file, &error))?)
                }
                _ => return Err(missing("the file")),
            },
        };
        let refused = |error: crate::manifest::EditError| edit_failure(file, &error);
        before.check_name(file.as_str()).map_err(refused)?;
        let mut text = place.write(&before, image, wanted).map_err(refused)?;
        if let Some((key, name)) = &site.write_name {
            text = Source::parse(&text).and_then(|source| source.set_at(key, name)).map_err(refused)?.text;
        }
        let after = Source::parse(&text).map_err(refused)?;
        Ok((before.text().to_owned(), Arc::new(after), file.clone()))
    }

    fn is_missing(&self, file: &RepoPath) -> bool {
        matches!(self.snapshot.files.get(&(self.base.clone(), file.clone())), Some(FileState::Missing))
    }

    /// Names the other owners of a written place in the commit that writes it.
    fn share(&self, commits: &mut [PlannedCommit], judgements: &[Judgement], members: &BTreeSet<usize>) {
        let own: BTreeSet<usize> = commits.iter().flat_map(|commit| commit.subjects.clone()).collect();
        for index in members {
            if judgements[*index].result != OutcomeResult::Pending || own.contains(index) {
                continue;
            }
            let subject = &self.snapshot.subjects[*index];
            let Some((number, _)) = place(subject).and_then(|place| self.done.get(&place)) else { continue };
            if let Some(commit) = commits.get_mut(*number) {
                join(commit, *index, subject);
            }
        }
    }
}

/// An Application and its environment, as a commit names them.
fn named(subject: &Subject) -> (String, Option<String>) {
    (subject.tracked.application.label(), subject.rule.as_ref().and_then(|rule| rule.environment.clone()))
}

fn written_place(snapshot: &Snapshot, subject: &Subject, judgement: &Judgement, place: &Place<'_>) -> WrittenPlace {
    let site = subject.located.as_ref().and_then(|located| located.site.as_ref().ok());
    WrittenPlace {
        file: place.1.to_string(),
        key: shown_key(subject).unwrap_or_default(),
        application: (
            subject.tracked.application.label(),
            subject.rule.as_ref().and_then(|rule| rule.environment.clone()),
        ),
        alias: subject.tracked.alias.clone(),
        image: subject.tracked.image_text.clone(),
        old: site.and_then(Site::shown),
        new: judgement.to.clone().unwrap_or_default(),
        digest: judgement.digest.clone(),
        first_seen: judgement.first_seen,
        reason: reason(subject, judgement),
        labels: provenance::labels(snapshot, subject, judgement),
        passed_over: provenance::passed_over(snapshot, subject, judgement),
    }
}

/// Says why a value was chosen, and who let it through what would have held it.
fn reason(subject: &Subject, judgement: &Judgement) -> String {
    let chosen = judgement.reason.clone().unwrap_or_else(|| {
        let (policy, to) = (crate::selection::describe(&subject.tracked.policy), judgement.to.as_deref());
        format!("{policy}; {} is the newest that it allows", to.unwrap_or_default())
    });
    let lifted = judgement.let_through.as_ref().map(|lifted| format!("; {lifted}")).unwrap_or_default();
    chosen + &verified(judgement) + &lifted
}

/// Says with which keys it was verified, if any were demanded.
fn verified(judgement: &Judgement) -> String {
    if judgement.verified.is_empty() {
        return String::new();
    }
    format!("; verified with {}", keys_in_words(&judgement.verified))
}
