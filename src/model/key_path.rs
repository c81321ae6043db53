//! Key paths: where in a YAML document a value stands, as people write it in annotations and rules.
//!
//! `image.tag`, `sidecars[0].image`, `containers[name=app].image`, `"app\.kubernetes\.io/name"` without the quotes.
//! Nothing here looks into a document.

use std::fmt;
use std::str::FromStr;

use crate::model::as_text::written_as_text;

/// Longest key path, in bytes.
pub const MAX_BYTES: usize = 512;

/// A place in a document: one or more steps from its root.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyPath {
    segments: Vec<Segment>,
}

/// One step of a [`KeyPath`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Segment {
    /// A key of a mapping.
    Key(String),
    /// An item of a sequence, from 0.
    Index(usize),
    /// The item of a sequence whose field has this text.
    Where {
        /// The field, such as `name`.
        field: String,
        /// Its text.
        value: String,
    },
}

/// Why a text is not a key path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is no key path, at character {position}: {rule}")]
pub struct KeyPathError {
    /// The text, shortened if long.
    pub text: String,
    /// Where it goes wrong, in characters from 1.
    pub position: usize,
    /// The rule it breaks.
    pub rule: &'static str,
}

const EMPTY: &str = "a key, field or value between the dots and brackets may not be empty";
const BLANK: &str = "a key, field or value neither starts nor ends with a blank";
const CONTROL: &str = "it is one line without control characters";
const TEMPLATE: &str = "it names a place, it is no template";
const LONG: &str = "it has at most 512 bytes";
const ESCAPE: &str = "a backslash stands before `.`, `[`, `]`, `=` or another backslash";
const CLOSE: &str = "`[` is closed by `]`";
const STRAY: &str = "`]` closes a `[`, write `\\]` for the character";
const BRACKET: &str = "in brackets stands an index from 0 or `field=value`";
const AFTER: &str = "after `]` comes `.`, `[` or the end";
const BIG: &str = "an index is at most 999999";

impl KeyPath {
    /// Gives the steps, at least one.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Gives the last step.
    pub fn last(&self) -> Option<&Segment> {
        self.segments.last()
    }

