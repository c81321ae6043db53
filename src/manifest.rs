//! Reading and changing single values of YAML files in Git, byte by byte.
//!
//! A [`Source`] is one parsed file. [`Source::set`] changes the bytes of one scalar and nothing else, parses the result
//! with two readers, and gives it back only if exactly that value differs. Nothing here reads a disk or decides what
//! to write. Key paths are looked up in the first document, which is the one that Helm reads, unless another is named.
//!
//! Reading follows aliases and merge keys. Writing refuses what is reached through them, since others share it, unless the
//! caller says that it means all of them. A key path that goes on into a text which is YAML or JSON itself continues there.

pub mod argocd;
pub mod edit;
pub mod error;
pub mod flux;
pub mod helm_values;
pub mod holds;
pub mod image_strings;
pub mod image_updater;
pub mod kustomization;
pub mod manifests;
pub mod marker;
pub(crate) mod objects;
pub mod overrides;
pub(crate) mod parameters;
pub mod place;
pub mod survey;

mod agreement;
mod grow;
mod guard;
mod inner;
mod json;
mod locate;
mod nearest;
mod proof;
mod read;
mod shared;
mod splice;
mod text;
mod tokens;

use std::collections::HashMap;
use std::str;
use std::sync::{Arc, Mutex, OnceLock};

use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::yaml::{self, Document, Kind};

pub use edit::{Edit, Edited, apply, inverse};
pub use error::EditError;

use locate::{Insertable, Part, Reached, Shared};
use proof::{Before, Difference, New, Second, What};
use text::{Outer, Within};

/// How many nodes a file may have once its aliases are written out.
const MAX_EXPANDED: usize = 1_000_000;

/// One parsed file, so that several reads cost one parse.
#[derive(Debug)]
pub struct Source {
    text: String,
    documents: Vec<Document>,
    /// Whether it is JSON, and stays so.
    is_json: bool,
    /// What the second reader sees, kept for further edits of the same text.
    second: Second,
    /// Its objects, once somebody asked for them.
    objects: OnceLock<objects::Known>,
    /// Which images they name where, in the same way.
    images: OnceLock<manifests::Images>,
    /// Its scalars with markers, in the same way.
    marked: OnceLock<Vec<marker::Marked>>,
    /// Where its lines begin.
    lines: OnceLock<Vec<usize>>,
    /// Where it stands, if it is a text in another one.
    outer: Option<Outer>,
    /// The texts in it that somebody asked for, by document and node.
    inner: Mutex<HashMap<(usize, usize), Within>>,
}

/// What stands at a key path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Found {
    /// The key is not there.
    Absent {
        /// Whether [`Source::set`] may add it.
        insertable: bool,
    },
    /// A null: `tag:`, `tag: ~`, `tag: null`.
    Null {
        /// Line, from 1.
        line: u64,
    },
    /// A scalar.
    Text {
        /// Its text, unquoted, whatever type a reader would give it.
        value: String,
        /// Line, from 1.
        line: u64,
    },
}

/// Whether a value may change that others share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sharing {
    Refused,
    /// All that share it have been looked at.
    Agreed,
}

impl Source {
    /// Parses a file: YAML, or JSON, which is known by its content.
    ///
    /// # Errors
    /// `edit/invalid-yaml`, and `edit/too-large` over 4 MiB or with aliases that stand for more than a million values.
    pub fn parse(text: &str) -> Result<Self, EditError> {
        if text.len() > yaml::MAX_BYTES {
            let found = format!("{} bytes", text.len());
            return Err(EditError::TooLarge { found, limit: format!("{} bytes", yaml::MAX_BYTES) });
        }
        let is_json = json::is_json(text);
        let parsed = yaml::parse(text);
        if let Some(line) = json::comment_line(text, parsed.as_deref().ok()).filter(|_| !is_json) {
            return Err(EditError::JsonComment { line });
        }
        let documents = parsed.map_err(|error| EditError::InvalidYaml {
            line: error.line,
            message: error.message,
            template: text.contains("{{"),
        })?;
        let has_aliases = |document: &Document| document.nodes().any(|node| matches!(node.kind(), Kind::Alias(_)));
        let aliased = documents.iter().filter(|document| has_aliases(document));
        if aliased.map(tokens::expanded_size).fold(0, usize::saturating_add) > MAX_EXPANDED {
            let found = "aliases that stand for more than a million values".to_owned();
            return Err(EditError::TooLarge { found, limit: format!("{MAX_EXPANDED} values") });
        }
        Ok(Self {
            text: text.to_owned(),
            documents,
            is_json,
            second: Second::default(),
            objects: OnceLock::new(),
            images: OnceLock::new(),
            marked: OnceLock::new(),
            lines: OnceLock::new(),
            outer: None,
            inner: Mutex::default(),
        })
    }

