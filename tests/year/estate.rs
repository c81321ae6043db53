//! What does not change in the year: services and their images, files, rules, windows and Applications.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use repin::manifest::argocd::{Definitions, read_applications};
use repin::model::promotion::Promotion;
use repin::model::rule::{AtLeast, Delivery, Glob, Match, Rule};
use repin::model::schedule::cron::Cron;
use repin::model::tracked::TrackedImage;
use repin::model::version::Version;
use repin::model::window::{Window, WindowKind};
use repin::resolve::{Configured, resolve};

use crate::pure::known;

pub(crate) const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];
pub(crate) const REPOSITORIES: [&str; 2] = ["gitops", "locked"];
pub(crate) const SOAK: SignedDuration = SignedDuration::from_hours(24);
pub(crate) const PER_HOUR: u32 = 2;

/// One image of a service.
pub(crate) struct Part {
    /// Its Application in an environment is called `<service>-<environment>`.
    pub(crate) service: &'static str,
    pub(crate) alias: &'static str,
    /// The section of the values file.
    pub(crate) section: &'static str,
    pub(crate) image: &'static str,
    /// The tag is written with its digest.
    pub(crate) is_pinned: bool,
    /// The annotation `group`.
    pub(crate) group: Option<&'static str>,
}

const fn part(service: &'static str, section: &'static str, image: &'static str) -> Part {
    Part { service, alias: "app", section, image, is_pinned: false, group: None }
}

/// Alone; two of one Application; two Applications that name a group.
pub(crate) const PARTS: [Part; 5] = [
    part("web", "image", "web"),
    part("api", "image", "api"),
    Part { alias: "side", is_pinned: true, ..part("api", "sidecar", "proxy") },
    Part { is_pinned: true, group: Some("batch"), ..part("worker", "image", "worker") },
    Part { group: Some("batch"), ..part("cron", "image", "cron") },
];

/// Gives all that is promoted together with a part, itself included.
pub(crate) fn fellows(part: usize) -> impl Iterator<Item = usize> {
    let (group, service) = (PARTS[part].group, PARTS[part].service);
    (0..PARTS.len()).filter(move |other| match group {
        Some(_) => PARTS[*other].group == group,
        None => PARTS[*other].service == service,
    })
}

/// What stands at a place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Value {
    pub(crate) tag: String,
    pub(crate) digest: Option<String>,
}

impl Value {
    pub(crate) fn read(text: &str) -> Self {
        let (tag, digest) = text.split_once('@').map_or((text, None), |(tag, digest)| (tag, Some(digest)));
        Self { tag: tag.to_owned(), digest: digest.map(str::to_owned) }
    }

    pub(crate) fn order(&self, other: &Self) -> Ordering {
        order(&self.tag, &other.tag)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.digest {
            Some(digest) => write!(f, "{}@{digest}", self.tag),
            None => f.write_str(&self.tag),
        }
    }
}

pub(crate) fn order(one: &str, other: &str) -> Ordering {
    one.parse::<Version>().unwrap().cmp(&other.parse::<Version>().unwrap())
}

/// Gives the repository and the file of a part in one environment.
pub(crate) fn place(part: usize, environment: usize) -> (&'static str, String) {
    let repository = REPOSITORIES[usize::from(environment == 2)];
    (repository, format!("services/{}/values-{}.yaml", PARTS[part].service, ENVIRONMENTS[environment]))
}

/// Gives the parts of a file, and its environment.
pub(crate) fn parts_of(path: &str) -> (Vec<usize>, usize) {
    let is_it = |environment: &usize| path.ends_with(&format!("-{}.yaml", ENVIRONMENTS[*environment]));
    let environment = (0..ENVIRONMENTS.len()).find(is_it).unwrap();
    let parts: Vec<usize> = (0..PARTS.len()).filter(|part| place(*part, environment).1 == path).collect();
    assert!(!parts.is_empty(), "{path} is nobody's place");
    (parts, environment)
}

/// Gives the key path of a part's tag.
pub(crate) fn key(part: usize) -> String {
    format!("{}.tag", PARTS[part].section)
}

/// Gives the file of a service as it begins.
pub(crate) fn begin(service: &str, value: impl Fn(usize) -> Value) -> String {
    let mut text = "# Values\nreplicas: 1\n".to_owned();
    for (at, part) in PARTS.iter().enumerate().filter(|(_, part)| part.service == service) {
        text += &format!("{}:\n  repository: r.example/{}\n  tag: {} # here\n", part.section, part.image, value(at));
    }
    text
}

/// Gives the position of the line that holds a part's tag.
fn line_of(text: &str, part: usize) -> usize {
    let section = format!("{}:", PARTS[part].section);
    let from = text.lines().position(|line| line == section).unwrap();
    from + text.lines().skip(from).position(|line| line.starts_with("  tag: ")).unwrap()
}

pub(crate) fn value_in(text: &str, part: usize) -> Value {
    let line = text.lines().nth(line_of(text, part)).unwrap().trim_start_matches("  tag: ");
    Value::read(line.split(' ').next().unwrap().trim_matches('"'))
}

/// Gives the text with another value of one part; nothing else changes.
pub(crate) fn with_value(text: &str, part: usize, value: &str) -> String {
    let at = line_of(text, part);
    let new = |(number, line): (usize, &str)| {
        if number == at { format!("  tag: {value} # here\n") } else { format!("{line}\n") }
    };
    text.lines().enumerate().map(new).collect()
}

pub(crate) fn rules() -> Vec<Rule> {
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

pub(crate) fn windows() -> BTreeMap<String, Window> {
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

/// What the Application of a part's service in one environment asks for of it.
pub(crate) fn tracked(part: usize, environment: usize) -> TrackedImage {
    let (repository, path) = place(part, environment);
    let service = PARTS[part].service;
    let constraint = [":>=0.0.0-0", "", ""][environment];
    let all = || PARTS.iter().filter(|one| one.service == service);
    let images: Vec<String> = all().map(|one| format!("{}=r.example/{}{constraint}", one.alias, one.image)).collect();
    let mut notes = format!("    repin.dev/image-list: {}\n", images.join(", "));
    for one in all() {
        notes += &format!("    repin.dev/{}.helm.image-tag: {}.tag\n", one.alias, one.section);
        if one.is_pinned {
            notes += &format!("    repin.dev/{}.pin: tag+digest\n", one.alias);
        }
    }
    if let Some(group) = PARTS[part].group {
        notes += &format!("    repin.dev/group: {group}\n");
    }
    let manifest = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {service}-{}\n  namespace: argocd\n  \
         annotations:\n{notes}    repin.dev/write-back-target: helmvalues:/{path}\nspec:\n  source: {{repoURL: \
         \"https://git.example/acme/{repository}.git\", path: services/{service}, targetRevision: main}}\n",
        ENVIRONMENTS[environment]
    );
    let Definitions { applications, problems, .. } =
        read_applications(repository, &"apps.yaml".parse().unwrap(), &manifest);
    assert_eq!(problems, []);
    let known = known(&REPOSITORIES);
    let configured = Configured { repositories: &known, ..Configured::default() };
    let images = resolve(&applications[0], &configured).0;
    images.into_iter().find(|image| image.alias.as_str() == PARTS[part].alias).unwrap()
}
