//! What was found of an image by its name, and whether it is one place, several that agree, or a question to a person.

use std::fmt::Display;

use crate::manifest::Source;
use crate::manifest::place::{Held, Place};
use crate::model::address::ObjectName;
use crate::model::application::PREFIX;
use crate::model::names::RepoPath;
use crate::model::tracked::{Form, KUSTOMIZATIONS, TrackedImage};
use crate::plan::locate::auto::says_what_runs;
use crate::plan::locate::{Failure, Located, Site, broken, shown};

/// How many places, files or objects a message lists.
pub(super) const LISTED: usize = 8;

/// A place that names the image.
pub(super) struct Found {
    pub(super) file: RepoPath,
    pub(super) place: Place,
    /// The place without predicates.
    pub(super) spot: String,
    /// What stands there.
    pub(super) held: Result<Held, Failure>,
    /// The annotation that names it.
    pub(super) annotation: String,
    /// Where what is held stands, if it is not there.
    pub(super) below: Option<(RepoPath, Place)>,
}

impl Found {
    /// Reads a place.
    pub(super) fn read(
        file: &RepoPath,
        place: Place,
        source: &Source,
        held: Result<Held, Failure>,
        annotation: String,
    ) -> Self {
        let spot = place.canonical(source);
        Self { file: file.clone(), place, spot, held, annotation, below: None }
    }

    /// Tells whether it says which image runs, or cannot be read.
    pub(super) fn says_what_runs(&self) -> bool {
        self.held.as_ref().map_or(true, says_what_runs)
    }

    pub(super) fn value(&self) -> Option<String> {
        let held = self.held.as_ref().ok()?;
        Some(shown(held.tag.as_deref(), held.digest.as_deref())).filter(|value| !value.is_empty())
    }

    /// `file:line key value`.
    fn listed(&self) -> String {
        let line = match &self.held {
            Ok(held) => held.line,
            Err(failure) => failure.line,
        };
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let value = match (&self.held, self.value()) {
            (Err(failure), _) => failure.code.clone(),
            (Ok(_), Some(value)) => value,
            (Ok(_), None) => "(no tag)".to_owned(),
        };
        format!("{}{line} {} {value}", self.file, self.place.key())
    }

    fn located(self) -> Located {
        let (key, spot) = (Some(self.place.key()), self.spot);
        // What has no effect is nobody's place.
        let has_effect = self.held.as_ref().map_or_else(|failure| failure.code != "target/ambiguous", |_| true);
        let site = self.held.map(|held| Site { held, write_name: None, below: self.below });
        Located { file: self.file, place: Some(self.place).filter(|_| has_effect), key, spot, site }
    }
}

/// Gives the one place, or the several that hold the same; else what a person has to settle.
///
/// `empty` are places that name the image without a tag, `looked` is what was looked into.
pub(super) fn settle(
    image: &TrackedImage,
    mut places: Vec<Found>,
    empty: &[Found],
    fallback: &RepoPath,
    looked: &str,
) -> Vec<Located> {
    let agree = match places.as_slice() {
        [] => return vec![not_found(image, empty, fallback, looked)],
        [_] => true,
        [first, rest @ ..] => {
            first.held.is_ok() && rest.iter().all(|one| one.held.is_ok() && one.value() == first.value())
        }
    };
    if agree {
        return places.into_iter().map(Found::located).collect();
    }
    let (name, listed) = (&image.image_text, listed(&places));
    if let Some((file, failure)) = places.iter().find_map(|place| Some((&place.file, place.held.as_ref().err()?))) {
        let message =
            format!("`{name}` stands at several places that cannot all be used: {listed}; {}", failure.message);
        let mut usable = lines(image, &places, |place| place.held.is_ok());
        usable.truncate(LISTED);
        let hint = match (&failure.hint, usable.as_slice()) {
            (hint, []) => hint.clone(),
            (None, lines) => Some(format!("say which one is meant: {}", lines.join(", or "))),
            (Some(hint), lines) => Some(format!("{hint}; or say which one is meant: {}", lines.join(", or "))),
        };
        let failure = Failure { code: "target/ambiguous".to_owned(), message, hint, ..failure.clone() };
        return vec![broken(file, failure)];
    }
    let message = format!("`{name}` stands at several places that differ: {listed}");
    let mut lines = lines(image, &places, |_| true);
    let hint = match lines.as_slice() {
        [_] => "give all of them the same tag once, or keep them apart as images of their own".to_owned(),
        _ => {
            lines.truncate(LISTED);
            format!("say which one is meant: {}", lines.join(", or "))
        }
    };
    let file = if places.is_empty() { fallback.clone() } else { places.swap_remove(0).file };
    vec![nowhere(file, "target/ambiguous", message, hint)]
}

