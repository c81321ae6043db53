//! Names of a kustomization, which kustomize takes for regular expressions.
//!
//! Nearly all of them are plain: letters, digits, a few signs, and dots that mean any character. They are compared as they
//! stand, since compiling an expression costs more than all the rest of a small kustomization.

use regex::{Regex, RegexBuilder};

use crate::plan::locate::auto::render::cost::Cost;

/// How large a compiled expression may get, in bytes.
const MAX_EXPRESSION: usize = 1 << 18;
/// How many steps it takes to read a plain name, and one that is compiled.
const PLAIN: usize = 50;
const EXPRESSION: usize = 4_000;
/// How long a plain name may be for that price.
const MAX_PLAIN: usize = 1_000;

/// What may follow a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tail {
    /// Nothing.
    Nothing,
    /// A tag and a digest, or one of them.
    Version,
}

/// A name that a whole text must match.
#[derive(Debug)]
pub(super) enum Pattern {
    /// Each dot stands for any character.
    Plain(String, Tail),
    /// Anything else.
    Expression(Regex),
}

impl Pattern {
    /// Reads a name; none is no expression, or more than there may be.
    pub(super) fn of(name: &str, tail: Tail, cost: &mut Cost) -> Option<Self> {
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b".-_/:@".contains(&c);
        if name.len() <= MAX_PLAIN && name.bytes().all(is_plain) {
            cost.take(PLAIN)?;
            return Some(Self::Plain(name.to_owned(), tail));
        }
        cost.take(EXPRESSION)?;
        compiled(name, tail).map(Self::Expression)
    }

    /// Tells whether it matches the whole of a text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Plain(name, tail) => behind(name, text).is_some_and(|rest| tail.is_match(rest)),
            Self::Expression(expression) => expression.is_match(text),
        }
    }
}

impl Tail {
    fn is_match(self, text: &str) -> bool {
        match self {
            Self::Nothing => text.is_empty(),
            Self::Version => {
                let text = text.strip_prefix(':').map_or(text, behind_version);
                text.strip_prefix("@sha256:").map_or(text, behind_version).is_empty()
            }
        }
    }

    fn expression(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Version => "(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?",
        }
    }
}

fn compiled(name: &str, tail: Tail) -> Option<Regex> {
    RegexBuilder::new(&format!("^(?:{name}){}$", tail.expression()))
        .size_limit(MAX_EXPRESSION)
        .dfa_size_limit(MAX_EXPRESSION)
        .build()
        .ok()
}

/// Gives what stands behind a plain name at the start of a text.
fn behind<'t>(name: &str, text: &'t str) -> Option<&'t str> {
    let mut characters = text.chars();
    for expected in name.chars() {
        let found = characters.next()?;
        if found != expected && (expected != '.' || found == '\n') {
            return None;
        }
    }
    Some(characters.as_str())
}

fn behind_version(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_.{}-".contains(c))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A plain name is compared as the expression that it is.
        #[test]
        fn a_plain_name_matches_what_its_expression_matches(
            name in "[a-c0./:@_-]{0,6}",
            middle in "[a-c0.é/:\n-]{0,6}",
            end in "(:[a-c0_.{}-]{0,3})?(@sha256:[a-c0]{0,2})?[:@\n]?",
            is_same in any::<bool>(),
        ) {
            let text = if is_same { format!("{}{end}", name.replace('.', "é")) } else { format!("{middle}{end}") };
            for tail in [Tail::Nothing, Tail::Version] {
                let pattern = Pattern::of(&name, tail, &mut Cost::default()).unwrap();
                prop_assert!(matches!(pattern, Pattern::Plain(..)));
                let expected = compiled(&name, tail).unwrap().is_match(&text);
                prop_assert_eq!(pattern.is_match(&text), expected, "{:?} {:?} {:?}", name, tail, text);
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_an_expression() {
        let matches = |name: &str, text: &str| {
            let pattern = Pattern::of(name, Tail::Version, &mut Cost::default());
            pattern.map(|pattern| (matches!(pattern, Pattern::Expression(_)), pattern.is_match(text)))
        };
        assert_eq!(matches("acme/(web|api)", "acme/api:1.0.0"), Some((true, true)));
        assert_eq!(matches("acme/.*", "acme/api@sha256:0"), Some((true, true)));
        assert_eq!(matches("acme/(web", "acme/(web"), None);
        assert_eq!(matches("acme/web", "acme/web:1.0.0"), Some((false, true)));
        assert_eq!(matches("acme/web", "ghcr.io/acme/web:1.0.0"), Some((false, false)));
    }
}
