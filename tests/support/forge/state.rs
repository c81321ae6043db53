//! What a forge holds: projects, their pull requests, accounts and tokens. The same for every kind; where kinds differ in
//! what becomes of a pull request, the difference stands here with its reason.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use repin::model::forge::{ForgeKind, MergeMethod, PullState};

use super::apps::Apps;
use super::faults::{Planned, Rate};
use super::repository::{Head, Person, Repository, Signature};

/// Who makes the commits of GitHub's own pages and API.
pub const WEB_FLOW: (&str, &str) = ("GitHub", "noreply@github.com");

/// Everything behind the API.
pub struct State {
    pub kind: ForgeKind,
    /// Scheme, host and port.
    pub origin: String,
    /// None = the real time.
    pub clock: Option<Timestamp>,
    pub projects: BTreeMap<String, Project>,
    /// Logins of people and bots.
    pub accounts: BTreeSet<String>,
    /// Teams as `owner/team`.
    pub teams: BTreeSet<String>,
    pub tokens: BTreeMap<String, Token>,
    pub apps: Apps,
    /// Whose pushes those are that come through Git.
    pub pusher: String,
    pub planned: Vec<Planned>,
    pub rate: Rate,
    pub requests: Vec<Request>,
    pub violations: Vec<String>,
    /// The first answers after a change do not say yet whether there is a conflict.
    pub is_lazy: bool,
    pub serial: u64,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    Write,
    /// Writes are answered 403.
    Read,
    /// Every project is answered 404.
    Nothing,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub login: String,
    pub access: Access,
    pub expires: Option<Timestamp>,
    /// The only owner whose projects it sees; none = all.
    pub owner: Option<String>,
}

/// One request as it came, and its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    pub method: String,
    /// Path and query, without what stands before it in the URL of the API.
    pub path: String,
    pub status: u16,
    /// It had `If-None-Match`.
    pub conditional: bool,
    pub authorization: Option<String>,
    pub body: String,
}

pub struct Project {
    pub name: String,
    pub id: u64,
    pub repository: Repository,
    /// The branches as they were when the forge looked last.
    pub heads: BTreeMap<String, Head>,
    pub pulls: BTreeMap<u64, Pull>,
    /// Labels that were made, with their ids.
    pub labels: BTreeMap<String, u64>,
    pub last_number: u64,
    pub allows_auto_merge: bool,
    /// Nothing is merged before `checks_pass` was called.
    pub requires_checks: bool,
    pub deletes_merged_branches: bool,
    /// One reviewer and one assignee at most, as in GitLab Free; the first one stays.
    pub takes_one_person: bool,
    /// How GitLab merges in this project; elsewhere whoever merges says so.
    pub merge_method: MergeMethod,
    /// What a squash says.
    pub squash: SquashMessage,
    pub is_archived: bool,
}

/// What the message of a squash merge is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SquashMessage {
    /// As the kind of forge does it when nobody changed the settings.
    Usual,
    /// The title alone.
    Title,
    /// The message of the commits.
    Commits,
    /// Title and body of the pull request.
    Body,
}

#[derive(Clone, Debug)]
pub struct Pull {
    pub number: u64,
    pub id: u64,
    pub title: String,
    pub body: String,
    pub state: PullState,
    pub head: String,
    /// The project that the head is in, where that is another one.
    pub fork: Option<String>,
    pub head_commit: String,
    /// The branch was there when the forge looked last.
    pub has_branch: bool,
    pub base: String,
    pub base_commit: String,
    pub draft: bool,
    pub labels: BTreeSet<String>,
    pub reviewers: BTreeSet<String>,
    pub teams: BTreeSet<String>,
    pub assignees: BTreeSet<String>,
    pub author: String,
    pub comments: Vec<Comment>,
    pub reviews: Vec<Review>,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub closed: Option<Timestamp>,
    pub closed_by: Option<String>,
    pub merge_commit: Option<String>,
    pub squash_commit: Option<String>,
    /// The commits that the merge brought to the base.
    pub brought: Vec<String>,
    pub auto_merge: Option<(MergeMethod, String)>,
    /// Checks of this commit passed.
    pub passed: Option<String>,
    /// Head and base that were last looked at, and whether they conflict.
    pub judged: Option<(String, String, bool)>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Comment {
    pub id: u64,
    pub author: String,
    pub body: String,
    pub time: Timestamp,
    pub kind: CommentKind,
}

/// Who said it: people and bots, or the forge when something happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CommentKind {
    Said,
    Closed,
    Reopened,
    Merged,
    Pushed,
    Other,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Review {
    pub id: u64,
    pub login: String,
    pub verdict: Verdict,
    pub commit: String,
    pub time: Timestamp,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    Approved,
    ChangesRequested,
    Commented,
    Dismissed,
}

/// Why a pull request is not opened or not opened again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    NoHead,
    NoBase,
    Same,
    NoDifference,
    Exists(u64),
    Merged,
    Gone,
    ForcePushed,
}

