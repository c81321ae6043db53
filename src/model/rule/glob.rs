//! Globs over paths and names, and what a glob takes out of a path: the service and the environment that a rule is about.
//!
//! Globs are those of `globset`: `*` and `?` stay within one part of a path, `**` crosses `/`, `{a,b}` is either. A capture
//! stands for a part of a path or a piece of one, as long as it can be; named twice it is twice the same.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use regex::bytes::{Regex, RegexBuilder};

/// Longest glob, in bytes.
const MAX_GLOB_BYTES: usize = 1024;
/// So many ways to read one path are tried: enough for any that people write.
const MAX_TRIES: u32 = 100_000;

/// What a glob can take out of a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Name {
    Service,
    Environment,
}

impl Name {
    const ALL: [Self; 2] = [Self::Service, Self::Environment];

    fn text(self) -> &'static str {
        match self {
            Self::Service => "{service}",
            Self::Environment => "{environment}",
        }
    }

    /// A character that no glob holds, for the place of the capture while `globset` reads the rest.
    fn mark(self) -> char {
        match self {
            Self::Service => '\u{1}',
            Self::Environment => '\u{2}',
        }
    }
}

/// What stood at the captures of a glob.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Captured {
    /// The service.
    pub service: Option<String>,
    /// The environment.
    pub environment: Option<String>,
}

impl Captured {
    fn slot(&mut self, name: Name) -> &mut Option<String> {
        match name {
            Name::Service => &mut self.service,
            Name::Environment => &mut self.environment,
        }
    }
}

/// The captures of a glob, and what stands around them.
#[derive(Debug)]
struct Captures {
    /// The whole glob, each capture being any piece of a part.
    shape: Regex,
    /// What stands before each of the names.
    before: Vec<(Regex, Name)>,
    /// What stands behind the last one.
    end: Regex,
}

/// A path, and how much effort is left for it.
struct Reading<'a> {
    text: &'a str,
    environments: &'a [&'a str],
    tries: u32,
    /// It was not enough.
    is_given_up: bool,
    captured: Captured,
}

impl Captures {
    /// Makes them of the expression of a glob that holds marks.
    fn new(expression: &str) -> Option<Self> {
        let bare = expression.strip_prefix("(?-u)^")?.strip_suffix('$')?;
        let compile = |text: &str| {
            let whole = format!("^(?:{text})$");
            RegexBuilder::new(&whole).unicode(false).dot_matches_new_line(true).build().ok()
        };
        let is_mark = |c: char| Name::ALL.iter().any(|name| name.mark() == c);
        let shape = compile(&bare.replace(is_mark, "[^/]+"))?;
        let (mut before, mut rest) = (Vec::new(), bare);
        while let Some(at) = rest.find(is_mark) {
            let (piece, behind) = rest.split_at(at);
            let name = Name::ALL.into_iter().find(|name| behind.starts_with(name.mark()))?;
            before.push((compile(piece)?, name));
            rest = behind.strip_prefix(is_mark)?;
        }
        Some(Self { shape, before, end: compile(rest)? })
    }

    fn read(&self, text: &str, environments: &[&str]) -> Result<Option<Captured>, TooManyReadings> {
        if !self.shape.is_match(text.as_bytes()) {
            return Ok(None);
        }
        let names_environment = self.before.iter().any(|(_, name)| *name == Name::Environment);
        if !names_environment || environments.is_empty() {
            return self.read_with(text, environments, None);
        }
        // `eu-prod` and not `prod`, where both are there.
        let mut longest: Vec<&str> = environments.iter().copied().filter(|name| text.contains(*name)).collect();
        longest.sort_by_key(|name| std::cmp::Reverse(name.len()));
        for environment in longest {
            if let Some(captured) = self.read_with(text, environments, Some(environment))? {
                return Ok(Some(captured));
            }
        }
        Ok(None)
    }

    /// Reads a path of the right shape, in an environment that is known or in whichever it names.
    fn read_with(
        &self,
        text: &str,
        environments: &[&str],
        environment: Option<&str>,
    ) -> Result<Option<Captured>, TooManyReadings> {
        let mut captured = Captured::default();
        *captured.slot(Name::Environment) = environment.map(str::to_owned);
        let mut reading = Reading { text, environments, tries: MAX_TRIES, is_given_up: false, captured };
        let is_read = self.walk(&mut reading, &self.before, 0);
        match (is_read, reading.is_given_up) {
            (true, _) => Ok(Some(reading.captured)),
            (false, true) => Err(TooManyReadings),
            (false, false) => Ok(None),
        }
    }

