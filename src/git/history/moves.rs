//! Files that moved: one that is new in a commit which removes another of equal or mostly similar content goes on with that
//! one's past (SELECTION, "Guards").
//!
//! A commit is decided as a whole, since each removed file goes on once: first those of a directory that moved as a whole,
//! then those of equal content, then the most similar; what is alike in that by the likeness of the paths. A commit is looked
//! at only once somebody asks for a file that it brought.

use std::cmp::Reverse;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher;
use std::sync::Arc;

use crate::git::error::GitError;
use crate::git::history::walk::FileChange;
use crate::git::mirror::Mirror;
use crate::model::history::BlobId;
use crate::model::names::RepoPath;

/// Mostly similar is what shares so much of the words of the longer one, in thousandths.
const MOSTLY: usize = 500;
const EQUAL: usize = 1_000;
/// Larger files are only compared as a whole, in bytes.
const MAX_COMPARED: u64 = 1 << 20;
/// So many removed files of one name are too many to tell by it which directory moved.
const MAX_NAMESAKES: usize = 16;
/// So many pairs of a commit are compared, and so many words; beyond that only files of one name.
const MAX_PAIRS: usize = 1_000_000;
const MAX_WORDS: usize = 200_000_000;
/// Of a commit with more files only equal ones are paired: few objects can unfold to many.
const MAX_FILES: usize = 100_000;
/// So many parts from the end of a path tell which directory moved.
const MAX_PARTS: usize = 8;

/// A file with its content.
pub(super) type Content = (RepoPath, BlobId);

/// What a commit removed and what it brought, if it did both.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    pub(super) removed: Vec<Content>,
    pub(super) added: Vec<Content>,
}

impl Exchange {
    /// Gives what a commit removed and what it brought, if it did both.
    pub(super) fn of(changes: &[FileChange]) -> Option<Self> {
        let removed = || changes.iter().filter(|change| change.new.is_none());
        let added = || changes.iter().filter(|change| change.old.is_none());
        // Nearly every commit stops here.
        removed().next().and(added().next())?;
        Some(Self {
            removed: removed().filter_map(|change| Some((change.path.clone(), change.old?))).collect(),
            added: added().filter_map(|change| Some((change.path.clone(), change.new?))).collect(),
        })
    }
}

/// The files that moved, by the position of the commit.
#[derive(Clone, Debug, Default)]
pub(super) struct Moves {
    /// Commits that nobody asked for yet.
    exchanges: HashMap<u64, Exchange>,
    /// What a new file was called before.
    origins: HashMap<u64, HashMap<RepoPath, RepoPath>>,
}

impl Moves {
    /// Takes a commit that removed files and brought others.
    pub(super) fn note(&mut self, at: u64, exchange: Exchange) {
        self.exchanges.insert(at, exchange);
    }

    /// Finds out what moved in a commit.
    pub(super) fn resolve(&mut self, mirror: &Mirror, at: u64) -> Result<(), GitError> {
        if let Some(exchange) = self.exchanges.get(&at) {
            let mut read = |blob: &BlobId| match mirror.read(blob, MAX_COMPARED) {
                Ok(content) => Ok(words(&content)),
                Err(GitError::TooLarge { .. }) => Ok(Vec::new()),
                Err(error) => Err(error),
            };
            let origins = Pairing::new(exchange, &mut read).paired()?;
            self.origins.insert(at, origins);
            self.exchanges.remove(&at);
        }
        Ok(())
    }

    /// Gives what a file that a commit brought was called before, if it moved.
    pub(super) fn origin(&self, at: u64, path: &RepoPath) -> Option<&RepoPath> {
        self.origins.get(&at)?.get(path)
    }
}

