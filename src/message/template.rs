//! The operator's template of commit messages: compiled and tried at the start, rendered for every commit.
//!
//! A template sees values only: no file, no clock, no other template. What it gives is subject and body; it cannot
//! become a part of the trailers, nor cut them off (git-interpret-trailers(1): a line of `---` ends a message).

use std::fmt;

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::message::trailers::one_line;
use crate::message::{Parts, application_parts, shorten};
use crate::model::change::{CommitText, WrittenPlace};

/// Steps that one rendering may take: a commit of some thousand places needs a tenth of it.
const FUEL: u64 = 2_000_000;
/// Longest text that a template may give, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;
const NAME: &str = "message";

/// A compiled template. Equal if written the same.
#[derive(Clone)]
pub struct Template {
    source: String,
    environment: Environment<'static>,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{reason}", .line.map(|line| format!("line {line} of the template: ")).unwrap_or_default())]
pub struct TemplateError {
    /// Line of the template, from 1, where one is at fault.
    pub line: Option<usize>,
    /// The rule that it breaks.
    pub reason: String,
}

/// What a template sees of a commit.
#[derive(Debug, Serialize)]
struct Data<'a> {
    /// Name of the configured repository.
    repository: &'a str,
    /// The branch that is written.
    branch: &'a str,
    /// Every Application that owns a place of the commit, each once.
    applications: Vec<ApplicationData>,
    /// Their environments, each once, sorted; an Application without one adds none.
    environments: Vec<&'a str>,
    /// The written places.
    images: Vec<ImageData>,
}

#[derive(Clone, Debug, Serialize)]
struct ApplicationData {
    namespace: String,
    name: String,
    /// None if no rule gives one.
    environment: Option<String>,
}

/// One written place.
#[derive(Debug, Serialize)]
struct ImageData {
    application: ApplicationData,
    alias: String,
    /// The image without tag.
    image: String,
    file: String,
    key: String,
    /// None if nothing stood there.
    old: Option<String>,
    new: String,
    /// None if the registry gave none.
    digest: Option<String>,
    reason: String,
}

impl Template {
    /// Compiles a template and tries it on commits of every shape: one place, several Applications, and places without
    /// environment, old value and digest.
    ///
    /// # Errors
    /// The first thing that is wrong: syntax, a variable that does not exist, too many steps, an empty subject, a line
    /// that looks like one of repin's own trailers.
    pub fn new(source: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| refusal(&error))?;
        let template = Self { source: source.to_owned(), environment };
        for sample in samples() {
            let text = template.text(&sample)?;
            if text.lines().any(is_own_trailer) {
                let reason =
                    "it writes a line `Repin-…:`, and repin adds its trailers itself, behind the template's text";
                return Err(TemplateError { line: None, reason: reason.to_owned() });
            }
            parts(&text)?;
        }
        Ok(template)
    }

    /// Gives subject and body of one commit.
    ///
    /// # Errors
    /// Why these values cannot be rendered.
    pub(super) fn render(&self, text: &CommitText) -> Result<Parts, TemplateError> {
        parts(&self.text(text)?)
    }

    fn text(&self, text: &CommitText) -> Result<String, TemplateError> {
        let template = self.environment.get_template(NAME).map_err(|error| refusal(&error))?;
        let data = Value::from(Serde(data(text)));
        let rendered = template.render(data).map_err(|error| refusal(&error))?;
        if rendered.len() > MAX_BYTES {
            let reason = format!("it gives more than {MAX_BYTES} bytes");
            return Err(TemplateError { line: None, reason });
        }
        Ok(rendered)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Template {}

fn refusal(error: &minijinja::Error) -> TemplateError {
    let reason = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    TemplateError { line: error.line(), reason: one_line(&reason) }
}

/// Values are single lines: people write anything into files, and a message must not be forged by it.
fn data(text: &CommitText) -> Data<'_> {
    let mut environments: Vec<&str> =
        text.applications.iter().filter_map(|(_, environment)| environment.as_deref()).collect();
    environments.sort_unstable();
    environments.dedup();
    Data {
        repository: &text.repository,
        branch: &text.branch,
        applications: text.applications.iter().map(application).collect(),
        environments,
        images: text.places.iter().map(image).collect(),
    }
}

