//! Who is meant by the names of a command line, and which repositories that concerns.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cli::document::HoldsDiff;
use crate::cli::holds::Writing;
use crate::cli::{FAILED, USAGE};
use crate::message::trailers::Resume;
use crate::model::hold::Scope;
use crate::model::names::ApplicationKey;
use crate::model::rule::Glob;
use crate::model::text::plain;
use crate::plan::Subject;
use crate::plan::gates::is_about;
use crate::plan::past::service;
use crate::reconcile::CycleReport;
use crate::reconcile::write_holds::HoldsTexts;

/// Why the command line means nothing.
pub(super) struct Usage {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
    pub(super) exit: u8,
}

impl Usage {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: "usage/invalid", message: message.into(), hint: hint.into(), exit: USAGE }
    }
}

/// What is meant.
#[derive(Clone)]
pub(super) struct Meant {
    /// The scope that an entry gets.
    pub(super) scope: Scope,
    /// The Applications, where the command line names one.
    pub(super) applications: BTreeSet<ApplicationKey>,
    /// The repositories in which something of it stands.
    pub(super) repositories: BTreeSet<String>,
    places: Arc<[Arc<Subject>]>,
    /// All places besides.
    others: Arc<[Arc<Subject>]>,
}

impl Meant {
    /// Tells whether an entry is one that is meant. Without an Application its conditions are the same; else it bears the
    /// Application's name, and is about nothing besides.
    pub(super) fn is_of(&self, scope: &Scope) -> bool {
        if self.applications.is_empty() {
            return *scope == self.scope;
        }
        let is_its_name = |key: &ApplicationKey, glob: &str| key.name == glob || plain_label(key) == glob;
        let named = scope
            .application
            .as_ref()
            .is_some_and(|glob| self.applications.iter().any(|key| is_its_name(key, glob.as_str())));
        let is_met = |places: &[Arc<Subject>]| places.iter().any(|subject| is_about(scope, subject));
        // One that is about nothing that is there is told by its words alone.
        let asked = [
            (&self.scope.repository, &scope.repository),
            (&self.scope.environment, &scope.environment),
            (&self.scope.alias, &scope.alias),
        ];
        let is_asked = || asked.iter().all(|(asked, said)| asked.is_none() || asked == said);
        named && !is_met(&self.others) && (is_met(&self.places) || is_asked())
    }

    /// Tells whether an entry holds something of what is meant.
    pub(super) fn is_held_by(&self, scope: &Scope) -> bool {
        self.places.iter().any(|subject| is_about(scope, subject))
    }
}

/// What a command line names.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) application: Option<&'a str>,
    pub(super) alias: Option<&'a str>,
    /// All Applications of this name are meant.
    pub(super) is_all: bool,
    /// An entry is put in, and not taken out.
    pub(super) is_added: bool,
}

/// Finds what is meant among what was read. A name that several Applications bear means one of them only where the
/// conditions leave no other.
pub(super) fn meant(report: &CycleReport, scope: &Scope, named: Named<'_>) -> Result<Meant, Usage> {
    let mut scope = scope.clone();
    let mut applications = BTreeSet::new();
    if let Some(name) = named.application {
        applications = applications_of(report, &scope, name, named.is_all)?;
    }
    if let Some(alias) = named.alias {
        let images = report.snapshot.subjects.iter().map(|subject| &subject.tracked);
        let mine = images.filter(|image| applications.contains(&image.application));
        let known: BTreeSet<&str> = mine.map(|image| image.alias.as_str()).collect();
        if !known.contains(alias) {
            let known: Vec<&str> = known.into_iter().collect();
            return Err(Usage::new(
                format!("no image of it has the alias `{}`", plain(alias)),
                format!("its aliases are {}", known.join(", ")),
            ));
        }
        scope.alias = Some(alias.parse().map_err(|error| Usage::new(format!("`{alias}`: {error}"), "give an alias"))?);
    }
    let is_mine = |key: &ApplicationKey| applications.is_empty() || applications.contains(key);
    let is_meant = |subject: &Arc<Subject>| is_mine(&subject.tracked.application) && is_about(&scope, subject);
    let (places, others): (Vec<_>, Vec<_>) = report.snapshot.subjects.iter().cloned().partition(is_meant);
    if let Some(given) = named.application {
        scope.application = match name_in_entries(&applications, given) {
            Ok(glob) => Some(glob),
            // What is taken out is told by the Applications.
            Err(_) if !named.is_added => None,
            Err(usage) => return Err(usage),
        };
    }
    // `HelmRelease/web` and a file tell Applications apart, and an entry does not.
    let is_besides = |subject: &&Arc<Subject>| named.is_added && is_about(&scope, subject);
    let besides: BTreeSet<_> = others.iter().filter(is_besides).map(|one| &one.tracked.application).collect();
    if !besides.is_empty() {
        let message = format!("an entry for {scope} would be about others too: {}", listed(report, &besides));
        return Err(Usage::new(message, NARROW));
    }
    let repositories: BTreeSet<String> = places.iter().map(|subject| subject.repository().to_owned()).collect();
    Ok(Meant { scope, applications, repositories, places: places.into(), others: others.into() })
}

