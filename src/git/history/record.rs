//! What was read of a branch's past, kept in the mirror between runs: a commit never changes, so it is compared with its
//! parent once. It is a cache like the mirror itself and goes with it; what is not as it was written is not used.
//!
//! A file for each branch, which grows by what is new: to each reading belongs a part, which is a head line with the length and
//! the hash of what follows, and a line of JSON for each commit, newest first. The first part is all of the past up to then,
//! each other one goes on where the one before ended. A past that was read from its start takes the place of all of it.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use git2::Oid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::debug;

use crate::git::history::walk::{FileChange, Step};
use crate::git::kept::PROGRAM;
use crate::git::mirror::{Mirror, branch_name};
use crate::model::history::{BlobId, CommitId, CommitInfo};
use crate::model::names::{Branch, RepoPath};

/// How the files begin that are kept for branches.
const NAME: &str = "history-";
/// How large a file may get, in bytes: about 200,000 commits. What is beyond it is read again in each process.
const MAX_FILE: u64 = 128 << 20;

/// The file of a branch, and how much of it is in use.
#[derive(Clone, Debug)]
pub(super) struct Record {
    name: String,
    /// Bytes up to the end of the last part that we read or wrote; none as long as nothing can go on there.
    length: Option<u64>,
    /// Somebody deleted it under us.
    is_gone: bool,
}

/// The head line of a part.
#[derive(Debug, Deserialize, Serialize)]
struct Part<'p> {
    /// Who wrote it.
    program: Cow<'p, str>,
    /// Up to where it leads.
    head: CommitId,
    /// From where it goes on; none = it is the whole past.
    after: Option<CommitId>,
    bytes: usize,
    sha256: String,
}

/// The line of a commit.
#[derive(Debug, Deserialize, Serialize)]
struct Line<'s> {
    date: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<Told<'s>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    noted: bool,
    /// Path, content before, content after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<(Cow<'s, RepoPath>, Option<BlobId>, Option<BlobId>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    merged: Vec<Told<'s>>,
}

/// What a commit says about itself.
#[derive(Debug, Deserialize, Serialize)]
struct Told<'s> {
    id: CommitId,
    author: (Cow<'s, str>, Cow<'s, str>, i64),
    committer: (Cow<'s, str>, Cow<'s, str>, i64),
    subject: Cow<'s, str>,
    message: Cow<'s, str>,
}

impl Record {
    /// Names the file of a branch; nothing is read yet.
    pub(super) fn of(branch: &Branch) -> Self {
        Self { name: file_name(branch), length: None, is_gone: false }
    }

    /// Gives what is known to `take`: heads, each with the commits that lead to it from the one before, newest first.
    pub(super) fn read(&mut self, mirror: &Mirror, take: impl FnMut(CommitId, Vec<Step>)) {
        let Some(content) = mirror.read_kept(&self.name) else { return };
        let length = parts(&content, take);
        self.length = u64::try_from(length).ok().filter(|length| *length > 0);
        if length < content.len() {
            debug!(file = self.name, "what follows byte {length} is not as we write it, and is read again");
        }
    }

    /// Tells, once, that the file was deleted: only the whole past can be kept again.
    pub(super) fn must_begin_anew(&mut self) -> bool {
        std::mem::take(&mut self.is_gone)
    }

    /// Keeps what was read up to a new head, newest first: the whole past, or what goes on where the last part ended.
    pub(super) fn write(&mut self, mirror: &Mirror, after: Option<&CommitId>, head: &CommitId, steps: &[Step]) {
        let Some(length) = (if after.is_some() { self.length } else { Some(0) }).filter(|_| mirror.keeps()) else {
            return;
        };
        let written = part(after, head, steps).and_then(|part| {
            let whole = length + part.len() as u64;
            if whole > MAX_FILE {
                return Err(io::Error::other(format!("{whole} bytes are more than {MAX_FILE}")));
            }
            match after {
                Some(_) => append(&mirror.kept_file(&self.name), length, &part),
                None => mirror.write_kept(&self.name, &part),
            }
            .map(|()| whole)
        });
        if let Err(error) = &written {
            debug!(file = self.name, "what was read of the past cannot be kept: {error}");
            self.is_gone = error.kind() == io::ErrorKind::NotFound;
        }
        self.length = written.ok();
    }
}

/// Removes what is kept of branches that are no more.
pub(in crate::git) fn forget_pasts(mirror: &Mirror, advertised: &[(String, Oid)]) {
    let there = LazyCell::new(|| -> HashSet<String> {
        advertised.iter().filter_map(|(branch, _)| Some(file_name(&branch.parse().ok()?))).collect()
    });
    mirror.forget_kept(|name| name.starts_with(NAME) && !there.contains(name));
}

