//! A registry that answers with bytes made beforehand, in a process of its own, so that what is measured is the client.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// First argument of this program when it is the registry.
pub const REGISTRY: &str = "--registry";

/// A running registry with the images `acme/s0`, `acme/s1` and so on.
pub struct Registry {
    process: Child,
    host: String,
}

/// Requests so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requests {
    pub listings: u64,
    pub manifests: u64,
}

impl Registry {
    /// Starts it; each image has so many tags, the newest of which is [`newest`].
    pub fn start(images: usize, tags: usize) -> Self {
        let mut own = Command::new(std::env::current_exe().unwrap());
        own.args([REGISTRY, &images.to_string(), &tags.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = own.spawn().unwrap();
        let mut host = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut host).unwrap();
        Self { process, host: host.trim().to_owned() }
    }

    /// The host in image names.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn requests(&self) -> Requests {
        let text = crate::http::get(&self.host, "/counts");
        let mut counts = text.split_whitespace().map(|count| count.parse().unwrap());
        Requests { listings: counts.next().unwrap(), manifests: counts.next().unwrap() }
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

struct Shelf {
    answers: HashMap<String, Bytes>,
    manifest: Bytes,
    digest: String,
    listings: AtomicU64,
    manifests: AtomicU64,
}

/// What this program does behind [`REGISTRY`]: serves until its standard input ends.
pub fn serve(images: usize, tags: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let list: Vec<String> = (0..tags).map(|minor| format!("\"1.{minor}.0\"")).collect();
    let list = list.join(",");
    let answer = |n| Bytes::from(format!("{{\"name\":\"acme/s{n}\",\"tags\":[{list}]}}"));
    let manifest = Bytes::from_static(
        b"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{},\"layers\":[]}",
    );
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&manifest)));
    let answers = (0..images).map(|n| (format!("/v2/acme/s{n}/tags/list"), answer(n))).collect();
    let (listings, manifests) = (AtomicU64::new(0), AtomicU64::new(0));
    let shelf = Arc::new(Shelf { answers, manifest, digest, listings, manifests });
    std::thread::spawn(|| {
        // Nothing is ever sent: the end means that whoever started us is gone.
        let _ = std::io::stdin().read_line(&mut String::new());
        std::process::exit(0);
    });
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        axum::serve(listener, Router::new().fallback(respond).with_state(shelf)).await.unwrap();
    });
}

async fn respond(State(shelf): State<Arc<Shelf>>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/counts" {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        return format!("{} {}", count(&shelf.listings), count(&shelf.manifests)).into_response();
    }
    if let Some(answer) = shelf.answers.get(path) {
        shelf.listings.fetch_add(1, Ordering::Relaxed);
        return ([("content-type", "application/json")], Body::from(answer.clone())).into_response();
    }
    if path.contains("/manifests/") {
        shelf.manifests.fetch_add(1, Ordering::Relaxed);
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let headers = [("content-type", kind), ("docker-content-digest", shelf.digest.as_str())];
        return (headers, Body::from(shelf.manifest.clone())).into_response();
    }
    StatusCode::NOT_FOUND.into_response()
}
