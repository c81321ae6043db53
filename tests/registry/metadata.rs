use std::sync::Arc;

use repin::model::metadata::{Built, Metadata, Needs, Platform};
use repin::model::names::Digest;
use repin::registry::{Limits, RegistryError};

use crate::fake::{Behaviour, FakeRegistry, Image};
use crate::{assert_error, image, registries, settings, with_limits, with_password};

const JANUARY: &str = "2026-01-01T00:00:00Z";
const MAY: &str = "2026-05-01T00:00:00Z";

fn needs(created: bool, platforms: &[&str]) -> Needs {
    Needs { created, platforms: platforms.iter().map(|one| one.parse().unwrap()).collect() }
}

fn dates() -> Needs {
    needs(true, &[])
}

/// Pushes an image and describes it.
async fn describe(fake: &FakeRegistry, pushed: &Image, needs: &Needs) -> Result<Option<Metadata>, RegistryError> {
    fake.push("acme/web", "1.0.0", pushed);
    let digest: Digest = fake.digest("acme/web", "1.0.0").parse().unwrap();
    fake.forget_requests();
    registries(fake).describe(&image(fake, "acme/web"), &digest, needs, None).await
}

fn at(text: &str) -> Built {
    Built::At(text.parse().unwrap())
}

#[tokio::test]
async fn an_image_says_its_platforms_and_when_it_was_built() {
    let both = Image::index(&["linux/amd64 2026-01-01T00:00:00Z", "linux/arm64/v8 2026-05-01T00:00:00Z"]);
    for (pushed, needs, wanted, built, requests) in [
        (Image::built(JANUARY), dates(), "linux/amd64", at(JANUARY), 2),
        (Image::built(JANUARY), needs(false, &[]), "linux/amd64", at(JANUARY), 2),
        (both.clone(), dates(), "linux/amd64 linux/arm64", at(MAY), 5),
        (both.clone(), needs(true, &["linux/amd64"]), "linux/amd64", at(JANUARY), 3),
        // Platforms alone stand in the index.
        (both, needs(false, &[]), "linux/arm64", Built::Unsaid, 1),
        (Image::index(&["linux/amd64"]), dates(), "linux/amd64", Built::Unsaid, 3),
        (Image::built("yesterday"), dates(), "linux/amd64", Built::Unsaid, 2),
        (
            Image::built("1970-01-01T00:00:00Z"),
            dates(),
            "linux/amd64",
            Built::Unusable("1970-01-01T00:00:00Z".parse().unwrap()),
            2,
        ),
    ] {
        let fake = FakeRegistry::start();
        let found = describe(&fake, &pushed, &needs).await.unwrap().unwrap();
        let wanted: Vec<Platform> = wanted.split(' ').map(|one| one.parse().unwrap()).collect();
        assert_eq!(found.lacks(&wanted), [], "{pushed:?}");
        assert_eq!(found.built(&wanted), built, "{pushed:?}");
        assert!(found.is_enough(&needs));
        assert_eq!(fake.requests().len(), requests, "{pushed:?} {needs:?}");
    }
}

#[tokio::test]
async fn what_is_known_is_not_asked_again() {
    let fake = FakeRegistry::start();
    let both = Image::index(&["linux/amd64 2026-01-01T00:00:00Z", "linux/arm64 2026-05-01T00:00:00Z"]);
    let known = describe(&fake, &both, &needs(true, &["linux/amd64"])).await.unwrap().unwrap();
    assert!(!known.is_enough(&dates()));
    fake.forget_requests();
    let digest: Digest = fake.digest("acme/web", "1.0.0").parse().unwrap();
    let name = image(&fake, "acme/web");
    let all = registries(&fake).describe(&name, &digest, &dates(), Some(&known)).await.unwrap().unwrap();
    assert_eq!((all.built(&[]), fake.requests().len()), (at(MAY), 2));
    let kept = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Metadata>(&kept).unwrap(), all);
}

#[tokio::test]
async fn what_is_no_image_is_an_answer() {
    for config in ["application/vnd.cncf.helm.config.v1+json", "application/vnd.oci.empty.v1+json", ""] {
        let fake = FakeRegistry::start();
        let chart = Image { config: config.to_owned(), ..Image::built(JANUARY) };
        let found = describe(&fake, &chart, &dates()).await.unwrap();
        assert_eq!(found, Some(Metadata::Foreign(config.to_owned())));
    }
}

