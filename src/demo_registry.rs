//! A registry of its own for `repin demo` and benchmarks: in memory, read-only over HTTP, on a loopback address.
//!
//! Images come in by [`DemoRegistry::publish`] only; each is a valid OCI image of one layer with one file. No
//! authentication, no uploads. Spec: OCI Distribution 1.1 (pull and content discovery), OCI Image 1.1.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, LINK};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::model::names::Digest;
use crate::model::names::ImageName;
use crate::model::names::NameError;
use crate::model::names::Tag;

/// A running registry; it stops when this is dropped.
pub struct DemoRegistry {
    addr: SocketAddr,
    shelf: Arc<RwLock<Shelf>>,
    server: JoinHandle<io::Result<()>>,
}

impl DemoRegistry {
    /// Starts an empty registry on a free port of 127.0.0.1, in the current tokio runtime.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let shelf = Arc::new(RwLock::new(Shelf::default()));
        let router = Router::new().fallback(answer).with_state(shelf.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { addr, shelf, server })
    }

    /// Gives where it listens. As text this is the registry's host in image names.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Makes a new image and lets the tag name it; a tag that is there moves. Gives the digest of its manifest.
    ///
    /// # Errors
    /// If the repository or the tag is no legal name.
    pub fn publish(&self, repository: &str, tag: &str) -> Result<Digest, NameError> {
        let image: ImageName = format!("{}/{repository}", self.addr).parse()?;
        let tag: Tag = tag.parse()?;
        let made = DemoImage::new(&image, &tag, &jiff::Timestamp::now().to_string());
        let digest: Digest = digest(&made.manifest).parse()?;
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        let repository = shelf.repositories.entry(image.repository().to_owned()).or_default();
        repository.blobs.extend([made.config, made.layer].map(|blob| (self::digest(&blob), blob)));
        repository.manifests.insert(digest.to_string(), made.manifest);
        repository.tags.insert(tag.to_string(), digest.to_string());
        Ok(digest)
    }
}

impl Drop for DemoRegistry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Default)]
struct Shelf {
    repositories: HashMap<String, Repository>,
}

/// One repository; everything but the tags is found by digest.
#[derive(Default)]
struct Repository {
    tags: BTreeMap<String, String>,
    manifests: HashMap<String, Bytes>,
    blobs: HashMap<String, Bytes>,
}

/// The three blobs of an image.
struct DemoImage {
    layer: Bytes,
    config: Bytes,
    manifest: Bytes,
}

impl DemoImage {
    fn new(image: &ImageName, tag: &Tag, created: &str) -> Self {
        let layer = Bytes::from(tar("release", format!("{image}:{tag}\n").as_bytes()));
        let config = json!({
            "created": created,
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"org.opencontainers.image.version": tag.as_str()}},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
            "history": [{"created": created, "created_by": "repin demo"}],
        });
        let config = Bytes::from(config.to_string());
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config: descriptor(IMAGE_CONFIG_MEDIA_TYPE, &config),
            layers: vec![descriptor(IMAGE_LAYER_MEDIA_TYPE, &layer)],
            ..OciImageManifest::default()
        };
        // A struct of texts and numbers always becomes JSON.
        let manifest = Bytes::from(serde_json::to_vec(&manifest).unwrap_or_default());
        Self { layer, config, manifest }
    }
}

async fn answer(State(shelf): State<Arc<RwLock<Shelf>>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let refusal = error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this registry is read-only");
        return ([(ALLOW, "GET, HEAD")], refusal).into_response();
    }
    let shelf = shelf.read().unwrap_or_else(PoisonError::into_inner);
    let path = request.uri().path();
    if path == "/v2/" || path == "/v2" {
        return json_body(StatusCode::OK, "{}");
    }
    let asked = path.strip_prefix("/v2/").and_then(|rest| {
        let (rest, last) = rest.rsplit_once('/')?;
        let (name, kind) = rest.rsplit_once('/')?;
        Some((name, kind, last))
    });
    let Some((name, kind, last)) = asked else {
        return error(StatusCode::NOT_FOUND, "UNSUPPORTED", "this is no path of the registry API");
    };
    let Some(repository) = shelf.repositories.get(name) else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
    };
    match (kind, last) {
        ("tags", "list") => tags(name, repository, request.uri()),
        ("manifests", reference) => {
            let digest = repository.tags.get(reference).map_or(reference, String::as_str);
            match repository.manifests.get(digest) {
                Some(bytes) => content(OCI_IMAGE_MEDIA_TYPE, digest, bytes),
                None => error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown to registry"),
            }
        }
        ("blobs", digest) => match repository.blobs.get(digest) {
            Some(bytes) => content("application/octet-stream", digest, bytes),
            None => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
        },
        _ => error(StatusCode::NOT_FOUND, "UNSUPPORTED", "this is no path of the registry API"),
    }
}

