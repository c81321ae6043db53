//! Rules of the operators: which of them match a place, and what they say together.
//!
//! Reading and checking them is in `config`; their types are in [`crate::model::rule`]. Nothing here decides whether
//! something is written.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::forge::{MergeMethod, PullPeople, PullWishes};
use crate::model::names::RepoPath;
use crate::model::rule::{AutoMerge, Delivery, Glob, Match, Per, PullRules, Rule};
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
    /// What pull requests are like.
    pub pull_request: PullSettings,
    /// Known settings of the matching rules that this build does not carry out, each once, in the manual's order.
    pub unsupported: Vec<&'static str>,
    /// Which rules gave the values.
    pub from: Origin,
}

/// What the rules say of the pull requests of one place; without a rule that says it: nobody is asked, no draft, no merging
/// by itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PullSettings {
    /// Their labels.
    pub labels: BTreeSet<String>,
    /// Logins and teams that are asked for a review, and [`CODEOWNERS`](crate::model::forge::CODEOWNERS).
    pub reviewers: BTreeSet<String>,
    /// Logins that they are assigned to.
    pub assignees: BTreeSet<String>,
    /// Not meant to be merged yet.
    pub is_draft: bool,
    /// Whether the forge merges them by itself.
    pub auto_merge: AutoMerge,
    /// How the forge merges them then.
    pub merge_method: MergeMethod,
}

impl PullSettings {
    /// Gives who is asked, with whom annotations wish to be asked besides.
    pub fn people(&self, wishes: &PullWishes) -> PullPeople {
        let both = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.union(other).cloned().collect();
        PullPeople {
            labels: both(&self.labels, &wishes.labels),
            reviewers: both(&self.reviewers, &wishes.reviewers),
            assignees: both(&self.assignees, &wishes.assignees),
        }
    }

    /// Tells whether the forge is to merge by itself, where annotations wish it, wish it not, or say nothing; none = they
    /// wish what the rules do not allow, and it does not.
    pub fn is_auto_merged(&self, wish: Option<bool>) -> Option<bool> {
        match (self.auto_merge, wish) {
            (_, Some(false)) | (AutoMerge::Off | AutoMerge::Optional, None) => Some(false),
            (AutoMerge::On, None) | (AutoMerge::Optional | AutoMerge::On, Some(true)) => Some(true),
            (AutoMerge::Off, Some(true)) => None,
        }
    }

    /// Takes over what a later rule says.
    fn take(&mut self, later: &PullRules) {
        let set = |own: &mut BTreeSet<String>, later: &Option<BTreeSet<String>>| {
            if let Some(later) = later {
                own.clone_from(later);
            }
        };
        set(&mut self.labels, &later.labels);
        set(&mut self.reviewers, &later.reviewers);
        set(&mut self.assignees, &later.assignees);
        self.is_draft = later.draft.unwrap_or(self.is_draft);
        self.auto_merge = later.auto_merge.unwrap_or(self.auto_merge);
        self.merge_method = later.merge_method.unwrap_or(self.merge_method);
    }
}

/// Gives how a change is delivered where annotations wish a way of their own: the stricter of both. None if they wish for
/// less than the rules demand.
pub fn delivery(rule: Delivery, wish: Option<Delivery>) -> Option<Delivery> {
    match wish {
        Some(wish) if wish < rule => None,
        Some(wish) => Some(wish),
        None => Some(rule),
    }
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
        all.pull_request.take(&rule.pull_request);
        all.unsupported.extend(&rule.unsupported);
    }
    all.observe |= observe_all;
    in_order(&mut all.unsupported);
    all
}

/// The settings of a rule that this build does not carry out, in the manual's order.
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
            pull_request: PullSettings::default(),
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

    fn set(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_rules_say_of_pull_requests_overrides_field_by_field_and_lists_replace() {
        let saying = |pull_request: PullRules| Rule { pull_request, ..on_path("apps/**") };
        let rules = [
            saying(PullRules {
                labels: Some(set(&["deps", "bot"])),
                reviewers: Some(set(&["alice"])),
                draft: Some(true),
                auto_merge: Some(AutoMerge::On),
                merge_method: Some(MergeMethod::Squash),
                assignees: None,
            }),
            Rule { pull_request: PullRules { draft: Some(false), ..PullRules::default() }, ..on_path("other/**") },
            saying(PullRules {
                labels: Some(set(&["production"])),
                reviewers: Some(set(&[])),
                assignees: Some(set(&["bob"])),
                auto_merge: Some(AutoMerge::Optional),
                ..PullRules::default()
            }),
        ];
        let expected = PullSettings {
            labels: set(&["production"]),
            reviewers: set(&[]),
            assignees: set(&["bob"]),
            is_draft: true,
            auto_merge: AutoMerge::Optional,
            merge_method: MergeMethod::Squash,
        };
        assert_eq!(effective_for(&rules, false, Some("apps/x")).pull_request, expected);
        assert_eq!(effective_for(&rules, false, Some("x")).pull_request, PullSettings::default());
        let wishes = PullWishes {
            labels: set(&["web"]),
            reviewers: set(&["acme/web"]),
            assignees: set(&["bob"]),
            auto_merge: None,
        };
        let people =
            PullPeople { labels: set(&["production", "web"]), reviewers: set(&["acme/web"]), assignees: set(&["bob"]) };
        assert_eq!(expected.people(&wishes), people);
    }

    #[test]
    fn annotations_may_ask_for_more_and_never_for_less() {
        use Delivery::{Commit, None as Nothing, PullRequest};
        for (rule, wish, expected) in [
            (Commit, None, Some(Commit)),
            (PullRequest, None, Some(PullRequest)),
            (Nothing, None, Some(Nothing)),
            (Commit, Some(Commit), Some(Commit)),
            (Commit, Some(PullRequest), Some(PullRequest)),
            (Commit, Some(Nothing), Some(Nothing)),
            (PullRequest, Some(Commit), None),
            (PullRequest, Some(PullRequest), Some(PullRequest)),
            (PullRequest, Some(Nothing), Some(Nothing)),
            (Nothing, Some(Commit), None),
            (Nothing, Some(PullRequest), None),
        ] {
            assert_eq!(delivery(rule, wish), expected, "{rule} {wish:?}");
        }
        for (rule, wish, expected) in [
            (AutoMerge::Off, None, Some(false)),
            (AutoMerge::Off, Some(false), Some(false)),
            (AutoMerge::Off, Some(true), None),
            (AutoMerge::Optional, None, Some(false)),
            (AutoMerge::Optional, Some(false), Some(false)),
            (AutoMerge::Optional, Some(true), Some(true)),
            (AutoMerge::On, None, Some(true)),
            (AutoMerge::On, Some(false), Some(false)),
            (AutoMerge::On, Some(true), Some(true)),
        ] {
            let settings = PullSettings { auto_merge: rule, ..PullSettings::default() };
            assert_eq!(settings.is_auto_merged(wish), expected, "{rule:?} {wish:?}");
        }
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
