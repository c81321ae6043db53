//! Rules of the operators: which of them match a place, and what they say together.
//!
//! Reading and checking them is in `config`; their types are in [`crate::model::rule`]. Nothing here decides whether
//! something is written.

pub mod origin;
pub mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::forge::{MergeMethod, PullPeople, PullWishes};
use crate::model::names::RepoPath;
use crate::model::promotion::Promotion;
use crate::model::rule::{
    AtLeast, AutoMerge, Captured, Delivery, Glob, Match, Per, RegistryPrefix, Rule, TooManyReadings,
};
use crate::model::schedule::Schedule;
use crate::model::verification::KeyName;
use crate::rules::origin::{Origin, Setting, Source};

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
    /// The service; none = the Application's name without the environment.
    pub service: Option<String>,
    /// Names of windows, one set.
    pub windows: Option<BTreeSet<String>>,
    /// How long a tag must have been seen with one digest.
    pub min_age: Option<Duration>,
    /// From where values come.
    pub promote_from: Option<Promotion>,
    /// How long the upstream must have held a value.
    pub soak: Option<Duration>,
    /// A value that the upstream took back is taken back here too, by a pull request.
    pub follow_rollback: bool,
    /// The registries whose images may be written.
    pub registries: Option<BTreeSet<RegistryPrefix>>,
    /// The most changes of the environment within an hour.
    pub max_changes_per_hour: Option<u32>,
    /// The most changes of one push.
    pub max_changes_per_push: Option<u32>,
    /// What nothing loosens: the strictest of all matching rules.
    pub at_least: AtLeast,
    /// Known settings of the matching rules that this build does not carry out, each once, in the manual's order.
    pub unsupported: Vec<&'static str>,
    /// The `path` of a rule of which it is not known whether it matches, so nothing is written.
    pub unread: Option<Glob>,
    /// Which rules gave the values.
    pub from: Origin,
}

impl EffectiveRule {
    /// Gives how a change would be delivered if no annotation wished anything.
    pub fn least_delivery(&self) -> Delivery {
        self.delivery.max(self.at_least.delivery.unwrap_or(Delivery::Commit))
    }

    /// Gives the keys with which an image must be signed, whatever annotations say.
    pub fn keys(&self) -> BTreeSet<KeyName> {
        self.verify.union(&self.at_least.verify).cloned().collect()
    }
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
}

/// Merges the rules that match a subject: in file order, later ones override field by field; `may_write`, `verify`,
/// `at_least` and unbuilt settings add up. What `environments` says of the environment comes before them all. `observe_all`
/// is the `observe` of the whole configuration; a rule cannot lift it.
pub fn effective(rules: &[Rule], observe_all: bool, subject: &Subject<'_>) -> EffectiveRule {
    let environments: Vec<&str> = rules.iter().filter_map(|rule| rule.of_environment.as_deref()).collect();
    let mut all = EffectiveRule::default();
    let mut matched: Vec<(Source, &Rule)> = Vec::new();
    for (source, rule) in Source::all(rules).filter(|(_, rule)| rule.of_environment.is_none()) {
        let captured = match read(&rule.matches, subject, &environments) {
            Ok(Some(captured)) => captured,
            Ok(None) => continue,
            Err(TooManyReadings) => {
                all.unread.clone_from(&rule.matches.path);
                continue;
            }
        };
        matched.push((source, rule));
        if let Some(environment) = rule.environment.clone().or(captured.environment) {
            all.environment = Some(environment);
            all.from.given.insert(Setting::Environment, source);
        }
        if let Some(service) = rule.service.clone().or(captured.service) {
            all.service = Some(service);
            all.from.given.insert(Setting::Service, source);
        }
    }
    all.matched = !matched.is_empty();
    let environment = all.environment.clone();
    let is_of_it = |(_, rule): &(Source, &Rule)| rule.of_environment.is_some() && rule.of_environment == environment;
    for (source, rule) in Source::all(rules).filter(is_of_it).chain(matched) {
        take(&mut all, source, rule);
    }
    all.observe |= observe_all;
    in_order(&mut all.unsupported);
    all
}

