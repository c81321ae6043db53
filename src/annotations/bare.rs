//! A policy by itself: the keys of annotations without prefix, for an image that no Application tracks.
//!
//! It is read by the reader of annotations, so it means what it means there. Only keys that say which tag are taken:
//! without an Application there is no place to write to.

use std::collections::BTreeMap;

use crate::annotations::keys::{self, Reading};
use crate::annotations::{ArgocdMethod, ImageRequest, image_list};
use crate::model::application::{Annotation, Application, LEGACY_PREFIX, PREFIX};
use crate::model::names::{APPLICATION, ApplicationKey};
use crate::model::problem::{Problem, Severity};

/// One key of a policy with its value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// The key; a prefix of annotations before it is passed over.
    pub key: String,
    /// The value as text.
    pub value: String,
    /// Line of the key, from 1.
    pub line: u64,
}

/// Reads the policy of one image, which is written as in `image-list`; `line` is that of the image. Problems have lines,
/// and no file.
///
/// # Errors
/// The problems, if the image or a key cannot be read, or a key says nothing about which tag.
pub fn read(image: &str, line: u64, settings: &[Setting]) -> Result<(ImageRequest, Vec<Problem>), Vec<Problem>> {
    let mut problems = Vec::new();
    let entries = image_list::read(image);
    let alias = match entries.as_slice() {
        [entry] => entry.alias.clone(),
        several => {
            let message = format!("`{image}` names {} images, and a policy is for one", several.len());
            let hint = "name one; the parts of a range are separated by blanks, as in `>=1.0 <2.0`";
            return Err(vec![problem("annotation/invalid", line, message, hint.to_owned())]);
        }
    };
    let mut given: BTreeMap<&'static str, &Setting> = BTreeMap::new();
    for setting in settings {
        match key_of(&setting.key, &alias) {
            Ok(key) if given.contains_key(key) => {
                let message = format!("`{key}` is given twice");
                problems.push(problem("annotation/duplicate-key", setting.line, message, "keep one".to_owned()));
            }
            Ok(key) => {
                given.insert(key, setting);
            }
            Err((message, hint)) => problems.push(problem("annotation/unknown-key", setting.line, message, hint)),
        }
    }
    let annotation = |key: String, value: &str, line| Annotation { key, value: Some(value.to_owned()), line };
    let own = |key: &str| if keys::is_of_alias_only(key) { format!("{alias}.{key}") } else { key.to_owned() };
    let annotations = given.iter().map(|(key, one)| annotation(format!("{PREFIX}{}", own(key)), &one.value, one.line));
    let application = Application {
        object: None,
        rendered: None,
        key: ApplicationKey {
            kind: APPLICATION.to_owned(),
            repository: String::new(),
            file: None,
            namespace: "policy".to_owned(),
            name: "policy".to_owned(),
        },
        line,
        project: String::new(),
        labels: BTreeMap::new(),
        annotations: std::iter::once(annotation(format!("{PREFIX}image-list"), image, line))
            .chain(annotations)
            .collect(),
        sources: Vec::new(),
    };
    let (mut requests, found) = super::read(&application, ArgocdMethod::Held);
    let label = format!("{}: ", application.key.label());
    problems.extend(found.into_iter().map(|found| without_application(found, &label, &alias)));
    let is_wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    match requests.pop() {
        Some(request) if !is_wrong => Ok((request, problems)),
        _ => Err(problems),
    }
}

/// Gives the known key, or why there is none and what to do.
fn key_of(text: &str, alias: &str) -> Result<&'static str, (String, String)> {
    let name = text.strip_prefix(PREFIX).or_else(|| text.strip_prefix(LEGACY_PREFIX)).unwrap_or(text);
    let name = name.strip_prefix(alias).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
    if let Some(key) = keys::CHOOSING.iter().find(|key| **key == name) {
        return Ok(key);
    }
    let is_known = keys::KEYS.iter().any(|key| key.name == name) || matches!(keys::read(name), Reading::Alias(..));
    if is_known {
        let hint = match name {
            "image-list" => "the image is named beside the policy".to_owned(),
            _ => format!("remove it; keys of a policy are {}", keys::CHOOSING.join(", ")),
        };
        return Err((format!("`{name}` does not say which tag is taken, so it is no key of a policy"), hint));
    }
    let hint = match keys::nearest_choosing(name) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("keys of a policy are {}", keys::CHOOSING.join(", ")),
    };
    Err((format!("`{name}` is no key of a policy"), hint))
}

