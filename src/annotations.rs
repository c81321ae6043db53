//! Annotations of one Application -> what is asked for each image, and problems.
//!
//! Reads the grammar of CONFIGURATION "Annotations" under both prefixes. Knows nothing of repositories, rules or
//! registries. One bad annotation holds its image and never the others.

pub mod bare;
mod delivery;
pub mod destination;
pub mod image_list;
pub mod keys;
mod places;
mod policy;
mod values;
mod wishes;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::annotations::destination::Destination;
use crate::annotations::keys::Reading;
use crate::model::address::Address;
use crate::model::application::{Application, LEGACY_PREFIX, PREFIX};
use crate::model::forge::PullWishes;
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::model::policy::Policy;
use crate::model::problem::{Problem, Severity};
use crate::model::rule::Delivery;
use crate::model::tracked::{Form, Refusal};
use crate::model::wishes::Wishes;

/// Where a team wants the tag to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WriteBack {
    /// The last of the Application's value files that holds the key.
    HelmValues,
    /// This file, relative to the source path, `/` = the repository's root.
    HelmValuesFile(String),
    /// The kustomization of this directory, relative to the source path; none = the source path itself.
    Kustomization(Option<String>),
    /// The manifests of this file or directory, relative to the source path.
    Manifests(String),
    /// The file that overrides the source for this Application, relative to the source path; none = the one that Argo CD
    /// reads.
    Overrides(Option<String>),
    /// Wherever the source's own files name the image.
    Auto,
}

/// What the annotations ask for one image.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    /// The alias.
    pub alias: String,
    /// The image's text without constraint; the raw entry where it cannot be read.
    pub image_text: String,
    /// The image.
    pub image: Option<ImageName>,
    /// What is allowed.
    pub policy: Policy,
    /// Where the tag or spec stands.
    pub key: Option<(KeyPath, Form)>,
    /// Where the image's name stands.
    pub name_key: Option<KeyPath>,
    /// The same as addresses, which may name an object of a file.
    pub address: Option<(Address, Form)>,
    /// Where the image's name stands, as an address.
    pub name_address: Option<Address>,
    /// The name of the entry of a kustomization's `images:`.
    pub kustomize_name: Option<String>,
    /// The targets, at least one unless refused.
    pub targets: Vec<WriteBack>,
    /// How much time there is between two looks at the registry.
    pub interval: Option<Duration>,
    /// The pull secret that the registry is asked with, by its name.
    pub pull_secret: Option<String>,
    /// Where the whole Application wants its changes to go.
    pub destination: Destination,
    /// How the whole Application wishes its changes to be delivered; none = as the rules say.
    pub delivery: Option<Delivery>,
    /// What the whole Application wishes of its pull requests.
    pub pull_request: PullWishes,
    /// What is wished besides.
    pub wishes: Wishes,
    /// Why the image is held.
    pub refusal: Option<Refusal>,
}

/// What `write-back-method: argocd` means, which is what the legacy prefix means without the key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ArgocdMethod {
    /// It is held: repin writes Git only.
    #[default]
    Held,
    /// The operator takes it for `git`.
    AsGit,
}

/// Reads the annotations of one Application.
pub fn read(application: &Application, argocd: ArgocdMethod) -> (Vec<ImageRequest>, Vec<Problem>) {
    let mut reader = Reader::new(application, argocd);
    let requests = reader.requests();
    (requests, reader.problems)
}

/// One annotation without its prefix.
#[derive(Clone, Debug)]
struct Given {
    value: String,
    /// Otherwise it was reported, and holds what it applies to.
    is_text: bool,
    line: u64,
    legacy: bool,
}

