//! The JSON documents on stdout: a contract, documented in the README, `"version": 1`.

use serde::Serialize;

use crate::model::outcome::Outcome;
use crate::model::problem::Problem;
use crate::plan::explain::ExplainedImage;

/// Version of the documents; grows only when a reader of the old ones would be misled.
pub const VERSION: u32 = 1;

/// The document of `once` and `plan`.
#[derive(Debug, Serialize)]
pub struct CycleDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// One for each (application, alias, place).
    pub outcomes: &'a [Outcome],
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `check`, and of any command before it is known which.
#[derive(Debug, Serialize)]
pub struct CheckDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `explain`.
#[derive(Debug, Serialize)]
pub struct ExplainDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// `namespace/name`; null if none or several are meant.
    pub application: Option<String>,
    /// Its images.
    pub images: &'a [ExplainedImage],
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}
