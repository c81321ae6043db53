//! What stands behind a tag or a digest: an index, a manifest, the configuration of an image.
//!
//! What is asked for by its digest must have it in its bytes. What is known of a digest is not asked again.

use futures_util::{StreamExt, stream};
use reqwest::{Method, StatusCode};

use crate::model::metadata::{Build, Created, Metadata, Needs};
use crate::model::names::{Digest, ImageName};
use crate::registry::document::{self, Configuration, Found};
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host, Question};
use crate::registry::manifest::{ACCEPT, Named, digest_like};
use crate::registry::options::Limits;
use crate::registry::pace::Share;

/// Builds of one index that are asked for at once.
const CONCURRENCY: usize = 4;

pub(crate) async fn describe(
    host: &Host,
    image: &ImageName,
    named: &Named,
    needs: &Needs,
    known: Option<&Metadata>,
    limits: &Limits,
) -> Result<Option<Metadata>, RegistryError> {
    // A tag was looked at before: what stands behind it is not read by halves.
    let reader = Reader { host, image, limits, share: Share::Begun };
    let read = match (&named.found, known) {
        (None, None) => reader.manifest(&named.digest).await?,
        (found, _) => found.clone(),
    };
    let builds = match known {
        Some(Metadata::Foreign(kind)) => return Ok(Some(Metadata::Foreign(kind.clone()))),
        Some(Metadata::Image(builds)) => builds.clone(),
        None => match read {
            None => return Ok(None),
            Some(Found::Foreign(kind)) => {
                // The words of a server are shown to people.
                let kind = kind.chars().filter(char::is_ascii_graphic).take(100).collect();
                return Ok(Some(Metadata::Foreign(kind)));
            }
            Some(Found::Index(builds)) => builds,
            Some(Found::Image(configuration)) => {
                let Some(read) = reader.configuration(&configuration).await? else { return Ok(None) };
                let mut build = Build::unasked(read.platform(), &named.digest);
                (build.created, build.labels) = (read.created(), read.labels());
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

/// Reads what an image says of its sources, of one build only: that of linux/amd64 if there is one. What is known of the
/// digest comes back with that build read.
pub(crate) async fn describe_one(
    host: &Host,
    image: &ImageName,
    named: &Named,
    known: Option<&Metadata>,
    limits: &Limits,
) -> Result<Option<Metadata>, RegistryError> {
    let mut reader = Reader { host, image, limits, share: Share::All };
    let read = match (&named.found, known) {
        (found @ Some(_), _) => found.clone(),
        (None, Some(Metadata::Image(builds))) => Some(Found::Index(builds.clone())),
        (None, Some(Metadata::Foreign(_))) => return Ok(known.cloned()),
        (None, None) => reader.manifest(&named.digest).await?,
    };
    if known.is_none() {
        reader.share = Share::Begun;
    }
    let mut builds = match read {
        Some(Found::Index(builds)) => builds,
        found => {
            let named = Named { digest: named.digest.clone(), etag: None, found };
            return if named.found.is_none() {
                Ok(None)
            } else {
                describe(host, image, &named, &Needs::default(), None, limits).await
            };
        }
    };
    let preference = |build: &Build| match build.platform.as_ref().map(ToString::to_string).as_deref() {
        Some("linux/amd64") => 0,
        Some(platform) if platform.starts_with("linux/") => 1,
        Some(_) | None => 2,
    };
    let best = builds.iter().enumerate().min_by_key(|(_, build)| preference(build)).map(|(at, _)| at);
    if let Some(build) = best.and_then(|at| builds.get_mut(at)) {
        let needs = Needs { created: true, platforms: Vec::new() };
        let Some(read) = reader.dated(build.clone(), &needs).await? else { return Ok(None) };
        *build = read;
    }
    Ok(Some(Metadata::Image(builds)))
}

struct Reader<'a> {
    host: &'a Host,
    image: &'a ImageName,
    limits: &'a Limits,
    /// What of a cycle's requests is used.
    share: Share,
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
                    build.platform = build.platform.or_else(|| read.platform());
                    build.labels = read.labels();
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
        if document::is_schema_1(&kind) {
            return Ok(Some(Found::Foreign(kind)));
        }
        document::read(&body, &kind).map(Some).map_err(|reason| self.bad(digest, reason))
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
        let (method, share) = (Method::GET, self.share);
        let question = Question { image, method, accept, cap, is_blob, if_none_match: None, share };
        let answer = self.host.ask(&question, url, &mut Budget::new(self.limits.listing_time)).await?;
        match answer.status {
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::OK => {}
            _ => return Err(self.host.refusal(image, &answer)),
        }
        let kind = answer.media_type();
        let body = answer.body.map_err(|error| self.bad(digest, error.to_string()))?;
        let computed = digest_like(digest, &body);
        // Of schema 1 nothing is read, and its digest is that of a part.
        if computed != digest.as_str() && (is_blob || !document::is_schema_1(&kind)) {
            return Err(self.bad(digest, format!("its bytes are {computed}")));
        }
        Ok(Some((body.to_vec(), kind)))
    }

    fn bad(&self, digest: &Digest, reason: String) -> RegistryError {
        RegistryError::BadManifest { image: self.image.clone(), tag: digest.to_string(), reason }
    }
}