fn file_name(branch: &Branch) -> String {
    format!("{NAME}{}", branch_name(branch))
}

/// Reads the parts that are whole and go on where the one before ended, and gives their length in bytes.
fn parts(content: &[u8], mut take: impl FnMut(CommitId, Vec<Step>)) -> usize {
    let (mut last, mut length) = (None, 0);
    while let Some((part, lines, end)) = content.get(length..).and_then(next) {
        let read = |line: &str| serde_json::from_str::<Line<'_>>(line).ok()?.step();
        let steps: Option<Vec<Step>> = lines.lines().map(read).collect();
        let Some(steps) = steps.filter(|_| part.after == last) else { break };
        take(part.head, steps);
        (last, length) = (Some(part.head), length + end);
    }
    length
}

/// Gives the part with which a content begins, if it is whole and ours, its lines, and where it ends.
fn next(content: &[u8]) -> Option<(Part<'_>, &str, usize)> {
    let start = content.iter().position(|byte| *byte == b'\n')? + 1;
    let (head, rest) = content.split_at_checked(start)?;
    let part: Part<'_> = serde_json::from_slice(head).ok()?;
    let lines = rest.get(..part.bytes).filter(|_| part.program == PROGRAM)?;
    let is_same = hex::encode(Sha256::digest(lines)) == part.sha256;
    let lines = std::str::from_utf8(lines).ok().filter(|_| is_same)?;
    Some((part, lines, start + lines.len()))
}

/// Writes down a part.
fn part(after: Option<&CommitId>, head: &CommitId, steps: &[Step]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for step in steps {
        serde_json::to_writer(&mut lines, &Line::of(step))?;
        lines.push(b'\n');
    }
    let (head, after) = (*head, after.copied());
    let sha256 = hex::encode(Sha256::digest(&lines));
    let program = Cow::Borrowed(PROGRAM);
    let mut part = serde_json::to_vec(&Part { program, head, after, bytes: lines.len(), sha256 })?;
    part.push(b'\n');
    part.append(&mut lines);
    Ok(part)
}

/// Adds a part behind the last one, if the file is still the one that we know.
fn append(path: &Path, length: u64, part: &[u8]) -> io::Result<()> {
    let mut file = File::options().append(true).open(path)?;
    let found = file.metadata()?.len();
    if found < length {
        return Err(io::Error::other("somebody else wrote it"));
    }
    // What a process that was killed began to write.
    if found > length {
        file.set_len(length)?;
    }
    file.write_all(part)
}

impl<'s> Line<'s> {
    fn of(step: &'s Step) -> Self {
        let file = |change: &'s FileChange| (Cow::Borrowed(&change.path), change.old, change.new);
        Self {
            date: step.date,
            commit: step.info.as_deref().map(Told::of),
            noted: step.is_noted,
            files: step.files.iter().map(file).collect(),
            merged: step.merged.iter().map(|info| Told::of(info)).collect(),
        }
    }

    fn step(self) -> Option<Step> {
        let info = match self.commit {
            Some(told) => Some(Arc::new(told.info()?)),
            None => None,
        };
        let merged = self.merged.into_iter().map(|told| told.info().map(Arc::new)).collect::<Option<_>>()?;
        let files = self.files.into_iter().map(|(path, old, new)| FileChange { path: path.into_owned(), old, new });
        Some(Step { date: self.date, info, is_noted: self.noted, files: files.collect(), merged })
    }
}

impl<'s> Told<'s> {
    fn of(info: &'s CommitInfo) -> Self {
        let (author_name, author_email) = (Cow::from(&info.author_name), Cow::from(&info.author_email));
        let (committer_name, committer_email) = (Cow::from(&info.committer_name), Cow::from(&info.committer_email));
        Self {
            id: info.id,
            author: (author_name, author_email, info.time.as_second()),
            committer: (committer_name, committer_email, info.committed.as_second()),
            subject: Cow::from(&info.subject),
            message: Cow::from(&info.message),
        }
    }

    fn info(self) -> Option<CommitInfo> {
        let (author_name, author_email, time) = self.author;
        let (committer_name, committer_email, committed) = self.committer;
        Some(CommitInfo {
            id: self.id,
            author_name: author_name.into_owned(),
            author_email: author_email.into_owned(),
            time: Timestamp::from_second(time).ok()?,
            committer_name: committer_name.into_owned(),
            committer_email: committer_email.into_owned(),
            committed: Timestamp::from_second(committed).ok()?,
            subject: self.subject.into_owned(),
            message: self.message.into_owned(),
        })
    }
}
