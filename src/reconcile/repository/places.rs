//! Where the tags of images stand in this repository, and what stood there: found again only if something changed that
//! the last search met.

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;

use crate::git::GitError;
use crate::manifest::place::Place;
use crate::model::names::{ImageName, RepoPath};
use crate::model::rule::{Glob, Rule};
use crate::model::tracked::{Target, TrackedImage};
use crate::plan::locate::{FileState, Files, Located, locate};
use crate::plan::rollback::{Stood, Timeline};
use crate::plan::{Subject, TermsMemo};
use crate::reconcile::past::below;
use crate::reconcile::repository::kept::Recalled;
use crate::reconcile::repository::line::{Line, Met, Question};
use crate::reconcile::repository::words::Word;
use crate::reconcile::repository::{Repository, StoodKey};
use crate::rules::{self, EffectiveRule};

/// So much of what stood anywhere is never worth forgetting.
const FEW: usize = 1_000;

/// What besides the repository decides what a place is: the operators' rules.
#[derive(Clone)]
pub(in crate::reconcile) struct Ground {
    /// The rules, in file order.
    pub(in crate::reconcile) rules: Arc<[Rule]>,
    /// Writes nothing, whatever the rules say.
    pub(in crate::reconcile) observe: bool,
}

/// An image with its places, and what they were found from.
pub(super) struct Placed {
    /// Keeps the address by which this is found.
    pub(super) image: Arc<TrackedImage>,
    ground: Ground,
    pub(super) met: Vec<(RepoPath, Met)>,
    pub(super) subjects: Vec<Arc<Subject>>,
    /// Whether what stood there was read.
    is_past_read: bool,
}

/// The files of a branch, as a search sees them.
struct Seen<'a> {
    repository: &'a Repository,
    line: &'a Line,
    image: &'a TrackedImage,
    met: RefCell<Vec<(RepoPath, Met)>>,
    lost: RefCell<Option<GitError>>,
}

/// What a directory answers.
enum Listed {
    Count(usize),
    Files(Vec<RepoPath>),
}

impl Listed {
    /// Gives a number by which the same answer is known.
    fn answer(&self) -> u64 {
        match self {
            Self::Count(count) => *count as u64,
            Self::Files(files) => {
                let mut hash = DefaultHasher::new();
                files.hash(&mut hash);
                hash.finish()
            }
        }
    }
}

