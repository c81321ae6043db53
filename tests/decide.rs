//! The decision as a pure function: Applications, files, tag lists and history in, outcomes and commits out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "decide/estate.rs"]
mod estate;
#[path = "decide/gates.rs"]
mod gates;
#[path = "decide/orders.rs"]
mod orders;
#[path = "decide/promotion.rs"]
mod promotion;
#[path = "support/pure.rs"]
mod pure;
#[path = "decide/signatures.rs"]
mod signatures;
#[path = "decide/status.rs"]
mod status;
#[path = "decide/trial.rs"]
mod trial;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use repin::manifest::Source;
use repin::manifest::argocd::{Definitions, read_applications};
use repin::message::trailers::Change;
use repin::model::change::PlannedCommit;
use repin::model::history::CommitInfo;
use repin::model::metadata::Described;
use repin::model::names::{Digest, ImageName, RepoPath, Tag};
use repin::model::outcome::OutcomeResult;
use repin::model::promotion::Promotion;
use repin::model::rule::{AtLeast, Delivery, Glob, Match, Per, PullSecret, RegistryPrefix, Rule};
use repin::model::schedule::Schedule;
use repin::model::schedule::cron::Cron;
use repin::model::tracked::{RemoteBranch, Target};
use repin::model::verification::{KeyName, Unverified, Verification};
use repin::plan::locate::{FileState, Files, Located, Site, locate};
use repin::plan::rollback::{Standing, Stood, Timeline};
use repin::plan::{Decision, Failure, Listed, Question, Snapshot, Subject, decide};
use repin::resolve::{Configured, KnownRepository, resolve};
use repin::rules;

/// What a case is made of.
#[derive(Clone, Default)]
struct World {
    /// Name of the Application and its annotations without prefix.
    applications: Vec<(&'static str, Vec<(&'static str, String)>)>,
    /// Files by path.
    files: BTreeMap<&'static str, String>,
    /// Tags that the registry lists, by image.
    tags: BTreeMap<&'static str, Vec<&'static str>>,
    /// Tags whose manifests answer although they are not listed, or do not although they are.
    answers: BTreeMap<(&'static str, &'static str), bool>,
    /// Values that stood at every place before today's, oldest first; with `+` before it one that repin wrote.
    past: Vec<&'static str>,
    /// What images say of themselves, by tag; the others are gone.
    images: BTreeMap<&'static str, Result<Option<Described>, Failure>>,
    /// The same as they are remembered, by tag.
    remembered: BTreeMap<&'static str, Described>,
    /// The tags that were looked at, in the order of the looks.
    looks: RefCell<Vec<String>>,
    /// Digits of digests, by tag; the others have `a`.
    digests: BTreeMap<&'static str, &'static str>,
    /// What a digest's signatures are worth to a key, by the key's name and the digest's digit; the others have none.
    signatures: BTreeMap<(&'static str, &'static str), Result<Verification, Failure>>,
    /// When tags were first seen with the digest that they have, in seconds before now; the others are seen now.
    seen: BTreeMap<&'static str, i64>,
    /// The same, as a commit's trailers say it.
    trailers: BTreeMap<&'static str, i64>,
    /// The tag for which repin wrote the digest that stands.
    named: Option<&'static str>,
    observe: bool,
    no_rules: bool,
    reversed: bool,
    /// More rules, behind the one for `apps/**`.
    rules: Vec<Rule>,
    /// `branches:` of the repository.
    branches: Vec<&'static str>,
    /// Branches of the remote besides the base, with what `apps/web/values.yaml` holds there.
    others: BTreeMap<&'static str, String>,
}

fn annotation(key: &'static str, value: &str) -> (&'static str, String) {
    (key, value.to_owned())
}

fn base() -> RemoteBranch {
    RemoteBranch { repository: "gitops".into(), branch: "main".parse().unwrap() }
}

fn digest(digit: &str) -> Digest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

/// What stood, from a text as it stands in a file.
fn stood(text: &str) -> Stood {
    if text.starts_with("sha256:") {
        return Stood::Tag { tag: String::new(), digest: Some(text.to_owned()) };
    }
    let (tag, digest) = text.split_once('@').map_or((text, None), |(tag, digest)| (tag, Some(digest.to_owned())));
    Stood::Tag { tag: tag.to_owned(), digest }
}

fn values(tag: &str) -> String {
    format!("# keep\nimage:\n  repository: r.example/web\n  tag: {tag} # c\n")
}

