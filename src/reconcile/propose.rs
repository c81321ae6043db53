//! Delivers by pull request: branches in one push for each repository, then what the forge has to do, then what is to be
//! deleted. Chooses nothing. What dies in between is found again by the next cycle: a branch without its pull request, a
//! pull request without its labels, a closed one whose branch is still there.

mod back;
mod by_forge;
mod chores;
mod ensure;
mod job;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::forge::ForgeError;
use crate::git::{GitError, RefUpdate};
use crate::model::change::{ChangeSet, FileChange, PullText, Request};
use crate::model::forge::{CommitsBy, ForgeFile};
use crate::model::history::CommitId;
use crate::model::names::Branch;
use crate::model::outcome::Outcome;
use crate::model::problem::{Problem, Severity};
use crate::plan::Failure;
use crate::reconcile::act::{record, refuse, tell_of_override};
use crate::reconcile::forges::Held;
use crate::reconcile::news::AllNews;
use crate::reconcile::propose::ensure::{At, Ensured};
use crate::reconcile::propose::job::{Job, Trouble, commit};
use crate::reconcile::pulls::failure;
use crate::reconcile::repository::made::WORKSHOP;
use crate::reconcile::repository::{Repository, not_open};
use crate::reconcile::retry::Tries;
use crate::reconcile::stop::{Stop, hold_back};
use crate::reconcile::workers::{defect, on_each};
use crate::reconcile::{CycleReport, Reconciler, failpoint};

impl Reconciler {
    /// Delivers the change sets that have a proposal, and does the chores; nothing once people held something meanwhile. Keeps in
    /// `sets` what was written.
    pub(super) async fn propose(
        &mut self,
        mut sets: Vec<ChangeSet>,
        report: &mut CycleReport,
        delivered: &mut BTreeMap<String, Outcome>,
        (tries, asked): (&mut Tries, &mut Instant),
    ) -> Vec<ChangeSet> {
        let chores = std::mem::take(&mut report.chores);
        if sets.is_empty() && chores.is_empty() {
            return sets;
        }
        if self.is_overtaken(asked).await {
            tries.overtaken();
            return Vec::new();
        }
        for set in sets.extract_if(.., |set| tries.settled(set).is_some()) {
            if let Some(failure) = tries.settled(&set) {
                refuse(report, &set, failure.clone());
            }
        }
        let mut jobs: Vec<Vec<Job>> = self.jobs(sets, report);
        jobs = self.commit_all(jobs).await;
        let stop = self.stop();
        halt(&stop, &mut jobs);
        self.commit_by_forges(&mut jobs).await;
        halt(&stop, &mut jobs);
        jobs = self.bring_back(jobs).await;
        halt(&stop, &mut jobs);
        self.stop_merges(&mut jobs).await;
        halt(&stop, &mut jobs);
        self.push_jobs(&mut jobs).await;
        failpoint::reach("pulls-pushed");
        let places = jobs.iter().flatten().filter(|job| job.is_good() && renders(job));
        let places: Vec<_> = places.flat_map(|job| job.proposal.text.commit.places.clone()).collect();
        let news = Arc::new(self.news(&report.snapshot, &places).await);
        // The branches that are there already belong to nothing yet: the next decision finds them.
        if self.is_overtaken(asked).await {
            tries.overtaken();
            return Vec::new();
        }
        let mut works = Vec::new();
        for (repository, jobs) in self.repositories.iter().zip(jobs) {
            let name = repository.options.name.clone();
            if let Some(held) = self.forges.of_repository(&name).cloned() {
                let instance = report.snapshot.instance.clone();
                works.push(ensure_all(name, (instance, stop.clone()), held, jobs, news.clone()).boxed());
            }
        }
        let done: Vec<_> = join_all(works).await.into_iter().flatten().collect();
        let mut written = Vec::new();
        for (job, result) in done {
            match result {
                Ok(done) => {
                    let commits: Vec<CommitId> = job.commit.into_iter().collect();
                    let is_new = job.is_pushed || !matches!(job.proposal.request, Request::Finish(_));
                    tell_of_override(report, &job.set);
                    record(report, delivered, &job.set, &commits, Some(&done.url));
                    report.problems.extend(done.warnings.into_iter().map(|text| warning(&job.set.repository, text)));
                    if is_new {
                        written.push(job.set);
                    }
                }
                Err(Trouble::Stopped(reason)) => hold_back(report, &job.set, &reason),
                Err(Trouble::Moved) if tries.lost(&job.set) => {}
                Err(Trouble::Moved) => refuse(report, &job.set, moved(&job.set)),
                Err(Trouble::Failed(failure)) => {
                    tries.settle(&job.set, failure.clone());
                    refuse(report, &job.set, failure);
                }
            }
        }
        self.do_chores(chores, report).await;
        written
    }

