//! Addresses: where in a file something stands, as an object of it and a key path there.
//!
//! Written `image.tag` for the first document of a file, which is the one that Helm reads, `Deployment/web#spec.replicas`
//! or `Deployment/shop/web#spec.replicas` for an object, be it a document or an item of a `List`, and `[1]#spec.replicas`
//! for a document by its number. Nothing here looks into a file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::key_path::{KeyPath, KeyPathError};

/// One place of a file, by which it is found again in every version of it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Address {
    /// What the key path starts in; none is the first document.
    pub object: Option<ObjectName>,
    /// How much of that people need to read.
    pub shown: Shown,
    /// The key path.
    pub key: KeyPath,
}

/// An object of a file: a document of its own, or an item of a `List`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum ObjectName {
    /// The object of this kind and name.
    Named {
        /// `kind`.
        kind: String,
        /// `metadata.namespace`.
        namespace: Option<String>,
        /// `metadata.name`.
        name: String,
    },
    /// The document of this number, from 0, where it has no name.
    Number(usize),
}

/// How much of an object's name people need to read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Shown {
    /// Nothing: the file has no other object.
    Key,
    /// Its kind and name.
    Name,
    /// Its namespace as well: another object of the file has the same kind and name.
    Namespace,
}

impl Address {
    /// Gives the address of a key path of the first document.
    pub fn first(key: KeyPath) -> Self {
        Self { object: None, shown: Shown::Key, key }
    }

    /// Gives the address of another key path of the same object.
    pub fn at(&self, key: KeyPath) -> Self {
        Self { key, ..self.clone() }
    }

    /// Gives the address as people read it, with this much of the object's name.
    fn name(&self, shown: Shown) -> String {
        let key = &self.key;
        match (&self.object, shown) {
            (None, _) | (_, Shown::Key) => key.to_string(),
            (Some(object), Shown::Name) => format!("{object}#{key}"),
            (Some(ObjectName::Named { kind, namespace: Some(namespace), name }), Shown::Namespace) => {
                format!("{kind}/{namespace}/{name}#{key}")
            }
            (Some(object), Shown::Namespace) => format!("{object}#{key}"),
        }
    }

    /// Gives every form that people may have read, according to what else stood in the file.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![self.name(Shown::Key)];
        if self.object.is_some() {
            names.extend([self.name(Shown::Name), self.name(Shown::Namespace)]);
        }
        names
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name(self.shown))
    }
}

/// The short form: kind and name.
impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { kind, name, .. } => write!(f, "{kind}/{name}"),
            Self::Number(number) => write!(f, "[{number}]"),
        }
    }
}

impl FromStr for Address {
    type Err = KeyPathError;

    fn from_str(text: &str) -> Result<Self, KeyPathError> {
        let split = text.split_once('#').and_then(|(object, key)| Some((object_of(object)?, key)));
        let Some(((object, shown), key)) = split else { return Ok(Self::first(text.parse()?)) };
        Ok(Self { object: Some(object), shown, key: key.parse()? })
    }
}

/// Reads `Kind/name`, `Kind/namespace/name` and `[1]`; what stands before a `#` may also be the beginning of a key.
fn object_of(text: &str) -> Option<(ObjectName, Shown)> {
    if let Some(number) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let is_number = !number.is_empty() && number.len() < 7 && number.bytes().all(|c| c.is_ascii_digit());
        return is_number.then(|| number.parse().ok())?.map(|number| (ObjectName::Number(number), Shown::Name));
    }
    let (kind, rest) = text.split_once('/')?;
    let is_kind =
        kind.starts_with(|c: char| c.is_ascii_alphabetic()) && kind.bytes().all(|c| c.is_ascii_alphanumeric());
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b':'))
    };
    let named = |namespace: Option<&str>, name: &str| ObjectName::Named {
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    match rest.split_once('/') {
        None => (is_kind && is_name(rest)).then(|| (named(None, rest), Shown::Name)),
        Some((namespace, name)) => {
            (is_kind && is_name(namespace) && is_name(name)).then(|| (named(Some(namespace), name), Shown::Namespace))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_shown() {
        for text in [
            "image.tag",
            "a#b.c",
            "Deployment/web#spec.replicas",
            "Application/argocd/web#spec.source.helm.parameters[name=image.tag].value",
            "[1]#spec.image",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let address: Address = "Deployment/shop/web#spec.replicas".parse().unwrap();
        assert_eq!(
            address.names(),
            ["spec.replicas", "Deployment/web#spec.replicas", "Deployment/shop/web#spec.replicas"]
        );
    }

    #[test]
    fn what_is_no_object_is_part_of_the_key() {
        for text in ["a/b c#d", "1x/y#z", "[x]#a", "Deployment/a/b/c#d"] {
            let read = text.parse::<Address>();
            assert!(read.is_err() || read.is_ok_and(|address| address.object.is_none()), "{text}");
        }
        assert!("Deployment/web#".parse::<Address>().is_err());
    }
}
