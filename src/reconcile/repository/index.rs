//! Which files below a directory may name an image: every file is read once for all images, and after a commit only the
//! files and directories that it changed.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::git::{Child, Directory, DirectoryId, GitError, Mirror, Node};
use crate::model::history::BlobId;
use crate::model::names::RepoPath;
use crate::model::tracked::CHART;
use crate::plan::locate::may_be_manifest;
use crate::reconcile::repository::words::{Word, Words};
use crate::yaml::MAX_BYTES;

/// Pairs of a word and a name that are kept in all directories together, 32 MiB: about 40,000 manifests. Beyond them the
/// files of a directory are asked one by one.
const MAX_PAIRS: usize = 4 << 20;

/// What is known of files and directories, by their content: it serves all heads and branches.
pub(super) struct Index {
    words: HashMap<BlobId, Arc<Words>>,
    directories: HashMap<DirectoryId, Known>,
    /// Pairs in all directories.
    pairs: usize,
    /// How many there may be.
    room: usize,
    /// Files that were read for their words alone.
    pub(super) read: usize,
}

/// What is known of a directory as long as it is there.
struct Known {
    directory: Weak<Directory>,
    count: Count,
    /// None as long as nobody searched it.
    contents: Option<Arc<Contents>>,
}

/// How many files may be manifests.
#[derive(Clone, Copy, Default)]
struct Count {
    /// In the directory itself.
    direct: usize,
    /// In it and below.
    all: usize,
}

/// Which names of a directory lead to which words.
struct Contents {
    /// Its files that may be manifests, by their number among its names.
    files: Box<[(u32, Arc<Words>)]>,
    /// Its directories, but for the templates of a chart.
    directories: Box<[u32]>,
    /// The words of all of these, with the numbers; sorted. None if there were too many.
    pairs: Option<Box<[(Word, u32)]>>,
    /// Names under which every image may be named.
    anything: Box<[u32]>,
}

impl Default for Index {
    fn default() -> Self {
        Self { words: HashMap::new(), directories: HashMap::new(), pairs: 0, room: MAX_PAIRS, read: 0 }
    }
}

impl Index {
    /// Notes a file whose content is at hand.
    pub(super) fn note(&mut self, blob: BlobId, content: &[u8]) {
        self.words.entry(blob).or_insert_with(|| Arc::new(Words::of(content)));
    }

    /// Counts the files of a directory that may be manifests, by their names; with those below it if it `is_recursive`.
    pub(super) fn count(&mut self, directory: &Arc<Directory>, is_recursive: bool) -> usize {
        let count = self.count_of(directory);
        if is_recursive { count.all } else { count.direct }
    }

    /// Gives the files of a directory that may name an image, sorted; templates of charts in it are none.
    ///
    /// # Errors
    /// A file that the mirror lost.
    pub(super) fn naming(
        &mut self,
        mirror: &Mirror,
        (directory, path): (&Arc<Directory>, &RepoPath),
        is_recursive: bool,
        word: Word,
    ) -> Result<Vec<RepoPath>, GitError> {
        let mut found = Vec::new();
        self.collect(mirror, (directory, path), is_recursive, word, &mut found)?;
        Ok(found)
    }

