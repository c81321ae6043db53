//! What a sender says -> the images that were pushed. Reads bodies of senders that have proven to be it.
//!
//! Formats: Docker Hub "Webhooks", GitHub `package` and `registry_package`, Harbor's Default and CloudEvents, Quay
//! "Repository Push", the notifications of CNCF Distribution, and repin's own. A reason never repeats what was sent.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::model::event::Event;
use crate::model::names::{ImageName, Tag};
use crate::model::webhook::{Webhook, WebhookKind};

/// Most pushes that one body may tell of.
const MOST: usize = 500;

const NO_SHAPE: &str = "the body is not the JSON that a sender of this kind sends";
const NO_NAME: &str = "the body names an image or a tag that is none";
const TOO_MANY: &str = "the body tells of more than 500 pushes";

/// What a body tells.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Told {
    /// The pushes.
    pub(super) events: Vec<Event>,
    /// Pushes to other registries than the webhook's.
    pub(super) elsewhere: usize,
    broken: usize,
}

/// Reads a body.
///
/// # Errors
/// Why it is not what this kind of sender sends.
pub(super) fn read(webhook: &Webhook, kind_of_event: Option<&str>, body: &[u8]) -> Result<Told, &'static str> {
    let mut told = Told::default();
    match webhook.kind {
        WebhookKind::DockerHub => {
            let push: DockerHub = json(body)?;
            told.at_own(webhook, &push.repository.repo_name, push.push_data.tag.as_deref());
        }
        WebhookKind::Ghcr => github(webhook, kind_of_event, body, &mut told)?,
        WebhookKind::Harbor => harbor(webhook, body, &mut told)?,
        WebhookKind::Quay => quay(webhook, body, &mut told)?,
        WebhookKind::Gitlab | WebhookKind::Distribution => {
            let envelope: Envelope = json(body)?;
            // Pulls, and pushes of layers and of manifests without a tag.
            let pushes = envelope.events.iter().filter(|event| event.action == "push");
            for target in pushes.filter_map(|event| event.target.as_ref()) {
                if let Some(tag) = target.tag.as_deref().filter(|tag| !tag.is_empty()) {
                    // The host of the request is the one that the pusher used, which may be one inside.
                    told.at_own(webhook, target.repository.as_deref().unwrap_or_default(), Some(tag));
                }
            }
        }
        WebhookKind::Generic => {
            let own: Own = json(body)?;
            if own.image.is_none() && own.images.is_none() {
                return Err(NO_SHAPE);
            }
            for text in own.image.iter().chain(own.images.iter().flatten()) {
                told.reference(webhook, text);
            }
        }
    }
    if told.events.len() > MOST {
        return Err(TOO_MANY);
    }
    if told.events.is_empty() && told.broken > 0 {
        return Err(NO_NAME);
    }
    Ok(told)
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, &'static str> {
    serde_json::from_slice(body).map_err(|_| NO_SHAPE)
}

impl Told {
    /// A push to the webhook's own registry, whatever that is called where the sender stands.
    fn at_own(&mut self, webhook: &Webhook, repository: &str, tag: Option<&str>) {
        let image = webhook.registry.as_deref().map(|host| format!("{host}/{repository}").parse());
        match image {
            Some(Ok(image)) => self.add(webhook, image, tag),
            Some(Err(_)) | None => self.broken += 1,
        }
    }

    /// A push of `registry/repository[:tag][@digest]`.
    fn reference(&mut self, webhook: &Webhook, text: &str) {
        let text = text.split_once('@').map_or(text, |(name, _)| name);
        let path = text.rfind('/').map_or(0, |slash| slash + 1);
        let colon = text.get(path..).and_then(|last| last.find(':')).map(|colon| path + colon);
        let (name, tag) = match colon.and_then(|colon| text.split_at_checked(colon)) {
            Some((name, tag)) => (name, tag.strip_prefix(':')),
            None => (text, None),
        };
        match name.parse() {
            // A digest where a tag stands: nothing was tagged.
            Ok(_) if tag.is_some_and(|tag| tag.contains(':')) => {}
            Ok(image) => self.add(webhook, image, tag),
            Err(_) => self.broken += 1,
        }
    }

    fn add(&mut self, webhook: &Webhook, image: ImageName, tag: Option<&str>) {
        if webhook.registry.as_deref().is_some_and(|host| host != image.registry()) {
            self.elsewhere += 1;
            return;
        }
        match tag.map(str::parse::<Tag>).transpose() {
            Ok(tag) => self.events.push(Event::RegistryPush { image, tag }),
            Err(_) => self.broken += 1,
        }
    }
}

