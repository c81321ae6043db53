//! What counts for an image, for every setting and everybody who may say it: the text of a configuration and the
//! annotations of a manifest in, terms out. And what annotations can never do, whatever they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use repin::config::options::reconcile;
use repin::config::{Surroundings, parse};
use repin::manifest::argocd::{Definitions, read_applications};
use repin::model::interval::in_words;
use repin::model::problem::Problem;
use repin::model::promotion::{Promotion, Quorum};
use repin::model::rule::RegistryPrefix;
use repin::model::tracked::TrackedImage;
use repin::model::window::{Window, WindowKind};
use repin::reconcile::Options;
use repin::resolve::{Configured, KnownRepository, resolve};
use repin::rules::terms::{Terms, cuts, terms};
use repin::rules::{Subject, effective};

const HEAD: &str = "\
repositories: [{name: gitops, url: 'https://git.example/acme/gitops.git'}]
cosign_keys: [{name: one, key: a.pub}, {name: two, key: a.pub}, {name: three, key: a.pub}]
windows:
- {name: office, kind: allow, cron: '0 9 * * 1-5', duration: 8h}
- {name: night, kind: allow, cron: '0 22 * * *', duration: 4h}
- {name: freeze, kind: deny, cron: '0 0 20 12 *', duration: 14d}
";

/// Settings of `environments`, of a rule, and of a rule that stands in front of it and behind which it counts.
#[derive(Clone, Debug, Default)]
struct Says {
    environment: String,
    first: String,
    rule: String,
}

fn options(says: &Says) -> Options {
    let list = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
    let text = format!(
        "{HEAD}environments: [{{name: dev}}, {{name: qa}}, {{name: staging}}, {{name: prod{}}}]\nrules:\n\
         - {{match: {{path: 'apps/**'}}{}}}\n- {{match: {{path: 'apps/{{service}}/{{environment}}.yaml'}}{}}}\n",
        list(&says.environment),
        list(&says.first),
        list(&says.rule)
    );
    let around = Surroundings {
        file: Path::new("repin.yaml"),
        secrets: &|_| Err("there are none".to_owned()),
        files: &|_| Ok(std::fs::read("tests/data/cosign/p256.pub").unwrap()),
        default_cache: Some(PathBuf::from("cache")),
    };
    let (settings, warnings) = parse(&text, &around).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"));
    assert_eq!(warnings, [], "{text}");
    reconcile(&settings, Path::new("repin.yaml"))
}

/// Resolves the annotations of one Application: its images, and the problems as `line code: message | hint`.
fn resolved(options: &Options, annotations: &[(&str, &str)]) -> (Vec<TrackedImage>, Vec<String>) {
    let lines: String = annotations.iter().map(|(key, value)| format!("    {key}: \"{value}\"\n")).collect();
    let manifest = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: web\n  annotations:\n    repin.dev/image-list: a/b=ghcr.io/acme/web\n    \
         repin.dev/a_b.helm.image-tag: image.tag\n{lines}spec:\n  source: {{repoURL: 'https://git.example/acme/gitops.git', path: apps/web, targetRevision: main}}\n"
    );
    let Definitions { applications, problems, .. } =
        read_applications("gitops", &"apps.yaml".parse().unwrap(), &manifest);
    assert_eq!(problems, [], "{manifest}");
    let known = [KnownRepository {
        name: "gitops".into(),
        branch: "main".parse().unwrap(),
        branches: vec![],
        default: None,
        urls: vec!["git.example/acme/gitops".into()],
    }];
    let keys: Vec<_> = options.cosign_keys.keys().cloned().collect();
    let environments: Vec<String> = options.rules.iter().filter_map(|rule| rule.of_environment.clone()).collect();
    let configured = Configured {
        repositories: &known,
        cosign_keys: &keys,
        windows: Some(&options.windows),
        environments: &environments,
        ..Configured::default()
    };
    let (images, problems) = resolve(&applications[0], &configured);
    let shown = |one: &Problem| {
        format!("{} {}: {} | {}", one.line.unwrap(), one.code, one.message, one.hint.as_deref().unwrap())
    };
    (images, problems.iter().map(shown).collect())
}

