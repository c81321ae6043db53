//! Version constraints as Masterminds/semver v3.4 reads them.

/// A parsed constraint.
#[derive(Clone, Debug)]
pub struct Constraint {
    source: String,
}

impl Constraint {
    /// Gives the text as written.
    pub fn source(&self) -> &str {
        &self.source
    }
}