    /// Reads on from a position with the captures that are left, the longest reading first.
    fn walk(&self, reading: &mut Reading<'_>, left: &[(Regex, Name)], at: usize) -> bool {
        let rest = reading.text.get(at..).unwrap_or_default();
        let Some(((before, name), left)) = left.split_first() else { return self.end.is_match(rest.as_bytes()) };
        for (length, behind) in ends(rest) {
            let Some(tries) = reading.tries.checked_sub(1) else {
                reading.is_given_up = true;
                return false;
            };
            reading.tries = tries;
            if before.is_match(rest.get(..length).unwrap_or_default().as_bytes())
                && self.take(reading, *name, left, at + length, behind)
            {
                return true;
            }
        }
        false
    }

    /// Takes a name from the front of what is left of the path, and reads on.
    fn take(&self, reading: &mut Reading<'_>, name: Name, left: &[(Regex, Name)], at: usize, rest: &str) -> bool {
        if let Some(known) = reading.captured.slot(name).clone() {
            return rest.starts_with(&known) && self.walk(reading, left, at + known.len());
        }
        let part = rest.split('/').next().unwrap_or_default();
        for (length, _) in ends(part).filter(|(length, _)| *length > 0) {
            let value = part.get(..length).unwrap_or_default();
            let is_known = reading.environments.is_empty() || reading.environments.contains(&value);
            if name == Name::Environment && !is_known {
                continue;
            }
            *reading.captured.slot(name) = Some(value.to_owned());
            if self.walk(reading, left, at + length) {
                return true;
            }
            *reading.captured.slot(name) = None;
        }
        false
    }
}

/// Every place where a text can be cut, the last one first: the length of the front, and what stands behind it.
fn ends(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let cuts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    cuts.rev().filter_map(|at| Some((at, text.get(at..)?)))
}

/// Puts marks at the captures of a glob; none if it has none.
fn marked(text: &str) -> Result<Option<String>, GlobError> {
    let fail = |rule: String| Err(GlobError { rule });
    let (mut marked, mut depth, mut is_class, mut found) = (String::new(), 0_usize, false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(name) = Name::ALL.into_iter().find(|name| !is_class && rest.starts_with(name.text())) {
            if depth > 0 {
                return fail(format!(
                    "`{}` stands between the braces of alternatives, and a capture does not",
                    name.text()
                ));
            }
            found = true;
            marked.push(name.mark());
            rest = rest.strip_prefix(name.text()).unwrap_or_default();
            continue;
        }
        let taken = match c {
            '\\' => rest.chars().take(2).map(char::len_utf8).sum(),
            _ => c.len_utf8(),
        };
        match c {
            '[' => is_class = true,
            ']' => is_class = false,
            '{' if !is_class => {
                let inner = rest.get(1..).unwrap_or_default();
                let inner = inner.find(['{', '}', ',']).map(|end| inner.split_at(end));
                if let Some((word, _)) = inner.filter(|(_, behind)| depth == 0 && behind.starts_with('}')) {
                    return fail(format!(
                        "`{{{word}}}` is no capture, which are {{service}} and {{environment}}, and no alternatives, which are {{a,b}}"
                    ));
                }
                depth += 1;
            }
            '}' if !is_class => depth = depth.saturating_sub(1),
            _ => {}
        }
        let (front, behind) = rest.split_at(taken);
        marked.push_str(front);
        rest = behind;
    }
    Ok(found.then_some(marked))
}

/// A glob over paths or names. Equal if written the same.
#[derive(Clone)]
pub struct Glob {
    source: String,
    matcher: GlobMatcher,
    captures: Option<Arc<Captures>>,
}

/// Why a text is no glob.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{rule}")]
pub struct GlobError {
    /// The rule it breaks.
    pub rule: String,
}

/// The captures of a glob can be read in more ways than are tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("its captures can be read in too many ways")]
pub struct TooManyReadings;

