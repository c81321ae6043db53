//! The source whose repository is written, and which other sources have their files there.

use crate::model::application::ApplicationSource;
use crate::model::names::Branch;
use crate::model::remote_url::RemoteUrl;
use crate::resolve::ground::branch::shown_url;

/// The source whose repository is written, and the branch that it follows if it names none.
#[derive(Clone, Copy)]
pub(super) struct Home<'a> {
    pub(super) source: &'a ApplicationSource,
    pub(super) default: Option<&'a Branch>,
}

impl Home<'_> {
    /// Tells whether a source has its files where the home has them: the same branch of the same repository.
    pub(super) fn is_of(self, source: &ApplicationSource) -> bool {
        std::ptr::eq(self.source, source)
            || (self.is_repository_of(source) && self.follows(source) == self.follows(self.source))
    }

    /// Tells whether a source is of the same repository, however it is spelled.
    fn is_repository_of(self, source: &ApplicationSource) -> bool {
        let spelling =
            |source: &ApplicationSource| source.repo_url.parse::<RemoteUrl>().ok().map(|url| url.normalised());
        source.chart.is_none()
            && self.source.chart.is_none()
            && spelling(source).is_some()
            && spelling(source) == spelling(self.source)
    }

    fn follows<'s>(&'s self, source: &'s ApplicationSource) -> Option<&'s str> {
        revision(source).or(self.default.map(Branch::as_str))
    }

    /// Says where the files of another source are.
    pub(super) fn elsewhere(self, source: &ApplicationSource) -> String {
        if self.is_repository_of(source) {
            let at = self.follows(self.source).unwrap_or("HEAD");
            return format!("its source follows another branch than `{at}`");
        }
        format!("it belongs to another repository than {}", shown_url(&self.source.repo_url))
    }
}

/// Gives the revision that a source names; none means the remote's default branch, as in Argo CD.
pub(super) fn revision(source: &ApplicationSource) -> Option<&str> {
    let revision = source.target_revision.as_deref().map(|named| named.strip_prefix("refs/heads/").unwrap_or(named));
    revision.filter(|revision| !matches!(*revision, "" | "HEAD"))
}

/// A source with a `ref` and without a path only lends its files: the whole repository is not its own.
pub(super) fn owns_its_path(source: &ApplicationSource) -> bool {
    source.chart.is_none() && (source.reference.is_none() || !source.path.is_empty())
}
