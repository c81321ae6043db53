//! Credentials that are exchanged for a token, and where they go.

use std::time::Duration;

use repin::credentials::Credentials;
use repin::diagnostic::Diagnostic;
use repin::registry::{Limits, Options, Registries, RegistryOptions};
use repin::secret::Secret;

use crate::fake::{Behaviour, FakeRegistry};
use crate::{CANARY, assert_error, image, settings, tags, with_limits};

fn guarded(tags: &[&str], login: Behaviour) -> FakeRegistry {
    let fake = FakeRegistry::start();
    for repository in ["acme/web", "acme/api", "acme/job", "acme/cron", "acme/ui"] {
        fake.publish(repository, tags);
        fake.set(repository, Behaviour::Bearer(None));
        fake.set(repository, login.clone());
    }
    fake
}

fn with(fake: &FakeRegistry, credentials: Credentials) -> Registries {
    with_limits(RegistryOptions { login: credentials.into(), ..settings(fake) }, Limits::default())
}

fn password(text: &str) -> Credentials {
    Credentials::Basic { username: "robot".to_owned(), password: Secret::new(text) }
}

fn kinds(fake: &FakeRegistry) -> Vec<String> {
    let kind = |seen: &crate::fake::Seen| {
        let (path, _) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let proof = seen.authorization.as_deref().map_or("none", |sent| sent.split(' ').next().unwrap());
        format!("{} {path} {proof}", seen.method)
    };
    fake.requests().iter().map(kind).collect()
}

#[tokio::test]
async fn user_and_password_are_exchanged_where_the_registry_wants_a_token() {
    let fake = guarded(&["1.0.0", "1.1.0"], Behaviour::TokenLogin("robot".to_owned(), CANARY.to_owned()));
    fake.set("acme/web", Behaviour::PageSize(1));
    let registries = with(&fake, password(CANARY));
    assert_eq!(tags(&registries.list_tags(&image(&fake, "acme/web")).await.unwrap()), ["1.0.0", "1.1.0"]);
    registries.list_tags(&image(&fake, "acme/api")).await.unwrap();
    registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert_eq!(
        kinds(&fake),
        [
            "GET /v2/acme/web/tags/list Basic",
            "GET /token Basic",
            "GET /v2/acme/web/tags/list Bearer",
            "GET /v2/acme/web/tags/list Bearer",
            "GET /token Basic",
            "GET /v2/acme/api/tags/list Bearer",
            "GET /v2/acme/web/tags/list Bearer",
            "GET /v2/acme/web/tags/list Bearer",
        ],
        "one refused request for the registry, one token for each scope"
    );
}

#[tokio::test]
async fn a_token_that_is_a_password_elsewhere_is_exchanged_too() {
    let fake = guarded(&["1.0.0"], Behaviour::TokenLogin("x-access-token".to_owned(), CANARY.to_owned()));
    let registries = with(&fake, Credentials::Token(Secret::new(CANARY)));
    registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
    let expected = ["GET /v2/acme/web/tags/list Bearer", "GET /token Basic", "GET /v2/acme/web/tags/list Bearer"];
    assert_eq!(kinds(&fake), expected);
}

#[tokio::test]
async fn an_identity_token_goes_to_the_token_service_only_and_in_the_body() {
    let fake = guarded(&["1.0.0"], Behaviour::TokenRefresh(CANARY.to_owned()));
    let registries = with(&fake, Credentials::IdentityToken(Secret::new(CANARY)));
    registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
    let expected = ["GET /v2/acme/web/tags/list none", "POST /token none", "GET /v2/acme/web/tags/list Bearer"];
    assert_eq!(kinds(&fake), expected);
    for seen in fake.requests() {
        assert!(!seen.path.contains(CANARY) && seen.body.contains(CANARY) == (seen.method == "POST"), "{seen:?}");
    }
}

#[tokio::test]
async fn what_the_token_service_says_of_a_wrong_password_is_shown() {
    let fake = guarded(&["1.0.0"], Behaviour::TokenLogin("robot".to_owned(), "another".to_owned()));
    let registries = with(&fake, password(CANARY));
    let error = registries.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    let said = "its token service says \"incorrect username or password\"";
    let hint = format!("correct `credentials` of `{}`", fake.host());
    assert_error(&error, "registry/unauthorized", &["refused the credentials for `acme/web`", said], &hint);
}

