//! What a file says of clusters: as the Secrets of Argo CD, as templates of objects that become such Secrets, or plainly.
//!
//! Plain is a mapping with `name`, `server`, `project`, `labels` and `annotations`, or a list of such.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::manifest::argocd::value::{At, Origins, Text, Value, items};
use crate::manifest::objects::{Known, Object, Objects};
use crate::model::address::{Address, ObjectName, Shown};
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::origin::Origin;
use crate::model::tracked::RemoteBranch;
use crate::yaml::{Document, Kind, Node, parse};

/// What makes a Secret one of a cluster.
const SECRET_TYPE: (&str, &str) = ("argocd.argoproj.io/secret-type", "cluster");
/// Where objects that become Secrets have them: SealedSecret, ExternalSecret, ClusterExternalSecret.
const TEMPLATES: [&[&str]; 3] =
    [&["spec", "template"], &["spec", "target", "template"], &["spec", "externalSecretSpec", "target", "template"]];
/// What stands where somebody else puts the value in: templates, variables, SOPS, the vault plugin.
const PLACEHOLDERS: [&str; 4] = ["{{", "${", "ENC[", "<path:"];

/// A cluster that a file describes.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) name: Text,
    /// None = it does not stand in Git.
    pub(super) server: Option<Text>,
    pub(super) project: Text,
    pub(super) labels: BTreeMap<String, Value>,
    pub(super) annotations: BTreeMap<String, Value>,
}

/// The clusters of a file, and what in it is one and cannot be read, with its line.
pub(super) type Described = (Vec<Cluster>, Vec<String>);

/// Reads the clusters of a file.
pub(super) fn read(base: Option<&RemoteBranch>, file: &RepoPath, text: &str) -> Result<Described, String> {
    let documents = parse(text).map_err(|error| format!("it is neither YAML nor JSON: {error}"))?;
    let known = Known::of(&documents);
    let objects = Objects::among(&documents, &known);
    let origin = |object: &Option<ObjectName>, key: &KeyPath, line: u64| {
        let shown = if object.is_some() { Shown::Name } else { Shown::Key };
        let address = Address { object: object.clone(), shown, key: key.clone() };
        Some(Arc::new(Origin { base: base.cloned(), file: file.clone(), address, line }))
    };
    let mut found = Described::default();
    let mut keep = |line: u64, one: Result<Cluster, String>| match one {
        Ok(cluster) => found.0.push(cluster),
        Err(why) => found.1.push(format!("line {line}: {why}")),
    };
    for (number, root) in documents.iter().map(Document::root).enumerate() {
        if objects.are_in(number) {
            for object in objects.in_document(number) {
                let named = object.name.map(|name| ObjectName::Named {
                    kind: object.kind.to_owned(),
                    namespace: object.namespace.map(str::to_owned),
                    name: name.to_owned(),
                });
                if let Some(one) = of_object(object, &|key, line| origin(&named, key, line)) {
                    keep(object.node.line(), one);
                }
            }
            continue;
        }
        let object = (number > 0).then_some(ObjectName::Number(number));
        let origins = |key: &KeyPath, line: u64| origin(&object, key, line);
        match root.resolve().map(Node::kind) {
            Some(Kind::Map { .. }) => keep(root.line(), plain(root, &At::Root, &origins)),
            Some(Kind::Seq { .. }) => {
                items(&At::Root, root).iter().for_each(|(at, item)| keep(item.line(), plain(*item, at, &origins)));
            }
            _ if root.is_null() => {}
            _ => return Err("it holds neither mappings nor a list of mappings".to_owned()),
        }
    }
    Ok(found)
}

