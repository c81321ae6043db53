//! Finds the bytes for whole entries: a new item of a list, a new list at the end of a mapping, an entry to take away.
//!
//! As in `splice`, nothing here is trusted: what comes out is proven afterwards.

use crate::manifest::edit::Edit;
use crate::manifest::splice::{eol_at, line_before, line_end, quotes_of};
use crate::yaml::{Document, Kind, Node, Style, scalar};

/// Keys and texts of a new item, in order.
pub(super) type Entry<'a> = [(&'static str, &'a str)];

/// Gives the edit that adds an item behind the last one of a sequence that has items.
pub(super) fn append(text: &str, list: Node<'_>, entry: &Entry<'_>) -> Option<Edit> {
    let items = list.items();
    let last = *items.last()?;
    let style = Like::of(&items);
    if is_flow(list) {
        let end = end_of(text, last, None)?;
        return Some(added(end, format!(", {}", style.in_flow(entry))));
    }
    let dash = items.iter().rev().find_map(|item| Dash::before(text, *item))?;
    let end = line_end(text, end_of(text, last, None)?);
    let eol = eol_at(text, end);
    Some(added(end, format!("{eol}{}", style.in_block(entry, &dash, eol))))
}

/// Gives the edit that makes an empty list or a null of a mapping's entry a list of one item.
pub(super) fn fill(text: &str, document: &Document, key: Node<'_>, value: Node<'_>, entry: &Entry<'_>) -> Option<Edit> {
    let style = Like::of_key(key);
    let span = value.span();
    if span.is_empty() {
        let column = line_before(text, key.span().start).trim_start_matches('\u{feff}');
        if is_flow(document.root()) || value.is_anchored() || value.tag().is_some() || !column.trim().is_empty() {
            return None;
        }
        let dash = Dash::like_others(text, document);
        let end = line_end(text, key.span().end);
        let eol = eol_at(text, end);
        return Some(added(end, format!("{eol}{}", style.in_block(entry, &dash, eol))));
    }
    let old = text.get(span.clone())?.to_owned();
    Some(Edit { span, old, new: format!("[{}]", style.in_flow(entry)) })
}

/// Gives the edit that adds a key with a list of one item behind the last entry of the root mapping.
pub(super) fn add_list(text: &str, document: &Document, key: &str, entry: &Entry<'_>) -> Option<Edit> {
    let (last_key, last) = document.root().entries().last().copied()?;
    let end = end_of(text, last, Some(last_key))?;
    let style = Like::of_key(last_key);
    let before = line_before(text, last_key.span().start).trim_start_matches('\u{feff}');
    if is_flow(document.root()) {
        let new = format!("{}: [{}]", scalar::write(key, style.keys), style.in_flow(entry));
        let own_line = !before.is_empty() && before.chars().all(|c| matches!(c, ' ' | '\t'));
        let break_ = if own_line { format!("{}{before}", eol_at(text, line_end(text, end))) } else { " ".to_owned() };
        return Some(added(end, format!(",{break_}{new}")));
    }
    let end = line_end(text, end);
    let eol = eol_at(text, end);
    let dash = Dash::like_others(text, document);
    let pad = " ".repeat(before.chars().count());
    Some(added(end, format!("{eol}{pad}{key}:{eol}{}", style.in_block(entry, &dash, eol))))
}

/// Gives the edit that takes the entry of this number out of a mapping that has others.
pub(super) fn remove(text: &str, map: Node<'_>, number: usize) -> Option<Edit> {
    let entries = map.entries();
    let (key, value) = *entries.get(number)?;
    let start = key.span().start;
    let end = end_of(text, value, Some(key))?;
    let gone = |span: std::ops::Range<usize>| {
        let old = text.get(span.clone())?.to_owned();
        Some(Edit { span, old, new: String::new() })
    };
    let next = entries.get(number + 1).map(|(key, _)| key.span().start);
    let previous = number.checked_sub(1).and_then(|number| entries.get(number)).copied();
    if is_flow(map) {
        return match (previous, next) {
            (Some((key, value)), _) => gone(end_of(text, value, Some(key))?..end),
            (None, Some(next)) => gone(start..next),
            (None, None) => None,
        }
        // A comment between two entries would go with them.
        .filter(|edit| !edit.old.contains('#'));
    }
    let line_end = line_end(text, end);
    let before = line_before(text, start);
    if before.trim().is_empty() {
        let line_start = start - before.len();
        let rest = text.get(line_end..)?;
        let eol = rest.find('\n').map_or(0, |at| at + 1);
        if eol > 0 || line_start == 0 {
            return gone(line_start..line_end + eol);
        }
        // The last line has no line ending, so the one before it loses its own.
        let front = text.get(..line_start)?;
        let kept = front.strip_suffix('\n').map_or(front, |front| front.strip_suffix('\r').unwrap_or(front));
        return gone(kept.len()..line_end);
    }
    // The entry shares its line with the dash: the next one moves up, unless something stands between them.
    let next = next?;
    let is_next_line = text.get(line_end..next)?.trim().is_empty();
    gone(start..if is_next_line { next } else { line_end })
}

