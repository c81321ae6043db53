//! A registry that answers with bytes made beforehand, in a process of its own, so that what is measured is the client. It
//! wants tokens where it was told to.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};

/// First argument of this program when it is the registry.
pub const REGISTRY: &str = "--registry";
/// Tags on a page.
const PAGE: usize = 1_000;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A running registry with the images `acme/s0`, `acme/s1` and so on, and `acme/builds`, whose tags name an image each.
pub struct Registry {
    process: Child,
    host: String,
}

/// Requests so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requests {
    /// Pages of listings.
    pub listings: u64,
    /// Manifests, by HEAD or GET.
    pub manifests: u64,
    pub blobs: u64,
    pub tokens: u64,
}

impl Registry {
    /// Starts it; each image has so many tags, the newest of which is [`newest`].
    pub fn start(images: usize, tags: usize) -> Self {
        Self::start_with(images, tags, false)
    }

    /// The same behind Bearer tokens, one for each image.
    pub fn start_with_tokens(images: usize, tags: usize) -> Self {
        Self::start_with(images, tags, true)
    }

    fn start_with(images: usize, tags: usize, wants_tokens: bool) -> Self {
        let mut own = Command::new(std::env::current_exe().unwrap());
        own.args([REGISTRY, &images.to_string(), &tags.to_string(), &u8::from(wants_tokens).to_string()]);
        own.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = own.spawn().unwrap();
        let mut host = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut host).unwrap();
        Self { process, host: host.trim().to_owned() }
    }

    /// The host in image names.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// So many images get one tag more.
    pub fn publish(&self, images: usize) {
        crate::http::get(&self.host, &format!("/publish/{images}"));
    }

    pub fn requests(&self) -> Requests {
        let text = crate::http::get(&self.host, "/counts");
        let mut counts = text.split_whitespace().map(|count| count.parse().unwrap());
        let mut next = || counts.next().unwrap();
        Requests { listings: next(), manifests: next(), blobs: next(), tokens: next() }
    }
}

impl std::ops::Sub for Requests {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            listings: self.listings - other.listings,
            manifests: self.manifests - other.manifests,
            blobs: self.blobs - other.blobs,
            tokens: self.tokens - other.tokens,
        }
    }
}

impl Requests {
    pub fn all(self) -> u64 {
        self.listings + self.manifests + self.blobs + self.tokens
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The newest of so many tags.
pub fn newest(tags: usize) -> String {
    format!("1.{}.0", tags - 1)
}

/// The pages of a listing of so many tags, as they are answered.
pub fn pages(tags: usize) -> Vec<Bytes> {
    let all: Vec<String> = (0..tags).map(|minor| format!("\"1.{minor}.0\"")).collect();
    all.chunks(PAGE).map(|page| Bytes::from(format!("{{\"name\":\"acme/s\",\"tags\":[{}]}}", page.join(",")))).collect()
}

struct Part {
    kind: &'static str,
    digest: String,
    body: Bytes,
}

struct Shelf {
    images: usize,
    /// Where the registry itself is, if it wants tokens.
    realm: Option<String>,
    pages: Vec<Bytes>,
    /// Pages of the first so many images, which got one tag more.
    newer: Vec<Bytes>,
    published: AtomicUsize,
    /// The same for every tag but those of `acme/builds`.
    manifest: Part,
    builds: HashMap<String, Part>,
    listings: AtomicU64,
    manifests: AtomicU64,
    blobs: AtomicU64,
    tokens: AtomicU64,
}

impl Part {
    fn new(kind: &'static str, body: String) -> Self {
        Self { kind, digest: format!("sha256:{}", hex::encode(Sha256::digest(&body))), body: Bytes::from(body) }
    }

    fn answer(&self) -> Response {
        let headers = [("content-type", self.kind), ("docker-content-digest", self.digest.as_str())];
        (headers, Body::from(self.body.clone())).into_response()
    }
}

/// What stands behind the tags of `acme/builds`: the later the name, the later the build.
fn builds(tags: usize) -> HashMap<String, Part> {
    let mut parts = HashMap::new();
    for minor in 0..tags {
        let created = jiff::Timestamp::from_second(1_700_000_000 + 60 * i64::try_from(minor).unwrap()).unwrap();
        let labels = json!({"org.opencontainers.image.source": "https://git.example.com/acme/builds"});
        let config = json!({"created": created, "os": "linux", "architecture": "amd64", "config": {"Labels": labels}});
        let config = Part::new(CONFIG, config.to_string());
        let named = json!({"mediaType": CONFIG, "digest": config.digest, "size": config.body.len()});
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": named, "layers": []});
        parts.insert(format!("manifests/1.{minor}.0"), Part::new(MANIFEST, manifest.to_string()));
        parts.insert(format!("blobs/{}", config.digest), config);
    }
    parts
}

/// What this program does behind [`REGISTRY`]: serves until its standard input ends.
pub fn serve(images: usize, tags: usize, wants_tokens: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []});
    let mut shelf = Shelf {
        images,
        realm: None,
        pages: pages(tags),
        newer: pages(tags + 1),
        published: AtomicUsize::new(0),
        manifest: Part::new(MANIFEST, manifest.to_string()),
        builds: builds(tags),
        listings: AtomicU64::new(0),
        manifests: AtomicU64::new(0),
        blobs: AtomicU64::new(0),
        tokens: AtomicU64::new(0),
    };
    std::thread::spawn(|| {
        // Nothing is ever sent: the end means that whoever started us is gone.
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        shelf.realm = wants_tokens.then(|| format!("http://{address}/token"));
        println!("{address}");
        std::io::stdout().flush().unwrap();
        axum::serve(listener, Router::new().fallback(respond).with_state(Arc::new(shelf))).await.unwrap();
    });
}

