//! Gather: repositories, Applications and places -> a snapshot without the registries' answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::model::application::Application;
use crate::model::key_path::KeyPath;
use crate::model::names::{ApplicationKey, RepoPath};
use crate::model::problem::{Problem, Severity};
use crate::model::remote_url::RemoteUrl;
use crate::model::rule::{Glob, Rule};
use crate::model::tracked::TrackedImage;
use crate::plan::judge::before_scan;
use crate::plan::locate::{FileState, Located};
use crate::plan::rollback::Timeline;
use crate::plan::{Failure, Question, Snapshot, Subject};
use crate::reconcile::repository::{Reading, Repository, failure_of};
use crate::reconcile::{CycleReport, Mode, Reconciler, lost_worker};
use crate::resolve::{KnownRepository, resolve};
use crate::rules::{self, EffectiveRule};

/// A repository after reading, with its answer.
type Read = (usize, Repository, (Option<Reading>, Option<Failure>));

impl Reconciler {
    /// Reads every repository and resolves every Application.
    pub(super) async fn gather(&mut self, now: Timestamp, mode: &Mode, report: &mut CycleReport) -> Snapshot {
        let mut snapshot = Snapshot { now, ..Snapshot::default() };
        let readings = self.read_all().await;
        let mut known = Vec::new();
        let mut applications: Vec<Application> = self.options.applications.clone();
        for (repository, (reading, failure)) in self.repositories.iter().zip(readings) {
            let name = &repository.options.name;
            if let Some(failure) = failure {
                report.unread_repositories += 1;
                report.problems.push(repository_problem(name, &failure));
                snapshot.repository_failures.insert(name.clone(), failure);
            }
            let branch = reading
                .as_ref()
                .map(|reading| reading.head.branch.clone())
                .or_else(|| repository.options.branch.clone());
            if let Some(branch) = branch {
                let urls =
                    std::iter::once(&repository.options.url).chain(&repository.options.also).map(RemoteUrl::normalised);
                known.push(KnownRepository { name: name.clone(), branch, urls: urls.collect() });
            }
            if let Some(reading) = reading {
                report.unparsed_templates += reading.unparsed_templates;
                report.problems.extend(reading.problems);
                applications.extend(reading.applications);
                snapshot.heads.insert(name.clone(), reading.head.commit);
            }
        }
        let mut tracked = Vec::new();
        for application in &applications {
            let (images, mut problems) = resolve(application, &known);
            if application.key.file.is_none() {
                problems.iter_mut().for_each(|problem| problem.file = Some(self.options.configuration.clone()));
            }
            report.problems.extend(problems);
            tracked.extend(images);
        }
        report.applications = applications.into_iter().map(|application| application.key).collect();
        if let Mode::Explain(name) = mode {
            tracked = explained(tracked, name);
        }
        self.place_all(tracked, &mut snapshot).await;
        for subject in &snapshot.subjects {
            if let Some(image) = subject.tracked.image.as_ref().filter(|image| !self.registries.is_configured(image)) {
                snapshot.unconfigured.insert(image.clone());
            }
        }
        snapshot
    }

    async fn read_all(&mut self) -> Vec<(Option<Reading>, Option<Failure>)> {
        let mut tasks: JoinSet<Read> = JoinSet::new();
        for (index, mut repository) in std::mem::take(&mut self.repositories).into_iter().enumerate() {
            tasks.spawn_blocking(move || {
                let answer = repository.read();
                (index, repository, answer)
            });
        }
        let mut done: Vec<Read> = Vec::new();
        while let Some(result) = tasks.join_next().await {
            match result {
                Ok(read) => done.push(read),
                Err(_) => lost_worker("reads a repository"),
            }
        }
        for (index, options) in self.options.repositories.iter().enumerate() {
            if !done.iter().any(|(at, ..)| *at == index) {
                let failure = Failure {
                    code: "git/corrupt".into(),
                    message: format!("repository `{}` could not be read", options.name),
                    hint: None,
                    line: None,
                };
                done.push((index, Repository::new(options.clone()), (None, Some(failure))));
            }
        }
        done.sort_by_key(|(index, ..)| *index);
        let mut readings = Vec::new();
        for (_, repository, reading) in done {
            self.repositories.push(repository);
            readings.push(reading);
        }
        readings
    }

