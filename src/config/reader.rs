//! A typed reader over the YAML tree that collects every problem with its line and key.
//!
//! A value that is wrong is reported once and then missing, so that its neighbours are still checked. A key without a
//! value (null) counts as absent. Values and keys below `credentials` are never shown.

mod reports;

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use crate::config::Surroundings;
use crate::config::keys;
use crate::config::keys::Table;
use crate::config::words::{nearest, printable, shown};
use crate::model::problem::{Problem, Severity};
use crate::model::rule::{Glob, GlobError};
use crate::yaml::{Kind, Node, Style};

/// Most nodes that are looked at: aliases may name one node many times.
const MAX_NODES: usize = 50_000;
/// Deepest chain of `<<`.
const MAX_MERGES: usize = 8;

/// Where problems are collected.
pub(super) struct Reader<'a> {
    pub(super) around: &'a Surroundings<'a>,
    problems: RefCell<Vec<Problem>>,
    nodes_left: Cell<usize>,
    /// Gives every known key path, for keys that stand at the wrong place.
    places: fn() -> Vec<String>,
}

/// A value at its place.
#[derive(Clone)]
pub(super) struct Value<'a> {
    pub(super) reader: &'a Reader<'a>,
    node: Node<'a>,
    /// Key path, empty for the whole file.
    pub(super) path: String,
    /// Line of the value where it is used.
    pub(super) line: u64,
    hidden: bool,
}

/// A mapping whose keys were checked.
pub(super) struct Fields<'a> {
    at: Value<'a>,
    values: Vec<(&'static str, Value<'a>)>,
    /// Unbuilt keys that the table keeps, in the table's order.
    pub(super) unbuilt: Vec<&'static str>,
    /// Whether it is a mapping that holds known keys only: if not, what is missing may be what was misspelt.
    pub(super) is_clean: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(around: &'a Surroundings<'a>) -> Self {
        Self { around, problems: RefCell::default(), nodes_left: Cell::new(MAX_NODES), places: keys::all }
    }

    /// The same for a file that has keys of its own.
    pub(super) fn of_cases(around: &'a Surroundings<'a>) -> Self {
        Self { places: Vec::new, ..Self::new(around) }
    }

    pub(super) fn root(&'a self, node: Node<'a>) -> Value<'a> {
        Value { reader: self, node, path: String::new(), line: node.line(), hidden: false }
    }

    pub(super) fn error(&self, code: impl Into<String>, line: Option<u64>, message: String, hint: Option<String>) {
        self.report(Severity::Error, code.into(), line, message, hint);
    }

    pub(super) fn warn(&self, code: impl Into<String>, line: Option<u64>, message: String, hint: Option<String>) {
        self.report(Severity::Warning, code.into(), line, message, hint);
    }

    fn report(&self, severity: Severity, code: String, line: Option<u64>, message: String, hint: Option<String>) {
        let file = Some(self.around.file.display().to_string());
        let (message, hint) = (printable(&message), hint.map(|hint| printable(&hint)));
        self.problems.borrow_mut().push(Problem { severity, code, repository: None, file, line, message, hint });
    }

    /// Takes over what was found in a file that this one names.
    pub(super) fn take_over(&self, problems: Vec<Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    /// Gives what was found, in the order of the lines; what was found in other files comes last.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        let own = self.around.file.display().to_string();
        problems.sort_by_key(|problem| (problem.file.as_ref() != Some(&own), problem.line));
        problems
    }

    fn count_node(&self) -> bool {
        let left = self.nodes_left.get();
        if left == 1 {
            let message = format!("the file has more than {MAX_NODES} values, aliases followed");
            self.error("config/invalid-value", None, message, Some("write less of it with aliases".to_owned()));
        }
        self.nodes_left.set(left.saturating_sub(1));
        left > 1
    }
}

impl<'a> Value<'a> {
    fn child(&self, node: Node<'a>, path: String) -> Self {
        Value { reader: self.reader, node, path, line: node.line(), hidden: self.hidden }
    }

