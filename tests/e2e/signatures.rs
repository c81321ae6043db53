//! Only what is signed is written: by its digest, from the registry's own lists, tag lists and cosign's tags.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::docker_registry::Access;
use crate::registry::signing::{Signer, Stored, index, tag_of};
use crate::registry::{Behaviour, Image, OCI_INDEX, OCI_MANIFEST};
use crate::world::{App, World};

const WEB: App<'_> = App { name: "web", constraint: "1.x", annotations: &["repin.dev/verify: cosign:release"] };

/// A world whose operator knows the public key of one signer as `release`.
fn signing(world: World) -> (World, Signer) {
    let signer = Signer::p256();
    std::fs::write(key_file(&world), signer.pem()).unwrap();
    world.configure(&config(&world));
    (world, signer)
}

fn config(world: &World) -> String {
    format!("{}cosign_keys: [{{name: release, key: cosign.pub}}]\n", world.standard_config())
}

fn key_file(world: &World) -> PathBuf {
    world.config().with_file_name("cosign.pub")
}

/// The same with `web` and these tags, each an image of its own.
fn with_web(tags: &[&str]) -> (World, Signer) {
    let (world, signer) = signing(World::create());
    for tag in tags {
        world.registry.fake().push("acme/web", tag, &Image::index(&["linux/amd64"]).marked(tag));
    }
    world.add_app(&WEB, "1.0.0");
    (world, signer)
}

fn sign(world: &World, signer: &Signer, tag: &str) {
    let digest = world.registry.digest("acme/web", tag);
    world.registry.fake().refer("acme/web", &digest, &signer.referrer(&digest));
}

fn pinned(world: &World, tag: &str) -> String {
    format!("{tag}@{}", world.registry.digest("acme/web", tag))
}

fn judged(outcome: &Value) -> (&str, &str) {
    (outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap())
}

/// How often signatures were looked for.
fn looks(world: &World) -> usize {
    world.registry.requests().iter().filter(|seen| seen.path.contains("/referrers/")).count()
}