    /// Locates every image in its repository, and reads what stood there.
    async fn place_all(&mut self, tracked: Vec<TrackedImage>, snapshot: &mut Snapshot) {
        let mut subjects: Vec<Option<Subject>> = tracked.iter().map(|_| None).collect();
        let mut tracked: Vec<Option<TrackedImage>> = tracked.into_iter().map(Some).collect();
        let rules: Arc<[Rule]> = self.options.rules.clone().into();
        let (observe, now) = (self.options.observe, snapshot.now);
        let mut tasks = JoinSet::new();
        for (at, mut repository) in std::mem::take(&mut self.repositories).into_iter().enumerate() {
            let name = &repository.options.name;
            let is_read = !snapshot.repository_failures.contains_key(name);
            let mine: Vec<(usize, TrackedImage)> = tracked
                .iter_mut()
                .enumerate()
                .filter(|(_, image)| {
                    is_read
                        && image
                            .as_ref()
                            .and_then(|image| image.target.as_ref())
                            .is_some_and(|target| target.repository == *name)
                })
                .filter_map(|(index, image)| Some((index, image.take()?)))
                .collect();
            let rules = rules.clone();
            tasks.spawn_blocking(move || {
                let placed = place(&mut repository, mine, &rules, observe, now);
                (at, repository, placed)
            });
        }
        let mut repositories = Vec::new();
        while let Some(result) = tasks.join_next().await {
            let Ok((at, repository, (placed, failure))) = result else {
                lost_worker("locates the places of a repository");
                continue;
            };
            for (index, subject) in placed {
                if let Some(file) = subject.located.as_ref().map(|located| located.file.clone()) {
                    let state = repository.state(&file);
                    if matches!(state, FileState::Parsed(_)) {
                        snapshot.files.insert((repository.options.name.clone(), file), state);
                    }
                }
                if let Some(slot) = subjects.get_mut(index) {
                    *slot = Some(subject);
                }
            }
            if let Some(failure) = failure {
                snapshot.repository_failures.insert(repository.options.name.clone(), failure);
            }
            repositories.push((at, repository));
        }
        repositories.sort_by_key(|(at, _)| *at);
        self.repositories = repositories.into_iter().map(|(_, repository)| repository).collect();
        let unplaced =
            |tracked: TrackedImage| Subject { tracked, located: None, rule: None, timeline: Timeline::default() };
        let all =
            subjects.into_iter().zip(tracked).filter_map(|(subject, image)| subject.or_else(|| image.map(unplaced)));
        let mut seen = BTreeSet::new();
        // Two targets of one image may turn out to be the same place, or both to be none.
        snapshot.subjects = all.filter(|subject| seen.insert(place_identity(subject))).collect();
    }
}

/// Application, alias, file and key: what makes an outcome one outcome.
fn place_identity(subject: &Subject) -> (ApplicationKey, String, Option<RepoPath>, Option<KeyPath>) {
    let image = &subject.tracked;
    let file = subject.located.as_ref().map(|located| located.file.clone());
    (image.application.clone(), image.alias.clone(), file, image.key.clone())
}

/// Subjects of one repository, by their position, and what went wrong for all of them.
type Placed = (Vec<(usize, Subject)>, Option<Failure>);

