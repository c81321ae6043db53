//! Objects that carry annotations of repin: Applications and ApplicationSets of Argo CD, and any other object.
//!
//! Reads what argoproj.io/v1alpha1 defines for `Application`, and of other objects only which ones they are; decides nothing
//! about them. What an ApplicationSet generates is in [`applicationset`]. Annotations of a pod template are none of its
//! workload.

pub mod applicationset;
pub mod generator;
pub mod trace;

mod differences;
mod gotemplate;
mod patch;
mod template;
mod value;
mod yaml_text;

use std::collections::BTreeMap;

use crate::manifest::argocd::applicationset::ApplicationSet;
use crate::manifest::helm_values::inline_values;
use crate::manifest::objects::{Known, Object, Objects};
use crate::manifest::parameters;
use crate::model::address::ObjectName;
use crate::model::application::{
    Annotation, Application, ApplicationSource, DEFAULT_NAMESPACE, Inline, LEGACY_PREFIX, PLAIN_NAMESPACE, PREFIX,
};
use crate::model::key_path::KeyPath;
use crate::model::manifest_files::ManifestFiles;
use crate::model::names::{APPLICATION, ApplicationKey, RepoPath};
use crate::model::problem::{Problem, Severity};
use crate::model::tracked::{Shape, Tool};
use crate::yaml::{Node, parse_each};

/// A file without one of these is not parsed for discovery.
const SIGNS: [&str; 3] = [PREFIX, LEGACY_PREFIX, "argoproj.io/"];

/// Tells whether a file can hold something of interest, by its bytes alone.
pub fn may_hold_applications(bytes: &[u8]) -> bool {
    SIGNS.iter().any(|sign| bytes.windows(sign.len()).any(|window| window == sign.as_bytes()))
}

/// What one file defines.
#[derive(Debug, Default)]
pub struct Definitions {
    /// The annotated Applications.
    pub applications: Vec<Application>,
    /// The ApplicationSets whose Applications are annotated.
    pub sets: Vec<ApplicationSet>,
    /// What cannot be read.
    pub problems: Vec<Problem>,
}

/// Finds what is annotated in one file. What cannot be read is a problem; what can be read goes on.
pub fn read_applications(repository: &str, file: &RepoPath, text: &str) -> Definitions {
    let (documents, errors) = parse_each(text);
    let mut reader = Reader::new(repository, file);
    for error in errors {
        reader.problem(
            Severity::Error,
            "manifest/invalid-yaml",
            error.line,
            format!("this document is not YAML: {}", error.message),
            "mend the document; Argo CD cannot read it either",
        );
    }
    for object in Objects::among(&documents, &Known::of(&documents)).all() {
        reader.object(object);
    }
    Definitions { applications: reader.applications, sets: reader.sets, problems: reader.problems }
}

