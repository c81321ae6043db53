//! The file of holds, freezes and overrides (`.repin/holds.yaml`): what it says, and how an entry gets in and out.
//!
//! It is read strictly, since it stops production: an unknown key, a wrong time or an entry without a reason makes the whole
//! file unreadable, with all that is wrong at once. Anchors and aliases are refused, so that every entry stands alone and can
//! be taken out by its lines. Changes are in [`edit`].

pub mod edit;

use jiff::Timestamp;

use crate::model::hold::{Hold, HoldKind, Scope};
use crate::model::rule::Glob;
use crate::model::text::{is_invisible, plain};
use crate::yaml::{self, Kind, Node};

/// Longest reason and longest name of an actor, in characters.
pub const MAX_TEXT: usize = 500;
/// How many entries a file has at most.
const MAX_ENTRIES: usize = 1_000;
/// The keys of an entry, in the order in which they are written.
const KEYS: [&str; 10] =
    ["kind", "repository", "environment", "service", "application", "alias", "reason", "by", "since", "until"];
/// How far a key may be from a known one for a hint.
const NEAR: usize = 3;

/// One thing that is wrong in the file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct HoldsError {
    /// Line, from 1.
    pub line: u64,
    /// What is wrong, with the value and the rule that it breaks.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl HoldsError {
    fn new(line: u64, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { line, message: message.into(), hint: Some(hint.into()) }
    }
}

/// Reads the file. An empty one, and one with comments only, has no entries.
///
/// # Errors
/// Everything that is wrong in it, by line.
pub fn read(text: &str) -> Result<Vec<Hold>, Vec<HoldsError>> {
    let documents = yaml::parse(text).map_err(|error| {
        vec![HoldsError::new(error.line, format!("it is no YAML: {}", error.message), "correct it by hand")]
    })?;
    let mut found = Findings::default();
    let Some(document) = documents.first() else { return Ok(Vec::new()) };
    if let Some(second) = documents.get(1) {
        let hint = "put all entries below one `holds:`";
        found.wrong(HoldsError::new(second.root().line(), "a second document begins here", hint));
    }
    for node in document.nodes() {
        let is_alias = matches!(node.kind(), Kind::Alias(_));
        if is_alias || node.is_anchored() || node.is_merge_key() {
            let what = if is_alias { "an alias" } else { "an anchor or a merge key" };
            found.wrong(HoldsError::new(node.line(), format!("{what} stands here"), "write the value out"));
        }
    }
    if !document.root().is_null() {
        found.read_root(document.root());
    }
    if found.errors.is_empty() {
        return Ok(found.holds);
    }
    found.errors.sort_by_key(|error| error.line);
    Err(found.errors)
}

