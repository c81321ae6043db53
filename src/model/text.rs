//! Texts of strangers, as far as several modules must agree on what is in them.

/// Tells whether a character changes what a reader sees without being seen: bidirectional marks, zero widths, separators of
/// lines that are no control characters.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
