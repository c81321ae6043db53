//! What can go wrong with a registry, in words for the person who has to act.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::Retry;
use crate::model::names::ImageName;

/// Why a registry gave no answer that can be used.
///
/// Texts that come from a server are shortened, hold no control characters and none of the credentials it was sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RegistryError {
    /// Nobody answers.
    #[error("registry {} cannot be reached{}: {reason}", image.registry(), about(" for ", image))]
    Unreachable {
        /// What was asked for.
        image: ImageName,
        /// The operating system's words.
        reason: String,
    },
    /// TLS failed: unknown authority, wrong name, or no TLS at all.
    #[error("registry {} failed the TLS check{}: {reason}", image.registry(), about(" for ", image))]
    Tls {
        /// What was asked for.
        image: ImageName,
        /// The TLS library's words.
        reason: String,
    },
    /// The answer did not come, or did not end, in time.
    #[error("registry {} did not answer{} within {}", image.registry(), about(" for ", image), seconds(*limit))]
    Timeout {
        /// What was asked for.
        image: ImageName,
        /// The limit that was reached.
        limit: Duration,
    },
    /// 401: no credentials, or wrong ones.
    #[error("registry {} refused {}{}: 401{detail}", image.registry(), who(*with_credentials), about(" for ", image))]
    Unauthorized {
        /// What was asked for.
        image: ImageName,
        /// Whether credentials were sent.
        with_credentials: bool,
        /// The error code of the registry with a space before it, if it gave one.
        detail: String,
    },
    /// 403: known, and not allowed.
    #[error("registry {} forbids {}{}: 403{detail}", image.registry(), who(*with_credentials), about(" to read ", image))]
    Forbidden {
        /// What was asked for.
        image: ImageName,
        /// Whether credentials were sent.
        with_credentials: bool,
        /// The error code of the registry with a space before it, if it gave one.
        detail: String,
    },
    /// 404 for the repository.
    #[error("registry {} has no repository `{}`: 404{detail}", image.registry(), image.repository())]
    NotFound {
        /// What was asked for.
        image: ImageName,
        /// The error code of the registry with a space before it, if it gave one.
        detail: String,
    },
    /// 429.
    #[error("registry {} limits the rate of requests{}: 429{}", image.registry(), about(" for ", image), after(*retry_after))]
    RateLimited {
        /// What was asked for.
        image: ImageName,
        /// `Retry-After`, at most a day.
        retry_after: Option<Duration>,
    },
    /// 5xx, or any other status that is no answer to the question.
    #[error("{place} {} failed{}: {status}{detail}", image.registry(), about(" for ", image))]
    ServerError {
        /// What was asked for.
        image: ImageName,
        /// Who failed: `registry`, or `the token service of registry`.
        place: &'static str,
        /// The HTTP status.
        status: u16,
        /// The error code of the registry with a space before it, or what is wrong with the body.
        detail: String,
    },
    /// The answer to the tag list is none: cut, HTML, not JSON, pages that go round.
    #[error("registry {} gave a bad tag list{}: {reason}", image.registry(), about(" for ", image))]
    BadListing {
        /// What was asked for.
        image: ImageName,
        /// What is wrong.
        reason: String,
    },
    /// The answer to a manifest request is none.
    #[error("registry {} gave a bad manifest for `{}{}{tag}`: {reason}", image.registry(), image.repository(), joint(tag))]
    BadManifest {
        /// What was asked for.
        image: ImageName,
        /// The tag or digest that was asked for.
        tag: String,
        /// What is wrong.
        reason: String,
    },
    /// A body is longer than the limit.
    #[error("registry {} sent more than {limit} bytes{}", image.registry(), about(" for ", image))]
    TooLarge {
        /// What was asked for.
        image: ImageName,
        /// The limit in bytes.
        limit: usize,
    },
    /// The registry sends repin to a place that it may not name. Nothing was sent there.
    #[error("registry {} names an untrusted {what}{}: {url}: {rule}", image.registry(), about(" for ", image))]
    UntrustedUrl {
        /// What was asked for.
        image: ImageName,
        /// What named it: `token realm`, `next page` or `redirect`.
        what: &'static str,
        /// Scheme, host and port of the place.
        url: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A redirect that leads nowhere.
    #[error("registry {} redirects{} {reason}", image.registry(), about(" ", image))]
    Redirect {
        /// What was asked for.
        image: ImageName,
        /// What is wrong.
        reason: &'static str,
    },
    /// The registry asked to be left alone, for longer than anybody waits. Nothing was sent.
    #[error("registry {} asked to be left alone, so it is not asked{} for another {}", image.registry(), about(" for ", image), seconds(whole(*left)))]
    Paused {
        /// What would have been asked for.
        image: ImageName,
        /// How long from now on.
        left: Duration,
    },
    /// The requests of one cycle are used up. Nothing was sent.
    #[error("registry {} was sent the {most} requests of this cycle before it could be asked{}", image.registry(), about(" for ", image))]
    OverBudget {
        /// What would have been asked for.
        image: ImageName,
        /// The requests of one cycle.
        most: u64,
    },
    /// Where the credentials come from gives none. Nothing was sent to the registry.
    #[error("registry {} is not asked{}: {reason}", image.registry(), about(" for ", image))]
    Login {
        /// What would have been asked for.
        image: ImageName,
        /// Who gives none, and why.
        reason: String,
        /// Whether the next cycle may get some.
        is_passing: bool,
    },
    /// The registry is neither configured nor one of the public ones.
    #[error("registry {}{} is not configured", image.registry(), about(" of ", image))]
    Unconfigured {
        /// What was asked for.
        image: ImageName,
    },
    /// The settings of one registry cannot be used.
    #[error("the settings of registry `{registry}` cannot be used: {rule}")]
    Settings {
        /// The host as configured.
        registry: String,
        /// The rule they break.
        rule: String,
    },
}

