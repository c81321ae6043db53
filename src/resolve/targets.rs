//! What `write-back-target` and the key annotations mean for one source: where the tag is looked for.

use std::sync::Arc;

use crate::annotations::{ImageRequest, WriteBack};
use crate::manifest::flux::KUSTOMIZATION;
use crate::model::address::ObjectName;
use crate::model::application::{Application, DEFAULT_NAMESPACE};
use crate::model::image_field::ImageField;
use crate::model::names::{ApplicationKey, RepoPath};
use crate::model::problem::Problem;
use crate::model::tracked::{
    AddressSearch, AutoSearch, HelmSearch, Layer, ObjectSearch, OverrideSearch, Refusal, Search, Target, TrackedImage,
    ValuesSearch,
};
use crate::resolve::ground::{Ground, Own, Part, made, search_in};
use crate::resolve::{Configured, annotation_line, problem, source_line};

/// Turns one target of a request into a tracked image.
pub(super) fn targeted(
    application: &Application,
    request: &ImageRequest,
    ground: &Ground<'_>,
    target: &WriteBack,
    problems: &mut Vec<Problem>,
) -> TrackedImage {
    if let Some(own) = own(application, request, ground, target) {
        return own;
    }
    if let Some(message) = unclear(request, ground, target) {
        let refusal = Refusal { code: "target/ambiguous".to_owned(), message };
        let hint = "name the file that holds the tag: `write-back-target: helmvalues:<file>`".to_owned();
        problems.push(problem(application, source_line(application), &refusal, hint));
        return refused(application, request, refusal);
    }
    let own = application.own_object().and_then(|object| of_object(application, object, request, target));
    match own.map_or_else(|| search(application, request, ground, target), Ok) {
        Ok(search) => image(application, request, Some(ground.target(search))),
        Err(reason) => {
            let refusal = Refusal { code: "target/outside".to_owned(), message: reason };
            problems.push(problem(
                application,
                annotation_line(application, "write-back-target"),
                &refusal,
                "write a path inside the repository, relative to the source path".to_owned(),
            ));
            refused(application, request, refusal)
        }
    }
}

/// Says why it is not known which file of values a target means, if so.
fn unclear(request: &ImageRequest, ground: &Ground<'_>, target: &WriteBack) -> Option<String> {
    let is_of_helm = matches!(target, WriteBack::HelmValues);
    if is_of_helm && ground.is_ambiguous {
        return Some(ground.ambiguity());
    }
    let is_own_key =
        || ground.overriding.iter().any(|one| request.key.as_ref().is_some_and(|(key, _)| *key == one.key));
    let pattern = ground.patterns.first().filter(|_| is_of_helm || matches!(target, WriteBack::Auto))?;
    (!is_own_key()).then(|| format!("the value files `{pattern}` are a pattern, and any that match may hold the tag"))
}

/// Turns a target into a tracked image of the Application's own object, where that says which image runs: by image strings
/// for kustomize, which win over any file, and by values, unless files of the same branch are laid under them anyway.
fn own(
    application: &Application,
    request: &ImageRequest,
    ground: &Ground<'_>,
    target: &WriteBack,
) -> Option<TrackedImage> {
    let own = ground.own_object.filter(|own| own.is_meant(request))?;
    let mut searches = own.image_strings(request, target);
    let is_here = own.repository.name == ground.repository.name && own.repository.branch == ground.base;
    if searches.is_empty() && !is_here {
        let values = own.values(request, target, false).into_iter();
        searches = values.map(|search| of_values(request, search)).collect();
    }
    in_own(application, request, own, &ground.declared, searches)
}

/// Turns the targets of a request into tracked images of the Application's own object, where nothing else can be reached;
/// none if it cannot hold all of them either.
pub(super) fn of_own_object(
    application: &Application,
    request: &ImageRequest,
    configured: &Configured<'_>,
) -> Option<Vec<TrackedImage>> {
    let declared = configured.image_fields.cloned().unwrap_or_default();
    let own = Own::of(application, configured.repositories)
        .filter(|own| own.is_meant(request) && !request.targets.is_empty())?;
    // A chart of a Helm repository has no files that could hold the image.
    let is_last_resort = application.sources.iter().all(|source| source.chart.is_some());
    let searches = |target: &WriteBack| {
        let strings = own.image_strings(request, target).into_iter();
        let values = own.values(request, target, is_last_resort).into_iter();
        strings.chain(values.map(|search| of_values(request, search))).collect::<Vec<Search>>()
    };
    request.targets.iter().map(|target| in_own(application, request, own, &declared, searches(target))).collect()
}