/// What counts, and the wishes that are cut: `key: wished -> counts`.
fn told(says: &Says, annotations: &[(&str, &str)]) -> (Terms, Vec<String>) {
    let options = options(says);
    let (images, problems) = resolved(&options, annotations);
    assert_eq!(problems, [""; 0], "{annotations:?}");
    let (image, path) = (&images[0], "apps/web/prod.yaml".parse().unwrap());
    let subject = Subject {
        repository: "gitops",
        branch: "main",
        path: Some(&path),
        application: "web",
        namespace: "argocd",
        project: "",
        labels: &BTreeMap::new(),
    };
    let rule = effective(&options.rules, false, &subject);
    assert_eq!((rule.environment.as_deref(), rule.service.as_deref()), (Some("prod"), Some("web")));
    let terms = terms(&rule, image);
    let cut = cuts(&terms, &rule, image, &options.windows);
    let cut = cut.iter().map(|one| format!("{}: {} -> {}", one.key, one.wished, one.counts)).collect();
    (terms, cut)
}

/// The value of a setting, as the configuration calls it.
fn value(terms: &Terms, setting: &str) -> String {
    let sets = |sets: Vec<Vec<String>>| sets.iter().map(|set| set.join(",")).collect::<Vec<_>>().join(" and ");
    let text = match setting {
        "delivery" => terms.delivery.to_string(),
        "windows" => sets(terms.windows.iter().map(|set| set.iter().cloned().collect()).collect()),
        "min_age" => terms.min_age.map(in_words).unwrap_or_default(),
        "promote_from" => terms.promote_from.as_ref().map(ToString::to_string).unwrap_or_default(),
        "soak" => terms.soak.map(in_words).unwrap_or_default(),
        "follow_rollback" => terms.follow_rollback.to_string(),
        "registries" => {
            let of = |set: &BTreeSet<RegistryPrefix>| set.iter().map(|one| one.as_str().to_owned()).collect();
            sets(terms.registries.iter().map(of).collect())
        }
        "verify" => terms.verify.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        "max_changes_per_hour" => terms.max_changes_per_hour.map(|most| most.to_string()).unwrap_or_default(),
        "max_changes_per_push" => terms.max_changes_per_push.map(|most| most.to_string()).unwrap_or_default(),
        "hold" => terms.hold.as_ref().map(|hold| hold.reason.clone()).unwrap_or_default(),
        other => panic!("{other}"),
    };
    if text.is_empty() { "-".to_owned() } else { text }
}

