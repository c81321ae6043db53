//! Entries of the file of holds, put in and taken out by their lines: comments, order and whatever else stands there keep
//! their bytes. What comes out is read again, by this reader and by another one, and given back only if exactly the meant
//! entry differs.
//!
//! An entry goes behind the last one. One that is taken out takes the comment lines directly above it along, and those below
//! it that are indented as what is in it. A file without entries says `holds: []` and stays, for its comments.

use std::ops::Range;

use serde_yaml::Value;

use crate::manifest::holds::{HoldsError, list, read};
use crate::model::hold::Hold;
use crate::yaml::scalar::write;
use crate::yaml::{self, Kind, Node, Style};

/// What a new file begins with.
const HEADER: &str = "\
# What people stop and let through for a while. `repin freeze`, `thaw`, `hold`, `resume` and `override` write this file; it can
# be edited by hand too. An entry without `until` counts until it is taken out.
";

/// Why the file is as it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HoldsEditError {
    /// It cannot be read as it is.
    #[error("line {}: {}", .0.first().map_or(1, |error| error.line), .0.first().map_or("it cannot be read", |error| &error.message))]
    Unreadable(Vec<HoldsError>),
    /// The result would say something else than is meant.
    #[error("the entry could not be {what} without touching others")]
    Unproven {
        /// `added` or `taken out`.
        what: &'static str,
    },
}

/// Adds an entry at the end; without a text this makes one.
///
/// # Errors
/// A text that cannot be read, or cannot be changed.
pub fn add(text: Option<&str>, hold: &Hold) -> Result<String, HoldsEditError> {
    let old = text.unwrap_or(HEADER);
    let before = read(old).map_err(HoldsEditError::Unreadable)?;
    let fail = HoldsEditError::Unproven { what: "added" };
    let edited = added(old, hold).ok_or_else(|| fail.clone())?;
    let expected: Vec<Hold> = before.iter().chain([hold]).cloned().collect();
    let mut values = values(old).ok_or_else(|| fail.clone())?;
    values.push(entry_value(hold));
    if is_proven(&edited, &expected, &values) { Ok(edited) } else { Err(fail) }
}

/// Takes the entries out that `is_meant` names.
///
/// # Errors
/// A text that cannot be read, or cannot be changed.
pub fn take_out(text: &str, is_meant: impl Fn(&Hold) -> bool) -> Result<String, HoldsEditError> {
    let before = read(text).map_err(HoldsEditError::Unreadable)?;
    let fail = HoldsEditError::Unproven { what: "taken out" };
    let mut edited = text.to_owned();
    let mut values = values(text).ok_or_else(|| fail.clone())?;
    // From the last one on, so that the numbers of those in front stay.
    for (index, _) in before.iter().enumerate().rev().filter(|(_, hold)| is_meant(hold)) {
        edited = without(&edited, index).ok_or_else(|| fail.clone())?;
        if index >= values.len() {
            return Err(fail);
        }
        values.remove(index);
    }
    let expected: Vec<Hold> = before.into_iter().filter(|hold| !is_meant(hold)).collect();
    if is_proven(&edited, &expected, &values) { Ok(edited) } else { Err(fail) }
}

/// Tells whether two readers find exactly these entries.
fn is_proven(text: &str, expected: &[Hold], other: &[Value]) -> bool {
    let plain = |hold: &Hold| Hold { line: 0, ..hold.clone() };
    let is_read = read(text).is_ok_and(|found| found.iter().map(plain).eq(expected.iter().map(plain)));
    is_read && values(text).is_some_and(|found| found == other)
}

/// The entries as the second reader sees them.
fn values(text: &str) -> Option<Vec<Value>> {
    match serde_yaml::from_str::<Value>(text).ok()? {
        Value::Null => Some(Vec::new()),
        Value::Mapping(map) => match map.get("holds") {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::Sequence(items)) => Some(items.clone()),
            Some(_) => None,
        },
        _ => None,
    }
}

fn entry_value(hold: &Hold) -> Value {
    let fields = fields(hold).into_iter().map(|(key, value)| (Value::from(key), Value::from(value)));
    Value::Mapping(fields.collect())
}

