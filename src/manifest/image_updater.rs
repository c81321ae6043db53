//! `ImageUpdater` objects of argocd-image-updater 1.x, and its ConfigMap: read for `migrate` alone, carried out by nothing.
//!
//! What is read is `argocd-image-updater.argoproj.io/v1alpha1`: `spec.namespace`, `commonUpdateSettings`, `writeBackConfig`
//! and `applicationRefs`. Every key that is met is given with its line, also one that is not known.

use crate::manifest::objects::{Known, Objects};
use crate::model::application::DEFAULT_NAMESPACE;
use crate::yaml::{Node, parse_each};

/// The group of the objects.
const GROUP: &str = "argocd-image-updater.argoproj.io";
/// The ConfigMap of the program.
const CONFIG_MAP: &str = "argocd-image-updater-config";
/// The key of it that holds the registries, and the name of the file that may hold them.
pub const REGISTRIES: &str = "registries.conf";

/// The settings that all levels share, and the annotations that say the same.
const COMMON: [(&str, &str); 6] = [
    ("updateStrategy", "update-strategy"),
    ("forceUpdate", "force-update"),
    ("allowTags", "allow-tags"),
    ("ignoreTags", "ignore-tags"),
    ("pullSecret", "pull-secret"),
    ("platforms", "platforms"),
];

/// What one file holds of argocd-image-updater besides annotations.
#[derive(Debug, Default)]
pub struct Peer {
    /// Its `ImageUpdater` objects.
    pub updaters: Vec<ImageUpdater>,
    /// The entries of its ConfigMap.
    pub settings: Vec<Setting>,
    /// Every Application that the file defines, annotated or not.
    pub applications: Vec<Named>,
}

/// An Application, as far as an `ImageUpdater` can mean it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
}

/// One entry of the ConfigMap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// Its key.
    pub key: String,
    /// Its text.
    pub value: String,
    /// Line of the key, from 1.
    pub line: u64,
}

/// One `ImageUpdater`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImageUpdater {
    /// Its name.
    pub name: String,
    /// The namespace of the Applications that it means.
    pub namespace: String,
    /// Line of its definition, from 1.
    pub line: u64,
    /// What it asks for, for one pattern each.
    pub references: Vec<Reference>,
    /// Keys that it has no meaning for, as paths.
    pub unknown: Vec<Entry>,
}

/// One of `applicationRefs`, with what the object says for all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reference {
    /// `namePattern`, with its path and line.
    pub pattern: Entry,
    /// The labels that an Application must have.
    pub labels: Vec<Requirement>,
    /// `useAnnotations`, if it is true: then the annotations of the Applications count, and nothing else of this.
    pub annotations: Option<Entry>,
    /// What is asked for.
    pub entries: Vec<Entry>,
}

/// One key of an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entry {
    /// Its path, such as `spec.applicationRefs[0].images[0].imageName`.
    pub path: String,
    /// Its line, from 1.
    pub line: u64,
    /// Its value, lists joined by commas.
    pub value: String,
    /// The annotation without prefix that says the same, and its value.
    pub annotation: Option<(String, String)>,
}

/// What a label must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirement {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl Reference {
    /// Tells whether it means an Application of its namespace.
    pub fn means(&self, application: &Named) -> bool {
        let is_named = self
            .pattern
            .value
            .parse::<crate::model::rule::Glob>()
            .is_ok_and(|pattern| pattern.is_match(&application.name));
        is_named && self.labels.iter().all(|one| one.is_met(&application.labels))
    }
}

impl Requirement {
    fn is_met(&self, labels: &[(String, String)]) -> bool {
        let value = labels.iter().find(|(key, _)| *key == self.key).map(|(_, value)| value);
        let is_listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator.as_str() {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

/// Reads what one file holds.
pub fn read(text: &str) -> Peer {
    let (documents, _) = parse_each(text);
    let mut peer = Peer::default();
    for object in Objects::among(&documents, &Known::of(&documents)).all() {
        let namespace = object.namespace.unwrap_or(DEFAULT_NAMESPACE);
        match (object.group, object.kind, object.name) {
            (GROUP, "ImageUpdater", name) => peer.updaters.push(updater(object.node, name, namespace)),
            ("argoproj.io", "Application", Some(name)) => peer.applications.push(Named {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                labels: texts(object.node.get_path(&["metadata", "labels"])),
            }),
            ("", "ConfigMap", Some(CONFIG_MAP)) => {
                let entries = object.node.get("data").map(Node::entries).unwrap_or_default();
                let setting = |(key, value): (Node<'_>, Node<'_>)| {
                    Some(Setting {
                        key: key.as_str()?.to_owned(),
                        value: value.as_str().unwrap_or_default().to_owned(),
                        line: key.line(),
                    })
                };
                peer.settings.extend(entries.into_iter().filter_map(setting));
            }
            _ => {}
        }
    }
    peer
}

fn texts(map: Option<Node<'_>>) -> Vec<(String, String)> {
    let entries = map.map(Node::entries).unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned())))
        .collect()
}

