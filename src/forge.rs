//! Forges: pull requests, and what a forge knows of commits, over their public APIs.
//!
//! One lifecycle, decided in `plan`; one file for each kind of forge with what differs in paths, fields and order of requests.
//! Nothing here chooses what becomes of a pull request, and nothing is remembered that the forge would not say again but the
//! answers to conditional requests (RFC 9110, section 13).

mod error;

use jiff::Timestamp;
use url::Url;

use crate::credentials::Credentials;
pub use crate::forge::error::ForgeError;
use crate::http::ClientCertificate;
use crate::model::forge::{
    Approval, Comparison, ForgeFile, ForgeIdentity, ForgeKind, MergeMethod, NewPullRequest, Project, PullPeople,
    PullRequest, PullUpdate, SourceCommit, SourcePull,
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
        Ok(Self { options })
    }

    /// Gives the options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Gives what was asked so far.
    pub fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// Says who the forge takes us for; asked once.
    pub async fn identity(&self, project: &Project) -> Result<ForgeIdentity, ForgeError> {
        Err(self.unbuilt(project, "identity"))
    }

    /// Gives the token with which Git speaks to the project over https, where it comes from an App.
    pub async fn git_credentials(&self, project: &Project) -> Result<Option<Credentials>, ForgeError> {
        Err(self.unbuilt(project, "git_credentials"))
    }

    /// Lists the open pull requests within the project whose head begins with the prefix: all pages, conditional.
    pub async fn open_pulls(&self, project: &Project, prefix: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let _ = prefix;
        Err(self.unbuilt(project, "open_pulls"))
    }

    /// Lists those closed or merged ones that changed at or after a time, newest change first; conditional. At most 1,000.
    pub async fn closed_pulls(
        &self,
        project: &Project,
        prefix: &str,
        since: Timestamp,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let _ = (prefix, since);
        Err(self.unbuilt(project, "closed_pulls"))
    }

    /// Lists the closed and merged ones with this head, newest first.
    pub async fn closed_pulls_of(&self, project: &Project, head: &Branch) -> Result<Vec<PullRequest>, ForgeError> {
        let _ = head;
        Err(self.unbuilt(project, "closed_pulls_of"))
    }

    /// Gives one pull request with all that is known of it; none if there is none, or it comes from a fork.
    pub async fn pull(&self, project: &Project, number: u64) -> Result<Option<PullRequest>, ForgeError> {
        let _ = number;
        Err(self.unbuilt(project, "pull"))
    }

    /// Opens a pull request. One that is open for the same head and base is [`ForgeError::Exists`].
    pub async fn open(&self, project: &Project, new: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        let _ = new;
        Err(self.unbuilt(project, "open"))
    }

    /// Changes title, body or state, all in one request.
    pub async fn update(&self, project: &Project, number: u64, update: &PullUpdate) -> Result<PullRequest, ForgeError> {
        let _ = (number, update);
        Err(self.unbuilt(project, "update"))
    }

    /// Adds labels, asks reviewers and assigns people; nobody is taken away. Who the forge does not take is named in the
    /// answer, and the others are asked all the same.
    pub async fn ask(
        &self,
        project: &Project,
        pull: &PullRequest,
        people: &PullPeople,
    ) -> Result<Vec<String>, ForgeError> {
        let _ = (pull, people);
        Err(self.unbuilt(project, "ask"))
    }

    /// Takes a label away; one that is not there is no error.
    pub async fn remove_label(&self, project: &Project, number: u64, label: &str) -> Result<(), ForgeError> {
        let _ = (number, label);
        Err(self.unbuilt(project, "remove_label"))
    }

    /// Writes a comment, unless one is there that holds the mark.
    pub async fn comment_once(&self, project: &Project, number: u64, mark: &str, text: &str) -> Result<(), ForgeError> {
        let _ = (number, mark, text);
        Err(self.unbuilt(project, "comment_once"))
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
        let _ = (pull, method);
        Err(self.unbuilt(project, "auto_merge"))
    }

    /// Says who closed a pull request without merging it; none if the forge does not say.
    pub async fn closed_by(&self, project: &Project, number: u64) -> Result<Option<String>, ForgeError> {
        let _ = number;
        Err(self.unbuilt(project, "closed_by"))
    }

    /// Tells whether somebody but us has commented on a pull request.
    pub async fn is_discussed(&self, project: &Project, number: u64) -> Result<bool, ForgeError> {
        let _ = number;
        Err(self.unbuilt(project, "is_discussed"))
    }

    /// Lists who approves of a pull request as it is.
    pub async fn approvals(&self, project: &Project, number: u64) -> Result<Vec<Approval>, ForgeError> {
        let _ = number;
        Err(self.unbuilt(project, "approvals"))
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
        let _ = (branch, expected, message, files);
        Err(self.unbuilt(project, "commit"))
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
        let _ = (old, new, limit);
        Err(self.unbuilt(project, "compare"))
    }

    /// Gives one commit of an application's source; none if the project does not have it.
    pub async fn source_commit(&self, project: &Project, id: &str) -> Result<Option<SourceCommit>, ForgeError> {
        let _ = id;
        Err(self.unbuilt(project, "source_commit"))
    }

    /// Gives the merged pull requests that brought commits; those of commits that none brought are left out, each once.
    pub async fn pulls_of_commits(
        &self,
        project: &Project,
        commits: &[CommitId],
    ) -> Result<Vec<SourcePull>, ForgeError> {
        let _ = commits;
        Err(self.unbuilt(project, "pulls_of_commits"))
    }

    /// Gives one merged or open pull request of an application's source.
    pub async fn source_pull(&self, project: &Project, number: u64) -> Result<Option<SourcePull>, ForgeError> {
        let _ = number;
        Err(self.unbuilt(project, "source_pull"))
    }

    fn unbuilt(&self, project: &Project, what: &'static str) -> ForgeError {
        ForgeError::Refused { place: self.place(project), status: 0, reason: what.to_owned() }
    }

    fn place(&self, project: &Project) -> String {
        format!("{} {project}", self.options.api_url.host_str().unwrap_or_default())
    }
}
