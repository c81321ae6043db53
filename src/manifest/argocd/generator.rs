//! Generators of ApplicationSets: what each gives as parameters, as far as Git knows it.
//!
//! `list`, `git`, `clusters`, `matrix` and `merge` are expanded, with selectors (argo-cd docs,
//! operator-manual/applicationset); clusters are those that files describe. What the others give is known to a cluster or a
//! forge only, which is said for each of them.

mod clusters;
mod combine;
mod git;
mod glob;
mod selector;

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::argocd::gotemplate::{Budget, Fault};
use crate::manifest::argocd::template::{Mode, render};
use crate::manifest::argocd::value::{Text, Value};
use crate::manifest::argocd::yaml_text;
use crate::model::names::RepoPath;
use crate::model::tracked::RemoteBranch;

/// How many parameter sets one generator may give, and how many Applications one ApplicationSet.
pub(super) const MAX_SETS: usize = 10_000;
/// `matrix` and `merge` may stand in one of their kind, and no deeper.
const MAX_NESTED: usize = 2;

/// What generators know nothing of without a cluster or a forge, and what it is.
const FOREIGN: [(&str, &str); 4] = [
    ("clusterDecisionResource", "a resource of the cluster"),
    ("scmProvider", "the repositories of a forge"),
    ("pullRequest", "the open pull requests of a forge"),
    ("plugin", "the answer of a plugin"),
];

/// Gives what a `repoURL` and a `revision` mean, or why that is not read.
type Find<'a> = &'a dyn Fn(&str, &str) -> Result<Option<RemoteBranch>, String>;
/// Gives the text of a file, or why it cannot be read.
type ReadFile<'a> = &'a dyn Fn(Option<&RemoteBranch>, &RepoPath) -> Result<String, String>;

/// The files that describe clusters, each with where it stands; none if nobody named any.
pub type ClusterFiles = Option<Vec<(Option<RemoteBranch>, RepoPath)>>;
/// Gives the files that describe clusters, or why they are not read.
type ListClusters<'a> = &'a dyn Fn() -> Result<ClusterFiles, String>;

/// The files that generators ask for.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// Finds what a `repoURL` and a `revision` mean, or says why that is not read.
    pub find: Find<'a>,
    /// Gives the regular files below a directory there, sorted; none = where the ApplicationSet is defined.
    pub below: &'a dyn Fn(Option<&RemoteBranch>, &RepoPath) -> Vec<RepoPath>,
    /// Gives the text of a file there, or says why it cannot be read.
    pub read: ReadFile<'a>,
    /// Gives the files that describe clusters, if anybody named any.
    pub clusters: ListClusters<'a>,
}

/// Why a generator gives nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Unexpanded {
    /// It asks what Git does not know, or what is not evaluated: the generator, and why.
    Unsupported(String),
    /// It gives clusters, and nobody said which files describe them.
    Unnamed(String),
    /// Argo CD refuses it too.
    Invalid(String),
    /// A template in it.
    Template(Fault),
}

impl From<Fault> for Unexpanded {
    fn from(fault: Fault) -> Self {
        Self::Template(fault)
    }
}

/// A file that a generator named and that cannot be used.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Broken {
    /// Which, and why.
    pub(super) message: String,
    /// What to do about it.
    pub(super) hint: &'static str,
}

/// What generators are expanded with.
pub(super) struct Expansion<'a> {
    pub(super) mode: Mode,
    pub(super) files: Files<'a>,
    pub(super) budget: Budget,
    /// What of the files that generators named cannot be used.
    pub(super) broken: BTreeSet<Broken>,
}

