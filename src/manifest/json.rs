//! Tells JSON from YAML by what a text holds, so that it does not matter how its file is called.
//!
//! JSON is RFC 8259 to the letter: one object or array. What looks like it and has comments is neither JSON nor YAML.

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::yaml::{Document, Kind, Node, Style};

/// Tells whether a text is one object or array of JSON.
pub(super) fn is_json(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    looks_like_json(text) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Gives the line at which a text is no JSON of any kind, and why.
pub(super) fn flaw(text: &str) -> Option<(u64, String)> {
    let error = serde_json::from_str::<Value>(text.strip_prefix('\u{feff}').unwrap_or(text)).err()?;
    let message = error.to_string();
    let what = message.split(" at line ").next().unwrap_or_default().to_owned();
    Some((error.line().max(1) as u64, what))
}

/// Gives the line of the first `//` or `/*` that begins a comment in a text that would be JSON without it, as far as a
/// parser of YAML could read it.
pub(super) fn comment_line(text: &str, read: Option<&[Document]>) -> Option<u64> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !looks_like_json(text) || text.contains("{{") {
        return None;
    }
    let Some(documents) = read else {
        // Quoted texts have no line breaks in JSON, so each line can be looked at alone.
        return text.lines().zip(1_u64..).find(|(line, _)| has_comment(line)).map(|(_, number)| number);
    };
    // In YAML it is a text without quotes, into which the next line goes as well.
    let is_comment = |node: &Node<'_>| match node.kind() {
        Kind::Scalar { value, style: Style::Plain } => is_mark(value) && value.contains([' ', '"']),
        Kind::Scalar { .. } | Kind::Map { .. } | Kind::Seq { .. } | Kind::Alias(_) => false,
    };
    documents.iter().flat_map(Document::nodes).find(is_comment).map(Node::line)
}

fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

fn is_mark(text: &str) -> bool {
    text.starts_with("//") || text.starts_with("/*")
}

fn has_comment(line: &str) -> bool {
    let (mut is_quoted, mut is_escaped, mut before) = (false, false, ' ');
    for (at, c) in line.char_indices() {
        match c {
            '"' if !is_escaped => is_quoted = !is_quoted,
            '/' if !is_quoted && " \t,{}[]\"".contains(before) && line.get(at..).is_some_and(is_mark) => return true,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        before = c;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn json_is_known_by_its_content() {
        for text in [
            "{}",
            " [1e5]\n",
            "\u{feff}{\"a\": \"\\ud83d\\ude00\"}",
            "{\n\t\"a\": \"\\/\"\n}\n",
            "{\"a\": 1, \"a\": 2}",
        ] {
            assert!(is_json(text), "{text}");
        }
        for text in ["", "a: 1", "1", "\"a\"", "{a: 1}", "{\"a\": 1,}", "{\"a\": 1}\n{}", "{\"a\": 'b'}", "[1] # c"] {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_named_with_its_line() {
        assert_eq!(flaw("{\n  \"a\": 1,\n}\n"), Some((3, "trailing comma".to_owned())));
        assert_eq!(flaw("{'a': 1}"), Some((1, "key must be a string".to_owned())));
        assert_eq!(flaw("a: 1\n"), Some((1, "expected value".to_owned())));
        assert_eq!(flaw("{}\n{}\n"), Some((2, "trailing characters".to_owned())));
        assert_eq!(flaw("\u{feff}[\"a\"]\n"), None);
    }

    #[test]
    fn comments_of_jsonc_are_found() {
        let line = |text: &str| {
            let parsed = yaml::parse(text).ok();
            comment_line(text, parsed.as_deref())
        };
        assert_eq!(line("{\n  // c\n  \"a\": 1\n}\n"), Some(2));
        assert_eq!(line("{\n  \"a\": 1, // c\n  \"b\": 2\n}\n"), Some(2));
        assert_eq!(line("{\n  \"a\": \"//\", // c\n}\n"), Some(2));
        assert_eq!(line("{\"a\": [1] /* c */}"), Some(1));
        assert_eq!(line("{\"a\": [1], /* \"x\" */\n\"b\": {}}"), Some(1));
        for text in ["{a: //x}", "{\"a\": \"http://b // c\"}", "a: // c", "{{- if .x }}\n// c\n", "[http://a]", "[//a]"]
        {
            assert_eq!(line(text), None, "{text}");
        }
        assert_eq!(comment_line("{\"a\": \"\\\"// b\"", None), None);
    }
}
