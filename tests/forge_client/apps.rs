//! GitHub Apps: proofs, and tokens for each organisation.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use repin::credentials::Credentials;
use repin::diagnostic::Diagnostic;
use repin::forge::{Forge, ForgeLogin};
use repin::model::forge::{ForgeKind, NewPullRequest, Project};
use repin::secret::Secret;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::{Reply, Seen, Server, github, options, reply};

const KEY: &str = include_str!("../data/google/key.pem");

fn forge(server: &Server) -> Forge {
    let login = ForgeLogin::App { id: "424242".to_owned(), key: Secret::new(KEY) };
    Forge::new(repin::forge::Options { login, ..options(ForgeKind::GitHub, server) }).unwrap()
}

fn project(text: &str) -> Project {
    text.parse().unwrap()
}

/// Tells whether a request proves that it is from the App.
fn is_proven(seen: &Seen) -> bool {
    let der = STANDARD.decode(KEY.lines().filter(|line| !line.starts_with("-----")).collect::<String>()).unwrap();
    let public = RsaKeyPair::from_pkcs8(&der).unwrap().public_key().as_ref().to_vec();
    let Some(proof) = seen.header("authorization").strip_prefix("Bearer ") else { return false };
    let Some((text, signature)) = proof.rsplit_once('.') else { return false };
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(text.split_once('.').unwrap().1).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let (begins, ends) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    let now = jiff::Timestamp::now().as_second();
    claims["iss"] == "424242"
        && begins < now
        && now < ends
        && ends - begins <= 600
        && UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public).verify(text.as_bytes(), &signature).is_ok()
}

/// Gives tokens `<owner>-<count>` that last so many seconds, if the App proves itself; installed at acme (1) and zoo (2).
fn installations(seen: &Seen, given: &AtomicUsize, lasts: i64) -> Option<Reply> {
    let path = seen.target.strip_prefix("/api/v3")?;
    if !path.ends_with("/installation") && !path.ends_with("/access_tokens") {
        return None;
    }
    if !is_proven(seen) {
        return Some(reply(401, r#"{"message":"A JSON web token could not be decoded"}"#));
    }
    let answer = match (seen.method.as_str(), path) {
        ("GET", path) if path.starts_with("/repos/acme/") => reply(200, r#"{"id":1}"#),
        ("GET", path) if path.starts_with("/repos/zoo/") => reply(200, r#"{"id":2}"#),
        ("POST", "/app/installations/1/access_tokens" | "/app/installations/2/access_tokens") => {
            let owner = if path.contains("/1/") { "acme" } else { "zoo" };
            let ends = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + lasts).unwrap();
            let token = format!("ghs_{owner}_{}", given.fetch_add(1, Ordering::SeqCst));
            reply(201, json!({"token": token, "expires_at": ends.to_string()}))
        }
        _ => reply(404, r#"{"message":"Not Found"}"#),
    };
    Some(answer)
}

#[tokio::test]
async fn each_organisation_gets_a_token_of_its_own_once() {
    let given = AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        installations(seen, &given, 3600).unwrap_or_else(|| {
            let owner = if seen.target.contains("/acme/") { "acme" } else { "zoo" };
            let is_own = seen.header("authorization").starts_with(&format!("Bearer ghs_{owner}_"));
            if is_own { reply(200, "[]") } else { reply(401, "{}") }
        })
    })
    .await;
    let forge = forge(&server);
    let (acme, more, zoo) = (project("acme/gitops"), project("acme/other"), project("zoo/gitops"));
    let asked = (0..4).flat_map(|_| [&acme, &more, &zoo]).map(|project| forge.open_pulls(project, "repin/"));
    for found in futures_util::future::join_all(asked).await {
        assert_eq!(found.unwrap(), []);
    }
    let tokens: Vec<String> = server.lines().into_iter().filter(|line| line.ends_with("/access_tokens")).collect();
    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), 2);
    assert_eq!(tokens.len(), 2, "{tokens:?}");
    assert_eq!(server.lines().len(), 2 + 2 + 12);
}

