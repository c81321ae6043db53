//! What a file says, value by value, by readers that share nothing with the editor: libyaml, and `serde_json` for JSON.
//!
//! Duplicate keys stay, aliases are written out, and every scalar keeps its type.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

/// A scalar or an empty container: where it stands, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    pub(crate) is: Is,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Is {
    Text(String),
    /// Anything else, as text with its type.
    Other(String),
}

/// Reads a text as JSON; none if it is no JSON.
fn read_json(text: &str) -> Option<Vec<Leaf>> {
    let mut leaves = Vec::new();
    let mut json = serde_json::Deserializer::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let seed = Reader { path: &mut vec!["0".to_owned()], leaves: &mut leaves };
    (seed.deserialize(&mut json).is_ok() && json.end().is_ok()).then_some(leaves)
}

/// Reads all documents of a text as YAML.
fn read_yaml(text: &str) -> Result<Vec<Leaf>, String> {
    let mut leaves = Vec::new();
    for (number, document) in
        serde_yaml::Deserializer::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).enumerate()
    {
        let mut path = vec![number.to_string()];
        Reader { path: &mut path, leaves: &mut leaves }.deserialize(document).map_err(|error| error.to_string())?;
    }
    Ok(leaves)
}

struct Reader<'r> {
    path: &'r mut Vec<String>,
    leaves: &'r mut Vec<Leaf>,
}

impl Reader<'_> {
    fn leaf(self, is: Is) {
        self.leaves.push(Leaf { path: self.path.clone(), is });
    }

    fn other(self, is: impl fmt::Debug) {
        self.leaf(Is::Other(format!("{is:?}")));
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.other("null");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.other(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.other(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.other(value);
        Ok(())
    }

    fn visit_i128<E>(self, value: i128) -> Result<(), E> {
        self.other(value);
        Ok(())
    }

    fn visit_u128<E>(self, value: u128) -> Result<(), E> {
        self.other(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.other(value.to_bits());
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.leaf(Is::Text(value.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let (path, leaves) = (self.path, self.leaves);
        let before = leaves.len();
        for number in 0.. {
            path.push(number.to_string());
            let more = items.next_element_seed(Reader { path, leaves })?.is_some();
            path.pop();
            if !more {
                break;
            }
        }
        if leaves.len() == before {
            Reader { path, leaves }.other("[]");
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let (path, leaves) = (self.path, self.leaves);
        let before = leaves.len();
        loop {
            // A key is read like a value: as text if it is one, else with all that it is.
            let mut key = Vec::new();
            if entries.next_key_seed(Reader { path: &mut Vec::new(), leaves: &mut key })?.is_none() {
                break;
            }
            path.push(match key.as_slice() {
                [Leaf { is: Is::Text(text), .. }] => text.clone(),
                other => format!("{other:?}"),
            });
            entries.next_value_seed(Reader { path, leaves })?;
            path.pop();
        }
        if leaves.len() == before {
            Reader { path, leaves }.other("{}");
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (tag, value) = tagged.variant_seed(std::marker::PhantomData::<String>)?;
        self.path.push(format!("!{tag}"));
        let (path, leaves) = (self.path, self.leaves);
        value.newtype_variant_seed(Reader { path, leaves })?;
        path.pop();
        Ok(())
    }
}

/// Tells why `after` is not `before` with this text written, in one place or, where it is shared, in several.
pub(crate) fn difference(before: &str, after: &str, tag: &str, is_shared: bool) -> Result<(), String> {
    // A text that is no JSON may become some, and is read in one way all the same.
    let (old, new) = match read_json(before) {
        Some(old) => (old, read_json(after).ok_or("it is no JSON any more")?),
        None => (read_yaml(before)?, read_yaml(after)?),
    };
    let (mut old_left, mut places) = (old.iter().peekable(), 0);
    for leaf in &new {
        if old_left.next_if(|old| *old == leaf).is_some() {
            continue;
        }
        places += 1;
        let is_same_place = old_left.peek().is_some_and(|old| old.path == leaf.path);
        match (&leaf.is, is_same_place) {
            (Is::Text(text), true) if text == tag => {
                old_left.next();
            }
            (Is::Text(text), true) => match old_left.next() {
                // The place is in the text.
                Some(Leaf { is: Is::Text(old), .. }) => difference(old, text, tag, is_shared)
                    .map_err(|why| format!("in the text at {:?}: {why}", leaf.path))?,
                other => return Err(format!("{other:?} became {leaf:?}")),
            },
            // A key that was added.
            (Is::Text(text), false) if text == tag => {}
            _ => return Err(format!("{leaf:?} came instead of {:?}", old_left.peek())),
        }
    }
    match (old_left.next(), places) {
        (Some(gone), _) => Err(format!("{gone:?} is gone")),
        (None, 1) => Ok(()),
        // libyaml takes `on` for a text, with quotes and without.
        (None, 0) if new.iter().any(|leaf| leaf.is == Is::Text(tag.to_owned())) => Ok(()),
        (None, 0) => Err("no value differs".to_owned()),
        (None, _) if is_shared => Ok(()),
        (None, places) => Err(format!("{places} values differ")),
    }
}