/// There is one image, so no key needs its alias, and no Application is named.
fn without_application(problem: Problem, label: &str, alias: &str) -> Problem {
    let plain = |text: &str| {
        let keys = keys::KEYS.iter().map(|key| key.name);
        keys.fold(text.to_owned(), |text, key| text.replace(&format!("`{alias}.{key}"), &format!("`{key}")))
    };
    let message = plain(problem.message.strip_prefix(label).unwrap_or(&problem.message));
    Problem { message, hint: problem.hint.as_deref().map(plain), ..problem }
}

fn problem(code: &str, line: u64, message: String, hint: String) -> Problem {
    Problem {
        severity: Severity::Error,
        code: code.to_owned(),
        repository: None,
        file: None,
        line: Some(line),
        message,
        hint: Some(hint),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::policy::Strategy;

    fn settings(pairs: &[(&str, &str)]) -> Vec<Setting> {
        let setting = |(at, (key, value)): (usize, &(&str, &str))| Setting {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            line: at as u64 + 2,
        };
        pairs.iter().enumerate().map(setting).collect()
    }

    #[test]
    fn a_policy_means_what_the_annotations_mean() {
        let given = [
            ("repin.dev/update-strategy", "numerical"),
            ("app.allow-tags", "regexp:^main-([0-9]+)$"),
            ("extract", "$1"),
            ("strict", "false"),
            ("min-age", "3d"),
            ("tag-match", "regexp:x"),
        ];
        let (request, problems) = read("app=ghcr.io/acme/web", 1, &settings(&given)).unwrap();
        assert_eq!(request.image.unwrap().to_string(), "ghcr.io/acme/web");
        assert_eq!((request.policy.strategy, request.policy.strict), (Strategy::Numerical, false));
        assert_eq!(request.policy.extract.unwrap().source, "$1");
        assert_eq!(request.policy.min_age.unwrap().as_secs(), 3 * 86_400);
        let said: Vec<String> = problems.iter().map(|one| format!("{:?} {}", one.line, one.message)).collect();
        assert_eq!(said, ["Some(7) `tag-match: regexp:x` has no effect beside `allow-tags`"]);
    }

    #[test]
    fn what_is_wrong_is_told_at_once_with_its_line_and_without_an_application() {
        let given = [("platform", "x"), ("git-branch", "main"), ("min-age", "soon"), ("min-age", "1d"), ("zzz", "1")];
        let problems = read("web=ghcr.io/acme/web:dev", 1, &settings(&given)).unwrap_err();
        let said: Vec<String> =
            problems.iter().map(|one| format!("{} {} {}", one.line.unwrap(), one.code, one.message)).collect();
        assert_eq!(
            said[..5],
            [
                "2 annotation/unknown-key `platform` is no key of a policy",
                "3 annotation/unknown-key `git-branch` does not say which tag is taken, so it is no key of a policy",
                "5 annotation/duplicate-key `min-age` is given twice",
                "6 annotation/unknown-key `zzz` is no key of a policy",
                "4 annotation/invalid `min-age: soon` is no span of time: it is written as numbers with a unit of d, h, m or s, the larger first, such as 2m or 1h30m",
            ],
            "{problems:#?}"
        );
        assert_eq!(problems[0].hint.as_deref(), Some("did you mean `platforms`?"));
        assert!(problems[5].hint.as_ref().unwrap().contains("write `update-strategy: digest`"), "{problems:#?}");
        assert_eq!(problems.len(), 6);
        for (image, expected) in
            [("a=r.io/a, b=r.io/b", "names 2 images"), ("", "names 0 images"), ("r.io/A", "cannot be read")]
        {
            let problems = read(image, 1, &[]).unwrap_err();
            assert!(problems[0].message.contains(expected), "{problems:#?}");
        }
    }

    #[test]
    fn every_known_key_says_which_tag_or_does_not() {
        let others = [
            "image-list",
            "helm.image-name",
            "helm.image-tag",
            "helm.image-spec",
            "kustomize.image-name",
            "write-back-method",
            "write-back-target",
            "git-branch",
            "git-repository",
            "force-update",
            "interval",
            "promote-from",
            "require-healthy",
            "soak",
            "delivery",
            "group",
            "window",
            "hold",
            "pull-request.labels",
            "pull-request.reviewers",
            "pull-request.assignees",
            "pull-request.auto-merge",
            "notify",
        ];
        let mut named: Vec<&str> = keys::CHOOSING.iter().copied().chain(others).collect();
        let mut known: Vec<&str> = keys::KEYS.iter().map(|key| key.name).collect();
        named.sort_unstable();
        known.sort_unstable();
        assert_eq!(named, known);
    }
}