/// What opens a pull request.
pub struct Opening {
    pub head: String,
    pub base: String,
    pub title: String,
    pub body: String,
    pub draft: bool,
}

impl Pull {
    pub fn is_open(&self) -> bool {
        self.state == PullState::Open
    }

    /// The verdict of each reviewer that counts, for the head as it is where the forge drops older ones.
    pub fn approvals(&self, kind: ForgeKind) -> Vec<&Review> {
        let mut last: BTreeMap<&str, &Review> = BTreeMap::new();
        for review in self.reviews.iter().filter(|review| review.verdict != Verdict::Commented) {
            last.insert(&review.login, review);
        }
        // GitLab takes approvals away when commits are added, in its usual settings.
        let is_current = |review: &&Review| kind != ForgeKind::GitLab || review.commit == self.head_commit;
        last.into_values().filter(|review| review.verdict == Verdict::Approved).filter(is_current).collect()
    }

    /// Sets the title as it is written; on GitLab and Gitea it says whether this is a draft.
    pub fn retitle(&mut self, kind: ForgeKind, title: &str) {
        title.clone_into(&mut self.title);
        let marks: &[&str] = match kind {
            ForgeKind::GitHub => return,
            ForgeKind::GitLab => &["draft:", "[draft]", "(draft)"],
            ForgeKind::Gitea => &["wip:", "[wip]"],
        };
        let lower = title.to_lowercase();
        self.draft = marks.iter().any(|mark| lower.starts_with(mark));
    }

    /// The title without what makes it a draft.
    pub fn plain_title(&self, kind: ForgeKind) -> &str {
        if kind == ForgeKind::GitHub || !self.draft {
            return &self.title;
        }
        let end = self.title.find([':', ']', ')']).map_or(0, |end| end + 1);
        self.title[end..].trim_start()
    }

    fn log(&mut self, id: u64, author: &str, kind: CommentKind, body: &str, time: Timestamp) {
        self.updated = time;
        self.comments.push(Comment { id, author: author.to_owned(), body: body.to_owned(), time, kind });
    }
}

impl Project {
    /// The ref that keeps a pull request's commits.
    fn kept_ref(kind: ForgeKind, number: u64) -> String {
        match kind {
            ForgeKind::GitHub | ForgeKind::Gitea => format!("refs/pull/{number}/head"),
            ForgeKind::GitLab => format!("refs/merge-requests/{number}/head"),
        }
    }

    /// Whether an open pull request cannot be merged as it is.
    pub fn has_conflict(&self, pull: &Pull) -> bool {
        // What follows the base right away cannot conflict.
        let follows = |head: &Head| head.id == pull.head_commit && head.parents.contains(&pull.base_commit);
        if self.heads.get(&pull.head).is_some_and(follows) {
            return false;
        }
        self.repository.merged_tree(&pull.base_commit, &pull.head_commit).is_none()
    }

    pub fn head(&self, branch: &str) -> Option<String> {
        self.heads.get(branch).map(|head| head.id.clone())
    }

    fn open_one(&self, head: &str, base: &str) -> Option<u64> {
        let same = |pull: &&Pull| pull.is_open() && pull.fork.is_none() && pull.head == head && pull.base == base;
        self.pulls.values().find(same).map(|pull| pull.number)
    }
}

impl State {
    pub fn now(&self) -> Timestamp {
        // Forges tell whole seconds.
        let now = self.clock.unwrap_or_else(Timestamp::now);
        Timestamp::from_second(now.as_second()).unwrap()
    }

