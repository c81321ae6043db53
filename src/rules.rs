//! Rules of the operators: which of them match a place, and what they say together.
//!
//! Reading and checking them is in `config`; their types are in [`crate::model::rule`]. Nothing here decides whether
//! something is written.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::names::RepoPath;
use crate::model::rule::{Delivery, Glob, Match, Per, Rule};
use crate::model::schedule::Schedule;
use crate::model::verification::KeyName;

/// What rules are matched against: one place that would be written, and the Application that asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Name of the configured repository that would be written.
    pub repository: &'a str,
    /// Branch that would be written.
    pub branch: &'a str,
    /// File that would be written; none while it is not known, and then no rule with a `path` matches.
    pub path: Option<&'a RepoPath>,
    /// The Application's name, without its namespace.
    pub application: &'a str,
    /// The Application's namespace.
    pub namespace: &'a str,
    /// The Application's `spec.project`; empty means `default`, as in Argo CD.
    pub project: &'a str,
    /// The Application's labels.
    pub labels: &'a BTreeMap<String, String>,
}

/// What the rules say about one place. Without a matching rule: no environment, delivery none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EffectiveRule {
    /// The environment.
    pub environment: Option<String>,
    /// How a change is delivered; none if no matching rule says.
    pub delivery: Delivery,
    /// Whether a rule matched at all (`rule/none` if not).
    pub matched: bool,
    /// Decide and report, write nothing.
    pub observe: bool,
    /// Files outside the Application's source paths that may be written, of all matching rules.
    pub may_write: Vec<Glob>,
    /// What one commit holds; none if no matching rule says.
    pub per: Option<Per>,
    /// Writes only when this has had a tick since the last cycle.
    pub schedule: Option<Schedule>,
    /// Keys with which an image must be signed, of all matching rules.
    pub verify: BTreeSet<KeyName>,
    /// Known settings of the matching rules that this build does not carry out, each once, in the manual's order;
    /// `delivery` is among them if the delivery in force is a pull request.
    pub unsupported: Vec<&'static str>,
    /// Which rules gave the values.
    pub from: Origin,
}

/// Positions (from 0, in file order) of the rules that gave each value of an [`EffectiveRule`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// All rules that matched.
    pub matched: Vec<usize>,
    /// The rule whose environment is in force.
    pub environment: Option<usize>,
    /// The rule whose delivery is in force.
    pub delivery: Option<usize>,
    /// The rule whose `observe` is in force; none if no rule says.
    pub observe: Option<usize>,
    /// The rule whose `per` is in force; none if no rule says.
    pub per: Option<usize>,
    /// The rule whose schedule is in force.
    pub schedule: Option<usize>,
}

/// Merges the rules that match a subject: in file order, later ones override field by field, `may_write`, `verify` and
/// unbuilt settings add up. `observe_all` is the `observe` of the whole configuration; a rule cannot lift it.
pub fn effective(rules: &[Rule], observe_all: bool, subject: &Subject<'_>) -> EffectiveRule {
    let mut all = EffectiveRule::default();
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| is_match(&rule.matches, subject)) {
        all.matched = true;
        all.from.matched.push(index);
        if let Some(environment) = &rule.environment {
            all.environment = Some(environment.clone());
            all.from.environment = Some(index);
        }
        if let Some(delivery) = rule.delivery {
            all.delivery = delivery;
            all.from.delivery = Some(index);
        }
        if let Some(schedule) = &rule.schedule {
            all.schedule = Some(schedule.clone());
            all.from.schedule = Some(index);
        }
        if let Some(observe) = rule.observe {
            all.observe = observe;
            all.from.observe = Some(index);
        }
        if let Some(per) = rule.per {
            all.per = Some(per);
            all.from.per = Some(index);
        }
        all.may_write
            .extend(rule.may_write.iter().filter(|glob| !all.may_write.contains(glob)).cloned().collect::<Vec<_>>());
        all.verify.extend(rule.verify.iter().cloned());
        all.unsupported.extend(&rule.unsupported);
    }
    all.observe |= observe_all;
    if all.delivery == Delivery::PullRequest {
        all.unsupported.push("delivery");
    }
    in_order(&mut all.unsupported);
    all
}

/// The settings of a rule that this build does not carry out, in the manual's order. `delivery: pull-request` stands
/// before them all.
pub const UNBUILT: [&str; 8] = [
    "windows",
    "min_age",
    "registries",
    "max_changes_per_hour",
    "at_least",
    "service",
    "notify",
    "max_changes_per_push",
];

/// Sorts unbuilt settings by the manual's order, each once.
pub fn in_order(unsupported: &mut Vec<&'static str>) {
    unsupported.sort_by_key(|key| (UNBUILT.iter().position(|known| known == key), *key));
    unsupported.dedup();
}

