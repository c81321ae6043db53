//! `repin tags <image>`: which tag a policy would take, and why not the others, without any Application.

use std::fmt::Write as _;

use crate::annotations::ImageRequest;
use crate::annotations::bare;
use crate::cli::document::{TagsDocument, VERSION};
use crate::cli::policy_flags;
use crate::cli::render::{self, Paint, Palette, clean};
use crate::cli::{CONFIGURATION, FAILED, FINE, Global, USAGE, usage_problem};
use crate::config::settings::{PullSecretSettings, Settings};
use crate::config::{self, options};
use crate::diagnostic::Diagnostic;
use crate::model::constraint::Constraint;
use crate::model::names::{Digest, ImageName, Tag};
use crate::model::outcome::OutcomeResult;
use crate::model::problem::{Problem, Severity};
use crate::model::version::Version;
use crate::plan::Failure;
use crate::plan::trial::{Answer, Trial};
use crate::reconcile::Reconciler;

/// What the command line asks for.
pub(super) struct Asked<'a> {
    pub(super) image: &'a str,
    pub(super) policy: &'a [String],
    pub(super) current: Option<&'a str>,
    /// How many tags are shown as text; none = all.
    pub(super) limit: Option<usize>,
}

/// Exit 0 with an answer, also if nothing is chosen; 1 if the registry gave none; 2 if image or policy cannot be read; 3 if
/// a configuration is there and cannot be used.
pub(super) async fn run(global: &Global, asked: &Asked<'_>) -> u8 {
    let (request, mut problems) = match request(asked) {
        Ok(read) => read,
        Err(problems) => {
            global.refuse("tags", &problems);
            return USAGE;
        }
    };
    let settings = match config::find(global.config.as_deref()) {
        Some(_) => match global.settings("tags") {
            Ok((settings, warnings)) => {
                problems.extend(warnings);
                Some(settings)
            }
            Err(code) => return code,
        },
        // Public registries are read anonymously.
        None => None,
    };
    let image = match image(&request, settings.as_ref()) {
        Ok(image) => image,
        Err(problem) => {
            problems.push(*problem);
            global.refuse("tags", &problems);
            return USAGE;
        }
    };
    let registry = settings.as_ref().map(options::registries).unwrap_or_default();
    let keys = settings.as_ref().map(options::cosign_keys).unwrap_or_default();
    if let Some(name) = request.policy.verify.iter().find(|name| !keys.contains_key(*name)) {
        let message = format!("`verify=cosign:{name}` names a key that no configuration has");
        let names: Vec<&str> = keys.keys().map(|name| name.as_str()).collect();
        let hint = match names.as_slice() {
            [] => "add it to `cosign_keys:` of repin.yaml, and name that with `--config`".to_owned(),
            names => format!("the keys are {}", names.join(", ")),
        };
        problems.push(usage_problem("annotation/invalid", message, Some(hint)));
        global.refuse("tags", &problems);
        return USAGE;
    }
    let cache = settings.as_ref().map(|settings| settings.cache.path.as_path());
    let mut reconciler = match Reconciler::for_questions(registry, keys, cache) {
        Ok(reconciler) => reconciler,
        Err(error) => {
            problems.push(usage_problem(error.code(), error.to_string(), error.hint()));
            global.refuse("tags", &problems);
            return CONFIGURATION;
        }
    };
    let trial =
        Trial { request: &request, asked: image.as_ref(), current: asked.current, stood: &[], now: global.clock() };
    let (snapshot, decision) = reconciler.try_policy(trial.snapshot()).await;
    let Some(answer) = Answer::of(&snapshot, &decision) else { return FAILED };
    let listing = image.as_ref().and_then(|image| snapshot.listings.get(image));
    // There is no file and no repository to look into.
    let placeless = |problem: Problem| Problem { repository: None, file: None, line: None, ..problem };
    problems.extend(decision.problems.into_iter().map(placeless));
    if let Some(Err(failure)) = listing
        && answer.code != failure.code
    {
        problems.push(of_failure(failure));
    }
    let listed = listing.and_then(|listed| listed.as_ref().ok());
    let document = TagsDocument {
        version: VERSION,
        image: Some(&request.image_text),
        policy: Some(&answer.policy),
        current: asked.current,
        chosen: answer.chosen.as_deref(),
        digest: answer.digest.as_deref(),
        message: Some(&answer.message),
        gates: &answer.gates,
        candidates: &answer.candidates,
        dropped: listed.map_or(0, |listed| listed.dropped),
        truncated: listed.and_then(|listed| listed.truncated.as_deref()),
        problems: &problems,
    };
    if global.is_json() {
        render::json(&document);
    } else {
        render::out(&text(&document, asked.limit.unwrap_or(usize::MAX), Palette::of_stdout()));
        render::talk(&render::problems(&problems, Palette::plain()));
    }
    let is_unanswered = answer.result == OutcomeResult::Failed || answer.code == "registry/unconfigured";
    if is_unanswered || matches!(listing, Some(Err(_))) { FAILED } else { FINE }
}

