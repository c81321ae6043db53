//! Forges for tests: GitHub, GitLab and Gitea as state machines behind their own HTTP APIs, each project with a real bare
//! repository behind it. Branches are read from it whenever somebody asks, and merges are real.
//!
//! What is modelled of each kind, with its sources, stands in `forge/github.rs`, `forge/gitlab.rs` and `forge/gitea.rs`. Where
//! the vendor's OpenAPI document is there, every request and every answer is checked against it; what does not fit fails the
//! test when the forge is dropped. Include it with `#[path = "support/forge.rs"] mod …`, beside `remote`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use repin::model::forge::{ForgeKind, MergeMethod, PullState};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::remote::BareRemote;

#[path = "forge/apps.rs"]
mod apps;
#[path = "forge/call.rs"]
mod call;
#[path = "forge/contract.rs"]
pub mod contract;
#[path = "forge/faults.rs"]
mod faults;
#[path = "forge/gitea.rs"]
mod gitea;
#[path = "forge/github.rs"]
mod github;
#[path = "forge/gitlab.rs"]
mod gitlab;
#[path = "forge/graphql.rs"]
mod graphql;
#[path = "forge/repository.rs"]
mod repository;
#[path = "forge/source.rs"]
mod source;
#[path = "forge/state.rs"]
mod state;

use call::{Answer, Call};
pub use faults::Trouble;
use repository::{Person, Repository};
pub use source::SourceProject;
pub use state::{Access, Request, SquashMessage};
use state::{Opening, State, Token};

/// The project that a forge starts with.
pub const PROJECT: &str = "acme/gitops";
/// The login of the account whose token is given out first.
pub const BOT: &str = "repin-bot";
/// The people who have an account from the beginning.
pub const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dave", "renovate-bot"];
/// The team that is there from the beginning.
pub const TEAM: &str = "acme/platform";

/// All kinds of forges.
pub const KINDS: [ForgeKind; 3] = [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::Gitea];

/// A running forge.
pub struct FakeForge {
    kind: ForgeKind,
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
    token: String,
    directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A pull request as people see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    pub number: u64,
    /// Without what makes it a draft on GitLab and Gitea.
    pub title: String,
    pub body: String,
    pub state: PullState,
    pub head: String,
    pub head_commit: String,
    pub base: String,
    pub labels: Vec<String>,
    /// Logins, and teams as `owner/team`.
    pub reviewers: Vec<String>,
    pub assignees: Vec<String>,
    pub draft: bool,
    /// Who said what; nothing that the forge says itself.
    pub comments: Vec<(String, String)>,
    pub author: String,
    /// The method, if the forge merges it when its checks pass.
    pub auto_merge: Option<MergeMethod>,
    pub closed_by: Option<String>,
    pub created: Timestamp,
    pub closed: Option<Timestamp>,
}

impl FakeForge {
    /// Starts a forge that hosts a bare repository as `acme/gitops`.
    pub fn start(kind: ForgeKind, remote: &BareRemote) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut state = State {
            kind,
            origin: format!("http://{addr}"),
            clock: None,
            projects: BTreeMap::new(),
            accounts: PEOPLE.iter().chain([&BOT]).map(|login| (*login).to_owned()).collect(),
            teams: [TEAM.to_owned()].into(),
            tokens: BTreeMap::new(),
            apps: apps::Apps::default(),
            pusher: BOT.to_owned(),
            planned: Vec::new(),
            rate: faults::Rate::new(Timestamp::now()),
            requests: Vec::new(),
            violations: Vec::new(),
            is_lazy: false,
            serial: 100,
        };
        state.add_project(PROJECT, Repository::at(&remote.path()));
        let state = Arc::new(Mutex::new(state));
        let router = Router::new().fallback(serve).with_state(state.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        let directory = tempfile::tempdir().unwrap();
        let mut forge =
            Self { kind, addr, state, token: String::new(), directory, stop: Some(stop), thread: Some(thread) };
        forge.token = forge.add_token(BOT, Access::Write);
        std::fs::write(forge.token_file(), &forge.token).unwrap();
        forge
    }

    pub fn kind(&self) -> ForgeKind {
        self.kind
    }