    /// Sorts the change sets by repository.
    fn jobs(&self, sets: Vec<ChangeSet>, report: &CycleReport) -> Vec<Vec<Job>> {
        let mut jobs: Vec<Vec<Job>> = self.repositories.iter().map(|_| Vec::new()).collect();
        for set in sets {
            let Some(proposal) = set.proposal.clone() else { continue };
            let at = self.repositories.iter().position(|repository| repository.options.name == set.repository);
            let Some(slot) = at.and_then(|at| jobs.get_mut(at)) else { continue };
            let pulls = report.snapshot.pulls.get(&set.repository).and_then(|pulls| pulls.as_ref().ok());
            let number = match proposal.request {
                Request::Open => None,
                Request::Update(number)
                | Request::Keep(number)
                | Request::Finish(number)
                | Request::Reopen(number, _) => Some(number),
            };
            let pull = pulls.and_then(|pulls| {
                let closed = pulls.closed.get(&set.branch).into_iter().flatten();
                let mut all = pulls.open.iter().chain(closed);
                all.find(|pull| Some(pull.number) == number).cloned()
            });
            slot.push(Job::new(set, proposal, pull));
        }
        jobs
    }

    /// Makes the commits in the object databases, but for those that the forge makes.
    async fn commit_all(&mut self, jobs: Vec<Vec<Job>>) -> Vec<Vec<Job>> {
        let authorship = self.options.authorship.clone();
        let by_forge: Vec<bool> = self.repositories.iter().map(is_by_forge).collect();
        let pieces: Vec<(Vec<Job>, bool)> = jobs.into_iter().zip(by_forge).collect();
        let kept = pieces.clone();
        let answers = on_each(&mut self.repositories, pieces, move |repository, (mut jobs, by_forge)| {
            for job in &mut jobs {
                if let Err(error) = commit(repository, job, &authorship, by_forge) {
                    job.fail(&error);
                }
            }
            jobs
        })
        .await;
        failpoint::reach("pulls-objects");
        answers.into_iter().zip(kept).map(|(answer, (jobs, _))| answer.unwrap_or_else(|| broken(jobs))).collect()
    }

    /// Has forges no longer merge by themselves what nobody has looked at, before it is there.
    async fn stop_merges(&mut self, jobs: &mut [Vec<Job>]) {
        let names: Vec<String> = self.repositories.iter().map(|repository| repository.options.name.clone()).collect();
        for (name, jobs) in names.iter().zip(jobs) {
            let Some(held) = self.forges.of_repository(name).cloned() else { continue };
            for job in jobs.iter_mut().filter(|job| job.is_good() && job.proposal.stops_merge) {
                let Some(pull) = &job.pull else { continue };
                if let Err(error) = held.forge.stop_auto_merge(&held.project, pull).await {
                    job.failure = Some(Trouble::Failed(failure(name, &error)));
                }
            }
        }
    }

    async fn push_jobs(&mut self, jobs: &mut [Vec<Job>]) {
        let pieces: Vec<Vec<RefUpdate>> =
            jobs.iter().map(|jobs| jobs.iter().filter_map(Job::update).collect()).collect();
        if pieces.iter().all(Vec::is_empty) {
            return;
        }
        let answers = on_each(&mut self.repositories, pieces, |repository, updates| push(repository, &updates)).await;
        for (jobs, answer) in jobs.iter_mut().zip(answers) {
            let Some(answer) = answer else {
                let all = std::mem::take(jobs);
                *jobs = broken(all);
                continue;
            };
            let pushed = jobs.iter_mut().filter(|job| job.update().is_some());
            for (job, result) in pushed.zip(answer) {
                if let Err(error) = result {
                    job.fail(&error);
                }
            }
        }
    }
}

