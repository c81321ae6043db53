//! Charts that a kustomization inflates: what their values name is an image of one object more.

use crate::manifest::place::Place;
use crate::model::address::{Address, ObjectName};
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::tracked::{Layer, Shape, ValuesPart, ValuesSearch};
use crate::plan::locate::auto::kustomizations::familiar;
use crate::plan::locate::auto::render::Render;
use crate::plan::locate::auto::render::object::Object;
use crate::plan::locate::auto::render::tree::{Leaf, Origin, Tree};
use crate::plan::locate::found::Found;
use crate::plan::locate::{Located, shown};
use crate::yaml::Node;

impl Render<'_> {
    /// Gives the images that the values of the charts of a kustomization name.
    pub(super) fn charts(&mut self, from: &RepoPath, owner: usize, root: Node<'_>) -> Vec<Object> {
        let home = root.get_path(&["helmGlobals", "chartHome"]).and_then(Node::as_str).unwrap_or("charts");
        let list = KeyPath::of_key("helmCharts").ok();
        let charts = root.get("helmCharts").map(Node::items).unwrap_or_default().into_iter().enumerate();
        let mut objects = Vec::new();
        for (number, chart) in charts {
            let inline = list.as_ref().and_then(|list| list.item(number).ok()?.child("valuesInline").ok());
            objects.extend(self.chart(from, from, owner, chart, home, inline));
        }
        objects
    }

    /// Gives the images of a generator: of the charts that it inflates.
    pub(super) fn generator(&mut self, from: &RepoPath, owner: usize, text: &str) -> Vec<Object> {
        let mut objects = Vec::new();
        for (file, source) in self.plugin(from, text).unwrap_or_default() {
            for (number, document) in source.documents().iter().enumerate() {
                let root = document.root();
                if root.get("kind").and_then(Node::as_str) != Some("HelmChartInflationGenerator") {
                    self.unseen.push(format!("what `{text}` of {from} makes"));
                    continue;
                }
                let home = root.get("chartHome").and_then(Node::as_str).unwrap_or("charts");
                let inline = KeyPath::of_key("valuesInline").ok().filter(|_| number == 0 && file != *from);
                objects.extend(self.chart(from, &file, owner, root, home, inline));
            }
        }
        objects
    }

    fn chart(
        &mut self,
        from: &RepoPath,
        file: &RepoPath,
        owner: usize,
        chart: Node<'_>,
        home: &str,
        inline: Option<KeyPath>,
    ) -> Option<Object> {
        let text = |key: &str| chart.get(key).and_then(Node::as_str);
        let name = text("name").unwrap_or_default();
        self.unseen.push(format!("what the chart `{name}` of {from} renders"));
        let directory = from.parent();
        let layer = |path: &str| Some(Layer::of(directory.join(path)?));
        let of_file: Vec<Layer> = text("valuesFile").and_then(layer).into_iter().collect();
        let inline = inline.filter(|_| chart.get("valuesInline").is_some());
        let of_inline: Vec<Layer> = inline
            .map(|key| Layer {
                file: file.clone(),
                part: Some(ValuesPart { object: ObjectName::Number(0), key, shape: Shape::Values }),
            })
            .into_iter()
            .collect();
        let mut layers = match text("valuesMerge") {
            Some("replace") => of_inline,
            Some("merge") => [of_inline, of_file].concat(),
            _ => [of_file, of_inline].concat(),
        };
        let additional = chart.get("additionalValuesFiles").map(Node::items).unwrap_or_default();
        layers.extend(additional.into_iter().filter_map(Node::as_str).filter_map(layer));
        let is_there = |layer: &Layer| self.auto.files.is_there(&layer.file);
        let versioned = text("version").map(|version| format!("{home}/{name}-{version}/{name}/values.yaml"));
        let own = [Some(format!("{home}/{name}/values.yaml")), versioned];
        let own = own.into_iter().flatten().filter_map(|path| layer(&path)).find(is_there);
        let fallback = layers.first().or(own.as_ref())?.clone();
        let values: Vec<Layer> = own.into_iter().chain(layers.iter().cloned()).collect();
        let search = ValuesSearch { files: layers, fallback, values, overriding: Vec::new(), name_key: None };
        let places = match self.auto.in_values(&search) {
            Ok((places, _)) => places,
            Err(located) => {
                let Located { file, site, .. } = *located;
                let failure = site.err().filter(|failure| failure.code != "target/not-found");
                self.broken.extend(failure.map(|failure| (file, failure)));
                return None;
            }
        };
        let container = |found: Found| {
            let held = found.held.as_ref().ok();
            let value = held.map(|held| shown(held.tag.as_deref(), held.digest.as_deref())).unwrap_or_default();
            let joint = if value.starts_with("sha256:") { "@" } else { ":" };
            let text = format!("{}{joint}{value}", familiar(self.auto.name));
            let Found { file, place, .. } = found;
            let from = std::sync::Arc::new(origin(owner, file, place));
            Tree::Map(vec![("image".to_owned(), Tree::Text(Leaf { text, from, reached: None }))])
        };
        let containers = places.into_iter().map(container).collect();
        Some(Object::of(Tree::Map(vec![("containers".to_owned(), Tree::List(containers))])))
    }
}

fn origin(owner: usize, file: RepoPath, place: Place) -> Origin {
    let plain = |address: Address| match address.object {
        // The first document is where key paths look.
        Some(ObjectName::Number(0)) => Address::first(address.key),
        _ => address,
    };
    let place = match place {
        Place::Tag(address) => Place::Tag(plain(address)),
        Place::Spec(address) => Place::Spec(plain(address)),
        Place::Version(address) => Place::Version(plain(address)),
        Place::Parts { tag, digest } => Place::Parts { tag: plain(tag), digest: digest.map(plain) },
        other @ (Place::Entry { .. } | Place::Parameter { .. } | Place::Image { .. } | Place::Override(_)) => other,
    };
    Origin::Place { owner, file, place: Box::new(place) }
}