impl Expansion<'_> {
    /// Gives the parameter sets of a generator; `depth` counts the `matrix` and `merge` around it.
    pub(super) fn parameters(&mut self, generator: &Value, depth: usize) -> Result<Vec<Value>, Unexpanded> {
        let Value::Map(map) = generator else {
            return Err(Unexpanded::Invalid("a generator is no map".to_owned()));
        };
        if let Some((name, what)) = FOREIGN.iter().find(|(name, _)| map.contains_key(*name)) {
            return Err(Unexpanded::Unsupported(format!(
                "the generator `{name}` gives {what}, which Git does not hold"
            )));
        }
        let mut kinds = map.iter().filter(|(key, _)| !matches!(key.as_str(), "selector" | "values" | "template"));
        let (Some((kind, of_kind)), None) = (kinds.next(), kinds.next()) else {
            return Err(Unexpanded::Invalid("an entry of `generators` has one generator".to_owned()));
        };
        let sets = match kind.as_str() {
            "list" => self.list(of_kind)?,
            "git" => self.git(of_kind)?,
            "clusters" => self.clusters(of_kind)?,
            "matrix" | "merge" if depth >= MAX_NESTED => {
                return Err(Unexpanded::Invalid(format!("`{kind}` stands in two others, and one is the most")));
            }
            "matrix" => self.matrix(of_kind, depth)?,
            "merge" => self.merge(of_kind, depth)?,
            other => return Err(Unexpanded::Unsupported(format!("the generator `{other}` is not known"))),
        };
        let sets = match map.get("selector") {
            Some(selector) => {
                self.budget.take(sets.len().saturating_mul(selector.count()) / 16)?;
                selector::select(selector, sets).map_err(Unexpanded::Invalid)?
            }
            None => sets,
        };
        self.budget.take(sets.len())?;
        if sets.len() > MAX_SETS {
            let message = format!("it gives {} parameter sets, and {MAX_SETS} are the most", sets.len());
            return Err(Unexpanded::Unsupported(message));
        }
        Ok(sets)
    }

    /// Adds the `values` of a generator to what it gives, in which that may stand.
    fn add_values(&mut self, generator: &Value, sets: &mut [Value]) -> Result<(), Unexpanded> {
        let Some(values @ Value::Map(_)) = generator.get("values") else { return Ok(()) };
        for set in sets {
            let values = render(values, set, self.mode, &mut self.budget)?;
            let values = Value::Map(BTreeMap::from([("values".to_owned(), values)]));
            let values = if self.mode == Mode::Plain { flat(&values) } else { values };
            if let (Value::Map(set), Value::Map(values)) = (set, values) {
                set.extend(values);
            }
        }
        Ok(())
    }

    fn list(&self, list: &Value) -> Result<Vec<Value>, Unexpanded> {
        let mut sets = Vec::new();
        for element in list.get("elements").map(Value::items).unwrap_or_default() {
            sets.push(self.element(element)?);
        }
        if let Some(Value::Text(text)) = list.get("elementsYaml").filter(|text| text.is_full()) {
            let read = yaml_text::read(text)
                .map_err(|why| Unexpanded::Invalid(format!("`elementsYaml` is no YAML: {why}")))?;
            match &read {
                Value::List(elements) => {
                    sets.extend(elements.iter().map(|element| match self.mode {
                        Mode::Go(_) => element.clone(),
                        Mode::Plain => flat(element),
                    }));
                }
                other => return Err(Unexpanded::Invalid(format!("`elementsYaml` is {} and no list", other.kind()))),
            }
        }
        Ok(sets)
    }

    fn element(&self, element: &Value) -> Result<Value, Unexpanded> {
        let Value::Map(map) = element else {
            return Err(Unexpanded::Invalid(format!("an element of `list` is {} and no map", element.kind())));
        };
        if let Mode::Go(_) = self.mode {
            return Ok(element.clone());
        }
        for (key, value) in map {
            let is_text = match value {
                Value::Map(values) if key == "values" => values.values().all(|value| value.as_str().is_some()),
                value => value.as_str().is_some(),
            };
            if !is_text {
                let message = format!(
                    "`{key}` of an element of `list` is {}, and without `goTemplate: true` only texts are taken",
                    value.kind()
                );
                return Err(Unexpanded::Invalid(message));
            }
        }
        Ok(flat(element))
    }
}

/// Gives parameters as they are without Go templates: one level of keys with dots, and texts.
fn flat(value: &Value) -> Value {
    Value::Map(value.flatten().into_iter().map(|(key, text)| (key, Value::Text(text))).collect())
}

/// Gives a text of a generator.
fn text_of<'v>(value: &'v Value, key: &str) -> Option<&'v Text> {
    match value.get(key) {
        Some(Value::Text(text)) if !text.as_str().is_empty() => Some(text),
        _ => None,
    }
}
