//! The README is true: its files and commands are run, and its tables are compared with the code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/registry.rs"]
mod registry;
#[path = "support/remote.rs"]
mod remote;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use regex::Regex;
use repin::annotations::keys::KEYS;
use repin::config::keys::{COMMIT, REGISTRY, REPOSITORY, RULE, TOP};
use repin::registry::PUBLIC_REGISTRIES;
use repin::telemetry::{CycleFigures, ForgeFigures, Metrics, RegistryFigures};
use serde_json::Value;
use tempfile::TempDir;

use registry::FakeRegistry;
use remote::BareRemote;

const README: &str = include_str!("../README.md");
/// The registry and the repository of the README's example.
const HOST: &str = "127.0.0.1:5000";
const URL: &str = "file:///srv/git/gitops.git";
const TAGS: [&str; 5] = ["1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0", "latest"];
/// First parts of the codes of outcomes and problems.
const FAMILIES: &str = "annotation|application|branch|config|created|demo|edit|forge|gate|git|guard|history|holds|internal|limit|manifest|place|promotion|pull-request|registry|\
                        repository|rule|selection|target|trace|unsupported|usage";

/// The example of the README, with places of its own.
struct Example {
    registry: FakeRegistry,
    remote: BareRemote,
    directory: TempDir,
}

impl Example {
    /// Makes the files of the README; `change` may alter each, by its name.
    fn new(change: &dyn Fn(&str, String) -> String) -> Self {
        let example = Self {
            registry: FakeRegistry::start(),
            remote: BareRemote::create(),
            directory: tempfile::tempdir().unwrap(),
        };
        example.registry.publish("acme/web", &TAGS);
        let mut files = files();
        for (name, text) in &mut files {
            *text = change(name, text.replace(HOST, &example.registry.host()).replace(URL, &example.remote.url()));
        }
        let at = files.iter().position(|(name, _)| name == "repin.yaml").unwrap();
        // The directory is a checkout, with repin.yaml beside it.
        for (name, text) in &files {
            let path = example.directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        files.remove(at);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        example.remote.commit(&files, "Add web");
        example
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.directory.path().join("cache"));
        for name in ["REPIN_CONFIG", "REPIN_LOG", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.run(&[arguments, &["--output", "json"]].concat()).stdout).unwrap()
    }
}

/// The fenced blocks of a language, with the line before each.
fn blocks(language: &str) -> Vec<(&'static str, &'static str)> {
    let fence = format!("```{language}\n");
    let mut found = Vec::new();
    for (at, _) in README.match_indices(&fence) {
        let body = &README[at + fence.len()..];
        let before = README[..at].trim_end_matches('\n').rsplit('\n').next().unwrap();
        found.push((before, &body[..body.find("```").unwrap()]));
    }
    found
}

/// Files of the example: name and text.
fn files() -> Vec<(String, String)> {
    let name = |before: &str| Some(before.strip_prefix("<!-- file: ")?.strip_suffix(" -->")?.to_owned());
    blocks("yaml").into_iter().filter_map(|(before, text)| Some((name(before)?, text.to_owned()))).collect()
}

/// What differs from run to run is taken out.
fn plain(text: &str, host: &str) -> String {
    let text = text.replace(host, HOST).replace("A Person", "Paula Person");
    let mut text = text.trim_end().to_owned();
    for (pattern, instead) in [
        (r"sha256:[0-9a-f]{64}", "<digest>"),
        (r"\b[0-9a-f]{40}\b", "<commit>"),
        (r"\b[0-9a-f]{10}\b", "<commit>"),
        (r"\d{4}-\d\d-\d\dT[\d:]+Z", "<time>"),
        (r"on \d{4}-\d\d-\d\d", "on <date>"),
        (r"(stood|stands for) \d+[dhms]( \d+[hms])?", "$1 <span>"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, instead).into_owned();
    }
    text
}

/// The rows of the table below a heading: the cells of each.
fn table(heading: &str, columns: usize) -> Vec<Vec<&'static str>> {
    let start = README.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let rows =
        README[start..].lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>();
    let rows: Vec<Vec<&str>> = rows.skip(2).map(cells).collect();
    assert!(rows.iter().all(|row| row.len() == columns), "{heading}: {rows:#?}");
    rows
}

/// The texts in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The part of the README below a heading of the second level.
fn section(heading: &str) -> &'static str {
    let start = README.find(&format!("\n## {heading}\n")).unwrap() + 1;
    let end = README[start..].find("\n## ").map_or(README.len(), |at| start + at);
    &README[start..end]
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
                found.push((path, text));
            }
        }
    }
    found
}

