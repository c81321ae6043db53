//! What is said of keys that a table does not have, does not carry out, or lacks.

use crate::config::keys::{Key, Table};
use crate::config::reader::Value;
use crate::config::words::nearest;

impl Value<'_> {
    pub(super) fn report_unbuilt(&self, table: &Table, key: &str, line: u64) {
        let path = self.path_of(key);
        let code = format!("unsupported/{key}");
        if table.keeps_unbuilt {
            let message =
                format!("`{path}` is known, and this build does not carry it out: what it applies to is held");
            self.reader.warn(code, Some(line), message, Some("remove the key to have changes delivered".to_owned()));
        } else {
            let message = format!("`{path}` is known, and this build does not carry it out");
            self.reader.error(code, Some(line), message, Some("remove the key".to_owned()));
        }
    }

    pub(super) fn report_unknown(&self, table: &Table, name: &str, line: u64) {
        let known = || table.keys.iter().map(|key| key.name).chain(table.unbuilt.iter().copied());
        let elsewhere: Vec<String> =
            (self.reader.places)().into_iter().filter(|path| last_key(path) == name).take(2).collect();
        let hint = match nearest(name, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if !elsewhere.is_empty() && !self.hidden => format!("it stands at `{}`", elsewhere.join("` or `")),
            None => format!("known here: {}", table.keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")),
        };
        let message = if self.hidden {
            format!("{} has a key that is not known", self.name())
        } else {
            format!("`{}` is not a known key", self.path_of(name))
        };
        self.reader.error("config/unknown-key", Some(line), message, Some(hint));
    }

    pub(super) fn report_missing(&self, key: &Key, value: Option<&Value<'_>>) {
        let path = self.path_of(key.name);
        let (line, message) = match value {
            Some(value) if !value.is_null() => return,
            Some(value) => (value.line, format!("`{path}` has no value, and it is required")),
            None => (self.line, format!("`{path}` is missing, and it is required")),
        };
        self.reader.error("config/missing-key", Some(line), message, Some(format!("add `{}`: {}", key.name, key.doc)));
    }
}

fn last_key(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, last)| last)
}