    /// Parses a file's bytes.
    ///
    /// # Errors
    /// `edit/encoding` if they are not UTF-8, else as [`Source::parse`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EditError> {
        match str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(error) => {
                let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = 1 + good.iter().filter(|byte| **byte == b'\n').count() as u64;
                Err(EditError::Encoding { line, offset: error.valid_up_to() })
            }
        }
    }

    /// Refuses a text of a file that is called `.json` and that readers of JSON would not read: they read it next.
    ///
    /// # Errors
    /// `edit/invalid-yaml` with the line.
    pub fn check_name(&self, name: &str) -> Result<(), EditError> {
        if self.is_json || !name.to_lowercase().ends_with(".json") {
            return Ok(());
        }
        json::flaw(&self.text).map_or(Ok(()), |(line, message)| Err(EditError::NotJson { line, message }))
    }

    /// Gives the text as it was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Gives the documents of the file, in order.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Gives an address with every predicate replaced by the index of the item it finds, and for what anchors and merge keys
    /// share with the first of all key paths that show it: two ways to one scalar become equal.
    pub fn canonical(&self, address: &Address) -> String {
        match objects::find(self, address) {
            Ok(Some((number, key))) => self.canonical_of(number, &key),
            Ok(None) | Err(_) => address.to_string(),
        }
    }

    /// Reads the value at a key path of the first document, through aliases and merge keys.
    ///
    /// # Errors
    /// `edit/not-a-scalar` for a mapping or sequence, `edit/duplicate-key` if a key on the path is there twice.
    pub fn read(&self, path: &KeyPath) -> Result<Found, EditError> {
        self.read_in(0, path, locate::OF_CHARTS)
    }

    /// The same for a document by its number, where these keys may be added.
    pub(crate) fn read_in(
        &self,
        document: usize,
        path: &KeyPath,
        insertable: &'static Insertable,
    ) -> Result<Found, EditError> {
        self.read_part(document, Part::whole(path), insertable)
    }

    /// Reads the value at an address.
    ///
    /// # Errors
    /// As [`Source::read`], `edit/no-such-key` if the file has no such object, and `edit/duplicate-key` if it has several.
    pub fn read_at(&self, address: &Address) -> Result<Found, EditError> {
        let (document, key) = objects::at(self, address)?;
        self.read_in(document, &key, locate::OF_CHARTS)
    }

    /// Replaces the value at an address, as [`Source::set`] does at a key path of the first document.
    ///
    /// # Errors
    /// As [`Source::set`] and [`Source::read_at`]; nothing is changed then.
    pub fn set_at(&self, address: &Address, new: &str) -> Result<Edited, EditError> {
        let (document, key) = objects::at(self, address)?;
        self.set_in(document, &key, new, locate::OF_CHARTS).map_err(|error| match error {
            EditError::NoSuchKey { .. } => self.absent_at(address),
            error => error,
        })
    }

    /// Says that nothing stands at an address, and what of the same object, or which object, is most like it.
    pub fn absent_at(&self, address: &Address) -> EditError {
        objects::absent(self, address)
    }

    /// Replaces the value at a key path of the first document, or adds the key if [`Found::Absent`] says so.
    ///
    /// The result is proven: parsed again by two readers, only this value differs, and it is a string to every reader.
    /// If the value is this string already, there are no edits.
    ///
    /// # Errors
    /// One of [`EditError`]; nothing is changed then.
    pub fn set(&self, path: &KeyPath, new: &str) -> Result<Edited, EditError> {
        self.set_in(0, path, new, locate::OF_CHARTS)
    }

    /// The same for a document by its number, where these keys may be added.
    pub(crate) fn set_in(
        &self,
        number: usize,
        path: &KeyPath,
        new: &str,
        insertable: &'static Insertable,
    ) -> Result<Edited, EditError> {
        self.set_part(number, Part::whole(path), new, insertable, Sharing::Refused)
    }

    /// The same for a value that anchors, aliases or merge keys share: it is changed where it is written, if everywhere that
    /// it is visible is one of the `agreed` key paths.
    ///
    /// # Errors
    /// As [`Source::set`]; `edit/shared` names what is not agreed.
    pub fn set_shared(&self, path: &KeyPath, new: &str, agreed: &[KeyPath]) -> Result<Edited, EditError> {
        self.set_shared_in(0, path, new, locate::OF_CHARTS, agreed)
    }

    /// Gives what somebody wrote as a text but is YAML or JSON itself, a mapping or sequence, parsed once; the lines of its
    /// nodes are those of the file.
    pub(crate) fn inner(&self, document: usize, node: yaml::Node<'_>) -> Option<Arc<Self>> {
        match self.within(document, node) {
            Within::Yaml(inner) => Some(inner),
            Within::Broken(_) | Within::Nothing => None,
        }
    }

    fn set_part(
        &self,
        number: usize,
        part: Part<'_>,
        new: &str,
        insertable: &'static Insertable,
        sharing: Sharing,
    ) -> Result<Edited, EditError> {
        let path = part.path;
        let document = self.editable_part(number, part, insertable)?;
        let place = locate::locate_part(document, part, insertable)?;
        guard::check_content(&self.text, &place, path, new)?;
        if sharing == Sharing::Refused || matches!(place.shared(), Some(Shared::MergedAfter(..))) {
            guard::check_shared(document, |at| self.line_at(at), &self.text, &place, path, new)?;
        }
        let lost = || EditError::unproven(path, None, "the place that others share is not found");
        let place = place.own(document).ok_or_else(lost)?;
        match &place {
            Reached::Value(value) if value.is_already(new) => Ok(self.unchanged()),
            Reached::Value(value) => {
                let edits = splice::replace(&self.text, value, path, new, self.is_json)?;
                let what = What::Replaced(New::Text(new.to_owned()));
                let difference = Difference { document: number, steps: value.steps.clone(), what };
                self.proven_where(edits, &difference, path, value.node.line(), sharing)
            }
            Reached::Within(value, at) => {
                let Within::Yaml(inner) = self.within(number, value.node) else {
                    return Err(self.no_such_key(Some(number), path));
                };
                let told = |error| match error {
                    // What is like it is searched in the whole file.
                    EditError::NoSuchKey { .. } => self.no_such_key(Some(number), path),
                    error => error,
                };
                let edited = inner.set_part(0, part.split(*at).1, new, insertable, sharing).map_err(told)?;
                if edited.edits.is_empty() {
                    return Ok(self.unchanged());
                }
                let refused = |why: String| EditError::unproven(path, Some(value.node.line()), why);
                let edits = inner.edits_of_outer(&self.text, &edited.edits).map_err(refused)?;
                let what = What::Rewritten(inner.text.clone(), edited.text);
                let difference = Difference { document: number, steps: value.steps.clone(), what };
                self.proven_where(edits, &difference, path, value.node.line(), sharing)
            }
            Reached::Missing(missing) => match (&missing.sibling, path.last_key()) {
                (Some(sibling), Some(key)) => {
                    let edits = splice::insert(&self.text, sibling, key, new, self.is_json);
                    let (last, steps) = sibling.steps.split_last().unwrap_or((&0, &[]));
                    let what = What::EntryAdded(*last, key.to_owned(), New::Text(new.to_owned()));
                    let difference = Difference { document: number, steps: steps.to_vec(), what };
                    self.proven_where(edits, &difference, path, sibling.key.line(), sharing)
                }
                _ => Err(self.no_such_key(Some(number), path)),
            },
        }
    }

    fn unchanged(&self) -> Edited {
        Edited { text: self.text.clone(), edits: Vec::new() }
    }

    /// Gives a document if its file and what stands in it may be changed at all.
    fn editable(&self, number: usize, path: &KeyPath) -> Result<&Document, EditError> {
        self.editable_part(number, Part::whole(path), locate::OF_CHARTS)
    }

    fn editable_part(
        &self,
        number: usize,
        part: Part<'_>,
        insertable: &'static Insertable,
    ) -> Result<&Document, EditError> {
        let document = self.documents.get(number);
        let document = document.ok_or_else(|| self.no_such_key(None, part.path))?;
        // What decides by keys knows those of its own text.
        let own = match locate::locate_part(document, part, insertable) {
            Ok(Reached::Within(_, at)) => part.split(at).0,
            Ok(Reached::Value(_) | Reached::Missing(_)) | Err(_) => part,
        };
        guard::check_document(self, document, own)?;
        Ok(document)
    }

    /// Applies edits and proves that they make this difference and no other.
    fn proven(
        &self,
        edits: Vec<Edit>,
        difference: &Difference,
        path: &KeyPath,
        line: u64,
    ) -> Result<Edited, EditError> {
        self.proven_where(edits, difference, path, line, Sharing::Refused)
    }

    /// The same for what aliases show elsewhere too.
    fn proven_where(
        &self,
        edits: Vec<Edit>,
        difference: &Difference,
        path: &KeyPath,
        line: u64,
        sharing: Sharing,
    ) -> Result<Edited, EditError> {
        let text = apply(&self.text, &edits)?;
        if text.len() > yaml::MAX_BYTES {
            let found = format!("{} bytes with the new value", text.len());
            return Err(EditError::TooLarge { found, limit: format!("{} bytes", yaml::MAX_BYTES) });
        }
        let Self { documents, is_json, second, .. } = self;
        let before =
            Before { text: &self.text, documents, is_json: *is_json, second, is_shared: sharing == Sharing::Agreed };
        proof::prove(before, &text, difference).map_err(|why| EditError::unproven(path, Some(line), why))?;
        Ok(Edited { text, edits })
    }
}