/// How to name one of several.
const NARROW: &str =
    "narrow it with --environment, --repository or `namespace/name`; --all means every Application of this name";

fn applications_of(
    report: &CycleReport,
    scope: &Scope,
    name: &str,
    is_all: bool,
) -> Result<BTreeSet<ApplicationKey>, Usage> {
    let named: BTreeSet<&ApplicationKey> = report.applications.iter().filter(|key| key.is_named(name)).collect();
    if named.is_empty() {
        return Err(nobody(report, name));
    }
    let places = || report.snapshot.subjects.iter().filter(|subject| is_about(scope, subject));
    let is_narrowed = *scope != Scope::default();
    let has_place = |key: &ApplicationKey| places().any(|subject| subject.tracked.application == *key);
    let found: BTreeSet<&ApplicationKey> = named.iter().copied().filter(|key| !is_narrowed || has_place(key)).collect();
    if found.is_empty() {
        let message = format!("nothing of `{}` is in {scope}", plain(name));
        return Err(Usage::new(message, format!("there is {}", listed(report, &named))));
    }
    if found.len() > 1 && !is_all {
        let message = format!("`{}` is the name of {} Applications: ", plain(name), found.len());
        return Err(Usage::new(message + &listed(report, &found), NARROW));
    }
    Ok(found.into_iter().cloned().collect())
}

/// Most Applications that a message lists.
const LISTED: usize = 20;

/// Lists Applications by their full names, with the environments of their places.
fn listed(report: &CycleReport, keys: &BTreeSet<&ApplicationKey>) -> String {
    let one = |key: &&ApplicationKey| {
        let places = report.snapshot.subjects.iter().filter(|subject| subject.tracked.application == **key);
        let environments: BTreeSet<&str> = places.filter_map(|subject| subject.environment()).collect();
        let environments: Vec<&str> = environments.into_iter().collect();
        match environments.as_slice() {
            [] => key.full_name(),
            all => format!("{} ({})", key.full_name(), all.join(", ")),
        }
    };
    let mut all: Vec<String> = keys.iter().take(LISTED).map(one).collect();
    all.extend(keys.len().checked_sub(LISTED).filter(|more| *more > 0).map(|more| format!("{more} more")));
    all.join(", ")
}

/// Gives the name that entries have for these Applications: they know no other one than `name` and `namespace/name`.
fn name_in_entries(keys: &BTreeSet<ApplicationKey>, given: &str) -> Result<Glob, Usage> {
    const HINT: &str = "give `name` or `namespace/name`";
    let labels: BTreeSet<String> = keys.iter().map(plain_label).collect();
    let is_given = keys.iter().all(|key| key.name == given) || labels.iter().all(|label| label == given);
    let name = match labels.first().filter(|_| labels.len() == 1) {
        _ if is_given => given,
        Some(only) => only,
        None => return Err(Usage::new(format!("`{}` is more than an entry can name", plain(given)), HINT)),
    };
    name.parse().map_err(|error| Usage::new(format!("`{}`: {error}", plain(name)), HINT))
}

fn plain_label(key: &ApplicationKey) -> String {
    format!("{}/{}", key.namespace, key.name)
}

