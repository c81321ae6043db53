//! Annotations: how each of them is read, and where the images of each Application stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::annotations::image_list;
use crate::annotations::keys::{self, Reading};
use crate::cli::migrate::checkout::Checkout;
use crate::cli::migrate::findings::{FoundPlace, MigratedKey, Verdict};
use crate::manifest::argocd::applicationset::{ApplicationSet, expand};
use crate::manifest::argocd::generator::Files as SetFiles;
use crate::manifest::argocd::{may_hold_applications, read_applications};
use crate::model::application::{Annotation, Application, LEGACY_PREFIX, PREFIX};
use crate::model::names::{Branch, RepoPath};
use crate::model::problem::{Problem, Severity};
use crate::model::remote_url::RemoteUrl;
use crate::model::tracked::{RemoteBranch, TrackedImage};
use crate::plan::locate::{Files, Located, locate};
use crate::resolve::{Configured, KnownRepository, resolve};
use crate::selection::describe;

/// What is known of one repository.
pub(super) struct Ground {
    /// The annotated Applications, with what is wrong in each.
    pub(super) applications: Vec<(Application, Vec<Problem>)>,
    /// Every image, and where it stands.
    pub(super) places: Vec<FoundPlace>,
    /// The images, one for each of [`Self::places`].
    pub(super) images: Vec<TrackedImage>,
    /// What is wrong, and is about no key.
    pub(super) problems: Vec<Problem>,
    /// The repositories that Applications name; the first one is this one.
    pub(super) repositories: Vec<(KnownRepository, String)>,
}

/// Reads the annotated Applications and finds their images.
pub(super) fn ground(checkout: &Checkout) -> Ground {
    let mut applications = Vec::new();
    let (mut sets, mut problems) = (Vec::new(), Vec::new());
    for (path, text) in checkout.texts().filter(|(_, text)| may_hold_applications(text.as_bytes())) {
        let found = read_applications(&checkout.name, path, text);
        applications.extend(found.applications);
        sets.extend(found.sets);
        // Templates of charts seldom are YAML.
        let is_template = path.parts().any(|part| part == "templates");
        problems.extend(found.problems.into_iter().filter(|_| !is_template));
    }
    // Which repository this is becomes known by what the Applications name.
    let generated = sets.iter().flat_map(|set| expanded(checkout, set, &|_| true).0);
    let urls: Vec<(String, Option<String>)> = applications
        .iter()
        .cloned()
        .chain(generated)
        .flat_map(|application| application.sources)
        .filter(|source| source.chart.is_none() && !source.repo_url.is_empty())
        .map(|source| (source.repo_url, source.target_revision))
        .collect();
    let repositories = repositories(checkout, &urls);
    let own = repositories.first().map(|(known, _)| known.urls.clone()).unwrap_or_default();
    let is_own = |url: &str| url.parse::<RemoteUrl>().is_ok_and(|url| own.contains(&url.normalised()));
    for set in &sets {
        let (found, wrong) = expanded(checkout, set, &is_own);
        applications.extend(found);
        problems.extend(wrong);
    }
    let known: Vec<KnownRepository> = repositories.iter().map(|(known, _)| known.clone()).collect();
    let configured = Configured { repositories: &known, ..Configured::default() };
    let mut ground =
        Ground { applications: Vec::new(), places: Vec::new(), images: Vec::new(), problems, repositories };
    for application in applications {
        let (images, wrong) = resolve(&application, &configured);
        for image in images {
            for place in found(checkout, &image) {
                ground.places.push(place);
                ground.images.push(image.clone());
            }
        }
        let is_of_key = |problem: &Problem| application.annotations.iter().any(|one| Some(one.line) == problem.line);
        ground.problems.extend(wrong.iter().filter(|problem| !is_of_key(problem)).cloned());
        ground.applications.push((application, wrong));
    }
    ground
}

fn expanded(
    checkout: &Checkout,
    set: &ApplicationSet,
    is_own: &dyn Fn(&str) -> bool,
) -> (Vec<Application>, Vec<Problem>) {
    let find = |url: &str, _: &str| -> Result<Option<RemoteBranch>, String> {
        let other = || format!("the generator `git` reads {}, which is another repository", plain(url));
        if is_own(url) { Ok(None) } else { Err(other()) }
    };
    let below = |_: Option<&RemoteBranch>, directory: &RepoPath| -> Vec<RepoPath> {
        checkout.texts().map(|(path, _)| path).filter(|path| path.is_within(directory)).cloned().collect()
    };
    let read = |_: Option<&RemoteBranch>, path: &RepoPath| -> Result<String, String> {
        checkout.text(path).map(str::to_owned).ok_or_else(|| "it is no file that was read".to_owned())
    };
    expand(set, SetFiles { find: &find, below: &below, read: &read, clusters: &|| Ok(None) })
}

/// Shows a URL without anything secret in it.
fn plain(url: &str) -> String {
    url.parse::<RemoteUrl>().map_or_else(|_| "a `repoURL` that is none".to_owned(), |url| url.normalised())
}

