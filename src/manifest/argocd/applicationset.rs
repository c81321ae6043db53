//! ApplicationSets: what they say, and the Applications that they generate.
//!
//! [`expand`] is a function of the set and of the files that its git generators ask for. Of each Application it renders
//! what repin reads: name, namespace, labels, annotations, project and sources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::argocd::differences::NotApplied;
use crate::manifest::argocd::generator::{Expansion, Files, MAX_SETS, Unexpanded};
use crate::manifest::argocd::gotemplate::{Budget, Fault, MAX_STEPS, MissingKey, shortened};
use crate::manifest::argocd::template::{Mode, render, render_text};
use crate::manifest::argocd::value::{At, Text, Value, items};
use crate::manifest::argocd::{Definitions, Reader, is_ours, patch, text};
use crate::model::address::{Address, ObjectName, Shown};
use crate::model::application::{Application, DEFAULT_NAMESPACE};
use crate::model::key_path::KeyPath;
use crate::model::names::{APPLICATION, RepoPath};
use crate::model::origin::{Origin, Rendered};
use crate::model::problem::{Problem, Severity};
use crate::yaml::{Document, MAX_BYTES, Node};

/// How many parameter sets that cannot be rendered are reported for one generator.
const REPORTED: usize = 5;

/// An ApplicationSet whose Applications carry annotations of repin.
#[derive(Debug)]
pub struct ApplicationSet {
    repository: String,
    file: RepoPath,
    name: String,
    namespace: String,
    /// Line of its definition, from 1.
    line: u64,
    mode: Mode,
    /// Each with its line.
    generators: Vec<(u64, Value)>,
    template: Value,
    patch: Option<(u64, Text)>,
    /// Why changes to the sources of its Applications are not applied.
    not_applied: Vec<NotApplied>,
    /// Lines of the template's annotations.
    annotations: Vec<(String, u64)>,
    /// Lines of the sources' `repoURL`.
    sources: Vec<u64>,
}