    /// Where the API is, as `api_url` in the configuration.
    pub fn api_url(&self) -> String {
        let path = match self.kind {
            ForgeKind::GitHub => "/api/v3",
            ForgeKind::GitLab => "/api/v4",
            ForgeKind::Gitea => "/api/v1",
        };
        format!("http://{}{path}", self.addr)
    }

    /// Where people read it.
    pub fn web_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where people read a pull request of `acme/gitops`.
    pub fn pull_url(&self, number: u64) -> String {
        call::pull_url(&self.state(), PROJECT, number)
    }

    /// The token of the account `repin-bot`, which may read and write everything.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A file that holds the token.
    pub fn token_file(&self) -> PathBuf {
        self.directory.path().join("token")
    }

    /// The lines of `repositories[].forge`, indented below a repository.
    pub fn settings(&self) -> String {
        format!(
            "    forge:\n      url: {}\n      kind: {}\n      api_url: {}\n      project: {PROJECT}\n      credentials: {{token: {{file: {}}}}}\n",
            self.web_url(),
            self.kind_key(),
            self.api_url(),
            self.token_file().display(),
        )
    }

    /// The lines of `forges`, for what is hosted beside `acme/gitops`.
    pub fn forges_settings(&self) -> String {
        format!(
            "forges:\n  - url: {}\n    kind: {}\n    api_url: {}\n    credentials: {{token: {{file: {}}}}}\n",
            self.web_url(),
            self.kind_key(),
            self.api_url(),
            self.token_file().display(),
        )
    }

