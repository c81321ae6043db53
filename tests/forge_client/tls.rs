//! The connection itself: authorities of one's own, and a proxy.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use repin::diagnostic::Diagnostic;
use repin::forge::{Forge, Options};
use repin::model::forge::ForgeKind;
use repin::secret::Secret;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::proxy::{Kind, Proxy};
use crate::{Server, options, project, reply};

const AUTHORITY: &[u8] = include_bytes!("../registry/tls/ca.pem");

/// Serves one empty list over TLS, with a certificate for `localhost` and 127.0.0.1. Gives the URL, and the request if
/// there was one.
fn serve_once() -> (String, thread::JoinHandle<Option<String>>) {
    repin::http::install_crypto_provider();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../registry/tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../registry/tls/server.key.pem")).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/api/v1", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut socket, _) = listener.accept().ok()?;
        let mut connection = rustls::ServerConnection::new(config).ok()?;
        let mut stream = rustls::Stream::new(&mut connection, &mut socket);
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            request.extend(byte);
        }
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]").ok()?;
        stream.flush().ok()?;
        Some(String::from_utf8_lossy(&request).into_owned())
    });
    (url, served)
}

#[tokio::test]
async fn a_forge_with_another_certificate_gets_no_request() {
    let server = Server::start(|_| reply(200, "[]")).await;
    for (ca, code) in [(Some(AUTHORITY.to_vec()), None), (None, Some("forge/unreachable"))] {
        let (url, served) = serve_once();
        let api_url = url.parse().unwrap();
        let forge = Forge::new(Options { api_url, ca, ..options(ForgeKind::Gitea, &server) }).unwrap();
        let asked = forge.open_pulls(&project(), "repin/").await;
        assert_eq!(asked.as_ref().err().map(Diagnostic::code), code, "{asked:?}");
        assert_eq!(served.join().unwrap().is_some(), code.is_none());
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn a_proxy_carries_all_requests() {
    let server = Server::start(|_| reply(200, "[]")).await;
    let proxy = Proxy::start(Kind::Socks5, Some(("robot", "hunter2")));
    let url = Some(Secret::new(proxy.url("robot:hunter2@")));
    let forge = Forge::new(Options { proxy: url, ..options(ForgeKind::Gitea, &server) }).unwrap();
    assert_eq!(forge.open_pulls(&project(), "repin/").await.unwrap(), []);
    assert_eq!(proxy.seen(), [server.url.strip_prefix("http://").unwrap()]);
}
