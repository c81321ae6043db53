//! Finds an image in one object: the one that carries the annotations, or one that a key path names.

use crate::manifest::flux::{self, Subject, ValuesFrom};
use crate::manifest::place::Place;
use crate::manifest::{EditError, Found as Value, Source, kustomization, objects};
use crate::model::address::{Address, ObjectName, Shown};
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::tracked::{
    AddressSearch, Form, HelmSearch, Layer, ObjectSearch, Shape, ValuesPart, ValuesSearch, may_be_kustomization,
};
use crate::plan::locate::auto::kustomizations::familiar;
use crate::plan::locate::auto::{Auto, asked};
use crate::plan::locate::found::{Found, LISTED, nowhere, of_key, settle};
use crate::plan::locate::{Failure, FileState, Located, Site, broken, edit_failure, helm_values, unusable};

impl Auto<'_> {
    /// Finds the image in the object that carries the annotations.
    pub(in crate::plan::locate) fn object(&self, search: &ObjectSearch) -> Vec<Located> {
        let file = &search.file;
        let source = match (self.files.read)(file) {
            FileState::Parsed(source) => source,
            state => return vec![broken(file, unusable(file, &state))],
        };
        let failed = |error: &EditError| vec![broken(file, edit_failure(file, error))];
        let (subject, object) = match flux::subject(&source, &search.object) {
            Ok(Some(found)) => found,
            Ok(None) => {
                let path = search.object.to_string();
                return failed(&EditError::NoSuchKey { path, nearest: None });
            }
            Err(error) => return failed(&error),
        };
        // Its namespace may be written otherwise than where it is defined, if another branch is read.
        let search = &ObjectSearch { object, ..search.clone() };
        match (subject, &search.key) {
            (Subject::Release, _) => self.release(search, &source),
            (_, Some((key, form))) => {
                let of_object = |key: &KeyPath| Address {
                    object: Some(search.object.clone()),
                    shown: Shown::Name,
                    key: key.clone(),
                };
                let name = search.name_key.as_ref().map(of_object);
                let (file, address) = (file.clone(), of_object(key));
                self.address(&AddressSearch { file, address, form: *form, name })
            }
            (Subject::Kustomization, None) => self.images(search, &source).unwrap_or_else(|error| failed(&error)),
            (Subject::KustomizationFile, None) if may_be_kustomization(file) => {
                self.kustomization(&file.parent(), search.entry.as_deref())
            }
            (Subject::KustomizationFile | Subject::Other, None) => {
                let (places, empty) = asked(self.own(search, &source));
                settle(self.image, places, &empty, file, &format!("the {} of {file}", search.object))
            }
        }
    }

    /// Finds what names the image in the object's own fields.
    fn own(&self, search: &ObjectSearch, source: &Source) -> Vec<Found> {
        let around = self.around(&[source]);
        let mut found = self.outside_values(&search.file, source, "", &around);
        self.add_marked(&search.file, source, "", &around, &mut found);
        self.of_object(search, found)
    }

    /// Keeps what is of the object, each with the annotation that names it.
    fn of_object(&self, search: &ObjectSearch, all: Vec<Found>) -> Vec<Found> {
        let is_own = |found: &Found| found.place.address().and_then(|at| at.object.as_ref()) == Some(&search.object);
        let named = |found: Found| {
            let key = found.place.tag().map(|at| at.key.to_string()).unwrap_or_default();
            let form = if matches!(found.place, Place::Spec(_)) { Form::Spec } else { Form::Tag };
            Found { annotation: of_key(self.image, &key, form), ..found }
        };
        all.into_iter().filter(is_own).map(named).collect()
    }

    /// Finds the image in the values of a HelmRelease, and its chart.
    fn release(&self, search: &ObjectSearch, source: &Source) -> Vec<Located> {
        let file = &search.file;
        let Ok(key) = "spec.values".parse::<KeyPath>() else { return Vec::new() };
        let part = ValuesPart { object: search.object.clone(), key, shape: Shape::Values };
        let own = Layer { file: file.clone(), part: Some(part) };
        let (mut layers, elsewhere) = self.layers(search, source);
        layers.push(own.clone());
        let name_key = search.name_key.clone();
        if let Some((key, form)) = &search.key {
            let (files, values, key, form) = (layers.clone(), layers, key.clone(), *form);
            return vec![helm_values(
                self.name,
                &HelmSearch { files, fallback: own, values, overriding: Vec::new(), key, form, name_key },
                self.files,
            )];
        }
        let around = self.around(&[source]);
        let mut places = self.of_object(search, self.outside_values(file, source, "", &around));
        let values =
            ValuesSearch { files: layers.clone(), fallback: own, values: layers, overriding: Vec::new(), name_key };
        let empty = match self.in_values(&values) {
            Ok((found, empty)) => {
                places.extend(found);
                empty
            }
            Err(located) => return vec![*located],
        };
        let known = places.len();
        self.add_marked(file, source, "", &around, &mut places);
        let marked = places.split_off(known);
        places.extend(self.of_object(search, marked));
        let looked = format!("the values and the chart of the {} of {file}{elsewhere}", search.object);
        let is_nowhere = places.is_empty() && empty.is_empty();
        let mut all = settle(self.image, places, &empty, file, &looked);
        if let (true, Some(Err(failure))) = (is_nowhere, all.first_mut().map(|one| one.site.as_mut())) {
            self.name_tags(&values, failure);
        }
        all
    }

    /// Gives the layers below the values of a HelmRelease, as far as they stand beside it, and says which do not.
    fn layers(&self, search: &ObjectSearch, source: &Source) -> (Vec<Layer>, String) {
        let (mut layers, mut elsewhere) = (Vec::new(), Vec::new());
        for from in flux::values_from(source, &search.object) {
            match self.config_map(search, source, &from) {
                Some(layer) => layers.push(layer),
                None => elsewhere.push(format!("the {} `{}`", from.kind, from.name)),
            }
        }
        let elsewhere = match elsewhere.as_slice() {
            [] => String::new(),
            all => format!(", but not into {} of its `valuesFrom`", all.join(", ")),
        };
        (layers, elsewhere)
    }

    /// Finds the ConfigMap with values in the same file, else in the same directory, if there is one only.
    fn config_map(&self, search: &ObjectSearch, source: &Source, from: &ValuesFrom) -> Option<Layer> {
        let key = from.key.clone().filter(|_| from.kind == "ConfigMap")?;
        let layers = |file: &RepoPath, source: &Source| -> Vec<Layer> {
            let objects = flux::config_maps(source, &from.name, &search.object).into_iter();
            let part = |object: ObjectName| ValuesPart { object, key: key.clone(), shape: Shape::Values };
            objects.map(|object| Layer { file: file.clone(), part: Some(part(object)) }).collect()
        };
        let mut found = layers(&search.file, source);
        if found.is_empty() {
            for file in (self.files.holding)(&search.file.parent(), false, &from.name) {
                if let FileState::Parsed(source) = (self.files.read)(&file) {
                    found.extend(layers(&file, &source));
                }
            }
        }
        // Which one of several is meant is not known here.
        if found.len() == 1 { found.pop() } else { None }
    }

    /// Finds the entries of `spec.images` of a Kustomization of Flux, or where one is to be added.
    fn images(&self, search: &ObjectSearch, source: &Source) -> Result<Vec<Located>, EditError> {
        let file = &search.file;
        let list = flux::image_list(source, &search.object)
            .ok_or_else(|| EditError::NoSuchKey { path: search.object.to_string(), nearest: None })?;
        let mut names = kustomization::find(source, &list, self.name, search.entry.as_deref())?;
        let mut places = Vec::new();
        if names.is_empty() && search.entry.is_none() {
            // Variables that it substitutes may hold the tag, if a marker says so.
            places = self.own(search, source);
        }
        if names.is_empty() && places.is_empty() {
            names.push(search.entry.clone().unwrap_or_else(|| familiar(self.name)));
        }
        places.extend(names.into_iter().map(|name| self.entry(file, source, &list, name)));
        Ok(settle(self.image, places, &[], file, &format!("`spec.images` of the {} of {file}", search.object)))
    }

    /// Finds a key path in an object of a file, or in the only one that has it.
    pub(in crate::plan::locate) fn address(&self, search: &AddressSearch) -> Vec<Located> {
        let AddressSearch { file, address, form, name } = search;
        let source = match (self.files.read)(file) {
            FileState::Parsed(source) => source,
            state => return vec![broken(file, unusable(file, &state))],
        };
        let found = match placed(&source, address) {
            Ok(found) => found,
            Err(failure) => return vec![nowhere(file.clone(), failure.0, format!("{file}: {}", failure.1), failure.2)],
        };
        let name = name.as_ref().map(|name| match (&name.object, &found.object) {
            // Without an object of its own, the name stands in that of the tag.
            (None, Some(_)) => found.at(name.key.clone()),
            _ => name.clone(),
        });
        let place = Place::of(objects::shown(&source, found), *form);
        let named = name.map_or(Ok(()), |name| self.check_name(file, &source, &name));
        let read = |()| {
            let held = place.read(&source, self.name);
            let held = held.and_then(|held| place.check_named(&source, self.name).map(|()| held));
            held.map_err(|error| edit_failure(file, &error))
        };
        let site = named.and_then(read).map(|held| Site { held, write_name: None, below: None });
        let (key, spot) = (Some(place.key()), place.canonical(&source));
        vec![Located { file: file.clone(), place: Some(place), key, spot, site }]
    }

    /// Checks that the text of an address is the image.
    fn check_name(&self, file: &RepoPath, source: &Source, name: &Address) -> Result<(), Failure> {
        match source.read_at(name).map_err(|error| edit_failure(file, &error))? {
            Value::Text { value, .. } if value.parse().as_ref() == Ok(self.name) => Ok(()),
            Value::Text { value, line } => {
                let error = EditError::OtherImage {
                    path: name.to_string(),
                    line,
                    value,
                    image: self.name.to_string(),
                    is_spec: true,
                };
                Err(edit_failure(file, &error))
            }
            Value::Absent { .. } | Value::Null { .. } => {
                let error = EditError::NoSuchKey { path: name.to_string(), nearest: None };
                Err(edit_failure(file, &error))
            }
        }
    }
}

/// Finds the object that has a key path; none where the address names one. Else code, message and hint.
fn placed(source: &Source, address: &Address) -> Result<Address, (&'static str, String, String)> {
    if address.object.is_some() {
        return Ok(address.clone());
    }
    let key = &address.key;
    let mut found = objects::holding(source, key);
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            found.push(last);
            let more = if found.len() > LISTED { " and more" } else { "" };
            let names: Vec<String> = found.iter().take(LISTED).map(|one| format!("`{one}`")).collect();
            let message = format!("several objects have the key `{key}`: {}{more}", names.join(", "));
            Err(("target/ambiguous", message, "write the key with one of these objects in front".to_owned()))
        }
        (None, _) => {
            let names: Vec<ObjectName> = objects::names(source);
            let there = match names.as_slice() {
                [] => "it has no objects".to_owned(),
                all => {
                    let names: Vec<String> = all.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
                    format!("its objects are {}", names.join(", "))
                }
            };
            let message = format!("no object has the key `{key}`; {there}");
            Err((
                "edit/no-such-key",
                message,
                "correct the key path, or add the key once with its present value".to_owned(),
            ))
        }
    }
}
