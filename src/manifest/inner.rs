//! Where every byte of a scalar's text stands in the file: what is found in the text can be changed in the file.
//!
//! A text in a literal block is in the file line by line; quotes and folded blocks write some characters otherwise. What is
//! made of the bytes here is compared with what the parser read, and a scalar for which that differs has no map.

use std::ops::Range;

use crate::manifest::edit::Edit;
use crate::manifest::splice::{eol_at, line_before, line_end};
use crate::yaml::{Kind, Node, Style, scalar};

/// Where the bytes of a scalar's text stand.
#[derive(Debug)]
pub(super) struct Map {
    pieces: Vec<Piece>,
    form: Form,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// `|`: every line of the text is one of the file, indented so far.
    Literal {
        indent: usize,
        eol: &'static str,
    },
    /// `>`.
    Folded,
    Single,
    Double,
}

/// A part of the text that is written as it is, or one that is written otherwise and does not change in parts.
#[derive(Clone, Debug)]
struct Piece {
    inner: Range<usize>,
    outer: Range<usize>,
    is_verbatim: bool,
    /// The line of the file in which it begins.
    line: u64,
}

impl Map {
    /// Maps a scalar; none for a plain one, and for what is not read here as the parser reads it.
    pub(super) fn of(text: &str, node: Node<'_>, line_at: impl Fn(usize) -> u64) -> Option<Self> {
        let Kind::Scalar { value, style } = node.kind() else { return None };
        let mut reading = Reading { text, value, at: 0, pieces: Vec::new() };
        let form = match style {
            Style::Plain => return None,
            Style::Block => reading.block(node.span())?,
            Style::Single => reading.quoted(node.span(), Form::Single)?,
            Style::Double => reading.quoted(node.span(), Form::Double)?,
        };
        for piece in &mut reading.pieces {
            piece.line = line_at(piece.outer.start);
        }
        (reading.at == value.len()).then_some(Self { pieces: reading.pieces, form })
    }

    /// Gives the byte of the file at which a byte of the text is written.
    fn start(&self, inner: usize) -> Option<usize> {
        let piece = self.pieces.get(self.pieces.partition_point(|piece| piece.inner.end <= inner));
        let Some(piece) = piece else { return self.pieces.last().map(|piece| piece.outer.end) };
        let into = inner.checked_sub(piece.inner.start)?;
        (into == 0 || piece.is_verbatim).then_some(piece.outer.start + into)
    }

    /// Gives the byte of the file behind what is written of the text up to a byte.
    fn end(&self, inner: usize) -> Option<usize> {
        let piece = self.pieces.get(self.pieces.partition_point(|piece| piece.inner.end < inner))?;
        let into = inner.checked_sub(piece.inner.start)?;
        let is_whole = inner == piece.inner.end;
        if is_whole { Some(piece.outer.end) } else { piece.is_verbatim.then_some(piece.outer.start + into) }
    }

    /// Gives the line of the file in which a byte of the text is written.
    pub(super) fn line_at(&self, inner: usize) -> Option<u64> {
        let at = self.pieces.partition_point(|piece| piece.inner.end <= inner);
        self.pieces.get(at).or(self.pieces.last()).map(|piece| piece.line)
    }

    /// Gives the line of the file of the text's first line, if every line of the text is one of the file.
    pub(super) fn first_line(&self) -> Option<u64> {
        let keeps_lines = matches!(self.form, Form::Literal { .. });
        self.pieces.first().filter(|_| keeps_lines).map(|piece| piece.line)
    }

    /// Makes edits of the text edits of the file.
    ///
    /// # Errors
    /// Why the new text cannot stand in a scalar that is written like this.
    pub(super) fn outer(&self, text: &str, edits: &[Edit]) -> Result<Vec<Edit>, String> {
        let outer = |edit: &Edit| {
            let Range { start, end } = edit.span;
            let new = self.write(&edit.new)?;
            let refused = || format!("what changes is only a part of what {} write in one piece", self.named());
            let span = if start == end {
                // Behind what stands there: a line begins with its indentation.
                let at = if start == 0 { self.start(0) } else { self.end(start) };
                at.map(|at| at..at)
            } else {
                self.start(start).zip(self.end(end)).map(|(start, end)| start..end)
            };
            let span = span.filter(|span| span.start <= span.end).ok_or_else(refused)?;
            let old = text.get(span.clone()).ok_or_else(refused)?.to_owned();
            Ok(Edit { span, old, new })
        };
        edits.iter().map(outer).collect()
    }

