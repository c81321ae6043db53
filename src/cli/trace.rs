//! `repin trace <application|image|commit|pull request>`: what runs where, how it got there, and where something is now.

use std::fmt::Write as _;

use crate::cli::document::{QueryShown, TraceDocument, VERSION};
use crate::cli::render::{self, Paint, Palette};
use crate::cli::{FAILED, FINE, Global, USAGE, usage_problem};
use crate::config::options::webs;
use crate::model::problem::Problem;
use crate::model::text::plain;
use crate::plan::Subject;
use crate::plan::trace::facts::Facts;
use crate::plan::trace::query::Query;
use crate::plan::trace::shown::{PlaceTrace, PullTrace, ServiceTrace, Target};
use crate::plan::trace::{Traced, lines, trace};
use crate::reconcile::{Mode, place_problems};

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// An Application or service, an image with or without tag or digest, a commit, or a pull request (its URL, acme/web#12)
    what: String,
    /// Asks registries where images come from, as far as no commit says it
    #[arg(long)]
    registry: bool,
}

/// Exit 1 if a repository could not be read, or who was asked gave no answer; 2 if nothing is known of it.
pub(super) async fn run(global: &Global, asked: &Asked) -> u8 {
    let (report, settings, reconciler) = match global.looked("trace", &Mode::Past(None)).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    let query = match Query::read(&asked.what, &report.snapshot, &report.applications) {
        Ok(query) => query,
        Err(_) if report.unread_repositories > 0 => {
            global.refuse("trace", &report.problems);
            return FAILED;
        }
        Err(unread) => {
            let message = format!("`{}` {}", plain(&asked.what), unread.message);
            return refuse(global, &report.problems, usage_problem("trace/unknown", message, Some(unread.hint)));
        }
    };
    let webs = webs(&settings);
    let lines = lines(&report.snapshot, &report.past);
    let mut facts = Facts { asks_registries: asked.registry, ..Facts::default() };
    let traced = loop {
        let traced = trace(&lines, &webs, &query, &facts);
        if traced.questions.is_empty() {
            break traced;
        }
        reconciler.answer_trace(traced.questions, &mut facts).await;
    };
    let mut problems = report.problems.clone();
    problems.extend(facts.problems());
    let has_failed = report.unread_repositories > 0 || facts.has_failed();
    if traced.services.is_empty() {
        if has_failed {
            global.refuse("trace", &problems);
            return FAILED;
        }
        let (message, hint) = nothing(&asked.what, &query);
        return refuse(global, &problems, usage_problem("trace/unknown", message, Some(hint.to_owned())));
    }
    let told: std::collections::BTreeSet<&str> = traced
        .services
        .iter()
        .flat_map(|service| &service.environments)
        .map(|place| place.application.as_str())
        .collect();
    let is_told = |subject: &Subject| told.contains(subject.tracked.application.label().as_str());
    problems.extend(place_problems(&report.snapshot, &is_told));
    let document = TraceDocument {
        version: VERSION,
        query: QueryShown { kind: Some(query.kind()), text: Some(&asked.what), target: &traced.target },
        services: &traced.services,
        problems: &problems,
    };
    if global.is_json() {
        render::json(&document);
    } else {
        render::out(&text(&traced, Palette::of_stdout()));
        render::talk(&render::problems(&problems, Palette::plain()));
    }
    if has_failed { FAILED } else { FINE }
}

/// Says that nothing is known of what was asked for.
fn nothing(text: &str, query: &Query) -> (String, &'static str) {
    let text = plain(text);
    match query {
        Query::Commit { .. } => (
            format!("no value came by a commit `{text}`, and no image is known to be built from it"),
            "write more of the id, or configure the forge of the sources in `forges:` of repin.yaml",
        ),
        Query::PullRequest(_) => (
            format!("no value came by the pull request `{text}`, and no image is known to come from its project"),
            "a commit of repin names the sources of an image in `Repin-Source`, if the image has the labels `org.opencontainers.image.source` and `.revision`",
        ),
        Query::Image { .. } | Query::Applications(_) => {
            (format!("`{text}` stands at no place, and never stood at one"), "see `repin history`")
        }
    }
}