/// Codes that the sources give, but for `unsupported/…`, which are made from keys.
fn codes_of_the_sources() -> BTreeSet<String> {
    let literal = Regex::new(&format!("\"((?:{FAMILIES})/[a-z-]+)\"")).unwrap();
    let found: BTreeSet<String> = sources()
        .iter()
        .flat_map(|(_, text)| literal.captures_iter(text).map(|found| found[1].to_owned()).collect::<Vec<_>>())
        .filter(|code| {
            ["json", "octet-stream", "openmetrics-text", "x-www-form-urlencoded"]
                .iter()
                .all(|end| *code != format!("application/{end}"))
        })
        .collect();
    assert!(found.len() > 60, "{found:?}");
    found
}

fn codes_of_the_readme() -> BTreeSet<String> {
    let code = Regex::new(&format!("^(?:{FAMILIES})/[a-z-]+$")).unwrap();
    quoted(&README.replace("```", "")).into_iter().filter(|text| code.is_match(text)).map(str::to_owned).collect()
}

/// What an `unsupported/…` may name besides what the sources write out.
fn unbuilt() -> BTreeSet<&'static str> {
    let keys = KEYS.iter().filter(|key| !key.built || key.name == "write-back-method");
    let settings =
        [&TOP, &REPOSITORY, &REGISTRY, &RULE, &COMMIT].into_iter().flat_map(|table| table.unbuilt.iter().copied());
    keys.map(|key| key.name).chain(settings).collect()
}