impl World {
    /// One Application `web` with `image.tag` in `apps/web/values.yaml`.
    fn web(constraint: &str, tag: &str, tags: &[&'static str]) -> Self {
        let mut world = Self::default();
        world.add("web", "apps/web/values.yaml", constraint);
        world.files.insert("apps/web/values.yaml", values(tag));
        world.tags.insert("r.example/web", tags.to_vec());
        world
    }

    fn add(&mut self, name: &'static str, file: &str, constraint: &str) {
        let list = format!("app=r.example/web{constraint}");
        let target = format!("helmvalues:/{file}");
        self.applications.push((
            name,
            vec![("image-list", list), annotation("app.helm.image-tag", "image.tag"), ("write-back-target", target)],
        ));
    }

    fn with(mut self, key: &'static str, value: &str) -> Self {
        self.applications[0].1.push(annotation(key, value));
        self
    }

    fn snapshot(&self) -> Snapshot {
        let known = [KnownRepository {
            name: "gitops".into(),
            branch: "main".parse().unwrap(),
            branches: self.branches.iter().map(|glob| glob.parse().unwrap()).collect(),
            default: None,
            urls: vec!["git.example/acme/gitops".into()],
        }];
        let secret =
            PullSecret { name: "harbor".into(), registries: vec!["r.example".into()], ..PullSecret::default() };
        let keys: Vec<KeyName> = ["qa", "release"].iter().map(|name| name.parse().unwrap()).collect();
        let configured =
            Configured { repositories: &known, pull_secrets: &[secret], cosign_keys: &keys, ..Configured::default() };
        let rule = Rule {
            matches: Match { path: Some(Glob::of_paths("apps/**").unwrap()), ..Match::default() },
            environment: Some("dev".into()),
            delivery: Some(Delivery::Commit),
            may_write: vec![Glob::of_paths("apps/**").unwrap()],
            ..Rule::default()
        };
        let mut rules = if self.no_rules { vec![] } else { vec![rule] };
        rules.extend(self.rules.clone());
        let mut snapshot = Snapshot { now: Timestamp::UNIX_EPOCH, rules: rules.clone().into(), ..Snapshot::default() };
        let heads = std::iter::once("main").chain(self.others.keys().copied());
        let advertised =
            heads.map(|name| (name.parse().unwrap(), "1".repeat(40).parse().unwrap())).collect::<BTreeMap<_, _>>();
        snapshot.advertised.insert("gitops".into(), Arc::new(advertised));
        snapshot.heads.insert(base(), "1".repeat(40).parse().unwrap());
        for (path, text) in &self.files {
            let state = match Source::parse(text) {
                Ok(source) => FileState::Parsed(Arc::new(source)),
                Err(error) => FileState::Unreadable(Arc::new(error)),
            };
            snapshot.files.insert((base(), path.parse().unwrap()), state);
        }
        for (name, annotations) in &self.applications {
            let lines: String =
                annotations.iter().map(|(key, value)| format!("    repin.dev/{key}: \"{value}\"\n")).collect();
            let text = format!(
                "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  annotations:\n{lines}spec:\n  \
                 source: {{repoURL: \"https://git.example/acme/gitops.git\", path: apps/{name}, targetRevision: main}}\n"
            );
            let Definitions { applications, problems, .. } =
                read_applications("gitops", &"apps.yaml".parse().unwrap(), &text);
            assert_eq!(problems, [], "{text}");
            for tracked in resolve(&applications[0], &configured).0 {
                let read = |path: &RepoPath| {
                    snapshot.files.get(&(base(), path.clone())).cloned().unwrap_or(FileState::Missing)
                };
                let list = |directory: &RepoPath, is_recursive: bool| {
                    let mut files: Vec<RepoPath> = self.files.keys().map(|path| path.parse().unwrap()).collect();
                    files.retain(|file| file.is_within(directory) && (is_recursive || file.parent() == *directory));
                    files
                };
                let count = |directory: &RepoPath, is_recursive| list(directory, is_recursive).len();
                let speaks = |file: &RepoPath| {
                    let image = tracked.image.as_ref().unwrap().repository();
                    self.files[file.as_str()].contains(image.rsplit('/').next().unwrap())
                };
                let naming = |directory: &RepoPath, is_recursive| {
                    list(directory, is_recursive).into_iter().filter(speaks).collect()
                };
                let holding = |directory: &RepoPath, is_recursive, _: &str| list(directory, is_recursive);
                let files = Files { read: &read, count: &count, naming: &naming, holding: &holding };
                let located = tracked.target.as_ref().and_then(|target| locate(&tracked, target, files).pop());
                let branch = tracked.target.as_ref().map(Target::written_branch).unwrap_or_default();
                let rule = located.as_ref().map(|located| {
                    let subject = rules::Subject {
                        repository: "gitops",
                        branch: &branch,
                        path: Some(&located.file),
                        application: name,
                        namespace: "argocd",
                        project: "default",
                        labels: &BTreeMap::new(),
                    };
                    rules::effective(&rules, self.observe, &subject)
                });
                let now = located.as_ref().and_then(|located| located.site.as_ref().ok()).and_then(Site::shown);
                let timeline = self.timeline(now);
                let tracked = Arc::new(tracked);
                snapshot.subjects.push(Arc::new(Subject {
                    tracked,
                    located,
                    rule,
                    timeline,
                    memo: Default::default(),
                }));
            }
        }
        if self.reversed {
            snapshot.subjects.reverse();
        }
        snapshot
    }

    fn timeline(&self, now: Option<String>) -> Timeline {
        let words = self.past.iter().map(|tag| (*tag).to_owned()).chain(now);
        let mut standings: Vec<Standing> = words
            .enumerate()
            .map(|(at, word)| Standing {
                at: at as u64,
                commit: Arc::new(CommitInfo {
                    id: format!("{at:040x}").parse().unwrap(),
                    author_name: "Paula".into(),
                    author_email: "p@example.com".into(),
                    time: Timestamp::UNIX_EPOCH,
                    committer_name: "Paula".into(),
                    committer_email: "p@example.com".into(),
                    committed: Timestamp::UNIX_EPOCH,
                    subject: "set".into(),
                    message: String::new(),
                }),
                since: Timestamp::UNIX_EPOCH,
                stood: stood(word.trim_start_matches('+')),
                claimed: word.strip_prefix('+').map(|new| {
                    Arc::new(Change {
                        file: "apps/web/values.yaml".into(),
                        key: "image.tag".into(),
                        image: "r.example/web".into(),
                        old: None,
                        new: new.to_owned(),
                        digest: None,
                    })
                }),
            })
            .collect();
        standings.reverse();
        if let (Some(name), Some(Stood::Tag { tag, .. })) =
            (self.named, standings.first_mut().map(|standing| &mut standing.stood))
        {
            name.clone_into(tag);
        }
        let seen = |(tag, ago): (&&str, &i64)| {
            let key = ("r.example/web".parse().unwrap(), tag.parse().unwrap(), digest("a"));
            (key, Timestamp::from_second(-ago).unwrap())
        };
        let first_seen = Arc::new(self.trailers.iter().map(seen).collect());
        Timeline { standings, first_seen, ..Timeline::default() }
    }

    fn decide(&self) -> Decision {
        self.decide_on(self.snapshot())
    }

    /// Answers questions until none is left.
    fn decide_on(&self, mut snapshot: Snapshot) -> Decision {
        for ((tag, ago), digest) in self.seen.iter().zip(std::iter::repeat(digest("a"))) {
            let key = ("r.example/web".parse().unwrap(), tag.parse().unwrap(), digest);
            snapshot.first_seen.insert(key, Timestamp::from_second(-ago).unwrap());
        }
        for _ in 0..10 {
            let decision = decide(&snapshot);
            if decision.questions.is_empty() {
                return decision;
            }
            for question in decision.questions {
                self.answer(question, &mut snapshot);
            }
        }
        panic!("questions without end");
    }

    fn answer(&self, question: Question, snapshot: &mut Snapshot) {
        match question {
            Question::Closed(..) => panic!("nothing here has a forge"),
            Question::File(branch, file) => {
                let text = self.others.get(branch.branch.as_str()).filter(|_| file.as_str() == "apps/web/values.yaml");
                let state = text.map(|text| FileState::Parsed(Arc::new(Source::parse(text).unwrap())));
                assert!(snapshot.files.insert((branch, file), state.unwrap_or(FileState::Missing)).is_none());
            }
            Question::Listing(image) => {
                let answer = self.tags.get(image.to_string().as_str()).map(|tags| {
                    let tags = tags.iter().map(|tag| tag.parse::<Tag>().unwrap()).collect();
                    Listed { tags, ..Listed::default() }
                });
                let gone = Failure {
                    code: "registry/not-found".into(),
                    message: "no such image".into(),
                    hint: None,
                    line: None,
                };
                snapshot.listings.insert(image, answer.map(Arc::new).ok_or(gone));
            }
            Question::Remembered(image, tag) if self.remembered.contains_key(tag.as_str()) => {
                let described = self.remembered.get(tag.as_str()).unwrap().clone();
                assert!(snapshot.remembered.entry(image).or_default().insert(tag, described).is_none());
            }
            Question::Metadata(image, tag) | Question::Remembered(image, tag) => {
                self.looks.borrow_mut().push(tag.to_string());
                let answer = self.images.get(tag.as_str()).cloned().unwrap_or(Ok(None));
                assert!(snapshot.metadata.entry(image).or_default().insert(tag, answer).is_none(), "asked once");
            }
            Question::Verification(image, signed, keys) => {
                let answers = snapshot.verifications.entry((image, signed.clone())).or_default();
                for key in keys {
                    let mut known = self.signatures.iter();
                    let found = known.find(|((name, digit), _)| *name == key.as_str() && digest(digit) == signed);
                    let none = Ok(Verification::Unverified(Unverified::Nothing));
                    assert!(answers.insert(key, found.map_or(none, |(_, answer)| answer.clone())).is_none());
                }
            }
            Question::Labels(image, digest) => {
                snapshot.labels.insert((image, digest), None);
            }
            Question::Manifest(image, tag) => {
                let listed = self.tags.get(image.to_string().as_str()).is_some_and(|tags| tags.contains(&tag.as_str()));
                let key = self.answers.iter().find(|((i, t), _)| image.to_string() == *i && tag.as_str() == *t);
                let is_there = key.map_or(listed, |(_, is_there)| *is_there);
                let digest = is_there.then(|| digest(self.digests.get(tag.as_str()).unwrap_or(&"a")));
                snapshot.manifests.insert((image, tag), Ok(digest));
            }
        }
    }

    /// `result code to`, one outcome a line.
    fn outcomes(&self) -> Vec<String> {
        let word = |result| match result {
            OutcomeResult::Current => "current",
            OutcomeResult::Pending => "pending",
            OutcomeResult::Delivered => "delivered",
            OutcomeResult::Held => "held",
            OutcomeResult::Failed => "failed",
        };
        let decision = self.decide();
        decision
            .outcomes
            .iter()
            .map(|o| format!("{} {} {}", word(o.result), o.code, o.to.as_deref().unwrap_or("-")))
            .collect()
    }
}

#[test]
fn one_image_gets_one_answer() {
    let web = World::web;
    let with_answer = |mut world: World, tag: &'static str, is_there: bool| {
        world.answers.insert(("r.example/web", tag), is_there);
        world
    };
    let past = |world: World, past: &[&'static str]| World { past: past.to_vec(), ..world };
    for (name, world, expected) in [
        ("newer", web("", "1.0.0", &["1.0.0", "1.1.0"]), "pending pending 1.1.0"),
        ("newest stands", web("", "1.1.0", &["1.0.0", "1.1.0"]), "current current 1.1.0"),
        ("equal spelling", web("", "v1.1.0", &["1.0.0", "1.1.0", "v1.1.0"]), "current current v1.1.0"),
        ("constraint", web(":~1.0", "1.0.0", &["1.0.0", "1.0.1", "1.1.0"]), "pending pending 1.0.1"),
        ("downgrade", web(":1.x", "2.0.0", &["1.9.0", "2.0.0"]), "held guard/downgrade 1.9.0"),
        (
            "allowed downgrade",
            web(":1.x", "2.0.0", &["1.9.0", "2.0.0"]).with("allow-downgrade", "true"),
            "pending pending 1.9.0",
        ),
        ("incomparable moves", web("", "latest", &["latest", "1.0.0"]), "pending pending 1.0.0"),
        ("empty moves", web("", "\\\"\\\"", &["1.0.0"]).with("strict", "true"), "pending pending 1.0.0"),
        ("nothing passes", web(":9.x", "1.0.0", &["1.0.0"]), "held selection/none -"),
        (
            "current unlisted and alive",
            with_answer(web("", "1.0.0", &["1.1.0"]), "1.0.0", true),
            "held guard/listing -",
        ),
        ("current unlisted and gone", web("", "1.0.0", &["1.1.0"]), "pending pending 1.1.0"),
        (
            "chosen does not answer",
            with_answer(web("", "1.0.0", &["1.0.0", "1.1.0"]), "1.1.0", false),
            "held guard/listing 1.1.0",
        ),
        (
            "reverted",
            past(web("", "1.0.0", &["1.0.0", "1.1.0", "1.3.0"]), &["1.0.0", "1.3.0"]),
            "held guard/rolled-back -",
        ),
        ("reverted, list empty", past(web("", "1.0.0", &[]), &["1.0.0", "1.3.0"]), "held guard/rolled-back -"),
        (
            "next after revert",
            past(web("", "1.0.0", &["1.0.0", "1.3.0", "1.3.1"]), &["1.0.0", "1.3.0"]),
            "pending pending 1.3.1",
        ),
        (
            "wait after revert",
            past(web("", "1.0.0", &["1.0.0", "1.3.1"]).with("after-rollback", "wait"), &["1.0.0", "1.3.0"]),
            "held guard/rolled-back -",
        ),
        ("observe", World { observe: true, ..web("", "1.0.0", &["1.0.0", "1.1.0"]) }, "held rule/observe 1.1.0"),
        ("observe of nothing", World { observe: true, ..web("", "1.1.0", &["1.1.0"]) }, "current current 1.1.0"),
        ("no rule", World { no_rules: true, ..web("", "1.0.0", &["1.1.0"]) }, "held rule/none -"),
        ("unbuilt key", web("", "1.0.0", &["1.1.0"]).with("notify", "chat"), "held unsupported/notify -"),
        ("invalid value", web("", "1.0.0", &["1.1.0"]).with("strict", "maybe"), "held annotation/invalid -"),
        ("digest in the tag", web("", "1.0.0@sha256:abc", &["1.0.0", "1.1.0"]), "held guard/pinned 1.1.0"),
        ("template", web("", "'{{ .Values.t }}'", &["1.1.0"]), "failed edit/template -"),
        (
            "wrong key",
            web("", "1.0.0", &["1.1.0"]).with("app.helm.image-spec", "web.image"),
            "failed edit/no-such-key -",
        ),
        (
            "another image",
            web("", "1.0.0", &["1.1.0"]).with("app.helm.image-spec", "image.repository"),
            "pending pending 1.1.0",
        ),
    ] {
        let world =
            World { files: world.files.into_iter().map(|(k, v)| (k, v.replace("\\\"", "\""))).collect(), ..world };
        let found = world.outcomes();
        assert_eq!(found, [expected], "{name}");
    }
}

#[test]
fn owners_of_one_place_agree_or_are_all_held() {
    let shared = |second: &str| {
        let mut world = World::web(":1.x", "1.0.0", &["1.0.0", "1.1.0", "2.0.0"]);
        world.add("copy", "apps/web/values.yaml", second);
        world
    };
    assert_eq!(shared(":1.x").outcomes(), ["pending pending 1.1.0", "pending pending 1.1.0"]);
    assert_eq!(shared(":1.x").decide().changes[0].commits.len(), 1, "one change for both");
    let message = &shared(":1.x").decide().changes[0].commits[0].message;
    assert!(
        message.contains("Repin-Application: argocd/web (dev)")
            && message.contains("Repin-Application: argocd/copy (dev)"),
        "{message}"
    );
    assert_eq!(shared(":2.x").outcomes(), ["held place/contested 1.1.0", "held place/contested 2.0.0"]);
    assert_eq!(shared(":1.0.x").outcomes(), ["held place/contested 1.1.0", "held place/contested 1.0.0"]);
    // Those that agree on the tag write the same of it, and wait as long as the strictest.
    let mut pinned = shared(":1.x");
    pinned.files.insert("apps/web/values.yaml", "image: r.example/web:1.0.0\n".to_owned());
    for (application, pin) in pinned.applications.iter_mut().zip(["tag+digest", "digest"]) {
        application.1[1] = annotation("app.helm.image-spec", "image");
        application.1.push(annotation("pin", pin));
    }
    let message = &pinned.decide().outcomes[0].message;
    let both = format!(
        "argocd/web (app) wants 1.1.0@{0}; argocd/copy (app) wants 1.1.0@{0}, by its digest alone",
        digest("a")
    );
    assert!(pinned.outcomes()[0].starts_with("held place/contested") && message.contains(&both), "{message}");
    for waiting in [0, 1] {
        let mut aged = shared(":1.x");
        aged.applications[waiting].1.push(annotation("min-age", "1d"));
        aged.applications[1 - waiting].1.push(annotation("min-age", "1h"));
        assert_eq!(aged.outcomes(), ["held guard/min-age 1.1.0"; 2]);
        let messages: Vec<String> = aged.decide().outcomes.into_iter().map(|one| one.message).collect();
        let name = aged.applications[waiting].0;
        assert!(messages[waiting].contains("1.1.0 is 0s old, the policy waits 1d"), "{messages:?}");
        let other = format!("the policy of argocd/{name}, which shares the place, waits 1d");
        assert!(messages[1 - waiting].contains(&other), "{messages:?}");
        aged.seen.insert("1.1.0", 2 * 3_600);
        assert_eq!(aged.outcomes(), ["held guard/min-age 1.1.0"; 2]);
        aged.seen.insert("1.1.0", 86_400);
        assert_eq!(aged.outcomes(), ["pending pending 1.1.0"; 2]);
    }
    // An owner that is held otherwise keeps its own reason, and nobody writes over it.
    let mut held = shared(":1.x");
    held.applications[1].1.push(annotation("notify", "chat"));
    assert_eq!(held.outcomes(), ["held place/contested 1.1.0", "held unsupported/notify -"]);
}

#[test]
fn a_commit_changes_the_scalar_and_nothing_else() {
    let decision = World::web("", "1.0.0", &["1.0.0", "1.1.0"]).decide();
    let [set] = decision.changes.as_slice() else { panic!("one change set") };
    let [commit] = set.commits.as_slice() else { panic!("one commit") };
    assert_eq!(commit.files[0].before, values("1.0.0"));
    assert_eq!(commit.files[0].after, values("1.1.0"));
}

#[test]
fn two_applications_in_one_file_are_two_commits_that_stand_on_each_other() {
    let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]);
    world.files.insert("apps/web/values.yaml", "image:\n  tag: 1.0.0\njob:\n  tag: 1.0.0\n".into());
    world.applications.push((
        "job",
        vec![
            annotation("image-list", "app=r.example/web"),
            annotation("app.helm.image-tag", "job.tag"),
            annotation("write-back-target", "helmvalues:/apps/web/values.yaml"),
        ],
    ));
    let decision = world.decide();
    let commits = &decision.changes[0].commits;
    assert_eq!(commits.len(), 2);
    assert_eq!(commits[0].files[0].after, commits[1].files[0].before);
    assert_eq!(commits[1].files[0].after, "image:\n  tag: 1.1.0\njob:\n  tag: 1.1.0\n");
}

