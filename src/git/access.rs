//! What is needed to get into a remote, beside its address.

use std::fmt;
use std::path::PathBuf;

use crate::credentials::Credentials;
use crate::http::ClientCertificate;
use crate::secret::Secret;

/// Who asks, and whom to believe. The default asks anonymously and believes the platform's authorities. `Debug` shows
/// no secret.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Access {
    /// What proves who asks. It is given to the repository's own place only.
    pub credentials: Credentials,
    /// More certificate authorities for HTTPS, PEM, besides the platform's.
    pub ca: Option<Vec<u8>>,
    /// URL of the proxy for HTTP(S), `http`, `https`, `socks5` or `socks5h`; it may hold a user and a password. Without
    /// it the environment's is used, and none for this machine.
    pub proxy: Option<Secret>,
    /// Our own certificate for HTTPS.
    pub client_certificate: Option<ClientCertificate>,
    /// Files with the host keys that ssh may believe, read at each connection. A host in none of them is refused.
    pub known_hosts: Vec<PathBuf>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("credentials", &self.credentials)
            .field("ca", &self.ca.is_some())
            .field("proxy", &self.proxy.is_some())
            .field("client_certificate", &self.client_certificate.is_some())
            .field("known_hosts", &self.known_hosts)
            .finish()
    }
}
