//! `repin explain <application> [alias]`: why each tag is taken or not.

use std::collections::BTreeSet;

use crate::cli::document::{ExplainDocument, VERSION};
use crate::cli::render::{self, Palette};
use crate::cli::{FAILED, FINE, Global, USAGE, usage_problem};
use crate::config::options;
use crate::model::names::ApplicationKey;
use crate::model::problem::Problem;
use crate::plan::Subject;
use crate::plan::explain::explain;
use crate::reconcile::{CycleReport, Mode};

/// Exit 2 if no Application or several bear the name, or the alias is unknown.
pub(super) async fn run(global: &Global, application: &str, alias: Option<&str>) -> u8 {
    let (report, settings) = match global.cycle("explain", &Mode::Explain(application.to_owned())).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    let key = match the_one(global, "explain", &report, application) {
        Ok(key) => key,
        Err(code) => return code,
    };
    // Counted from this look, as the daemon counts from its own.
    let (asking, now) = (options::asking(&settings), global.clock());
    let next = |subject: &Subject| {
        let registry = subject.tracked.image.as_ref().map_or("", |image| image.registry());
        let wish = subject.tracked.asked.as_ref().and_then(|asked| report.wishes.get(asked));
        asking.next(registry, wish, now, 0).unwrap_or(now)
    };
    let subjects = report
        .snapshot
        .subjects
        .iter()
        .zip(&report.judgements)
        .filter(|(subject, _)| subject.tracked.application == *key);
    let aliases: BTreeSet<&str> = subjects.clone().map(|(subject, _)| subject.tracked.alias.as_str()).collect();
    if let Some(alias) = alias.filter(|alias| !aliases.contains(alias)) {
        let known: Vec<&str> = aliases.into_iter().collect();
        let hint = format!("its aliases are: {}", known.join(", "));
        return refuse(
            global,
            "explain",
            &report,
            "application/unknown-alias",
            format!("`{}` has no image with the alias `{alias}`", key.label()),
            hint,
        );
    }
    let images: Vec<_> = subjects
        .filter(|(subject, _)| alias.is_none_or(|alias| subject.tracked.alias == alias))
        .map(|(subject, judgement)| explain(&report.snapshot, subject, judgement, next(subject)))
        .collect();
    // Problems of other Applications' files are no part of this answer.
    let files: BTreeSet<&str> = images
        .iter()
        .filter_map(|image| image.target.file.as_deref())
        .chain(key.file.as_ref().map(|file| file.as_str()))
        .collect();
    let problems = part(&report.problems, &files);
    if global.is_json() {
        render::json(&ExplainDocument {
            version: VERSION,
            application: Some(key.label()),
            images: &images,
            problems: &problems,
        });
    } else {
        render::out(&render::explained(&key.label(), &images, Palette::of_stdout()));
        render::talk(&render::problems(&problems, Palette::plain()));
    }
    FINE
}

/// Gives the problems of the configuration and of these files.
pub(super) fn part(problems: &[Problem], files: &BTreeSet<&str>) -> Vec<Problem> {
    let is_part = |problem: &&Problem| {
        problem.file.as_deref().is_none_or(|file| problem.repository.is_none() || files.contains(file))
    };
    problems.iter().filter(is_part).cloned().collect()
}

/// Gives the one Application that bears a name; if there is none, or several, it is said and the exit code given.
pub(super) fn the_one<'r>(
    global: &Global,
    command: &str,
    report: &'r CycleReport,
    application: &str,
) -> Result<&'r ApplicationKey, u8> {
    let matches: Vec<&ApplicationKey> = report.applications.iter().filter(|key| key.is_named(application)).collect();
    match matches.as_slice() {
        [one] => Ok(*one),
        [] => Err(unknown(global, command, report, application)),
        several => {
            let names: Vec<String> = several.iter().map(|key| key.full_name()).collect();
            let hint = format!("write one of: {}", names.join(", "));
            let message = format!("`{application}` is the name of {} Applications", several.len());
            Err(refuse(global, command, report, "application/ambiguous", message, hint))
        }
    }
}

fn unknown(global: &Global, command: &str, report: &CycleReport, application: &str) -> u8 {
    if report.unread_repositories > 0 {
        global.refuse(command, &report.problems);
        return FAILED;
    }
    let nearest = report
        .applications
        .iter()
        .map(ApplicationKey::label)
        .max_by(|a, b| strsim::jaro_winkler(a, application).total_cmp(&strsim::jaro_winkler(b, application)));
    let hint = nearest.map_or_else(
        || "no annotated Application was found: see `repin check`".to_owned(),
        |nearest| format!("did you mean `{nearest}`? {} annotated Applications were found", report.applications.len()),
    );
    let message = format!("no annotated Application is called `{application}`");
    refuse(global, command, report, "application/unknown", message, hint)
}

fn refuse(global: &Global, command: &str, report: &CycleReport, code: &str, message: String, hint: String) -> u8 {
    let mut problems: Vec<Problem> = vec![usage_problem(code, message, Some(hint))];
    problems.extend(report.problems.iter().cloned());
    global.refuse(command, &problems);
    USAGE
}
