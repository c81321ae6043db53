//! The values of the keys: one entry of the image list and the keys that apply to it -> an [`ImageRequest`].

use std::collections::BTreeMap;

use crate::annotations::image_list::Entry;
use crate::annotations::keys::{self, KEYS, Scope};
use crate::annotations::{Given, ImageRequest, Reader, WriteBack};
use crate::model::application::PREFIX;
use crate::model::key_path::KeyPath;
use crate::model::policy::Policy;
use crate::model::problem::Severity;
use crate::model::tracked::{Form, Refusal};

/// What stands in the way of one image: the first invalid value, and unbuilt keys by CONFIGURATION's order.
#[derive(Default)]
pub(super) struct Obstacles {
    pub(super) invalid: Option<String>,
    unsupported: BTreeMap<usize, (&'static str, String)>,
    delivery_none: bool,
}

impl Reader<'_> {
    pub(super) fn request(&mut self, entry: &Entry) -> ImageRequest {
        let mut obstacles = Obstacles::default();
        let mut request = ImageRequest {
            alias: entry.alias.clone(),
            image_text: entry.raw.clone(),
            image: None,
            policy: Policy::default(),
            key: None,
            name_key: None,
            targets: Vec::new(),
            refusal: None,
        };
        let constraint = match &entry.image {
            Ok((image, constraint)) => {
                request.image_text = image.to_string();
                request.image = Some(image.clone());
                constraint.clone()
            }
            Err(why) => {
                let message = format!("the entry `{}` of `image-list` cannot be read: {why}", entry.raw);
                let line = self.line("image-list");
                self.problem(
                    Severity::Error,
                    "annotation/invalid",
                    line,
                    message.clone(),
                    "write `<alias>=<image>[:<constraint>]`".into(),
                );
                request.refusal = Some(Refusal { code: "annotation/invalid".into(), message });
                return request;
            }
        };
        self.unbuilt(&entry.alias, &mut obstacles);
        request.policy = self.policy(entry, constraint, &mut obstacles);
        self.places(&mut request, &mut obstacles);
        self.write_back(&mut request, &mut obstacles);
        request.refusal = obstacles.refusal();
        request
    }

    /// Notes every known key that applies to the image and that this build does not carry out.
    fn unbuilt(&mut self, alias: &str, obstacles: &mut Obstacles) {
        for (at, key) in KEYS.iter().enumerate().filter(|(_, key)| !key.built) {
            let given = match key.scope {
                Scope::Application => self.given.get(key.name).map(|given| (key.name.to_owned(), given.clone())),
                Scope::Both | Scope::Alias => self.find(alias, key.name).map(|(name, given)| (name, given.clone())),
            };
            let Some((written, given)) = given else { continue };
            if key.name == "delivery" && given.value == "none" {
                obstacles.delivery_none = true;
                continue;
            }
            let message = format!("`{written}: {}` is not carried out by this version", given.value);
            self.unsupported(
                at,
                key.name,
                given.line,
                message,
                "remove the annotation, or wait for a version that carries it out".into(),
                obstacles,
            );
        }
    }

    pub(super) fn unsupported(
        &mut self,
        at: usize,
        name: &'static str,
        line: u64,
        message: String,
        hint: String,
        obstacles: &mut Obstacles,
    ) {
        if obstacles.unsupported.contains_key(&at) {
            return;
        }
        self.problem(Severity::Error, &format!("unsupported/{name}"), line, message.clone(), hint);
        obstacles.unsupported.insert(at, (name, message));
    }

    pub(super) fn invalid(&mut self, name: &str, given: &Given, rule: &str, hint: String, obstacles: &mut Obstacles) {
        let message = format!("`{name}: {}` {rule}", given.value);
        self.problem(Severity::Error, "annotation/invalid", given.line, message.clone(), hint);
        obstacles.invalid.get_or_insert(message);
    }

    pub(super) fn owned(&self, alias: &str, name: &str) -> Option<(String, Given)> {
        self.find(alias, name).map(|(key, given)| (key, given.clone()))
    }

    /// Reads the key paths of `helm.image-*`.
    fn places(&mut self, request: &mut ImageRequest, obstacles: &mut Obstacles) {
        let alias = request.alias.clone();
        let mut path = |name: &str| -> Option<KeyPath> {
            let (key, given) = self.owned(&alias, name)?;
            match given.value.parse::<KeyPath>() {
                Ok(path) => Some(path),
                Err(error) => {
                    self.invalid(
                        &key,
                        &given,
                        &format!("is no key path: {error}"),
                        "write the keys joined by dots, such as `image.tag` or `containers[0].image`".into(),
                        obstacles,
                    );
                    None
                }
            }
        };
        let (name, tag, spec) = (path("helm.image-name"), path("helm.image-tag"), path("helm.image-spec"));
        let both = tag.is_some() && spec.is_some();
        request.key = spec.clone().map(|key| (key, Form::Spec)).or(tag.map(|key| (key, Form::Tag)));
        request.name_key = name.filter(|_| spec.is_none());
        if both {
            let line = self.owned(&alias, "helm.image-tag").map_or(self.application.line, |(_, given)| given.line);
            let message = format!("`{alias}.helm.image-tag` has no effect beside `{alias}.helm.image-spec`");
            self.problem(Severity::Warning, "annotation/unused", line, message, "keep one of the two".into());
        }
    }

