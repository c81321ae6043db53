//! The one way to speak HTTP to the outside: clients with limits, and bodies that end.
//!
//! Redirects are never followed here (the caller knows which host may be asked next), unverified TLS does not exist,
//! and no body is read without a cap and a deadline. It knows no protocol; of secrets it holds what a connection needs:
//! the password of a proxy and the key of a client certificate.

pub(crate) mod link;
pub(crate) mod rate;

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy, Response, redirect};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::secret::Secret;

/// The most bytes for which there is room before any came.
const MOST_RESERVED: usize = 64 * 1024;

/// What one client may do. A client is made per host, so that an extra authority is trusted for that host only.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Time for a whole request, its body included; a request may set a shorter one.
    pub total_timeout: Duration,
    /// Plain HTTP is allowed. Certificates are verified wherever TLS is spoken, all the same.
    pub insecure: bool,
    /// More certificate authorities, PEM, besides the platform's.
    pub ca: Option<Vec<u8>>,
    /// No proxy of the environment is used. Right for loopback addresses, as in Go's `net/http`.
    pub direct: bool,
    /// URL of the one proxy, `http`, `https`, `socks5` or `socks5h` (names are looked up there); it may hold a user and
    /// a password. Comes before `direct`.
    pub proxy: Option<Secret>,
    /// What proves to the server who asks, in the TLS handshake.
    pub client_certificate: Option<ClientCertificate>,
    /// Compressed bodies are asked for and opened.
    pub decompress: bool,
}

/// A certificate of our own with its key. `Debug` shows no key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    /// The certificate and those that lead to its authority, PEM.
    pub chain: Vec<u8>,
    /// The key, PEM, not encrypted.
    pub key: Secret,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(60),
            insecure: false,
            ca: None,
            direct: false,
            proxy: None,
            client_certificate: None,
            decompress: true,
        }
    }
}

/// Why there is no client, or no whole body.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HttpError {
    /// The extra certificate authorities cannot be used.
    #[error("the certificate authorities given are no PEM certificates: {reason}")]
    Authorities {
        /// What the TLS library says.
        reason: String,
    },
    /// The client certificate and its key cannot be used.
    #[error("the client certificate and its key cannot be used: {reason}")]
    ClientCertificate {
        /// What the TLS library says.
        reason: String,
    },
    /// The URL of the proxy cannot be used. It is not shown: it may hold a password.
    #[error("the proxy is no http://, https://, socks5:// or socks5h:// URL with a host")]
    Proxy,
    /// No client can be made, for instance because the machine has no certificate authorities.
    #[error("no HTTP client can be made: {reason}")]
    Client {
        /// What the library says.
        reason: String,
    },
    /// The body, decompressed, is longer than the cap.
    #[error("the body is longer than {cap} bytes")]
    TooLarge {
        /// The cap in bytes.
        cap: usize,
    },
    /// The body did not end in time.
    #[error("the body did not end in time")]
    Timeout,
    /// The body ended before its end, or cannot be decompressed.
    #[error("the body was cut: {reason}")]
    Cut {
        /// What the library says.
        reason: String,
    },
}

/// Makes a client: rustls with ring, the platform's authorities, no redirects, timeouts, `repin/<version>` as user agent.
///
/// # Errors
/// `Authorities` if `ca` is no PEM, `ClientCertificate` and `Proxy` if one cannot be used, `Client` if the machine has no certificate authorities or TLS cannot be set up.
pub fn client(options: &ClientOptions) -> Result<Client, HttpError> {
    install_crypto_provider();
    let authorities = match &options.ca {
        Some(pem) => authorities(pem)?,
        None => Vec::new(),
    };
    let merged = builder(options)?.tls_certs_merge(authorities.clone()).build();
    let built = match merged {
        // A machine without any certificate authority (a minimal image) must still reach a plain server.
        Err(_) if options.insecure => builder(options)?.tls_certs_only(authorities).build(),
        other => other,
    };
    built.map_err(|error| HttpError::Client { reason: root_cause(&error) })
}