impl Glob {
    /// Reads a glob over paths in a repository: as [`Glob::from_str`], and without a leading `/` or `./` and without
    /// `..`, which no such path has.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn of_paths(text: &str) -> Result<Self, GlobError> {
        let fail = |rule: &str| Err(GlobError { rule: rule.to_owned() });
        if text.starts_with('/') || text.starts_with("./") {
            return fail("paths are relative to the repository's root, without a leading / or ./");
        }
        if text.ends_with('/') {
            return fail("a glob over paths names files: end it with /** for all below a directory");
        }
        if text.split('/').any(|part| part == "..") {
            return fail("a path in a repository holds no `..`");
        }
        text.parse()
    }

    /// Reads a glob over paths as [`Glob::of_paths`], which may hold the captures `{service}` and `{environment}`.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn of_captures(text: &str) -> Result<Self, GlobError> {
        let glob = Self::of_paths(text)?;
        let Some(marked) = marked(text)? else { return Ok(glob) };
        let fail = |rule: String| GlobError { rule };
        let read = build(&marked).map_err(fail)?;
        let captures = Captures::new(read.regex());
        let captures =
            captures.ok_or_else(|| fail("its captures cannot be told from what stands around them".to_owned()))?;
        Ok(Self { captures: Some(Arc::new(captures)), ..glob })
    }

    /// Gives the text as written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Tells whether it matches the whole text.
    pub fn is_match(&self, text: &str) -> bool {
        self.read(text, &[]).is_ok_and(|read| read.is_some())
    }

    /// Gives what stands at its captures, where it matches the whole text; an environment is one of these, where there are
    /// any.
    ///
    /// # Errors
    /// Its captures can stand for so many pieces of the text that it is not known whether any of it matches.
    pub fn read(&self, text: &str, environments: &[&str]) -> Result<Option<Captured>, TooManyReadings> {
        match &self.captures {
            Some(captures) => captures.read(text, environments),
            None => Ok(self.matcher.is_match(text).then(Captured::default)),
        }
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let fail = |rule: &str| Err(GlobError { rule: rule.to_owned() });
        if text.is_empty() {
            return fail("a glob is not empty");
        }
        if text.len() > MAX_GLOB_BYTES || text.contains(char::is_control) {
            return fail("a glob has at most 1024 bytes and no control characters");
        }
        let glob = build(text).map_err(|rule| GlobError { rule })?;
        Ok(Self { source: text.to_owned(), matcher: glob.compile_matcher(), captures: None })
    }
}