/// Takes over what a later rule gives.
fn take(all: &mut EffectiveRule, source: Source, rule: &Rule) {
    let from = &mut all.from;
    from.applied.push(source);
    let mut set = Taking { from, source };
    set.value(Setting::Delivery, &mut all.delivery, rule.delivery);
    set.option(Setting::Schedule, &mut all.schedule, &rule.schedule);
    set.value(Setting::Observe, &mut all.observe, rule.observe);
    set.option(Setting::Per, &mut all.per, &rule.per);
    set.option(Setting::Windows, &mut all.windows, &rule.windows);
    set.option(Setting::MinAge, &mut all.min_age, &rule.min_age);
    set.option(Setting::PromoteFrom, &mut all.promote_from, &rule.promote_from);
    set.option(Setting::Soak, &mut all.soak, &rule.soak);
    set.value(Setting::FollowRollback, &mut all.follow_rollback, rule.follow_rollback);
    set.option(Setting::Registries, &mut all.registries, &rule.registries);
    set.option(Setting::MaxChangesPerHour, &mut all.max_changes_per_hour, &rule.max_changes_per_hour);
    set.option(Setting::MaxChangesPerPush, &mut all.max_changes_per_push, &rule.max_changes_per_push);
    let (pull, later) = (&mut all.pull_request, &rule.pull_request);
    set.value(Setting::Labels, &mut pull.labels, later.labels.clone());
    set.value(Setting::Reviewers, &mut pull.reviewers, later.reviewers.clone());
    set.value(Setting::Assignees, &mut pull.assignees, later.assignees.clone());
    set.value(Setting::Draft, &mut pull.is_draft, later.draft);
    set.value(Setting::AutoMerge, &mut pull.auto_merge, later.auto_merge);
    set.value(Setting::MergeMethod, &mut pull.merge_method, later.merge_method);
    let new: Vec<Glob> = rule.may_write.iter().filter(|glob| !all.may_write.contains(glob)).cloned().collect();
    all.may_write.extend(new);
    all.verify.extend(rule.verify.iter().cloned());
    all.at_least.add(&rule.at_least);
    all.unsupported.extend(&rule.unsupported);
}

/// Notes of each setting who gave it last.
struct Taking<'a> {
    from: &'a mut Origin,
    source: Source,
}

impl Taking<'_> {
    fn value<T>(&mut self, setting: Setting, own: &mut T, later: Option<T>) {
        if let Some(later) = later {
            *own = later;
            self.from.given.insert(setting, self.source);
        }
    }

    fn option<T: Clone>(&mut self, setting: Setting, own: &mut Option<T>, later: &Option<T>) {
        if later.is_some() {
            own.clone_from(later);
            self.from.given.insert(setting, self.source);
        }
    }
}

/// The settings of a rule that this build does not carry out, in the manual's order.
pub const UNBUILT: [&str; 1] = ["notify"];

/// Sorts unbuilt settings by the manual's order, each once.
pub fn in_order(unsupported: &mut Vec<&'static str>) {
    unsupported.sort_by_key(|key| (UNBUILT.iter().position(|known| known == key), *key));
    unsupported.dedup();
}

/// Tells whether all conditions hold.
pub fn is_match(matches: &Match, subject: &Subject<'_>) -> bool {
    read(matches, subject, &[]).is_ok_and(|read| read.is_some())
}

