//! One cycle: gather, decide, act.
//!
//! [`Reconciler`] keeps between cycles what cannot have changed. It chooses nothing: `plan::decide` does, and a moved
//! head means that everything is gathered and decided again. The only place that starts over.

mod act;
mod ask_git;
mod certainty;
mod check;
mod configured;
mod due;
pub mod failpoint;
mod forges;
mod gather;
mod generate;
mod holds;
mod logins;
mod news;
mod past;
mod propose;
mod pulls;
pub mod repository;
mod retry;
mod scan;
mod stop;
mod texts;
mod trace;
mod trial;
mod workers;
pub mod write_holds;

pub use crate::reconcile::act::OVERRIDE_LOG;
pub use crate::reconcile::check::place_problems;
pub use crate::reconcile::due::Due;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::annotations::ArgocdMethod;
use crate::cache::Cache;
use crate::git::Authorship;
use crate::message::Wording;
use crate::model::application::Application;
use crate::model::asking::{Asking, Wish};
use crate::model::change::{ChangeSet, Chore};
use crate::model::image_field::ImageField;
use crate::model::names::ImageName;
use crate::model::outcome::{Outcome, OutcomeResult};
use crate::model::problem::Problem;
use crate::model::rule::{PullSecret, Rule};
use crate::model::verification::KeyName;
use crate::model::window::Window;
use crate::plan::judge::Judgement;
use crate::plan::past::Past;
use crate::plan::{self, Snapshot};
use crate::reconcile::forges::Forges;
use crate::reconcile::gather::Gathered;
use crate::reconcile::repository::{Repository, RepositoryOptions};
use crate::registry::{PublicKey, Registries, Traffic};

/// What a reconciler needs; made by `config`.
#[derive(Clone, Debug)]
pub struct Options {
    /// The repositories.
    pub repositories: Vec<RepositoryOptions>,
    /// The registries.
    pub registry: crate::registry::Options,
    /// What is said of environments, and then the rules, in file order.
    pub rules: Vec<Rule>,
    /// The windows, by name.
    pub windows: Arc<BTreeMap<String, Window>>,
    /// The most changes of one push, whatever the rules say.
    pub max_changes_per_push: Option<u32>,
    /// While this file exists nothing is written; its first line says why.
    pub emergency_stop: Option<PathBuf>,
    /// Writes nothing, whatever the rules say.
    pub observe: bool,
    /// Who may use which pull secret of [`Options::registry`].
    pub pull_secrets: Vec<PullSecret>,
    /// What `write-back-method: argocd` means.
    pub argocd: ArgocdMethod,
    /// Where objects of some kinds name an image.
    pub image_fields: Arc<[ImageField]>,
    /// Public keys with which images may have to be signed, by name.
    pub cosign_keys: BTreeMap<KeyName, Vec<PublicKey>>,
    /// Applications that no manifest defines.
    pub applications: Vec<Application>,
    /// Directory of everything that can be deleted.
    pub cache: PathBuf,
    /// How often registries are asked, and may be.
    pub asking: Asking,
    /// The configuration's path, as it is shown in problems of [`Options::applications`].
    pub configuration: String,
    /// Who commits are by.
    pub authorship: Authorship,
    /// Addresses of committers whose commits are ours, in lower case; that of [`Options::authorship`] is among them.
    pub own_emails: BTreeSet<String>,
    /// Forges by the URLs below which they are meant: for what applications are built from.
    pub forges: Vec<(Url, crate::forge::Options)>,
    /// Logins, in lower case, of those whose closing of a pull request refuses nothing.
    pub ignore_closed_by: BTreeSet<String>,
    /// How their messages are written.
    pub wording: Arc<Wording>,
}

/// How far a cycle goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Writes what was decided.
    Deliver,
    /// Decides and writes nothing.
    Plan,
    /// Decides and writes nothing, for what stands and waits: no text of a change is asked for.
    Status,
    /// Reads Git only, and asks no registry.
    Check,
    /// Reads Git only, for what stood at the places of the Applications that this name may mean, or of all.
    Past(Option<String>),
    /// Decides for the Applications of this name and asks the registry for held images too.
    Explain(String),
}

/// What a cycle found, decided and did.
#[derive(Debug, Default)]
pub struct CycleReport {
    /// One outcome for each place.
    pub outcomes: Vec<Outcome>,
    /// What is wrong, with hints.
    pub problems: Vec<Problem>,
    /// What was written, or with [`Mode::Plan`] would be.
    pub changes: Vec<ChangeSet>,
    /// What was done about pull requests besides, or would be.
    pub chores: Vec<Chore>,
    /// Repositories that could not be read.
    pub unread_repositories: usize,
    /// Registry requests of this cycle.
    pub registry_requests: u64,
    /// What each registry was asked since the process began, and how long it is left alone.
    pub registries: BTreeMap<String, Traffic>,
    /// What the forge of each repository was asked since the process began.
    pub forges: BTreeMap<String, crate::forge::Traffic>,
    /// Chart templates passed over as no YAML.
    pub unparsed_templates: usize,
    /// Names of all discovered Applications, for [`Mode::Check`], [`Mode::Past`] and [`Mode::Explain`].
    pub applications: BTreeSet<crate::model::names::ApplicationKey>,
    /// Images that are to be looked at as somebody wishes, and not as their registry.
    pub wishes: BTreeMap<ImageName, Wish>,
    /// The snapshot that was decided on.
    pub snapshot: Snapshot,
    /// What is known of the lines of branches, for [`Mode::Past`] and [`Mode::Status`].
    pub past: Past,
    /// The judgements behind the outcomes.
    pub judgements: Vec<Judgement>,
}