/// Gives the words of a content as sorted numbers: signs between them say little, and a changed tag is one word of a line.
fn words(content: &[u8]) -> Vec<u64> {
    let is_sign = |c: &u8| !(c.is_ascii_alphanumeric() || *c >= 0x80 || b"./+_-".contains(c));
    let words = content.split(is_sign).filter(|word| word.iter().any(|c| c.is_ascii_alphanumeric() || *c >= 0x80));
    let number = |word: &[u8]| {
        let mut hash = DefaultHasher::new();
        hash.write(word);
        hash.finish()
    };
    let mut numbers: Vec<u64> = words.map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Gives how much of the longer one both share, in thousandths.
fn similarity(one: &[u64], other: &[u64]) -> usize {
    let longer = one.len().max(other.len());
    if one.len().min(other.len()) * EQUAL < longer * MOSTLY {
        return 0;
    }
    let (mut left, mut right, mut common) = (one.iter().peekable(), other.iter().peekable(), 0);
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => drop(left.next()),
            std::cmp::Ordering::Greater => drop(right.next()),
            std::cmp::Ordering::Equal => {
                common += 1;
                left.next();
                right.next();
            }
        }
    }
    (common * EQUAL).checked_div(longer).unwrap_or_default()
}

/// How alike two paths are: equal parts from the end, from the start, and equal letters from both ends.
fn likeness(one: &RepoPath, other: &RepoPath) -> (usize, usize, usize) {
    let (one, other) = (one.as_str(), other.as_str());
    let same = |(a, b): &(&str, &str)| a == b;
    let behind = one.rsplit('/').zip(other.rsplit('/')).take_while(same).count();
    let ahead = one.split('/').zip(other.split('/')).take_while(same).count();
    let first = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let last = one.bytes().rev().zip(other.bytes().rev()).take_while(|(a, b)| a == b).count();
    (behind, ahead, first + last)
}

/// Gives the ends of a path, of few parts, longest first.
fn ends(path: &str) -> impl Iterator<Item = &str> {
    let below = path.match_indices('/').filter_map(|(at, _)| path.get(at + 1..));
    let too_many = (path.matches('/').count() + 1).saturating_sub(MAX_PARTS);
    std::iter::once(path).chain(below).skip(too_many)
}

fn name(path: &RepoPath) -> &str {
    path.as_str().rsplit('/').next().unwrap_or_default()
}

type Words = Arc<Vec<u64>>;

/// The files of one commit that are still to be paired.
struct Pairing<'e, 'r> {
    exchange: &'e Exchange,
    read: &'r mut dyn FnMut(&BlobId) -> Result<Vec<u64>, GitError>,
    words: HashMap<BlobId, Words>,
    /// Which ones found another, by their numbers.
    is_gone: Vec<bool>,
    is_told: Vec<bool>,
    /// How many pairs may still be looked at.
    budget: usize,
    origins: HashMap<RepoPath, RepoPath>,
}

impl<'e, 'r> Pairing<'e, 'r> {
    fn new(exchange: &'e Exchange, read: &'r mut dyn FnMut(&BlobId) -> Result<Vec<u64>, GitError>) -> Self {
        Self {
            exchange,
            read,
            words: HashMap::new(),
            is_gone: vec![false; exchange.removed.len()],
            is_told: vec![false; exchange.added.len()],
            budget: MAX_PAIRS,
            origins: HashMap::new(),
        }
    }

    fn paired(mut self) -> Result<HashMap<RepoPath, RepoPath>, GitError> {
        let is_small = self.exchange.removed.len() + self.exchange.added.len() <= MAX_FILES;
        if is_small {
            self.pair_directories()?;
        }
        self.pair_equal();
        if is_small {
            self.pair_similar()?;
        }
        Ok(self.origins)
    }

    fn words(&mut self, blob: &BlobId) -> Result<Words, GitError> {
        if let Some(words) = self.words.get(blob) {
            return Ok(words.clone());
        }
        let words = Arc::new((self.read)(blob)?);
        self.words.insert(*blob, words.clone());
        Ok(words)
    }

    fn similarity(&mut self, removed: usize, added: usize) -> Result<usize, GitError> {
        let exchange = self.exchange;
        let (Some((_, old)), Some((_, new))) = (exchange.removed.get(removed), exchange.added.get(added)) else {
            return Ok(0);
        };
        if old == new {
            return Ok(EQUAL);
        }
        let (old, new) = (self.words(old)?, self.words(new)?);
        // Equal words in another order are not equal contents.
        Ok(similarity(&old, &new).min(EQUAL - 1))
    }