    fn write_back(&mut self, request: &mut ImageRequest, obstacles: &mut Obstacles) {
        let legacy = self.given.get("image-list").is_some_and(|list| list.legacy);
        let at_method = keys::position("write-back-method");
        match self.given.get("write-back-method").cloned() {
            Some(given) if given.value == "git" => {}
            Some(given) if given.value == "argocd" || given.value.starts_with("git:") => {
                let message = format!(
                    "`write-back-method: {}` is not carried out: repin writes to Git with the operator's credentials",
                    given.value
                );
                self.unsupported(
                    at_method,
                    "write-back-method",
                    given.line,
                    message,
                    "write `write-back-method: git`".into(),
                    obstacles,
                );
            }
            Some(given) => self.invalid(
                "write-back-method",
                &given,
                "is no write-back method",
                "write `write-back-method: git`".into(),
                obstacles,
            ),
            None if legacy => {
                let line = self.line("image-list");
                let message =
                    "without `write-back-method` the legacy prefix means `argocd`, and repin writes to Git only"
                        .to_owned();
                let hint = format!("add `{PREFIX}write-back-method: git`");
                self.unsupported(at_method, "write-back-method", line, message, hint, obstacles);
            }
            None => {}
        }
        let at_target = keys::position("write-back-target");
        match self.owned(&request.alias, "write-back-target") {
            Some((key, given)) => self.targets(&key, &given, request, obstacles),
            None if legacy => {
                let line = self.line("image-list");
                let message = "without `write-back-target` the legacy prefix means `.argocd-source-<application>.yaml`, which this version does not write".to_owned();
                let hint = format!("add `{PREFIX}write-back-target: helmvalues`");
                self.unsupported(at_target, "write-back-target", line, message, hint, obstacles);
            }
            None => request.targets.push(WriteBack::HelmValues),
        }
        if request.key.is_none() && obstacles.invalid.is_none() && !obstacles.unsupported.contains_key(&at_target) {
            let line = self.line("image-list");
            let message = format!(
                "no key path says where the tag of `{}` stands, and this version does not look for it",
                request.alias
            );
            let hint = format!(
                "add `{PREFIX}{}.helm.image-tag: <key path>`, such as `image.tag`",
                request.alias.replace('/', "_")
            );
            self.problem(Severity::Error, "unsupported/auto", line, message.clone(), hint);
            obstacles.unsupported.insert(keys::position("helm.image-name"), ("auto", message));
        }
    }

    fn targets(&mut self, key: &str, given: &Given, request: &mut ImageRequest, obstacles: &mut Obstacles) {
        for part in given.value.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once(':') {
                None if part == "helmvalues" => request.targets.push(WriteBack::HelmValues),
                Some(("helmvalues", file)) if !file.trim().is_empty() && !file.contains("{{") => {
                    request.targets.push(WriteBack::HelmValuesFile(file.trim().to_owned()));
                }
                Some(("helmvalues", _)) => {
                    self.invalid(
                        key,
                        given,
                        "names no file after `helmvalues:`",
                        format!("write `{key}: helmvalues:<file>`"),
                        obstacles,
                    );
                }
                _ => {
                    let contradiction = if part.starts_with("kustomization") && request.key.is_some() {
                        "; besides, `helm.image-*` keys have no meaning for a kustomization"
                    } else {
                        ""
                    };
                    let message = format!("`{key}: {part}` is not carried out by this version{contradiction}");
                    let hint = "`helmvalues` and `helmvalues:<file>` are".to_owned();
                    self.unsupported(
                        keys::position("write-back-target"),
                        "write-back-target",
                        given.line,
                        message,
                        hint,
                        obstacles,
                    );
                }
            }
        }
        if given.value.trim().is_empty() {
            self.invalid(key, given, "names no target", format!("write `{key}: helmvalues`"), obstacles);
        }
        request.targets.dedup();
    }
}

impl Obstacles {
    fn refusal(self) -> Option<Refusal> {
        if let Some(message) = self.invalid {
            return Some(Refusal { code: "annotation/invalid".into(), message });
        }
        if let Some((_, (name, message))) = self.unsupported.into_iter().next() {
            return Some(Refusal { code: format!("unsupported/{name}"), message });
        }
        let message = "the annotation `delivery: none` says that nothing is written".to_owned();
        self.delivery_none.then_some(Refusal { code: "rule/none".into(), message })
    }
}