    fn collect(
        &mut self,
        mirror: &Mirror,
        (directory, path): (&Arc<Directory>, &RepoPath),
        is_recursive: bool,
        word: Word,
        found: &mut Vec<RepoPath>,
    ) -> Result<(), GitError> {
        let contents = self.contents(mirror, directory)?;
        for number in contents.leading_to(word) {
            let Some(child) = directory.children().get(number as usize) else { continue };
            match (&child.node, path.join(&child.name)) {
                (Node::Entry(_), Some(file)) => found.push(file),
                (Node::Directory(below), Some(path)) if is_recursive => {
                    self.collect(mirror, (below, &path), is_recursive, word, found)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Forgets directories that stand nowhere any more, and files that are in none that was searched.
    pub(super) fn forget(&mut self) {
        self.directories.retain(|_, known| known.directory.strong_count() > 0);
        self.words.retain(|_, words| Arc::strong_count(words) > 1);
        self.pairs = self.directories.values().filter_map(|known| known.contents.as_ref()).map(|one| one.size()).sum();
    }

    fn count_of(&mut self, directory: &Arc<Directory>) -> Count {
        if let Some(known) = self.directories.get_mut(&directory.id()) {
            // It may have gone and come again.
            if known.directory.strong_count() == 0 {
                known.directory = Arc::downgrade(directory);
            }
            return known.count;
        }
        let mut count = Count::default();
        for child in directory.children() {
            match &child.node {
                Node::Entry(entry) if entry.kind.is_file() && may_be_manifest(&child.name) => count.direct += 1,
                Node::Entry(_) => {}
                Node::Directory(below) => count.all += self.count_of(below).all,
            }
        }
        count.all += count.direct;
        let known = Known { directory: Arc::downgrade(directory), count, contents: None };
        self.directories.insert(directory.id(), known);
        count
    }

    fn contents(&mut self, mirror: &Mirror, directory: &Arc<Directory>) -> Result<Arc<Contents>, GitError> {
        self.count_of(directory);
        if let Some(contents) = self.directories.get(&directory.id()).and_then(|known| known.contents.clone()) {
            return Ok(contents);
        }
        let (mut files, mut directories, mut anything) = (Vec::new(), Vec::new(), Vec::new());
        let mut pairs = Some(Vec::new());
        for (number, child) in (0..).zip(directory.children()) {
            match &child.node {
                Node::Entry(entry) if entry.kind.is_file() && may_be_manifest(&child.name) => {
                    let words = self.words_of(mirror, &entry.blob)?;
                    self.add(&mut pairs, words.iter().map(|word| (word, number)));
                    if words.is_anything() {
                        anything.push(number);
                    }
                    files.push((number, words));
                }
                Node::Directory(below) if self.count_of(below).all > 0 && !is_templates(directory, child) => {
                    let contents = self.contents(mirror, below)?;
                    self.add(&mut pairs, contents.words().map(|word| (word, number)));
                    if contents.may_name_anything() {
                        anything.push(number);
                    }
                    directories.push(number);
                }
                Node::Entry(_) | Node::Directory(_) => {}
            }
        }
        if let Some(pairs) = &mut pairs {
            pairs.sort_unstable();
        }
        let contents = Arc::new(Contents {
            files: files.into(),
            directories: directories.into(),
            pairs: pairs.map(Vec::into_boxed_slice),
            anything: anything.into(),
        });
        self.pairs += contents.size();
        if let Some(known) = self.directories.get_mut(&directory.id()) {
            known.contents = Some(contents.clone());
        }
        Ok(contents)
    }

    /// Adds pairs as long as there is room for them.
    fn add(&self, pairs: &mut Option<Vec<(Word, u32)>>, more: impl Iterator<Item = (Word, u32)>) {
        if let Some(all) = pairs {
            all.extend(more);
            if self.pairs + all.len() > self.room {
                *pairs = None;
            }
        }
    }

    fn words_of(&mut self, mirror: &Mirror, blob: &BlobId) -> Result<Arc<Words>, GitError> {
        if let Some(words) = self.words.get(blob) {
            return Ok(words.clone());
        }
        let words = match mirror.read(blob, MAX_BYTES as u64) {
            Ok(content) => Words::of(&content),
            // Nobody reads it, so it names nothing.
            Err(GitError::TooLarge { .. }) => Words::default(),
            Err(error) => return Err(error),
        };
        self.read += 1;
        let words = Arc::new(words);
        self.words.insert(*blob, words.clone());
        Ok(words)
    }
}

impl Contents {
    /// Gives the names behind which an image with this word may be named, in their order.
    fn leading_to(&self, word: Word) -> Vec<u32> {
        let mut numbers: Vec<u32> = match &self.pairs {
            Some(pairs) => {
                let from = pairs.partition_point(|(one, _)| *one < word);
                let same = pairs.iter().skip(from).take_while(|(one, _)| *one == word);
                same.map(|(_, number)| *number).chain(self.anything.iter().copied()).collect()
            }
            None => {
                let files = self.files.iter().filter(|(_, words)| words.may_name(word)).map(|(number, _)| *number);
                files.chain(self.directories.iter().copied()).collect()
            }
        };
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Gives each word in it and below, if they were kept.
    fn words(&self) -> impl Iterator<Item = Word> {
        let pairs = self.pairs.as_deref().unwrap_or_default();
        pairs.chunk_by(|(one, _), (next, _)| one == next).filter_map(|same| Some(same.first()?.0))
    }

    fn may_name_anything(&self) -> bool {
        self.pairs.is_none() || !self.anything.is_empty()
    }

    fn size(&self) -> usize {
        self.pairs.as_ref().map_or(0, |pairs| pairs.len())
    }
}

/// Tells whether a directory holds the templates of a chart, whose images come from its values.
///
/// A link in the place of Chart.yaml makes a chart as well: Helm follows it.
pub(super) fn is_templates(parent: &Directory, child: &Child) -> bool {
    &*child.name == "templates" && parent.entry(CHART).is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use git2::{FileMode, build::TreeUpdateBuilder};
    use tempfile::TempDir;

    use super::*;
    use crate::git::{Options, Trees};
    use crate::model::names::ImageName;

    /// A remote with one branch, its mirror, and what was read of it.
    struct World {
        remote: git2::Repository,
        mirror: Mirror,
        trees: Trees,
        _place: TempDir,
    }

    impl World {
        fn new() -> Self {
            let place = tempfile::tempdir().unwrap();
            let remote = git2::Repository::init_bare(place.path().join("remote.git")).unwrap();
            let url = format!("file://{}", remote.path().display());
            let mirror = Mirror::open(&Options::new(place.path().join("cache"), url)).unwrap();
            Self { remote, mirror, trees: Trees::default(), _place: place }
        }

        /// Commits files and links on top of those that are there, and reads the new head.
        fn commit(&mut self, files: &[(&str, &str)]) -> Arc<Directory> {
            let parent = self.remote.find_reference("refs/heads/main").ok().map(|main| main.peel_to_commit().unwrap());
            let base = parent.as_ref().map_or_else(
                || self.remote.find_tree(self.remote.treebuilder(None).unwrap().write().unwrap()).unwrap(),
                |parent| parent.tree().unwrap(),
            );
            let mut update = TreeUpdateBuilder::new();
            for (path, text) in files {
                let (mode, text) =
                    text.strip_prefix(LINK).map_or((FileMode::Blob, *text), |target| (FileMode::Link, target));
                update.upsert(*path, self.remote.blob(text.as_bytes()).unwrap(), mode);
            }
            let tree = update.create_updated(&self.remote, &base).unwrap();
            let (tree, parents) = (self.remote.find_tree(tree).unwrap(), Vec::from_iter(&parent));
            let person = git2::Signature::now("A Person", "person@example.com").unwrap();
            self.remote.commit(Some("refs/heads/main"), &person, &person, "Write", &tree, &parents).unwrap();
            let head = self.mirror.sync(Some(&"main".parse().unwrap())).unwrap();
            self.trees.read(&self.mirror, &head.commit).unwrap()
        }

        fn naming(
            &self,
            index: &mut Index,
            root: &Arc<Directory>,
            at: &str,
            is_recursive: bool,
            image: &str,
        ) -> Vec<String> {
            let (path, image) = (at.parse::<RepoPath>().unwrap(), image.parse::<ImageName>().unwrap());
            let directory =
                path.parts().fold(root.clone(), |directory, part| directory.directory(part).unwrap().clone());
            let found = index.naming(&self.mirror, (&directory, &path), is_recursive, Word::of(&image)).unwrap();
            found.iter().map(RepoPath::to_string).collect()
        }
    }

    /// Before the target of what is a link.
    const LINK: &str = "-> ";

    const FILES: [(&str, &str); 14] = [
        ("all.yaml", "image: acme/web"),
        ("apps/a-b/one.yml", "image: web:1"),
        ("apps/a/one.yaml", "image: acme/web"),
        ("apps/a/two.json", "{\"image\":\"acme/api\"}"),
        ("apps/a/web.txt", "image: acme/web"),
        ("apps/a/x/y/deep.yaml", "image: acme/web, acme/api"),
        ("apps/any.yaml", "run: \"w\\x65b\""),
        ("apps/copy/one.yaml", "image: acme/web"),
        ("chart/Chart.yaml", "name: web"),
        ("chart/templates/t.yaml", "image: acme/web"),
        ("chart/values.yaml", "image: acme/web"),
        ("linked/Chart.yaml", "-> ../chart/Chart.yaml"),
        ("linked/templates/t.yaml", "image: acme/web"),
        ("templates/t.yaml", "image: acme/web"),
    ];

    #[test]
    fn a_search_gives_the_files_with_the_word_in_their_order_but_for_templates() {
        let mut world = World::new();
        let root = world.commit(&FILES);
        for room in [MAX_PAIRS, 6, 0] {
            let mut index = Index { room, ..Index::default() };
            let counts = ["", "apps", "apps/a", "chart"].map(|at| {
                let directory = at.split('/').filter(|part| !part.is_empty());
                let directory = directory.fold(root.clone(), |one, part| one.directory(part).unwrap().clone());
                (index.count(&directory, false), index.count(&directory, true))
            });
            assert_eq!(counts, [(1, 12), (1, 6), (2, 3), (2, 3)]);
            for (at, is_recursive, image, expected) in [
                (
                    "",
                    true,
                    "ghcr.io/acme/web",
                    "all.yaml apps/a-b/one.yml apps/a/one.yaml apps/a/x/y/deep.yaml apps/any.yaml apps/copy/one.yaml \
                     chart/Chart.yaml chart/values.yaml templates/t.yaml",
                ),
                ("", false, "acme/web", "all.yaml"),
                ("", true, "acme/job", "apps/any.yaml"),
                ("apps/a", true, "acme/web", "apps/a/one.yaml apps/a/x/y/deep.yaml"),
                ("apps/a", false, "acme/web", "apps/a/one.yaml"),
                ("apps/a", true, "acme/api", "apps/a/two.json apps/a/x/y/deep.yaml"),
                ("chart/templates", true, "acme/web", "chart/templates/t.yaml"),
                ("apps/a", true, "acme/job", ""),
            ] {
                let found = world.naming(&mut index, &root, at, is_recursive, image);
                assert_eq!(found.join(" "), expected, "{at:?} {is_recursive} {image} {room}");
            }
            assert!(index.pairs <= room);
        }
    }

    #[test]
    fn what_stands_nowhere_any_more_is_forgotten() {
        let mut world = World::new();
        let old = world.commit(&FILES);
        let mut index = Index::default();
        world.naming(&mut index, &old, "apps", true, "acme/web");
        index.note("1".repeat(40).parse().unwrap(), b"never searched");
        index.forget();
        let known = |index: &Index| (index.directories.len(), index.words.len(), index.pairs);
        // `apps/a`, `apps/a-b` and `apps/copy` hold one content, and it is known once.
        let before = known(&index);
        assert_eq!((before.0, before.1), (6, 5));
        let new = world.commit(&[("apps/a/one.yaml", "image: acme/web:2")]);
        world.naming(&mut index, &new, "apps", true, "acme/web");
        assert!(known(&index).0 > before.0);
        drop(old);
        index.forget();
        assert_eq!((known(&index).0, known(&index).1), (before.0, before.1 + 1));
        drop(new);
        index.forget();
        assert_eq!(known(&index), (0, 0, 0));
    }

    #[test]
    fn a_directory_that_went_and_came_again_is_still_known() {
        let mut world = World::new();
        let root = world.commit(&FILES);
        let mut index = Index::default();
        world.naming(&mut index, &root, "apps", true, "acme/web");
        drop(root);
        let again = world.commit(&[]);
        assert_eq!(world.naming(&mut index, &again, "apps/copy", true, "acme/web"), ["apps/copy/one.yaml"]);
        index.forget();
        assert!(index.directories.contains_key(&again.directory("apps").unwrap().directory("copy").unwrap().id()));
        assert_eq!(index.words.len(), 1, "{:?}", index.words);
    }
}
