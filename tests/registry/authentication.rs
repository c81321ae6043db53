use std::sync::Arc;

use repin::credentials::Credentials;
use repin::diagnostic::Diagnostic;
use repin::registry::{Limits, Options, PullSecretOptions, Registries, RegistryOptions};
use repin::secret::Secret;

use crate::fake::{Behaviour, FakeRegistry};
use crate::{CANARY, assert_error, image, impatient, registries, settings, tags, with_limits, with_password};

fn basic(user: &str) -> Behaviour {
    Behaviour::Basic(user.to_owned(), CANARY.to_owned())
}

fn token_requests(fake: &FakeRegistry) -> usize {
    fake.requests().iter().filter(|request| request.path.starts_with("/token")).count()
}

#[tokio::test]
async fn configured_credentials_are_sent_with_every_request() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0", "1.1.0"]);
    fake.set("acme/web", basic("robot"));
    fake.set("acme/web", Behaviour::PageSize(1));
    let registries = with_password(&fake);
    let listing = registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert_eq!(tags(&listing), ["1.0.0", "1.1.0"]);
    let digest = registries.resolve_tag(&image(&fake, "acme/web"), &listing.tags.to_vec()[0]).await.unwrap().unwrap();
    assert_eq!(digest.as_str(), fake.digest("acme/web", "1.0.0"));
    let seen = fake.requests();
    assert_eq!(seen.len(), 3, "no request is made first without them");
    let version = concat!("repin/", env!("CARGO_PKG_VERSION"));
    assert!(seen.iter().all(|request| request.authorization.is_some() && request.user_agent == version));
}

