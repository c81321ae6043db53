//! What is wrong in what people wrote: annotations, manifests, configuration.

use serde::Serialize;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something written does not take effect as meant.
    Error,
    /// It works, and may not be what was meant.
    Warning,
}

/// One problem, with its place and what to do.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Stable code.
    pub code: String,
    /// Name of the configured repository; none for the configuration itself.
    pub repository: Option<String>,
    /// The file, if there is one: a path in the repository, or the configuration's path.
    pub file: Option<String>,
    /// Line in the file, from 1.
    pub line: Option<u64>,
    /// What is wrong, with the value and the rule it breaks.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}
