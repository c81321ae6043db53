//! Finds an image in a kustomization: in the entries of its `images:`, or in what it renders.

use std::sync::Arc;

use crate::manifest::place::{Current, Held, Place, split_spec};
use crate::manifest::{EditError, Source, kustomization, manifests};
use crate::model::address::Address;
use crate::model::application::PREFIX;
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::kustomizations;
use crate::plan::locate::auto::Auto;
use crate::plan::locate::auto::render::{self, Render};
use crate::plan::locate::found::{Found, LISTED, nowhere, of_manifests, settle};
use crate::plan::locate::{Failure, FileState, Located, broken, edit_failure, shown, unusable};

impl Auto<'_> {
    /// Finds the entries of a kustomization, or where one is to be added.
    pub(in crate::plan::locate) fn kustomization(&self, directory: &RepoPath, named: Option<&str>) -> Vec<Located> {
        let (file, source) = match self.kustomization_file(directory) {
            Ok(Some(found)) => found,
            Ok(None) => {
                let message = format!("the directory `{directory}` has no kustomization file");
                let hint = "name the directory that has one in `write-back-target: kustomization:<dir>`".to_owned();
                return vec![nowhere(directory.clone(), "edit/no-such-file", message, hint)];
            }
            Err(located) => return vec![*located],
        };
        let list = match kustomization::images() {
            Ok(list) => list,
            Err(error) => return vec![broken(&file, edit_failure(&file, &error))],
        };
        let names = match kustomization::find(&source, &list, self.name, named) {
            Ok(found) => found,
            Err(error) => return vec![broken(&file, edit_failure(&file, &error))],
        };
        let mut entries: Vec<Found> = names.into_iter().map(|name| self.entry(&file, &source, &list, name)).collect();
        if entries.is_empty() {
            let below = if named.is_none() { self.one_below(&file, &source, &list) } else { None };
            let name = || named.map_or_else(|| familiar(self.name), str::to_owned);
            entries.push(below.unwrap_or_else(|| self.entry(&file, &source, &list, name())));
        }
        settle(self.image, entries, &[], &file, &format!("{file}"))
    }

    /// Gives the entry that is to be added for what a kustomization renders, if that is one name with one value.
    fn one_below(&self, file: &RepoPath, source: &Source, list: &Address) -> Option<Found> {
        let (render, images) = Render::images(*self, file, source);
        let mine: Vec<&render::Image> =
            images.iter().filter(|image| manifests::names(&image.text, self.name)).collect();
        let first = mine.first().filter(|_| render.broken.is_empty())?;
        let is_alike = |other: &&render::Image| other.name == first.name && other.text == first.text;
        let is_place = mine.iter().all(|image| is_alike(image) && image.entry.is_none());
        let from = first.from.as_ref().ok().filter(|_| is_place)?;
        Some(self.above(file, source, list, first.name.clone()?, from, &first.text))
    }

    /// Gives the kustomization file of a directory, if it has one.
    pub(super) fn kustomization_file(
        &self,
        directory: &RepoPath,
    ) -> Result<Option<(RepoPath, Arc<Source>)>, Box<Located>> {
        let states = kustomizations(directory).into_iter().map(|file| ((self.files.read)(&file), file));
        let mut there = states.filter(|(state, _)| !matches!(state, FileState::Missing));
        let first = there.next();
        if let (Some((_, first)), Some((_, second))) = (&first, there.next()) {
            let message = format!("`{directory}` has {first} and {second}, and kustomize refuses more than one");
            let hint = "remove one of them".to_owned();
            return Err(Box::new(nowhere(first.clone(), "edit/duplicate-key", message, hint)));
        }
        match first {
            None => Ok(None),
            Some((FileState::Parsed(source), file)) => Ok(Some((file, source))),
            Some((state, file)) => Err(Box::new(broken(&file, unusable(&file, &state)))),
        }
    }

    /// Finds the places in what a kustomization renders: entries of its own, fields of files that it names itself, and for
    /// what comes from others the entry that is to be added.
    pub(super) fn rendered(&self, file: &RepoPath, source: &Source) -> Result<Vec<Located>, Box<Located>> {
        let failed = |error: EditError| Box::new(broken(file, edit_failure(file, &error)));
        let list = kustomization::images().map_err(failed)?;
        let (render, images) = Render::images(*self, file, source);
        let mut mine = Mine::default();
        for image in images.iter().filter(|image| manifests::names(&image.text, self.name)) {
            match &image.from {
                Err(why) => mine.refused.push(format!("{}: {why}", image.text)),
                Ok(from) if from.is_own && (from.entry().is_some() || self.is_named(image)) => mine.own(from, image),
                // A field of its own with another name is renamed by an entry, which is where the image stands.
                Ok(from) => mine.below(from, image),
            }
        }
        let mut names: Vec<String> = mine.own.iter().filter_map(|(from, _)| from.entry().map(str::to_owned)).collect();
        if mine.is_empty() || !render.is_all_seen() {
            // An entry that meets nothing may meet what is not seen.
            let found = kustomization::find(source, &list, self.name, None).map_err(failed)?;
            names.extend(found.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
        }
        let mut entries: Vec<Found> = names.into_iter().map(|name| self.entry(file, source, &list, name)).collect();
        // An entry that only renames leaves the tag to what it renames.
        let mut places: Vec<Found> = entries.extract_if(.., |entry| entry.says_what_runs()).collect();
        let mut empty = if mine.is_empty() { entries } else { Vec::new() };
        // What is missing may hold the image; an entry of its own counts whatever else there is.
        let is_settled = !places.is_empty() && mine.is_entries();
        if let Some((failed_in, failure)) = render.broken.first().filter(|_| !is_settled) {
            // Nothing would be written there: what is rendered is this kustomization.
            let line = failure.line.filter(|_| failed_in == file);
            return Err(Box::new(broken(file, Failure { line, ..failure.clone() })));
        }
        let mut untagged = Vec::new();
        for (name, from, text) in &mine.below {
            self.check_twin(file, source, name, &mut mine.refused);
            if mine.below.iter().any(|(other, _, another)| (other, another != text) == (name, true)) {
                places.extend(self.field(from).map(|found| Found { annotation: self.by_name(name), ..found }));
                continue;
            }
            let found = self.above(file, source, &list, name.clone(), from, text);
            if found.says_what_runs() { &mut places } else { &mut untagged }.push(found);
        }
        for (from, image) in mine.own.iter().filter(|(from, _)| from.entry().is_none()) {
            // What an entry that is to be added changes as well is no place of its own.
            let is_covered = |(name, _, text): &(String, &render::Spot, &str)| {
                *text == image.text && image.name.as_deref() == Some(name)
            };
            if mine.below.iter().any(is_covered) {
                continue;
            }
            places.extend(self.field(from));
        }
        // A tag for what has none is asked for; beside others that have one it makes a difference.
        if places.is_empty() { &mut empty } else { &mut places }.append(&mut untagged);
        if let Some(first) = mine.refused.first() {
            let more = match mine.refused.len() {
                1 => String::new(),
                count => format!("; {} more are like it", count - 1),
            };
            let message = format!(
                "{file} renders `{}` where its `images:` cannot set the tag: {first}{more}",
                self.image.image_text
            );
            let hint = format!("name the file that holds the tag: `{PREFIX}write-back-target: /<path>`");
            return Err(Box::new(nowhere(file.clone(), "target/not-found", message, hint)));
        }
        let settled = settle(self.image, places, &empty, file, &looked(file, &render));
        // A question is about what is rendered here, be the places those of bases that are out of reach.
        let asked = |one: Located| {
            if one.site.is_err() && one.place.is_none() { Located { file: file.clone(), ..one } } else { one }
        };
        Ok(settled.into_iter().map(asked).collect())
    }

    pub(super) fn entry(&self, file: &RepoPath, source: &Source, list: &Address, name: String) -> Found {
        let place = Place::Entry { list: list.clone(), name: name.clone(), is_digest: false };
        let held = place.read(source, self.name).map_err(|error| edit_failure(file, &error));
        let is_digest = held.as_ref().is_ok_and(|held| held.tag.is_none() && held.digest.is_some());
        let annotation = self.by_name(&name);
        Found::read(file, Place::Entry { list: list.clone(), name, is_digest }, source, held, annotation)
    }

    /// Tells whether an image has its name before the entries of the kustomization meet it.
    fn is_named(&self, image: &render::Image) -> bool {
        image.name.as_ref().is_none_or(|name| name.parse::<ImageName>().is_ok_and(|name| name == *self.name))
    }

    /// Gives the entry that sets the tag of an image which comes from elsewhere: it holds what stands there.
    fn above(
        &self,
        file: &RepoPath,
        source: &Source,
        list: &Address,
        name: String,
        from: &render::Spot,
        text: &str,
    ) -> Found {
        let (_, tag, digest) = split_spec(text);
        let current = match shown(tag, digest) {
            nothing if nothing.is_empty() => Current::Absent,
            value => Current::Text(value),
        };
        let (tag, digest) = (tag.map(str::to_owned), digest.map(str::to_owned));
        let found = self.entry(file, source, list, name);
        let held = found.held.map(|held| Held { current, tag, digest, line: None, ..held });
        Found { held, below: Some((from.file.clone(), from.place.clone())), ..found }
    }

    /// Gives a field of a file that a kustomization names itself.
    fn field(&self, from: &render::Spot) -> Option<Found> {
        let FileState::Parsed(source) = (self.files.read)(&from.file) else { return None };
        let held = from.place.read(&source, self.name).map_err(|error| edit_failure(&from.file, &error));
        let annotation = of_manifests(&from.file);
        Some(Found::read(&from.file, from.place.clone(), &source, held, annotation))
    }

    /// Refuses a name that an entry spells otherwise: for us the two are one image, for kustomize they are two.
    fn check_twin(&self, file: &RepoPath, source: &Source, name: &str, refused: &mut Vec<String>) {
        let Ok(image) = name.parse::<ImageName>() else { return };
        let root = source.documents().first().map(|document| document.root());
        let entries =
            root.and_then(|root| root.get(kustomization::IMAGES)).map(|list| list.items()).unwrap_or_default();
        let mut names = entries.into_iter().filter_map(|entry| entry.get("name")?.as_str());
        let names_it = |other: &str| other.parse::<ImageName>().is_ok_and(|other| other == image);
        let is_exact = names.clone().any(|other| other == name);
        if let Some(twin) = names.find(|other| names_it(other)).filter(|_| !is_exact) {
            refused.push(format!(
                "{file} has an entry for `{twin}`, which does not meet `{name}`, as kustomize compares names letter by letter; \
                 write `name: {name}` there"
            ));
        }
    }

    fn by_name(&self, name: &str) -> String {
        format!("`{PREFIX}{}.kustomize.image-name: {name}`", self.image.alias.replace('/', "_"))
    }
}

