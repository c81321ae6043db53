//! One look at the remote: where a branch is, and its objects if they are not here.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use git2::{AutotagOption, Direction, FetchOptions, Oid};

use crate::git::error::{GitError, plain};
use crate::git::history::forget_pasts;
use crate::git::made::{made_branches, made_refspec};
use crate::git::mirror::{Mirror, commit_id, oid, reference};
use crate::git::traffic;
use crate::git::transport::Session;
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// How many branches an error names.
const NAMED_BRANCHES: usize = 10;

/// Where a branch is on the remote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The branch.
    pub branch: Branch,
    /// Its newest commit, with all its objects in the mirror.
    pub commit: CommitId,
    /// The remote's default branch, if it said which one and has it.
    pub default: Option<Branch>,
}

/// What one look at the remote found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Look {
    /// The first branch that was asked for.
    pub head: Head,
    /// The others that were asked for and are there, with all their objects in the mirror.
    pub others: BTreeMap<Branch, CommitId>,
    /// Those that begin with [`BRANCH_PREFIX`](crate::model::forge::BRANCH_PREFIX), with their commits in the mirror; only where they were asked for. One
    /// that cannot be fetched is left out.
    pub made: BTreeMap<Branch, CommitId>,
    /// Every branch that the remote has and that [`Branch`] allows.
    pub advertised: BTreeMap<Branch, CommitId>,
}

/// What one conversation with the remote found.
struct Seen {
    branch: Branch,
    head: Oid,
    others: Vec<(Branch, Oid)>,
    made: Vec<(Branch, Oid)>,
    advertised: Vec<(String, Oid)>,
    is_fetched: bool,
    default: Option<Branch>,
}

/// What a remote says about its references.
pub(in crate::git) struct Advertisement {
    /// Branch names without `refs/heads/`, with their commits.
    pub(in crate::git) branches: Vec<(String, Oid)>,
    /// Every other reference by its whole name.
    pub(in crate::git) others: Vec<(String, Oid)>,
    default: Option<String>,
}

impl Mirror {
    /// Asks the remote once for its branches, and fetches the objects of one only if they are not here. Without a
    /// branch it is the remote's default branch.
    ///
    /// A mirror with missing or damaged objects is deleted and filled again here, once.
    pub fn sync(&mut self, branch: Option<&Branch>) -> Result<Head, GitError> {
        Ok(self.look_at(branch, &[])?.head)
    }

    /// As [`Mirror::sync`], for several branches in one conversation. One of `others` that the remote does not have is
    /// left out.
    pub fn look_at(&mut self, branch: Option<&Branch>, others: &[Branch]) -> Result<Look, GitError> {
        self.look_whole(branch, others, false)
    }

    /// As [`Mirror::look_at`], and brings the heads of all branches that repin made in the same conversation.
    pub fn look_with_made(&mut self, branch: Option<&Branch>, others: &[Branch]) -> Result<Look, GitError> {
        self.look_whole(branch, others, true)
    }

    fn look_whole(&mut self, branch: Option<&Branch>, others: &[Branch], with_made: bool) -> Result<Look, GitError> {
        if self.is_broken() {
            self.remake()?;
        }
        match self.try_sync(branch, others, with_made) {
            Err(GitError::Corrupt { .. }) if !self.is_fresh() => {
                self.remake()?;
                self.try_sync(branch, others, with_made)
            }
            other => other,
        }
    }

    /// Gives the head that an earlier look found, without asking the remote. Without a branch it is the default branch
    /// of that look.
    pub fn known_head(&self, branch: Option<&Branch>) -> Option<Head> {
        let branch = branch.cloned().or_else(|| self.known_default())?;
        let head = self.repo.refname_to_id(&reference(&branch)).ok()?;
        let default = self.known_default();
        Some(Head { branch, commit: commit_id(head, &self.remote).ok()?, default })
    }

    /// Gives the remote's default branch of the last look that asked for it; the mirror's `HEAD` names it.
    pub(in crate::git) fn known_default(&self) -> Option<Branch> {
        let head = self.repo.find_reference("HEAD").ok()?;
        head.symbolic_target().ok().flatten()?.strip_prefix("refs/heads/")?.parse().ok()
    }

