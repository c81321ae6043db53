//! `repin freeze`, `thaw`, `hold`, `resume` and `override`: what people stop and let through, one commit for each repository.
//!
//! The command line becomes a change of the file of holds here; who is meant is in [`scope`].

mod asked;
mod scope;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;

pub(super) use crate::cli::holds::asked::{Freeze, HoldAsked, OverrideAsked, ResumeAsked, Thaw};

use crate::cli::document::{EntryShown, HeldRepository, HoldsDocument, VERSION};
use crate::cli::holds::asked::{Area, Expiry, Writing};
use crate::cli::holds::scope::{Meant, Named, Usage};
use crate::cli::render::{self, Palette};
use crate::cli::{FAILED, FINE, Global, PENDING, usage_problem};
use crate::git::Identity;
use crate::manifest::holds::edit::{add, take_out};
use crate::manifest::holds::{MAX_TEXT, read};
use crate::message::trailers::{Resume, Trailers};
use crate::model::hold::{HOLDS_FILE, Hold, HoldKind, Scope};
use crate::model::interval;
use crate::model::problem::{Problem, Severity};
use crate::model::rule::Glob;
use crate::model::text::{is_invisible, plain};
use crate::reconcile::write_holds::{Edit, HoldsChange, HoldsDone, HoldsWritten};
use crate::reconcile::{CycleReport, Mode};

/// What one of the commands is to do.
struct Task<'a> {
    command: &'static str,
    kind: HoldKind,
    scope: Scope,
    named: Named<'a>,
    writing: &'a Writing,
    what: What<'a>,
}

enum What<'a> {
    Add { reason: &'a str, expiry: &'a Expiry },
    TakeOut { releases: Option<Releases<'a>> },
}

/// Lets go of what was taken back, all or this tag.
struct Releases<'a> {
    tag: Option<&'a str>,
}

const NOBODY: Named<'_> = Named { application: None, alias: None, is_all: false, is_added: false };

fn scope_of(environment: &Option<Glob>, repository: &Option<Glob>) -> Scope {
    Scope { environment: environment.clone(), repository: repository.clone(), ..Scope::default() }
}

impl Area {
    fn scope(&self) -> Scope {
        scope_of(&self.environment, &self.repository)
    }
}

pub(super) async fn freeze(global: &Global, asked: &Freeze) -> u8 {
    let scope = asked.area.scope();
    let what = What::Add { reason: &asked.entry.reason, expiry: &asked.entry.expiry };
    let (kind, writing) = (HoldKind::Freeze, &asked.entry.writing);
    run(global, Task { command: "freeze", kind, scope, named: NOBODY, writing, what }).await
}

pub(super) async fn thaw(global: &Global, asked: &Thaw) -> u8 {
    let scope = scope_of(&asked.environment, &asked.repository);
    let (writing, what) = (&asked.writing, What::TakeOut { releases: None });
    let kind = if asked.overrides { HoldKind::Override } else { HoldKind::Freeze };
    run(global, Task { command: "thaw", kind, scope, named: NOBODY, writing, what }).await
}

pub(super) async fn hold(global: &Global, asked: &HoldAsked) -> u8 {
    let what = What::Add { reason: &asked.entry.reason, expiry: &asked.entry.expiry };
    let (application, alias) = (Some(asked.application.as_str()), asked.alias.as_deref());
    let named = Named { application, alias, is_all: asked.which.all, is_added: true };
    let (kind, scope, writing) = (HoldKind::Hold, asked.which.area.scope(), &asked.entry.writing);
    run(global, Task { command: "hold", kind, scope, named, writing, what }).await
}

pub(super) async fn resume(global: &Global, asked: &ResumeAsked) -> u8 {
    let releases = asked.taken_back.then_some(Releases { tag: asked.tag.as_deref() });
    let (application, alias) = (Some(asked.application.as_str()), asked.alias.as_deref());
    let named = Named { application, alias, is_all: asked.which.all, is_added: false };
    let kind = if asked.overrides { HoldKind::Override } else { HoldKind::Hold };
    let (scope, writing, what) = (asked.which.area.scope(), &asked.writing, What::TakeOut { releases });
    run(global, Task { command: "resume", kind, scope, named, writing, what }).await
}

