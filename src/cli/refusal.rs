//! Commands that are refused: what is wrong with the command line, and the documents without anything in them.

use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::cli::document::{
    CasesDocument, CheckDocument, CycleDocument, ExplainDocument, HistoryDocument, HoldsDocument, LoginDocument,
    MigrateDocument, PullsDocument, QueryShown, StatusDocument, TagsDocument, TraceDocument, VERSION,
};
use crate::cli::{Cli, FINE, USAGE, get, images, render, set};
use crate::model::problem::{Problem, Severity};
use crate::plan::trace::shown::Target;

/// Says what is wrong with the command line; with `--output json` as the command's document too.
pub(super) fn usage(arguments: &[OsString], error: &clap::Error) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        render::out(&error.to_string());
        return FINE;
    }
    render::talk(&error.to_string());
    let words = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    // What stands behind `--` is no flag.
    let words: Vec<String> = words.take_while(|word| word != "--").collect();
    let is_json =
        words.iter().any(|word| word == "--output=json") || words.windows(2).any(|pair| pair == ["--output", "json"]);
    if is_json {
        let text = error.to_string();
        // Up to the usage: what is wrong, and with which argument.
        let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")).collect();
        let message = lines.join(" ").trim_start_matches("error: ").trim().to_owned();
        let problem = usage_problem("usage/invalid", message, Some("see `repin --help`".to_owned()));
        empty_document(command_of(&words), &[problem]);
    }
    USAGE
}

/// Finds the command among words that could not be understood; the value of a flag is none.
fn command_of(words: &[String]) -> &str {
    let program = Cli::command();
    let is_command = |word: &str| program.get_subcommands().any(|command| command.get_name() == word);
    let takes_value = |word: &str| ["--config", "--output", "--now"].contains(&word);
    let mut before = "";
    for word in words {
        if is_command(word) && !takes_value(before) {
            return word;
        }
        before = word;
    }
    ""
}

pub(super) fn usage_problem(code: &str, message: String, hint: Option<String>) -> Problem {
    Problem {
        severity: Severity::Error,
        code: code.to_owned(),
        repository: None,
        file: None,
        line: None,
        message,
        hint,
    }
}

/// Prints a command's document with empty lists and these problems.
pub(super) fn empty_document(command: &str, problems: &[Problem]) {
    match command {
        "once" | "plan" => render::json(&CycleDocument { version: VERSION, outcomes: &[], problems }),
        "status" => {
            render::json(&StatusDocument { version: VERSION, problems, ..StatusDocument::default() });
        }
        "explain" => render::json(&ExplainDocument { version: VERSION, application: None, images: &[], problems }),
        "history" => {
            render::json(&HistoryDocument { version: VERSION, entries: &[], left_out: 0, problems });
        }
        "pulls" => render::json(&PullsDocument { version: VERSION, pulls: &[], waiting: &[], problems }),
        "trace" => {
            let query = QueryShown { kind: None, text: None, target: &Target::default() };
            render::json(&TraceDocument { version: VERSION, query, services: &[], problems });
        }
        "tags" => render::json(&TagsDocument { version: VERSION, problems, ..TagsDocument::default() }),
        "migrate" => {
            render::json(&MigrateDocument { version: VERSION, problems, ..MigrateDocument::default() });
        }
        "policy" => {
            render::json(&CasesDocument { version: VERSION, cases: &[], passed: 0, failed: 0, problems });
        }
        "set" => set::refuse("", problems),
        "get" => get::refuse("", "", problems),
        "images" => images::refuse(problems),
        "freeze" | "thaw" | "hold" | "resume" | "override" => {
            render::json(&HoldsDocument { version: VERSION, command, entry: None, repositories: &[], problems });
        }
        "login-check" => render::json(&LoginDocument { version: VERSION, registries: &[], problems }),
        _ => render::json(&CheckDocument { version: VERSION, problems }),
    }
}
