//! Gathers what forges and remotes say of pull requests: open ones by one conditional list for each repository, closed ones
//! only where a decision asks, and the branches by what Git fetched anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::diagnostic::Diagnostic;
use crate::forge::{Forge, ForgeError};
use crate::model::forge::{BRANCH_PREFIX, Project, PullRequest, RebaseWhen};
use crate::model::names::Branch;
use crate::model::rule::Delivery;
use crate::plan::judge::delivery;
use crate::plan::pulls::{Head, Pulls, by_people};
use crate::plan::{Failure, Question, Snapshot};
use crate::reconcile::Reconciler;
use crate::reconcile::propose::is_by_forge;
use crate::reconcile::repository::failure_of;
use crate::reconcile::workers::{defect, on_each};

/// How many requests for closed ones run at once.
const AT_ONCE: usize = 4;
/// Clocks of forges and of this machine differ by less.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What is kept of one repository's pull requests between cycles.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The closed and merged ones of branches that were asked for, newest first.
    closed: BTreeMap<Branch, Vec<PullRequest>>,
    /// Who closed them.
    closers: BTreeMap<u64, Option<String>>,
    /// Of branches that are not in [`Memory::closed`] there are none.
    is_whole: bool,
    /// All of them are too many for one list.
    is_too_long: bool,
    /// When the closed ones were looked at last.
    looked: Option<Timestamp>,
}

impl Memory {
    /// Takes over what changed since the last look.
    fn renew(&mut self, changed: Vec<PullRequest>) {
        for pull in changed {
            self.closers.remove(&pull.number);
            let known = match self.closed.get_mut(&pull.head) {
                Some(known) => known,
                None if self.is_whole => self.closed.entry(pull.head.clone()).or_default(),
                None => continue,
            };
            known.retain(|one| one.number != pull.number);
            known.push(pull);
            newest_first(known);
        }
    }

    /// Forgets those that are open again.
    fn reopened(&mut self, open: &[PullRequest]) {
        for pull in open {
            if let Some(known) = self.closed.get_mut(&pull.head) {
                known.retain(|one| one.number != pull.number);
            }
        }
    }
}

fn newest_first(pulls: &mut [PullRequest]) {
    pulls.sort_by_key(|pull| std::cmp::Reverse(pull.number));
}

impl Reconciler {
    /// Reads the pull requests of every repository whose places are delivered by them, or that has branches of them.
    pub(super) async fn read_pulls(&mut self, snapshot: &mut Snapshot) {
        let wanted: BTreeSet<String> = snapshot
            .subjects
            .iter()
            .filter(|subject| delivery(subject) == Delivery::PullRequest)
            .filter_map(|subject| Some(subject.tracked.target.as_ref()?.base.repository.clone()))
            .collect();
        let has_branches = |name: &str| {
            let all = snapshot.advertised.get(name);
            all.is_some_and(|all| all.keys().any(|branch| branch.as_str().starts_with(BRANCH_PREFIX)))
        };
        let mut pieces = Vec::new();
        for at in 0..self.repositories.len() {
            let Some(repository) = self.repositories.get(at) else { continue };
            let name = repository.options.name.clone();
            let (by_forge, limits) = (is_by_forge(repository), repository.options.pull_requests);
            let is_known = !snapshot.repository_failures.contains_key(&name);
            let held = self.forges.of_repository(&name).filter(|_| is_known).cloned();
            let Some(held) = held.filter(|_| wanted.contains(&name) || has_branches(&name)) else {
                pieces.push(None);
                continue;
            };
            let mut own = self.options.own_emails.clone();
            if by_forge {
                // The forge puts its own name to the commits that it makes for us.
                match held.forge.identity(&held.project).await {
                    Ok(identity) => own.extend(identity.emails.iter().map(|email| email.to_lowercase())),
                    Err(error) => {
                        snapshot.pulls.insert(name.clone(), Err(failure(&name, &error)));
                        pieces.push(None);
                        continue;
                    }
                }
            }
            pieces.push(Some((own, limits.rebase == RebaseWhen::Conflict)));
        }
        if pieces.iter().all(Option::is_none) {
            return;
        }
        let asked: Vec<bool> = pieces.iter().map(Option::is_some).collect();
        let heads = on_each(&mut self.repositories, pieces, |repository, piece| {
            piece.map(|(own, conflicts)| repository.made(&own, conflicts)).transpose()
        })
        .await;
        for ((at, heads), is_asked) in heads.into_iter().enumerate().zip(asked) {
            if !is_asked {
                continue;
            }
            let Some(repository) = self.repositories.get(at) else { continue };
            let name = repository.options.name.clone();
            let read = match heads {
                Some(Ok(Some(heads))) => self.read_forge(at, &name, heads, snapshot.now).await,
                Some(Ok(None)) => continue,
                Some(Err(error)) => Err(failure_of(&name, &error)),
                None => Err(defect(&name)),
            };
            snapshot.pulls.insert(name, read);
        }
    }