impl ApplicationSet {
    /// Reads an ApplicationSet; none if nothing in it is meant for repin.
    pub(super) fn read(repository: &str, file: &RepoPath, object: Node<'_>) -> Option<Self> {
        let spec = object.get("spec")?;
        let template = spec.get("template")?;
        let is_annotated = |template: Node<'_>| {
            let annotations = template.get_path(&["metadata", "annotations"]);
            annotations.is_some_and(|map| {
                map.entries().into_iter().chain(map.inherited_entries()).any(|(key, _)| is_ours(key))
            })
        };
        let nodes = spec.get("generators").map(Node::items).unwrap_or_default();
        let of_generator =
            |node: Node<'_>| node.entries().into_iter().any(|(_, one)| one.get("template").is_some_and(is_annotated));
        let patch = spec.get("templatePatch").filter(|_| text(spec.get("goTemplate")) == Some("true"));
        let is_patched = text(patch).is_some_and(|text| super::SIGNS.iter().take(2).any(|sign| text.contains(sign)));
        if !(is_annotated(template) || is_patched || nodes.iter().any(|node| of_generator(*node))) {
            return None;
        }
        let name = text(object.get_path(&["metadata", "name"])).unwrap_or_default().to_owned();
        let namespace = text(object.get_path(&["metadata", "namespace"]));
        let defined = ObjectName::Named {
            kind: "ApplicationSet".to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.clone(),
        };
        let origins = |key: &KeyPath, line: u64| {
            let address = Address { object: Some(defined.clone()), shown: Shown::Name, key: key.clone() };
            Some(Arc::new(Origin { base: None, file: file.clone(), address, line }))
        };
        let spec_at = At::of(KeyPath::of_key("spec").ok());
        let generators =
            spec.get("generators").map(|list| items(&spec_at.child("generators"), list)).unwrap_or_default();
        let generators =
            generators.into_iter().map(|(at, node)| (node.line(), Value::read(node, &at, &origins))).collect();
        let options = spec.get("goTemplateOptions").map(Node::items).unwrap_or_default();
        let is_strict = options.iter().any(|option| option.as_str() == Some("missingkey=error"));
        let go = Mode::Go(if is_strict { MissingKey::Error } else { MissingKey::Null });
        let annotations = template.get_path(&["metadata", "annotations"]).map(Node::entries).unwrap_or_default();
        let line_of = |(key, _): (Node<'_>, Node<'_>)| Some((key.as_str()?.to_owned(), key.line()));
        let many = template.get_path(&["spec", "sources"]).map(Node::items).unwrap_or_default();
        let one = template.get_path(&["spec", "source"]);
        let source_line = |node: &Node<'_>| node.get("repoURL").map_or(node.line(), Node::line);
        Some(Self {
            repository: repository.to_owned(),
            file: file.clone(),
            name,
            namespace: namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned(),
            line: object.line(),
            mode: if text(spec.get("goTemplate")) == Some("true") { go } else { Mode::Plain },
            generators,
            template: Value::read(template, &spec_at.child("template"), &origins),
            patch: patch.and_then(|node| Some((node.line(), Text::plain(node.as_str()?)))),
            not_applied: NotApplied::read(spec),
            annotations: annotations.into_iter().filter_map(line_of).collect(),
            sources: if many.is_empty() {
                one.iter().map(source_line).collect()
            } else {
                many.iter().map(source_line).collect()
            },
        })
    }

    /// Gives the file that defines it.
    pub fn file(&self) -> &RepoPath {
        &self.file
    }

    /// Gives its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn problem(&self, code: &str, line: u64, message: String, hint: &str) -> Problem {
        Problem {
            severity: Severity::Error,
            code: code.to_owned(),
            repository: Some(self.repository.clone()),
            file: Some(self.file.to_string()),
            line: Some(line),
            message: format!("the ApplicationSet `{}`: {message}", self.name),
            hint: Some(hint.to_owned()),
        }
    }

    fn unexpanded(&self, line: u64, why: Unexpanded) -> Problem {
        match why {
            Unexpanded::Unsupported(message) => {
                let hint = "name the Applications that it generates in `applications:` of repin.yaml; the other generators of the set go on";
                self.problem("unsupported/generator", line, message, hint)
            }
            Unexpanded::Unnamed(message) => {
                let hint = format!(
                    "name the files that describe them: add `clusters: [\"clusters/*.yaml\"]` to `{}` in `repositories:` of repin.yaml; the other generators of the set go on",
                    self.repository
                );
                self.problem("unsupported/generator", line, message, &hint)
            }
            Unexpanded::Invalid(message) => self.problem(
                "manifest/invalid-generator",
                line,
                message,
                "mend the generator; Argo CD refuses it as well",
            ),
            Unexpanded::Template(fault) => self.faulty(line, fault),
        }
    }

    fn faulty(&self, line: u64, fault: Fault) -> Problem {
        match fault {
            Fault::Unsupported(message) => {
                let hint = "write it with the functions that the README lists, or name the Applications in `applications:` of repin.yaml";
                self.problem("unsupported/template", line, message, hint)
            }
            Fault::Invalid(message) => {
                let hint = "mend the template, or give what it asks for in the generator; Argo CD refuses it as well";
                self.problem("manifest/invalid-template", line, message, hint)
            }
        }
    }
}