/// Takes along nothing that an emergency stop came before.
fn halt(stop: &Stop, jobs: &mut [Vec<Job>]) {
    let Some(reason) = stop.reason() else { return };
    for job in jobs.iter_mut().flatten().filter(|job| job.is_good()) {
        job.failure = Some(Trouble::Stopped(reason.clone()));
    }
}

/// Has the pull requests of one repository be there, one after the other, as forges want it.
async fn ensure_all(
    name: String,
    (instance, stop): (String, Stop),
    held: Held,
    jobs: Vec<Job>,
    news: Arc<AllNews>,
) -> Vec<(Job, Result<Ensured, Trouble>)> {
    let at = At { forge: &held.forge, project: &held.project, repository: &name, instance: &instance };
    let mut done = Vec::new();
    for mut job in jobs {
        job.proposal.text.news = news_of(&job.proposal.text, &news);
        let stopped = || stop.reason().map(Trouble::Stopped);
        let result = match job.failure.take().or_else(stopped) {
            None => at.ensure(&job).await.map_err(|error| match error {
                ForgeError::Moved { .. } => Trouble::Moved,
                other => Trouble::Failed(failure(&name, &other)),
            }),
            Some(trouble) => Err(trouble),
        };
        done.push((job, result));
    }
    done
}

/// Tells whether the forge makes the commits.
pub(super) fn is_by_forge(repository: &Repository) -> bool {
    repository.options.forge.as_ref().is_some_and(|forge| forge.commits == CommitsBy::Api)
}

fn workshop(branch: &Branch) -> Option<Branch> {
    format!("{branch}{WORKSHOP}").parse().ok()
}

/// Gives a file as forges take it.
pub(super) fn forge_file(file: &FileChange) -> ForgeFile {
    ForgeFile { path: file.path.to_string(), content: file.after.clone().into_bytes(), is_new: file.is_new }
}

fn fetch(repository: &mut Repository, reference: &str, commit: &CommitId) -> Result<bool, GitError> {
    let url = repository.options.url.clone();
    repository.mirror().ok_or_else(|| not_open(&url))?.fetch_ref(reference, commit)
}

/// Pushes and reads back; what one branch is refused for is no reason for the others.
fn push(repository: &mut Repository, updates: &[RefUpdate]) -> Vec<Result<(), GitError>> {
    if updates.is_empty() {
        return Vec::new();
    }
    repository.expire();
    let url = repository.options.url.clone();
    let pushed = match repository.mirror().ok_or_else(|| not_open(&url)) {
        Ok(mirror) => mirror.push_all(updates).and_then(|pushed| Ok((pushed, mirror.read_back_all(updates)?))),
        Err(error) => Err(error),
    };
    match pushed {
        Ok((pushed, read)) => pushed.into_iter().zip(read).map(|(pushed, read)| pushed.and(read)).collect(),
        Err(error) => updates.iter().map(|_| Err(error.clone())).collect(),
    }
}

fn broken(jobs: Vec<Job>) -> Vec<Job> {
    let fail = |job: Job| {
        let failure = Some(Trouble::Failed(defect(&job.set.repository)));
        Job { failure, ..job }
    };
    jobs.into_iter().map(fail).collect()
}

fn renders(job: &Job) -> bool {
    !matches!(job.proposal.request, Request::Finish(_) | Request::Keep(_))
}

fn news_of(text: &PullText, all: &AllNews) -> AllNews {
    let keys = text.commit.places.iter().map(|place| (place.image.clone(), place.old.clone(), place.new.clone()));
    keys.filter_map(|key| Some((key.clone(), all.get(&key)?.clone()))).collect()
}

fn moved(set: &ChangeSet) -> Failure {
    Failure {
        code: "git/moved".to_owned(),
        message: format!("repository `{}`: the branch `{}` moved under every try", set.repository, set.branch),
        hint: None,
        line: None,
    }
}

fn warning(repository: &str, text: String) -> Problem {
    let failure = Failure { code: "forge/refused".to_owned(), message: text, hint: None, line: None };
    problem(Severity::Warning, repository, failure)
}

fn problem(severity: Severity, repository: &str, failure: Failure) -> Problem {
    Problem {
        severity,
        code: failure.code,
        repository: Some(repository.to_owned()),
        file: None,
        line: None,
        message: failure.message,
        hint: failure.hint,
    }
}
