//! The file that overrides a source for one Application: `.argocd-source-<name>.yaml`, beside the files of the source.
//!
//! Argo CD takes it for a JSON merge patch of the source (RFC 7396), in which a list replaces the whole list of the
//! Application. So a list that is created here begins with what the Application has, and a list that is there is only
//! added to.
//!
//! Argo CD merges by keys as they are written, and then decodes without regard to their case: `Helm` is another key than the
//! `helm` of the Application, and of the two either may win. So a key that differs in its case alone is refused.

use serde::{Deserialize, Serialize};

use crate::manifest::error::EditError;
use crate::manifest::locate::OF_KUSTOMIZATIONS;
use crate::manifest::place::{Current, Held, Place, Wanted};
use crate::manifest::proof::{Difference, New, What, prove_whole};
use crate::manifest::{Found, Source, grow, image_strings, parameters};
use crate::model::address::Address;
use crate::model::application::Parameter;
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::yaml::{Kind, Node, Style, scalar};

/// An entry of the file.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Override {
    /// A Helm parameter.
    Parameter {
        /// Its `name`, in the syntax of `helm --set`.
        name: String,
        /// Whether its value is the image with its tag, and not the tag alone.
        is_spec: bool,
        /// What the list begins with where it is created: the parameters of the Application.
        seed: Vec<Parameter>,
        /// The parameter that names the image, and comes with the tag where it is not there.
        image: Option<Parameter>,
    },
    /// An image string for kustomize.
    Image {
        /// The name that it replaces.
        name: String,
        /// What the list begins with where it is created: the image strings of the Application.
        seed: Vec<String>,
    },
}

/// An item that is to be written.
enum Item {
    Parameter(Parameter),
    Text(String),
}

impl Override {
    /// Gives the list that the entry is an item of.
    fn keys(&self) -> [&'static str; 2] {
        match self {
            Self::Parameter { .. } => ["helm", "parameters"],
            Self::Image { .. } => ["kustomize", "images"],
        }
    }

    fn list(&self) -> Result<Address, EditError> {
        let [outer, inner] = self.keys();
        let illegal = |why: String| EditError::Unproven { path: format!("{outer}.{inner}"), line: None, why };
        let key =
            KeyPath::of_key(outer).and_then(|key| key.child(inner)).map_err(|error| illegal(error.to_string()))?;
        Ok(Address::first(key))
    }

    /// Gives the place that the entry is once it is there.
    pub(super) fn there(&self) -> Result<Place, EditError> {
        let list = self.list()?;
        Ok(match self {
            Self::Parameter { name, is_spec, .. } => Place::Parameter { list, name: name.clone(), is_spec: *is_spec },
            Self::Image { name, .. } => Place::Image { list, name: name.clone() },
        })
    }

    /// Reads what the entry holds; one that is not there holds nothing.
    pub(super) fn read(&self, source: &Source, image: &ImageName) -> Result<Held, EditError> {
        if !self.is_there(source)? {
            return Ok(Held { current: Current::Absent, tag: None, digest: None, name: None, line: None });
        }
        self.there()?.read(source, image)
    }

    /// Tells whether the file has the entry.
    pub(super) fn is_there(&self, source: &Source) -> Result<bool, EditError> {
        let list = self.list()?;
        self.check_spelling(source, &list.key)?;
        Ok(match self {
            Self::Parameter { name, .. } => match parameters::value_of(&list, name) {
                Some(value) => !matches!(source.read_in(0, &value.key, OF_KUSTOMIZATIONS)?, Found::Absent { .. }),
                None => false,
            },
            Self::Image { name, .. } => image_strings::is_there(source, &list, name)?,
        })
    }

    /// Gives the text with this in the entry, which is added with its list if it is not there.
    pub(super) fn write(&self, source: &Source, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
        let list = self.list()?;
        if self.is_there(source)? {
            let text = self.there()?.write(source, image, wanted)?;
            return match self.missing_name(&Source::parse(&text)?, &list) {
                Some(name) => add(&Source::parse(&text)?, self, &[Item::Parameter(name)]),
                None => Ok(text),
            };
        }
        let is_new_list = items(source, self).is_none_or(|list| list.items().is_empty());
        let mut new = Vec::new();
        match self {
            Self::Parameter { name, is_spec, seed, .. } => {
                let value = value(image, *is_spec, wanted, &list.key)?;
                if is_new_list {
                    let others = seed.iter().filter(|one| one.name != *name);
                    new.extend(others.cloned().map(Item::Parameter));
                }
                let named = self
                    .missing_name(source, &list)
                    .filter(|one| !is_new_list || !seed.iter().any(|known| known.name == one.name));
                new.extend(named.map(Item::Parameter));
                new.push(Item::Parameter(Parameter { name: name.clone(), value, is_forced: true }));
            }
            Self::Image { name, seed } => {
                let replaces = |text: &&String| image_strings::ImageString::read(text).name() == name;
                if is_new_list {
                    new.extend(seed.iter().filter(|text| !replaces(text)).cloned().map(Item::Text));
                }
                let is_same = name.parse::<ImageName>().is_ok_and(|name| name == *image);
                let (renamed, full) = (Some(name.as_str()).filter(|_| !is_same), image.to_string());
                // Kustomize compares names letter by letter, so the image keeps the spelling of the manifests.
                let shown = if is_same { name.as_str() } else { full.as_str() };
                new.push(Item::Text(image_strings::written(renamed, shown, wanted)));
            }
        }
        add(source, self, &new)
    }