#[tokio::test]
async fn git_is_given_the_token_of_the_installation() {
    let given = AtomicUsize::new(0);
    let server = Server::start(move |seen| installations(seen, &given, 3600).unwrap()).await;
    let forge = forge(&server);
    let found = forge.git_credentials(&project("zoo/gitops")).await.unwrap();
    assert_eq!(found, Some(Credentials::Token(Secret::new("ghs_zoo_0"))));
    assert_eq!(forge.git_credentials(&project("zoo/gitops")).await.unwrap(), found);
    let fixed = crate::forge(ForgeKind::GitHub, &server);
    assert_eq!(fixed.git_credentials(&project("zoo/gitops")).await.unwrap(), None);
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_renewed_once_for_reading_and_writing() {
    let given = AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        installations(seen, &given, 3600).unwrap_or_else(|| {
            match (seen.header("authorization"), seen.method.as_str()) {
                ("Bearer ghs_acme_0" | "Bearer ghs_acme_2", _) => reply(401, r#"{"message":"Bad credentials"}"#),
                (_, "GET") => reply(200, "[]"),
                (_, _) => reply(201, github::pull(7, "repin/web")),
            }
        })
    })
    .await;
    let acme = project("acme/gitops");
    assert_eq!(forge(&server).open_pulls(&acme, "repin/").await.unwrap(), []);
    let new = NewPullRequest {
        head: "repin/web".parse().unwrap(),
        base: "main".parse().unwrap(),
        title: "web".to_owned(),
        body: String::new(),
        is_draft: false,
    };
    let before = server.lines().len();
    let writing = forge(&server);
    assert_eq!(writing.open(&acme, &new).await.unwrap().number, 7);
    let after: Vec<String> = server.lines().split_off(before);
    let pulls = after.iter().filter(|line| *line == "POST /api/v3/repos/acme/gitops/pulls").count();
    assert_eq!((pulls, after.len()), (2, 6), "{after:?}");
}

#[tokio::test]
async fn a_forge_that_takes_no_token_is_asked_twice_and_no_more() {
    let given = AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        installations(seen, &given, 3600).unwrap_or_else(|| reply(401, r#"{"message":"Bad credentials"}"#))
    })
    .await;
    let error = forge(&server).open_pulls(&project("acme/gitops"), "repin/").await.unwrap_err();
    assert_eq!(error.code(), "forge/unauthorized");
    assert_eq!(server.lines().iter().filter(|line| line.contains("/pulls")).count(), 2);
}

#[tokio::test]
async fn an_app_that_is_not_installed_is_told_so_and_others_go_on() {
    let given = AtomicUsize::new(0);
    let server = Server::start(move |seen| installations(seen, &given, 3600).unwrap_or_else(|| reply(200, "[]"))).await;
    let forge = forge(&server);
    let error = forge.open_pulls(&project("else/gitops"), "repin/").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "forge 127.0.0.1 else/gitops does not know the project, or the account may not see it: 404 (the App is not installed for it)"
    );
    assert_eq!(forge.open_pulls(&project("acme/gitops"), "repin/").await.unwrap(), []);
}

#[tokio::test]
async fn neither_proof_nor_token_is_shown() {
    let given = AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        let sent = seen.header("authorization").to_owned();
        match installations(seen, &given, 3600) {
            Some(answer) if seen.target.contains("/acme/") || seen.method == "POST" => answer,
            _ => reply(400, json!({"message": format!("you sent {sent}")})),
        }
    })
    .await;
    let forge = forge(&server);
    for name in ["acme/gitops", "zoo/gitops"] {
        let error = forge.open_pulls(&project(name), "repin/").await.unwrap_err();
        let sent = server.seen().last().unwrap().header("authorization").to_owned();
        let secret = sent.strip_prefix("Bearer ").unwrap();
        assert!(secret.len() > 5 && !format!("{error} {error:?}").contains(&secret[..20.min(secret.len())]), "{error}");
        assert!(error.to_string().contains("you sent Bearer ***"), "{error}");
    }
}

#[tokio::test]
async fn an_app_has_the_name_and_the_addresses_of_its_bot() {
    let given = AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        installations(seen, &given, 3600).unwrap_or_else(|| match seen.target.as_str() {
            "/api/v3/app" if is_proven(seen) => reply(200, r#"{"slug":"repin-acme"}"#),
            "/api/v3/users/repin-acme[bot]" | "/api/v3/users/repin-acme%5Bbot%5D" => {
                reply(200, r#"{"id":99,"login":"repin-acme[bot]"}"#)
            }
            _ => reply(404, "{}"),
        })
    })
    .await;
    let forge = forge(&server);
    let identity = forge.identity(&project("acme/gitops")).await.unwrap();
    assert_eq!(identity.login, "repin-acme[bot]");
    assert!(identity.emails.contains("99+repin-acme[bot]@users.noreply.git.example.com"), "{identity:?}");
    let before = server.lines().len();
    forge.identity(&project("acme/gitops")).await.unwrap();
    assert_eq!(server.lines().len(), before);
}