    fn named(&self) -> &'static str {
        match self.form {
            Form::Literal { .. } => "literal blocks",
            Form::Folded => "folded blocks",
            Form::Single => "single quotes",
            Form::Double => "double quotes",
        }
    }

    /// Writes a new part of the text.
    fn write(&self, new: &str) -> Result<String, String> {
        let printable = |text: &str| text.chars().all(|c| scalar::is_printable(c) || c == '\t');
        match self.form {
            Form::Double => Ok(scalar::in_double_quotes(new)),
            Form::Literal { indent, eol } if new.split('\n').all(printable) => {
                let mut lines = new.split('\n');
                let mut out = lines.next().unwrap_or_default().to_owned();
                for line in lines {
                    out.push_str(eol);
                    if !line.is_empty() {
                        out.push_str(&" ".repeat(indent));
                        out.push_str(line);
                    }
                }
                Ok(out)
            }
            Form::Folded if printable(new) => Ok(new.to_owned()),
            Form::Single if printable(new) => Ok(new.replace('\'', "''")),
            Form::Literal { .. } => Err("literal blocks have no place for control characters".to_owned()),
            Form::Folded | Form::Single => {
                Err(format!("{} have no place for a new line: write the text as a literal block (`|`)", self.named()))
            }
        }
    }
}

/// Reads the bytes of a scalar beside its text.
struct Reading<'t> {
    text: &'t str,
    value: &'t str,
    /// How much of the value has been met.
    at: usize,
    pieces: Vec<Piece>,
}

impl Reading<'_> {
    fn rest(&self) -> &str {
        self.value.get(self.at..).unwrap_or_default()
    }

    /// Takes bytes that are written as they are.
    fn verbatim(&mut self, outer: Range<usize>) -> Option<()> {
        let written = self.text.get(outer.clone())?;
        self.rest().starts_with(written).then_some(())?;
        self.piece(outer.clone(), outer.len(), true);
        Some(())
    }

    /// Takes bytes that write something else.
    fn otherwise(&mut self, outer: Range<usize>, meant: &str) -> Option<()> {
        self.rest().starts_with(meant).then_some(())?;
        self.piece(outer, meant.len(), false);
        Some(())
    }

    fn piece(&mut self, outer: Range<usize>, length: usize, is_verbatim: bool) {
        let inner = self.at..self.at + length;
        self.at = inner.end;
        match self.pieces.last_mut() {
            Some(last) if last.is_verbatim && is_verbatim && last.outer.end == outer.start => {
                last.inner.end = inner.end;
                last.outer.end = outer.end;
            }
            _ if length > 0 => self.pieces.push(Piece { inner, outer, is_verbatim, line: 0 }),
            _ => {}
        }
    }

    /// Takes what the lines between two others write: a blank, line breaks, or nothing.
    fn fold(&mut self, outer: Range<usize>) -> Option<()> {
        let breaks = self.rest().len() - self.rest().trim_start_matches('\n').len();
        let meant = if breaks > 0 { "\n".repeat(breaks) } else { " ".to_owned() };
        self.otherwise(outer, &meant)
    }

    /// Takes a block; its span begins in its first line, somewhere behind its head.
    fn block(&mut self, span: Range<usize>) -> Option<Form> {
        let head = self.text.get(..span.start)?.trim_end_matches([' ', '\t', '\r', '\n']);
        let head_end = line_end(self.text, head.len());
        let is_folded = is_folded(line_before(self.text, head_end))?;
        let eol = eol_at(self.text, head_end);
        let mut at = next_line(self.text, head_end)?;
        let end = span.end.max(at);
        // The indentation shows at the first line that holds something.
        let first = self.text.get(at..)?.split('\n').find(|line| !line.trim().is_empty())?;
        let own = self.value.split('\n').find(|line| !line.trim().is_empty())?;
        let blanks = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let indent = blanks(first).checked_sub(blanks(own))?;
        // Where the last line ended that held something.
        let mut open: Option<usize> = None;
        while at < end && self.at < self.value.len() {
            let stop = line_end(self.text, at);
            let line = self.text.get(at..stop)?;
            let start = at + indent.min(blanks(line));
            let next = next_line(self.text, stop);
            if is_folded {
                if start < stop {
                    match open {
                        Some(before) => self.fold(before..start)?,
                        None => self.leading(start)?,
                    }
                    self.verbatim(start..stop)?;
                    open = Some(stop);
                }
            } else {
                self.verbatim(start..stop)?;
                if self.at < self.value.len() {
                    self.otherwise(stop..next.unwrap_or(self.text.len()), "\n")?;
                }
            }
            at = next.unwrap_or(end);
        }
        if is_folded && self.at < self.value.len() {
            let breaks = self.rest().to_owned();
            breaks.trim_start_matches('\n').is_empty().then_some(())?;
            self.otherwise(open?..end.max(open?), &breaks)?;
        }
        Some(if is_folded { Form::Folded } else { Form::Literal { indent, eol } })
    }

    /// Takes the empty lines in front of a folded text.
    fn leading(&mut self, start: usize) -> Option<()> {
        let breaks = self.rest().len() - self.rest().trim_start_matches('\n').len();
        if breaks == 0 { Some(()) } else { self.otherwise(start..start, &"\n".repeat(breaks)) }
    }

    /// Takes what stands between quotes.
    fn quoted(&mut self, span: Range<usize>, form: Form) -> Option<Form> {
        let mut at = span.start + 1;
        let end = span.end.checked_sub(1)?;
        while at < end {
            let rest = self.text.get(at..end)?;
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            let behind = rest.get(blanks..)?;
            let c = behind.chars().next();
            if matches!(c, Some('\r' | '\n')) {
                let fold = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
                self.fold(at..at + fold)?;
                at += fold;
                continue;
            }
            self.verbatim(at..at + blanks)?;
            at += blanks;
            let Some(c) = c else { break };
            let length = match (form, c) {
                (Form::Single, '\'') => {
                    self.otherwise(at..at + 2, "'")?;
                    2
                }
                (Form::Double, '\\') => {
                    let (length, meant) = escape(behind)?;
                    self.otherwise(at..at + length, &meant)?;
                    length
                }
                _ => {
                    self.verbatim(at..at + c.len_utf8())?;
                    c.len_utf8()
                }
            };
            at += length;
        }
        Some(form)
    }
}