fn added(at: usize, new: String) -> Edit {
    Edit { span: at..at, old: String::new(), new }
}

fn is_flow(node: Node<'_>) -> bool {
    matches!(node.kind(), Kind::Map { flow: true, .. } | Kind::Seq { flow: true, .. })
}

/// Gives the end of what a value writes, comments and line endings aside; a null without text ends with its key's colon.
fn end_of(text: &str, node: Node<'_>, key: Option<Node<'_>>) -> Option<usize> {
    let span = node.span();
    match node.kind() {
        Kind::Map { flow: false, .. } => {
            let (key, value) = node.entries().last().copied()?;
            end_of(text, value, Some(key))
        }
        Kind::Seq { flow: false, .. } => end_of(text, *node.items().last()?, None),
        Kind::Map { .. } | Kind::Seq { .. } => Some(span.end),
        Kind::Scalar { .. } | Kind::Alias(_) if !span.is_empty() => {
            let written = text.get(span.clone())?;
            Some(span.start + written.trim_end_matches([' ', '\t', '\r', '\n']).len())
        }
        Kind::Scalar { .. } | Kind::Alias(_) => {
            let end = key?.span().end.max(span.start);
            let rest = text.get(end..)?;
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            Some(end + if rest.get(blanks..)?.starts_with(':') { blanks + 1 } else { 0 })
        }
    }
}

/// Where the dashes of a list stand.
struct Dash {
    /// What stands in front of it on its line.
    pad: String,
    /// How many blanks stand behind it.
    gap: usize,
}

impl Dash {
    /// Reads the dash of an item that begins behind it.
    fn before(text: &str, item: Node<'_>) -> Option<Self> {
        let start = item.span().start;
        let front = text.get(..start)?;
        let trimmed = front.trim_end();
        let at = trimmed.strip_suffix('-')?.len();
        let pad = line_before(text, at).trim_start_matches('\u{feff}');
        let blanks = front.get(trimmed.len()..)?;
        let gap = if blanks.contains('\n') { 1 } else { blanks.len() };
        pad.chars().all(|c| c == ' ').then(|| Self { pad: pad.to_owned(), gap: gap.max(1) })
    }

    /// Takes the indentation of the other lists of the root mapping; none is indented as kustomize writes them.
    fn like_others(text: &str, document: &Document) -> Self {
        let root = document.root().entries();
        let lists = root.iter().filter(|(_, value)| matches!(value.kind(), Kind::Seq { flow: false, .. }));
        let found = lists.filter_map(|(_, list)| Self::before(text, *list.items().first()?)).next();
        let column = root
            .first()
            .map_or(0, |(key, _)| line_before(text, key.span().start).trim_start_matches('\u{feff}').chars().count());
        found.map_or_else(|| Self { pad: " ".repeat(column), gap: 1 }, |dash| Self { gap: 1, ..dash })
    }
}

/// The quotes that others of the kind have.
struct Like {
    keys: Style,
    texts: Style,
    tags: Style,
}

impl Like {
    /// Looks at the items of a list, the last ones first.
    fn of(items: &[Node<'_>]) -> Self {
        let entries: Vec<_> = items.iter().rev().flat_map(|item| item.entries()).collect();
        let style = |names: &[&str]| {
            let found = entries.iter().find(|(key, _)| key.as_str().is_some_and(|key| names.contains(&key)));
            found.map(|(_, value)| quotes_of(*value))
        };
        let keys = entries.first().map_or(Style::Plain, |(key, _)| quotes_of(*key));
        let fallback = if keys == Style::Double { Style::Double } else { Style::Plain };
        let texts = style(&["name"]).unwrap_or(fallback);
        Self { keys, texts, tags: style(&["newTag", "digest"]).unwrap_or(fallback) }
    }

    /// Where the key is quoted as in JSON, everything is.
    fn of_key(key: Node<'_>) -> Self {
        let style = if quotes_of(key) == Style::Double { Style::Double } else { Style::Plain };
        Self { keys: style, texts: style, tags: style }
    }

    fn pair(&self, (key, value): &(&'static str, &str)) -> String {
        let style = if key.ends_with("ame") { self.texts } else { self.tags };
        format!("{}: {}", scalar::write(key, self.keys), scalar::write(value, style))
    }

    fn in_flow(&self, entry: &Entry<'_>) -> String {
        let pairs: Vec<String> = entry.iter().map(|pair| self.pair(pair)).collect();
        format!("{{{}}}", pairs.join(", "))
    }

    fn in_block(&self, entry: &Entry<'_>, dash: &Dash, eol: &str) -> String {
        let Dash { pad, gap } = dash;
        let pairs: Vec<String> = entry.iter().map(|pair| self.pair(pair)).collect();
        let between = format!("{eol}{pad}{}", " ".repeat(gap + 1));
        format!("{pad}-{}{}", " ".repeat(*gap), pairs.join(&between))
    }
}
