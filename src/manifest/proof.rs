//! Proves that an edit made one intended difference and no other, with two readers.
//!
//! A file that the second reader cannot read at all is not edited: then nobody has checked the work of the first. JSON is
//! read by `serde_json` as well, which counts where the second YAML reader does not know what JSON allows.
//!
//! Both give a document as a row of tokens. A [`Difference`] names the tokens that go and what comes in their place;
//! whatever stands before and behind must be the same. So one proof serves replaced, added and removed values. The second
//! reader writes aliases out: there the same difference is due wherever the value is seen, and nowhere else.

use std::sync::OnceLock;

use crate::manifest::locate::is_text;
use crate::manifest::tokens::{Container, Row, Token, fold_up, read_first, read_json, read_second};
use crate::yaml::{self, Document, Kind, Node, Style};

/// In how many places the second reader may see one value.
const MAX_SITES: usize = 1_000;
/// How deep aliases are followed that stand in what others name.
const MAX_DEPTH: usize = 200;

/// What comes: strings to every reader, in lists and mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum New {
    Text(String),
    /// `true`, for no reader a string.
    True,
    Map(Vec<(String, New)>),
    Seq(Vec<New>),
}

/// One intended difference of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The how-manieth document.
    pub(super) document: usize,
    /// The how-manieth child of the how-manieth child … of its root: the value, or the mapping or sequence around.
    pub(super) steps: Vec<usize>,
    /// What happens there.
    pub(super) what: What,
}

/// What an intended difference does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A scalar or an empty list becomes this; its tag and anchor stay.
    Replaced(New),
    /// A text that was this becomes this.
    Rewritten(String, String),
    /// The mapping has this entry more, before the entry that had this number.
    EntryAdded(usize, String, New),
    /// The mapping lacks the entry of this number, whose value was a scalar.
    EntryRemoved(usize),
    /// The sequence has this item more, before the item that had this number.
    ItemAdded(usize, New),
}

/// What the second readers see of a text before any edit; read when it is first needed, and kept for further edits.
#[derive(Debug, Default)]
pub(super) struct Second {
    yaml: OnceLock<Result<Vec<Row>, String>>,
    json: OnceLock<Result<Vec<Row>, String>>,
}

/// A text before an edit, as its readers see it.
#[derive(Clone, Copy)]
pub(super) struct Before<'s> {
    pub(super) text: &'s str,
    pub(super) documents: &'s [Document],
    pub(super) is_json: bool,
    pub(super) second: &'s Second,
    /// Whether the difference may show wherever aliases show the place.
    pub(super) is_shared: bool,
}

/// Proves that `after` differs from what was read before by this and nothing else.
///
/// # Errors
/// Why it could not be proven.
pub(super) fn prove(before: Before<'_>, after: &str, difference: &Difference) -> Result<(), String> {
    let Before { text, documents, is_json, second, is_shared } = before;
    let yaml = second.yaml.get_or_init(|| read_second(text));
    if let (Err(why), false) = (yaml, is_json) {
        return Err(format!("the second YAML reader does not read the file as it stands: {why}"));
    }
    let document = documents.get(difference.document).ok_or("the document is not found")?;
    let once = |row: &Row| Some(vec![find(row, &difference.steps)?]);
    let expanded = |row: &Row| if is_shared { written_out(document, &difference.steps, row) } else { once(row) };
    if is_json {
        let json = second.json.get_or_init(|| read_json(text)).as_ref();
        let json = json.map_err(|why| format!("the file is no JSON as it stands: {why}"))?;
        let now = read_json(after).map_err(|why| format!("the result would be no JSON: {why}"))?;
        agrees(json, &now, difference, expanded).map_err(|why| format!("a reader of JSON would {why}"))?;
    }
    let now = yaml::parse(after).map_err(|error| format!("the result would be no YAML: {error}"))?;
    agrees(&read_first(documents), &read_first(&now), difference, once)
        .map_err(|why| format!("the result would {why}"))?;
    if let Ok(yaml) = yaml {
        let now =
            read_second(after).map_err(|why| format!("the second YAML reader would not read the result: {why}"))?;
        agrees(yaml, &now, difference, expanded).map_err(|why| format!("the second YAML reader would {why}"))?;
    }
    Ok(())
}

