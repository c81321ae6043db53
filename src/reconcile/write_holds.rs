//! Writes the file of holds of repositories, for people who stop something or let it through: one commit on the own branch
//! of each, by the same machinery as the commits of a cycle. A head that moved is fetched, and the entry put in anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::forge::ForgeError;
use crate::git::{Authorship, GitError, Identity};
use crate::manifest::holds::edit::HoldsEditError;
use crate::model::forge::ForgeFile;
use crate::model::history::{BlobId, CommitId};
use crate::model::hold::HOLDS_FILE;
use crate::model::names::{Branch, RepoPath};
use crate::plan::Failure;
use crate::reconcile::Reconciler;
use crate::reconcile::holds::{MAX_HOLDS_BYTES, text_of};
use crate::reconcile::propose::is_by_forge;
use crate::reconcile::pulls::failure;
use crate::reconcile::repository::{Repository, failure_of, not_open};
use crate::reconcile::workers::{defect, on_each};

/// How often a head may move under a push.
const TRIES: usize = 6;

/// Gives the file as it is to be; none = it says so already.
pub type Edit = Arc<dyn Fn(Option<&str>) -> Result<Option<String>, HoldsEditError> + Send + Sync>;

/// What is to be written.
#[derive(Clone)]
pub struct HoldsChange {
    /// Names of the repositories.
    pub repositories: BTreeSet<String>,
    /// What becomes of each file.
    pub edit: Edit,
    /// The message of the commits.
    pub message: String,
    /// Who they are by; none = whoever all commits are by.
    pub author: Option<Identity>,
    /// Repositories that get a commit also where the file stays as it is, for what its message says.
    pub noted: BTreeSet<String>,
    /// Nothing is written.
    pub is_dry: bool,
}

/// What became of one repository.
#[derive(Clone, Debug)]
pub struct HoldsWritten {
    /// Its name.
    pub repository: String,
    /// Its own branch, if it could be read.
    pub branch: Option<Branch>,
    /// What was done, or why not.
    pub result: Result<HoldsDone, Failure>,
}

/// What was done in one repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HoldsDone {
    /// Nothing: the file says so already.
    Unchanged,
    /// It would be changed.
    Planned(HoldsTexts),
    /// It was written by this commit.
    Written(CommitId, HoldsTexts),
}

/// The file before and after.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HoldsTexts {
    /// Before; none = it was not there.
    pub before: Option<String>,
    /// After; none = it stays as it is.
    pub after: Option<String>,
}

/// One try in one repository.
enum Step {
    Done(HoldsDone),
    /// The forge makes the commit, on top of this head.
    ByForge(CommitId, HoldsTexts),
}

/// Why one try did not go.
enum Obstacle {
    Moved(GitError),
    Failed(Failure),
}

impl Reconciler {
    /// Writes the files of repositories that a cycle of this reconciler has read.
    pub async fn write_holds(&mut self, change: &HoldsChange) -> Vec<HoldsWritten> {
        let by = Authorship {
            author: change.author.clone().unwrap_or_else(|| self.options.authorship.author.clone()),
            ..self.options.authorship.clone()
        };
        let is_meant = |repository: &Repository| change.repositories.contains(&repository.options.name);
        let pieces = self.repositories.iter().map(|one| is_meant(one).then(|| change.clone())).collect();
        let answers = on_each(&mut self.repositories, pieces, move |repository, change| {
            let change = change?;
            let branch = repository.head.as_ref().map(|head| head.branch.clone());
            Some((branch, write(repository, &change, &by)))
        })
        .await;
        let names: Vec<String> = self.repositories.iter().map(|repository| repository.options.name.clone()).collect();
        let mut written = Vec::new();
        for (name, answer) in names.into_iter().zip(answers) {
            let (branch, result) = match answer {
                None if change.repositories.contains(&name) => (None, Err(defect(&name))),
                None | Some(None) => continue,
                Some(Some((branch, result))) => (branch, result),
            };
            let result = match (result, &branch) {
                (Ok(Step::Done(done)), _) => Ok(done),
                (Ok(Step::ByForge(head, texts)), Some(branch)) => {
                    self.commit_holds(&name, branch, head, texts, change).await
                }
                (Ok(Step::ByForge(..)), None) => Err(defect(&name)),
                (Err(failure), _) => Err(failure),
            };
            written.push(HoldsWritten { repository: name, branch, result });
        }
        written
    }

    /// Has the forge make the commit, which it does on the head that it is given and on no other one.
    async fn commit_holds(
        &mut self,
        name: &str,
        branch: &Branch,
        head: CommitId,
        texts: HoldsTexts,
        change: &HoldsChange,
    ) -> Result<HoldsDone, Failure> {
        let (mut head, mut texts) = (head, texts);
        let Some(held) = self.forges.of_repository(name).cloned() else { return Err(defect(name)) };
        for _ in 0..TRIES {
            let Some(content) = texts.after.clone() else {
                let message = format!("repository `{name}`: the forge makes its commits, and none without a change");
                let hint = "push an empty commit with the trailer `Repin-Resume` by hand".to_owned();
                return Err(Failure { code: "holds/not-written".to_owned(), message, hint: Some(hint), line: None });
            };
            let (path, is_new) = (HOLDS_FILE.to_owned(), texts.before.is_none());
            let file = ForgeFile { path, content: content.into_bytes(), is_new };
            match held.forge.commit(&held.project, branch, &head, &change.message, &[file]).await {
                Ok(commit) => return Ok(HoldsDone::Written(commit, texts)),
                Err(ForgeError::Moved { .. }) => {}
                Err(error) => return Err(by_hand(name, failure(name, &error))),
            }
            let pieces =
                self.repositories.iter().map(|one| (one.options.name == name).then(|| change.clone())).collect();
            let answers = on_each(&mut self.repositories, pieces, |repository, change| {
                let change = change?;
                Some(read_anew(repository).and_then(|()| step(repository, &change, None).map_err(Obstacle::failure)))
            })
            .await;
            match answers.into_iter().flatten().flatten().next() {
                Some(Ok(Step::ByForge(next, read))) => (head, texts) = (next, read),
                Some(Ok(Step::Done(done))) => return Ok(done),
                Some(Err(failure)) => return Err(failure),
                None => return Err(defect(name)),
            }
        }
        Err(moved(name, branch))
    }
}

