//! Gather: repositories, Applications and places -> a snapshot without the registries' answers.
//!
//! What cannot have changed since the last cycle is taken over: Applications by their file's content, resolved images by
//! their Application, places by the heads of the branches. A snapshot gathered so equals one gathered from nothing.

mod explained;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::application::Application;
use crate::model::asking::wishes;
use crate::model::history::CommitId;
use crate::model::names::{ApplicationKey, Branch, ImageName, RepoPath};
use crate::model::problem::Problem;
use crate::model::remote_url::RemoteUrl;
use crate::model::tracked::{RemoteBranch, TrackedImage};
use crate::model::verification::KeyName;
use crate::plan::rollback::Timeline;
use crate::plan::{Failure, Question, Snapshot, Subject, TermsMemo, shown_key};
use crate::reconcile::configured::in_configuration;
use crate::reconcile::gather::explained::{depends_on_others, explained, keep_explained};
use crate::reconcile::generate::repository_problem;
use crate::reconcile::past::keep_meant;
use crate::reconcile::repository::{Ground, Reading, Repository, failure_of};
use crate::reconcile::workers::{defect, on_each};
use crate::reconcile::{CycleReport, Due, Mode, Reconciler};
use crate::resolve::{Configured, KnownRepository, resolve};

/// What is kept of the last gathering.
#[derive(Default)]
pub(super) struct Gathered {
    /// The repositories that Applications were resolved against.
    known: Vec<KnownRepository>,
    /// What each Application means, by the address of the Application, which is kept with it.
    pub(super) resolved: HashMap<usize, Resolved>,
    /// The images that were placed, and what they were placed on.
    placed: Option<Placed>,
}

/// An Application and what it means.
pub(super) struct Resolved {
    application: Arc<Application>,
    pub(super) images: Vec<Arc<TrackedImage>>,
    problems: Vec<Problem>,
}

/// Everything that places come from, and the places.
struct Placed {
    images: Vec<Arc<TrackedImage>>,
    grounds: Vec<GroundOf>,
    subjects: Vec<Arc<Subject>>,
    unconfigured: BTreeSet<ImageName>,
}

/// What one repository gave to the places.
#[derive(Clone, Debug, Eq, PartialEq)]
struct GroundOf {
    heads: Vec<(Branch, CommitId)>,
    /// Its head is the remote's; else nothing will be decided, and no history is needed.
    is_read: bool,
}

/// What a repository holds, and why it could not be read.
pub(super) type Read = (Option<Arc<Reading>>, Option<Failure>);

impl Reconciler {
    /// Reads every repository and resolves every Application.
    pub(super) async fn gather(
        &mut self,
        now: Timestamp,
        mode: &Mode,
        due: &Due,
        report: &mut CycleReport,
    ) -> Snapshot {
        let (rules, wording) = (self.rules.clone(), self.options.wording.clone());
        let (windows, max_changes_per_push) = (self.options.windows.clone(), self.options.max_changes_per_push);
        let known = Snapshot { rules, wording, windows, max_changes_per_push, ..Snapshot::default() };
        let mut snapshot = Snapshot { now, since: due.since, ..known };
        let logins = self.log_in().await;
        report.problems.extend(logins.iter().map(|(name, failure)| repository_problem(name, failure)));
        let readings = self.read_all(due).await;
        let mut applications: Vec<Arc<Application>> = self.applications.clone();
        for (repository, (reading, failure)) in self.repositories.iter().zip(&readings) {
            let name = &repository.options.name;
            if let Some(failure) = failure {
                report.unread_repositories += 1;
                report.problems.push(repository_problem(name, failure));
                snapshot.repository_failures.insert(name.clone(), failure.clone());
            }
            if let Some(reading) = reading {
                report.unparsed_templates += reading.unparsed_templates;
                report.problems.extend(reading.problems.iter().cloned());
                applications.extend(reading.applications.iter().cloned());
            }
        }
        self.generate(&readings, &mut applications, &mut snapshot, report);
        let known = self.known_repositories(&readings, &applications);
        let mut images = self.resolve_all(&applications, known, report);
        report.wishes = wishes(images.iter().map(Arc::as_ref));
        if matches!(mode, Mode::Check | Mode::Past(_) | Mode::Explain(_)) {
            report.applications = applications.iter().map(|application| application.key.clone()).collect();
        }
        let is_dependent = depends_on_others(&self.rules, self.options.max_changes_per_push, &images);
        if let (Mode::Explain(name), false) = (mode, is_dependent) {
            images = explained(images, name);
        }
        keep_meant(&mut images, mode);
        self.open_branches(&images, &mut snapshot).await;
        self.place_all(images, &mut snapshot, matches!(mode, Mode::Explain(_) | Mode::Past(_))).await;
        if matches!(mode, Mode::Check | Mode::Past(_)) {
            self.read_files(&mut snapshot, mode).await;
        }
        if let (Mode::Explain(name), true) = (mode, is_dependent) {
            keep_explained(&mut snapshot, name);
        }
        for repository in &self.repositories {
            let name = &repository.options.name;
            snapshot.advertised.insert(name.clone(), repository.advertised());
            let base = |branch: &Branch| RemoteBranch { repository: name.clone(), branch: branch.clone() };
            snapshot.heads.extend(repository.heads().map(|(branch, head)| (base(branch), head)));
            let unread = repository.unread.iter().map(|(branch, (_, failure))| (base(branch), failure.clone()));
            snapshot.branch_failures.extend(unread);
        }
        self.read_holds(&mut snapshot, report);
        self.note_certainty(&mut snapshot, &applications, mode, report);
        snapshot
    }

