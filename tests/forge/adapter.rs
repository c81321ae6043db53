//! The adapter on every kind of forge: the same checks, the same answers.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use repin::credentials::Credentials;
use repin::diagnostic::{Diagnostic, Retry};
use repin::forge::{ForgeError, ForgeLogin};
use repin::model::forge::{
    Course, ForgeFile, ForgeKind, MergeMethod, NewPullRequest, PullPeople, PullState, PullUpdate,
};
use repin::model::history::CommitId;
use repin::secret::Secret;

use crate::fake::{Access, BOT, FakeForge, PROJECT, Trouble};
use crate::ground::{Ground, branch, each, new, token};
use crate::models;
use crate::remote::NewCommit;

const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn closing() -> PullUpdate {
    PullUpdate { is_open: Some(false), ..PullUpdate::default() }
}

fn opening() -> PullUpdate {
    PullUpdate { is_open: Some(true), ..PullUpdate::default() }
}

#[test]
fn what_is_opened_is_given_back_listed_and_seen_by_people() {
    each(|ground| {
        let opened = ground.open("repin/web");
        assert_eq!(opened.number, 1);
        assert_eq!(opened.url, ground.fake.pull_url(1));
        assert_eq!(opened.head_commit, Some(ground.head("repin/web")));
        assert_eq!((opened.state, opened.author.as_str(), opened.is_draft), (PullState::Open, BOT, false));
        assert_eq!((opened.head.as_str(), opened.base.as_str()), ("repin/web", "main"));
        assert_eq!((opened.merge_commit, opened.closed), (None, None));
        let seen = ground.fake.pull(1);
        assert_eq!((seen.title, seen.body), (opened.title.clone(), opened.body.clone()));
        let listed = ground.wait(ground.forge.open_pulls(&ground.project, "repin/")).unwrap();
        assert_eq!(listed.iter().map(|pull| (pull.number, &pull.body)).collect::<Vec<_>>(), [(1, &opened.body)]);
        assert_eq!(ground.wait(ground.forge.open_pulls(&ground.project, "other/")).unwrap(), []);
        assert_eq!(ground.wait(ground.forge.pull(&ground.project, 2)).unwrap(), None);
    });
}

#[test]
fn a_second_one_for_the_same_branches_is_refused_by_name() {
    each(|ground| {
        ground.open("repin/web");
        let again = ground.wait(ground.forge.open(&ground.project, &new("repin/web"))).unwrap_err();
        assert!(matches!(again, ForgeError::Exists { .. }), "{again:?}");
        let absent = ground.wait(ground.forge.open(&ground.project, &new("repin/absent"))).unwrap_err();
        assert!(!matches!(absent, ForgeError::Exists { .. }), "{absent:?}");
        assert_eq!(ground.fake.pulls().len(), 1);
    });
}

#[test]
fn a_draft_is_one_and_stays_one_whatever_its_title() {
    each(|ground| {
        let draft = NewPullRequest { is_draft: true, ..new("repin/web") };
        let opened = ground.wait(ground.forge.open(&ground.project, &draft)).unwrap();
        assert_eq!((opened.is_draft, &opened.title), (true, &draft.title));
        let update = PullUpdate { title: Some("Another title".to_owned()), ..PullUpdate::default() };
        let updated = ground.wait(ground.forge.update(&ground.project, 1, &update)).unwrap();
        assert_eq!((updated.is_draft, updated.title.as_str()), (true, "Another title"));
        let seen = ground.fake.pull(1);
        assert_eq!((seen.draft, seen.title.as_str()), (true, "Another title"));
    });
}

#[test]
fn title_body_and_state_change_in_one_request() {
    each(|ground| {
        ground.open("repin/web");
        ground.fake.clear_requests();
        let (title, body) = (Some("Update web to 1.2.0".to_owned()), Some("Other words".to_owned()));
        let update = PullUpdate { title, body, is_open: Some(false) };
        let closed = ground.wait(ground.forge.update(&ground.project, 1, &update)).unwrap();
        assert_eq!((closed.state, closed.body.as_str()), (PullState::Closed, "Other words"));
        let writes = ground.fake.requests().iter().filter(|request| request.method != "GET").count();
        assert_eq!(writes, 1);
        let seen = ground.fake.pull(1);
        assert_eq!(
            (seen.state, seen.title.as_str(), seen.closed_by.as_deref()),
            (PullState::Closed, "Update web to 1.2.0", Some(BOT))
        );
        let opened = ground.wait(ground.forge.update(&ground.project, 1, &opening())).unwrap();
        assert_eq!((opened.state, opened.closed), (PullState::Open, None));
        assert_eq!(ground.fake.pull(1).body, "Other words");
    });
}

