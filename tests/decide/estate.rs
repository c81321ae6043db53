//! Services in several environments and two repositories, told in words: what stood where, since when, and who wrote it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use repin::config::settings::Settings;
use repin::config::{Surroundings, parse};
use repin::manifest::Source;
use repin::manifest::argocd::{Definitions, read_applications};
use repin::manifest::holds;
use repin::message::trailers::{Change, Resume, Trailers};
use repin::model::change::ChangeSet;
use repin::model::forge::PullRequest;
use repin::model::history::{CommitId, CommitInfo};
use repin::model::names::{Digest, RepoPath};
use repin::model::outcome::{Outcome, OutcomeResult};
use repin::model::rule::Rule;
use repin::model::tracked::RemoteBranch;
use repin::model::verification::{KeyName, Unverified, Verification};
use repin::plan::locate::FileState;
use repin::plan::pulls::{Head, Pulls};
use repin::plan::rollback::{Release, Standing, Stood, Timeline};
use repin::plan::{Decision, Failure, Listed, Question, Snapshot, Subject, decide};
use repin::resolve::{Configured, resolve};

use crate::pure::{known, main, opened, placed};

/// A Tuesday, noon in Berlin plus one hour.
pub(crate) const NOW: &str = "2026-03-10T12:00:00Z";
pub(crate) const REPOSITORIES: [&str; 2] = ["gitops", "locked"];

/// One image of one Application, and what stood at its place.
#[derive(Clone)]
struct Image {
    environment: &'static str,
    service: &'static str,
    /// What tells it from the other Applications of the service in that environment; empty for the only one.
    variant: &'static str,
    alias: &'static str,
    /// Words `<age>:<value>`, oldest first; the last value stands there. An age is in hours, or with `m` in minutes. A value
    /// is a tag; `tag@d` with a digest in the file, `@d` that digest alone, `tag=d` with the digest in the commit's trailers,
    /// `+…` written by repin, `x` no file, `!` a release of everything, `!tag` of one tag.
    story: &'static str,
    /// The file, if it is another Application's.
    file: Option<String>,
    /// The constraint, as it stands behind the image.
    constraint: &'static str,
}

/// The world before a decision.
#[derive(Clone)]
pub(crate) struct Estate {
    config: String,
    images: Vec<Image>,
    /// Annotations of Applications, by environment, service and variant.
    annotations: Vec<((&'static str, &'static str, &'static str), String)>,
    /// Files of holds, by repository.
    holds: BTreeMap<&'static str, String>,
    /// What a registry says of `service:tag`: a digit of the digest, `gone`, or `down`; others have the digest `a`.
    answers: BTreeMap<&'static str, &'static str>,
    /// Repositories that could not be read.
    pub(crate) broken: Vec<&'static str>,
    /// Files whose content is put in place of what the stories make.
    pub(crate) texts: BTreeMap<String, String>,
    /// Open pull requests with their branches' heads.
    pub(crate) open: Vec<(PullRequest, Head)>,
    /// Pull requests that a person closed.
    pub(crate) refused: Vec<PullRequest>,
    /// When tags were first seen, in hours before now.
    pub(crate) seen: BTreeMap<&'static str, i64>,
    pub(crate) stop: Option<String>,
    pub(crate) now: Timestamp,
    pub(crate) cut: bool,
}

/// Gives a digest of one digit.
pub(crate) fn digest(digit: &str) -> Digest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

fn repository(environment: &str) -> &'static str {
    REPOSITORIES[usize::from(environment == "production")]
}

fn base(repository: &str) -> RemoteBranch {
    RemoteBranch { repository: repository.to_owned(), branch: main() }
}

fn head(repository: &str) -> CommitId {
    let digit = if repository == "gitops" { "1" } else { "2" };
    digit.repeat(40).parse().unwrap()
}

fn ago(text: &str, now: Timestamp) -> Timestamp {
    let age = match text.strip_suffix('m') {
        Some(minutes) => SignedDuration::from_mins(minutes.parse().unwrap()),
        None => SignedDuration::from_hours(text.parse().unwrap()),
    };
    now - age
}

fn failure(code: &str, message: &str) -> Failure {
    Failure { code: code.to_owned(), message: message.to_owned(), hint: None, line: None }
}

impl Image {
    fn application(&self) -> String {
        let variant = if self.variant.is_empty() { String::new() } else { format!("-{}", self.variant) };
        format!("{}{variant}-{}", self.service, self.environment)
    }

    fn key(&self) -> (&'static str, &'static str, &'static str) {
        (self.environment, self.service, self.variant)
    }

