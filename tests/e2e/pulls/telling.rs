//! What `pulls`, `history` and `trace` tell of pull requests, with every forge.

use repin::model::forge::{ForgeKind, MergeMethod};
use serde_json::{Value, json};

use crate::pulls::{Shop, Wishes, on_all_forges};
use crate::remote::NewCommit;
use crate::world::Said;

on_all_forges!(
    open_pull_requests_are_listed_with_what_each_waits_for,
    what_waits_for_a_pull_request_is_listed_with_the_reason,
    history_and_trace_name_the_pull_request_that_was_merged,
    a_pull_request_of_an_application_is_followed_into_its_environments,
    a_forge_that_fails_is_said_and_asked_no_more,
);

fn pulls(shop: &Shop) -> Said {
    let said = shop.world.repin(&["pulls"]);
    assert_eq!(said.code, 0, "{said:#?}");
    said
}

/// What the only open pull request waits for.
fn waits(shop: &Shop) -> Vec<String> {
    let said = pulls(shop);
    let list = said.json["pulls"].as_array().unwrap();
    assert_eq!((list.len(), &said.json["waiting"]), (1, &json!([])), "{said:#?}");
    let waits = list[0]["waits_for"].as_array().unwrap();
    waits.iter().map(|wait| wait["what"].as_str().unwrap().to_owned()).collect()
}

