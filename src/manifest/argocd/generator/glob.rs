//! The patterns of git generators: those of Go's `path.Match` for directories, and for files git's own, whose `*` crosses
//! `/`, which is what Argo CD does unless its controller is told otherwise.

/// Where `*` and `?` end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// At a `/`.
    Part,
    /// Nowhere.
    Path,
}

/// Tells whether a path matches a pattern as a whole.
pub(super) fn is_match(pattern: &str, path: &str, reach: Reach) -> bool {
    let (pattern, path): (Vec<char>, Vec<char>) = (pattern.chars().collect(), path.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where to go on if what was tried last does not fit: the last `*` takes one more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if at == pattern.len() && from == path.len() {
            return true;
        }
        if pattern.get(at) == Some(&'*') {
            at += 1;
            retry = Some((at, from));
            continue;
        }
        let step = path.get(from).and_then(|c| one(pattern.get(at..).unwrap_or_default(), *c, reach));
        if let Some(step) = step {
            at += step;
            from += 1;
            continue;
        }
        match retry {
            Some((star, taken)) if path.get(taken).is_some_and(|c| reach == Reach::Path || *c != '/') => {
                retry = Some((star, taken + 1));
                (at, from) = (star, taken + 1);
            }
            _ => return false,
        }
    }
}

/// Matches one character; gives how much of the pattern that took.
fn one(pattern: &[char], c: char, reach: Reach) -> Option<usize> {
    match pattern.first()? {
        '?' => (reach == Reach::Path || c != '/').then_some(1),
        '[' => {
            let end = class_end(pattern)?;
            let class = pattern.get(1..end)?;
            let negated = matches!(class.first(), Some('^' | '!'));
            let class = if negated { class.get(1..)? } else { class };
            let is_in = in_class(class, c);
            ((is_in != negated) && (reach == Reach::Path || c != '/')).then_some(end + 1)
        }
        '\\' => (pattern.get(1) == Some(&c)).then_some(2),
        other => (*other == c).then_some(1),
    }
}

/// Finds the `]` of a class; one that comes first belongs to it.
fn class_end(pattern: &[char]) -> Option<usize> {
    let first = if matches!(pattern.get(1), Some('^' | '!')) { 2 } else { 1 };
    (first + 1..pattern.len()).find(|at| pattern.get(*at) == Some(&']'))
}

fn in_class(class: &[char], c: char) -> bool {
    let mut rest = class;
    while let Some(first) = rest.first() {
        match (rest.get(1), rest.get(2)) {
            (Some('-'), Some(last)) => {
                if (*first..=*last).contains(&c) {
                    return true;
                }
                rest = rest.get(3..).unwrap_or_default();
            }
            _ => {
                if *first == c {
                    return true;
                }
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    false
}

/// Gives the directory in front of the first part that is a pattern.
pub(super) fn fixed_directory(pattern: &str) -> &str {
    let special = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
    let fixed = pattern.get(..special).unwrap_or_default();
    if special == pattern.len() { fixed } else { fixed.rsplit_once('/').map_or("", |(directory, _)| directory) }
}

/// Tells whether a text holds a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_go_and_git_match_them() {
        for (pattern, path, part, whole) in [
            ("apps/*", "apps/web", true, true),
            ("apps/*", "apps/web/prod", false, true),
            ("apps/*/prod", "apps/web/prod", true, true),
            ("apps/*/config.json", "apps/a/b/config.json", false, true),
            ("apps/**/config.json", "apps/a/b/config.json", false, true),
            ("apps/**/config.json", "apps/config.json", false, false),
            ("**/config.json", "a/b/config.json", false, true),
            ("d/[f|g]", "d/f", true, true),
            ("d/[^f]", "d/f", false, false),
            ("d/[a-c]x", "d/bx", true, true),
            ("d/?", "d/e", true, true),
            ("a?b", "a/b", false, true),
            ("a\\*b", "a*b", true, true),
            ("a\\*b", "axb", false, false),
            ("*", "web", true, true),
            ("*", "", true, true),
            ("", "", true, true),
            ("a*b*c", "axxbyyc", true, true),
            ("a*b*c", "axxbyy", false, false),
            ("[", "[", false, false),
        ] {
            assert_eq!(is_match(pattern, path, Reach::Part), part, "{pattern} {path}, as path.Match");
            assert_eq!(is_match(pattern, path, Reach::Path), whole, "{pattern} {path}, as git");
        }
        let long = "a".repeat(4_000);
        assert!(!is_match(&"a*".repeat(400), &format!("{long}b/"), Reach::Part), "and it takes no time");
    }

    #[test]
    fn the_directory_before_the_pattern_is_known() {
        for (pattern, directory) in
            [("apps/*/x.json", "apps"), ("apps/w*", "apps"), ("*", ""), ("a/b/c.json", "a/b/c.json"), ("a/b[c]/d", "a")]
        {
            assert_eq!(fixed_directory(pattern), directory, "{pattern}");
        }
    }
}