/// Proves that a text holds this and nothing else.
///
/// # Errors
/// Why it could not be proven.
pub(super) fn prove_whole(text: &str, new: &New) -> Result<(), String> {
    let first = read_first(&yaml::parse(text).map_err(|error| format!("the result would be no YAML: {error}"))?);
    let second = read_second(text).map_err(|why| format!("the second YAML reader would not read the result: {why}"))?;
    for documents in [first, second] {
        let [row] = documents.as_slice() else { return Err("the result would have several documents".to_owned()) };
        let mut come = Coming { row, at: 0 };
        if !come.take(new, None) || come.at != row.len() {
            return Err("the result would not hold the new values, as strings to every reader".to_owned());
        }
    }
    Ok(())
}

/// Compares what one reader saw and sees; `places` finds the value, or the mapping or sequence around, in a row.
fn agrees(
    before: &[Row],
    after: &[Row],
    difference: &Difference,
    places: impl Fn(&Row) -> Option<Vec<usize>>,
) -> Result<(), String> {
    let other = || "see another change too".to_owned();
    if before.len() != after.len() {
        return Err(other());
    }
    for (number, (old, now)) in before.iter().zip(after).enumerate() {
        if number != difference.document && old != now {
            return Err(other());
        }
    }
    let (Some(old), Some(now)) = (before.get(difference.document), after.get(difference.document)) else {
        return Err("not find the document".to_owned());
    };
    let places = places(old).filter(|places| !places.is_empty()).ok_or("not find the place")?;
    // How far both rows are compared.
    let (mut done, mut at) = (0, 0);
    for place in places {
        let (front, gone) = removed(old, place, &difference.what).ok_or("not find the place")?;
        let kept = front.checked_sub(done).ok_or("not find the place")?;
        if !old.agrees(done, now, at, kept) {
            return Err(other());
        }
        done = front + gone;
        let mut come = Coming { row: now, at: at + kept };
        let tag = match come.at.checked_sub(1).and_then(|at| now.get(at)) {
            Some(Token::Tag(tag)) => Some(now.text(tag)),
            _ => None,
        };
        let is_intended = match &difference.what {
            What::Replaced(new) | What::ItemAdded(_, new) => come.take(new, tag),
            What::Rewritten(from, to) => rewritten(old, front, from, to).is_some_and(|to| come.take_text(to, tag)),
            What::EntryAdded(_, key, new) => come.take_text(key, None) && come.take(new, None),
            What::EntryRemoved(_) => true,
        };
        if !is_intended {
            return Err("not hold the new value, as a string to every reader".to_owned());
        }
        at = come.at;
    }
    let rest = old.len().saturating_sub(done);
    if now.len() != at + rest || !old.agrees(done, now, at, rest) {
        return Err(other());
    }
    Ok(())
}

/// Gives what a reader shall see of a text; at the end of a file without a last line ending some see none in a block either.
fn rewritten<'t>(old: &Row, at: usize, from: &str, to: &'t str) -> Option<&'t str> {
    let (Token::Text(seen) | Token::Scalar { value: seen, .. }) = old.get(at)? else { return None };
    let seen = old.text(seen);
    if seen == from { Some(to) } else { to.strip_suffix('\n').filter(|_| from.strip_suffix('\n') == Some(seen)) }
}

/// Gives where the difference begins in the tokens before it, and how many of them go.
fn removed(row: &Row, place: usize, what: &What) -> Option<(usize, usize)> {
    match what {
        What::Replaced(_) | What::Rewritten(..) => {
            let end = after_node(row, place)?;
            let is_empty_list = matches!(row.tokens(place..end), [Token::Open(Container::Seq { .. }), Token::Close]);
            let is_scalar = !matches!(row.get(place)?, Token::Open(_) | Token::Close | Token::Alias(_));
            (is_empty_list || is_scalar).then_some((place, end - place))
        }
        What::EntryAdded(number, ..) => Some((child(row, place, *number, 2)?, 0)),
        What::ItemAdded(number, _) => Some((child(row, place, *number, 1)?, 0)),
        What::EntryRemoved(number) => {
            let start = child(row, place, *number, 2)?;
            let value = after_node(row, start)?;
            let end = after_node(row, value)?;
            let is_scalar = end == untagged(row, value) + 1;
            let is_named = row.tokens(start..end).contains(&Token::Anchor);
            (is_scalar && !is_named).then_some((start, end - start))
        }
    }
}

/// What comes, from a token on.
struct Coming<'r> {
    row: &'r Row,
    at: usize,
}