/// Gives the releases that let go of what was taken back in what is meant, each by a name that no other Application bears.
pub(super) fn releases(
    report: &CycleReport,
    meant: &Meant,
    (given, alias, tag): (&str, Option<&str>, Option<&str>),
) -> Result<Vec<Resume>, Usage> {
    if alias.is_some() && tag.is_none() {
        let message = "`Repin-Resume` releases a whole Application, or one tag of one alias";
        return Err(Usage::new(message, "give the tag too, or leave the alias out"));
    }
    let is_meant = |subject: &&Arc<Subject>| meant.applications.contains(&subject.tracked.application);
    let is_of_alias = |subject: &&Arc<Subject>| alias.is_none_or(|alias| subject.tracked.alias == alias);
    if meant.others.iter().filter(is_meant).any(|subject| is_of_alias(&subject)) {
        let message =
            format!("`{}` has places outside of {}, and `Repin-Resume` releases all", plain(given), meant.scope);
        return Err(Usage::new(message, "give an alias and a tag, or leave --environment and --repository out"));
    }
    let of = |key: &ApplicationKey| {
        let label = plain_label(key);
        let names = [given.to_owned(), key.name.clone(), label.clone()];
        let of_kind = [format!("{}/{}", key.kind, key.name), format!("{}/{label}", key.kind), key.full_name()];
        let is_only = |name: &String| {
            let mut all = report.applications.iter().filter(|other| other.is_named(name));
            all.next() == Some(key) && all.next().is_none() && !name.contains(char::is_whitespace)
        };
        let application = names.into_iter().chain(of_kind).find(is_only).ok_or_else(|| {
            let message = format!("a trailer cannot name {} and nothing else", plain(&key.full_name()));
            Usage::new(message, "take the value back by hand: write the tag that is to stand there")
        })?;
        Ok(Resume { application, alias: alias.map(str::to_owned), tag: tag.map(str::to_owned) })
    };
    meant.applications.iter().map(of).collect()
}

fn nobody(report: &CycleReport, name: &str) -> Usage {
    let message = format!("no application is called `{}`", plain(name));
    let hint = match service::meant(&report.snapshot, &report.applications, name, false) {
        service::Meant::These(found) => {
            let names: Vec<String> = found.iter().map(ApplicationKey::label).collect();
            format!("a service is: {}", names.join(", "))
        }
        service::Meant::None { nearest: Some(near) } => format!("did you mean `{near}`?"),
        service::Meant::None { nearest: None } => "`repin check` tells what was read".to_owned(),
    };
    let exit = if report.unread_repositories > 0 { FAILED } else { USAGE };
    Usage { code: "application/unknown", message, hint, exit }
}

/// Gives the repositories whose files are written.
pub(super) fn repositories(
    report: &CycleReport,
    meant: &Meant,
    writing: &Writing,
    is_taken_out: bool,
) -> Result<BTreeSet<String>, Usage> {
    let advertised = report.snapshot.advertised.keys();
    let known: BTreeSet<String> = advertised.cloned().collect();
    for name in &writing.repositories {
        if !known.contains(name) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(Usage::new(
                format!("no repository is called `{}`", plain(name)),
                format!("configured are {}", names.join(", ")),
            ));
        }
    }
    if !writing.repositories.is_empty() {
        return Ok(writing.repositories.iter().cloned().collect());
    }
    // An entry may stand in any file.
    if is_taken_out {
        let with_file = report.snapshot.holds.keys().cloned();
        return Ok(with_file.chain(meant.repositories.iter().cloned()).collect());
    }
    // A name that is nowhere is a wrong one.
    if meant.repositories.is_empty() && meant.scope != Scope::default() && report.unread_repositories == 0 {
        let rules = report.snapshot.subjects.iter().filter_map(|one| one.rule.as_ref());
        let environments: BTreeSet<&str> = rules.filter_map(|rule| rule.environment.as_deref()).collect();
        let environments: Vec<&str> = environments.into_iter().collect();
        let known = format!("what was read is in the environments {}", environments.join(", "));
        let hint = format!("{known}; with --in REPOSITORY it is written all the same");
        return Err(Usage::new(format!("nothing is meant by {}", meant.scope), hint));
    }
    Ok(if meant.repositories.is_empty() { known } else { meant.repositories.clone() })
}

/// Gives what `--dry-run` shows.
pub(super) fn diff(texts: &HoldsTexts) -> Option<HoldsDiff<'_>> {
    Some(HoldsDiff { before: texts.before.as_deref(), after: texts.after.as_deref()? })
}