    /// Gives the key, if the last step is one.
    pub fn last_key(&self) -> Option<&str> {
        match self.last() {
            Some(Segment::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Gives the path without its last step; none for a path of one step.
    pub fn parent(&self) -> Option<Self> {
        let (_, front) = self.segments.split_last()?;
        (!front.is_empty()).then(|| Self { segments: front.to_vec() })
    }

    /// Gives the path of a key below this one.
    ///
    /// # Errors
    /// A key that cannot stand in a key path, or a path that gets too long.
    pub fn child(&self, key: &str) -> Result<Self, KeyPathError> {
        self.with(Segment::Key(key.to_owned()))
    }

    /// Gives the path of a list item below this one.
    ///
    /// # Errors
    /// An index or a path over its limit.
    pub fn item(&self, index: usize) -> Result<Self, KeyPathError> {
        self.with(Segment::Index(index))
    }

    /// Gives the path of the list item whose field has this text, below this one.
    ///
    /// # Errors
    /// A field or text that cannot stand in a key path, or a path that gets too long.
    pub fn where_is(&self, field: &str, value: &str) -> Result<Self, KeyPathError> {
        self.with(Segment::Where { field: field.to_owned(), value: value.to_owned() })
    }

    /// Gives the path that goes on with another one.
    ///
    /// # Errors
    /// A path that gets too long.
    pub fn join(&self, further: &Self) -> Result<Self, KeyPathError> {
        further.segments.iter().try_fold(self.clone(), |path, segment| path.with(segment.clone()))
    }

    /// Gives what is left of the path below another one; none if it does not lead there, or ends there.
    pub fn below(&self, front: &Self) -> Option<Self> {
        let rest = self.segments.strip_prefix(front.segments.as_slice())?;
        (!rest.is_empty()).then(|| Self { segments: rest.to_vec() })
    }

    /// Makes a path of one key, taken as it is.
    ///
    /// # Errors
    /// A key that cannot stand in a key path.
    pub fn of_key(key: &str) -> Result<Self, KeyPathError> {
        Self { segments: Vec::new() }.with(Segment::Key(key.to_owned()))
    }

    fn with(&self, segment: Segment) -> Result<Self, KeyPathError> {
        let is_simple = segment.is_simple() && self.is_far_below_the_limit(&segment);
        let mut segments = Vec::with_capacity(self.segments.len() + 1);
        segments.extend_from_slice(&self.segments);
        segments.push(segment);
        let path = Self { segments };
        if is_simple {
            return Ok(path);
        }
        // The text form must say the same, or a report would name another place than the one that is written.
        let text = path.to_string();
        let again: Self = text.parse()?;
        if again == path { Ok(path) } else { Err(KeyPathError::new(&text, 0, EMPTY)) }
    }
}

impl KeyPath {
    /// Tells whether the text of the path with one more segment is short enough, whatever has to be escaped in it.
    fn is_far_below_the_limit(&self, segment: &Segment) -> bool {
        const AROUND: usize = 24;
        let most = |segment: &Segment| match segment {
            Segment::Key(key) => 2 * key.len() + AROUND,
            Segment::Index(_) => AROUND,
            Segment::Where { field, value } => 2 * (field.len() + value.len()) + AROUND,
        };
        self.segments.iter().chain([segment]).map(most).sum::<usize>() < MAX_BYTES
    }
}

impl Segment {
    /// Tells whether its text says the same without any escape.
    fn is_simple(&self) -> bool {
        match self {
            Self::Key(key) => {
                !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')
            }
            Self::Index(_) | Self::Where { .. } => false,
        }
    }
}

written_as_text!(KeyPath);

impl FromStr for KeyPath {
    type Err = KeyPathError;

    fn from_str(text: &str) -> Result<Self, KeyPathError> {
        let error = |position: usize, rule| Err(KeyPathError::new(text, position, rule));
        if let Some(position) = text.chars().position(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return error(position, CONTROL);
        }
        if let Some(at) = text.find("{{") {
            return error(text[..at].chars().count(), TEMPLATE);
        }
        if text.len() > MAX_BYTES {
            return error(0, LONG);
        }
        let mut cursor = Cursor { chars: text.chars().collect(), at: 0 };
        let mut segments = Vec::new();
        loop {
            let bracket = cursor.peek() == Some('[');
            let start = cursor.at;
            let parsed = if bracket { cursor.bracket() } else { cursor.part(&['.', '[']).map(Segment::Key) };
            match parsed {
                Ok(segment) => segments.push(segment),
                Err((position, rule)) => return error(position, rule),
            }
            match cursor.peek() {
                None => break,
                Some('.') => {
                    cursor.at += 1;
                    if cursor.peek() == Some('[') {
                        return error(cursor.at, EMPTY);
                    }
                }
                Some('[') => {}
                Some(_) => return error(if bracket { cursor.at } else { start }, AFTER),
            }
        }
        Ok(Self { segments })
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Key(key) if number == 0 => write!(f, "{}", escaped(key, &['.', '[', ']', '\\']))?,
                Segment::Key(key) => write!(f, ".{}", escaped(key, &['.', '[', ']', '\\']))?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Where { field, value } => {
                    let (field, value) = (escaped(field, &['=', '[', ']', '\\']), escaped(value, &['[', ']', '\\']));
                    write!(f, "[{field}={value}]")?;
                }
            }
        }
        Ok(())
    }
}

impl KeyPathError {
    fn new(text: &str, before: usize, rule: &'static str) -> Self {
        let text: String = text.chars().filter(|c| !c.is_control()).take(140).collect();
        Self { text, position: before + 1, rule }
    }
}

struct Cursor {
    chars: Vec<char>,
    at: usize,
}

impl Cursor {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Reads up to one of `ends` or the end of the text, without it.
    fn part(&mut self, ends: &[char]) -> Result<String, (usize, &'static str)> {
        let start = self.at;
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| !ends.contains(c)) {
            let mut taken = c;
            if c == '\\' {
                self.at += 1;
                match self.peek() {
                    Some(next @ ('.' | '[' | ']' | '=' | '\\')) => taken = next,
                    _ => return Err((self.at - 1, ESCAPE)),
                }
            } else if c == ']' {
                return Err((self.at, STRAY));
            } else if c == '[' {
                return Err((self.at, CLOSE));
            }
            text.push(taken);
            self.at += 1;
        }
        if text.is_empty() {
            return Err((start, EMPTY));
        }
        if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            return Err((start, BLANK));
        }
        Ok(text)
    }

    fn bracket(&mut self) -> Result<Segment, (usize, &'static str)> {
        let open = self.at;
        self.at += 1;
        let digits: String = self.chars[self.at..].iter().take_while(|c| c.is_ascii_digit()).collect();
        if !digits.is_empty() && self.chars.get(self.at + digits.len()) == Some(&']') {
            self.at += digits.len() + 1;
            return match digits.parse::<usize>() {
                Ok(index) if index <= 999_999 => Ok(Segment::Index(index)),
                _ => Err((open + 1, BIG)),
            };
        }
        let field = self.part(&['=', ']'])?;
        match self.peek() {
            Some('=') => self.at += 1,
            Some(_) => return Err((open + 1, BRACKET)),
            None => return Err((open, CLOSE)),
        }
        let value = self.part(&[']'])?;
        if self.peek().is_none() {
            return Err((open, CLOSE));
        }
        self.at += 1;
        Ok(Segment::Where { field, value })
    }
}