    fn kind_key(&self) -> &'static str {
        match self.kind {
            ForgeKind::GitHub => "github",
            ForgeKind::GitLab => "gitlab",
            ForgeKind::Gitea => "gitea",
        }
    }

    // Accounts.

    /// Makes a token of an account, which is made if it is new.
    pub fn add_token(&self, login: &str, access: Access) -> String {
        let mut state = self.state();
        let number = state.next();
        let begin = match self.kind {
            ForgeKind::GitHub => "ghp_",
            ForgeKind::GitLab => "glpat-",
            ForgeKind::Gitea => "",
        };
        let token = format!("{begin}canary-{:033x}", u128::from(number) * 0x9e37_79b9_7f4a_7c15_f39c);
        state.accounts.insert(login.to_owned());
        state.tokens.insert(token.clone(), Token { login: login.to_owned(), access, expires: None, owner: None });
        token
    }

    /// Installs a GitHub App for owners; the key is its private one, PEM. It acts as `<slug>[bot]`.
    pub fn add_app(&self, id: &str, slug: &str, key: &str, owners: &[&str]) {
        let mut state = self.state();
        let installations = owners.iter().map(|owner| ((*owner).to_owned(), state.next())).collect();
        let app = apps::App { slug: slug.to_owned(), public_key: apps::public_key(key), installations };
        state.apps.apps.insert(id.to_owned(), app);
        state.accounts.insert(format!("{slug}[bot]"));
    }

    /// How long tokens of Apps live from now on, in seconds.
    pub fn app_tokens_live(&self, seconds: i64) {
        self.state().apps.life = Some(seconds);
    }

    /// No token of an App is good any more.
    pub fn revoke_app_tokens(&self) {
        self.state().tokens.retain(|token, _| !token.starts_with("ghs_"));
    }

    // What people do in `acme/gitops`.

    /// All pull requests, by number.
    pub fn pulls(&self) -> Vec<Seen> {
        let mut state = self.state();
        state.refresh(PROJECT);
        state.projects[PROJECT].pulls.values().map(|pull| seen(self.kind, pull)).collect()
    }

    /// Those that are open.
    pub fn open_pulls(&self) -> Vec<Seen> {
        self.pulls().into_iter().filter(|pull| pull.state == PullState::Open).collect()
    }

    /// One pull request, which must be there.
    pub fn pull(&self, number: u64) -> Seen {
        let found = self.pulls().into_iter().find(|pull| pull.number == number);
        found.unwrap_or_else(|| panic!("no pull request {number}"))
    }

    /// Opens a pull request as a person; the branch must be there.
    pub fn open(&self, head: &str, title: &str, by: &str) -> u64 {
        let (base, body) = ("main".to_owned(), String::new());
        let opening = Opening { head: head.to_owned(), base, title: title.to_owned(), body, draft: false };
        self.state().open(PROJECT, by, opening).unwrap()
    }

    /// Opens a pull request for each of these branches.
    pub fn open_all(&self, heads: &[String], by: &str) -> Vec<u64> {
        let opening = |head: &String| Opening {
            head: head.clone(),
            base: "main".to_owned(),
            title: format!("Update {head}"),
            body: String::new(),
            draft: false,
        };
        self.state().open_all(PROJECT, by, heads.iter().map(opening).collect()).unwrap()
    }

    /// A pull request from somebody's fork, with a branch of this name there and a change of its own.
    pub fn open_from_fork(&self, owner: &str, head: &str, title: &str) -> u64 {
        let mut state = self.state();
        let repository = state.projects[PROJECT].repository.clone();
        let base = repository.head("main").unwrap();
        let person = Person::of(owner);
        let signature = repository::Signature { author: &person, committer: &person, time: state.now() };
        let change = ("fork.txt".to_owned(), Some(owner.as_bytes().to_vec()));
        let commit = repository.commit(Some(&base), &[change], title, &signature);
        // Opened from a branch that is there for this moment only.
        repository.force("refs/heads/opening-from-a-fork", &commit);
        let opening = Opening {
            head: "opening-from-a-fork".to_owned(),
            base: "main".to_owned(),
            title: title.to_owned(),
            body: String::new(),
            draft: false,
        };
        let number = state.open(PROJECT, owner, opening).unwrap();
        let pull = state.pull_mut(PROJECT, number);
        head.clone_into(&mut pull.head);
        pull.fork = Some(format!("{owner}/gitops"));
        repository.delete("refs/heads/opening-from-a-fork");
        number
    }

    /// Merges and gives the commit that the base is at then.
    pub fn merge(&self, number: u64, method: MergeMethod, by: &str) -> String {
        let merged = self.state().merge(PROJECT, number, method, by);
        merged.unwrap_or_else(|| panic!("pull request {number} conflicts with its base"))
    }

    pub fn close(&self, number: u64, by: &str) {
        self.state().close(PROJECT, number, by);
    }

    pub fn reopen(&self, number: u64, by: &str) {
        self.state().reopen(PROJECT, number, by).unwrap_or_else(|why| panic!("{number} is not opened again: {why:?}"));
    }

    pub fn label(&self, number: u64, label: &str) {
        let mut state = self.state();
        state.label(PROJECT, label);
        state.touch(PROJECT, number, |pull| pull.labels.insert(label.to_owned()));
    }

    pub fn unlabel(&self, number: u64, label: &str) {
        self.state().touch(PROJECT, number, |pull| pull.labels.remove(label));
    }

    pub fn comment(&self, number: u64, by: &str, text: &str) {
        self.state().comment(PROJECT, number, by, text);
    }

    pub fn approve(&self, number: u64, by: &str) {
        self.state().review(PROJECT, number, by, state::Verdict::Approved);
    }

    pub fn request_changes(&self, number: u64, by: &str) {
        self.state().review(PROJECT, number, by, state::Verdict::ChangesRequested);
    }

    pub fn edit_title(&self, number: u64, title: &str) {
        self.state().touch(PROJECT, number, |pull| pull.retitle(self.kind, title));
    }

    pub fn edit_body(&self, number: u64, body: &str) {
        self.state().touch(PROJECT, number, |pull| body.clone_into(&mut pull.body));
    }

    /// Deletes a branch on the forge's pages.
    pub fn delete_branch(&self, branch: &str, by: &str) {
        let mut state = self.state();
        state.refresh(PROJECT);
        state.projects[PROJECT].repository.delete(&format!("refs/heads/{branch}"));
        // What this closes is closed by the person.
        let pusher = std::mem::replace(&mut state.pusher, by.to_owned());
        state.refresh(PROJECT);
        state.pusher = pusher;
    }

    /// The checks of a pull request pass; if it waits for them only, it is merged.
    pub fn checks_pass(&self, number: u64) {
        self.state().checks_pass(PROJECT, number);
    }

    // How the project is set up.

    pub fn allow_auto_merge(&self, allow: bool) {
        self.state().projects.get_mut(PROJECT).unwrap().allows_auto_merge = allow;
    }

    /// Whether anything is waited for before a merge; true from the beginning.
    pub fn require_checks(&self, require: bool) {
        self.state().projects.get_mut(PROJECT).unwrap().requires_checks = require;
    }

    pub fn delete_merged_branches(&self, delete: bool) {
        self.state().projects.get_mut(PROJECT).unwrap().deletes_merged_branches = delete;
    }

    /// How the project merges; GitLab has it so, the others leave it to who merges.
    pub fn merge_with(&self, method: MergeMethod) {
        self.state().projects.get_mut(PROJECT).unwrap().merge_method = method;
    }

    /// One reviewer and one assignee at most, as in GitLab Free.
    pub fn take_one_person(&self) {
        self.state().projects.get_mut(PROJECT).unwrap().takes_one_person = true;
    }

    pub fn squash_with(&self, message: SquashMessage) {
        self.state().projects.get_mut(PROJECT).unwrap().squash = message;
    }

    /// Nothing can be written in an archived project.
    pub fn archive(&self) {
        self.state().projects.get_mut(PROJECT).unwrap().is_archived = true;
    }

    /// Hosts one more project, with an empty repository of its own.
    pub fn add_source_project(&self, name: &str) -> SourceProject {
        SourceProject::add(self.state.clone(), name)
    }

    // Time.

    /// Stops the clock at a time, such as `2026-01-05T10:00:00Z`.
    pub fn at(&self, time: &str) {
        self.state().clock = Some(time.parse().unwrap());
    }

    /// Stops the clock so much later than it is.
    pub fn later(&self, by: SignedDuration) {
        let mut state = self.state();
        state.clock = Some(state.now() + by);
    }

    // What goes wrong.

    /// The next request with this method whose path and query hold this part is answered with this status.
    pub fn fail_next(&self, method: &str, part: &str, status: u16) {
        self.trouble(method, part, 1, Trouble::Status(status));
    }

    /// The next so many requests of this kind meet with trouble.
    pub fn trouble(&self, method: &str, part: &str, times: usize, trouble: Trouble) {
        let (method, part) = (method.to_owned(), part.to_owned());
        self.state().planned.push(faults::Planned { method, part, trouble, times });
    }

    /// Nothing goes wrong any more.
    pub fn no_trouble(&self) {
        let mut state = self.state();
        state.planned.clear();
        state.rate.gone_after = None;
    }

    /// After so many more requests none is answered, as if the forge were gone.
    pub fn go_after(&self, requests: u64) {
        self.state().rate.gone_after = Some(requests);
    }

    /// So many requests are left until then.
    pub fn leave_requests(&self, left: u64, reset: Timestamp) {
        let mut state = self.state();
        (state.rate.used, state.rate.reset) = (state.rate.limit - left, reset);
    }

    /// The first answers after a change do not say yet whether there is a conflict.
    pub fn answer_lazily(&self) {
        self.state().is_lazy = true;
    }

    // What was asked.

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    pub fn clear_requests(&self) {
        self.state().requests.clear();
    }

    /// Fails if a request or an answer was against the vendor's documents.
    pub fn assert_contract(&self) {
        let violations = std::mem::take(&mut self.state().violations);
        assert!(violations.is_empty(), "against the API of {}:\n{}", self.kind.title(), violations.join("\n"));
    }

    /// What was against the vendor's documents so far; it does not fail the test any more.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.state().violations)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl FakeForge {
    /// Nothing that people read there, and no request but in its header, holds a secret.
    fn tells_no_secret(&self) {
        // The repository behind it may be gone by now.
        let state = self.state();
        for pull in state.projects.values().flat_map(|project| project.pulls.values()) {
            let comments: Vec<&str> = pull.comments.iter().map(|comment| comment.body.as_str()).collect();
            crate::remote::holds_no_secret(
                "a pull request",
                &format!("{}{}{}", pull.title, pull.body, comments.concat()),
            );
        }
        for request in &state.requests {
            crate::remote::holds_no_secret("a request", &format!("{}{}", request.path, request.body));
        }
    }
}

