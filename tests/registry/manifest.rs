use repin::registry::Limits;

use crate::fake::{Behaviour, FakeRegistry, OCI_MANIFEST};
use crate::{assert_error, image, impatient, registries, settings, with_limits};

const OTHER: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test]
async fn a_tag_is_resolved_to_the_digest_of_its_manifest() {
    for (behaviour, requests) in [
        (Behaviour::IgnoreN, 1),
        (Behaviour::NoHead, 2),
        (Behaviour::NoDigestHeader, 2),
        (Behaviour::Hidden("1.0.0".to_owned()), 1),
        (Behaviour::Redirect("/moved".to_owned()), 2),
        (Behaviour::Bearer(None), 3),
    ] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0", "1.1.0"]);
        fake.set("acme/web", behaviour.clone());
        let digest = registries(&fake).resolve_tag(&image(&fake, "acme/web"), &"1.0.0".parse().unwrap()).await;
        let expected = fake.digest("acme/web", "1.0.0");
        assert_eq!(digest.unwrap().unwrap().as_str(), expected, "{behaviour:?}");
        assert_eq!(fake.requests().len(), requests, "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_tag_that_is_not_there_is_an_answer() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0", "1.1.0"]);
    fake.set("acme/web", Behaviour::ManifestMissing("1.1.0".to_owned()));
    fake.set("acme/web", Behaviour::Hidden("1.0.0".to_owned()));
    let registries = registries(&fake);
    let name = image(&fake, "acme/web");
    let listing = registries.list_tags(&name).await.unwrap();
    assert_eq!(crate::tags(&listing), ["1.1.0"]);
    for (tag, is_there) in [("1.0.0", true), ("1.1.0", false), ("9.9.9", false)] {
        let digest = registries.resolve_tag(&name, &tag.parse().unwrap()).await.unwrap();
        assert_eq!(digest.is_some(), is_there, "{tag}");
    }
    fake.set("acme/web", Behaviour::NoHead);
    assert_eq!(registries.resolve_tag(&name, &"9.9.9".parse().unwrap()).await, Ok(None));
}

#[tokio::test]
async fn what_is_no_manifest_is_an_error_and_never_a_missing_tag() {
    let manifest = |kind: &str, digest: Option<&str>, body: &str| {
        let mut headers = vec![("content-type", kind.to_owned())];
        headers.extend(digest.map(|digest| ("docker-content-digest", digest.to_owned())));
        Behaviour::Manifest(200, headers, body.into())
    };
    let schema2 = r#"{"schemaVersion":2}"#;
    let bad = "registry/bad-manifest";
    for (behaviour, head, code, message) in [
        (manifest("text/html", Some(OTHER), "<html>"), true, bad, "HTML"),
        (manifest("application/json", None, "<html>"), true, bad, "HTML"),
        (manifest(OCI_MANIFEST, None, "ok"), true, bad, "no manifest in JSON"),
        (manifest(OCI_MANIFEST, None, "{}"), true, bad, "no manifest in JSON"),
        (
            manifest("application/vnd.docker.distribution.manifest.v1+json", None, r#"{"schemaVersion":1}"#),
            true,
            bad,
            "`schemaVersion` is 1",
        ),
        (manifest("application/json", None, schema2), true, bad, "media type"),
        (manifest(OCI_MANIFEST, Some(OTHER), schema2), false, bad, "the registry says sha256:aaaa"),
        (manifest(OCI_MANIFEST, Some("sha256:xyz"), ""), true, bad, "no manifest in JSON"),
        (Behaviour::Status(403, "DENIED"), true, "registry/forbidden", "403"),
        (Behaviour::Status(500, "UNKNOWN"), true, "registry/server-error", "500"),
        (Behaviour::RateLimited("3"), true, "registry/rate-limited", "429, try again in 3 s"),
        (Behaviour::Manifest(302, vec![], vec![]), true, "registry/redirect", "to no URL"),
        (Behaviour::Manifest(200, vec![], vec![b' '; 3000]), true, "registry/too-large", "more than 2000 bytes"),
        (
            Behaviour::Redirect("https://evil.example".to_owned()),
            true,
            "registry/untrusted-url",
            "https://evil.example",
        ),
    ] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0"]);
        fake.set("acme/web", behaviour);
        if !head {
            fake.set("acme/web", Behaviour::NoHead);
        }
        let registries = with_limits(settings(&fake), Limits { bytes_per_manifest: 2000, ..impatient() });
        let error = registries.resolve_tag(&image(&fake, "acme/web"), &"1.0.0".parse().unwrap()).await.unwrap_err();
        assert_error(&error, code, &[&fake.host(), "acme/web", message], "");
    }
}