fn build(text: &str) -> Result<globset::Glob, String> {
    let mut builder = GlobBuilder::new(text);
    builder.literal_separator(true).backslash_escape(true).build().map_err(|error| error.kind().to_string())
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({:?})", self.source)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Glob {}

impl Hash for Glob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_part_and_two_cross_slashes() {
        for (glob, path, expected) in [
            ("apps/**", "apps/web/values.yaml", true),
            ("apps/**", "apps/values.yaml", true),
            ("apps/**", "apps2/values.yaml", false),
            ("apps/**", "x/apps/values.yaml", false),
            ("apps/*", "apps/values.yaml", true),
            ("apps/*", "apps/web/values.yaml", false),
            ("**/*.yaml", "values.yaml", true),
            ("**/*.yaml", "a/b/values.yaml", true),
            ("**/values-prod.yaml", "a/values-prod.yaml", true),
            ("apps/*/values-{dev,test}.yaml", "apps/web/values-test.yaml", true),
            ("apps/*/values-{dev,test}.yaml", "apps/web/values-prod.yaml", false),
            ("apps/we?", "apps/web", true),
            ("a?b", "a/b", false),
            ("apps/[a-m]*", "apps/web", false),
            (r"apps/\*", "apps/x", false),
            ("*", "", true),
            ("Apps/**", "apps/x", false),
        ] {
            assert_eq!(glob.parse::<Glob>().unwrap().is_match(path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn a_glob_that_could_never_match_a_path_is_refused() {
        for text in ["", "/apps/**", "./apps/**", "../x", "a/../b", "apps/", "a\n", "a[", "a{b"] {
            assert!(Glob::of_paths(text).is_err(), "{text:?}");
        }
        assert!(Glob::of_paths(&"a".repeat(MAX_GLOB_BYTES + 1)).is_err());
        assert!(Glob::of_paths("apps/**/..x").is_ok());
    }

    #[test]
    fn captures_are_pieces_of_parts_and_the_same_wherever_they_stand() {
        let none: &[&str] = &[];
        let listed: &[&str] = &["dev", "prod", "eu-prod"];
        for (glob, path, environments, expected) in [
            ("apps/{service}/**", "apps/web/values.yaml", none, Some(("web", "-"))),
            ("apps/{service}/**", "apps/values.yaml", none, None),
            ("apps/{service}/**", "apps/a/b/c.yaml", none, Some(("a", "-"))),
            (
                "services/{service}/values-{environment}.yaml",
                "services/web/values-dev.yaml",
                none,
                Some(("web", "dev")),
            ),
            ("services/{service}/values-{environment}.yaml", "services/web/values-qa.yaml", listed, None),
            ("services/{service}/values-{environment}.yaml", "services/web/values-.yaml", none, None),
            (
                "clusters/{environment}/apps/{service}/**",
                "clusters/eu-prod/apps/web/a/k.yaml",
                listed,
                Some(("web", "eu-prod")),
            ),
            ("{environment}/**/{service}.yaml", "dev/web.yaml", none, Some(("web", "dev"))),
            ("{environment}/**/{service}.yaml", "dev/a/b/web.yaml", none, Some(("web", "dev"))),
            ("**/{service}/values.yaml", "web/values.yaml", none, Some(("web", "-"))),
            ("**/{service}/values.yaml", "a/b/web/values.yaml", none, Some(("web", "-"))),
            // As long as it can be, and an environment that there is.
            ("{service}-{environment}.yaml", "web-eu-prod.yaml", none, Some(("web-eu", "prod"))),
            ("{service}-{environment}.yaml", "web-api-dev.yaml", listed, Some(("web-api", "dev"))),
            ("{service}-{environment}.yaml", "my-web-eu-prod.yaml", listed, Some(("my-web", "eu-prod"))),
            ("{service}-{environment}.yaml", "my-web-prod.yaml", listed, Some(("my-web", "prod"))),
            ("{environment}-{service}.yaml", "eu-prod-web.yaml", listed, Some(("web", "eu-prod"))),
            ("{service}-{environment}.yaml", "web-api-qa.yaml", listed, None),
            // Twice the same.
            (
                "{service}/{service}-{environment}.yaml",
                "web-api/web-api-eu-prod.yaml",
                none,
                Some(("web-api", "eu-prod")),
            ),
            ("{service}/{service}-{environment}.yaml", "web/api-prod.yaml", none, None),
            ("{service}-{service}", "a-b-a-b", none, Some(("a-b", "-"))),
            ("{service}-{service}", "a-b-a", none, None),
            ("{environment}/{service}/{environment}.yaml", "dev/web/dev.yaml", none, Some(("web", "dev"))),
            ("{environment}/{service}/{environment}.yaml", "dev/web/prod.yaml", none, None),
            // Beside everything else that globs have.
            ("{apps,infra}/{service}/values{,-extra}.y?ml", "infra/dns/values-extra.yaml", none, Some(("dns", "-"))),
            ("{apps,infra}/{service}/values{,-extra}.y?ml", "other/dns/values.yaml", none, None),
            ("apps/*-{service}/[v]*.yaml", "apps/01-web/values.yaml", none, Some(("web", "-"))),
            (r"apps/\{service\}/{service}", "apps/{service}/web", none, Some(("web", "-"))),
            ("apps/{service}/{service}{-x,.git}/x", "apps/b.git/b.git.git/x", none, Some(("b.git", "-"))),
            ("größe/{service}/ü*.yaml", "größe/ä-web/übung.yaml", none, Some(("ä-web", "-"))),
        ] {
            let read = Glob::of_captures(glob).unwrap().read(path, environments).unwrap();
            let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let found = read.map(|read| (dash(&read.service), dash(&read.environment)));
            let expected =
                expected.map(|(service, environment): (&str, &str)| (service.to_owned(), environment.to_owned()));
            assert_eq!(found, expected, "{glob} {path}");
        }
    }

    #[test]
    fn a_glob_without_captures_matches_the_same_with_and_without_their_reader() {
        for glob in ["apps/**", "**/x/*.yaml", "a/{b,c}/[d-f]?", r"a\{service\}"] {
            for path in ["apps/a/b", "x/y.yaml", "q/x/y.yaml", "a/b/d1", "a/c/g1", "a{service}"] {
                let plain: Glob = glob.parse().unwrap();
                assert_eq!(Glob::of_captures(glob).unwrap().is_match(path), plain.is_match(path), "{glob} {path}");
            }
        }
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        for text in ["{a,{service}}/x", "apps/{cluster}/**", "{a,b}/{x}", "/{service}", "{service}/", "{service"] {
            assert!(Glob::of_captures(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hard_path_is_given_up_in_time() {
        let glob = Glob::of_captures("**{service}**{service}**{environment}**{environment}**x").unwrap();
        // It is not said that it does not match: that is not known.
        assert_eq!(glob.read(&format!("{}y", "abcdefghij/".repeat(40)), &[]), Ok(None));
        let twice = Glob::of_captures("*{service}*{service}*x").unwrap();
        let different: String = ('Ā'..='ǿ').chain(['x']).collect();
        assert_eq!(twice.read(&different, &[]), Err(TooManyReadings));
        assert!(!twice.is_match(&different));
        assert_eq!(twice.read("abcx", &[]), Ok(None));
    }
}