pub(super) async fn let_through(global: &Global, asked: &OverrideAsked) -> u8 {
    let named =
        Named { application: asked.application.as_deref(), alias: None, is_all: asked.which.all, is_added: true };
    let what = What::Add { reason: &asked.entry.reason, expiry: &asked.entry.expiry };
    let (kind, scope, writing) = (HoldKind::Override, asked.which.area.scope(), &asked.entry.writing);
    run(global, Task { command: "override", kind, scope, named, writing, what }).await
}

async fn run(global: &Global, task: Task<'_>) -> u8 {
    // What can be said without reading anything is said first.
    let prepared = actor(task.writing.by.as_deref()).and_then(|by| Ok((by, entry(&task, Timestamp::now())?)));
    let ((actor, author), entry) = match prepared {
        Ok(prepared) => prepared,
        Err(usage) => return refuse(global, task.command, usage),
    };
    let (report, _, mut reconciler) = match global.looked(task.command, &Mode::Check).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    let (meant, names, released) = match asked(&report, &task) {
        Ok(asked) => asked,
        Err(usage) => return refuse(global, task.command, usage),
    };
    let entry = entry.map(|hold| Hold { scope: meant.scope.clone(), actor: actor.clone(), ..hold });
    let change = HoldsChange {
        edit: edit(&task, entry.clone(), &meant),
        message: message(&task, entry.as_ref(), &meant.scope, &actor, &released),
        noted: if released.is_empty() { BTreeSet::new() } else { meant.repositories.clone() },
        repositories: names,
        author,
        is_dry: task.writing.dry_run,
    };
    let written = reconciler.write_holds(&change).await;
    let kept = if matches!(task.what, What::TakeOut { .. }) { kept(&report, &task, &meant) } else { Vec::new() };
    answer(global, &task, entry.as_ref(), &written, &kept)
}

/// Finds what is meant, whose files that concerns, and what is released.
fn asked(report: &CycleReport, task: &Task<'_>) -> Result<(Meant, BTreeSet<String>, Vec<Resume>), Usage> {
    let meant = scope::meant(report, &task.scope, task.named)?;
    let is_taken_out = matches!(task.what, What::TakeOut { .. });
    let names = scope::repositories(report, &meant, task.writing, is_taken_out)?;
    let released = match (&task.what, task.named) {
        (What::TakeOut { releases: Some(Releases { tag }) }, Named { application: Some(name), alias, .. }) => {
            scope::releases(report, &meant, (name, alias, *tag))?
        }
        _ => Vec::new(),
    };
    Ok((meant, names, released))
}

/// Says which entries go on to be about what is meant: they are about more than that, or match by a pattern.
fn kept(report: &CycleReport, task: &Task<'_>, meant: &Meant) -> Vec<Problem> {
    if task.named.application.is_none() {
        return Vec::new();
    }
    let entries = report.snapshot.holds.iter().filter_map(|(name, holds)| Some((name, holds.as_ref().ok()?)));
    let entries = entries.flat_map(|(name, holds)| holds.iter().map(move |hold| (name, hold)));
    let is_read = |name: &String| task.writing.repositories.is_empty() || task.writing.repositories.contains(name);
    let goes_on = |(name, hold): &(&String, &Hold)| {
        let is_taken = meant.is_of(&hold.scope) && is_read(name);
        let is_of_kind = hold.kind == task.kind && hold.is_in_force(report.snapshot.now);
        is_of_kind && meant.is_held_by(&hold.scope) && !is_taken
    };
    let problem = |(name, hold): (&String, &Hold)| Problem {
        severity: Severity::Warning,
        code: "holds/kept".to_owned(),
        repository: Some(name.clone()),
        file: Some(HOLDS_FILE.to_owned()),
        line: Some(hold.line),
        message: format!(
            "the {} on {} by {} counts for it as well, and stays: {}",
            hold.kind,
            plain(&hold.scope.to_string()),
            plain(&hold.actor),
            plain(&hold.reason)
        ),
        hint: Some(
            "name all that it is about (an Application without its alias, --all), or take it out by hand".to_owned(),
        ),
    };
    entries.filter(goes_on).map(problem).collect()
}