    fn try_sync(&mut self, branch: Option<&Branch>, others: &[Branch], with_made: bool) -> Result<Look, GitError> {
        let is_default = branch.is_none();
        let Seen { branch, head, others, made, advertised, is_fetched, default } =
            self.look(branch, others, with_made)?;
        let heads = std::iter::once((&branch, head)).chain(others.iter().map(|(branch, head)| (branch, *head)));
        for (branch, head) in heads {
            // The commit stands here; its tree may not, if the disk lost it.
            let found = self.repo.find_commit(head).and_then(|commit| commit.tree());
            found.map_err(|error| self.damaged(&error))?;
            self.remember(branch, head)?;
        }
        if is_default && self.known_default().as_ref() != Some(&branch) {
            self.repo.set_head(&format!("refs/heads/{branch}")).map_err(|error| self.damaged(&error))?;
        }
        if with_made {
            self.forget_made(&advertised);
        }
        self.filled();
        if is_fetched {
            self.tidy();
            forget_pasts(self, &advertised);
        }
        let id = |head: Oid| commit_id(head, &self.remote);
        let ids = |heads: Vec<(Branch, Oid)>| {
            heads.into_iter().map(|(branch, head)| Ok((branch, id(head)?))).collect::<Result<_, GitError>>()
        };
        let (others, made) = (ids(others)?, ids(made)?);
        let legal = |(name, head): (String, Oid)| Some((name.parse().ok()?, id(head).ok()?));
        let advertised = advertised.into_iter().filter_map(legal).collect();
        Ok(Look { head: Head { branch, commit: id(head)?, default }, others, made, advertised })
    }

    /// Finds branches in the remote's advertisement and fetches their heads if they are missing.
    fn look(&self, branch: Option<&Branch>, others: &[Branch], with_made: bool) -> Result<Seen, GitError> {
        let session = self.session();
        let mut remote = self.repo.remote_anonymous(&session.url()).map_err(|error| self.damaged(&error))?;
        let Advertisement { branches: advertised, default, .. } = self.ask(&session, &mut remote)?;
        let (branch, head) = self.choose(&advertised, default.as_deref(), branch)?;
        let is_there = |name: &&String| advertised.iter().any(|(branch, _)| branch == *name);
        let default = default.as_ref().filter(is_there).and_then(|name| name.parse().ok());
        let head_of = |wanted: &Branch| advertised.iter().find(|(name, _)| name == wanted.as_str());
        let others: Vec<(Branch, Oid)> = others
            .iter()
            .filter(|other| **other != branch)
            .filter_map(|other| Some((other.clone(), head_of(other)?.1)))
            .collect();
        let needed: Vec<String> = std::iter::once((&branch, head))
            .chain(others.iter().map(|(branch, head)| (branch, *head)))
            .filter(|(_, head)| !self.has(*head))
            .map(|(branch, _)| format!("+refs/heads/{branch}:{}", reference(branch)))
            .collect();
        let made = if with_made { made_branches(&advertised) } else { Vec::new() };
        let wanted: Vec<String> =
            made.iter().filter(|(_, head)| !self.has(*head)).map(|(branch, _)| made_refspec(branch)).collect();
        let is_fetched = !needed.is_empty() || !wanted.is_empty();
        if is_fetched {
            let refspecs: Vec<String> = needed.into_iter().chain(wanted.iter().cloned()).collect();
            match self.fetch(&session, &mut remote, &refspecs) {
                Ok(()) => {}
                // Whatever is wrong with one of them must not keep the others from being read.
                Err(error) if !wanted.is_empty() && !matches!(error, GitError::Timeout { .. }) => {
                    drop((remote, session));
                    let names: Vec<Branch> = others.into_iter().map(|(branch, _)| branch).collect();
                    let seen = self.look(Some(&branch), &names, false)?;
                    self.fetch_in_parts(&wanted);
                    let made = made_branches(&seen.advertised).into_iter().filter(|(_, head)| self.has(*head));
                    return Ok(Seen { made: made.collect(), is_fetched, default, ..seen });
                }
                Err(error) => return Err(error),
            }
        }
        let made = made.into_iter().filter(|(_, head)| self.has(*head)).collect();
        Ok(Seen { branch, head, others, made, advertised, is_fetched, default })
    }