    async fn read_all(&mut self, due: &Due) -> Vec<Read> {
        let pieces = self.repositories.iter().map(|repository| due.is_repository(&repository.options.name)).collect();
        let answers = on_each(&mut self.repositories, pieces, |repository, is_due| repository.look(is_due)).await;
        let names = self.repositories.iter().map(|repository| &repository.options.name);
        answers
            .into_iter()
            .zip(names)
            .map(|(answer, name)| answer.unwrap_or_else(|| (None, Some(defect(name)))))
            .collect()
    }

    fn known_repositories(&self, readings: &[Read], applications: &[Arc<Application>]) -> Vec<KnownRepository> {
        let (mut known, mut never_read) = (Vec::new(), Vec::new());
        for (repository, (reading, _)) in self.repositories.iter().zip(readings) {
            let (name, options) = (&repository.options.name, &repository.options);
            let head = reading.as_ref().map(|reading| &reading.head);
            let default = head.and_then(|head| head.default.clone());
            let urls = std::iter::once(&options.url).chain(&options.also).map(RemoteUrl::normalised).collect();
            let branches = options.branches.clone();
            match head.map(|head| head.branch.clone()).or_else(|| options.branch.clone()) {
                Some(branch) => known.push(KnownRepository { name: name.clone(), branch, branches, default, urls }),
                None => never_read.push((name.clone(), branches, urls)),
            }
        }
        for (name, branches, urls) in never_read {
            let one = |branch| {
                let (name, branches, urls) = (name.clone(), Vec::clone(&branches), Vec::clone(&urls));
                KnownRepository { name, branch, branches, default: None, urls }
            };
            known.extend(followed_branches(applications).into_iter().map(one));
        }
        known
    }

    /// Resolves the Applications that are new, or all of them if what they are resolved against changed.
    fn resolve_all(
        &mut self,
        applications: &[Arc<Application>],
        known: Vec<KnownRepository>,
        report: &mut CycleReport,
    ) -> Vec<Arc<TrackedImage>> {
        if self.gathered.known != known {
            self.gathered = Gathered { known, ..Gathered::default() };
        }
        let mut old = std::mem::take(&mut self.gathered.resolved);
        let cosign_keys: Vec<KeyName> = self.options.cosign_keys.keys().cloned().collect();
        let environments: Vec<String> = self.rules.iter().filter_map(|rule| rule.of_environment.clone()).collect();
        let mut images = Vec::new();
        for application in applications {
            let address = Arc::as_ptr(application).addr();
            let resolved = old.remove(&address).unwrap_or_else(|| {
                let configured = Configured {
                    repositories: &self.gathered.known,
                    pull_secrets: &self.options.pull_secrets,
                    cosign_keys: &cosign_keys,
                    argocd: self.options.argocd,
                    image_fields: Some(&self.options.image_fields),
                    asking: Some(&self.options.asking),
                    windows: Some(&self.options.windows),
                    environments: &environments,
                };
                let (images, mut problems) = resolve(application, &configured);
                if application.key.file.is_none() {
                    problems.iter_mut().for_each(|problem| in_configuration(problem, &self.options.configuration));
                }
                let images = images.into_iter().map(Arc::new).collect();
                Resolved { application: application.clone(), images, problems }
            });
            report.problems.extend(resolved.problems.iter().cloned());
            images.extend(resolved.images.iter().cloned());
            self.gathered.resolved.insert(Arc::as_ptr(&resolved.application).addr(), resolved);
        }
        images
    }

