//! What `write-back-target` and the key annotations mean for one source: where the tag is looked for.

use crate::annotations::{ImageRequest, WriteBack};
use crate::model::application::Application;
use crate::model::problem::Problem;
use crate::model::tracked::{
    AutoSearch, HelmSearch, Layer, Refusal, RemoteBranch, Search, Target, TrackedImage, ValuesSearch,
};
use crate::resolve::ground::{Ground, Part};
use crate::resolve::{annotation_line, problem, source_line};

/// Turns one target of a request into a tracked image.
pub(super) fn targeted(
    application: &Application,
    request: &ImageRequest,
    ground: &Ground<'_>,
    target: &WriteBack,
    problems: &mut Vec<Problem>,
) -> TrackedImage {
    if matches!(target, WriteBack::HelmValues) && ground.is_ambiguous {
        let refusal = Refusal { code: "target/ambiguous".to_owned(), message: ground.ambiguity() };
        let hint = "name the file that holds the tag: `write-back-target: helmvalues:<file>`".to_owned();
        problems.push(problem(application, source_line(application), &refusal, hint));
        return refused(application, request, ground, refusal);
    }
    match search(request, ground, target) {
        Ok(search) => image(application, request, Some(ground), Some(search)),
        Err(reason) => {
            let refusal = Refusal { code: "target/outside".to_owned(), message: reason };
            problems.push(problem(
                application,
                annotation_line(application, "write-back-target"),
                &refusal,
                "write a path inside the repository, relative to the source path".to_owned(),
            ));
            refused(application, request, ground, refusal)
        }
    }
}

fn refused(application: &Application, request: &ImageRequest, ground: &Ground<'_>, refusal: Refusal) -> TrackedImage {
    let mut image = image(application, request, Some(ground), None);
    image.refusal.get_or_insert(refusal);
    image
}

/// Says where a target looks, or why its path cannot be written.
fn search(request: &ImageRequest, ground: &Ground<'_>, target: &WriteBack) -> Result<Search, String> {
    let join = |path: &String| ground.file(path).map_err(|why| format!("the target `{path}` cannot be written: {why}"));
    let search = match target {
        WriteBack::HelmValues => {
            let of_part = |part: &Part| of_values(request, values_of(request, part));
            of_sources(of_values(request, values(request, ground)), ground.others.iter().map(of_part))
        }
        WriteBack::HelmValuesFile(file) => {
            let file = join(file)?;
            let mut search = values(request, ground);
            let layer = Layer::of(file);
            // A target that the source does not list is taken for the last one.
            if !search.values.contains(&layer) {
                search.values.push(layer.clone());
            }
            of_values(request, ValuesSearch { files: vec![layer.clone()], fallback: layer, ..search })
        }
        WriteBack::Kustomization(directory) => Search::Kustomization {
            directory: directory.as_ref().map_or(Ok(ground.path.clone()), join)?,
            name: request.kustomize_name.clone(),
        },
        WriteBack::Manifests(path) => Search::Manifests(join(path)?),
        WriteBack::Auto => {
            let of_part = |part: &Part| {
                let (path, tool, is_recursive) = (part.path.clone(), part.tool, part.is_recursive);
                Search::Auto(AutoSearch { path, values: values_of(request, part), tool, is_recursive })
            };
            let home = AutoSearch {
                path: ground.path.clone(),
                values: values(request, ground),
                tool: ground.tool(),
                is_recursive: ground.is_recursive(),
            };
            of_sources(Search::Auto(home), ground.others.iter().map(of_part))
        }
    };
    Ok(search)
}

/// Looks into all sources that own a path, the home one first.
fn of_sources(home: Search, others: impl Iterator<Item = Search>) -> Search {
    let mut all: Vec<Search> = std::iter::once(home).chain(others).collect();
    match all.pop() {
        Some(only) if all.is_empty() => only,
        last => Search::Sources(all.into_iter().chain(last).collect()),
    }
}

fn values_of(request: &ImageRequest, part: &Part) -> ValuesSearch {
    let fallback = Layer::of(part.values.first().cloned().unwrap_or_default());
    let files: Vec<Layer> = part.values.iter().cloned().map(Layer::of).collect();
    ValuesSearch { values: files.clone(), files, fallback, name_key: request.name_key.clone() }
}

/// Gives the value files of a source in Helm's order: the chart's own first, then what the source lists.
fn values(request: &ImageRequest, ground: &Ground<'_>) -> ValuesSearch {
    let (files, fallback) = ground.values();
    let files: Vec<Layer> = files.into_iter().map(Layer::of).collect();
    ValuesSearch { values: files.clone(), files, fallback: Layer::of(fallback), name_key: request.name_key.clone() }
}

/// Looks at the key path that the annotations name, else for the image's name.
fn of_values(request: &ImageRequest, search: ValuesSearch) -> Search {
    let Some((key, form)) = &request.key else { return Search::Values(search) };
    let ValuesSearch { files, fallback, values, name_key } = search;
    Search::Helm(HelmSearch { files, fallback, values, key: key.clone(), form: *form, name_key })
}

/// Makes the tracked image; without a search it has no target.
pub(super) fn image(
    application: &Application,
    request: &ImageRequest,
    ground: Option<&Ground<'_>>,
    search: Option<Search>,
) -> TrackedImage {
    // What a kustomization or manifest holds is no key path of the annotations.
    let is_of_key = match &search {
        None | Some(Search::Helm(_)) => true,
        Some(Search::Sources(all)) => matches!(all.first(), Some(Search::Helm(_))),
        Some(Search::Values(_) | Search::Kustomization { .. } | Search::Manifests(_) | Search::Auto(_)) => false,
    };
    let key = request.key.as_ref().filter(|_| is_of_key);
    let key = key.map(|(key, _)| key.clone());
    let target = match (ground, search) {
        (Some(ground), Some(search)) => Some(Target {
            base: RemoteBranch { repository: ground.repository.name.clone(), branch: ground.base.clone() },
            made: ground.made.clone(),
            own_paths: ground.own.clone(),
            listed: ground.listed.clone(),
            search,
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
        asked: None,
        policy: request.policy.clone(),
        interval: None,
        target,
        group: request.destination.group.clone(),
        key,
        refusal: request.refusal.clone(),
    }
}
