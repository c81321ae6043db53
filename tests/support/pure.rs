//! What worlds over the pure core have in common: repositories, places in one file, and pull requests as they were opened.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use repin::message::pull_request::{self, Marker};
use repin::model::change::{ChangeSet, Proposal};
use repin::model::forge::{PullRequest, PullState};
use repin::model::history::CommitId;
use repin::model::names::{Branch, RepoPath};
use repin::model::rule::Rule;
use repin::model::tracked::{Target, TrackedImage};
use repin::plan::Subject;
use repin::plan::locate::{FileState, Files, locate};
use repin::plan::rollback::Timeline;
use repin::resolve::KnownRepository;
use repin::rules;

/// The branch of every repository.
pub fn main() -> Branch {
    "main".parse().unwrap()
}

/// Repositories of `git.example/acme` at that branch.
pub fn known(names: &[&str]) -> Vec<KnownRepository> {
    let one = |name: &&str| KnownRepository {
        name: (*name).to_owned(),
        branch: main(),
        branches: Vec::new(),
        default: None,
        urls: vec![format!("git.example/acme/{name}")],
    };
    names.iter().map(one).collect()
}

/// Finds an image in the only file that there is, and what the rules say of it.
pub fn placed(
    tracked: Arc<TrackedImage>,
    (repository, file): (&str, &RepoPath),
    state: &FileState,
    rules: &[Rule],
    timeline: Timeline,
) -> Subject {
    let read = |path: &RepoPath| if path == file { state.clone() } else { FileState::Missing };
    let files = Files { read: &read, count: &|_, _| 0, naming: &|_, _| Vec::new(), holding: &|_, _, _| Vec::new() };
    let located = tracked.target.as_ref().and_then(|target| locate(&tracked, target, files).pop());
    let branch = tracked.target.as_ref().map(Target::written_branch).unwrap();
    let subject = rules::Subject {
        repository,
        branch: &branch,
        path: Some(file),
        application: &tracked.application.name,
        namespace: "argocd",
        project: "default",
        labels: &BTreeMap::new(),
    };
    let rule = Some(rules::effective(rules, false, &subject));
    Subject { tracked, located, rule, timeline, memo: Default::default() }
}

/// The pull request of a proposal, open at this commit.
pub fn opened(set: &ChangeSet, number: u64, commit: CommitId, created: Timestamp) -> PullRequest {
    let proposal: &Proposal = set.proposal.as_ref().unwrap();
    let marker = Marker {
        format: 1,
        branch: set.branch.to_string(),
        changes: pull_request::changes(&proposal.text),
        more: 0,
        text: pull_request::key(&proposal.text),
        closed: None,
        told: proposal.auto_merge.iter().map(|_| "auto-merge".to_owned()).collect(),
        by: String::new(),
    };
    let rendered = pull_request::render(&proposal.text, &marker);
    PullRequest {
        number,
        url: format!("https://git.example/acme/locked/pulls/{number}"),
        title: rendered.title,
        body: rendered.body,
        state: PullState::Open,
        head: set.branch.clone(),
        head_commit: Some(commit),
        base: main(),
        is_draft: false,
        labels: BTreeSet::new(),
        author: "repin".to_owned(),
        created,
        updated: created,
        closed: None,
        merge_commit: None,
        has_conflict: Some(false),
        is_auto_merged: Some(proposal.auto_merge.is_some()),
    }
}
