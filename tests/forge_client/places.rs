//! Where requests and credentials may go, and what must not come back.

use repin::credentials::Credentials;
use repin::diagnostic::Diagnostic;
use repin::forge::{Forge, ForgeLogin};
use repin::model::forge::{ForgeKind, NewPullRequest};
use repin::secret::Secret;

use crate::{CANARY, Server, forge, github, options, project, reply};

const KINDS: [ForgeKind; 3] = [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::Gitea];

fn new_pull() -> NewPullRequest {
    NewPullRequest {
        head: "repin/web".parse().unwrap(),
        base: "main".parse().unwrap(),
        title: "web 1.2.0".to_owned(),
        body: String::new(),
        is_draft: false,
    }
}

#[tokio::test]
async fn a_renamed_project_is_followed_for_reading_within_the_api() {
    let server = Server::start(|seen| {
        if seen.target.starts_with("/api/v3/repos/") {
            return reply(301, "{}").with("location", "/api/v3/repositories/42/pulls?state=open&per_page=100");
        }
        let pulls = if seen.target.contains("page=2") {
            "[]".to_owned()
        } else {
            format!("[{}]", github::pull(1, "repin/web"))
        };
        let answer = reply(200, pulls);
        if seen.target.contains("page=2") { answer } else { answer.with("link", "<?page=2>; rel=next") }
    })
    .await;
    let found = forge(ForgeKind::GitHub, &server).open_pulls(&project(), "repin/").await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(server.lines()[2], "GET /api/v3/repositories/42/pulls?page=2");
    assert!(server.seen().iter().all(|seen| seen.header("authorization") == format!("Bearer {CANARY}")));
}

#[tokio::test]
async fn no_redirect_leads_out_of_the_api_and_none_is_followed_for_writing() {
    let stranger = Server::start(|_| reply(200, "[]")).await;
    for kind in KINDS {
        let evil = format!("{}/api/v3/repos/x?token=hunter2", stranger.url);
        let server = Server::start(move |_| reply(302, "{}").with("location", &evil)).await;
        let error = forge(kind, &server).open_pulls(&project(), "repin/").await.unwrap_err();
        assert_eq!(error.code(), "forge/refused");
        assert!(error.to_string().contains(&format!("it is at {}/api/v3/repos/x now", stranger.url)), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(server.lines().len(), 1);
        // Beside the API on the same host there may be anything.
        let server = Server::start(|_| reply(302, "{}").with("location", "/api/other")).await;
        assert_eq!(forge(kind, &server).open_pulls(&project(), "repin/").await.unwrap_err().code(), "forge/refused");
        assert_eq!(server.lines().len(), 1);
        let within = format!("/api/{}/elsewhere", if kind == ForgeKind::GitHub { "v3" } else { "v4" });
        let server = Server::start(move |_| reply(307, "{}").with("location", &within)).await;
        let error = forge(kind, &server).open(&project(), &new_pull()).await.unwrap_err();
        assert_eq!((error.code(), server.lines().len()), ("forge/refused", 1), "{error}");
    }
    assert_eq!(stranger.lines(), [""; 0]);
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|seen| reply(302, "{}").with("location", format!("{}1", seen.target))).await;
    let error = forge(ForgeKind::GitHub, &server).open_pulls(&project(), "repin/").await.unwrap_err();
    assert_eq!((error.code(), server.lines().len()), ("forge/bad-answer", 4));
}

