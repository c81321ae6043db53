//! What the branch of a group's pull request is called: stable, readable, and different for what is different.

use sha2::{Digest as _, Sha256};

use crate::model::forge::BRANCH_PREFIX;
use crate::model::names::{ApplicationKey, Branch};
use crate::model::tracked::RemoteBranch;
use crate::plan::group::Unit;

/// Longest readable part.
const MAX_SLUG: usize = 60;

/// Names the branch of a group. The text of a group that a person names is taken as it is where nothing else has it.
pub(super) fn name(
    unit: &Unit<'_>,
    base: &RemoteBranch,
    main: Option<&Branch>,
    is_free: impl Fn(&Branch) -> bool,
) -> Option<Branch> {
    let (text, is_own_name) = match unit {
        Unit::Group(name) | Unit::Environment(name) => ((*name).to_owned(), main == Some(&base.branch)),
        Unit::Repository => ("all".to_owned(), main == Some(&base.branch)),
        Unit::Application(key) => (key.name.clone(), false),
        Unit::Part(key, environment) => (application(key, *environment), false),
    };
    let slug = slug(&text);
    let plain = (is_own_name && slug == text).then(|| format!("{BRANCH_PREFIX}{slug}").parse().ok()).flatten();
    plain.filter(is_free).or_else(|| told_apart(&slug, unit, base))
}

fn application(key: &ApplicationKey, environment: Option<&str>) -> String {
    let is_said = |environment: &&str| key.name.split('-').any(|part| part == *environment);
    match environment.filter(|environment| !is_said(environment)) {
        Some(environment) => format!("{}-{environment}", key.name),
        None => key.name.clone(),
    }
}

/// With eight digits of what else makes it what it is.
fn told_apart(slug: &str, unit: &Unit<'_>, base: &RemoteBranch) -> Option<Branch> {
    let (kind, parts) = match unit {
        Unit::Group(name) => ("group", vec![(*name).to_owned()]),
        Unit::Environment(name) => ("environment", vec![(*name).to_owned()]),
        Unit::Repository => ("repository", Vec::new()),
        Unit::Application(key) => ("application", identity(key)),
        Unit::Part(key, environment) => {
            let mut parts = identity(key);
            parts.push(environment.unwrap_or_default().to_owned());
            ("part", parts)
        }
    };
    let text = format!("{kind}\0{}\0{}", base.branch, parts.join("\0"));
    let digits = hex::encode(Sha256::digest(text).get(..4).unwrap_or_default());
    let joint = if slug.is_empty() { "" } else { "-" };
    format!("{BRANCH_PREFIX}{slug}{joint}{digits}").parse().ok()
}

fn identity(key: &ApplicationKey) -> Vec<String> {
    let file = key.file.as_ref().map(ToString::to_string).unwrap_or_default();
    vec![key.kind.clone(), key.repository.clone(), file, key.namespace.clone(), key.name.clone()]
}

/// Letters, digits and `. _ -`; nothing that Git or a forge takes for something else.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        if !(matches!(c, '.' | '-') && (slug.is_empty() || slug.ends_with(['.', '-']))) {
            slug.push(c);
        }
        if slug.len() == MAX_SLUG {
            break;
        }
    }
    let end = slug.trim_end_matches(['.', '-']);
    end.strip_suffix(".lock").unwrap_or(end).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base(branch: &str) -> RemoteBranch {
        RemoteBranch { repository: "gitops".into(), branch: branch.parse().unwrap() }
    }

    fn key(file: &str, name: &str) -> ApplicationKey {
        ApplicationKey {
            kind: "Application".into(),
            repository: "gitops".into(),
            file: file.parse().ok(),
            namespace: "argocd".into(),
            name: name.into(),
        }
    }

    fn named(unit: &Unit<'_>, branch: &str, is_free: bool) -> String {
        name(unit, &base(branch), Some(&"main".parse().unwrap()), |_| is_free).unwrap().to_string()
    }

    #[test]
    fn a_group_that_a_person_names_is_the_branch_where_nothing_else_is() {
        assert_eq!(named(&Unit::Group("payments"), "main", true), "repin/payments");
        for (unit, branch, is_free) in [
            (Unit::Group("payments"), "live", true),
            (Unit::Group("payments"), "main", false),
            (Unit::Group("pay ments"), "main", true),
            (Unit::Group("-payments"), "main", true),
            (Unit::Group("payments.lock"), "main", true),
            (Unit::Group("a/b"), "main", true),
        ] {
            let name = named(&unit, branch, is_free);
            assert!(name.starts_with("repin/") && name.len() > 14, "{name}");
            assert_ne!(name, "repin/payments");
        }
    }

    #[test]
    fn what_is_different_has_different_branches() {
        let (one, other) = (key("a/web.yaml", "web"), key("b/web.yaml", "web"));
        let names: Vec<String> = [
            (Unit::Part(&one, Some("production")), "main"),
            (Unit::Part(&one, Some("staging")), "main"),
            (Unit::Part(&one, None), "main"),
            (Unit::Part(&other, Some("production")), "main"),
            (Unit::Part(&one, Some("production")), "live"),
            (Unit::Application(&one), "main"),
            (Unit::Group("web"), "main"),
            (Unit::Environment("production"), "main"),
            (Unit::Repository, "main"),
        ]
        .iter()
        .map(|(unit, branch)| named(unit, branch, true))
        .collect();
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert!(names.first().unwrap().starts_with("repin/web-production-"), "{names:?}");
    }

    proptest! {
        #[test]
        fn any_text_gives_a_legal_branch(text in "\\PC{0,90}", environment in "[a-z@{}~^:. /\\\\-]{0,20}") {
            for unit in [Unit::Group(&text), Unit::Environment(&text)] {
                let name = named(&unit, "main", true);
                prop_assert!(name.starts_with(BRANCH_PREFIX) && name.matches('/').count() == 1, "{}", name);
            }
            let key = key("a.yaml", &text);
            prop_assert!(named(&Unit::Part(&key, Some(&environment)), "main", true).starts_with(BRANCH_PREFIX));
        }
    }
}
