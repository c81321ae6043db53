//! What the bytes of a manifest say: an index, an image, or something else (OCI Image 1.1, and Docker's manifests v2.2,
//! which are the same but for their media types). Attestations are no platforms. Asks nothing.

use oci_distribution::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use serde::Deserialize;

use crate::model::metadata::{Build, Created, Labels, Platform};
use crate::model::names::Digest;

/// Builds of one index that are read; the largest public ones have about twenty.
const MAX_BUILDS: usize = 64;

/// Media types of an image's configuration. Charts, policies and other artifacts have their own.
const CONFIGS: &[&str] =
    &["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// What a manifest turned out to be.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Index(Vec<Build>),
    /// An image, by its configuration.
    Image(Digest),
    Foreign(String),
}

/// An index or a manifest; what it is, its media type says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: Option<String>,
    platform: Option<Named>,
}

/// A platform, in an index or in an image's configuration.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl Named {
    fn platform(&self) -> Option<Platform> {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref())
    }
}

/// An image's configuration.
#[derive(Deserialize)]
pub(crate) struct Configuration {
    created: Option<String>,
    /// How it is run. Only its labels count, and one of another shape makes no image unreadable.
    #[serde(default)]
    config: serde_json::Value,
    #[serde(flatten)]
    platform: Named,
}

impl Configuration {
    pub(crate) fn platform(&self) -> Option<Platform> {
        self.platform.platform()
    }

    /// Gives the date; what is none counts as unsaid (OCI Image 1.1: RFC 3339, section 5.6).
    pub(crate) fn created(&self) -> Created {
        let time = self.created.as_deref().and_then(|text| text.trim().parse().ok());
        time.map_or(Created::Unsaid, Created::At)
    }

    pub(crate) fn labels(&self) -> Labels {
        let labels = self.config.get("Labels");
        Labels::of(|key| labels?.get(key)?.as_str())
    }
}

/// Tells the media types of the old schema 1, whose digest is that of a part of the bytes. Nothing is read of it.
pub(crate) fn is_schema_1(kind: &str) -> bool {
    kind.starts_with("application/vnd.docker.distribution.manifest.v1+")
}

/// Reads a manifest that came with this media type.
///
/// # Errors
/// In words, after the name of the manifest.
pub(crate) fn read(body: &[u8], kind: &str) -> Result<Found, String> {
    let document: Document = serde_json::from_slice(body).map_err(|_| "it is no manifest in JSON".to_owned())?;
    let kind = document.media_type.as_deref().unwrap_or(kind);
    if document.schema_version != Some(2) {
        let version = document.schema_version.map_or("none".to_owned(), |version| version.to_string());
        return Ok(Found::Foreign(format!("{kind}, schema version {version}")));
    }
    if let Some(artifact) = document.artifact_type.filter(|kind| !kind.is_empty() && !CONFIGS.contains(&kind.as_str()))
    {
        return Ok(Found::Foreign(artifact));
    }
    match kind {
        OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE => {
            let builds = document.manifests.unwrap_or_default().iter().filter_map(build).collect::<Vec<_>>();
            if builds.len() > MAX_BUILDS {
                return Err(format!("it has {} platforms, and at most {MAX_BUILDS} are read", builds.len()));
            }
            Ok(Found::Index(builds))
        }
        OCI_IMAGE_MEDIA_TYPE | IMAGE_MANIFEST_MEDIA_TYPE => {
            let config = document.config.ok_or_else(|| "it has no `config`".to_owned())?;
            if !CONFIGS.contains(&config.media_type.as_str()) {
                return Ok(Found::Foreign(config.media_type));
            }
            let named = config.digest.and_then(|digest| digest.parse().ok());
            Ok(Found::Image(named.ok_or_else(|| "its `config` has no digest".to_owned())?))
        }
        kind => Ok(Found::Foreign(kind.to_owned())),
    }
}

/// Gives the build that an entry of an index names; none for attestations, whose platform is `unknown`.
fn build(entry: &Descriptor) -> Option<Build> {
    let digest: Digest = entry.digest.as_ref()?.parse().ok()?;
    let platform = match &entry.platform {
        Some(named) => Some(named.platform()?),
        None => None,
    };
    Some(Build::unasked(platform, &digest))
}