fn application((label, environment): &(String, Option<String>)) -> ApplicationData {
    let (namespace, name) = application_parts(label);
    ApplicationData { namespace: namespace.to_owned(), name: name.to_owned(), environment: environment.clone() }
}

fn image(place: &WrittenPlace) -> ImageData {
    ImageData {
        application: application(&place.application),
        alias: one_line(&place.alias),
        image: one_line(&place.image),
        file: one_line(&place.file),
        key: one_line(&place.key),
        old: place.old.as_deref().map(|old| shorten(&one_line(old))),
        new: one_line(&place.new),
        digest: place.digest.clone(),
        reason: one_line(&place.reason),
    }
}

/// Subject and body of what a template gave.
fn parts(text: &str) -> Result<Parts, TemplateError> {
    let refuse = |reason: &str| Err(TemplateError { line: None, reason: reason.to_owned() });
    let mut lines = text.lines().map(|line| one_line(line).trim_end().to_owned()).skip_while(String::is_empty);
    let Some(subject) = lines.next().map(|line| line.trim_start().to_owned()) else {
        return refuse("the subject, its first line, is empty");
    };
    if cuts_off(&subject) {
        return refuse("the subject begins with `---`, behind which Git reads no trailers");
    }
    let harmless = |line: String| if cuts_off(&line) || is_own_trailer(&line) { format!(" {line}") } else { line };
    let body: Vec<String> = lines.skip_while(String::is_empty).map(harmless).collect();
    Ok(Parts { subject: shorten(&subject), body: body.join("\n").trim_end().to_owned() })
}

/// A line at which Git ends a message: the divider of a patch, or the scissors.
fn cuts_off(line: &str) -> bool {
    line.starts_with("---") || (line.starts_with('#') && line.contains(">8"))
}

fn is_own_trailer(line: &str) -> bool {
    let start = line.trim_start().get(..6).unwrap_or_default();
    start.eq_ignore_ascii_case("repin-") && line.contains(':')
}

/// Commits of every shape that a template must be able to tell.
fn samples() -> Vec<CommitText> {
    let owner = |name: &str, environment: Option<&str>| (format!("argocd/{name}"), environment.map(str::to_owned));
    let place = |owner: &(String, Option<String>), alias: &str, is_full: bool| WrittenPlace {
        file: "apps/web/values.yaml".to_owned(),
        key: "image.tag".to_owned(),
        application: owner.clone(),
        alias: alias.to_owned(),
        image: "ghcr.io/acme/web".to_owned(),
        old: is_full.then(|| "1.0.0".to_owned()),
        new: "1.1.0".to_owned(),
        digest: is_full.then(|| format!("sha256:{}", "0".repeat(64))),
        first_seen: None,
        reason: "semver 1.x; 1.1.0 is the newest that it allows".to_owned(),
        labels: None,
        passed_over: Vec::new(),
    };
    let commit = |applications: Vec<(String, Option<String>)>, places: Vec<WrittenPlace>| CommitText {
        repository: "gitops".to_owned(),
        branch: "main".to_owned(),
        applications,
        places,
    };
    let (web, api, bare) = (owner("web", Some("dev")), owner("api", Some("prod")), owner("web", None));
    vec![
        commit(vec![web.clone()], vec![place(&web, "app", true)]),
        commit(
            vec![web.clone(), api.clone()],
            vec![place(&web, "app", true), place(&web, "job", true), place(&api, "app", true)],
        ),
        commit(vec![bare.clone()], vec![place(&bare, "app", false)]),
    ]
}
