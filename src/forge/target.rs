//! Where the pull requests of a repository are.

use crate::forge::Options;
use crate::model::forge::{CommitsBy, Project};

/// A project of a forge, and who makes commits there.
#[derive(Clone, Debug, PartialEq)]
pub struct ForgeTarget {
    /// How the forge is reached.
    pub options: Options,
    /// The project.
    pub project: Project,
    /// Who makes the commits of its pull requests.
    pub commits: CommitsBy,
}