/// Names the repositories: this one by the remote of the checkout, else by the URL that most sources have.
fn repositories(checkout: &Checkout, urls: &[(String, Option<String>)]) -> Vec<(KnownRepository, String)> {
    let mut all: BTreeMap<String, (String, usize, Option<Branch>)> = BTreeMap::new();
    for (written, revision) in urls {
        let Ok(url) = written.parse::<RemoteUrl>() else { continue };
        let named = revision.as_deref().filter(|revision| *revision != "HEAD");
        let one = all.entry(url.normalised()).or_insert((written.clone(), 0, None));
        one.1 += 1;
        one.2 = one.2.take().or_else(|| named.and_then(|name| name.trim_start_matches("refs/heads/").parse().ok()));
    }
    let remote = checkout.url.as_ref().and_then(|url| Some((url.parse::<RemoteUrl>().ok()?.normalised(), url)));
    let most =
        all.iter().max_by_key(|(_, (_, count, _))| *count).map(|(url, (written, ..))| (url.clone(), written.clone()));
    let own = match remote {
        Some((normalised, url)) => Some((normalised, url.clone())),
        None => most,
    };
    let mut names = BTreeSet::new();
    let mut name = |wanted: &str| {
        let mut name = if wanted.is_empty() { "gitops".to_owned() } else { wanted.to_owned() };
        while !names.insert(name.clone()) {
            name.push_str("-2");
        }
        name
    };
    let known = |name: String, url: &str, branch: Option<Branch>| {
        let branch = branch.or_else(|| "main".parse().ok())?;
        let default = Some(branch.clone());
        Some(KnownRepository { name, branch, branches: Vec::new(), default, urls: vec![url.to_owned()] })
    };
    let mut found = Vec::new();
    let (own_url, own_written) = own.unwrap_or_default();
    let branch = checkout.branch.clone().or_else(|| all.get(&own_url).and_then(|(.., branch)| branch.clone()));
    found.extend(known(name(&checkout.name), &own_url, branch).map(|known| (known, own_written)));
    for (url, (written, _, branch)) in all.iter().filter(|(url, _)| **url != own_url) {
        let last = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
        let last: String = last.trim_end_matches(".git").chars().map(legal).collect();
        found.extend(known(name(last.trim_matches('-')), url, branch.clone()).map(|known| (known, written.clone())));
    }
    found
}

/// Finds where an image stands.
fn found(checkout: &Checkout, image: &TrackedImage) -> Vec<FoundPlace> {
    let base = FoundPlace {
        application: image.application.label(),
        alias: image.alias.clone(),
        image: image.image_text.clone(),
        policy: describe(&image.policy),
        file: None,
        key: image.key.as_ref().map(ToString::to_string),
        tag: None,
        code: None,
        message: None,
    };
    let refused = |code: &str, message: String| {
        vec![FoundPlace { code: Some(code.to_owned()), message: Some(message), ..base.clone() }]
    };
    if let Some(refusal) = &image.refusal {
        return refused(&refusal.code, refusal.message.clone());
    }
    let Some(target) = &image.target else { return Vec::new() };
    if target.base.repository != checkout.name {
        let message = format!("its files are in the repository `{}`, which was not looked at", target.base.repository);
        return vec![FoundPlace { message: Some(message), ..base }];
    }
    let read = |path: &RepoPath| checkout.state(path);
    let count = |path: &RepoPath, is_recursive: bool| checkout.manifests(path, is_recursive).len();
    let naming = |path: &RepoPath, is_recursive: bool| checkout.manifests(path, is_recursive);
    let holding = |path: &RepoPath, is_recursive: bool, word: &str| {
        let holds = |path: &RepoPath| checkout.text(path).is_some_and(|text| text.to_ascii_lowercase().contains(word));
        checkout.manifests(path, is_recursive).into_iter().filter(holds).collect()
    };
    let located = locate(image, target, Files { read: &read, count: &count, naming: &naming, holding: &holding });
    located.iter().map(|one| at_place(&base, one)).collect()
}

fn at_place(base: &FoundPlace, located: &Located) -> FoundPlace {
    let key = located.key.clone().or_else(|| base.key.clone());
    let place = FoundPlace { file: Some(located.file.to_string()), key, ..base.clone() };
    match &located.site {
        Ok(site) => FoundPlace { tag: site.tag().filter(|tag| !tag.is_empty()).map(str::to_owned), ..place },
        Err(failure) => {
            FoundPlace { code: Some(failure.code.clone()), message: Some(failure.message.clone()), ..place }
        }
    }
}