impl Repository {
    /// Gives the subjects of each image that targets this repository. Without `with_past`, what stood at the places is
    /// left out: nothing will be decided there.
    ///
    /// # Errors
    /// A file or commit that the mirror lost: no other one may be taken for it.
    pub(in crate::reconcile) fn place(
        &mut self,
        images: &[Arc<TrackedImage>],
        ground: &Ground,
        with_past: bool,
        now: Timestamp,
    ) -> Result<Vec<Vec<Arc<Subject>>>, GitError> {
        self.kept.is_whole = false;
        if with_past {
            self.read_past(now)?;
        }
        let mut old = std::mem::take(&mut self.placed);
        let mut found: Vec<Placed> = Vec::with_capacity(images.len());
        for image in images {
            let last = old.remove(&address(image));
            found.push(match last.and_then(|mut last| self.still_stands(&mut last, ground).then_some(last)) {
                Some(last) => last,
                None => match self.recalled(image)? {
                    Some(recalled) => self.placed_as(image, ground, recalled),
                    None => {
                        let placed = self.search(image, ground)?;
                        // What is nowhere is not kept, and is no reason to keep the others again.
                        self.kept.fresh += placed.subjects.len();
                        placed
                    }
                },
            });
        }
        self.kept.release();
        if with_past {
            let mut late: Vec<&mut Placed> =
                found.iter_mut().filter(|placed| !placed.is_past_read || !self.is_past_same(placed)).collect();
            let subjects: Vec<&Subject> = late
                .iter()
                .flat_map(|placed| placed.subjects.iter().map(Arc::as_ref))
                .filter(|subject| subject.located.is_some())
                .collect();
            let mut timelines = self.timelines(&subjects, &ground.rules)?.into_iter();
            for placed in &mut late {
                placed.is_past_read = true;
                for subject in placed.subjects.iter_mut().filter(|subject| subject.located.is_some()) {
                    let timeline = timelines.next().unwrap_or_default();
                    let Subject { tracked, located, rule, .. } = &**subject;
                    *subject = Arc::new(Subject {
                        tracked: tracked.clone(),
                        located: located.clone(),
                        rule: rule.clone(),
                        timeline,
                        memo: TermsMemo::default(),
                    });
                }
            }
        }
        if with_past {
            let subjects = || found.iter().flat_map(|placed| &placed.subjects);
            let place = |subject: &'_ Arc<Subject>| -> Option<(Place, ImageName)> {
                Some((subject.located.as_ref()?.place.clone()?, subject.tracked.image.clone()?))
            };
            let standings = subjects().map(|subject| subject.timeline.standings.len()).sum();
            forget(&mut self.stood, standings, || subjects().filter_map(place).collect());
        }
        self.kept.is_whole = with_past;
        let subjects = found.iter().map(|placed| placed.subjects.clone()).collect();
        self.placed = found.into_iter().map(|placed| (address(&placed.image), placed)).collect();
        Ok(subjects)
    }

    fn search(&self, image: &Arc<TrackedImage>, ground: &Ground) -> Result<Placed, GitError> {
        let nothing = || self.placed_as(image, ground, Recalled { met: Vec::new(), located: Vec::new() });
        let Some(target) = &image.target else { return Ok(nothing()) };
        let Some(line) = self.lines.get(&target.base.branch) else { return Ok(nothing()) };
        let seen = Seen { repository: self, line, image, met: RefCell::default(), lost: RefCell::default() };
        let files = Files {
            read: &|path| seen.read(path),
            count: &|directory, is_recursive| seen.count(directory, is_recursive),
            naming: &|directory, is_recursive| seen.naming(directory, is_recursive),
            holding: &|directory, is_recursive, word| seen.holding(directory, is_recursive, word),
        };
        let located = locate(image, target, files);
        if let Some(error) = seen.lost.into_inner() {
            return Err(error);
        }
        Ok(self.placed_as(image, ground, Recalled { met: seen.met.into_inner(), located }))
    }

    /// Puts together what a search found, and what the rules say of it.
    fn placed_as(&self, image: &Arc<TrackedImage>, ground: &Ground, found: Recalled) -> Placed {
        let subject = |located: Located| {
            let rule = Some(effective(ground, &self.options.may_write, image, &located));
            let (timeline, memo) = (Timeline::default(), TermsMemo::default());
            Arc::new(Subject { tracked: image.clone(), located: Some(located), rule, timeline, memo })
        };
        let subjects = found.located.into_iter().map(subject).collect();
        Placed { image: image.clone(), ground: ground.clone(), met: found.met, subjects, is_past_read: false }
    }

    /// Tells whether a search would find the same.
    fn still_stands(&self, placed: &mut Placed, ground: &Ground) -> bool {
        let line = placed.image.target.as_ref().and_then(|target| self.lines.get(&target.base.branch));
        let is_found = line.is_none() == placed.subjects.is_empty();
        Arc::ptr_eq(&placed.ground.rules, &ground.rules)
            && placed.ground.observe == ground.observe
            && is_found
            // What cannot be read now is met, and said, by the search.
            && placed.met.iter_mut().all(|(path, met)| line.is_some_and(|line| self.is_same(line, path, met).unwrap_or(false)))
    }

    /// Tells whether a search would meet the same at a path. A directory that changed may answer as before; then it need
    /// not be asked again until it changes the next time.
    ///
    /// # Errors
    /// A file that the mirror lost.
    pub(super) fn is_same(&self, line: &Line, path: &RepoPath, met: &mut Met) -> Result<bool, GitError> {
        let Met::Below(id, question, answer) = met else { return Ok(line.meet(path) == *met) };
        let now = line.directory(path).map(|directory| directory.id());
        if now != *id {
            if self.ask(line, path, *question)?.answer() != *answer {
                return Ok(false);
            }
            *id = now;
        }
        Ok(true)
    }

    /// Asks for the files below a directory.
    fn ask(&self, line: &Line, path: &RepoPath, question: Question) -> Result<Listed, GitError> {
        let Question { is_recursive, word } = question;
        let (directory, mut index) = (line.directory(path), self.index.borrow_mut());
        Ok(match (word, directory, &self.mirror) {
            (None, Some(directory), _) => Listed::Count(index.count(directory, is_recursive)),
            (None, None, _) => Listed::Count(0),
            (Some(word), Some(directory), Some(mirror)) => {
                Listed::Files(index.naming(mirror, (directory, path), is_recursive, word)?)
            }
            (Some(_), _, _) => Listed::Files(Vec::new()),
        })
    }

    /// Tells whether nothing came to what stood at the places of an image.
    fn is_past_same(&self, placed: &Placed) -> bool {
        let line = placed.image.target.as_ref().and_then(|target| self.lines.get(&target.base.branch));
        placed.subjects.iter().all(|subject| {
            let (Some(line), Some(located)) = (line, &subject.located) else { return true };
            let timeline = &subject.timeline;
            // Commits only come on top: what the newest one brought is known, and so is all before it.
            let files = [Some(&located.file), below(located).map(|(file, _)| file)].into_iter().flatten();
            let newest = files.filter_map(|file| line.history.versions(file).first()).max_by_key(|version| version.at);
            let is_newest = match (newest, timeline.standings.first()) {
                (Some(version), Some(known)) => {
                    Arc::ptr_eq(&version.commit, &known.commit) && line.history.since(version.at) == Some(known.since)
                }
                (newest, known) => newest.is_none() && known.is_none(),
            };
            located.place.is_none()
                || (is_newest
                    && line.history.is_cut() == timeline.is_cut
                    && Arc::ptr_eq(&line.said.first_seen, &timeline.first_seen)
                    && Arc::ptr_eq(&line.said.releases, &timeline.releases))
        })
    }
}

