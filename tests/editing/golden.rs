//! The folders of `tests/golden`: `before.yaml`, `change` (what is done, and `error <code>` if it is refused), `after.yaml`.
//!
//! What is done is one of `address value`, `@tag key tag digest`, `@spec key image tag digest`, `@fields image tag` for manifests,
//! `@entry image tag digest name list` for kustomizations, `list` being the address of a list that is not their `images`,
//! `@shared key value key,key` with the keys that are agreed, `@named image tag digest` for whatever key of Helm values names the
//! image, `@parameter list name tag digest` and `@spec-parameter …` for Helm parameters, `@strings list image tag digest` for
//! image strings, and `@override-parameter`, `@override-spec` and `@override-string` with `name image tag digest` for files of
//! overrides, with what the Application has behind it: `name=value` (`name:=value` with `forceString`), image strings, and
//! `+name` for the parameter of the image's name. What comes last may be left out, `-` is nothing.
//!
//! `@search image tag digest field…` searches the file as a source of manifests, with the fields that an operator declares
//! (`Kind.group:path`, or `Kind.group:name,tag[,digest]`), and `@object Kind/name image tag digest` the object alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use std::collections::BTreeSet;

use repin::manifest::helm_values::{Spoken, image_keys};
use repin::manifest::overrides::Override;
use repin::manifest::place::{Place, Wanted};
use repin::manifest::{EditError, Found, Source, image_strings, kustomization, manifests};
use repin::model::address::{Address, ObjectName};
use repin::model::application::Parameter;
use repin::model::image_field::{FieldPath, FieldPlace, ImageField};
use repin::model::key_path::KeyPath;
use repin::model::names::{ApplicationKey, ImageName, RepoPath};
use repin::model::policy::Policy;
use repin::model::tracked::{Form, ObjectSearch, RemoteBranch, Search, Target, TrackedImage};
use repin::plan::locate::{FileState, Files, Located, locate};

/// One golden case.
#[derive(Debug)]
pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) before: Vec<u8>,
    pub(crate) change: Change,
    /// The text after the edit, or the code of the refusal.
    pub(crate) expected: Result<String, String>,
}

/// What is done to a file.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// One value of a key path.
    Value { key: String, value: String },
    /// A tag with its digest, at a key path.
    Tag { key: String, wanted: Wanted },
    /// Every `image:` field of an image.
    Fields { image: ImageName, wanted: Wanted },
    /// Whatever a search of the file finds, or of one of its objects.
    Search { object: Option<ObjectName>, image: ImageName, wanted: Wanted, declared: Vec<ImageField> },
    /// The entry of an image in a kustomization.
    Entry { image: ImageName, wanted: Wanted, named: Option<String>, list: Address },
    /// One value that others share, who are all meant.
    Shared { key: String, value: String, agreed: Vec<KeyPath> },
    /// Every key of Helm values that names an image.
    Named { image: ImageName, wanted: Wanted },
    /// Image strings of a list.
    Strings { list: Address, image: ImageName, wanted: Wanted },
    /// One place.
    One { place: Place, image: ImageName, wanted: Wanted },
}

/// Reads all cases.
pub(crate) fn all() -> Vec<Golden> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.into_iter().map(read).collect()
}

fn read(folder: PathBuf) -> Golden {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(folder.join("change")).unwrap();
    let mut lines = text.lines();
    let change = change(lines.next().unwrap()).unwrap_or_else(|| panic!("{name}: what is done?"));
    let expected = match lines.next().map(|line| line.strip_prefix("error ")) {
        Some(Some(code)) => Err(code.to_owned()),
        Some(None) => panic!("{name}: second line is `error <code>`"),
        None => Ok(fs::read_to_string(folder.join("after.yaml")).unwrap_or_else(|error| panic!("{name}: {error}"))),
    };
    let before = fs::read(folder.join("before.yaml")).unwrap();
    Golden { name, before, change, expected, folder }
}