/// Makes the entry, but for whom it is about.
fn entry(task: &Task<'_>, now: Timestamp) -> Result<Option<Hold>, Usage> {
    let What::Add { reason, expiry } = &task.what else { return Ok(None) };
    let since = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let is_shown = |c: char| !c.is_control() && !is_invisible(c);
    if reason.trim().is_empty() || reason.chars().count() > MAX_TEXT || !reason.chars().all(is_shown) {
        return Err(Usage::new("--reason is one line of text, and not empty", "say why, so that others can decide"));
    }
    let until =
        match (&expiry.until, &expiry.span) {
            (Some(until), _) => Some(*until),
            (None, Some(span)) => {
                let length = interval::parse(span)
                    .map_err(|rule| Usage::new(format!("--for `{}`: {rule}", plain(span)), "write it as 2h or 3d"))?;
                let end = jiff::SignedDuration::try_from(length).ok().and_then(|length| since.checked_add(length).ok());
                Some(end.ok_or_else(|| {
                    Usage::new("--for is too long", "leave it out: then it counts until it is taken out")
                })?)
            }
            (None, None) => None,
        };
    if until.is_some_and(|until| until <= since) {
        return Err(Usage::new("it would end before it begins", "give --until or --for that is in the future"));
    }
    if until.is_none() && task.kind == HoldKind::Override {
        return Err(Usage::new("an override ends by itself", "give --until or --for"));
    }
    let (kind, scope, actor) = (task.kind, task.scope.clone(), String::new());
    Ok(Some(Hold { kind, scope, reason: reason.trim().to_owned(), actor, since, until, line: 0 }))
}

/// Gives who does it: a name, and an author of commits where the address is known too.
fn actor(given: Option<&str>) -> Result<(String, Option<Identity>), Usage> {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    let (name, email) = match given {
        Some(text) => match text.split_once('<') {
            Some((name, email)) => (Some(name.to_owned()), Some(email.trim_end().trim_end_matches('>').to_owned())),
            None => (Some(text.to_owned()), None),
        },
        None => match variable("GIT_AUTHOR_NAME") {
            Some(name) => (Some(name), variable("GIT_AUTHOR_EMAIL")),
            None => (variable("USER"), None),
        },
    };
    const HINT: &str = "give --by, such as --by \"Paula <paula@example.com>\"";
    let name = name.ok_or_else(|| Usage::new("it is not known who does it", HINT))?;
    let name = Identity::name(&name).map_err(|rule| Usage::new(format!("--by `{}`: {rule}", plain(&name)), HINT))?;
    let author = match email {
        Some(email) => {
            let email = Identity::email(&email)
                .map_err(|rule| Usage::new(format!("--by `{}`: {rule}", plain(&email)), HINT))?;
            Some(Identity { name: name.clone(), email })
        }
        None => None,
    };
    if name.chars().count() > MAX_TEXT || name.chars().any(is_invisible) {
        return Err(Usage::new("--by is a name", HINT));
    }
    Ok((name, author))
}

/// Gives what becomes of each file.
fn edit(task: &Task<'_>, entry: Option<Hold>, meant: &Meant) -> Edit {
    let kind = task.kind;
    match entry {
        Some(hold) => Arc::new(move |text| {
            let known = text.map_or_else(Vec::new, |text| read(text).unwrap_or_default());
            // One that ends earlier does not do what is asked for.
            let is_same = |one: &Hold| {
                let lasts = one.until.is_none_or(|until| hold.until.is_some_and(|wanted| until >= wanted));
                one.kind == hold.kind && one.scope == hold.scope && one.since <= hold.since && lasts
            };
            if known.iter().any(is_same) { Ok(None) } else { add(text, &hold).map(Some) }
        }),
        None => {
            let is_any = task.named.application.is_none() && task.scope == Scope::default();
            let meant = meant.clone();
            Arc::new(move |text| {
                let Some(text) = text else { return Ok(None) };
                let after = take_out(text, |hold| hold.kind == kind && (is_any || meant.is_of(&hold.scope)))?;
                Ok(Some(after).filter(|after| after != text))
            })
        }
    }
}

