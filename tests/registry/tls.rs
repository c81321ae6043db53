use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use repin::credentials::Credentials;
use repin::registry::{Limits, RegistryOptions};
use repin::secret::Secret;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::fake::FakeRegistry;
use crate::{CANARY, assert_error, tags, with_limits};

const AUTHORITY: &[u8] = include_bytes!("tls/ca.pem");

/// Serves one listing over TLS, with a certificate for `localhost` and 127.0.0.1. Gives the port, and the request if there
/// was one.
fn serve_once(address: &str) -> (u16, thread::JoinHandle<Option<String>>) {
    repin::http::install_crypto_provider();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key.pem")).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
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
        let body = r#"{"name":"acme/web","tags":["1.0.0"]}"#;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).ok()?;
        stream.flush().ok()?;
        Some(String::from_utf8_lossy(&request).into_owned())
    });
    (port, served)
}

fn settings(host: String, ca: Option<&[u8]>) -> RegistryOptions {
    let credentials = Credentials::Basic { username: "robot".to_owned(), password: Secret::new(CANARY) };
    RegistryOptions { host, ca: ca.map(<[u8]>::to_vec), login: credentials.into(), ..RegistryOptions::default() }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_for_that_registry() {
    for name in ["localhost", "127.0.0.1"] {
        let (port, served) = serve_once("127.0.0.1");
        let host = format!("{name}:{port}");
        let registries = with_limits(settings(host.clone(), Some(AUTHORITY)), Limits::default());
        let listing = registries.list_tags(&format!("{host}/acme/web").parse().unwrap()).await.unwrap();
        assert_eq!(tags(&listing), ["1.0.0"]);
        assert!(served.join().unwrap().unwrap().contains("authorization: Basic "));
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_verified_gets_no_request_and_no_password() {
    // A wrong authority (any other certificate), and the right one for a wrong name.
    let other: &[u8] = include_bytes!("tls/server.pem");
    for (name, ca) in [("127.0.0.1", other), ("127.0.0.2", AUTHORITY)] {
        let (port, served) = serve_once(name);
        let host = format!("{name}:{port}");
        let registries = with_limits(settings(host.clone(), Some(ca)), Limits::default());
        let error = registries.list_tags(&format!("{host}/acme/web").parse().unwrap()).await.unwrap_err();
        assert_error(&error, "registry/tls", &[&host, "acme/web"], &format!("`ca` of `{host}`"));
        // Ends the server's wait if nobody came at all.
        drop(TcpStream::connect((name, port)));
        assert_eq!(served.join().unwrap(), None);
    }
}

#[tokio::test]
async fn a_plain_registry_that_is_not_called_insecure_gets_no_request() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    let registries = with_limits(settings(fake.host(), Some(AUTHORITY)), Limits::default());
    let error = registries.list_tags(&format!("{}/acme/web", fake.host()).parse().unwrap()).await.unwrap_err();
    assert_error(&error, "registry/tls", &[&fake.host(), "acme/web"], "insecure: true");
    assert_eq!(fake.requests(), []);
}

#[tokio::test]
async fn a_public_certificate_authority_is_not_enough_for_a_private_registry() {
    let (port, served) = serve_once("127.0.0.1");
    let host = format!("127.0.0.1:{port}");
    let registries = with_limits(settings(host.clone(), None), Limits::default());
    let error = registries.list_tags(&format!("{host}/acme/web").parse().unwrap()).await.unwrap_err();
    // The same code where the machine has no authorities at all.
    assert_error(&error, "registry/tls", &[&host, "acme/web"], &format!("`ca` of `{host}`"));
    drop(TcpStream::connect(("127.0.0.1", port)));
    assert_eq!(served.join().unwrap(), None);
}

#[test]
fn an_authority_that_is_none_is_refused_at_the_start() {
    let registries = vec![settings("registry.example.com".to_owned(), Some(b"hello"))];
    let options = repin::registry::Options { registries, ..repin::registry::Options::default() };
    let error = repin::registry::Registries::new(options).err().unwrap();
    assert_error(
        &error,
        "registry/settings",
        &["`registry.example.com`", "no PEM certificates"],
        "registry.example.com",
    );
}

#[test]
fn a_registry_that_is_configured_twice_is_refused() {
    let twice = || settings("registry.example.com".to_owned(), None);
    let options =
        repin::registry::Options { registries: vec![twice(), twice()], ..repin::registry::Options::default() };
    let error = repin::registry::Registries::new(options).err().unwrap();
    assert_error(&error, "registry/settings", &["`registry.example.com`", "once"], "registry.example.com");
}
