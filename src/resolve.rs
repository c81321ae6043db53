//! Applications and their annotations -> tracked images: which configured repository, branch and files each one means.
//!
//! Pure. Reads no file: that the key stands in one of the candidate files is found out by `plan::locate`.

mod ground;
mod pull_secret;
mod targets;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::annotations::{self, ArgocdMethod, ImageRequest};
use crate::model::application::Application;
use crate::model::asking::Asking;
use crate::model::image_field::ImageField;
use crate::model::interval::in_words;
use crate::model::names::Branch;
use crate::model::problem::{Problem, Severity};
use crate::model::rule::{Glob, PullSecret};
use crate::model::tracked::{Refusal, TrackedImage};
use crate::model::verification::KeyName;
use crate::model::window::Window;
use crate::model::wishes::PromotionWish;
use crate::resolve::ground::{Stop, ground, unused_value_files};
use crate::resolve::targets::{image, of_own_object, targeted};

/// A configured repository, as far as an Application can mean it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownRepository {
    /// Its configured name.
    pub name: String,
    /// The branch that is read and written.
    pub branch: Branch,
    /// Other branches that annotations may reach.
    pub branches: Vec<Glob>,
    /// The remote's default branch, which an Application without `targetRevision` follows; none if it is not known.
    pub default: Option<Branch>,
    /// Its `url` and `also`, normalised.
    pub urls: Vec<String>,
}

/// What the operator configured, as far as Applications can mean it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Configured<'a> {
    /// The repositories, in file order.
    pub repositories: &'a [KnownRepository],
    /// The pull secrets, and who may use them.
    pub pull_secrets: &'a [PullSecret],
    /// The names of the operator's public keys.
    pub cosign_keys: &'a [KeyName],
    /// What `write-back-method: argocd` means.
    pub argocd: ArgocdMethod,
    /// Where objects of some kinds name an image; none = nowhere else than where all do.
    pub image_fields: Option<&'a Arc<[ImageField]>>,
    /// How often registries are asked, and may be; none = as annotations wish.
    pub asking: Option<&'a Asking>,
    /// The windows, by name; none = there are none.
    pub windows: Option<&'a BTreeMap<String, Window>>,
    /// The names of `environments`; without any, environments have the names that rules give them.
    pub environments: &'a [String],
}

/// Resolves one Application against what is configured.
pub fn resolve(application: &Application, configured: &Configured<'_>) -> (Vec<TrackedImage>, Vec<Problem>) {
    let (requests, mut problems) = annotations::read(application, configured.argocd);
    let mut tracked = Vec::new();
    for mut request in requests {
        let asked = pull_secret::asked(application, &request, configured.pull_secrets);
        if let Err((refusal, hint)) = &asked {
            let line = line_of(application, &request.alias, "pull-secret");
            problems.push(problem(application, line, refusal, hint.clone()));
            request.refusal.get_or_insert(refusal.clone());
        }
        if let Some((refusal, hint)) = unknown_key(&request, configured.cosign_keys) {
            let line = line_of(application, &request.alias, "verify");
            problems.push(problem(application, line, &refusal, hint));
            request.refusal.get_or_insert(refusal);
        }
        for (key, refusal, hint) in unknown_names(&request, configured) {
            let line = request.wishes.written.get(key).map_or(application.line, |written| written.line);
            problems.push(problem(application, line, &refusal, hint));
            request.refusal.get_or_insert(refusal);
        }
        let first = tracked.len();
        tracked.extend(targets(application, &request, configured, &mut problems));
        let interval = interval(application, &request, configured.asking, &mut problems);
        for image in tracked.iter_mut().skip(first) {
            image.asked = asked.as_ref().ok().cloned().flatten();
            image.interval = interval;
        }
    }
    // What is wrong for the whole Application is found with each of its images, and said once.
    let mut seen = Vec::new();
    problems.retain(|problem| {
        !seen.contains(problem) && {
            seen.push(problem.clone());
            true
        }
    });
    (tracked, problems)
}