/// Gives the Applications that an ApplicationSet generates, as far as repin can tell, and what it cannot.
pub fn expand(set: &ApplicationSet, files: Files<'_>) -> (Vec<Application>, Vec<Problem>) {
    let mut expansion =
        Expansion { mode: set.mode, files, budget: Budget { steps: MAX_STEPS }, broken: BTreeSet::new() };
    let mut reader = Reader::new(&set.repository, &set.file);
    let mut problems: Vec<Problem> = Vec::new();
    if set.generators.is_empty() {
        problems.push(set.unexpanded(set.line, Unexpanded::Invalid("it has no `generators`".to_owned())));
    }
    for (line, generator) in &set.generators {
        let sets = match expansion.parameters(generator, 0) {
            Ok(sets) => sets,
            Err(why) => {
                problems.push(set.unexpanded(*line, why));
                continue;
            }
        };
        let template = template(set, generator);
        let mut faults = Vec::new();
        for parameters in sets {
            if reader.applications.len() >= MAX_SETS {
                let message = format!("it gives more than {MAX_SETS} Applications, and the rest is passed over");
                faults.push((*line, Fault::Unsupported(message)));
                break;
            }
            if let Err(fault) = generate(set, &template, &parameters, &mut expansion.budget, &mut reader) {
                faults.push(fault);
            }
            if expansion.budget.is_spent() {
                break;
            }
        }
        faults.dedup();
        let count = faults.len();
        problems.extend(faults.into_iter().take(REPORTED).map(|(line, fault)| set.faulty(line, fault)));
        if let Some(more) = count.checked_sub(REPORTED).filter(|more| *more > 0) {
            let message = format!("{more} more of its Applications cannot be rendered");
            problems.push(set.faulty(*line, Fault::Invalid(message)));
        }
    }
    for broken in expansion.broken {
        problems.push(set.problem("manifest/invalid-generator", set.line, broken.message, broken.hint));
    }
    problems.append(&mut reader.problems);
    for not_applied in set.not_applied.iter().filter(|one| reader.applications.iter().any(|app| one.concerns(app))) {
        let message = format!(
            "{} keeps the sources of Applications as they are, and values stand in them: what is written there does not arrive",
            not_applied.what
        );
        let hint = "keep the values in files, or take that out: what argocd-image-updater needed it for is written to Git here";
        let problem = set.problem("manifest/not-applied", not_applied.line, message, hint);
        problems.push(Problem { severity: Severity::Warning, ..problem });
    }
    (reader.applications, problems)
}

/// Gives what a file defines, with what its ApplicationSets generate without any other file.
pub fn expand_alone(definitions: Definitions) -> (Vec<Application>, Vec<Problem>) {
    let files = Files {
        find: &|_, _| Err("the generator `git` reads a repository, and here is only this file".to_owned()),
        below: &|_, _| Vec::new(),
        read: &|_, _| Err("no other file is read".to_owned()),
        clusters: &|| Err("the generator `clusters` reads files of a repository, and here is only this file".to_owned()),
    };
    let Definitions { mut applications, sets, mut problems } = definitions;
    for set in &sets {
        let (found, wrong) = expand(set, files);
        applications.extend(found);
        problems.extend(wrong);
    }
    (applications, problems)
}

/// Gives the template that counts for a generator: its own, and the set's for what that leaves open.
fn template(set: &ApplicationSet, generator: &Value) -> Value {
    let Value::Map(map) = generator else { return set.template.clone() };
    let own = map.values().find_map(|kind| kind.get("template"));
    let Some(own) = own.filter(|own| own.is_full()) else { return set.template.clone() };
    let mut template = set.template.clone();
    lay_full(&mut template, own);
    template
}

/// Lays what is not empty over a value.
fn lay_full(value: &mut Value, over: &Value) {
    match (value, over) {
        (Value::Map(map), Value::Map(over)) => {
            for (key, over) in over.iter().filter(|(_, over)| over.is_full()) {
                lay_full(map.entry(key.clone()).or_default(), over);
            }
        }
        (value, over) if over.is_full() => *value = over.clone(),
        _ => {}
    }
}