/// Makes ring the process's TLS provider, unless there is one already.
pub fn install_crypto_provider() {
    // `Err` means that one is installed: by an earlier call, or by the program around the library.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Reads a body of at most `cap` bytes, counted after decompression, until `deadline`.
///
/// # Errors
/// `TooLarge`, `Timeout`, or `Cut` if it is shorter than announced or cannot be decompressed.
pub async fn read_capped(response: Response, cap: usize, deadline: Instant) -> Result<BytesMut, HttpError> {
    let announced = response.content_length().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    // What is announced and does not come shall cost no memory.
    let mut body = BytesMut::with_capacity(announced.min(cap).min(MOST_RESERVED));
    let mut chunks = response.bytes_stream();
    loop {
        let chunk = match timeout_at(deadline, chunks.next()).await {
            Err(_) => return Err(HttpError::Timeout),
            Ok(None) => return Ok(body),
            Ok(Some(Err(error))) if error.is_timeout() => return Err(HttpError::Timeout),
            Ok(Some(Err(error))) => return Err(HttpError::Cut { reason: root_cause(&error) }),
            Ok(Some(Ok(chunk))) => chunk,
        };
        if body.len().saturating_add(chunk.len()) > cap {
            return Err(HttpError::TooLarge { cap });
        }
        body.extend_from_slice(&chunk);
    }
}

/// Tells whether a host is this machine: `localhost` or a loopback address.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Gives the TLS failure behind an error, if there is one.
pub fn tls_failure(error: &reqwest::Error) -> Option<String> {
    causes(error).find_map(tls_error).map(ToString::to_string)
}

/// Gives the innermost cause of an error in words, without URLs: they may hold what nobody should read in a log.
pub fn root_cause(error: &reqwest::Error) -> String {
    let deepest = causes(error).last().map(ToString::to_string);
    // Without a cause the error's own text holds the URL.
    deepest.unwrap_or_else(|| {
        let kind = if error.is_builder() {
            "the request cannot be built"
        } else if error.is_decode() {
            "the body cannot be decoded"
        } else {
            "the connection failed"
        };
        kind.to_owned()
    })
}

/// Tells whether a text is the URL of a proxy that can be used.
pub fn is_proxy(url: &str) -> bool {
    let known = |url: Url| matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") && url.has_host();
    url.parse().is_ok_and(known)
}

/// Checks a client certificate and its key without connecting.
///
/// # Errors
/// `ClientCertificate` with what is wrong.
pub fn check_client_certificate(given: &ClientCertificate) -> Result<(), HttpError> {
    install_crypto_provider();
    let client = Client::builder().no_proxy().identity(identity(given)?).tls_certs_only([]).build();
    client.map(drop).map_err(|error| HttpError::ClientCertificate { reason: root_cause(&error) })
}

/// Checks that a text holds certificates of authorities, PEM.
///
/// # Errors
/// `Authorities` with what is wrong.
pub fn check_authorities(pem: &[u8]) -> Result<(), HttpError> {
    authorities(pem).map(drop)
}

fn builder(options: &ClientOptions) -> Result<ClientBuilder, HttpError> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .referer(false)
        .https_only(!options.insecure)
        .connect_timeout(options.connect_timeout)
        .timeout(options.total_timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("repin/", env!("CARGO_PKG_VERSION")));
    if !options.decompress {
        builder = builder.gzip(false);
    }
    if let Some(given) = &options.client_certificate {
        builder = builder.identity(identity(given)?);
    }
    match &options.proxy {
        Some(url) if is_proxy(url.expose()) => {
            let proxy = Proxy::all(url.expose()).map_err(|_| HttpError::Proxy)?;
            Ok(builder.proxy(proxy))
        }
        Some(_) => Err(HttpError::Proxy),
        None if options.direct => Ok(builder.no_proxy()),
        None => Ok(builder),
    }
}

fn identity(given: &ClientCertificate) -> Result<Identity, HttpError> {
    let mut pem = given.chain.clone();
    pem.push(b'\n');
    pem.extend_from_slice(given.key.expose().as_bytes());
    Identity::from_pem(&pem).map_err(|error| HttpError::ClientCertificate { reason: root_cause(&error) })
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source())
}

/// Finds the TLS error in an error or inside the I/O errors that wrap it, whose `source` leaves it out.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut error = error;
    loop {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        error = error.downcast_ref::<io::Error>()?.get_ref()?;
    }
}

fn authorities(pem: &[u8]) -> Result<Vec<Certificate>, HttpError> {
    let found =
        Certificate::from_pem_bundle(pem).map_err(|error| HttpError::Authorities { reason: root_cause(&error) })?;
    if found.is_empty() {
        return Err(HttpError::Authorities { reason: "there is no certificate in it".to_owned() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_as_an_authority() {
        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
            let options = ClientOptions { ca: Some(pem.into()), insecure: true, ..ClientOptions::default() };
            assert!(matches!(client(&options), Err(HttpError::Authorities { .. })), "{pem:?}");
        }
    }

    #[test]
    fn loopback_is_an_address_of_this_machine_only() {
        for (host, expected) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("[::1]", true),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1", false),
            ("localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[tokio::test]
    async fn a_client_for_https_never_speaks_plain_http() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let pem = include_bytes!("../tests/registry/tls/ca.pem").to_vec();
        let secure = client(&ClientOptions { direct: true, ca: Some(pem), ..ClientOptions::default() }).unwrap();
        let error = secure.get(&url).send().await.unwrap_err();
        assert!(error.is_builder(), "{error}");
    }
}