/// Finds out where the changes of one image go, once for each target.
fn targets(
    application: &Application,
    request: &ImageRequest,
    configured: &Configured<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<TrackedImage> {
    let Stop { refusal, hint, annotation } = match ground(application, configured, request) {
        Ok(ground) if request.targets.is_empty() => {
            problems.extend(unused_value_files(application, &ground));
            return vec![image(application, request, None)];
        }
        Ok(ground) => {
            let all = request.targets.iter().map(|target| targeted(application, request, &ground, target, problems));
            let all = all.collect();
            problems.extend(unused_value_files(application, &ground));
            return all;
        }
        Err(stop) => stop,
    };
    // The Application itself may hold the image, wherever its sources are.
    if let (None, Some(own)) = (annotation, of_own_object(application, request, configured)) {
        return own;
    }
    let line = annotation.map_or_else(|| source_line(application), |key| annotation_line(application, key));
    problems.push(problem(application, line, &refusal, hint));
    let mut image = image(application, request, None);
    image.refusal.get_or_insert(refusal);
    vec![image]
}

/// Says which of the keys that an image must be signed with nobody configured.
fn unknown_key(request: &ImageRequest, known: &[KeyName]) -> Option<(Refusal, String)> {
    let name = request.policy.verify.iter().find(|name| !known.contains(name))?;
    let message = format!("`verify: cosign:{name}` names a key that `cosign_keys:` of repin.yaml does not have");
    let names: Vec<&str> = known.iter().map(KeyName::as_str).collect();
    let there =
        if names.is_empty() { "there are none yet".to_owned() } else { format!("there are {}", names.join(", ")) };
    let hint =
        format!("name another one ({there}), or let the operator add to `cosign_keys:` an entry with `name: {name}`");
    Some((Refusal { code: "annotation/invalid".to_owned(), message }, hint))
}

/// Says which windows and environments nobody configured that the annotations name.
fn unknown_names(request: &ImageRequest, configured: &Configured<'_>) -> Vec<(&'static str, Refusal, String)> {
    let mut found = Vec::new();
    let mut add = |key: &'static str, name: &str, list: &str, known: Vec<&str>| {
        let message = format!("`{key}` names `{name}`, which `{list}:` of repin.yaml does not have");
        let there =
            if known.is_empty() { "there are none yet".to_owned() } else { format!("there are {}", known.join(", ")) };
        let hint = format!("name another one ({there}), or let the operator add it to `{list}:`");
        found.push((key, Refusal { code: "annotation/invalid".to_owned(), message }, hint));
    };
    let windows: Vec<&str> = configured.windows.iter().flat_map(|windows| windows.keys()).map(String::as_str).collect();
    for name in request.wishes.windows.iter().flatten().filter(|name| !windows.contains(&name.as_str())) {
        add("window", name, "windows", windows.clone());
    }
    let environments: Vec<&str> = configured.environments.iter().map(String::as_str).collect();
    let Some(PromotionWish::From(promotion)) = &request.wishes.promote_from else { return found };
    let names = promotion.upstreams.iter().map(|upstream| upstream.environment.as_str());
    for name in names.filter(|name| !environments.is_empty() && !environments.contains(name)) {
        add("promote-from", name, "environments", environments.clone());
    }
    found
}

/// Gives the interval that counts for an image, and reports a wish for more than the operator allows.
fn interval(
    application: &Application,
    request: &ImageRequest,
    asking: Option<&Asking>,
    problems: &mut Vec<Problem>,
) -> Option<Duration> {
    let (wish, image) = (request.interval?, request.image.as_ref()?);
    let Some(asking) = asking else { return Some(wish) };
    let shortest = match asking.interval(image.registry(), wish) {
        Ok(counts) => return counts,
        Err(shortest) => shortest,
    };
    let (wished, allowed) = (in_words(wish), in_words(shortest));
    let message =
        format!("`interval` of `{}` is {wished}, the operator allows {allowed}, and that counts", request.alias);
    let refusal = Refusal { code: "annotation/capped".to_owned(), message };
    let hint = format!("write {allowed} or more, or let the operator lower `shortest_interval` of repin.yaml");
    let line = line_of(application, &request.alias, "interval");
    problems.push(Problem { severity: Severity::Warning, ..problem(application, line, &refusal, hint) });
    asking.interval(image.registry(), shortest).ok().flatten()
}

/// Gives the line of an annotation of an alias: its own, else that of the whole Application.
fn line_of(application: &Application, alias: &str, key: &str) -> u64 {
    // `web.pull-secret` is not the end of `my-web.pull-secret`; no key has a second `/`.
    let own = annotation_line(application, &format!("/{}.{key}", alias.replace('/', "_")));
    if own == application.line { annotation_line(application, &format!("/{key}")) } else { own }
}

/// Gives the line of the first annotation whose key ends so.
fn annotation_line(application: &Application, end: &str) -> u64 {
    let found = application.annotations.iter().find(|annotation| annotation.key.ends_with(end));
    found.map_or(application.line, |annotation| annotation.line)
}

/// Gives the line of the source's `repoURL`.
fn source_line(application: &Application) -> u64 {
    application.sources.first().map_or(application.line, |source| source.line)
}

fn problem(application: &Application, line: u64, refusal: &Refusal, hint: String) -> Problem {
    let key = &application.key;
    Problem {
        severity: Severity::Error,
        code: refusal.code.clone(),
        repository: key.file.as_ref().map(|_| key.repository.clone()),
        file: key.file.as_ref().map(ToString::to_string),
        line: Some(line),
        message: format!("{}: {}", key.label(), refusal.message),
        hint: Some(hint),
    }
}