/// Renders one Application and reads it as if it stood in a file.
fn generate(
    set: &ApplicationSet,
    template: &Value,
    parameters: &Value,
    budget: &mut Budget,
    reader: &mut Reader<'_>,
) -> Result<(), (u64, Fault)> {
    let at = |keys: &[&str]| template.get_path(keys).cloned();
    let part = |above: &str, keys: &[&str]| -> Value {
        let found = keys.iter().filter_map(|key| Some(((*key).to_owned(), at(&[above, key])?)));
        Value::Map(found.collect())
    };
    let mut parts = BTreeMap::new();
    parts.insert("metadata".to_owned(), part("metadata", &["name", "namespace", "labels", "annotations"]));
    parts.insert("spec".to_owned(), part("spec", &["project", "source", "sources"]));
    let mut application = rendered(&Value::Map(parts), parameters, set, budget)?;
    if let Some((line, text)) = &set.patch {
        let text = render_text(text, parameters, set.mode, budget).map_err(|fault| (*line, fault))?;
        patch::apply(&text, &mut application).map_err(|fault| (*line, fault))?;
    }
    let name = application.get_path(&["metadata", "name"]).map(Value::shown).unwrap_or_default();
    if set.mode == Mode::Plain && name.as_str().contains("{{") {
        let message = format!("no generator gives what the name `{}` asks for", shortened(name.as_str()));
        return Err((set.line, Fault::Invalid(message)));
    }
    if let Value::Map(map) = &mut application {
        map.insert("apiVersion".to_owned(), Value::text("argoproj.io/v1alpha1"));
        map.insert("kind".to_owned(), Value::text("Application"));
        if let Some(Value::Map(metadata)) = map.get_mut("metadata") {
            metadata.entry("namespace".to_owned()).or_insert_with(|| Value::text(set.namespace.clone()));
        }
    }
    let object = application.json();
    let text = object.to_string();
    let mut pieces = Vec::new();
    if let Some(spec) = application.get("spec") {
        note(spec, &At::of(KeyPath::of_key("spec").ok()), &mut pieces);
    }
    let (known, told) = (reader.applications.len(), reader.problems.len());
    if let Some(document) = Document::of_json(&object).filter(|_| text.len() <= MAX_BYTES) {
        reader.application(document.root(), APPLICATION, DEFAULT_NAMESPACE);
    }
    // Lines are those of the set: what was rendered has none.
    for problem in reader.problems.iter_mut().skip(told) {
        problem.line = Some(set.line);
        problem.message = format!("the ApplicationSet `{}`: {}", set.name, problem.message);
    }
    let rendered = Arc::new(Rendered { text, pieces });
    for application in reader.applications.iter_mut().skip(known) {
        application.line = set.line;
        application.rendered = Some(rendered.clone());
        for annotation in &mut application.annotations {
            let known = set.annotations.iter().find(|(key, _)| *key == annotation.key);
            annotation.line = known.map_or(set.line, |(_, line)| *line);
        }
        for (number, source) in application.sources.iter_mut().enumerate() {
            source.line = set.sources.get(number).copied().unwrap_or(set.line);
        }
    }
    Ok(())
}

/// Renders the parts of a template one by one, so that a fault has a line.
fn rendered(
    value: &Value,
    parameters: &Value,
    set: &ApplicationSet,
    budget: &mut Budget,
) -> Result<Value, (u64, Fault)> {
    match value {
        Value::Map(map) => {
            let mut out = BTreeMap::new();
            for (key, value) in map {
                let name = render_text(&Text::plain(key.clone()), parameters, set.mode, budget);
                let name = name.map_err(|fault| (line_of(value).unwrap_or(set.line), fault))?;
                out.insert(name.as_str().to_owned(), rendered(value, parameters, set, budget)?);
            }
            Ok(Value::Map(out))
        }
        Value::List(items) => {
            Ok(Value::List(items.iter().map(|item| rendered(item, parameters, set, budget)).collect::<Result<_, _>>()?))
        }
        value => {
            render(value, parameters, set.mode, budget).map_err(|fault| (line_of(value).unwrap_or(set.line), fault))
        }
    }
}

/// Gives the line of a text of the template.
fn line_of(value: &Value) -> Option<u64> {
    match value {
        Value::Text(text) => Some(text.pieces().first()?.origin.line),
        Value::Null | Value::Bool(..) | Value::Number(..) | Value::List(_) | Value::Map(_) => None,
    }
}

/// Notes which texts of a rendered object stand where.
fn note(value: &Value, at: &At, pieces: &mut Vec<(KeyPath, Vec<crate::model::origin::Piece>)>) {
    match value {
        Value::Map(map) => map.iter().for_each(|(key, value)| note(value, &at.child(key), pieces)),
        Value::List(items) => items.iter().enumerate().for_each(|(index, item)| note(item, &at.item(index), pieces)),
        Value::Text(text) | Value::Number(_, text) | Value::Bool(_, text) => {
            if let (At::Path(path), false) = (at, text.pieces().is_empty()) {
                pieces.push((path.clone(), text.pieces().to_vec()));
            }
        }
        Value::Null => {}
    }
}