#[test]
fn the_head_follows_the_branch() {
    each(|ground| {
        ground.open("repin/web");
        let head = models::branch(&ground.remote, "repin/web", "tag: 1.2.0\n");
        assert_eq!(ground.pull(1).head_commit, Some(head.parse().unwrap()));
        let listed = ground.wait(ground.forge.open_pulls(&ground.project, "repin/")).unwrap();
        assert_eq!(listed[0].head_commit, Some(head.parse().unwrap()));
    });
}

#[test]
fn closed_ones_are_found_by_head_and_by_time_also_without_their_branch() {
    each(|ground| {
        ground.fake.at("2026-01-05T10:00:00Z");
        ground.open("repin/web");
        let head = ground.head("repin/web");
        ground.wait(ground.forge.update(&ground.project, 1, &closing())).unwrap();
        ground.fake.delete_branch("repin/web", BOT);
        ground.fake.later(SignedDuration::from_hours(1));
        ground.open_with("repin/api", "1.5.0");
        ground.fake.merge(2, MergeMethod::Merge, "alice");
        let of = |name: &str| -> Vec<(u64, PullState, String)> {
            let found = ground.wait(ground.forge.closed_pulls_of(&ground.project, &branch(name))).unwrap();
            found.into_iter().map(|pull| (pull.number, pull.state, pull.head.to_string())).collect()
        };
        assert_eq!(of("repin/web"), [(1, PullState::Closed, "repin/web".to_owned())]);
        assert_eq!(of("repin/api"), [(2, PullState::Merged, "repin/api".to_owned())]);
        assert_eq!(of("repin/ap"), []);
        let since = |time: &str| -> Vec<u64> {
            let since = time.parse().unwrap();
            let found = ground.wait(ground.forge.closed_pulls(&ground.project, "repin/", since)).unwrap();
            found.into_iter().map(|pull| pull.number).collect()
        };
        assert_eq!(since("2026-01-05T10:00:00Z"), [2, 1]);
        assert_eq!(since("2026-01-05T10:30:00Z"), [2]);
        assert_eq!(since("2026-01-05T12:00:00Z"), [] as [u64; 0]);
        assert_eq!(ground.pull(1).head_commit, Some(head));
        assert_eq!(ground.pull(1).closed, Some("2026-01-05T10:00:00Z".parse().unwrap()));
    });
}

#[test]
fn every_way_to_merge_is_seen_as_merged_with_its_commit() {
    each(|ground| {
        for (index, method) in [MergeMethod::Merge, MergeMethod::Squash, MergeMethod::Rebase].into_iter().enumerate() {
            let name = format!("repin/app-{index}");
            let pull = ground.open_with(&name, &format!("2.{index}.0"));
            let merged = ground.fake.merge(pull.number, method, "alice");
            assert_eq!(ground.remote.show("values.yaml"), format!("tag: 2.{index}.0\n"));
            let found = ground.pull(pull.number);
            assert_eq!(found.state, PullState::Merged, "{method:?}");
            assert!(found.closed.is_some(), "{method:?}");
            let on_base = found.merge_commit.unwrap().to_string();
            ground.remote.git(&["merge-base", "--is-ancestor", &on_base, &merged]);
        }
        ground.remote.fsck();
    });
}

#[test]
fn who_closed_it_is_told_until_it_is_opened_again() {
    each(|ground| {
        ground.open("repin/web");
        let by = || ground.wait(ground.forge.closed_by(&ground.project, 1)).unwrap();
        ground.fake.close(1, "alice");
        assert_eq!(by().as_deref(), Some("alice"));
        ground.fake.reopen(1, "alice");
        ground.fake.close(1, "renovate-bot");
        assert_eq!(by().as_deref(), Some("renovate-bot"));
    });
}

#[test]
fn github_alone_refuses_what_was_pushed_anew_while_closed() {
    each(|ground| {
        ground.open("repin/web");
        ground.wait(ground.forge.update(&ground.project, 1, &closing())).unwrap();
        models::branch(&ground.remote, "repin/web", "tag: 1.3.0\n");
        let again = ground.wait(ground.forge.update(&ground.project, 1, &opening()));
        match ground.kind {
            ForgeKind::GitHub => {
                let refused = again.unwrap_err();
                assert_eq!(refused.code(), "forge/refused");
                assert!(refused.to_string().contains("force-pushed or recreated"), "{refused}");
            }
            ForgeKind::GitLab | ForgeKind::Gitea => assert_eq!(again.unwrap().state, PullState::Open),
        }
    });
}

