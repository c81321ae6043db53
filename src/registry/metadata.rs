//! What stands behind a digest: an index, a manifest, the configuration of an image (OCI Image 1.1, and Docker's
//! manifests v2.2, which are the same but for their media types).
//!
//! Everything is asked for by its digest, and its bytes must have it. Attestations are no platforms.

use futures_util::{StreamExt, stream};
use oci_distribution::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};

use crate::model::metadata::{Build, Created, Metadata, Needs, Platform};
use crate::model::names::{Digest, ImageName};
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host, Question};
use crate::registry::manifest::ACCEPT;
use crate::registry::options::Limits;

/// Builds of one index that are read; the largest public ones have about twenty.
const MAX_BUILDS: usize = 64;
/// Builds of one index that are asked for at once.
const CONCURRENCY: usize = 4;

/// Media types of an image's configuration. Charts, policies and other artifacts have their own.
const CONFIGS: &[&str] =
    &["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

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

/// An image's configuration.
#[derive(Deserialize)]
struct Configuration {
    created: Option<String>,
    #[serde(flatten)]
    platform: Named,
}

impl Named {
    fn platform(&self) -> Option<Platform> {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref())
    }
}

/// What a manifest turned out to be.
enum Found {
    Index(Vec<Build>),
    /// An image, by its configuration.
    Image(Digest),
    Foreign(String),
}

pub(crate) async fn describe(
    host: &Host,
    image: &ImageName,
    digest: &Digest,
    needs: &Needs,
    known: Option<&Metadata>,
    limits: &Limits,
) -> Result<Option<Metadata>, RegistryError> {
    let reader = Reader { host, image, limits };
    let builds = match known {
        Some(Metadata::Foreign(kind)) => return Ok(Some(Metadata::Foreign(kind.clone()))),
        Some(Metadata::Image(builds)) => builds.clone(),
        None => match reader.manifest(digest).await? {
            None => return Ok(None),
            Some(Found::Foreign(kind)) => {
                // The words of a server are shown to people.
                let kind = kind.chars().filter(char::is_ascii_graphic).take(100).collect();
                return Ok(Some(Metadata::Foreign(kind)));
            }
            Some(Found::Index(builds)) => builds,
            Some(Found::Image(configuration)) => {
                let Some(read) = reader.configuration(&configuration).await? else { return Ok(None) };
                let build =
                    Build { platform: read.platform.platform(), manifest: digest.to_string(), created: read.created() };
                return Ok(Some(Metadata::Image(vec![build])));
            }
        },
    };
    let dated = builds.into_iter().map(|build| reader.dated(build, needs));
    let dated: Vec<_> = stream::iter(dated).buffered(CONCURRENCY).collect().await;
    let mut all = Vec::new();
    for build in dated {
        match build? {
            Some(build) => all.push(build),
            None => return Ok(None),
        }
    }
    Ok(Some(Metadata::Image(all)))
}

struct Reader<'a> {
    host: &'a Host,
    image: &'a ImageName,
    limits: &'a Limits,
}