#[derive(Deserialize)]
struct DockerHub {
    push_data: PushData,
    repository: DockerHubRepository,
}

#[derive(Deserialize)]
struct PushData {
    tag: Option<String>,
}

#[derive(Deserialize)]
struct DockerHubRepository {
    repo_name: String,
}

/// `package` and `registry_package` say the same under different names.
#[derive(Deserialize)]
struct GitHub {
    action: Option<String>,
    package: Option<Package>,
    registry_package: Option<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    package_type: String,
    owner: Option<Owner>,
    package_version: Option<PackageVersion>,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

#[derive(Deserialize)]
struct PackageVersion {
    /// `ghcr.io/<owner>/<name>:<tag>`; the `url` of `registry` is a name inside GitHub.
    package_url: Option<String>,
}

fn github(webhook: &Webhook, kind_of_event: Option<&str>, body: &[u8], told: &mut Told) -> Result<(), &'static str> {
    // As the form that GitHub sends unless JSON was chosen.
    let form = url::form_urlencoded::parse(body).next().filter(|(key, _)| key == "payload");
    let event: GitHub = match form {
        Some((_, payload)) => json(payload.as_bytes())?,
        None => json(body)?,
    };
    let Some(package) = event.package.or(event.registry_package) else {
        // Such as the `ping` after a webhook was made.
        let is_other = kind_of_event.is_some_and(|kind| !matches!(kind, "package" | "registry_package"));
        return if is_other { Ok(()) } else { Err(NO_SHAPE) };
    };
    let is_push = matches!(event.action.as_deref(), Some("published" | "updated"));
    if !is_push || !package.package_type.eq_ignore_ascii_case("container") {
        return Ok(());
    }
    let url = package.package_version.and_then(|version| version.package_url).filter(|url| !url.is_empty());
    // What has no tag ends with the colon. GitHub keeps the capitals of an owner, image names have none.
    match (url, package.owner) {
        (Some(url), _) => told.reference(webhook, &lower_case(url.trim_end_matches(':'))),
        (None, Some(owner)) => {
            told.at_own(webhook, &format!("{}/{}", owner.login, package.name).to_ascii_lowercase(), None);
        }
        (None, None) => return Err(NO_SHAPE),
    }
    Ok(())
}

/// Gives an image in lower case, and its tag as it is.
fn lower_case(reference: &str) -> String {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => format!("{}:{tag}", name.to_ascii_lowercase()),
        _ => reference.to_ascii_lowercase(),
    }
}

/// Its own format has the data in `event_data`, that of CloudEvents in `data`.
#[derive(Deserialize)]
struct Harbor {
    r#type: String,
    event_data: Option<HarborData>,
    data: Option<HarborData>,
}

#[derive(Deserialize)]
struct HarborData {
    resources: Option<Vec<HarborResource>>,
    repository: Option<HarborRepository>,
}

#[derive(Deserialize)]
struct HarborResource {
    tag: Option<String>,
    resource_url: Option<String>,
}

#[derive(Deserialize)]
struct HarborRepository {
    repo_full_name: String,
}

