//! Forges: pull requests, and what a forge knows of commits, over their public APIs.
//!
//! One lifecycle, decided in `plan`; one file for each kind of forge with what differs in paths, fields and order of requests.
//! Nothing here chooses what becomes of a pull request, and nothing is remembered that the forge would not say again but the
//! answers to conditional requests (RFC 9110, section 13).

mod answer;
mod app;
mod cache;
mod client;
mod draft;
mod error;
mod gitea;
mod github;
mod gitlab;
mod json;
mod pace;
mod target;
mod wire;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use tokio::sync::OnceCell;
use url::Url;

use crate::credentials::Credentials;
use crate::forge::client::Client;
pub use crate::forge::error::ForgeError;
use crate::forge::gitea::Gitea;
use crate::forge::github::GitHub;
use crate::forge::gitlab::GitLab;
pub use crate::forge::target::ForgeTarget;
use crate::http::ClientCertificate;
use crate::model::forge::{
    Approval, Comparison, ForgeFile, ForgeIdentity, ForgeKind, MergeMethod, NewPullRequest, Project, PullPeople,
    PullRequest, PullState, PullUpdate, SourceCommit, SourcePull,
};
use crate::model::history::CommitId;
use crate::model::names::Branch;
use crate::secret::Secret;

/// What proves to a forge who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ForgeLogin {
    /// A token, or nothing.
    Fixed(Credentials),
    /// A GitHub App; a token for each organisation that installed it is fetched and renewed.
    App {
        /// Its client or application id.
        id: String,
        /// Its private key, PEM.
        key: Secret,
    },
}

/// How a forge is reached; made by `config`.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Which kind it is.
    pub kind: ForgeKind,
    /// Where its API is: `https://api.github.com`, `https://git.example.com/api/v3`, `…/api/v4`, `…/api/v1`.
    pub api_url: Url,
    /// Where people read it: `https://github.com`.
    pub web_url: Url,
    /// What proves who asks; sent below `api_url` and nowhere else.
    pub login: ForgeLogin,
    /// More certificate authorities, PEM.
    pub ca: Option<Vec<u8>>,
    /// URL of a proxy.
    pub proxy: Option<Secret>,
    /// Our own certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// At most this many requests a second; none = only what the forge itself declares.
    pub requests_per_second: Option<f64>,
}

/// One forge as one account sees it. Requests are put off while the forge wants that, and the answers of lists are kept for
/// conditional requests.
#[derive(Debug)]
pub struct Forge {
    options: Options,
    api: Api,
    identity: OnceCell<ForgeIdentity>,
}

/// The kinds of forges; each has what differs in a file of its own.
#[derive(Debug)]
enum Api {
    GitHub(GitHub),
    GitLab(GitLab),
    Gitea(Gitea),
}

/// What somebody said on a pull request.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Comment {
    /// Login.
    author: String,
    /// The forge does not take the author for a program.
    is_person: bool,
    /// The text.
    body: String,
}

/// Has the kind of forge at hand do something.
macro_rules! on {
    ($forge:expr, $api:ident => $what:expr) => {
        match &$forge.api {
            Api::GitHub($api) => $what,
            Api::GitLab($api) => $what,
            Api::Gitea($api) => $what,
        }
    };
}

/// What a forge was asked since the process began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Requests.
    pub requests: u64,
    /// Those of them that were answered with "not modified".
    pub not_modified: u64,
    /// Those that were refused for their rate.
    pub throttled: u64,
}

impl Forge {
    /// Prepares a client; nothing is asked yet.
    ///
    /// # Errors
    /// Settings that cannot be used, such as an unreadable CA or key.
    pub fn new(options: Options) -> Result<Self, ForgeError> {
        let api = match options.kind {
            ForgeKind::GitHub => Api::GitHub(GitHub::new(&options)?),
            ForgeKind::GitLab => Api::GitLab(GitLab::new(&options)?),
            ForgeKind::Gitea => Api::Gitea(Gitea::new(&options)?),
        };
        Ok(Self { options, api, identity: OnceCell::new() })
    }

    /// Gives the options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Gives what was asked so far.
    pub fn traffic(&self) -> Traffic {
        self.client().traffic()
    }

    /// Says who the forge takes us for; asked once. Nobody has a name without credentials.
    pub async fn identity(&self, project: &Project) -> Result<ForgeIdentity, ForgeError> {
        if self.client().is_anonymous() {
            return Ok(ForgeIdentity::default());
        }
        let known = self.identity.get_or_try_init(|| async { on!(self, api => api.identity(project).await) }).await?;
        Ok(known.clone())
    }

