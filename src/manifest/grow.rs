//! Finds the bytes for whole entries: a new item of a list, a new list at the end of a mapping, an entry to take away.
//!
//! As in `splice`, nothing here is trusted: what comes out is proven afterwards.

use crate::manifest::edit::Edit;
use crate::manifest::splice::{eol_at, line_before, line_end, quotes_of};
use crate::yaml::{Document, Kind, Node, Style, scalar};

/// The key that makes a Helm parameter a text, as Argo CD's files of overrides have it.
pub(super) const FORCED: &str = "forcestring";
/// The same, as the API spells it.
pub(super) const FORCED_AS_API: &str = "forceString";

/// Keys and texts of a new item, in order.
pub(super) type Entry<'a> = [(&'static str, &'a str)];

/// Gives the edits that add an item behind the last one of a sequence that has items.
pub(super) fn append(text: &str, list: Node<'_>, entry: &Entry<'_>) -> Option<Vec<Edit>> {
    let items = list.items();
    let last = *items.last()?;
    let style = Like::of(&items);
    if is_flow(list) {
        let item = match (own_line(text, last), last.entries().first().and_then(|(key, _)| own_line(text, *key))) {
            (Some(pad), Some(inner)) => {
                style.in_lines(entry, pad, inner, eol_at(text, line_end(text, list.span().start)))
            }
            _ => style.in_flow(entry),
        };
        return behind(text, end_of(text, last, None)?, last, own_line(text, last), &item);
    }
    let dash = items.iter().rev().find_map(|item| Dash::before(text, *item))?;
    let end = line_end(text, end_of(text, last, None)?);
    let eol = eol_at(text, end);
    Some(vec![added(end, format!("{eol}{}", style.in_block(entry, &dash, eol)))])
}

/// Gives the edit that adds a text behind the last one of a sequence of texts.
pub(super) fn append_text(text: &str, list: Node<'_>, new: &str) -> Option<Edit> {
    let items = list.items();
    let last = *items.last()?;
    let new = scalar::write(new, quotes_of(last));
    let end = end_of(text, last, None)?;
    if is_flow(list) {
        return Some(added(end, format!(", {new}")));
    }
    let Dash { pad, gap } = items.iter().rev().find_map(|item| Dash::before(text, *item))?;
    let end = line_end(text, end);
    Some(added(end, format!("{}{pad}-{}{new}", eol_at(text, end), " ".repeat(gap))))
}

/// Gives the edit that adds lines as the last entry of a mapping that is written in lines itself.
pub(super) fn add_lines(text: &str, map: Node<'_>, lines: &[String], eol: &str) -> Option<Edit> {
    let (first_key, _) = map.entries().first().copied()?;
    let (last_key, last) = map.entries().last().copied()?;
    let before = line_before(text, first_key.span().start).trim_start_matches('\u{feff}');
    if is_flow(map) || !before.chars().all(|c| c == ' ') {
        return None;
    }
    let end = line_end(text, end_of(text, last, Some(last_key))?);
    let new: String = lines.iter().map(|line| format!("{eol}{before}{line}")).collect();
    Some(added(end, new))
}

/// Gives the line ending of a text: that of its first line, else `\n`.
pub(super) fn eol_of(text: &str) -> &'static str {
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    if first.ends_with("\r\n") { "\r\n" } else { "\n" }
}

/// Gives the edits that make an empty list or a null of a mapping's entry a list of one item.
pub(super) fn fill(
    text: &str,
    document: &Document,
    around: Node<'_>,
    (key, value): (Node<'_>, Node<'_>),
    entry: &Entry<'_>,
) -> Option<Vec<Edit>> {
    let style = Like::of_key(key);
    let span = value.span();
    if span.is_empty() {
        let column = line_before(text, key.span().start).trim_start_matches('\u{feff}');
        if is_flow(around) || value.is_anchored() || value.tag().is_some() || !column.trim().is_empty() {
            return None;
        }
        let dash = Dash::like_others(text, document, around, column.chars().count());
        let end = line_end(text, key.span().end);
        let eol = eol_at(text, end);
        return Some(vec![added(end, format!("{eol}{}", style.in_block(entry, &dash, eol)))]);
    }
    let old = text.get(span.clone())?.to_owned();
    let new = if is_flow(around) {
        flow_list(text, document, own_line(text, key), &style, entry)
    } else {
        format!("[{}]", style.in_flow(entry))
    };
    Some(vec![Edit { span, old, new }])
}