/// Gives the list of entries of a document that could be read.
fn list(root: Node<'_>) -> Option<Node<'_>> {
    root.entries().into_iter().find(|(key, _)| key.as_str() == Some("holds")).map(|(_, value)| value)
}

#[derive(Default)]
struct Findings {
    holds: Vec<Hold>,
    errors: Vec<HoldsError>,
}

impl Findings {
    fn wrong(&mut self, error: HoldsError) {
        self.errors.push(error);
    }

    fn read_root(&mut self, root: Node<'_>) {
        if !matches!(root.kind(), Kind::Map { .. }) {
            let hint = "the file is a mapping with the one key `holds`, a list of entries";
            return self.wrong(HoldsError::new(root.line(), "no mapping stands here", hint));
        }
        self.check_keys(root, &["holds"]);
        let Some(list) = list(root).filter(|list| !list.is_null()) else { return };
        if !matches!(list.kind(), Kind::Seq { .. }) {
            let hint =
                "`holds` is a list: each entry begins with `- kind: freeze`, `- kind: hold` or `- kind: override`";
            return self.wrong(HoldsError::new(list.line(), "`holds` is no list", hint));
        }
        let items = list.items();
        if items.len() > MAX_ENTRIES {
            let message = format!("{} entries are more than the {MAX_ENTRIES} that are read", items.len());
            return self.wrong(HoldsError::new(list.line(), message, "take out what has ended"));
        }
        for item in items {
            self.read_entry(item);
        }
    }

    /// Reports keys that are unknown or stand twice.
    fn check_keys(&mut self, map: Node<'_>, known: &[&'static str]) {
        let mut seen: Vec<&str> = Vec::new();
        for (key, _) in map.entries() {
            let Some(name) = key.as_str() else {
                self.wrong(HoldsError::new(key.line(), "a key is no text", format!("known are {}", known.join(", "))));
                continue;
            };
            if seen.contains(&name) {
                let message = format!("the key `{}` stands here a second time", plain(name));
                self.wrong(HoldsError::new(key.line(), message, "keep one of them"));
            }
            seen.push(name);
            if !known.contains(&name) {
                let near = nearest(name, known.iter().copied());
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                let hint = hint.unwrap_or_else(|| format!("known are {}", known.join(", ")));
                self.wrong(HoldsError::new(key.line(), format!("the key `{}` is not known", shown(name)), hint));
            }
        }
    }

    fn read_entry(&mut self, item: Node<'_>) {
        // Said already.
        if matches!(item.kind(), Kind::Alias(_)) {
            return;
        }
        if !matches!(item.kind(), Kind::Map { .. }) {
            let hint = format!("an entry has the keys {}", KEYS.join(", "));
            return self.wrong(HoldsError::new(item.line(), "an entry is no mapping", hint));
        }
        let before = self.errors.len();
        self.check_keys(item, &KEYS);
        let kind = self.kind(item);
        let scope = Scope {
            repository: self.glob(item, "repository"),
            environment: self.glob(item, "environment"),
            service: self.glob(item, "service"),
            application: self.glob(item, "application"),
            alias: self.glob(item, "alias"),
        };
        let reason = self.needed(item, "reason", "say why, so that others can decide when it ends");
        let actor = self.needed(item, "by", "say who, so that others know whom to ask");
        let since = self.needed(item, "since", "say from when it counts, such as 2026-03-30T08:00:00Z");
        let since = since.and_then(|(text, line)| self.time("since", &text, line));
        let until =
            self.text(item, "until").and_then(|(text, line)| self.time("until", &text, line).map(|at| (at, line)));
        if let (Some(since), Some((until, line))) = (since, until)
            && until <= since
        {
            let message = format!("`until` ({until}) is not after `since` ({since})");
            self.wrong(HoldsError::new(line, message, "take the entry out, or give it a later end"));
        }
        match kind {
            Some(HoldKind::Override) if item.get("until").is_none_or(Node::is_null) => {
                let hint = "give `until`: what is let through in an emergency ends by itself";
                self.wrong(HoldsError::new(item.line(), "an override has no `until`", hint));
            }
            Some(HoldKind::Hold) if item.get("service").is_none() && item.get("application").is_none() => {
                let hint = "name one of them; what stops more than one service is a `freeze`";
                self.wrong(HoldsError::new(item.line(), "a hold has neither `service` nor `application`", hint));
            }
            _ => {}
        }
        if let (Some(kind), Some((reason, _)), Some((actor, _)), Some(since), true) =
            (kind, reason, actor, since, self.errors.len() == before)
        {
            let until = until.map(|(until, _)| until);
            self.holds.push(Hold { kind, scope, reason, actor, since, until, line: item.line() });
        }
    }

    fn kind(&mut self, item: Node<'_>) -> Option<HoldKind> {
        const HINT: &str = "it is freeze, hold or override";
        let (text, line) = self.needed(item, "kind", HINT)?;
        let kind = HoldKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        if kind.is_none() {
            let near = nearest(&text, HoldKind::ALL.into_iter().map(HoldKind::as_str));
            let hint = near.map_or_else(|| HINT.to_owned(), |near| format!("did you mean `{near}`? {HINT}"));
            self.wrong(HoldsError::new(line, format!("the kind `{}` is not known", shown(&text)), hint));
        }
        kind
    }

    fn glob(&mut self, item: Node<'_>, key: &'static str) -> Option<Glob> {
        let (text, line) = self.text(item, key)?;
        match text.parse() {
            Ok(glob) => Some(glob),
            Err(error) => {
                let message = format!("`{key}` is no glob: `{}`: {error}", shown(&text));
                self.wrong(HoldsError::new(line, message, "write a name, or a pattern with `*` and `{a,b}`"));
                None
            }
        }
    }

    fn time(&mut self, key: &'static str, text: &str, line: u64) -> Option<Timestamp> {
        let time = text.parse().ok();
        if time.is_none() {
            let message = format!("`{key}` is no time: `{}`", shown(text));
            let hint = "write it as RFC 3339 with an offset, such as 2026-03-30T08:00:00Z or 2026-03-30T10:00:00+02:00";
            self.wrong(HoldsError::new(line, message, hint));
        }
        time
    }

    fn needed(&mut self, item: Node<'_>, key: &'static str, hint: &str) -> Option<(String, u64)> {
        if item.get(key).is_none() {
            self.wrong(HoldsError::new(item.line(), format!("an entry has no `{key}`"), hint));
        }
        self.text(item, key)
    }

    fn text(&mut self, item: Node<'_>, key: &'static str) -> Option<(String, u64)> {
        let node = item.get(key)?;
        let line = node.line();
        let rule = match node.as_str() {
            None => "is no text",
            Some(text) if text.trim().is_empty() => "is empty",
            Some(text) if text.chars().count() > MAX_TEXT => "is longer than 500 characters",
            Some(text) if text.contains(|c: char| c.is_control() || is_invisible(c)) => {
                "holds line breaks or characters that nobody sees"
            }
            Some(text) => return Some((text.to_owned(), line)),
        };
        self.wrong(HoldsError::new(line, format!("`{key}` {rule}"), "write one line of text, in quotes if it is long"));
        None
    }
}

fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let text = shown(text).to_ascii_lowercase();
    let best = words.map(|word| (strsim::damerau_levenshtein(&text, word), word)).min()?;
    (best.0 < NEAR.min(best.1.len())).then_some(best.1)
}

/// Gives a text as messages show it: one line, and not long.
fn shown(text: &str) -> String {
    plain(text).chars().take(80).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_says_what_why_who_and_until_when() {
        let text = "\
# Ask Paula.
holds:
  - kind: freeze
    environment: production
    reason: end of quarter
    by: paula
    since: 2026-03-30T08:00:00Z
    until: 2026-04-02T08:00:00Z
  - {kind: hold, application: argocd/web-*, alias: app, reason: \"#214\", by: \"ci: bot\", since: '2026-03-30T10:00:00+02:00'}

  - kind: override
    service: web
    reason: leaks
    by: paula
    since: 2026-03-30T08:00:00Z
    until: 2026-03-30T09:00:00Z
";
        let found = read(text).unwrap();
        let said: Vec<String> = found
            .iter()
            .map(|hold| {
                let until = hold.until.map_or_else(|| "-".to_owned(), |until| until.to_string());
                let Hold { kind, scope, reason, actor, since, line, .. } = hold;
                format!("{line}: {kind} {scope}: {reason} by {actor} {since} {until}")
            })
            .collect();
        assert_eq!(
            said,
            [
                "3: freeze environment production: end of quarter by paula 2026-03-30T08:00:00Z 2026-04-02T08:00:00Z",
                "9: hold application argocd/web-*, alias app: #214 by ci: bot 2026-03-30T08:00:00Z -",
                "11: override service web: leaks by paula 2026-03-30T08:00:00Z 2026-03-30T09:00:00Z",
            ]
        );
        for text in ["", "# nothing\n", "holds:\n", "holds: []\n", "---\nholds: ~\n", "{}\n", "null"] {
            assert_eq!(read(text), Ok(Vec::new()), "{text}");
        }
    }

    /// The lines and messages of what is wrong, with what each hint holds.
    fn check(text: &str, expected: &[(u64, &str, &str)]) {
        let errors = read(text).unwrap_err();
        let found: Vec<(u64, &str)> = errors.iter().map(|error| (error.line, error.message.as_str())).collect();
        let wanted: Vec<(u64, &str)> = expected.iter().map(|(line, message, _)| (*line, *message)).collect();
        assert_eq!(found, wanted, "{text}");
        for (error, (_, _, hint)) in errors.iter().zip(expected) {
            assert!(error.hint.as_ref().is_some_and(|found| found.contains(hint)), "{error:?} without {hint}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_with_its_line() {
        check(
            "holds:\n  - kind: freez\n    enviroment: production\n    by: paula\n    since: yesterday\n",
            &[
                (2, "the kind `freez` is not known", "did you mean `freeze`?"),
                (2, "an entry has no `reason`", "say why"),
                (3, "the key `enviroment` is not known", "did you mean `environment`?"),
                (5, "`since` is no time: `yesterday`", "RFC 3339"),
            ],
        );
        let whole = "by: p, reason: r, since: 2026-03-30T08:00:00Z";
        check(&format!("holds: [{{kind: override, {whole}}}]"), &[(1, "an override has no `until`", "ends by itself")]);
        check(
            &format!("holds: [{{kind: hold, environment: dev, {whole}}}]"),
            &[(1, "a hold has neither `service` nor `application`", "freeze")],
        );
        check(
            &format!("holds:\n- kind: freeze\n  until: 2026-03-30T08:00:00Z\n  {}\n", whole.replace(", ", "\n  ")),
            &[(3, "`until` (2026-03-30T08:00:00Z) is not after `since` (2026-03-30T08:00:00Z)", "take the entry out")],
        );
        check(&format!("holds: [{{kind: freeze, alias: '', {whole}}}]"), &[(1, "`alias` is empty", "one line")]);
        check(
            &format!("holds: [{{kind: freeze, environment: '[a', {whole}}}]"),
            &[(1, "`environment` is no glob: `[a`: unclosed character class; missing ']'", "write a name")],
        );
        check(
            &format!("holds: [{{kind: freeze, kind: freeze, {whole}}}]"),
            &[(1, "the key `kind` stands here a second time", "keep one")],
        );
        check("hold: []\n", &[(1, "the key `hold` is not known", "did you mean `holds`?")]);
        check("holds: freeze\n", &[(1, "`holds` is no list", "each entry begins with")]);
        check("holds:\n  - freeze\n", &[(2, "an entry is no mapping", "kind, repository")]);
        check("- kind: freeze\n", &[(1, "no mapping stands here", "one key `holds`")]);
        check("holds: []\n---\nholds: []\n", &[(3, "a second document begins here", "one `holds:`")]);
        let anchored = format!("holds:\n  - &a {{kind: freeze, {whole}}}\n  - *a\n");
        check(
            &anchored,
            &[(2, "an anchor or a merge key stands here", "write the value out"), (3, "an alias stands here", "write")],
        );
        let long = "x".repeat(MAX_TEXT + 1);
        check(
            &format!("holds: [{{kind: freeze, reason: {long}, by: p, since: 2026-03-30T08:00:00Z}}]"),
            &[(1, "`reason` is longer than 500 characters", "one line")],
        );
        let hidden = "holds:\n  - {kind: freeze, reason: \"a\\u202Eb\", by: \"p\\nq\", since: 2026-03-30T08:00:00Z}\n";
        let rule = "holds line breaks or characters that nobody sees";
        check(hidden, &[(2, &format!("`reason` {rule}"), "one line"), (2, &format!("`by` {rule}"), "one line")]);
        assert_eq!(read("holds: [\n").unwrap_err().len(), 1);
        let many = "  - {kind: freeze}\n".repeat(MAX_ENTRIES + 1);
        check(&format!("holds:\n{many}"), &[(2, "1001 entries are more than the 1000 that are read", "take out")]);
    }
}