struct Reader<'a> {
    repository: &'a str,
    file: &'a RepoPath,
    applications: Vec<Application>,
    sets: Vec<ApplicationSet>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(repository: &'a str, file: &'a RepoPath) -> Self {
        Self { repository, file, applications: Vec::new(), sets: Vec::new(), problems: Vec::new() }
    }

    fn object(&mut self, object: Object<'_>) {
        match (object.group, object.kind) {
            ("argoproj.io", APPLICATION) => self.application(object.node, APPLICATION, DEFAULT_NAMESPACE),
            ("argoproj.io", "ApplicationSet") => self.application_set(object.node),
            // Commands and reports take this word for one of Argo CD.
            (_, APPLICATION) => {}
            (_, kind) => self.application(object.node, kind, PLAIN_NAMESPACE),
        }
    }

    fn application_set(&mut self, object: Node<'_>) {
        if let Some(set) = ApplicationSet::read(self.repository, self.file, object) {
            self.sets.push(set);
            return;
        }
        let own = object.get_path(&["metadata", "annotations"]).map(Node::entries).unwrap_or_default();
        if own.iter().any(|(key, _)| is_ours(*key)) {
            let name = text(object.get_path(&["metadata", "name"])).unwrap_or("(without a name)");
            let message = format!(
                "the ApplicationSet `{name}` carries annotations of repin itself, and none of its Applications does"
            );
            let hint = "write them into `spec.template.metadata.annotations`, from where Argo CD hands them to the Applications";
            self.problem(Severity::Error, "unsupported/applicationset", object.line(), message, hint);
        }
    }

    /// Reads an object with annotations; all but those of Argo CD are what they are about themselves.
    fn application(&mut self, object: Node<'_>, kind: &str, default_namespace: &str) {
        let Some(metadata) = object.get("metadata") else { return };
        let annotations = self.annotations(metadata);
        if annotations.is_empty() {
            return;
        }
        let line = object.line();
        let Some(name) = text(metadata.get("name")).filter(|name| is_object_name(name)) else {
            let message = format!("an annotated {kind} has no usable `metadata.name`");
            self.problem(
                Severity::Error,
                "manifest/no-name",
                line,
                message,
                "give it a name of lower case letters, digits, `-` and `.`",
            );
            return;
        };
        let namespace = text(metadata.get("namespace")).unwrap_or(default_namespace);
        if !is_object_name(namespace) {
            let message = format!("the {kind} `{name}` has a `metadata.namespace` that is no name");
            self.problem(
                Severity::Error,
                "manifest/no-name",
                line,
                message,
                "give it a name of lower case letters, digits and `-`",
            );
            return;
        }
        let label = |(key, value): (Node<'_>, Node<'_>)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned()));
        let labels: BTreeMap<String, String> =
            metadata.get("labels").map(Node::entries).unwrap_or_default().into_iter().filter_map(label).collect();
        let key = ApplicationKey {
            kind: kind.to_owned(),
            repository: self.repository.to_owned(),
            file: Some(self.file.clone()),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        if self.applications.iter().any(|known| known.key == key) {
            let message =
                format!("the {kind} `{namespace}/{name}` is defined twice in this file; the first definition counts");
            self.problem(Severity::Error, "manifest/duplicate", line, message, "remove or rename one of them");
            return;
        }
        let is_of_argocd = kind == APPLICATION;
        let project = text(object.get_path(&["spec", "project"])).filter(|_| is_of_argocd);
        let written = text(metadata.get("namespace")).map(str::to_owned);
        let defined = ObjectName::Named { kind: kind.to_owned(), namespace: written, name: name.to_owned() };
        let own = || ApplicationSource { line, path: self.file.parent().to_string(), ..ApplicationSource::default() };
        self.applications.push(Application {
            object: Some(defined),
            line,
            project: project.unwrap_or("default").to_owned(),
            labels,
            annotations,
            sources: if is_of_argocd { sources(object) } else { vec![own()] },
            key,
            rendered: None,
        });
    }

    fn annotations(&mut self, metadata: Node<'_>) -> Vec<Annotation> {
        let mut found: Vec<Annotation> = Vec::new();
        let map = metadata.get("annotations");
        let inherited = map.map(Node::inherited_entries).unwrap_or_default();
        for (key, value) in inherited.into_iter().chain(map.map(Node::entries).unwrap_or_default()) {
            let Some(name) = key.as_str().filter(|_| is_ours(key)) else { continue };
            let text = value.as_str();
            if text.is_none() {
                let message = format!("the annotation `{name}` has no text");
                let hint = "annotations are texts: write the value in quotes";
                self.problem(Severity::Error, "annotation/invalid", key.line(), message, hint);
            }
            if let Some(earlier) = found.iter().position(|other| other.key == name) {
                let message =
                    format!("the annotation `{name}` is given twice; the last one counts, as YAML readers take it");
                self.problem(
                    Severity::Warning,
                    "annotation/duplicate-key",
                    key.line(),
                    message,
                    "remove one of the two lines",
                );
                found.remove(earlier);
            }
            found.push(Annotation { key: name.to_owned(), value: text.map(str::to_owned), line: key.line() });
        }
        found
    }

    fn problem(&mut self, severity: Severity, code: &str, line: u64, message: String, hint: &str) {
        self.problems.push(Problem {
            severity,
            code: code.to_owned(),
            repository: Some(self.repository.to_owned()),
            file: Some(self.file.to_string()),
            line: Some(line),
            message,
            hint: Some(hint.to_owned()),
        });
    }
}

