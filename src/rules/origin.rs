//! Where the settings of a place come from: entries of `environments` and of `rules`, by their positions there.

use std::collections::BTreeMap;

use crate::model::rule::{AtLeast, Rule};

/// What rules say once for a place: of several the last one counts. What adds up is not among it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Setting {
    /// `environment`.
    Environment,
    /// `service`.
    Service,
    /// `delivery`.
    Delivery,
    /// `windows`.
    Windows,
    /// `min_age`.
    MinAge,
    /// `promote_from`.
    PromoteFrom,
    /// `soak`.
    Soak,
    /// `follow_rollback`.
    FollowRollback,
    /// `registries`.
    Registries,
    /// `max_changes_per_hour`.
    MaxChangesPerHour,
    /// `max_changes_per_push`.
    MaxChangesPerPush,
    /// `observe`.
    Observe,
    /// `per`.
    Per,
    /// `schedule`.
    Schedule,
    /// `pull_request.labels`.
    Labels,
    /// `pull_request.reviewers`.
    Reviewers,
    /// `pull_request.assignees`.
    Assignees,
    /// `pull_request.draft`.
    Draft,
    /// `pull_request.auto_merge`.
    AutoMerge,
    /// `pull_request.merge_method`.
    MergeMethod,
}

/// An entry of the configuration whose settings count.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// The entry of `environments` at this position, from 0.
    Environment(usize),
    /// The entry of `rules` at this position, from 0.
    Rule(usize),
}

impl Source {
    /// Gives the entry, among environments and rules in one list.
    pub fn of(self, rules: &[Rule]) -> Option<&Rule> {
        let of_environments = |rule: &&Rule| rule.of_environment.is_some();
        match self {
            Self::Environment(at) => rules.iter().filter(of_environments).nth(at),
            Self::Rule(at) => rules.iter().filter(|rule| !of_environments(rule)).nth(at),
        }
    }

    /// Gives the sources of a list, each with its entry: environments wherever they stand, and rules, in order.
    pub(super) fn all(rules: &[Rule]) -> impl Iterator<Item = (Self, &Rule)> {
        let of_environments = rules.iter().filter(|rule| rule.of_environment.is_some());
        let of_rules = rules.iter().filter(|rule| rule.of_environment.is_none());
        let environments = of_environments.enumerate().map(|(at, rule)| (Self::Environment(at), rule));
        environments.chain(of_rules.enumerate().map(|(at, rule)| (Self::Rule(at), rule)))
    }
}

/// What gave the values of an [`EffectiveRule`](crate::rules::EffectiveRule).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// Everything whose settings count, from the weakest: what `environments` says, then the rules that match.
    pub applied: Vec<Source>,
    /// What gave each setting; none of those that nobody gave.
    pub given: BTreeMap<Setting, Source>,
}

impl Origin {
    /// Tells whether anybody gave a setting.
    pub fn gives(&self, setting: Setting) -> bool {
        self.given.contains_key(&setting)
    }

    /// Gives those whose `at_least` demands something, as `demands` picks it.
    pub fn demanding<'r>(&self, rules: &'r [Rule], demands: impl Fn(&AtLeast) -> bool) -> Vec<(Source, &'r Rule)> {
        let all = self.applied.iter().filter_map(|source| Some((*source, source.of(rules)?)));
        all.filter(|(_, rule)| demands(&rule.at_least)).collect()
    }
}
