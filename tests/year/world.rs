//! Two repositories, a registry and a forge as plain values, and what is allowed in them by another way of reckoning.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use repin::manifest::Source;
use repin::manifest::argocd::{Definitions, read_applications};
use repin::message::pull_request::{self, Marker};
use repin::message::trailers::{Resume, Trailers};
use repin::model::change::{ChangeSet, Chore, Request};
use repin::model::forge::{PullRequest, PullState};
use repin::model::history::{CommitId, CommitInfo};
use repin::model::hold::{Hold, HoldKind, Scope};
use repin::model::names::{Branch, RepoPath, Tag};
use repin::model::promotion::Promotion;
use repin::model::rule::{AtLeast, Delivery, Glob, Match, Rule};
use repin::model::schedule::cron::Cron;
use repin::model::tracked::{RemoteBranch, Target, TrackedImage};
use repin::model::version::Version;
use repin::model::window::{Window, WindowKind};
use repin::plan::locate::{FileState, Files, Site, locate};
use repin::plan::pulls::{Head, Pulls};
use repin::plan::rollback::{Release, Standing, Stood, Timeline};
use repin::plan::{Decision, Failure, Listed, Question, Snapshot, Subject, decide};
use repin::resolve::{Configured, KnownRepository, resolve};
use repin::rules;

pub(crate) const SERVICES: [&str; 3] = ["web", "api", "worker"];
pub(crate) const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];
const REPOSITORIES: [&str; 2] = ["gitops", "locked"];
const SOAK: SignedDuration = SignedDuration::from_hours(24);
const PER_HOUR: u32 = 2;

/// A commit on the one branch of a repository.
struct Commit {
    info: Arc<CommitInfo>,
    /// The files that it wrote.
    files: BTreeMap<String, String>,
    /// What its trailers say.
    said: Trailers,
    is_repin: bool,
}

struct Repository {
    line: Vec<Commit>,
}

impl Repository {
    fn text(&self, path: &str) -> &str {
        self.line.iter().rev().find_map(|commit| commit.files.get(path)).expect("every file is there")
    }

    fn versions<'a>(&'a self, path: &'a str) -> impl DoubleEndedIterator<Item = (usize, &'a Commit, &'a str)> {
        let of = move |(at, commit): (usize, &'a Commit)| Some((at, commit, commit.files.get(path)?.as_str()));
        self.line.iter().enumerate().filter_map(of)
    }
}

/// An open pull request, and what its branch holds.
struct Open {
    pull: PullRequest,
    head: CommitId,
    parent: CommitId,
    message: String,
    files: BTreeMap<String, String>,
}

pub(crate) struct World {
    now: Timestamp,
    repositories: BTreeMap<&'static str, Repository>,
    tags: [Vec<String>; 3],
    outages: [Option<Timestamp>; 3],
    holds: BTreeMap<&'static str, Vec<Hold>>,
    open: Vec<Open>,
    closed: Vec<PullRequest>,
    /// What people took away from a place and nobody released, by another way of reckoning than the program's.
    taken: BTreeMap<(usize, usize), BTreeSet<String>>,
    /// What people closed the pull request of.
    refused: BTreeMap<usize, BTreeSet<String>>,
    /// What the Applications ask for, by service and environment.
    tracked: BTreeMap<(usize, usize), Arc<TrackedImage>>,
    /// What staging held when the last cycle looked, and whether that was for long enough.
    proven: [(String, bool); 3],
    numbers: u64,
    writes: usize,
    story: Vec<String>,
}

fn id(number: u64) -> CommitId {
    format!("{number:040x}").parse().unwrap()
}

fn main() -> Branch {
    "main".parse().unwrap()
}

fn values(service: &str, tag: &str) -> String {
    format!("image:\n  repository: r.example/{service}\n  tag: {tag} # here\n")
}

fn tag_in(text: &str) -> String {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("tag: ")).unwrap();
    line.split(' ').next().unwrap().trim_matches('"').to_owned()
}