#[test]
fn the_commands_say_what_the_readme_shows() {
    let example = Example::new(&|_, text| text);
    let mut seen = Vec::new();
    for (_, block) in blocks("console") {
        let (command, expected) = block.split_once('\n').unwrap();
        let command = command.replace(HOST, &example.registry.host());
        let arguments: Vec<&str> = command.strip_prefix("$ repin ").unwrap().split(' ').collect();
        if expected.contains("guard/rolled-back") {
            example.remote.revert("main");
        }
        let output = example.run(&arguments);
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(
            plain(&String::from_utf8(said).unwrap(), &example.registry.host()),
            plain(expected, HOST),
            "{command}"
        );
        let is_trial = arguments == ["plan"] || arguments.contains(&"--dry-run");
        let code = if is_trial { 4 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{command}");
        seen.push(arguments[0].to_owned());
    }
    assert_eq!(
        seen,
        [
            "check",
            "plan",
            "explain",
            "once",
            "login-check",
            "once",
            "history",
            "trace",
            "tags",
            "policy",
            "get",
            "set",
            "set"
        ]
    );
}

#[test]
fn document_and_commit_are_as_the_readme_shows_them() {
    let example = Example::new(&|_, text| text);
    let outcome = example.json(&["once"])["outcomes"][0].clone();
    let (_, shown) = blocks("json").into_iter().find(|(before, _)| *before == "<!-- document: once -->").unwrap();
    let outcome = serde_json::to_string_pretty(&outcome).unwrap();
    // serde_json sorts what it has read, so both are read.
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let host = example.registry.host();
    assert_eq!(read(&plain(&outcome, &host)), read(&plain(shown, HOST)));
    let message = example.remote.git(&["log", "-1", "--format=%B", "main"]);
    let (_, shown) = blocks("text").into_iter().find(|(_, text)| text.starts_with("Update web")).unwrap();
    assert_eq!(plain(&message, &host), plain(shown, HOST));
}

#[test]
fn every_field_of_the_documents_is_in_the_readme() {
    let example = Example::new(&|_, text| text.replace("1.x", "nonsense-"));
    let contract = section("Output for programs");
    let named = quoted(&contract.replace("```", "")).join(" ");
    let has = |field: &str| {
        let word = Regex::new(&format!(r"(^|[^a-z_]){field}($|[^a-z_])")).unwrap();
        assert!(word.is_match(&named), "{field} is not in the README");
    };
    let fields = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let once = example.json(&["once"]);
    fields(&once).iter().chain(&fields(&once["outcomes"][0])).chain(&fields(&once["problems"][0])).for_each(|f| has(f));
    let explained = example.json(&["explain", "web"]);
    let image = &explained["images"][0];
    for part in [&explained, image, &image["candidates"][0], &image["gates"][0], &image["target"]] {
        fields(part).iter().for_each(|field| has(field));
    }
    let example = Example::new(&|_, text| text);
    let tags = example.json(&["tags", &format!("{}/acme/web", example.registry.host())]);
    let tested = example.json(&["policy", "test", "ci/policies.yaml"]);
    let case = &tested["cases"][0];
    let traced = example.json(&["trace", "web"]);
    let (service, pulls) = (&traced["services"][0], example.json(&["pulls"]));
    let place = &service["environments"][0];
    for part in [&traced, &traced["query"], service, place, &place["commit"], &service["values"][0], &pulls] {
        fields(part).iter().for_each(|field| has(field));
    }
    let past = example.json(&["history", "web"]);
    for part in [&past, &past["entries"][0], &past["entries"][0]["commit"]] {
        fields(part).iter().for_each(|field| has(field));
    }
    let status = example.json(&["status"]);
    let place = &status["services"][0]["environments"][0];
    assert!(place["next"].is_object(), "{place:#}");
    for part in [&status, &status["services"][0], place, &place["next"]] {
        fields(part).iter().for_each(|field| has(field));
    }
    let migrated = example.json(&["migrate", "."]);
    for part in [&migrated, &migrated["findings"][0], &migrated["places"][0]] {
        fields(part).iter().for_each(|field| has(field));
    }
    let logins = example.json(&["login-check"]);
    for part in [&logins, &logins["registries"][0]] {
        fields(part).iter().for_each(|field| has(field));
    }
    let checked = example.json(&["check", "web"]);
    let setting = &checked["settings"][0];
    for part in [&checked, setting, &setting["from"]] {
        fields(part).iter().for_each(|field| has(field));
    }
    let listed = example.json(&["images", "apps/web"]);
    for part in [&listed, &listed["images"][0]] {
        fields(part).iter().for_each(|field| has(field));
    }
    let got = example.json(&["get", "apps/web/values.yaml", "image.tag"]);
    let set = example.json(&["set", "apps/web/values.yaml", "image.tag", "1.1.0"]);
    for part in [&got, &set, &set["changes"][0], &set["changes"][0]["edits"][0]] {
        fields(part).iter().for_each(|field| has(field));
    }
    for part in [&tags, &tags["candidates"][0], &tested, case, &case["expected"], &case["found"]] {
        fields(part).iter().for_each(|field| has(field));
    }
}

#[test]
fn every_key_of_a_file_of_cases_and_every_word_that_may_be_expected_is_in_the_readme() {
    let part = section("Policies by themselves");
    let keys = [
        "cases",
        "policies",
        "legacy_argocd_method",
        "name",
        "policy",
        "manifest",
        "application",
        "alias",
        "current",
        "stood",
        "tags",
        "tag",
        "created",
        "platforms",
        "seen",
        "signed",
        "digest",
        "now",
        "expect",
        "chosen",
        "code",
        "rejected",
        "range",
    ];
    let named = quoted(part);
    assert_eq!(keys.into_iter().filter(|key| !named.contains(key)).collect::<Vec<_>>(), [""; 0]);
    let choosing: Vec<&&str> = repin::annotations::keys::CHOOSING
        .iter()
        .filter(|key| KEYS.iter().any(|known| known.name == **key && known.built))
        .filter(|key| !named.contains(key))
        .collect();
    assert_eq!(choosing, [&""; 0]);
    let verdicts = table("Codes of verdicts (null if eligible):", 2);
    let start = README.find("`standing` (null").unwrap();
    let standings = &README[start + "`standing`".len()..start + README[start..].find(')').unwrap()];
    let words = verdicts.iter().map(|row| quoted(row[0])[0]).chain(quoted(standings));
    for word in words.filter(|word| !["current", "chosen"].contains(word)) {
        let text =
            format!("cases: [{{name: it, policy: {{}}, tags: [1.0.0], expect: {{rejected: {{1.0.0: {word}}}}}}}]\n");
        let read = repin::config::cases::parse(&text, Path::new("c.yaml"), &|_| Err("is none".to_owned()));
        assert!(read.is_ok(), "{word}: {:#?}", read.err());
    }
}

#[test]
fn the_readme_names_every_code_and_no_other() {
    let (sources, readme) = (codes_of_the_sources(), codes_of_the_readme());
    let missing: Vec<&String> = sources.difference(&readme).collect();
    assert!(missing.is_empty(), "not in the README: {missing:?}");
    let unbuilt = unbuilt();
    let is_known = |code: &str| {
        let key = code.strip_prefix("unsupported/");
        sources.contains(code) || key.is_some_and(|key| unbuilt.contains(key))
    };
    let strange: Vec<&String> = readme.iter().filter(|code| !is_known(code)).collect();
    assert!(strange.is_empty(), "in the README, and given by nothing: {strange:?}");
    let fixed = [
        "guard/downgrade",
        "guard/listing",
        "guard/rolled-back",
        "guard/refused",
        "place/contested",
        "history/unknown",
        "selection/none",
        "rule/none",
        "rule/observe",
        "annotation/invalid",
        "registry/unconfigured",
        "repository/unknown",
        "target/outside",
    ];
    assert_eq!(fixed.into_iter().filter(|code| !readme.contains(*code)).collect::<Vec<_>>(), [""; 0]);
}

/// What a pattern with one group finds in the source files with this end of their path.
fn found_in(end: &str, pattern: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    let found: BTreeSet<String> = sources()
        .iter()
        .filter(|(path, _)| path.ends_with(end))
        .flat_map(|(_, text)| pattern.captures_iter(text).map(|found| found[1].to_owned()).collect::<Vec<_>>())
        .collect();
    assert!(!found.is_empty(), "{pattern} in {end}");
    found
}

#[test]
fn the_readme_names_every_verdict_and_every_standing_of_a_tag_and_no_other() {
    let rows = table("Codes of verdicts (null if eligible):", 2);
    let named: BTreeSet<String> = rows.iter().map(|row| quoted(row[0])[0].to_owned()).collect();
    let mut given = found_in("selection/verdict.rs", "=> \"([a-z-]+)\"");
    given.extend(found_in("plan/judge/newest.rs", "Some\\(\\(\\s*\"([a-z-]+)\""));
    assert_eq!(named, given);
    let start = README.find("`standing` (null").unwrap();
    let standings = &README[start + "`standing`".len()..start + README[start..].find(')').unwrap()];
    let named: BTreeSet<String> = quoted(standings).into_iter().map(str::to_owned).collect();
    let mut given = found_in("plan/explain.rs", "ome\\(\"([a-z-]+)\"\\)");
    given.extend(found_in("plan/judge/walk.rs", "standing: \"([a-z-]+)\""));
    given.extend(found_in("plan/judge/verify.rs", "UNVERIFIED: &str = \"([a-z-]+)\""));
    assert_eq!(named, given);
}

#[test]
fn the_readme_names_every_annotation_that_works_and_every_one_that_holds() {
    let strip = |text: &'static str| text.trim_start_matches("[alias.]").trim_start_matches("<alias>.");
    let rows = table("## Annotations", 4);
    let works: BTreeSet<&str> = rows.iter().map(|row| strip(quoted(row[0])[0])).collect();
    let built: BTreeSet<&str> = KEYS.iter().filter(|key| key.built).map(|key| key.name).collect();
    assert_eq!(works, built);
    let missing = section("What is not there yet");
    let missing = quoted(missing);
    let is_named = |key: &str| missing.contains(&key) || missing.contains(&format!("unsupported/{key}").as_str());
    let absent: Vec<&str> = unbuilt().into_iter().filter(|key| !is_named(key)).collect();
    assert_eq!(absent, [""; 0], "not in the list of what is not there");
}

#[test]
fn the_readme_names_every_metric_and_every_public_registry() {
    let readme: BTreeSet<&str> = section("Running it").split('`').filter(|text| text.starts_with("repin_")).collect();
    let bare = |name: &str| name.split('{').next().unwrap().trim_end_matches("_total").to_owned();
    let readme: BTreeSet<String> = readme.into_iter().map(bare).collect();
    let metrics = Metrics::default();
    metrics.cycle(&CycleFigures::default());
    let registry = RegistryFigures { registry: "ghcr.io".to_owned(), throttled: 1, backoff: Duration::ZERO };
    metrics.registries([registry].into_iter());
    let forge = ForgeFigures { repository: "gitops".to_owned(), open: 1, requests: 1, not_modified: 1, throttled: 1 };
    metrics.forges([forge].into_iter());
    let text = metrics.text();
    let given = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    assert_eq!(readme, given.map(str::to_owned).collect());
    for registry in PUBLIC_REGISTRIES {
        assert!(section("Running it").contains(registry.host), "{}", registry.host);
    }
}

#[test]
fn every_link_inside_the_readme_leads_to_a_heading() {
    let slug = |heading: &str| heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    let headings: BTreeSet<String> = README.lines().filter(|line| line.starts_with('#')).map(slug).collect();
    let links: Vec<&str> = README.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(!links.is_empty());
    assert_eq!(links.iter().filter(|link| !headings.contains(**link)).collect::<Vec<_>>(), [&""; 0]);
}

/// One change of one file of the example.
struct Variant {
    file: &'static str,
    from: &'static str,
    to: &'static str,
    code: &'static str,
}

const fn variant(file: &'static str, from: &'static str, to: &'static str, code: &'static str) -> Variant {
    Variant { file, from, to, code }
}

#[test]
fn what_is_not_there_is_held_with_the_code_that_the_readme_gives() {
    let (app, values, config) = ("argocd/web.yaml", "apps/web/values.yaml", "repin.yaml");
    let list = "    repin.dev/image-list";
    let variants = [
        variant(config, "delivery: commit", "delivery: pull-request", "forge/unconfigured"),
        variant(config, "delivery: commit", "delivery: none", "rule/none"),
        variant(config, "delivery: commit", "delivery: commit\n    min_age: 3d", "guard/min-age"),
        variant(config, "delivery: commit", "delivery: commit\n    notify: [chat]", "unsupported/notify"),
        variant(config, "delivery: commit", "delivery: commit\n    observe: true", "rule/observe"),
        variant(config, "    also: ", "    # ", "repository/unknown"),
        variant(app, list, "    repin.dev/notify: chat\n    repin.dev/image-list", "unsupported/notify"),
        variant(app, list, "    repin.dev/delivery: none\n    repin.dev/image-list", "rule/none"),
        variant(app, list, "    repin.dev/min-age: 3d\n    repin.dev/image-list", "guard/min-age"),
        variant(app, list, "    argocd-image-updater.argoproj.io/image-list", "unsupported/write-back-method"),
        variant(
            app,
            list,
            "    argocd-image-updater.argoproj.io/write-back-method: git\n    argocd-image-updater.argoproj.io/image-list",
            "target/not-found",
        ),
        variant(
            app,
            list,
            "    repin.dev/write-back-method: argocd\n    repin.dev/image-list",
            "unsupported/write-back-method",
        ),
        variant(app, list, "    repin.dev/pull-secret: harbor\n    repin.dev/image-list", "annotation/pull-secret"),
        variant(app, list, "    repin.dev/git-branch: release\n    repin.dev/image-list", "target/outside"),
        variant(app, list, "    repin.dev/git-branch: \":{{.SHA256}}\"\n    repin.dev/image-list", "target/outside"),
        variant(
            app,
            list,
            "    repin.dev/write-back-target: helmvalues:../../other/values.yaml\n    repin.dev/image-list",
            "target/outside",
        ),
        variant(app, "targetRevision: main", "targetRevision: stable", "target/outside"),
        variant(app, HOST, "registry.example.com", "registry/unconfigured"),
        variant(values, "\"1.0.0\"", "1.0.0@sha256:abc", "guard/pinned"),
        variant(values, "\"1.0.0\"", "\"1.0.0\"\n  digest: sha256:abc\n  # ", "guard/pinned"),
    ];
    for Variant { file, from, to, code } in variants {
        let example = Example::new(&|name, text| {
            let from = if from == HOST { text_host(&text) } else { from.to_owned() };
            if name == file { replaced(&text, &from, to) } else { text }
        });
        let said = example.json(&["once"]);
        let outcomes = said["outcomes"].as_array().unwrap();
        let got: Vec<(&str, &str)> =
            outcomes.iter().map(|one| (one["result"].as_str().unwrap(), one["code"].as_str().unwrap())).collect();
        assert_eq!(got, [("held", code)], "{file}: {from:?} -> {to:?}: {said:#}");
        assert!(README.contains(code) || code.starts_with("unsupported/"), "{code}");
    }
}

#[test]
fn without_the_second_annotation_the_place_is_found_as_the_readme_says() {
    let second = "    repin.dev/app.helm.image-tag: image.tag\n";
    let example =
        Example::new(&|name, text| if name == "argocd/web.yaml" { replaced(&text, second, "") } else { text });
    let outcome = example.json(&["once"])["outcomes"][0].clone();
    assert_eq!((&outcome["result"], &outcome["key"]), (&"delivered".into(), &"image.tag".into()), "{outcome:#}");
}

#[test]
fn a_plain_http_remote_on_another_machine_is_refused_as_the_readme_says() {
    let own = Regex::new("url: file://.*").unwrap();
    let url = "http://git.example.com/acme/gitops.git";
    let example = Example::new(&|name, text| {
        if name == "repin.yaml" { own.replace(&text, format!("url: {url}")).into_owned() } else { text }
    });
    let said = example.json(&["once"]);
    assert_eq!(said["problems"][0]["code"], "config/invalid-value", "{said:#}");
}

/// The registry of an Application's image.
fn text_host(text: &str) -> String {
    Regex::new(r"127\.0\.0\.1:\d+").unwrap().find(text).map_or(String::new(), |found| found.as_str().to_owned())
}

#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replacen(from, to, 1)
}