/// One setting, said by everybody.
struct Row {
    setting: &'static str,
    /// As annotations call it; empty = they do not.
    key: &'static str,
    /// What the environment, a rule and another rule behind it say.
    says: [&'static str; 3],
    /// What counts then, where nobody says anything first.
    counts: [&'static str; 4],
    /// What `at_least` demands, and what counts with it alone, with it and the environment, and with it and the last rule.
    at_least: (&'static str, [&'static str; 3]),
    /// Wishes with what counts of them: beside the last rule, and beside it and `at_least`, with the cut.
    wishes: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

const ROWS: &[Row] = &[
    Row {
        setting: "delivery",
        key: "delivery",
        says: ["none", "commit", "pull-request"],
        counts: ["none", "none", "commit", "pull-request"],
        at_least: ("pull-request", ["none", "none", "pull-request"]),
        wishes: &[
            ("commit", "commit", "pull-request", "delivery: commit -> pull-request"),
            ("pull-request", "pull-request", "pull-request", ""),
        ],
    },
    Row {
        setting: "windows",
        key: "window",
        says: ["[night]", "[freeze]", "[office, freeze]"],
        counts: ["-", "night", "freeze", "freeze,office"],
        at_least: ("[office]", ["office", "night and office", "freeze,office and office"]),
        wishes: &[
            ("night", "night", "night and office", "window: night -> night and office"),
            ("office", "office", "office", ""),
            (
                "night, office",
                "night,office",
                "night,office and office",
                "window: night,office -> night,office and office",
            ),
            // It closes more often than is demanded.
            ("office,freeze", "freeze,office", "freeze,office and office", ""),
        ],
    },
    Row {
        setting: "min_age",
        key: "min-age",
        says: ["1h", "0", "2d"],
        counts: ["-", "1h", "-", "2d"],
        at_least: ("1d", ["1d", "1d", "2d"]),
        wishes: &[
            ("0", "-", "1d", "min-age: 0s -> 1d"),
            ("12h", "12h", "1d", "min-age: 12h -> 1d"),
            ("1d", "1d", "1d", ""),
            ("7d", "7d", "7d", ""),
        ],
    },
    Row {
        setting: "promote_from",
        key: "promote-from",
        says: ["dev", "'any:dev,qa'", "[qa, staging/web]"],
        counts: ["-", "dev", "any:dev,qa", "qa,staging/web"],
        at_least: ("staging", ["staging", "staging", "staging"]),
        wishes: &[
            ("none", "-", "staging", "promote-from: none -> staging"),
            ("qa", "qa", "staging", "promote-from: qa -> staging"),
            ("any:qa,staging", "any:qa,staging", "staging", "promote-from: any:qa,staging -> staging"),
            ("staging/other", "staging/other", "staging", "promote-from: staging/other -> staging"),
            // More is demanded than must be.
            ("qa,staging", "qa,staging", "qa,staging", ""),
            ("any:staging", "staging", "staging", ""),
        ],
    },
    Row {
        setting: "soak",
        key: "soak",
        says: ["1h", "0", "2d"],
        counts: ["-", "1h", "-", "2d"],
        at_least: ("1d", ["1d", "1d", "2d"]),
        wishes: &[("0", "-", "1d", "soak: 0s -> 1d"), ("1h", "1h", "1d", "soak: 1h -> 1d"), ("3d", "3d", "3d", "")],
    },
    Row {
        setting: "verify",
        key: "verify",
        says: ["'cosign:one'", "'cosign:two'", "['cosign:one', 'cosign:two']"],
        counts: ["-", "one", "one,two", "one,two"],
        at_least: ("'cosign:three'", ["three", "one,three", "one,three,two"]),
        // They are demanded besides, so none is ever less.
        wishes: &[("cosign:three", "one,three,two", "one,three,two", "")],
    },
    Row {
        setting: "follow_rollback",
        key: "",
        says: ["pull-request", "none", "pull-request"],
        counts: ["false", "true", "false", "true"],
        at_least: ("", ["", "", ""]),
        wishes: &[],
    },
    Row {
        setting: "registries",
        key: "",
        says: ["[ghcr.io]", "[]", "[ghcr.io/acme, quay.io]"],
        counts: ["-", "ghcr.io", "-", "ghcr.io/acme,quay.io"],
        at_least: ("[ghcr.io]", ["ghcr.io", "ghcr.io", "ghcr.io/acme,quay.io and ghcr.io"]),
        wishes: &[],
    },
    Row {
        setting: "max_changes_per_hour",
        key: "",
        says: ["9", "3", "20"],
        counts: ["-", "9", "3", "20"],
        at_least: ("5", ["5", "5", "5"]),
        wishes: &[],
    },
    Row {
        setting: "max_changes_per_push",
        key: "",
        says: ["2", "30", "4"],
        counts: ["-", "2", "30", "4"],
        at_least: ("5", ["5", "2", "4"]),
        wishes: &[],
    },
];

#[test]
fn every_setting_counts_as_who_says_it_wants_and_never_less_than_is_demanded() {
    let none: &[(&str, &str)] = &[];
    for Row { setting, key, says, counts, at_least, wishes } in ROWS {
        let set = |text: &str| format!("{setting}: {text}");
        let [environment, first, last] = says.map(set);
        let least = format!("at_least: {{{setting}: {}}}", at_least.0);
        let check = |says: &Says, annotations: &[(&str, &str)], expected: &str, cut: &str| {
            let (terms, found) = told(says, annotations);
            let cut: Vec<&str> = if cut.is_empty() { vec![] } else { vec![cut] };
            assert_eq!(
                (value(&terms, setting), found),
                ((*expected).to_owned(), cut.into_iter().map(str::to_owned).collect()),
                "{says:?} {annotations:?}"
            );
        };
        let says = |environment: &str, first: &str, rule: &str| Says {
            environment: environment.to_owned(),
            first: first.to_owned(),
            rule: rule.to_owned(),
        };
        check(&says("", "", ""), none, counts[0], "");
        check(&says(&environment, "", ""), none, counts[1], "");
        check(&says(&environment, &first, ""), none, counts[2], "");
        check(&says(&environment, &first, &last), none, counts[3], "");
        if !at_least.0.is_empty() {
            check(&says("", &least, ""), none, at_least.1[0], "");
            check(&says(&environment, &least, ""), none, at_least.1[1], "");
            check(&says("", &least, &last), none, at_least.1[2], "");
            // Wherever it stands.
            check(&says(&least, "", &last), none, at_least.1[2], "");
            check(&says("", "", &format!("{last}, {least}")), none, at_least.1[2], "");
        }
        for (wish, alone, capped, cut) in *wishes {
            let whole = format!("repin.dev/{key}");
            let (own, legacy) = (format!("repin.dev/a_b.{key}"), format!("argocd-image-updater.argoproj.io/{key}"));
            let spelled = format!("repin.dev/a/b.{key}");
            check(&says("", "", &last), &[(&whole, wish)], alone, "");
            check(&says("", "", &last), &[(&legacy, wish)], alone, "");
            check(&says(&least, "", &last), &[(&whole, wish)], capped, cut);
            check(&says("", &least, &last), &[(&legacy, wish)], capped, cut);
            let is_of_all = ["delivery", "window"].contains(key);
            for own in [own, spelled].iter().filter(|_| !is_of_all) {
                // That of the alias beats that of all its images.
                let other = wishes.iter().map(|(other, ..)| *other).find(|other| other != wish).unwrap_or(wish);
                check(&says("", "", &last), &[(own, wish), (&whole, other)], alone, "");
                check(&says("", &least, &last), &[(&whole, other), (own, wish)], capped, cut);
            }
        }
    }
}

#[test]
fn annotations_wish_for_a_delivery_only_where_a_rule_gives_one() {
    let says = |environment: &str, rule: &str| Says {
        environment: environment.to_owned(),
        rule: rule.to_owned(),
        ..Says::default()
    };
    for (says, expected) in [
        (says("", ""), "none"),
        (says("delivery: none", ""), "commit"),
        (says("", "delivery: none"), "commit"),
        (says("", "at_least: {delivery: commit}"), "none"),
    ] {
        let (terms, cut) = told(&says, &[("repin.dev/delivery", "commit")]);
        assert_eq!((terms.delivery.to_string(), cut), (expected.to_owned(), vec![]), "{says:?}");
    }
}

#[test]
fn what_several_demand_adds_up_to_the_strictest() {
    let says = Says {
        environment: "delivery: commit, at_least: {delivery: pull-request, min_age: 2d, windows: [office], registries: [ghcr.io], verify: 'cosign:one', soak: 1h, max_changes_per_hour: 4, promote_from: dev}".into(),
        first: "at_least: {delivery: none, min_age: 1d, windows: [night, freeze], registries: [ghcr.io/acme], verify: 'cosign:two', soak: 2h, max_changes_per_hour: 7, promote_from: qa}".into(),
        rule: "at_least: {windows: [office], max_changes_per_push: 3}".into(),
    };
    let (terms, _) = told(&says, &[]);
    for (setting, expected) in [
        ("delivery", "none"),
        ("min_age", "2d"),
        ("soak", "2h"),
        ("windows", "office and freeze,night"),
        ("registries", "ghcr.io and ghcr.io/acme"),
        ("verify", "one,two"),
        ("max_changes_per_hour", "4"),
        ("max_changes_per_push", "3"),
        ("promote_from", "qa"),
    ] {
        assert_eq!(value(&terms, setting), expected, "{setting}");
    }
}

#[test]
fn a_hold_is_that_of_the_whole_application() {
    let (terms, _) =
        told(&Says::default(), &[("argocd-image-updater.argoproj.io/hold", "audit until=2026-04-01T08:00:00Z")]);
    let hold = terms.hold.unwrap();
    assert_eq!((hold.reason.as_str(), hold.until.unwrap().to_string().as_str()), ("audit", "2026-04-01T08:00:00Z"));
}

#[test]
fn names_that_the_operator_does_not_have_hold_their_image_with_those_that_there_are() {
    let options = options(&Says::default());
    let check = |annotations: &[(&str, &str)], expected: &[&str]| {
        let (images, problems) = resolved(&options, annotations);
        assert_eq!(problems, expected);
        let refusal = images[0].refusal.as_ref().map(|refusal| refusal.code.as_str());
        assert_eq!(refusal, (!expected.is_empty()).then_some("annotation/invalid"));
    };
    check(
        &[("repin.dev/window", "office,lunch")],
        &[
            "8 annotation/invalid: argocd/web: `window` names `lunch`, which `windows:` of repin.yaml does not have | name another one (there are freeze, night, office), or let the operator add it to `windows:`",
        ],
    );
    check(
        &[("repin.dev/soak", "1h"), ("argocd-image-updater.argoproj.io/a_b.promote-from", "any:dev,test/web")],
        &[
            "9 annotation/invalid: argocd/web: `promote-from` names `test`, which `environments:` of repin.yaml does not have | name another one (there are dev, qa, staging, prod), or let the operator add it to `environments:`",
        ],
    );
    check(&[("repin.dev/promote-from", "any:dev,prod/web")], &[]);
}

/// Tells whether something may be written while these windows last.
fn is_open(sets: &[BTreeSet<String>], lasting: &[&str], windows: &BTreeMap<String, Window>) -> bool {
    sets.iter().all(|set| {
        let of = |kind: WindowKind| set.iter().filter(move |name| windows[*name].kind == kind);
        let lasts = |name: &String| lasting.contains(&name.as_str());
        !of(WindowKind::Deny).any(lasts) && (of(WindowKind::Allow).count() == 0 || of(WindowKind::Allow).any(lasts))
    })
}

/// Tells whether a value that stands in these environments may come.
fn passes(promotion: Option<&Promotion>, standing: &[&str]) -> bool {
    let Some(promotion) = promotion else { return true };
    let mut stands = promotion.upstreams.iter().map(|up| standing.contains(&up.environment.as_str()));
    match promotion.quorum {
        Quorum::All => stands.all(|stands| stands),
        Quorum::Any => stands.any(|stands| stands),
    }
}

/// Every part of a list.
fn parts<'a>(list: &[&'a str]) -> Vec<Vec<&'a str>> {
    (0..1_usize << list.len())
        .map(|bits| list.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, one)| *one).collect())
        .collect()
}