fn place(service: usize, environment: usize) -> (&'static str, String) {
    let repository = REPOSITORIES[usize::from(environment == 2)];
    (repository, format!("services/{}/values-{}.yaml", SERVICES[service], ENVIRONMENTS[environment]))
}

fn order(one: &str, other: &str) -> Ordering {
    one.parse::<Version>().unwrap().cmp(&other.parse::<Version>().unwrap())
}

fn digest(tag: &str) -> String {
    let sum = tag.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("sha256:{}", format!("{sum:016x}").repeat(4))
}

fn rules() -> Vec<Rule> {
    let path = |environment: &str| Match {
        path: Some(Glob::of_paths(&format!("services/*/values-{environment}.yaml")).unwrap()),
        ..Match::default()
    };
    let rule = |environment: &str| Rule {
        matches: path(environment),
        environment: Some(environment.to_owned()),
        delivery: Some(Delivery::Commit),
        may_write: vec![Glob::of_paths("services/**").unwrap()],
        ..Rule::default()
    };
    let office = || BTreeSet::from(["office".to_owned(), "lunch".to_owned()]);
    vec![
        rule("dev"),
        Rule { max_changes_per_hour: Some(PER_HOUR), ..rule("staging") },
        Rule {
            delivery: Some(Delivery::PullRequest),
            promote_from: Some("staging".parse::<Promotion>().unwrap()),
            soak: Some(Duration::try_from(SOAK).unwrap()),
            windows: Some(office()),
            at_least: AtLeast { delivery: Some(Delivery::PullRequest), windows: vec![office()], ..AtLeast::default() },
            ..rule("production")
        },
    ]
}

fn windows() -> BTreeMap<String, Window> {
    let zone = || TimeZone::get("Europe/Berlin").unwrap();
    let window = |name: &str, kind, cron: &str, hours: u64| Window {
        name: name.to_owned(),
        kind,
        cron: Cron::new(cron, zone()).unwrap(),
        duration: Duration::from_secs(hours * 3_600),
        reason: None,
    };
    [window("office", WindowKind::Allow, "0 9 * * 1-5", 8), window("lunch", WindowKind::Deny, "0 12 * * *", 1)]
        .into_iter()
        .map(|window| (window.name.clone(), window))
        .collect()
}