    /// Notes pairs, the best first, as far as neither of the two has found another.
    fn take<K: Ord>(&mut self, pairs: Vec<(K, usize, usize)>) {
        let exchange = self.exchange;
        let with_paths = |(key, removed, added): (K, usize, usize)| {
            let (old, new) = (&exchange.removed.get(removed)?.0, &exchange.added.get(added)?.0);
            Some((Reverse((key, likeness(old, new))), removed, added, old, new))
        };
        let mut pairs: Vec<_> = pairs.into_iter().filter_map(with_paths).collect();
        // Of pairs that are alike in all of it the first ones of the commit, whose order is that of its paths.
        pairs.sort_unstable();
        for (_, removed, added, old, new) in pairs {
            let (Some(is_gone), Some(is_told)) = (self.is_gone.get_mut(removed), self.is_told.get_mut(added)) else {
                continue;
            };
            if !*is_gone && !*is_told {
                (*is_gone, *is_told) = (true, true);
                self.origins.insert(new.clone(), old.clone());
            }
        }
    }

    /// Pairs what a directory took along: where two files or more went the same way, each goes on as the one that was called
    /// like it, also where another one has the very content that it has now.
    fn pair_directories(&mut self) -> Result<(), GitError> {
        let exchange = self.exchange;
        let mut by_end: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, (path, _)) in exchange.removed.iter().enumerate() {
            for end in ends(path.as_str()) {
                by_end.entry(end).or_default().push(number);
            }
        }
        let mut ways: HashMap<(&str, &str), Vec<(usize, usize)>> = HashMap::new();
        for (number, (path, _)) in exchange.added.iter().enumerate() {
            let namesakes = ends(path.as_str()).find_map(|end| Some((end, by_end.get(end)?)));
            let Some((end, namesakes)) = namesakes.filter(|(_, found)| found.len() <= MAX_NAMESAKES) else { continue };
            for &removed in namesakes {
                let Some((old, _)) = exchange.removed.get(removed) else { continue };
                let before = |path: &'e RepoPath| path.as_str().strip_suffix(end).unwrap_or_default();
                ways.entry((before(old), before(path))).or_default().push((removed, number));
            }
        }
        let mut pairs = Vec::new();
        for files in ways.into_values().filter(|files| files.len() > 1) {
            for &(removed, added) in &files {
                let similarity = self.similarity(removed, added)?;
                if similarity >= MOSTLY {
                    pairs.push(((files.len(), similarity), removed, added));
                }
            }
        }
        self.take(pairs);
        Ok(())
    }

    fn pair_equal(&mut self) {
        let mut by_content: BTreeMap<BlobId, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for number in open(&self.is_gone) {
            if let Some((_, blob)) = self.exchange.removed.get(number) {
                by_content.entry(*blob).or_default().0.push(number);
            }
        }
        for number in open(&self.is_told) {
            let found = self.exchange.added.get(number).and_then(|(_, blob)| by_content.get_mut(blob));
            if let Some((_, added)) = found {
                added.push(number);
            }
        }
        for (removed, added) in by_content.into_values() {
            let pairs = self.candidates(&removed, &added);
            self.take(pairs.into_iter().map(|(removed, added)| ((), removed, added)).collect());
        }
    }

    fn pair_similar(&mut self) -> Result<(), GitError> {
        let (removed, added): (Vec<usize>, Vec<usize>) = (open(&self.is_gone).collect(), open(&self.is_told).collect());
        let (mut pairs, mut compared) = (Vec::new(), 0);
        for (removed, added) in self.candidates(&removed, &added) {
            let similarity = if compared < MAX_WORDS { self.similarity(removed, added)? } else { 0 };
            let length = |content: Option<&Content>| {
                content.and_then(|(_, blob)| self.words.get(blob)).map_or(0, |one| one.len())
            };
            compared += 1 + length(self.exchange.removed.get(removed)) + length(self.exchange.added.get(added));
            if similarity >= MOSTLY {
                pairs.push((similarity, removed, added));
            }
        }
        self.take(pairs);
        Ok(())
    }

    /// Gives the pairs that are worth a look: all, or where that are too many, those of one name.
    fn candidates(&mut self, removed: &[usize], added: &[usize]) -> Vec<(usize, usize)> {
        let exchange = self.exchange;
        let all = removed.len().saturating_mul(added.len());
        if all <= self.budget {
            self.budget -= all;
            let with_all = |removed: &usize| added.iter().map(|added| (*removed, *added)).collect::<Vec<_>>();
            return removed.iter().flat_map(with_all).collect();
        }
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for &number in removed {
            if let Some((path, _)) = exchange.removed.get(number) {
                by_name.entry(name(path)).or_default().push(number);
            }
        }
        let namesakes = |added: &usize| {
            let of_name = exchange.added.get(*added).and_then(|(path, _)| by_name.get(name(path)));
            of_name.into_iter().flatten().map(|removed| (*removed, *added)).collect::<Vec<_>>()
        };
        let found: Vec<(usize, usize)> = added.iter().flat_map(namesakes).take(self.budget).collect();
        self.budget -= found.len();
        found
    }
}

