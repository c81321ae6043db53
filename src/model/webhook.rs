//! A webhook that tells of pushes: who sends to it, with which secret, about which registry.

use crate::secret::Secret;

/// Who sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WebhookKind {
    /// Docker Hub.
    DockerHub,
    /// GitHub, for its container registry.
    Ghcr,
    /// Harbor.
    Harbor,
    /// Quay.
    Quay,
    /// The registry of a GitLab.
    Gitlab,
    /// A registry that is CNCF Distribution, such as docker-registry.
    Distribution,
    /// Anybody who can sign, such as a pipeline.
    Generic,
}

/// How a sender proves to know the secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    /// HMAC-SHA256 of the body in `X-Hub-Signature-256` or, where the flag is set, in `X-Repin-Signature`.
    Signature {
        /// Whether repin's own header counts as well.
        own: bool,
    },
    /// The secret itself in `Authorization`: as it is, behind `Bearer`, or as the password of `Basic`.
    Authorization,
    /// The same, or the secret itself in `X-Gitlab-Token`.
    GitlabToken,
    /// The secret in the URL, as `token` or `secret` of the query, or as the password of `Basic`.
    Url,
}

impl WebhookKind {
    /// Every kind, in the manual's order.
    pub const ALL: [Self; 7] =
        [Self::DockerHub, Self::Ghcr, Self::Harbor, Self::Quay, Self::Gitlab, Self::Distribution, Self::Generic];

    /// Gives the word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DockerHub => "docker-hub",
            Self::Ghcr => "ghcr",
            Self::Harbor => "harbor",
            Self::Quay => "quay",
            Self::Gitlab => "gitlab",
            Self::Distribution => "distribution",
            Self::Generic => "generic",
        }
    }

    /// Gives how its sender proves to know the secret.
    pub fn proof(self) -> Proof {
        match self {
            Self::DockerHub | Self::Quay => Proof::Url,
            Self::Ghcr => Proof::Signature { own: false },
            Self::Generic => Proof::Signature { own: true },
            Self::Harbor | Self::Distribution => Proof::Authorization,
            Self::Gitlab => Proof::GitlabToken,
        }
    }

    /// Gives the host that image names have, where everybody's is the same; a server of one's own has another.
    pub fn default_registry(self) -> Option<&'static str> {
        match self {
            Self::DockerHub => Some("docker.io"),
            Self::Ghcr => Some("ghcr.io"),
            Self::Quay => Some("quay.io"),
            Self::Harbor | Self::Gitlab | Self::Distribution | Self::Generic => None,
        }
    }

    /// Tells whether the operator must say the registry: the sender does not say it, or says how it is called inside.
    pub fn needs_registry(self) -> bool {
        match self {
            Self::Harbor | Self::Gitlab | Self::Distribution => true,
            Self::DockerHub | Self::Ghcr | Self::Quay | Self::Generic => false,
        }
    }
}

/// A webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The last part of its path; unique.
    pub name: String,
    /// Who sends.
    pub kind: WebhookKind,
    /// What proves it; never empty.
    pub secret: Secret,
    /// The host of the images that it may tell of, as image names have it; none = any, for [`WebhookKind::Generic`] only.
    pub registry: Option<String>,
    /// How many requests it takes in the long run.
    pub requests_per_second: f64,
}