fn escaped(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(text: &str) -> Segment {
        Segment::Key(text.into())
    }

    fn check(text: &str, segments: &[Segment], shown: &str) {
        let path: KeyPath = text.parse().unwrap();
        assert_eq!((path.segments(), path.to_string().as_str()), (segments, shown), "{text}");
        assert_eq!(shown.parse::<KeyPath>().unwrap(), path, "{text}");
    }

    fn refused(text: &str, position: usize, rule: &str) {
        let error = text.parse::<KeyPath>().unwrap_err();
        assert_eq!((error.position, error.rule), (position, rule), "{text:?}");
    }

    #[test]
    fn paths_are_read_and_shown_in_one_form() {
        let named = |field: &str, value: &str| Segment::Where { field: field.into(), value: value.into() };
        check("tag", &[key("tag")], "tag");
        check("image.tag", &[key("image"), key("tag")], "image.tag");
        check("a.b[0].c", &[key("a"), key("b"), Segment::Index(0), key("c")], "a.b[0].c");
        check("[2].image", &[Segment::Index(2), key("image")], "[2].image");
        check("a[007][1]", &[key("a"), Segment::Index(7), Segment::Index(1)], "a[7][1]");
        check("c[name=app].image", &[key("c"), named("name", "app"), key("image")], "c[name=app].image");
        check(r"c[app\.name=a.b].d", &[key("c"), named("app.name", "a.b"), key("d")], "c[app.name=a.b].d");
        check(r"c[a\=b=c=d\]]", &[key("c"), named("a=b", "c=d]")], r"c[a\=b=c=d\]]");
        check("c[0=1]", &[key("c"), named("0", "1")], "c[0=1]");
        check(r"app\.kubernetes\.io/name", &[key("app.kubernetes.io/name")], r"app\.kubernetes\.io/name");
        check(r"a\\b.c\=d", &[key(r"a\b"), key("c=d")], r"a\\b.c=d");
        check(r"a\[0\]", &[key("a[0]")], r"a\[0\]");
        check("über.名前", &[key("über"), key("名前")], "über.名前");
        check("two words.x", &[key("two words"), key("x")], "two words.x");
    }

    #[test]
    fn what_is_no_path_is_refused_with_place_and_rule() {
        refused("", 1, EMPTY);
        refused("a..b", 3, EMPTY);
        refused(".a", 1, EMPTY);
        refused("a.", 3, EMPTY);
        refused("a.[0]", 3, EMPTY);
        refused("a[]", 3, EMPTY);
        refused("a[=b]", 3, EMPTY);
        refused("a[b=]", 5, EMPTY);
        refused("a[-1]", 3, BRACKET);
        refused("a[1", 2, CLOSE);
        refused("a[b=c", 2, CLOSE);
        refused("a[b[0]]", 4, CLOSE);
        refused("a]b", 2, STRAY);
        refused("a[0]b", 5, AFTER);
        refused("a[1000000]", 3, BIG);
        refused("a[99999999999999999999999]", 3, BIG);
        refused(r"a\", 2, ESCAPE);
        refused(r"a\b", 2, ESCAPE);
        refused(" a", 1, BLANK);
        refused("a .b", 1, BLANK);
        refused("a\nb", 2, CONTROL);
        refused("a\u{2028}b", 2, CONTROL);
        refused("a\tb", 2, CONTROL);
        refused("é{{ .x }}", 2, TEMPLATE);
        refused(&"a".repeat(513), 1, LONG);
        assert!("a".repeat(512).parse::<KeyPath>().is_ok());
        let shown = "a..b".parse::<KeyPath>().unwrap_err().to_string();
        assert_eq!(
            shown,
            "`a..b` is no key path, at character 3: a key, field or value between the dots and brackets may not be empty"
        );
    }

    #[test]
    fn a_path_gives_its_parent_and_children() {
        let path: KeyPath = "image.repository".parse().unwrap();
        let tag = path.parent().unwrap().child("tag").unwrap();
        assert_eq!((tag.to_string().as_str(), tag.last_key()), ("image.tag", Some("tag")));
        assert_eq!(tag.parent().unwrap().parent(), None);
        assert_eq!(tag.child("a.b").unwrap().item(3).unwrap().to_string(), r"image.tag.a\.b[3]");
        assert_eq!(tag.item(3).unwrap().last_key(), None);
        for key in ["", "a\nb", " a", "{{x}}"] {
            assert!(tag.child(key).is_err() && KeyPath::of_key(key).is_err(), "{key:?}");
        }
    }
}
