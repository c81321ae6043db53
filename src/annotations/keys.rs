//! The keys of CONFIGURATION "Annotations", in its order, and the nearest known one for a key that is none.

/// Where a key may stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Only for the whole Application.
    Application,
    /// For the whole Application and for one alias.
    Both,
    /// Only for one alias.
    Alias,
}

/// One known key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Key {
    /// The name, without prefix and alias.
    pub name: &'static str,
    /// Where it may stand.
    pub scope: Scope,
    /// Whether this build carries it out; otherwise it holds its image.
    pub built: bool,
}

const fn key(name: &'static str, scope: Scope, built: bool) -> Key {
    Key { name, scope, built }
}

/// Every known key, in the order of CONFIGURATION.
pub const KEYS: &[Key] = &[
    key("image-list", Scope::Application, true),
    key("update-strategy", Scope::Both, true),
    key("allow-tags", Scope::Both, true),
    key("extract", Scope::Both, true),
    key("ignore-tags", Scope::Both, true),
    key("platforms", Scope::Both, true),
    key("pull-secret", Scope::Both, true),
    key("helm.image-name", Scope::Alias, true),
    key("helm.image-tag", Scope::Alias, true),
    key("helm.image-spec", Scope::Alias, true),
    key("kustomize.image-name", Scope::Alias, true),
    key("write-back-method", Scope::Application, true),
    key("write-back-target", Scope::Both, true),
    key("git-branch", Scope::Application, true),
    key("git-repository", Scope::Application, true),
    key("force-update", Scope::Both, true),
    key("tag-match", Scope::Alias, true),
    key("pin", Scope::Both, true),
    key("min-age", Scope::Both, true),
    key("promote-from", Scope::Both, true),
    key("after-rollback", Scope::Both, true),
    key("allow-downgrade", Scope::Both, true),
    key("strict", Scope::Both, true),
    key("include-prereleases", Scope::Both, true),
    key("interval", Scope::Both, true),
    key("require-healthy", Scope::Application, false),
    key("soak", Scope::Both, true),
    key("verify", Scope::Both, true),
    key("delivery", Scope::Application, true),
    key("group", Scope::Application, true),
    key("window", Scope::Application, true),
    key("hold", Scope::Application, true),
    key("pull-request.labels", Scope::Application, true),
    key("pull-request.reviewers", Scope::Application, true),
    key("pull-request.assignees", Scope::Application, true),
    key("pull-request.auto-merge", Scope::Application, true),
    key("notify", Scope::Application, false),
];

/// The keys that say which tag is taken, in the order of CONFIGURATION; the others say where it goes, and when.
pub const CHOOSING: &[&str] = &[
    "update-strategy",
    "allow-tags",
    "extract",
    "ignore-tags",
    "platforms",
    "pull-secret",
    "tag-match",
    "pin",
    "min-age",
    "after-rollback",
    "allow-downgrade",
    "strict",
    "include-prereleases",
    "verify",
];

/// Below this a key is like no other one.
const LIKE: f64 = 0.6;

/// What an annotation's key, without prefix, turns out to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reading<'a> {
    /// A key of the whole Application.
    Application(&'static Key),
    /// A key of one alias, which is still to be found in the image list.
    Alias(&'a str, &'static Key),
    /// No known key.
    Unknown,
}

/// Reads a key without its prefix.
pub fn read(name: &str) -> Reading<'_> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name && key.scope != Scope::Alias) {
        return Reading::Application(key);
    }
    let of_alias = KEYS.iter().filter(|key| key.scope != Scope::Application).find_map(|key| {
        let alias = name.strip_suffix(key.name)?.strip_suffix('.')?;
        (!alias.is_empty()).then_some((alias, key))
    });
    of_alias.map_or(Reading::Unknown, |(alias, key)| Reading::Alias(alias, key))
}

