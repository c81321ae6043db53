//! What every error of repin can tell besides its message.
//!
//! A [`Diagnostic`] has a stable code, a hint for a person, and says whether trying again may help.
//! It holds no text of its own: the message is the error's `Display`.

use std::time::Duration;

/// Whether the same attempt may succeed later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// A person must act first.
    Never,
    /// The next cycle may succeed.
    Later,
    /// The other side asked to wait this long.
    After(Duration),
}

/// An error that a person or a program can act on.
pub trait Diagnostic: std::error::Error {
    /// Gives the stable code, such as `registry/unauthorized`: JSON field, metric label and heading in the manual.
    fn code(&self) -> &'static str;

    /// Says what a person can do, if anything.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Says whether trying again may help.
    fn retry(&self) -> Retry {
        Retry::Never
    }
}