    /// A number that was not given before.
    pub fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn add_project(&mut self, name: &str, repository: Repository) {
        let id = self.next();
        let labels = BTreeMap::new();
        let project = Project {
            name: name.to_owned(),
            id,
            repository,
            heads: BTreeMap::new(),
            pulls: BTreeMap::new(),
            labels,
            last_number: 0,
            allows_auto_merge: true,
            requires_checks: true,
            deletes_merged_branches: false,
            takes_one_person: false,
            merge_method: MergeMethod::Merge,
            squash: SquashMessage::Usual,
            is_archived: false,
        };
        self.projects.insert(name.to_owned(), project);
    }

    /// Sees what was pushed since: heads follow their branches, and what has lost its branch is closed.
    pub fn refresh(&mut self, name: &str) {
        let (now, kind, pusher) = (self.now(), self.kind, self.pusher.clone());
        let mut serial = self.serial;
        let Some(project) = self.projects.get_mut(name) else { return };
        project.heads = project.repository.heads();
        let heads = &project.heads;
        let mut brought: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for pull in project.pulls.values_mut().filter(|pull| pull.is_open() && pull.fork.is_none()) {
            serial += 1;
            let had_branch = std::mem::replace(&mut pull.has_branch, heads.contains_key(&pull.head));
            if !pull.has_branch && !had_branch {
                continue;
            }
            let at = |branch: &str| heads.get(branch).map(|head| &head.id);
            let (Some(head), Some(base)) = (at(&pull.head), at(&pull.base)) else {
                // All three close when a branch is deleted: GitLab in `close_upon_missing_source_branch_ref`, Gitea in
                // `CloseBranchPulls`.
                pull.state = PullState::Closed;
                (pull.closed, pull.closed_by) = (Some(now), Some(pusher.clone()));
                pull.auto_merge = None;
                pull.log(serial, &pusher, CommentKind::Closed, "closed", now);
                continue;
            };
            let is_brought = *base != pull.base_commit && {
                let key = (pull.base_commit.clone(), base.clone());
                let list = || project.repository.between(&key.0, &key.1).into_iter().collect();
                brought.entry(key.clone()).or_insert_with(list).contains(head)
            };
            base.clone_into(&mut pull.base_commit);
            if *head != pull.head_commit {
                head.clone_into(&mut pull.head_commit);
                project.repository.force(&Project::kept_ref(kind, pull.number), head);
                // GitLab takes auto-merge back when commits are added (`abort_auto_merges` in its RefreshService).
                if kind == ForgeKind::GitLab {
                    pull.auto_merge = None;
                }
                pull.log(serial, &pusher, CommentKind::Pushed, "added commits", now);
                let is_on_base = heads[&pull.head].parents.contains(base);
                let is_empty = !is_brought && !is_on_base && project.repository.is_ancestor(head, base);
                // GitHub closes what brings nothing any more; the others keep it open, without changes.
                if is_empty && kind == ForgeKind::GitHub {
                    pull.state = PullState::Closed;
                    (pull.closed, pull.closed_by) = (Some(now), Some(pusher.clone()));
                    continue;
                }
            }
            // Pushed to the base by hand. Gitea sees it only if it was told to, which is not its usual setting.
            if is_brought && kind != ForgeKind::Gitea {
                pull.state = PullState::Merged;
                (pull.closed, pull.closed_by) = (Some(now), Some(pusher.clone()));
                pull.merge_commit = (kind == ForgeKind::GitHub).then(|| head.clone());
                pull.brought = vec![head.clone()];
                pull.log(serial, &pusher, CommentKind::Merged, "merged", now);
            }
        }
        self.serial = serial;
    }

    pub fn refresh_all(&mut self) {
        for name in self.projects.keys().cloned().collect::<Vec<_>>() {
            self.refresh(&name);
        }
    }

    /// Opens a pull request within a project.
    pub fn open(&mut self, name: &str, author: &str, opening: Opening) -> Result<u64, Refusal> {
        self.refresh(name);
        let number = self.open_seen(name, author, opening)?;
        let project = &self.projects[name];
        project.repository.force(&Project::kept_ref(self.kind, number), &project.pulls[&number].head_commit);
        Ok(number)
    }