fn in_own(
    application: &Application,
    request: &ImageRequest,
    own: Own<'_>,
    declared: &Arc<[ImageField]>,
    searches: Vec<Search>,
) -> Option<TrackedImage> {
    let mut searches = searches.into_iter();
    let search = of_sources(searches.next()?, searches);
    let (made, refusal) = match made(request, own.repository) {
        Ok(made) => (made, None),
        Err(stop) => (None, Some(stop.refusal)),
    };
    let declared = declared.clone();
    let target = Target { base: own.base(), made, own_paths: Vec::new(), listed: Vec::new(), search, declared };
    let mut image = image(application, request, Some(target));
    image.refusal = image.refusal.or(refusal);
    Some(image)
}

fn refused(application: &Application, request: &ImageRequest, refusal: Refusal) -> TrackedImage {
    let mut image = image(application, request, None);
    image.refusal.get_or_insert(refusal);
    image
}

/// Says where a target looks that means the object which carries the annotations; none if it means another file.
fn of_object(
    application: &Application,
    object: &ObjectName,
    request: &ImageRequest,
    target: &WriteBack,
) -> Option<Search> {
    match target {
        WriteBack::Auto | WriteBack::HelmValues => {}
        WriteBack::Kustomization(None) if application.key.kind == KUSTOMIZATION => {}
        WriteBack::Kustomization(_)
        | WriteBack::HelmValuesFile(_)
        | WriteBack::Manifests(_)
        | WriteBack::Overrides(_) => return None,
    }
    Some(Search::Object(ObjectSearch {
        file: application.key.file.clone()?,
        object: object.clone(),
        key: request.key.clone(),
        name_key: request.name_key.clone(),
        entry: request.kustomize_name.clone(),
    }))
}

/// Says where a target looks, or why its path cannot be written.
fn search(
    application: &Application,
    request: &ImageRequest,
    ground: &Ground<'_>,
    target: &WriteBack,
) -> Result<Search, String> {
    let search = match target {
        WriteBack::HelmValues => {
            let of_part = |part: &Part| of_values(request, values_of(request, part));
            let others = ground.others.iter().map(of_part).chain(alone(request, ground));
            of_sources(of_values(request, values(request, ground)), others)
        }
        WriteBack::HelmValuesFile(file) => {
            let file = join(ground, file)?;
            let mut search = values(request, ground);
            search.values.retain(|layer| layer.part.is_none());
            let layer = Layer::of(file);
            // A target that the source does not list is taken for the last one.
            if !search.values.contains(&layer) {
                search.values.push(layer.clone());
            }
            of_values(
                request,
                ValuesSearch { files: vec![layer.clone()], fallback: layer, overriding: Vec::new(), ..search },
            )
        }
        WriteBack::Kustomization(directory) => Search::Kustomization {
            directory: directory.as_ref().map_or(Ok(ground.path.clone()), |path| join(ground, path))?,
            name: request.kustomize_name.clone(),
        },
        WriteBack::Manifests(path) => match &request.address {
            None => Search::Manifests(join(ground, path)?),
            Some((address, form)) => Search::Address(AddressSearch {
                file: join(ground, path)?,
                address: address.clone(),
                form: *form,
                name: request.name_address.clone(),
            }),
        },
        WriteBack::Overrides(file) => Search::Overrides(overrides(application, request, ground, file.as_ref())?),
        WriteBack::Auto => {
            let of_part = |part: &Part| {
                let (path, tool, manifests) = (part.path.clone(), part.tool, part.manifests.clone());
                Search::Auto(AutoSearch { path, values: values_of(request, part), tool, manifests })
            };
            of_sources(
                Search::Auto(home(request, ground)),
                ground.others.iter().map(of_part).chain(alone(request, ground)),
            )
        }
    };
    Ok(search)
}

/// Finds the file or directory that a target names.
fn join(ground: &Ground<'_>, path: &str) -> Result<RepoPath, String> {
    ground.file(path).map_err(|why| format!("the target `{path}` cannot be written: {why}"))
}

/// Looks for the image in the home source.
fn home(request: &ImageRequest, ground: &Ground<'_>) -> AutoSearch {
    AutoSearch {
        path: ground.path.clone(),
        values: values(request, ground),
        tool: ground.tool(),
        manifests: ground.manifests(),
    }
}