fn change(line: &str) -> Option<Change> {
    let (first, rest) = line.split_once(' ')?;
    let mut words = rest.split(' ').map(|word| (word != "-").then(|| word.to_owned()));
    let mut word = || words.next().flatten();
    Some(match first {
        "@tag" => Change::Tag { key: word()?, wanted: Wanted { tag: word(), digest: word() } },
        "@fields" => Change::Fields { image: word()?.parse().ok()?, wanted: Wanted { tag: word(), digest: word() } },
        "@entry" => Change::Entry {
            image: word()?.parse().ok()?,
            wanted: Wanted { tag: word(), digest: word() },
            named: word(),
            list: word().map_or_else(|| kustomization::images().ok(), |list| list.parse().ok())?,
        },
        "@spec" => {
            let (place, image) = (Place::Spec(word()?.parse().ok()?), word()?.parse().ok()?);
            Change::One { place, image, wanted: Wanted { tag: word(), digest: word() } }
        }
        "@shared" => Change::Shared {
            key: word()?,
            value: word()?,
            agreed: word().unwrap_or_default().split_terminator(',').map(|key| key.parse().unwrap()).collect(),
        },
        "@named" => Change::Named { image: word()?.parse().ok()?, wanted: Wanted { tag: word(), digest: word() } },
        "@parameter" | "@spec-parameter" => {
            let (list, name) = (word()?.parse().ok()?, word()?);
            let place = Place::Parameter { list, name, is_spec: first == "@spec-parameter" };
            Change::One { place, image: WEB.parse().ok()?, wanted: Wanted { tag: word(), digest: word() } }
        }
        "@strings" => Change::Strings {
            list: word()?.parse().ok()?,
            image: word()?.parse().ok()?,
            wanted: Wanted { tag: word(), digest: word() },
        },
        "@override-parameter" | "@override-spec" | "@override-string" => {
            let (name, image) = (word()?, word()?.parse::<ImageName>().ok()?);
            let wanted = Wanted { tag: word(), digest: word() };
            let seed: Vec<String> = std::iter::from_fn(word).collect();
            let place = Place::Override(overridden(first, name, &image, seed));
            Change::One { place, image, wanted }
        }
        "@search" => Change::Search {
            object: None,
            image: word()?.parse().ok()?,
            wanted: Wanted { tag: word(), digest: word() },
            declared: words.flatten().map(|field| declared(&field)).collect(),
        },
        "@object" => Change::Search {
            object: format!("{}#key", word()?).parse::<Address>().ok()?.object,
            image: word()?.parse().ok()?,
            wanted: Wanted { tag: word(), digest: word() },
            declared: Vec::new(),
        },
        key => Change::Value { key: key.to_owned(), value: rest.to_owned() },
    })
}

/// The image of changes that name none.
const WEB: &str = "ghcr.io/acme/web";

fn overridden(what: &str, name: String, image: &ImageName, seed: Vec<String>) -> Override {
    if what == "@override-string" {
        return Override::Image { name, seed };
    }
    let (names, seed): (Vec<String>, Vec<String>) = seed.into_iter().partition(|word| word.starts_with('+'));
    let named = |word: &String| Parameter { name: word[1..].to_owned(), value: image.to_string(), is_forced: true };
    let parameter = |word: String| {
        let (name, value) = word.split_once('=').unwrap();
        let is_forced = name.ends_with(':');
        Parameter { name: name.trim_end_matches(':').to_owned(), value: value.to_owned(), is_forced }
    };
    let seed = seed.into_iter().map(parameter).collect();
    Override::Parameter { name, is_spec: what == "@override-spec", seed, image: names.first().map(named) }
}

/// The places that name an image in the values of one file.
fn named(source: &Source, image: &ImageName) -> Vec<Place> {
    let mut keys = BTreeSet::new();
    image_keys(source, None, &mut keys);
    let text = |key: &_| match source.read(key) {
        Ok(Found::Text { value, .. }) => Some(value),
        _ => None,
    };
    let all = Spoken { text: &text, keys: &keys }.named(image).into_iter();
    all.map(|named| match named.form {
        Form::Tag => Place::Tag(Address::first(named.key)),
        Form::Spec => Place::Spec(Address::first(named.key)),
    })
    .collect()
}