/// What the Application of a service in one environment asks for.
fn tracked(service: usize, environment: usize) -> TrackedImage {
    let (repository, path) = place(service, environment);
    let name = format!("{}-{}", SERVICES[service], ENVIRONMENTS[environment]);
    let constraint = [":>=0.0.0-0", "", ""][environment];
    let service = SERVICES[service];
    let manifest = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  namespace: argocd\n  annotations:\n    \
         repin.dev/image-list: app=r.example/{service}{constraint}\n    repin.dev/app.helm.image-tag: image.tag\n    \
         repin.dev/write-back-target: helmvalues:/{path}\nspec:\n  source: {{repoURL: \"https://git.example/acme/{repository}.git\", \
         path: services/{service}, targetRevision: main}}\n"
    );
    let Definitions { applications, problems, .. } =
        read_applications(repository, &"apps.yaml".parse().unwrap(), &manifest);
    assert_eq!(problems, []);
    let known: Vec<KnownRepository> = REPOSITORIES
        .iter()
        .map(|name| KnownRepository {
            name: (*name).to_owned(),
            branch: main(),
            branches: Vec::new(),
            default: None,
            urls: vec![format!("git.example/acme/{name}")],
        })
        .collect();
    let configured = Configured { repositories: &known, ..Configured::default() };
    resolve(&applications[0], &configured).0.remove(0)
}

impl World {
    pub(crate) fn new() -> Self {
        let now = "2026-01-05T09:30:00Z".parse().unwrap();
        let mut world = Self {
            now,
            repositories: REPOSITORIES.into_iter().map(|name| (name, Repository { line: Vec::new() })).collect(),
            tags: [vec!["1.0.0".to_owned()], vec!["1.0.0".to_owned()], vec!["1.0.0".to_owned()]],
            outages: [None; 3],
            holds: REPOSITORIES.into_iter().map(|name| (name, Vec::new())).collect(),
            open: Vec::new(),
            closed: Vec::new(),
            taken: BTreeMap::new(),
            refused: BTreeMap::new(),
            tracked: BTreeMap::new(),
            proven: std::array::from_fn(|_| (String::new(), false)),
            numbers: 1,
            writes: 0,
            story: Vec::new(),
        };
        for name in REPOSITORIES {
            let mut files = BTreeMap::new();
            for (service, image) in SERVICES.iter().enumerate() {
                for environment in 0..ENVIRONMENTS.len() {
                    let (repository, path) = place(service, environment);
                    if repository == name {
                        files.insert(path, values(image, "1.0.0"));
                    }
                }
            }
            world.commit(name, files, "Begin", false);
        }
        for service in 0..SERVICES.len() {
            for environment in 0..ENVIRONMENTS.len() {
                world.tracked.insert((service, environment), Arc::new(tracked(service, environment)));
            }
        }
        world
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now.checked_add(SignedDuration::try_from(time).unwrap()).unwrap();
    }

    pub(crate) fn log(&mut self, what: String) {
        self.story.push(format!("{} {what}", self.now));
    }

    /// How often something was written to a branch or to the forge.
    pub(crate) fn writes(&self) -> usize {
        self.writes
    }

    pub(crate) fn value(&self, service: usize, environment: usize) -> String {
        let (repository, path) = place(service, environment);
        tag_in(self.repositories[repository].text(&path))
    }

    fn commit(&mut self, repository: &'static str, files: BTreeMap<String, String>, message: &str, is_repin: bool) {
        self.numbers += 1;
        let who = if is_repin { "repin" } else { "Paula" };
        let info = CommitInfo {
            id: id(self.numbers),
            author_name: who.to_owned(),
            author_email: format!("{who}@example.com"),
            time: self.now,
            committer_name: who.to_owned(),
            committer_email: format!("{who}@example.com"),
            committed: self.now,
            subject: message.lines().next().unwrap_or_default().to_owned(),
            message: message.to_owned(),
        };
        self.repositories.get_mut(repository).unwrap().line.push(Commit {
            said: Trailers::parse(message),
            info: Arc::new(info),
            files,
            is_repin,
        });
    }

    fn head(&self, repository: &str) -> CommitId {
        self.repositories[repository].line.last().unwrap().info.id
    }

    pub(crate) fn build(&mut self, service: usize) {
        let tags = &mut self.tags[service];
        let newest = tags.iter().max_by(|one, other| order(one, other)).unwrap().clone();
        let next = match newest.split_once("-rc.") {
            Some((version, number)) => format!("{version}-rc.{}", number.parse::<u32>().unwrap() + 1),
            None => {
                let (start, last) = newest.rsplit_once('.').unwrap();
                format!("{start}.{}-rc.1", last.parse::<u32>().unwrap() + 1)
            }
        };
        tags.push(next);
    }

    pub(crate) fn release(&mut self, service: usize) {
        let tags = &mut self.tags[service];
        let newest = tags.iter().max_by(|one, other| order(one, other)).unwrap().clone();
        if let Some((version, _)) = newest.split_once("-rc.") {
            tags.push(version.to_owned());
        }
    }

    /// A person writes a value; what it is less than is taken away.
    fn write_by_hand(&mut self, service: usize, environment: usize, tag: &str, message: &str) {
        let old = self.value(service, environment);
        if old == tag {
            return;
        }
        let (repository, path) = place(service, environment);
        self.commit(repository, BTreeMap::from([(path, values(SERVICES[service], tag))]), message, false);
        let taken = self.taken.entry((service, environment)).or_default();
        if order(tag, &old) == Ordering::Less {
            taken.insert(old);
        }
        taken.retain(|gone| order(gone, tag) == Ordering::Greater);
    }

    pub(crate) fn revert(&mut self, service: usize, environment: usize) {
        let (repository, path) = place(service, environment);
        let texts: Vec<String> =
            self.repositories[repository].versions(&path).map(|(_, _, text)| tag_in(text)).collect();
        if let [.., before, _] = texts.as_slice() {
            let before = before.clone();
            self.write_by_hand(service, environment, &before, "Revert the last change");
        }
    }

    pub(crate) fn pin(&mut self, service: usize, environment: usize, is_up: bool) {
        let now = self.value(service, environment);
        let mut tags: Vec<String> = self.tags[service].clone();
        tags.sort_by(|one, other| order(one, other));
        // Staging and production take releases.
        tags.retain(|tag| environment == 0 || !tag.contains("-rc."));
        let wanted = if is_up { Ordering::Greater } else { Ordering::Less };
        let found = if is_up {
            tags.iter().find(|tag| order(tag, &now) == wanted)
        } else {
            tags.iter().rev().find(|tag| order(tag, &now) == wanted)
        };
        if let Some(tag) = found.cloned() {
            self.write_by_hand(service, environment, &tag, "Set by hand");
        }
    }

    pub(crate) fn resume(&mut self, service: usize, environment: usize) {
        let (repository, _) = place(service, environment);
        let message = format!("Go on\n\nRepin-Resume: argocd/{}-{}", SERVICES[service], ENVIRONMENTS[environment]);
        self.commit(repository, BTreeMap::new(), &message, false);
        self.taken.remove(&(service, environment));
        if environment == 2 {
            self.refused.remove(&service);
        }
    }

    pub(crate) fn freeze(&mut self, environment: Option<usize>, minutes: u32) {
        let environment = environment.map(|at| ENVIRONMENTS[at].parse().unwrap());
        let scope = Scope { environment, ..Scope::default() };
        let hold = self.entry(HoldKind::Freeze, scope, minutes);
        self.holds.get_mut("gitops").unwrap().push(hold);
    }

    pub(crate) fn lift(&mut self, service: usize, minutes: u32) {
        let application = format!("{}-production", SERVICES[service]).parse().unwrap();
        let scope = Scope { application: Some(application), ..Scope::default() };
        let hold = self.entry(HoldKind::Override, scope, minutes);
        self.holds.get_mut("locked").unwrap().push(hold);
    }

    fn entry(&self, kind: HoldKind, scope: Scope, minutes: u32) -> Hold {
        let until = self.now.checked_add(SignedDuration::from_mins(i64::from(minutes))).unwrap();
        Hold {
            kind,
            scope,
            reason: "because".to_owned(),
            actor: "paula".to_owned(),
            since: self.now,
            until: Some(until),
            line: 1,
        }
    }

    pub(crate) fn thaw(&mut self) {
        self.holds.get_mut("gitops").unwrap().clear();
    }

    pub(crate) fn outage(&mut self, service: usize, minutes: u32) {
        self.outages[service] = self.now.checked_add(SignedDuration::from_mins(i64::from(minutes))).ok();
    }

    pub(crate) fn merge_all(&mut self) {
        for open in std::mem::take(&mut self.open) {
            if open.parent != self.head("locked") {
                // It has to be brought up to date first.
                self.open.push(open);
                continue;
            }
            let message = format!("Merge pull request #{}\n\n{}", open.pull.number, open.message);
            self.commit("locked", open.files, &message, true);
            let pull = PullRequest {
                state: PullState::Merged,
                closed: Some(self.now),
                merge_commit: Some(self.head("locked")),
                ..open.pull
            };
            self.closed.push(pull);
        }
    }

    pub(crate) fn close(&mut self, service: usize) {
        let path = place(service, 2).1;
        let Some(at) = self.open.iter().position(|open| open.files.contains_key(&path)) else { return };
        let open = self.open.remove(at);
        self.refused.entry(service).or_default().insert(tag_in(&open.files[&path]));
        self.closed.push(PullRequest { state: PullState::Closed, closed: Some(self.now), ..open.pull });
    }

    /// Decides, and does it.
    pub(crate) fn cycle(&mut self) {
        let snapshot = self.snapshot();
        self.proven = std::array::from_fn(|service| (self.value(service, 1), self.is_soaked(service)));
        let decision = self.decide(snapshot);
        for set in &decision.changes {
            match &set.proposal {
                None => self.push(set),
                Some(_) => self.propose(set),
            }
        }
        for chore in &decision.chores {
            self.do_chore(chore);
        }
        self.assert_open_ones_are_wanted(&decision);
    }

    fn push(&mut self, set: &ChangeSet) {
        let repository = REPOSITORIES.into_iter().find(|name| *name == set.repository).unwrap();
        assert_eq!(repository, "gitops", "production is written by pull requests only: {}", self.told());
        assert_eq!(set.head, self.head(repository));
        for commit in &set.commits {
            for file in &commit.files {
                self.check_write(file.path.as_ref(), &tag_in(&file.before), &tag_in(&file.after));
            }
            let files = commit.files.iter().map(|file| (file.path.to_string(), file.after.clone())).collect();
            self.commit(repository, files, &commit.message, true);
            self.writes += 1;
        }
        self.check_pace();
    }

    /// Holds one write against what people and rules allow.
    fn check_write(&self, path: &str, old: &str, new: &str) {
        let (service, environment) = self.read_path(path);
        let told = || format!("{path}: {old} -> {new}\n{}", self.told());
        assert_eq!(order(new, old), Ordering::Greater, "a downgrade: {}", told());
        let taken = self.taken.get(&(service, environment));
        assert!(!taken.is_some_and(|taken| taken.contains(new)), "a person took it away: {}", told());
        let is_frozen = self.holds["gitops"].iter().any(|hold| {
            let is_it = |glob: &Glob| glob.as_str() == ENVIRONMENTS[environment];
            hold.until > Some(self.now) && hold.scope.environment.as_ref().is_none_or(is_it)
        });
        let is_lifted = environment == 2 && self.is_lifted(service);
        assert!(!is_frozen || is_lifted, "a freeze: {}", told());
        match environment {
            0 => assert!(self.tags[service].iter().any(|tag| tag == new)),
            1 => assert!(!new.contains("-rc."), "no release: {}", told()),
            _ => {
                let (proven, is_soaked) = &self.proven[service];
                assert_eq!(new, proven, "not what staging holds: {}", told());
                assert!(is_lifted || *is_soaked, "not long enough in staging: {}", told());
                assert!(is_lifted || self.is_office(), "outside its window: {}", told());
                let refused = self.refused.get(&service);
                let is_refused = |gone: &String| order(new, gone) != Ordering::Greater;
                assert!(!refused.is_some_and(|refused| refused.iter().any(is_refused)), "refused: {}", told());
            }
        }
    }

    fn is_lifted(&self, service: usize) -> bool {
        let name = format!("{}-production", SERVICES[service]);
        self.holds["locked"].iter().any(|hold| {
            hold.until > Some(self.now) && hold.scope.application.as_ref().is_some_and(|glob| glob.as_str() == name)
        })
    }

    fn is_soaked(&self, service: usize) -> bool {
        let (repository, path) = place(service, 1);
        let versions: Vec<_> = self.repositories[repository].versions(&path).collect();
        let (_, last, text) = versions.last().unwrap();
        let since = versions.iter().rev().take_while(|(_, _, other)| tag_in(other) == tag_in(text)).last();
        let since = since.map_or(last.info.committed, |(_, commit, _)| commit.info.committed);
        self.now.duration_since(since) >= SOAK
    }

    fn is_office(&self) -> bool {
        let local = self.now.to_zoned(TimeZone::get("Europe/Berlin").unwrap());
        let is_weekday = local.weekday().to_monday_one_offset() <= 5;
        is_weekday && (9..17).contains(&local.hour()) && local.hour() != 12
    }

    fn read_path(&self, path: &str) -> (usize, usize) {
        for service in 0..SERVICES.len() {
            for environment in 0..ENVIRONMENTS.len() {
                if place(service, environment).1 == path {
                    return (service, environment);
                }
            }
        }
        panic!("{path} is nobody's place: {}", self.told())
    }

    fn check_pace(&self) {
        let line = &self.repositories["gitops"].line;
        let lately = line
            .iter()
            .rev()
            .take_while(|commit| self.now.duration_since(commit.info.committed) < SignedDuration::from_hours(1));
        let staging = lately.filter(|commit| commit.is_repin).flat_map(|commit| commit.files.keys());
        let count = staging.filter(|path| path.ends_with("values-staging.yaml")).count();
        assert!(count <= usize::try_from(PER_HOUR).unwrap(), "{count} changes within an hour: {}", self.told());
    }

    fn propose(&mut self, set: &ChangeSet) {
        let proposal = set.proposal.as_ref().unwrap();
        let [commit] = set.commits.as_slice() else { panic!("one commit for a pull request") };
        self.numbers += 1;
        let marker = Marker {
            format: 1,
            branch: set.branch.to_string(),
            changes: pull_request::changes(&proposal.text),
            more: 0,
            text: pull_request::key(&proposal.text),
            closed: None,
            told: BTreeSet::new(),
            by: String::new(),
        };
        let rendered = pull_request::render(&proposal.text, &marker);
        let known = self.open.iter().position(|open| open.pull.head == set.branch);
        let was = known.map(|at| self.open.remove(at));
        let files: BTreeMap<String, String> =
            commit.files.iter().map(|file| (file.path.to_string(), file.after.clone())).collect();
        for file in &commit.files {
            let path = file.path.to_string();
            let is_same = was
                .as_ref()
                .is_some_and(|open| open.files.get(&path).map(|text| tag_in(text)) == Some(tag_in(&file.after)));
            // The same value on a base that moved is nothing new.
            if !is_same {
                self.check_write(&path, &tag_in(&file.before), &tag_in(&file.after));
            }
        }
        let number = match proposal.request {
            Request::Open => {
                assert!(was.is_none(), "a second pull request for one group: {}", self.told());
                self.numbers
            }
            Request::Update(number) | Request::Keep(number) | Request::Finish(number) => number,
            Request::Reopen(number, _) => {
                self.closed.retain(|pull| pull.number != number);
                number
            }
        };
        let pull = PullRequest {
            number,
            url: format!("https://git.example/acme/locked/pulls/{number}"),
            title: rendered.title,
            body: rendered.body,
            state: PullState::Open,
            head: set.branch.clone(),
            head_commit: Some(id(self.numbers)),
            base: main(),
            is_draft: false,
            labels: BTreeSet::new(),
            author: "repin".to_owned(),
            created: was.as_ref().map_or(self.now, |open| open.pull.created),
            updated: self.now,
            closed: None,
            merge_commit: None,
            has_conflict: Some(false),
            is_auto_merged: Some(false),
        };
        let (head, parent) = (id(self.numbers), self.head("locked"));
        self.open.push(Open { pull, head, parent, message: commit.message.clone(), files });
        self.writes += 1;
    }

    fn do_chore(&mut self, chore: &Chore) {
        match chore {
            Chore::Close { number, reason, .. } => {
                let at = self.open.iter().position(|open| open.pull.number == *number).expect("it is open");
                let open = self.open.remove(at);
                let mut marker = Marker::parse(&open.pull.body).unwrap();
                marker.closed = Some(reason.clone());
                let body = pull_request::replace(&open.pull.body, &marker);
                self.closed.push(PullRequest { state: PullState::Closed, closed: Some(self.now), body, ..open.pull });
                self.writes += 1;
            }
            Chore::Tell { number, notice, body, .. } => {
                let mut marker = Marker::parse(body).unwrap();
                let word = match notice {
                    repin::model::change::Notice::Foreign { .. } => "foreign",
                    repin::model::change::Notice::Refused { .. } => "refused",
                };
                marker.told.insert(word.to_owned());
                let body = pull_request::replace(body, &marker);
                self.closed.iter_mut().filter(|pull| pull.number == *number).for_each(|pull| pull.body = body.clone());
                self.writes += 1;
            }
            Chore::Delete { .. } => panic!("branches go with their pull requests"),
            Chore::StopMerge { .. } => panic!("nobody asked for that"),
        }
    }

    /// Whatever windows and freezes say: what staging does not hold any more is proposed no more.
    fn assert_open_ones_are_wanted(&self, decision: &Decision) {
        for open in &self.open {
            for (path, text) in &open.files {
                let (service, _) = self.read_path(path);
                let told = || {
                    let of = |outcome: &&repin::model::outcome::Outcome| {
                        outcome.environment.as_deref() == Some("production")
                    };
                    format!("{:?}\n{}", decision.outcomes.iter().filter(of).collect::<Vec<_>>(), self.told())
                };
                assert_eq!(tag_in(text), self.proven[service].0, "it is proposed on: {}", told());
            }
        }
    }

    /// Everything that is allowed happened.
    pub(crate) fn assert_arrived(&self, service: usize, environment: usize) {
        let value = self.value(service, environment);
        let none = BTreeSet::new();
        let taken = self.taken.get(&(service, environment)).unwrap_or(&none);
        let is_kept_out = |tag: &str| taken.iter().any(|gone| order(tag, gone) != Ordering::Greater);
        let told = || {
            format!("{} in {}: {value}, taken {taken:?}\n{}", SERVICES[service], ENVIRONMENTS[environment], self.told())
        };
        if environment == 2 {
            let wanted = self.value(service, 1);
            let refused = self.refused.get(&service).unwrap_or(&none);
            let is_refused = refused.iter().any(|gone| order(&wanted, gone) != Ordering::Greater);
            if order(&wanted, &value) == Ordering::Greater && !is_kept_out(&wanted) && !is_refused {
                panic!("{wanted} of staging did not arrive: {}", told());
            }
            return;
        }
        let fits = |tag: &&String| environment == 0 || !tag.contains("-rc.");
        let newest = self.tags[service].iter().filter(fits).max_by(|one, other| order(one, other)).unwrap();
        if order(newest, &value) == Ordering::Greater && !is_kept_out(newest) {
            panic!("{newest} did not arrive: {}", told());
        }
    }

    fn told(&self) -> String {
        let from = self.story.len().saturating_sub(60);
        self.story[from..].join("\n")
    }

    fn snapshot(&self) -> Snapshot {
        let rules = rules();
        let mut snapshot = Snapshot {
            now: self.now,
            rules: rules.clone().into(),
            windows: Arc::new(windows()),
            is_whole: true,
            ..Snapshot::default()
        };
        for name in REPOSITORIES {
            let base = RemoteBranch { repository: name.to_owned(), branch: main() };
            snapshot.heads.insert(base, self.head(name));
            snapshot.holds.insert(name.to_owned(), Ok(Arc::new(self.holds[name].clone())));
            snapshot.advertised.insert(name.to_owned(), Arc::new(BTreeMap::from([(main(), self.head(name))])));
        }
        snapshot.pulls.insert("locked".to_owned(), Ok(self.pulls()));
        for service in 0..SERVICES.len() {
            for environment in 0..ENVIRONMENTS.len() {
                self.track(service, environment, &rules, &mut snapshot);
            }
        }
        snapshot
    }

    fn track(&self, service: usize, environment: usize, rules: &[Rule], snapshot: &mut Snapshot) {
        let (repository, path) = place(service, environment);
        let file: RepoPath = path.parse().unwrap();
        let base = RemoteBranch { repository: repository.to_owned(), branch: main() };
        let text = self.repositories[repository].text(&path);
        let state = FileState::Parsed(Arc::new(Source::parse(text).unwrap()));
        snapshot.files.insert((base, file.clone()), state.clone());
        let tracked = self.tracked[&(service, environment)].clone();
        let read = |path: &RepoPath| if *path == file { state.clone() } else { FileState::Missing };
        let files = Files { read: &read, count: &|_, _| 0, naming: &|_, _| Vec::new(), holding: &|_, _, _| Vec::new() };
        let located = tracked.target.as_ref().and_then(|target| locate(&tracked, target, files).pop());
        assert!(located.as_ref().and_then(|one| one.site.as_ref().ok()).and_then(Site::shown).is_some());
        let branch = tracked.target.as_ref().map(Target::written_branch).unwrap();
        let subject = rules::Subject {
            repository,
            branch: &branch,
            path: Some(&file),
            application: &tracked.application.name,
            namespace: "argocd",
            project: "default",
            labels: &BTreeMap::new(),
        };
        let rule = Some(rules::effective(rules, false, &subject));
        let timeline = self.timeline(repository, &path);
        snapshot.subjects.push(Arc::new(Subject { tracked, located, rule, timeline }));
    }

    fn timeline(&self, repository: &str, path: &str) -> Timeline {
        let line = &self.repositories[repository];
        let standing = |(at, commit, text): (usize, &Commit, &str)| {
            let claimed = commit.said.changes.iter().find(|change| change.file == path);
            Standing {
                at: at as u64,
                commit: commit.info.clone(),
                since: commit.info.committed,
                stood: Stood::Tag { tag: tag_in(text), digest: None },
                claimed: claimed.cloned().map(Arc::new),
            }
        };
        let mut releases = Vec::new();
        for (at, commit) in line.line.iter().enumerate() {
            let release =
                |resume: &Resume| Release { at: at as u64, time: commit.info.committed, resume: resume.clone() };
            releases.extend(commit.said.resumes.iter().map(release));
        }
        let standings = line.versions(path).map(standing).rev().collect();
        Timeline { standings, releases: Arc::new(releases), ..Timeline::default() }
    }

    fn pulls(&self) -> Pulls {
        let mut pulls = Pulls {
            has_all_closed: true,
            main: Some(main()),
            looked: Some(self.now),
            open: self.open.iter().map(|open| open.pull.clone()).collect(),
            ..Pulls::default()
        };
        for open in &self.open {
            let trailers = Trailers::parse(&open.message);
            let head = Head {
                commit: open.head,
                parents: vec![open.parent],
                author: "repin".to_owned(),
                is_ours: true,
                is_known: true,
                changes: trailers.changes,
                applications: trailers.applications,
                has_conflict: Some(false),
            };
            pulls.heads.insert(open.pull.head.clone(), head);
        }
        for pull in self.closed.iter().rev() {
            pulls.closed.entry(pull.head.clone()).or_default().push(pull.clone());
            pulls.closers.insert(pull.number, Some("paula".to_owned()));
        }
        for closed in pulls.closed.values_mut() {
            closed.sort_by_key(|pull| std::cmp::Reverse(pull.closed));
        }
        pulls
    }

    fn decide(&self, mut snapshot: Snapshot) -> Decision {
        for _ in 0..20 {
            let decision = decide(&snapshot);
            if decision.questions.is_empty() {
                return decision;
            }
            for question in decision.questions {
                self.answer(question, &mut snapshot);
            }
        }
        panic!("questions without end: {}", self.told())
    }

    fn answer(&self, question: Question, snapshot: &mut Snapshot) {
        let service = |image: &repin::model::names::ImageName| {
            SERVICES.iter().position(|name| image.repository() == *name).unwrap()
        };
        let down = |image: &repin::model::names::ImageName| {
            self.outages[service(image)].filter(|until| self.now < *until).map(|_| Failure {
                code: "registry/unreachable".to_owned(),
                message: "nobody answers".to_owned(),
                hint: None,
                line: None,
            })
        };
        match question {
            Question::Listing(image) => {
                let tags = self.tags[service(&image)].iter().map(|tag| tag.parse::<Tag>().unwrap()).collect();
                let listed = Arc::new(Listed { tags, ..Listed::default() });
                let answer = down(&image).map_or(Ok(listed), Err);
                snapshot.listings.insert(image, answer);
            }
            Question::Manifest(image, tag) => {
                let is_there = self.tags[service(&image)].iter().any(|known| known == tag.as_str());
                let found = is_there.then(|| digest(tag.as_str()).parse().unwrap());
                let answer = down(&image).map_or(Ok(found), Err);
                snapshot.manifests.insert((image, tag), answer);
            }
            Question::Labels(image, digest) => {
                snapshot.labels.insert((image, digest), None);
            }
            other => panic!("nobody asks that here: {other:?}"),
        }
    }
}
