//! What others make of GitHub's API: prism holds the adapter and the model against GitHub's document in both directions, and
//! emulate answers the happy path by its own lights. Both are packages of npm that run on node.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use repin::forge::{Forge, Options};
use repin::model::forge::{ForgeKind, PullPeople, PullState, PullUpdate};
use serde_json::json;
use tempfile::TempDir;

use crate::fake::{BOT, contract, left_out};
use crate::ground::{Ground, branch, new, options, token};
use crate::models;

/// A server on node that ends with the test.
struct Peer {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Peer {
    /// Starts the program that a variable names; none, said by name, where it is not installed.
    fn start(variable: &str, file: (&str, &str), arguments: impl Fn(&str, &str) -> Vec<String>) -> Option<Self> {
        let Some(program) = std::env::var_os(variable) else {
            left_out("a second opinion on GitHub's API", &format!("{variable} is not set"));
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(file.0);
        std::fs::write(&path, file.1).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("node");
        command.arg(program).args(arguments(&path.display().to_string(), &port.to_string()));
        command.current_dir(directory.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut peer = Self { child: command.spawn().unwrap(), port, _directory: directory };
        let limit = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() && TcpStream::connect(("::1", port)).is_err() {
            assert_eq!(peer.child.try_wait().unwrap(), None, "{variable} has ended");
            assert!(Instant::now() < limit, "{variable} does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(peer)
    }

    fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_contract_proxy_lets_everything_through() {
    let Some(document) = contract::of(ForgeKind::GitHub) else { return };
    let ground = Ground::of(ForgeKind::GitHub);
    let upstream = ground.fake.web_url();
    let spec = ("github.json", &*document.text());
    let arguments = |path: &str, port: &str| {
        ["proxy", "--errors", "--multiprocess", "false", "--port", port, path, &upstream].map(str::to_owned).to_vec()
    };
    let Some(peer) = Peer::start("REPIN_PRISM", spec, arguments) else { return };
    let through = Options { api_url: peer.url().parse().unwrap(), ..options(&ground.fake, token(ground.fake.token())) };
    let forge = Forge::new(through).unwrap();
    let project = &ground.project;
    ground.wait(async {
        assert_eq!(forge.identity(project).await.unwrap().login, BOT);
        let opened = forge.open(project, &new("repin/web")).await.unwrap();
        let people = PullPeople {
            labels: BTreeSet::from(["deps".to_owned()]),
            reviewers: BTreeSet::from(["alice".to_owned(), "acme/platform".to_owned()]),
            assignees: BTreeSet::from(["bob".to_owned()]),
        };
        assert_eq!(forge.ask(project, &opened, &people).await.unwrap(), [] as [&str; 0]);
        assert_eq!(forge.open_pulls(project, "repin/").await.unwrap().len(), 1);
        forge.comment_once(project, 1, "<!-- mark -->", "Said once. <!-- mark -->").await.unwrap();
        forge.remove_label(project, 1, "deps").await.unwrap();
        assert!(!forge.is_discussed(project, 1).await.unwrap());
        ground.fake.approve(1, "alice");
        assert_eq!(forge.approvals(project, 1).await.unwrap().len(), 1);
        let closing = PullUpdate { is_open: Some(false), body: Some("No longer wanted".to_owned()), title: None };
        assert_eq!(forge.update(project, 1, &closing).await.unwrap().state, PullState::Closed);
        assert_eq!(forge.closed_by(project, 1).await.unwrap().as_deref(), Some(BOT));
        assert_eq!(forge.closed_pulls_of(project, &branch("repin/web")).await.unwrap().len(), 1);
        let opening = PullUpdate { is_open: Some(true), title: Some("Again".to_owned()), body: None };
        assert_eq!(forge.update(project, 1, &opening).await.unwrap().state, PullState::Open);
        let (old, new) = (ground.head("main").to_string(), ground.head("repin/web").to_string());
        assert_eq!(forge.compare(project, &old, &new, 10).await.unwrap().unwrap().total, 1);
        assert!(forge.source_commit(project, &new).await.unwrap().is_some());
        assert!(forge.source_pull(project, 1).await.unwrap().is_some());
        assert_eq!(forge.pull(project, 9).await.unwrap(), None);
    });
    assert_eq!(ground.fake.pull(1).title, "Again");
    // That it can refuse: a title is no list.
    let status = status_of_a_wrong_title(&peer, ground.fake.token());
    assert!(matches!(status, 400 | 422), "{status}");
}

fn status_of_a_wrong_title(peer: &Peer, token: &str) -> u16 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().user_agent("raw").build().unwrap();
        let request = client.patch(format!("{}/repos/acme/gitops/pulls/1", peer.url())).bearer_auth(token);
        let request = request.header("content-type", "application/json").body(json!({"title": ["x"]}).to_string());
        request.send().await.unwrap().status().as_u16()
    })
}

#[test]
fn an_emulator_of_others_answers_the_happy_path_alike() {
    let seed = json!({
        "tokens": {"gh_bot": {"login": BOT, "scopes": ["repo"]}},
        "github": {
            "users": [{"login": BOT, "name": "Bot", "email": "bot@acme.test"}, {"login": "alice", "name": "Alice"}],
            "repos": [{"owner": BOT, "name": "gitops", "private": false, "auto_init": true, "default_branch": "main"}],
        },
    });
    let arguments = |path: &str, port: &str| {
        ["start", "--service", "github", "--port", port, "--seed", path].map(str::to_owned).to_vec()
    };
    let Some(peer) = Peer::start("REPIN_EMULATE", ("seed.json", &seed.to_string()), arguments) else { return };
    let remote = models::remote();
    let fake = crate::fake::FakeForge::start(ForgeKind::GitHub, &remote);
    let set = Options { api_url: peer.url().parse().unwrap(), ..options(&fake, token("gh_bot")) };
    let forge = Forge::new(set).unwrap();
    let project = &format!("{BOT}/gitops").parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert_eq!(forge.identity(project).await.unwrap().login, BOT);
        assert_eq!(forge.open_pulls(project, "repin/").await.unwrap(), []);
        let opened = forge.open(project, &new("repin/web")).await.unwrap();
        assert_eq!((opened.state, opened.head.as_str(), opened.base.as_str()), (PullState::Open, "repin/web", "main"));
        let labels = PullPeople { labels: BTreeSet::from(["deps".to_owned()]), ..PullPeople::default() };
        assert_eq!(forge.ask(project, &opened, &labels).await.unwrap(), [] as [&str; 0]);
        let listed = forge.open_pulls(project, "repin/").await.unwrap();
        assert_eq!(listed.iter().map(|pull| pull.number).collect::<Vec<_>>(), [opened.number]);
        assert_eq!(listed[0].labels, labels.labels);
        forge.comment_once(project, opened.number, "<!-- mark -->", "Once. <!-- mark -->").await.unwrap();
        forge.comment_once(project, opened.number, "<!-- mark -->", "Once. <!-- mark -->").await.unwrap();
        assert!(!forge.is_discussed(project, opened.number).await.unwrap());
        let update = PullUpdate { title: Some("Another".to_owned()), is_open: Some(false), body: None };
        let closed = forge.update(project, opened.number, &update).await.unwrap();
        assert_eq!((closed.state, closed.title.as_str()), (PullState::Closed, "Another"));
        assert_eq!(forge.open_pulls(project, "repin/").await.unwrap(), []);
        let again = forge.closed_pulls_of(project, &branch("repin/web")).await.unwrap();
        assert_eq!(again.iter().map(|pull| pull.number).collect::<Vec<_>>(), [opened.number]);
    });
}
