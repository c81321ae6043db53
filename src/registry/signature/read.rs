//! Reading what may be signatures: lists of referrers, manifests and blobs, each with a cap.

use std::collections::BTreeMap;

use oci_distribution::manifest::{IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};
use url::Url;

use crate::model::names::{Digest, ImageName};
use crate::registry::answer::Answer;
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host, Question};
use crate::registry::listing;
use crate::registry::pace::Share;

/// Pages of one list of referrers that are read.
pub(super) const MAX_PAGES: usize = 16;
/// Bytes of one page.
const MAX_PAGE: usize = 4 * 1024 * 1024;
/// Bytes of a manifest of signatures.
pub(super) const MAX_MANIFEST: usize = 1024 * 1024;

/// The kinds that signatures are stored as, and those that images have: what is signed may be the manifest itself.
const MANIFESTS: &str = crate::registry::manifest::ACCEPT;

/// One registry as it is asked for the signatures of one image.
pub(super) struct Source<'a> {
    pub(super) host: &'a Host,
    pub(super) image: &'a ImageName,
    pub(super) budget: Budget,
}

/// What an answer to a list turned out to be.
pub(super) enum Listed {
    Page {
        entries: Vec<Descriptor>,
        next: Option<Url>,
    },
    /// There is no such list.
    Absent,
    Unreadable(&'static str),
}

/// What an answer to a manifest or blob turned out to be.
pub(super) enum Part {
    Bytes(Vec<u8>),
    /// It is not there (404).
    Absent,
    Unreadable(&'static str),
}

/// What names a manifest or blob.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    size: Option<u64>,
    pub(super) artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
}

/// A manifest that holds signatures as its layers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u64,
    media_type: Option<String>,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// Names a manifest by its digest alone.
    pub(super) fn of(digest: &Digest) -> Self {
        let digest = digest.to_string();
        Self { media_type: String::new(), digest, size: None, artifact_type: None, annotations: None }
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

impl Manifest {
    /// Reads an image manifest; none where it is none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(bytes).ok()?;
        let is_known = |kind: &str| [OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE].contains(&kind);
        (read.schema_version == 2 && read.media_type.as_deref().is_none_or(is_known)).then_some(read)
    }

    /// Tells whether it says that it belongs to this image.
    pub(super) fn is_of(&self, digest: &Digest) -> bool {
        self.subject.as_ref().is_some_and(|subject| subject.digest == digest.as_str())
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

/// Tells whether bytes are a manifest of an image or an index of them.
pub(super) fn is_manifest(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        schema_version: u64,
        config: Option<serde::de::IgnoredAny>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice(bytes)
        .is_ok_and(|shape: Shape| shape.schema_version == 2 && (shape.config.is_some() || shape.manifests.is_some()))
}

/// Tells whether an error leaves hope that the same registry answers another question.
pub(super) fn is_of_one_question(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::ServerError { .. } | RegistryError::Forbidden { .. } | RegistryError::Unauthorized { .. }
    )
}

impl Source<'_> {
    /// Reads a page of the list of referrers: the first one, or where the page before said.
    pub(super) async fn referrers(&mut self, digest: &Digest, next: Option<Url>) -> Result<Listed, RegistryError> {
        let is_first = next.is_none();
        let url = match next {
            Some(url) => url,
            None => self.host.url(self.image, &format!("referrers/{digest}"))?,
        };
        let answer = match self.ask(url, OCI_IMAGE_INDEX_MEDIA_TYPE, MAX_PAGE, false).await {
            Ok(answer) => answer,
            Err(RegistryError::TooLarge { .. }) => return Ok(Listed::Unreadable("the list of referrers is too large")),
            // Registries without that list send people to their pages.
            Err(RegistryError::Redirect { .. } | RegistryError::UntrustedUrl { .. }) if is_first => {
                return Ok(Listed::Absent);
            }
            Err(error) => return Err(error),
        };
        match answer.status {
            StatusCode::OK if says_index(&answer) => self.page(&answer),
            // Whatever is no index is no list: some registries answer every path.
            StatusCode::OK
            | StatusCode::NOT_FOUND
            | StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::NOT_IMPLEMENTED => Ok(Listed::Absent),
            _ => Err(self.host.refusal(self.image, &answer)),
        }
    }

    fn page(&self, answer: &Answer) -> Result<Listed, RegistryError> {
        let Some(entries) = answer.body.as_ref().ok().and_then(|body| index(body)) else {
            return Ok(Listed::Unreadable("the list of referrers is none"));
        };
        let next = match listing::next_page(self.host, self.image, answer) {
            Err(RegistryError::BadListing { .. }) => {
                return Ok(Listed::Unreadable("the next page of the list of referrers is no URL"));
            }
            other => other?,
        };
        Ok(Listed::Page { entries, next })
    }

    /// Reads the list of referrers that clients keep under a tag where a registry keeps none.
    pub(super) async fn referrers_by_tag(&mut self, tag: &str) -> Result<Listed, RegistryError> {
        let url = self.host.url(self.image, &format!("manifests/{tag}"))?;
        let answer = match self.ask(url, OCI_IMAGE_INDEX_MEDIA_TYPE, MAX_PAGE, false).await {
            Err(RegistryError::TooLarge { .. }) => return Ok(Listed::Unreadable("the list of referrers is too large")),
            other => other?,
        };
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Listed::Absent),
            StatusCode::OK => {
                let entries = answer.body.as_ref().ok().and_then(|body| index(body));
                Ok(entries.map_or(Listed::Unreadable("the list of referrers is none"), |entries| Listed::Page {
                    entries,
                    next: None,
                }))
            }
            _ => Err(self.host.refusal(self.image, &answer)),
        }
    }

    /// Reads a manifest by a tag. Its bytes prove nothing by themselves.
    pub(super) async fn manifest_by_tag(&mut self, tag: &str) -> Result<Part, RegistryError> {
        let url = self.host.url(self.image, &format!("manifests/{tag}"))?;
        let answer = self.ask(url, MANIFESTS, MAX_MANIFEST, false).await;
        self.bytes(answer)
    }

    /// Reads a manifest or blob by its digest, and believes no other bytes.
    pub(super) async fn part(
        &mut self,
        what: &'static str,
        named: &Descriptor,
        cap: usize,
    ) -> Result<Part, RegistryError> {
        let Ok(digest) = named.digest.parse::<Digest>() else {
            return Ok(Part::Unreadable("a part of a signature has no digest"));
        };
        if named.size.is_some_and(|size| usize::try_from(size).map_or(true, |size| size > cap)) {
            return Ok(Part::Unreadable("a part of a signature is too large"));
        }
        let url = self.host.url(self.image, &format!("{what}/{digest}"))?;
        let is_blob = what == "blobs";
        let answer = self.ask(url, if is_blob { "*/*" } else { MANIFESTS }, cap, is_blob).await;
        Ok(match self.bytes(answer)? {
            Part::Bytes(bytes) if !has_digest(&bytes, &digest) => {
                Part::Unreadable("the bytes of a part do not have its digest")
            }
            other => other,
        })
    }

    fn bytes(&self, answer: Result<Answer, RegistryError>) -> Result<Part, RegistryError> {
        let answer = match answer {
            Err(RegistryError::TooLarge { .. }) => return Ok(Part::Unreadable("a part of a signature is too large")),
            other => other?,
        };
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Part::Absent),
            StatusCode::OK => Ok(answer
                .body
                .map_or(Part::Unreadable("a part of a signature was cut"), |body| Part::Bytes(body.to_vec()))),
            _ => Err(self.host.refusal(self.image, &answer)),
        }
    }

    async fn ask(
        &mut self,
        url: Url,
        accept: &'static str,
        cap: usize,
        is_blob: bool,
    ) -> Result<Answer, RegistryError> {
        // The candidate was looked at before: its signatures are not read by halves.
        let (method, share) = (Method::GET, Share::Begun);
        let question = Question { image: self.image, method, accept, cap, is_blob, if_none_match: None, share };
        self.host.ask(&question, url, &mut self.budget).await
    }
}

