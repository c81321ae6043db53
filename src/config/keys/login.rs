//! Keys that say where credentials of registries come from, and those of argocd-image-updater's `registries.conf`.

use super::{PLAIN, Shape, Table, optional};

/// `credentials` of a registry.
pub const CREDENTIALS: Table = Table {
    keys: &[
        optional("username", Shape::TextOrSecret, "With `password`."),
        optional("password", Shape::Secret, "With `username`."),
        optional(
            "token",
            Shape::Secret,
            "Instead of `username` and `password`; as a Bearer token, or exchanged as a password.",
        ),
        optional(
            "docker_config",
            Shape::Text,
            "File of docker or a pull secret, or its directory; read when it changed.",
        ),
        optional("ecr", Shape::Map(&ECR), "Amazon ECR; {} = the default chain of AWS."),
        optional(
            "google",
            Shape::Map(&GOOGLE),
            "Google Artifact Registry and Container Registry; {} = its default chain.",
        ),
        optional("azure", Shape::Map(&AZURE), "Azure Container Registry; {} = its default chain."),
    ],
    hides: true,
    ..PLAIN
};

/// `credentials.ecr`.
pub const ECR: Table = Table {
    keys: &[
        optional("region", Shape::Text, "Default: that of the host, else AWS_REGION."),
        optional("account", Shape::Text, "Default: that of the host."),
        optional("access_key_id", Shape::TextOrSecret, "With `secret_access_key`: a fixed key."),
        optional("secret_access_key", Shape::Secret, "With `access_key_id`."),
        optional("session_token", Shape::Secret, "Of a temporary key."),
        optional("role_arn", Shape::Text, "Role of a web identity. Default AWS_ROLE_ARN."),
        optional(
            "web_identity_token_file",
            Shape::Text,
            "Its token, read at each use. Default AWS_WEB_IDENTITY_TOKEN_FILE.",
        ),
        optional("endpoint", Shape::Text, "Where the API of ECR is, such as a private endpoint."),
        optional("sts_endpoint", Shape::Text, "Where STS is."),
        optional("metadata_url", Shape::Text, "Instance metadata, asked instead of the default chain."),
    ],
    hides: true,
    ..PLAIN
};

/// `credentials.google`.
pub const GOOGLE: Table = Table {
    keys: &[
        optional(
            "credentials_file",
            Shape::Text,
            "Key of a service account, or a workload identity; read at each use.",
        ),
        optional("service_account", Shape::Text, "Account of this machine. Default: its own."),
        optional("metadata_url", Shape::Text, "Metadata server, asked instead of the default chain."),
    ],
    hides: true,
    ..PLAIN
};

/// `credentials.azure`.
pub const AZURE: Table = Table {
    keys: &[
        optional("tenant_id", Shape::Text, "Default AZURE_TENANT_ID."),
        optional("client_id", Shape::Text, "Application, or an assigned managed identity. Default AZURE_CLIENT_ID."),
        optional("client_secret", Shape::Secret, "Secret of the application."),
        optional("federated_token_file", Shape::Text, "Token of a workload identity, read at each use."),
        optional(
            "authority",
            Shape::Text,
            "Microsoft Entra ID. Default AZURE_AUTHORITY_HOST, else that of the public cloud.",
        ),
        optional("audience", Shape::Text, "For whom the access token is. Default https://containerregistry.azure.net."),
        optional("metadata_url", Shape::Text, "Instance metadata, asked instead of the default chain."),
    ],
    hides: true,
    ..PLAIN
};

/// `registries.conf` of argocd-image-updater.
pub const PEER_FILE: Table =
    Table { keys: &[optional("registries", Shape::List(&PEER_REGISTRY), "The registries.")], ..PLAIN };

/// `registries[]` in that file.
pub const PEER_REGISTRY: Table = Table {
    keys: &[
        optional("name", Shape::Text, "For people."),
        optional("prefix", Shape::Text, "The host."),
        optional("api_url", Shape::Text, "Where the API is."),
        optional("ping", Shape::Text, "Without effect."),
        optional("credentials", Shape::Text, "env:, ext:, secret: or pullsecret:"),
        optional("credsexpire", Shape::Text, "How long what a script printed is used."),
        optional("tagsortmode", Shape::Text, "Without effect."),
        optional("insecure", Shape::Text, "Without effect: certificates are verified."),
        optional("ca_file", Shape::Text, "PEM file of an own authority."),
        optional("ca_data", Shape::Text, "PEM of an own authority."),
        optional("defaultns", Shape::Text, "Without effect."),
        optional("limit", Shape::Text, "Requests per second."),
        optional("default", Shape::Text, "Without effect."),
    ],
    ..PLAIN
};