#[test]
fn nothing_that_was_merged_is_opened_again() {
    each(|ground| {
        ground.open("repin/web");
        ground.fake.merge(1, MergeMethod::Squash, "alice");
        let refused = ground.wait(ground.forge.update(&ground.project, 1, &opening())).unwrap_err();
        assert_eq!(refused.code(), "forge/refused", "{refused}");
    });
}

#[test]
fn whom_the_forge_does_not_take_is_named_and_the_others_are_asked() {
    each(|ground| {
        let pull = ground.open("repin/web");
        ground.fake.label(1, "security");
        let people = PullPeople {
            labels: set(&["deps", "security", "café & more"]),
            reviewers: set(&["alice", "bob", "nobody"]),
            assignees: set(&["carol", "stranger"]),
        };
        let refused = ground.wait(ground.forge.ask(&ground.project, &pull, &people)).unwrap();
        assert_eq!(refused.into_iter().collect::<BTreeSet<_>>(), set(&["nobody", "stranger"]));
        let seen = ground.fake.pull(1);
        assert_eq!(seen.labels, ["café & more", "deps", "security"]);
        assert_eq!(
            (seen.reviewers, seen.assignees),
            (vec!["alice".to_owned(), "bob".to_owned()], vec!["carol".to_owned()])
        );
        // Nobody is taken away by asking for somebody else.
        let more = PullPeople { reviewers: set(&["dave"]), assignees: set(&["bob"]), ..PullPeople::default() };
        assert_eq!(ground.wait(ground.forge.ask(&ground.project, &ground.pull(1), &more)).unwrap(), [] as [&str; 0]);
        let seen = ground.fake.pull(1);
        assert_eq!(seen.reviewers, ["alice", "bob", "dave"]);
        assert_eq!(seen.assignees, ["bob", "carol"]);
        ground.wait(ground.forge.remove_label(&ground.project, 1, "café & more")).unwrap();
        ground.wait(ground.forge.remove_label(&ground.project, 1, "café & more")).unwrap();
        assert_eq!(ground.pull(1).labels, set(&["deps", "security"]));
    });
}

#[test]
fn whom_gitlab_passes_over_in_silence_is_named() {
    let ground = Ground::of(ForgeKind::GitLab);
    ground.fake.take_one_person();
    let pull = ground.open("repin/web");
    let people = PullPeople { reviewers: set(&["alice", "bob"]), ..PullPeople::default() };
    assert_eq!(ground.wait(ground.forge.ask(&ground.project, &pull, &people)).unwrap(), ["bob"]);
    assert_eq!(ground.fake.pull(1).reviewers, ["alice"]);
}

#[test]
fn a_push_ends_the_wait_of_gitlab_and_it_can_be_asked_again() {
    each(|ground| {
        ground.open("repin/web");
        let merge = || ground.wait(ground.forge.auto_merge(&ground.project, &ground.pull(1), MergeMethod::Squash));
        merge().unwrap();
        models::branch(&ground.remote, "repin/web", "tag: 1.2.0\n");
        let is_waiting = ground.fake.pull(1).auto_merge.is_some();
        assert_eq!(is_waiting, ground.kind != ForgeKind::GitLab);
        merge().unwrap();
        ground.fake.checks_pass(1);
        assert_eq!(ground.remote.show("values.yaml"), "tag: 1.2.0\n");
    });
}

#[test]
fn teams_are_asked_where_there_are_any() {
    each(|ground| {
        let pull = ground.open("repin/web");
        let people = PullPeople { reviewers: set(&["acme/platform", "other/team", "alice"]), ..PullPeople::default() };
        let refused = ground.wait(ground.forge.ask(&ground.project, &pull, &people)).unwrap();
        let seen = ground.fake.pull(1).reviewers;
        match ground.kind {
            ForgeKind::GitHub | ForgeKind::Gitea => {
                assert_eq!(
                    (refused, seen),
                    (vec!["other/team".to_owned()], vec!["alice".to_owned(), "acme/platform".to_owned()])
                );
            }
            ForgeKind::GitLab => {
                assert_eq!(refused.into_iter().collect::<BTreeSet<_>>(), set(&["acme/platform", "other/team"]));
                assert_eq!(seen, ["alice"]);
            }
        }
    });
}

