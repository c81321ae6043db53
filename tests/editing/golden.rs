//! The folders of `tests/golden`: `before.yaml`, `change` (`key value`, and `error <code>` if it is refused), `after.yaml`.

use std::fs;
use std::path::{Path, PathBuf};

/// One golden case.
#[derive(Debug)]
pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) before: Vec<u8>,
    pub(crate) key: String,
    pub(crate) value: String,
    /// The text after the edit, or the code of the refusal.
    pub(crate) expected: Result<String, String>,
}

/// Reads all cases.
pub(crate) fn all() -> Vec<Golden> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.into_iter().map(read).collect()
}

fn read(folder: PathBuf) -> Golden {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let change = fs::read_to_string(folder.join("change")).unwrap();
    let mut lines = change.lines();
    let (key, value) = lines.next().unwrap().split_once(' ').unwrap_or_else(|| panic!("{name}: `key value`"));
    let expected = match lines.next().map(|line| line.strip_prefix("error ")) {
        Some(Some(code)) => Err(code.to_owned()),
        Some(None) => panic!("{name}: second line is `error <code>`"),
        None => Ok(fs::read_to_string(folder.join("after.yaml")).unwrap_or_else(|error| panic!("{name}: {error}"))),
    };
    let before = fs::read(folder.join("before.yaml")).unwrap();
    Golden { name, before, key: key.to_owned(), value: value.to_owned(), expected, folder }
}