    /// Gives the token with which Git speaks to the project over https, where it comes from an App.
    pub async fn git_credentials(&self, project: &Project) -> Result<Option<Credentials>, ForgeError> {
        match &self.api {
            Api::GitHub(api) => api.git_credentials(project).await,
            Api::GitLab(_) | Api::Gitea(_) => Ok(None),
        }
    }

    /// Lists the open pull requests within the project whose head begins with the prefix: all pages, conditional.
    pub async fn open_pulls(&self, project: &Project, prefix: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let mut found = on!(self, api => api.open_pulls(project, prefix).await)?;
        found.retain(|pull| pull.state == PullState::Open);
        Ok(once_each(found))
    }

    /// Lists those closed or merged ones that changed at or after a time, newest change first; conditional. More than
    /// 1,000 are [`ForgeError::BadAnswer`].
    pub async fn closed_pulls(
        &self,
        project: &Project,
        prefix: &str,
        since: Timestamp,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let mut found = on!(self, api => api.closed_pulls(project, prefix, since).await)?;
        found.retain(|pull| pull.state != PullState::Open && pull.updated >= since);
        let mut found = once_each(found);
        found.sort_by_key(|pull| (Reverse(pull.updated), Reverse(pull.number)));
        Ok(found)
    }

    /// Lists the closed and merged ones with this head, newest first.
    pub async fn closed_pulls_of(&self, project: &Project, head: &Branch) -> Result<Vec<PullRequest>, ForgeError> {
        let mut found = on!(self, api => api.closed_pulls_of(project, head).await)?;
        found.retain(|pull| pull.state != PullState::Open && pull.head == *head);
        let mut found = once_each(found);
        found.sort_by_key(|pull| Reverse(pull.number));
        Ok(found)
    }

    /// Gives one pull request with all that is known of it; none if there is none, or it comes from a fork.
    pub async fn pull(&self, project: &Project, number: u64) -> Result<Option<PullRequest>, ForgeError> {
        on!(self, api => api.pull(project, number).await)
    }

    /// Opens a pull request. One that is open for the same head and base is [`ForgeError::Exists`].
    pub async fn open(&self, project: &Project, new: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        on!(self, api => api.open(project, new).await)
    }

    /// Changes title, body or state, all in one request.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] also where the forge says yes and leaves the state as it was.
    pub async fn update(&self, project: &Project, number: u64, update: &PullUpdate) -> Result<PullRequest, ForgeError> {
        let pull = on!(self, api => api.update(project, number, update).await)?;
        if update.is_open.is_some_and(|is_open| is_open != (pull.state == PullState::Open)) {
            let reason = format!("it says yes, and pull request {number} is as open as before");
            return Err(ForgeError::Refused { place: self.client().place(project), status: 200, reason });
        }
        Ok(pull)
    }

    /// Adds labels, asks reviewers and assigns people; nobody is taken away. Who the forge does not take is named in the
    /// answer, and the others are asked all the same.
    pub async fn ask(
        &self,
        project: &Project,
        pull: &PullRequest,
        people: &PullPeople,
    ) -> Result<Vec<String>, ForgeError> {
        if people.is_empty() {
            return Ok(Vec::new());
        }
        on!(self, api => api.ask(project, pull, people).await)
    }

    /// Takes a label away; one that is not there is no error.
    pub async fn remove_label(&self, project: &Project, number: u64, label: &str) -> Result<(), ForgeError> {
        // As a part of a path these would name all labels.
        if matches!(label, "" | "." | "..") {
            return Ok(());
        }
        on!(self, api => api.remove_label(project, number, label).await)
    }

    /// Writes a comment, unless one is there that holds the mark.
    pub async fn comment_once(&self, project: &Project, number: u64, mark: &str, text: &str) -> Result<(), ForgeError> {
        let said = on!(self, api => api.comments(project, number).await)?;
        if said.iter().any(|comment| comment.body.contains(mark)) {
            return Ok(());
        }
        on!(self, api => api.comment(project, number, text).await)
    }

    /// Has the forge merge it as soon as its conditions hold.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] where the forge or the project does not allow it, or nothing is left to wait for.
    pub async fn auto_merge(
        &self,
        project: &Project,
        pull: &PullRequest,
        method: MergeMethod,
    ) -> Result<(), ForgeError> {
        on!(self, api => api.auto_merge(project, pull, method).await)
    }

    /// Has the forge no longer merge it by itself; that it would not anyway is no error.
    ///
    /// # Errors
    /// [`ForgeError::Refused`] or [`ForgeError::Forbidden`] where it will still be merged: the account may not stop it.
    pub async fn stop_auto_merge(&self, project: &Project, pull: &PullRequest) -> Result<(), ForgeError> {
        on!(self, api => api.stop_auto_merge(project, pull.number).await)
    }