#[test]
fn a_comment_is_written_once_and_ours_is_no_discussion() {
    each(|ground| {
        ground.open("repin/web");
        let mark = "<!-- repin: told foreign -->";
        for _ in 0..2 {
            let text = format!("Hands off.\n\n{mark}");
            ground.wait(ground.forge.comment_once(&ground.project, 1, mark, &text)).unwrap();
        }
        assert_eq!(ground.fake.pull(1).comments, [(BOT.to_owned(), format!("Hands off.\n\n{mark}"))]);
        let is_discussed = || ground.wait(ground.forge.is_discussed(&ground.project, 1)).unwrap();
        // What the forge says itself is no discussion either.
        ground.fake.close(1, "alice");
        ground.fake.reopen(1, "alice");
        models::branch(&ground.remote, "repin/web", "tag: 1.3.0\n");
        assert!(!is_discussed());
        for number in 0..120 {
            ground.fake.comment(1, BOT, &format!("word {number}"));
        }
        assert!(!is_discussed());
        ground.fake.comment(1, "alice", "Why this one?");
        assert!(is_discussed());
    });
}

#[test]
fn who_approves_is_listed_as_long_as_the_verdict_stands() {
    each(|ground| {
        ground.open("repin/web");
        ground.fake.at("2026-01-05T10:00:00Z");
        for login in ["alice", "bob"] {
            ground.fake.approve(1, login);
        }
        let approvals = || -> Vec<(String, Option<Timestamp>)> {
            let found = ground.wait(ground.forge.approvals(&ground.project, 1)).unwrap();
            found.into_iter().map(|approval| (approval.login, approval.time)).collect()
        };
        let at = Some("2026-01-05T10:00:00Z".parse().unwrap());
        assert_eq!(approvals(), [("alice".to_owned(), at), ("bob".to_owned(), at)]);
        ground.fake.request_changes(1, "bob");
        assert_eq!(approvals(), [("alice".to_owned(), at)]);
    });
}

#[test]
fn conflicts_are_told_once_the_forge_has_looked() {
    each(|ground| {
        ground.open("repin/web");
        assert_eq!(ground.pull(1).has_conflict, Some(false));
        ground.remote.commit(&[("values.yaml", "tag: 7.0.0\n")], "Somebody else");
        assert_eq!(ground.pull(1).has_conflict, Some(true));
        ground.fake.answer_lazily();
        models::branch(&ground.remote, "repin/web", "tag: 7.1.0\n");
        let at_first = ground.pull(1).has_conflict;
        // Gitea has one word for "conflict" and "not looked yet".
        assert_eq!(at_first, if ground.kind == ForgeKind::Gitea { Some(true) } else { None });
        assert_eq!(ground.pull(1).has_conflict, Some(false));
    });
}

#[test]
fn the_forge_merges_by_itself_when_checks_pass() {
    each(|ground| {
        ground.open("repin/web");
        let merge = |method| ground.wait(ground.forge.auto_merge(&ground.project, &ground.pull(1), method));
        ground.fake.allow_auto_merge(false);
        assert_eq!(merge(MergeMethod::Squash).unwrap_err().code(), "forge/refused");
        ground.fake.allow_auto_merge(true);
        ground.fake.require_checks(false);
        assert_eq!(merge(MergeMethod::Squash).unwrap_err().code(), "forge/refused", "nothing is left to wait for");
        assert_eq!(ground.fake.pull(1).state, PullState::Open);
        ground.fake.require_checks(true);
        merge(MergeMethod::Squash).unwrap();
        merge(MergeMethod::Squash).unwrap();
        let seen = ground.fake.pull(1);
        assert_eq!((seen.state, seen.auto_merge), (PullState::Open, Some(MergeMethod::Squash)));
        ground.fake.checks_pass(1);
        assert_eq!(ground.pull(1).state, PullState::Merged);
        assert_eq!(ground.remote.show("values.yaml"), "tag: 1.1.0\n");
    });
}

#[test]
fn the_forge_stops_merging_by_itself_and_what_waits_for_nothing_is_no_error() {
    each(|ground| {
        ground.open("repin/web");
        let merge = || ground.wait(ground.forge.auto_merge(&ground.project, &ground.pull(1), MergeMethod::Squash));
        let stop = || ground.wait(ground.forge.stop_auto_merge(&ground.project, &ground.pull(1)));
        stop().unwrap();
        merge().unwrap();
        assert_eq!(ground.fake.pull(1).auto_merge, Some(MergeMethod::Squash));
        stop().unwrap();
        stop().unwrap();
        assert_eq!(ground.fake.pull(1).auto_merge, None);
        ground.fake.checks_pass(1);
        assert_eq!(ground.pull(1).state, PullState::Open);
        assert_eq!(ground.remote.show("values.yaml"), "tag: 1.0.0\n");
        // It can be asked for again, and nothing is left to stop once it is merged or closed.
        models::branch(&ground.remote, "repin/web", "tag: 1.2.0\n");
        merge().unwrap();
        ground.fake.checks_pass(1);
        assert_eq!(ground.pull(1).state, PullState::Merged);
        stop().unwrap();
        ground.open_with("repin/db", "2.0.0");
        ground.fake.close(2, "alice");
        ground.wait(ground.forge.stop_auto_merge(&ground.project, &ground.pull(2))).unwrap();
        assert_eq!(ground.pull(2).state, PullState::Closed);
    });
}