impl Obstacle {
    fn failure(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::Moved(error) => failure_of("", &error),
        }
    }
}

fn write(repository: &mut Repository, change: &HoldsChange, by: &Authorship) -> Result<Step, Failure> {
    let name = repository.options.name.clone();
    let by_forge = is_by_forge(repository);
    for attempt in 0..TRIES {
        if attempt > 0 || repository.head.is_none() {
            read_anew(repository)?;
        }
        match step(repository, change, (!by_forge).then_some(by)) {
            Ok(step) => return Ok(step),
            Err(Obstacle::Moved(_)) => {}
            Err(Obstacle::Failed(failure)) => return Err(failure),
        }
    }
    let branch = repository.head.as_ref().map(|head| head.branch.clone());
    Err(branch.map_or_else(|| defect(&name), |branch| moved(&name, &branch)))
}

fn read_anew(repository: &mut Repository) -> Result<(), Failure> {
    repository.expire();
    match repository.read() {
        (_, Some(failure)) => Err(failure),
        (_, None) => Ok(()),
    }
}

/// One try on the head that was read last. Without somebody to commit as it is left to the forge.
fn step(repository: &mut Repository, change: &HoldsChange, by: Option<&Authorship>) -> Result<Step, Obstacle> {
    let (name, url) = (repository.options.name.clone(), repository.options.url.clone());
    let git = |error: GitError| match error {
        GitError::Moved { .. } => Obstacle::Moved(error),
        error @ GitError::Rejected { .. } => Obstacle::Failed(by_hand(&name, failure_of(&name, &error))),
        error => Obstacle::Failed(failure_of(&name, &error)),
    };
    let path: RepoPath = HOLDS_FILE.parse().map_err(|_| Obstacle::Failed(defect(&name)))?;
    let head = repository.head.clone().ok_or_else(|| git(not_open(&url)))?;
    let blob = repository.own_file(&path).map_err(|what| {
        Obstacle::Failed(invalid(&name, format!("{HOLDS_FILE} is {what}"), "put a regular file there".to_owned()))
    })?;
    let before = blob.map(|blob| text(repository, &name, &blob)).transpose().map_err(Obstacle::Failed)?;
    let after = (change.edit)(before.as_deref()).map_err(|error| {
        let hint = match &error {
            HoldsEditError::Unreadable(_) => "correct the file by hand: until then nothing is written",
            HoldsEditError::Unproven { .. } => "change the file by hand",
        };
        Obstacle::Failed(invalid(&name, format!("{HOLDS_FILE}: {error}"), hint.to_owned()))
    })?;
    let is_noted = change.noted.contains(&name);
    if after.is_none() && !is_noted {
        return Ok(Step::Done(HoldsDone::Unchanged));
    }
    let texts = HoldsTexts { before, after };
    if change.is_dry {
        return Ok(Step::Done(HoldsDone::Planned(texts)));
    }
    let Some(by) = by else { return Ok(Step::ByForge(head.commit, texts)) };
    repository.expire();
    let mirror = repository.mirror().ok_or_else(|| git(not_open(&url)))?;
    let files: Vec<_> = texts.after.iter().map(|text| (path.clone(), text.clone().into_bytes())).collect();
    let new: Vec<_> = texts.before.is_none().then(|| path.clone()).into_iter().collect();
    let (time, message) = (Timestamp::now(), &change.message);
    let commit = if files.is_empty() {
        mirror.note(&head.commit, message, by, time)
    } else {
        mirror.commit(&head.commit, (&files, &new), message, by, time)
    };
    let commit = commit.map_err(git)?;
    mirror.push(&head.branch, &head.commit, &commit).map_err(git)?;
    mirror.read_back(&head.branch, &commit).map_err(git)?;
    Ok(Step::Done(HoldsDone::Written(commit, texts)))
}

fn text(repository: &Repository, name: &str, blob: &BlobId) -> Result<String, Failure> {
    let bytes = repository.content(blob, MAX_HOLDS_BYTES).map_err(|error| failure_of(name, &error))?;
    text_of(&bytes).map(str::to_owned).map_err(|errors| {
        let message = errors.first().map(ToString::to_string).unwrap_or_default();
        invalid(name, format!("{HOLDS_FILE}: {message}"), "save it as UTF-8".to_owned())
    })
}

fn invalid(name: &str, what: String, hint: String) -> Failure {
    let message = format!("repository `{name}`: {what}");
    Failure { code: "holds/invalid".to_owned(), message, hint: Some(hint), line: None }
}

/// What to do where the branch takes no commit from here.
fn by_hand(name: &str, failure: Failure) -> Failure {
    let hint = format!(
        "bring the entry to {HOLDS_FILE} of `{name}` by a pull request of your own (`--dry-run` shows it), or write it with \
         `--in` another repository: holds and freezes count for all repositories, overrides do not"
    );
    Failure { hint: Some(hint), ..failure }
}

fn moved(name: &str, branch: &Branch) -> Failure {
    let message = format!("repository `{name}`: the branch `{branch}` moved under every try");
    Failure { code: "git/moved".to_owned(), message, hint: Some("run it again".to_owned()), line: None }
}
