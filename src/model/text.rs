//! Texts of strangers, as far as several modules must agree on what is in them.

/// Makes one line of a text that shows nothing that is not there: control characters and line separators become blanks, other
/// invisible characters are left out.
pub fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() => Some(' '),
        c => Some(c).filter(|c| !is_invisible(*c)),
    };
    text.chars().filter_map(shown).collect()
}

/// Tells whether a character changes what a reader sees without being seen: bidirectional marks, zero widths, separators of
/// lines that are no control characters, variants, fillers and tags.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_is_one_line_of_what_is_seen() {
        for (text, expected) in [
            ("Update web", "Update web"),
            ("a\nb\tc\r\u{1b}[31m", "a b c  [31m"),
            ("a\u{202e}b\u{2066}c\u{200b}d\u{feff}\u{61c}", "abcd"),
            ("a\u{2028}b\u{85}c\u{7f}", "a b c "),
            ("Löwe 🦁", "Löwe 🦁"),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
    }
}
