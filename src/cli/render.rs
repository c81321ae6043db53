//! Text for people. Understandable without colour; colour only on a terminal and without `NO_COLOR`.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use similar::TextDiff;

use crate::model::change::ChangeSet;
use crate::model::outcome::{Outcome, OutcomeResult};
use crate::model::problem::{Problem, Severity};
use crate::plan::explain::{ExplainedImage, ExplainedTag};

/// A colour of a terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Paint {
    /// Done.
    Green,
    /// Waits.
    Yellow,
    /// Failed.
    Red,
    /// Places.
    Cyan,
    /// Besides.
    Dim,
    /// Headings.
    Bold,
}

/// Whether text is painted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Palette {
    is_on: bool,
}

impl Palette {
    /// Paints on a terminal that does not forbid it (<https://no-color.org>).
    pub fn of_stdout() -> Self {
        let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_on: std::io::stdout().is_terminal() && !forbidden }
    }

    /// Never paints.
    pub fn plain() -> Self {
        Self { is_on: false }
    }

    /// Paints a text.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        if !self.is_on {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Red => "31",
            Paint::Cyan => "36",
            Paint::Dim => "2",
            Paint::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Writes to stdout; a reader that went away is no error of ours.
pub fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes to stderr.
pub fn talk(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes one JSON document to stdout.
pub fn json(document: &impl serde::Serialize) {
    out(&json_text(document));
}

/// Gives one JSON document as text.
pub fn json_text(document: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(document)
        .unwrap_or_else(|error| format!("{{\"version\":1,\"error\":\"{error}\"}}"));
    format!("{}\n", visible_json(&text))
}

/// JSON may hold control characters only escaped; DEL and line separators are escaped besides, for terminals.
fn visible_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Gives the word and colour of a result.
pub fn result(result: OutcomeResult) -> (&'static str, Paint) {
    match result {
        OutcomeResult::Current => ("current", Paint::Dim),
        OutcomeResult::Pending => ("pending", Paint::Cyan),
        OutcomeResult::Delivered => ("delivered", Paint::Green),
        OutcomeResult::Held => ("held", Paint::Yellow),
        OutcomeResult::Failed => ("failed", Paint::Red),
    }
}

/// Counts what became of all places, what moved first: `1 delivered, 0 current, 0 held, 0 failed; 0 problems`.
pub fn counts(outcomes: &[Outcome], moved: OutcomeResult, problems: &[Problem]) -> String {
    let all = [moved, OutcomeResult::Current, OutcomeResult::Held, OutcomeResult::Failed];
    let counted = all.map(|one| {
        let count = outcomes.iter().filter(|outcome| outcome.result == one).count();
        format!("{count} {}", result(one).0)
    });
    format!("{}; {} problems\n", counted.join(", "), problems.len())
}

/// Lists outcomes: who, what became of it, from and to, why.
pub fn outcomes<'o>(list: impl Iterator<Item = &'o Outcome> + Clone, palette: Palette) -> String {
    let mut text = String::new();
    let names: Vec<String> =
        list.clone().map(|outcome| clean(&format!("{} {}", outcome.application, outcome.alias))).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (outcome, name) in list.zip(&names) {
        let (word, paint) = result(outcome.result);
        let pad = " ".repeat(width.saturating_sub(name.chars().count()));
        let _ = write!(text, "{name}{pad}  {}", palette.paint(paint, &format!("{word:<9}")));
        if let (OutcomeResult::Delivered | OutcomeResult::Pending, Some(to)) = (outcome.result, &outcome.to) {
            let _ = write!(text, "  {} -> {to}", outcome.from.as_deref().map_or_else(|| "(none)".to_owned(), clean));
        }
        if let (Some(file), Some(key)) = (&outcome.file, &outcome.key) {
            let _ = write!(text, "  {}", palette.paint(Paint::Cyan, &clean(&format!("{file}#{key}"))));
        }
        if let Some(commit) = &outcome.commit {
            let _ = write!(text, "  {}", commit.get(..10).unwrap_or(commit));
        }
        let code = if matches!(outcome.result, OutcomeResult::Held | OutcomeResult::Failed) {
            format!("{}: ", outcome.code)
        } else {
            String::new()
        };
        let _ = writeln!(text, "\n    {code}{}", clean(&outcome.message));
    }
    text
}

/// Lists problems: place, what, hint.
pub fn problems(list: &[Problem], palette: Palette) -> String {
    let mut text = String::new();
    for problem in list {
        let (word, paint) = match problem.severity {
            Severity::Error => ("error", Paint::Red),
            Severity::Warning => ("warning", Paint::Yellow),
        };
        let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        let file = problem.file.as_ref().map(|file| format!(" {file}{line}:")).unwrap_or_default();
        let place = problem.repository.as_ref().map(|repository| format!(" [{repository}]")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{}{place}{file} {} ({})",
            palette.paint(paint, word),
            clean(&problem.message),
            problem.code
        );
        if let Some(hint) = &problem.hint {
            let _ = writeln!(text, "    hint: {}", clean(hint));
        }
    }
    text
}

