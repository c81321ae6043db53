//! The stories over ssh, against sshd and git's restricted shell, and what hosts and servers answer.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use repin::credentials::Credentials;
use repin::diagnostic::{Diagnostic, Retry};
use repin::git::{Access, GitError, Mirror, Options};
use repin::secret::Secret;

use crate::sshd::Sshd;
use crate::{World, branch, commit_one, read};

const PASSPHRASE: &str = "canary-PASSPHRASE-77ab";

fn key(file: &Path, passphrase: Option<&str>) -> Credentials {
    let key = Secret::new(std::fs::read_to_string(file).unwrap());
    Credentials::SshKey { key, passphrase: passphrase.map(Secret::new) }
}

fn access(credentials: Credentials, known_hosts: PathBuf) -> Access {
    Access { credentials, known_hosts: vec![known_hosts], ..Access::default() }
}

fn options(world: &World, server: &Sshd, access: Access) -> Options {
    Options { access, ..Options::new(world.cache.path(), server.url(&world.remote.path())) }
}

/// A world with files, a server, and options that work.
fn served(files: &[(&str, &str)]) -> Option<(World, Sshd, Options)> {
    let server = Sshd::start()?;
    let world = World::with_files(files);
    let own = access(key(&server.key("ed25519", ""), None), server.known_hosts(&server.name(), "ed25519"));
    let options = options(&world, &server, own);
    Some((world, server, options))
}

fn failure(options: &Options) -> GitError {
    let error = Mirror::open(options).and_then(|mut mirror| mirror.sync(None)).unwrap_err();
    let shown = format!("{error} {error:?} {:?} {options:?}", error.hint());
    assert!(!shown.contains("canary") && !shown.contains("PRIVATE KEY"), "{shown}");
    error
}

#[test]
fn a_change_goes_over_ssh_and_is_read_back() {
    let Some((world, _server, options)) = served(&[("a", "1\n"), ("b", "1\n")]) else { return };
    let mut mirror = Mirror::open(&options).unwrap();
    let head = mirror.sync(None).unwrap();
    assert_eq!(head.branch, branch("main"));
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    assert_eq!(mirror.read_back(&head.branch, &new).unwrap().commit, new);
    assert_eq!(world.remote.show("a"), "2\n");
    let theirs = world.remote.commit(&[("b", "theirs\n")], "theirs");
    let head = mirror.sync(Some(&branch("main"))).unwrap();
    assert_eq!(head.commit.to_string(), theirs);
    assert_eq!(read(&mirror, &head.commit, "b"), "theirs\n");
    world.remote.fsck();
}

#[test]
fn every_kind_of_key_logs_in() {
    let Some(server) = Sshd::start() else { return };
    let world = World::with_files(&[("a", "1\n")]);
    let known = || server.known_hosts(&server.name(), "ed25519");
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let plain = key(&server.key(kind, ""), None);
        let locked = key(&server.key(kind, PASSPHRASE), Some(PASSPHRASE));
        for credentials in [plain, locked] {
            let options = options(&world, &server, access(credentials, known()));
            let synced = Mirror::open(&options).unwrap().sync(None);
            assert!(synced.is_ok(), "{kind}: {synced:?}\n{}", server.log());
        }
    }
    // The agent holds a key that the server does not know before those that it does.
    for kind in ["ed25519", "rsa"] {
        let agent = server.agent(&[&server.stranger("ecdsa", ""), &server.key(kind, "")]);
        let credentials = Credentials::SshAgent { socket: agent.socket.clone() };
        let synced = Mirror::open(&options(&world, &server, access(credentials, known()))).unwrap().sync(None);
        assert!(synced.is_ok(), "{kind}: {synced:?}\n{}", server.log());
        drop(agent);
        std::fs::remove_file(server.path().join("agent")).unwrap();
    }
}

#[test]
fn a_host_is_known_by_every_form_of_its_name_and_by_any_of_its_keys() {
    let Some((world, server, working)) = served(&[("a", "1\n")]) else { return };
    let hashed = server.known_hosts(&server.name(), "ed25519");
    let output = Command::new("ssh-keygen").args(["-H", "-f"]).arg(&hashed).output().unwrap();
    assert!(output.status.success());
    let text = std::fs::read_to_string(&hashed).unwrap();
    assert!(text.starts_with("|1|"), "{text}");
    for known in [
        hashed,
        // The server has two keys; it must show the one that is known.
        server.known_hosts(&server.name(), "ecdsa"),
        server.known_hosts(&format!("[127.0.0.*]:{}", server.port()), "ed25519"),
    ] {
        let access = access(working.access.credentials.clone(), known);
        Mirror::open(&options(&world, &server, access)).unwrap().sync(None).unwrap();
    }
}