impl Coming<'_> {
    /// Goes behind what is expected, if it is there.
    fn take(&mut self, new: &New, tag: Option<&str>) -> bool {
        match new {
            New::Text(text) => self.take_text(text, tag),
            New::True => {
                let row = self.row;
                self.take_if(|token| match token {
                    Token::Bool(found) => found,
                    Token::Scalar { value, style, is_written } => {
                        row.text(value) == "true" && is_written && style == Style::Plain
                    }
                    _ => false,
                })
            }
            New::Map(entries) => {
                self.take_if(|token| matches!(token, Token::Open(Container::Map { .. })))
                    && entries.iter().all(|(key, value)| self.take_text(key, None) && self.take(value, None))
                    && self.take_if(|token| token == Token::Close)
            }
            New::Seq(items) => {
                self.take_if(|token| matches!(token, Token::Open(Container::Seq { .. })))
                    && items.iter().all(|item| self.take(item, None))
                    && self.take_if(|token| token == Token::Close)
            }
        }
    }

    fn take_text(&mut self, text: &str, tag: Option<&str>) -> bool {
        let row = self.row;
        self.take_if(|token| match token {
            Token::Text(found) => row.text(found) == text,
            Token::Scalar { value, style, is_written } => {
                row.text(value) == text && is_written && is_text(tag, text, style)
            }
            _ => false,
        })
    }

    fn take_if(&mut self, is_it: impl Fn(Token) -> bool) -> bool {
        let is_there = self.row.get(self.at).is_some_and(is_it);
        self.at += usize::from(is_there);
        is_there
    }
}

/// Gives the position of the value that is the how-manieth child of the how-manieth child … of the document.
fn find(row: &Row, steps: &[usize]) -> Option<usize> {
    let mut at = untagged(row, 0);
    for step in steps {
        let start = match row.get(at)? {
            Token::Open(Container::Map { .. }) => after_node(row, child(row, at, *step, 2)?)?,
            Token::Open(Container::Seq { .. }) => child(row, at, *step, 1)?,
            _ => return None,
        };
        at = untagged(row, start);
    }
    Some(at)
}

/// Gives every position of the value in a row with all aliases written out; none if there are too many.
fn written_out(document: &Document, steps: &[usize], row: &Row) -> Option<Vec<usize>> {
    let target = document.below(steps)?;
    let is_it = |node: Node<'_>| node.position() == target.position();
    let holds = fold_up(document, |node, named| named.unwrap_or(false) || is_it(node), |one, other| one || other);
    let mut sites = Sites { document, holds: &holds, target: target.position(), row, found: Vec::new() };
    sites.walk(document.root(), 0, 0)?;
    Some(sites.found)
}

struct Sites<'d> {
    document: &'d Document,
    holds: &'d [Option<bool>],
    target: usize,
    row: &'d Row,
    found: Vec<usize>,
}

impl Sites<'_> {
    /// Goes through a node that begins at a token and gives the token behind it.
    fn walk(&mut self, node: Node<'_>, at: usize, depth: usize) -> Option<usize> {
        let end = || after_node(self.row, at);
        if self.holds.get(node.position()).copied().flatten() != Some(true) {
            return end();
        }
        let node = node.resolve().filter(|_| depth < MAX_DEPTH)?;
        let opened = untagged(self.row, at);
        if node.position() == self.target {
            self.found.push(opened);
            return if self.found.len() <= MAX_SITES { after_node(self.row, at) } else { None };
        }
        let (children, container): (Vec<usize>, bool) = match node.kind() {
            Kind::Map { entries, .. } => {
                let opens = matches!(self.row.get(opened)?, Token::Open(Container::Map { .. }));
                (entries.iter().flat_map(|(key, value)| [*key, *value]).collect(), opens)
            }
            Kind::Seq { items, .. } => {
                (items.clone(), matches!(self.row.get(opened)?, Token::Open(Container::Seq { .. })))
            }
            Kind::Scalar { .. } | Kind::Alias(_) => return None,
        };
        let mut at = opened + 1;
        for child in children {
            at = self.walk(self.document.node(child)?, at, depth + 1)?;
        }
        (container && self.row.get(at)? == Token::Close).then_some(at + 1)
    }
}

/// Gives where the how-manieth child of an opened node begins, or would begin behind the last one.
fn child(row: &Row, opened: usize, number: usize, per_child: usize) -> Option<usize> {
    let fits = match row.get(opened)? {
        Token::Open(Container::Map { .. }) => per_child == 2,
        Token::Open(Container::Seq { .. }) => per_child == 1,
        _ => false,
    };
    let mut at = opened + 1;
    for _ in 0..number * per_child {
        at = after_node(row, at)?;
    }
    fits.then_some(at)
}

fn untagged(row: &Row, mut at: usize) -> usize {
    while matches!(row.get(at), Some(Token::Tag(_) | Token::Anchor)) {
        at += 1;
    }
    at
}