fn open_pull_requests_are_listed_with_what_each_waits_for(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    let said = pulls(shop);
    let one = &said.json["pulls"][0];
    assert_eq!((&one["number"], &one["url"]), (&json!(pull.number), &json!(shop.forge.pull_url(pull.number))));
    assert_eq!(
        (&one["branch"], &one["base"], &one["repository"]),
        (&json!(pull.head), &json!("main"), &json!("gitops"))
    );
    assert_eq!((&one["title"], &one["draft"], &one["labels"]), (&json!(pull.title), &json!(false), &json!([])));
    let change = &one["changes"][0];
    let value = ["file", "key", "old", "new"].map(|field| change[field].as_str().unwrap());
    assert_eq!(value, ["apps/web/values.yaml", "image.tag", "1.0.0", "1.1.0"]);
    assert_eq!(waits(shop), ["review"]);
    let output = shop.world.command(&["pulls"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("waits for review: a person has to review and merge it"), "{text}");
    assert!(text.contains("apps/web/values.yaml#image.tag  1.0.0 -> 1.1.0"), "{text}");
    shop.publish("web", &["1.2.0"]);
    assert_eq!(waits(shop), ["next-cycle"]);
    shop.once();
    let commit = NewCommit { branch: &shop.only().head, ..NewCommit::new(&[("NOTES", "mine\n")], "Mine") };
    shop.world.remote.make(&commit);
    assert_eq!(waits(shop), ["foreign-commits"]);
    // Nothing was written for the answers.
    assert_eq!(shop.forge.pulls().len(), 1);
}

fn what_waits_for_a_pull_request_is_listed_with_the_reason(shop: &Shop) {
    shop.wish(&Wishes { repository: &["pull_requests: {max_open: 1}"], ..Wishes::default() });
    shop.add("api", &["1.0.0", "1.1.0"], &[]);
    let waiting = |shop: &Shop| -> Vec<String> {
        let said = pulls(shop);
        let line = |one: &Value| format!("{} {}", one["application"].as_str().unwrap(), one["code"].as_str().unwrap());
        said.json["waiting"].as_array().unwrap().iter().map(line).collect()
    };
    assert_eq!(waiting(shop), ["argocd/api pending"]);
    shop.once();
    assert_eq!(waiting(shop), [""; 0]);
    shop.add("web", &["1.0.0", "1.1.0"], &[]);
    assert_eq!(waiting(shop), ["argocd/web pull-request/limit"]);
    shop.forge.close(shop.only().number, "paula");
    assert_eq!(waiting(shop), ["argocd/api guard/refused", "argocd/web pending"]);
}

fn history_and_trace_name_the_pull_request_that_was_merged(shop: &Shop) {
    for (method, tag) in [(MergeMethod::Merge, "1.1.0"), (MergeMethod::Squash, "1.2.0"), (MergeMethod::Rebase, "1.3.0")]
    {
        if tag == "1.1.0" {
            shop.add_web(&["1.0.0", tag]);
        } else {
            shop.publish("web", &[tag]);
        }
        shop.once();
        let pull = shop.only();
        shop.forge.approve(pull.number, "rita");
        let merge = shop.forge.merge(pull.number, method, "paula");
        let url = json!(shop.forge.pull_url(pull.number));
        shop.forge.clear_requests();
        let said = shop.world.repin(&["history", "web", "--limit", "1"]);
        let newest = &said.json["entries"][0];
        // Where the message of a squash is the title alone, nothing in Git says whose it was.
        let is_lost = method == MergeMethod::Squash && shop.forge.kind() != ForgeKind::GitHub;
        let by = if is_lost { "person" } else { "repin" };
        assert_eq!((&newest["new"], &newest["by"]), (&json!(tag), &json!(by)), "{method:?}: {said:#?}");
        assert_eq!(shop.forge.requests().len(), 0, "no forge is asked");
        // A rebased commit does not say it.
        if method != MergeMethod::Rebase {
            assert_eq!(newest["commit"]["pull_request"]["url"], url, "{method:?}: {newest:#}");
        }
        for what in ["web", &merge[..10]] {
            let said = shop.world.repin(&["trace", what]);
            let place = &said.json["services"][0]["environments"][0];
            assert_eq!((said.code, &place["state"]), (0, &json!("runs")), "{method:?} {what}: {said:#?}");
            assert_eq!(place["commit"]["pull_request"]["url"], url, "{method:?} {what}: {said:#?}");
            // GitLab takes approvals away when it rebases.
            let is_kept = method != MergeMethod::Rebase || shop.forge.kind() != ForgeKind::GitLab;
            let approved: &[&str] = if is_kept { &["rita"] } else { &[] };
            assert_eq!(place["commit"]["approved_by"], json!(approved), "{method:?} {what}: {said:#?}");
        }
    }
}

/// Takes a release of a revision as repin does.
fn take(shop: &Shop, name: &str, (old, new): (&str, &str), source: &str, date: &str) {
    let values = shop.world.values(name, new);
    let (file, image) = (format!("apps/{name}/values.yaml"), shop.world.image(name));
    let message = format!(
        "Update {name} to {new}\n\nRepin-Format: 1\nRepin-Change: {file}#image.tag {image} {old} {new} -\n\
         Repin-Reason: semver\nRepin-Source: {source}\n"
    );
    let commit = NewCommit::new(&[(&file, &values)], &message);
    shop.world.remote.make(&NewCommit { date: Some(date.to_owned()), ..commit });
}

fn a_pull_request_of_an_application_is_followed_into_its_environments(shop: &Shop) {
    shop.forge.at("2026-01-01T08:00:00Z");
    let source = shop.forge.add_source_project("acme/web");
    shop.wish(&Wishes { top: &[&shop.forge.forges_settings()], ..Wishes::default() });
    for name in ["web-production", "batch"] {
        shop.world.add_app(&crate::world::App { name, constraint: "", annotations: &[] }, "1.0.0");
    }
    let old = source.commit("Begin", "ada");
    let url = source.url();
    let now = "2030-01-01T00:00:00Z";
    let trace = |what: &str| {
        let said = shop.world.repin(&["trace", what, "--now", now]);
        assert_eq!(said.code, 0, "{what}: {said:#?}");
        said
    };
    let states = |what: &str| -> Vec<String> {
        let said = trace(what);
        let places =
            said.json["services"].as_array().unwrap().iter().flat_map(|one| one["environments"].as_array().unwrap());
        places
            .map(|one| {
                format!(
                    "{} {} {}",
                    one["application"].as_str().unwrap(),
                    one["tag"].as_str().unwrap(),
                    one["state"].as_str().unwrap()
                )
            })
            .collect()
    };
    take(shop, "web-production", ("1.0.0", "1.1.0"), &format!("{url}@{old}"), "2029-01-01T08:00:00Z");
    let number = source.open("Wait", "ada", &["Wait"]);
    let asked = format!("acme/web{}{number}", if shop.forge.kind() == ForgeKind::GitLab { '!' } else { '#' });
    assert_eq!(states(&asked), ["argocd/web-production 1.1.0 not-yet"], "it is not merged");
    let merged = source.merge("Add the <b>big</b> button", "ada", &["Add the button"], MergeMethod::Merge);
    let what = format!("acme/web#{}", merged.number);
    assert_eq!(states(&what), ["argocd/web-production 1.1.0 not-yet"], "what runs is behind it");
    let later = source.commit("Go on", "ada");
    take(shop, "web-production", ("1.1.0", "1.2.0"), &format!("{url}@{later}"), "2029-01-02T08:00:00Z");
    let said = trace(&what);
    let place = &said.json["services"][0]["environments"][0];
    assert_eq!((&place["state"], &place["reached"]), (&json!("runs"), &json!("2029-01-02T08:00:00Z")), "{said:#?}");
    assert!(place["message"].as_str().unwrap().contains("which contains it"), "{place:#}");
    let pull = &said.json["query"]["pull_request"];
    assert_eq!((&pull["title"], &pull["author"]), (&json!("Add the <b>big</b> button"), &json!("ada")), "{said:#?}");
    assert_eq!(said.json["query"]["revision"], merged.commit.as_str());
    // By the commit, which no image was built from exactly.
    assert_eq!(states(&merged.commit[..12]), ["argocd/web-production 1.2.0 runs"]);
    // Taken back.
    let values = shop.world.values("web-production", "1.1.0");
    let commit = NewCommit::new(&[("apps/web-production/values.yaml", values.as_str())], "Go back");
    let trailers = format!(
        "Go back\n\nRepin-Format: 1\nRepin-Change: apps/web-production/values.yaml#image.tag {} 1.2.0 1.1.0 -\nRepin-Source: {url}@{old}\n",
        shop.world.image("web-production")
    );
    shop.world.remote.make(&NewCommit { message: &trailers, date: Some("2029-01-03T08:00:00Z".to_owned()), ..commit });
    let said = trace(&what);
    let place = &said.json["services"][0]["environments"][0];
    assert_eq!((&place["state"], &place["left"]), (&json!("was"), &json!("2029-01-03T08:00:00Z")), "{said:#?}");
    // Backward: the pull request that brought what runs is told with who approved it.
    take(shop, "web-production", ("1.1.0", "1.3.0"), &format!("{url}@{}", merged.commit), "2029-01-04T08:00:00Z");
    let said = trace("web-production");
    let pulls = &said.json["services"][0]["environments"][0]["source"]["pull_requests"];
    assert_eq!((pulls.as_array().unwrap().len(), &pulls[0]["number"]), (1, &json!(merged.number)), "{said:#?}");
    shop.forge.assert_contract();
}

fn a_forge_that_fails_is_said_and_asked_no_more(shop: &Shop) {
    let source = shop.forge.add_source_project("acme/web");
    let top = shop.forge.forges_settings();
    shop.wish(&Wishes { top: &[&top], ..Wishes::default() });
    let old = source.commit("Begin", "ada");
    shop.world.add_app(&crate::world::App { name: "web", constraint: "", annotations: &[] }, "1.0.0");
    take(shop, "web", ("1.0.0", "1.1.0"), &format!("{}@{old}", source.url()), "2026-01-01T08:00:00Z");
    let token = std::fs::read_to_string(shop.forge.token_file()).unwrap();
    std::fs::write(shop.forge.token_file(), "wrong").unwrap();
    let said = shop.world.repin(&["trace", "web"]);
    assert_eq!(said.code, 1, "{said:#?}");
    let codes: Vec<&str> =
        said.json["problems"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"forge/unauthorized"), "{said:#?}");
    assert_eq!(said.json["services"][0]["environments"][0]["state"], "runs", "Git answers all the same");
    assert!(!format!("{said:#?}").contains("wrong"), "{said:#?}");
    std::fs::write(shop.forge.token_file(), token).unwrap();
    assert_eq!(shop.world.repin(&["trace", "web"]).code, 0);
}