    /// Refuses keys that are those of the entry but for their case.
    fn check_spelling(&self, source: &Source, list: &KeyPath) -> Result<(), EditError> {
        let [outer, inner] = self.keys();
        let root = source.documents().first().map(|document| document.root());
        let map = root.map(|root| spelled(root, outer, list)).transpose()?.flatten();
        let items = map.and_then(Node::resolve).map(|map| spelled(map, inner, list)).transpose()?.flatten();
        for item in items.map(Node::items).unwrap_or_default().into_iter().filter_map(Node::resolve) {
            spelled(item, "name", list)?;
            spelled(item, "value", list)?;
        }
        Ok(())
    }

    /// Gives the parameter that names the image, if the list does not have it.
    fn missing_name(&self, source: &Source, list: &Address) -> Option<Parameter> {
        let Self::Parameter { image: Some(image), .. } = self else { return None };
        let address = parameters::value_of(list, &image.name)?;
        let is_absent = matches!(source.read_in(0, &address.key, OF_KUSTOMIZATIONS), Ok(Found::Absent { .. }));
        is_absent.then(|| image.clone())
    }
}

/// Gives the value of a key; one that differs in its case alone is refused.
fn spelled<'d>(map: Node<'d>, wanted: &str, list: &KeyPath) -> Result<Option<Node<'d>>, EditError> {
    let differs = |key: &str| key != wanted && key.eq_ignore_ascii_case(wanted);
    let entries = map.entries();
    let found = entries.iter().find_map(|(key, _)| Some((key.line(), key.as_str().filter(|key| differs(key))?)));
    let Some((line, key)) = found else { return Ok(map.get(wanted)) };
    let why = format!("`{key}` may be read as `{wanted}` or beside it, so write `{wanted}` in its place");
    Err(EditError::unproven(list, Some(line), why))
}

/// Gives a parameter's value.
fn value(image: &ImageName, is_spec: bool, wanted: &Wanted, list: &KeyPath) -> Result<String, EditError> {
    if is_spec {
        return Ok(image_strings::written(None, &image.to_string(), wanted));
    }
    let Some(tag) = &wanted.tag else {
        return Err(EditError::unproven(list, None, "a chart puts a tag there, and a digest alone is none"));
    };
    Ok(wanted.digest.as_ref().map_or_else(|| tag.clone(), |digest| format!("{tag}@{digest}")))
}

/// Gives the list, if it is there.
fn items<'s>(source: &'s Source, entry: &Override) -> Option<Node<'s>> {
    source.documents().first()?.root().get_path(&entry.keys())
}

