//! Finds the entry of the file that overrides a source for one Application, and what runs as long as it is not there.

use std::sync::Arc;

use crate::manifest::overrides::Override;
use crate::manifest::place::{Current, Held, Place};
use crate::manifest::{EditError, Source, image_strings, kustomization};
use crate::model::address::Address;
use crate::model::application::Parameter;
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::tracked::{CHART, Form, OverrideSearch, Tool, kustomizations};
use crate::plan::locate::auto::Auto;
use crate::plan::locate::auto::kustomizations::familiar;
use crate::plan::locate::found::nowhere;
use crate::plan::locate::values::{Values, place};
use crate::plan::locate::{Failure, FileState, Located, Site, broken, edit_failure, unusable};

/// Where argocd-image-updater writes the name and the tag of an image if no annotation says it.
const NAME: &str = "image.name";
const TAG: &str = "image.tag";

/// An entry, what runs without it, and where that stands, if that is a place of the repository.
type Entry = (Override, Result<Held, Failure>, Option<(RepoPath, Place)>);

impl Auto<'_> {
    /// Finds the entry of an image.
    pub(in crate::plan::locate) fn overrides(&self, search: &OverrideSearch) -> Located {
        self.try_overrides(search).unwrap_or_else(|located| *located)
    }

    fn try_overrides(&self, search: &OverrideSearch) -> Result<Located, Box<Located>> {
        let is_there = |file: &RepoPath| self.files.is_there(file);
        let there = search.files.iter().find(|file| is_there(file)).or(search.files.first());
        let file = there.cloned().unwrap_or_default();
        let source = match (self.files.read)(&file) {
            FileState::Parsed(source) => source,
            FileState::Missing => {
                Arc::new(Source::parse("").map_err(|error| Box::new(broken(&file, edit_failure(&file, &error))))?)
            }
            state => return Err(Box::new(broken(&file, unusable(&file, &state)))),
        };
        let path = &search.source.path;
        let has_chart = path.join(CHART).is_some_and(|chart| is_there(&chart));
        let has_kustomization = kustomizations(path).iter().any(is_there);
        let (entry, without, stands) = match search.source.tool(&is_there) {
            Tool::Helm if has_chart => self.parameter(search, &file, &source)?,
            Tool::Kustomize if has_kustomization => self.string(search, &file, &source)?,
            Tool::Helm | Tool::Kustomize | Tool::Directory => {
                let message = format!(
                    "`{path}` holds no chart and no kustomization, and Argo CD overrides nothing else by {file}"
                );
                let hint = "name the file that holds the tag in `write-back-target`".to_owned();
                return Err(Box::new(nowhere(file, "target/not-found", message, hint)));
            }
        };
        let place = Place::Override(entry);
        let (key, spot) = (Some(place.key()), place.canonical(&source));
        let (held, below) = match place.read(&source, self.name).map_err(|error| edit_failure(&file, &error)) {
            Ok(Held { current: Current::Absent, .. }) => (without, stands),
            held => (held, None),
        };
        let site = held.map(|held| Site { held, write_name: None, below });
        Ok(Located { file, place: Some(place), key, spot, site })
    }

    /// The parameters of a chart.
    fn parameter(&self, search: &OverrideSearch, file: &RepoPath, source: &Source) -> Result<Entry, Box<Located>> {
        let (key, form) = match &search.key {
            Some((key, form)) => (key.clone(), *form),
            None => (self.legal(file, TAG)?, Form::Tag),
        };
        let values = Values::new(&search.source.values.values, self.files);
        let image = if form == Form::Tag { self.name_parameter(search, file, source, &values, &key)? } else { None };
        let is_spec = form == Form::Spec;
        let entry = Override::Parameter { name: key.to_string(), is_spec, seed: search.parameters.clone(), image };
        let layer = values.holder(&key).and_then(|(layer, source, key)| {
            let place = place(layer, source, &key, form)?;
            match place.read(source, self.name) {
                Err(EditError::NoSuchKey { .. }) => None,
                held => Some((held.map_err(|error| edit_failure(&layer.file, &error)), layer, place)),
            }
        });
        // Where the Application stands in another repository its parameters are no layer here.
        let of_application = search.parameters.iter().rev().find(|one| one.name == key.to_string());
        let stands = layer.as_ref().filter(|(_, layer, _)| of_application.is_none() || layer.part.is_some());
        let stands = stands.map(|(_, layer, place)| (layer.file.clone(), place.clone()));
        let runs = match of_application {
            Some(one) => Some(Ok(spoken(&one.value, is_spec))),
            None => layer.map(|(held, ..)| held),
        };
        // The line is one of another file.
        let runs = runs.unwrap_or_else(|| Ok(nothing())).map(|held| Held { line: None, ..held });
        Ok((entry, runs, stands))
    }

    /// Gives the parameter that names the image, if nothing does so yet.
    fn name_parameter(
        &self,
        search: &OverrideSearch,
        file: &RepoPath,
        source: &Source,
        values: &Values,
        tag: &KeyPath,
    ) -> Result<Option<Parameter>, Box<Located>> {
        let key = match &search.name_key {
            Some(key) => key.clone(),
            None if values.named(self.name).iter().any(|named| named.key == *tag) => return Ok(None),
            None => self.legal(file, NAME)?,
        };
        let name = key.to_string();
        let own = source.documents().first().and_then(|document| {
            let list = document.root().get_path(&["helm", "parameters"])?;
            let item =
                list.items().into_iter().find(|item| item.get("name").and_then(|name| name.as_str()) == Some(&name))?;
            item.get("value")?.as_str().map(str::to_owned)
        });
        let of_application =
            || search.parameters.iter().rev().find(|one| one.name == name).map(|one| one.value.clone());
        let said = own.or_else(of_application).or_else(|| values.text(&key).map(|text| text.value));
        match said.filter(|text| !text.is_empty()) {
            Some(text) if !values.name_image(&key, &text, self.name) => {
                let message =
                    format!("{file}: `{key}` names the image `{text}`, and the annotations track `{}`", self.name);
                let hint = Some("correct the image in `image-list` or the key path of the name".to_owned());
                let failure = Failure { code: "edit/other-image".to_owned(), message, hint, line: None };
                Err(Box::new(broken(file, failure)))
            }
            Some(_) => Ok(None),
            None => Ok(Some(Parameter { name, value: self.name.to_string(), is_forced: true })),
        }
    }

    /// The image strings of a kustomization.
    fn string(&self, search: &OverrideSearch, file: &RepoPath, source: &Source) -> Result<Entry, Box<Located>> {
        let failed = |file: &RepoPath, error: EditError| Box::new(broken(file, edit_failure(file, &error)));
        let of_application = search.images.iter().map(|text| image_strings::ImageString::read(text));
        let of_application: Vec<_> = of_application.filter(|item| item.is_of(self.name)).collect();
        let list = Address::first(self.legal(file, "kustomize.images")?);
        let own = image_strings::find(source, &list, self.name).map_err(|error| failed(file, error))?;
        let kustomization = self.kustomization_file(&search.source.path)?;
        let mut entries = Vec::new();
        if let Some((file, source)) = &kustomization {
            let list = kustomization::images().map_err(|error| failed(file, error))?;
            let named = search.kustomize_name.as_deref();
            entries = kustomization::find(source, &list, self.name, named).map_err(|error| failed(file, error))?;
        }
        let name = own
            .into_iter()
            .next()
            .or_else(|| search.kustomize_name.clone())
            .or_else(|| of_application.first().map(|item| item.name().to_owned()))
            .or_else(|| entries.into_iter().next())
            .unwrap_or_else(|| familiar(self.name));
        let (runs, stands) = match of_application.iter().find(|item| item.name() == name) {
            Some(item) => (Ok(held(item.tag, item.digest, item.image)), None),
            // What the files say; where they do not, nothing is known to run.
            None => match self.anywhere(&search.source).into_iter().next() {
                Some(Located { file, place, site: Ok(site), .. }) => {
                    let stands = site.below.or_else(|| Some((file, place?)));
                    (Ok(Held { line: None, ..site.held }), stands)
                }
                Some(Located { site: Err(failure), .. }) if !failure.code.starts_with("target/") => {
                    (Err(failure), None)
                }
                Some(_) | None => (Ok(nothing()), None),
            },
        };
        Ok((Override::Image { name, seed: search.images.clone() }, runs, stands))
    }

    fn legal(&self, file: &RepoPath, key: &str) -> Result<KeyPath, Box<Located>> {
        key.parse().map_err(|error: crate::model::key_path::KeyPathError| {
            let error = EditError::Unproven { path: key.to_owned(), line: None, why: error.to_string() };
            Box::new(broken(file, edit_failure(file, &error)))
        })
    }
}

/// What a value of the Application says.
fn spoken(value: &str, is_spec: bool) -> Held {
    if is_spec {
        let item = image_strings::ImageString::read(value);
        return held(item.tag, item.digest, item.image);
    }
    let (tag, digest) = value.split_once('@').map_or((value, None), |(tag, digest)| (tag, Some(digest)));
    Held { name: None, ..held(Some(tag), digest, "") }
}

fn held(tag: Option<&str>, digest: Option<&str>, name: &str) -> Held {
    let current = Current::Text(tag.or(digest).unwrap_or_default().to_owned());
    let (tag, digest) = (tag.map(str::to_owned), digest.map(str::to_owned));
    Held { current, tag, digest, name: Some(name.to_owned()), line: None }
}

fn nothing() -> Held {
    Held { current: Current::Absent, tag: None, digest: None, name: None, line: None }
}