/// Gives the numbers of those that found no other yet.
fn open(is_taken: &[bool]) -> impl Iterator<Item = usize> {
    is_taken.iter().enumerate().filter(|(_, is_taken)| !**is_taken).map(|(number, _)| number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::hash::Hash;

    use super::*;

    fn blob(content: &str) -> BlobId {
        let mut hash = DefaultHasher::new();
        content.hash(&mut hash);
        format!("{:040x}", hash.finish()).parse().unwrap()
    }

    /// Pairs files of `path=content`; gives `new<old`, sorted.
    fn paired(removed: &[(&str, &str)], added: &[(&str, &str)]) -> Vec<String> {
        let contents = |files: &[(&str, &str)]| -> Vec<Content> {
            files.iter().map(|(path, content)| (path.parse().unwrap(), blob(content))).collect()
        };
        let exchange = Exchange { removed: contents(removed), added: contents(added) };
        let all: HashMap<BlobId, &str> =
            removed.iter().chain(added).map(|(_, content)| (blob(content), *content)).collect();
        let mut read = |blob: &BlobId| Ok(words(all[blob].as_bytes()));
        let origins = Pairing::new(&exchange, &mut read).paired().unwrap();
        let mut pairs: Vec<String> = origins.iter().map(|(new, old)| format!("{new}<{old}")).collect();
        pairs.sort();
        pairs
    }

    fn values(service: &str, tag: &str) -> String {
        format!("image:\n  repository: acme/{service}\n  tag: \"{tag}\"\nreplicas: 2\n")
    }

    #[test]
    fn a_removed_file_goes_on_once_as_the_one_that_is_most_like_it() {
        let (web, next, api) = (values("web", "1.0.0"), values("web", "1.1.0"), values("api", "1.0.0"));
        let tiny = |tag: &str| format!("image:\n  tag: {tag}\n");
        let json = |tag: &str| format!("{{\"image\":{{\"tag\":\"{tag}\"}}}}");
        let other = "kind: ConfigMap\ndata: {a: b, c: d, e: f}\n";
        for (removed, added, expected) in [
            (vec![("a.yaml", &*web)], vec![("b.yaml", &*web)], vec!["b.yaml<a.yaml"]),
            (vec![("a.yaml", &*web)], vec![("b.yaml", &*next)], vec!["b.yaml<a.yaml"]),
            (vec![("a.yaml", &*tiny("1"))], vec![("b.yaml", &*tiny("2"))], vec!["b.yaml<a.yaml"]),
            (vec![("a.json", &*json("1"))], vec![("b.json", &*json("2"))], vec!["b.json<a.json"]),
            (vec![("a.yaml", &*web)], vec![("b.yaml", other)], vec![]),
            (vec![("a.yaml", "")], vec![("b.yaml", "x: 1\n")], vec![]),
            // Of two that were removed the more similar one, of equal ones the one with the more similar path.
            (vec![("a.yaml", &*api), ("c.yaml", &*web)], vec![("b.yaml", &*next)], vec!["b.yaml<c.yaml"]),
            (
                vec![("apps/api.yaml", &*web), ("apps/web-old.yaml", &*web)],
                vec![("apps/web.yaml", &*web)],
                vec!["apps/web.yaml<apps/web-old.yaml"],
            ),
            (
                vec![("prod/web.yaml", &*web), ("dev/web.yaml", &*web)],
                vec![("clusters/dev/web.yaml", &*next)],
                vec!["clusters/dev/web.yaml<dev/web.yaml"],
            ),
            // Of two that came the same; the other one is a copy.
            (vec![("a.yaml", &*web)], vec![("b.yaml", &*next), ("c.yaml", &*web)], vec!["c.yaml<a.yaml"]),
            (
                vec![("apps/web.yaml", &*web)],
                vec![("copies/other.yaml", &*web), ("old/web.yaml", &*web)],
                vec!["old/web.yaml<apps/web.yaml"],
            ),
        ] {
            assert_eq!(paired(&removed, &added), expected, "{removed:?} {added:?}");
        }
    }

    #[test]
    fn what_a_directory_takes_along_stays_itself() {
        // Each gets the tag that its neighbour had, so that contents alone would mix them up.
        let tiny = |tag: usize| format!("image:\n  tag: 1.{tag}.0\n");
        let names: Vec<(String, String, String, String)> = (0..300)
            .map(|at| {
                (
                    format!("apps/s{at}/values.yaml"),
                    tiny(at),
                    format!("clusters/a/apps/s{at}/values.yaml"),
                    tiny(at + 1),
                )
            })
            .collect();
        let removed: Vec<(&str, &str)> = names.iter().map(|(old, content, ..)| (&**old, &**content)).collect();
        let added: Vec<(&str, &str)> = names.iter().map(|(_, _, new, content)| (&**new, &**content)).collect();
        let pairs = paired(&removed, &added);
        assert_eq!(pairs.len(), 300);
        for pair in pairs {
            let (new, old) = pair.split_once('<').unwrap();
            assert_eq!(new, format!("clusters/a/{old}"));
        }
        // One directory with all its files becomes another one, beside one that is gone for good.
        let (web, lost) = (values("web", "1.0.0"), values("lost", "1.0.0"));
        let pairs = paired(
            &[("apps/web/values.yaml", &web), ("apps/web/more.yaml", "a: 1"), ("apps/lost/values.yaml", &lost)],
            &[("apps/front/values.yaml", &values("web", "1.1.0")), ("apps/front/more.yaml", "a: 1")],
        );
        assert_eq!(pairs, ["apps/front/more.yaml<apps/web/more.yaml", "apps/front/values.yaml<apps/web/values.yaml"]);
    }

    #[test]
    fn the_ends_of_a_path_are_few() {
        assert_eq!(ends("a/b/c").collect::<Vec<_>>(), ["a/b/c", "b/c", "c"]);
        assert_eq!(ends("a").collect::<Vec<_>>(), ["a"]);
        assert_eq!(ends("0/1/2/3/4/5/6/7/8/9").next(), Some("2/3/4/5/6/7/8/9"));
        let deep = |top: &str| format!("{top}/0/1/2/3/4/5/6/7/8/9/values.yaml");
        assert_eq!(paired(&[(&deep("a"), "x: 1")], &[(&deep("b"), "x: 1")]).len(), 1);
    }

    #[test]
    fn beyond_what_is_compared_files_of_one_name_are() {
        // More pairs of equal files than are looked at, and none of one name.
        let names: Vec<(String, String)> =
            (0..1_100).map(|at| (format!("a/{at}.yaml"), format!("b/x{at}.yaml"))).collect();
        let mut removed: Vec<(&str, &str)> = names.iter().map(|(old, _)| (&**old, "x: 1")).collect();
        let mut added: Vec<(&str, &str)> = names.iter().map(|(_, new)| (&**new, "x: 1")).collect();
        removed.push(("a/own.yaml", "x: 1"));
        added.push(("b/own.yaml", "x: 1"));
        assert_eq!(paired(&removed, &added), ["b/own.yaml<a/own.yaml"]);
    }

    #[test]
    fn many_files_of_one_name_find_each_their_own() {
        let names: Vec<(String, String, String)> = (0..200)
            .map(|at| {
                (
                    format!("apps/s{at}/values.yaml"),
                    format!("apps/s{at}-svc/values.yaml"),
                    values("same", &at.to_string()),
                )
            })
            .collect();
        let removed: Vec<(&str, &str)> = names.iter().map(|(old, _, content)| (&**old, &**content)).collect();
        let added: Vec<(&str, &str)> = names.iter().map(|(_, new, content)| (&**new, &**content)).collect();
        for pair in paired(&removed, &added) {
            let (new, old) = pair.split_once('<').unwrap();
            assert_eq!(new.replace("-svc", ""), old);
        }
    }
}
