//! Which tag, through the whole way: constraints, filters, orders, and the guards before a write.

use serde_json::{Value, json};

use crate::registry::Behaviour;
use crate::table::{PLAIN, Row, manifest, outcome, verdict};
use crate::world::{App, World};

/// Rows of (name, more annotations with `CONSTRAINT`, tags, current, verdict, to); each with a registry repository of its own.
struct Case<'a> {
    constraint: &'a str,
    more: &'a str,
    tags: &'a [&'a str],
    current: &'a str,
    expected: &'a str,
}

fn case<'a>(constraint: &'a str, more: &'a str, tags: &'a [&'a str], current: &'a str, expected: &'a str) -> Case<'a> {
    Case { constraint, more, tags, current, expected }
}

/// Runs all cases in one cycle; expected is `verdict to`, and what Git holds afterwards must fit.
fn check(cases: &[Case<'_>]) {
    let world = World::create();
    let mut files = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let name = format!("app{index}");
        world.registry.publish(&format!("acme/{name}"), case.tags);
        let colon = if case.constraint.is_empty() { "" } else { ":" };
        let list = format!("repin.dev/image-list: \"app={}{colon}{}\"", world.image(&name), case.constraint);
        let text = format!("{list}\nrepin.dev/app.helm.image-tag: image.tag\n{}", case.more);
        files.push((format!("argocd/{name}.yaml"), manifest(&world, &name, &text, &format!("path: apps/{name}"))));
        files.push((format!("apps/{name}/values.yaml"), world.values(&name, case.current)));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add all");
    let said = world.repin(&["once"]);
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let name = format!("app{index}");
        let one = outcome(&said, &name);
        let found = format!("{} {}", one["code"].as_str().unwrap(), one["to"].as_str().unwrap_or("null"));
        let stands = world.tag(&name);
        let should_stand = if one["result"] == "delivered" { one["to"].as_str().unwrap() } else { case.current };
        if found != case.expected || stands != should_stand {
            wrong.push(format!(
                "{} {} {:?} at {}: {found}, expected {}; {stands} stands",
                case.constraint, case.more, case.tags, case.current, case.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // A second cycle changes nothing.
    let head = world.remote.head();
    let again = world.repin(&["once"]);
    assert_eq!(world.remote.head(), head, "{again:#?}");
}

const VERSIONS: &[&str] = &[
    "0.9.0",
    "1.0.0",
    "1.0.5",
    "1.2.0",
    "1.2.9",
    "1.10.0",
    "2.0.0",
    "2.1.0-rc.1",
    "latest",
    "main-3f2a1b9",
    "20240115",
];

#[test]
fn constraints_choose_as_people_of_argo_cd_and_flux_write_them() {
    check(&[
        case("", "", VERSIONS, "1.0.0", "delivered 2.0.0"),
        case("*", "", VERSIONS, "1.0.0", "delivered 2.0.0"),
        case("1", "", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case("1.x", "", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case("v1.x", "", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case("1.X", "", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case("1.*", "", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case("1.2", "", VERSIONS, "1.0.0", "delivered 1.2.9"),
        case("1.2.0", "", VERSIONS, "1.0.0", "delivered 1.2.0"),
        case("=1.2.0", "", VERSIONS, "1.0.0", "delivered 1.2.0"),
        case("~1", "", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case("~1.2", "", VERSIONS, "1.0.0", "delivered 1.2.9"),
        case("~>1.2.1", "", VERSIONS, "1.0.0", "delivered 1.2.9"),
        case("^1.0.1", "", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case("^0.9", "", VERSIONS, "0.8.0", "delivered 0.9.0"),
        case(">=1.0 <2.0", "", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case(">= 1.0 < 1.10", "", VERSIONS, "1.0.0", "delivered 1.2.9"),
        case("1.0 - 1.2", "", VERSIONS, "1.0.0", "delivered 1.2.9"),
        case("1.0.x || 2.x", "", VERSIONS, "1.0.0", "delivered 2.0.0"),
        case("1.x !=1.10.0", "", VERSIONS, "1.0.0", "delivered 1.2.9"),
        case(">1 <3", "", VERSIONS, "1.0.0", "delivered 2.0.0"),
        case("<=1", "", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case("2.x-0", "", VERSIONS, "1.0.0", "delivered 2.1.0-rc.1"),
        case("^2.1.0-rc.1", "", VERSIONS, "1.0.0", "delivered 2.1.0-rc.1"),
        case("", "repin.dev/include-prereleases: \"true\"", VERSIONS, "1.0.0", "delivered 2.1.0-rc.1"),
        case(
            "",
            "repin.dev/include-prereleases: \"true\"\nrepin.dev/app.include-prereleases: \"false\"",
            VERSIONS,
            "1.0.0",
            "delivered 2.0.0",
        ),
        case("", "repin.dev/strict: \"false\"", VERSIONS, "1.0.0", "delivered 20240115"),
        case(">=20240101", "", VERSIONS, "20230101", "delivered 20240115"),
        case("3.x", "", VERSIONS, "1.0.0", "selection/none null"),
        case(">2 <1", "", VERSIONS, "1.0.0", "selection/none null"),
        case("1.0.x", "", VERSIONS, "1.0.5", "current 1.0.5"),
    ]);
}

#[test]
fn filters_and_orders_decide_as_they_are_written() {
    let builds = &["dev-1", "dev-2", "dev-10", "prod-9", "latest", "v1.0.0"][..];
    let dates = &["2026.01.05-9", "2026.01.05-10", "2026.01.04-1"][..];
    check(&[
        case("", "repin.dev/allow-tags: \"regexp:^1[.]\"", VERSIONS, "1.0.0", "delivered 1.10.0"),
        case("", "repin.dev/allow-tags: \"regexp:^1[.]2\"", VERSIONS, "1.0.0", "delivered 1.2.9"),
        case("", "repin.dev/ignore-tags: \"2.*, 1.10.*\"", VERSIONS, "1.0.0", "delivered 1.2.9"),
        case("", "repin.dev/ignore-tags: \"*\"", VERSIONS, "1.0.0", "selection/none null"),
        case("", "repin.dev/ignore-tags: \"?.0.0\\n1.1[0-9].*\"", VERSIONS, "1.0.0", "delivered 1.2.9"),
        case("1.x", "repin.dev/allow-tags: \"regexp:^2\"", VERSIONS, "1.0.0", "selection/none null"),
        case(
            "",
            "repin.dev/update-strategy: alphabetical\nrepin.dev/allow-tags: regexp:^dev-",
            builds,
            "dev-1",
            "delivered dev-2",
        ),
        case(
            "",
            "repin.dev/update-strategy: name\nrepin.dev/allow-tags: regexp:^dev-",
            builds,
            "dev-10",
            "delivered dev-2",
        ),
        case("", "repin.dev/app.update-strategy: name", builds, "dev-2", "delivered v1.0.0"),
        case(
            "",
            "repin.dev/app.update-strategy: alphabetical\nrepin.dev/ignore-tags: latest, v*",
            builds,
            "dev-2",
            "delivered prod-9",
        ),
        case("", "repin.dev/update-strategy: alphabetical", dates, "2026.01.04-1", "delivered 2026.01.05-9"),
        case("", "repin.dev/update-strategy: alphabetical", &["b", "a"], "c", "guard/downgrade b"),
        case("1.x", "repin.dev/update-strategy: alphabetical", &["1.0.0", "9.0.0"], "1.0.0", "delivered 9.0.0"),
    ]);
}

#[test]
fn equal_versions_are_one_and_what_is_written_is_the_tag_to_the_letter() {
    check(&[
        case("", "", &["v1.0.0", "v1.1.0"], "v1.0.0", "delivered v1.1.0"),
        case("", "", &["1.0.0", "v1.1.0"], "1.0.0", "delivered v1.1.0"),
        case("", "", &["v1.2.3", "1.2.3"], "v1.2.3", "current v1.2.3"),
        case("", "", &["v1.2.3", "1.2.3"], "1.2.3", "current 1.2.3"),
        case("", "", &["1.2", "1.2.0"], "1.2", "current 1.2"),
        case("", "", &["1.2.3"], "v1.2.3", "current v1.2.3"),
        case("", "", &["1.2", "1.2.0", "v1.2.0"], "1.0.0", "delivered 1.2.0"),
        case("", "", &["1.2", "v1.2"], "1.0.0", "delivered 1.2"),
        case("", "", &["1.10", "1.9"], "1.9", "delivered 1.10"),
        case("", "", &["1.20", "01.30"], "1.9", "delivered 01.30"),
        case("", "", &["1", "2"], "1", "delivered 2"),
        case("", "", &["1.0.0"], "latest", "delivered 1.0.0"),
        case("", "", &["1.0.0"], "", "delivered 1.0.0"),
        case("", "", &["1.0.0"], "main-3f2a1b9", "delivered 1.0.0"),
    ]);
}

#[test]
fn nothing_moves_down_unless_it_is_allowed() {
    check(&[
        case("1.x", "", &["1.0.0", "1.1.0", "2.0.0"], "2.0.0", "guard/downgrade 1.1.0"),
        case("", "", &["1.0.0", "1.1.0"], "1.2.0", "guard/downgrade 1.1.0"),
        case("", "", &["1.0.0", "1.1.0-rc.1"], "1.1.0-rc.1", "guard/downgrade 1.0.0"),
        case("1.x", "repin.dev/allow-downgrade: \"true\"", &["1.0.0", "1.1.0", "2.0.0"], "2.0.0", "delivered 1.1.0"),
        case("", "repin.dev/app.allow-downgrade: \"true\"", &["1.0.0", "1.1.0"], "1.2.0", "delivered 1.1.0"),
        case(
            "",
            "repin.dev/allow-downgrade: \"true\"\nrepin.dev/app.allow-downgrade: \"false\"",
            &["1.0.0"],
            "1.2.0",
            "guard/downgrade 1.0.0",
        ),
        case("3.x", "repin.dev/allow-downgrade: \"true\"", &["1.0.0"], "1.2.0", "selection/none null"),
    ]);
}

fn held(outcome: &Value) -> String {
    verdict(outcome)
}

#[test]
fn a_listing_without_the_current_tag_is_good_only_if_that_tag_is_really_gone() {
    let world = World::with_web(&["1.1.0", "1.2.0"]);
    // 1.0.0 answers 404: deleted or never published.
    assert_eq!(held(&world.once()), "delivered delivered");
    assert_eq!(world.tag("web"), "1.2.0");
    world.registry.publish("acme/web", &["1.3.0"]);
    world.registry.set("acme/web", Behaviour::Hidden("1.2.0".into()));
    for command in ["plan", "once"] {
        let said = world.repin(&[command]);
        assert_eq!((held(outcome(&said, "web")).as_str(), said.code), ("held guard/listing", 0), "{said:#?}");
    }
    world.registry.clear("acme/web");
    world.takes("1.3.0");
}

#[test]
fn an_empty_listing_that_was_not_empty_before_is_suspect() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    assert_eq!(held(&world.once()), "delivered delivered");
    for tag in ["1.0.0", "1.1.0"] {
        world.registry.remove("acme/web", tag);
    }
    assert_eq!(held(&world.once()), "held guard/listing");
    // Without the cache nobody knows better.
    world.drop_cache();
    assert_eq!(held(&world.once()), "held selection/none");
    let world = World::create();
    world.registry.publish("acme/web", &[]);
    world.add_app(&App { name: "web", constraint: "", annotations: &[] }, "1.0.0");
    assert_eq!(held(&world.once()), "held selection/none");
}

#[test]
fn the_chosen_tag_must_answer_and_no_older_one_is_taken_instead() {
    let world = World::with_web(&["1.0.0", "1.1.0", "1.2.0"]);
    world.registry.set("acme/web", Behaviour::ManifestMissing("1.2.0".into()));
    let one = world.once();
    assert_eq!((held(&one).as_str(), &one["to"]), ("held guard/listing", &json!("1.2.0")));
    assert_eq!(world.tag("web"), "1.0.0");
    world.registry.clear("acme/web");
    world.registry.set("acme/web", Behaviour::Manifest(503, Vec::new(), Vec::new()));
    assert_eq!(world.once()["result"], "failed");
    world.registry.clear("acme/web");
    world.takes("1.2.0");
}

#[test]
fn a_cut_history_that_could_matter_holds() {
    let world = World::with_web(&["1.0.0"]);
    let config = world.standard_config().replace("    branch: main\n", "    branch: main\n    history: {commits: 1}\n");
    world.configure(&config);
    // Nothing to write: nothing to know.
    assert_eq!(held(&world.once()), "current current");
    world.registry.publish("acme/web", &["1.1.0"]);
    // The only commit is the first one, so its history is whole.
    assert_eq!(held(&world.once()), "delivered delivered");
    world.registry.publish("acme/web", &["1.2.0"]);
    let one = world.once();
    assert_eq!((held(&one).as_str(), &one["to"]), ("held history/unknown", &json!("1.2.0")), "{one:#}");
    for limit in ["{commits: 100}", "{days: 3000}"] {
        world.configure(&config.replace("{commits: 1}", limit));
        assert_eq!(world.repin(&["plan"]).code, 4, "{limit}");
    }
    world.configure(&world.standard_config());
    world.takes("1.2.0");
}

#[test]
fn above_a_mark_of_a_cut_history_only_what_a_person_names_is_taken() {
    let world = World::with_web(&["1.0.0", "1.1.0", "1.2.0"]);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    world.remote.revert(&commit);
    world.configure(
        &world.standard_config().replace("    branch: main\n", "    branch: main\n    history: {commits: 2}\n"),
    );
    assert_eq!(held(&world.once()), "held guard/rolled-back");
    world.registry.publish("acme/web", &["1.3.0"]);
    let one = world.once();
    assert_eq!((held(&one).as_str(), &one["to"]), ("held history/unknown", &json!("1.3.0")));
    world.remote.commit(&[], "Go on\n\nRepin-Resume: web app 1.3.0");
    // The step back must be within what is read.
    let config = world.standard_config().replace("    branch: main\n", "    branch: main\n    history: {commits: 3}\n");
    world.configure(&config);
    let one = world.once();
    assert_eq!((held(&one).as_str(), &one["to"]), ("delivered delivered", &json!("1.3.0")));
}

#[test]
fn the_clock_of_the_decision_can_be_given() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    for (now, code) in [("2030-01-01T00:00:00Z", 4), ("2030-01-01T00:00:00+02:00", 4), ("1999-12-31t23:59:59z", 4)] {
        assert_eq!(world.repin(&["plan", "--now", now]).code, code, "{now}");
    }
    // Days of history are counted from it.
    world.configure(
        &world.standard_config().replace("    branch: main\n", "    branch: main\n    history: {days: 30}\n"),
    );
    assert_eq!(world.repin(&["plan"]).code, 4);
    let said = world.repin(&["--now", "2999-01-01T00:00:00Z", "plan"]);
    assert_eq!(held(outcome(&said, "web")), "held history/unknown", "{said:#?}");
}

#[test]
fn cosign_tags_are_no_candidates() {
    let signature = format!("sha256-{}.sig", "0".repeat(64));
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", &signature]);
    crate::table::commit(&world, &[Row::new("web", &format!("{PLAIN}\nrepin.dev/update-strategy: alphabetical"))]);
    assert_eq!(held(&world.once()), "current current");
}
