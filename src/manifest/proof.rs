//! Proves that an edit made one intended difference and no other, with two readers.
//!
//! A file that the second reader cannot read at all is not edited: then nobody has checked the work of the first.
//!
//! Both give a document as a row of tokens. A [`Difference`] names the tokens that go and what comes in their place;
//! whatever stands before and behind must be the same. So one proof serves replaced, added and removed values.

use crate::manifest::locate::is_text;
use crate::manifest::tokens::{Container, Token, read_first, read_second};
use crate::yaml::{self, Document};

/// What comes: strings to every reader, in lists and mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum New {
    Text(String),
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
    /// The mapping has this entry more, before the entry that had this number.
    EntryAdded(usize, String, New),
    /// The mapping lacks the entry of this number, whose value was a scalar.
    EntryRemoved(usize),
    /// The sequence has this item more, before the item that had this number.
    ItemAdded(usize, New),
}

/// Proves that `after` differs from what was read before by this and nothing else.
///
/// # Errors
/// Why it could not be proven.
pub(super) fn prove(
    before: &[Document],
    second_before: &Result<Vec<Vec<Token>>, String>,
    after: &str,
    difference: &Difference,
) -> Result<(), String> {
    let second_before = second_before
        .as_ref()
        .map_err(|why| format!("the second YAML reader does not read the file as it stands: {why}"))?;
    let documents = yaml::parse(after).map_err(|error| format!("the result would be no YAML: {error}"))?;
    agrees(&read_first(before), &read_first(&documents), difference)
        .map_err(|why| format!("the result would {why}"))?;
    let second_after =
        read_second(after).map_err(|why| format!("the second YAML reader would not read the result: {why}"))?;
    agrees(second_before, &second_after, difference).map_err(|why| format!("the second YAML reader would {why}"))
}

fn agrees(before: &[Vec<Token>], after: &[Vec<Token>], difference: &Difference) -> Result<(), String> {
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
    let (front, gone) = removed(old, difference).ok_or("not find the place")?;
    let kept = old.len().saturating_sub(gone);
    let come = now.len().checked_sub(kept).ok_or_else(other)?;
    if old.get(..front) != now.get(..front) || old.get(front + gone..) != now.get(front + come..) {
        return Err(other());
    }
    let tag = match front.checked_sub(1).and_then(|at| now.get(at)) {
        Some(Token::Tag(tag)) => Some(tag.as_str()),
        _ => None,
    };
    let mut rest = now.get(front..front + come).unwrap_or_default();
    let is_intended = match &difference.what {
        What::Replaced(new) | What::ItemAdded(_, new) => take(&mut rest, new, tag),
        What::EntryAdded(_, key, new) => take_text(&mut rest, key, None) && take(&mut rest, new, None),
        What::EntryRemoved(_) => true,
    };
    if is_intended && rest.is_empty() {
        Ok(())
    } else {
        Err("not hold the new value, as a string to every reader".to_owned())
    }
}

/// Gives where the difference begins in the tokens before it, and how many of them go.
fn removed(tokens: &[Token], difference: &Difference) -> Option<(usize, usize)> {
    let place = find(tokens, &difference.steps)?;
    match &difference.what {
        What::Replaced(_) => {
            let end = after_node(tokens, place)?;
            let is_empty_list = matches!(tokens.get(place..end)?, [Token::Open(Container::Seq { .. }), Token::Close]);
            let is_scalar = !matches!(tokens.get(place)?, Token::Open(_) | Token::Close | Token::Alias(_));
            (is_empty_list || is_scalar).then_some((place, end - place))
        }
        What::EntryAdded(number, ..) => Some((child(tokens, place, *number, 2)?, 0)),
        What::ItemAdded(number, _) => Some((child(tokens, place, *number, 1)?, 0)),
        What::EntryRemoved(number) => {
            let start = child(tokens, place, *number, 2)?;
            let value = after_node(tokens, start)?;
            let end = after_node(tokens, value)?;
            let is_scalar = end == untagged(tokens, value) + 1;
            let is_named = tokens.get(start..end)?.contains(&Token::Anchor);
            (is_scalar && !is_named).then_some((start, end - start))
        }
    }
}

