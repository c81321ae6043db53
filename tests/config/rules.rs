//! Environments, rules, windows and promotions: what is read, and every problem with its place.

use std::time::Duration;

use repin::model::promotion::Promotion;
use repin::model::rule::{Delivery, RegistryPrefix};
use repin::model::window::WindowKind;

use super::{MINIMAL, check, settings};

const LIST: &str = "environments: [{name: dev}, {name: staging}, {name: prod}]\n";
const WINDOWS: &str = "windows: [{name: office, kind: allow, cron: \"0 9 * * 1-5\", duration: 8h}]\n";

#[test]
fn a_promotion_is_a_text_a_list_or_a_mapping() {
    for (text, expected) in [
        ("dev", "dev"),
        ("\"dev,staging\"", "dev,staging"),
        ("\"any:dev, staging\"", "any:dev,staging"),
        ("\"all:dev,staging\"", "dev,staging"),
        ("staging/web", "staging/web"),
        ("[dev, staging/web]", "dev,staging/web"),
        ("{any: [dev, staging]}", "any:dev,staging"),
        ("{all: [dev, staging]}", "dev,staging"),
    ] {
        let read = settings(&format!("{MINIMAL}rules: [{{promote_from: {text}}}]\n"));
        let found: &Promotion = read.rules[0].promote_from.as_ref().unwrap();
        assert_eq!(found.to_string(), expected, "{text}");
        let read = settings(&format!("{MINIMAL}{LIST}rules: [{{at_least: {{promote_from: {text}}}}}]\n"));
        assert_eq!(read.rules[0].at_least.promote_from.as_ref().unwrap().to_string(), expected, "{text}");
    }
    let at = "4 config/invalid-value: `rules[0].promote_from";
    for (text, expected) in [
        ("qa", format!("{at}` is `qa`: `qa` is no name of `environments`")),
        ("\"any:dev,qa\"", format!("{at}` is `any:dev,qa`: `qa` is no name of `environments`")),
        ("[dev, qa/web]", format!("{at}[1]` is `qa/web`: `qa` is no name of `environments`")),
        ("{any: [qa]}", format!("{at}.any[0]` is `qa`: `qa` is no name of `environments`")),
        ("[dev, dev]", format!("{at}[1]` is `dev`: each upstream is named once")),
        ("\"dev,dev\"", format!("{at}` is `dev,dev`: each upstream is named once")),
        ("[]", format!("{at}` names no environment")),
        ("{any: []}", format!("{at}.any` names no environment")),
        (
            "[\"dev,staging\"]",
            format!("{at}[0]` is `dev,staging`: an upstream is an environment, or `<environment>/<application>`"),
        ),
        ("{any: [dev], all: [staging]}", format!("{at}` has both `all` and `any`")),
        ("some:dev", format!("{at}` is `some:dev`: in front of a `:` stands `all` or `any`")),
        ("{some: [dev]}", "4 config/unknown-key: `rules[0].promote_from.some` is not a known key".to_owned()),
        ("{}", "4 config/missing-key: `rules[0].promote_from` has neither `all` nor `any`".to_owned()),
        ("none", format!("{at}` is `none`: `none` stands alone")),
    ] {
        check(&format!("{LIST}rules: [{{promote_from: {text}}}]\n"), &[&expected]);
    }
}