#[tokio::test]
async fn a_part_that_is_gone_is_a_gone_image_and_any_other_failure_is_an_error() {
    let two = Image::index(&["linux/amd64 2026-01-01T00:00:00Z", "linux/arm64 2026-05-01T00:00:00Z"]);
    let (named, parts) = two.parts();
    for (digest, _) in &parts {
        let fake = FakeRegistry::start();
        fake.set("acme/web", Behaviour::PartMissing(digest.clone()));
        assert_eq!(describe(&fake, &two, &dates()).await, Ok(None), "{digest} of {named}");
    }
    for (behaviour, code) in [
        (Behaviour::BlobsFail(503), "registry/server-error"),
        (Behaviour::BlobsFail(403), "registry/forbidden"),
        (Behaviour::BlobsFail(401), "registry/unauthorized"),
        (Behaviour::Status(503, "UNAVAILABLE"), "registry/server-error"),
        (Behaviour::RateLimited("3"), "registry/rate-limited"),
    ] {
        let fake = FakeRegistry::start();
        fake.set("acme/web", behaviour);
        let error = describe(&fake, &two, &dates()).await.unwrap_err();
        assert_error(&error, code, &[&fake.host(), "acme/web"], "");
    }
}

#[tokio::test]
async fn bytes_that_do_not_have_their_digest_are_never_believed() {
    let two = Image::index(&["linux/amd64 2026-01-01T00:00:00Z"]);
    for (digest, part) in two.parts().1 {
        let fake = FakeRegistry::start();
        let other = String::from_utf8(part.body).unwrap().replace("2026", "2030") + " ";
        fake.set("acme/web", Behaviour::PartChanged(digest.clone(), other));
        let error = describe(&fake, &two, &dates()).await.unwrap_err();
        assert_error(&error, "registry/bad-manifest", &[&digest, "its bytes are sha256:"], "");
    }
}

#[tokio::test]
async fn an_index_without_end_and_a_configuration_without_end_are_refused() {
    let names: Vec<String> = (0..65).map(|n| format!("linux/a{n} 2026-01-01T00:00:00Z")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fake = FakeRegistry::start();
    let error = describe(&fake, &Image::index(&names), &dates()).await.unwrap_err();
    assert_error(&error, "registry/bad-manifest", &["65 platforms, and at most 64"], "");
    assert_eq!(fake.requests().len(), 1);
    let fake = FakeRegistry::start();
    fake.push("acme/web", "1.0.0", &Image::built(JANUARY).marked(&"x".repeat(5_000)));
    let digest: Digest = fake.digest("acme/web", "1.0.0").parse().unwrap();
    let small = with_limits(settings(&fake), Limits { bytes_per_manifest: 4_000, ..Limits::default() });
    let error = small.describe(&image(&fake, "acme/web"), &digest, &dates(), None).await.unwrap_err();
    assert_error(&error, "registry/too-large", &["more than 4000 bytes"], "");
}

#[tokio::test]
async fn blobs_may_be_kept_elsewhere_and_no_password_goes_there() {
    let elsewhere = Arc::new(FakeRegistry::start());
    let fake = FakeRegistry::start();
    // Another host of a private network is none that a registry may send us to.
    fake.set("acme/web", Behaviour::BlobsRedirect(format!("http://{}/v2/acme/web/blobs", elsewhere.host())));
    fake.push("acme/web", "1.0.0", &Image::built(JANUARY));
    let digest: Digest = fake.digest("acme/web", "1.0.0").parse().unwrap();
    let name = image(&fake, "acme/web");
    let error = with_password(&fake).describe(&name, &digest, &dates(), None).await.unwrap_err();
    assert_error(&error, "registry/untrusted-url", &["redirect", &elsewhere.host()], "");
    assert_eq!(elsewhere.requests(), []);
    // To another path of itself it may.
    fake.clear("acme/web");
    fake.set("acme/web", Behaviour::BlobsRedirect("/v2/acme/store/blobs".to_owned()));
    fake.push("acme/store", "1.0.0", &Image::built(JANUARY));
    let found = with_password(&fake).describe(&name, &digest, &dates(), None).await.unwrap();
    assert_eq!(found.unwrap().built(&[]), at(JANUARY));
}