    /// Says who closed a pull request without merging it; none if the forge does not say.
    pub async fn closed_by(&self, project: &Project, number: u64) -> Result<Option<String>, ForgeError> {
        on!(self, api => api.closed_by(project, number).await)
    }

    /// Tells whether a person other than us has commented on a pull request or reviewed it.
    pub async fn is_discussed(&self, project: &Project, number: u64) -> Result<bool, ForgeError> {
        let own = self.identity(project).await?.login;
        let is_other = |said: &Comment| said.is_person && !json::same_login(&said.author, &own);
        if on!(self, api => api.comments(project, number).await)?.iter().any(is_other) {
            return Ok(true);
        }
        Ok(on!(self, api => api.reviews(project, number).await)?.iter().any(is_other))
    }

    /// Lists who approves of a pull request: whose last verdict stands and was not dismissed.
    pub async fn approvals(&self, project: &Project, number: u64) -> Result<Vec<Approval>, ForgeError> {
        on!(self, api => api.approvals(project, number).await)
    }

    /// Has the forge itself make a commit on a branch whose head must be `expected`, so that it shows it as verified.
    ///
    /// # Errors
    /// [`ForgeError::Moved`] if the head is another one; [`ForgeError::Refused`] where the forge cannot make such commits.
    pub async fn commit(
        &self,
        project: &Project,
        branch: &Branch,
        expected: &CommitId,
        message: &str,
        files: &[ForgeFile],
    ) -> Result<CommitId, ForgeError> {
        on!(self, api => api.commit(project, branch, expected, message, files).await)
    }

    /// Compares two revisions of an application's source; at most `limit` commits are given. None if the project does not
    /// have one of them.
    pub async fn compare(
        &self,
        project: &Project,
        old: &str,
        new: &str,
        limit: usize,
    ) -> Result<Option<Comparison>, ForgeError> {
        // What an image says of itself is anybody's text.
        if !json::is_revision(old) || !json::is_revision(new) {
            return Ok(None);
        }
        on!(self, api => api.compare(project, old, new, limit).await)
    }

    /// Gives one commit of an application's source; none if the project does not have it.
    pub async fn source_commit(&self, project: &Project, id: &str) -> Result<Option<SourceCommit>, ForgeError> {
        if !json::is_revision(id) {
            return Ok(None);
        }
        on!(self, api => api.source_commit(project, id).await)
    }

    /// Gives the merged pull requests that brought commits; those of commits that none brought are left out, each once. At
    /// most 30 requests are made, so of a long list the later commits may go unasked.
    pub async fn pulls_of_commits(
        &self,
        project: &Project,
        commits: &[CommitId],
    ) -> Result<Vec<SourcePull>, ForgeError> {
        let mut found = on!(self, api => api.pulls_of_commits(project, commits).await)?;
        let mut seen = BTreeSet::new();
        found.retain(|pull| pull.merged.is_some() && seen.insert(pull.number));
        Ok(found)
    }

    /// Gives one merged or open pull request of an application's source.
    pub async fn source_pull(&self, project: &Project, number: u64) -> Result<Option<SourcePull>, ForgeError> {
        on!(self, api => api.source_pull(project, number).await)
    }

    fn client(&self) -> &Client {
        on!(self, api => api.client())
    }
}

/// Leaves out what a list gives twice because it changed between two pages; the last one read is the newest.
fn once_each(found: Vec<PullRequest>) -> Vec<PullRequest> {
    let mut seen = BTreeSet::new();
    let mut left: Vec<PullRequest> = found.into_iter().rev().filter(|pull| seen.insert(pull.number)).collect();
    left.reverse();
    left
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn is_sent<T: Send>(_: &T) -> bool {
        true
    }

    #[test]
    fn a_forge_can_be_asked_from_any_task() {
        let options = Options {
            kind: ForgeKind::GitHub,
            api_url: "https://api.github.com".parse().unwrap(),
            web_url: "https://github.com".parse().unwrap(),
            login: ForgeLogin::Fixed(Credentials::Anonymous),
            ca: None,
            proxy: None,
            client_certificate: None,
            requests_per_second: None,
        };
        let (forge, project) = (Forge::new(options).unwrap(), "acme/gitops".parse().unwrap());
        assert!(is_sent(&forge.open_pulls(&project, "repin/")) && is_sent(&forge.identity(&project)));
        assert!(is_sent(&forge.comment_once(&project, 1, "", "")) && is_sent(&forge.is_discussed(&project, 1)));
        assert!(is_sent(&forge.pulls_of_commits(&project, &[])) && is_sent(&forge.git_credentials(&project)));
    }
}