fn some(
    name: &'static str,
    values: &'static [&'static str],
) -> impl Strategy<Value = Option<(&'static str, &'static str)>> {
    proptest::option::of(proptest::sample::select(values)).prop_map(move |value| Some((name, value?)))
}

const SETS: &[&str] =
    &["[office]", "[night]", "[freeze]", "[office, night]", "[office, freeze]", "[night, freeze, office]"];
const FROM: &[&str] =
    &["dev", "[dev, qa]", "{any: [dev, qa]}", "staging", "{any: [qa, staging]}", "{any: [dev, qa, staging]}"];
const DELIVERIES: &[&str] = &["commit", "pull-request", "none"];
const AGES: &[&str] = &["0", "1h", "1d", "3d"];

fn settings() -> impl Strategy<Value = String> {
    let parts = (
        some("delivery", DELIVERIES),
        some("windows", SETS),
        some("min_age", AGES),
        some("promote_from", FROM),
        some("soak", AGES),
        some("registries", &["[ghcr.io]", "[ghcr.io/acme]", "[quay.io, ghcr.io/acme]"]),
        some("verify", &["'cosign:one'", "['cosign:one', 'cosign:two']"]),
        some("max_changes_per_hour", &["1", "5"]),
        some("max_changes_per_push", &["2", "9"]),
    );
    parts.prop_map(|(a, b, c, d, e, f, g, h, i)| {
        let all = [a, b, c, d, e, f, g, h, i];
        all.into_iter().flatten().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ")
    })
}

