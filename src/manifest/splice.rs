//! Finds the bytes to replace, and what to write there: the least change in the style that is there.
//!
//! Nothing here is trusted: what comes out is proven afterwards.

use crate::manifest::edit::Edit;
use crate::manifest::error::EditError;
use crate::manifest::locate::{STRING_TAG, Sibling, Value};
use crate::model::key_path::KeyPath;
use crate::yaml::{Kind, Node, Style, scalar};

/// Gives the edits that make a scalar this text.
pub(super) fn replace(
    text: &str,
    value: &Value<'_>,
    path: &KeyPath,
    new: &str,
    is_json: bool,
) -> Result<Vec<Edit>, EditError> {
    let node = value.node;
    let span = node.span();
    if is_json {
        return Ok(vec![edit(text, span, scalar::write(new, Style::Double))]);
    }
    let refuse = |why: &str| EditError::unproven(path, Some(node.line()), why);
    let Kind::Scalar { value: old, style } = node.kind() else {
        return Err(EditError::not_a_scalar(path, node.line(), node.kind()));
    };
    match style {
        Style::Block => {
            let from = value.key.map_or(0, |key| key.span().end);
            let block =
                Block::find(text, node, old, from).ok_or_else(|| refuse("the head of its block is not found"))?;
            Ok(block.replace(text, old, new))
        }
        Style::Plain if span.is_empty() => {
            let written = write_plain(value, new);
            let (at, blank) = null_slot(text, value).ok_or_else(|| refuse("the place of its null is not found"))?;
            let blank = if blank { " " } else { "" };
            Ok(vec![Edit { span: at..at, old: String::new(), new: format!("{blank}{written}") }])
        }
        Style::Plain => Ok(vec![edit(text, span, write_plain(value, new))]),
        Style::Single | Style::Double => Ok(vec![edit(text, span, scalar::write(new, *style))]),
    }
}

/// Gives the edits that add a key behind its sibling.
pub(super) fn insert(text: &str, sibling: &Sibling<'_>, key: &str, new: &str, is_json: bool) -> Vec<Edit> {
    let key_style = quotes_of(sibling.key);
    // A block or an alias says nothing about how a short text is written.
    let value_style = if is_json { Style::Double } else { quotes_of(sibling.value) };
    let between = text.get(sibling.key.span().end..sibling.value.span().start).unwrap_or_default();
    let is_tight = is_json && between == ":";
    let colon = if is_tight { ":" } else { ": " };
    let entry = format!("{}{colon}{}", scalar::write(key, key_style), scalar::write(new, value_style));
    let key_start = sibling.key.span().start;
    let end = value_end(text, sibling);
    let line_end = line_end(text, end);
    let eol = eol_at(text, line_end);
    let before = line_before(text, key_start);
    if !sibling.in_flow {
        let column = before.trim_start_matches('\u{feff}').chars().count();
        return vec![Edit {
            span: line_end..line_end,
            old: String::new(),
            new: format!("{eol}{}{entry}", " ".repeat(column)),
        }];
    }
    let rest = text.get(end..line_end).unwrap_or_default();
    let (comma, behind) = match rest.trim_start_matches([' ', '\t']).strip_prefix(',') {
        Some(behind) => (true, behind.trim_start_matches([' ', '\t'])),
        None => (false, rest.trim_start_matches([' ', '\t'])),
    };
    let own_line = before.chars().all(|c| matches!(c, ' ' | '\t')) && (behind.is_empty() || behind.starts_with('#'));
    // `tag:,` is no empty value to libyaml, `tag: ,` is.
    let blank = if sibling.value.span().is_empty() { " " } else { "" };
    match (own_line, comma) {
        (true, true) => {
            vec![Edit { span: line_end..line_end, old: String::new(), new: format!("{eol}{before}{entry},") }]
        }
        (true, false) => {
            let next = Edit { span: line_end..line_end, old: String::new(), new: format!("{eol}{before}{entry}") };
            if end == line_end {
                vec![Edit { new: format!("{blank},{}", next.new), ..next }]
            } else {
                vec![Edit { span: end..end, old: String::new(), new: format!("{blank},") }, next]
            }
        }
        (false, _) => {
            let comma = if is_tight { "," } else { ", " };
            vec![Edit { span: end..end, old: String::new(), new: format!("{blank}{comma}{entry}") }]
        }
    }
}

fn edit(text: &str, span: std::ops::Range<usize>, new: String) -> Edit {
    let old = text.get(span.clone()).unwrap_or_default().to_owned();
    Edit { span, old, new }
}

fn write_plain(value: &Value<'_>, new: &str) -> String {
    if value.node.tag() == Some(STRING_TAG) && scalar::is_plain_syntax(new) {
        return new.to_owned();
    }
    // `{"tag": null}` is JSON and stays JSON.
    let literal = matches!(value.node.kind(), Kind::Scalar { value, .. } if is_json_literal(value));
    let json = literal && value.in_flow && value.key.is_some_and(|key| quotes_of(key) == Style::Double);
    scalar::write(new, if json { Style::Double } else { Style::Plain })
}