impl Diagnostic for RegistryError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "registry/unreachable",
            Self::Tls { .. } => "registry/tls",
            Self::Timeout { .. } => "registry/timeout",
            Self::Unauthorized { .. } => "registry/unauthorized",
            Self::Forbidden { .. } => "registry/forbidden",
            Self::NotFound { .. } => "registry/not-found",
            Self::RateLimited { .. } | Self::Paused { .. } => "registry/rate-limited",
            Self::ServerError { .. } => "registry/server-error",
            Self::BadListing { .. } => "registry/bad-listing",
            Self::BadManifest { .. } => "registry/bad-manifest",
            Self::TooLarge { .. } => "registry/too-large",
            Self::UntrustedUrl { .. } => "registry/untrusted-url",
            Self::Redirect { .. } => "registry/redirect",
            Self::OverBudget { .. } => "registry/over-budget",
            Self::Login { .. } => "registry/login",
            Self::Unconfigured { .. } => "registry/unconfigured",
            Self::Settings { .. } => "registry/settings",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { image, .. } => format!(
                "check the name and the network from here to {0}; if its API has another address, set `api_url` of `{0}` \
                 in `registries`",
                image.registry()
            ),
            Self::Tls { image, .. } => format!(
                "give the authority of its certificate as `ca` of `{0}` in `registries`, or `insecure: true` if it speaks \
                 plain HTTP",
                image.registry()
            ),
            // A server that wants TLS answers plain HTTP with 400, and the next cycle would get the same.
            Self::ServerError { image, status: 200 | 400 | 404, .. } => format!(
                "check host, port and `api_url` of `{}` in `registries`; if it speaks TLS, remove `insecure: true`",
                image.registry()
            ),
            Self::Timeout { .. } | Self::ServerError { .. } => "the next cycle tries again".to_owned(),
            Self::Unauthorized { image, with_credentials: false, .. } => {
                format!("set `credentials` of `{}` in `registries`, or check the name", image.registry())
            }
            Self::Unauthorized { image, with_credentials: true, .. } => {
                format!("correct {}", setting(image))
            }
            Self::Forbidden { image, with_credentials: false, .. } => {
                format!("set `credentials` of `{}` in `registries` to an account that may pull", image.registry())
            }
            Self::Forbidden { image, with_credentials: true, .. } => {
                format!("give the account in {} pull access", setting(image))
            }
            Self::NotFound { .. } => {
                "correct the image's name in `image-list`; a private repository may look missing without credentials"
                    .to_owned()
            }
            Self::RateLimited { image, .. } | Self::Paused { image, .. } => format!(
                "set `requests_per_second` of `{0}` in `registries`, a longer `schedule`, or `credentials` for a higher limit",
                image.registry()
            ),
            Self::BadListing { image, .. } | Self::BadManifest { image, .. } => format!(
                "check that `{}` is a registry and no login page or proxy answers in its place (`api_url` in `registries`)",
                image.registry()
            ),
            Self::TooLarge { .. } => {
                "delete old tags in the repository, or point `api_url` at a registry that pages".to_owned()
            }
            Self::UntrustedUrl { image, what: "token realm", .. } => format!(
                "if that is its token service, set `token_service` of `{}` in `registries` to it",
                image.registry()
            ),
            Self::UntrustedUrl { image, .. } | Self::Redirect { image, .. } => format!(
                "if the registry's API is at that place, set `api_url` of `{}` in `registries` to it",
                image.registry()
            ),
            Self::OverBudget { image, .. } => format!(
                "its turn comes in one of the next cycles; raise `requests_per_cycle` of `{}` in `registries` if that takes too long",
                image.registry()
            ),
            Self::Login { image, .. } => format!("check {}, and what it names", source(image)),
            Self::Unconfigured { image } => {
                format!("add `- host: {}` to `registries`", image.registry())
            }
            Self::Settings { registry, .. } => format!("correct the entry `{registry}` in `registries`"),
        };
        Some(hint)
    }

    fn retry(&self) -> Retry {
        match self {
            Self::RateLimited { retry_after: Some(after), .. } | Self::Paused { left: after, .. } => {
                Retry::After(*after)
            }
            Self::OverBudget { .. } | Self::Login { is_passing: true, .. } => Retry::Later,
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::RateLimited { .. } | Self::ServerError { .. } => {
                Retry::Later
            }
            // Proxies and login pages come and go; the list itself may be whole again in the next cycle.
            Self::BadListing { .. } | Self::BadManifest { .. } | Self::Tls { .. } | Self::Redirect { .. } => {
                Retry::Later
            }
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::TooLarge { .. }
            | Self::UntrustedUrl { .. }
            | Self::Login { is_passing: false, .. }
            | Self::Unconfigured { .. }
            | Self::Settings { .. } => Retry::Never,
        }
    }
}

/// Where the credentials stand that an image is asked for with.
fn setting(image: &ImageName) -> String {
    match image.pull_secret() {
        Some(name) => format!("the pull secret `{name}` in `pull_secrets`"),
        None => format!("`credentials` of `{}` in `registries`", image.registry()),
    }
}

/// Where the source of the credentials stands.
fn source(image: &ImageName) -> String {
    match image.pull_secret() {
        Some(_) => setting(image),
        None => format!("{} or `docker_config`", setting(image)),
    }
}

/// Names what was asked for; nothing where it was the registry itself.
fn about(joint: &str, image: &ImageName) -> String {
    match image.repository() {
        "" => String::new(),
        repository => format!("{joint}`{repository}`"),
    }
}

fn who(with_credentials: bool) -> &'static str {
    if with_credentials { "the credentials" } else { "anonymous access" }
}

/// What stands between an image and its tag or digest.
fn joint(reference: &str) -> &'static str {
    if reference.contains(':') { "@" } else { ":" }
}

fn after(delay: Option<Duration>) -> String {
    delay.map(|delay| format!(", try again in {}", seconds(delay))).unwrap_or_default()
}

/// Rounds up to whole seconds.
fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}
