//! Every image that a directory renders, searched for as an Application of that path would have it. A place that is found
//! must be the one that says what runs; where the search is silent, the annotations that it prints must settle it.

use std::collections::{BTreeMap, BTreeSet};

use repin::manifest::argocd::applicationset::expand_alone;
use repin::manifest::argocd::read_applications;
use repin::manifest::place::{Wanted, split_spec};
use repin::manifest::survey::survey;
use repin::model::application::PREFIX;
use repin::model::names::{ImageName, RepoPath};
use repin::model::tracked::{CHART, KUSTOMIZATIONS, TrackedImage};
use repin::plan::locate::{Failure, Located, locate};
use repin::resolve::{Configured, KnownRepository, resolve};

use crate::judges::{Change, Judges, Rendered};
use crate::report::Report;
use crate::tree::Tree;

/// A tag that no image has, and the end of one that follows the tag that stands: some charts want a version they know.
const TAG: &str = "9.9.9-repin";
const END: &str = "99";

/// A directory that an Application may have as its path, and what renders it.
struct Unit {
    directory: RepoPath,
    kind: &'static str,
}

/// What a search came to.
enum Verdict {
    Right,
    NotShown,
    Unrendered,
    Wrong(String),
}

/// Searches for the images of each `every`-th directory.
pub(crate) fn search(tree: &Tree, judges: &mut Judges, report: &mut Report, every: usize) {
    for unit in units(tree).into_iter().step_by(every) {
        let (rendered, is_rendered) = match judges.images(unit.kind, &unit.directory) {
            Ok(images) => (images, true),
            Err(_) => (Vec::new(), false),
        };
        let mut images: BTreeSet<ImageName> =
            rendered.iter().filter_map(|text| split_spec(text).0.parse().ok()).collect();
        for file in ["values.yaml"].iter().chain(&KUSTOMIZATIONS).filter_map(|name| unit.directory.join(name)) {
            if let Ok(source) = tree.source(&file) {
                images
                    .extend(survey(&source, file.parts().last().unwrap_or_default()).into_iter().map(|one| one.image));
            }
        }
        if !is_rendered {
            report.note("auto: not rendered", format!("{} {}", unit.kind, unit.directory));
        }
        for image in &images {
            one(tree, judges, report, &unit, image, &rendered);
            stranger(tree, report, &unit, image, &images);
        }
    }
}

/// Gives the charts, the kustomizations, and what else holds manifests.
fn units(tree: &Tree) -> Vec<Unit> {
    let mut units = Vec::new();
    let (charts, kustomizations) = (tree.directories(&[CHART]), tree.directories(&KUSTOMIZATIONS));
    for directory in &charts {
        // A chart inside of another one is part of it.
        if directory.parent().parts().last() != Some("charts") || !charts.contains(&directory.parent().parent()) {
            units.push(Unit { directory: directory.clone(), kind: "helm" });
        }
    }
    units.extend(kustomizations.iter().map(|directory| Unit { directory: directory.clone(), kind: "kustomize" }));
    let mut plain: BTreeSet<RepoPath> = BTreeSet::new();
    for file in tree.files() {
        let directory = file.parent();
        let is_other = tree.above(file, &[CHART]).is_some() || kustomizations.contains(&directory);
        if is_other || plain.contains(&directory) {
            continue;
        }
        let Ok(source) = tree.source(file) else { continue };
        let is_object = |root: repin::yaml::Node<'_>| root.get("apiVersion").is_some() && root.get("kind").is_some();
        if source.documents().iter().any(|document| is_object(document.root())) {
            plain.insert(directory);
        }
    }
    units.extend(plain.into_iter().map(|directory| Unit { directory, kind: "plain" }));
    units
}