    /// Opens many, in one go.
    pub fn open_all(&mut self, name: &str, author: &str, openings: Vec<Opening>) -> Result<Vec<u64>, Refusal> {
        self.refresh(name);
        let opened: Vec<u64> =
            openings.into_iter().map(|one| self.open_seen(name, author, one)).collect::<Result<_, _>>()?;
        let project = &self.projects[name];
        let kept = opened
            .iter()
            .map(|number| (Project::kept_ref(self.kind, *number), project.pulls[number].head_commit.clone()));
        project.repository.create_all(&kept.collect::<Vec<_>>());
        Ok(opened)
    }

    /// Opens one on what the forge has seen of the branches.
    fn open_seen(&mut self, name: &str, author: &str, opening: Opening) -> Result<u64, Refusal> {
        let (now, kind, id) = (self.now(), self.kind, self.next());
        let project = self.projects.get_mut(name).unwrap();
        let Opening { head, base, title, body, draft } = opening;
        if head == base {
            return Err(Refusal::Same);
        }
        let head_commit = project.head(&head).ok_or(Refusal::NoHead)?;
        let base_commit = project.head(&base).ok_or(Refusal::NoBase)?;
        if let Some(number) = project.open_one(&head, &base) {
            return Err(Refusal::Exists(number));
        }
        // The others take a pull request without commits, and show it as empty.
        let is_on_base = project.heads[&head].parents.contains(&base_commit);
        if kind == ForgeKind::GitHub && !is_on_base && project.repository.is_ancestor(&head_commit, &base_commit) {
            return Err(Refusal::NoDifference);
        }
        project.last_number += 1;
        let number = project.last_number;
        let mut pull = Pull {
            number,
            id,
            title,
            body,
            state: PullState::Open,
            head,
            fork: None,
            head_commit,
            has_branch: true,
            base,
            base_commit,
            draft,
            labels: BTreeSet::new(),
            reviewers: BTreeSet::new(),
            teams: BTreeSet::new(),
            assignees: BTreeSet::new(),
            author: author.to_owned(),
            comments: Vec::new(),
            reviews: Vec::new(),
            created: now,
            updated: now,
            closed: None,
            closed_by: None,
            merge_commit: None,
            squash_commit: None,
            brought: Vec::new(),
            auto_merge: None,
            passed: None,
            judged: None,
        };
        let title = pull.title.clone();
        pull.retitle(kind, &title);
        project.pulls.insert(number, pull);
        Ok(number)
    }

    /// Closes; what is closed stays as it is.
    pub fn close(&mut self, name: &str, number: u64, by: &str) {
        self.refresh(name);
        let (now, id) = (self.now(), self.next());
        let pull = self.pull_mut(name, number);
        if pull.is_open() {
            pull.state = PullState::Closed;
            (pull.closed, pull.closed_by) = (Some(now), Some(by.to_owned()));
            pull.auto_merge = None;
            pull.log(id, by, CommentKind::Closed, "closed", now);
        }
    }

    /// Opens again; what is open stays as it is.
    pub fn reopen(&mut self, name: &str, number: u64, by: &str) -> Result<(), Refusal> {
        self.refresh(name);
        let (now, id, kind) = (self.now(), self.next(), self.kind);
        let project = self.projects.get_mut(name).unwrap();
        let pull = &project.pulls[&number];
        match pull.state {
            PullState::Open => return Ok(()),
            PullState::Merged => return Err(Refusal::Merged),
            PullState::Closed => {}
        }
        // Gitea's API and GitLab's look at no branch: what is opened again without one stays open, and cannot be merged.
        let there = project.head(&pull.head);
        let head = match (&there, kind) {
            (None, ForgeKind::GitHub) => return Err(Refusal::Gone),
            _ => there.clone().unwrap_or_else(|| pull.head_commit.clone()),
        };
        let base = project.head(&pull.base).ok_or(Refusal::NoBase)?;
        if let Some(other) = project.open_one(&pull.head, &pull.base)
            && kind != ForgeKind::Gitea
        {
            return Err(Refusal::Exists(other));
        }
        if kind == ForgeKind::GitHub {
            if !project.repository.is_ancestor(&pull.head_commit, &head) {
                return Err(Refusal::ForcePushed);
            }
            if project.repository.is_ancestor(&head, &base) {
                return Err(Refusal::NoDifference);
            }
        }
        project.repository.force(&Project::kept_ref(kind, number), &head);
        let pull = project.pulls.get_mut(&number).unwrap();
        (pull.state, pull.head_commit, pull.base_commit) = (PullState::Open, head, base);
        pull.has_branch = there.is_some();
        (pull.closed, pull.closed_by) = (None, None);
        pull.log(id, by, CommentKind::Reopened, "reopened", now);
        Ok(())
    }

