//! The words of a file that may be the last part of an image's name: with them a file is read once for all images.
//!
//! A word is a run of characters that stand in names, as long as it goes: however a text is quoted, a name ends where no
//! such character follows. Only escapes in double quotes begin a name inside a run, or put one together from several;
//! where that may be, every image may be named. What has a colon and a space behind it is a key, and no image.

use serde::{Deserialize, Serialize};

use crate::model::names::ImageName;

/// Words of one file that are kept; one with more may name every image.
const MAX_WORDS: usize = 65_536;

/// What stands for a word. Two words seldom share one, and then a file is looked into in vain.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct Word(u32);

impl Word {
    /// Gives the word by which an image is found.
    pub(super) fn of(image: &ImageName) -> Self {
        Self::new(image.repository().rsplit('/').next().unwrap_or_default().as_bytes())
    }

    /// Gives a word of its own, which has no capitals.
    pub(super) fn of_text(text: &str) -> Self {
        Self::new(text.as_bytes())
    }

    /// FNV-1a of 64 bits, folded.
    fn new(text: &[u8]) -> Self {
        let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = text.iter().fold(0xcbf2_9ce4_8422_2325, mix);
        Self((hash ^ (hash >> 32)) as u32)
    }
}

/// What a file may name.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Words {
    sorted: Box<[Word]>,
    /// It may name every image.
    is_anything: bool,
}

