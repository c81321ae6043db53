//! What a tag names now (OCI Distribution 1.1, "Checking if content exists in the registry").

use oci_distribution::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    Versioned,
};
use reqwest::header::ETAG;
use reqwest::{Method, StatusCode};
use sha2::{Digest as _, Sha256, Sha512};

use crate::model::names::Digest;
use crate::model::names::ImageName;
use crate::model::names::Tag;
use crate::registry::answer::Answer;
use crate::registry::document::{self, Found};
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host, Question};
use crate::registry::options::Limits;
use crate::registry::pace::Share;

/// Every kind of manifest that is understood. One that is missing here makes registries answer 404 for it; the old
/// schema 1 is left out on purpose, since registries convert to it and then name a digest that nobody pushed.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const KNOWN: &[&str] =
    &[OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE];

/// The longest `ETag` that is kept.
const MAX_ETAG: usize = 200;

/// What was known of a tag when it was looked at last.
#[derive(Clone, Copy, Debug)]
pub struct Last<'a> {
    /// The digest that it named.
    pub digest: &'a Digest,
    /// The `ETag` of its manifest, if the registry gave one.
    pub etag: Option<&'a str>,
}

/// What a tag names now, or a digest itself.
#[derive(Clone, Debug)]
pub struct Named {
    /// The digest.
    pub digest: Digest,
    /// The `ETag` of the manifest, if the registry gave one.
    pub etag: Option<String>,
    /// What the manifest turned out to be, if it was read.
    pub(crate) found: Option<Found>,
}

impl From<Digest> for Named {
    fn from(digest: Digest) -> Self {
        Self { digest, etag: None, found: None }
    }
}

/// Looks at a tag: reads its manifest if nothing is known of it, else asks whether it names another digest than before.
pub(crate) async fn open_tag(
    host: &Host,
    image: &ImageName,
    tag: &Tag,
    last: Option<Last<'_>>,
    limits: &Limits,
) -> Result<Option<Named>, RegistryError> {
    let url = host.url(image, &format!("manifests/{tag}"))?;
    let mut budget = Budget::new(limits.listing_time);
    let (cap, if_none_match) = (limits.bytes_per_manifest, last.and_then(|last| last.etag));
    let (method, share) = (Method::GET, Share::All);
    let mut get = Question { image, method, accept: ACCEPT, cap, is_blob: false, if_none_match, share };
    if last.is_some() {
        // HEAD, because some registries count every GET of a manifest as a pull.
        let head = Question { method: Method::HEAD, if_none_match: None, ..get.clone() };
        let answer = host.ask(&head, url.clone(), &mut budget).await?;
        if let Some(named) = by_header(host, image, &answer)? {
            return Ok(named.map(|digest| Named { digest, etag: etag(&answer), found: None }));
        }
        get.share = Share::Begun;
    }
    let answer = host.ask(&get, url, &mut budget).await?;
    match (answer.status, last) {
        (StatusCode::NOT_FOUND, _) => Ok(None),
        (StatusCode::NOT_MODIFIED, Some(last)) if if_none_match.is_some() => {
            let (digest, etag) = (last.digest.clone(), last.etag.map(str::to_owned));
            Ok(Some(Named { digest, etag, found: None }))
        }
        (StatusCode::OK, _) => opened(&answer).map(Some).map_err(|reason| RegistryError::BadManifest {
            image: image.clone(),
            tag: tag.to_string(),
            reason,
        }),
        _ => Err(host.refusal(image, &answer)),
    }
}