fn harbor(webhook: &Webhook, body: &[u8], told: &mut Told) -> Result<(), &'static str> {
    let event: Harbor = json(body)?;
    let data = match event.r#type.as_str() {
        "PUSH_ARTIFACT" => event.event_data,
        "harbor.artifact.pushed" => event.data,
        _ => return Ok(()),
    };
    let data = data.ok_or(NO_SHAPE)?;
    let (repository, resources) = data.repository.zip(data.resources).ok_or(NO_SHAPE)?;
    for resource in resources {
        // A push by digest has that as its tag.
        let Some(tag) = resource.tag.filter(|tag| !tag.is_empty() && !tag.contains(':')) else { continue };
        let place = resource.resource_url.as_deref().map(|url| url.split_once("://").map_or(url, |(_, rest)| rest));
        let said = place.and_then(|place| place.split_once('/')).map(|(host, _)| host.to_ascii_lowercase());
        match said {
            Some(host) if webhook.registry.as_deref() != Some(host.as_str()) => told.elsewhere += 1,
            _ => told.at_own(webhook, &repository.repo_full_name, Some(&tag)),
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Quay {
    docker_url: Option<String>,
    updated_tags: Option<QuayTags>,
}

/// Older ones send the image of each tag as well.
#[derive(Deserialize)]
#[serde(untagged)]
enum QuayTags {
    Names(Vec<String>),
    Images(BTreeMap<String, IgnoredAny>),
}

fn quay(webhook: &Webhook, body: &[u8], told: &mut Told) -> Result<(), &'static str> {
    let push: Quay = json(body)?;
    let image = push.docker_url.ok_or(NO_SHAPE)?;
    // Builds and scans have no `updated_tags`.
    let tags: Vec<String> = match push.updated_tags {
        None => return Ok(()),
        Some(QuayTags::Names(tags)) => tags,
        Some(QuayTags::Images(images)) => images.into_keys().collect(),
    };
    let Ok(image) = image.parse::<ImageName>() else { return Err(NO_NAME) };
    tags.iter().for_each(|tag| told.add(webhook, image.clone(), Some(tag)));
    Ok(())
}

#[derive(Deserialize)]
struct Envelope {
    events: Vec<Notification>,
}

#[derive(Deserialize)]
struct Notification {
    action: String,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    repository: Option<String>,
    tag: Option<String>,
}

#[derive(Deserialize)]
struct Own {
    image: Option<String>,
    images: Option<Vec<String>>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::secret::Secret;

    fn webhook(kind: WebhookKind, registry: &str) -> Webhook {
        let registry = (!registry.is_empty()).then(|| registry.to_owned());
        Webhook { name: "x".into(), kind, secret: Secret::new("s"), registry, requests_per_second: 1.0 }
    }

    /// The pushes as `image:tag`, and how many were of other registries.
    fn told(webhook: &Webhook, event: Option<&str>, body: &str) -> Result<(Vec<String>, usize), &'static str> {
        let told = read(webhook, event, body.as_bytes())?;
        let shown = |Event::RegistryPush { image, tag }: &Event| match tag {
            Some(tag) => format!("{image}:{tag}"),
            None => image.to_string(),
        };
        Ok((told.events.iter().map(shown).collect(), told.elsewhere))
    }

    fn check(kind: WebhookKind, registry: &str, rows: &[(Value, Result<&[&str], &'static str>)]) {
        for (body, expected) in rows {
            let found = told(&webhook(kind, registry), None, &body.to_string());
            let expected = expected.map(|images| (images.iter().map(|image| (*image).to_owned()).collect(), 0));
            assert_eq!(found, expected, "{kind:?} {body}");
        }
    }

    const OTHER: &str = "nothing of another registry";

    /// Who tells of another registry than the webhook's is believed in nothing.
    fn elsewhere(kind: WebhookKind, registry: &str, body: &Value, count: usize) {
        assert_eq!(told(&webhook(kind, registry), None, &body.to_string()), Ok((vec![], count)), "{OTHER}: {body}");
    }

    #[test]
    fn docker_hub_names_no_host() {
        let body = |repository: Value, tag: Value| {
            json!({"callback_url": "https://evil.example/", "push_data": {"pusher": "me", "tag": tag},
                "repository": {"repo_name": repository, "repo_url": "https://evil.example/"}})
        };
        check(
            WebhookKind::DockerHub,
            "docker.io",
            &[
                (body(json!("acme/web"), json!("1.2.0")), Ok(&["docker.io/acme/web:1.2.0"])),
                (body(json!("nginx"), json!("latest")), Ok(&["docker.io/library/nginx:latest"])),
                (body(json!("acme/web"), json!(null)), Ok(&["docker.io/acme/web"])),
                // A host in the place of an owner is an owner.
                (body(json!("ghcr.io/acme/web"), json!("1.0")), Ok(&["docker.io/ghcr.io/acme/web:1.0"])),
                (body(json!("acme/web"), json!("a b")), Err(NO_NAME)),
                (body(json!("acme/../web"), json!("1")), Err(NO_NAME)),
                (body(json!("acme/web:1"), json!("1")), Err(NO_NAME)),
                (body(json!(1), json!("1")), Err(NO_SHAPE)),
                (json!({"push_data": {}}), Err(NO_SHAPE)),
                (json!([]), Err(NO_SHAPE)),
            ],
        );
    }

    #[test]
    fn github_tells_of_packages_under_two_names_and_of_much_else() {
        let package = |action: &str, kind: &str, url: Value| {
            json!({"action": action, "package": {"name": "web", "namespace": "Acme", "package_type": kind,
                "owner": {"login": "Acme"}, "package_version": {"version": "sha256:00", "package_url": url,
                "container_metadata": {"tag": {"name": "1.2.0"}}},
                "registry": {"url": "https://CONTAINER.pkg.github.com/acme"}}})
        };
        let good = package("published", "CONTAINER", json!("ghcr.io/Acme/web:1.2.0-RC"));
        let registry_package = json!({"action": "updated", "registry_package": good["package"]});
        check(
            WebhookKind::Ghcr,
            "ghcr.io",
            &[
                (good.clone(), Ok(&["ghcr.io/acme/web:1.2.0-RC"])),
                (registry_package, Ok(&["ghcr.io/acme/web:1.2.0-RC"])),
                (
                    package("published", "container", json!("ghcr.io/acme/group/web:1")),
                    Ok(&["ghcr.io/acme/group/web:1"]),
                ),
                (package("published", "CONTAINER", json!("ghcr.io/acme/web:")), Ok(&["ghcr.io/acme/web"])),
                (package("published", "CONTAINER", json!(null)), Ok(&["ghcr.io/acme/web"])),
                (package("published", "CONTAINER", json!("ghcr.io/acme/web:sha256:00")), Ok(&[])),
                (package("published", "npm", json!("ghcr.io/acme/web:1")), Ok(&[])),
                (package("deleted", "CONTAINER", json!("ghcr.io/acme/web:1")), Ok(&[])),
                (package("published", "CONTAINER", json!("ghcr.io/:1")), Err(NO_NAME)),
                (json!({"action": "published", "package": {"name": "web"}}), Err(NO_SHAPE)),
                (json!({"zen": "Keep it logically awesome."}), Err(NO_SHAPE)),
            ],
        );
        let ghcr = webhook(WebhookKind::Ghcr, "ghcr.io");
        for event in ["ping", "push"] {
            assert_eq!(told(&ghcr, Some(event), r#"{"zen": "x"}"#), Ok((vec![], 0)), "{event}");
        }
        let form: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &good.to_string()).finish();
        assert_eq!(told(&ghcr, None, &form), Ok((vec!["ghcr.io/acme/web:1.2.0-RC".to_owned()], 0)));
        elsewhere(WebhookKind::Ghcr, "containers.example", &good, 1);
    }

    #[test]
    fn harbor_speaks_two_formats_and_of_many_things() {
        let data = |resources: Value| {
            json!({"resources": resources, "repository": {"name": "web", "namespace": "acme",
                "repo_full_name": "acme/web", "repo_type": "private"}})
        };
        let pushed = json!([
            {"digest": "sha256:00", "tag": "1.2.0", "resource_url": "harbor.example/acme/web:1.2.0"},
            {"digest": "sha256:00", "tag": "sha256:00", "resource_url": "harbor.example/acme/web@sha256:00"},
            {"digest": "sha256:00", "resource_url": "harbor.example/acme/web@sha256:00"},
            {"tag": "1.2", "resource_url": "https://Harbor.example/acme/web:1.2"},
            {"tag": "1"},
        ]);
        let default =
            |kind: &str| json!({"type": kind, "occur_at": 1, "operator": "me", "event_data": data(pushed.clone())});
        let cloud = |kind: &str| {
            json!({"specversion": "1.0", "id": "1", "source": "/projects/2/webhook/policies/15", "type": kind,
                "datacontenttype": "application/json", "operator": "me", "data": data(pushed.clone())})
        };
        let images: &[&str] =
            &["harbor.example/acme/web:1.2.0", "harbor.example/acme/web:1.2", "harbor.example/acme/web:1"];
        check(
            WebhookKind::Harbor,
            "harbor.example",
            &[
                (default("PUSH_ARTIFACT"), Ok(images)),
                (cloud("harbor.artifact.pushed"), Ok(images)),
                (default("PULL_ARTIFACT"), Ok(&[])),
                (cloud("harbor.scan.completed"), Ok(&[])),
                (json!({"type": "QUOTA_EXCEED", "event_data": {"custom_attributes": {}}}), Ok(&[])),
                (json!({"type": "PUSH_ARTIFACT"}), Err(NO_SHAPE)),
                (json!({"type": "PUSH_ARTIFACT", "event_data": {"resources": [{"tag": "1"}]}}), Err(NO_SHAPE)),
                (json!({"event_data": data(pushed.clone())}), Err(NO_SHAPE)),
            ],
        );
        let foreign = json!([{"tag": "1", "resource_url": "evil.example/acme/web:1"}]);
        elsewhere(
            WebhookKind::Harbor,
            "harbor.example",
            &json!({"type": "PUSH_ARTIFACT", "event_data": data(foreign)}),
            1,
        );
    }

    #[test]
    fn quay_tells_of_the_tags_of_one_image() {
        let body = |tags: Value| {
            json!({"name": "web", "repository": "acme/web", "namespace": "acme", "docker_url": "quay.io/acme/web",
                "homepage": "https://quay.io/repository/acme/web", "updated_tags": tags})
        };
        check(
            WebhookKind::Quay,
            "quay.io",
            &[
                (body(json!(["1.2.0", "latest"])), Ok(&["quay.io/acme/web:1.2.0", "quay.io/acme/web:latest"])),
                (body(json!({"latest": "b750fe79269d"})), Ok(&["quay.io/acme/web:latest"])),
                (body(json!(["-", "1.2.0"])), Ok(&["quay.io/acme/web:1.2.0"])),
                (body(json!(["-"])), Err(NO_NAME)),
                (body(json!([])), Ok(&[])),
                (json!({"docker_url": "quay.io/acme/web", "build_id": "1"}), Ok(&[])),
                (json!({"docker_url": "quay.io/ACME", "updated_tags": ["1"]}), Err(NO_NAME)),
                (json!({"updated_tags": ["1"]}), Err(NO_SHAPE)),
            ],
        );
        elsewhere(WebhookKind::Quay, "quay.example", &body(json!(["1", "2"])), 2);
    }

    #[test]
    fn distribution_tells_of_everything_and_pushes_of_tags_count() {
        let event = |action: &str, repository: &str, tag: &str| {
            json!({"id": "1", "timestamp": "2026-01-05T10:00:00Z", "action": action,
                "target": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:00",
                    "repository": repository, "url": "http://inside:5000/v2/x", "tag": tag},
                "request": {"host": "inside:5000", "method": "PUT"}})
        };
        let layer = json!({"action": "push", "target": {"digest": "sha256:00", "repository": "acme/web"}});
        for kind in [WebhookKind::Distribution, WebhookKind::Gitlab] {
            check(
                kind,
                "r.example:5000",
                &[
                    // What the registry is called inside is not what the images call it.
                    (json!({"events": [event("push", "acme/web", "1.2.0")]}), Ok(&["r.example:5000/acme/web:1.2.0"])),
                    (
                        json!({"events": [event("pull", "acme/web", "1"), layer, event("push", "acme/web", ""),
                            event("push", "web", "1"), event("delete", "acme/web", "1"), {"action": "mount"}]}),
                        Ok(&["r.example:5000/web:1"]),
                    ),
                    (
                        json!({"events": [event("push", "Acme", "1"), event("push", "web", "1")]}),
                        Ok(&["r.example:5000/web:1"]),
                    ),
                    (json!({"events": [event("push", "../../web", "1")]}), Err(NO_NAME)),
                    (json!({"events": []}), Ok(&[])),
                    (json!({"events": {}}), Err(NO_SHAPE)),
                    (event("push", "acme/web", "1"), Err(NO_SHAPE)),
                ],
            );
        }
    }

    #[test]
    fn whoever_can_sign_names_images_as_people_write_them() {
        check(
            WebhookKind::Generic,
            "",
            &[
                (json!({"image": "r.example:5000/acme/web:1.2.0"}), Ok(&["r.example:5000/acme/web:1.2.0"])),
                (json!({"image": "r.example:5000/acme/web"}), Ok(&["r.example:5000/acme/web"])),
                (json!({"image": "acme/web:1@sha256:00"}), Ok(&["docker.io/acme/web:1"])),
                (json!({"images": ["nginx", "ghcr.io/a/b:2"]}), Ok(&["docker.io/library/nginx", "ghcr.io/a/b:2"])),
                (json!({"image": "a/b:1", "images": ["a/c:1"]}), Ok(&["docker.io/a/b:1", "docker.io/a/c:1"])),
                (json!({"images": []}), Ok(&[])),
                (json!({"image": "A/b\u{1b}[31m"}), Err(NO_NAME)),
                (json!({"image": "a/b:"}), Err(NO_NAME)),
                (json!({"images": "a/b"}), Err(NO_SHAPE)),
                (json!({}), Err(NO_SHAPE)),
                (json!(null), Err(NO_SHAPE)),
                (json!({"images": vec!["a/b:1"; MOST + 1]}), Err(TOO_MANY)),
            ],
        );
        elsewhere(WebhookKind::Generic, "r.example", &json!({"images": ["a/b", "ghcr.io/a/b"]}), 2);
    }

    #[test]
    fn what_is_no_json_is_told_in_words_of_our_own() {
        let deep = "[".repeat(100_000);
        for body in ["", "{", "\u{0}", "<html>", "{\"image\": \"a/b:1\"} x", "{\"image\":\"a\",\"image\":\"b\"}", &deep]
        {
            for kind in WebhookKind::ALL {
                assert_eq!(told(&webhook(kind, "r.example"), None, body), Err(NO_SHAPE), "{kind:?}");
            }
        }
        assert_eq!(read(&webhook(WebhookKind::Generic, ""), None, &[0xff, 0xfe]), Err(NO_SHAPE));
    }
}