    fn file(&self) -> String {
        let name = if self.variant.is_empty() { "values" } else { self.variant };
        let own = || format!("services/{}/{}/{name}.yaml", self.service, self.environment);
        self.file.clone().unwrap_or_else(own)
    }

    fn timeline(&self, now: Timestamp, is_cut: bool) -> Timeline {
        let (mut standings, mut releases): (Vec<Standing>, Vec<Release>) = (Vec::new(), Vec::new());
        for (at, word) in self.story.split_whitespace().enumerate() {
            let (age, value) = word.split_once(':').unwrap();
            let since = ago(age, now);
            let at = at as u64;
            if let Some(tag) = value.strip_prefix('!') {
                let tag = (!tag.is_empty()).then(|| tag.to_owned());
                let alias = tag.as_ref().map(|_| self.alias.to_owned());
                let resume = Resume { application: format!("argocd/{}", self.application()), alias, tag };
                releases.push(Release { at, time: since, resume });
                continue;
            }
            let is_own = value.starts_with('+');
            let (stood, claimed_digest) = stood(value.trim_start_matches('+'));
            let claimed = is_own.then(|| {
                Arc::new(Change {
                    file: self.file(),
                    key: format!("{}.tag", self.alias),
                    image: format!("r.example/{}", self.service),
                    old: standings.last().and_then(|before| before.stood.shown()),
                    new: stood.shown().unwrap(),
                    digest: claimed_digest.or_else(|| match &stood {
                        Stood::Tag { digest, .. } => digest.clone(),
                        _ => None,
                    }),
                })
            });
            let who = if is_own { "repin" } else { "Paula" };
            let commit = Arc::new(CommitInfo {
                id: format!("{at:040x}").parse().unwrap(),
                author_name: who.into(),
                author_email: "p@example.com".into(),
                time: since,
                committer_name: who.into(),
                committer_email: "p@example.com".into(),
                committed: since,
                subject: format!("Set {value}"),
                message: String::new(),
            });
            standings.push(Standing { at, commit, since, stood, claimed });
        }
        standings.reverse();
        Timeline { standings, releases: Arc::new(releases), is_cut, ..Timeline::default() }
    }

    /// Whether the whole image stands in one text, as a digest alone needs it.
    fn is_whole(&self) -> bool {
        self.story.contains(":@")
    }

    /// What stands in the file today.
    fn value(&self) -> String {
        let mut values = self.story.split_whitespace().filter_map(|word| word.split_once(':')).map(|(_, value)| value);
        let last = values.rfind(|value| !value.starts_with('!')).unwrap();
        match stood(last.trim_start_matches('+')).0 {
            Stood::Tag { tag, digest: None } => tag,
            Stood::Tag { tag, digest: Some(digest) } if tag.is_empty() => digest,
            Stood::Tag { tag, digest: Some(digest) } => format!("{tag}@{digest}"),
            _ => String::new(),
        }
    }
}

/// What stood, and the digest that only the trailers tell.
fn stood(value: &str) -> (Stood, Option<String>) {
    if value == "x" {
        return (Stood::NoFile, None);
    }
    if let Some((tag, digit)) = value.split_once('=') {
        return (Stood::Tag { tag: tag.to_owned(), digest: None }, Some(digest(digit).to_string()));
    }
    let (tag, pin) = value.split_once('@').map_or((value, None), |(tag, digit)| (tag, Some(digest(digit).to_string())));
    (Stood::Tag { tag: tag.to_owned(), digest: pin }, None)
}

impl Estate {
    /// Environments `dev`, `staging` and `production`; the last one takes from `staging`, with these lines besides.
    pub(crate) fn with(production: &str) -> Self {
        let has_source = production.lines().any(|line| line.starts_with("promote_from:"));
        let source = if has_source { "" } else { "    promote_from: staging\n" };
        let has_delivery = production.lines().any(|line| line.starts_with("delivery:"));
        let delivery = if has_delivery { "" } else { "    delivery: commit\n" };
        let lines: String = production.lines().map(|line| format!("    {line}\n")).collect();
        let environments = format!(
            "environments:\n  - {{name: dev, delivery: none}}\n  - {{name: staging, delivery: none}}\n  - {{name: canary, delivery: none}}\n  - name: production\n{delivery}{source}{lines}"
        );
        Self {
            config: environments,
            images: Vec::new(),
            annotations: Vec::new(),
            holds: BTreeMap::new(),
            answers: BTreeMap::new(),
            broken: Vec::new(),
            texts: BTreeMap::new(),
            open: Vec::new(),
            refused: Vec::new(),
            seen: BTreeMap::new(),
            stop: None,
            now: NOW.parse().unwrap(),
            cut: false,
        }
    }