impl Seen<'_> {
    fn read(&self, path: &RepoPath) -> FileState {
        self.met.borrow_mut().push((path.clone(), self.line.meet(path)));
        self.kept(self.repository.state_in(self.line, path)).unwrap_or(FileState::Missing)
    }

    /// Counts the files of a directory that may be manifests, by their names.
    fn count(&self, directory: &RepoPath, is_recursive: bool) -> usize {
        match self.ask(directory, Question { is_recursive, word: None }) {
            Some(Listed::Count(count)) => count,
            Some(Listed::Files(_)) | None => 0,
        }
    }

    /// Gives those that may name the image, by their words.
    fn naming(&self, directory: &RepoPath, is_recursive: bool) -> Vec<RepoPath> {
        self.image.image.as_ref().map_or_else(Vec::new, |image| self.found(directory, is_recursive, Word::of(image)))
    }

    /// Gives those in which a word may stand.
    fn holding(&self, directory: &RepoPath, is_recursive: bool, word: &str) -> Vec<RepoPath> {
        self.found(directory, is_recursive, Word::of_text(word))
    }

    fn found(&self, directory: &RepoPath, is_recursive: bool, word: Word) -> Vec<RepoPath> {
        match self.ask(directory, Question { is_recursive, word: Some(word) }) {
            Some(Listed::Files(files)) => files,
            Some(Listed::Count(_)) | None => Vec::new(),
        }
    }

    fn ask(&self, directory: &RepoPath, question: Question) -> Option<Listed> {
        let listed = self.kept(self.repository.ask(self.line, directory, question))?;
        let id = self.line.directory(directory).map(|directory| directory.id());
        self.met.borrow_mut().push((directory.clone(), Met::Below(id, question, listed.answer())));
        Some(listed)
    }

    /// Keeps the first error: what was looked for may have been in what is lost.
    fn kept<T>(&self, result: Result<T, GitError>) -> Option<T> {
        match result {
            Ok(found) => Some(found),
            Err(error) => {
                self.lost.borrow_mut().get_or_insert(error);
                None
            }
        }
    }
}

/// Forgets what stood at places where nobody looks any more, once it is the larger part of what is known.
fn forget(
    stood: &mut HashMap<StoodKey, Stood>,
    standings: usize,
    places: impl FnOnce() -> HashSet<(Place, ImageName)>,
) {
    if stood.len() <= standings.saturating_mul(2).saturating_add(FEW) {
        return;
    }
    let places = places();
    stood.retain(|(_, place, image), _| places.contains(&(place.clone(), image.clone())));
}

fn address(image: &Arc<TrackedImage>) -> usize {
    Arc::as_ptr(image).addr()
}

fn effective(ground: &Ground, may_write: &[Glob], image: &TrackedImage, located: &Located) -> EffectiveRule {
    let mut rule = rule_of(&ground.rules, ground.observe, image, &located.file);
    rule.may_write.extend(may_write.iter().cloned());
    rule
}

/// Gives what the rules say of an image whose tag stands in this file.
pub(in crate::reconcile) fn rule_of(
    rules: &[Rule],
    observe: bool,
    image: &TrackedImage,
    file: &RepoPath,
) -> EffectiveRule {
    let target = image.target.as_ref();
    let branch = target.map(Target::written_branch).unwrap_or_default();
    let subject = rules::Subject {
        repository: target.map_or("", |target| target.base.repository.as_str()),
        branch: &branch,
        path: Some(file),
        application: &image.application.name,
        namespace: &image.application.namespace,
        project: &image.project,
        labels: &image.labels,
    };
    rules::effective(rules, observe, &subject)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_stood_where_nobody_looks_is_forgotten_once_it_is_the_larger_part() {
        let key = |number: usize, place: &str| -> StoodKey {
            (format!("{number:040x}").parse().unwrap(), Place::Tag(place.parse().unwrap()), "acme/web".parse().unwrap())
        };
        let live = || HashSet::from([(Place::Tag("image.tag".parse().unwrap()), "acme/web".parse().unwrap())]);
        let mut stood: HashMap<StoodKey, Stood> = HashMap::new();
        for number in 0..FEW {
            stood.insert(key(number, "image.tag"), Stood::NoKey);
            stood.insert(key(number, "old.tag"), Stood::NoKey);
        }
        forget(&mut stood, FEW, live);
        assert_eq!(stood.len(), 2 * FEW, "no more than what is in use and a few");
        for number in 0..=2 * FEW {
            stood.insert(key(number, "older.tag"), Stood::NoKey);
        }
        forget(&mut stood, FEW, live);
        assert_eq!(stood.len(), FEW);
        assert!(stood.keys().all(|(_, place, _)| *place == Place::Tag("image.tag".parse().unwrap())));
    }
}