/// Takes what is expected off the front.
fn take(rest: &mut &[Token], new: &New, tag: Option<&str>) -> bool {
    match new {
        New::Text(text) => take_text(rest, text, tag),
        New::Map(entries) => {
            take_if(rest, |token| matches!(token, Token::Open(Container::Map { .. })))
                && entries.iter().all(|(key, value)| take_text(rest, key, None) && take(rest, value, None))
                && take_if(rest, |token| *token == Token::Close)
        }
        New::Seq(items) => {
            take_if(rest, |token| matches!(token, Token::Open(Container::Seq { .. })))
                && items.iter().all(|item| take(rest, item, None))
                && take_if(rest, |token| *token == Token::Close)
        }
    }
}

fn take_text(rest: &mut &[Token], text: &str, tag: Option<&str>) -> bool {
    take_if(rest, |token| match token {
        Token::Text(found) => found == text,
        Token::Scalar { value, style, is_written } => value == text && *is_written && is_text(tag, value, *style),
        _ => false,
    })
}

fn take_if(rest: &mut &[Token], is_it: impl Fn(&Token) -> bool) -> bool {
    match rest.split_first() {
        Some((first, behind)) if is_it(first) => {
            *rest = behind;
            true
        }
        _ => false,
    }
}

/// Gives the position of the value that is the how-manieth child of the how-manieth child … of the document.
fn find(tokens: &[Token], steps: &[usize]) -> Option<usize> {
    let mut at = untagged(tokens, 0);
    for step in steps {
        let start = match tokens.get(at)? {
            Token::Open(Container::Map { .. }) => after_node(tokens, child(tokens, at, *step, 2)?)?,
            Token::Open(Container::Seq { .. }) => child(tokens, at, *step, 1)?,
            _ => return None,
        };
        at = untagged(tokens, start);
    }
    Some(at)
}

/// Gives where the how-manieth child of an opened node begins, or would begin behind the last one.
fn child(tokens: &[Token], opened: usize, number: usize, per_child: usize) -> Option<usize> {
    let fits = match tokens.get(opened)? {
        Token::Open(Container::Map { .. }) => per_child == 2,
        Token::Open(Container::Seq { .. }) => per_child == 1,
        _ => false,
    };
    let mut at = opened + 1;
    for _ in 0..number * per_child {
        at = after_node(tokens, at)?;
    }
    fits.then_some(at)
}

fn untagged(tokens: &[Token], mut at: usize) -> usize {
    while matches!(tokens.get(at), Some(Token::Tag(_) | Token::Anchor)) {
        at += 1;
    }
    at
}

fn after_node(tokens: &[Token], at: usize) -> Option<usize> {
    let mut at = untagged(tokens, at);
    let mut depth = 0_usize;
    loop {
        match tokens.get(at)? {
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

    /// Proves a difference of the `image` mapping, and checks each of the two readers alone as well.
    fn verdicts(what: What, after: &str) -> (bool, bool, bool) {
        let before = yaml::parse(BEFORE).unwrap();
        let steps = if matches!(what, What::Replaced(_)) { vec![1, 1] } else { vec![1] };
        let difference = Difference { document: 0, steps, what };
        let second = read_second(BEFORE);
        let whole = prove(&before, &second, after, &difference).is_ok();
        let first = yaml::parse(after)
            .is_ok_and(|after| agrees(&read_first(&before), &read_first(&after), &difference).is_ok());
        let second = read_second(after).is_ok_and(|after| agrees(&second.unwrap(), &after, &difference).is_ok());
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
        let holds = |steps: Vec<usize>, what: What, after: &str| {
            let difference = Difference { document: 0, steps, what };
            prove(&yaml::parse(text).unwrap(), &read_second(text), after, &difference).is_ok()
        };
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
}