/// Gives what the path captures, if all conditions hold. An environment is one of these, where there are any.
fn read(matches: &Match, subject: &Subject<'_>, environments: &[&str]) -> Result<Option<Captured>, TooManyReadings> {
    let holds = |glob: &Option<Glob>, text: &str| glob.as_ref().is_none_or(|glob| glob.is_match(text));
    let application = |glob: &Glob| {
        if glob.as_str().contains('/') {
            glob.is_match(&format!("{}/{}", subject.namespace, subject.application))
        } else {
            glob.is_match(subject.application)
        }
    };
    let project = if subject.project.is_empty() { "default" } else { subject.project };
    let is_met = holds(&matches.repository, subject.repository)
        && holds(&matches.branch, subject.branch)
        && matches.application.as_ref().is_none_or(application)
        && holds(&matches.namespace, subject.namespace)
        && holds(&matches.project, project)
        && matches.labels.iter().all(|(key, value)| subject.labels.get(key) == Some(value));
    match (&matches.path, subject.path) {
        _ if !is_met => Ok(None),
        (None, _) => Ok(Some(Captured::default())),
        (Some(_), None) => Ok(None),
        (Some(glob), Some(path)) => glob.read(path.as_str(), environments),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::rule::PullRules;
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
                unsupported: vec!["verify", "notify"],
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
            unsupported: vec!["verify", "notify"],
            from: Origin {
                applied: vec![Source::Rule(0), Source::Rule(2)],
                given: BTreeMap::from([
                    (Setting::Environment, Source::Rule(0)),
                    (Setting::Delivery, Source::Rule(2)),
                    (Setting::Observe, Source::Rule(2)),
                    (Setting::Per, Source::Rule(2)),
                    (Setting::Schedule, Source::Rule(2)),
                ]),
            },
            ..EffectiveRule::default()
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
    fn annotations_may_ask_for_merging_where_the_rules_leave_it_to_them() {
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
    fn what_environments_say_comes_first_and_positions_stay_those_of_the_rules() {
        let of = |name: &str| Rule { of_environment: Some(name.to_owned()), ..Rule::default() };
        let captured = |text: &str| Rule {
            matches: Match { path: Some(Glob::of_captures(text).unwrap()), ..Match::default() },
            ..Rule::default()
        };
        let seconds = |count: u64| Some(Duration::from_secs(count));
        let rules = [
            Rule { delivery: Some(Delivery::Commit), min_age: seconds(1), ..of("dev") },
            Rule { delivery: Some(Delivery::PullRequest), soak: seconds(2), min_age: seconds(2), ..of("prod") },
            Rule { soak: seconds(3), ..captured("{environment}/{service}/**") },
            Rule {
                min_age: seconds(4),
                environment: Some("dev".into()),
                service: Some("all".into()),
                ..on_path("prod/x/**")
            },
        ];
        let told = |path: &str| {
            let rule = effective_for(&rules, false, Some(path));
            let from = rule.from;
            let given = |setting| from.given.get(&setting).copied();
            (
                rule.environment,
                rule.service,
                rule.delivery,
                rule.min_age,
                rule.soak,
                from.applied.clone(),
                given(Setting::Soak),
            )
        };
        let (environment, service) = (|name: &str| Some(name.to_owned()), |name: &str| Some(name.to_owned()));
        let (first, second) = (Source::Environment(0), Source::Environment(1));
        assert_eq!(
            told("prod/web/values.yaml"),
            (
                environment("prod"),
                service("web"),
                Delivery::PullRequest,
                seconds(2),
                seconds(3),
                vec![second, Source::Rule(0)],
                Some(Source::Rule(0))
            )
        );
        // A written environment wins over a captured one, and its settings are those that count.
        assert_eq!(
            told("prod/x/values.yaml"),
            (
                environment("dev"),
                service("all"),
                Delivery::Commit,
                seconds(4),
                seconds(3),
                vec![first, Source::Rule(0), Source::Rule(1)],
                Some(Source::Rule(0))
            )
        );
        assert_eq!(told("qa/web/values.yaml"), (None, None, Delivery::None, None, None, vec![], None));
        assert!(!effective_for(&rules, false, Some("qa/web/values.yaml")).matched);
        assert_eq!(second.of(&rules).unwrap().of_environment.as_deref(), Some("prod"));
        assert_eq!(Source::Rule(1).of(&rules).unwrap().environment.as_deref(), Some("dev"));
    }

    #[test]
    fn a_rule_of_which_it_is_not_known_whether_it_matches_is_told() {
        let hard = Glob::of_captures("*{service}*{service}*x").unwrap();
        let of = |path: Option<Glob>| Rule {
            matches: Match { path, ..Match::default() },
            delivery: Some(Delivery::Commit),
            ..Rule::default()
        };
        let rules = [of(None), of(Some(hard.clone()))];
        let path: String = ('Ā'..='ǿ').chain(['x']).collect();
        let rule = effective_for(&rules, false, Some(&path));
        assert_eq!((rule.unread, rule.delivery), (Some(hard), Delivery::Commit));
        assert_eq!(effective_for(&rules, false, Some("apps/y")).unread, None);
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
