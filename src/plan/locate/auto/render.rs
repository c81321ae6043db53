//! What a kustomization renders, as far as images go: the objects that its own files and those of its bases and components
//! hold, with patches, names and `images:` applied in kustomize's order. Every text knows where it stands.
//!
//! Followed are `resources`, `bases`, `components`, patches of every form, values of charts, `configurations`. What is not
//! read is noted: remote resources, what charts and plugins make. Nothing is decided here about what is written.

mod charts;
mod cost;
mod images;
mod object;
mod others;
mod patches;
mod pattern;
mod tree;

use std::sync::Arc;

use crate::manifest::objects::Objects;
use crate::manifest::place::Place;
use crate::manifest::{Source, kustomization};
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::plan::locate::auto::Auto;
use crate::plan::locate::auto::render::cost::{Cost, MAX_HELD, MAX_STEPS};
use crate::plan::locate::auto::render::images::{Entry, Field, transform};
use crate::plan::locate::auto::render::object::Object;
use crate::plan::locate::auto::render::patches::Target;
use crate::plan::locate::auto::render::tree::{Ground, Origin};
use crate::plan::locate::{Failure, FileState, MAX_LISTED, unusable};
use crate::yaml::Node;

/// How many kustomizations may name each other in a row.
const MAX_DEPTH: usize = 64;
/// The longest name in Kubernetes.
const MAX_NAME: usize = 253;

/// One rendering.
pub(super) struct Render<'a> {
    auto: Auto<'a>,
    /// Resources that are not in this repository, as they are written.
    pub(super) remote: Vec<String>,
    /// What kustomize would stop at, with the file.
    pub(super) broken: Vec<(RepoPath, Failure)>,
    /// The kustomizations that were read, the outermost first.
    pub(super) read: Vec<RepoPath>,
    /// Objects that are made by others, in words.
    pub(super) unseen: Vec<String>,
    has_schema: bool,
    files: usize,
    cost: Cost,
}

/// An image field as it is rendered.
pub(super) struct Image {
    /// The image with its tag.
    pub(super) text: String,
    /// Where its tag stands; `None` with the reason where nothing can be written.
    pub(super) from: Result<Spot, String>,
    /// Its name where `images:` of the outermost kustomization meets it; none where they do not reach.
    pub(super) name: Option<String>,
    /// The `name` of the first entry there that it matches.
    pub(super) entry: Option<String>,
}

/// Where a tag stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Spot {
    /// Whether the outermost kustomization names the file itself.
    pub(super) is_own: bool,
    pub(super) file: RepoPath,
    pub(super) place: Place,
}

impl Spot {
    /// Gives the name of the entry of `images:`, if it is one.
    pub(super) fn entry(&self) -> Option<&str> {
        match &self.place {
            Place::Entry { name, .. } => Some(name),
            Place::Tag(_)
            | Place::Spec(_)
            | Place::Parts { .. }
            | Place::Version(_)
            | Place::Parameter { .. }
            | Place::Image { .. }
            | Place::Override(_) => None,
        }
    }
}

impl<'a> Render<'a> {
    /// Renders the kustomization of a directory and gives the images in it.
    pub(super) fn images(auto: Auto<'a>, file: &RepoPath, source: &Source) -> (Self, Vec<Image>) {
        let mut render = Self {
            auto,
            remote: Vec::new(),
            broken: Vec::new(),
            read: Vec::new(),
            unseen: Vec::new(),
            has_schema: false,
            files: 0,
            cost: Cost::default(),
        };
        let objects = render.kustomization(file, source, Vec::new(), &mut Vec::new());
        let mut leaves = Vec::new();
        objects.iter().for_each(|object| images::fields(&object.tree, &mut leaves));
        let image = |leaf: &tree::Leaf| Image {
            text: leaf.text.clone(),
            from: match &*leaf.from {
                Origin::Place { owner, file, place } => {
                    Ok(Spot { is_own: *owner == 0, file: file.clone(), place: (**place).clone() })
                }
                Origin::Closed(why) => Err(why.clone()),
            },
            name: leaf.reached.as_ref().map(|reached| reached.name.clone()),
            entry: leaf.reached.as_ref().and_then(|reached| reached.entry.clone()),
        };
        let found = leaves.into_iter().map(image).collect();
        (render, found)
    }

    /// Tells whether every object is seen.
    pub(super) fn is_all_seen(&self) -> bool {
        self.remote.is_empty() && self.unseen.is_empty()
    }