fn is_json_literal(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok()
}

pub(super) fn quotes_of(node: Node<'_>) -> Style {
    match node.kind() {
        Kind::Scalar { style: style @ (Style::Single | Style::Double), .. } => *style,
        _ => Style::Plain,
    }
}

/// Gives where a null without text is to be filled in, and whether a blank must come first.
fn null_slot(text: &str, value: &Value<'_>) -> Option<(usize, bool)> {
    let node = value.node;
    if node.is_anchored() || node.tag().is_some() {
        return Some((node.span().start, true));
    }
    let Some(key) = value.key else {
        let at = node.span().start;
        return text.get(..at)?.chars().next_back().map(|last| (at, last == '-'));
    };
    let end = key.span().end;
    let rest = text.get(end..)?;
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    rest.get(blanks..)?.starts_with(':').then_some((end + blanks + 1, true))
}

/// A block scalar: `|` or `>`, its indicators, and its content.
struct Block {
    header: std::ops::Range<usize>,
    header_end: usize,
    content: std::ops::Range<usize>,
}

impl Block {
    fn find(text: &str, node: Node<'_>, old: &str, from: usize) -> Option<Self> {
        let span = node.span();
        let written = text.get(span.clone())?;
        // At the end of a text, the span of a block without content is its head.
        let empty = old.trim().is_empty() && !written.trim().is_empty();
        // Else the head stands on the last line that is not blank in front of the content.
        let head = text.get(..span.start)?.trim_end_matches([' ', '\t', '\r', '\n']);
        let start = if empty { span.start } else { head.rfind('\n').map_or(0, |at| at + 1).max(from) };
        let header_end = line_end(text, if empty { span.start } else { head.len() });
        let line = text.get(start..header_end)?;
        let header = line.char_indices().filter(|(_, c)| matches!(c, '|' | '>')).find_map(|(at, _)| {
            let behind = line.get(at + 1..)?;
            let indicators =
                behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-').len();
            let rest = behind.get(indicators..)?;
            let comment = rest.trim_start_matches([' ', '\t']);
            let ends = comment.is_empty() || (comment.starts_with('#') && comment.len() < rest.len());
            ends.then_some(start + at..start + at + 1 + indicators)
        })?;
        let length = if empty { 0 } else { written.trim_end_matches([' ', '\t', '\r', '\n']).len() };
        let content = span.start..span.start + length;
        Some(Self { header, header_end, content })
    }

    fn replace(&self, text: &str, old: &str, new: &str) -> Vec<Edit> {
        let content = text.get(self.content.clone()).unwrap_or_default();
        let one_line = !new.is_empty() && new.chars().all(scalar::is_printable) && new.trim() == new;
        // A line of blanks that is part of the old text would become part of the new one.
        let clean = !old.starts_with(char::is_whitespace) && old.trim_end() == old.trim_end_matches('\n');
        if one_line && clean && !content.is_empty() {
            let header = text.get(self.header.clone()).unwrap_or_default();
            let stripped = format!("{}-", header.replace(['+', '-'], ""));
            let mut edits = Vec::new();
            // Without `-` the text ends with a line break, which no tag does.
            if !header.contains('-') {
                edits.push(edit(text, self.header.clone(), stripped));
            }
            if content != new {
                edits.push(edit(text, self.content.clone(), new.to_owned()));
            }
            return edits;
        }
        let mut edits = vec![edit(text, self.header.clone(), scalar::write(new, Style::Plain))];
        if !content.is_empty() {
            edits.push(edit(text, self.header_end..self.content.end, String::new()));
        }
        edits
    }
}

/// Gives the end of a sibling's value, or of its key's colon if the value is a null without text.
fn value_end(text: &str, sibling: &Sibling<'_>) -> usize {
    let span = sibling.value.span();
    if !span.is_empty() {
        let written = text.get(span.clone()).unwrap_or_default();
        return span.start + written.trim_end_matches([' ', '\t', '\r', '\n']).len();
    }
    let end = sibling.key.span().end.max(span.start);
    let rest = text.get(end..).unwrap_or_default();
    let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    end + if rest.get(blanks..).is_some_and(|rest| rest.starts_with(':')) { blanks + 1 } else { 0 }
}

/// Gives what stands before a place on its line.
pub(super) fn line_before(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(before, |eol| before.get(eol + 1..).unwrap_or_default())
}

/// Gives the end of a place's line, without its line ending.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    at + line.strip_suffix('\r').unwrap_or(line).len()
}

/// Gives the line ending at the end of a line; at the end of the text the one of the line before, else `\n`.
pub(super) fn eol_at(text: &str, line_end: usize) -> &'static str {
    let here = text.get(line_end..).unwrap_or_default();
    let crlf = if here.is_empty() {
        let before = text.get(..line_end).unwrap_or_default();
        before.rfind('\n').is_some_and(|at| before.get(..at).is_some_and(|line| line.ends_with('\r')))
    } else {
        here.starts_with("\r\n")
    };
    if crlf { "\r\n" } else { "\n" }
}