    /// Reads the branches that images mean and that were not read before.
    async fn open_branches(&mut self, images: &[Arc<TrackedImage>], snapshot: &mut Snapshot) {
        let bases: BTreeSet<&RemoteBranch> =
            images.iter().filter_map(|image| image.target.as_ref()).map(|target| &target.base).collect();
        let mut pieces: Vec<Vec<Branch>> = Vec::new();
        for repository in &self.repositories {
            let is_mine = |base: &RemoteBranch| base.repository == repository.options.name;
            let mine = bases.iter().filter(|base| is_mine(base)).map(|base| &base.branch);
            let open: HashSet<&Branch> = repository.heads().map(|(branch, _)| branch).collect();
            pieces.push(mine.filter(|branch| !open.contains(branch)).cloned().collect());
        }
        if pieces.iter().all(Vec::is_empty) {
            return;
        }
        let answers = on_each(&mut self.repositories, pieces, |repository, branches| repository.open(&branches)).await;
        for (repository, answer) in self.repositories.iter().zip(answers) {
            let name = &repository.options.name;
            let failure = match answer {
                Some(Ok(())) => continue,
                Some(Err(error)) => failure_of(name, &error),
                None => defect(name),
            };
            snapshot.repository_failures.entry(name.clone()).or_insert(failure);
        }
    }

    /// Locates every image in its repository, and reads what stood there. What is known of a repository that cannot be
    /// read now is located too: its outcomes are those of the same places.
    async fn place_all(&mut self, images: Vec<Arc<TrackedImage>>, snapshot: &mut Snapshot, is_part: bool) {
        let grounds: Vec<GroundOf> = self
            .repositories
            .iter()
            .map(|repository| GroundOf {
                heads: repository.heads().map(|(branch, head)| (branch.clone(), head)).collect(),
                is_read: !snapshot.repository_failures.contains_key(&repository.options.name),
            })
            .collect();
        let is_same = |placed: &&Placed| placed.grounds == grounds && same_images(&placed.images, &images);
        if let Some(placed) = self.gathered.placed.as_ref().filter(is_same) {
            snapshot.subjects.clone_from(&placed.subjects);
            snapshot.unconfigured.clone_from(&placed.unconfigured);
            return;
        }
        let whole = self.place_anew(&images, &grounds, snapshot).await;
        for image in snapshot.subjects.iter().filter_map(|subject| subject.tracked.asked.as_ref()) {
            if !self.registries.is_configured(image) {
                snapshot.unconfigured.insert(image.clone());
            }
        }
        if !is_part {
            self.remember().await;
        }
        if is_part || !whole {
            self.gathered.placed = None;
            return;
        }
        for repository in &mut self.repositories {
            let targets = images.iter().filter_map(|image| image.target.as_ref()).map(|target| &target.base);
            let mine = targets.filter(|base| base.repository == repository.options.name).map(|base| &base.branch);
            repository.keep_only(&mine.collect());
        }
        self.gathered.placed = Some(Placed {
            images,
            grounds,
            subjects: snapshot.subjects.clone(),
            unconfigured: snapshot.unconfigured.clone(),
        });
    }

    /// Has the repositories keep for the next process what is worth it.
    async fn remember(&mut self) {
        let pieces: Vec<bool> = self.repositories.iter().map(Repository::is_worth_keeping).collect();
        if pieces.contains(&true) {
            on_each(&mut self.repositories, pieces, |repository, is_worth_it| {
                if is_worth_it {
                    repository.remember();
                }
            })
            .await;
        }
    }

