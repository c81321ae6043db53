//! The public registries that are read anonymously without being configured.

/// One public registry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublicRegistry {
    /// The host in image names.
    pub host: &'static str,
    /// The host of its API.
    pub api_host: &'static str,
    /// Ends of the host names to which it redirects. They are asked without credentials.
    pub redirects_to: &'static [&'static str],
}

/// The public registries. Any other host must be configured; each of these may be.
pub const PUBLIC_REGISTRIES: &[PublicRegistry] = &[
    PublicRegistry { host: "docker.io", api_host: "registry-1.docker.io", redirects_to: &[] },
    same("cgr.dev"),
    same("codeberg.org"),
    same("docker.elastic.co"),
    same("gcr.io"),
    same("ghcr.io"),
    same("mcr.microsoft.com"),
    same("nvcr.io"),
    same("public.ecr.aws"),
    same("quay.io"),
    same("registry.gitlab.com"),
    // Kubernetes' registry is a redirector in front of Google's regional ones, such as `us-west1-docker.pkg.dev`.
    PublicRegistry { host: "registry.k8s.io", api_host: "registry.k8s.io", redirects_to: &["-docker.pkg.dev"] },
];

/// Finds a public registry by the host in image names.
pub(crate) fn find(host: &str) -> Option<&'static PublicRegistry> {
    PUBLIC_REGISTRIES.iter().find(|registry| registry.host == host)
}

const fn same(host: &'static str) -> PublicRegistry {
    PublicRegistry { host, api_host: host, redirects_to: &[] }
}
