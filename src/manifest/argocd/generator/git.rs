//! The git generator: directories of a repository, or the fields of its JSON and YAML files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::argocd::generator::glob::{Reach, fixed_directory, is_match, is_pattern};
use crate::manifest::argocd::generator::{Broken, Expansion, Unexpanded, flat, text_of};
use crate::manifest::argocd::gotemplate::normalize;
use crate::manifest::argocd::template::Mode;
use crate::manifest::argocd::value::{At, Text, Value};
use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::origin::Origin;
use crate::model::tracked::RemoteBranch;
use crate::yaml::{self, Document};

/// Patterns that say what is meant, and what of it is not.
struct Patterns {
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Patterns {
    fn of(items: &[Value]) -> Self {
        let (mut included, mut excluded) = (Vec::new(), Vec::new());
        for item in items {
            let Some(path) = text_of(item, "path") else { continue };
            let path = path.as_str().trim_start_matches("./").trim_start_matches('/').to_owned();
            if item.get("exclude").is_some_and(Value::is_true) { excluded.push(path) } else { included.push(path) }
        }
        Self { included, excluded }
    }

    fn select(&self, path: &str, is_match: &dyn Fn(&str, &str) -> bool) -> bool {
        self.included.iter().any(|one| is_match(one, path)) && !self.excluded.iter().any(|one| is_match(one, path))
    }
}

impl Expansion<'_> {
    pub(super) fn git(&mut self, git: &Value) -> Result<Vec<Value>, Unexpanded> {
        let word = |key| text_of(git, key).map(Text::as_str).unwrap_or_default();
        let base = (self.files.find)(word("repoURL"), word("revision")).map_err(Unexpanded::Unsupported)?;
        let prefix = text_of(git, "pathParamPrefix").map(Text::as_str);
        let mut sets = match (git.get("directories"), git.get("files")) {
            (Some(Value::List(items)), _) => self.directories(base.as_ref(), items, prefix)?,
            (_, Some(Value::List(items))) => self.contents(base.as_ref(), items, prefix)?,
            _ => return Err(Unexpanded::Invalid("`git` has neither `directories` nor `files`".to_owned())),
        };
        self.add_values(git, &mut sets)?;
        Ok(sets)
    }

    fn directories(
        &mut self,
        base: Option<&RemoteBranch>,
        items: &[Value],
        prefix: Option<&str>,
    ) -> Result<Vec<Value>, Unexpanded> {
        let patterns = Patterns::of(items);
        let mut found: BTreeSet<RepoPath> = BTreeSet::new();
        for pattern in &patterns.included {
            let Ok(directory) = fixed_directory(pattern).trim_end_matches('/').parse::<RepoPath>() else { continue };
            let below = (self.files.below)(base, &directory);
            self.budget.take(1 + below.len() / 16)?;
            for file in below {
                let mut above = file.parent();
                while !above.as_str().is_empty() && found.insert(above.clone()) {
                    above = above.parent();
                }
            }
        }
        let is_hidden = |path: &RepoPath| path.parts().any(|part| part.starts_with('.'));
        let is_match = |pattern: &str, path: &str| is_match(pattern, path, Reach::Part);
        let selected = found.into_iter().filter(|path| !is_hidden(path) && patterns.select(path.as_str(), &is_match));
        Ok(selected.map(|path| self.with_path(Value::Map(BTreeMap::new()), &path, None, prefix)).collect())
    }