const TAGS: [&str; 9] = ["1.0.0", "1.0.1", "1.1.0", "v1.1.0", "1.2.0-rc.1", "2.0.0", "latest", "20240115", "1.10.0"];

proptest! {
    /// Whatever stands, is listed and stood before: never a downgrade, never again what was taken back, and the same
    /// answer for any order of the Applications.
    #[test]
    fn a_decision_never_goes_back(
        now in 0..TAGS.len(),
        listed in proptest::collection::vec(0..TAGS.len(), 0..7),
        past in proptest::collection::vec(0..TAGS.len(), 0..5),
        reversed: bool,
    ) {
        let tags: Vec<&'static str> = listed.iter().map(|at| TAGS[*at]).collect();
        let mut world = World::web("", TAGS[now], &tags);
        world.past = past.iter().map(|at| TAGS[*at]).collect();
        world.add("copy", "apps/copy/values.yaml", "");
        world.files.insert("apps/copy/values.yaml", values(TAGS[now]));
        let outcomes = world.outcomes();
        prop_assert_eq!(&outcomes[0], &outcomes[1]);
        let other = World { reversed, ..world.clone() }.decide();
        prop_assert_eq!(other.changes.len(), world.decide().changes.len());
        let policy = repin::model::policy::Policy::default();
        if let Some(to) = outcomes[0].strip_prefix("pending pending ") {
            use std::cmp::Ordering::Greater;
            prop_assert!(tags.contains(&to));
            let above = |other: &str| matches!(repin::selection::compare(&policy, &repin::selection::Builds::new(), to, other), None | Some(Greater));
            prop_assert!(above(TAGS[now]), "{} -> {}", TAGS[now], to);
            for stood in &world.past {
                let stood_is_candidate = repin::selection::judge(&policy, &stood.parse().unwrap()).is_eligible();
                prop_assert!(!stood_is_candidate || above(stood), "{} stood before and {} was taken", stood, to);
            }
        }
    }
}