impl Drop for FakeForge {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        // A second panic would abort and hide the first one.
        if !std::thread::panicking() {
            self.assert_contract();
            self.tells_no_secret();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn seen(kind: ForgeKind, pull: &state::Pull) -> Seen {
    let said = pull.comments.iter().filter(|comment| comment.kind == state::CommentKind::Said);
    Seen {
        number: pull.number,
        title: pull.plain_title(kind).to_owned(),
        body: pull.body.clone(),
        state: pull.state,
        head: pull.head.clone(),
        head_commit: pull.head_commit.clone(),
        base: pull.base.clone(),
        labels: pull.labels.iter().cloned().collect(),
        reviewers: pull.reviewers.iter().chain(&pull.teams).cloned().collect(),
        assignees: pull.assignees.iter().cloned().collect(),
        draft: pull.draft,
        comments: said.map(|comment| (comment.author.clone(), comment.body.clone())).collect(),
        author: pull.author.clone(),
        auto_merge: pull.auto_merge.as_ref().map(|(method, _)| *method),
        closed_by: pull.closed_by.clone(),
        created: pull.created,
        closed: pull.closed,
    }
}

async fn serve(Shared(state): Shared<Arc<Mutex<State>>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap_or_default();
    let call = Call::read(&parts, &body);
    let (answer, delay) = decide(&mut lock(&state), &call);
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    // Ends the task of the connection, and with it the connection.
    let Some(answer) = answer else { std::panic::resume_unwind(Box::new("the connection ends")) };
    let status = StatusCode::from_u16(answer.status).unwrap();
    let mut response = (status, answer.text()).into_response();
    response.headers_mut().remove("content-type");
    for (name, value) in answer.headers {
        let name = axum::http::HeaderName::try_from(name).unwrap();
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

/// The answer to a request, none if the connection ends, and how long it takes.
fn decide(state: &mut State, call: &Call) -> (Option<Answer>, Option<Duration>) {
    let (mut is_dropped, mut delay, mut early) = (false, None, None);
    if let Some(left) = &mut state.rate.gone_after {
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => {
                log(state, call, 0);
                return (None, None);
            }
        }
    }
    let is_meant =
        |one: &&mut faults::Planned| one.times > 0 && one.method == call.method && call.target.contains(&one.part);
    let mut is_scripted = false;
    if let Some(planned) = state.planned.iter_mut().find(is_meant) {
        planned.times -= 1;
        is_scripted = true;
        match planned.trouble.clone() {
            Trouble::Status(status) => early = Some(Answer::error(state.kind, status, "asked for by the test")),
            Trouble::Drop => {
                log(state, call, 0);
                return (None, None);
            }
            Trouble::DropAnswer => is_dropped = true,
            Trouble::Delay(time) => delay = Some(time),
            Trouble::Answer(status, headers, body) => {
                early = Some(
                    headers.iter().fold(Answer::raw(status, &body), |answer, (name, value)| answer.with(name, value)),
                );
            }
            Trouble::Secondary(seconds) => early = Some(call::too_many(state, seconds)),
        }
    }
    let now = state.now();
    let answer = match early {
        Some(early) => early,
        None if !state.rate.take(now) => call::exhausted(state),
        None => {
            let answered = std::panic::catch_unwind(AssertUnwindSafe(|| match state.kind {
                ForgeKind::GitHub => github::answer(state, call),
                ForgeKind::GitLab => gitlab::answer(state, call),
                ForgeKind::Gitea => gitea::answer(state, call),
            }));
            let answer = answered.unwrap_or_else(|_| {
                state.violations.push(format!("{} {}: the model itself failed", call.method, call.target));
                Answer::error(state.kind, 500, "the model failed")
            });
            if let Some(contract) = contract::of(state.kind) {
                state.violations.extend(contract.check(call, &answer));
            }
            is_scripted = false;
            answer
        }
    };
    let answer = call::finish(state, call, answer, is_scripted);
    log(state, call, answer.status);
    ((!is_dropped).then_some(answer), delay)
}

fn log(state: &mut State, call: &Call, status: u16) {
    state.requests.push(Request {
        method: call.method.clone(),
        path: call.target.clone(),
        status,
        conditional: call.known.is_some(),
        authorization: call.authorization.clone(),
        body: call.body_text.clone(),
    });
}

/// Says by name what is left out, or fails if it must be there.
pub fn left_out(what: &str, why: &str) {
    assert!(std::env::var("REPIN_REQUIRE_FORGES").as_deref() != Ok("1"), "REPIN_REQUIRE_FORGES=1, and {what}: {why}");
    std::io::stderr().write_all(format!("left out: {what}: {why}\n").as_bytes()).unwrap();
}