#[test]
fn a_merge_that_cannot_be_stopped_is_an_error() {
    each(|ground| {
        let pull = ground.open("repin/web");
        let alice = ground.other(token(&ground.fake.add_token("alice", Access::Write)));
        ground.wait(alice.auto_merge(&ground.project, &pull, MergeMethod::Squash)).unwrap();
        let reader = ground.other(token(&ground.fake.add_token("carol", Access::Read)));
        let refused = ground.wait(reader.stop_auto_merge(&ground.project, &pull)).unwrap_err();
        assert_eq!(refused.code(), "forge/forbidden");
        assert!(ground.fake.pull(1).auto_merge.is_some());
        // On GitLab who may not merge stops only what they opened themselves.
        if ground.kind == ForgeKind::GitLab {
            ground.fake.allow_auto_merge(false);
            let refused = ground.wait(alice.stop_auto_merge(&ground.project, &pull)).unwrap_err();
            assert!(refused.code() == "forge/refused" && refused.to_string().contains("may not stop"), "{refused}");
            assert!(ground.fake.pull(1).auto_merge.is_some());
        }
        let stopped = ground.wait(ground.forge.stop_auto_merge(&ground.project, &pull));
        let is_waiting = ground.fake.pull(1).auto_merge.is_some();
        // On Gitea only who scheduled it takes it back.
        if ground.kind == ForgeKind::Gitea {
            assert_eq!((stopped.unwrap_err().code(), is_waiting), ("forge/forbidden", true));
        } else {
            assert_eq!((stopped, is_waiting), (Ok(()), false));
        }
    });
}

#[test]
fn the_forge_makes_a_commit_only_on_the_expected_head() {
    each(|ground| {
        let commit = |expected: CommitId, files: &[ForgeFile]| {
            let message = "Update web\n\nWhy it is.\n\nRepin-Format: 1\n";
            ground.wait(ground.forge.commit(&ground.project, &branch("repin/web"), &expected, message, files))
        };
        let file =
            |path: &str, content: &[u8], is_new| ForgeFile { path: path.to_owned(), content: content.to_vec(), is_new };
        let head = ground.head("repin/web");
        let files = [
            file("values.yaml", b"tag: \"2.0.0\"  # \xc3\xa4\n", false),
            file("new/.argocd-source-web.yaml", b"a: 1\r\n", true),
        ];
        let made = commit(head, &files).unwrap();
        assert_eq!(made, ground.head("repin/web"));
        assert_eq!(ground.remote.show_at("repin/web", "values.yaml"), "tag: \"2.0.0\"  # ä\n");
        assert_eq!(ground.remote.show_at("repin/web", "new/.argocd-source-web.yaml"), "a: 1\r\n");
        assert_eq!(ground.remote.git(&["rev-parse", "repin/web^"]), head.to_string());
        let message = ground.remote.git(&["log", "-1", "--format=%B", "repin/web"]);
        assert_eq!(message.trim_end(), "Update web\n\nWhy it is.\n\nRepin-Format: 1");
        let moved = commit(head, &[file("values.yaml", b"tag: 3.0.0\n", false)]).unwrap_err();
        assert!(matches!(moved, ForgeError::Moved { .. }), "{moved:?}");
        assert_eq!(made, ground.head("repin/web"));
        let emails = ground.wait(ground.forge.identity(&ground.project)).unwrap().emails;
        let author = ground.remote.git(&["log", "-1", "--format=%ae", "repin/web"]);
        assert!(emails.contains(&author), "{author} is none of {emails:?}");
        ground.remote.fsck();
    });
}

#[test]
fn a_person_who_pushes_between_two_looks_is_not_overwritten_by_a_commit_of_the_forge() {
    each(|ground| {
        let head = ground.head("repin/web");
        let push = NewCommit { branch: "repin/web", ..NewCommit::new(&[("other.yaml", "a: 2\n")], "By a person") };
        let theirs = ground.remote.make(&push);
        let files = [ForgeFile { path: "values.yaml".to_owned(), content: b"tag: 3.0.0\n".to_vec(), is_new: false }];
        let moved = ground.wait(ground.forge.commit(&ground.project, &branch("repin/web"), &head, "x", &files));
        assert!(matches!(moved, Err(ForgeError::Moved { .. })), "{moved:?}");
        assert_eq!(ground.head("repin/web").to_string(), theirs);
    });
}

