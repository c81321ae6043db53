//! Images that say what they are: index, manifests and configurations.

use serde_json::{Value, json};

use super::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, digest};

/// A manifest or a blob.
#[derive(Clone, Debug)]
pub struct Part {
    pub kind: String,
    pub body: Vec<u8>,
}

/// What a tag names.
#[derive(Clone, Debug)]
pub struct Image {
    /// Platform and date of each build; without a date it says none.
    pub builds: Vec<(String, Option<String>)>,
    /// An index even of one build, with an attestation.
    pub is_index: bool,
    /// Media type of the configuration.
    pub config: String,
    /// Tells images of one date apart.
    pub mark: String,
    /// `Labels` of the configuration, besides the mark if it is an object.
    pub labels: Value,
}

impl Image {
    /// An image of one platform, by its manifest alone.
    pub fn built(created: &str) -> Self {
        let builds = vec![("linux/amd64".to_owned(), Some(created.to_owned()))];
        Self { builds, is_index: false, config: OCI_CONFIG.to_owned(), mark: String::new(), labels: json!({}) }
    }

    /// An image for several platforms: `platform created`, one a text; without a date it says none.
    pub fn index(builds: &[&str]) -> Self {
        let build = |text: &&str| {
            let (platform, created) = text.split_once(' ').map_or((*text, None), |(one, other)| (one, Some(other)));
            (platform.to_owned(), created.map(str::to_owned))
        };
        Self { builds: builds.iter().map(build).collect(), is_index: true, ..Self::built("") }
    }

    /// The same with other bytes.
    pub fn marked(mut self, mark: &str) -> Self {
        self.mark = mark.to_owned();
        self
    }

    /// The digest that a tag names, and everything behind it.
    pub fn parts(&self) -> (String, Vec<(String, Part)>) {
        let mut parts = Vec::new();
        let mut entries: Vec<Value> = Vec::new();
        for (platform, created) in &self.builds {
            let (os, rest) = platform.split_once('/').unwrap();
            let (architecture, variant) = rest.split_once('/').map_or((rest, None), |(one, two)| (one, Some(two)));
            let mut named = json!({"os": os, "architecture": architecture});
            if let Some(variant) = variant {
                named["variant"] = variant.into();
            }
            let mut config = named.clone();
            let mut labels = self.labels.clone();
            if let Some(labels) = labels.as_object_mut() {
                labels.insert("mark".to_owned(), self.mark.as_str().into());
            }
            config["config"] = json!({"Labels": labels});
            if let Some(created) = created {
                config["created"] = created.as_str().into();
            }
            let config = add(&mut parts, &self.config, &config);
            let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], "annotations": {}});
            let mut entry = add(&mut parts, OCI_MANIFEST, &manifest);
            entry["platform"] = named;
            entries.push(entry);
        }
        if !self.is_index {
            return (entries[0]["digest"].as_str().unwrap().to_owned(), parts);
        }
        // Never read: its manifest is not there.
        entries.push(json!({
            "mediaType": OCI_MANIFEST, "digest": digest(b"attestation"), "size": 1,
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        }));
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
        let named = add(&mut parts, OCI_INDEX, &index)["digest"].as_str().unwrap().to_owned();
        (named, parts)
    }
}

/// Adds a part and gives its descriptor.
fn add(parts: &mut Vec<(String, Part)>, kind: &str, body: &Value) -> Value {
    let body = body.to_string().into_bytes();
    let descriptor = json!({"mediaType": kind, "digest": digest(&body), "size": body.len()});
    let part = Part { kind: kind.to_owned(), body };
    parts.push((descriptor["digest"].as_str().unwrap().to_owned(), part));
    descriptor
}