/// Gives the annotations that say which of these places is meant: where one names the file of several, with the place in it.
fn lines(image: &TrackedImage, places: &[Found], is_meant: impl Fn(&Found) -> bool) -> Vec<String> {
    let is_of_several = |place: &Found| places.iter().filter(|other| other.annotation == place.annotation).count() > 1;
    let line = |place: &Found| {
        let exact = exact(image, &place.place).filter(|_| place.annotation == of_manifests(&place.file));
        match exact.filter(|_| is_of_several(place)) {
            Some(exact) => format!("{} with {exact}", place.annotation),
            None => place.annotation.clone(),
        }
    };
    let mut lines: Vec<String> = Vec::new();
    for line in places.iter().filter(|place| is_meant(place)).map(line) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Gives the annotation that names a manifest.
pub(super) fn of_manifests(file: &RepoPath) -> String {
    format!("`{PREFIX}write-back-target: /{file}`")
}

/// Gives the annotation that names a file of values.
pub(super) fn of_values(file: &RepoPath) -> String {
    format!("`{PREFIX}write-back-target: helmvalues:/{file}`")
}

/// Gives the annotation that says at which key the image stands.
pub(super) fn of_key(image: &TrackedImage, key: &dyn Display, form: Form) -> String {
    let alias = image.alias.replace('/', "_");
    let word = match form {
        Form::Tag => "tag",
        Form::Spec => "spec",
    };
    format!("`{PREFIX}{alias}.helm.image-{word}: {key}`")
}

/// Tells whether a place stands in a file that is values as a whole.
pub(super) fn is_of_values(found: &Found) -> bool {
    matches!(&found.place, Place::Tag(address) | Place::Spec(address) if address.object.is_none())
}

/// Gives the annotation that names a place in its file.
fn exact(image: &TrackedImage, place: &Place) -> Option<String> {
    match place {
        Place::Spec(address) => Some(of_key(image, address, Form::Spec)),
        Place::Tag(address) | Place::Parts { tag: address, .. } => Some(of_key(image, address, Form::Tag)),
        Place::Version(_)
        | Place::Entry { .. }
        | Place::Parameter { .. }
        | Place::Image { .. }
        | Place::Override(_) => None,
    }
}

/// Gives the annotations that say which of these places of several sources is meant.
fn lines_across(image: &TrackedImage, all: &[Located]) -> Vec<String> {
    let target = |one: &Located| match one.place.as_ref()? {
        Place::Entry { .. } => Some(format!("`{PREFIX}write-back-target: kustomization:/{}`", one.file.parent())),
        Place::Tag(address) | Place::Spec(address) if address.object.is_none() => Some(of_values(&one.file)),
        Place::Tag(address) | Place::Spec(address) | Place::Parts { tag: address, .. } => {
            // What stands in the Application itself is no file of manifests.
            let is_own =
                matches!(&address.object, Some(ObjectName::Named { kind, .. }) if kind.starts_with("Application"));
            (!is_own).then(|| of_manifests(&one.file))
        }
        Place::Version(_) | Place::Parameter { .. } | Place::Image { .. } | Place::Override(_) => None,
    };
    let targets: Vec<(String, Option<String>)> = all
        .iter()
        .filter_map(|one| Some((target(one)?, one.place.as_ref().and_then(|place| exact(image, place)))))
        .collect();
    let is_of_several = |target: &String| targets.iter().filter(|(other, _)| other == target).count() > 1;
    let line = |(target, exact): &(String, Option<String>)| match exact.as_ref().filter(|_| is_of_several(target)) {
        Some(exact) => format!("{target} with {exact}"),
        None => target.clone(),
    };
    targets.iter().map(line).take(LISTED).collect()
}

/// Puts together what the searches of several sources found: what only one of them has, or what all hold alike.
pub(super) fn across(image: &TrackedImage, searches: Vec<Vec<Located>>) -> Vec<Located> {
    const ABSENT: [&str; 3] = ["target/not-found", "edit/no-such-key", "edit/no-such-file"];
    let is_absent =
        |one: &Located| one.site.as_ref().is_err_and(|failure| ABSENT.iter().any(|code| *code == failure.code));
    let (absent, mut found): (Vec<_>, Vec<_>) =
        searches.into_iter().partition(|search: &Vec<Located>| search.iter().all(is_absent));
    if found.len() < 2 {
        return found.pop().unwrap_or_else(|| nowhere_at_all(absent));
    }
    let mut all: Vec<Located> = Vec::new();
    for one in found.into_iter().flatten() {
        if !all.iter().any(|known| (&known.file, &known.spot) == (&one.file, &one.spot)) {
            all.push(one);
        }
    }
    let value = |one: &Located| one.site.as_ref().ok().map(Site::shown);
    if all.iter().all(|one| value(one).is_some() && value(one) == all.first().and_then(value)) {
        return all;
    }
    let listed = |one: &Located| {
        let value = match &one.site {
            Ok(site) => site.shown().unwrap_or_else(|| "(no tag)".to_owned()),
            Err(failure) => failure.code.clone(),
        };
        format!("{} {} {value}", one.file, one.key.as_deref().unwrap_or_default())
    };
    let places: Vec<String> = all.iter().take(LISTED).map(listed).collect();
    let message = format!("`{}` stands in several sources that differ: {}", image.image_text, places.join("; "));
    let hint = match lines_across(image, &all).as_slice() {
        [] => "name the file that is meant in `write-back-target`".to_owned(),
        lines => format!("say which one is meant: {}", lines.join(", or ")),
    };
    let file = all.swap_remove(0).file;
    vec![nowhere(file, "target/ambiguous", message, hint)]
}

/// Says of every source that nothing was found there.
fn nowhere_at_all(searches: Vec<Vec<Located>>) -> Vec<Located> {
    let mut all = searches.into_iter().flatten();
    let Some(mut first) = all.next() else { return Vec::new() };
    if let Err(failure) = &mut first.site {
        for other in all.filter_map(|one| one.site.err()) {
            failure.message = format!("{}; {}", failure.message, other.message);
        }
    }
    vec![first]
}

fn not_found(image: &TrackedImage, empty: &[Found], fallback: &RepoPath, looked: &str) -> Located {
    let (message, hint) = match empty {
        [] => (
            format!("nothing names `{}`: looked into {looked}", image.image_text),
            match fallback.parts().last() {
                Some(file) if KUSTOMIZATIONS.contains(&file) => format!(
                    "to have an entry added to `images:`, write `{PREFIX}write-back-target: kustomization`; else name the \
                     manifest: `{PREFIX}write-back-target: <path>`"
                ),
                _ => format!(
                    "name the place: {}, or a manifest: `{PREFIX}write-back-target: <path>`",
                    of_key(image, &"<key path>", Form::Tag)
                ),
            },
        ),
        [first, ..] => (
            format!("`{}` is named without a tag, so nothing says what runs: {}", image.image_text, listed(empty)),
            format!("to have the tag written there, add {}", first.annotation),
        ),
    };
    nowhere(empty.first().map_or(fallback, |one| &one.file).clone(), "target/not-found", message, hint)
}

/// Lists places as `file:line key value`.
pub(super) fn listed(places: &[Found]) -> String {
    let mut listed: Vec<String> = places.iter().take(LISTED).map(Found::listed).collect();
    if places.len() > LISTED {
        listed.push(format!("{} more", places.len() - LISTED));
    }
    listed.join("; ")
}

/// A file without a place that could be written.
pub(super) fn nowhere(file: RepoPath, code: &str, message: String, hint: String) -> Located {
    broken(&file, Failure { code: code.to_owned(), message, hint: Some(hint), line: None })
}
