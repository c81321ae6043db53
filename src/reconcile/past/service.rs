//! Whether a file that moved was of another service before: one that is removed in the very commit that brings a new one
//! from the same template is not that one's past.

use std::collections::BTreeSet;

use crate::model::names::RepoPath;
use crate::model::rule::Rule;
use crate::plan::Subject;
use crate::plan::past::service::service_of;
use crate::reconcile::repository::places::rule_of;

/// Names that tools give their files, whatever service they are of.
const PRESCRIBED: [&str; 4] = ["values", "kustomization", "deployment", "application"];

/// Goes by the services of both paths where the rules give them (`service`, or a capture), else by the names in the paths.
pub(super) fn is_of_other_service(subject: &Subject, rules: &[Rule], new: &RepoPath, old: &RepoPath) -> bool {
    let said = |path: &RepoPath| rule_of(rules, false, &subject.tracked, path).service;
    match (said(new), said(old)) {
        (Some(new), Some(old)) => new != old,
        _ => {
            let names = rules.iter().flat_map(|rule| rule.environment.iter().chain(&rule.of_environment));
            let environments: BTreeSet<&str> = names.map(String::as_str).collect();
            is_in_place_of(new, old, &service_of(subject), &environments)
        }
    }
}

/// Tells whether the service stands in the new path where another name stood in the old one, beside each other:
/// `apps/web/values.yaml` for `apps/api/values.yaml`. A path that goes deeper, another name of an environment, or a name of
/// the service that it had already is a move.
fn is_in_place_of(new: &RepoPath, old: &RepoPath, service: &str, environments: &BTreeSet<&str>) -> bool {
    let (new, old): (Vec<&str>, Vec<&str>) = (new.parts().collect(), old.parts().collect());
    if old.iter().any(|part| names(part, service)) {
        return false;
    }
    let says_little = |part: &str| {
        let stem = part.split('.').next().unwrap_or(part);
        environments.contains(stem) || PRESCRIBED.contains(&stem)
    };
    let behind = |parts: &[&'_ str], at: usize| parts.len().checked_sub(at + 1);
    let before =
        |parts: &[&str], at: usize| at.checked_sub(1).and_then(|at| parts.get(at).map(|part| (*part).to_owned()));
    (0..new.len().min(old.len())).any(|at| {
        let (Some(here), Some(there)) = (behind(&new, at), behind(&old, at)) else { return false };
        let (Some(one), Some(other)) = (new.get(here), old.get(there)) else { return false };
        names(one, service) && !says_little(other) && before(&new, here) == before(&old, there)
    })
}

/// Tells whether a part of a path is a name, or holds it beside other words.
fn names(part: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric();
    !name.is_empty()
        && part.match_indices(name).any(|(at, _)| {
            let before = part.get(..at).and_then(|front| front.chars().next_back());
            let behind = part.get(at + name.len()..).and_then(|rest| rest.chars().next());
            !before.is_some_and(is_word) && !behind.is_some_and(is_word)
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_stands_where_another_stood_is_no_move() {
        for (old, new, service, expected) in [
            ("apps/api/values.yaml", "apps/web/values.yaml", "web", true),
            ("services/api/values-dev.yaml", "services/web/values-dev.yaml", "web", true),
            ("apps/api/values.yaml", "clusters/a/apps/web/values.yaml", "web", true),
            ("apps/api.yaml", "apps/web.yaml", "web", true),
            ("apps/webhook/values.yaml", "apps/web/values.yaml", "web", true),
            // It moves, and is called as before.
            ("apps/web/values.yaml", "clusters/a/apps/web/values.yaml", "web", false),
            ("apps/web.yaml", "apps/web/values.yaml", "web", false),
            ("apps/web-old/values.yaml", "apps/web/values.yaml", "web", false),
            ("apps/web/values.yaml", "apps/web/values-prod.yaml", "web", false),
            // Another name of an environment.
            ("apps/prod/values.yaml", "apps/production/values.yaml", "web", false),
            ("clusters/dev/web/values.yaml", "clusters/development/web/values.yaml", "web", false),
            ("apps/prod/values.yaml", "apps/web/values.yaml", "web", false),
            // It gets a directory or a name of its own.
            ("deploy/values.yaml", "deploy/web/values.yaml", "web", false),
            ("values.yaml", "web.yaml", "web", false),
            ("legacy/site/values.yaml", "apps/web/values.yaml", "web", false),
            // A path that does not name the service tells nothing.
            ("apps/site/values.yaml", "apps/front/values.yaml", "web", false),
        ] {
            let (new, old): (RepoPath, RepoPath) = (new.parse().unwrap(), old.parse().unwrap());
            let environments = BTreeSet::from(["prod", "dev"]);
            assert_eq!(is_in_place_of(&new, &old, service, &environments), expected, "{old} {new}");
        }
    }
}