#[test]
fn the_image_name_is_parsed_once_for_all() {
    let image: ImageName = "r.example/web".parse().unwrap();
    assert_eq!(World::web("", "1.0.0", &["1.0.0"]).snapshot().subjects[0].tracked.image, Some(image));
}

#[test]
fn two_spellings_of_one_scalar_are_one_place() {
    let spelled = |second: &'static str, constraint: &str| {
        let mut world = World::web(":1.x", "1.0.0", &["1.0.0", "1.1.0", "1.3.0"]);
        world.files.insert("apps/web/values.yaml", "containers:\n  - name: app\n    tag: 1.0.0\n".into());
        world.applications[0].1[1] = annotation("app.helm.image-tag", "containers[0].tag");
        world.add("two", "apps/web/values.yaml", constraint);
        world.applications[1].1[1] = annotation("app.helm.image-tag", second);
        world
    };
    let agreeing = spelled("containers[name=app].tag", ":1.x");
    assert_eq!(agreeing.outcomes(), ["pending pending 1.3.0", "pending pending 1.3.0"]);
    assert_eq!(agreeing.decide().changes[0].commits.len(), 1, "one scalar, one commit");
    let disagreeing = spelled("containers[name=app].tag", ":1.1.x");
    assert_eq!(disagreeing.outcomes(), ["held place/contested 1.3.0", "held place/contested 1.1.0"]);
}