fn updater(object: Node<'_>, name: Option<&str>, namespace: &str) -> ImageUpdater {
    let mut unknown = Vec::new();
    let mut shared: Vec<Entry> = Vec::new();
    let mut all = namespace.to_owned();
    let mut references: Vec<(Node<'_>, String)> = Vec::new();
    let spec = object.get("spec").map(Node::entries).unwrap_or_default();
    for (key, value) in spec {
        let word = key.as_str().unwrap_or_default();
        let path = format!("spec.{word}");
        match word {
            "namespace" => all = value.as_str().unwrap_or(namespace).to_owned(),
            "commonUpdateSettings" => common(value, &path, "", &mut shared),
            "writeBackConfig" => write_back(value, &path, &mut shared),
            "applicationRefs" => {
                let items = value.items().into_iter().enumerate();
                references.extend(items.map(|(index, node)| (node, format!("{path}[{index}]"))));
            }
            _ => unknown.push(entry(&path, key, value, None)),
        }
    }
    ImageUpdater {
        name: name.unwrap_or("(without a name)").to_owned(),
        namespace: all,
        line: object.line(),
        references: references.into_iter().map(|(node, path)| reference(node, &path, &shared)).collect(),
        unknown,
    }
}

fn reference(node: Node<'_>, path: &str, shared: &[Entry]) -> Reference {
    let mut found = Reference::default();
    let mut own = Vec::new();
    for (key, value) in node.entries() {
        let word = key.as_str().unwrap_or_default();
        let path = format!("{path}.{word}");
        match word {
            "namePattern" => found.pattern = entry(&path, key, value, None),
            "useAnnotations" if value.as_str() == Some("true") => {
                found.annotations = Some(entry(&path, key, value, None));
            }
            "useAnnotations" => {}
            "labelSelectors" => found.labels = requirements(value),
            "commonUpdateSettings" => common(value, &path, "", &mut own),
            "writeBackConfig" => write_back(value, &path, &mut own),
            "images" => images(value, key.line(), &path, &mut own),
            _ => own.push(entry(&path, key, value, None)),
        }
    }
    // What is said here counts over what is said for all.
    let is_said = |one: &Entry| {
        let name = one.annotation.as_ref().map(|(name, _)| name);
        name.is_some() && own.iter().any(|other| other.annotation.as_ref().map(|(name, _)| name) == name)
    };
    found.entries = shared.iter().filter(|one| !is_said(one)).cloned().chain(own.iter().cloned()).collect();
    found
}

fn requirements(node: Node<'_>) -> Vec<Requirement> {
    let labels = texts(node.get("matchLabels")).into_iter();
    let mut all: Vec<Requirement> =
        labels.map(|(key, value)| Requirement { key, operator: "In".to_owned(), values: vec![value] }).collect();
    for one in node.get("matchExpressions").map(Node::items).unwrap_or_default() {
        let word = |key: &str| one.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        let values = one.get("values").map(Node::items).unwrap_or_default();
        all.push(Requirement {
            key: word("key"),
            operator: word("operator"),
            values: values.into_iter().filter_map(Node::as_str).map(str::to_owned).collect(),
        });
    }
    all
}

fn images(list: Node<'_>, line: u64, path: &str, entries: &mut Vec<Entry>) {
    let mut names = Vec::new();
    let at = entries.len();
    for (index, image) in list.items().into_iter().enumerate() {
        let word = |key: &str| image.get(key).and_then(Node::as_str).unwrap_or_default();
        let (alias, name) = (word("alias"), word("imageName"));
        names.push(if alias.is_empty() { name.to_owned() } else { format!("{alias}={name}") });
        let of_alias = format!("{}.", alias.replace('/', "_"));
        for (key, value) in image.entries() {
            let word = key.as_str().unwrap_or_default();
            let path = format!("{path}[{index}].{word}");
            match word {
                "alias" | "imageName" => {}
                "commonUpdateSettings" => common(value, &path, &of_alias, entries),
                "manifestTargets" => targets(value, &path, &of_alias, entries),
                _ => entries.push(entry(&path, key, value, None)),
            }
        }
    }
    let value = names.join(", ");
    let annotation = Some(("image-list".to_owned(), value.clone()));
    entries.insert(at, Entry { path: path.to_owned(), line, value, annotation });
}

fn common(node: Node<'_>, path: &str, prefix: &str, entries: &mut Vec<Entry>) {
    for (key, value) in node.entries() {
        let word = key.as_str().unwrap_or_default();
        let known = COMMON.iter().find(|(name, _)| *name == word);
        entries.push(entry(&format!("{path}.{word}"), key, value, known.map(|(_, name)| format!("{prefix}{name}"))));
    }
}

fn targets(node: Node<'_>, path: &str, prefix: &str, entries: &mut Vec<Entry>) {
    // Where the whole image is written, what would write its parts is ignored there too.
    let has_spec = node.get_path(&["helm", "spec"]).and_then(Node::as_str).is_some_and(|spec| !spec.is_empty());
    for (kind, node) in node.entries() {
        let kind_word = kind.as_str().unwrap_or_default();
        for (key, value) in node.entries() {
            let word = key.as_str().unwrap_or_default();
            let name = match (kind_word, word) {
                ("helm", "name") if !has_spec => Some("helm.image-name"),
                ("helm", "tag") if !has_spec => Some("helm.image-tag"),
                ("helm", "name" | "tag") => continue,
                ("helm", "spec") => Some("helm.image-spec"),
                ("kustomize", "name") => Some("kustomize.image-name"),
                _ => None,
            };
            let path = format!("{path}.{kind_word}.{word}");
            entries.push(entry(&path, key, value, name.map(|name| format!("{prefix}{name}"))));
        }
    }
}

fn write_back(node: Node<'_>, path: &str, entries: &mut Vec<Entry>) {
    for (key, value) in node.entries() {
        let word = key.as_str().unwrap_or_default();
        let path = format!("{path}.{word}");
        match word {
            "method" => entries.push(entry(&path, key, value, Some("write-back-method".to_owned()))),
            "gitConfig" => {
                for (key, value) in value.entries() {
                    let word = key.as_str().unwrap_or_default();
                    let name = match word {
                        "repository" => Some("git-repository"),
                        "branch" => Some("git-branch"),
                        "writeBackTarget" => Some("write-back-target"),
                        _ => None,
                    };
                    entries.push(entry(&format!("{path}.{word}"), key, value, name.map(str::to_owned)));
                }
            }
            _ => entries.push(entry(&path, key, value, None)),
        }
    }
}

fn entry(path: &str, key: Node<'_>, value: Node<'_>, annotation: Option<String>) -> Entry {
    let items: Vec<&str> = value.items().into_iter().filter_map(Node::as_str).collect();
    let text = value.as_str().map_or_else(|| items.join(","), str::to_owned);
    let annotation = annotation.map(|name| (name, text.clone()));
    Entry { path: path.to_owned(), line: key.line(), value: text, annotation }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const UPDATER: &str = "apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: shop, namespace: argocd}
spec:
  commonUpdateSettings: {updateStrategy: semver, ignoreTags: [latest, dev]}
  writeBackConfig:
    method: git
    gitConfig: {branch: main, pullRequest: {github: {}}}
  applicationRefs:
    - namePattern: web-*
      labelSelectors: {matchLabels: {team: shop}}
      commonUpdateSettings: {updateStrategy: newest-build}
      images:
        - alias: web
          imageName: ghcr.io/acme/web:1.x
          commonUpdateSettings: {allowTags: 'regexp:^1'}
          manifestTargets: {helm: {name: image.name, tag: image.tag}}
        - alias: whole
          imageName: ghcr.io/acme/whole
          manifestTargets: {helm: {name: a, tag: b, spec: image}}
    - namePattern: api
      useAnnotations: true
";

    #[test]
    fn every_key_is_given_as_the_annotation_that_says_the_same() {
        let peer = read(UPDATER);
        let updater = &peer.updaters[0];
        let shown: Vec<String> = updater.references[0]
            .entries
            .iter()
            .map(|entry| match &entry.annotation {
                Some((name, value)) => format!("{}: {name}={value}", entry.line),
                None => format!("{}: {} -", entry.line, entry.path),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "5: ignore-tags=latest,dev",
                "7: write-back-method=git",
                "8: git-branch=main",
                "8: spec.writeBackConfig.gitConfig.pullRequest -",
                "12: update-strategy=newest-build",
                "13: image-list=web=ghcr.io/acme/web:1.x, whole=ghcr.io/acme/whole",
                "16: web.allow-tags=regexp:^1",
                "17: web.helm.image-name=image.name",
                "17: web.helm.image-tag=image.tag",
                "20: whole.helm.image-spec=image",
            ]
        );
        assert_eq!(updater.references[1].annotations.as_ref().unwrap().line, 22);
    }

    #[test]
    fn a_reference_means_applications_by_name_and_label() {
        let reference = &read(UPDATER).updaters[0].references[0];
        let named = |name: &str, team: &str| Named {
            namespace: "argocd".into(),
            name: name.into(),
            labels: vec![("team".into(), team.into())],
        };
        assert!(reference.means(&named("web-prod", "shop")));
        assert!(!reference.means(&named("web-prod", "other")));
        assert!(!reference.means(&named("api", "shop")));
    }
}