#[tokio::test]
async fn a_forge_that_repeats_what_it_was_sent_shows_it_to_nobody() {
    let password = || Credentials::Basic { username: "robot".to_owned(), password: Secret::new(CANARY) };
    for kind in KINDS {
        for credentials in [Credentials::Token(Secret::new(CANARY)), password()] {
            for status in [400, 401, 403, 404, 409, 422, 500] {
                let server = Server::start(move |seen| {
                    let sent = seen.header("authorization");
                    let text = serde_json::json!({"message": format!("you sent\n{sent}\u{1b}[31m {CANARY}\u{202e}")});
                    reply(status, text)
                })
                .await;
                let login = ForgeLogin::Fixed(credentials.clone());
                let forge = Forge::new(repin::forge::Options { login, ..options(kind, &server) }).unwrap();
                let error = forge.open_pulls(&project(), "repin/").await.unwrap_err();
                let shown = format!("{error} {error:?} {forge:?}");
                let sent = server.seen()[0].header("authorization").rsplit(' ').next().unwrap().to_owned();
                assert!(!sent.is_empty() && !shown.contains(CANARY) && !shown.contains(&sent), "{shown}");
                assert!(error.to_string().contains("(you sent "), "{error}");
                assert!(!error.to_string().contains(char::is_control), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn each_kind_is_shown_its_token_as_it_wants_it() {
    let password = || Credentials::Basic { username: "robot".to_owned(), password: Secret::new("x") };
    for (kind, credentials, expected) in [
        (ForgeKind::GitHub, Credentials::Token(Secret::new("x")), "Bearer x"),
        (ForgeKind::GitLab, Credentials::Token(Secret::new("x")), "Bearer x"),
        (ForgeKind::Gitea, Credentials::Token(Secret::new("x")), "token x"),
        (ForgeKind::GitHub, password(), "Basic cm9ib3Q6eA=="),
        (ForgeKind::GitLab, password(), "Bearer x"),
        (ForgeKind::Gitea, password(), "Basic cm9ib3Q6eA=="),
        (ForgeKind::GitHub, Credentials::Anonymous, ""),
    ] {
        let server = Server::start(|_| reply(200, "[]")).await;
        let login = ForgeLogin::Fixed(credentials);
        let forge = Forge::new(repin::forge::Options { login, ..options(kind, &server) }).unwrap();
        forge.open_pulls(&project(), "repin/").await.unwrap();
        assert_eq!(server.seen()[0].header("authorization"), expected, "{kind:?}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named_at_the_start() {
    let server = Server::start(|_| reply(200, "[]")).await;
    let good = options(ForgeKind::GitHub, &server);
    let far = repin::forge::Options { api_url: "http://git.example.com/api/v3".parse().unwrap(), ..good.clone() };
    let ca = repin::forge::Options { ca: Some(b"no PEM".to_vec()), ..good.clone() };
    let login = ForgeLogin::App { id: "1".to_owned(), key: Secret::new(CANARY) };
    let app = repin::forge::Options { login, ..good };
    for (options, expected) in [
        (far, "`api_url` is no https:// URL with a host"),
        (ca, "the certificate authorities given are no PEM certificates"),
        (app, "the App: its private key is no RSA key"),
    ] {
        let error = Forge::new(options).unwrap_err();
        assert_eq!(error.code(), "forge/settings");
        assert!(error.to_string().contains(expected) && !error.to_string().contains(CANARY), "{error}");
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn what_names_no_revision_is_not_asked_for() {
    let server = Server::start(|_| reply(200, "{}")).await;
    for kind in KINDS {
        let forge = forge(kind, &server);
        for odd in ["", "-x", "a..b", "a b", "x?y=1", "../../../user", "a\nb", "é", "x^{}", "@"] {
            assert_eq!(forge.source_commit(&project(), odd).await.unwrap(), None, "{odd}");
            assert_eq!(forge.compare(&project(), "v1.0.0", odd, 10).await.unwrap(), None, "{odd}");
            assert_eq!(forge.compare(&project(), odd, "v1.0.0", 10).await.unwrap(), None, "{odd}");
        }
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn a_web_page_in_the_place_of_an_answer_is_named_as_one() {
    for kind in KINDS {
        let server = Server::start(|_| reply(200, "<!doctype html><p>Sign in")).await;
        let error = forge(kind, &server).open_pulls(&project(), "repin/").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "forge 127.0.0.1 acme/gitops gave an answer that cannot be used: it is a web page and no JSON"
        );
    }
}