    fn contents(
        &mut self,
        base: Option<&RemoteBranch>,
        items: &[Value],
        prefix: Option<&str>,
    ) -> Result<Vec<Value>, Unexpanded> {
        let patterns = Patterns::of(items);
        // Without a pattern a path means a file, or all that stands below it.
        let is_match = |pattern: &str, path: &str| {
            if is_pattern(pattern) {
                return is_match(pattern, path, Reach::Path);
            }
            path.strip_prefix(pattern.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut found: BTreeSet<RepoPath> = BTreeSet::new();
        for pattern in &patterns.included {
            let Ok(directory) = fixed_directory(pattern).trim_end_matches('/').parse::<RepoPath>() else { continue };
            let below = (self.files.below)(base, &directory);
            self.budget.take(1 + below.len() / 16)?;
            found.extend(below);
        }
        let mut sets = Vec::new();
        for file in found.into_iter().filter(|file| patterns.select(file.as_str(), &is_match)) {
            let text = (self.files.read)(base, &file);
            // In a `matrix` a file is read again for each parameter set.
            self.budget.take(1 + text.as_ref().map_or(0, String::len) / 256)?;
            match text.and_then(|text| objects(base, &file, &text)) {
                Ok(objects) => {
                    let directory = file.parent();
                    sets.extend(
                        objects.into_iter().map(|object| self.with_path(object, &directory, Some(&file), prefix)),
                    );
                }
                Err(why) => drop(self.broken.insert(Broken {
                    message: format!("{file} gives no parameters: {why}"),
                    hint: "mend the file, or keep it out with `exclude: true`; Argo CD generates nothing as long as it is so",
                })),
            }
        }
        Ok(sets)
    }

    /// Adds what the path of a directory, or of a file in it, gives.
    fn with_path(&self, object: Value, directory: &RepoPath, file: Option<&RepoPath>, prefix: Option<&str>) -> Value {
        let name = |path: &RepoPath| path.parts().last().unwrap_or_default().to_owned();
        // Go gives a file at the root the directory `.`.
        let (path, basename) = if directory.as_str().is_empty() {
            (".".to_owned(), ".".to_owned())
        } else {
            (directory.to_string(), name(directory))
        };
        let mut keys = vec![("basename", basename.clone()), ("basenameNormalized", normalize(&basename))];
        if let Some(file) = file {
            keys.extend([("filename", name(file)), ("filenameNormalized", normalize(&name(file)))]);
        }
        let segments: Vec<&str> = path.split('/').collect();
        match self.mode {
            Mode::Go(_) => {
                let mut map: BTreeMap<String, Value> =
                    keys.into_iter().map(|(key, text)| (key.to_owned(), Value::text(text))).collect();
                map.insert("segments".to_owned(), Value::List(segments.into_iter().map(Value::text).collect()));
                map.insert("path".to_owned(), Value::text(path.clone()));
                let named = BTreeMap::from([("path".to_owned(), Value::Map(map))]);
                let mut object = object;
                let (key, value) = match prefix {
                    Some(prefix) => (prefix.to_owned(), Value::Map(named)),
                    None => ("path".to_owned(), named.into_values().next().unwrap_or_default()),
                };
                if let Value::Map(object) = &mut object {
                    object.insert(key, value);
                }
                object
            }
            Mode::Plain => {
                let prefix = prefix.map(|prefix| format!("{prefix}.")).unwrap_or_default();
                let mut object = flat(&object);
                if let Value::Map(object) = &mut object {
                    for (key, text) in keys {
                        object.insert(format!("{prefix}path.{key}"), Value::text(text));
                    }
                    for (index, part) in segments.into_iter().enumerate() {
                        object.insert(format!("{prefix}path[{index}]"), Value::text(part));
                    }
                    object.insert(format!("{prefix}path"), Value::text(path));
                }
                object
            }
        }
    }
}

/// Reads the object of a file, or the objects of its list.
fn objects(base: Option<&RemoteBranch>, file: &RepoPath, text: &str) -> Result<Vec<Value>, String> {
    let documents = yaml::parse(text).map_err(|error| format!("it is neither JSON nor YAML: {error}"))?;
    let Some(root) = documents.first().map(Document::root) else { return Ok(vec![Value::Map(BTreeMap::new())]) };
    let origins = |key: &KeyPath, line: u64| {
        let address = Address::first(key.clone());
        Some(Arc::new(Origin { base: base.cloned(), file: file.clone(), address, line }))
    };
    match Value::read(root, &At::Root, &origins) {
        object @ Value::Map(_) => Ok(vec![object]),
        Value::Null => Ok(vec![Value::Map(BTreeMap::new())]),
        Value::List(items) => {
            let not_map = items.iter().find(|item| !matches!(item, Value::Map(_)));
            match not_map {
                Some(item) => Err(format!("an item of its list is {} and no map", item.kind())),
                None => Ok(items),
            }
        }
        other => Err(format!("it holds {}, and a map or a list of maps is read", other.kind())),
    }
}