#[test]
fn names_of_environments_and_windows_are_those_of_their_lists() {
    let at = "5 config/invalid-value: ";
    for (rule, expected) in [
        ("environment: qa", "`rules[0].environment` is `qa`: it is no name of `environments`"),
        ("windows: [office, night]", "`rules[0].windows[1]` is `night`: it is no name of `windows`"),
        ("windows: night", "`rules[0].windows` is `night`: it is no name of `windows`"),
        ("at_least: {windows: [night]}", "`rules[0].at_least.windows[0]` is `night`: it is no name of `windows`"),
        ("at_least: {windows: []}", "`rules[0].at_least.windows` is empty, and demands nothing"),
        ("at_least: {registries: []}", "`rules[0].at_least.registries` is empty, and demands nothing"),
    ] {
        check(&format!("{LIST}{WINDOWS}rules: [{{{rule}}}]\n"), &[&format!("{at}{expected}")]);
    }
    // Any name will do where there is no list, and nothing is said where one could not be read.
    check("rules: [{environment: qa, promote_from: dev}]", &[]);
    check(
        "windows: [{kind: allow, cron: \"@daily\", duration: 1h}]\nrules: [{windows: [office]}]",
        &["3 config/missing-key: `windows[0].name` is missing, and it is required"],
    );
    check(
        "windows: x\nrules: [{windows: [office]}]",
        &["3 config/invalid-value: `windows` is a single value, and a list is expected"],
    );
    check(
        "environments: [{name: dev, windows: [night], promote_from: qa}]",
        &[
            "3 config/invalid-value: `environments[0].windows[0]` is `night`: it is no name of `windows`",
            "3 config/invalid-value: `environments[0].promote_from` is `qa`: `qa` is no name of `environments`",
        ],
    );
}

#[test]
fn environments_are_named_once_and_promote_in_no_circle() {
    check(
        "environments:\n- {name: dev}\n- {name: dev}\n- {delivery: commit}",
        &[
            "5 config/duplicate: `environments[1]` has the name `dev`, as the entry in line 4 has",
            "6 config/missing-key: `environments[2].name` is missing, and it is required",
        ],
    );
    check(
        "environments:\n- {name: a, promote_from: c}\n- {name: b, promote_from: a}\n- {name: c, at_least: {promote_from: [b]}}\n- {name: d, promote_from: c}",
        &["4 config/invalid-value: `environments[0]` is promoted in a circle: a from c from b from a"],
    );
    check(
        "environments: [{name: a, promote_from: a}]",
        &["3 config/invalid-value: `environments[0]` is promoted in a circle: a from a"],
    );
    // Another Application of the same environment is another matter, and so is a way that meets again.
    check("environments: [{name: a, promote_from: a/canary}]", &[]);
    check(
        "environments: [{name: a}, {name: b, promote_from: a}, {name: c, promote_from: a}, {name: d, promote_from: [b, c]}]",
        &[],
    );
    check(
        "environments: [{name: dev, environment: x, match: {}, service: y}]",
        &[
            "3 config/unknown-key: `environments[0].environment` is not a known key",
            "3 config/unknown-key: `environments[0].match` is not a known key",
            "3 config/unknown-key: `environments[0].service` is not a known key",
        ],
    );
}

#[test]
fn a_path_captures_services_and_environments() {
    let read = settings(&format!("{MINIMAL}rules: [{{match: {{path: \"a/{{service}}/{{environment}}.yaml\"}}}}]\n"));
    let glob = read.rules[0].matches.path.as_ref().unwrap();
    let captured = glob.read("a/web/prod.yaml", &[]).unwrap().unwrap();
    assert_eq!((captured.service.as_deref(), captured.environment.as_deref()), (Some("web"), Some("prod")));
    for (path, expected) in [
        (
            "a/{cluster}/**",
            "`{cluster}` is no capture, which are {service} and {environment}, and no alternatives, which are {a,b}",
        ),
        ("{a,{service}}/**", "`{service}` stands between the braces of alternatives, and a capture does not"),
    ] {
        let text = format!("rules: [{{match: {{path: \"{path}\"}}}}]");
        check(&text, &[&format!("3 config/invalid-value: `rules[0].match.path` is `{path}`: {expected}")]);
    }
}

