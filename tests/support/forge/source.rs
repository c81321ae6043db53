//! A project that an application is built from: commits on `main`, and pull requests that brought them.

use std::sync::{Arc, Mutex, MutexGuard};

use repin::model::forge::MergeMethod;

use super::repository::{Person, Repository, Signature};
use super::state::{Opening, State};
use crate::remote::BareRemote;

/// A hosted source, with a bare repository of its own that lives as long as this value.
pub struct SourceProject {
    name: String,
    state: Arc<Mutex<State>>,
    remote: BareRemote,
}

/// A merged pull request of a source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Merged {
    pub number: u64,
    /// What the base is at since.
    pub commit: String,
    /// All commits that it brought to the base, newest first.
    pub brought: Vec<String>,
}

impl SourceProject {
    pub(super) fn add(state: Arc<Mutex<State>>, name: &str) -> Self {
        let remote = BareRemote::create();
        super::lock(&state).add_project(name, Repository::at(&remote.path()));
        Self { name: name.to_owned(), state, remote }
    }

    /// `owner/name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where people read it: what the label `org.opencontainers.image.source` says.
    pub fn url(&self) -> String {
        format!("{}/{}", self.state().origin, self.name)
    }

    pub fn remote(&self) -> &BareRemote {
        &self.remote
    }

    /// A commit right on `main`; gives its id.
    pub fn commit(&self, message: &str, by: &str) -> String {
        self.commit_on("main", message, by)
    }

    /// A commit on a branch, which is made from `main` if it is new; gives its id.
    pub fn commit_on(&self, branch: &str, message: &str, by: &str) -> String {
        let mut state = self.state();
        let (repository, time, number) = (state.projects[&self.name].repository.clone(), state.now(), state.next());
        let head = repository.head(branch);
        let parent = head.clone().or_else(|| repository.head("main"));
        let person = Person::of(by);
        let signature = Signature { author: &person, committer: &person, time };
        let change = (format!("src/{number}.txt"), Some(message.as_bytes().to_vec()));
        let id = repository.commit(parent.as_deref(), &[change], message, &signature);
        assert!(repository.set(&format!("refs/heads/{branch}"), &id, head.as_deref()));
        state.refresh(&self.name);
        id
    }

    /// A pull request with these commits, merged.
    pub fn merge(&self, title: &str, by: &str, commits: &[&str], method: MergeMethod) -> Merged {
        let number = self.open(title, by, commits);
        let mut state = self.state();
        let commit = state.merge(&self.name, number, method, by).expect("no conflict");
        let brought = state.projects[&self.name].pulls[&number].brought.clone();
        Merged { number, commit, brought }
    }

    /// An open pull request with these commits; gives its number.
    pub fn open(&self, title: &str, by: &str, commits: &[&str]) -> u64 {
        let head = format!("topic-{}", self.state().next());
        for message in commits {
            self.commit_on(&head, message, by);
        }
        let (base, body) = ("main".to_owned(), String::new());
        let opening = Opening { head, base, title: title.to_owned(), body, draft: false };
        self.state().open(&self.name, by, opening).unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        super::lock(&self.state)
    }
}