#[tokio::test]
async fn a_password_in_the_words_of_the_token_service_is_not_shown_in_part_either() {
    for before in [0, 90, 110, 119, 190, 199] {
        let words = serde_json::json!({"details": format!("{}{CANARY}", ".".repeat(before))}).to_string();
        let fake = guarded(&["1.0.0"], Behaviour::TokenAnswer(401, words));
        let error = with(&fake, password(CANARY)).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert!(error.to_string().contains("token service says"), "{error}");
        let said = error.to_string();
        assert!(!(1..CANARY.len()).any(|part| said.contains(&format!(".{}\"", &CANARY[..part]))), "{said}");
        assert!(!said.contains(CANARY), "{said}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_not_sent_again_and_again() {
    let fake = guarded(&["1.0.0"], Behaviour::TokenLogin("robot".to_owned(), "another".to_owned()));
    let registries = with(&fake, password(CANARY));
    for round in 1..=3 {
        registries.begin_cycle();
        for repository in ["acme/web", "acme/api", "acme/job", "acme/cron", "acme/ui"] {
            let error = registries.list_tags(&image(&fake, repository)).await.unwrap_err();
            assert_error(&error, "registry/unauthorized", &[repository], "correct `credentials`");
        }
        let asked = fake.requests().iter().filter(|seen| seen.path.starts_with("/token")).count();
        assert_eq!(asked, 2 + round, "three times at first, then once in each cycle");
    }
    // Who took them before is asked for every image: there a refusal is about the image.
    let fake = guarded(&["1.0.0"], Behaviour::TokenLogin("robot".to_owned(), "another".to_owned()));
    fake.clear("acme/web");
    fake.set("acme/web", Behaviour::Bearer(None));
    let registries = with(&fake, password(CANARY));
    registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
    for repository in ["acme/api", "acme/job", "acme/cron", "acme/ui"] {
        registries.list_tags(&image(&fake, repository)).await.unwrap_err();
    }
    assert_eq!(fake.requests().iter().filter(|seen| seen.path.starts_with("/token")).count(), 5);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_without_a_refused_request() {
    let fake = guarded(&["1.0.0"], Behaviour::TokenLogin("robot".to_owned(), CANARY.to_owned()));
    fake.set("acme/web", Behaviour::TokenLife(1));
    let registries = with(&fake, password(CANARY));
    registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
    // Not a wait for something to happen: the life of a token is what is told here.
    tokio::time::sleep(Duration::from_millis(800)).await;
    fake.forget_requests();
    registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert_eq!(kinds(&fake), ["GET /token Basic", "GET /v2/acme/web/tags/list Bearer"]);
}

#[tokio::test]
async fn a_change_of_other_settings_keeps_tokens_and_a_change_of_the_password_does_not() {
    let fake = guarded(&["1.0.0"], Behaviour::TokenLogin("robot".to_owned(), CANARY.to_owned()));
    let options = |secret: &str, more: Vec<RegistryOptions>| {
        let own = RegistryOptions { login: password(secret).into(), ..settings(&fake) };
        Options { registries: [vec![own], more].concat(), ..Options::default() }
    };
    let first = Registries::new(options(CANARY, vec![])).unwrap();
    first.list_tags(&image(&fake, "acme/web")).await.unwrap();
    fake.forget_requests();
    let other = RegistryOptions { host: "registry.example.com".to_owned(), ..RegistryOptions::default() };
    let second = first.renewed(options(CANARY, vec![other])).unwrap();
    second.list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert_eq!(kinds(&fake), ["GET /v2/acme/web/tags/list Bearer"]);
    let third = second.renewed(options("wrong", vec![])).unwrap();
    let error = third.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_eq!(error.code(), "registry/unauthorized");
}

#[tokio::test]
async fn a_token_service_elsewhere_is_asked_only_if_the_operator_named_it() {
    let service = FakeRegistry::start();
    service.publish("acme/web", &[]);
    service.set("acme/web", Behaviour::TokenAnswer(200, r#"{"token":"from elsewhere"}"#.replace(' ', "-")));
    // The same address under another name is another host.
    let origin = format!("http://localhost:{}", service.host().rsplit_once(':').unwrap().1);
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    fake.set("acme/web", Behaviour::Bearer(Some(format!("{origin}/token?kept=yes"))));
    let named = RegistryOptions {
        login: password(CANARY).into(),
        token_service: Some(origin.parse().unwrap()),
        ..settings(&fake)
    };
    let error = with_limits(named.clone(), Limits::default()).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_error(&error, "registry/unauthorized", &["acme/web"], "correct `credentials`");
    assert_eq!(kinds(&service), ["GET /token Basic"]);
    service.forget_requests();
    let unnamed = RegistryOptions { token_service: None, ..named };
    let error = with_limits(unnamed, Limits::default()).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_error(&error, "registry/untrusted-url", &["token realm", &origin], "`token_service`");
    assert_eq!(service.requests(), []);
}
