//! The order of environments: upstream first, as values are promoted.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Snapshot, Subject};

/// How far each environment is from the one where values come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Order {
    ranks: BTreeMap<String, usize>,
}

impl Order {
    /// Gives the rank of an environment; what nothing is promoted to stands first.
    pub(super) fn rank(&self, environment: &str) -> usize {
        self.ranks.get(environment).copied().unwrap_or_default()
    }
}

/// Orders environments by what is promoted from where, at any place.
pub(super) fn order(snapshot: &Snapshot) -> Order {
    let mut steps: BTreeSet<(String, String)> = BTreeSet::new();
    for subject in &snapshot.subjects {
        steps.extend(upstreams(subject));
    }
    ranked(&steps)
}

fn upstreams(subject: &Subject) -> Vec<(String, String)> {
    let environment = subject.rule.as_ref().and_then(|rule| rule.environment.clone());
    let (Some(environment), Some(promotion)) = (environment, &subject.terms().promote_from) else { return Vec::new() };
    promotion.upstreams.iter().map(|upstream| (upstream.environment.clone(), environment.clone())).collect()
}

/// Gives the longest way to each environment. A ring has no first one: its members stop at as many steps as there are.
fn ranked(steps: &BTreeSet<(String, String)>) -> Order {
    let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..steps.len() {
        let mut is_settled = true;
        for (from, to) in steps {
            let rank = ranks.get(from).copied().unwrap_or_default() + 1;
            let known = ranks.entry(to.clone()).or_default();
            if *known < rank {
                *known = rank;
                is_settled = false;
            }
        }
        if is_settled {
            break;
        }
    }
    Order { ranks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(steps: &[(&str, &str)]) -> String {
        let steps: BTreeSet<(String, String)> =
            steps.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let order = ranked(&steps);
        let mut names: Vec<&str> = steps.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]).collect();
        names.sort_by_key(|name| (order.rank(name), *name));
        names.dedup();
        names.join(" ")
    }

    #[test]
    fn upstream_comes_first_and_names_decide_beside_each_other() {
        assert_eq!(in_order(&[("staging", "eu"), ("dev", "staging"), ("eu", "us")]), "dev staging eu us");
        assert_eq!(in_order(&[("qa", "prod"), ("dev", "qa"), ("dev", "prod")]), "dev qa prod");
        assert_eq!(in_order(&[("z", "b"), ("y", "a")]), "y z a b");
    }

    #[test]
    fn a_ring_is_ordered_too() {
        assert_eq!(in_order(&[("a", "b"), ("b", "a")]).split(' ').count(), 2);
    }
}
