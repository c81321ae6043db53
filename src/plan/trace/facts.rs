//! What forges and registries know besides Git: questions, and the answers so far.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::forge::{Approval, Course, SourceCommit, SourcePull};
use crate::model::names::{ImageName, Tag};
use crate::model::problem::{Problem, Severity};
use crate::model::source::Source;
use crate::plan::Failure;

/// What somebody outside is asked. URLs are those of repositories, as images or the configuration give them.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Question {
    /// How one revision follows another.
    Course {
        /// The repository.
        url: String,
        /// The older revision.
        old: String,
        /// The newer revision.
        new: String,
    },
    /// A commit by the beginning of its id.
    Commit {
        /// The repository.
        url: String,
        /// The beginning of its id.
        id: String,
    },
    /// A pull request by its number.
    Pull {
        /// The repository.
        url: String,
        /// The number.
        number: u64,
    },
    /// The pull requests that brought a commit.
    PullsOf {
        /// The repository.
        url: String,
        /// The commit.
        id: String,
        /// It is a configured repository: that its forge is not configured is no problem.
        is_own: bool,
    },
    /// Who approves of a pull request.
    Approvals {
        /// The repository.
        url: String,
        /// The number.
        number: u64,
        /// As in [`Self::PullsOf`].
        is_own: bool,
    },
    /// Where an image comes from, by its labels; the registry answers.
    Labels {
        /// The image.
        image: ImageName,
        /// The tag, if one stands.
        tag: Option<Tag>,
        /// The digest, if it is known; else that which the tag names now.
        digest: Option<String>,
    },
}

impl Question {
    /// Gives the repository that a forge is asked about; none where a registry is asked.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Course { url, .. }
            | Self::Commit { url, .. }
            | Self::Pull { url, .. }
            | Self::PullsOf { url, .. }
            | Self::Approvals { url, .. } => Some(url),
            Self::Labels { .. } => None,
        }
    }
}

/// What somebody outside said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// How the newer revision follows; none = the repository does not have one of them.
    Course(Option<Course>),
    /// The commit, if there is one.
    Commit(Option<SourceCommit>),
    /// The pull request, if there is one.
    Pull(Option<SourcePull>),
    /// The pull requests.
    Pulls(Vec<SourcePull>),
    /// Who approves.
    Approvals(Vec<Approval>),
    /// Where the image comes from, if it says so.
    Labels(Option<Source>),
    /// Nobody was asked: no forge is configured for the repository.
    Unconfigured,
    /// Nobody was asked: enough requests were made.
    LeftOut,
    /// No answer.
    Failed(Failure),
}

/// The answers so far.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By question.
    pub answers: BTreeMap<Question, Answer>,
    /// Whether registries may be asked for the labels of images.
    pub asks_registries: bool,
}

impl Facts {
    /// Tells what was not asked, left out, or failed: each once, with what to do.
    pub fn problems(&self) -> Vec<Problem> {
        let mut unconfigured: BTreeSet<&str> = BTreeSet::new();
        let mut left_out = 0;
        let mut problems = BTreeSet::new();
        for (question, answer) in &self.answers {
            let is_own =
                matches!(question, Question::PullsOf { is_own: true, .. } | Question::Approvals { is_own: true, .. });
            match answer {
                Answer::Unconfigured if !is_own => unconfigured.extend(question.url()),
                Answer::LeftOut => left_out += 1,
                Answer::Failed(failure) => {
                    let (code, message, hint) = (failure.code.clone(), failure.message.clone(), failure.hint.clone());
                    problems.insert(problem(Severity::Error, &code, message, hint));
                }
                _ => {}
            }
        }
        for url in unconfigured {
            let host = url.split('/').take(3).collect::<Vec<_>>().join("/");
            let message =
                format!("no forge is configured for {url}, so it was not asked for commits and pull requests");
            let hint = format!(
                "add to `forges:` of repin.yaml the line `- url: {host}`, with `credentials` where it wants them"
            );
            problems.insert(problem(Severity::Warning, "trace/unconfigured", message, Some(hint)));
        }
        if left_out > 0 {
            let message =
                format!("{left_out} questions to forges and registries were left out: enough requests were made");
            let hint = "ask about one Application, or one environment".to_owned();
            problems.insert(problem(Severity::Warning, "trace/limit", message, Some(hint)));
        }
        problems.into_iter().collect()
    }

    /// Tells whether somebody who was asked gave no answer.
    pub fn has_failed(&self) -> bool {
        self.answers.values().any(|answer| matches!(answer, Answer::Failed(_)))
    }
}

fn problem(severity: Severity, code: &str, message: String, hint: Option<String>) -> Problem {
    Problem { severity, code: code.to_owned(), repository: None, file: None, line: None, message, hint }
}