/// The rendered fields that are the image.
#[derive(Default)]
struct Mine<'r> {
    /// What stands in files that the kustomization names itself.
    own: Vec<(&'r render::Spot, &'r render::Image)>,
    /// The name of the entry for what comes from elsewhere, where that stands, and the image.
    below: Vec<(String, &'r render::Spot, &'r str)>,
    /// What cannot be written, and why.
    refused: Vec<String>,
}

impl<'r> Mine<'r> {
    fn is_empty(&self) -> bool {
        self.own.is_empty() && self.below.is_empty() && self.refused.is_empty()
    }

    /// Tells whether nothing but entries of the kustomization itself counts.
    fn is_entries(&self) -> bool {
        self.below.is_empty() && self.refused.is_empty() && self.own.iter().all(|(from, _)| from.entry().is_some())
    }

    fn own(&mut self, from: &'r render::Spot, image: &'r render::Image) {
        if !self.own.iter().any(|(known, _)| *known == from) {
            self.own.push((from, image));
        }
    }

    fn below(&mut self, from: &'r render::Spot, image: &'r render::Image) {
        let Some(name) = image.entry.as_ref().or(image.name.as_ref()) else {
            let why =
                format!("{}: `{}` in {} is no field that `images:` reaches", image.text, from.place.key(), from.file);
            return self.refused.push(why);
        };
        if !self.below.iter().any(|(known, _, text)| (known, *text) == (name, image.text.as_str())) {
            self.below.push((name.clone(), from, &image.text));
        }
    }
}

/// Says what was looked into, and what was not.
fn looked(file: &RepoPath, render: &Render<'_>) -> String {
    let listed = |texts: Vec<String>| match texts.len() {
        count if count > LISTED => format!("{} and {} more", texts[..LISTED].join(", "), count - LISTED),
        _ => texts.join(", "),
    };
    let others = render.read.get(1..).unwrap_or_default();
    let mut looked = format!("`images:`, resources and patches of {file}");
    if !others.is_empty() {
        looked = format!("{looked}, and of {}", listed(others.iter().map(ToString::to_string).collect()));
    }
    if !render.remote.is_empty() {
        let remote = render.remote.iter().map(|text| format!("`{text}`")).collect();
        looked = format!("{looked}; resources of other repositories are not followed: {}", listed(remote));
    }
    if !render.unseen.is_empty() {
        looked = format!("{looked}; nor is {}", listed(render.unseen.clone()));
    }
    looked
}

/// Gives an image as people write it: kustomize compares names letter by letter, and nobody spells out Docker Hub.
pub(super) fn familiar(image: &ImageName) -> String {
    let full = image.to_string();
    let short = full.strip_prefix("docker.io/").unwrap_or(&full);
    short.strip_prefix("library/").unwrap_or(short).to_owned()
}
