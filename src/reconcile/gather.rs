//! Gather: repositories, Applications and places -> a snapshot without the registries' answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::application::{Application, PREFIX};
use crate::model::names::{ApplicationKey, Branch, RepoPath};
use crate::model::problem::{Problem, Severity};
use crate::model::remote_url::RemoteUrl;
use crate::model::rule::{Glob, Rule};
use crate::model::tracked::{RemoteBranch, Search, TrackedImage};
use crate::plan::judge::{Judgement, before_scan};
use crate::plan::locate::{FileState, Located, refused_edit};
use crate::plan::rollback::Timeline;
use crate::plan::{Failure, Question, Snapshot, Subject, hint, shown_key};
use crate::reconcile::repository::{Reading, Repository, failure_of};
use crate::reconcile::workers::{defect, on_each};
use crate::reconcile::{CycleReport, Mode, Reconciler};
use crate::resolve::{KnownRepository, resolve};
use crate::rules::{self, EffectiveRule};

impl Reconciler {
    /// Reads every repository and resolves every Application.
    pub(super) async fn gather(&mut self, now: Timestamp, mode: &Mode, report: &mut CycleReport) -> Snapshot {
        let mut snapshot = Snapshot { now, ..Snapshot::default() };
        let readings = self.read_all().await;
        let (mut known, mut never_read) = (Vec::new(), Vec::new());
        let mut applications: Vec<Application> = self.options.applications.clone();
        for (repository, (reading, failure)) in self.repositories.iter().zip(readings) {
            let name = &repository.options.name;
            if let Some(failure) = failure {
                report.unread_repositories += 1;
                report.problems.push(repository_problem(name, &failure));
                snapshot.repository_failures.insert(name.clone(), failure);
            }
            let default = reading.as_ref().and_then(|reading| reading.head.default.clone());
            let branch = reading
                .as_ref()
                .map(|reading| reading.head.branch.clone())
                .or_else(|| repository.options.branch.clone());
            let urls =
                std::iter::once(&repository.options.url).chain(&repository.options.also).map(RemoteUrl::normalised);
            let urls: Vec<String> = urls.collect();
            match branch {
                Some(branch) => known.push(KnownRepository { name: name.clone(), branch, default, urls }),
                None => never_read.push((name.clone(), urls)),
            }
            if let Some(reading) = reading {
                report.unparsed_templates += reading.unparsed_templates;
                report.problems.extend(reading.problems);
                applications.extend(reading.applications);
                let base = RemoteBranch { repository: name.clone(), branch: reading.head.branch.clone() };
                snapshot.heads.insert(base, reading.head.commit);
            }
        }
        for (name, urls) in never_read {
            let branches = followed_branches(&applications).into_iter();
            known.extend(branches.map(|branch| KnownRepository {
                name: name.clone(),
                branch,
                default: None,
                urls: urls.clone(),
            }));
        }
        let mut tracked = Vec::new();
        for application in &applications {
            let (images, mut problems) = resolve(application, &known);
            if application.key.file.is_none() {
                problems.iter_mut().for_each(|problem| in_configuration(problem, &self.options.configuration));
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
        let pieces = self.repositories.iter().map(|_| ()).collect();
        let answers = on_each(&mut self.repositories, pieces, |repository, ()| repository.read()).await;
        let names = self.repositories.iter().map(|repository| &repository.options.name);
        answers
            .into_iter()
            .zip(names)
            .map(|(answer, name)| answer.unwrap_or_else(|| (None, Some(defect(name)))))
            .collect()
    }

    /// Locates every image in its repository, and reads what stood there. What is known of a repository that cannot be
    /// read now is located too: its outcomes are those of the same places.
    async fn place_all(&mut self, tracked: Vec<TrackedImage>, snapshot: &mut Snapshot) {
        let rules: Arc<[Rule]> = self.options.rules.clone().into();
        let (observe, now) = (self.options.observe, snapshot.now);
        let pieces: Vec<Piece> = self
            .repositories
            .iter()
            .map(|repository| {
                let name = &repository.options.name;
                let is_mine =
                    |image: &TrackedImage| image.target.as_ref().is_some_and(|one| one.base.repository == *name);
                Piece {
                    images: tracked
                        .iter()
                        .enumerate()
                        .filter(|(_, image)| repository.is_known() && is_mine(image))
                        .map(|(index, image)| (index, image.clone()))
                        .collect(),
                    is_read: !snapshot.repository_failures.contains_key(name),
                }
            })
            .collect();
        let answers = on_each(&mut self.repositories, pieces, move |repository, piece| {
            place(repository, piece, &rules, observe, now)
        })
        .await;
        let mut subjects: Vec<Vec<Subject>> = tracked.iter().map(|_| Vec::new()).collect();
        for (repository, answer) in self.repositories.iter().zip(answers) {
            let name = &repository.options.name;
            let (placed, failure) = answer.unwrap_or_else(|| (Vec::new(), Some(defect(name))));
            for (index, subject) in placed {
                let base = subject.tracked.target.as_ref().map(|target| target.base.clone());
                if let (Some(located), Some(base)) = (&subject.located, base) {
                    let state = repository.state(&located.file);
                    if matches!(state, FileState::Parsed(_)) {
                        snapshot.files.insert((base, located.file.clone()), state);
                    }
                }
                if let Some(slot) = subjects.get_mut(index) {
                    slot.push(subject);
                }
            }
            if let Some(failure) = failure {
                snapshot.repository_failures.entry(name.clone()).or_insert(failure);
            }
        }
        let all = subjects
            .into_iter()
            .zip(tracked)
            .flat_map(|(placed, image)| if placed.is_empty() { vec![unplaced(Arc::new(image))] } else { placed });
        let mut seen = BTreeSet::new();
        // Two targets of one image may turn out to be the same place, or both to be none.
        snapshot.subjects = all.filter(|subject| seen.insert(place_identity(subject))).map(Arc::new).collect();
    }
}

/// What the default branch of a repository may be that was never read: whatever its Applications follow. Nothing is
/// decided there before it is known; its Applications fail for what stands in the way, not for their annotations.
fn followed_branches(applications: &[Application]) -> BTreeSet<Branch> {
    let sources = applications.iter().flat_map(|application| &application.sources);
    let named =
        sources.filter_map(|source| source.target_revision.as_deref()?.trim_start_matches("refs/heads/").parse().ok());
    named.chain("main".parse().ok()).collect()
}

/// Application, alias, file and key: what makes an outcome one outcome.
fn place_identity(subject: &Subject) -> (ApplicationKey, String, Option<RepoPath>, Option<String>) {
    let image = &subject.tracked;
    let file = subject.located.as_ref().map(|located| located.file.clone());
    (image.application.clone(), image.alias.clone(), file, shown_key(subject))
}

fn unplaced(tracked: Arc<TrackedImage>) -> Subject {
    Subject { tracked, located: None, rule: None, timeline: Timeline::default() }
}

/// Subjects of one repository, by their position, and what went wrong for all of them.
type Placed = (Vec<(usize, Subject)>, Option<Failure>);

/// What is to be placed in one repository.
struct Piece {
    /// Images by their position.
    images: Vec<(usize, TrackedImage)>,
    /// Its head is the remote's; else nothing will be decided, and no history is needed.
    is_read: bool,
}

fn place(repository: &mut Repository, piece: Piece, rules: &[Rule], observe: bool, now: Timestamp) -> Placed {
    let (indexes, images): (Vec<usize>, Vec<TrackedImage>) = piece.images.into_iter().unzip();
    let located = match repository.locate(&images) {
        Ok(located) => located,
        Err(error) => {
            let lost = images.into_iter().map(|image| unplaced(Arc::new(image)));
            let subjects = indexes.into_iter().zip(lost).collect();
            return (subjects, Some(failure_of(&repository.options.name, &error)));
        }
    };
    let images: Vec<Arc<TrackedImage>> = images.into_iter().map(Arc::new).collect();
    let places: Vec<(usize, Arc<TrackedImage>, Located)> = indexes
        .into_iter()
        .zip(images)
        .zip(located)
        .flat_map(|((index, image), located)| located.into_iter().map(move |one| (index, image.clone(), one)))
        .collect();
    let pairs: Vec<(&TrackedImage, Option<&Located>)> =
        places.iter().map(|(_, image, located)| (&**image, Some(located))).collect();
    let (timelines, failure) = match piece.is_read.then(|| repository.timelines(&pairs, now)) {
        None => (Vec::new(), None),
        Some(Ok(timelines)) => (timelines, None),
        Some(Err(error)) => (Vec::new(), Some(failure_of(&repository.options.name, &error))),
    };
    let mut timelines = timelines.into_iter();
    let may_write = repository.options.may_write.clone();
    let subjects = places.into_iter().map(|(index, tracked, located)| {
        let rule = Some(effective(rules, observe, &may_write, &tracked, &located));
        (index, Subject { tracked, located: Some(located), rule, timeline: timelines.next().unwrap_or_default() })
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
        image.target.as_ref().map_or(("", ""), |target| (target.base.repository.as_str(), target.base.branch.as_str()));
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

/// Turns a problem of an Application of repin.yaml into one of that file, where keys have no prefix.
fn in_configuration(problem: &mut Problem, file: &str) {
    problem.file = Some(file.to_owned());
    problem.hint = problem.hint.take().map(|hint| hint.replace(PREFIX, ""));
}

/// The images of the explained Application, and those that share a place with it.
fn explained(tracked: Vec<TrackedImage>, name: &str) -> Vec<TrackedImage> {
    let is_meant = |image: &TrackedImage| image.application.is_named(name);
    let places: BTreeSet<String> = tracked.iter().filter(|image| is_meant(image)).flat_map(place_names).collect();
    tracked
        .into_iter()
        .filter(|image| is_meant(image) || place_names(image).iter().any(|place| places.contains(place)))
        .collect()
}

/// What two images that may share a place have in common: a file that both look into, and a key path if it is named.
fn place_names(image: &TrackedImage) -> Vec<String> {
    let Some(target) = &image.target else { return Vec::new() };
    let RemoteBranch { repository, branch } = &target.base;
    let key = match &target.search {
        Search::Helm(helm) => helm.key.to_string(),
    };
    target.search.files().map(|file| format!("{repository}\0{branch}\0{file}\0{key}")).collect()
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
        let Some(judgement) = before_scan(snapshot, subject).or_else(|| refused(snapshot, subject)) else { continue };
        let (Some(located), Some(hint)) = (&subject.located, hint(subject, &judgement)) else { continue };
        let target = subject.tracked.target.as_ref();
        problems.push(Problem {
            severity: Severity::Error,
            code: judgement.code.clone(),
            repository: Some(
                target.map_or(&subject.tracked.application.repository, |target| &target.base.repository).clone(),
            ),
            file: Some(located.file.to_string()),
            line: judgement.failure.as_ref().and_then(|failure| failure.line),
            message: format!(
                "{} ({}): {}",
                subject.tracked.application.label(),
                subject.tracked.alias,
                judgement.message
            ),
            hint: Some(hint).filter(|hint| !hint.is_empty()),
        });
    }
    problems
}

/// What the editor would refuse in any case.
fn refused(snapshot: &Snapshot, subject: &Subject) -> Option<Judgement> {
    let (target, image) = (subject.tracked.target.as_ref()?, subject.tracked.image.as_ref()?);
    let located = subject.located.as_ref().filter(|located| located.site.is_ok())?;
    let FileState::Parsed(source) = snapshot.files.get(&(target.base.clone(), located.file.clone()))? else {
        return None;
    };
    refused_edit(image, located, source).map(|failure| Judgement::failed(&failure))
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