/// Looks into the file that overrides the home source for the Application.
fn overrides(
    application: &Application,
    request: &ImageRequest,
    ground: &Ground<'_>,
    file: Option<&String>,
) -> Result<OverrideSearch, String> {
    let ApplicationKey { namespace, name, .. } = &application.key;
    // Argo CD puts the namespace before the name where that is not its own, which is unknown here.
    let (short, long) = (format!(".argocd-source-{name}.yaml"), format!(".argocd-source-{namespace}_{name}.yaml"));
    let mut names = if namespace == DEFAULT_NAMESPACE { vec![short, long] } else { vec![long, short] };
    let mut files: Vec<RepoPath> = names.iter().map(|name| join(ground, name)).collect::<Result<_, _>>()?;
    if let Some(file) = file {
        let named = join(ground, file)?;
        // Argo CD reads any other for another Application; only the operator's own list may mean that.
        if application.key.file.is_some() && !files.contains(&named) {
            let own = names.swap_remove(0);
            return Err(format!("the target `{file}` overrides another Application; that of this one is `{own}`"));
        }
        files = vec![named];
    }
    let (parameters, images) = ground.overridden();
    let mut source = home(request, ground);
    // What the file sets wins over the Application's own values.
    source.values.overriding.clear();
    Ok(OverrideSearch {
        files,
        source,
        key: request.key.clone(),
        name_key: request.name_key.clone(),
        kustomize_name: request.kustomize_name.clone(),
        parameters,
        images,
    })
}

/// Looks into all sources that own a path, the home one first.
fn of_sources(home: Search, others: impl Iterator<Item = Search>) -> Search {
    let mut all: Vec<Search> = std::iter::once(home).chain(others).collect();
    match all.pop() {
        Some(only) if all.is_empty() => only,
        last => Search::Sources(all.into_iter().chain(last).collect()),
    }
}

/// Looks into the values of sources that have no files on the branch.
fn alone<'a>(request: &'a ImageRequest, ground: &'a Ground<'_>) -> impl Iterator<Item = Search> + 'a {
    let searches = ground.alone.iter().filter_map(|layers| search_in(layers.clone(), request));
    searches.map(|search| of_values(request, search))
}

fn values_of(request: &ImageRequest, part: &Part) -> ValuesSearch {
    let files = part.values.clone();
    let fallback = files.first().cloned().unwrap_or_else(|| Layer::of(part.path.clone()));
    ValuesSearch {
        values: files.clone(),
        files,
        fallback,
        overriding: part.overriding.clone(),
        name_key: request.name_key.clone(),
    }
}

/// Gives the values of a source in Helm's order: the chart's own file first, then what the source lists, then what it holds
/// itself.
fn values(request: &ImageRequest, ground: &Ground<'_>) -> ValuesSearch {
    let (files, fallback) = ground.values();
    let files: Vec<Layer> = files.into_iter().map(Layer::of).chain(ground.inline.iter().cloned()).collect();
    ValuesSearch {
        values: files.clone(),
        files,
        fallback: Layer::of(fallback),
        overriding: ground.overriding.clone(),
        name_key: request.name_key.clone(),
    }
}

/// Looks at the key path that the annotations name, else for the image's name.
fn of_values(request: &ImageRequest, search: ValuesSearch) -> Search {
    let Some((key, form)) = &request.key else { return Search::Values(search) };
    let ValuesSearch { files, fallback, values, overriding, name_key } = search;
    Search::Helm(HelmSearch { files, fallback, values, overriding, key: key.clone(), form: *form, name_key })
}

/// Makes the tracked image.
pub(super) fn image(application: &Application, request: &ImageRequest, target: Option<Target>) -> TrackedImage {
    // What a kustomization or manifest holds is no key path of the annotations.
    let is_of_key = match target.as_ref().map(|target| &target.search) {
        None | Some(Search::Helm(_) | Search::Overrides(_)) => true,
        Some(Search::Sources(all)) => matches!(all.first(), Some(Search::Helm(_))),
        Some(Search::Address(_)) => true,
        Some(Search::Object(search)) => search.key.is_some(),
        Some(
            Search::Values(_)
            | Search::Kustomization { .. }
            | Search::Manifests(_)
            | Search::Images(_)
            | Search::Auto(_),
        ) => false,
    };
    let key = request.key.as_ref().filter(|_| is_of_key);
    let key = key.map(|(key, _)| key.clone());
    TrackedImage {
        application: application.key.clone(),
        rendered: application.rendered.clone(),
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
        delivery: request.delivery,
        pull_request: request.pull_request.clone(),
        wishes: request.wishes.clone(),
        key,
        refusal: request.refusal.clone(),
    }
}