struct Reader<'a> {
    application: &'a Application,
    argocd: ArgocdMethod,
    given: BTreeMap<String, Given>,
    without_text: Vec<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(application: &'a Application, argocd: ArgocdMethod) -> Self {
        let mut given: BTreeMap<String, Given> = BTreeMap::new();
        for annotation in &application.annotations {
            let (name, legacy) = match annotation.key.strip_prefix(PREFIX) {
                Some(name) => (name, false),
                None => (annotation.key.strip_prefix(LEGACY_PREFIX).unwrap_or(&annotation.key), true),
            };
            // Of both prefixes repin's own wins, key by key.
            if legacy && given.get(name).is_some_and(|other| !other.legacy) {
                continue;
            }
            let value = annotation.value.as_deref().map(|value| value.trim().to_owned());
            let is_text = value.is_some();
            let value = value.unwrap_or_default();
            given.insert(name.to_owned(), Given { value, is_text, line: annotation.line, legacy });
        }
        // Reported where the manifest was read: what follows must not take them for empty texts.
        let without_text = given.iter().filter(|(_, given)| !given.is_text).map(|(name, _)| name.clone()).collect();
        given.retain(|_, given| given.is_text);
        Self { application, argocd, given, without_text, problems: Vec::new() }
    }

    fn requests(&mut self) -> Vec<ImageRequest> {
        let entries = match self.given.get("image-list") {
            Some(list) => image_list::read(&list.value),
            None if self.without_text.iter().any(|name| name == "image-list") => return Vec::new(),
            None => {
                let key = &self.application.key;
                let (kind, namespace, name) = (&key.kind, &key.namespace, &key.name);
                let message = format!("the {kind} `{namespace}/{name}` has annotations of repin, and no `image-list`");
                self.problem(
                    Severity::Error,
                    "annotation/no-image-list",
                    self.application.line,
                    message,
                    format!("add `{PREFIX}image-list: <alias>=<image>`"),
                );
                return Vec::new();
            }
        };
        let list_line = self.line("image-list");
        if entries.is_empty() {
            self.problem(
                Severity::Error,
                "annotation/invalid",
                list_line,
                "`image-list` names no image".into(),
                "write `<alias>=<image>[:<constraint>]`".into(),
            );
        }
        let aliases: Vec<String> = entries.iter().map(|entry| entry.alias.clone()).collect();
        self.report_strangers(&aliases);
        let spelled: Vec<String> = aliases.iter().map(|alias| alias.replace('/', "_")).collect();
        let mut requests = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let mut request = self.request(entry);
            let same: Vec<usize> =
                (0..spelled.len()).filter(|other| spelled.get(*other) == spelled.get(index)).collect();
            if same.len() > 1 {
                // Keys of the alias mean neither more than the other, so none of them is followed.
                let message = format!("the alias `{}` is given to {} images of `image-list`", entry.alias, same.len());
                if same.first() == Some(&index) {
                    let hint = "give each image an alias of its own: `<alias>=<image>`".to_owned();
                    self.problem(Severity::Error, "annotation/invalid", list_line, message.clone(), hint);
                }
                request.refusal.get_or_insert(Refusal { code: "annotation/invalid".into(), message });
            }
            requests.push(request);
        }
        requests
    }

    /// Reports keys that nobody reads: unknown ones, and those of an alias that the list does not have.
    fn report_strangers(&mut self, aliases: &[String]) {
        let mut found = Vec::new();
        for (name, given) in &self.given {
            match keys::read(name) {
                Reading::Application(_) => {}
                Reading::Alias(alias, _) if aliases.iter().any(|known| is_alias_spelling(known, alias)) => {}
                Reading::Alias(alias, key) => {
                    let message = format!("`{name}` belongs to no image: `image-list` has no alias `{alias}`");
                    let hint = match aliases.first() {
                        Some(first) => format!(
                            "the aliases are {}; write `{first}.{}`, or add `{alias}=<image>` to the list",
                            aliases.join(", "),
                            key.name
                        ),
                        None => format!("add `{alias}=<image>` to `image-list`"),
                    };
                    found.push(("annotation/orphan-key", given.line, message, hint));
                }
                Reading::Unknown => {
                    let message = format!("`{name}` is no annotation of repin and has no effect");
                    let hint = match keys::nearest(name, aliases) {
                        Some(nearest) => format!("did you mean `{nearest}`?"),
                        None => "remove it; the README lists what there is".to_owned(),
                    };
                    found.push(("annotation/unknown-key", given.line, message, hint));
                }
            }
        }
        for (code, line, message, hint) in found {
            self.problem(Severity::Error, code, line, message, hint);
        }
    }

    /// Finds a key without a text that applies to one alias.
    fn find_without_text(&self, alias: &str) -> Option<&String> {
        self.without_text.iter().find(|name| match keys::read(name) {
            Reading::Application(_) => true,
            Reading::Alias(other, _) => is_alias_spelling(alias, other),
            Reading::Unknown => false,
        })
    }

    /// Looks a key up for one alias: `<alias>.key` beats `key`, and alias `a/b` is also read as `a_b`.
    fn find(&self, alias: &str, name: &str) -> Option<(String, &Given)> {
        let own = [format!("{alias}.{name}"), format!("{}.{name}", alias.replace('/', "_"))];
        let shared = (!keys::is_of_alias_only(name)).then(|| name.to_owned());
        own.into_iter().chain(shared).find_map(|key| self.given.get(&key).map(|given| (key, given)))
    }

    fn line(&self, name: &str) -> u64 {
        self.given.get(name).map_or(self.application.line, |given| given.line)
    }

    fn problem(&mut self, severity: Severity, code: &str, line: u64, message: String, hint: String) {
        let key = &self.application.key;
        let problem = Problem {
            severity,
            code: code.to_owned(),
            repository: key.file.as_ref().map(|_| key.repository.clone()),
            file: key.file.as_ref().map(ToString::to_string),
            line: Some(line),
            message: format!("{}: {message}", key.label()),
            hint: Some(hint),
        };
        // What is wrong for the whole Application is found with each of its images.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

fn is_alias_spelling(alias: &str, text: &str) -> bool {
    alias == text || alias.replace('/', "_") == text
}