#[test]
fn revisions_of_a_source_are_compared_both_ways() {
    each(|ground| {
        let source = ground.fake.add_source_project("acme/web");
        let project = "acme/web".parse().unwrap();
        let first = source.commit("Begin", "alice");
        let mut last = String::new();
        for number in 1..=3 {
            last = source.commit(&format!("Change {number}\n\nWhy."), "bob");
        }
        let side = source.commit_on("side", "Beside", "carol");
        source.remote().git(&["update-ref", "refs/heads/other", &first]);
        let other = source.commit_on("other", "Elsewhere", "dave");
        let compare =
            |old: &str, new: &str, limit| ground.wait(ground.forge.compare(&project, old, new, limit)).unwrap();
        let ahead = compare(&first, &last, 10).unwrap();
        assert_eq!((ahead.course, ahead.total), (Course::Ahead, 3));
        let subjects: Vec<&str> = ahead.commits.iter().map(|commit| commit.subject.as_str()).collect();
        assert_eq!(subjects, ["Change 3", "Change 2", "Change 1"]);
        assert_eq!((ahead.commits[0].author.as_str(), ahead.commits[0].email.as_str()), ("bob", "bob@people.example"));
        assert!(ahead.url.starts_with(&source.url()), "{}", ahead.url);
        let capped = compare(&first, &last, 2).unwrap();
        assert_eq!((capped.commits.len(), capped.total), (2, 3));
        assert_eq!(capped.commits[0].subject, "Change 3");
        let behind = compare(&last, &first, 10).unwrap();
        assert_eq!((behind.course, behind.commits.len()), (Course::Behind, 0));
        assert_eq!(compare(&last, &last, 10).unwrap().course, Course::Same);
        assert_eq!(compare(&side, &other, 10).unwrap().course, Course::Diverged);
        assert_eq!(compare(&first, &"0".repeat(40), 10), None);
        assert_eq!(compare("../../secrets", &last, 10), None);
        let one = ground.wait(ground.forge.source_commit(&project, &last)).unwrap().unwrap();
        assert_eq!((one.id.to_string(), one.subject.as_str()), (last, "Change 3"));
        assert_eq!(ground.wait(ground.forge.source_commit(&project, &"0".repeat(40))).unwrap(), None);
    });
}

#[test]
fn the_pull_requests_that_brought_commits_are_found() {
    each(|ground| {
        let source = ground.fake.add_source_project("acme/web");
        let project = "acme/web".parse().unwrap();
        let old = source.commit("Begin", "alice");
        source.merge("Add login", "bob", &["Add a form", "Check it"], MergeMethod::Merge);
        source.merge("Fix login", "carol", &["Fix it"], MergeMethod::Squash);
        let direct = source.commit("Right on main", "alice");
        let waiting = source.open("Not yet", "dave", &["Later"]);
        let compared = ground.wait(ground.forge.compare(&project, &old, &direct, 50)).unwrap().unwrap();
        let ids: Vec<CommitId> = compared.commits.iter().map(|commit| commit.id).collect();
        let found = ground.wait(ground.forge.pulls_of_commits(&project, &ids)).unwrap();
        let found: BTreeSet<(u64, &str, &str)> =
            found.iter().map(|pull| (pull.number, pull.title.as_str(), pull.author.as_str())).collect();
        assert_eq!(found, [(1, "Add login", "bob"), (2, "Fix login", "carol")].into());
        let open = ground.wait(ground.forge.source_pull(&project, waiting)).unwrap().unwrap();
        assert_eq!((open.title.as_str(), open.merged), ("Not yet", None));
        assert_eq!(ground.wait(ground.forge.source_pull(&project, 99)).unwrap(), None);
    });
}

#[test]
fn two_hundred_and_fifty_are_listed_in_few_requests_and_again_for_nothing() {
    each(|ground| {
        let tree = ground.remote.git(&["rev-parse", "repin/web^{tree}"]);
        let commit = ground.remote.git(&["commit-tree", &tree, "-p", "main", "-m", "Update all"]);
        let names: Vec<String> = (0..250).map(|number| format!("repin/app-{number:03}")).collect();
        let refs: String = names.iter().map(|name| format!("create refs/heads/{name} {commit}\n")).collect();
        ground.remote.git_with_input(&["update-ref", "--stdin"], refs.as_bytes());
        ground.fake.open_all(&names, BOT);
        ground.fake.open_from_fork("mallory", "repin/app-000", "Take this");
        ground.fake.clear_requests();
        let list = || ground.wait(ground.forge.open_pulls(&ground.project, "repin/")).unwrap();
        let found = list();
        let heads: BTreeSet<&str> = found.iter().map(|pull| pull.head.as_str()).collect();
        assert_eq!((found.len(), heads.len()), (250, 250));
        let asked = ground.fake.requests().len();
        let pages = if ground.kind == ForgeKind::Gitea { 6 } else { 3 };
        assert_eq!(asked, pages);
        assert_eq!(list(), found);
        let again = ground.fake.requests().split_off(asked);
        let known = again.iter().filter(|request| request.conditional && request.status == 304).count();
        // Gitea has no conditional requests.
        assert_eq!((again.len(), known), (pages, if ground.kind == ForgeKind::Gitea { 0 } else { pages }));
        assert_eq!(ground.forge.traffic().not_modified, known as u64);
    });
}

