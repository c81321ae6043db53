//! Limits of rate, connections that break, and requests that are sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use repin::diagnostic::{Diagnostic, Retry};
use repin::forge::ForgeError;
use repin::model::forge::{ForgeKind, NewPullRequest};
use tokio::io::AsyncReadExt;

use crate::{Reply, Server, forge, github, options, project, reply};

fn new_pull() -> NewPullRequest {
    NewPullRequest {
        head: "repin/web".parse().unwrap(),
        base: "main".parse().unwrap(),
        title: "web 1.2.0".to_owned(),
        body: "body".to_owned(),
        is_draft: false,
    }
}

#[tokio::test]
async fn while_a_forge_wants_to_be_left_alone_nothing_is_sent() {
    let reset = jiff::Timestamp::now().as_second() + 1800;
    let primary = move || {
        reply(403, r#"{"message":"API rate limit exceeded"}"#)
            .with("x-ratelimit-remaining", 0)
            .with("x-ratelimit-reset", reset)
    };
    type Answer = Box<dyn Fn() -> Reply + Send + Sync>;
    let cases: Vec<(ForgeKind, Answer, u64)> = vec![
        (ForgeKind::GitHub, Box::new(primary), 1800),
        (ForgeKind::GitHub, Box::new(|| reply(403, "{}").with("retry-after", 600)), 600),
        (ForgeKind::GitHub, Box::new(|| reply(403, r#"{"message":"You have exceeded a secondary rate limit"}"#)), 60),
        (ForgeKind::GitLab, Box::new(|| reply(429, "Retry later").with("retry-after", 300)), 300),
        (
            ForgeKind::GitLab,
            Box::new(move || reply(429, "").with("ratelimit-remaining", 0).with("ratelimit-reset", reset)),
            1800,
        ),
        (ForgeKind::Gitea, Box::new(|| reply(429, "")), 60),
    ];
    for (kind, answer, expected) in cases {
        let server = Server::start(move |_| answer()).await;
        let forge = forge(kind, &server);
        let error = forge.open_pulls(&project(), "repin/").await.unwrap_err();
        let ForgeError::Throttled { after: Some(after), .. } = &error else { panic!("{error}") };
        assert!(after.as_secs().abs_diff(expected) <= 2, "{after:?} {expected}");
        assert_eq!((error.code(), error.retry()), ("forge/throttled", Retry::After(*after)));
        for _ in 0..3 {
            let error = forge.open(&project(), &new_pull()).await.unwrap_err();
            assert_eq!(error.code(), "forge/throttled");
        }
        assert_eq!((server.lines().len(), forge.traffic().requests, forge.traffic().throttled), (1, 1, 1));
    }
}

#[tokio::test]
async fn an_allowance_that_an_answer_used_up_stops_what_follows() {
    let reset = jiff::Timestamp::now().as_second() + 900;
    let server =
        Server::start(move |_| reply(200, "[]").with("x-ratelimit-remaining", 0).with("x-ratelimit-reset", reset))
            .await;
    let forge = forge(ForgeKind::GitHub, &server);
    assert_eq!(forge.open_pulls(&project(), "repin/").await.unwrap(), []);
    assert_eq!(forge.open_pulls(&project(), "repin/").await.unwrap_err().code(), "forge/throttled");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_short_pause_is_waited_for_and_what_was_refused_is_sent_again() {
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => reply(429, "").with("retry-after", 0),
        _ => reply(201, github::pull(7, "repin/web")),
    })
    .await;
    let forge = forge(ForgeKind::GitHub, &server);
    assert_eq!(forge.open(&project(), &new_pull()).await.unwrap().number, 7);
    assert_eq!((server.lines().len(), forge.traffic().throttled), (3, 2));
}

#[tokio::test]
async fn a_forge_that_always_wants_a_moment_is_not_asked_for_ever() {
    let server = Server::start(|_| reply(429, "").with("retry-after", 0)).await;
    let forge = forge(ForgeKind::Gitea, &server);
    assert_eq!(forge.open_pulls(&project(), "repin/").await.unwrap_err().code(), "forge/throttled");
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn what_writes_is_not_sent_again_when_the_connection_breaks_and_what_reads_is_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let mut bytes = [0; 4096];
            let _ = socket.read(&mut bytes).await;
        }
    });
    let server = Server { url, seen: Arc::default() };
    let forge = forge(ForgeKind::GitHub, &server);
    let error = forge.open(&project(), &new_pull()).await.unwrap_err();
    assert_eq!((error.code(), connections.load(Ordering::SeqCst)), ("forge/unreachable", 1));
    let error = forge.open_pulls(&project(), "repin/").await.unwrap_err();
    assert_eq!((error.code(), connections.load(Ordering::SeqCst)), ("forge/unreachable", 3));
}

#[tokio::test]
async fn an_operator_may_ask_for_less() {
    let server = Server::start(|_| reply(200, "[]")).await;
    let mut slow = options(ForgeKind::Gitea, &server);
    slow.requests_per_second = Some(50.0);
    let forge = repin::forge::Forge::new(slow).unwrap();
    let started = std::time::Instant::now();
    for _ in 0..6 {
        forge.open_pulls(&project(), "repin/").await.unwrap();
    }
    assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up() {
    let server = Server::start(|_| reply(200, "[".to_owned() + &" ".repeat(33 * 1024 * 1024))).await;
    let error = forge(ForgeKind::GitHub, &server).open_pulls(&project(), "repin/").await.unwrap_err();
    assert_eq!(error.code(), "forge/bad-answer");
    assert!(error.to_string().contains("longer than 33554432 bytes"), "{error}");
}