/// Reads an object; none if it is and becomes no Secret of a cluster.
fn of_object(object: Object<'_>, origins: Origins<'_>) -> Option<Result<Cluster, String>> {
    let is_secret = object.group.is_empty() && object.kind == "Secret";
    let paths: &[&[&str]] = if is_secret { &[&[]] } else { &TEMPLATES };
    let is_cluster = |secret: Node<'_>| {
        let labels = secret.get_path(&["metadata", "labels"]);
        labels.and_then(|labels| labels.get(SECRET_TYPE.0)?.as_str()) == Some(SECRET_TYPE.1)
    };
    let (path, secret) = paths
        .iter()
        .filter_map(|path| Some((path, object.node.get_path(path)?)))
        .find(|(_, secret)| is_cluster(*secret))?;
    let at = path.iter().fold(At::Root, |at, key| at.child(key));
    let called = format!("the {} `{}`", object.kind, object.name.unwrap_or_default());
    Some(of_secret(secret, &at, origins).map_err(|why| format!("{called} {why}")))
}

fn of_secret(secret: Node<'_>, at: &At, origins: Origins<'_>) -> Result<Cluster, String> {
    let word = |key: &str| -> Result<Option<Text>, String> {
        if let Some(node) = secret.get_path(&["stringData", key]) {
            return Ok(written(node, &at.child("stringData").child(key), origins));
        }
        let Some(text) = secret.get_path(&["data", key]).and_then(Node::as_str) else { return Ok(None) };
        // Templates of other objects hold `data` as it will be.
        if is_placeholder(text) || !matches!(at, At::Root) {
            return Ok(Some(Text::plain(text)).filter(|_| !is_placeholder(text)));
        }
        let packed: String = text.split_whitespace().collect();
        let bytes = STANDARD.decode(packed).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        bytes.map(|text| Some(Text::plain(text.trim_end_matches('\n')))).ok_or_else(|| {
            format!("has a `data.{key}` that is no base64 of a text; in the clear it stands in `stringData`")
        })
    };
    let metadata = at.child("metadata");
    let map = |key: &str| words(secret.get_path(&["metadata", key]), &metadata.child(key), origins);
    Ok(Cluster {
        name: word("name")?.filter(Text::is_full).ok_or("does not say its `name` in the clear")?,
        server: word("server")?.filter(Text::is_full),
        project: word("project")?.unwrap_or_default(),
        labels: map("labels"),
        annotations: map("annotations"),
    })
}

fn plain(node: Node<'_>, at: &At, origins: Origins<'_>) -> Result<Cluster, String> {
    let word = |key: &str| node.get(key).and_then(|value| written(value, &at.child(key), origins));
    let map = |key: &str| words(node.get(key), &at.child(key), origins);
    let mut labels = map("labels");
    // Whatever is selected by, it is a cluster that Argo CD has a Secret of.
    labels.entry(SECRET_TYPE.0.to_owned()).or_insert_with(|| Value::text(SECRET_TYPE.1));
    Ok(Cluster {
        name: word("name").filter(Text::is_full).ok_or("a cluster has no `name`")?,
        server: word("server").filter(Text::is_full),
        project: word("project").unwrap_or_default(),
        labels,
        annotations: map("annotations"),
    })
}

/// Gives a scalar as it is written: labels and names are texts, whatever YAML takes `1.10` for.
fn written(node: Node<'_>, at: &At, origins: Origins<'_>) -> Option<Text> {
    let text = node.as_str().filter(|text| !is_placeholder(text))?;
    let origin = match at {
        At::Path(path) => origins(path, node.line()),
        At::Root | At::Nowhere => None,
    };
    Some(Text::whole(text, origin))
}

fn words(map: Option<Node<'_>>, at: &At, origins: Origins<'_>) -> BTreeMap<String, Value> {
    let entries = map.map(|map| [map.inherited_entries(), map.entries()].concat()).unwrap_or_default();
    let word = |(key, value): (Node<'_>, Node<'_>)| {
        let key = key.as_str().filter(|_| !key.is_merge_key())?;
        Some((key.to_owned(), Value::Text(written(value, &at.child(key), origins)?)))
    };
    entries.into_iter().filter_map(word).collect()
}

fn is_placeholder(text: &str) -> bool {
    PLACEHOLDERS.iter().any(|sign| text.contains(sign))
}