    /// Merges for real; the commit on the base, or none if there is a conflict.
    pub fn merge(&mut self, name: &str, number: u64, method: MergeMethod, by: &str) -> Option<String> {
        self.refresh(name);
        let (now, id, kind) = (self.now(), self.next(), self.kind);
        let project = self.projects.get_mut(name).unwrap();
        let pull = &project.pulls[&number];
        assert!(pull.is_open(), "pull request {number} of {name} is not open");
        if !pull.has_branch && pull.fork.is_none() {
            return None;
        }
        let (repository, merger) = (project.repository.clone(), Person::of(by));
        let committer = match kind {
            ForgeKind::GitHub => Person::new(WEB_FLOW.0, WEB_FLOW.1),
            ForgeKind::GitLab | ForgeKind::Gitea => merger.clone(),
        };
        let signature = Signature { author: &merger, committer: &committer, time: now };
        let (base, head) = (repository.head(&pull.base)?, pull.head_commit.clone());
        let squashed = squash_message(kind, project, pull);
        let merged = merge_message(kind, name, pull);
        let (mut merge_commit, mut squash_commit) = (None, None);
        let top = match method {
            MergeMethod::Merge => repository.merge(&base, &head, &merged, &signature)?,
            MergeMethod::Squash if kind == ForgeKind::GitLab => {
                // A commit of all beside the base, and a merge of that.
                repository.merged_tree(&base, &head)?;
                let fork = repository.merge_base(&base, &head)?;
                let squash = repository.squash(&fork, &head, &squashed, &signature)?;
                squash_commit = Some(squash.clone());
                repository.merge(&base, &squash, &merged, &signature)?
            }
            MergeMethod::Squash => repository.squash(&base, &head, &squashed, &signature)?,
            MergeMethod::Rebase => repository.rebase(&base, &head, &committer, now)?,
        };
        let (base_branch, head_branch, fork) = (pull.base.clone(), pull.head.clone(), pull.fork.clone());
        assert!(repository.set(&format!("refs/heads/{base_branch}"), &top, Some(&base)), "{base_branch} has moved");
        let brought = repository.between(&base, &top);
        let mut new_head = head.clone();
        if method == MergeMethod::Rebase && kind == ForgeKind::GitLab {
            // GitLab rebases the branch itself, then forwards the base.
            repository.force(&format!("refs/heads/{head_branch}"), &top);
            new_head.clone_from(&top);
        } else {
            merge_commit = Some(top.clone());
        }
        if project.deletes_merged_branches && fork.is_none() {
            repository.delete(&format!("refs/heads/{head_branch}"));
        }
        let pull = self.pull_mut(name, number);
        (pull.state, pull.head_commit, pull.base_commit) = (PullState::Merged, new_head, base);
        (pull.closed, pull.closed_by) = (Some(now), Some(by.to_owned()));
        (pull.merge_commit, pull.squash_commit, pull.brought) = (merge_commit, squash_commit, brought);
        pull.log(id, by, CommentKind::Merged, "merged", now);
        self.refresh(name);
        Some(top)
    }

    /// The checks of the head pass; what waits for them is merged.
    pub fn checks_pass(&mut self, name: &str, number: u64) {
        self.refresh(name);
        let pull = self.pull_mut(name, number);
        pull.passed = Some(pull.head_commit.clone());
        if let (true, false, Some((method, by))) = (pull.is_open(), pull.draft, pull.auto_merge.clone()) {
            self.merge(name, number, method, &by);
        }
    }

    pub fn comment(&mut self, name: &str, number: u64, by: &str, text: &str) -> u64 {
        let (now, id) = (self.now(), self.next());
        self.pull_mut(name, number).log(id, by, CommentKind::Said, text, now);
        id
    }