/// Gives the edits that add a key with a list of one item behind the last entry of a mapping.
pub(super) fn add_list(
    text: &str,
    document: &Document,
    around: Node<'_>,
    key: &str,
    entry: &Entry<'_>,
) -> Option<Vec<Edit>> {
    let Some((last_key, last)) = around.entries().last().copied() else {
        let start = around.span().start + 1;
        let style = document.root().entries().first().map_or(Like::PLAIN, |(key, _)| Like::of_key(*key));
        let new = format!("{}: [{}]", scalar::write(key, style.keys), style.in_flow(entry));
        return is_flow(around).then(|| vec![added(start, new)]);
    };
    let end = end_of(text, last, Some(last_key))?;
    let style = Like::of_key(last_key);
    let written = scalar::write(key, style.keys);
    if is_flow(around) {
        let pad = own_line(text, last_key);
        let new = format!("{written}: {}", flow_list(text, document, pad, &style, entry));
        return behind(text, end, last, pad, &new);
    }
    let before = line_before(text, last_key.span().start).trim_start_matches('\u{feff}');
    let column = before.chars().count();
    let end = line_end(text, end);
    let eol = eol_at(text, end);
    let dash = Dash::like_others(text, document, around, column);
    let pad = " ".repeat(column);
    Some(vec![added(end, format!("{eol}{pad}{written}:{eol}{}", style.in_block(entry, &dash, eol)))])
}

/// Adds what comes behind the last child of a flow collection, on a line of its own with this in front if there is one.
fn behind(text: &str, end: usize, last: Node<'_>, pad: Option<&str>, new: &str) -> Option<Vec<Edit>> {
    // `tag:,` is no empty value to libyaml, `tag: ,` is.
    let comma = if last.span().is_empty() { " ," } else { "," };
    let Some(pad) = pad else { return Some(vec![added(end, format!("{comma} {new}"))]) };
    let line_end = line_end(text, end);
    let eol = eol_at(text, line_end);
    let rest = text.get(end..line_end)?.trim_start_matches([' ', '\t']);
    // A comment stays with the child that it stands behind.
    match rest.strip_prefix(',').map(|rest| rest.trim_start_matches([' ', '\t'])) {
        Some(rest) if rest.starts_with('#') => Some(vec![added(line_end, format!("{eol}{pad}{new},"))]),
        None if rest.starts_with('#') => {
            Some(vec![added(end, comma.to_owned()), added(line_end, format!("{eol}{pad}{new}"))])
        }
        _ => Some(vec![added(end, format!("{comma}{eol}{pad}{new}"))]),
    }
}

/// Writes a list of one item into a flow mapping, over several lines where what else the document holds is.
fn flow_list(text: &str, document: &Document, pad: Option<&str>, style: &Like, entry: &Entry<'_>) -> String {
    let root = document.root();
    let nested = document.nodes().filter(|node| is_flow(*node) && node.position() != root.position());
    let unit = nested.filter_map(|node| Some((node, first_child(node)?))).next().and_then(|(node, child)| {
        let line = line_before(text, node.span().start);
        let pad = line.get(..line.len() - line.trim_start_matches([' ', '\t']).len())?;
        own_line(text, child)?.strip_prefix(pad).filter(|unit| !unit.is_empty())
    });
    let (Some(pad), Some(unit)) = (pad, unit) else { return format!("[{}]", style.in_flow(entry)) };
    let (item, inner) = (format!("{pad}{unit}"), format!("{pad}{unit}{unit}"));
    let eol = eol_at(text, line_end(text, root.span().start));
    format!("[{eol}{item}{}{eol}{pad}]", style.in_lines(entry, &item, &inner, eol))
}