/// Reads a field that an operator declares.
fn declared(text: &str) -> ImageField {
    let (kind, paths) = text.split_once(':').unwrap();
    let (kind, group) = kind.split_once('.').map_or((kind, None), |(kind, group)| (kind, Some(group)));
    let paths: Vec<FieldPath> = paths.split(',').map(|path| path.parse().unwrap()).collect();
    let place = match paths.as_slice() {
        [whole] => FieldPlace::Whole(whole.clone()),
        [name, tag, digest @ ..] => {
            FieldPlace::Parts { name: name.clone(), tag: tag.clone(), digest: digest.first().cloned() }
        }
        [] => panic!("{text}"),
    };
    ImageField { kind: kind.to_owned(), group: group.map(str::to_owned), place }
}

/// Searches some files for an image, as the planner does.
pub(crate) fn search(
    files: &[(&str, &str)],
    search: Search,
    image: &ImageName,
    declared: &[ImageField],
) -> Vec<Located> {
    let sources: BTreeMap<RepoPath, FileState> = files
        .iter()
        .map(|(path, text)| {
            let state = match Source::parse(text) {
                Ok(source) => FileState::Parsed(Arc::new(source)),
                Err(error) => FileState::Unreadable(Arc::new(error)),
            };
            (path.parse().unwrap(), state)
        })
        .collect();
    let tracked = TrackedImage {
        application: ApplicationKey {
            kind: "Application".to_owned(),
            repository: "gitops".to_owned(),
            file: None,
            namespace: "argocd".to_owned(),
            name: "web".to_owned(),
        },
        rendered: None,
        line: 1,
        project: "default".to_owned(),
        labels: BTreeMap::new(),
        alias: "app".to_owned(),
        image_text: image.to_string(),
        image: Some(image.clone()),
        asked: Some(image.clone()),
        policy: Policy::default(),
        interval: None,
        target: None,
        group: None,
        delivery: None,
        pull_request: repin::model::forge::PullWishes::default(),
        wishes: repin::model::wishes::Wishes::default(),
        key: None,
        refusal: None,
    };
    let target = Target {
        base: RemoteBranch { repository: "gitops".to_owned(), branch: "main".parse().unwrap() },
        made: None,
        own_paths: vec![RepoPath::default()],
        listed: Vec::new(),
        search,
        declared: declared.to_vec().into(),
    };
    let below = |directory: &RepoPath, is_recursive: bool| -> Vec<RepoPath> {
        let is_meant = |path: &&RepoPath| path.is_within(directory) && (is_recursive || path.parent() == *directory);
        sources.keys().filter(is_meant).cloned().collect()
    };
    let holding = |directory: &RepoPath, is_recursive: bool, word: &str| -> Vec<RepoPath> {
        let has = |path: &RepoPath| files.iter().any(|(name, text)| *name == path.as_str() && text.contains(word));
        below(directory, is_recursive).into_iter().filter(has).collect()
    };
    let last = image.repository().rsplit('/').next().unwrap();
    let files = Files {
        read: &|path| sources.get(path).cloned().unwrap_or(FileState::Missing),
        count: &|directory, is_recursive| below(directory, is_recursive).len(),
        naming: &|directory, is_recursive| holding(directory, is_recursive, last),
        holding: &holding,
    };
    locate(&tracked, &target, files)
}

/// Finds the places of a search in one file.
fn searched(
    text: &str,
    object: Option<&ObjectName>,
    image: &ImageName,
    declared: &[ImageField],
) -> Result<Vec<Place>, EditError> {
    let file: RepoPath = "deploy.yaml".parse().unwrap();
    let wanted = match object {
        None => Search::Manifests(file.clone()),
        Some(object) => Search::Object(ObjectSearch {
            file: file.clone(),
            object: object.clone(),
            key: None,
            name_key: None,
            entry: None,
        }),
    };
    let located = search(&[(file.as_str(), text)], wanted, image, declared);
    let place = |one: Located| {
        // No place is no refusal of an edit: the case fails with what the search said.
        let said = format!("{:?}", one.site);
        one.place.ok_or(EditError::InvalidYaml { line: 0, message: said, template: false })
    };
    located.into_iter().map(place).collect()
}

