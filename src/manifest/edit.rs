//! Edits as values: what was where, and what stands there instead. They know nothing of YAML.

use std::ops::Range;

use crate::manifest::error::EditError;
use crate::yaml::line_of;

/// One replacement of bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// The bytes, counted in the text before any edit.
    pub span: Range<usize>,
    /// What stands there.
    pub old: String,
    /// What shall stand there.
    pub new: String,
}

/// A changed text and how it came about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edited {
    /// The text after the edits.
    pub text: String,
    /// The edits, in the order of the text; none if nothing had to change.
    pub edits: Vec<Edit>,
}

impl Edited {
    /// Gives the edits that lead from this text back to the one before.
    pub fn inverse(&self) -> Vec<Edit> {
        inverse(&self.edits)
    }
}

/// Applies edits, all or none. They stand in the order of the text and do not overlap.
///
/// # Errors
/// `edit/moved` if a span does not hold the old text, or lies before the edit in front of it.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String, EditError> {
    let mut out = String::with_capacity(text.len() + edits.iter().map(|edit| edit.new.len()).sum::<usize>());
    let mut done = 0;
    for edit in edits {
        let kept = text.get(done..edit.span.start);
        let (Some(kept), Some(old)) = (kept, text.get(edit.span.clone())) else {
            return Err(EditError::Moved { line: line_of(text, edit.span.start), expected: edit.old.clone() });
        };
        if old != edit.old {
            return Err(EditError::Moved { line: line_of(text, edit.span.start), expected: edit.old.clone() });
        }
        out.push_str(kept);
        out.push_str(&edit.new);
        done = edit.span.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Ok(out)
}

/// Gives the edits that undo these, for the text that these lead to.
pub fn inverse(edits: &[Edit]) -> Vec<Edit> {
    let (mut grown, mut shrunk) = (0, 0);
    let mut undo = Vec::with_capacity(edits.len());
    for edit in edits {
        let start = (edit.span.start + grown).saturating_sub(shrunk);
        undo.push(Edit { span: start..start + edit.new.len(), old: edit.new.clone(), new: edit.old.clone() });
        grown += edit.new.len();
        shrunk += edit.old.len();
    }
    undo
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn edit(span: Range<usize>, old: &str, new: &str) -> Edit {
        Edit { span, old: old.into(), new: new.into() }
    }

    #[test]
    fn edits_apply_together_and_back() {
        let edits = [edit(0..1, "a", "xyz"), edit(2..2, "", "--"), edit(3..5, "de", "")];
        let after = apply("abcdef", &edits).unwrap();
        assert_eq!(after, "xyzb--cf");
        assert_eq!(apply(&after, &inverse(&edits)).unwrap(), "abcdef");
    }

    #[test]
    fn an_edit_applies_only_where_its_old_text_stands() {
        for bad in [
            vec![edit(0..1, "b", "x")],
            vec![edit(5..9, "f", "x")],
            vec![edit(2..3, "c", "x"), edit(0..1, "a", "x")],
            vec![edit(0..2, "ab", "x"), edit(1..2, "b", "x")],
            vec![edit(1..2, "é", "x")],
        ] {
            assert!(matches!(apply("abcdef", &bad), Err(EditError::Moved { .. })), "{bad:?}");
        }
        assert!(apply("é", &[edit(1..2, "", "x")]).is_err());
    }
}