/// Two Applications that mean one scalar by different key paths.
fn anchored(file: &str, second: &str) -> World {
    let mut world = World::web(":1.x", "1.0.0", &["1.0.0", "1.1.0", "1.3.0"]);
    world.files.insert("apps/web/values.yaml", file.to_owned());
    world.applications[0].1[1] = annotation("app.helm.image-tag", "web.tag");
    world.add("job", "apps/web/values.yaml", second);
    world.applications[1].1[1] = annotation("app.helm.image-tag", "job.tag");
    world
}

const ALIAS: &str = "web: &web\n  repository: r.example/web\n  tag: 1.0.0 # c\njob: *web\n";

#[test]
fn owners_that_an_anchor_brings_together_agree_or_are_all_held() {
    for file in [
        ALIAS,
        "web: &web\n  repository: r.example/web\n  tag: 1.0.0 # c\njob:\n  <<: *web\n  n: 1\n",
        "web:\n  repository: r.example/web\n  tag: &t 1.0.0 # c\njob: {repository: r.example/web, tag: *t}\n",
    ] {
        let agreeing = anchored(file, ":1.x");
        assert_eq!(agreeing.outcomes(), ["pending pending 1.3.0"; 2], "{file}");
        let decision = agreeing.decide();
        let [commit] = decision.changes[0].commits.as_slice() else { panic!("one scalar, one commit: {file}") };
        assert_eq!(commit.files[0].after, file.replace("1.0.0", "1.3.0"));
        for name in ["web", "job"] {
            assert!(commit.message.contains(&format!("Repin-Application: argocd/{name} (dev)")), "{}", commit.message);
        }
        let message = &decision.outcomes[0].message;
        assert!(
            message.contains("; the place is shared with argocd/job (app, dev) at `job.tag` in line "),
            "{message}"
        );

        let disagreeing = anchored(file, ":1.1.x");
        assert_eq!(disagreeing.outcomes(), ["held place/contested 1.3.0", "held place/contested 1.1.0"], "{file}");
        let message = &disagreeing.decide().outcomes[1].message;
        let expected = "apps/web/values.yaml#web.tag has several owners that do not agree: argocd/web (app) wants 1.3.0; \
                        argocd/job (app) at `job.tag` wants 1.1.0; let one of them own it, or give each a value of its own";
        assert_eq!(message, expected);
        let mut aged = anchored(file, ":1.x");
        aged.applications[1].1.push(annotation("min-age", "1d"));
        assert_eq!(aged.outcomes(), ["held guard/min-age 1.3.0"; 2], "the longest wait counts");
    }
    // What stands on its own beside a merge key is another place.
    let own =
        anchored("web: &web\n  repository: r.example/web\n  tag: 1.0.0\njob:\n  <<: *web\n  tag: 1.0.0\n", ":1.1.x");
    assert_eq!(own.outcomes(), ["pending pending 1.3.0", "pending pending 1.1.0"]);
}

#[test]
fn two_images_behind_one_anchor_are_refused_with_the_line_that_parts_them() {
    let file = "web:\n  repository: r.example/web\n  tag: &t 1.0.0\njob:\n  repository: r.example/job\n  tag: *t\n";
    let mut world = anchored(file, "");
    world.applications[1].1[0] = annotation("image-list", "app=r.example/job");
    world.tags.insert("r.example/job", vec!["1.0.0", "1.3.0"]);
    assert_eq!(world.outcomes(), ["failed edit/shared 1.3.0"; 2]);
    let decision = world.decide();
    assert!(decision.changes.is_empty());
    let hints: Vec<&str> = decision.problems.iter().filter_map(|problem| problem.hint.as_deref()).collect();
    assert_eq!(hints.len(), 2, "{:#?}", decision.problems);
    assert!(hints.contains(&"write `tag: 1.0.0` in place of the alias at line 6"), "{hints:?}");
    world.tags.insert("r.example/job", vec!["1.0.0", "2.0.0"]);
    assert_eq!(world.outcomes(), ["held place/contested 1.3.0", "held place/contested 2.0.0"]);
}

#[test]
fn a_place_found_by_the_image_is_the_place_of_its_key_path() {
    let found = |constraint: &str| {
        let mut world = World::web(":1.x", "1.0.0", &["1.0.0", "1.1.0", "1.3.0"]);
        world.add("two", "apps/web/values.yaml", constraint);
        world.applications[1].1.retain(|(key, _)| *key != "app.helm.image-tag");
        world
    };
    let agreeing = found(":1.x");
    assert_eq!(agreeing.outcomes(), ["pending pending 1.3.0", "pending pending 1.3.0"]);
    assert_eq!(agreeing.decide().changes[0].commits.len(), 1, "one scalar, one commit");
    assert_eq!(found(":1.1.x").outcomes(), ["held place/contested 1.3.0", "held place/contested 1.1.0"]);
}

#[test]
fn an_entry_of_a_kustomization_is_one_place_for_all_who_find_it() {
    let kustomization = "images:\n- name: web\n  newName: r.example/web\n  newTag: 1.0.0\n";
    let world = |second: (&'static str, &str)| {
        let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]);
        world.files.insert("apps/web/kustomization.yaml", kustomization.to_owned());
        world.add("two", "apps/web/values.yaml", "");
        for (_, annotations) in &mut world.applications {
            annotations.truncate(1);
            annotations.push(annotation("write-back-target", "kustomization:/apps/web"));
        }
        world.applications[1].1.push(annotation(second.0, second.1));
        world
    };
    for second in [("strict", "true"), ("app.kustomize.image-name", "docker.io/library/web")] {
        let world = world(second);
        assert_eq!(world.outcomes(), ["pending pending 1.1.0", "pending pending 1.1.0"], "{second:?}");
        let commits = &world.decide().changes[0].commits;
        assert_eq!(commits.len(), 1, "{second:?}");
        assert_eq!(commits[0].files[0].after, kustomization.replace("1.0.0", "1.1.0"));
        assert_eq!(commits[0].text.places[0].key, "images[name=web].newTag");
    }
}

