//! Reading and changing single values of YAML files in Git, byte by byte.
//!
//! A [`Source`] is one parsed file. [`Source::set`] changes the bytes of one scalar and nothing else, parses the result
//! with two readers, and gives it back only if exactly that value differs. Nothing here reads a disk or decides what
//! to write. Key paths are looked up in the first document, which is the one that Helm reads, unless another is named.
//!
//! Reading follows aliases and merge keys. Writing refuses what is reached through them, since others share it.

pub mod argocd;
pub mod edit;
pub mod error;
pub mod kustomization;
pub mod manifests;
pub(crate) mod objects;
pub mod place;
pub mod survey;
pub mod values;

mod grow;
mod guard;
mod locate;
mod nearest;
mod proof;
mod splice;
mod tokens;

use std::str;
use std::sync::OnceLock;

use crate::model::address::Address;
use crate::model::key_path::{KeyPath, Segment};
use crate::yaml::{self, Document, Kind, Style};

pub use edit::{Edit, Edited, apply, inverse};
pub use error::EditError;

use locate::{Insertable, Reached};
use proof::{Difference, New, What};

/// How many nodes a file may have once its aliases are written out.
const MAX_EXPANDED: usize = 1_000_000;

/// One parsed file, so that several reads cost one parse.
#[derive(Debug)]
pub struct Source {
    text: String,
    documents: Vec<Document>,
    /// What the second reader sees, kept for further edits of the same text.
    second: OnceLock<Result<Vec<Vec<tokens::Token>>, String>>,
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

impl Source {
    /// Parses a file.
    ///
    /// # Errors
    /// `edit/invalid-yaml`, and `edit/too-large` over 4 MiB or with aliases that stand for more than a million nodes.
    pub fn parse(text: &str) -> Result<Self, EditError> {
        if text.len() > yaml::MAX_BYTES {
            let found = format!("{} bytes", text.len());
            return Err(EditError::TooLarge { found, limit: format!("{} bytes", yaml::MAX_BYTES) });
        }
        let documents = yaml::parse(text).map_err(|error| EditError::InvalidYaml {
            line: error.line,
            message: error.message,
            template: text.contains("{{"),
        })?;
        let expanded = documents.iter().map(tokens::expanded_size).fold(0, usize::saturating_add);
        let written: usize = documents.iter().map(|document| document.nodes().count()).sum();
        if expanded > written && expanded > MAX_EXPANDED {
            let found = "aliases that stand for more than a million values".to_owned();
            return Err(EditError::TooLarge { found, limit: format!("{MAX_EXPANDED} values") });
        }
        Ok(Self { text: text.to_owned(), documents, second: OnceLock::new() })
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

    /// Gives the text as it was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Gives the documents of the file, in order.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// Gives an address with every predicate replaced by the index of the item it finds: two ways to one scalar become
    /// equal.
    pub fn canonical(&self, address: &Address) -> String {
        match objects::find(self, address) {
            Ok(Some((number, key))) => self.canonical_of(number, &key),
            Ok(None) | Err(_) => address.to_string(),
        }
    }

    /// The same for a key path of a document by its number, with that number unless it is the first.
    pub(crate) fn canonical_of(&self, document: usize, path: &KeyPath) -> String {
        match document {
            // The first document is where key paths of annotations look.
            0 => self.canonical_in(0, path),
            number => format!("{number}#{}", self.canonical_in(number, path)),
        }
    }

    /// The same for a key path of a document by its number.
    pub(crate) fn canonical_in(&self, document: usize, path: &KeyPath) -> String {
        let mut node = self.documents.get(document).map(Document::root);
        let mut spelled = Vec::new();
        for segment in path.segments() {
            let index = match segment {
                Segment::Where { field, value } => node.and_then(|node| {
                    let matches = |item: &yaml::Node<'_>| item.get(field).and_then(yaml::Node::as_str) == Some(value);
                    node.items().iter().position(matches)
                }),
                Segment::Index(index) => Some(*index),
                Segment::Key(_) => None,
            };
            spelled.push(match (segment, index) {
                (_, Some(index)) => format!("[{index}]"),
                (Segment::Key(key), None) => format!("{key:?}"),
                (other, None) => format!("{other:?}"),
            });
            node = node.and_then(|node| match (segment, index) {
                (Segment::Key(key), _) => node.get(key),
                (_, Some(index)) => node.items().get(index).copied(),
                (_, None) => None,
            });
        }
        spelled.join(".")
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
        let Some(document) = self.documents.get(document) else {
            return Ok(Found::Absent { insertable: false });
        };
        let value = match locate::locate(document, path, insertable)? {
            Reached::Value(value) => value,
            Reached::Missing(missing) => {
                let insertable = missing.shared.is_none() && missing.sibling.is_some();
                return Ok(Found::Absent { insertable });
            }
        };
        let line = value.node.line();
        let Some(node) = value.node.resolve() else {
            return Err(EditError::unproven(path, Some(line), "its alias stands inside of what it names"));
        };
        match node.kind() {
            Kind::Scalar { value, style } => {
                let typed = node.tag() == Some(locate::STRING_TAG);
                let null = *style == Style::Plain && yaml::scalar::is_null(value) && (!typed || node.span().is_empty());
                Ok(if null { Found::Null { line } } else { Found::Text { value: value.clone(), line } })
            }
            kind => Err(EditError::not_a_scalar(path, line, kind)),
        }
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
        let document = self.editable(number, path)?;
        let place = locate::locate(document, path, insertable)?;
        guard::check_place(document, &self.text, &place, path, new)?;
        let text = New::Text(new.to_owned());
        match &place {
            Reached::Value(value) if value.is_already(new) => Ok(Edited { text: self.text.clone(), edits: Vec::new() }),
            Reached::Value(value) => {
                let edits = splice::replace(&self.text, value, path, new)?;
                let difference =
                    Difference { document: number, steps: value.steps.clone(), what: What::Replaced(text) };
                self.proven(edits, &difference, path, value.node.line())
            }
            Reached::Missing(missing) => match (&missing.sibling, path.last_key()) {
                (Some(sibling), Some(key)) => {
                    let edits = splice::insert(&self.text, sibling, key, new);
                    let (last, steps) = sibling.steps.split_last().unwrap_or((&0, &[]));
                    let what = What::EntryAdded(*last, key.to_owned(), text);
                    let difference = Difference { document: number, steps: steps.to_vec(), what };
                    self.proven(edits, &difference, path, sibling.key.line())
                }
                _ => Err(self.no_such_key(Some(number), path)),
            },
        }
    }

    /// Says that a key is not there, and which one is most like it: the one thing that is worth looking at every key.
    fn no_such_key(&self, document: Option<usize>, path: &KeyPath) -> EditError {
        let document = document.and_then(|number| self.documents.get(number));
        let nearest = document.and_then(|document| nearest::nearest(document, path));
        EditError::NoSuchKey { path: path.to_string(), nearest }
    }

    /// Gives a document if its file and what stands in it may be changed at all.
    fn editable(&self, number: usize, path: &KeyPath) -> Result<&Document, EditError> {
        let document = self.documents.get(number);
        let document = document.ok_or_else(|| self.no_such_key(None, path))?;
        guard::check_document(&self.text, &self.documents, document, path)?;
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
        let text = apply(&self.text, &edits)?;
        let before = self.second.get_or_init(|| tokens::read_second(&self.text));
        proof::prove(&self.documents, before, &text, difference)
            .map_err(|why| EditError::unproven(path, Some(line), why))?;
        Ok(Edited { text, edits })
    }
}