pub(crate) async fn resolve_tag(
    host: &Host,
    image: &ImageName,
    tag: &Tag,
    limits: &Limits,
) -> Result<Option<Digest>, RegistryError> {
    let url = host.url(image, &format!("manifests/{tag}"))?;
    let mut budget = Budget::new(limits.listing_time);
    let cap = limits.bytes_per_manifest;
    let (method, share) = (Method::HEAD, Share::All);
    let head = Question { image, method, accept: ACCEPT, cap, is_blob: false, if_none_match: None, share };
    let answer = host.ask(&head, url.clone(), &mut budget).await?;
    if let Some(named) = by_header(host, image, &answer)? {
        return Ok(named);
    }
    let get = Question { method: Method::GET, share: Share::Begun, ..head };
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

/// Reads the answer to HEAD: the digest, or that there is no such tag. None if only GET can tell.
fn by_header(host: &Host, image: &ImageName, answer: &Answer) -> Result<Option<Option<Digest>>, RegistryError> {
    match answer.status {
        StatusCode::NOT_FOUND => Ok(Some(None)),
        StatusCode::OK => Ok(header_digest(answer).filter(|_| !answer.is_html()).map(Some)),
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Ok(None),
        _ => Err(host.refusal(image, answer)),
    }
}

fn header_digest(answer: &Answer) -> Option<Digest> {
    answer.headers.get("docker-content-digest")?.to_str().ok()?.trim().parse().ok()
}

/// Gives the `ETag` if it may be sent back: a strong one, so that equal means equal bytes (RFC 9110, section 8.8.1).
fn etag(answer: &Answer) -> Option<String> {
    let text = answer.headers.get(ETAG)?.to_str().ok()?.trim();
    let is_kept = text.len() <= MAX_ETAG && text.starts_with('"') && text.bytes().all(|c| c.is_ascii_graphic());
    is_kept.then(|| text.to_owned())
}

/// Reads a manifest whose tag was asked for. Its digest is computed from the bytes; the header, if there is one, must
/// agree.
fn opened(answer: &Answer) -> Result<Named, String> {
    let body = answer.body.as_ref().map_err(ToString::to_string)?;
    if answer.is_html() {
        return Err("it is a web page (HTML), not JSON".to_owned());
    }
    let (kind, etag) = (answer.media_type(), etag(answer));
    if document::is_schema_1(&kind) {
        // Converted, or older than what is asked for: its digest is that of a part, and nothing is read of it.
        let digest = header_digest(answer).map_or_else(|| computed(None, body), Ok)?;
        return Ok(Named { digest, etag, found: Some(Found::Foreign(kind)) });
    }
    let found = Some(document::read(body, &kind)?);
    Ok(Named { digest: computed(header_digest(answer), body)?, etag, found })
}

/// Computes the digest of a manifest from its bytes, which must be what the registry says of it.
fn computed(named: Option<Digest>, body: &[u8]) -> Result<Digest, String> {
    let computed = match &named {
        Some(named) => digest_like(named, body),
        None => format!("sha256:{}", hex::encode(Sha256::digest(body))),
    };
    match named {
        Some(named) if named.as_str() != computed => {
            Err(format!("its bytes are {computed}, the registry says {named}"))
        }
        _ => computed.parse().map_err(|error| format!("{error}")),
    }
}

/// Computes a digest in the algorithm of another one.
pub(crate) fn digest_like(named: &Digest, body: &[u8]) -> String {
    match named.as_str().starts_with("sha512:") {
        true => format!("sha512:{}", hex::encode(Sha512::digest(body))),
        false => format!("sha256:{}", hex::encode(Sha256::digest(body))),
    }
}

/// Computes the digest of what must be an image or an index.
fn body_digest(answer: &Answer) -> Result<Digest, String> {
    let body = answer.body.as_ref().map_err(ToString::to_string)?;
    if answer.is_html() {
        return Err("it is a web page (HTML), not JSON".to_owned());
    }
    let manifest: Versioned = serde_json::from_slice(body).map_err(|_| "it is no manifest in JSON".to_owned())?;
    if manifest.schema_version != 2 {
        return Err(format!("its `schemaVersion` is {}, only 2 is read", manifest.schema_version));
    }
    let header = answer.media_type();
    let kind = manifest.media_type.as_deref().unwrap_or(&header).split(';').next().unwrap_or_default().trim();
    if !KNOWN.contains(&kind) {
        return Err("its media type is neither an image manifest nor an image index".to_owned());
    }
    computed(header_digest(answer), body)
}
