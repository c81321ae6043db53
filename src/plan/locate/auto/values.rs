//! Finds an image by its name in Helm values.

use crate::manifest::EditError;
use crate::manifest::helm_values::Named;
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::overriding::Overriding;
use crate::model::tracked::{Form, Layer, ValuesSearch};
use crate::plan::locate::auto::{Auto, Places, says_what_runs};
use crate::plan::locate::found::{
    Found, LISTED, is_of_values, listed, nowhere, of_key, of_manifests, of_values, settle,
};
use crate::plan::locate::overriding::{overridden, overriding};
use crate::plan::locate::values::{Values, place};
use crate::plan::locate::{Failure, FileState, Located, broken, edit_failure, unusable};

impl Auto<'_> {
    /// Finds the places in value files.
    pub(in crate::plan::locate) fn values(&self, search: &ValuesSearch) -> Vec<Located> {
        match self.in_values(search) {
            Ok((places, empty)) => {
                let is_nowhere = places.is_empty() && empty.is_empty();
                let mut all = settle(self.image, places, &empty, &search.fallback.file, &list(&search.values));
                if let (true, Some(Err(failure))) = (is_nowhere, all.first_mut().map(|one| one.site.as_mut())) {
                    self.name_tags(search, failure);
                }
                all
            }
            Err(located) => vec![*located],
        }
    }

    pub(super) fn in_values(&self, search: &ValuesSearch) -> Result<Places, Box<Located>> {
        for Layer { file, .. } in &search.values {
            let state = (self.files.read)(file);
            // What cannot be read may name the image, so no other file may be taken for it.
            if matches!(state, FileState::NotRegular(_) | FileState::Unreadable(_)) {
                return Err(Box::new(broken(file, unusable(file, &state))));
            }
        }
        let values = Values::new(&search.values, self.files);
        let (mut places, mut empty, mut elsewhere, mut off) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let is_meant = |named: &Named| search.name_key.as_ref().is_none_or(|key| *key == named.name);
        for named in values.named(self.name).into_iter().filter(is_meant) {
            let annotation = self.annotation(&named.key, named.form);
            let of_key = values.holder(&named.key);
            let is_set = of_key.is_some();
            let of_name = || {
                // Beside its name a tag may be added.
                let (layer, source, name) = values.holder(&named.name)?;
                let last = named.key.last_key()?;
                let key = name.parent().map_or_else(|| KeyPath::of_key(last), |parent| parent.child(last)).ok()?;
                Some((layer, source, key))
            };
            let Some((layer, source, key)) = of_key.or_else(of_name) else { continue };
            let Some(place) = place(layer, source, &key, named.form) else { continue };
            let file = &layer.file;
            let held = place.read(source, self.name);
            let says_what_runs = match &held {
                Ok(held) => says_what_runs(held),
                Err(error) => !matches!(error, EditError::NoSuchKey { .. }),
            };
            let mut held = held.map_err(|error| edit_failure(file, &error));
            if let (Ok(found), true, Form::Tag) = (&held, is_set, named.form)
                && found.digest.is_none()
                && let Some(failure) = pinned_elsewhere(&values, &named.key)
            {
                held = Err(failure);
            }
            if held.is_ok()
                && says_what_runs
                && let Some(over) = overriding(&search.overriding, &search.values, layer, &named.key)
            {
                held = Err(self.overridden(over, file, &named.key, named.form));
            }
            let found = Found::read(file, place, source, held, annotation);
            if !says_what_runs {
                empty.push(found);
            } else if search.name_key.is_none() && values.is_switched_off(&named.key) {
                off.push(found);
            } else if search.files.contains(layer) {
                places.push(found);
            } else {
                elsewhere.push(found);
            }
        }
        self.add_marked_values(&values, search, &mut places);
        if places.is_empty() && !elsewhere.is_empty() {
            let (image, target) = (&self.image.image_text, &search.fallback.file);
            let state = (self.files.read)(target);
            if !search.values.iter().any(|one| one.part.is_some()) && matches!(state, FileState::Missing) {
                return Err(Box::new(broken(target, unusable(target, &state))));
            }
            let message = format!("{target} does not set the tag of `{image}`: it stands at {}", listed(&elsewhere));
            let mut lines: Vec<String> =
                elsewhere.iter().filter(|one| is_of_values(one)).map(|one| of_values(&one.file)).collect();
            lines.dedup();
            let hint = match lines.as_slice() {
                [] => format!("set it in {target} once, or name the file that holds it in `write-back-target`"),
                lines => format!(
                    "set it in {target} once, or say that it is written where it stands: {}",
                    lines.join(", or ")
                ),
            };
            return Err(Box::new(nowhere(target.clone(), "target/not-found", message, hint)));
        }
        if places.is_empty() && !off.is_empty() {
            return Err(Box::new(self.switched_off(&off, search)));
        }
        // What does not run is no place of its own; where it holds the same it is written along, for the day it runs.
        let is_same = |one: &Found| places.iter().all(|place| place.value().is_some() && place.value() == one.value());
        let along: Vec<Found> = off.into_iter().filter(is_same).collect();
        places.extend(along);
        Ok((places, empty))
    }

    /// Says that the image stands only in parts of the values that do not run: something else may name what does.
    fn switched_off(&self, off: &[Found], search: &ValuesSearch) -> Located {
        let file = off.first().map_or(&search.fallback.file, |one| &one.file).clone();
        let message = format!(
            "`{}` stands only where the values say `enabled: false`, so it may not be what runs: {}",
            self.image.image_text,
            listed(off)
        );
        let mut lines: Vec<&str> = off.iter().map(|one| one.annotation.as_str()).take(LISTED).collect();
        lines.dedup();
        let hint = format!("to have the tag written there all the same, add {}", lines.join(", or "));
        nowhere(file, "target/not-found", message, hint)
    }

    /// Says that a tag in a file has no effect, and which annotation makes the value above it the place.
    fn overridden(&self, over: &Overriding, file: &RepoPath, key: &KeyPath, form: Form) -> Failure {
        let failure = overridden(over, file, key);
        let hint = (over.key == *key).then(|| {
            let line = self.annotation(key, form);
            format!("to have the tag written there, add {line}; else remove the value from the Application")
        });
        Failure { hint: hint.or(failure.hint), ..failure }
    }

    /// Gives the annotation that says where the image stands.
    fn annotation(&self, key: &KeyPath, form: Form) -> String {
        of_key(self.image, key, form)
    }

    /// Where nothing names the image, its name may stand in a chart that is not here: lists the tags that are.
    pub(super) fn name_tags(&self, search: &ValuesSearch, failure: &mut Failure) {
        let values = Values::new(&search.values, self.files);
        let mut tags = Vec::new();
        for key in values.nameless_tags() {
            let (Some((layer, ..)), Some(text)) = (values.holder(&key), values.text(&key)) else { continue };
            if search.files.contains(layer) {
                let shown = format!("{}:{} {key} {}", text.file, text.line, text.value);
                tags.push((shown, self.annotation(&key, Form::Tag)));
            }
        }
        if tags.is_empty() {
            return;
        }
        let more = match tags.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!("; {more} more"),
        };
        tags.truncate(LISTED);
        let (shown, annotations): (Vec<String>, Vec<String>) = tags.into_iter().unzip();
        failure.message = format!(
            "{}; these tags stand without an image beside them, whose name the chart may have: {}{more}",
            failure.message,
            shown.join("; ")
        );
        failure.hint = Some(format!("if one of them is its tag, say so: {}", annotations.join(", ")));
    }
}