/// Shows what would be written as a unified diff that `git apply` takes, one repository after the other.
pub fn diff(sets: &[ChangeSet], palette: Palette) -> String {
    let mut text = String::new();
    for set in sets {
        let _ = writeln!(
            text,
            "{}",
            palette.paint(Paint::Bold, &format!("# {} {} at {}", set.repository, set.branch, set.head.short()))
        );
        let mut files: Vec<(&str, Option<&str>, &str)> = Vec::new();
        for change in set.commits.iter().flat_map(|commit| &commit.files) {
            let before = (!change.is_new).then_some(change.before.as_str());
            match files.iter_mut().find(|(path, ..)| *path == change.path.as_str()) {
                Some(known) => known.2 = &change.after,
                None => files.push((change.path.as_str(), before, &change.after)),
            }
        }
        for (path, before, after) in files {
            text.push_str(&unified(path, before, after, palette));
        }
    }
    text
}

/// Shows the change of one file as a unified diff; nothing if there is none. Without a text before it is a new file.
pub fn unified(path: &str, before: Option<&str>, after: &str, palette: Palette) -> String {
    let mut text = String::new();
    let old = before.map_or_else(|| "/dev/null".to_owned(), |_| format!("a/{path}"));
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after);
    let unified = diff.unified_diff().header(&old, &format!("b/{path}")).to_string();
    for line in unified.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        let paint = match line.as_bytes().first() {
            Some(b'+') => Some(Paint::Green),
            Some(b'-') => Some(Paint::Red),
            Some(b'@') => Some(Paint::Cyan),
            _ => None,
        };
        match paint {
            Some(paint) => {
                text.push_str(&palette.paint(paint, body));
                text.push_str(line.get(body.len()..).unwrap_or("\n"));
            }
            None => text.push_str(line),
        }
    }
    text
}

/// Explains images: the choice, the gates and every tag.
pub fn explained(application: &str, images: &[ExplainedImage], palette: Palette) -> String {
    let mut text = String::new();
    for image in images {
        let _ = writeln!(
            text,
            "{}  {}",
            palette.paint(Paint::Bold, &clean(&format!("{application} {}", image.alias))),
            image.image
        );
        let place = match (&image.target.file, &image.target.key) {
            (Some(file), Some(key)) => clean(&format!("{file}#{key}")),
            _ => "(unknown)".to_owned(),
        };
        let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "(none)".to_owned(), clean);
        let _ = writeln!(text, "  place    {place}");
        for sharer in &image.target.shared_with {
            let _ = writeln!(text, "  shared   with {}", clean(&sharer.named(image.target.key.as_deref())));
        }
        let _ = writeln!(
            text,
            "  policy   {}\n  current  {}\n  chosen   {}",
            image.policy,
            shown(&image.current),
            shown(&image.chosen)
        );
        for held in &image.upstream {
            let _ = writeln!(
                text,
                "  upstream {} ({}): {} since {}, long enough from {}",
                clean(&held.environment),
                clean(&held.application),
                clean(&held.tag),
                held.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
                held.soaked_at.strftime("%Y-%m-%dT%H:%M:%SZ")
            );
        }
        if let Some(windows) = &image.windows {
            let time = |time: Option<jiff::Timestamp>| time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            let state = if windows.open { "open" } else { "closed" };
            let reason = windows.reason.as_deref().map(|reason| format!(": {}", clean(reason))).unwrap_or_default();
            let opens = time(windows.next_open).map(|time| format!(", opens {time}")).unwrap_or_default();
            let closes = time(windows.next_close).map(|time| format!(", closes {time}")).unwrap_or_default();
            let names = windows.names.iter().map(|name| clean(name)).collect::<Vec<_>>().join(",");
            let _ = writeln!(text, "  windows  {names} {state}{reason}{opens}{closes}");
        }
        for gate in &image.gates {
            let until = gate.until.map(|until| format!(" (until {until})")).unwrap_or_default();
            let _ = writeln!(
                text,
                "  gate     {} {}{until}",
                palette.paint(Paint::Yellow, &gate.code),
                clean(&gate.message)
            );
        }
        let _ = writeln!(text, "  next     {}", image.next.strftime("%Y-%m-%dT%H:%M:%SZ"));
        text.push_str(&candidates(&image.candidates, usize::MAX, palette));
    }
    text
}

/// Lists tags, best first, with verdict, standing and reason.
pub fn candidates(tags: &[ExplainedTag], limit: usize, palette: Palette) -> String {
    let mut text = String::new();
    let width = tags.iter().take(limit).map(|tag| tag.tag.len()).max().unwrap_or(0);
    for tag in tags.iter().take(limit) {
        let paint = if tag.verdict == "eligible" { Paint::Green } else { Paint::Dim };
        let _ = writeln!(
            text,
            "    {:<width$}  {}  {:<11}  {}",
            tag.tag,
            palette.paint(paint, &format!("{:<8}", tag.verdict)),
            tag.standing.unwrap_or(""),
            clean(&tag.reason)
        );
    }
    if let Some(more) = tags.len().checked_sub(limit).filter(|more| *more > 0) {
        let _ = writeln!(text, "    … and {more} more");
    }
    text
}

/// One line, without control characters.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