#[test]
fn a_host_that_is_not_known_is_refused_before_anybody_logs_in() {
    let Some((world, server, working)) = served(&[("a", "1\n")]) else { return };
    let Some(other) = Sshd::start() else { return };
    let key_of = |server: &Sshd| std::fs::read_to_string(server.path().join("host-ed25519.pub")).unwrap();
    let wrong = other.known_hosts(&server.name(), "ed25519");
    let revoked =
        server.write_known_hosts(&format!("@revoked * {}{} {}", key_of(&server), server.name(), key_of(&server)));
    let fingerprint = server.fingerprint("ed25519");
    let place = wrong.display().to_string();
    let refused = revoked.display().to_string();
    for (known, code, words) in [
        (server.write_known_hosts(""), "git/host-key-unknown", vec!["SHA256:"]),
        (server.path().join("missing"), "git/host-key-unknown", vec!["SHA256:", "missing"]),
        (server.known_hosts("127.0.0.1", "ed25519"), "git/host-key-unknown", vec!["SHA256:"]),
        (
            wrong,
            "git/host-key-changed",
            vec![&fingerprint, &place, &other.fingerprint("ed25519")].into_iter().map(String::as_str).collect(),
        ),
        (revoked, "git/host-key-revoked", vec![fingerprint.as_str(), refused.as_str()]),
    ] {
        let error = failure(&options(&world, &server, access(working.access.credentials.clone(), known)));
        assert_eq!((error.code(), error.retry()), (code, Retry::Never), "{error}");
        let text = error.to_string();
        assert!(text.contains(&server.name()), "{text}");
        for words in words {
            assert!(text.contains(words), "{text} lacks {words}");
        }
    }
    let none = Access { known_hosts: Vec::new(), ..working.access.clone() };
    assert_eq!(failure(&options(&world, &server, none)).code(), "git/host-key-unknown");
    assert!(!server.log().contains("Accepted"), "{}", server.log());
}

#[test]
fn what_ssh_refuses_is_told_apart() {
    let Some((world, server, working)) = served(&[("a", "1\n")]) else { return };
    let known = || working.access.known_hosts[0].clone();
    let locked = server.key("ed25519", PASSPHRASE);
    let silent = server.path().join("no-agent");
    for (credentials, words, hint) in [
        (key(&server.stranger("ed25519", ""), None), "is not accepted", "deploy keys"),
        (key(&server.stranger("rsa", ""), None), "is not accepted", "deploy keys"),
        (key(&locked, Some("canary-wrong")), "private key cannot be used", "`passphrase`"),
        (key(&locked, None), "private key cannot be used", "`passphrase`"),
        (
            Credentials::SshKey { key: Secret::new("canary"), passphrase: None },
            "private key cannot be used",
            "`ssh_key`",
        ),
        (Credentials::SshAgent { socket: silent }, "agent cannot be asked", "right to read"),
        (Credentials::Anonymous, "none are configured", "set `credentials`"),
        (Credentials::Token(Secret::new("canary")), "none are configured", "set `credentials`"),
    ] {
        let error = failure(&options(&world, &server, access(credentials, known())));
        assert_eq!((error.code(), error.retry()), ("git/unauthorized", Retry::Never), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
    }
    let missing = Options { url: server.url(Path::new("/nonexistent/x.git")), ..working };
    let error = failure(&missing);
    assert_eq!(error.code(), "git/not-a-repository", "{error}");
}

#[test]
fn a_chain_of_300_commits_and_megabytes_go_over_ssh() {
    let Some((world, _server, options)) = served(&[("a", "start\n"), ("b", "start\n")]) else { return };
    let mut mirror = Mirror::open(&options).unwrap();
    let head = mirror.sync(None).unwrap();
    let mut parent = head.commit;
    for n in 0..300 {
        parent = commit_one(&mirror, &parent, ["a", "b"][n % 2], &format!("{n}\n")).unwrap();
    }
    mirror.push(&head.branch, &head.commit, &parent).unwrap();
    assert_eq!(mirror.read_back(&head.branch, &parent).unwrap().commit, parent);
    assert_eq!(world.remote.log().len(), 301);
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}", state ^ (state >> 29))
    };
    let text: String = (0..400_000).map(|_| next()).collect();
    let large = commit_one(&mirror, &parent, "a", &text).unwrap();
    mirror.push(&head.branch, &parent, &large).unwrap();
    assert_eq!(world.remote.show("a"), text);
    let fresh = tempfile::tempdir().unwrap();
    let mut other = Mirror::open(&Options { cache: fresh.path().to_owned(), ..options }).unwrap();
    assert_eq!(other.sync(None).unwrap().commit, large);
    world.remote.fsck();
}