impl Reader<'_> {
    /// Adds the date of a build if it is needed; none if the registry does not have the build.
    async fn dated(&self, mut build: Build, needs: &Needs) -> Result<Option<Build>, RegistryError> {
        if !needs.dates(&build) || build.created != Created::Unasked {
            return Ok(Some(build));
        }
        let Ok(digest) = build.manifest.parse() else { return Ok(Some(build)) };
        build.created = match self.manifest(&digest).await? {
            None => return Ok(None),
            Some(Found::Image(configuration)) => match self.configuration(&configuration).await? {
                None => return Ok(None),
                Some(read) => {
                    build.platform = build.platform.or_else(|| read.platform.platform());
                    read.created()
                }
            },
            // An index in an index, or an artifact among the images: no date of its own.
            Some(Found::Index(_) | Found::Foreign(_)) => Created::Unsaid,
        };
        Ok(Some(build))
    }

    async fn manifest(&self, digest: &Digest) -> Result<Option<Found>, RegistryError> {
        let Some((body, kind)) = self.read("manifests", digest, ACCEPT).await? else { return Ok(None) };
        let bad = |reason: &str| self.bad(digest, reason.to_owned());
        let document: Document = serde_json::from_slice(&body).map_err(|_| bad("it is no manifest in JSON"))?;
        let kind = document.media_type.clone().unwrap_or(kind);
        if document.schema_version != Some(2) {
            let version = document.schema_version.map_or("none".to_owned(), |version| version.to_string());
            return Ok(Some(Found::Foreign(format!("{kind}, schema version {version}"))));
        }
        if let Some(artifact) =
            document.artifact_type.filter(|kind| !kind.is_empty() && !CONFIGS.contains(&kind.as_str()))
        {
            return Ok(Some(Found::Foreign(artifact)));
        }
        match kind.as_str() {
            OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE => {
                let builds = document.manifests.unwrap_or_default().iter().filter_map(build).collect::<Vec<_>>();
                if builds.len() > MAX_BUILDS {
                    let reason = format!("it has {} platforms, and at most {MAX_BUILDS} are read", builds.len());
                    return Err(self.bad(digest, reason));
                }
                Ok(Some(Found::Index(builds)))
            }
            OCI_IMAGE_MEDIA_TYPE | IMAGE_MANIFEST_MEDIA_TYPE => {
                let config = document.config.ok_or_else(|| bad("it has no `config`"))?;
                if !CONFIGS.contains(&config.media_type.as_str()) {
                    return Ok(Some(Found::Foreign(config.media_type)));
                }
                let named = config.digest.and_then(|digest| digest.parse().ok());
                Ok(Some(Found::Image(named.ok_or_else(|| bad("its `config` has no digest"))?)))
            }
            _ => Ok(Some(Found::Foreign(kind))),
        }
    }

    async fn configuration(&self, digest: &Digest) -> Result<Option<Configuration>, RegistryError> {
        let Some((body, _)) = self.read("blobs", digest, "*/*").await? else { return Ok(None) };
        let read = serde_json::from_slice(&body);
        read.map(Some).map_err(|_| self.bad(digest, "it is no configuration of an image in JSON".to_owned()))
    }

    /// Reads bytes by their digest, with their media type; none for a 404.
    async fn read(
        &self,
        what: &str,
        digest: &Digest,
        accept: &'static str,
    ) -> Result<Option<(Vec<u8>, String)>, RegistryError> {
        let image = self.image;
        let url = self.host.url(image, &format!("{what}/{digest}"))?;
        let (cap, is_blob) = (self.limits.bytes_per_manifest, what == "blobs");
        let question = Question { image, method: Method::GET, accept, cap, is_blob };
        let answer = self.host.ask(&question, url, &mut Budget::new(self.limits.listing_time)).await?;
        match answer.status {
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::OK => {}
            _ => return Err(self.host.refusal(image, &answer)),
        }
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        let body = answer.body.map_err(|error| self.bad(digest, error.to_string()))?;
        let computed = if digest.as_str().starts_with("sha512:") {
            format!("sha512:{}", hex::encode(Sha512::digest(&body)))
        } else {
            format!("sha256:{}", hex::encode(Sha256::digest(&body)))
        };
        if computed != digest.as_str() {
            return Err(self.bad(digest, format!("its bytes are {computed}")));
        }
        Ok(Some((body.to_vec(), kind)))
    }

    fn bad(&self, digest: &Digest, reason: String) -> RegistryError {
        RegistryError::BadManifest { image: self.image.clone(), tag: digest.to_string(), reason }
    }
}

impl Configuration {
    /// Gives the date; what is none counts as unsaid (OCI Image 1.1: RFC 3339, section 5.6).
    fn created(&self) -> Created {
        let time = self.created.as_deref().and_then(|text| text.trim().parse().ok());
        time.map_or(Created::Unsaid, Created::At)
    }
}

/// Gives the build that an entry of an index names; none for attestations, whose platform is `unknown`.
fn build(entry: &Descriptor) -> Option<Build> {
    let digest: Digest = entry.digest.as_ref()?.parse().ok()?;
    let platform = match &entry.platform {
        Some(named) => Some(named.platform()?),
        None => None,
    };
    Some(Build { platform, manifest: digest.to_string(), created: Created::Unasked })
}