/// Makes a change of an image's places as the planner does, one place after the other.
pub(crate) fn write(text: &str, change: &Change) -> Result<String, EditError> {
    let source = Source::parse(text)?;
    let (places, image, wanted) = match change {
        Change::Value { key, value } => return Ok(source.set_at(&key.parse().unwrap(), value)?.text),
        Change::Shared { key, value, agreed } => {
            return Ok(source.set_shared(&key.parse().unwrap(), value, agreed)?.text);
        }
        Change::Tag { key, wanted } => {
            (vec![Place::Tag(key.parse().unwrap())], "ghcr.io/acme/web".parse().unwrap(), wanted)
        }
        Change::Fields { image, wanted } => {
            let places: Vec<Place> = manifests::places(&source, image, &[]);
            assert!(!places.is_empty(), "no field of {image} in\n{text}");
            (places, image.clone(), wanted)
        }
        Change::Search { object, image, wanted, declared } => {
            (searched(text, object.as_ref(), image, declared)?, image.clone(), wanted)
        }
        Change::Entry { image, wanted, named, list } => {
            let found = kustomization::find(&source, list, image, named.as_deref())?;
            let familiar = image.to_string().replace("docker.io/library/", "");
            let added = found.is_empty().then(|| named.clone().unwrap_or(familiar));
            let place = |name| Place::Entry { list: list.clone(), name, is_digest: false };
            (found.into_iter().chain(added).map(place).collect(), image.clone(), wanted)
        }
        Change::Named { image, wanted } => (named(&source, image), image.clone(), wanted),
        Change::Strings { list, image, wanted } => {
            let names = image_strings::find(&source, list, image)?.into_iter();
            (names.map(|name| Place::Image { list: list.clone(), name }).collect(), image.clone(), wanted)
        }
        Change::One { place, image, wanted } => (vec![place.clone()], image.clone(), wanted),
    };
    assert!(!places.is_empty(), "nothing names {image} in\n{text}");
    let mut text = text.to_owned();
    for place in places {
        text = place.write(&Source::parse(&text)?, &image, wanted)?;
        // What is read is what was written.
        let held = place.read(&Source::parse(&text)?, &image)?;
        assert_eq!(held.tag.filter(|tag| !tag.is_empty()), wanted.tag, "{text}");
        assert_eq!(held.digest, wanted.digest, "{text}");
    }
    Ok(text)
}

/// Gives the key paths in the first document that a change has written, each with its text.
pub(crate) fn written(after: &str, change: &Change) -> Vec<(String, String)> {
    match change {
        Change::Value { key, value } => vec![(key.clone(), value.clone())],
        Change::Shared { value, agreed, .. } => agreed.iter().map(|key| (key.to_string(), value.clone())).collect(),
        Change::Tag { key, .. } => {
            let source = Source::parse(after).unwrap();
            let beside = key.rsplit_once('.').map_or("digest".to_owned(), |(parent, _)| format!("{parent}.digest"));
            // One that names an object or a document is left out.
            let texts = [key.clone(), beside].into_iter().filter_map(|key| match source.read(&key.parse().ok()?) {
                Ok(Found::Text { value, .. }) => Some((key, value)),
                _ => None,
            });
            texts.collect()
        }
        // They may stand in any document.
        // Other lists may stand in any document.
        Change::Entry { list, .. } if list.object.is_some() => Vec::new(),
        Change::Fields { .. } | Change::Search { .. } | Change::Strings { .. } | Change::One { .. } => Vec::new(),
        Change::Named { image, .. } => {
            let source = Source::parse(after).unwrap();
            let keys = named(&source, image).into_iter().map(|place| place.key());
            let text = |key: String| match source.read(&key.parse().unwrap()) {
                Ok(Found::Text { value, .. }) => Some((key, value)),
                _ => None,
            };
            keys.filter_map(text).collect()
        }
        Change::Entry { image, wanted, named, list } => {
            let source = Source::parse(after).unwrap();
            let names = kustomization::find(&source, list, image, named.as_deref()).unwrap();
            let fields = [("newTag", &wanted.tag), ("digest", &wanted.digest)];
            let text = |name: &str, (field, value): (&str, &Option<String>)| {
                Some((format!("{}[name={name}].{field}", list.key), value.clone()?))
            };
            names.iter().flat_map(|name| fields.into_iter().filter_map(|field| text(name, field))).collect()
        }
    }
}
