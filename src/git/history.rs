//! The past of a branch: which commit brought which version of a file, along first parents.
//!
//! A merge counts as one commit with everything that it brought. Only regular files count; what a file was called before it
//! moved is in [`moves`]. What is known is kept, also between runs ([`record`]): only commits since then are read.

mod moves;
mod record;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::git::error::GitError;
use crate::git::history::moves::{Exchange, Moves};
use crate::git::history::record::Record;
use crate::git::history::walk::{FileChange, Step, Walk};
use crate::git::mirror::{Mirror, oid};
use crate::model::history::{CommitId, CommitInfo, FileVersion};
use crate::model::names::{Branch, RepoPath};

pub(in crate::git) use crate::git::history::record::forget_pasts;
pub(in crate::git) use crate::git::history::walk::lossy_message;

const SECONDS_PER_DAY: i64 = 86_400;

/// The versions of all files along the first parents of a branch.
#[derive(Clone, Debug, Default)]
pub struct History {
    limits: HistoryLimits,
    /// Where it is kept between runs.
    record: Option<Record>,
    head: Option<CommitId>,
    versions: HashMap<RepoPath, Vec<FileVersion>>,
    noted: Vec<(u64, Arc<CommitInfo>)>,
    /// When each commit was made, as its committer says, oldest first.
    dates: Vec<Timestamp>,
    /// When each came to the branch.
    since: Vec<Timestamp>,
    /// Some of them were made after now.
    is_ahead: bool,
    moves: Moves,
    readings: u64,
    commits: usize,
    cut: bool,
}

/// A file under one of its names.
#[derive(Clone, Copy, Debug)]
pub struct Stretch<'h> {
    /// What it was called then.
    pub path: &'h RepoPath,
    /// Its versions under that name, newest first; the oldest one may have come by a move.
    pub versions: &'h [FileVersion],
}

/// How far back history is read; without limits, to the first commit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HistoryLimits {
    /// At most so many commits.
    pub commits: Option<u64>,
    /// Only commits that were made within so many days.
    pub days: Option<u64>,
}