    async fn read_forge(
        &mut self,
        at: usize,
        name: &str,
        heads: BTreeMap<Branch, Head>,
        now: Timestamp,
    ) -> Result<Pulls, Failure> {
        let Some((repository, held)) = self.repositories.get(at).zip(self.forges.of_repository(name)) else {
            return Err(defect(name));
        };
        let limits = repository.options.pull_requests;
        let main = repository.head.as_ref().map(|head| head.branch.clone());
        let looked = repository.looked;
        let (forge, project) = (held.forge.clone(), held.project.clone());
        let started = Timestamp::now();
        let open = forge.open_pulls(&project, BRANCH_PREFIX).await.map_err(|error| failure(name, &error))?;
        let memory = self.pulls.entry(name.to_owned()).or_default();
        memory.reopened(&open);
        let mut opened: Vec<Timestamp> = open.iter().map(|pull| pull.created).collect();
        let knows_closed = !memory.closed.is_empty() || memory.is_whole;
        if knows_closed || limits.max_new_per_hour.is_some() {
            let hour_ago = now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(now);
            let since = memory.looked.map_or(hour_ago, |looked| looked.min(hour_ago));
            let since = since.checked_sub(SKEW).unwrap_or(since);
            let closed = match forge.closed_pulls(&project, BRANCH_PREFIX, since).await {
                Ok(closed) => closed,
                // More changed than is told: what is known of them is worth nothing.
                Err(ForgeError::BadAnswer { .. }) => {
                    *memory = Memory::default();
                    Vec::new()
                }
                Err(error) => return Err(failure(name, &error)),
            };
            opened.extend(closed.iter().map(|pull| pull.created));
            memory.renew(closed);
        }
        memory.looked = Some(started);
        let is_shared = self.forges.is_shared(name);
        Ok(Pulls {
            is_shared,
            looked,
            open,
            closed: memory.closed.clone(),
            closers: memory.closers.clone(),
            opened,
            heads,
            main,
            limits,
            ignored: self.options.ignore_closed_by.clone(),
            has_all_closed: memory.is_whole,
        })
    }

    /// Answers [`Question::Closed`] into the snapshot.
    pub(super) async fn answer_from_forges(&mut self, questions: &[Question], snapshot: &mut Snapshot) {
        let mut asked: BTreeMap<&String, Vec<&Branch>> = BTreeMap::new();
        for question in questions {
            if let Question::Closed(repository, branch) = question {
                asked.entry(repository).or_default().push(branch);
            }
        }
        for (name, branches) in asked {
            let Some(held) = self.forges.of_repository(name) else { continue };
            let (forge, project) = (held.forge.clone(), held.project.clone());
            let memory = self.pulls.entry(name.clone()).or_default();
            let answer = ask_closed(&forge, &project, &branches, memory).await;
            let Some(Ok(pulls)) = snapshot.pulls.get_mut(name) else { continue };
            match answer {
                Ok(()) => {
                    pulls.closed.clone_from(&memory.closed);
                    for branch in branches {
                        pulls.closed.entry(branch.clone()).or_default();
                    }
                    pulls.closers.clone_from(&memory.closers);
                    pulls.has_all_closed = memory.is_whole;
                }
                Err(error) => drop(snapshot.pulls.insert(name.clone(), Err(failure(name, &error)))),
            }
        }
    }
}

async fn ask_closed(
    forge: &Arc<Forge>,
    project: &Project,
    branches: &[&Branch],
    memory: &mut Memory,
) -> Result<(), ForgeError> {
    let missing: Vec<&Branch> =
        branches.iter().copied().filter(|branch| !memory.is_whole && !memory.closed.contains_key(*branch)).collect();
    let mut left: Vec<Branch> = missing.iter().map(|branch| (*branch).clone()).collect();
    // All at once, if they fit: what was refused under another name of the group is refused too.
    if !missing.is_empty() && !memory.is_too_long {
        match forge.closed_pulls(project, BRANCH_PREFIX, Timestamp::UNIX_EPOCH).await {
            Ok(all) => {
                memory.closed.clear();
                for pull in all {
                    memory.closed.entry(pull.head.clone()).or_default().push(pull);
                }
                memory.closed.values_mut().for_each(|pulls| newest_first(pulls));
                memory.is_whole = true;
                left.clear();
            }
            Err(ForgeError::BadAnswer { .. }) => memory.is_too_long = true,
            Err(error) => return Err(error),
        }
    }
    let mut answers =
        stream::iter(left).map(|branch| closed_of(forge.clone(), project.clone(), branch)).buffer_unordered(AT_ONCE);
    while let Some((branch, answer)) = answers.next().await {
        let mut pulls = answer?;
        newest_first(&mut pulls);
        memory.closed.insert(branch, pulls);
    }
    drop(answers);
    let closed = branches.iter().filter_map(|branch| memory.closed.get(*branch));
    let numbers: Vec<u64> = closed.flat_map(|pulls| by_people(pulls)).map(|pull| pull.number).collect();
    for number in numbers {
        if memory.closers.contains_key(&number) {
            continue;
        }
        // Who it was is told where the forge tells it; that it was a person is known.
        let login = forge.closed_by(project, number).await.unwrap_or_else(|error| {
            warn!("who closed pull request #{number} of {project} is not known: {error}");
            None
        });
        memory.closers.insert(number, login);
    }
    Ok(())
}

async fn closed_of(
    forge: Arc<Forge>,
    project: Project,
    branch: Branch,
) -> (Branch, Result<Vec<PullRequest>, ForgeError>) {
    let answer = forge.closed_pulls_of(&project, &branch).await;
    (branch, answer)
}

/// Turns an error of a forge into a failure that names the repository.
pub(super) fn failure(repository: &str, error: &ForgeError) -> Failure {
    Failure {
        code: error.code().to_owned(),
        message: format!("repository `{repository}`: {error}"),
        hint: error.hint(),
        line: None,
    }
}