fn wishes() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let promotions = &["none", "dev", "qa", "any:dev,qa", "dev,qa,staging", "staging/other", "any:qa,staging"];
    let parts = (
        some("repin.dev/delivery", DELIVERIES),
        some(
            "repin.dev/window",
            &["office", "night", "freeze", "office,night", "office,freeze", "night,office,freeze"],
        ),
        some("repin.dev/min-age", AGES),
        some("repin.dev/a_b.min-age", AGES),
        some("repin.dev/promote-from", promotions),
        some("repin.dev/a_b.promote-from", promotions),
        some("repin.dev/soak", AGES),
        some("argocd-image-updater.argoproj.io/a_b.soak", AGES),
        some("repin.dev/verify", &["cosign:three", "cosign:one"]),
    );
    parts.prop_map(|(a, b, c, d, e, f, g, h, i)| [a, b, c, d, e, f, g, h, i].into_iter().flatten().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_annotations_say_nothing_is_looser_than_what_is_demanded(
        environment in settings(), first in settings(), rule in settings(),
        demanded in proptest::collection::vec(settings(), 3), wishes in wishes(),
    ) {
        let with = |text: &str, least: &str| if text.is_empty() { format!("at_least: {{{least}}}") } else { format!("{text}, at_least: {{{least}}}") };
        let says = Says {
            environment: with(&environment, &demanded[0]),
            first: with(&first, &demanded[1]),
            rule: with(&rule, &demanded[2]),
        };
        // An annotation that says none is told where it is read.
        let wishes: Vec<_> = wishes.into_iter().filter(|wish| *wish != ("repin.dev/delivery", "none")).collect();
        let (terms, cut) = told(&says, &wishes);
        let windows = options(&Says::default()).windows;
        // Each by itself, as a rule that alone says it.
        for (at, least) in demanded.iter().enumerate() {
            let (alone, _) = told(&Says { rule: format!("delivery: commit, at_least: {{{least}}}"), ..Says::default() }, &[]);
            prop_assert!(terms.delivery >= alone.delivery);
            prop_assert!(terms.min_age.unwrap_or_default() >= alone.min_age.unwrap_or_default());
            prop_assert!(terms.soak.unwrap_or_default() >= alone.soak.unwrap_or_default());
            prop_assert!(terms.verify.is_superset(&alone.verify));
            let most = |terms: &Terms| (terms.max_changes_per_hour.unwrap_or(u32::MAX), terms.max_changes_per_push.unwrap_or(u32::MAX));
            prop_assert!(most(&terms).0 <= most(&alone).0 && most(&terms).1 <= most(&alone).1);
            for image in ["ghcr.io/acme/web", "ghcr.io/other/web", "quay.io/acme/web", "docker.io/library/nginx"] {
                let is_allowed = |terms: &Terms| terms.registries.iter().all(|set| set.iter().any(|one| one.holds(image)));
                prop_assert!(!is_allowed(&terms) || is_allowed(&alone), "{image}");
            }
            for lasting in parts(&["office", "night", "freeze"]) {
                prop_assert!(!is_open(&terms.windows, &lasting, &windows) || is_open(&alone.windows, &lasting, &windows), "{lasting:?}");
            }
            // Of several promotions the last one counts.
            let is_last = !demanded[at + 1..].iter().any(|later| later.contains("promote_from"));
            for standing in parts(&["dev", "qa", "staging"]).iter().filter(|_| is_last) {
                prop_assert!(!passes(terms.promote_from.as_ref(), standing) || passes(alone.promote_from.as_ref(), standing), "{standing:?}");
            }
        }
        // Who wishes nothing is told nothing.
        prop_assert!(!wishes.is_empty() || cut.is_empty(), "{cut:?}");
    }
}
