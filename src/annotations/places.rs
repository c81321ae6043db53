//! The keys that say where: key paths of `helm.image-*`, `write-back-method` and `write-back-target`.

use crate::annotations::values::Obstacles;
use crate::annotations::{ArgocdMethod, Given, ImageRequest, Reader, WriteBack, keys};
use crate::model::address::Address;
use crate::model::application::PREFIX;
use crate::model::names::ImageName;
use crate::model::problem::Severity;
use crate::model::tracked::Form;

impl Reader<'_> {
    /// Reads the key paths of `helm.image-*`.
    pub(super) fn places(&mut self, request: &mut ImageRequest, obstacles: &mut Obstacles) {
        let alias = request.alias.clone();
        let mut path = |name: &str| -> Option<Address> {
            let (key, given) = self.owned(&alias, name)?;
            match given.value.parse::<Address>() {
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
        request.name_address = name.filter(|_| spec.is_none());
        request.address = spec.map(|address| (address, Form::Spec)).or(tag.map(|address| (address, Form::Tag)));
        request.key = request.address.as_ref().map(|(address, form)| (address.key.clone(), *form));
        request.name_key = request.name_address.as_ref().map(|address| address.key.clone());
        if both {
            let line = self.owned(&alias, "helm.image-tag").map_or(self.application.line, |(_, given)| given.line);
            let message = format!("`{alias}.helm.image-tag` has no effect beside `{alias}.helm.image-spec`");
            self.problem(Severity::Warning, "annotation/unused", line, message, "keep one of the two".into());
        }
        if let Some((key, given)) = self.owned(&alias, "kustomize.image-name") {
            if given.value.parse::<ImageName>().is_err() || given.value.contains("{{") {
                let hint = "write the `name` of the entry of `images:`, without a tag".to_owned();
                self.invalid(&key, &given, "is no image name", hint, obstacles);
            } else {
                request.kustomize_name = Some(given.value);
            }
        }
    }

    pub(super) fn write_back(&mut self, request: &mut ImageRequest, obstacles: &mut Obstacles) {
        // What the legacy prefix means without these keys is of Applications: nothing else had it.
        let is_of_argocd = self.application.own_object().is_none();
        let legacy = is_of_argocd && self.given.get("image-list").is_some_and(|list| list.legacy);
        let at_method = keys::position("write-back-method");
        match self.given.get("write-back-method").cloned() {
            Some(given) if given.value == "git" => {}
            Some(given) if is_foreign_login(&given.value) => {
                let message = format!(
                    "`write-back-method: {}` is taken for `git`: repin writes with the operator's credentials",
                    given.value
                );
                let hint = "write `write-back-method: git`".to_owned();
                self.problem(Severity::Warning, "annotation/unused", given.line, message, hint);
            }
            Some(given) if given.value == "argocd" && self.argocd == ArgocdMethod::Held => {
                let message = "`write-back-method: argocd` is not carried out: repin writes to Git only".to_owned();
                let hint = "write `write-back-method: git`, or let the operator set `legacy_argocd_method: as-git` in repin.yaml";
                let name = "write-back-method";
                self.unsupported(at_method, name, given.line, message, hint.to_owned(), obstacles);
            }
            Some(given) if given.value == "argocd" => {}
            Some(given) => self.invalid(
                "write-back-method",
                &given,
                "is no write-back method",
                "write `write-back-method: git`".into(),
                obstacles,
            ),
            None if legacy && self.argocd == ArgocdMethod::Held => {
                let line = self.line("image-list");
                let message =
                    "without `write-back-method` the legacy prefix means `argocd`, and repin writes to Git only"
                        .to_owned();
                let hint = format!(
                    "add `{PREFIX}write-back-method: git`, or let the operator set `legacy_argocd_method: as-git` in repin.yaml"
                );
                self.unsupported(at_method, "write-back-method", line, message, hint, obstacles);
            }
            None => {}
        }
        match self.owned(&request.alias, "write-back-target") {
            Some((key, given)) => self.targets(&key, &given, request, obstacles),
            // As in argocd-image-updater.
            None if legacy => request.targets.push(WriteBack::Overrides(None)),
            None if self.helm_key(&request.alias).is_some() => request.targets.push(WriteBack::HelmValues),
            None if request.kustomize_name.is_some() => request.targets.push(WriteBack::Kustomization(None)),
            None => request.targets.push(WriteBack::Auto),
        }
        self.contradictions(request, obstacles);
    }

    /// Gives the first key of an alias that says where Helm values hold it.
    fn helm_key(&self, alias: &str) -> Option<(String, Given)> {
        ["helm.image-name", "helm.image-tag", "helm.image-spec"].iter().find_map(|name| self.owned(alias, name))
    }

    /// Gives the first key of an alias that names an object.
    fn key_with_object(&self, request: &ImageRequest) -> Option<(String, Given)> {
        let names = ["helm.image-name", "helm.image-tag", "helm.image-spec"];
        let mut given = names.iter().filter_map(|name| self.owned(&request.alias, name));
        given.find(|(_, given)| given.value.parse::<Address>().is_ok_and(|address| address.object.is_some()))
    }

    /// Reports keys of one kind of target where all targets are of another kind.
    fn contradictions(&mut self, request: &ImageRequest, obstacles: &mut Obstacles) {
        if request.targets.is_empty() {
            return;
        }
        let alias = request.alias.clone();
        let is_helm = |target: &WriteBack| {
            matches!(target, WriteBack::HelmValues | WriteBack::HelmValuesFile(_) | WriteBack::Overrides(_))
        };
        let is_path = |target: &WriteBack| matches!(target, WriteBack::Manifests(_));
        if !request.targets.iter().all(is_path)
            && let Some((key, given)) = self.key_with_object(request)
        {
            let rule = "names an object, and only the path of a manifest as `write-back-target` leads to one";
            let hint = "write the key path alone, or the path of the object's file as `write-back-target`".to_owned();
            self.invalid(&key, &given, rule, hint, obstacles);
        }
        if !request.targets.iter().any(|target| is_helm(target) || is_path(target))
            && let Some((key, given)) = self.helm_key(&alias)
        {
            let target = self.owned(&alias, "write-back-target").map(|(_, given)| given.value).unwrap_or_default();
            let rule =
                format!("says where Helm values or a manifest hold the tag, and the target `{target}` is none of them");
            let hint = "remove the `helm.image-*` keys, or write `write-back-target: helmvalues`".to_owned();
            self.invalid(&key, &given, &rule, hint, obstacles);
        }
        let is_kustomization =
            |target: &WriteBack| matches!(target, WriteBack::Kustomization(_) | WriteBack::Overrides(_));
        if !request.targets.iter().any(is_kustomization)
            && let Some((key, given)) = self.owned(&alias, "kustomize.image-name")
        {
            let message = format!("`{key}` has no effect: no target is a kustomization");
            let hint = "remove it, or write `write-back-target: kustomization`".to_owned();
            self.problem(Severity::Warning, "annotation/unused", given.line, message, hint);
        }
    }

    fn targets(&mut self, key: &str, given: &Given, request: &mut ImageRequest, obstacles: &mut Obstacles) {
        let parts = given.value.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
        for part in parts {
            let (word, path) = part.split_once(':').map_or((part, None), |(word, path)| (word, Some(path.trim())));
            if part.contains("{{") {
                let rule = "names a path by a template, and only an ApplicationSet expands templates";
                self.invalid(key, given, rule, format!("write `{key}` with the path itself"), obstacles);
                continue;
            }
            let target = match (word, path) {
                ("helmvalues", None) => WriteBack::HelmValues,
                ("helmvalues", Some(file)) if !file.is_empty() => WriteBack::HelmValuesFile(file.to_owned()),
                ("kustomization", None) => WriteBack::Kustomization(None),
                ("kustomization", Some(directory)) if !directory.is_empty() => {
                    WriteBack::Kustomization(Some(directory.to_owned()))
                }
                ("helmvalues", Some(_)) => {
                    let hint = format!("write `{key}: helmvalues:<file>`");
                    self.invalid(key, given, "names no file after `helmvalues:`", hint, obstacles);
                    continue;
                }
                ("kustomization", Some(_)) => {
                    let hint = format!("write `{key}: kustomization:<dir>`");
                    self.invalid(key, given, "names no directory after `kustomization:`", hint, obstacles);
                    continue;
                }
                _ if part.rsplit('/').next().is_some_and(is_overrides) => WriteBack::Overrides(Some(part.to_owned())),
                (word, path) if path.is_some() || is_misspelled(word) => {
                    let nearest = nearest_word(word);
                    let hint = match path {
                        Some(path) => format!("did you mean `{nearest}:{path}`?"),
                        None => format!("did you mean `{nearest}`? A path that is called so is written `./{word}`"),
                    };
                    self.invalid(key, given, "is no target", hint, obstacles);
                    continue;
                }
                (path, _) => WriteBack::Manifests(path.to_owned()),
            };
            request.targets.push(target);
        }
        if given.value.trim().is_empty() {
            self.invalid(key, given, "names no target", format!("write `{key}: helmvalues`"), obstacles);
        }
        request.targets.dedup();
    }
}

/// Tells whether a file is called as those are that override a source for one Application.
fn is_overrides(file: &str) -> bool {
    file.strip_prefix(".argocd-source-")
        .and_then(|name| name.strip_suffix(".yaml"))
        .is_some_and(|name| !name.is_empty())
}

/// Tells whether a method is `git` with credentials of the cluster: `git:repocreds`, `git:secret:[<namespace>/]<name>`.
fn is_foreign_login(method: &str) -> bool {
    let is_name = |part: &str| {
        let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
        !part.is_empty() && part.bytes().all(legal)
    };
    method == "git:repocreds"
        || method.strip_prefix("git:secret:").is_some_and(|name| match name.split_once('/') {
            Some((namespace, name)) => is_name(namespace) && is_name(name),
            None => is_name(name),
        })
}

/// The words of `write-back-target`.
const WORDS: [&str; 2] = ["helmvalues", "kustomization"];
/// From here on a word is taken for a misspelled one, and not for a path.
const LIKE: f64 = 0.8;

fn nearest_word(word: &str) -> &'static str {
    let likeness = |known: &&str| strsim::jaro_winkler(word, known);
    WORDS.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or("helmvalues")
}

fn is_misspelled(word: &str) -> bool {
    !word.contains(['/', '.']) && strsim::jaro_winkler(word, nearest_word(word)) > LIKE
}