/// Adds items to the list of the file, and the list and the file with them.
fn add(source: &Source, entry: &Override, items: &[Item]) -> Result<String, EditError> {
    let list = entry.list()?.key;
    let [outer, inner] = entry.keys();
    let root = source.documents().first().map(|document| document.root()).filter(|root| !root.is_null());
    let Some(root) = root else { return begin(source, entry, items) };
    let document = source.editable(0, &list)?;
    if is_bare(root) {
        return fill(source, entry, items, root);
    }
    let refused = |line: u64| EditError::unproven(&list, Some(line), "the place of a new entry is not found");
    let eol = grow::eol_of(&source.text);
    let new_items = || New::Seq(items.iter().map(Item::as_new).collect());
    let find =
        |map: Node<'_>, wanted: &str| map.entries().into_iter().position(|(key, _)| key.as_str() == Some(wanted));
    let entries = root.entries();
    let Some(number) = find(root, outer) else {
        let lines: Vec<String> = [format!("{outer}:"), format!("  {inner}:")]
            .into_iter()
            .chain(items.iter().flat_map(Item::lines).map(|line| format!("  {line}")))
            .collect();
        let edit = grow::add_lines(&source.text, root, &lines, eol).ok_or_else(|| refused(root.line()))?;
        let what = What::EntryAdded(entries.len(), outer.to_owned(), New::Map(vec![(inner.to_owned(), new_items())]));
        return done(source, vec![edit], Vec::new(), what, &list, root.line());
    };
    let Some((_, map)) = entries.get(number).copied() else { return Err(refused(root.line())) };
    if is_bare(map) {
        let span = map.span();
        let old = source.text.get(span.clone()).filter(|old| !old.contains('#')).ok_or_else(|| refused(map.line()))?;
        let edit = crate::manifest::Edit { span, old: old.to_owned(), new: in_braces(&[inner], items) };
        let what = What::EntryAdded(0, inner.to_owned(), new_items());
        return done(source, vec![edit], vec![number], what, &list, map.line());
    }
    let Some(at) = find(map, inner) else {
        let lines: Vec<String> =
            std::iter::once(format!("{inner}:")).chain(items.iter().flat_map(Item::lines)).collect();
        let edit = grow::add_lines(&source.text, map, &lines, eol).ok_or_else(|| refused(map.line()))?;
        let what = What::EntryAdded(map.entries().len(), inner.to_owned(), new_items());
        return done(source, vec![edit], vec![number], what, &list, map.line());
    };
    let Some((_, old)) = map.entries().get(at).copied() else { return Err(refused(map.line())) };
    if !matches!(old.kind(), Kind::Seq { .. }) || document.root().position() != root.position() {
        return Err(EditError::unproven(&list, Some(old.line()), "it is no list of its own"));
    }
    if old.items().is_empty() {
        let span = old.span();
        let texts: Vec<String> = items.iter().map(Item::in_flow).collect();
        let was = source.text.get(span.clone()).unwrap_or_default().to_owned();
        let edit = crate::manifest::Edit { span, old: was, new: format!("[{}]", texts.join(", ")) };
        return done(source, vec![edit], vec![number, at], What::Replaced(new_items()), &list, old.line());
    }
    // One after the other, each proven by itself.
    let Some((first, rest)) = items.split_first() else { return Ok(source.text.clone()) };
    let count = old.items().len();
    let edits = match first {
        Item::Parameter(one) => {
            let forced = forced_key(old);
            let mut pairs = vec![("name", one.name.as_str()), ("value", one.value.as_str())];
            pairs.extend(one.is_forced.then_some((forced, "true")));
            grow::append(&source.text, old, &pairs)
        }
        Item::Text(text) => grow::append_text(&source.text, old, text).map(|edit| vec![edit]),
    };
    let edits = edits.ok_or_else(|| refused(old.line()))?;
    let what = What::ItemAdded(count, first.as_new_like(forced_key(old)));
    let text = done(source, edits, vec![number, at], what, &list, old.line())?;
    if rest.is_empty() { Ok(text) } else { add(&Source::parse(&text)?, entry, rest) }
}