fn place(
    repository: &mut Repository,
    mine: Vec<(usize, TrackedImage)>,
    rules: &[Rule],
    observe: bool,
    now: Timestamp,
) -> Placed {
    let (indexes, images): (Vec<usize>, Vec<TrackedImage>) = mine.into_iter().unzip();
    let located = repository.locate(&images);
    let pairs: Vec<(&TrackedImage, Option<&Located>)> =
        images.iter().zip(&located).map(|(image, located)| (image, located.as_ref())).collect();
    let (timelines, failure) = match repository.timelines(&pairs, now) {
        Ok(timelines) => (timelines, None),
        Err(error) => (Vec::new(), Some(failure_of(&repository.options.name, &error))),
    };
    let mut timelines = timelines.into_iter();
    let may_write = repository.options.may_write.clone();
    let subjects = images.into_iter().zip(located).zip(indexes).map(|((tracked, located), index)| {
        let rule = located.as_ref().map(|located| effective(rules, observe, &may_write, &tracked, located));
        (index, Subject { tracked, located, rule, timeline: timelines.next().unwrap_or_default() })
    });
    (subjects.collect(), failure)
}

fn effective(
    rules: &[Rule],
    observe: bool,
    may_write: &[Glob],
    image: &TrackedImage,
    located: &Located,
) -> EffectiveRule {
    let (repository, branch) =
        image.target.as_ref().map_or(("", ""), |target| (target.repository.as_str(), target.branch.as_str()));
    let subject = rules::Subject {
        repository,
        branch,
        path: Some(&located.file),
        application: &image.application.name,
        namespace: &image.application.namespace,
        project: &image.project,
        labels: &image.labels,
    };
    let mut rule = rules::effective(rules, observe, &subject);
    rule.may_write.extend(may_write.iter().cloned());
    rule
}

/// The images of the explained Application, and those that share a place with it.
fn explained(tracked: Vec<TrackedImage>, name: &str) -> Vec<TrackedImage> {
    let is_meant = |image: &TrackedImage| crate::reconcile::is_named(&image.application, name);
    let places: BTreeSet<String> = tracked.iter().filter(|image| is_meant(image)).flat_map(place_names).collect();
    tracked
        .into_iter()
        .filter(|image| is_meant(image) || place_names(image).iter().any(|place| places.contains(place)))
        .collect()
}

fn place_names(image: &TrackedImage) -> Vec<String> {
    let Some(target) = &image.target else { return Vec::new() };
    target
        .files
        .iter()
        .chain([&target.fallback])
        .map(|file| format!("{}\0{}\0{file}\0{}", target.repository, target.branch, target.key))
        .collect()
}

/// Every tag list that `explain` shows, held images included.
pub(super) fn listing_questions(snapshot: &Snapshot) -> Vec<Question> {
    let images = snapshot.subjects.iter().filter_map(|subject| subject.tracked.image.clone());
    let asked: BTreeSet<Question> =
        images.filter(|image| !snapshot.unconfigured.contains(image)).map(Question::Listing).collect();
    asked
        .into_iter()
        .filter(|question| !matches!(question, Question::Listing(image) if snapshot.listings.contains_key(image)))
        .collect()
}

/// What `check` reports of files and rules: the places that cannot be read or may not be written.
pub(super) fn file_problems(snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = Vec::new();
    for subject in &snapshot.subjects {
        let Some(judgement) = before_scan(snapshot, subject).filter(|_| subject.tracked.refusal.is_none()) else {
            continue;
        };
        let is_decided = judgement.code.starts_with("rule/");
        let Some(located) = subject.located.as_ref().filter(|_| !is_decided) else { continue };
        let target = subject.tracked.target.as_ref();
        problems.push(Problem {
            severity: Severity::Error,
            code: judgement.code.clone(),
            repository: Some(
                target.map_or(&subject.tracked.application.repository, |target| &target.repository).clone(),
            ),
            file: Some(located.file.to_string()),
            line: judgement.failure.as_ref().and_then(|failure| failure.line),
            message: format!(
                "{} ({}): {}",
                subject.tracked.application.label(),
                subject.tracked.alias,
                judgement.message
            ),
            hint: judgement.failure.and_then(|failure| failure.hint),
        });
    }
    problems
}

fn repository_problem(name: &str, failure: &Failure) -> Problem {
    Problem {
        severity: Severity::Error,
        code: failure.code.clone(),
        repository: Some(name.to_owned()),
        file: None,
        line: None,
        message: failure.message.clone(),
        hint: failure.hint.clone(),
    }
}
