//! What `explain` needs of everything: one Application, and what says something about it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::model::rule::Rule;
use crate::model::tracked::{Refusal, RemoteBranch, Search, TrackedImage};
use crate::plan::{Snapshot, Subject};
use crate::rules::terms::Terms;

/// Tells whether other images may say something about one: it may take its values from theirs, or what they change may use
/// up a limit. Which ones is known once their places are.
pub(super) fn depends_on_others(
    rules: &[Rule],
    max_changes_per_push: Option<u32>,
    images: &[Arc<TrackedImage>],
) -> bool {
    let of_rule = |rule: &Rule| {
        let least = &rule.at_least;
        let promotions = [&rule.promote_from, &least.promote_from];
        let limits = [
            rule.max_changes_per_hour,
            rule.max_changes_per_push,
            least.max_changes_per_hour,
            least.max_changes_per_push,
        ];
        promotions.into_iter().any(Option::is_some) || limits.into_iter().any(|limit| limit.is_some())
    };
    max_changes_per_push.is_some()
        || rules.iter().any(of_rule)
        || images.iter().any(|image| image.wishes.promote_from.is_some())
}

/// Leaves out the images that say nothing about the Application of this name: all but its own, those that may share a place
/// with them, those that are promoted together with them, and the environments upstream. Of these only what stands there
/// is looked at: they are decided on by nobody, so no registry is asked for them. Where a limit counts, all that is
/// changed counts, and nothing is left out.
pub(super) fn keep_explained(snapshot: &mut Snapshot, name: &str) {
    let terms: Vec<&Terms> = snapshot.subjects.iter().map(|subject| subject.terms()).collect();
    let is_named = |subject: &Subject| subject.tracked.application.is_named(name);
    let named = || snapshot.subjects.iter().zip(&terms).filter(|(subject, _)| is_named(subject));
    let bases: HashSet<&RemoteBranch> = named().filter_map(|(subject, _)| base(subject)).collect();
    let is_limited = snapshot.max_changes_per_push.is_some()
        || named().any(|(_, terms)| terms.max_changes_per_hour.is_some())
        || snapshot.subjects.iter().zip(&terms).any(|(subject, terms)| {
            terms.max_changes_per_push.is_some() && base(subject).is_some_and(|base| bases.contains(base))
        });
    if is_limited {
        return;
    }
    let tracked = snapshot.subjects.iter().map(|subject| subject.tracked.clone()).collect();
    let near: HashSet<usize> = explained(tracked, name).iter().map(|image| Arc::as_ptr(image).addr()).collect();
    let groups: HashSet<&str> = named().filter_map(|(subject, _)| subject.tracked.group.as_deref()).collect();
    let is_meant = |subject: &Subject| {
        near.contains(&Arc::as_ptr(&subject.tracked).addr())
            || subject.tracked.group.as_deref().is_some_and(|group| groups.contains(group))
    };
    let promotions = snapshot.subjects.iter().zip(&terms).filter(|(subject, _)| is_meant(subject));
    let upstreams = promotions.filter_map(|(_, terms)| terms.promote_from.as_ref());
    let environments: HashSet<&str> =
        upstreams.flat_map(|promotion| &promotion.upstreams).map(|upstream| upstream.environment.as_str()).collect();
    let is_upstream = |subject: &Subject| {
        let environment = subject.environment();
        environment.is_some_and(|environment| environments.contains(environment))
    };
    let kept: Vec<Arc<Subject>> = snapshot
        .subjects
        .iter()
        .filter_map(|subject| {
            if is_meant(subject) {
                return Some(subject.clone());
            }
            is_upstream(subject).then(|| Arc::new(not_decided(subject)))
        })
        .collect();
    snapshot.subjects = kept;
}

fn base(subject: &Subject) -> Option<&RemoteBranch> {
    subject.tracked.target.as_ref().map(|target| &target.base)
}

/// Gives what stands at a place, without a question about it.
fn not_decided(subject: &Subject) -> Subject {
    let refusal = subject.tracked.refusal.clone().unwrap_or_else(|| Refusal {
        code: "promotion/unknown".to_owned(),
        message: "it is looked at for what is downstream of it only".to_owned(),
    });
    let tracked = TrackedImage { refusal: Some(refusal), ..(*subject.tracked).clone() };
    Subject { tracked: Arc::new(tracked), ..subject.clone() }
}

/// Gives the images of the Application of this name, and those that may share a place with them.
pub(super) fn explained(tracked: Vec<Arc<TrackedImage>>, name: &str) -> Vec<Arc<TrackedImage>> {
    let is_meant = |image: &TrackedImage| image.application.is_named(name);
    let places: HashSet<_> = tracked.iter().filter(|one| is_meant(one)).flat_map(|one| place_names(one)).collect();
    tracked
        .into_iter()
        .filter(|image| is_meant(image) || place_names(image).iter().any(|place| places.contains(place)))
        .collect()
}

/// What two images that may share a place have in common: a file that both look into with a key path that both name, or
/// the image itself, since whoever looks for it by its name may find any place of it.
fn place_names(image: &TrackedImage) -> Vec<String> {
    let Some(target) = &image.target else { return Vec::new() };
    let RemoteBranch { repository, branch } = &target.base;
    let mut names = vec![format!("{repository}\0{branch}\0{}", image.image_text)];
    if let Search::Helm(helm) = &target.search {
        let of_file = |file| format!("{repository}\0{branch}\0{file}\0{}", helm.key);
        names.extend(target.search.files().iter().map(of_file));
    }
    names
}