#[test]
fn hooks_and_races_over_ssh_are_told_apart() {
    let Some((world, _server, options)) = served(&[("a", "1\n"), ("b", "1\n")]) else { return };
    let mut mirror = Mirror::open(&options).unwrap();
    let head = mirror.sync(None).unwrap();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    world.remote.install_hook("pre-receive", "echo 'only on weekdays' >&2\nexit 1");
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert_eq!((error.code(), error.retry()), ("git/push-rejected", Retry::Never), "{error}");
    assert!(error.to_string().ends_with("pre-receive hook declined: only on weekdays"), "{error}");
    world.remote.remove_hook("pre-receive");

    let theirs = world.remote.commit(&[("b", "2\n")], "theirs");
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert_eq!((error.code(), error.retry()), ("git/moved", Retry::Later), "{error}");
    assert_eq!(world.remote.head(), theirs);

    let head = mirror.sync(None).unwrap();
    let new = commit_one(&mirror, &head.commit, "a", "3\n").unwrap();
    let faster = world.remote.commit(&[("b", "3\n")], "faster");
    world.remote.git(&["update-ref", "refs/heads/main", "main~1"]);
    world.remote.install_hook("update", &format!("unset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main {faster}"));
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert_eq!((error.code(), error.retry()), ("git/moved", Retry::Later), "{error}");
    assert_eq!(world.remote.head(), faster);
}

#[test]
fn servers_that_are_dead_silent_or_slow_end_at_the_limits() {
    let Some((world, server, working)) = served(&[("a", "1\n")]) else { return };
    let short = Duration::from_millis(700);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = |address: std::net::SocketAddr| format!("ssh://git@{address}/web.git");
    let stalled = Options { url: at(silent.local_addr().unwrap()), connect_timeout: short, ..working.clone() };
    let started = Instant::now();
    let error = failure(&stalled);
    assert_eq!((error.code(), error.retry()), ("git/timeout", Retry::Later), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
    let error = failure(&Options { url: at(closed), ..working.clone() });
    assert_eq!((error.code(), error.retry()), ("git/unreachable", Retry::Later), "{error}");

    world.remote.install_hook("pre-receive", "exec sleep 15");
    for options in [
        Options { idle_timeout: short, ..working.clone() },
        Options { total_timeout: Duration::from_secs(2), ..working.clone() },
    ] {
        let mut mirror = Mirror::open(&options).unwrap();
        let head = mirror.sync(None).unwrap();
        let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
        let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
        assert_eq!((error.code(), error.retry()), ("git/timeout", Retry::Later), "{error}");
    }

    world.remote.install_hook("pre-receive", "echo dying >&2\nkill -9 $PPID");
    let mut mirror = Mirror::open(&working).unwrap();
    let head = mirror.sync(None).unwrap();
    let new = commit_one(&mirror, &head.commit, "a", "3\n").unwrap();
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert_eq!((error.code(), error.retry()), ("git/unreachable", Retry::Later), "{error}\n{}", server.log());
    assert_eq!(world.remote.show("a"), "1\n");
    world.remote.remove_hook("pre-receive");
    world.remote.fsck();
}

#[test]
fn an_empty_repository_is_seen_over_ssh() {
    let Some(server) = Sshd::start() else { return };
    let world = World::new();
    let own = access(key(&server.key("ed25519", ""), None), server.known_hosts(&server.name(), "ed25519"));
    let error = failure(&options(&world, &server, own));
    assert_eq!(error.code(), "git/empty-repository", "{error}");
}