#[test]
fn a_search_among_too_many_files_says_so_and_what_to_name() {
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: web, image: 'r.example/web:1.0.0'}]}\n";
    for (others, pods, expected) in [
        (19_999, 1, None),
        (20_000, 1, Some("more than 20000 files stand below `apps/web/deploy`")),
        (0, 2_000, None),
        (0, 2_001, Some("more than 2000 files below `apps/web/deploy` may name `r.example/web`")),
    ] {
        let mut world = World::default();
        let annotations =
            vec![annotation("image-list", "app=r.example/web"), annotation("write-back-target", "deploy")];
        world.applications.push(("web", annotations));
        for number in 0..others + pods {
            let text = if number < others { "kind: ConfigMap\n" } else { pod };
            world.files.insert(format!("apps/web/deploy/{number}.yaml").leak(), text.to_owned());
        }
        let located: Vec<Located> =
            world.snapshot().subjects.iter().filter_map(|subject| subject.located.clone()).collect();
        match (&located[0].site, expected) {
            (Ok(site), None) => assert_eq!(site.tag(), Some("1.0.0")),
            (Err(failure), Some(expected)) => {
                assert_eq!(failure.message, format!("{expected}, and none was looked into"));
                let hint = "name the manifest: `repin.dev/write-back-target: <path>`";
                assert_eq!((failure.code.as_str(), failure.hint.as_deref()), ("target/not-found", Some(hint)));
            }
            (found, _) => panic!("{others} {pods}: {found:?}"),
        }
    }
}

#[test]
fn what_a_person_has_to_settle_is_held_and_no_registry_is_asked() {
    let auto = |values: &str| {
        let mut world = World::web("", "1.0.0", &[]);
        world.applications[0].1.truncate(1);
        world.files.insert("apps/web/values.yaml", values.to_owned());
        world.tags.clear();
        world.outcomes().remove(0)
    };
    assert_eq!(auto("a: 1\n"), "held target/not-found -");
    assert_eq!(auto("image: {repository: r.example/web, tag: ''}\n"), "held target/not-found -");
    assert_eq!(auto("a: {image: 'r.example/web:1'}\nb: {image: 'r.example/web:2'}\n"), "held target/ambiguous -");
}

#[test]
fn who_may_not_write_a_place_holds_no_owner_of_it() {
    let intruder = |key: &'static str, value: &str| {
        let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]);
        world.files.insert("team/web/values.yaml", values("1.0.0"));
        world.add("stranger", "team/web/values.yaml", "");
        // `owner` has its source at `apps/owner`; only `may_write: apps/**` reaches further.
        world.applications[1].1.push(annotation(key, value));
        world.add("late", "apps/web/values.yaml", "");
        world
    };
    for (key, value, expected) in [
        ("notify", "chat", "held unsupported/notify -"),
        ("strict", "maybe", "held annotation/invalid -"),
        ("allow-downgrade", "true", "held target/outside -"),
    ] {
        let outcomes = intruder(key, value).outcomes();
        assert_eq!(outcomes, ["pending pending 1.1.0", expected, "pending pending 1.1.0"], "{key}");
    }
}

#[test]
fn a_missing_name_is_written_without_the_registry_that_the_chart_keeps_apart() {
    for (before, after) in [
        (
            "image:\n  registry: r.example\n  tag: 1.0.0\n",
            "image:\n  registry: r.example\n  repository: web\n  tag: 1.1.0\n",
        ),
        ("image:\n  tag: 1.0.0\n", "image:\n  tag: 1.1.0\n  repository: r.example/web\n"),
    ] {
        let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]).with("app.helm.image-name", "image.repository");
        world.files.insert("apps/web/values.yaml", before.to_owned());
        let decision = world.decide();
        assert_eq!(decision.changes[0].commits[0].files[0].after, after);
    }
}

#[test]
fn what_is_no_tag_is_not_overwritten_by_one() {
    for (value, code) in [
        ("r.example/web:1.0.0", "failed edit/other-image -"),
        ("\"two words\"", "failed edit/other-image -"),
        ("latest", "pending pending 1.1.0"),
        ("\"\"", "pending pending 1.1.0"),
    ] {
        assert_eq!(World::web("", value, &["latest", "1.1.0"]).outcomes(), [code], "{value}");
    }
}

/// One Application `web` that wants 1.1.0 on a branch of this template.
fn made(template: &str) -> World {
    let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]).with("git-branch", template);
    world.branches = vec!["auto/**"];
    world
}

const EACH: &str = "main:auto/{{range .Images}}{{.Name}}-{{.NewTag}}{{end}}";

fn on(branch: &str, delivery: Option<Delivery>) -> Rule {
    Rule { matches: Match { branch: Some(branch.parse().unwrap()), ..Match::default() }, delivery, ..Rule::default() }
}

#[test]
fn a_template_makes_a_branch_from_the_base_once() {
    let world = made(EACH);
    assert_eq!(world.outcomes(), ["pending pending 1.1.0"]);
    let decision = world.decide();
    assert!(decision.outcomes[0].message.ends_with(", on the new branch `auto/web-1.1.0`"), "{decision:#?}");
    let [set] = decision.changes.as_slice() else { panic!("one change set") };
    assert_eq!((set.base.as_str(), set.branch.as_str(), set.commits.len()), ("main", "auto/web-1.1.0", 1));
    assert_eq!(set.commits[0].files[0].before, values("1.0.0"));
    assert_eq!(set.commits[0].files[0].after, values("1.1.0"));

    let exists = |text: String| {
        let mut world = made(EACH);
        world.others.insert("auto/web-1.1.0", text);
        world
    };
    let written = exists(values("1.1.0")).decide();
    assert_eq!((written.outcomes[0].code.as_str(), written.changes.len()), ("branch/written", 0));
    assert_eq!(written.outcomes[0].to.as_deref(), Some("1.1.0"));
    assert!(written.outcomes[0].message.contains("`auto/web-1.1.0`"), "{written:#?}");
    assert_eq!(written.problems, []);
    for other in [values("1.0.0"), "x: 1\n".to_owned()] {
        let decision = exists(other).decide();
        assert_eq!((decision.outcomes[0].code.as_str(), decision.changes.len()), ("branch/exists", 0));
        assert_eq!(
            decision.problems[0].hint.as_deref(),
            Some("delete the branch, or change the template of `git-branch`")
        );
    }
}

