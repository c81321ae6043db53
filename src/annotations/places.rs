//! The keys that say where: key paths of `helm.image-*`, `write-back-method` and `write-back-target`.

use crate::annotations::values::Obstacles;
use crate::annotations::{ArgocdMethod, Given, ImageRequest, Reader, WriteBack, keys};
use crate::model::application::PREFIX;
use crate::model::key_path::KeyPath;
use crate::model::problem::Severity;
use crate::model::tracked::Form;

impl Reader<'_> {
    /// Reads the key paths of `helm.image-*`.
    pub(super) fn places(&mut self, request: &mut ImageRequest, obstacles: &mut Obstacles) {
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

    pub(super) fn write_back(&mut self, request: &mut ImageRequest, obstacles: &mut Obstacles) {
        let legacy = self.given.get("image-list").is_some_and(|list| list.legacy);
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
                Some(("helmvalues", file)) if file.contains("{{") => {
                    let hint = format!("write `{key}: helmvalues:<file>` with the path itself");
                    self.invalid(
                        key,
                        given,
                        "names a file by a template, and only an ApplicationSet expands templates",
                        hint,
                        obstacles,
                    );
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