fn sources(object: Node<'_>) -> Vec<ApplicationSource> {
    let spec = KeyPath::of_key("spec").ok();
    let many = object.get_path(&["spec", "sources"]).map(Node::items).unwrap_or_default();
    // Argo CD ignores `source` where `sources` is given.
    if many.is_empty() {
        let at = spec.and_then(|spec| spec.child("source").ok());
        return object.get_path(&["spec", "source"]).map(|node| source(node, at)).into_iter().collect();
    }
    let list = spec.and_then(|spec| spec.child("sources").ok());
    let at = |number: usize| list.as_ref().and_then(|list| list.item(number).ok());
    many.into_iter().enumerate().map(|(number, node)| source(node, at(number))).collect()
}

fn source(node: Node<'_>, at: Option<KeyPath>) -> ApplicationSource {
    let value = |key: &str| text(node.get(key)).map(str::to_owned);
    let texts = |keys: &[&str]| {
        let items = node.get_path(keys).map(Node::items).unwrap_or_default();
        items.into_iter().filter_map(Node::as_str).map(str::to_owned).collect()
    };
    ApplicationSource {
        line: node.get("repoURL").unwrap_or(node).line(),
        repo_url: value("repoURL").unwrap_or_default(),
        path: value("path").unwrap_or_default(),
        target_revision: value("targetRevision").filter(|revision| !revision.is_empty()),
        reference: value("ref").filter(|reference| !reference.is_empty()),
        chart: value("chart"),
        value_files: texts(&["helm", "valueFiles"]),
        inline: at.as_ref().map(|at| inline(node, at)).unwrap_or_default(),
        kustomize_images: texts(&["kustomize", "images"]),
        tool: tool(node),
        manifests: manifests(node),
        at,
    }
}

/// Gives which files of a directory of manifests count.
fn manifests(node: Node<'_>) -> ManifestFiles {
    let value = |key: &str| text(node.get_path(&["directory", key])).filter(|value| !value.is_empty());
    ManifestFiles {
        is_recursive: value("recurse") == Some("true"),
        include: value("include").map(str::to_owned),
        exclude: value("exclude").map(str::to_owned),
    }
}

/// Gives the values that a source has in itself, in the order in which Argo CD hands them to Helm.
fn inline(node: Node<'_>, at: &KeyPath) -> Vec<Inline> {
    let Some(helm) = node.get("helm") else { return Vec::new() };
    let part = |key: &str, shape: Shape| {
        let at = at.child("helm").and_then(|helm| helm.child(key)).ok()?;
        let node = helm.get(key)?;
        let parameters = if shape == Shape::Parameters { parameters::read(node) } else { Vec::new() };
        Some(Inline { at, shape, values: inline_values(node, shape), parameters })
    };
    // `values` counts only where there is no `valuesObject`.
    let has_object = helm.get("valuesObject").is_some_and(|object| !object.entries().is_empty());
    let has_text = text(helm.get("values")).is_some_and(|text| !text.trim().is_empty());
    let values = match (has_object, has_text) {
        (true, _) => part("valuesObject", Shape::Values),
        (false, true) => part("values", Shape::Values),
        (false, false) => None,
    };
    let has_parameters = helm.get("parameters").is_some_and(|list| !list.items().is_empty());
    values.into_iter().chain(has_parameters.then(|| part("parameters", Shape::Parameters)).flatten()).collect()
}

/// What the source says itself: Argo CD looks at the files only where it says nothing.
fn tool(node: Node<'_>) -> Option<Tool> {
    let said = [("helm", Tool::Helm), ("kustomize", Tool::Kustomize), ("directory", Tool::Directory)];
    let is_said = |key: &str| node.get(key).is_some_and(|value| !value.entries().is_empty());
    said.into_iter().find(|(key, _)| is_said(key)).map(|(_, tool)| tool)
}

fn text(node: Option<Node<'_>>) -> Option<&str> {
    node.and_then(Node::as_str)
}