/// What an entry says, in the order in which it is written.
fn fields(hold: &Hold) -> Vec<(&'static str, String)> {
    let mut fields = vec![("kind", hold.kind.as_str().to_owned())];
    fields.extend(hold.scope.conditions().into_iter().filter_map(|(key, glob)| Some((key, glob?.as_str().to_owned()))));
    fields.push(("reason", hold.reason.clone()));
    fields.push(("by", hold.actor.clone()));
    fields.push(("since", hold.since.to_string()));
    fields.extend(hold.until.map(|until| ("until", until.to_string())));
    fields
}

/// A time is written as it is shown: no reader of this file takes it for anything else.
fn written(key: &str, value: &str) -> String {
    if matches!(key, "since" | "until") { value.to_owned() } else { write(value, Style::Plain) }
}

fn block(hold: &Hold, column: usize, eol: &str) -> String {
    let lines = fields(hold).into_iter().enumerate().map(|(index, (key, value))| {
        let lead = if index == 0 { "- " } else { "  " };
        format!("{}{lead}{key}: {}{eol}", " ".repeat(column), written(key, &value))
    });
    lines.collect()
}

fn flow(hold: &Hold) -> String {
    let pairs = fields(hold).into_iter().map(|(key, value)| {
        let value =
            if matches!(key, "since" | "until") { format!("\"{value}\"") } else { write(&value, Style::Double) };
        format!("{key}: {value}")
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

fn added(text: &str, hold: &Hold) -> Option<String> {
    let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let documents = yaml::parse(text).ok()?;
    let root = documents.first().map(|document| document.root()).filter(|root| !root.is_null());
    let behind = |text: &str| {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { eol };
        format!("{text}{gap}holds:{eol}{}", block(hold, 2, eol))
    };
    let Some(root) = root else { return Some(behind(text)) };
    let Kind::Map { flow: in_flow, entries } = root.kind() else { return None };
    if entries.is_empty() {
        let inner = format!("holds:{eol}{}", block(hold, 2, eol));
        return Some(splice(text, root.span(), inner.trim_end_matches(['\r', '\n'])));
    }
    let list = list(root)?;
    match list.kind() {
        Kind::Seq { flow: true, items } if *in_flow || !items.is_empty() => match list.items().last() {
            Some(last) => {
                let end = end_of(*last);
                Some(splice(text, end..end, &format!(", {}", flow(hold))))
            }
            None => Some(splice(text, list.span(), &format!("[{}]", flow(hold)))),
        },
        Kind::Seq { flow: false, .. } => {
            let lines = Lines::of(text);
            let column = lines.dash(list.items().first()?.span().start)?;
            let at = lines.end_of_entry(end_of(*list.items().last()?), column)?;
            let gap = if text.get(..at)?.ends_with('\n') { "" } else { eol };
            Some(splice(text, at..at, &format!("{gap}{}", block(hold, column, eol))))
        }
        _ if *in_flow => None,
        // Nothing, or an empty list, which makes room for a block.
        _ => {
            let span = list.span();
            let key_end = root.entries().first().map(|(key, _)| key.span().end)?;
            let colon = key_end + text.get(key_end..)?.find(':')? + 1;
            let emptied = if span.is_empty() {
                text.to_owned()
            } else {
                let blank = text.get(colon..span.start)?.len();
                splice(text, span.start - blank..span.end, "")
            };
            let line_end = colon + emptied.get(colon..)?.find('\n').map_or(emptied.len() - colon, |at| at + 1);
            let gap = if emptied.get(..line_end)?.ends_with('\n') { "" } else { eol };
            Some(splice(&emptied, line_end..line_end, &format!("{gap}{}", block(hold, 2, eol))))
        }
    }
}

fn without(text: &str, index: usize) -> Option<String> {
    let documents = yaml::parse(text).ok()?;
    let root = documents.first()?.root();
    let list = list(root)?;
    let items = list.items();
    let (item, is_only) = (*items.get(index)?, items.len() == 1);
    if matches!(list.kind(), Kind::Seq { flow: true, .. }) {
        return match (is_only, items.get(index + 1), index.checked_sub(1).and_then(|before| items.get(before))) {
            (true, ..) => Some(splice(text, list.span(), "[]")),
            (false, Some(next), _) => Some(splice(text, item.span().start..next.span().start, "")),
            (false, None, Some(before)) => Some(splice(text, end_of(*before)..end_of(item), "")),
            (false, None, None) => None,
        };
    }
    let lines = Lines::of(text);
    let column = lines.dash(items.first()?.span().start)?;
    let start = lines.start_of_entry(item.span().start, column)?;
    let end = lines.end_of_entry(end_of(item), column)?;
    let rest = splice(text, start..end, "");
    if !is_only {
        return Some(rest);
    }
    let key_end = root.entries().first().map(|(key, _)| key.span().end)?;
    let colon = key_end + text.get(key_end..)?.find(':')? + 1;
    Some(splice(&rest, colon..colon, " []"))
}

fn splice(text: &str, span: Range<usize>, new: &str) -> String {
    let (before, after) = (text.get(..span.start).unwrap_or_default(), text.get(span.end..).unwrap_or_default());
    [before, new, after].concat()
}

/// Gives the end of what is written of a node: that of a block ends where the next token begins, and says nothing.
fn end_of(node: Node<'_>) -> usize {
    match node.kind() {
        Kind::Map { flow: false, .. } => {
            node.entries().into_iter().flat_map(|(key, value)| [end_of(key), end_of(value)]).max()
        }
        Kind::Seq { flow: false, .. } => node.items().into_iter().map(end_of).max(),
        Kind::Map { .. } | Kind::Seq { .. } | Kind::Scalar { .. } | Kind::Alias(_) => None,
    }
    .unwrap_or(node.span().end)
}

/// The lines of a text, by their first bytes.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    fn number(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    fn line(&self, number: usize) -> Option<&'t str> {
        let start = *self.starts.get(number)?;
        let end = self.starts.get(number + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end)
    }

    /// Gives the column of the dash in front of the first value of an entry.
    fn dash(&self, at: usize) -> Option<usize> {
        let number = self.number(at);
        let head = self.text.get(*self.starts.get(number)?..at)?;
        let above = (0..number).rev().filter_map(|number| self.line(number));
        std::iter::once(head).chain(above).find_map(|line| {
            let rest = line.trim_start_matches(['\u{feff}', ' ']);
            rest.starts_with('-').then(|| line.trim_start_matches('\u{feff}').len() - rest.len())
        })
    }

    /// How far a comment is indented; none for any other line.
    fn comment(&self, number: usize) -> Option<usize> {
        let line = self.line(number)?;
        let rest = line.trim_start_matches(' ');
        rest.starts_with('#').then_some(line.len() - rest.len())
    }

    /// Gives the first byte of an entry with the comment lines directly above it. `at` is in its first value.
    fn start_of_entry(&self, at: usize, column: usize) -> Option<usize> {
        let is_dash = |line: &str| {
            let rest = line.strip_prefix(&" ".repeat(column)).and_then(|rest| rest.strip_prefix('-'));
            rest.is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']))
        };
        let mut first = (0..=self.number(at)).rev().find(|number| self.line(*number).is_some_and(is_dash))?;
        // What is indented further is said of the entry above.
        while first > 0 && self.comment(first - 1).is_some_and(|indent| indent <= column) {
            first -= 1;
        }
        self.starts.get(first).copied()
    }

    /// Gives the byte behind the last line of an entry, with the comment lines below that are said of it.
    fn end_of_entry(&self, end: usize, column: usize) -> Option<usize> {
        // A block scalar ends with its line break.
        let mut last = self.number(end.checked_sub(1)?);
        while self.comment(last + 1).is_some_and(|indent| indent > column) {
            last += 1;
        }
        Some(self.starts.get(last + 1).copied().unwrap_or(self.text.len()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::hold::{HoldKind, Scope};

    fn freeze(environment: &str, reason: &str, until: Option<&str>) -> Hold {
        Hold {
            kind: HoldKind::Freeze,
            scope: Scope { environment: Some(environment.parse().unwrap()), ..Scope::default() },
            reason: reason.to_owned(),
            actor: "paula".to_owned(),
            since: "2026-03-30T08:00:00Z".parse().unwrap(),
            until: until.map(|until| until.parse().unwrap()),
            line: 0,
        }
    }

    const NEW: &str = "kind: freeze\n    environment: dev\n    reason: \"no: more\"\n    by: paula\n    \
                       since: 2026-03-30T08:00:00Z\n    until: 2026-03-31T08:00:00Z\n";

    #[test]
    fn an_entry_goes_behind_the_last_one_and_nothing_else_changes() {
        let hold = freeze("dev", "no: more", Some("2026-03-31T08:00:00Z"));
        let new = format!("  - {NEW}");
        let old = "kind: freeze, reason: r, by: b, since: 2026-03-30T08:00:00Z";
        let block = old.replace(", ", "\n    ");
        for (before, after) in [
            (String::new(), format!("holds:\n{new}")),
            ("# by hand\n".to_owned(), format!("# by hand\nholds:\n{new}")),
            ("# by hand".to_owned(), format!("# by hand\nholds:\n{new}")),
            ("---\n# by hand\n".to_owned(), format!("---\n# by hand\nholds:\n{new}")),
            ("{}\n".to_owned(), format!("holds:\n{new}")),
            ("holds: []\n# end\n".to_owned(), format!("holds:\n{new}# end\n")),
            ("holds:   []   # none\n".to_owned(), format!("holds:   # none\n{new}")),
            ("holds: ~\n".to_owned(), format!("holds:\n{new}")),
            ("holds:".to_owned(), format!("holds:\n{new}")),
            ("holds: # a\n".to_owned(), format!("holds: # a\n{new}")),
            (format!("holds:\n  # why\n  - {block}\n"), format!("holds:\n  # why\n  - {block}\n{new}")),
            (format!("holds:\n  - {block}"), format!("holds:\n  - {block}\n{new}")),
            (
                format!("holds:\n  - {block} # c\n    # of it\n\n# end\n"),
                format!("holds:\n  - {block} # c\n    # of it\n{new}\n# end\n"),
            ),
            (
                format!("holds:\n- {}\n", old.replace(", ", "\n  ")),
                format!("holds:\n- {}\n- {}", old.replace(", ", "\n  "), NEW.replace("\n    ", "\n  ")),
            ),
            (format!("holds:\n  - {{{old}}}\n...\n"), format!("holds:\n  - {{{old}}}\n{new}...\n")),
            (
                format!("holds:\r\n  - {}\r\n", block.replace('\n', "\r\n")),
                format!("holds:\r\n  - {}\r\n{}", block.replace('\n', "\r\n"), new.replace('\n', "\r\n")),
            ),
        ] {
            assert_eq!(add(Some(&before), &hold).as_deref(), Ok(&*after), "{before:?}");
            // And back, but for the list that was not there.
            let back = take_out(&after, |found| found.reason == "no: more").unwrap();
            let kept = read(&before).unwrap().len();
            assert_eq!(read(&back).unwrap().len(), kept, "{before:?}");
            if kept > 0 && before.ends_with('\n') {
                assert_eq!(back, before);
            }
        }
        let in_flow = add(Some(&format!("{{holds: [{{{old}}}]}}\n")), &hold).unwrap();
        assert!(in_flow.starts_with(&format!("{{holds: [{{{old}}}, {{kind: \"freeze\", ")), "{in_flow}");
        let made = add(None, &hold).unwrap();
        assert_eq!(made, format!("{HEADER}holds:\n{new}"));
    }

    #[test]
    fn an_entry_takes_its_comments_along_and_leaves_those_of_others() {
        let entry = |reason: &str| {
            format!("  - kind: freeze\n    reason: {reason}\n    by: b\n    since: 2026-03-30T08:00:00Z\n")
        };
        let (a, b, c) = (entry("a"), entry("b"), entry("c"));
        let text = format!(
            "# top\nholds: # list\n  # of a\n{a}    # too\n  # of b\n\n  # really of b\n{b}# of c\n{c}    # end of c\n# end\n"
        );
        for (reason, expected) in [
            ("a", format!("# top\nholds: # list\n  # of b\n\n  # really of b\n{b}# of c\n{c}    # end of c\n# end\n")),
            (
                "b",
                format!("# top\nholds: # list\n  # of a\n{a}    # too\n  # of b\n\n# of c\n{c}    # end of c\n# end\n"),
            ),
            ("c", format!("# top\nholds: # list\n  # of a\n{a}    # too\n  # of b\n\n  # really of b\n{b}# end\n")),
            ("", text.clone()),
        ] {
            assert_eq!(take_out(&text, |hold| hold.reason == reason), Ok(expected), "{reason}");
        }
        assert_eq!(take_out(&text, |_| true).as_deref(), Ok("# top\nholds: [] # list\n  # of b\n\n# end\n"));
        let flow = "holds: [{kind: freeze, reason: a, by: b, since: 2026-03-30T08:00:00Z}, \
                    {kind: freeze, reason: b, by: b, since: 2026-03-30T08:00:00Z}] # two\n";
        let one = |reason: &str| {
            format!("holds: [{{kind: freeze, reason: {reason}, by: b, since: 2026-03-30T08:00:00Z}}] # two\n")
        };
        assert_eq!(take_out(flow, |hold| hold.reason == "a"), Ok(one("b")));
        assert_eq!(take_out(flow, |hold| hold.reason == "b"), Ok(one("a")));
        assert_eq!(take_out(flow, |_| true).as_deref(), Ok("holds: [] # two\n"));
    }

    #[test]
    fn what_cannot_be_read_is_not_changed() {
        let hold = freeze("dev", "r", None);
        let error = add(Some("holds:\n  - kind: frost\n"), &hold).unwrap_err();
        assert!(matches!(&error, HoldsEditError::Unreadable(errors) if errors.len() == 4), "{error:?}");
        assert!(take_out("holds: [", |_| true).is_err());
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z]{1,12}",
            "[ -~]{1,30}",
            prop_oneof![Just("yes"), Just("~"), Just("- a: b # c"), Just("2026-01-01"), Just("'\"\\"), Just("0x1f")]
                .prop_map(str::to_owned),
            "\\PC{1,20}",
        ]
        .prop_filter("what is read", |text| {
            !text.trim().is_empty() && !text.contains(|c: char| c.is_control() || crate::model::text::is_invisible(c))
        })
    }

    fn any_hold() -> impl Strategy<Value = Hold> {
        (any_text(), any_text(), prop::option::of("[a-z*]{1,8}"), 0..3_usize, prop::option::of(1..10_000_i64)).prop_map(
            |(reason, actor, environment, kind, until)| {
                let since: jiff::Timestamp = "2026-03-30T08:00:00Z".parse().unwrap();
                let kind = HoldKind::ALL[kind];
                let until = if kind == HoldKind::Override { until.or(Some(60)) } else { until };
                Hold {
                    kind,
                    scope: Scope {
                        environment: environment.map(|glob| glob.parse().unwrap()),
                        application: (kind == HoldKind::Hold).then(|| "argocd/web".parse().unwrap()),
                        ..Scope::default()
                    },
                    reason,
                    actor,
                    since,
                    until: until.map(|minutes| since + jiff::SignedDuration::from_mins(minutes)),
                    line: 0,
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        /// Random entries with random comments between them: what goes in is read back, what is taken out leaves every other
        /// line as it was.
        #[test]
        fn entries_come_and_go_alone(
            holds in prop::collection::vec((any_hold(), 0..4_usize), 1..6),
            taken in any::<prop::sample::Index>(),
            is_crlf in any::<bool>(),
        ) {
            let mut text = add(None, &holds[0].0).unwrap();
            for (hold, comment) in &holds[1..] {
                text.push_str(["", "# between\n", "\n", "    # of the one above\n"][*comment]);
                text = add(Some(&text), hold).unwrap();
            }
            if is_crlf {
                text = text.replace('\n', "\r\n");
            }
            let plain = |holds: Vec<Hold>| holds.into_iter().map(|hold| Hold { line: 0, ..hold }).collect::<Vec<_>>();
            let expected: Vec<Hold> = holds.iter().map(|(hold, _)| hold.clone()).collect();
            prop_assert_eq!(plain(read(&text).unwrap()), expected.clone());
            let lines: Vec<u64> = read(&text).unwrap().iter().map(|hold| hold.line).collect();
            let index = taken.index(holds.len());
            let rest = take_out(&text, |hold| hold.line == lines[index]).unwrap();
            let mut left = expected;
            left.remove(index);
            prop_assert_eq!(plain(read(&rest).unwrap()), left);
            if holds.len() > 1 {
                // All lines that are left stand in the old text, in the same order.
                let mut old = text.split_inclusive('\n');
                prop_assert!(rest.split_inclusive('\n').all(|line| old.any(|known| known == line)), "{}\n---\n{}", text, rest);
            }
        }
    }
}