impl History {
    /// Starts an empty history.
    pub fn new(limits: HistoryLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Starts a history of a branch that is kept beside its mirror between runs. One with limits is not: from where it is
    /// read depends on when that is.
    pub fn kept(limits: HistoryLimits, branch: &Branch) -> Self {
        let record = (limits == HistoryLimits::default()).then(|| Record::of(branch));
        Self { limits, record, ..Self::default() }
    }

    /// Reads up to a new head. If the old head is not below it by first parents, everything is read again.
    ///
    /// An error leaves what was known before.
    pub fn advance(&mut self, mirror: &Mirror, head: &CommitId, now: Timestamp) -> Result<(), GitError> {
        if self.head.is_none() {
            self.recall(mirror);
        }
        if self.head == Some(*head) {
            if self.is_ahead || self.since.is_empty() {
                self.date(now);
            }
            return Ok(());
        }
        let oldest = self.limits.days.map(|days| {
            now.as_second().saturating_sub(i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(SECONDS_PER_DAY))
        });
        let is_anew = self.record.as_mut().is_some_and(Record::must_begin_anew);
        let known = self.head.filter(|_| !is_anew).map(|id| oid(&id, &mirror.remote)).transpose()?;
        let mut walk = Walk::new(mirror);
        let mut next = Some(mirror.named_commit(head)?);
        let (mut cut, mut joined) = (false, false);
        while let Some(commit) = next {
            if known == Some(commit.id()) {
                joined = true;
                break;
            }
            let too_many = self.limits.commits.is_some_and(|limit| walk.steps.len() as u64 >= limit);
            // The committer's time: an author's time survives a rebase and says nothing about the branch.
            if too_many || oldest.is_some_and(|oldest| commit.time().seconds() < oldest) {
                cut = true;
                break;
            }
            next = walk.step(&commit)?;
        }
        let after = self.head.filter(|_| joined);
        if !joined {
            self.begin(cut);
        }
        if let Some(record) = &mut self.record {
            record.write(mirror, after.as_ref(), head, &walk.steps);
        }
        self.take(*head, walk.steps);
        self.date(now);
        Ok(())
    }

    /// Forgets what was read.
    fn begin(&mut self, cut: bool) {
        let (limits, record, readings) = (self.limits, self.record.take(), self.readings + 1);
        *self = Self { limits, record, readings, cut, ..Self::default() };
    }

    /// Takes over what an earlier process read of this branch.
    fn recall(&mut self, mirror: &Mirror) {
        let Some(mut record) = self.record.take() else { return };
        record.read(mirror, |head, steps| {
            if self.head.is_none() {
                self.begin(false);
            }
            self.take(head, steps);
        });
        self.record = Some(record);
    }

    /// Takes what commits brought, newest first, up to a new head.
    fn take(&mut self, head: CommitId, steps: Vec<Step>) {
        let mut fresh: HashMap<RepoPath, Vec<FileVersion>> = HashMap::new();
        // Positions count from the oldest up.
        let newest = (self.commits + steps.len()) as u64;
        self.commits += steps.len();
        self.dates.extend(steps.iter().rev().map(Step::date));
        for (at, step) in (0..newest).rev().map(|before| before + 1).zip(steps) {
            if let Some(exchange) = Exchange::of(&step.files) {
                self.moves.note(at, exchange);
            }
            if let Some(info) = step.info {
                for FileChange { path, new, .. } in step.files {
                    let version = FileVersion { commit: Arc::clone(&info), blob: new, at };
                    fresh.entry(path).or_default().push(version);
                }
                self.noted.extend(step.is_noted.then_some((at, info)));
            }
            self.noted.extend(step.merged.into_iter().map(|info| (at, info)));
        }
        for (path, mut fresh) in fresh {
            let versions = self.versions.entry(path).or_default();
            fresh.append(versions);
            *versions = fresh;
        }
        self.head = Some(head);
    }

    /// Dates the commits that are new. Clocks of committers differ, and what came later did not come earlier: a commit came at the
    /// latest date on the line up to it. A date after now is none; then it came at the latest with the next commit that has one.
    fn date(&mut self, now: Timestamp) {
        // What had no date then may have one now.
        let known = if self.is_ahead { 0 } else { self.since.len() };
        self.since.truncate(known);
        let mut latest = self.since.last().copied().unwrap_or(Timestamp::MIN);
        for date in self.dates.iter().skip(known) {
            latest = if *date <= now { latest.max(*date) } else { latest };
            self.since.push(latest);
        }
        self.is_ahead = false;
        let mut next = now;
        for (since, date) in self.since.iter_mut().zip(&self.dates).skip(known).rev() {
            if *date > now {
                (*since, self.is_ahead) = (next, true);
            }
            next = *since;
        }
    }

    /// Gives when the commit at a position came to the branch, as of the last [`History::advance`]: never after that.
    pub fn since(&self, at: u64) -> Option<Timestamp> {
        self.since.get(usize::try_from(at.checked_sub(1)?).ok()?).copied()
    }

    /// Finds out what a file was called before; without it, [`History::stretches`] does not know.
    ///
    /// # Errors
    /// A content that the mirror lost.
    pub fn follow(&mut self, mirror: &Mirror, path: &RepoPath) -> Result<(), GitError> {
        let (mut path, mut before) = (path.clone(), u64::MAX);
        loop {
            let versions = older(self.versions.get(&path).map_or(&[], Vec::as_slice), before);
            let mut origin = None;
            for (at, _) in births(versions) {
                self.moves.resolve(mirror, at)?;
                if let Some(from) = self.moves.origin(at, &path) {
                    origin = Some((from.clone(), at));
                    break;
                }
            }
            match origin {
                Some(found) => (path, before) = found,
                None => return Ok(()),
            }
        }
    }

    /// Gives a file under each of its names, today's first.
    pub fn stretches<'h>(&'h self, path: &'h RepoPath) -> Vec<Stretch<'h>> {
        let (mut stretches, mut path) = (Vec::new(), path);
        let mut rest = self.versions(path);
        loop {
            let origin = births(rest).find_map(|(at, index)| Some((self.moves.origin(at, path)?, at, index)));
            let Some((from, at, index)) = origin else {
                stretches.push(Stretch { path, versions: rest });
                return stretches;
            };
            stretches.push(Stretch { path, versions: rest.get(..=index).unwrap_or(rest) });
            (path, rest) = (from, older(self.versions(from), at));
        }
    }

    /// Counts how often history was read from the start: positions of one reading mean nothing in another.
    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// Gives the versions of a file, newest first; empty if it never existed in what was read.
    pub fn versions(&self, path: &RepoPath) -> &[FileVersion] {
        self.versions.get(path).map_or(&[], Vec::as_slice)
    }

    /// Gives the commits with trailers of repin, in no order, each with its position on the first-parent line as in
    /// [`FileVersion::at`].
    pub fn noted(&self) -> &[(u64, Arc<CommitInfo>)] {
        &self.noted
    }

    /// Gives all paths that had a version, in no order.
    pub fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        self.versions.keys()
    }

    /// Gives the commit up to which history is known.
    pub fn head(&self) -> Option<&CommitId> {
        self.head.as_ref()
    }

    /// Counts the commits that were read.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// Tells whether older commits exist that were not read because of the limits.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// Gives the versions before a position.
fn older(versions: &[FileVersion], before: u64) -> &[FileVersion] {
    versions.get(versions.partition_point(|version| version.at >= before)..).unwrap_or_default()
}

/// Gives the versions that brought a file where none was, newest first: the position of the commit, and the version's number.
fn births(versions: &[FileVersion]) -> impl Iterator<Item = (u64, usize)> {
    let is_birth = |index: usize| versions.get(index + 1).is_none_or(|before| before.blob.is_none());
    let versions = versions.iter().enumerate();
    versions.filter(move |(index, one)| one.blob.is_some() && is_birth(*index)).map(|(index, one)| (one.at, index))
}