/// Reads whether the head of a block at the end of a line is the one of a folded block.
fn is_folded(line: &str) -> Option<bool> {
    line.char_indices().filter(|(_, c)| matches!(c, '|' | '>')).find_map(|(at, c)| {
        let rest = line.get(at + 1..)?.trim_start_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
        let comment = rest.trim_start_matches([' ', '\t']);
        let ends = comment.is_empty() || (comment.starts_with('#') && comment.len() < rest.len());
        ends.then_some(c == '>')
    })
}

/// Gives the start of the line behind the one that ends there, line ending aside.
fn next_line(text: &str, line_end: usize) -> Option<usize> {
    let rest = text.get(line_end..)?;
    rest.find('\n').map(|at| line_end + at + 1)
}

/// Reads an escape at the start of a text: how long it is, and what it means.
fn escape(text: &str) -> Option<(usize, String)> {
    let mut chars = text.chars();
    let (_, kind) = (chars.next()?, chars.next()?);
    let hex = |from: usize, digits: usize| u32::from_str_radix(text.get(from..from + digits)?, 16).ok();
    let one = |c: char| Some((1 + c.len_utf8(), c));
    let (length, c) = match kind {
        '\r' | '\n' => {
            // The line goes on in the next one, behind its indentation.
            let rest = text.get(1..)?;
            let gap = rest.len()
                - rest.trim_start_matches('\r').trim_start_matches('\n').trim_start_matches([' ', '\t']).len();
            return Some((1 + gap, String::new()));
        }
        'x' => (4, char::from_u32(hex(2, 2)?)?),
        'U' => (10, char::from_u32(hex(2, 8)?)?),
        'u' => {
            let unit = hex(2, 4)?;
            match char::from_u32(unit) {
                Some(c) => (6, c),
                // JSON writes what is beyond 16 bits as two halves.
                None => {
                    text.get(6..8).filter(|next| *next == "\\u")?;
                    let low = hex(8, 4)?.checked_sub(0xdc00)?;
                    (12, char::from_u32(0x1_0000 + (unit.checked_sub(0xd800)? << 10) + low)?)
                }
            }
        }
        '0' => (2, '\0'),
        'a' => (2, '\u{7}'),
        'b' => (2, '\u{8}'),
        't' | '\t' => (2, '\t'),
        'n' => (2, '\n'),
        'v' => (2, '\u{b}'),
        'f' => (2, '\u{c}'),
        'r' => (2, '\r'),
        'e' => (2, '\u{1b}'),
        'N' => (2, '\u{85}'),
        '_' => (2, '\u{a0}'),
        'L' => (2, '\u{2028}'),
        'P' => (2, '\u{2029}'),
        c @ (' ' | '"' | '/' | '\\') => one(c)?,
        _ => return None,
    };
    Some((length, c.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yaml;

    /// Replaces a word of the text of `a`, and gives the file.
    fn replaced(file: &str, old: &str, new: &str) -> Result<String, String> {
        let documents = yaml::parse(file).unwrap();
        let node = documents[0].root().get("a").unwrap();
        let map = Map::of(file, node, |_| 1).ok_or("no map")?;
        let start = node.as_str().unwrap().find(old).unwrap();
        let edit = Edit { span: start..start + old.len(), old: old.into(), new: new.into() };
        let edits = map.outer(file, &[edit])?;
        let after = crate::manifest::edit::apply(file, &edits).map_err(|error| error.to_string())?;
        let documents = yaml::parse(&after).map_err(|error| error.to_string())?;
        let expected = node.as_str().unwrap().replacen(old, new, 1);
        let found = documents[0].root().get("a").unwrap().as_str().unwrap();
        assert_eq!(found, expected, "{after}");
        Ok(after)
    }

    #[test]
    fn a_change_of_the_text_is_one_of_the_file_in_every_style() {
        for (file, old, new, after) in [
            ("a: |\n  x: 1\n  y: 2\n", "y: 2", "y: 3", "a: |\n  x: 1\n  y: 3\n"),
            ("a: |\n\n  x: 1\n\n   z\n  y: 2\n", "y: 2", "y: 3\nw: 4", "a: |\n\n  x: 1\n\n   z\n  y: 3\n  w: 4\n"),
            ("a: |4-\n      x: 1\n    y: 2", "x: 1", "x: 9", "a: |4-\n      x: 9\n    y: 2"),
            ("a: |+ # c | >\r\n  x: 1\r\n\r\n", "1", "2\n\n3", "a: |+ # c | >\r\n  x: 2\r\n\r\n  3\r\n\r\n"),
            ("a: >\n  x: 1\n  2\n\n  y: 2\n\n\n  z\n", "y: 2", "y: 3", "a: >\n  x: 1\n  2\n\n  y: 3\n\n\n  z\n"),
            (
                "a: >-\n\n  {x: 1,\n     y: 2,\n\n  z: 3}\n",
                "z: 3",
                "z: 4",
                "a: >-\n\n  {x: 1,\n     y: 2,\n\n  z: 4}\n",
            ),
            ("a: 'x: ''1''\n  2\n\n  y: 2'\n", "y: 2", "y: '3'", "a: 'x: ''1''\n  2\n\n  y: ''3'''\n"),
            (
                "a: \"x: \\\"1\\\"\\ny: \\u00e9 \\\n   z\"\n",
                "y: é",
                "y: \"3\"\n",
                "a: \"x: \\\"1\\\"\\ny: \\\"3\\\"\\n \\\n   z\"\n",
            ),
            (
                "a: \"\\ud83d\\ude00 1\\t\\x41\\U0001f600\\/\"\n",
                "1",
                "\u{2028}",
                "a: \"\\ud83d\\ude00 \\u2028\\t\\x41\\U0001f600\\/\"\n",
            ),
        ] {
            assert_eq!(replaced(file, old, new).as_deref(), Ok(after), "{file}");
        }
    }

    #[test]
    fn what_a_style_cannot_hold_is_refused() {
        for (file, old, new) in [
            ("a: >\n  x: 1\n", "1", "2\n3"),
            ("a: 'x: 1'\n", "1", "2\n3"),
            ("a: |\n  x: 1\n", "1", "\u{1}"),
            ("a: x 1\n", "1", "2"),
        ] {
            assert!(replaced(file, old, new).is_err(), "{file}");
        }
    }
}