#[test]
fn the_newest_signed_tag_is_written_by_its_digest_and_the_commit_says_with_which_key() {
    let (world, signer) = with_web(&["1.0.0", "1.1.0", "1.2.0"]);
    let outcome = world.once();
    let unsigned = "has no signature, and must be signed with the cosign key release";
    assert_eq!(judged(&outcome), ("held", "guard/unverified"), "{outcome:#}");
    assert_eq!(outcome["message"], format!("1.2.0 {unsigned}; 1.1.0 is passed over: it {unsigned}"));
    assert_eq!(outcome["to"], pinned(&world, "1.2.0"));
    sign(&world, &signer, "1.1.0");
    let outcome = world.once();
    assert_eq!((judged(&outcome), &outcome["to"]), (("delivered", "delivered"), &json!(pinned(&world, "1.1.0"))));
    assert_eq!(world.tag("web"), pinned(&world, "1.1.0"));
    let (_, _, body) = world.remote.log().remove(0);
    let reason = format!(
        "Repin-Reason: semver 1.x; {} is the newest that it allows; verified with the cosign key release",
        pinned(&world, "1.1.0")
    );
    assert!(body.contains(&reason), "{body}");
    let explained = world.repin(&["explain", "web"]).json;
    let standings: Vec<(&str, &str)> = explained["images"][0]["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["tag"].as_str().unwrap(), one["standing"].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(standings, [("1.2.0", "unverified"), ("1.1.0", "current"), ("1.0.0", "older")]);
    assert_eq!(judged(&world.once()), ("held", "guard/unverified"));
    sign(&world, &signer, "1.2.0");
    assert_eq!(world.once()["to"], pinned(&world, "1.2.0"));
    // What stands is not asked about.
    world.registry.forget_requests();
    assert_eq!((judged(&world.once()), looks(&world)), (("current", "current"), 0));
}

#[test]
fn what_is_signed_is_remembered_and_what_is_not_is_asked_once_in_each_cycle() {
    let (world, signer) = with_web(&["1.0.0", "1.1.0"]);
    // Two that share the image ask once.
    let other =
        world.application(&WEB).replace("name: web\n", "name: other\n").replace("path: apps/web", "path: apps/other");
    world.remote.commit(
        &[("argocd/other.yaml", &other), ("apps/other/values.yaml", &world.values("web", "1.0.0"))],
        "Add other",
    );
    for _ in 0..2 {
        world.registry.forget_requests();
        let said = world.repin(&["plan"]);
        assert_eq!(judged(&said.json["outcomes"][0]), ("held", "guard/unverified"), "{said:#?}");
        assert_eq!(looks(&world), 1);
    }
    sign(&world, &signer, "1.1.0");
    for expected in [1, 0] {
        world.registry.forget_requests();
        let said = world.repin(&["plan"]);
        assert_eq!(judged(&said.json["outcomes"][0]), ("pending", "pending"), "{said:#?}");
        assert_eq!(looks(&world), expected);
    }
    // Another key is another question, although nobody changed the configuration.
    std::fs::write(key_file(&world), Signer::p256().pem()).unwrap();
    let said = world.repin(&["plan"]);
    let outcome = &said.json["outcomes"][0];
    assert_eq!(judged(outcome), ("held", "guard/unverified"), "{said:#?}");
    assert_eq!(outcome["message"], "1.1.0 is signed, and not with the cosign key release");
    // Beside the old one, while one replaces the other.
    std::fs::write(world.config().with_file_name("old.pub"), signer.pem()).unwrap();
    world.configure(&config(&world).replace("key: cosign.pub", "key: [cosign.pub, old.pub]"));
    assert_eq!(judged(&world.repin(&["plan"]).json["outcomes"][0]), ("pending", "pending"));
}

#[test]
fn a_tag_that_moves_behind_its_verification_does_not_change_what_is_written() {
    let (world, signer) = with_web(&["1.0.0", "1.1.0"]);
    sign(&world, &signer, "1.1.0");
    let signed = pinned(&world, "1.1.0");
    world.registry.fake().push("acme/web", "evil", &Image::built("2026-01-01T00:00:00Z").marked("evil"));
    let evil = world.registry.digest("acme/web", "evil");
    world.registry.set("acme/web", Behaviour::MovesOnceSeen("1.1.0".into(), evil.clone()));
    let outcome = world.once();
    assert_eq!((judged(&outcome), &outcome["to"]), (("delivered", "delivered"), &json!(signed)), "{outcome:#}");
    assert_eq!(world.registry.digest("acme/web", "1.1.0"), evil);
    assert_eq!(world.tag("web"), signed);
    assert!(!world.remote.log()[0].2.contains(&evil));
}

#[test]
fn a_followed_tag_moves_to_what_is_signed_only() {
    let (world, signer) = signing(World::create());
    let push = |mark: &str| world.registry.fake().push("acme/web", "dev", &Image::index(&["linux/amd64"]).marked(mark));
    push("one");
    let annotations = ["repin.dev/app.update-strategy: digest", "repin.dev/app.verify: cosign:release"];
    world.add_app(&App { name: "web", constraint: "dev", annotations: &annotations }, "dev");
    sign(&world, &signer, "dev");
    let first = pinned(&world, "dev");
    assert_eq!(world.once()["to"], first);
    push("two");
    let outcome = world.once();
    assert_eq!((judged(&outcome), world.tag("web")), (("held", "guard/unverified"), first));
    sign(&world, &signer, "dev");
    assert_eq!(world.once()["to"], pinned(&world, "dev"));
}

#[test]
fn a_registry_that_does_not_answer_leaves_what_stands_and_nothing_older_is_taken() {
    let (world, signer) = with_web(&["1.0.0", "1.1.0", "1.2.0"]);
    sign(&world, &signer, "1.1.0");
    sign(&world, &signer, "1.2.0");
    for (status, code) in [(503, "registry/server-error"), (429, "registry/rate-limited")] {
        world.registry.set("acme/web", Behaviour::Referrers(status, vec![], b"{}".to_vec()));
        let said = world.repin(&["once"]);
        let outcome = &said.json["outcomes"][0];
        assert_eq!((said.code, judged(outcome)), (1, ("failed", code)), "{said:#?}");
        assert_eq!(world.tag("web"), "1.0.0");
        world.registry.clear("acme/web");
    }
    assert_eq!(world.once()["to"], pinned(&world, "1.2.0"));
}

#[test]
fn a_rule_demands_signatures_that_annotations_cannot_do_without() {
    let (world, signer) = with_web(&["1.0.0", "1.1.0"]);
    let qa = Signer::ed25519();
    std::fs::write(world.config().with_file_name("qa.pub"), qa.pem()).unwrap();
    let rule = "  - verify: cosign:qa\n";
    world.configure(&format!(
        "{}{rule}cosign_keys: [{{name: release, key: cosign.pub}}, {{name: qa, key: qa.pub}}]\n",
        world.standard_config()
    ));
    sign(&world, &signer, "1.1.0");
    let outcome = world.once();
    assert_eq!(judged(&outcome), ("held", "guard/unverified"));
    assert_eq!(outcome["message"], "1.1.0 is signed, and not with the cosign key qa");
    sign(&world, &qa, "1.1.0");
    let outcome = world.once();
    assert_eq!(judged(&outcome), ("delivered", "delivered"));
    assert!(
        outcome["message"].as_str().unwrap().contains("verified with the cosign keys qa and release"),
        "{outcome:#}"
    );
    // `pin: tag` is what somebody asked for; what that means is said.
    world.registry.fake().push("acme/web", "1.2.0", &Image::index(&["linux/amd64"]).marked("1.2.0"));
    sign(&world, &qa, "1.2.0");
    let loose = App { name: "web", constraint: "1.x", annotations: &["repin.dev/app.pin: tag"] };
    world.remote.commit(&[("argocd/web.yaml", &world.application(&loose))], "Ask for less");
    let said = world.repin(&["once"]);
    assert_eq!((judged(&said.json["outcomes"][0]), world.tag("web")), (("delivered", "delivered"), "1.2.0".into()));
    for said in [said, world.repin(&["check"])] {
        let problem = &said.json["problems"][0];
        assert_eq!(
            (&problem["code"], &problem["severity"]),
            (&json!("annotation/unpinned"), &json!("warning")),
            "{said:#?}"
        );
    }
}

#[test]
fn what_is_asked_for_and_cannot_be_had_holds_with_its_line() {
    let (world, _) = with_web(&["1.0.0", "1.1.0"]);
    for (annotations, code, problem) in [
        (
            &["repin.dev/app.verify: cosign:other"][..],
            "annotation/invalid",
            "argocd/web: `verify: cosign:other` names a key that `cosign_keys:` of repin.yaml does not have",
        ),
        (
            &["repin.dev/app.verify: release"],
            "annotation/invalid",
            "argocd/web: `app.verify: release` holds `release`: an entry is cosign:<name of a key>",
        ),
        (&["repin.dev/app.verify: \" , \""], "annotation/invalid", "argocd/web: `app.verify: ,` names no key"),
        (
            &["repin.dev/verify: cosign:release, keyless:ci"],
            "unsupported/verify",
            "argocd/web: `verify: keyless:ci` is not carried out by this version, which verifies by keys only",
        ),
    ] {
        let manifest = world.application(&App { name: "web", constraint: "1.x", annotations });
        world.remote.commit(&[("argocd/web.yaml", &manifest)], "Annotate");
        let said = world.repin(&["plan"]);
        assert_eq!(judged(&said.json["outcomes"][0]), ("held", code), "{said:#?}");
        let line = manifest.lines().position(|line| line.contains("verify:")).unwrap() + 1;
        let found = &said.json["problems"][0];
        assert_eq!((&found["message"], &found["line"]), (&json!(problem), &json!(line)), "{said:#?}");
        assert!(found["hint"].as_str().unwrap().contains("cosign"), "{found:#}");
    }
}

#[test]
fn a_warning_says_that_a_verified_tag_alone_may_move() {
    let (world, signer) = with_web(&["1.0.0", "1.1.0"]);
    sign(&world, &signer, "1.1.0");
    let loose = ["repin.dev/app.pin: tag", "repin.dev/verify: cosign:release"];
    let manifest = world.application(&App { name: "web", constraint: "1.x", annotations: &loose });
    world.remote.commit(&[("argocd/web.yaml", &manifest)], "Ask for the tag");
    let said = world.repin(&["once"]);
    assert_eq!((judged(&said.json["outcomes"][0]), world.tag("web")), (("delivered", "delivered"), "1.1.0".into()));
    let problem = &said.json["problems"][0];
    let line = manifest.lines().position(|line| line.contains("app.pin")).unwrap() + 1;
    assert_eq!((&problem["code"], &problem["line"]), (&json!("annotation/unpinned"), &json!(line)), "{said:#?}");
}

/// Keeps a manifest and its blobs in docker-registry.
fn store(world: &World, reference: &str, stored: &Stored) {
    let registry = world.registry.docker();
    stored.blobs.iter().for_each(|blob| registry.push_blob("acme/web", blob));
    registry.push_manifest("acme/web", reference, &stored.bytes(), OCI_MANIFEST);
}

#[test]
fn docker_registry_keeps_signatures_under_tags_and_none_of_them_is_a_candidate() {
    let Some(world) = World::with_docker(Access::Open) else { return };
    let (world, signer) = signing(world);
    world.registry.publish("acme/web", &["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
    world.add_app(&App { constraint: "", ..WEB }, "1.0.0");
    let digest = |tag: &str| world.registry.digest("acme/web", tag);
    // Up to version 2 of cosign.
    store(&world, &tag_of(&digest("1.1.0"), ".sig"), &signer.classic(&digest("1.1.0")));
    assert_eq!(world.once()["to"], pinned(&world, "1.1.0"));
    // Since version 3, where a registry has no list of referrers of its own.
    let stored = signer.referrer(&digest("1.2.0"));
    store(&world, &stored.digest(), &stored);
    let list = index(&[stored.descriptor()]);
    world.registry.docker().push_manifest("acme/web", &tag_of(&digest("1.2.0"), ""), &list, OCI_INDEX);
    assert_eq!(world.once()["to"], pinned(&world, "1.2.0"));
    let outcome = world.once();
    assert_eq!(judged(&outcome), ("held", "guard/unverified"), "{outcome:#}");
    // By another key, and of another digest.
    store(&world, &tag_of(&digest("1.3.0"), ".sig"), &Signer::p384().classic(&digest("1.3.0")));
    assert_eq!(world.once()["message"], "1.3.0 is signed, and not with the cosign key release");
    store(&world, &tag_of(&digest("1.3.0"), ".sig"), &signer.classic(&digest("1.2.0")));
    assert_eq!(
        world.once()["message"],
        "1.3.0 carries a signature with the cosign key release that is of another digest"
    );
    assert_eq!(world.tag("web"), pinned(&world, "1.2.0"));
    // None of what was stored under a tag is a candidate.
    let explained = world.repin(&["explain", "web"]).json;
    let candidates = explained["images"][0]["candidates"].as_array().unwrap();
    let codes: Vec<&str> = candidates
        .iter()
        .filter(|one| one["tag"].as_str().unwrap().starts_with("sha256-"))
        .map(|one| one["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["not-a-candidate"; 3]);
}

#[test]
fn tags_says_which_tag_is_signed_and_refuses_a_key_that_nobody_configured() {
    let (world, signer) = with_web(&["1.0.0", "1.1.0", "1.2.0"]);
    sign(&world, &signer, "1.1.0");
    let image = format!("{}:1.x", world.image("web"));
    let said = world.repin(&["tags", &image, "--policy", "verify=cosign:release"]);
    assert_eq!((said.code, &said.json["chosen"]), (0, &json!("1.1.0")), "{said:#?}");
    let first = &said.json["candidates"][0];
    assert_eq!((&first["tag"], &first["standing"]), (&json!("1.2.0"), &json!("unverified")), "{said:#?}");
    let said = world.repin(&["tags", &image, "--policy", "verify=cosign:other"]);
    assert_eq!((said.code, &said.json["problems"][0]["code"]), (2, &json!("annotation/invalid")), "{said:#?}");
    assert_eq!(said.json["problems"][0]["hint"], "the keys are release");
}
