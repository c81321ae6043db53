//! The stories over HTTPS, against nginx and `git http-backend`, and what servers answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use repin::credentials::Credentials;
use repin::diagnostic::{Diagnostic, Retry};
use repin::git::{Access, GitError, Mirror, Options};
use repin::http::ClientCertificate;
use repin::secret::Secret;

use crate::git_http::{GitHttp, PASSWORD, USER, tls};
use crate::proxy::{Kind, Proxy};
use crate::{World, branch, commit_one, read};

fn basic(password: &str) -> Credentials {
    Credentials::Basic { username: USER.to_owned(), password: Secret::new(password) }
}

fn ca() -> Option<Vec<u8>> {
    Some(std::fs::read(tls("ca.pem")).unwrap())
}

fn trusted() -> Access {
    Access { credentials: basic(PASSWORD), ca: ca(), ..Access::default() }
}

fn options(world: &World, url: String, access: Access) -> Options {
    Options { access, ..Options::new(world.cache.path(), url) }
}

/// A world with one file, served over HTTPS; none where the servers are not installed.
fn served(files: &[(&str, &str)]) -> Option<(World, GitHttp)> {
    let world = World::with_files(files);
    let server = GitHttp::start(world.remote.path().parent().unwrap())?;
    Some((world, server))
}

fn failure(world: &World, url: String, access: Access) -> GitError {
    let error = Mirror::open(&options(world, url, access)).and_then(|mut mirror| mirror.sync(None)).unwrap_err();
    assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("canary"), "{error:?}");
    error
}

#[test]
fn a_change_goes_over_https_and_is_read_back() {
    let Some((world, server)) = served(&[("a", "1\n"), ("b", "1\n")]) else { return };
    let mut mirror = Mirror::open(&options(&world, server.url("git/remote.git"), trusted())).unwrap();
    let head = mirror.sync(None).unwrap();
    assert_eq!(head.branch, branch("main"));
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    assert_eq!(mirror.read_back(&head.branch, &new).unwrap().commit, new);
    assert_eq!(world.remote.show("a"), "2\n");

    // Nothing moved: one look, and nothing is fetched.
    let before = server.requests().len();
    mirror.sync(Some(&branch("main"))).unwrap();
    let after = server.requests();
    assert_eq!(after.len() - before, 1, "{after:#?}");
    assert!(after[before].starts_with("GET /git/remote.git/info/refs 200 robot "), "{after:#?}");

    let theirs = world.remote.commit(&[("b", "theirs\n")], "theirs");
    let head = mirror.sync(None).unwrap();
    assert_eq!(head.commit.to_string(), theirs);
    assert_eq!(read(&mirror, &head.commit, "b"), "theirs\n");
    assert_eq!(server.requests().len() - after.len(), 2);
    assert!(!server.logs().contains("canary"));
    world.remote.fsck();
}

#[test]
fn a_token_is_taken_as_a_password() {
    let Some((world, server)) = served(&[("a", "1\n")]) else { return };
    let access = Access { credentials: Credentials::Token(Secret::new(PASSWORD)), ..trusted() };
    Mirror::open(&options(&world, server.url("git/remote.git"), access)).unwrap().sync(None).unwrap();
    assert!(server.requests()[0].contains(" 200 x-access-token "), "{:?}", server.requests());
}

#[test]
fn a_chain_of_300_commits_goes_over_https_in_one_push() {
    let Some((world, server)) = served(&[("a", "start\n"), ("b", "start\n")]) else { return };
    let mut mirror = Mirror::open(&options(&world, server.url("git/remote.git"), trusted())).unwrap();
    let head = mirror.sync(None).unwrap();
    let mut parent = head.commit;
    for n in 0..300 {
        parent = commit_one(&mirror, &parent, ["a", "b"][n % 2], &format!("{n}\n")).unwrap();
    }
    let before = server.requests().len();
    mirror.push(&head.branch, &head.commit, &parent).unwrap();
    assert_eq!(server.requests().len() - before, 2, "{:#?}", server.requests());
    assert_eq!(mirror.read_back(&head.branch, &parent).unwrap().commit, parent);
    assert_eq!(world.remote.log().len(), 301);
    world.remote.fsck();
}

