//! What was counted, and what was wrong.

use std::collections::BTreeMap;
use std::io::Write as _;

use repin::manifest::EditError;

use crate::tree::Tree;

/// Says something although the harness hides what passing tests print.
pub(crate) fn say(text: &str) {
    #[allow(clippy::explicit_write)]
    writeln!(std::io::stderr(), "{text}").unwrap();
}

/// The counts of one repository.
#[derive(Default)]
pub(crate) struct Report {
    /// The repository.
    pub name: String,
    counts: BTreeMap<&'static str, usize>,
    notes: BTreeMap<(&'static str, String), usize>,
    /// What must not be.
    pub wrong: Vec<String>,
}

/// The columns of the table: what is counted, and its head.
const COLUMNS: [(&str, &str); 16] = [
    ("files", "files"),
    ("unparsed", "unparsed"),
    ("locations", "locations"),
    ("proven", "edits proven"),
    ("refused", "refused"),
    ("read", "read by both"),
    ("helm", "Helm: same but image"),
    ("helm/not shown", "not shown"),
    ("kustomize", "kustomize: same but image"),
    ("kustomize/not shown", "not shown"),
    ("unrendered", "unrendered"),
    ("auto/asked", "auto: asked"),
    ("auto/right", "right"),
    ("auto/right, not shown", "not shown"),
    ("auto/silent", "silent"),
    ("auto/settled", "annotations that settle"),
];

impl Report {
    /// Begins with the files.
    pub(crate) fn of(name: &str, tree: &Tree) -> Self {
        let mut report = Self { name: name.to_owned(), ..Self::default() };
        for file in tree.files() {
            report.count("files");
            if let Err(Some(error)) = tree.source(file) {
                report.count("unparsed");
                let is_template = matches!(&*error, EditError::InvalidYaml { template: true, .. });
                report.note("unparsed", if is_template { "templates".to_owned() } else { format!("{file}: {error}") });
            }
        }
        report
    }

    /// Counts one thing.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Counts one thing and keeps a note on it.
    pub(crate) fn note(&mut self, what: &'static str, why: String) {
        *self.notes.entry((what, why)).or_default() += 1;
    }

    /// Keeps what must not be.
    pub(crate) fn wrong(&mut self, what: String) {
        say(&format!("WRONG {}: {what}", self.name));
        self.wrong.push(format!("{}: {what}", self.name));
    }

    /// Gives all counts in one line.
    pub(crate) fn line(&self) -> String {
        let counts: Vec<String> = self.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        format!("{}: {}, wrong {}", self.name, counts.join(", "), self.wrong.len())
    }

    /// Gives the notes, the most frequent first.
    pub(crate) fn details(&self) -> String {
        let mut notes: Vec<_> = self.notes.iter().collect();
        notes.sort_by_key(|((what, _), count)| (*what, std::cmp::Reverse(**count)));
        let line =
            |((what, why), count): &(&(&str, String), &usize)| format!("  {what} {count} {}\n", why.replace('\n', " "));
        let wrong: String = self.wrong.iter().map(|wrong| format!("  WRONG {wrong}\n")).collect();
        format!("\n{}\n{wrong}{}", self.line(), notes.iter().map(line).collect::<String>())
    }

    /// Gives all counts of all repositories as a table.
    pub(crate) fn table(all: &[Self]) -> String {
        let head: Vec<&str> = COLUMNS.iter().map(|(_, head)| *head).collect();
        let mut text =
            format!("| repository | {} | wrong |\n|---{}|---|\n", head.join(" | "), "|---".repeat(COLUMNS.len()));
        let count = |report: &Self, what: &str| report.counts.get(what).copied().unwrap_or_default();
        let mut row = |name: &str, counts: Vec<usize>| {
            let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
            text.push_str(&format!("| {name} | {} |\n", counts.join(" | ")));
        };
        for report in all {
            let counts = COLUMNS.iter().map(|(what, _)| count(report, what));
            row(&report.name, counts.chain([report.wrong.len()]).collect());
        }
        let sums = COLUMNS.iter().map(|(what, _)| all.iter().map(|report| count(report, what)).sum());
        row("all", sums.chain([all.iter().map(|report| report.wrong.len()).sum()]).collect());
        text
    }
}
