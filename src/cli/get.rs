//! `repin get <file> <key path>`: one value as the editor reads it, through aliases and merge keys.
//!
//! No configuration and no network.

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use clap::Args;

use crate::cli::document::{GetDocument, VERSION};
use crate::cli::render::{self, Palette, clean};
use crate::cli::text_file::{Purpose, TextFile, defect, problem, to_stdout, unanswered};
use crate::cli::{FAILED, FINE, Global};
use crate::manifest::{EditError, Found, Source};
use crate::model::address::Address;
use crate::model::problem::Problem;

/// What is read.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The file, or `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Key path (`image.tag`, `sidecars[name=proxy].tag`), of an object too (`Deployment/web#metadata.name`)
    #[arg(value_name = "KEY")]
    key: Address,
}

/// Exit 0 for a text or a null, 1 if nothing is there or the file cannot be read.
pub(super) fn run(global: &Global, asked: &Asked) -> u8 {
    let (name, key) = (asked.file.display().to_string(), asked.key.to_string());
    let (found, problems) = read(asked);
    let (kind, value, line) = match &found {
        Some(Found::Text { value, line }) => (Some("text"), Some(value.as_str()), Some(*line)),
        Some(Found::Null { line }) => (Some("null"), None, Some(*line)),
        Some(Found::Absent { .. }) => (Some("absent"), None, None),
        None => (None, None, None),
    };
    let answered = if global.is_json() {
        let (file, key, problems) = (name.as_str(), key.as_str(), problems.as_slice());
        to_stdout(&render::json_text(&GetDocument { version: VERSION, file, key, kind, value, line, problems }))
    } else if problems.is_empty() {
        to_stdout(&shown(value.unwrap_or_default()))
    } else {
        render::talk(&render::problems(&problems, Palette::plain()));
        Ok(())
    };
    if let Err(error) = answered {
        return unanswered(&error);
    }
    if problems.is_empty() { FINE } else { FAILED }
}

/// Prints the document of a command that is refused.
pub(super) fn refuse(file: &str, key: &str, problems: &[Problem]) {
    render::json(&GetDocument { version: VERSION, file, key, kind: None, value: None, line: None, problems });
}

/// Reads the value, and what is wrong. With what is not there comes the problem that it is not.
fn read(asked: &Asked) -> (Option<Found>, Vec<Problem>) {
    let bytes = match TextFile::open(&asked.file, Purpose::Read).and_then(|file| file.read()) {
        Ok(bytes) => bytes,
        Err(error) => return (None, vec![problem(&asked.file, &error, None)]),
    };
    let read = || {
        let source = Source::from_bytes(&bytes)?;
        Ok(match source.read_at(&asked.key)? {
            absent @ Found::Absent { .. } => (absent, Some(source.absent_at(&asked.key))),
            found => (found, None),
        })
    };
    let of_text = |error: EditError| problem(&asked.file, &error, error.line());
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok((found, error))) => (Some(found), error.map(of_text).into_iter().collect()),
        Ok(Err(error)) => (None, vec![of_text(error)]),
        Err(_) => (None, vec![defect(&asked.file)]),
    }
}

/// Gives the text of a value as it is; on a terminal without what such a one carries out.
fn shown(value: &str) -> String {
    if !std::io::stdout().is_terminal() {
        return format!("{value}\n");
    }
    value.split('\n').map(|line| format!("{}\n", clean(line))).collect()
}