#[test]
fn a_push_of_megabytes_is_streamed_and_one_over_the_limit_is_told() {
    let Some((world, server)) = served(&[("a", "1\n")]) else { return };
    let mut mirror = Mirror::open(&options(&world, server.url("git/remote.git"), trusted())).unwrap();
    let head = mirror.sync(None).unwrap();
    // No compressor makes this small.
    let mut state = 1_u64;
    let mut noise = |bytes: usize| {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:016x}", state ^ (state >> 29))
        };
        (0..bytes / 16).map(|_| next()).collect::<String>()
    };
    let text = noise(6 << 20);
    let new = commit_one(&mirror, &head.commit, "a", &text).unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    mirror.read_back(&head.branch, &new).unwrap();
    assert_eq!(world.remote.show("a"), text);
    let longest = server.requests().iter().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).max();
    assert!(longest > Some(2 << 20), "{longest:?}");

    let huge = commit_one(&mirror, &new, "a", &noise(24 << 20)).unwrap();
    let error = mirror.push(&head.branch, &new, &huge).unwrap_err();
    assert!(error.to_string().contains("413"), "{error}");
    assert!(error.hint().unwrap().contains("client_max_body_size"), "{:?}", error.hint());
    assert_eq!(world.remote.head(), new.to_string());
    world.remote.fsck();
}

#[test]
fn a_hook_that_refuses_is_quoted_over_https() {
    let Some((world, server)) = served(&[("a", "1\n")]) else { return };
    let mut mirror = Mirror::open(&options(&world, server.url("git/remote.git"), trusted())).unwrap();
    let head = mirror.sync(None).unwrap();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    for text in ["only on weekdays", "GitLab: You are not allowed to push code to protected branches on this project."]
    {
        world.remote.install_hook("pre-receive", &format!("echo '{text}' >&2\nexit 1"));
        let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
        let url = server.url("git/remote.git");
        assert_eq!(error.to_string(), format!("{url} refused the push to `main`: pre-receive hook declined: {text}"));
        assert_eq!((error.code(), error.retry()), ("git/push-rejected", Retry::Never));
    }
    assert_eq!(world.remote.head(), head.commit.to_string());
}

#[test]
fn races_over_https_are_moves() {
    let Some((world, server)) = served(&[("a", "1\n"), ("b", "1\n")]) else { return };
    let mut mirror = Mirror::open(&options(&world, server.url("git/remote.git"), trusted())).unwrap();
    let head = mirror.sync(None).unwrap();
    let stale = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    let theirs = world.remote.commit(&[("b", "2\n")], "theirs");
    let error = mirror.push(&head.branch, &head.commit, &stale).unwrap_err();
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
    world.remote.fsck();
}

