//! What `write-back-target` and the key annotations mean for one source: where the tag is looked for.

use crate::annotations::{ImageRequest, WriteBack};
use crate::model::application::Application;
use crate::model::names::RepoPath;
use crate::model::problem::Problem;
use crate::model::tracked::{HelmSearch, Refusal, RemoteBranch, Search, Target, TrackedImage};
use crate::resolve::ground::Ground;
use crate::resolve::{annotation_line, problem, source_line};

/// Turns one target of a request into a tracked image.
pub(super) fn targeted(
    application: &Application,
    request: &ImageRequest,
    ground: &Ground<'_>,
    target: &WriteBack,
    problems: &mut Vec<Problem>,
) -> TrackedImage {
    let (mut values, default) = ground.values();
    let (files, fallback) = match target {
        WriteBack::HelmValues if ground.is_ambiguous => {
            let refusal = Refusal { code: "target/ambiguous".to_owned(), message: ground.ambiguity() };
            let hint = "name the file that holds the tag: `write-back-target: helmvalues:<file>`".to_owned();
            problems.push(problem(application, source_line(application), &refusal, hint));
            let mut image = image(application, request, Some(ground), None);
            image.refusal.get_or_insert(refusal);
            return image;
        }
        WriteBack::HelmValues => (values.clone(), default),
        WriteBack::HelmValuesFile(file) => match ground.file(file) {
            Ok(path) => (vec![path.clone()], path),
            Err(reason) => {
                let message = format!("the target `{file}` cannot be written: {reason}");
                let refusal = Refusal { code: "target/outside".to_owned(), message };
                problems.push(problem(
                    application,
                    annotation_line(application, "write-back-target"),
                    &refusal,
                    "write a path inside the repository, relative to the source path".to_owned(),
                ));
                let mut image = image(application, request, Some(ground), None);
                image.refusal.get_or_insert(refusal);
                return image;
            }
        },
    };
    // A target that the source does not list is taken for the last one.
    values.extend(files.iter().filter(|file| !values.contains(file)).cloned().collect::<Vec<_>>());
    image(application, request, Some(ground), Some(Files { files, fallback, values }))
}

/// Where the tag may stand, and the image's name.
pub(super) struct Files {
    files: Vec<RepoPath>,
    fallback: RepoPath,
    values: Vec<RepoPath>,
}

/// Makes the tracked image; without files it has no target.
pub(super) fn image(
    application: &Application,
    request: &ImageRequest,
    ground: Option<&Ground<'_>>,
    files: Option<Files>,
) -> TrackedImage {
    let target = match (ground, files, &request.key) {
        (Some(ground), Some(Files { files, fallback, values }), Some((key, form))) => Some(Target {
            base: RemoteBranch { repository: ground.repository.name.clone(), branch: ground.base.clone() },
            made: ground.made.clone(),
            own_paths: ground.own.clone(),
            listed: ground.listed.clone(),
            search: Search::Helm(HelmSearch {
                files,
                fallback,
                values,
                key: key.clone(),
                form: *form,
                name_key: request.name_key.clone(),
            }),
        }),
        _ => None,
    };
    TrackedImage {
        application: application.key.clone(),
        line: annotation_line(application, "/image-list"),
        project: application.project.clone(),
        labels: application.labels.clone(),
        alias: request.alias.clone(),
        image_text: request.image_text.clone(),
        image: request.image.clone(),
        policy: request.policy.clone(),
        target,
        group: request.destination.group.clone(),
        key: request.key.as_ref().map(|(key, _)| key.clone()),
        refusal: request.refusal.clone(),
    }
}
