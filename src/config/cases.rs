//! The files of `repin policy test`: cases that say what a policy is expected to make of some tags.
//!
//! Read as strictly as the configuration: all problems at once, each with line and key. Policies are understood by the
//! reader of annotations. Nothing is decided here.

mod keys;
mod policy;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;

use crate::annotations::{ArgocdMethod, ImageRequest};
use crate::config::cases::keys::{CASE, TOP};
use crate::config::cases::policy::{Named, policy};
use crate::config::cases::values::{expectation, offer, standing, time};
use crate::config::reader::{Reader, Value};
use crate::config::{Surroundings, only_document, problem, read, secrets};
use crate::model::names::Tag;
use crate::model::problem::{Problem, Severity};
use crate::plan::trial::cases::{Expectation, Offer};
use crate::secret::Secret;

/// A file of cases.
#[derive(Clone, Debug)]
pub struct Cases {
    /// The cases, at least one.
    pub cases: Vec<Case>,
    /// What is wrong in the manifests that cases name, which are another file each.
    pub of_manifests: Vec<Problem>,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Line in the file, from 1.
    pub line: u64,
    /// The image and its policy.
    pub request: ImageRequest,
    /// What stands: a tag, a digest, or both.
    pub current: Option<String>,
    /// What stood before, oldest first.
    pub stood: Vec<String>,
    /// What the registry has.
    pub tags: Vec<Offer>,
    /// The lines of [`Case::tags`].
    pub lines: BTreeMap<Tag, u64>,
    /// The decision's clock; none = it does not matter.
    pub now: Option<Timestamp>,
    /// What is expected.
    pub expect: Expectation,
}

/// Reads a file of cases; gives it with its warnings.
///
/// # Errors
/// All problems, in the order of the file; codes `config/…`, and `annotation/…` for policies.
pub fn load(path: &Path) -> Result<(Cases, Vec<Problem>), Vec<Problem>> {
    let text = read(path).map_err(|reason| {
        let hint = "name a file of cases; the README shows one";
        vec![problem(path, "config/unreadable", None, format!("the file of cases {reason}"), Some(hint))]
    })?;
    parse(&text, path, &secrets::read_bytes)
}

/// Reads the text of a file of cases; `files` gives the manifests.
///
/// # Errors
/// As [`load`].
pub fn parse(
    text: &str,
    path: &Path,
    files: &dyn Fn(&Path) -> Result<Vec<u8>, String>,
) -> Result<(Cases, Vec<Problem>), Vec<Problem>> {
    let documents = crate::yaml::parse(text);
    let document = only_document(&documents, path, "file of cases", "cases")?;
    let no_secret = |_: &secrets::SecretRef| -> Result<Secret, String> { Err("there are no secrets here".to_owned()) };
    let around = Surroundings { file: path, secrets: &no_secret, files, default_cache: None };
    let reader = Reader::of_cases(&around);
    let mut of_manifests = Vec::new();
    let cases = top(&reader.root(document.root()), &mut of_manifests);
    let mut problems = reader.into_problems();
    let is_good = problems.iter().all(|problem| problem.severity == Severity::Warning);
    match cases.filter(|_| is_good) {
        Some(cases) => Ok((Cases { cases, of_manifests }, problems)),
        None => {
            problems.extend(of_manifests);
            Err(problems)
        }
    }
}

fn top(file: &Value<'_>, of_manifests: &mut Vec<Problem>) -> Option<Vec<Case>> {
    let fields = file.fields(&TOP);
    let named = fields.get("policies").map(Value::entries).unwrap_or_default();
    let named: Named<'_> = named.iter().map(|(name, _, value)| (*name, policy::keys(value))).collect();
    let argocd = match fields.get("legacy_argocd_method").and_then(|value| value.word(&["as-git"])) {
        Some(_) => ArgocdMethod::AsGit,
        None => ArgocdMethod::Held,
    };
    let list = fields.get("cases")?;
    if list.is_empty_list() {
        list.error("config/missing-key", "is empty, and nothing would be tested", "write one case or more");
    }
    let (mut cases, mut names, mut is_whole) = (Vec::new(), BTreeMap::new(), true);
    for value in list.items() {
        let Some(case) = case(&value, &named, argocd, of_manifests) else {
            is_whole = false;
            continue;
        };
        if let Some(first) = names.insert(case.name.clone(), case.line) {
            let message = format!("has the name `{}`, as the case in line {first} has", case.name);
            value.error("config/duplicate", message, "give each case a name of its own");
        }
        cases.push(case);
    }
    Some(cases).filter(|_| is_whole)
}

fn case(value: &Value<'_>, named: &Named<'_>, argocd: ArgocdMethod, of_manifests: &mut Vec<Problem>) -> Option<Case> {
    let fields = value.fields(&CASE);
    let name = fields.get("name").and_then(Value::text);
    let request = policy(&fields, named, argocd, of_manifests);
    let current = fields.get("current").map(standing);
    let stood: Vec<Option<String>> =
        fields.get("stood").map(Value::items).unwrap_or_default().iter().map(standing).collect();
    let now = fields.get("now").map(time);
    let (mut tags, mut lines) = (Vec::new(), BTreeMap::new());
    let list = fields.get("tags");
    let mut is_whole = list.is_some_and(|list| !list.is_scalar());
    for item in list.map(Value::items).unwrap_or_default() {
        let Some(offer) = offer(&item) else {
            is_whole = false;
            continue;
        };
        if let Some(first) = lines.insert(offer.tag.clone(), item.line) {
            item.error("config/duplicate", format!("is `{}`, as in line {first}", offer.tag), "keep one of them");
        }
        if offer.seen.is_some() && now.is_none() {
            let hint = "add `now` to the case, such as `now: 2026-01-05T10:00:00Z`";
            item.error(
                "config/missing-key",
                "says when it was `seen`, and the case does not say what time it is",
                hint,
            );
        }
        tags.push(offer);
    }
    let known: BTreeSet<&str> = tags.iter().map(|offer| offer.tag.as_str()).collect();
    // Tags that cannot be read may be those that are expected.
    let expect = fields.get("expect").and_then(|value| expectation(value, is_whole.then_some(&known)));
    Some(Case {
        name: name?.to_owned(),
        line: value.line,
        request: request?,
        current: current.map_or(Some(None), |read| read.map(Some))?,
        stood: stood.into_iter().collect::<Option<_>>()?,
        tags,
        lines,
        now: now.map_or(Some(None), |read| read.map(Some))?,
        expect: expect?,
    })
    .filter(|_| is_whole)
}
