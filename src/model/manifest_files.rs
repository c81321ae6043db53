//! Which files of a directory of manifests are part of it, as `directory` of an Argo CD source has it.

use globset::{GlobBuilder, GlobMatcher};

use crate::model::names::RepoPath;

/// The files of a directory of manifests that count.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct ManifestFiles {
    /// `directory.recurse`: those below subdirectories count as well.
    pub is_recursive: bool,
    /// `directory.include`: a glob that they match.
    pub include: Option<String>,
    /// `directory.exclude`: a glob that they do not match.
    pub exclude: Option<String>,
}

impl ManifestFiles {
    /// Gives all files below a directory.
    pub fn all() -> Self {
        Self { is_recursive: true, ..Self::default() }
    }

    /// Keeps those of the files below a directory that its globs let count.
    pub fn retain(&self, directory: &RepoPath, files: &mut Vec<RepoPath>) {
        let matches = |glob: &Option<GlobMatcher>, file: &RepoPath| {
            let path = file.as_str().strip_prefix(directory.as_str()).unwrap_or(file.as_str());
            // What is no glob matches nothing in Argo CD either.
            glob.as_ref().is_some_and(|glob| glob.is_match(path.trim_start_matches('/')))
        };
        if let Some(text) = &self.exclude {
            let glob = matcher(text);
            files.retain(|file| !matches(&glob, file));
        }
        if let Some(text) = &self.include {
            let glob = matcher(text);
            files.retain(|file| matches(&glob, file));
        }
    }
}

/// Reads a glob over paths as Argo CD does: `*` crosses `/`, and `**` is no more than `*`.
fn matcher(text: &str) -> Option<GlobMatcher> {
    let mut glob = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '*' || !glob.ends_with('*') || glob.ends_with("\\*") {
            glob.push(c);
        }
    }
    let mut builder = GlobBuilder::new(&glob);
    builder.literal_separator(false).backslash_escape(true).empty_alternates(true);
    builder.build().ok().map(|glob| glob.compile_matcher())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_paths_below_the_directory_as_in_argo_cd() {
        let all = ["a.yaml", "b.yaml", "sub/a.yaml", "sub/deep/c.json"];
        // (include, exclude, what counts)
        for (include, exclude, expected) in [
            ("", "", "a.yaml b.yaml sub/a.yaml sub/deep/c.json"),
            ("", "a.yaml", "b.yaml sub/a.yaml sub/deep/c.json"),
            ("", "{a.yaml,b.yaml}", "sub/a.yaml sub/deep/c.json"),
            ("{a.yaml,sub/*}", "", "a.yaml sub/a.yaml sub/deep/c.json"),
            ("*.yaml", "", "a.yaml b.yaml sub/a.yaml"),
            ("*.yaml", "sub/*", "a.yaml b.yaml"),
            ("**/a.yaml", "", "sub/a.yaml"),
            ("?.yaml", "", "a.yaml b.yaml"),
            ("[!a].yaml", "", "b.yaml"),
            ("[a-b].yaml", "b*", "a.yaml"),
            ("", "apps/a.yaml", "a.yaml b.yaml sub/a.yaml sub/deep/c.json"),
            // No globs: nothing is left out by one, and nothing taken in.
            ("", "{a.yaml", "a.yaml b.yaml sub/a.yaml sub/deep/c.json"),
            ("[", "", ""),
        ] {
            let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let counts = ManifestFiles { include: given(include), exclude: given(exclude), ..ManifestFiles::all() };
            for directory in ["", "apps"] {
                let directory: RepoPath = RepoPath::default().join(directory).unwrap();
                let mut files: Vec<RepoPath> = all.iter().map(|file| directory.join(file).unwrap()).collect();
                counts.retain(&directory, &mut files);
                let left = files.iter().map(|file| {
                    let path = file.as_str();
                    path.strip_prefix("apps/").unwrap_or(path)
                });
                assert_eq!(left.collect::<Vec<_>>().join(" "), expected, "{include:?} {exclude:?} {directory:?}");
            }
        }
    }
}