impl CycleReport {
    fn writes(&self) -> bool {
        !self.changes.is_empty() || !self.chores.is_empty()
    }

    /// Tells whether something failed: an outcome, or a whole repository.
    pub fn has_failed(&self) -> bool {
        self.unread_repositories > 0 || self.outcomes.iter().any(|outcome| outcome.result == OutcomeResult::Failed)
    }
}

/// Runs cycles over the same repositories and registries.
pub struct Reconciler {
    options: Options,
    repositories: Vec<Repository>,
    registries: Arc<Registries>,
    cache: Cache,
    /// [`Options::rules`] and [`Options::applications`], shared with what was made from them.
    rules: Arc<[Rule]>,
    applications: Vec<Arc<Application>>,
    gathered: Gathered,
    /// What registries answered last.
    kept: scan::Answers,
    /// The forges of repositories and of applications' sources.
    forges: Forges,
    /// What forges told of applications' sources.
    compared: news::Compared,
    /// What is known of pull requests, by repository.
    pulls: BTreeMap<String, pulls::Memory>,
    /// What people hold.
    holds: holds::Memory,
    /// What the command line stops.
    stop: stop::Stop,
    /// Why nothing was written, as it was said last.
    said_stop: Option<String>,
}

impl Reconciler {
    /// Prepares a reconciler; nothing is opened or asked yet.
    ///
    /// # Errors
    /// The settings of a registry that cannot be used, such as an unreadable CA.
    pub fn new(options: Options) -> Result<Self, crate::registry::RegistryError> {
        let cache = Cache::open(&options.cache);
        Self::with_cache(options, cache)
    }

    fn with_cache(options: Options, cache: Cache) -> Result<Self, crate::registry::RegistryError> {
        let registries = Arc::new(Registries::new(options.registry.clone())?);
        let repositories = options.repositories.iter().cloned().map(Repository::new).collect();
        let (rules, applications) = shared(&options);
        let (kept, gathered) = (scan::Answers::default(), Gathered::default());
        let forges = Forges::default().renewed(&options);
        let (compared, pulls) = (news::Compared::default(), BTreeMap::new());
        Ok(Self {
            options,
            repositories,
            registries,
            cache,
            rules,
            applications,
            gathered,
            kept,
            forges,
            compared,
            pulls,
            holds: holds::Memory::new(),
            stop: stop::Stop::default(),
            said_stop: None,
        })
    }

    /// Closes what is open, and leaves the rest to the end of the process.
    pub fn leave(mut self) {
        self.repositories.iter_mut().for_each(Repository::close);
        self.cache = Cache::in_memory();
        std::mem::forget(self);
    }

    /// Takes changed options over. What did not change is kept: the open cache, and each repository with its mirror and
    /// what was read of it.
    ///
    /// # Errors
    /// As [`Reconciler::new`]; the running options stay.
    pub fn replace(&mut self, options: Options) -> Result<(), crate::registry::RegistryError> {
        self.registries = Arc::new(self.registries.renewed(options.registry.clone())?);
        self.kept = scan::Answers::default();
        let mut old = std::mem::take(&mut self.repositories);
        let mut keep = |options: &RepositoryOptions| {
            let at = old.iter().position(|known| known.options == *options);
            at.map_or_else(|| Repository::new(options.clone()), |at| old.swap_remove(at))
        };
        self.repositories = options.repositories.iter().map(&mut keep).collect();
        self.repositories.iter_mut().for_each(Repository::forget_made);
        // Closed before another one is opened: the same file cannot be open twice.
        if options.cache != self.options.cache {
            self.cache = Cache::open(&options.cache);
        }
        (self.rules, self.applications) = shared(&options);
        self.gathered = Gathered::default();
        self.forges = self.forges.renewed(&options);
        self.pulls.clear();
        self.options = options;
        Ok(())
    }