fn after_node(row: &Row, at: usize) -> Option<usize> {
    let mut at = untagged(row, at);
    let mut depth = 0_usize;
    loop {
        match row.get(at)? {
            Token::Open(_) => depth += 1,
            Token::Close => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const BEFORE: &str = "a: &x 1.20\nimage:\n  repository: web\n  tag: 1.2.3 # c\n  n: [1, *x]\n---\nz: 1\n";

    fn holds(text: &str, difference: &Difference, after: &str) -> bool {
        let second = Second::default();
        let is_json = read_json(text).is_ok();
        let documents = yaml::parse(text).unwrap();
        let before = Before { text, documents: &documents, is_json, second: &second, is_shared: false };
        let is_proven = prove(before, after, difference).is_ok();
        // What is nobody else's is proven all the same.
        assert!(!is_proven || prove(Before { is_shared: true, ..before }, after, difference).is_ok());
        is_proven
    }

    /// Proves a difference of the `image` mapping, and checks each of the two readers alone as well.
    fn verdicts(what: What, after: &str) -> (bool, bool, bool) {
        let before = yaml::parse(BEFORE).unwrap();
        let steps = if matches!(what, What::Replaced(_)) { vec![1, 1] } else { vec![1] };
        let difference = Difference { document: 0, steps, what };
        let place = |row: &Row| Some(vec![find(row, &difference.steps)?]);
        let whole = holds(BEFORE, &difference, after);
        let first = yaml::parse(after)
            .is_ok_and(|after| agrees(&read_first(&before), &read_first(&after), &difference, place).is_ok());
        let second = read_second(after)
            .is_ok_and(|after| agrees(&read_second(BEFORE).unwrap(), &after, &difference, place).is_ok());
        (whole, first, second)
    }

    fn tag(text: &str) -> What {
        What::Replaced(New::Text(text.into()))
    }

    fn digest(text: &str) -> What {
        What::EntryAdded(2, "digest".into(), New::Text(text.into()))
    }

    #[test]
    fn the_intended_change_is_proven() {
        let after = BEFORE.replace("1.2.3", "1.3.0");
        assert_eq!(verdicts(tag("1.3.0"), &after), (true, true, true));
        let after = BEFORE.replace("1.2.3", "\"1.3\"");
        assert_eq!(verdicts(tag("1.3"), &after), (true, true, true));
        let after = BEFORE.replace("1.2.3 # c\n", "1.2.3 # c\n  digest: sha256:aa\n");
        assert_eq!(verdicts(digest("sha256:aa"), &after), (true, true, true));
    }

    #[test]
    fn any_other_change_is_found_by_both_readers() {
        for (old, new) in [
            ("web", "\"wet\""),
            ("1.20", "1.21"),
            ("  n: [1, *x]\n", ""),
            ("*x", "1"),
            ("[1, *x]", "[*x, 1]"),
            ("z: 1", "z: 2"),
            ("---\nz: 1\n", ""),
            ("z: 1\n", "z: 1\n---\n"),
            ("repository", "repo"),
            ("image", "images"),
            ("tag: 1.3.0", "tag: [1.3.0]"),
            ("tag: 1.3.0", "tag: 1.3.1"),
            ("tag: 1.3.0", "tag: !x 1.3.0"),
            ("tag: 1.3.0", "tags: 1.3.0"),
            ("tag: 1.3.0", "x: y\n  tag: 1.3.0"),
        ] {
            let after = BEFORE.replace("1.2.3", "1.3.0").replace(old, new);
            assert_eq!(verdicts(tag("1.3.0"), &after), (false, false, false), "{old} {new}");
        }
        for added in ["digest: b", "tag: a", "x: 1\n  digest: a", "digest: a\n  x: 1", "digest: [a]"] {
            let after = BEFORE.replace("1.2.3 # c\n", &format!("1.2.3 # c\n  {added}\n"));
            assert_eq!(verdicts(digest("a"), &after), (false, false, false), "{added}");
        }
    }

    #[test]
    fn what_only_one_reader_can_see_is_refused_too() {
        // The second reader sees neither anchors, quotes nor the words of YAML 1.1.
        for (old, new, text) in [
            ("&x 1.20", "&y &x 1.20", "1.3.0"),
            ("web", "'web'", "1.3.0"),
            ("*x", "1.20", "1.3.0"),
            ("1.3.0", "&t 1.3.0", "1.3.0"),
            ("1.3.0", "on", "on"),
            ("1.3.0", "12:30", "12:30"),
            ("1.3.0", "2024-01-15", "2024-01-15"),
        ] {
            let after = BEFORE.replace("1.2.3", "1.3.0").replace(old, new);
            let (whole, first, _) = verdicts(tag(text), &after);
            assert_eq!((whole, first), (false, false), "{old} {new}");
        }
        assert!(verdicts(tag("on"), &BEFORE.replace("1.2.3", "on")).2);
    }

    #[test]
    fn a_removed_entry_is_an_added_one_seen_from_behind() {
        let after = BEFORE.replace("  tag: 1.2.3 # c\n", "");
        assert_eq!(verdicts(What::EntryRemoved(1), &after), (true, true, true));
        for wrong in [BEFORE.to_owned(), after.replace("web", "wet"), after.replace("  repository: web\n", "")] {
            assert_eq!(verdicts(What::EntryRemoved(1), &wrong), (false, false, false), "{wrong}");
        }
        // What holds more than one text, or a name that others use, is not taken away.
        let list = BEFORE.replace("  n: [1, *x]\n", "");
        assert_eq!(verdicts(What::EntryRemoved(2), &list), (false, false, false));
    }

    #[test]
    fn a_whole_entry_of_a_list_is_proven() {
        let text = "images:\n- name: a\nx: []\n";
        let item = New::Map(vec![("name".into(), New::Text("b".into())), ("newTag".into(), New::Text("1.0".into()))]);
        let holds =
            |steps: Vec<usize>, what: What, after: &str| holds(text, &Difference { document: 0, steps, what }, after);
        let added = What::ItemAdded(1, item.clone());
        let after = "images:\n- name: a\n- name: b\n  newTag: \"1.0\"\nx: []\n";
        assert!(holds(vec![0], added.clone(), after));
        for (old, new) in [("\"1.0\"", "1.0"), ("- name: b", "- name: c"), ("newTag", "newtag"), ("x: []", "x: [1]")] {
            assert!(!holds(vec![0], added.clone(), &after.replace(old, new)), "{new}");
        }
        let filled = What::Replaced(New::Seq(vec![item]));
        assert!(holds(vec![1], filled.clone(), "images:\n- name: a\nx: [{name: b, newTag: '1.0'}]\n"));
        assert!(!holds(vec![0], filled, "images: [{name: b, newTag: '1.0'}]\nx: []\n"), "a full list is not replaced");
    }

    #[test]
    fn a_shared_value_changes_wherever_it_is_seen_and_nowhere_else() {
        let text = "a: &a {tag: &t v1, l: [*t, v1]}\nb: *a\nc: {<<: *a, tag: v1}\nd: *t\ne: v1\n";
        let tag = Difference { document: 0, steps: vec![0, 0], what: tag("v2") };
        let right = text.replace("&t v1", "&t v2");
        let holds = |difference: &Difference, after: &str| {
            let (second, documents) = (Second::default(), yaml::parse(text).unwrap());
            let before = Before { text, documents: &documents, is_json: false, second: &second, is_shared: true };
            prove(before, after, difference).is_ok()
        };
        assert!(holds(&tag, &right) && !super::tests::holds(text, &tag, &right));
        for (old, new) in [("*t, v1", "*t, v2"), ("tag: v1", "tag: v2"), ("e: v1", "e: v2"), ("d: *t", "d: v2")] {
            assert!(!holds(&tag, &right.replace(old, new)), "{new}");
        }
        let digest = What::EntryAdded(1, "digest".into(), New::Text("x".into()));
        let digest = Difference { document: 0, steps: vec![0], what: digest };
        assert!(holds(&digest, &text.replace("&t v1", "&t v1, digest: x")));
        assert!(!holds(&digest, &text.replace("tag: v1", "tag: v1, digest: x")));
    }

    #[test]
    fn json_is_proven_by_a_reader_of_json_too() {
        let text = r#"{"a": "\ud83d\ude00", "tag": 1.20, "tag2": 1e5}"#;
        let tag = Difference { document: 0, steps: vec![1], what: tag("1.21") };
        assert!(read_second(text).is_err(), "libyaml knows no surrogates");
        assert!(holds(text, &tag, &text.replace("1.20", "\"1.21\"")));
        for (old, new) in [("1.20", "1.21"), ("1.20", "'1.21'"), ("1e5", "1e6"), ("ude00", "ude01"), ("1e5}", "1e5,}")]
        {
            let after = text.replace("1.20", "\"1.21\"").replace(if old == "1.20" { "\"1.21\"" } else { old }, new);
            assert!(!holds(text, &tag, &after), "{after}");
        }
    }
}