/// Tells whether all conditions hold.
pub fn is_match(matches: &Match, subject: &Subject<'_>) -> bool {
    let holds = |glob: &Option<Glob>, text: &str| glob.as_ref().is_none_or(|glob| glob.is_match(text));
    let path = |glob: &Glob| subject.path.is_some_and(|path| glob.is_match(path.as_str()));
    let application = |glob: &Glob| {
        if glob.as_str().contains('/') {
            glob.is_match(&format!("{}/{}", subject.namespace, subject.application))
        } else {
            glob.is_match(subject.application)
        }
    };
    let project = if subject.project.is_empty() { "default" } else { subject.project };
    holds(&matches.repository, subject.repository)
        && holds(&matches.branch, subject.branch)
        && matches.path.as_ref().is_none_or(path)
        && matches.application.as_ref().is_none_or(application)
        && holds(&matches.namespace, subject.namespace)
        && holds(&matches.project, project)
        && matches.labels.iter().all(|(key, value)| subject.labels.get(key) == Some(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::schedule::Interval;

    fn glob(text: &str) -> Option<Glob> {
        Some(text.parse().unwrap())
    }

    fn keys(names: &[&str]) -> BTreeSet<KeyName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn every(seconds: u64) -> Option<Schedule> {
        Some(Schedule::Every(Interval::new(Duration::from_secs(seconds))))
    }

    fn on_path(text: &str) -> Rule {
        Rule { matches: Match { path: glob(text), ..Match::default() }, ..Rule::default() }
    }

    fn effective_for(rules: &[Rule], observe_all: bool, path: Option<&str>) -> EffectiveRule {
        let labels = BTreeMap::from([("team".to_owned(), "web".to_owned())]);
        let path: Option<RepoPath> = path.map(|path| path.parse().unwrap());
        let subject = Subject {
            repository: "gitops",
            branch: "main",
            path: path.as_ref(),
            application: "web",
            namespace: "argocd",
            project: "",
            labels: &labels,
        };
        effective(rules, observe_all, &subject)
    }

    #[test]
    fn without_a_matching_rule_nothing_is_delivered() {
        let rules = [Rule { delivery: Some(Delivery::Commit), ..on_path("apps/**") }];
        assert_eq!(effective_for(&rules, false, Some("other/x.yaml")), EffectiveRule::default());
        assert_eq!(effective_for(&rules, false, None), EffectiveRule::default());
        assert_eq!(EffectiveRule::default().delivery, Delivery::None);
        assert!(effective_for(&rules, true, Some("other/x.yaml")).observe);
    }

    #[test]
    fn later_rules_override_field_by_field_and_say_which() {
        let rules = [
            Rule {
                environment: Some("dev".into()),
                delivery: Some(Delivery::Commit),
                observe: Some(true),
                per: Some(Per::Repository),
                may_write: vec!["a/**".parse().unwrap()],
                schedule: every(60),
                verify: keys(&["release"]),
                unsupported: vec!["notify"],
                ..on_path("**")
            },
            Rule { delivery: Some(Delivery::PullRequest), ..on_path("other/**") },
            Rule {
                delivery: Some(Delivery::None),
                per: Some(Per::Group),
                observe: Some(false),
                may_write: vec!["a/**".parse().unwrap(), "b/**".parse().unwrap()],
                schedule: every(3_600),
                verify: keys(&["qa", "release"]),
                unsupported: vec!["windows", "notify"],
                ..on_path("apps/**")
            },
        ];
        let expected = EffectiveRule {
            environment: Some("dev".into()),
            delivery: Delivery::None,
            matched: true,
            observe: false,
            may_write: vec!["a/**".parse().unwrap(), "b/**".parse().unwrap()],
            per: Some(Per::Group),
            schedule: every(3_600),
            verify: keys(&["qa", "release"]),
            unsupported: vec!["windows", "notify"],
            from: Origin {
                matched: vec![0, 2],
                environment: Some(0),
                delivery: Some(2),
                observe: Some(2),
                per: Some(2),
                schedule: Some(2),
            },
        };
        assert_eq!(effective_for(&rules, false, Some("apps/x.yaml")), expected);
        assert_eq!(effective_for(&rules, true, Some("apps/x.yaml")), EffectiveRule { observe: true, ..expected });
    }

    #[test]
    fn a_pull_request_in_force_is_unbuilt_and_an_overridden_one_is_not() {
        let mut rules =
            vec![Rule { delivery: Some(Delivery::PullRequest), unsupported: vec!["windows"], ..on_path("**") }];
        assert_eq!(effective_for(&rules, false, Some("x")).unsupported, ["delivery", "windows"]);
        rules.push(Rule { delivery: Some(Delivery::Commit), ..on_path("**") });
        assert_eq!(effective_for(&rules, false, Some("x")).unsupported, ["windows"]);
    }

    #[test]
    fn every_condition_must_hold() {
        let label = |value: &str| Match { labels: vec![("team".into(), value.into())], ..Match::default() };
        let none = Match::default;
        for (matches, expected) in [
            (none(), true),
            (Match { repository: glob("git*"), ..none() }, true),
            (Match { repository: glob("other"), ..none() }, false),
            (Match { branch: glob("main"), ..none() }, true),
            (Match { branch: glob("release/*"), ..none() }, false),
            (Match { application: glob("w*"), ..none() }, true),
            (Match { application: glob("argocd/*"), ..none() }, true),
            (Match { application: glob("team-a/*"), ..none() }, false),
            (Match { namespace: glob("argo*"), ..none() }, true),
            (Match { namespace: glob("x"), ..none() }, false),
            (Match { project: glob("default"), ..none() }, true),
            (Match { project: glob("prod"), ..none() }, false),
            (label("web"), true),
            (label("we*"), false),
            (Match { path: glob("apps/**"), branch: glob("main"), ..label("web") }, true),
            (Match { path: glob("apps/**"), branch: glob("other"), ..label("web") }, false),
        ] {
            let rules = [Rule { matches, ..Rule::default() }];
            assert_eq!(effective_for(&rules, false, Some("apps/x.yaml")).matched, expected, "{rules:?}");
        }
    }
}