/// Tells whether a key has a meaning only behind an alias.
pub fn is_of_alias_only(name: &str) -> bool {
    KEYS.iter().any(|key| key.name == name && key.scope == Scope::Alias)
}

/// Gives the position of a key in CONFIGURATION's order; unknown names come last.
pub fn position(name: &str) -> usize {
    KEYS.iter().position(|key| key.name == name).unwrap_or(KEYS.len())
}

/// Gives the known key that is nearest to an unknown one, spelled with the alias where it needs one; `None` if none is
/// like it.
pub fn nearest(name: &str, aliases: &[String]) -> Option<String> {
    let (alias, rest) = aliases
        .iter()
        .filter_map(|alias| Some((alias.as_str(), name.strip_prefix(alias.as_str())?.strip_prefix('.')?)))
        .next()
        .unwrap_or(("", name));
    let best = KEYS.iter().max_by(|a, b| likeness(rest, a.name).total_cmp(&likeness(rest, b.name)));
    let best = best.filter(|best| likeness(rest, best.name) > LIKE)?;
    Some(match best.scope {
        Scope::Alias if alias.is_empty() => format!("<alias>.{}", best.name),
        Scope::Application => best.name.to_owned(),
        _ if alias.is_empty() => best.name.to_owned(),
        _ => format!("{alias}.{}", best.name),
    })
}

/// Gives the key of [`CHOOSING`] that is nearest to an unknown one; `None` if none is like it.
pub fn nearest_choosing(name: &str) -> Option<&'static str> {
    let best = CHOOSING.iter().max_by(|a, b| likeness(name, a).total_cmp(&likeness(name, b)))?;
    (likeness(name, best) > LIKE).then_some(*best)
}

/// Shared words count more than shared letters: `update-interval` means `interval`, not `update-strategy`.
fn likeness(unknown: &str, known: &str) -> f64 {
    let words = |text: &str| -> Vec<String> { text.split(['-', '.', '_']).map(str::to_owned).collect() };
    let (ours, theirs) = (words(unknown), words(known));
    let shared = theirs.iter().filter(|word| ours.contains(word)).count();
    let covered = shared as f64 / theirs.len().max(1) as f64;
    strsim::damerau_levenshtein(unknown, known) as f64 * -0.01 + strsim::jaro_winkler(unknown, known) + covered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_with_its_alias() {
        let alias = |name: &'static str| match read(name) {
            Reading::Alias(alias, key) => (alias, key.name),
            Reading::Application(key) => ("", key.name),
            Reading::Unknown => ("", "unknown"),
        };
        for (name, expected) in [
            ("image-list", ("", "image-list")),
            ("app.update-strategy", ("app", "update-strategy")),
            ("update-strategy", ("", "update-strategy")),
            ("org_app.helm.image-tag", ("org_app", "helm.image-tag")),
            ("my.app.allow-tags", ("my.app", "allow-tags")),
            ("helm.image-tag", ("", "unknown")),
            ("app.git-branch", ("", "unknown")),
            ("update-interval", ("", "unknown")),
            (".allow-tags", ("", "unknown")),
        ] {
            assert_eq!(alias(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_like_no_key_is_taken_for_none() {
        assert_eq!(nearest("zzz", &["app".to_owned()]), None);
    }

    #[test]
    fn the_nearest_key_is_what_people_meant() {
        let aliases = ["app".to_owned()];
        for (unknown, expected) in [
            ("update-interval", "interval"),
            ("platform", "platforms"),
            ("app.platform", "app.platforms"),
            ("image-lists", "image-list"),
            ("app.helm.image-tags", "app.helm.image-tag"),
            ("helm.image-tag", "<alias>.helm.image-tag"),
            ("allow-tag", "allow-tags"),
            ("writeback-target", "write-back-target"),
            ("app.write-back-method", "write-back-method"),
        ] {
            assert_eq!(nearest(unknown, &aliases).as_deref(), Some(expected), "{unknown}");
        }
    }
}