fn refuse(global: &Global, more: &[Problem], problem: Problem) -> u8 {
    let mut problems = vec![problem];
    problems.extend(more.iter().cloned());
    global.refuse("trace", &problems);
    USAGE
}

fn text(traced: &Traced, palette: Palette) -> String {
    let mut text = String::new();
    let Target { revision, pull_request } = &traced.target;
    if let Some(pull) = pull_request {
        let _ = writeln!(text, "{}", pull_line(pull));
    }
    if let Some(revision) = revision {
        let _ = writeln!(text, "revision {}", plain(revision));
    }
    for service in &traced.services {
        let _ =
            writeln!(text, "{}", palette.paint(Paint::Bold, &plain(&format!("{} {}", service.service, service.alias))));
        for place in &service.environments {
            place_text(&mut text, place, palette);
        }
        reached_text(&mut text, service);
    }
    text
}

fn place_text(text: &mut String, place: &PlaceTrace, palette: Palette) {
    let paint = match place.state {
        "runs" => Paint::Green,
        "was" => Paint::Red,
        _ => Paint::Yellow,
    };
    let at = match (&place.file, &place.key) {
        (Some(file), Some(key)) => plain(&format!("{file}#{key}")),
        (Some(file), None) => plain(file),
        _ => "(unknown)".to_owned(),
    };
    let _ = writeln!(
        text,
        "  {}  {}  {}  {}",
        plain(place.environment.as_deref().unwrap_or("-")),
        plain(&place.application),
        palette.paint(paint, place.state),
        palette.paint(Paint::Cyan, &at)
    );
    let _ = writeln!(text, "    {}", plain(&place.message));
    let value = |value: &Option<String>| value.as_deref().map_or_else(|| "(none)".to_owned(), plain);
    let digest = place.digest.as_deref().map(|digest| format!("  {}", plain(digest))).unwrap_or_default();
    let _ = writeln!(text, "    image    {}:{}{digest}", plain(&place.image), value(&place.tag));
    if let Some(commit) = &place.commit {
        let shown = &commit.commit;
        let by = match (place.by, &shown.merged_by) {
            (Some("repin"), Some(person)) => format!("repin, merged by {person}"),
            (Some("repin"), None) => "repin".to_owned(),
            _ => shown.author.clone(),
        };
        let pull = shown.pull_request.as_ref();
        let pull = pull.map(|pull| format!(" in {}", pull.url.as_deref().unwrap_or(&pull.text))).unwrap_or_default();
        let took_back: Vec<String> = place.took_back.iter().map(|value| plain(value)).collect();
        let took_back =
            if took_back.is_empty() { String::new() } else { format!(", took back {}", took_back.join(", ")) };
        let id = shown.id.get(..10).unwrap_or(&shown.id);
        let _ = writeln!(
            text,
            "    commit   {id} by {by}{pull}{}{took_back}: {}",
            approved(&commit.approved_by),
            shown.subject
        );
    }
    if let Some(source) = &place.source {
        let _ = writeln!(text, "    source   {}@{}", source.url, source.revision);
        for pull in &source.pull_requests {
            let _ = writeln!(text, "    pull     {}", pull_line(pull));
        }
    }
}

fn pull_line(pull: &PullTrace) -> String {
    let merged = pull.merged.map_or_else(|| ", not merged".to_owned(), |time| format!(", merged {time}"));
    format!("{} {} by {}{merged}{}", pull.url, pull.title, pull.author, approved(&pull.approved_by))
}

fn approved(by: &[String]) -> String {
    if by.is_empty() { String::new() } else { format!(", approved by {}", by.join(", ")) }
}

/// When each value came where, if it came to more than one place.
fn reached_text(text: &mut String, service: &ServiceTrace) {
    for value in service.values.iter().filter(|value| value.reached.len() > 1) {
        let name = value.tag.as_deref().or(value.digest.as_deref()).unwrap_or_default();
        let at = |place: &crate::plan::trace::shown::ReachedPlace| {
            plain(&format!("{} {}", place.environment.as_deref().unwrap_or(&place.application), place.time))
        };
        let reached: Vec<String> = value.reached.iter().map(at).collect();
        let _ = writeln!(text, "  {} reached {}", plain(name), reached.join(", "));
    }
}
