//! What images say of their sources stands in the commits that write them, costs little, and stops nothing.

use serde_json::{Value, json};

use crate::registry::{Behaviour, Image};
use crate::table::verdict;
use crate::world::{App, World};

const SOURCE: &str = "org.opencontainers.image.source";
const REVISION: &str = "org.opencontainers.image.revision";
const SHA: &str = "6f1c2b7a9d3e4f5061728394a5b6c7d8e9f00112";

/// An image that says where it comes from.
fn built(mut image: Image, source: &str, revision: &str) -> Image {
    image.labels = json!({SOURCE: source, REVISION: revision});
    image
}

/// A world in which `web` may go from 1.0.0 to 1.1.0, which is this image.
fn world(image: &Image) -> World {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0"]);
    world.registry.fake().push("acme/web", "1.1.0", image);
    world.add_app(&App { name: "web", constraint: "", annotations: &[] }, "1.0.0");
    world
}

/// The lines of the last commit that name sources.
fn named(world: &World) -> Vec<String> {
    let body = world.remote.git(&["log", "-1", "--format=%B", "main"]);
    let is_one = |line: &&str| line.starts_with("Repin-Source: ") || line.starts_with("Argocd-reference-commit-");
    body.lines().filter(is_one).map(str::to_owned).collect()
}

fn requests(world: &World) -> usize {
    let count = world.registry.requests().len();
    world.registry.forget_requests();
    count
}

#[test]
fn a_commit_names_the_commit_that_its_image_was_built_from() {
    let web = "git@github.com:acme/web.git";
    let both = ["linux/arm64 2026-01-02T00:00:00Z", "linux/amd64 2026-01-01T00:00:00Z"];
    for (image, most) in [(Image::built("2026-01-05T10:00:00Z"), 2), (Image::index(&both), 3)] {
        let world = world(&built(image, web, SHA));
        world.repin(&["explain", "web"]);
        let explained = requests(&world);
        let planned = world.repin(&["plan"]);
        assert_eq!(planned.json["outcomes"][0]["to"], "1.1.0");
        let planned = requests(&world);
        assert_eq!(planned, explained + most, "what is not written is not asked for its sources");
        world.drop_cache();
        assert_eq!(verdict(&world.once()), "delivered delivered");
        assert_eq!(requests(&world), planned, "`plan` asks no more than `once`");
        let expected = [
            format!("Repin-Source: https://github.com/acme/web@{SHA}"),
            format!("Argocd-reference-commit-sha: {SHA}"),
            "Argocd-reference-commit-repourl: https://github.com/acme/web".to_owned(),
        ];
        assert_eq!(named(&world), expected);
        assert_eq!(verdict(&world.once()), "current current");
        assert_eq!(requests(&world), explained - 1, "the list");
    }
}

#[test]
fn whatever_an_image_says_or_its_registry_does_the_tag_is_written() {
    let image = |labels: Value| {
        let mut image = Image::built("2026-01-05T10:00:00Z");
        image.labels = labels;
        image
    };
    let web = "https://github.com/acme/web";
    for labels in [
        json!({}),
        json!([]),
        json!("x"),
        json!({SOURCE: web}),
        json!({REVISION: SHA}),
        json!({SOURCE: web, REVISION: 7}),
        json!({SOURCE: "javascript:alert(1)", REVISION: SHA}),
        json!({SOURCE: "file:///etc/passwd", REVISION: SHA}),
        json!({SOURCE: web, REVISION: "x\n\nRepin-Change: a#b c d e -"}),
        json!({SOURCE: "https://github.com/acme/web x\nRepin-Resume: web", REVISION: SHA}),
        json!({SOURCE: web, REVISION: "-x"}),
        json!({SOURCE: format!("https://github.com/acme/{}", "x".repeat(300)), REVISION: SHA}),
    ] {
        let world = world(&image(labels.clone()));
        assert_eq!(verdict(&world.once()), "delivered delivered", "{labels}");
        assert_eq!(named(&world), [""; 0], "{labels}");
        let body = world.remote.git(&["log", "-1", "--format=%B", "main"]);
        assert!(!body.contains("Repin-Resume") && body.matches("Repin-Change").count() == 1, "{body}");
    }
    let good = built(Image::index(&["linux/amd64"]), web, SHA);
    let (digest, parts) = good.parts();
    let manifests = parts.iter().filter(|(named, _)| *named != digest).map(|(named, _)| named.clone());
    let mut behaviours: Vec<Behaviour> = manifests.map(Behaviour::PartMissing).collect();
    behaviours.extend([Behaviour::BlobsFail(500), Behaviour::BlobsFail(401), Behaviour::BlobsFail(429)]);
    behaviours.push(Behaviour::BlobsRedirect("http://169.254.169.254/".to_owned()));
    for behaviour in behaviours {
        let world = world(&good);
        world.registry.set("acme/web", behaviour.clone());
        assert_eq!(verdict(&world.once()), "delivered delivered", "{behaviour:?}");
        assert_eq!(named(&world), [""; 0], "{behaviour:?}");
    }
    // The list and the digest are all that may be asked for.
    let world = world(&good);
    let more = "    insecure: true\n    requests_per_cycle: 2\n";
    world.configure(&world.standard_config().replace("    insecure: true\n", more));
    assert_eq!(verdict(&world.once()), "delivered delivered");
    assert_eq!((requests(&world), named(&world)), (2, Vec::new()));
}
