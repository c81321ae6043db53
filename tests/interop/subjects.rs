//! The registries that the conformance list is run over: their models, who logs in, and what may be asked of them.

use repin::credentials::Credentials;
use repin::model::names::ImageName;
use repin::registry::{Limits, Login, Options, Registries, RegistryOptions};
use repin::secret::Secret;

use crate::hosted::{Account, Asked, Door, Hosted, Model};
use crate::models::acr::{Acr, NULL_USER};
use crate::models::artifactory::Artifactory;
use crate::models::distribution::Distribution;
use crate::models::docker_hub::DockerHub;
use crate::models::ecr::Ecr;
use crate::models::gar::Gar;
use crate::models::ghcr::Ghcr;
use crate::models::gitlab::GitLab;
use crate::models::harbor::Harbor;
use crate::models::nexus::Nexus;
use crate::models::quay::Quay;
use crate::models::zot::Zot;

/// A password that goes to one place only.
pub const PASSWORD: &str = "canary-PASSWORD-e071";
/// One that nobody knows.
pub const WRONG: &str = "canary-WRONG-2bd9";
/// The repository that only the account may read. Its project is not that of the public one.
pub const PRIVATE: &str = "acme/web";
pub const PUBLIC: &str = "oss/tool";

/// How credentials are used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// They are exchanged for a token, at this door and path.
    Exchange(Door, &'static str),
    /// They are sent to the API.
    Direct,
    /// There are none: everybody gets a token.
    Anonymous(Door, &'static str),
    /// There are none, and no token.
    Open,
}

/// One registry.
pub struct Subject {
    /// The host in image names.
    pub host: &'static str,
    pub model: Box<dyn Model>,
    pub way: Way,
    pub user: &'static str,
    /// As a refresh token instead of user and password.
    pub is_identity: bool,
    /// Tags that are on one page.
    pub page: usize,
    /// Requests beside those for pages and tokens that the very first listing costs: until it is known what the registry
    /// wants.
    pub learning: usize,
    /// Code and words for wrong credentials.
    pub refusal: (&'static str, &'static str),
    /// Whether it tells that a token ended, so that it can be renewed.
    pub renews: bool,
}

impl Subject {
    fn new(host: &'static str, model: impl Model, way: Way) -> Self {
        Self {
            host,
            model: Box::new(model),
            way,
            user: "robot",
            is_identity: false,
            page: 1000,
            // Credentials go with the first request of all. Who wants a token says so then, and only then.
            learning: usize::from(matches!(way, Way::Exchange(..) | Way::Anonymous(..))),
            refusal: ("registry/unauthorized", "401"),
            renews: matches!(way, Way::Exchange(..) | Way::Anonymous(..)),
        }
    }

    /// The model as it runs, with one private and one public repository.
    pub fn start(self) -> Running {
        let hosted = Hosted::start(self.model);
        let account = Account { password: PASSWORD.to_owned(), may_read: true };
        hosted.state().accounts.insert(self.user.to_owned(), account);
        let is_open = matches!(self.way, Way::Open | Way::Anonymous(..));
        let subject = Self { model: Box::new(Nobody), ..self };
        let running = Running { hosted, subject };
        running.hosted.publish(PRIVATE, is_open, []);
        running.hosted.publish(PUBLIC, true, []);
        running
    }
}

/// Stands where a model was taken from.
struct Nobody;

impl Model for Nobody {
    fn answer(&self, _: &mut crate::hosted::State, _: &Asked) -> crate::hosted::Answer {
        unreachable!("it is not served")
    }
}

/// A registry that runs.
pub struct Running {
    pub hosted: Hosted,
    pub subject: Subject,
}

impl Running {
    pub fn image(&self, repository: &str) -> ImageName {
        format!("{}/{repository}", self.subject.host).parse().unwrap()
    }

    /// A client with the right credentials, or with none where there are none.
    pub fn client(&self) -> Registries {
        self.client_with(self.login(PASSWORD), Limits::default())
    }

    pub fn client_with(&self, login: Login, limits: Limits) -> Registries {
        let registry = RegistryOptions {
            host: self.subject.host.to_owned(),
            api_url: Some(self.hosted.url()),
            insecure: true,
            login,
            ..RegistryOptions::default()
        };
        Registries::new(Options { registries: vec![registry], limits, ..Options::default() }).unwrap()
    }

    /// Credentials with this password.
    pub fn login(&self, password: &str) -> Login {
        match self.subject.way {
            Way::Open | Way::Anonymous(..) => Login::default(),
            _ if self.subject.is_identity => Credentials::IdentityToken(Secret::new(password)).into(),
            _ => Credentials::Basic { username: self.subject.user.to_owned(), password: Secret::new(password) }.into(),
        }
    }

    pub fn is_token_request(&self, asked: &Asked) -> bool {
        match self.subject.way {
            Way::Exchange(door, path) | Way::Anonymous(door, path) => asked.door == door && asked.path == path,
            Way::Direct | Way::Open => false,
        }
    }

    /// Whether a token has to be asked for.
    pub fn has_tokens(&self) -> bool {
        matches!(self.subject.way, Way::Exchange(..) | Way::Anonymous(..))
    }
}

pub fn docker_hub() -> Subject {
    let model = DockerHub { pulls: Some(100), abuse: None };
    let way = Way::Exchange(Door::Service, "/token");
    Subject {
        refusal: ("registry/unauthorized", "incorrect username or password"),
        ..Subject::new("docker.io", model, way)
    }
}

pub fn docker_hub_without_account() -> Subject {
    let model = DockerHub { pulls: Some(100), abuse: None };
    Subject::new("docker.io", model, Way::Anonymous(Door::Service, "/token"))
}

pub fn ghcr() -> Subject {
    let way = Way::Exchange(Door::Api, "/token");
    // It refuses a password at its API without a word of what it wants, so it is asked once more without.
    Subject { learning: 2, refusal: ("registry/forbidden", "denied"), ..Subject::new("ghcr.io", Ghcr, way) }
}

pub fn ghcr_without_account() -> Subject {
    Subject::new("ghcr.io", Ghcr, Way::Anonymous(Door::Api, "/token"))
}

pub fn quay() -> Subject {
    let way = Way::Exchange(Door::Api, "/v2/auth");
    Subject {
        user: "acme+robot",
        page: 100,
        refusal: ("registry/unauthorized", "Could not find robot with specified username"),
        ..Subject::new("quay.io", Quay { is_old: false }, way)
    }
}

pub fn quay_before() -> Subject {
    Subject { user: "$oauthtoken", page: 50, ..Subject { model: Box::new(Quay { is_old: true }), ..quay() } }
}

pub fn ecr() -> Subject {
    Subject {
        user: "AWS",
        refusal: ("registry/forbidden", "DENIED"),
        ..Subject::new("123456789012.dkr.ecr.eu-west-1.amazonaws.com", Ecr { is_public: false }, Way::Direct)
    }
}

pub fn ecr_public() -> Subject {
    let way = Way::Anonymous(Door::Api, "/token/");
    // It answers 400, and that may be anything.
    Subject { renews: false, ..Subject::new("public.ecr.aws", Ecr { is_public: true }, way) }
}

pub fn artifact_registry() -> Subject {
    let way = Way::Exchange(Door::Api, "/v2/token");
    Subject {
        user: "oauth2accesstoken",
        page: usize::MAX,
        refusal: ("registry/unauthorized", "The request has invalid authentication credentials"),
        ..Subject::new("europe-docker.pkg.dev", Gar { is_confused: false }, way)
    }
}

pub fn acr_with_refresh_token() -> Subject {
    let way = Way::Exchange(Door::Api, "/oauth2/token");
    Subject {
        user: NULL_USER,
        is_identity: true,
        refusal: ("registry/unauthorized", "authentication required, visit https://aka.ms/acr/authorization"),
        ..Subject::new("acme.azurecr.io", Acr, way)
    }
}

pub fn acr_with_password() -> Subject {
    // The API takes it, so it is exchanged for nothing.
    let refusal = ("registry/unauthorized", "authentication required, visit https://aka.ms/acr/authorization");
    Subject { user: "acme-puller", refusal, ..Subject::new("acme.azurecr.io", Acr, Way::Direct) }
}

pub fn harbor() -> Subject {
    // As at Azure's, the API takes the password itself.
    Subject { user: "robot$acme+puller", ..Subject::new("harbor.corp.example", Harbor, Way::Direct) }
}

pub fn gitlab() -> Subject {
    let way = Way::Exchange(Door::Service, "/jwt/auth");
    Subject {
        user: "gitlab+deploy-token-7",
        refusal: ("registry/unauthorized", "HTTP Basic: Access denied"),
        ..Subject::new("registry.gitlab.com", GitLab, way)
    }
}

pub fn distribution_3() -> Subject {
    let model = Distribution { maxtags: 200, refuses: false };
    Subject { page: 200, ..Subject::new("registry.corp.example", model, Way::Direct) }
}

/// The first number of tags that is asked for is refused, then it is a hundred.
pub fn distribution_3_1_0() -> Subject {
    let model = Distribution { maxtags: 200, refuses: true };
    Subject { model: Box::new(model), page: 100, learning: 1, ..distribution_3() }
}

pub fn zot() -> Subject {
    Subject::new("zot.corp.example", Zot { is_old: false }, Way::Open)
}

pub fn zot_before() -> Subject {
    Subject { model: Box::new(Zot { is_old: true }), ..zot() }
}

pub fn nexus_connector() -> Subject {
    Subject::new("nexus.corp.example:8443", Nexus { is_group: false }, Way::Direct)
}

pub fn nexus_group() -> Subject {
    Subject { model: Box::new(Nexus { is_group: true }), ..nexus_connector() }
}

pub fn artifactory() -> Subject {
    let way = Way::Exchange(Door::Api, "/artifactory/api/docker/acme/v2/token");
    Subject { refusal: ("registry/unauthorized", "Bad credentials"), ..Subject::new("acme.jfrog.io", Artifactory, way) }
}
