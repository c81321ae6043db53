//! What a team allows for one image: the order of candidates and the filters before it.

use crate::model::constraint::Constraint;

/// How candidates are ordered (SELECTION "Orders").
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Strategy {
    /// Semantic versions within a constraint.
    #[default]
    Semver,
    /// By the bytes of the tag.
    Alphabetical,
}

/// What happens after somebody took a value back (SELECTION guard 3).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum AfterRollback {
    /// The next candidate above the one taken back is taken.
    #[default]
    Next,
    /// Nothing is taken until a person resumes.
    Wait,
}

/// A regular expression over tags, compiled with a size limit. Unanchored, as in argocd-image-updater.
#[derive(Clone, Debug)]
pub struct TagPattern {
    /// The text after `regexp:`.
    pub source: String,
    /// The compiled expression.
    pub regex: regex::Regex,
}

/// A glob over tags (`ignore-tags`): `*`, `?`, `[…]`.
#[derive(Clone, Debug)]
pub struct TagGlob {
    /// The text as written.
    pub source: String,
    /// The compiled glob.
    pub glob: globset::GlobMatcher,
}

/// What is allowed, and which candidate is best.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The order.
    pub strategy: Strategy,
    /// The version constraint of the image list; used by semver only.
    pub constraint: Option<Constraint>,
    /// `allow-tags`; none = any.
    pub allow: Option<TagPattern>,
    /// `ignore-tags`.
    pub ignore: Vec<TagGlob>,
    /// Rejects tags that are one all-digit part of six or more digits. Default true.
    pub strict: bool,
    /// Lets pre-releases match ranges that name none.
    pub include_prereleases: bool,
    /// Lifts guard 1.
    pub allow_downgrade: bool,
    /// Guard 3's mode.
    pub after_rollback: AfterRollback,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            constraint: None,
            allow: None,
            ignore: Vec::new(),
            strict: true,
            include_prereleases: false,
            allow_downgrade: false,
            after_rollback: AfterRollback::default(),
        }
    }
}
