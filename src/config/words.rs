//! Words in messages: the nearest known one, and texts from the file in a form that can be shown.

use crate::model::text::is_invisible;

/// Longest part of a value that a message shows, in characters.
const MAX_SHOWN: usize = 80;

/// Gives the word that a text most likely meant.
pub(super) fn nearest<'w>(text: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', '.'], "");
    let text = plain(&shown(text));
    let distance = |word: &str| strsim::damerau_levenshtein(&text, &plain(word));
    let best = words.min_by_key(|word| distance(word))?;
    (distance(best) <= (best.len() / 3).max(1)).then_some(best)
}

/// Gives a text as messages show it: printable, and cut if it is long.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    printable(&shown)
}

/// Replaces control characters, and those that make a terminal show text in another order or not at all.
pub(super) fn printable(text: &str) -> String {
    let hides = |c: char| c.is_control() || is_invisible(c);
    text.chars().map(|c| if hides(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_near() {
        let words = ["schedule", "repositories", "requests_per_second", "ca", "url"];
        for (text, expected) in [
            ("scheduel", Some("schedule")),
            ("Repository", Some("repositories")),
            ("requestsPerSecond", Some("requests_per_second")),
            ("uri", Some("url")),
            ("cb", Some("ca")),
            ("xy", None),
            ("branch", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, words.into_iter()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_printable() {
        assert_eq!(shown("a\n\u{1b}[31mb\u{202e}c"), "a  [31mb c");
        assert_eq!(shown(&"ä".repeat(MAX_SHOWN + 1)), format!("{}…", "ä".repeat(MAX_SHOWN)));
        assert_eq!(shown(&"ä".repeat(MAX_SHOWN)), "ä".repeat(MAX_SHOWN));
    }
}