    /// The same with `web` in staging and production.
    pub(crate) fn web(production: &str, staging: &'static str, own: &'static str) -> Self {
        Self::with(production).place("staging web", staging).place("production web", own)
    }

    /// Adds an image: `<environment> <service>[:variant][.alias]`.
    pub(crate) fn place(mut self, who: &'static str, story: &'static str) -> Self {
        let (environment, rest) = who.split_once(' ').unwrap();
        let (rest, alias) = rest.split_once('.').unwrap_or((rest, "app"));
        let (service, variant) = rest.split_once(':').unwrap_or((rest, ""));
        self.images.push(Image { environment, service, variant, alias, story, file: None, constraint: "" });
        self
    }

    /// Has the image that was added last stand in another file.
    pub(crate) fn at(mut self, file: &str) -> Self {
        self.images.last_mut().unwrap().file = Some(file.to_owned());
        self
    }

    /// Constrains the image that was added last.
    pub(crate) fn constrained(mut self, constraint: &'static str) -> Self {
        self.images.last_mut().unwrap().constraint = constraint;
        self
    }

    /// Annotates the Application of the image that was added last: `key: value`, without prefix.
    pub(crate) fn note(mut self, line: &str) -> Self {
        let key = self.images.last().unwrap().key();
        self.annotations.push((key, line.to_owned()));
        self
    }

    /// Adds lines to the configuration.
    pub(crate) fn top(mut self, lines: &str) -> Self {
        self.config.insert_str(0, lines);
        self
    }

    /// Writes the file of holds of a repository: entries in flow style, one a line.
    pub(crate) fn held(mut self, repository: &'static str, entries: &str) -> Self {
        let lines: String = entries.lines().map(|line| format!("  - {{{line}}}\n")).collect();
        self.holds.insert(repository, format!("holds:\n{lines}"));
        self
    }

    /// Writes a file of holds that says nothing that can be read.
    pub(crate) fn held_badly(mut self, repository: &'static str) -> Self {
        self.holds.insert(repository, "holds: [{kind: frost}]\n".to_owned());
        self
    }

    pub(crate) fn answer(mut self, image: &'static str, answer: &'static str) -> Self {
        self.answers.insert(image, answer);
        self
    }

    pub(crate) fn at_time(mut self, now: &str) -> Self {
        self.now = now.parse().unwrap();
        self
    }

    fn rules(settings: &Settings) -> Vec<Rule> {
        settings.environments.iter().chain(&settings.rules).cloned().collect()
    }

    fn settings(&self) -> Settings {
        let text = format!(
            "repositories:\n  - {{name: gitops, url: \"https://git.example/acme/gitops.git\"}}\n  - {{name: locked, url: \"https://git.example/acme/locked.git\"}}\nregistries: [{{host: r.example}}]\ncache: {{path: /nowhere}}\nrules:\n  - match: {{path: \"services/{{service}}/{{environment}}/**\"}}\n    may_write: [\"services/**\"]\n{}",
            self.config
        );
        let around = Surroundings {
            file: Path::new("repin.yaml"),
            secrets: &|_| Err("there is none".to_owned()),
            files: &|_| Err("there is none".to_owned()),
            default_cache: Some("/nowhere".into()),
        };
        parse(&text, &around).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}")).0
    }