#[test]
fn forks_are_none_of_ours() {
    each(|ground| {
        let fork = ground.fake.open_from_fork("mallory", "repin/web", "Take this");
        assert_eq!(ground.wait(ground.forge.open_pulls(&ground.project, "repin/")).unwrap(), []);
        assert_eq!(ground.wait(ground.forge.pull(&ground.project, fork)).unwrap(), None);
        ground.fake.close(fork, "mallory");
        assert_eq!(ground.wait(ground.forge.closed_pulls(&ground.project, "repin/", LONG_AGO)).unwrap(), []);
        assert_eq!(ground.wait(ground.forge.closed_pulls_of(&ground.project, &branch("repin/web"))).unwrap(), []);
        // Ours is opened beside it.
        ground.open("repin/web");
    });
}

#[test]
fn a_forge_that_has_had_enough_is_left_alone() {
    each(|ground| {
        ground.open("repin/web");
        ground.fake.trouble("GET", "", 1, Trouble::Secondary(90));
        let list = || ground.wait(ground.forge.open_pulls(&ground.project, "repin/"));
        let refused = list().unwrap_err();
        assert_eq!(refused.retry(), Retry::After(Duration::from_secs(90)), "{refused}");
        ground.fake.clear_requests();
        assert_eq!(list().unwrap_err().code(), "forge/throttled");
        assert_eq!(ground.fake.requests(), []);
        assert_eq!(ground.forge.traffic().throttled, 1);
    });
}

#[test]
fn what_is_left_of_the_allowance_is_kept_to() {
    each(|ground| {
        ground.open("repin/web");
        ground.fake.leave_requests(0, Timestamp::now() + SignedDuration::from_secs(300));
        let refused = ground.wait(ground.forge.open_pulls(&ground.project, "repin/")).unwrap_err();
        let Retry::After(after) = refused.retry() else { panic!("{refused}") };
        assert!((290..=301).contains(&after.as_secs()), "{after:?}");
    });
}

#[test]
fn who_may_not_is_told_so() {
    each(|ground| {
        ground.open("repin/web");
        let code = |login: ForgeLogin| {
            let forge = ground.other(login);
            ground.wait(forge.open_pulls(&ground.project, "repin/")).unwrap_err().code()
        };
        assert_eq!(code(token("wrong")), "forge/unauthorized");
        assert_eq!(code(token(&ground.fake.add_token("dave", Access::Nothing))), "forge/not-found");
        let reader = ground.other(token(&ground.fake.add_token("carol", Access::Read)));
        assert_eq!(ground.wait(reader.open_pulls(&ground.project, "repin/")).unwrap().len(), 1);
        let refused = ground.wait(reader.update(&ground.project, 1, &closing())).unwrap_err();
        assert_eq!(refused.code(), "forge/forbidden");
        let nobody = ground.other(ForgeLogin::Fixed(Credentials::Anonymous));
        assert_eq!(ground.wait(nobody.pull(&ground.project, 1)).unwrap().unwrap().number, 1);
        assert_eq!(ground.fake.pull(1).state, PullState::Open);
    });
}

#[test]
fn an_answer_that_is_none_is_an_error_and_never_a_list() {
    each(|ground| {
        ground.open("repin/web");
        let html = || vec![("content-type", "text/html".to_owned())];
        let json = || vec![("content-type", "application/json".to_owned())];
        for (status, headers, body, code) in [
            (200, html(), "<!DOCTYPE html><p>log in", "forge/bad-answer"),
            (200, json(), "[{\"number\": 1,", "forge/bad-answer"),
            (200, json(), "{}", "forge/bad-answer"),
            (200, json(), "null", "forge/bad-answer"),
            (502, html(), "<h1>Bad\u{1b}[31m Gateway</h1>", "forge/failed"),
            (500, json(), "", "forge/failed"),
        ] {
            ground.fake.no_trouble();
            ground.fake.trouble("GET", "", 9, Trouble::Answer(status, headers, body.to_owned()));
            let refused = ground.wait(ground.forge.open_pulls(&ground.project, "repin/")).unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
            assert!(!refused.to_string().contains('\u{1b}'), "{refused}");
        }
    });
}

