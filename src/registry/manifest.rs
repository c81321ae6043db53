//! What a tag names now (OCI Distribution 1.1, "Checking if content exists in the registry").

use oci_distribution::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    Versioned,
};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use sha2::{Digest as _, Sha256, Sha512};

use crate::model::names::Digest;
use crate::model::names::ImageName;
use crate::model::names::Tag;
use crate::registry::answer::Answer;
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host, Question};
use crate::registry::options::Limits;

/// Every kind of manifest that is understood. One that is missing here makes registries answer 404 for it; the old
/// schema 1 is left out on purpose, since registries convert to it and then name a digest that nobody pushed.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const KNOWN: &[&str] =
    &[OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE];

pub(crate) async fn resolve_tag(
    host: &Host,
    image: &ImageName,
    tag: &Tag,
    limits: &Limits,
) -> Result<Option<Digest>, RegistryError> {
    let url = host.url(image, &format!("manifests/{tag}"))?;
    let mut budget = Budget::new(limits.listing_time);
    let head = Question { image, method: Method::HEAD, accept: ACCEPT, cap: limits.bytes_per_manifest, is_blob: false };
    let answer = host.ask(&head, url.clone(), &mut budget).await?;
    match answer.status {
        StatusCode::NOT_FOUND => return Ok(None),
        StatusCode::OK => {
            if let Some(digest) = header_digest(&answer).filter(|_| !answer.is_html()) {
                return Ok(Some(digest));
            }
        }
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {}
        _ => return Err(host.refusal(image, &answer)),
    }
    let get = Question { method: Method::GET, ..head };
    let answer = host.ask(&get, url, &mut budget).await?;
    match answer.status {
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::OK => body_digest(&answer).map(Some).map_err(|reason| RegistryError::BadManifest {
            image: image.clone(),
            tag: tag.to_string(),
            reason,
        }),
        _ => Err(host.refusal(image, &answer)),
    }
}

fn header_digest(answer: &Answer) -> Option<Digest> {
    answer.headers.get("docker-content-digest")?.to_str().ok()?.trim().parse().ok()
}

/// Computes the digest of a manifest from its bytes; the header, if there is one, must agree.
fn body_digest(answer: &Answer) -> Result<Digest, String> {
    let body = answer.body.as_ref().map_err(ToString::to_string)?;
    if answer.is_html() {
        return Err("it is a web page (HTML), not JSON".to_owned());
    }
    let manifest: Versioned = serde_json::from_slice(body).map_err(|_| "it is no manifest in JSON".to_owned())?;
    if manifest.schema_version != 2 {
        return Err(format!("its `schemaVersion` is {}, only 2 is read", manifest.schema_version));
    }
    let header = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = manifest.media_type.as_deref().unwrap_or(header).split(';').next().unwrap_or_default().trim();
    if !KNOWN.contains(&kind) {
        return Err("its media type is neither an image manifest nor an image index".to_owned());
    }
    let named = header_digest(answer);
    let computed = match &named {
        Some(named) if named.as_str().starts_with("sha512:") => format!("sha512:{}", hex::encode(Sha512::digest(body))),
        _ => format!("sha256:{}", hex::encode(Sha256::digest(body))),
    };
    let computed: Digest = computed.parse().map_err(|error| format!("{error}"))?;
    match named {
        Some(named) if named != computed => Err(format!("its bytes are {computed}, the registry says {named}")),
        _ => Ok(computed),
    }
}