#[test]
fn what_the_server_refuses_is_told_apart() {
    let Some((world, server)) = served(&[("a", "1\n")]) else { return };
    let git = || server.url("git/remote.git");
    for (url, access, code, words, hint) in [
        (git(), Access { credentials: basic("wrong"), ..trusted() }, "git/unauthorized", "are wrong", "expired"),
        (
            git(),
            Access { credentials: Credentials::Anonymous, ..trusted() },
            "git/unauthorized",
            "none are configured",
            "set `credentials`",
        ),
        (server.url("git/other.git"), trusted(), "git/not-a-repository", "is no Git repository: 404", "address"),
        (git(), Access { ca: None, ..trusted() }, "git/tls", "UnknownIssuer", "`ca`"),
        (
            git(),
            Access { ca: Some(std::fs::read(tls("other-ca.pem")).unwrap()), ..trusted() },
            "git/tls",
            "UnknownIssuer",
            "`ca`",
        ),
        (git(), Access { ca: Some(b"hello".to_vec()), ..trusted() }, "git/tls", "no PEM", "certificate"),
        (
            server.url("certified/remote.git"),
            trusted(),
            "git/tls",
            "No required SSL certificate",
            "`client_certificate`",
        ),
        (server.url("old/remote.git"), trusted(), "git/redirected", "points to https://127.0.0.1", "`url`"),
    ] {
        let error = failure(&world, url, access);
        assert_eq!((error.code(), error.retry()), (code, Retry::Never), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
    }
    // A server that lets people read may still not let them push.
    let open = Access { credentials: Credentials::Anonymous, ..trusted() };
    let mut mirror = Mirror::open(&options(&world, server.url("open/remote.git"), open)).unwrap();
    let head = mirror.sync(None).unwrap();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert_eq!(error.code(), "git/unauthorized", "{error}");
    assert!(error.to_string().contains("403"), "{error}");
}

#[test]
fn a_client_certificate_opens_what_wants_one() {
    let Some((world, server)) = served(&[("a", "1\n")]) else { return };
    let (chain, key) = server.client_certificate();
    let own = ClientCertificate { chain, key: Secret::new(key) };
    let access = Access { client_certificate: Some(own), ..trusted() };
    let mut mirror = Mirror::open(&options(&world, server.url("certified/remote.git"), access)).unwrap();
    mirror.sync(None).unwrap();
}

#[test]
fn a_redirect_inside_the_place_is_followed_and_the_push_goes_there() {
    let Some((world, server)) = served(&[("a", "1\n")]) else { return };
    let mut mirror = Mirror::open(&options(&world, server.url("git/remote"), trusted())).unwrap();
    let head = mirror.sync(None).unwrap();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    assert_eq!(world.remote.show("a"), "2\n");
}

#[test]
fn a_proxy_carries_everything_and_its_refusal_is_named() {
    let Some((world, server)) = served(&[("a", "1\n")]) else { return };
    let login = Some(("door", "canary-PROXY"));
    for (kind, wanted, given) in [
        (Kind::Connect, None, ""),
        (Kind::Socks5, None, ""),
        (Kind::Connect, login, "door:canary-PROXY@"),
        (Kind::Socks5, login, "door:canary-PROXY@"),
    ] {
        let proxy = Proxy::start(kind, wanted);
        let access = Access { proxy: Some(Secret::new(proxy.url(given))), ..trusted() };
        let mut mirror = Mirror::open(&options(&world, server.url("git/remote.git"), access)).unwrap();
        mirror.sync(None).unwrap();
        let (seen, expected) = (proxy.seen(), format!("127.0.0.1:{}", server.port()));
        assert!(!seen.is_empty() && seen.iter().all(|target| *target == expected), "{kind:?}: {seen:?}");
    }
    for kind in [Kind::Connect, Kind::Socks5] {
        let proxy = Proxy::start(kind, login);
        let access = Access { proxy: Some(Secret::new(proxy.url("door:canary-WRONG@"))), ..trusted() };
        let before = server.requests().len();
        let error = failure(&world, server.url("git/remote.git"), access);
        assert_eq!(error.code(), "git/unreachable");
        assert!(error.to_string().contains("through the proxy"), "{error}");
        assert!(error.hint().unwrap().contains("`proxy`"), "{:?}", error.hint());
        assert_eq!(server.requests().len(), before);
    }
}

/// A server on loopback that answers every request with what `answer` makes of its head; it keeps the heads.
struct Canned {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    fn start(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        thread::spawn(move || {
            let mut silent = Vec::new();
            for mut stream in listener.incoming().flatten() {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                kept.lock().unwrap().push(head.clone());
                match answer(&head) {
                    Some(text) => stream.write_all(text.as_bytes()).unwrap(),
                    None => silent.push(stream),
                }
            }
        });
        Self { address, heads }
    }

    fn url(&self) -> String {
        format!("http://{}/acme/web.git", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn response(status: &str, headers: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()))
}

#[test]
fn a_redirect_to_another_host_is_named_and_nothing_is_sent_there() {
    let world = World::new();
    let other = Canned::start(|_| response("200 OK", "", ""));
    let port = other.address.port();
    for place in [
        format!("http://127.0.0.1:{port}/acme/web.git/info/refs?service=git-upload-pack"),
        format!("http://x:y@127.0.0.1:{port}/acme/web.git/info/refs?service=git-upload-pack"),
        format!("//127.0.0.1:{port}/acme/web.git/info/refs?service=git-upload-pack"),
    ] {
        let server = Canned::start(move |_| response("302 Found", &format!("location: {place}\r\n"), ""));
        let error = failure(&world, server.url(), Access { credentials: basic("canary"), ..Access::default() });
        assert_eq!(error.code(), "git/redirected", "{error}");
        assert!(
            error.to_string().contains(&format!("points to http://127.0.0.1:{port}/acme/web.git, where")),
            "{error}"
        );
    }
    for path in ["/other/web.git/info/refs?service=git-upload-pack", "/acme/web.git/login", "/acme/web.git/info/refs"] {
        let server = Canned::start(move |_| response("301 Moved", &format!("location: {path}\r\n"), ""));
        let error = failure(&world, server.url(), Access { credentials: basic("canary"), ..Access::default() });
        assert_eq!((error.code(), server.heads().len()), ("git/redirected", 1), "{error}");
    }
    assert_eq!(other.heads(), [""; 0]);
}

#[test]
fn redirects_that_do_not_end_are_given_up() {
    let world = World::new();
    let to = "location: /acme/web.git/info/refs?service=git-upload-pack\r\n";
    let server = Canned::start(move |_| response("302 Found", to, ""));
    let error = failure(&world, server.url(), Access::default());
    assert_eq!((error.code(), server.heads().len()), ("git/unreachable", 6), "{error}");
}

#[test]
fn other_answers_are_quoted_and_sorted() {
    let world = World::new();
    let page = "content-type: text/html\r\n";
    let text = "content-type: text/plain\r\n";
    for (status, headers, body, code, words, retry) in [
        ("503 Unavailable", page, "<title>Down\u{1b}[31m for \0 work</title>", "git/unreachable", "Down[31m for", true),
        ("429 Too Many", "retry-after: 60\r\n", "", "git/unreachable", "asked again after 60", true),
        ("403 Forbidden", text, "Write access not granted.", "git/unauthorized", "Write access not granted.", false),
        ("410 Gone", text, "", "git/not-a-repository", "410", false),
        ("200 OK", page, "<title>Sign in</title>", "git/not-a-repository", "text/html, which is not Git's", false),
        ("302 Found", "", "", "git/unreachable", "without a place", true),
    ] {
        let server = Canned::start(move |_| response(status, headers, body));
        let error = failure(&world, server.url(), Access::default());
        let expected = if retry { Retry::Later } else { Retry::Never };
        assert_eq!((error.code(), error.retry()), (code, expected), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn silence_ends_at_the_limits() {
    let world = World::new();
    let short = Duration::from_millis(400);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-advertisement\r\n";
    let cut = format!("{head}content-length: 4000\r\n\r\n001e# service=git-upload-pack\n0000");
    let silent = Canned::start(|_| None);
    for options in [
        Options { idle_timeout: short, ..options(&world, silent.url(), Access::default()) },
        Options { total_timeout: short, ..options(&world, silent.url(), Access::default()) },
    ] {
        let started = Instant::now();
        let error = Mirror::open(&options).unwrap().sync(None).unwrap_err();
        assert_eq!((error.code(), error.retry()), ("git/timeout", Retry::Later), "{error}");
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    let server = Canned::start(move |_| Some(cut.clone()));
    let error = failure(&world, server.url(), Access::default());
    assert_eq!((error.code(), error.retry()), ("git/unreachable", Retry::Later), "{error}");
}

#[test]
fn the_password_goes_to_the_server_only() {
    let world = World::new();
    let server = Canned::start(|_| response("404 Not Found", "", ""));
    failure(&world, server.url(), Access { credentials: basic("canary"), ..Access::default() });
    let heads = server.heads();
    assert_eq!(heads.len(), 1);
    let head = heads[0].to_ascii_lowercase();
    assert!(head.starts_with("get /acme/web.git/info/refs?service=git-upload-pack http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: basic cm9ib3q6y2fuyxj5\r\n"), "{head}");
    assert!(!head.contains("accept-encoding") && !head.contains("git-protocol"), "{head}");
}

#[test]
fn branches_the_default_and_an_empty_repository_are_seen_over_https() {
    let Some((world, server)) = served(&[("a", "1\n")]) else { return };
    let main = world.remote.head();
    world.remote.git(&["branch", "release/1.x", &main]);
    world.remote.commit(&[("a", "2\n")], "second");
    world.remote.git(&["symbolic-ref", "HEAD", "refs/heads/release/1.x"]);
    let mut mirror = Mirror::open(&options(&world, server.url("git/remote.git"), trusted())).unwrap();
    let head = mirror.sync(None).unwrap();
    assert_eq!((head.branch.to_string().as_str(), head.commit.to_string()), ("release/1.x", main));
    let other = mirror.sync(Some(&branch("main"))).unwrap();
    assert_eq!(read(&mirror, &other.commit, "a"), "2\n");
    let new = commit_one(&mirror, &head.commit, "a", "3\n").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    assert_eq!(world.remote.show_at("release/1.x", "a"), "3\n");
    assert_eq!(world.remote.show("a"), "2\n");
    assert_eq!(mirror.sync(Some(&branch("nope"))).unwrap_err().code(), "git/no-such-branch");

    let empty = World::new();
    let server = GitHttp::start(empty.remote.path().parent().unwrap()).unwrap();
    let error = failure(&empty, server.url("git/remote.git"), trusted());
    assert_eq!(error.code(), "git/empty-repository", "{error}");
}
