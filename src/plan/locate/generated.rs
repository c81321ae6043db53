//! Images of Applications that an ApplicationSet generates: what stands in the rendered object is found as in any other,
//! and then traced to the scalar from which it comes: in the template, in an element of a list, or in a file that a
//! generator read.

use std::cell::LazyCell;
use std::sync::Arc;

use crate::manifest::argocd::trace::{Trace, Traced};
use crate::manifest::place::Place;
use crate::manifest::{Source, objects};
use crate::model::address::{Address, ObjectName};
use crate::model::names::RepoPath;
use crate::model::origin::Rendered;
use crate::model::tracked::{Form, RemoteBranch, Target, TrackedImage};
use crate::plan::locate::auto::Auto;
use crate::plan::locate::{Failure, FileState, Files, Located, Site, broken, edit_failure, search, unusable};

/// Finds the places of an image of a generated Application.
pub(super) fn locate(image: &TrackedImage, rendered: &Rendered, target: &Target, files: Files<'_>) -> Vec<Located> {
    let (Some(name), Some(defining)) = (&image.image, &image.application.file) else { return Vec::new() };
    if target.base.repository != image.application.repository {
        // A file that is called so in another repository is another one.
        return search(&target.search, Auto { image, name, files, declared: &target.declared });
    }
    // In the place of the ApplicationSet's file the search sees what it generates.
    let object = LazyCell::new(|| match Source::parse(&rendered.text) {
        Ok(source) => FileState::Parsed(Arc::new(source)),
        Err(error) => FileState::Unreadable(Arc::new(error)),
    });
    let read = |path: &RepoPath| if path == defining { object.clone() } else { (files.read)(path) };
    let found =
        search(&target.search, Auto { image, name, files: Files { read: &read, ..files }, declared: &target.declared });
    // Most tags stand in other files, and nothing of them is traced.
    let trace = LazyCell::new(|| Trace::of(rendered));
    let is_rendered = |located: &Located| {
        let address = located.place.as_ref().and_then(Place::address);
        located.file == *defining && address.is_some_and(|address| is_generated(address, image))
    };
    let traced = |located: Located| {
        if is_rendered(&located) { at_origin(image, &trace, target, located, files) } else { located }
    };
    let mut all: Vec<Located> = Vec::new();
    for one in found.into_iter().map(traced) {
        // Two texts of one Application may come from one scalar.
        if !all.iter().any(|known| (&known.file, &known.spot) == (&one.file, &one.spot)) {
            all.push(one);
        }
    }
    all
}

fn is_generated(address: &Address, image: &TrackedImage) -> bool {
    let key = &image.application;
    matches!(&address.object, Some(ObjectName::Named { kind, name, .. }) if *kind == key.kind && *name == key.name)
}

/// Moves a place of the rendered object to where its text stands.
fn at_origin(image: &TrackedImage, trace: &Trace, target: &Target, located: Located, files: Files<'_>) -> Located {
    let Some(place) = &located.place else { return located };
    let Some(Traced { origin, form }) = traced(trace, place) else { return untraced(image, place, located.file) };
    let file = origin.file.clone();
    if let Some(base) = origin.base.as_ref().filter(|base| **base != target.base) {
        return elsewhere(image, base, file);
    }
    let source = match (files.read)(&file) {
        FileState::Parsed(source) => source,
        state => return broken(&file, unusable(&file, &state)),
    };
    let place = there(place, objects::shown(&source, origin.address.clone()), form);
    let (key, spot) = (Some(place.key()), place.canonical(&source));
    let held = image.image.as_ref().map(|name| place.read(&source, name));
    let site = match held {
        Some(Ok(held)) => Ok(Site { held, write_name: None, below: None }),
        Some(Err(error)) => Err(edit_failure(&file, &error)),
        None => return located,
    };
    Located { file, key, spot, place: Some(place), site }
}

fn traced(trace: &Trace, place: &Place) -> Option<Traced> {
    match place {
        Place::Tag(address) | Place::Version(address) | Place::Parts { tag: address, .. } => {
            trace.at(&address.key, Form::Tag)
        }
        Place::Spec(address) => trace.at(&address.key, Form::Spec),
        Place::Parameter { list, name, is_spec } => {
            let value = list.key.where_is("name", name).and_then(|item| item.child("value")).ok()?;
            trace.at(&value, if *is_spec { Form::Spec } else { Form::Tag })
        }
        Place::Image { list, name } => trace.image_string(&list.key, name),
        Place::Entry { .. } | Place::Override(_) => None,
    }
}

/// Gives the place of a scalar: where it is the same in the template as in what was made of it, it is read in the same way.
fn there(rendered: &Place, address: Address, form: Form) -> Place {
    let list = |levels: usize, key: &str| {
        let list = (0..levels).try_fold(address.key.clone(), |path, _| path.parent())?;
        (list.last_key() == Some(key)).then(|| address.at(list))
    };
    match (rendered, form) {
        (Place::Parameter { name, is_spec, .. }, _) if address.key.last_key() == Some("value") => {
            if let Some(list) = list(2, "parameters") {
                return Place::Parameter { list, name: name.clone(), is_spec: *is_spec && form == Form::Spec };
            }
        }
        (Place::Image { name, .. }, Form::Spec) => {
            if let Some(list) = list(1, "images") {
                return Place::Image { list, name: name.clone() };
            }
        }
        _ => {}
    }
    Place::of(address, form)
}

/// Says that a tag stands in a repository that the Application does not write to.
fn elsewhere(image: &TrackedImage, base: &RemoteBranch, file: RepoPath) -> Located {
    let message = format!(
        "the tag of `{}` comes from {file} of the repository `{}`, and the Application is written in another one",
        image.image_text, base.repository
    );
    let hint = "name that repository in `git-repository`, the file in `write-back-target: helmvalues:/<file>` and the key in `helm.image-tag`";
    let (code, hint) = ("target/outside".to_owned(), Some(hint.to_owned()));
    broken(&file, Failure { code, message, hint, line: None })
}

/// Says that a tag is put together by a template.
fn untraced(image: &TrackedImage, place: &Place, file: RepoPath) -> Located {
    let message = format!(
        "{file}: the tag of `{}` at `{}` of the generated Application is put together by a template, and stands nowhere by itself",
        image.image_text,
        place.key()
    );
    let hint = "let one parameter be the tag and nothing else, such as `value: '{{.tag}}'`, or name the file that holds it in `write-back-target`";
    let failure =
        Failure { code: "edit/template".to_owned(), message, hint: Some(hint.to_owned()), line: Some(image.line) };
    Located { key: Some(place.key()), ..broken(&file, failure) }
}