fn first_child(node: Node<'_>) -> Option<Node<'_>> {
    node.entries().first().map(|(key, _)| *key).or_else(|| node.items().first().copied())
}

/// Gives the blanks in front of a node that begins its line.
fn own_line<'t>(text: &'t str, node: Node<'_>) -> Option<&'t str> {
    let start = node.span().start;
    let before = line_before(text, start);
    (before.chars().all(|c| matches!(c, ' ' | '\t')) && start > before.len()).then_some(before)
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
            let end = span.start + written.trim_end_matches([' ', '\t', '\r', '\n']).len();
            let Kind::Scalar { value, style: Style::Block } = node.kind() else { return Some(end) };
            // Blank lines behind a block that keeps them are part of its text.
            let kept = value.len() - value.trim_end_matches('\n').len();
            (1..kept).try_fold(line_end(text, end), |end, _| {
                let next = end + text.get(end..)?.find('\n')? + 1;
                Some(line_end(text, next))
            })
        }
        // The null of an item stands behind its dash.
        Kind::Scalar { .. } | Kind::Alias(_) if key.is_none() => Some(span.start),
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

    /// Takes the indentation of the other lists of a mapping, else of the document; none is indented as kustomize writes
    /// them. `column` is where the list's key stands.
    fn like_others(text: &str, document: &Document, around: Node<'_>, column: usize) -> Self {
        let depth = |(key, list): (Node<'_>, Node<'_>)| {
            let Kind::Seq { flow: false, .. } = list.kind() else { return None };
            let dash = Self::before(text, *list.items().first()?)?;
            let key = line_before(text, key.span().start).trim_start_matches('\u{feff}').chars().count();
            dash.pad.len().checked_sub(key)
        };
        let near = around.entries().into_iter().find_map(depth);
        let depth = near.or_else(|| document.nodes().flat_map(Node::entries).find_map(depth)).unwrap_or_default();
        Self { pad: " ".repeat(column + depth), gap: 1 }
    }
}

/// The quotes that others of the kind have.
struct Like {
    keys: Style,
    texts: Style,
    tags: Style,
}

impl Like {
    /// Without any.
    const PLAIN: Self = Self { keys: Style::Plain, texts: Style::Plain, tags: Style::Plain };

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
        Self { keys, texts, tags: style(&["newTag", "digest", "value"]).unwrap_or(fallback) }
    }

    /// Where the key is quoted as in JSON, everything is.
    fn of_key(key: Node<'_>) -> Self {
        let style = if quotes_of(key) == Style::Double { Style::Double } else { Style::Plain };
        Self { keys: style, texts: style, tags: style }
    }

    fn pair(&self, (key, value): &(&'static str, &str)) -> String {
        if [FORCED, FORCED_AS_API].contains(key) {
            return format!("{}: {value}", scalar::write(key, self.keys));
        }
        let style = if key.ends_with("ame") { self.texts } else { self.tags };
        format!("{}: {}", scalar::write(key, self.keys), scalar::write(value, style))
    }

    fn in_flow(&self, entry: &Entry<'_>) -> String {
        let pairs: Vec<String> = entry.iter().map(|pair| self.pair(pair)).collect();
        format!("{{{}}}", pairs.join(", "))
    }

    /// Writes a flow mapping over several lines; `pad` stands in front of its braces, `inner` in front of its keys.
    fn in_lines(&self, entry: &Entry<'_>, pad: &str, inner: &str, eol: &str) -> String {
        let pairs: Vec<String> = entry.iter().map(|pair| format!("{eol}{inner}{}", self.pair(pair))).collect();
        format!("{{{}{eol}{pad}}}", pairs.join(","))
    }

    fn in_block(&self, entry: &Entry<'_>, dash: &Dash, eol: &str) -> String {
        let Dash { pad, gap } = dash;
        let pairs: Vec<String> = entry.iter().map(|pair| self.pair(pair)).collect();
        let between = format!("{eol}{pad}{}", " ".repeat(gap + 1));
        format!("{pad}-{}{}", " ".repeat(*gap), pairs.join(&between))
    }
}
