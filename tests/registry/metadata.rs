use std::sync::Arc;

use repin::model::metadata::{Built, Created, Metadata, Needs, Platform};
use repin::model::names::Digest;
use repin::registry::{Last, Limits, RegistryError};
use serde_json::json;

use crate::fake::{Behaviour, FakeRegistry, Image, OCI_MANIFEST};
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
    registries(fake).describe(&image(fake, "acme/web"), &digest.into(), needs, None).await
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
    let all = registries(&fake).describe(&name, &digest.into(), &dates(), Some(&known)).await.unwrap().unwrap();
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
    let error = small.describe(&image(&fake, "acme/web"), &digest.into(), &dates(), None).await.unwrap_err();
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
    let error = with_password(&fake).describe(&name, &digest.clone().into(), &dates(), None).await.unwrap_err();
    assert_error(&error, "registry/untrusted-url", &["redirect", &elsewhere.host()], "");
    assert_eq!(elsewhere.requests(), []);
    // To another path of itself it may.
    fake.clear("acme/web");
    fake.set("acme/web", Behaviour::BlobsRedirect("/v2/acme/store/blobs".to_owned()));
    fake.push("acme/store", "1.0.0", &Image::built(JANUARY));
    let found = with_password(&fake).describe(&name, &digest.clone().into(), &dates(), None).await.unwrap();
    assert_eq!(found.unwrap().built(&[]), at(JANUARY));
}

/// How a tag is looked at: `METHOD` of each request, and what is told of it.
async fn opened(
    fake: &FakeRegistry,
    last: Option<Last<'_>>,
) -> (String, Result<Option<String>, String>, Option<String>) {
    fake.forget_requests();
    let found = registries(fake).open_tag(&image(fake, "acme/web"), &"1.0.0".parse().unwrap(), last).await;
    let etag = found.as_ref().ok().and_then(Option::as_ref).and_then(|named| named.etag.clone());
    let digest = found.map(|named| named.map(|named| named.digest.to_string())).map_err(|error| error.to_string());
    let methods: Vec<String> = fake.requests().into_iter().map(|seen| seen.method).collect();
    (methods.join(" "), digest, etag)
}

#[tokio::test]
async fn a_new_tag_is_read_and_a_known_one_is_only_compared() {
    let other: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
    for (behaviours, cold, warm, moved) in [
        (vec![], "GET", "HEAD", "HEAD"),
        (vec![Behaviour::NoHead], "GET", "HEAD GET", "HEAD GET"),
        (vec![Behaviour::NoDigestHeader], "GET", "HEAD GET", "HEAD GET"),
        (vec![Behaviour::NoDigestHeader, Behaviour::ETag], "GET", "HEAD GET", "HEAD GET"),
        (vec![Behaviour::NoHead, Behaviour::ETag], "GET", "HEAD GET", "HEAD GET"),
    ] {
        let fake = FakeRegistry::start();
        fake.push("acme/web", "1.0.0", &Image::built(JANUARY));
        behaviours.iter().for_each(|behaviour| fake.set("acme/web", behaviour.clone()));
        let name = fake.digest("acme/web", "1.0.0");
        let digest: Digest = name.parse().unwrap();
        let has_etag = behaviours.iter().any(|behaviour| matches!(behaviour, Behaviour::ETag));
        let etag = has_etag.then(|| format!("\"of-{name}\""));
        let found = Ok(Some(name.clone()));
        let expected = |methods: &str| (methods.to_owned(), found.clone(), etag.clone());
        assert_eq!(opened(&fake, None).await, expected(cold), "{behaviours:?}");
        let last = Last { digest: &digest, etag: etag.as_deref() };
        assert_eq!(opened(&fake, Some(last)).await, expected(warm), "{behaviours:?}");
        let last = Last { digest: &other, etag: Some("\"of-another\"") };
        assert_eq!(opened(&fake, Some(last)).await, expected(moved), "{behaviours:?}");
        // What did not change is answered without a body, and then the digest is the one that was known.
        let last = Last { digest: &other, etag: etag.as_deref() };
        let (_, found, _) = opened(&fake, Some(last)).await;
        let expected = if has_etag { other.to_string() } else { name };
        assert_eq!(found, Ok(Some(expected)), "{behaviours:?}");
        fake.remove("acme/web", "1.0.0");
        assert_eq!(opened(&fake, None).await.1, Ok(None));
        assert_eq!(opened(&fake, Some(last)).await.1, Ok(None));
    }
}

#[tokio::test]
async fn a_tag_whose_bytes_are_not_what_the_registry_says_is_an_error() {
    let other = format!("sha256:{}", "a".repeat(64));
    let manifest = |kind: &str, digest: Option<&str>, body: &str| {
        let mut headers = vec![("content-type", kind.to_owned())];
        headers.extend(digest.map(|digest| ("docker-content-digest", digest.to_owned())));
        Behaviour::Manifest(200, headers, body.into())
    };
    for (behaviour, expected) in [
        (manifest(OCI_MANIFEST, Some(&other), "{}"), "the registry says sha256:aaaa"),
        (manifest(OCI_MANIFEST, None, "ok"), "no manifest in JSON"),
        (manifest("text/html", None, "{}"), "HTML"),
        (manifest("application/json", None, "<p>"), "HTML"),
        (manifest(OCI_MANIFEST, None, r#"{"schemaVersion":2}"#), "no `config`"),
        (Behaviour::ManifestFails("1.0.0".into(), 503), "503"),
        (Behaviour::ManifestFails("1.0.0".into(), 304), "304"),
        (Behaviour::RateLimited("3"), "429"),
    ] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0"]);
        fake.set("acme/web", behaviour);
        let error = opened(&fake, None).await.1.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn of_schema_1_nothing_is_read_and_no_digest_is_checked() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let headers = vec![("content-type", kind.to_owned()), ("docker-content-digest", digest.clone())];
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    fake.set("acme/web", Behaviour::Manifest(200, headers, br#"{"schemaVersion":1,"history":[]}"#.to_vec()));
    let name = image(&fake, "acme/web");
    let client = registries(&fake);
    let named = client.open_tag(&name, &"1.0.0".parse().unwrap(), None).await.unwrap().unwrap();
    assert_eq!(named.digest.as_str(), digest);
    for named in [named.clone(), named.digest.into()] {
        let found = client.describe(&name, &named, &dates(), None).await.unwrap();
        assert_eq!(found, Some(Metadata::Foreign(kind.to_owned())));
    }
}

#[tokio::test]
async fn labels_say_where_an_image_comes_from_and_a_strange_one_makes_no_image_unreadable() {
    for (labels, source) in [
        (
            json!({"org.opencontainers.image.source": "https://git.example/acme/web"}),
            Some("https://git.example/acme/web"),
        ),
        (json!({"org.opencontainers.image.source": 7, "maintainer": null}), None),
        (json!(["org.opencontainers.image.source"]), None),
        (json!(null), None),
    ] {
        let fake = FakeRegistry::start();
        let pushed = Image { labels: labels.clone(), ..Image::built(JANUARY) };
        let found = describe(&fake, &pushed, &dates()).await.unwrap().unwrap();
        let Metadata::Image(builds) = found else { panic!("no image") };
        assert_eq!(builds[0].labels.source.as_deref(), source, "{labels}");
        assert_eq!(builds[0].created, Created::At(JANUARY.parse().unwrap()), "{labels}");
    }
}