#[test]
fn a_branch_is_made_only_where_the_operator_allows_its_name() {
    let with_rules = |template: &str, rules: Vec<Rule>| World { rules, ..made(template) };
    let commit = Some(Delivery::Commit);
    for (name, world, expected) in [
        ("no globs", World { branches: vec![], ..made(EACH) }, "held target/outside -"),
        ("another glob", World { branches: vec!["bot/*"], ..made(EACH) }, "held target/outside 1.1.0"),
        ("no branch", made("main:auto/{{range .Images}}{{.Name}}..{{end}}"), "held target/outside 1.1.0"),
        ("too long", made(&format!("main:auto/{}", "x".repeat(250))), "held target/outside 1.1.0"),
        ("the base's own name", World { branches: vec!["**"], ..made(":main") }, "held branch/exists 1.1.0"),
        ("beside a branch", World { branches: vec!["**"], ..made(":main/{{.SHA256}}") }, "held branch/exists 1.1.0"),
        ("a base that is not allowed", made("dev:auto/x"), "held target/outside -"),
        ("an allowed base", World { branches: vec!["**"], ..made("dev") }, "failed git/no-such-branch -"),
        ("the base by name", made("main"), "pending pending 1.1.0"),
        ("a bad template", made(":auto/{{.Title}}"), "held annotation/invalid -"),
        ("no template", made("main:"), "held annotation/invalid -"),
        ("a template as base", made("auto/{{.SHA256}}"), "held annotation/invalid -"),
        // Rules see the branch that would be written, first as a template, then by its name.
        (
            "a rule for the base",
            World { no_rules: true, ..with_rules(EACH, vec![on("main", commit)]) },
            "held rule/none -",
        ),
        (
            "a rule for the new one",
            World { no_rules: true, ..with_rules(EACH, vec![on("auto/**", commit)]) },
            "pending pending 1.1.0",
        ),
        (
            "a rule against its name",
            with_rules(EACH, vec![on("auto/web-*", Some(Delivery::None))]),
            "held rule/none 1.1.0",
        ),
        (
            "a rule that observes its name",
            with_rules(EACH, vec![Rule { observe: Some(true), ..on("auto/web-*", None) }]),
            "held rule/observe 1.1.0",
        ),
    ] {
        assert_eq!(world.outcomes(), [expected], "{name}");
    }
}

#[test]
fn what_rules_demand_for_the_finished_name_of_a_branch_is_not_passed_over() {
    let day = Some(Duration::from_secs(86_400));
    let names = || Some(BTreeSet::from(["office".to_owned()]));
    let prefixes = || Some(BTreeSet::from([RegistryPrefix::new("r.example").unwrap()]));
    let promotion = || Some("staging".parse::<Promotion>().unwrap());
    let of = |at_least: AtLeast| Rule { at_least, ..on("auto/web-*", None) };
    let none = || on("auto/web-*", None);
    for (demanded, rule) in [
        ("`environment: prod`", Rule { environment: Some("prod".into()), ..none() }),
        ("`service: shop`", Rule { service: Some("shop".into()), ..none() }),
        ("`windows`", Rule { windows: names(), ..none() }),
        ("`registries`", Rule { registries: prefixes(), ..none() }),
        ("`min_age`", Rule { min_age: day, ..none() }),
        ("`soak`", Rule { soak: day, ..none() }),
        ("`promote_from`", Rule { promote_from: promotion(), ..none() }),
        ("`max_changes_per_hour`", Rule { max_changes_per_hour: Some(1), ..none() }),
        ("`max_changes_per_push`", Rule { max_changes_per_push: Some(1), ..none() }),
        ("`min_age`", of(AtLeast { min_age: day, ..AtLeast::default() })),
        ("`windows`", of(AtLeast { windows: names().into_iter().collect(), ..AtLeast::default() })),
    ] {
        let decision = World { rules: vec![rule], ..made(EACH) }.decide();
        let outcome = &decision.outcomes[0];
        assert_eq!((outcome.code.as_str(), decision.changes.len()), ("rule/branch", 0), "{demanded}");
        let said = format!("for the branch `auto/web-1.1.0` the rules say {demanded}, by which");
        assert!(outcome.message.starts_with(&said), "{}", outcome.message);
    }
    // What is said for the template as well was decided by.
    let rule = Rule { max_changes_per_push: Some(1), service: Some("shop".into()), ..on("auto/**", None) };
    assert_eq!(World { rules: vec![rule], ..made(EACH) }.outcomes(), ["pending pending 1.1.0"]);
}

#[test]
fn owners_of_a_place_write_it_to_one_branch_or_not_at_all() {
    let mut world = made(EACH);
    world.add("copy", "apps/web/values.yaml", "");
    assert_eq!(world.outcomes(), ["held place/contested 1.1.0", "held place/contested 1.1.0"]);
    world.applications[1].1.push(annotation("git-branch", EACH));
    assert_eq!(world.outcomes(), ["pending pending 1.1.0", "pending pending 1.1.0"]);
    let decision = world.decide();
    assert_eq!(decision.changes.len(), 1, "one branch");
    assert_eq!(decision.changes[0].commits.len(), 1, "one change for both");
}

/// Three Applications with a file each, `a` and `b` in one group.
fn grouped(per: Option<Per>) -> World {
    let mut world = World { rules: vec![Rule { per, ..Rule::default() }], ..World::default() };
    for (name, file, group) in [
        ("c", "apps/c/values.yaml", None),
        ("b", "apps/b/values.yaml", Some("shop")),
        ("a", "apps/a/values.yaml", Some("shop")),
    ] {
        world.add(name, file, "");
        if let (Some(group), Some(last)) = (group, world.applications.last_mut()) {
            last.1.push(annotation("group", group));
        }
        world.files.insert(file, values("1.0.0"));
    }
    world.tags.insert("r.example/web", vec!["1.0.0", "1.1.0"]);
    world
}

#[test]
fn one_commit_holds_what_the_rules_and_the_group_say() {
    for (per, expected) in [
        (None, vec!["c", "a b"]),
        (Some(Per::Application), vec!["a", "b", "c"]),
        (Some(Per::Group), vec!["c", "a b"]),
        (Some(Per::Environment), vec!["a b c"]),
        (Some(Per::Repository), vec!["a b c"]),
    ] {
        for reversed in [false, true] {
            let decision = World { reversed, ..grouped(per) }.decide();
            let [set] = decision.changes.as_slice() else { panic!("one push") };
            let names = |commit: &PlannedCommit| {
                let names: Vec<&str> =
                    commit.text.applications.iter().map(|(name, _)| name.strip_prefix("argocd/").unwrap()).collect();
                names.join(" ")
            };
            let found: Vec<String> = set.commits.iter().map(names).collect();
            assert_eq!(found, expected, "{per:?} {reversed}");
            for commit in &set.commits {
                assert_eq!(commit.files.len(), commit.text.applications.len());
                for (name, _) in &commit.text.applications {
                    assert!(
                        commit.message.contains(&format!("Repin-Application: {name} (dev)\n")),
                        "{}",
                        commit.message
                    );
                }
            }
        }
    }
    let bad = World::web("", "1.0.0", &["1.1.0"]).with("group", "");
    assert_eq!(bad.outcomes(), ["held annotation/invalid -"]);
}

