//! `repin set <file> <key path> <value>`: the editor as a command, with the guarantees that it gives a cycle.
//!
//! No configuration and no network. All values are written, in one step, or none.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::str;

use clap::Args;

use crate::cli::document::{SetChange, SetDocument, SetEdit, VERSION};
use crate::cli::render::{self, Palette, clean};
use crate::cli::text_file::{Purpose, TextFile, defect, list_to_stdout, problem, to_stdout, unanswered};
use crate::cli::{FAILED, FINE, Global, PENDING, USAGE, usage_problem};
use crate::manifest::{Edit, EditError, Found, Source};
use crate::model::address::Address;
use crate::model::problem::Problem;

/// What is written.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The file, or `-` for stdin, whose new text goes to stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Key path (`image.tag`, `sidecars[name=proxy].tag`), of an object too (`Deployment/web#metadata.name`)
    #[arg(value_name = "KEY")]
    key: String,
    /// The text that shall stand there, a string to every reader: `1.10` gets quotes. Behind `--` it may begin with `-`
    #[arg(value_name = "VALUE")]
    value: String,
    /// More of them, which are written together
    #[arg(value_name = "KEY VALUE")]
    more: Vec<String>,
    /// Shows the change as a unified diff and writes nothing; exit 4 if there is one
    #[arg(long, visible_alias = "diff")]
    dry_run: bool,
}

/// What a text becomes.
struct Done {
    text: String,
    changes: Vec<SetChange>,
}

impl Done {
    fn is_changed(&self) -> bool {
        self.changes.iter().any(|change| change.changed)
    }
}

/// Exit 0 if the values stand there now, 1 if anything was refused or the answer did not get through, 2 if a key path is none, 4 if `--dry-run` shows a change.
pub(super) fn run(global: &Global, asked: &Asked) -> u8 {
    let name = asked.file.display().to_string();
    let fail_all = |problems: &[Problem], code: u8| {
        if global.is_json() {
            refuse(&name, problems);
        } else {
            render::talk(&render::problems(problems, Palette::plain()));
        }
        code
    };
    let fail = |problem: Problem, code: u8| fail_all(&[problem], code);
    let values = match values(asked) {
        Ok(values) => values,
        Err(problems) => return fail_all(&problems, USAGE),
    };
    let purpose = if asked.dry_run { Purpose::Read } else { Purpose::Replace };
    let opened = TextFile::open(&asked.file, purpose).and_then(|file| Ok((file.read()?, file)));
    let (bytes, file) = match opened {
        Ok(opened) => opened,
        Err(error) => return fail(problem(&asked.file, &error, None), FAILED),
    };
    let done = match catch_unwind(AssertUnwindSafe(|| edit(&name, &bytes, &values))) {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return fail(problem(&asked.file, &error, error.line()), FAILED),
        Err(_) => return fail(defect(&asked.file), FAILED),
    };
    let is_filter = file.is_standard() && !asked.dry_run;
    let written = !asked.dry_run && !file.is_standard() && done.is_changed();
    let replaced = match (written, is_filter && !global.is_json()) {
        (true, _) => file.replace(&bytes, &done.text),
        (false, true) => to_stdout(&done.text),
        (false, false) => Ok(()),
    };
    if let Err(error) = replaced {
        return fail(problem(&asked.file, &error, None), FAILED);
    }
    let answered = if global.is_json() {
        let text = file.is_standard().then_some(done.text.as_str());
        let (file, changed, changes) = (name.as_str(), done.is_changed(), done.changes.as_slice());
        let document = SetDocument { version: VERSION, file, changed, written, changes, text, problems: &[] };
        to_stdout(&render::json_text(&document))
    } else if asked.dry_run {
        let before = str::from_utf8(&bytes).unwrap_or_default();
        let path = clean(name.trim_start_matches('/'));
        render::talk(&listed(&name, &done.changes));
        list_to_stdout(&render::unified(&path, Some(before), &done.text, Palette::of_stdout()))
    } else if is_filter {
        Ok(())
    } else {
        list_to_stdout(&listed(&name, &done.changes))
    };
    if let Err(error) = answered {
        return unanswered(&error);
    }
    if asked.dry_run && done.is_changed() { PENDING } else { FINE }
}

/// Prints the document of a command that is refused.
pub(super) fn refuse(file: &str, problems: &[Problem]) {
    render::json(&SetDocument {
        version: VERSION,
        file,
        changed: false,
        written: false,
        changes: &[],
        text: None,
        problems,
    });
}

/// Reads the key paths with their values.
fn values(asked: &Asked) -> Result<Vec<(Address, &str)>, Vec<Problem>> {
    let wrong = |message: String, hint: &str| vec![usage_problem("usage/invalid", message, Some(hint.to_owned()))];
    let mut words = vec![asked.key.as_str(), asked.value.as_str()];
    words.extend(asked.more.iter().map(String::as_str));
    let mut values: Vec<(Address, &str)> = Vec::new();
    for pair in words.chunks(2) {
        let [key, value] = pair else {
            let message = format!("`{}` has no value", clean(pair.first().copied().unwrap_or_default()));
            return Err(wrong(message, "write a value behind each key path, in quotes if it has blanks"));
        };
        let key = match key.parse::<Address>() {
            Ok(key) => key,
            Err(error) => return Err(wrong(error.to_string(), "write it as `image.tag` or `list[name=web].tag`")),
        };
        if values.iter().any(|(known, _)| *known == key) {
            return Err(wrong(format!("`{key}` is there twice"), "name each key path once"));
        }
        values.push((key, value));
    }
    Ok(values)
}

/// Writes all values into a text, one after the other, and reads them back.
fn edit(name: &str, bytes: &[u8], values: &[(Address, &str)]) -> Result<Done, EditError> {
    let mut source = Source::from_bytes(bytes)?;
    source.check_name(name)?;
    let mut changes = Vec::new();
    for (key, new) in values {
        let old = match source.read_at(key) {
            Ok(Found::Text { value, .. }) => Some(value),
            // Why it cannot be read is what the edit says.
            Ok(Found::Null { .. } | Found::Absent { .. }) | Err(_) => None,
        };
        let edited = source.set_at(key, new)?;
        let changed = !edited.edits.is_empty();
        let edits = edited.edits.into_iter().map(shown).collect();
        changes.push(SetChange { key: key.to_string(), line: None, old, new: (*new).to_owned(), changed, edits });
        if changed {
            source = Source::parse(&edited.text)?;
        }
    }
    for ((key, new), change) in values.iter().zip(&mut changes) {
        match source.read_at(key)? {
            Found::Text { value, line } if value == *new => change.line = Some(line),
            Found::Text { line, .. } | Found::Null { line } => {
                let why = "another key path of the command names the same value".to_owned();
                return Err(EditError::Unproven { path: key.to_string(), line: Some(line), why });
            }
            Found::Absent { .. } => return Err(source.absent_at(key)),
        }
    }
    Ok(Done { text: source.text().to_owned(), changes })
}

fn shown(edit: Edit) -> SetEdit {
    let Edit { span, old, new } = edit;
    SetEdit { start: span.start, end: span.end, old, new }
}

/// Lists changes: where, from and to.
fn listed(file: &str, changes: &[SetChange]) -> String {
    let mut text = String::new();
    for SetChange { key, line, old, new, changed, .. } in changes {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let says = match old {
            _ if !changed => format!("is {new} already"),
            Some(old) => format!("{old} -> {new}"),
            None => format!("(none) -> {new}"),
        };
        let _ = writeln!(text, "{}", clean(&format!("{file}{line} {key}  {says}")));
    }
    text
}