#[tokio::test]
async fn refused_credentials_say_which_setting_to_correct() {
    let fake = FakeRegistry::start();
    fake.set("acme/web", basic("somebody-else"));
    let error = with_password(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    let hint = format!("correct `credentials` of `{}`", fake.host());
    assert_error(&error, "registry/unauthorized", &[&fake.host(), "refused the credentials for `acme/web`"], &hint);

    let error = registries(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    let hint = format!("set `credentials` of `{}`", fake.host());
    assert_error(
        &error,
        "registry/unauthorized",
        &["refused anonymous access for `acme/web`: 401 UNAUTHORIZED"],
        &hint,
    );

    fake.set("acme/web", Behaviour::Status(403, "DENIED"));
    let error = with_password(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_error(&error, "registry/forbidden", &["forbids the credentials to read `acme/web`: 403"], "pull access");
}

#[tokio::test]
async fn an_anonymous_token_is_fetched_once_for_each_repository() {
    let fake = FakeRegistry::start();
    for repository in ["acme/web", "acme/api"] {
        fake.publish(repository, &["1.0.0", "1.1.0"]);
        fake.set(repository, Behaviour::Bearer(None));
        fake.set(repository, Behaviour::PageSize(1));
    }
    let registries = registries(&fake);
    for _ in 0..3 {
        for repository in ["acme/web", "acme/api"] {
            let listing = registries.list_tags(&image(&fake, repository)).await.unwrap();
            assert_eq!(tags(&listing), ["1.0.0", "1.1.0"]);
        }
    }
    let seen = fake.requests();
    assert_eq!(token_requests(&fake), 2);
    let refused = seen.iter().filter(|request| request.authorization.is_none() && request.path.starts_with("/v2/"));
    assert_eq!(refused.count(), 1, "only the very first request of all goes without a token");
    assert!(seen.iter().filter(|request| request.path.starts_with("/token")).all(|r| r.authorization.is_none()));
}

#[tokio::test]
async fn many_requests_at_once_share_one_token() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    fake.set("acme/web", Behaviour::Bearer(None));
    let registries = Arc::new(registries(&fake));
    for round in 1..=2 {
        let name = image(&fake, "acme/web");
        let all: Vec<_> = (0..20)
            .map(|_| {
                let (registries, name) = (registries.clone(), name.clone());
                tokio::spawn(async move { registries.list_tags(&name).await })
            })
            .collect();
        for one in all {
            one.await.unwrap().unwrap();
        }
        assert_eq!(token_requests(&fake), round, "and one more after it was revoked");
        fake.revoke_tokens();
    }
}

#[tokio::test]
async fn a_token_that_is_never_accepted_is_renewed_once_only() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    fake.set("acme/web", Behaviour::Bearer(None));
    fake.set("acme/web", Behaviour::TokenAnswer(200, r#"{"token":"wrong"}"#.to_owned()));
    let error = registries(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_error(&error, "registry/unauthorized", &["anonymous access", "acme/web"], "set `credentials`");
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_token_service_that_fails_is_named() {
    for (status, body, code, message) in [
        (200, "<html>", "registry/server-error", "the token service of registry"),
        (200, r#"{"token":"a\nb"}"#, "registry/server-error", "without a token"),
        (401, "{}", "registry/unauthorized", "refused anonymous access"),
        (403, "{}", "registry/forbidden", "forbids anonymous access"),
        (404, "{}", "registry/server-error", "404"),
        (429, "{}", "registry/rate-limited", "429"),
        (500, "{}", "registry/server-error", "500"),
    ] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0"]);
        fake.set("acme/web", Behaviour::Bearer(None));
        fake.set("acme/web", Behaviour::TokenAnswer(status, body.to_owned()));
        let registries = with_limits(settings(&fake), impatient());
        let error = registries.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert_error(&error, code, &[&fake.host(), "acme/web", message], "");
    }
}

#[tokio::test]
async fn a_realm_elsewhere_is_not_asked() {
    let stranger = FakeRegistry::start();
    let port = stranger.host().split_once(':').unwrap().1.to_owned();
    for (realm, place) in [
        (format!("http://localhost:{port}/token"), format!("http://localhost:{port}")),
        (format!("http://127.0.0.2:{port}/token"), format!("http://127.0.0.2:{port}")),
        (format!("http://[::1]:{port}/token"), format!("http://[::1]:{port}")),
        ("https://auth.evil.example/token".to_owned(), "https://auth.evil.example".to_owned()),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "http://169.254.169.254".to_owned()),
        (format!("http://robot:x@127.0.0.1:{port}/token"), format!("http://127.0.0.1:{port}")),
        ("file:///etc/passwd".to_owned(), "file://".to_owned()),
    ] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0"]);
        fake.set("acme/web", Behaviour::Bearer(Some(realm)));
        let error = registries(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert_error(&error, "registry/untrusted-url", &["token realm", "acme/web", &place], "token_service");
        assert_eq!(fake.requests().len(), 1);
    }
    assert_eq!(stranger.requests(), []);
}

#[tokio::test]
async fn a_realm_that_is_no_url_is_an_error() {
    let fake = FakeRegistry::start();
    fake.set("acme/web", Behaviour::Bearer(Some("/token".to_owned())));
    let error = registries(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_error(&error, "registry/unauthorized", &["acme/web", "realm is no URL"], "set `credentials`");
}

#[tokio::test]
async fn a_configured_token_is_sent_as_it_is() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    let token = RegistryOptions { login: Credentials::Token(Secret::new(CANARY)).into(), ..settings(&fake) };
    assert!(!format!("{token:?}").contains(CANARY));
    with_limits(token, Limits::default()).list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert_eq!(fake.requests()[0].authorization.as_deref(), Some(format!("Bearer {CANARY}").as_str()));
}

#[tokio::test]
async fn the_password_of_one_registry_is_not_sent_to_another() {
    let (one, other) = (FakeRegistry::start(), FakeRegistry::start());
    other.publish("acme/web", &["1.0.0"]);
    let credentials = Credentials::Basic { username: "robot".to_owned(), password: Secret::new(CANARY) };
    let registries = repin::registry::Registries::new(repin::registry::Options {
        registries: vec![RegistryOptions { login: credentials.into(), ..settings(&one) }, settings(&other)],
        ..repin::registry::Options::default()
    })
    .unwrap();
    registries.list_tags(&image(&other, "acme/web")).await.unwrap();
    assert!(other.requests().iter().all(|request| request.authorization.is_none()));
}

#[tokio::test]
async fn a_pull_secret_is_sent_only_to_its_host_and_for_images_that_name_it() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    fake.publish("acme/open", &["2.0.0"]);
    fake.set("acme/web", basic("puller"));
    let other = FakeRegistry::start();
    other.publish("acme/web", &["3.0.0"]);
    let credentials = Credentials::Basic { username: "puller".to_owned(), password: Secret::new(CANARY) };
    let secret = PullSecretOptions { name: "harbor".into(), registries: vec![fake.host()], login: credentials.into() };
    let options = Options {
        registries: vec![settings(&fake), settings(&other)],
        pull_secrets: vec![secret],
        ..Options::default()
    };
    let registries = Registries::new(options).unwrap();
    let plain = image(&fake, "acme/web");
    let asked = plain.with_pull_secret("harbor");

    let listing = registries.list_tags(&asked).await.unwrap();
    assert_eq!(tags(&listing), ["1.0.0"]);
    assert!(registries.resolve_tag(&asked, &listing.tags.to_vec()[0]).await.unwrap().is_some());
    assert!(fake.requests().iter().all(|request| request.authorization.is_some()));
    fake.forget_requests();

    // The same image without it is asked as anybody would, and so is everything else.
    let error = registries.list_tags(&plain).await.unwrap_err();
    assert_error(&error, "registry/unauthorized", &["refused anonymous access"], "set `credentials`");
    registries.list_tags(&image(&fake, "acme/open")).await.unwrap();
    registries.list_tags(&image(&other, "acme/web")).await.unwrap();
    assert!(fake.requests().iter().chain(&other.requests()).all(|request| request.authorization.is_none()));
    other.forget_requests();

    // Where it is not bound to, or where there is none of the name, nothing is sent.
    for image in [image(&other, "acme/web").with_pull_secret("harbor"), plain.with_pull_secret("typo")] {
        assert_eq!(registries.list_tags(&image).await.unwrap_err().code(), "registry/unconfigured");
    }
    assert_eq!(other.requests().len(), 0);

    fake.set("acme/web", basic("somebody-else"));
    let error = registries.list_tags(&asked).await.unwrap_err();
    assert_error(&error, "registry/unauthorized", &["refused the credentials"], "correct the pull secret `harbor`");
    assert!(registries.requests() > 5, "all requests count");
}
