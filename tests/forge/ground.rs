//! One forge of each kind, and the adapter on it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use repin::credentials::Credentials;
use repin::forge::{Forge, ForgeLogin, Options};
use repin::model::forge::{ForgeKind, NewPullRequest, Project, PullRequest};
use repin::model::history::CommitId;
use repin::model::names::Branch;
use repin::secret::Secret;

use crate::fake::{FakeForge, KINDS, PROJECT};
use crate::models;
use crate::remote::BareRemote;

/// A forge with `acme/gitops`, and the adapter with the token of `repin-bot`.
pub struct Ground {
    pub kind: ForgeKind,
    // Before the repository: at its end it looks once more at what it has there.
    pub fake: FakeForge,
    pub remote: BareRemote,
    pub forge: Forge,
    pub project: Project,
    runtime: tokio::runtime::Runtime,
}

/// Runs a check on every kind of forge.
pub fn each(check: impl Fn(&Ground)) {
    for kind in KINDS {
        let checked = catch_unwind(AssertUnwindSafe(|| check(&Ground::of(kind))));
        assert!(checked.is_ok(), "on {}, see above", kind.title());
    }
}

/// Settings of an adapter for a forge.
pub fn options(fake: &FakeForge, login: ForgeLogin) -> Options {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Options {
        kind: fake.kind(),
        api_url: fake.api_url().parse().unwrap(),
        web_url: fake.web_url().parse().unwrap(),
        login,
        ca: None,
        proxy: None,
        client_certificate: None,
        requests_per_second: None,
    }
}

/// A fixed token.
pub fn token(text: &str) -> ForgeLogin {
    ForgeLogin::Fixed(Credentials::Token(Secret::new(text)))
}

impl Ground {
    pub fn of(kind: ForgeKind) -> Self {
        let remote = models::remote();
        let fake = FakeForge::start(kind, &remote);
        let forge = Forge::new(options(&fake, token(fake.token()))).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { kind, remote, fake, forge, project: PROJECT.parse().unwrap(), runtime }
    }

    /// An adapter with another login.
    pub fn other(&self, login: ForgeLogin) -> Forge {
        Forge::new(options(&self.fake, login)).unwrap()
    }

    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Opens a pull request for a branch that is there.
    pub fn open(&self, head: &str) -> PullRequest {
        self.wait(self.forge.open(&self.project, &new(head))).unwrap()
    }

    /// Makes a branch with this tag anew, and opens a pull request for it.
    pub fn open_with(&self, head: &str, tag: &str) -> PullRequest {
        models::branch(&self.remote, head, &format!("tag: {tag}\n"));
        self.open(head)
    }

    pub fn pull(&self, number: u64) -> PullRequest {
        self.wait(self.forge.pull(&self.project, number)).unwrap().unwrap()
    }

    pub fn head(&self, branch: &str) -> CommitId {
        self.remote.git(&["rev-parse", &format!("refs/heads/{branch}")]).parse().unwrap()
    }
}

/// A pull request into `main` as the adapter is told to open it.
pub fn new(head: &str) -> NewPullRequest {
    NewPullRequest {
        head: branch(head),
        base: branch("main"),
        title: format!("Update {head}"),
        body: "What changes.\n\n<!-- repin: {} -->".to_owned(),
        is_draft: false,
    }
}

pub fn branch(name: &str) -> Branch {
    name.parse().unwrap()
}