    /// Connects, and reads what the remote has.
    pub(in crate::git) fn ask(
        &self,
        session: &Session,
        remote: &mut git2::Remote<'_>,
    ) -> Result<Advertisement, GitError> {
        traffic::count_advertisement();
        session.run(AssertUnwindSafe(|| {
            remote.connect(Direction::Fetch)?;
            advertisement(remote)
        }))
    }

    /// Fetches what is not here on a connection.
    pub(in crate::git) fn fetch(
        &self,
        session: &Session,
        remote: &mut git2::Remote<'_>,
        refspecs: &[String],
    ) -> Result<(), GitError> {
        let mut options = FetchOptions::new();
        options.download_tags(AutotagOption::None).update_fetchhead(false);
        traffic::count_fetch();
        session.run(AssertUnwindSafe(|| remote.fetch(refspecs, Some(&mut options), None)))
    }

    /// Tells whether a commit is here.
    pub(in crate::git) fn has(&self, commit: Oid) -> bool {
        self.repo.find_commit(commit).is_ok()
    }

    /// Reads a branch back after a push: it must hold `commit`, as its head or below it. Returns the head.
    ///
    /// Some servers say ok and do not do it (`SECURITY.md`, row 16).
    pub fn read_back(&self, branch: &Branch, commit: &CommitId) -> Result<Head, GitError> {
        let not_written =
            |remote| GitError::NotWritten { remote, branch: branch.to_string(), commit: Some(commit.short()) };
        let (head, default) = match self.look(Some(branch), &[], false) {
            Ok(seen) => (seen.head, seen.default),
            Err(GitError::NoSuchBranch { remote, .. } | GitError::EmptyRepository { remote }) => {
                return Err(not_written(remote));
            }
            Err(other) => return Err(other),
        };
        let ours = oid(commit, &self.remote)?;
        let holds = head == ours || self.repo.graph_descendant_of(head, ours).map_err(|error| self.damaged(&error))?;
        if !holds {
            return Err(not_written(self.remote.clone()));
        }
        self.remember(branch, head)?;
        Ok(Head { branch: branch.clone(), commit: commit_id(head, &self.remote)?, default })
    }

    fn choose(
        &self,
        advertised: &[(String, Oid)],
        default: Option<&str>,
        branch: Option<&Branch>,
    ) -> Result<(Branch, Oid), GitError> {
        if advertised.is_empty() {
            return Err(GitError::EmptyRepository { remote: self.remote.clone() });
        }
        let wanted = branch.map(Branch::as_str).or(default);
        let found = advertised.iter().find(|(name, _)| Some(name.as_str()) == wanted);
        let found = found.and_then(|(name, head)| Some((name.parse().ok()?, *head)));
        found.ok_or_else(|| {
            let names = advertised.iter().map(|(name, _)| plain(name, 100));
            GitError::NoSuchBranch {
                remote: self.remote.clone(),
                branch: wanted.map(str::to_owned),
                existing: names.take(NAMED_BRANCHES).collect(),
                more: advertised.len().saturating_sub(NAMED_BRANCHES),
            }
        })
    }
}

/// Reads the branches of a connected remote. The default branch is the one that `HEAD` names; a server that does not
/// say so is taken to mean `main`, `master` or the first branch with the same commit, as git does.
pub(in crate::git) fn advertisement(remote: &git2::Remote<'_>) -> Result<Advertisement, git2::Error> {
    let list = remote.list()?;
    let (mut branches, mut others) = (Vec::new(), Vec::new());
    let mut at = None;
    let mut default = None;
    for head in list {
        // git2 panics on a name that is not UTF-8; such a branch must not stop the others.
        let Ok((name, target)) = catch_unwind(|| (head.name().to_owned(), head.symref_target().map(str::to_owned)))
        else {
            continue;
        };
        if let Some(branch) = name.strip_prefix("refs/heads/") {
            branches.push((branch.to_owned(), head.oid()));
        } else if name == "HEAD" {
            at = Some(head.oid());
            default = target;
        } else {
            others.push((name, head.oid()));
        }
    }
    let default = match default {
        Some(target) => target.strip_prefix("refs/heads/").map(str::to_owned),
        None => {
            let same = || branches.iter().filter(|(_, id)| Some(*id) == at).map(|(name, _)| name);
            let preferred = ["main", "master"].into_iter().find_map(|wanted| same().find(|name| *name == wanted));
            preferred.or_else(|| same().next()).cloned()
        }
    };
    Ok(Advertisement { branches, others, default })
}