#[test]
fn spans_limits_and_registries_are_read_within_their_bounds() {
    let text = "{min_age: 0, soak: 1h30m, max_changes_per_hour: 1, max_changes_per_push: 4294967295, windows: [], registries: [GHCR.io/acme, index.docker.io, localhost:5000]}";
    let rule = settings(&format!("{MINIMAL}rules: [{text}]\n")).rules.remove(0);
    assert_eq!((rule.min_age, rule.soak), (Some(Duration::ZERO), Some(Duration::from_secs(5_400))));
    assert_eq!((rule.max_changes_per_hour, rule.max_changes_per_push), (Some(1), Some(u32::MAX)));
    assert_eq!(rule.windows, Some([].into()));
    let registries: Vec<String> = rule.registries.unwrap().iter().map(|one| one.as_str().to_owned()).collect();
    assert_eq!(registries, ["docker.io", "ghcr.io/acme", "localhost:5000"]);
    assert!(RegistryPrefix::new("ghcr.io/acme").unwrap().holds("ghcr.io/acme/web"));
    assert!(!RegistryPrefix::new("ghcr.io/acme").unwrap().holds("ghcr.io/acme-other/web"));
    let at = "3 config/invalid-value: `rules[0].";
    for (rule, expected) in [
        ("min_age: 3", "min_age` is `3`: a number has no unit: d, h, m or s"),
        (
            "soak: -1h",
            "soak` is `-1h`: it is written as numbers with a unit of d, h, m or s, the larger first, such as 2m or 1h30m",
        ),
        ("soak: 4000d", "soak` is `4000d`: it is at most 3650d"),
        ("max_changes_per_hour: 0", "max_changes_per_hour` is `0`: it is a whole number from 1"),
        ("max_changes_per_push: 4294967296", "max_changes_per_push` is `4294967296`: it is at most 4294967295"),
        ("follow_rollback: true", "follow_rollback` is `true`: it is one of pull-request, none"),
        (
            "registries: [acme]",
            "registries[0]` is `acme`: in an image name, a first part without `.` or `:` is no host but for localhost",
        ),
        ("at_least: {delivery: push}", "at_least.delivery` is `push`: it is one of commit, pull-request, none"),
    ] {
        check(&format!("rules: [{{{rule}}}]"), &[&format!("{at}{expected}")]);
    }
    check(
        "rules: [{at_least: {observe: true, verify: cosign:x}}]",
        &[
            "3 config/unknown-key: `rules[0].at_least.observe` is not a known key",
            "3 config/invalid-value: `rules[0]` demands signatures with the key `x`, which `cosign_keys` does not have",
        ],
    );
    check(
        "max_changes_per_push: 0",
        &["3 config/invalid-value: `max_changes_per_push` is `0`: it is a whole number from 1"],
    );
}

#[test]
fn a_window_begins_by_a_cron_expression_in_a_zone_and_lasts() {
    let text = "windows:\n- {name: a, kind: deny, cron: \"CRON_TZ=Europe/Berlin @weekly\", duration: 366d}\n- {name: b, kind: allow, cron: \"0 9 * * *\", duration: 1m, time_zone: America/New_York, reason: \"  \"}\n";
    let read = settings(&format!("{MINIMAL}{text}"));
    let (a, b) = (&read.windows["a"], &read.windows["b"]);
    assert_eq!((a.kind, b.kind), (WindowKind::Deny, WindowKind::Allow));
    assert_eq!(
        (a.cron.to_string(), b.cron.to_string()),
        ("@weekly (Europe/Berlin)".into(), "0 9 * * * (America/New_York)".into())
    );
    assert_eq!(b.reason, None);
    let good = [("name", "a"), ("kind", "allow"), ("cron", "\"@daily\""), ("duration", "8h")];
    let at = "3 config/invalid-value: `windows[0].";
    for (key, value, expected) in [
        (
            "name",
            "\"a b\"",
            format!(
                "{at}name` is `a b`: it is up to 100 letters, digits and . _ - and starts with a letter or a digit"
            ),
        ),
        ("kind", "open", format!("{at}kind` is `open`: it is one of allow, deny")),
        ("duration", "30s", format!("{at}duration` is `30s`: it is at least 1m and at most 366d")),
        ("duration", "400d", format!("{at}duration` is `400d`: it is at least 1m and at most 366d")),
        ("duration", "8", format!("{at}duration` is `8`: a number has no unit: d, h, m or s")),
        (
            "time_zone",
            "Mars/Base",
            format!("{at}time_zone` is `Mars/Base`: the time zone is none of the IANA database"),
        ),
        ("jitter", "5m", "3 config/unknown-key: `windows[0].jitter` is not a known key".to_owned()),
    ] {
        let others = good.iter().filter(|(name, _)| *name != key).map(|(name, value)| format!("{name}: {value}"));
        let entry: Vec<String> = others.chain([format!("{key}: {value}")]).collect();
        check(&format!("windows: [{{{}}}]", entry.join(", ")), &[&expected]);
    }
    check(
        "windows:\n- {name: a, kind: deny, cron: \"CRON_TZ=UTC @daily\", duration: 1h, time_zone: UTC}\n- {name: a, kind: deny, cron: x, duration: 1h}\n- {name: b, kind: deny, cron: \"@daily\", duration: 1h}\n- {name: b, kind: deny, cron: \"@daily\", duration: 1h}\n- {}",
        &[
            "4 config/invalid-value: `windows[0].time_zone` is there, and the expression names a time zone too",
            "5 config/invalid-value: `windows[1].cron` is `x`: an expression has five fields: minute, hour, day of month, month, day of week; this one has 1",
            "7 config/duplicate: `windows[3]` has the name `b`, as the entry in line 6 has",
            "8 config/missing-key: `windows[4].name` is missing, and it is required",
            "8 config/missing-key: `windows[4].kind` is missing, and it is required",
            "8 config/missing-key: `windows[4].cron` is missing, and it is required",
            "8 config/missing-key: `windows[4].duration` is missing, and it is required",
        ],
    );
}