/// Reads the image, the policy and what stands.
fn request(asked: &Asked<'_>) -> Result<(ImageRequest, Vec<Problem>), Vec<Problem>> {
    let (flags, wrong) = policy_flags::read(asked.policy);
    let wrong = wrong.into_iter().map(|wrong| usage_problem("usage/invalid", wrong.message, Some(wrong.hint)));
    let mut problems: Vec<Problem> = wrong.collect();
    if let Some(current) = asked.current.filter(|current| !is_value(current)) {
        let message = format!("`--current {}` is no tag", clean(current));
        let hint = "write what stands: `1.2.0`, `1.2.0@sha256:…` or `sha256:…`".to_owned();
        problems.push(usage_problem("usage/invalid", message, Some(hint)));
    }
    let mut notes = Vec::new();
    let mut image = asked.image.to_owned();
    if let Some((name, digest)) = asked.image.split_once('@').filter(|(_, digest)| digest.parse::<Digest>().is_ok()) {
        name.clone_into(&mut image);
        let message = format!("`@{digest}` has no effect: a policy chooses among tags");
        notes.push(note("annotation/unused", message, "leave it out, or give it behind the tag in `--current`"));
    }
    let own_range = crate::annotations::image_list::read(&image).pop().and_then(|entry| entry.image.ok()?.1);
    match (&own_range, &flags.range) {
        (Some(own), Some(flag)) => {
            let message = format!("two ranges are given: `{own}` behind the image, and `{flag}`");
            problems.push(usage_problem("usage/invalid", message, Some("keep one of them".to_owned())));
        }
        (None, Some(flag)) => {
            image.push(':');
            image.push_str(flag);
        }
        (_, None) => {}
    }
    let range = own_range.or(flags.range);
    let is_semver = !flags.settings.iter().any(|one| one.key.ends_with("update-strategy") && one.value != "semver");
    if let Some(range) = range.filter(|_| is_semver) {
        if range.parse::<Tag>().is_ok() && range.parse::<Constraint>().is_err() {
            let message = format!("`{range}` names one tag, and a policy chooses among tags by a range of versions");
            let hint = format!("leave `:{range}` out, or follow the one tag with `--policy digest`");
            problems.push(usage_problem("usage/invalid", message, Some(hint)));
            return Err(problems);
        }
        let parts = range.trim_start_matches('v').split(['-', '+']).next().map(|core| core.split('.').count());
        if range.parse::<Version>().is_ok() && parts == Some(3) && range.parse::<Constraint>().is_ok() {
            let message = format!("the range `{range}` allows this one version");
            let hint = format!("to see what is newer, write `--current {range}` and a range such as `^{range}`");
            notes.push(note("usage/one-version", message, &hint));
        }
    }
    match bare::read(&image, 1, &flags.settings) {
        Ok((request, found)) if problems.is_empty() => {
            notes.extend(found.into_iter().map(without_line));
            Ok((request, notes))
        }
        Ok(_) => Err(problems),
        Err(found) => {
            problems.extend(found.into_iter().map(without_line));
            Err(problems)
        }
    }
}