async fn respond(State(shelf): State<Arc<Shelf>>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/counts" {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts =
            [&shelf.listings, &shelf.manifests, &shelf.blobs, &shelf.tokens].map(|counter| count(counter).to_string());
        return counts.join(" ").into_response();
    }
    if let Some(images) = path.strip_prefix("/publish/") {
        shelf.published.store(images.parse().unwrap(), Ordering::Relaxed);
        return StatusCode::OK.into_response();
    }
    if path == "/token" {
        shelf.tokens.fetch_add(1, Ordering::Relaxed);
        return json!({"token": "opens everything", "expires_in": 3600}).to_string().into_response();
    }
    let missing = StatusCode::NOT_FOUND.into_response();
    let Some((image, rest)) = path.strip_prefix("/v2/acme/").and_then(|path| path.split_once('/')) else {
        return missing;
    };
    let is_builds = image == "builds";
    let number = image.strip_prefix('s').and_then(|number| number.parse::<usize>().ok());
    if !is_builds && number.is_none_or(|number| number >= shelf.images) {
        return missing;
    }
    if let Some(realm) = &shelf.realm
        && !request.headers().contains_key("authorization")
    {
        let scope = format!("repository:acme/{image}:pull");
        let challenge = format!("Bearer realm=\"{realm}\",service=\"bench\",scope=\"{scope}\"");
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response();
    }
    if rest == "tags/list" {
        shelf.listings.fetch_add(1, Ordering::Relaxed);
        let query = request.uri().query().unwrap_or_default();
        let at = query.split('&').find_map(|part| part.strip_prefix("page=")).map_or(0, |at| at.parse().unwrap());
        let is_newer = number.is_some_and(|number| number < shelf.published.load(Ordering::Relaxed));
        let pages = if is_newer { &shelf.newer } else { &shelf.pages };
        let mut answer = ([("content-type", "application/json")], Body::from(pages[at].clone())).into_response();
        if at + 1 < pages.len() {
            let next = format!("<{path}?n={PAGE}&page={}>; rel=\"next\"", at + 1);
            answer.headers_mut().insert("link", next.parse().unwrap());
        }
        return answer;
    }
    let is_manifest = rest.starts_with("manifests/");
    let counter = if is_manifest { &shelf.manifests } else { &shelf.blobs };
    counter.fetch_add(1, Ordering::Relaxed);
    match (is_builds, is_manifest) {
        (true, _) => shelf.builds.get(rest).map_or(missing, Part::answer),
        (false, true) => shelf.manifest.answer(),
        (false, false) => missing,
    }
}
