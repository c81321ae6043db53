//! Lines of a fixed width: cells, cuts and folds of text.

/// How wide a line is, in characters.
pub(super) const WIDTH: usize = 100;

/// Counts characters.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Cuts a text in its middle, where names and tags differ least.
pub(super) fn cut(text: &str, most: usize) -> String {
    let length = width(text);
    if length <= most {
        return text.to_owned();
    }
    let left = most.saturating_sub(1).div_ceil(2);
    let right = most.saturating_sub(1 + left);
    let head: String = text.chars().take(left).collect();
    let tail: String = text.chars().skip(length - right).collect();
    format!("{head}…{tail}")
}

/// Fills a text up to a width.
pub(super) fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Breaks a text into lines behind a margin, `most` of them; a word that is longer than a line has one of its own.
pub(super) fn fold(text: &str, margin: usize, most: usize) -> Vec<String> {
    let room = WIDTH.saturating_sub(margin);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            let kept: String = last.chars().take(room.saturating_sub(2)).collect();
            *last = format!("{} …", kept.trim_end());
        }
    }
    lines.into_iter().map(|line| format!("{}{line}", " ".repeat(margin))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_loses_its_middle() {
        assert_eq!(cut("1.2.3", 5), "1.2.3");
        assert_eq!(cut("20260105143000-3f2a1b9-arm64", 11), "20260…arm64");
        assert_eq!(width(&cut("aaaaaaaaaa", 4)), 4);
    }

    #[test]
    fn a_text_is_broken_at_words_and_says_that_more_was_there() {
        let words = vec!["word"; 60].join(" ");
        let lines = fold(&words, 4, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| width(line) <= WIDTH && line.starts_with("    word")));
        assert!(lines[1].ends_with(" …"), "{lines:?}");
        let long = "x".repeat(150);
        assert_eq!(fold(&long, 2, 3), [format!("  {long}")], "a URL is never broken");
        assert_eq!(fold("", 2, 3), Vec::<String>::new());
    }
}
