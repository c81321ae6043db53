//! The texts of a repository at its head, for who looks at all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::git::{Directory, Mirror, Node};
use crate::model::names::{Branch, RepoPath};
use crate::reconcile::Reconciler;
use crate::yaml::MAX_BYTES;

impl Reconciler {
    /// Gives the branch and the texts of a repository as the last cycle read it; what is no UTF-8 or too large for YAML is
    /// left out. None where it could not be read.
    pub fn texts(&self, name: &str) -> Option<(Branch, BTreeMap<RepoPath, String>)> {
        let repository = self.repositories.iter().find(|one| one.options.name == name)?;
        let (mirror, head) = (repository.mirror.as_ref()?, repository.head.as_ref()?);
        let root = repository.lines.get(&head.branch)?.directory(&RepoPath::default())?;
        let mut texts = BTreeMap::new();
        add(mirror, root, &RepoPath::default(), &mut texts);
        Some((head.branch.clone(), texts))
    }
}

fn add(mirror: &Mirror, directory: &Arc<Directory>, path: &RepoPath, texts: &mut BTreeMap<RepoPath, String>) {
    for child in directory.children() {
        let Some(path) = path.join(&child.name) else { continue };
        match &child.node {
            Node::Entry(entry) if entry.kind.is_file() => {
                let bytes = mirror.read(&entry.blob, MAX_BYTES as u64).ok();
                if let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
                    texts.insert(path, text);
                }
            }
            Node::Entry(_) => {}
            Node::Directory(below) => add(mirror, below, &path, texts),
        }
    }
}