/// Reads an Application of this path that tracks this image, with more annotations.
fn tracked(unit: &Unit, image: &ImageName, more: &[(String, String)]) -> Vec<TrackedImage> {
    let known = [KnownRepository {
        name: "gitops".into(),
        branch: "main".parse().unwrap(),
        branches: Vec::new(),
        default: None,
        urls: vec!["git.example/acme/gitops".into()],
    }];
    let more: String = more.iter().map(|(key, value)| format!("    {key}: {}\n", serde_json::json!(value))).collect();
    let path = if unit.directory.as_str().is_empty() { "." } else { unit.directory.as_str() };
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: a\n  annotations:\n    \
         {PREFIX}image-list: app={image}\n{more}spec:\n  source: {{repoURL: \"https://git.example/acme/gitops.git\", \
         path: {path:?}, targetRevision: main}}\n"
    );
    let file = "application.yaml".parse().unwrap();
    let (applications, problems) = expand_alone(read_applications("gitops", &file, &text));
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    let configured = Configured { repositories: &known, ..Configured::default() };
    let (tracked, problems) = resolve(&applications[0], &configured);
    assert!(tracked.iter().all(|image| image.refusal.is_none()), "{problems:?}\n{text}");
    tracked
}

/// Searches for an image, and gives its places or why there are none.
fn found(tree: &Tree, unit: &Unit, image: &ImageName, more: &[(String, String)]) -> Result<Vec<Located>, Failure> {
    let mut all = Vec::new();
    for tracked in tracked(unit, image, more) {
        let target = tracked.target.as_ref().expect("the source is a configured repository");
        for located in tree.searched(image, |files| locate(&tracked, target, files)) {
            match &located.site {
                Ok(_) => all.push(located),
                Err(failure) => return Err(failure.clone()),
            }
        }
    }
    Ok(all)
}

fn one(tree: &Tree, judges: &mut Judges, report: &mut Report, unit: &Unit, image: &ImageName, rendered: &[String]) {
    report.count("auto/asked");
    let at = format!("{} {}: {image}", unit.kind, unit.directory);
    let failure = match found(tree, unit, image, &[]) {
        Ok(places) => {
            match judged(tree, judges, report, unit, image, rendered, &places, &at) {
                Verdict::Right => report.count("auto/right"),
                Verdict::NotShown => report.count("auto/right, not shown"),
                Verdict::Unrendered => report.count("auto/unverified"),
                Verdict::Wrong(why) => report.wrong(format!("auto: {at}: {why}")),
            }
            return;
        }
        Err(failure) => failure,
    };
    report.count("auto/silent");
    let is_shown = rendered.iter().any(|text| names(text, image));
    report.note("auto/silent", format!("{}{}", failure.code, if is_shown { ", and it runs" } else { "" }));
    report.note(
        "auto/silent: such as",
        format!("{at}: {} ({})", failure.message, failure.hint.as_deref().unwrap_or("-")),
    );
    let suggested = suggested(&failure);
    if failure.code == "target/ambiguous" && failure.hint.is_none() {
        report.wrong(format!("auto: {at}: several places, and no word on what to do: {}", failure.message));
    }
    for annotation in suggested {
        report.count("auto/suggested");
        let line = format!("`{}: {}`", annotation.0, annotation.1);
        match found(tree, unit, image, std::slice::from_ref(&annotation)) {
            Ok(places) => match judged(tree, judges, report, unit, image, rendered, &places, &at) {
                // What is switched off was said to be, and is written because somebody wants it all the same.
                Verdict::Wrong(_) if failure.message.contains("`enabled: false`") => report.count("auto/settled"),
                Verdict::Wrong(why) => report.wrong(format!("auto: {at}: with {line}: {why}")),
                Verdict::Right | Verdict::NotShown | Verdict::Unrendered => report.count("auto/settled"),
            },
            Err(failure) => report.wrong(format!("auto: {at}: {line} does not settle it: {}", failure.message)),
        }
    }
}

/// An image of another registry must not be taken for this one.
fn stranger(tree: &Tree, report: &mut Report, unit: &Unit, image: &ImageName, all: &BTreeSet<ImageName>) {
    let Ok(other) = format!("docker.io/{}", image.repository()).parse::<ImageName>() else { return };
    if all.contains(&other) {
        return;
    }
    report.count("auto/strangers");
    if let Ok(places) = found(tree, unit, &other, &[]) {
        let keys: Vec<String> = places.iter().map(|one| format!("{} {:?}", one.file, one.key)).collect();
        report
            .wrong(format!("auto: {} {}: {other} is found where {image} stands: {keys:?}", unit.kind, unit.directory));
    }
}

/// Gives the annotations of a hint: what stands in backticks and begins with the prefix.
fn suggested(failure: &Failure) -> Vec<(String, String)> {
    let hint = failure.hint.as_deref().unwrap_or_default();
    let quoted = hint.split('`').skip(1).step_by(2);
    let pairs = quoted
        .filter_map(|text| text.split_once(": "))
        .filter(|(key, value)| key.starts_with(PREFIX) && !value.contains('<'));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Writes another tag at the places and judges what is rendered then.
#[allow(clippy::too_many_arguments)]
fn judged(
    tree: &Tree,
    judges: &mut Judges,
    report: &mut Report,
    unit: &Unit,
    image: &ImageName,
    rendered: &[String],
    places: &[Located],
    at: &str,
) -> Verdict {
    if places.is_empty() {
        return Verdict::Wrong("neither a place nor a word".to_owned());
    }
    let old = places[0].site.as_ref().ok().and_then(|site| site.tag()).unwrap_or_default().to_owned();
    let mut refused = String::new();
    for tag in [TAG.to_owned(), format!("{old}{END}")] {
        let files = match written(tree, image, places, &tag) {
            Ok(files) => files,
            Err(why) => {
                report.note("auto: refused edit", format!("{at}: {why}"));
                return Verdict::Unrendered;
            }
        };
        match judges.render(unit.kind, &unit.directory, &files, None) {
            Rendered::Done { changed, .. } => return verdict(report, image, rendered, &changed, &tag, at),
            Rendered::Not(_) => return Verdict::Unrendered,
            Rendered::Refused(why, _) => refused = why,
        }
    }
    report.note("auto: refused by what renders it", format!("{at}: {refused}"));
    Verdict::Unrendered
}

fn verdict(
    report: &mut Report,
    image: &ImageName,
    rendered: &[String],
    changed: &[Change],
    tag: &str,
    at: &str,
) -> Verdict {
    let (mut right, mut others) = (0, Vec::new());
    for change in changed.iter().filter(|change| change.at.ends_with("/image")) {
        let (before, after) = (split_spec(&change.before), split_spec(&change.after));
        if before.0 != after.0 || !names(&change.after, image) {
            others.push(format!("{} changes from {} to {}", change.at, change.before, change.after));
        } else if after.1 == Some(tag) || after.2 != before.2 {
            right += 1;
        }
    }
    let shown = rendered.iter().filter(|text| names(text, image)).count();
    match (right, shown) {
        // A name that charts put before the names of several images is none that runs.
        (0, 0) if others.iter().all(|other| other.contains(&format!("{image}/"))) => Verdict::NotShown,
        (0, 0) => Verdict::Wrong(format!("it does not run, and {}", others.join("; "))),
        (0, _) => {
            let others: Vec<String> =
                changed.iter().map(|one| format!("{} {:.80}", one.at, one.after)).take(4).collect();
            Verdict::Wrong(format!("it runs, and another tag there changes nothing of it (but {others:?})"))
        }
        (right, shown) => {
            if !others.is_empty() {
                report.count("auto/right, others follow");
                report.note("auto/right, others follow", format!("{at}: {}", others.join("; ")));
            }
            if right < shown {
                report.count("auto/right in part");
                report.note("auto/right in part", format!("{at}: {right} of {shown}"));
            }
            Verdict::Right
        }
    }
}

/// Gives the files with another tag at the places.
fn written(
    tree: &Tree,
    image: &ImageName,
    places: &[Located],
    tag: &str,
) -> Result<BTreeMap<RepoPath, String>, String> {
    let mut files: BTreeMap<RepoPath, String> = BTreeMap::new();
    for located in places {
        let (Some(place), Ok(site)) = (&located.place, &located.site) else { return Err("no place".to_owned()) };
        let before = tree.source(&located.file).expect("it was found there");
        let text = files.get(&located.file).map_or(before.text(), String::as_str);
        let source = repin::manifest::Source::parse(text).expect("it was proven");
        // What is pinned by a digest alone is pinned by another one.
        let is_digest = site.held.tag.is_none() && site.held.digest.is_some();
        let wanted = if is_digest {
            Wanted { tag: None, digest: Some(format!("sha256:{}", "0123456789abcdef".repeat(4))) }
        } else {
            Wanted { tag: Some(tag.to_owned()), digest: site.held.digest.clone() }
        };
        let text = place.write(&source, image, &wanted).map_err(|error| error.to_string())?;
        files.insert(located.file.clone(), text);
    }
    Ok(files)
}

fn names(text: &str, image: &ImageName) -> bool {
    split_spec(text).0.parse::<ImageName>().is_ok_and(|name| name == *image)
}