    fn text(&self, file: &str) -> String {
        if let Some(text) = self.texts.get(file) {
            return text.clone();
        }
        let mut text = String::from("# kept\n");
        let mut done = Vec::new();
        for image in self.images.iter().filter(|image| image.file() == file) {
            if !done.contains(&image.alias) {
                done.push(image.alias);
                let (value, service) = (image.value(), image.service);
                let whole = if value.starts_with("sha256:") { format!("@{value}") } else { format!(":{value}") };
                text += &match image.is_whole() {
                    true => format!("{}:\n  image: r.example/{service}{whole}\n", image.alias),
                    false => format!("{}:\n  tag: \"{value}\" # here\n", image.alias),
                };
            }
        }
        text
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let settings = self.settings();
        let mut snapshot = Snapshot {
            now: self.now,
            rules: Self::rules(&settings).into(),
            windows: Arc::new(settings.windows.clone()),
            max_changes_per_push: settings.max_changes_per_push,
            stop: self.stop.clone(),
            is_whole: true,
            ..Snapshot::default()
        };
        for name in REPOSITORIES {
            snapshot.heads.insert(base(name), head(name));
            snapshot.advertised.insert(name.to_owned(), Arc::new(BTreeMap::from([(main(), head(name))])));
            if self.broken.contains(&name) {
                snapshot.repository_failures.insert(name.to_owned(), failure("git/unreachable", "nobody answers"));
            }
        }
        for (name, text) in &self.holds {
            let read = holds::read(text).map(Arc::new);
            let read = read.map_err(|errors| failure("holds/invalid", &errors[0].to_string()));
            snapshot.holds.insert((*name).to_owned(), read);
        }
        let mut pulls = Pulls {
            has_all_closed: true,
            main: Some(main()),
            looked: Some(self.now),
            open: self.open.iter().map(|(pull, _)| pull.clone()).collect(),
            ..Pulls::default()
        };
        for (pull, head) in &self.open {
            pulls.heads.insert(pull.head.clone(), head.clone());
        }
        for pull in &self.refused {
            pulls.closed.entry(pull.head.clone()).or_default().push(pull.clone());
            pulls.closers.insert(pull.number, Some("ada".to_owned()));
        }
        snapshot.pulls.insert("locked".to_owned(), Ok(pulls));
        let mut done = Vec::new();
        for image in &self.images {
            if !done.contains(&image.key()) {
                done.push(image.key());
                self.track(image, &settings, &mut snapshot);
            }
        }
        for (tag, hours) in &self.seen {
            let of_services = self.images.iter().map(|image| image.service);
            for service in of_services {
                let key = (
                    format!("r.example/{service}").parse().unwrap(),
                    tag.parse().unwrap(),
                    self.digest_of(service, tag),
                );
                snapshot.first_seen.insert(key, self.now - SignedDuration::from_hours(*hours));
            }
        }
        snapshot
    }