fn without_line(problem: Problem) -> Problem {
    Problem { line: None, ..problem }
}

/// Tells whether a text is a tag, a digest, or both.
fn is_value(text: &str) -> bool {
    let is_digest = |text: &str| text.parse::<Digest>().is_ok();
    match text.split_once('@') {
        Some((tag, digest)) => tag.parse::<Tag>().is_ok() && is_digest(digest),
        None => text.parse::<Tag>().is_ok() || is_digest(text),
    }
}

/// Gives the image as its registry is asked for it: who runs the command may use every pull secret of the host.
fn image(request: &ImageRequest, settings: Option<&Settings>) -> Result<Option<ImageName>, Box<Problem>> {
    let (Some(image), Some(name)) = (&request.image, &request.pull_secret) else { return Ok(request.image.clone()) };
    let refused = |why: &str, hint: String| {
        let message = format!("`pull-secret={name}` is not used, and nothing is sent: {why}");
        Err(Box::new(usage_problem("annotation/pull-secret", message, Some(hint))))
    };
    let Some(settings) = settings else {
        return refused("there is no configuration", "name one with `--config`".to_owned());
    };
    let for_host = |one: &&PullSecretSettings| one.secret.registries.iter().any(|host| host == image.registry());
    let names: Vec<&str> = settings.pull_secrets.iter().filter(for_host).map(|one| one.secret.name.as_str()).collect();
    if names.contains(&name.as_str()) {
        return Ok(Some(image.with_pull_secret(name)));
    }
    let hint = match names.as_slice() {
        [] => format!("add one with `registries: [\"{}\"]` to `pull_secrets:` of repin.yaml", image.registry()),
        names => format!("those of `{}` are {}", image.registry(), names.join(", ")),
    };
    let is_known = settings.pull_secrets.iter().any(|one| one.secret.name == *name);
    let why = if is_known { "it is bound to other registries" } else { "`pull_secrets:` has no such name" };
    refused(why, hint)
}

fn text(document: &TagsDocument<'_>, limit: usize, palette: Palette) -> String {
    let mut text = String::new();
    let shown = |value: Option<&str>| value.map_or_else(|| "(none)".to_owned(), clean);
    let _ = writeln!(text, "{}", palette.paint(Paint::Bold, &shown(document.image)));
    let digest = document.digest.map(|digest| format!("  {digest}")).unwrap_or_default();
    let _ = writeln!(
        text,
        "  policy   {}\n  current  {}\n  chosen   {}{digest}",
        shown(document.policy),
        shown(document.current),
        shown(document.chosen)
    );
    for gate in document.gates {
        let until = gate.until.map(|until| format!(" (until {until})")).unwrap_or_default();
        let code = palette.paint(Paint::Yellow, &gate.code);
        let _ = writeln!(text, "  gate     {code} {}{until}", clean(&gate.message));
    }
    if document.gates.is_empty() {
        let _ = writeln!(text, "  why      {}", shown(document.message));
    }
    if document.dropped > 0 {
        let entries = if document.dropped == 1 { "entry" } else { "entries" };
        let _ = writeln!(text, "  dropped  {} {entries} of the list: no legal tag", document.dropped);
    }
    if let Some(cut) = document.truncated {
        let _ = writeln!(text, "  cut      the list is not whole: {cut}");
    }
    text.push_str(&render::candidates(document.candidates, limit, palette));
    text
}

fn note(code: &str, message: String, hint: &str) -> Problem {
    Problem { severity: Severity::Warning, ..usage_problem(code, message, Some(hint.to_owned())) }
}

fn of_failure(failure: &Failure) -> Problem {
    usage_problem(&failure.code, failure.message.clone(), failure.hint.clone())
}