    /// Runs one cycle over what is due, with the given decision clock. Cancelled before it writes it gives what it has, unfinished; what has
    /// begun to write finishes.
    pub async fn cycle(&mut self, now: Timestamp, mode: &Mode, due: &Due, cancel: &CancellationToken) -> CycleReport {
        self.registries.begin_cycle();
        let requests_before = self.registries.requests();
        let mut delivered: BTreeMap<String, Outcome> = BTreeMap::new();
        let mut written: Vec<ChangeSet> = Vec::new();
        self.forget_pushed(&due.pushed);
        let mut known = self.kept.of_resting(due, mode);
        let mut due = due.clone();
        let mut report = CycleReport::default();
        let mut tries = retry::Tries::default();
        let (started, mut clock) = (Instant::now(), now);
        loop {
            let mut asked = Instant::now();
            report = tokio::select! {
                biased;
                () = cancel.cancelled() => return report,
                report = self.attempt(clock, mode, &due, &mut known) => report,
            };
            failpoint::reach("gather");
            if *mode != Mode::Deliver {
                break;
            }
            // What people write meanwhile is to count in the next try.
            clock = now.checked_add(started.elapsed()).unwrap_or(now);
            if report.writes() && self.is_overtaken(&mut asked).await {
                due = Due::nothing(due.since);
                continue;
            }
            let all = std::mem::take(&mut report.changes);
            let (proposed, mut sets): (Vec<_>, Vec<_>) = all.into_iter().partition(|set| set.proposal.is_some());
            self.act(&mut sets, &mut report, &mut delivered, &mut tries).await;
            written.append(&mut sets);
            written.append(&mut self.propose(proposed, &mut report, &mut delivered, (&mut tries, &mut asked)).await);
            let Some(pause) = tries.next() else { break };
            // Whoever moved it may have rested.
            due = Due::all_since(due.since);
            tokio::time::sleep(pause).await;
        }
        if *mode == Mode::Deliver {
            report.changes = written;
        }
        // What an earlier attempt wrote is current by now, or on its branch; the cycle delivered it.
        for outcome in &mut report.outcomes {
            let is_there = outcome.result == OutcomeResult::Current
                || matches!(outcome.code.as_str(), "branch/written" | "pull-request/open");
            if let Some(earlier) = delivered.remove(&outcome.id).filter(|_| is_there) {
                *outcome = earlier;
            }
        }
        let traffic = self.registries.traffic();
        report.registries = traffic.into_iter().map(|(host, traffic)| (host.to_owned(), traffic)).collect();
        report.forges = self.forges.traffic();
        report.registry_requests = self.registries.requests().saturating_sub(requests_before);
        self.kept = known.that_are_good();
        if *mode == Mode::Deliver {
            self.cache.sweep(now);
        }
        report
    }

    async fn attempt(&mut self, now: Timestamp, mode: &Mode, due: &Due, known: &mut scan::Answers) -> CycleReport {
        let mut report = CycleReport::default();
        let mut snapshot = self.gather(now, mode, due, &mut report).await;
        snapshot.stop = self.look_for_stop();
        report.problems.extend(plan::judge::unpinned(&snapshot));
        report.problems.extend(plan::judge::not_allowed(&snapshot));
        if *mode == Mode::Check {
            report.problems.extend(check::file_problems(&snapshot));
            configured::place(&mut report.problems, &self.options.configuration);
            report.problems.sort();
            report.problems.dedup();
            report.snapshot = snapshot;
            return report;
        }
        if let Mode::Past(_) = mode {
            // What is wrong in other files is no part of it.
            report.problems.retain(|problem| problem.file.is_none());
            report.past = self.past();
            report.snapshot = snapshot;
            return report;
        }
        self.read_pulls(&mut snapshot).await;
        let failures = snapshot.pulls.iter().filter_map(|(name, pulls)| Some((name, pulls.as_ref().err()?)));
        report.problems.extend(failures.map(|(name, failure)| generate::repository_problem(name, failure)));
        known.fill(&mut snapshot);
        if let Mode::Explain(name) = mode {
            self.answer(gather::listing_questions(&snapshot, name), &mut snapshot, known).await;
        }
        let decision = loop {
            let decision = plan::decide(&snapshot);
            if decision.questions.is_empty() {
                break decision;
            }
            self.answer_from_git(&decision.questions, &mut snapshot).await;
            self.answer_from_forges(&decision.questions, &mut snapshot).await;
            match mode {
                // No text is shown that could tell it.
                Mode::Explain(_) | Mode::Past(_) | Mode::Status => {
                    scan::labels::leave_unknown(&decision.questions, &mut snapshot)
                }
                Mode::Deliver | Mode::Plan | Mode::Check => {
                    self.answer_labels(&decision.questions, &mut snapshot, known).await;
                }
            }
            self.answer(decision.questions, &mut snapshot, known).await;
        };
        report.outcomes = decision.outcomes;
        report.changes = decision.changes;
        report.chores = decision.chores;
        report.judgements = decision.judgements;
        report.problems.extend(decision.problems);
        configured::place(&mut report.problems, &self.options.configuration);
        report.problems.sort();
        report.problems.dedup();
        if *mode == Mode::Status {
            report.past = self.past();
        }
        report.snapshot = snapshot;
        report
    }
}

fn shared(options: &Options) -> (Arc<[Rule]>, Vec<Arc<Application>>) {
    (options.rules.clone().into(), options.applications.iter().cloned().map(Arc::new).collect())
}