fn is_ours(key: Node<'_>) -> bool {
    key.as_str().is_some_and(|key| key.starts_with(PREFIX) || key.starts_with(LEGACY_PREFIX))
}

/// DNS subdomain as Kubernetes takes it (RFC 1123); templates and line breaks are none.
fn is_object_name(text: &str) -> bool {
    let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
    !text.is_empty() && text.len() <= 253 && text.bytes().all(legal)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Application>, Vec<String>) {
        let Definitions { applications, problems, .. } =
            read_applications("gitops", &"apps.yaml".parse().unwrap(), text);
        (applications, problems.into_iter().map(|p| format!("{}:{}", p.code, p.line.unwrap_or(0))).collect())
    }

    #[test]
    fn an_annotated_application_is_read_whole() {
        let (found, problems) = read(
            "apiVersion: v1\nkind: ConfigMap\n---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: web\n  labels: {team: a}\n  \
             annotations:\n    other.example/key: x\n    repin.dev/image-list: |\n      app=ghcr.io/acme/web\nspec:\n  project: shop\n  source:\n    \
             repoURL: https://git.example/acme/gitops.git\n    path: apps/web\n    targetRevision: main\n    helm: {valueFiles: [values.yaml, ../prod.yaml]}\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        let app = &found[0];
        assert_eq!((app.key.label().as_str(), app.project.as_str(), app.line), ("argocd/web", "shop", 4));
        assert_eq!(
            app.annotations,
            [Annotation { key: "repin.dev/image-list".into(), value: Some("app=ghcr.io/acme/web\n".into()), line: 11 }]
        );
        assert_eq!(app.sources[0].value_files, ["values.yaml", "../prod.yaml"]);
        assert_eq!(app.sources[0].target_revision.as_deref(), Some("main"));
    }

    #[test]
    fn any_object_may_carry_annotations_and_lists_may_hold_lists() {
        let (found, problems) = read(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: DeploymentList\n  items:\n  - metadata: {name: web, annotations: {repin.dev/image-list: a}}\n\
             - apiVersion: helm.toolkit.fluxcd.io/v2\n  kind: HelmRelease\n  metadata: {name: web, namespace: shop, annotations: {repin.dev/image-list: a}}\n\
             - apiVersion: apps/v1\n  kind: StatefulSet\n  metadata: {name: db}\n  spec: {template: {metadata: {annotations: {repin.dev/image-list: a}}}}\n\
             - apiVersion: app.k8s.io/v1beta1\n  kind: Application\n  metadata: {name: x, annotations: {repin.dev/image-list: a}}\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        let labels: Vec<String> = found.iter().map(|one| one.key.label()).collect();
        assert_eq!(labels, ["Deployment/default/web", "HelmRelease/shop/web"]);
        assert!(found.iter().all(|one| one.own_object().is_some() && one.sources.len() == 1));
        let (found, _) = read(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web, annotations: {repin.dev/image-list: a}}\n",
        );
        assert_eq!(found[0].own_object(), None, "what an Application is about is what its sources hold");
    }

    #[test]
    fn what_cannot_be_read_is_a_problem_and_the_rest_goes_on() {
        let app = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web, annotations: {repin.dev/image-list: x}}\n";
        for (text, names, expected) in [
            (format!("a: [\n---\n{app}"), 1, vec!["manifest/invalid-yaml:1"]),
            (format!("{app}---\n{app}"), 1, vec!["manifest/duplicate:5"]),
            (app.replace("name: web", "name: \"we b\""), 0, vec!["manifest/no-name:1"]),
            (
                app.replace("image-list: x", "image-list: x, repin.dev/image-list: y"),
                1,
                vec!["annotation/duplicate-key:3"],
            ),
            (app.replace("Application", "ApplicationSet"), 0, vec!["unsupported/applicationset:1"]),
            (app.replace("argoproj.io/v1alpha1", "v1"), 0, vec![]),
            (format!("kind: List\nitems:\n- {}", app.replace('\n', "\n  ")), 1, vec![]),
        ] {
            let (found, problems) = read(&text);
            assert_eq!((found.len(), problems), (names, expected.into_iter().map(str::to_owned).collect()), "{text}");
        }
    }
}