impl Auto<'_> {
    /// Adds what only markers in value files tell, where it counts.
    fn add_marked_values(&self, values: &Values, search: &ValuesSearch, places: &mut Vec<Found>) {
        for layer in search.files.iter().filter(|layer| layer.part.is_none()) {
            let FileState::Parsed(source) = (self.files.read)(&layer.file) else { continue };
            let annotation = of_manifests(&layer.file);
            let mut marked = Vec::new();
            self.add_marked(&layer.file, &source, &annotation, &self.around(&[&source]), &mut marked);
            let counts = |found: &Found| {
                let key = found.place.tag().filter(|at| at.object.is_none()).map(|at| &at.key);
                key.and_then(|key| values.holder(key)).is_some_and(|(holder, ..)| holder == layer)
            };
            let is_known = |found: &Found, known: &Found| (&known.file, &known.spot) == (&found.file, &found.spot);
            for mut found in marked.into_iter().filter(counts) {
                let key = found.place.tag().map(|at| at.key.clone());
                let over =
                    key.and_then(|key| Some((overriding(&search.overriding, &search.values, layer, &key)?, key)));
                if let (Some((over, key)), Ok(_)) = (over, &found.held) {
                    found.held = Err(self.overridden(over, &layer.file, &key, Form::Tag));
                }
                if !places.iter().any(|known| is_known(&found, known)) {
                    places.push(found);
                }
            }
        }
    }
}

/// A digest beats the tag in charts that know both, so a tag that is pinned in another layer would change nothing.
fn pinned_elsewhere(values: &Values, tag: &KeyPath) -> Option<Failure> {
    let key = tag.parent().map_or_else(|| KeyPath::of_key("digest"), |parent| parent.child("digest")).ok()?;
    let text = values.text(&key).filter(|text| !text.value.is_empty())?;
    let (file, line) = (&text.file, text.line);
    Some(Failure {
        code: "target/ambiguous".to_owned(),
        message: format!(
            "`{key}` at {file}:{line} pins the image, and its tag stands elsewhere, where it has no effect"
        ),
        hint: Some("set tag and digest in one place".to_owned()),
        line: None,
    })
}

/// Lists layers.
pub(super) fn list(layers: &[Layer]) -> String {
    let mut names: Vec<String> = layers.iter().map(Layer::to_string).collect();
    names.dedup();
    names.join(", ")
}