    /// Places every image. Tells whether all repositories could be read for it.
    async fn place_anew(
        &mut self,
        images: &[Arc<TrackedImage>],
        grounds: &[GroundOf],
        snapshot: &mut Snapshot,
    ) -> bool {
        let (ground, now) = (Ground { rules: self.rules.clone(), observe: self.options.observe }, snapshot.now);
        let pieces: Vec<Piece> = self
            .repositories
            .iter()
            .zip(grounds)
            .map(|(repository, ground)| {
                let name = &repository.options.name;
                let is_mine =
                    |image: &TrackedImage| image.target.as_ref().is_some_and(|one| one.base.repository == *name);
                let mine = images.iter().enumerate().filter(|(_, image)| repository.is_known() && is_mine(image));
                let (indexes, images) = mine.map(|(index, image)| (index, image.clone())).unzip();
                Piece { indexes, images, is_read: ground.is_read }
            })
            .collect();
        let answers = on_each(&mut self.repositories, pieces, move |repository, piece| {
            (repository.place(&piece.images, &ground, piece.is_read, now), piece.indexes)
        })
        .await;
        let mut is_whole = true;
        let mut subjects: Vec<Vec<Arc<Subject>>> = images.iter().map(|_| Vec::new()).collect();
        for (repository, answer) in self.repositories.iter().zip(answers) {
            let name = &repository.options.name;
            let failure = match answer {
                Some((Ok(placed), indexes)) => {
                    for (index, found) in indexes.into_iter().zip(placed) {
                        if let Some(slot) = subjects.get_mut(index) {
                            *slot = found;
                        }
                    }
                    continue;
                }
                Some((Err(error), _)) => failure_of(name, &error),
                None => defect(name),
            };
            is_whole = false;
            snapshot.repository_failures.entry(name.clone()).or_insert(failure);
        }
        let mut seen = HashSet::new();
        for (image, placed) in images.iter().zip(subjects) {
            let placed = if placed.is_empty() { vec![Arc::new(unplaced(image.clone()))] } else { placed };
            // Two targets of one image may turn out to be the same place, or both to be none.
            snapshot.subjects.extend(placed.into_iter().filter(|subject| seen.insert(place_identity(subject))));
        }
        is_whole
    }

    /// Reads the files of places, for which nobody asks without a decision: all for `check`, else those whose past is not known.
    async fn read_files(&mut self, snapshot: &mut Snapshot, mode: &Mode) {
        let is_meant = |subject: &&Arc<Subject>| *mode == Mode::Check || subject.timeline.standings.is_empty();
        let question = |subject: &Arc<Subject>| {
            let (target, located) = (subject.tracked.target.as_ref()?, subject.located.as_ref()?);
            Some(Question::File(target.base.clone(), located.file.clone()))
        };
        let asked: BTreeSet<Question> = snapshot.subjects.iter().filter(is_meant).filter_map(question).collect();
        self.answer_from_git(&asked.into_iter().collect::<Vec<_>>(), snapshot).await;
    }
}

/// Images of one repository that are to be placed.
struct Piece {
    /// Their positions among all images.
    indexes: Vec<usize>,
    images: Vec<Arc<TrackedImage>>,
    is_read: bool,
}

fn same_images(one: &[Arc<TrackedImage>], other: &[Arc<TrackedImage>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

/// What the default branch of a repository may be that was never read: whatever its Applications follow. Nothing is
/// decided there before it is known; its Applications fail for what stands in the way, not for their annotations.
fn followed_branches(applications: &[Arc<Application>]) -> BTreeSet<Branch> {
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
    Subject { tracked, located: None, rule: None, timeline: Timeline::default(), memo: TermsMemo::default() }
}

/// Gives every tag list that `explain` shows of the Applications of this name, held images included.
pub(super) fn listing_questions(snapshot: &Snapshot, name: &str) -> Vec<Question> {
    let shown = snapshot.subjects.iter().filter(|subject| subject.tracked.application.is_named(name));
    let images = shown.filter_map(|subject| subject.tracked.asked.clone());
    let asked: BTreeSet<Question> =
        images.filter(|image| !snapshot.unconfigured.contains(image)).map(Question::Listing).collect();
    asked
        .into_iter()
        .filter(|question| !matches!(question, Question::Listing(image) if snapshot.listings.contains_key(image)))
        .collect()
}