    /// One Application with all its images.
    fn track(&self, first: &Image, settings: &Settings, snapshot: &mut Snapshot) {
        let own: Vec<&Image> = self.images.iter().filter(|image| image.key() == first.key()).collect();
        let repository = repository(first.environment);
        let entry = |image: &&Image| {
            let colon = if image.constraint.is_empty() { "" } else { ":" };
            format!("{}=r.example/{}{colon}{}", image.alias, image.service, image.constraint)
        };
        let list: Vec<String> = own.iter().map(entry).collect();
        let mut annotations = format!("    repin.dev/image-list: \"{}\"\n", list.join(","));
        for image in &own {
            let key = if image.is_whole() { "image-spec: app.image" } else { "image-tag: app.tag" };
            annotations += &format!("    repin.dev/{0}.helm.{1}\n", image.alias, key.replace("app", image.alias));
        }
        annotations += &format!("    repin.dev/write-back-target: helmvalues:/{}\n", first.file());
        let noted = self.annotations.iter().filter(|(key, _)| *key == first.key());
        for (key, value) in noted.filter_map(|(_, line)| line.split_once(": ")) {
            annotations += &format!("    repin.dev/{key}: \"{value}\"\n");
        }
        let manifest = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {}\n  namespace: argocd\n  annotations:\n{annotations}spec:\n  source: {{repoURL: \"https://git.example/acme/{repository}.git\", path: services/{}, targetRevision: main}}\n",
            first.application(),
            first.service
        );
        let Definitions { applications, problems, .. } =
            read_applications(repository, &"apps.yaml".parse().unwrap(), &manifest);
        assert_eq!(problems, [], "{manifest}");
        let known = known(&REPOSITORIES);
        let keys: Vec<KeyName> = vec!["release".parse().unwrap()];
        let names: Vec<String> = ["dev", "staging", "canary", "production"].map(str::to_owned).into();
        let configured = Configured {
            repositories: &known,
            cosign_keys: &keys,
            windows: Some(&settings.windows),
            environments: &names,
            ..Configured::default()
        };
        let (tracked, problems) = resolve(&applications[0], &configured);
        assert_eq!(problems, [], "{manifest}");
        for tracked in tracked {
            let image = own.iter().find(|image| image.alias == tracked.alias).unwrap();
            let file: RepoPath = image.file().parse().unwrap();
            let state = match Source::parse(&self.text(file.as_str())) {
                Ok(source) => FileState::Parsed(Arc::new(source)),
                Err(error) => FileState::Unreadable(Arc::new(error)),
            };
            snapshot.files.insert((base(repository), file.clone()), state.clone());
            if self.broken.contains(&repository) {
                let tracked = Arc::new(tracked);
                snapshot.subjects.push(Arc::new(Subject {
                    tracked,
                    located: None,
                    rule: None,
                    timeline: Timeline::default(),
                    memo: Default::default(),
                }));
                continue;
            }
            let (rules, timeline) = (Self::rules(settings), image.timeline(self.now, self.cut));
            let subject = placed(Arc::new(tracked), (repository, &file), &state, &rules, timeline);
            snapshot.subjects.push(Arc::new(subject));
        }
    }

    pub(crate) fn decide(&self) -> Decision {
        let mut snapshot = self.snapshot();
        for _ in 0..20 {
            let decision = decide(&snapshot);
            if decision.questions.is_empty() {
                return decision;
            }
            for question in decision.questions {
                self.reply(question, &mut snapshot);
            }
        }
        panic!("questions without end");
    }

    fn digest_of(&self, service: &str, tag: &str) -> Digest {
        digest(self.answers.get(format!("{service}:{tag}").as_str()).copied().unwrap_or("a"))
    }

    fn reply(&self, question: Question, snapshot: &mut Snapshot) {
        match question {
            Question::Manifest(image, tag) => {
                let name = format!("{}:{tag}", image.repository());
                let answer = match self.answers.get(name.as_str()).copied() {
                    Some("gone") => Ok(None),
                    Some("down") => Err(failure("registry/unreachable", "nobody answers")),
                    Some(digit) => Ok(Some(digest(digit))),
                    None => Ok(Some(digest("a"))),
                };
                snapshot.manifests.insert((image, tag), answer);
            }
            Question::Labels(image, digest) => drop(snapshot.labels.insert((image, digest), None)),
            Question::Listing(image) => {
                let own = self.images.iter().filter(|one| one.service == image.repository());
                let tags = own.map(|one| one.value().parse().unwrap()).collect();
                snapshot.listings.insert(image, Ok(Arc::new(Listed { tags, ..Listed::default() })));
            }
            Question::Verification(image, signed, keys) => {
                let answers = snapshot.verifications.entry((image, signed)).or_default();
                answers.extend(keys.into_iter().map(|key| (key, Ok(Verification::Unverified(Unverified::Nothing)))));
            }
            other => panic!("nobody asks that here: {other:?}"),
        }
    }

    /// The outcome of an image, named as in [`Estate::place`].
    pub(crate) fn outcome(&self, who: &'static str) -> Outcome {
        outcome(&self.decide(), who)
    }

    /// `<result> <code> <to>` of an image.
    pub(crate) fn verdict(&self, who: &'static str) -> String {
        verdict(&self.outcome(who))
    }

    /// Opens a pull request for everything that a decision proposes, some hours before now.
    pub(crate) fn proposes(&mut self, decision: &Decision, hours: i64) {
        for set in decision.changes.iter().filter(|set| set.proposal.is_some()) {
            let number = self.open.len() as u64 + 1;
            let pull = opened_with_head(set, number, self.now - SignedDuration::from_hours(hours));
            self.open.push(pull);
        }
    }
}

fn opened_with_head(set: &ChangeSet, number: u64, created: Timestamp) -> (PullRequest, Head) {
    let trailers = Trailers::parse(&set.commits[0].message);
    let commit: CommitId = format!("{number:040x}").parse().unwrap();
    let pull = opened(set, number, commit, created);
    let head = Head {
        commit,
        parents: vec![head(&set.repository)],
        author: "repin".to_owned(),
        is_ours: true,
        is_known: true,
        changes: trailers.changes,
        applications: trailers.applications,
        has_conflict: Some(false),
    };
    (pull, head)
}

/// The outcome of an image, named as in [`Estate::place`].
pub(crate) fn outcome(decision: &Decision, who: &'static str) -> Outcome {
    let (environment, rest) = who.split_once(' ').unwrap();
    let (rest, alias) = rest.split_once('.').unwrap_or((rest, "app"));
    let application = format!("argocd/{}-{environment}", rest.replace(':', "-"));
    let mut found = decision.outcomes.iter().filter(|one| one.application == application && one.alias == alias);
    let one = found.next().unwrap_or_else(|| panic!("{who}: {:#?}", decision.outcomes));
    one.clone()
}

/// `<result> <code> <to>`; digests are shortened to their digit.
pub(crate) fn verdict(outcome: &Outcome) -> String {
    let word = match outcome.result {
        OutcomeResult::Current => "current",
        OutcomeResult::Pending => "pending",
        OutcomeResult::Delivered => "delivered",
        OutcomeResult::Held => "held",
        OutcomeResult::Failed => "failed",
    };
    let to = outcome.to.as_deref().unwrap_or("-");
    let to = to.split_once("@sha256:").map_or(to.to_owned(), |(tag, digest)| format!("{tag}@{}", &digest[..1]));
    format!("{word} {} {to}", outcome.code)
}