fn message(task: &Task<'_>, entry: Option<&Hold>, scope: &Scope, actor: &str, released: &[Resume]) -> String {
    let verb = match task.command {
        "freeze" => "Freeze",
        "thaw" if task.kind == HoldKind::Override => "End overrides of",
        "resume" if task.kind == HoldKind::Override => "End overrides of",
        "thaw" => "Thaw",
        "hold" => "Hold",
        "resume" => "Resume",
        _ => "Let through",
    };
    let mut text = match entry.and_then(|hold| hold.until) {
        Some(until) => format!("{verb} {scope} until {until}\n"),
        None => format!("{verb} {scope}\n"),
    };
    if let Some(hold) = entry {
        let _ = write!(text, "\n{}\n", hold.reason);
    }
    let _ = write!(text, "\nBy {actor}, with `repin {}`.\n", task.command);
    if !released.is_empty() {
        let trailers = Trailers { resumes: released.to_vec(), ..Trailers::default() };
        let _ = write!(text, "\n{}", trailers.write());
    }
    text
}

fn refuse(global: &Global, command: &str, usage: Usage) -> u8 {
    let problem = usage_problem(usage.code, usage.message, Some(usage.hint));
    if global.is_json() {
        super::empty_document(command, &[problem]);
    } else {
        render::talk(&render::problems(&[problem], Palette::plain()));
    }
    usage.exit
}

fn answer(global: &Global, task: &Task<'_>, entry: Option<&Hold>, written: &[HoldsWritten], kept: &[Problem]) -> u8 {
    let shown: Vec<HeldRepository<'_>> = written.iter().map(|one| shown(one, task)).collect();
    let entry = entry.map(EntryShown::of);
    if global.is_json() {
        let (command, entry, repositories) = (task.command, entry.as_ref(), shown.as_slice());
        render::json(&HoldsDocument { version: VERSION, command, entry, repositories, problems: kept });
    } else {
        for one in &shown {
            if let Some(diff) = one.diff.as_ref().filter(|_| task.writing.dry_run) {
                render::out(&render::unified(HOLDS_FILE, diff.before, diff.after, Palette::of_stdout()));
            }
            let line = format!("{}  {}  {}\n", one.repository, one.result, one.message);
            if one.result == "failed" {
                render::talk(&line)
            } else {
                render::out(&line)
            }
            if let Some(hint) = &one.hint {
                render::talk(&format!("  hint: {hint}\n"));
            }
        }
        if shown.is_empty() {
            render::out("nothing to do\n");
        }
        render::talk(&render::problems(kept, Palette::plain()));
    }
    if shown.iter().any(|one| one.result == "failed") {
        FAILED
    } else if shown.iter().any(|one| one.result == "planned") {
        PENDING
    } else {
        FINE
    }
}

fn shown<'w>(written: &'w HoldsWritten, task: &Task<'_>) -> HeldRepository<'w> {
    let branch = written.branch.as_ref().map(ToString::to_string);
    let mut shown = HeldRepository { repository: &written.repository, branch, ..HeldRepository::default() };
    match &written.result {
        Ok(HoldsDone::Unchanged) => {
            shown.result = "unchanged";
            shown.message = match task.what {
                What::Add { .. } => format!("{HOLDS_FILE} says so already"),
                What::TakeOut { .. } => format!("{HOLDS_FILE} holds nothing of it"),
            };
        }
        Ok(HoldsDone::Planned(texts)) => {
            shown.result = "planned";
            shown.message = format!("{HOLDS_FILE} would change");
            shown.diff = scope::diff(texts);
        }
        Ok(HoldsDone::Written(commit, texts)) => {
            shown.result = "written";
            shown.commit = Some(commit.to_string());
            shown.message = format!("commit {}", commit.short());
            shown.diff = scope::diff(texts);
        }
        Err(failure) => {
            shown.result = "failed";
            shown.code = Some(&failure.code);
            shown.message.clone_from(&failure.message);
            shown.hint.clone_from(&failure.hint);
        }
    }
    shown
}