    fn kustomization(
        &mut self,
        file: &RepoPath,
        source: &Source,
        mut objects: Vec<Object>,
        within: &mut Vec<RepoPath>,
    ) -> Vec<Object> {
        let owner = self.read.len();
        self.read.push(file.clone());
        let Some(root) = source.documents().first().map(|document| document.root()) else { return objects };
        within.push(file.clone());
        let texts = |key: &str| -> Vec<String> {
            let list = root.get(key).map(Node::items).unwrap_or_default();
            list.into_iter().filter_map(Node::as_str).map(str::to_owned).collect()
        };
        self.has_schema |= root.get("openapi").is_some() || root.get("crds").is_some();
        for resource in texts("resources").into_iter().chain(texts("bases")) {
            let found = self.resource(file, owner, &resource, within);
            objects.extend(found);
        }
        for component in texts("components") {
            if let Some((directory, source)) = self.directory(file, &component, within) {
                objects = self.kustomization(&directory, &source, objects, within);
            }
        }
        objects.extend(self.charts(file, owner, root));
        for generator in texts("generators") {
            objects.extend(self.generator(file, owner, &generator));
        }
        self.patches(file, owner, root, "patchesStrategicMerge", &mut objects);
        self.patches(file, owner, root, "patches", &mut objects);
        let text = |key: &str| root.get(key).and_then(Node::as_str).filter(|text| text.len() <= MAX_NAME);
        let (prefix, suffix) = (text("namePrefix").unwrap_or_default(), text("nameSuffix").unwrap_or_default());
        objects.iter_mut().for_each(|object| object.rename(text("namespace"), prefix, suffix));
        self.patches(file, owner, root, "patchesJson6902", &mut objects);
        let entries = self.entries(file, owner, root);
        let fields = self.image_fields(file, &texts("configurations"));
        let mut images = Vec::new();
        objects.iter().for_each(|object| images::fields(&object.tree, &mut images));
        self.cost.take(images.len().saturating_mul(entries.len()));
        self.cost.take(objects.len().saturating_mul(fields.len()));
        if !self.cost.is_spent() {
            objects.iter_mut().for_each(|object| transform(&mut object.tree, &entries, &fields, owner == 0));
        }
        self.replacements(file, root, &mut objects);
        for transformer in texts("transformers") {
            self.transformer(file, &transformer, &mut objects);
        }
        within.pop();
        if within.is_empty() && self.cost.is_spent() {
            let failure = Failure {
                code: "target/not-found".to_owned(),
                message: format!(
                    "what {file} renders takes more than {MAX_STEPS} steps or {MAX_HELD} bytes, and was not looked through"
                ),
                hint: Some("name the place in `write-back-target`".to_owned()),
                line: None,
            };
            self.broken.insert(0, (file.clone(), failure));
        }
        objects
    }

    /// Gives the objects of one resource: a file, or a directory with a kustomization.
    fn resource(&mut self, from: &RepoPath, owner: usize, text: &str, within: &mut Vec<RepoPath>) -> Vec<Object> {
        let path = from.parent().join(text);
        let state = path.as_ref().map(|path| (self.auto.files.read)(path));
        match (path, state) {
            (Some(path), Some(FileState::Parsed(source))) if self.may_read(from, &path) => {
                let found = self.manifests(&path, owner, &source);
                self.cost.hold(if found.is_empty() { 0 } else { source.text().len() });
                if self.cost.is_spent() { Vec::new() } else { found }
            }
            (Some(path), Some(state @ FileState::Unreadable(_))) => {
                // What cannot name the image by any of its bytes stands in nobody's way.
                if (self.auto.files.naming)(&path.parent(), false).contains(&path) {
                    self.broken.push((path.clone(), unusable(&path, &state)));
                }
                Vec::new()
            }
            (Some(_), Some(FileState::Parsed(_))) => Vec::new(),
            _ => match self.directory(from, text, within) {
                Some((file, source)) => self.kustomization(&file, &source, Vec::new(), within),
                None => Vec::new(),
            },
        }
    }