#[test]
fn a_group_goes_to_one_branch_that_is_named_for_all_of_it() {
    let mut world = grouped(None);
    world.branches = vec!["auto/**"];
    for (_, annotations) in &mut world.applications {
        annotations.push(annotation("git-branch", ":auto/{{.SHA256}}"));
    }
    // All three would make the same name of the same change, but the group counts it once.
    let decision = world.decide();
    let [set] = decision.changes.as_slice() else { panic!("one branch: {:#?}", decision.changes) };
    assert_eq!(set.commits.len(), 2);
}

#[test]
fn what_the_editor_refuses_names_no_branch() {
    let mut world = made("main:auto/{{range .Images}}{{.Alias}}-{{.NewTag}}{{end}}").with("group", "shop");
    world.add("two", "apps/two/values.yaml", "");
    world.applications[1].1[0] = ("image-list", "other=r.example/web".to_owned());
    world.applications[1].1[1] = annotation("other.helm.image-tag", "image.tag");
    for (key, value) in [("group", "shop"), ("git-branch", "main:auto/{{range .Images}}{{.Alias}}-{{.NewTag}}{{end}}")]
    {
        world.applications[1].1.push(annotation(key, value));
    }
    world.files.insert("apps/two/values.yaml", "image:\n  tag: 1.0.0\nsops:\n  mac: x\n".to_owned());
    let decision = world.decide();
    let codes: Vec<&str> = decision.outcomes.iter().map(|outcome| outcome.code.as_str()).collect();
    assert_eq!(codes, ["pending", "edit/sops"]);
    let [set] = decision.changes.as_slice() else { panic!("one branch: {:#?}", decision.changes) };
    assert_eq!(set.branch.as_str(), "auto/app-1.1.0");
    assert_eq!(decision.outcomes[1].to.as_deref(), Some("1.1.0"), "a person may write it by hand");
}

#[test]
fn a_rule_with_a_schedule_writes_only_after_a_tick_and_holds_all_owners_of_a_place() {
    let at = |text: &str| format!("2026-03-29T{text}Z").parse::<Timestamp>().unwrap();
    let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]);
    world.add("twin", "apps/web/values.yaml", "");
    // 02:30 does not exist on that day, and is made up at 03:00, which is 01:00 UTC.
    let cron = Cron::new("30 2 * * *", TimeZone::get("Europe/Berlin").unwrap()).unwrap();
    for (since, now, expected) in [
        (None, "00:10:00", None),
        (Some("00:00:00"), "00:59:59", Some("2026-03-29T01:00:00Z")),
        (Some("00:59:59"), "01:00:00", None),
        (Some("00:00:00"), "05:00:00", None),
        (Some("01:00:00"), "01:02:00", Some("2026-03-30T00:30:00Z")),
    ] {
        let mut snapshot = world.snapshot();
        (snapshot.since, snapshot.now) = (since.map(at), at(now));
        // The rule of one owner is enough.
        Arc::make_mut(&mut snapshot.subjects[1]).rule.as_mut().unwrap().schedule = Some(Schedule::Cron(cron.clone()));
        let decision = world.decide_on(snapshot);
        for outcome in &decision.outcomes {
            let found = (outcome.code.as_str(), outcome.until.map(|until| until.to_string()));
            let code = if expected.is_some() { "rule/schedule" } else { "pending" };
            assert_eq!(found, (code, expected.map(str::to_owned)), "{since:?} {now}: {outcome:#?}");
        }
        assert_eq!(decision.changes.len(), usize::from(expected.is_none()));
    }
    world.files.insert("apps/web/values.yaml", values("1.1.0"));
    let mut snapshot = world.snapshot();
    snapshot.since = Some(snapshot.now);
    Arc::make_mut(&mut snapshot.subjects[0]).rule.as_mut().unwrap().schedule = Some(Schedule::Cron(cron));
    assert!(world.decide_on(snapshot).outcomes.iter().all(|outcome| outcome.code == "current"));
}

#[test]
fn a_pull_secret_is_told_with_the_line_of_its_own_key() {
    let text = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: web\n  annotations:\n    \
        repin.dev/image-list: my-web=r.example/a,web=r.example/b,o/web=r.example/c\n    \
        repin.dev/my-web.pull-secret: x\n    repin.dev/o_web.pull-secret: y\n    repin.dev/web.pull-secret: z\n\
        spec: {source: {repoURL: \"https://git.example/acme/gitops\", path: apps/web}}\n";
    let Definitions { applications, .. } = read_applications("gitops", &"web.yaml".parse().unwrap(), text);
    let (_, problems) = resolve(&applications[0], &Configured::default());
    let line = |name: &str| {
        let said = format!("`pull-secret: {name}`");
        problems.iter().find(|problem| problem.message.contains(&said)).and_then(|problem| problem.line)
    };
    assert_eq!(["x", "y", "z"].map(line), [Some(7), Some(8), Some(9)], "{problems:#?}");
}

#[test]
fn a_pull_secret_asks_for_a_list_of_its_own() {
    let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]).with("pull-secret", "harbor");
    world.add("plain", "apps/plain/values.yaml", "");
    world.files.insert("apps/plain/values.yaml", values("1.0.0"));
    assert_eq!(world.outcomes(), ["failed registry/not-found -", "pending pending 1.1.0"]);
    world.tags.insert("r.example/web (pull secret `harbor`)", vec!["1.0.0", "2.0.0"]);
    assert_eq!(world.outcomes(), ["pending pending 2.0.0", "pending pending 1.1.0"]);
    let message = world.decide().changes[0].commits[0].message.clone();
    assert!(!message.contains("harbor"), "{message}");
    let unlisted = World::web("", "1.0.0", &["1.1.0"]).with("pull-secret", "typo");
    assert_eq!(unlisted.outcomes(), ["held annotation/pull-secret -"]);
}

#[test]
fn a_place_of_which_it_is_not_known_whether_a_rule_counts_is_held() {
    let different: String = ('Ā'..='ǿ').collect();
    let path: &'static str = Box::leak(format!("apps/web/{different}.yaml").into_boxed_str());
    let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]);
    world.applications.clear();
    world.add("web", path, "");
    world.files = BTreeMap::from([(path, values("1.0.0"))]);
    assert_eq!(world.outcomes(), ["pending pending 1.1.0"]);
    let hard = Glob::of_captures("apps/web/*{service}*{service}*.yaml").unwrap();
    world.rules = vec![Rule { matches: Match { path: Some(hard), ..Match::default() }, ..Rule::default() }];
    let outcome = &world.decide().outcomes[0];
    assert_eq!(outcome.code, "rule/invalid-path");
    assert!(outcome.message.contains("`apps/web/*{service}*{service}*.yaml`"), "{}", outcome.message);
}
