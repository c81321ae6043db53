//! Who owns a file, by the forge's own file of owners.
//!
//! GitHub: patterns as in gitignore(5), the last one that matches counts. GitLab: the same within each section, and a section
//! may name owners for all of its patterns. Gitea: regular expressions over the whole path, all that match count, `!` in
//! front takes away.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobMatcher};
use regex::Regex;

use crate::model::forge::ForgeKind;

/// Lines that are read at most.
const MAX_LINES: usize = 10_000;
/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 512;

/// Gives the logins and teams (`owner/team`) that own any of the paths. Addresses are left out: no forge takes them as
/// reviewers.
pub fn owners(text: &str, kind: ForgeKind, paths: &[&str]) -> BTreeSet<String> {
    let found = match kind {
        ForgeKind::GitHub => by_glob(text, false, paths),
        ForgeKind::GitLab => by_glob(text, true, paths),
        ForgeKind::Gitea => by_regex(text, paths),
    };
    let login = |owner: &str| owner.strip_prefix('@').filter(|name| is_login(name)).map(str::to_owned);
    found.into_iter().filter_map(login).collect()
}

/// Gives where a forge looks for the file, in its order.
pub fn paths(kind: ForgeKind) -> [&'static str; 3] {
    match kind {
        ForgeKind::GitHub => [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"],
        ForgeKind::GitLab => ["CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"],
        ForgeKind::Gitea => ["CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS"],
    }
}

fn is_login(text: &str) -> bool {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    !text.is_empty() && text.len() <= 200 && text.chars().all(is_legal)
}

fn by_glob<'t>(text: &'t str, has_sections: bool, paths: &[&str]) -> BTreeSet<&'t str> {
    let mut sections: Vec<Vec<(Pattern, Vec<&str>)>> = vec![Vec::new()];
    let mut default: Vec<&str> = Vec::new();
    for line in text.lines().take(MAX_LINES).map(str::trim) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if has_sections && (line.starts_with('[') || line.starts_with("^[")) {
            let behind = line.split_once(']').map_or("", |(_, behind)| behind);
            default = behind.split_whitespace().filter(|word| word.starts_with('@')).collect();
            sections.push(Vec::new());
            continue;
        }
        let mut words = Words(line);
        let Some(pattern) = words.next().and_then(|word| Pattern::new(&word)) else { continue };
        let named: Vec<&str> = words.0.split_whitespace().collect();
        let owners = if named.is_empty() { default.clone() } else { named };
        if let Some(section) = sections.last_mut() {
            section.push((pattern, owners));
        }
    }
    let mut found = BTreeSet::new();
    for path in paths {
        for section in &sections {
            let last = section.iter().rev().find(|(pattern, _)| pattern.is_match(path));
            found.extend(last.into_iter().flat_map(|(_, owners)| owners.iter().copied()));
        }
    }
    found
}

fn by_regex<'t>(text: &'t str, paths: &[&str]) -> BTreeSet<&'t str> {
    let mut found = BTreeSet::new();
    for line in text.lines().take(MAX_LINES).map(str::trim).filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let Some(pattern) = words.next().filter(|pattern| pattern.len() <= MAX_PATTERN) else { continue };
        let (pattern, is_negative) = match pattern.strip_prefix('!') {
            Some(pattern) => (pattern, true),
            None => (pattern, false),
        };
        let Ok(pattern) = Regex::new(&format!("^(?:{pattern})$")) else { continue };
        let is_met = paths.iter().any(|path| pattern.is_match(path) != is_negative);
        if is_met {
            found.extend(words);
        }
    }
    found
}

/// Words of a line; a blank behind `\` is a part of one.
struct Words<'t>(&'t str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let text = self.0.trim_start();
        let mut word = String::new();
        let mut chars = text.char_indices();
        let mut end = text.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => word.extend(chars.next().map(|(_, c)| c)),
                c if c.is_whitespace() => {
                    end = at;
                    break;
                }
                c => word.push(c),
            }
        }
        self.0 = text.get(end..).unwrap_or_default();
        (!word.is_empty()).then_some(word)
    }
}

/// One pattern as in gitignore(5).
struct Pattern {
    itself: Option<GlobMatcher>,
    below: Option<GlobMatcher>,
}

impl Pattern {
    fn new(text: &str) -> Option<Self> {
        if text.len() > MAX_PATTERN || text.starts_with('!') {
            return None;
        }
        let is_directory = text.ends_with('/');
        let inner = text.trim_matches('/');
        let is_anchored = text.starts_with('/') || inner.contains('/');
        let glob = if is_anchored { inner.to_owned() } else { format!("**/{inner}") };
        let build = |glob: &str| Some(GlobBuilder::new(glob).literal_separator(true).build().ok()?.compile_matcher());
        let is_flat = is_anchored && inner.ends_with("/*");
        Some(Self {
            itself: if is_directory { None } else { Some(build(&glob)?) },
            below: if is_flat { None } else { Some(build(&format!("{glob}/**"))?) },
        })
    }

    fn is_match(&self, path: &str) -> bool {
        [&self.itself, &self.below].into_iter().flatten().any(|glob| glob.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: ForgeKind, text: &str, paths: &[&str], expected: &[&str]) {
        let found = owners(text, kind, paths);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{text:?} {paths:?}");
    }

    #[test]
    fn the_last_pattern_that_matches_counts() {
        let text = "# all\n*  @everybody\n/apps/ @acme/apps someone@example.com\napps/web/values.yaml @web # us\n*.md @docs\ndocs/* @flat\n/no/owner\n";
        for (path, expected) in [
            ("README", &["everybody"][..]),
            ("apps/api/values.yaml", &["acme/apps"]),
            ("apps/web/values.yaml", &["web"]),
            ("apps/web/README.md", &["docs"]),
            ("docs/a", &["flat"]),
            ("docs/a/b", &["everybody"]),
            ("no/owner", &[]),
            ("x/apps/a", &["everybody"]),
        ] {
            check(ForgeKind::GitHub, text, &[path], expected);
        }
        check(ForgeKind::GitHub, text, &["apps/web/values.yaml", "docs/a"], &["flat", "web"]);
        check(ForgeKind::GitHub, "a\\ b @x\n", &["a b"], &["x"]);
        check(ForgeKind::GitHub, "[ @x\n!a @x\n\n @y\n", &["a"], &[]);
    }

    #[test]
    fn every_section_of_gitlab_has_its_owners() {
        let text = "* @all\n[Deploy] @ops\napps/\nprod/ @prod\n^[Optional][2] @more\n*.yaml\n";
        check(ForgeKind::GitLab, text, &["apps/a.yaml"], &["all", "more", "ops"]);
        check(ForgeKind::GitLab, text, &["prod/a"], &["all", "prod"]);
    }

    #[test]
    fn patterns_of_gitea_are_regular_expressions_over_the_whole_path() {
        let text = "apps/.* @apps\n.*\\.yaml @acme/yaml\n!docs/.* @code\n( @broken\n";
        check(ForgeKind::Gitea, text, &["apps/a.yaml"], &["acme/yaml", "apps", "code"]);
        check(ForgeKind::Gitea, text, &["docs/a"], &[]);
        check(ForgeKind::Gitea, text, &["xapps/a"], &["code"]);
    }
}