    pub fn review(&mut self, name: &str, number: u64, by: &str, verdict: Verdict) {
        self.refresh(name);
        let (time, id) = (self.now(), self.next());
        let pull = self.pull_mut(name, number);
        let commit = pull.head_commit.clone();
        pull.reviews.push(Review { id, login: by.to_owned(), verdict, commit, time });
        pull.reviewers.remove(by);
        pull.updated = time;
    }

    /// Gives the id of a label, which is made if it is new.
    pub fn label(&mut self, name: &str, label: &str) -> u64 {
        let id = self.next();
        *self.projects.get_mut(name).unwrap().labels.entry(label.to_owned()).or_insert(id)
    }

    /// Changes a pull request, at the time of now.
    pub fn touch<T>(&mut self, name: &str, number: u64, change: impl FnOnce(&mut Pull) -> T) -> T {
        let now = self.now();
        let pull = self.pull_mut(name, number);
        pull.updated = now;
        change(pull)
    }

    pub fn pull(&self, name: &str, number: u64) -> Option<&Pull> {
        self.projects.get(name)?.pulls.get(&number)
    }

    pub fn pull_mut(&mut self, name: &str, number: u64) -> &mut Pull {
        let project = self.projects.get_mut(name).unwrap_or_else(|| panic!("no project {name}"));
        project.pulls.get_mut(&number).unwrap_or_else(|| panic!("no pull request {number} in {name}"))
    }

    /// Whether there is a conflict; none while a lazy forge has not looked yet.
    pub fn conflict(&mut self, name: &str, number: u64) -> Option<bool> {
        let project = self.projects.get_mut(name).unwrap();
        let pull = &project.pulls[&number];
        match &pull.judged {
            Some((head, base, conflict)) if *head == pull.head_commit && *base == pull.base_commit => {
                return Some(*conflict);
            }
            _ => {}
        }
        let conflict = project.has_conflict(pull);
        let judged = (pull.head_commit.clone(), pull.base_commit.clone(), conflict);
        project.pulls.get_mut(&number).unwrap().judged = Some(judged);
        (!self.is_lazy).then_some(conflict)
    }
}

fn merge_message(kind: ForgeKind, project: &str, pull: &Pull) -> String {
    let Pull { number, head, base, title, .. } = pull;
    match kind {
        ForgeKind::GitHub => {
            let owner = project.split('/').next().unwrap_or_default();
            format!("Merge pull request #{number} from {owner}/{head}\n\n{title}")
        }
        ForgeKind::GitLab => {
            format!("Merge branch '{head}' into '{base}'\n\n{title}\n\nSee merge request {project}!{number}")
        }
        ForgeKind::Gitea => format!("Merge pull request '{title}' (#{number}) from {head} into {base}"),
    }
}

/// GitHub takes the message of a single commit, or a list of them; GitLab the title; Gitea title and body.
fn squash_message(kind: ForgeKind, project: &Project, pull: &Pull) -> String {
    let title = match kind {
        ForgeKind::GitHub | ForgeKind::Gitea => format!("{} (#{})", pull.title, pull.number),
        ForgeKind::GitLab => pull.title.clone(),
    };
    let made_of = match (project.squash, kind) {
        (SquashMessage::Usual, ForgeKind::GitHub) => SquashMessage::Commits,
        (SquashMessage::Usual, ForgeKind::GitLab) => SquashMessage::Title,
        (SquashMessage::Usual, ForgeKind::Gitea) => SquashMessage::Body,
        (other, _) => other,
    };
    match made_of {
        SquashMessage::Usual | SquashMessage::Title => title,
        SquashMessage::Body => format!("{title}\n\n{}", pull.body),
        SquashMessage::Commits => {
            let ids = project.repository.between(&pull.base_commit, &pull.head_commit);
            let records: Vec<_> = ids.iter().rev().map(|id| project.repository.record(id)).collect();
            match &records[..] {
                [single] => {
                    let body = single.message.split_once('\n').map_or("", |(_, body)| body.trim());
                    format!("{} (#{})\n\n{body}", single.subject(), pull.number)
                }
                several => {
                    let list: Vec<String> = several.iter().map(|record| format!("* {}", record.message)).collect();
                    format!("{title}\n\n{}", list.join("\n\n"))
                }
            }
        }
    }
}