/// Answers one page of tags: at most `n` after `last`, and a `Link` if there are more.
fn tags(name: &str, repository: &Repository, uri: &Uri) -> Response {
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let limit = match query.get("n").map(|n| n.parse::<usize>()) {
        None => usize::MAX,
        Some(Ok(n)) => n,
        Some(Err(_)) => return error(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", "`n` is no number"),
    };
    let start = query.get("last").map_or(Bound::Unbounded, |last| Bound::Excluded(last.as_str()));
    let mut rest = repository.tags.range::<str, _>((start, Bound::Unbounded)).map(|(tag, _)| tag.as_str());
    let page: Vec<&str> = rest.by_ref().take(limit).collect();
    let mut response = json_body(StatusCode::OK, &json!({"name": name, "tags": page}).to_string());
    if let (Some(last), true) = (page.last(), rest.next().is_some()) {
        let link = format!("</v2/{name}/tags/list?n={limit}&last={last}>; rel=\"next\"");
        if let Ok(link) = link.parse() {
            response.headers_mut().insert(LINK, link);
        }
    }
    response
}

fn content(kind: &'static str, digest: &str, bytes: &Bytes) -> Response {
    let headers = [("content-type", kind), ("docker-content-digest", digest)];
    (headers, Body::from(bytes.clone())).into_response()
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    json_body(status, &json!({"errors": [{"code": code, "message": message}]}).to_string())
}

fn json_body(status: StatusCode, body: &str) -> Response {
    let headers = [(CONTENT_TYPE.as_str(), "application/json"), ("docker-distribution-api-version", "registry/2.0")];
    (status, headers, body.to_owned()).into_response()
}

fn descriptor(kind: &str, bytes: &Bytes) -> OciDescriptor {
    OciDescriptor {
        media_type: kind.to_owned(),
        digest: digest(bytes),
        size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    }
}

fn digest(bytes: &Bytes) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Makes a tar archive (POSIX ustar) of one file, owned by root, as old as Unix.
fn tar(name: &str, text: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut header = Vec::with_capacity(BLOCK);
    let mut field = |text: &[u8], width: usize| {
        header.extend_from_slice(text);
        header.resize(header.len() + width.saturating_sub(text.len()), 0);
    };
    field(name.as_bytes(), 100);
    field(b"0000644", 8);
    field(b"0000000", 8);
    field(b"0000000", 8);
    field(format!("{:011o}", text.len()).as_bytes(), 12);
    field(b"00000000000", 12);
    // The checksum counts its own field as spaces.
    field(b"        ", 8);
    field(b"0", 101);
    field(b"ustar\x0000", 8);
    field(b"", 247);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header.splice(148..156, format!("{sum:06o}\0 ").into_bytes());
    let mut archive = header;
    archive.extend_from_slice(text);
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_is_an_archive_that_tar_can_read() {
        let archive = tar("release", b"web:1.0.0\n");
        assert_eq!(archive.len(), 512 + 512 + 1024);
        assert_eq!(&archive[257..265], b"ustar\x0000");
        let sum: u32 = archive[..512].iter().enumerate().map(|(at, byte)| sum_of(at, *byte)).sum();
        assert_eq!(&archive[148..156], format!("{sum:06o}\0 ").as_bytes());
    }

    fn sum_of(at: usize, byte: u8) -> u32 {
        if (148..156).contains(&at) { u32::from(b' ') } else { u32::from(byte) }
    }
}