    fn manifests(&self, file: &RepoPath, owner: usize, source: &Source) -> Vec<Object> {
        let Ok(key) = KeyPath::of_key("image") else { return Vec::new() };
        let objects = Objects::of(source);
        let read = |object: crate::manifest::objects::Object<'_>| {
            let address = objects.address(object, key.clone());
            Object::of(Ground { owner, file, address: &address }.tree(object.node, None, true))
        };
        objects.all().filter(|object| object.named().is_some()).map(read).filter(|one| !one.is_closed()).collect()
    }

    /// Gives the kustomization of a directory that another one names; what is in the way is noted.
    fn directory(&mut self, from: &RepoPath, text: &str, within: &[RepoPath]) -> Option<(RepoPath, Arc<Source>)> {
        let missing = |why: &str| Failure {
            code: "edit/no-such-file".to_owned(),
            message: format!("{from} names `{text}`, {why}"),
            hint: Some(format!("correct the entry in {from}, as kustomize stops there as well")),
            line: None,
        };
        let Some(directory) = from.parent().join(text).filter(|_| !is_remote(text)) else {
            if is_remote(text) {
                self.remote.push(text.to_owned());
            } else {
                self.broken.push((from.clone(), missing("which is no path in the repository")));
            }
            return None;
        };
        match self.auto.kustomization_file(&directory) {
            Ok(Some((file, source))) => {
                if within.len() >= MAX_DEPTH {
                    let why = format!("and {MAX_DEPTH} kustomizations name each other before it, which is the most");
                    self.broken.push((from.clone(), missing(&why)));
                    return None;
                }
                if within.contains(&file) {
                    self.broken.push((from.clone(), missing("which names it in turn: they go round in a circle")));
                    return None;
                }
                self.may_read(from, &file).then_some((file, source))
            }
            Ok(None) => {
                self.broken.push((
                    from.clone(),
                    missing("and there is no such file, and no such directory with a kustomization file"),
                ));
                None
            }
            Err(located) => {
                let file = located.file.clone();
                self.broken.extend(located.site.err().map(|failure| (file, failure)));
                None
            }
        }
    }

    /// Counts a file; over the limit none is read any more.
    fn may_read(&mut self, from: &RepoPath, file: &RepoPath) -> bool {
        self.files += 1;
        if self.files == MAX_LISTED + 1 {
            let failure = Failure {
                code: "target/not-found".to_owned(),
                message: format!(
                    "kustomizations name more than {MAX_LISTED} files, and {file} and what follows was not looked into"
                ),
                hint: Some("name the place in `write-back-target`".to_owned()),
                line: None,
            };
            self.broken.push((from.clone(), failure));
        }
        self.files <= MAX_LISTED && !self.cost.is_spent()
    }

    /// Reads a file that a kustomization names, other than a resource.
    fn file(&mut self, from: &RepoPath, text: &str) -> Option<(RepoPath, Arc<Source>)> {
        let path = from.parent().join(text);
        match path.as_ref().map(|path| (self.auto.files.read)(path)) {
            Some(FileState::Parsed(source)) => {
                let path = path?;
                self.may_read(from, &path).then_some((path, source))
            }
            Some(state) => {
                let path = path?;
                let failure = unusable(&path, &state);
                let message = format!("{}, and {from} names it", failure.message);
                self.broken.push((path, Failure { message, ..failure }));
                None
            }
            None => None,
        }
    }

    /// Applies the patches of one list of a kustomization.
    fn patches(&mut self, from: &RepoPath, owner: usize, root: Node<'_>, list: &str, objects: &mut Vec<Object>) {
        let Ok(list_path) = KeyPath::of_key(list) else { return };
        for (number, item) in root.get(list).map(Node::items).unwrap_or_default().into_iter().enumerate() {
            let text = |key: &str| item.get(key).and_then(Node::as_str);
            let target = item.get("target").map(|target| Target::of(target, &mut self.cost));
            let item_path = list_path.item(number);
            let (file, inline) = match item.as_str() {
                Some(text) if text.contains('\n') || text.trim_start().starts_with('{') => {
                    (None, Some((text, item_path.ok())))
                }
                Some(text) => (Some(text), None),
                None => {
                    let path = item_path.and_then(|path| path.child("patch")).ok();
                    (text("path"), text("patch").map(|text| (text, path)))
                }
            };
            let patches = match (file, inline) {
                (Some(path), _) => match self.file(from, path) {
                    Some((path, source)) => {
                        self.cost.hold(source.text().len());
                        patches::of_file(&source, &path, owner)
                    }
                    None => continue,
                },
                (None, Some((text, Some(path)))) => match Source::parse(text) {
                    Ok(source) => patches::of_text(&source, from, owner, &path),
                    Err(error) => {
                        let failure = crate::plan::locate::edit_failure(from, &error);
                        let message = format!("{from}: `{path}`: {error}");
                        self.broken.push((from.clone(), Failure { message, ..failure }));
                        continue;
                    }
                },
                (None, _) => continue,
            };
            let is_all_seen = self.is_all_seen();
            patches::apply(patches, target.as_ref(), objects, self.has_schema, is_all_seen, &mut self.cost);
        }
    }

    fn entries(&mut self, file: &RepoPath, owner: usize, root: Node<'_>) -> Vec<Entry> {
        let Ok(list) = kustomization::images() else { return Vec::new() };
        let place = |name: &str| {
            let place = Place::Entry { list: list.clone(), name: name.to_owned(), is_digest: false };
            Origin::Place { owner, file: file.clone(), place: Box::new(place) }
        };
        let items = root.get(kustomization::IMAGES).map(Node::items).unwrap_or_default();
        items.into_iter().filter_map(|item| Entry::of(item, &place, &mut self.cost)).collect()
    }

    fn image_fields(&mut self, from: &RepoPath, configurations: &[String]) -> Vec<Field> {
        let mut fields = Vec::new();
        for text in configurations {
            let Some((_, source)) = self.file(from, text) else { continue };
            let Some(root) = source.documents().first().map(|document| document.root()) else { continue };
            let items = root.get(kustomization::IMAGES).map(Node::items).unwrap_or_default();
            fields.extend(items.into_iter().filter_map(Field::of));
        }
        fields
    }
}

/// Tells whether a resource stands in another repository.
fn is_remote(text: &str) -> bool {
    let hosts = ["github.com/", "gitlab.com/", "bitbucket.org/", "git@", "git::", "gh:"];
    text.contains("://") || text.contains("?ref=") || hosts.iter().any(|host| text.starts_with(host))
}