impl Words {
    /// Collects the words of a text.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut found = Self::default();
        let mut words = Vec::new();
        let (mut gap, mut is_first) = (&[] as &[u8], true);
        let mut parts = text.chunk_by(|one, next| stands_in_words(*one) == stands_in_words(*next)).peekable();
        while let Some(run) = parts.next() {
            if !run.first().is_some_and(|first| stands_in_words(*first)) {
                gap = run;
                continue;
            }
            let is_key = parts.peek().is_some_and(|next| next.starts_with(b": "));
            if !is_key {
                found.is_anything |= !is_first && joins(gap);
                note(run, &mut words);
            }
            if !is_key && gap.ends_with(b"\\") {
                note(run.get(1..).unwrap_or_default(), &mut words);
                match escaped(run) {
                    Some((b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-', _)) => found.is_anything = true,
                    Some((_, rest)) => note(rest, &mut words),
                    None => {}
                }
            }
            is_first = false;
        }
        words.sort_unstable();
        words.dedup();
        if words.len() > MAX_WORDS {
            found.is_anything = true;
        } else {
            found.sorted = words.into();
        }
        found
    }

    /// Gives the words, sorted.
    pub(super) fn iter(&self) -> impl Iterator<Item = Word> {
        self.sorted.iter().copied()
    }

    /// Tells whether it may name every image.
    pub(super) fn is_anything(&self) -> bool {
        self.is_anything
    }

    /// Tells whether it may name an image with this word.
    pub(super) fn may_name(&self, word: Word) -> bool {
        self.is_anything || self.sorted.binary_search(&word).is_ok()
    }
}

fn stands_in_words(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Notes a run if it may be the last part of an image's name.
fn note(run: &[u8], words: &mut Vec<Word>) {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    if is_edge(run.first()) && is_edge(run.last()) && !run.iter().any(u8::is_ascii_uppercase) {
        words.push(Word::new(run));
    }
}

/// Tells whether what stands between two runs may stand for nothing: line ends that are escaped.
fn joins(gap: &[u8]) -> bool {
    gap.starts_with(b"\\") && gap.contains(&b'\n') && gap.iter().all(|byte| b"\\\r\n \t".contains(byte))
}

/// Reads a number behind a backslash (YAML 1.2.2, 5.7): the last byte of it, if it is a character of ASCII, else 0; and what follows.
fn escaped(run: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = run.split_first()?;
    let digits = match kind {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        _ => return None,
    };
    let (digits, rest) = rest.split_at_checked(digits)?;
    let number = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((u8::try_from(number).unwrap_or(0), rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::{Source, manifests};

    fn may_name(text: &str, image: &str) -> bool {
        Words::of(text.as_bytes()).may_name(Word::of(&image.parse().unwrap()))
    }

    #[test]
    fn a_file_may_name_an_image_whose_last_part_stands_in_it_as_a_word() {
        for (text, is_named) in [
            ("image: ghcr.io/acme/web:1.0", true),
            ("image: web", true),
            ("web", true),
            ("image: 'registry:5000/web@sha256:00'", true),
            (r#"{"image":"acme/web:1"}"#, true),
            ("args: [--image=acme/web]", true),
            ("image: acme/webserver:1.0", false),
            ("web: 1.0", false),
            ("web:\n", true),
            ("image: acme/my-web", false),
            ("image: acme/web.", false),
            ("image: acme/Web", false),
            ("image: acme/we b", false),
            ("", false),
        ] {
            assert_eq!(may_name(text, "ghcr.io/acme/web"), is_named, "{text}");
        }
    }

    #[test]
    fn an_escape_hides_no_name() {
        for (text, is_named) in [
            (r#""image:\nweb:1""#, true),
            (r#""\"image\":\"acme\/web\"""#, true),
            (r#""image:\x20web""#, true),
            (r#""acme\u002Fweb""#, true),
            (r#""\u0077eb""#, true),
            (r#""w\x65b""#, true),
            (r#""\U00000077eb""#, true),
            ("\"acme/w\\\n    eb\"", true),
            ("\"acme/w\\\r\n  \\\n\teb\"", true),
            (r#""\u003cb\u003e""#, false),
            ("run: >\n  foo \\\n    bar", false),
            (r"path: C:\users\me", false),
        ] {
            assert_eq!(may_name(text, "acme/web"), is_named, "{text}");
        }
    }

    #[test]
    fn a_file_with_more_words_than_are_kept_may_name_anything() {
        let text = |count: usize| (0..count).map(|number| format!("w{number} ")).collect::<String>();
        assert!(!may_name(&text(MAX_WORDS), "acme/web"));
        assert!(may_name(&text(MAX_WORDS), "acme/w65535"));
        assert!(may_name(&text(MAX_WORDS + 1), "acme/web"));
    }

    /// One character as double quotes may hold it.
    fn quoted(character: char, way: u8) -> String {
        let number = u32::from(character);
        match way {
            0 => format!("\\x{number:02x}"),
            1 => format!("\\u{number:04X}"),
            2 => format!("\\U{number:08x}"),
            3 => format!("\\\n     {character}"),
            4 => format!("\\\r\n     \\\n     {character}"),
            _ if character == '/' => "\\/".to_owned(),
            _ => character.to_string(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn where_a_reader_finds_an_image_its_word_stands(
            image in "(ghcr\\.io/)?([a-z0-9]{1,4}/){1,2}[a-z0-9]{1,3}([._-][a-z0-9]{1,3}){0,2}",
            tag in "(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,5})?",
            ways in proptest::collection::vec(0u8..40, 60),
            style in 0usize..8,
        ) {
            let text = format!("{image}{tag}");
            let escaped: String = text.chars().zip(&ways).map(|(character, way)| quoted(character, *way)).collect();
            let field = match style {
                0 => format!("image: {text}\n"),
                1 => format!("image: '{text}'\n"),
                2 => format!("{{image: {text}, a: b}}\n"),
                3 => format!("{{\"image\":\"{text}\"}}\n"),
                4 => format!("image: &web {text} # the image\n"),
                5 => format!("image: >-\n    {text}\n"),
                _ => format!("image: \"{escaped}\"\n"),
            };
            let file = format!("apiVersion: v1\nkind: Pod\nspec:\n- {field}");
            let image: ImageName = image.parse().unwrap();
            let found = Source::from_bytes(file.as_bytes()).map(|source| manifests::places(&source, &image, &[]).len());
            prop_assert_eq!(found.unwrap(), 1, "{}", file);
            prop_assert!(Words::of(file.as_bytes()).may_name(Word::of(&image)), "{}", file);
        }
    }
}