    fn name(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("`{}`", self.path) }
    }

    /// Reports that the value breaks a rule.
    pub(super) fn invalid(&self, rule: impl Display, hint: impl Into<String>) {
        let message = match self.node.as_str() {
            Some(text) if !self.hidden => format!("{} is `{}`: {rule}", self.name(), shown(text)),
            _ => format!("{}: {rule}", self.name()),
        };
        self.reader.error("config/invalid-value", Some(self.line), message, Some(hint.into()));
    }

    /// Reports under a code of its own, `message` coming after the key path.
    pub(super) fn error(&self, code: &str, message: impl Display, hint: impl Into<String>) {
        self.reader.error(code, Some(self.line), format!("{} {message}", self.name()), Some(hint.into()));
    }

    /// Warns, `message` coming after the key path.
    pub(super) fn warn(&self, code: &str, message: impl Display, hint: impl Into<String>) {
        self.reader.warn(code, Some(self.line), format!("{} {message}", self.name()), Some(hint.into()));
    }

    fn wrong_type(&self, expected: &str, hint: &str) {
        let found = match self.node.resolve().map(Node::kind) {
            _ if self.node.is_null() => "empty",
            Some(Kind::Map { .. }) => "a mapping",
            Some(Kind::Seq { .. }) => "a list",
            Some(Kind::Scalar { style: Style::Plain, .. }) => "a single value",
            Some(Kind::Scalar { .. }) => "quoted text",
            Some(Kind::Alias(_)) | None => "an alias of itself",
        };
        self.error("config/invalid-value", format!("is {found}, and {expected} is expected"), hint);
    }

    pub(super) fn is_null(&self) -> bool {
        self.node.is_null()
    }

    pub(super) fn is_scalar(&self) -> bool {
        matches!(self.node.resolve().map(Node::kind), Some(Kind::Scalar { .. }))
    }

    pub(super) fn is_empty_list(&self) -> bool {
        matches!(self.node.resolve().map(Node::kind), Some(Kind::Seq { items, .. }) if items.is_empty())
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.resolve().map(Node::kind), Some(Kind::Seq { .. }))
    }

    /// Gives the text of a key without any report.
    pub(super) fn peek(&self, name: &str) -> Option<String> {
        self.node.get(name)?.as_str().map(str::to_owned)
    }

    fn has_good_tag(&self) -> bool {
        let tag = self.node.resolve().and_then(Node::tag);
        let known = ["str", "int", "float", "bool", "null", "map", "seq"];
        let good = tag.is_none_or(|tag| {
            tag.strip_prefix("tag:yaml.org,2002:").or(tag.strip_prefix("!!")).is_some_and(|name| known.contains(&name))
        });
        if !good {
            self.error("config/invalid-value", "carries a YAML tag, and tags are not read", "remove the tag");
        }
        good
    }

    /// Reads text; plain numbers and booleans are the text as written.
    pub(super) fn text(&self) -> Option<&'a str> {
        let text = if self.has_good_tag() { self.node.as_str() } else { return None };
        if text.is_none() {
            self.wrong_type("text", "write one value");
        }
        text
    }

    /// Reads one of some words.
    pub(super) fn word(&self, words: &[&'static str]) -> Option<&'static str> {
        let text = self.text()?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let hint = match nearest(text, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write one of {}", words.join(", ")),
            };
            self.invalid(format!("it is one of {}", words.join(", ")), hint);
        }
        found
    }

    /// Reads a plain `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        let hint = "write true or false, without quotes";
        if !self.has_good_tag() {
            return None;
        }
        match self.node.resolve().map(Node::kind) {
            Some(Kind::Scalar { value, style: Style::Plain }) => match value.as_str() {
                "true" => return Some(true),
                "false" => return Some(false),
                _ if self.is_null() => self.wrong_type("true or false", hint),
                _ => self.invalid("it is true or false", hint),
            },
            _ => self.wrong_type("true or false", hint),
        }
        None
    }

    /// Reads a whole number from 1.
    pub(super) fn count(&self) -> Option<u64> {
        let number = self.text()?.parse().ok().filter(|number| *number >= 1);
        if number.is_none() {
            self.invalid("it is a whole number from 1", "leave the key out for no limit");
        }
        number
    }

    /// Reads a list; null is an empty one.
    pub(super) fn items(&self) -> Vec<Value<'a>> {
        let is_list = matches!(self.node.resolve().map(Node::kind), Some(Kind::Seq { .. }));
        if !is_list && !self.is_null() {
            self.wrong_type("a list", "write each item on a line of its own after `- `, or all in [ ]");
        }
        if !self.has_good_tag() {
            return Vec::new();
        }
        let items = self.node.items().into_iter().take_while(|_| self.reader.count_node());
        items.enumerate().map(|(index, node)| self.child(node, format!("{}[{index}]", self.path))).collect()
    }

    /// Reads a list of globs over paths in a repository.
    pub(super) fn path_globs(&self) -> Vec<Glob> {
        self.items().iter().filter_map(|item| item.glob(Glob::of_paths)).collect()
    }

    /// Reads one glob by the given rules.
    pub(super) fn glob(&self, read: fn(&str) -> Result<Glob, GlobError>) -> Option<Glob> {
        let hint = "* and ? stay within one part of a path, ** crosses /, {a,b} is either";
        read(self.text()?).map_err(|error| self.invalid(error, hint)).ok()
    }

    /// Reads a mapping with free keys whose values are texts; keys with their lines, in the order of the file.
    pub(super) fn texts_by_key(&self) -> Vec<(&'a str, u64, Value<'a>)> {
        let entries = self.entries();
        let texts = entries.into_iter().filter(|(_, _, value)| value.text().is_some());
        texts.collect()
    }

    /// Reads a mapping with the keys of a table; reports unknown, unbuilt, doubled and missing ones.
    pub(super) fn fields(&self, table: &'static Table) -> Fields<'a> {
        let at = Value { hidden: self.hidden || table.hides, ..self.clone() };
        let is_map = matches!(self.node.resolve().map(Node::kind), Some(Kind::Map { .. }));
        let mut fields = Fields { values: Vec::new(), unbuilt: Vec::new(), is_clean: is_map || self.is_null(), at };
        let at = &fields.at;
        let mut unbuilt: Vec<&'static str> = Vec::new();
        for (name, line, value) in at.entries() {
            if let Some(key) = table.keys.iter().find(|key| key.name == name) {
                fields.values.push((key.name, value));
            } else if let Some(key) = table.unbuilt.iter().find(|key| **key == name) {
                unbuilt.push(key);
                at.report_unbuilt(table, key, line);
            } else {
                at.report_unknown(table, name, line);
                fields.is_clean = false;
            }
        }
        for key in table.keys.iter().filter(|key| key.required && (is_map || self.is_null())) {
            at.report_missing(key, fields.values.iter().find(|(name, _)| *name == key.name).map(|(_, value)| value));
        }
        fields.unbuilt = table.unbuilt.iter().copied().filter(|key| unbuilt.contains(key)).collect();
        fields
    }

    /// Reads a mapping with free keys, each with its line, in the order of the file.
    pub(super) fn entries(&self) -> Vec<(&'a str, u64, Value<'a>)> {
        let is_map = matches!(self.node.resolve().map(Node::kind), Some(Kind::Map { .. }));
        if !is_map && !self.is_null() {
            self.wrong_type("a mapping", "write `key: value` lines below it");
        }
        let mut entries: Vec<(&'a str, u64, Value<'a>)> = Vec::new();
        if self.has_good_tag() {
            self.collect(self.node, MAX_MERGES, &mut entries);
        }
        entries
    }

    /// Own keys first, then those of `<<` that are not there yet.
    fn collect(&self, node: Node<'a>, merges: usize, into: &mut Vec<(&'a str, u64, Value<'a>)>) {
        let inherited: Vec<String> = into.iter().map(|(name, _, _)| (*name).to_owned()).collect();
        let mut merged = Vec::new();
        for (key, value) in node.entries() {
            if !self.reader.count_node() {
                return;
            }
            if key.is_merge_key() {
                merged.push(value);
                continue;
            }
            let Some(name) = key.as_str() else {
                let message = format!("{} has a key that is not text", self.name());
                let hint = Some("write the key as plain text".to_owned());
                self.reader.error("config/invalid-value", Some(key.line()), message, hint);
                continue;
            };
            if inherited.iter().any(|known| known == name) {
                continue;
            }
            if let Some((_, first, _)) = into.iter().find(|(known, _, _)| *known == name) {
                let shown = if self.hidden { "a key".to_owned() } else { format!("`{}`", self.path_of(name)) };
                let message = format!("{shown} is there twice, first in line {first}");
                self.reader.error("config/duplicate", Some(key.line()), message, Some("keep one of them".to_owned()));
                continue;
            }
            into.push((name, key.line(), self.child(value, self.path_of(name))));
        }
        let Some(merges) = merges.checked_sub(1) else { return };
        for value in merged {
            match value.resolve().map(Node::kind) {
                Some(Kind::Map { .. }) => self.collect(value, merges, into),
                Some(Kind::Seq { .. }) => value.items().into_iter().for_each(|item| self.collect(item, merges, into)),
                _ => {
                    let message = format!("{} has a `<<` that names no mapping", self.name());
                    let hint = Some("write `<<: *name`, where `&name` stands at a mapping".to_owned());
                    self.reader.error("config/invalid-value", Some(value.line()), message, hint);
                }
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        let key = shown(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Fields<'a> {
    /// Gives the value of a key; none if it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.written(name).filter(|value| !value.is_null())
    }

    /// Gives the value of a key, null included.
    pub(super) fn written(&self, name: &str) -> Option<&Value<'a>> {
        self.values.iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Gives the mapping itself.
    pub(super) fn whole(&self) -> &Value<'a> {
        &self.at
    }
}