/// Tells of every annotation of every Application how it is read.
pub(super) fn findings(ground: &Ground) -> Vec<MigratedKey> {
    let mut found: Vec<MigratedKey> = Vec::new();
    for (application, problems) in &ground.applications {
        let file = application.key.file.as_ref().map(ToString::to_string).unwrap_or_default();
        for annotation in &application.annotations {
            let (verdict, reading, instead) = read(application, annotation, problems);
            let one = MigratedKey {
                source: "annotation",
                applications: BTreeSet::from([application.key.label()]),
                file: file.clone(),
                line: Some(annotation.line),
                key: annotation.key.clone(),
                value: annotation.value.as_deref().map(|value| value.trim().to_owned()),
                verdict,
                reading,
                instead,
            };
            // What an ApplicationSet says once is told once.
            let is_same = |other: &MigratedKey| {
                MigratedKey { applications: BTreeSet::new(), ..other.clone() }
                    == MigratedKey { applications: BTreeSet::new(), ..one.clone() }
            };
            match found.iter_mut().rev().take(64).find(|other| is_same(other)) {
                Some(other) => other.applications.extend(one.applications),
                None => found.push(one),
            }
        }
    }
    found.sort_by(|one, other| (&one.file, one.line, &one.key).cmp(&(&other.file, other.line, &other.key)));
    found
}

/// Says how one annotation is read, and what is to be written instead if it is not.
pub(super) fn read(
    application: &Application,
    annotation: &Annotation,
    problems: &[Problem],
) -> (Verdict, String, Option<String>) {
    let label = format!("{}: ", application.key.label());
    let mine = problems.iter().filter(|problem| problem.line == Some(annotation.line));
    let name = annotation.key.strip_prefix(LEGACY_PREFIX).or(annotation.key.strip_prefix(PREFIX));
    let name = name.unwrap_or(&annotation.key);
    // Annotations in one line, as in a flow mapping, are told apart by what the message names.
    let is_named = |problem: &&Problem| problem.message.contains(&format!("`{name}")) || problem.message.contains(name);
    let is_alone = application.annotations.iter().filter(|one| one.line == annotation.line).count() == 1;
    let worst =
        mine.filter(|problem| is_alone || is_named(problem)).min_by_key(|problem| problem.severity != Severity::Error);
    if let Some(problem) = worst {
        let verdict = if problem.severity == Severity::Error { Verdict::Unsupported } else { Verdict::Differs };
        let message = problem.message.strip_prefix(&label).unwrap_or(&problem.message);
        return (verdict, message.to_owned(), problem.hint.clone());
    }
    let value = annotation.value.as_deref().unwrap_or_default().trim();
    let key = match keys::read(name) {
        Reading::Application(key) | Reading::Alias(_, key) => key.name,
        Reading::Unknown => return (Verdict::Unsupported, "no such annotation is read".to_owned(), None),
    };
    let same = |reading: &str| (Verdict::Carried, reading.to_owned(), None);
    match (key, value) {
        ("image-list", list) => same(&images(list)),
        ("update-strategy", "latest") => same("`newest-build`, by the date in the image"),
        ("update-strategy", "name") => same("`alphabetical`"),
        ("tag-match", _) => same("`allow-tags`"),
        ("write-back-method", _) => same("commits are pushed with the credentials of repin.yaml"),
        ("force-update", _) => {
            let reading = "without effect: what stands in Git is what is compared, whether it runs or not";
            (Verdict::Differs, reading.to_owned(), Some("remove it".to_owned()))
        }
        _ => same("as it is"),
    }
}

fn images(list: &str) -> String {
    let one = |entry: image_list::Entry| match entry.image {
        Ok((image, Some(range))) => format!("`{}` is {image}, limited to `{range}`", entry.alias),
        Ok((image, None)) => format!("`{}` is {image}", entry.alias),
        Err(why) => why,
    };
    image_list::read(list).into_iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Tells of every file that overrides a source whose it is.
pub(super) fn overrides(checkout: &Checkout, ground: &Ground) -> Vec<MigratedKey> {
    let mut found = Vec::new();
    for (path, _) in checkout.texts() {
        let file = path.parts().last().unwrap_or_default();
        let name = file.strip_prefix(".argocd-source-").and_then(|rest| rest.strip_suffix(".yaml"));
        let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
        let mine = ground.applications.iter().filter(|(one, _)| one.key.name == name).map(|(one, _)| one.key.label());
        let applications: BTreeSet<String> = mine.collect();
        let is_written = ground.places.iter().any(|place| place.file.as_deref() == Some(path.as_str()));
        let (verdict, reading) = match (is_written, applications.is_empty()) {
            (true, _) => (Verdict::Carried, "it is written on, one value at a time".to_owned()),
            (false, false) => {
                (Verdict::Differs, "no annotation leads to it; Argo CD lays it over the source all the same".to_owned())
            }
            (false, true) => (
                Verdict::Differs,
                format!("no annotated Application is called `{name}`: nothing here writes to it any more"),
            ),
        };
        found.push(MigratedKey {
            source: "write-back-file",
            applications,
            file: path.to_string(),
            line: None,
            key: file.to_owned(),
            value: None,
            verdict,
            reading,
            instead: None,
        });
    }
    found
}