#[test]
fn what_environments_say_is_in_front_of_the_rules_for_the_reconciler() {
    let read = settings(&format!(
        "{MINIMAL}rules: [{{environment: dev}}]\nenvironments: [{{name: dev, delivery: commit}}]\nmax_changes_per_push: 7\n{WINDOWS}emergency_stop: stop\n"
    ));
    let options = repin::config::options::reconcile(&read, std::path::Path::new("repin.yaml"));
    let names: Vec<Option<&str>> = options.rules.iter().map(|rule| rule.of_environment.as_deref()).collect();
    assert_eq!(names, [Some("dev"), None]);
    assert_eq!(options.rules[0].delivery, Some(Delivery::Commit));
    assert_eq!((options.max_changes_per_push, options.windows.len()), (Some(7), 1));
    assert_eq!(options.emergency_stop.as_deref(), Some(std::path::Path::new("/etc/repin/stop")));
}

#[test]
fn a_demand_that_goes_by_manifests_alone_is_warned_of() {
    let loose = |what: &str| {
        format!(
            "warning 4 config/loose-match: `rules[0]` {what}, and matches by what stands in the manifests only: who may edit an Application may leave the rule"
        )
    };
    let (demands, gives) = (loose("demands `at_least`"), loose("is the only one that gives the environment `prod`"));
    let least = "at_least: {min_age: 1d}";
    for (rules, expected) in [
        (format!("[{{match: {{label: {{env: prod}}}}, {least}}}]"), Some(&demands)),
        (format!("[{{match: {{application: '*-prod'}}, environment: prod, {least}}}]"), Some(&demands)),
        (format!("[{{match: {{project: shop, namespace: argocd}}, {least}}}]"), Some(&demands)),
        ("[{match: {project: shop}, environment: prod}]".to_owned(), Some(&gives)),
        (
            "[{match: {project: shop}, environment: prod}, {match: {path: 'a/**'}, environment: dev}]".to_owned(),
            Some(&gives),
        ),
        // Nobody leaves what is everywhere, or goes by the place.
        (format!("[{{{least}}}]"), None),
        (format!("[{{match: {{label: {{env: prod}}, path: 'prod/**'}}, {least}}}]"), None),
        (format!("[{{match: {{project: shop, branch: main}}, environment: prod, {least}}}]"), None),
        (format!("[{{match: {{project: shop, repository: gitops}}, {least}}}]"), None),
        ("[{match: {project: shop}, delivery: commit}]".to_owned(), None),
        (
            "[{match: {project: shop}, environment: prod}, {match: {path: 'prod/**'}, environment: prod}]".to_owned(),
            None,
        ),
        ("[{match: {project: shop}, environment: prod}, {match: {path: '{environment}/**'}}]".to_owned(), None),
    ] {
        let expected: Vec<&str> = expected.map(String::as_str).into_iter().collect();
        check(&format!("{LIST}rules: {rules}\n"), &expected);
    }
}