/// Reads the entries of an index; none where it is none.
fn index(body: &[u8]) -> Option<Vec<Descriptor>> {
    let read: Index = serde_json::from_slice(body).ok()?;
    let is_known = read.media_type.as_deref().is_none_or(|kind| kind == OCI_IMAGE_INDEX_MEDIA_TYPE);
    (read.schema_version == 2 && is_known).then(|| read.manifests.unwrap_or_default())
}

/// Tells whether an answer says of itself that it is an index, in its header or in its body.
fn says_index(answer: &Answer) -> bool {
    let header = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header.split(';').next().unwrap_or_default().trim() == OCI_IMAGE_INDEX_MEDIA_TYPE {
        return true;
    }
    let read = answer.body.as_ref().ok().and_then(|body| serde_json::from_slice::<Index>(body).ok());
    read.is_some_and(|index| index.media_type.as_deref() == Some(OCI_IMAGE_INDEX_MEDIA_TYPE))
}

fn has_digest(bytes: &[u8], digest: &Digest) -> bool {
    match digest.as_str().split_once(':') {
        Some(("sha512", hex)) => hex::encode(Sha512::digest(bytes)) == hex,
        Some((_, hex)) => hex::encode(Sha256::digest(bytes)) == hex,
        None => false,
    }
}
