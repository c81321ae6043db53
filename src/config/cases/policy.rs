//! Where the policy of a case comes from: keys in the file itself, or the annotations of a manifest.

use std::collections::BTreeMap;
use std::path::Path;

use crate::annotations::bare::{self, Setting};
use crate::annotations::{self, ArgocdMethod, ImageRequest};
use crate::config::access::path;
use crate::config::reader::{Fields, Value};
use crate::config::words::nearest;
use crate::manifest::argocd::applicationset::expand_alone;
use crate::manifest::argocd::read_applications;
use crate::model::application::Application;
use crate::model::names::RepoPath;
use crate::model::problem::{Problem, Severity};

/// The image of policies that are written in the file itself.
const IMAGE: &str = "example.com/image";

/// Policies by their names; none where one cannot be understood.
pub(super) type Named<'a> = BTreeMap<&'a str, Option<ImageRequest>>;

/// Finds the policy of a case. What is wrong in a manifest goes to `of_manifests`.
pub(super) fn policy(
    fields: &Fields<'_>,
    named: &Named<'_>,
    argocd: ArgocdMethod,
    of_manifests: &mut Vec<Problem>,
) -> Option<ImageRequest> {
    let (given, manifest) = (fields.get("policy"), fields.get("manifest"));
    let (application, alias) = (fields.get("application"), fields.get("alias"));
    if let (None, Some(stray)) = (manifest, application.or(alias)) {
        stray.error("config/invalid-value", "is for a case with `manifest`", "remove it, or name the manifest");
    }
    match (given, manifest) {
        (Some(_), Some(manifest)) => {
            manifest.error("config/invalid-value", "stands beside `policy`", "keep one of the two");
            None
        }
        (None, None) => {
            if fields.is_clean {
                let hint = "add `policy: <name>`, `policy: {range: 1.x}`, or `manifest: <path>`";
                fields.whole().error("config/missing-key", "names no policy", hint);
            }
            None
        }
        (None, Some(manifest)) => {
            let meant = Meant { application: text(application)?, alias: text(alias)? };
            of_manifest(manifest, &meant, argocd, of_manifests)
        }
        (Some(name), None) if name.is_scalar() => {
            let text = name.text()?;
            match named.get(text) {
                Some(policy) => policy.clone(),
                None => {
                    let hint = match nearest(text, named.keys().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "add it to `policies`, or write the keys here: `{range: 1.x}`".to_owned(),
                    };
                    name.invalid("`policies` has no such name", hint);
                    None
                }
            }
        }
        (Some(inline), None) => keys(inline),
    }
}

/// Reads a policy that is written as keys and texts.
pub(super) fn keys(value: &Value<'_>) -> Option<ImageRequest> {
    let (mut image, mut line, mut settings) = (IMAGE.to_owned(), value.line, Vec::new());
    let mut is_whole = true;
    for (key, at, value) in value.entries() {
        match (key, value.text()) {
            (_, None) => is_whole = false,
            ("range", Some(text)) if !text.trim().is_empty() => {
                (image, line) = (format!("{IMAGE}:{}", text.trim()), at)
            }
            ("range", Some(_)) => {}
            (key, Some(text)) => {
                settings.push(Setting { key: key.to_owned(), value: text.to_owned(), line: at });
            }
        }
    }
    let (request, problems) = match bare::read(&image, line, &settings) {
        Ok((request, warnings)) => (Some(request), warnings),
        Err(problems) => (None, problems),
    };
    for Problem { severity, code, line, message, hint, .. } in problems {
        match severity {
            Severity::Error => value.reader.error(code, line, message, hint),
            Severity::Warning => value.reader.warn(code, line, message, hint),
        }
    }
    request.filter(|_| is_whole)
}

/// Which Application of a manifest and which of its images, where a case says so.
struct Meant<'a> {
    application: Option<&'a str>,
    alias: Option<&'a str>,
}

fn of_manifest(
    value: &Value<'_>,
    meant: &Meant<'_>,
    argocd: ArgocdMethod,
    of_manifests: &mut Vec<Problem>,
) -> Option<ImageRequest> {
    let path = path(value)?;
    let bytes = (value.reader.around.files)(&path);
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()));
    let text = match text {
        Ok(text) => text,
        Err(why) => {
            let message = format!("names {}, which {why}", path.display());
            let hint = "relative paths start at the directory of the file of cases";
            value.error("config/unreadable", message, hint);
            return None;
        }
    };
    let (request, problems) = image(&text, &path, meant, argocd);
    for problem in problems {
        let problem = Problem { repository: None, file: Some(path.display().to_string()), ..problem };
        if !of_manifests.contains(&problem) {
            of_manifests.push(problem);
        }
    }
    match request {
        Ok(request) => Some(request),
        Err((message, hint)) => {
            value.error("config/invalid-value", format!("names {}: {message}", path.display()), hint);
            None
        }
    }
}

/// Reads the one image that is meant, or why there is none and what to do; and what is wrong with the manifest.
fn image(
    text: &str,
    path: &Path,
    meant: &Meant<'_>,
    argocd: ArgocdMethod,
) -> (Result<ImageRequest, (String, String)>, Vec<Problem>) {
    let file: RepoPath = path.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or_default();
    let (found, mut problems) = expand_alone(read_applications("", &file, text));
    let named: Vec<&Application> =
        found.iter().filter(|one| meant.application.is_none_or(|name| one.key.is_named(name))).collect();
    let labels = || found.iter().map(|one| format!("`{}`", one.key.label())).collect::<Vec<_>>().join(", ");
    let application = match (named.as_slice(), meant.application) {
        ([one], _) => *one,
        _ if found.is_empty() => {
            let hint = "annotate the Application, or write the keys in `policy`".to_owned();
            return (Err(("it defines no annotated Application".to_owned(), hint)), problems);
        }
        ([], name) => {
            let message = format!("it defines no annotated Application `{}`", name.unwrap_or_default());
            return (Err((message, format!("it defines {}", labels()))), problems);
        }
        (several, _) => {
            let message = format!("it defines {} annotated Applications", several.len());
            return (Err((message, format!("add `application`, one of {}", labels()))), problems);
        }
    };
    let (mut requests, wrong) = annotations::read(application, argocd);
    problems.extend(wrong);
    let aliases: Vec<String> = requests.iter().map(|request| format!("`{}`", request.alias)).collect();
    requests.retain(|request| meant.alias.is_none_or(|alias| request.alias == alias));
    let label = application.key.label();
    let stop = match (requests.len(), meant.alias) {
        (1, _) => None,
        _ if aliases.is_empty() => {
            Some((format!("{label} lists no image"), "add `image-list` to its annotations".to_owned()))
        }
        (0, alias) => Some((
            format!("{label} has no alias `{}`", alias.unwrap_or_default()),
            format!("its aliases are {}", aliases.join(", ")),
        )),
        (count, _) => {
            Some((format!("{label} lists {count} images"), format!("add `alias`, one of {}", aliases.join(", "))))
        }
    };
    match (stop, requests.pop()) {
        (None, Some(request)) => (Ok(request), problems),
        (stop, _) => (Err(stop.unwrap_or_default()), problems),
    }
}

/// Gives the text of a key; none if it is no text, and `Some(None)` if it is absent.
fn text<'a>(value: Option<&Value<'a>>) -> Option<Option<&'a str>> {
    value.map_or(Some(None), |value| value.text().map(Some))
}