/// Gives the key of `forceString` as the items of a list spell it.
fn forced_key(list: Node<'_>) -> &'static str {
    let keys = list.items().into_iter().flat_map(|item| item.entries()).filter_map(|(key, _)| key.as_str());
    if keys.into_iter().any(|key| key == grow::FORCED_AS_API) { grow::FORCED_AS_API } else { grow::FORCED }
}

fn done(
    source: &Source,
    edits: Vec<crate::manifest::Edit>,
    steps: Vec<usize>,
    what: What,
    path: &KeyPath,
    line: u64,
) -> Result<String, EditError> {
    let difference = Difference { document: 0, steps, what };
    Ok(source.proven(edits, &difference, path, line)?.text)
}

/// Tells whether a mapping is `{}`.
fn is_bare(node: Node<'_>) -> bool {
    matches!(node.kind(), Kind::Map { .. }) && node.entries().is_empty() && !node.span().is_empty()
}

/// Gives what is written in the place of `{}`.
fn in_braces(keys: &[&str], items: &[Item]) -> String {
    let texts: Vec<String> = items.iter().map(Item::in_flow).collect();
    keys.iter().rev().fold(format!("[{}]", texts.join(", ")), |inner, key| format!("{{{key}: {inner}}}"))
}

/// Writes the first entry in the place of the `{}` that is all of a file, in lines where that has a line for itself.
fn fill(source: &Source, entry: &Override, items: &[Item], root: Node<'_>) -> Result<String, EditError> {
    let keys @ [outer, inner] = entry.keys();
    let unproven = |why: String| EditError::Unproven { path: outer.to_owned(), line: Some(root.line()), why };
    let span = root.span();
    let parts = (source.text.get(..span.start), source.text.get(span.clone()), source.text.get(span.end..));
    let (Some(before), Some(old), Some(behind)) = parts else {
        return Err(unproven("the place of a new entry is not found".to_owned()));
    };
    if old.contains('#') {
        return Err(unproven("a comment stands between its braces".to_owned()));
    }
    let line = before.rsplit('\n').next().unwrap_or_default().trim_start_matches('\u{feff}');
    let has_line = line.is_empty() && behind.lines().next().unwrap_or_default().trim().is_empty();
    let new = if has_line {
        let lines = [format!("{outer}:"), format!("  {inner}:")].into_iter();
        let lines: Vec<String> =
            lines.chain(items.iter().flat_map(Item::lines).map(|line| format!("  {line}"))).collect();
        lines.join(grow::eol_of(&source.text))
    } else {
        in_braces(&keys, items)
    };
    let text = format!("{before}{new}{behind}");
    let list = New::Seq(items.iter().map(Item::as_new).collect());
    let whole = New::Map(vec![(outer.to_owned(), New::Map(vec![(inner.to_owned(), list)]))]);
    prove_whole(&text, &whole).map_err(unproven)?;
    Ok(text)
}

/// Writes the first entry of a file that says nothing yet, behind what comments it has.
fn begin(source: &Source, entry: &Override, items: &[Item]) -> Result<String, EditError> {
    let [outer, inner] = entry.keys();
    let eol = grow::eol_of(&source.text);
    let mut text = source.text.clone();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str(eol);
    }
    let lines = [format!("{outer}:"), format!("  {inner}:")].into_iter();
    for line in lines.chain(items.iter().flat_map(Item::lines).map(|line| format!("  {line}"))) {
        text.push_str(&line);
        text.push_str(eol);
    }
    let list = New::Seq(items.iter().map(Item::as_new).collect());
    let whole = New::Map(vec![(outer.to_owned(), New::Map(vec![(inner.to_owned(), list)]))]);
    prove_whole(&text, &whole).map_err(|why| EditError::Unproven { path: outer.to_owned(), line: None, why })?;
    Ok(text)
}

impl Item {
    fn pairs(&self, forced: &str) -> Vec<(String, Option<String>)> {
        match self {
            Self::Parameter(one) => {
                let mut pairs =
                    vec![("name".to_owned(), Some(one.name.clone())), ("value".to_owned(), Some(one.value.clone()))];
                pairs.extend(one.is_forced.then(|| (forced.to_owned(), None)));
                pairs
            }
            Self::Text(_) => Vec::new(),
        }
    }

    fn as_new(&self) -> New {
        self.as_new_like(grow::FORCED)
    }

    fn as_new_like(&self, forced: &str) -> New {
        match self {
            Self::Text(text) => New::Text(text.clone()),
            Self::Parameter(_) => {
                let new = |(key, text): (String, Option<String>)| (key, text.map_or(New::True, New::Text));
                New::Map(self.pairs(forced).into_iter().map(new).collect())
            }
        }
    }

    fn written(&self) -> Vec<String> {
        let text = |text: &str| scalar::write(text, Style::Plain);
        let pair = |(key, value): (String, Option<String>)| {
            format!("{key}: {}", value.map_or_else(|| "true".to_owned(), |value| text(&value)))
        };
        match self {
            Self::Text(one) => vec![text(one)],
            Self::Parameter(_) => self.pairs(grow::FORCED).into_iter().map(pair).collect(),
        }
    }

    /// Gives the lines of the item in a list that is not indented.
    fn lines(&self) -> Vec<String> {
        let mark = |(number, line): (usize, String)| format!("{}{line}", if number == 0 { "- " } else { "  " });
        self.written().into_iter().enumerate().map(mark).collect()
    }

    fn in_flow(&self) -> String {
        match self {
            Self::Text(_) => self.written().concat(),
            Self::Parameter(_) => format!("{{{}}}", self.written().join(", ")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_there_is_one_place_with_its_key_path() {
        let source = Source::parse("helm:\n  parameters:\n  - name: image.tag\n    value: v1\n").unwrap();
        let entry = |name: &str| {
            let (name, seed) = (name.to_owned(), Vec::new());
            Place::Override(Override::Parameter { name, is_spec: false, seed, image: None })
        };
        let path = Place::Tag(Address::first("helm.parameters[0].value".parse().unwrap()));
        assert_eq!(entry("image.tag").canonical(&source), path.canonical(&source));
        assert_eq!(entry("other.tag").canonical(&source), "helm.parameters[name=other.tag].value");
    }
}