#[test]
fn links_lead_nowhere_else_and_do_not_go_round() {
    each(|ground| {
        let elsewhere = FakeForge::start(ground.kind, &ground.remote);
        let link = |target: &str| {
            vec![("content-type", "application/json".to_owned()), ("link", format!("<{target}>; rel=\"next\""))]
        };
        let entry = "[{\"number\": 7, \"iid\": 7, \"state\": \"open\"}]";
        let other = format!("{}/repos/{PROJECT}/pulls?page=2", elsewhere.api_url());
        ground.fake.trouble("GET", "", 1, Trouble::Answer(200, link(&other), entry.to_owned()));
        let _ = ground.wait(ground.forge.open_pulls(&ground.project, "repin/"));
        assert_eq!(elsewhere.requests(), []);
        let round = link("?page=2");
        ground.fake.trouble("GET", "", 9, Trouble::Answer(200, round, entry.to_owned()));
        let refused = ground.wait(ground.forge.open_pulls(&ground.project, "repin/")).unwrap_err();
        assert_eq!(refused.code(), "forge/bad-answer");
        let _ = ground.fake.take_violations();
    });
}

#[test]
fn a_write_whose_answer_is_lost_is_not_sent_again() {
    each(|ground| {
        let new = new("repin/web");
        ground.fake.trouble("POST", "", 1, Trouble::DropAnswer);
        let lost = ground.wait(ground.forge.open(&ground.project, &new)).unwrap_err();
        assert_eq!(lost.code(), "forge/unreachable");
        assert_eq!(ground.fake.pulls().len(), 1);
        // The next cycle finds it.
        let found = ground.wait(ground.forge.open_pulls(&ground.project, "repin/")).unwrap();
        assert_eq!((found.len(), found[0].title.as_str()), (1, new.title.as_str()));
    });
}

#[test]
fn an_app_has_a_token_for_each_organisation_and_renews_it() {
    let ground = Ground::of(ForgeKind::GitHub);
    let key = include_str!("../data/google/key.pkcs1.pem");
    ground.fake.add_app("1234", "repin", key, &["acme"]);
    let app = |key: &str| ForgeLogin::App { id: "1234".to_owned(), key: Secret::new(key) };
    let forge = ground.other(app(key));
    let opened = ground.wait(forge.open(&ground.project, &new("repin/web"))).unwrap();
    assert_eq!(opened.author, "repin[bot]");
    let tokens = || ground.fake.requests().iter().filter(|one| one.path.ends_with("/access_tokens")).count();
    ground.wait(forge.open_pulls(&ground.project, "repin/")).unwrap();
    assert_eq!(tokens(), 1);
    ground.fake.revoke_app_tokens();
    ground.wait(forge.open_pulls(&ground.project, "repin/")).unwrap();
    assert_eq!(tokens(), 2);
    let identity = ground.wait(forge.identity(&ground.project)).unwrap();
    assert_eq!(identity.login, "repin[bot]");
    let Some(Credentials::Token(for_git)) = ground.wait(forge.git_credentials(&ground.project)).unwrap() else {
        panic!("no token for Git")
    };
    assert!(for_git.expose().starts_with("ghs_"));
    let other = "zoo/gitops".parse().unwrap();
    assert_eq!(ground.wait(forge.open_pulls(&other, "repin/")).unwrap_err().code(), "forge/not-found");
    // PKCS #8 is the same key, another id is another App.
    let same = ground.other(app(include_str!("../data/google/key.pem")));
    assert_eq!(ground.wait(same.open_pulls(&ground.project, "repin/")).unwrap().len(), 1);
    let unknown = ground.other(ForgeLogin::App { id: "99".to_owned(), key: Secret::new(key) });
    assert_eq!(ground.wait(unknown.open_pulls(&ground.project, "repin/")).unwrap_err().code(), "forge/unauthorized");
}

#[test]
fn tokens_go_to_the_api_only_and_no_error_shows_them() {
    each(|ground| {
        let secret = "canary-1f2e3d4c5b6a";
        let forge = ground.other(token(secret));
        let body = format!("{{\"message\": \"bad token {secret}\"}}");
        let headers = vec![("content-type", "application/json".to_owned())];
        ground.fake.trouble("GET", "", 1, Trouble::Answer(403, headers, body));
        let refused = ground.wait(forge.open_pulls(&ground.project, "repin/")).unwrap_err();
        assert!(!refused.to_string().contains(secret), "{refused}");
        assert!(!format!("{refused:?} {forge:?}").contains(secret));
        assert!(ground.fake.requests()[0].authorization.as_deref().unwrap().contains(secret));
    });
}
