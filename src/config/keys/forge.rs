//! The keys of `forges`, of `repositories[].forge` and `repositories[].pull_requests`, and of `rules[].pull_request`.

use crate::config::keys::{CLIENT_CERTIFICATE, PLAIN, Shape, Table, optional, required};

const KINDS: Shape = Shape::Word(&["github", "gitlab", "gitea", "forgejo"]);
const KIND: &str = "Default by the host: github.com, *.ghe.com, gitlab.com, gitea.com, codeberg.org; else required.";
const API_URL: &str =
    "Where its API is. Default https://api.github.com, else /api/v3 (github), /api/v4 (gitlab), /api/v1 of the host.";
const RATE: &str = "Most requests per second. Default: what the forge itself declares.";

/// `forges[]`.
pub const FORGE: Table = Table {
    keys: &[
        required("url", Shape::Text, "Where people read it, such as https://github.com; or only what is below a path."),
        optional("kind", KINDS, KIND),
        optional("api_url", Shape::Text, API_URL),
        optional("credentials", Shape::Map(&FORGE_CREDENTIALS), "A token or a GitHub App. Default: anonymous reading."),
        optional("ca", Shape::Text, "PEM file with the certificates of its own authority."),
        optional("proxy", Shape::TextOrSecret, "As for repositories."),
        optional("client_certificate", Shape::Map(&CLIENT_CERTIFICATE), "Our own certificate."),
        optional("requests_per_second", Shape::Rate, RATE),
    ],
    ..PLAIN
};

/// `repositories[].forge`.
pub const REPOSITORY_FORGE: Table = Table {
    keys: &[
        optional("url", Shape::Text, "Where people read it. Default: the entry of `forges`, else the host of the URL."),
        optional("kind", KINDS, KIND),
        optional("api_url", Shape::Text, API_URL),
        optional("project", Shape::Text, "owner/name. Default: the path of the repository's URL."),
        optional("credentials", Shape::Map(&FORGE_CREDENTIALS), "Default: those of `forges`, else the repository's."),
        optional(
            "commits",
            Shape::Word(&["git", "api"]),
            "api: the forge makes the commits, as verified. Default git.",
        ),
        optional("ca", Shape::Text, "PEM file with the certificates of its own authority."),
        optional("proxy", Shape::TextOrSecret, "As for repositories."),
        optional("client_certificate", Shape::Map(&CLIENT_CERTIFICATE), "Our own certificate."),
        optional("requests_per_second", Shape::Rate, RATE),
    ],
    ..PLAIN
};

/// `credentials` of a forge.
pub const FORGE_CREDENTIALS: Table = Table {
    keys: &[
        optional("token", Shape::Secret, "A token of an account, a project or a group."),
        optional("app", Shape::Map(&FORGE_APP), "Instead of it: a GitHub App, whose tokens are fetched."),
    ],
    hides: true,
    ..PLAIN
};

/// `credentials.app` of a forge.
pub const FORGE_APP: Table = Table {
    keys: &[
        required("id", Shape::Text, "Its client id or its App id."),
        required("key", Shape::Secret, "Its private key, PEM, as GitHub gives it."),
    ],
    hides: true,
    ..PLAIN
};

/// `repositories[].pull_requests`.
pub const PULL_REQUESTS: Table = Table {
    keys: &[
        optional("max_open", Shape::Count, "At most this many are open at once. Default: no limit."),
        optional("max_new_per_hour", Shape::Count, "At most this many are opened within an hour. Default: no limit."),
        optional(
            "rebase",
            Shape::Word(&["always", "conflict"]),
            "When their branches are made anew from the base: whenever it moved, or when they conflict. Default always.",
        ),
    ],
    ..PLAIN
};

/// `rules[].pull_request`.
pub const PULL_REQUEST: Table = Table {
    keys: &[
        optional("labels", Shape::Texts, "Labels; made where the forge does not have them."),
        optional(
            "reviewers",
            Shape::Texts,
            "Logins, teams as organisation/team, or `codeowners`: whom CODEOWNERS of the base names for the changed files.",
        ),
        optional("assignees", Shape::Texts, "Logins."),
        optional("draft", Shape::Bool, "Whether they are opened as drafts. Default false."),
        optional(
            "auto_merge",
            Shape::Word(&["off", "optional", "on"]),
            "Whether the forge merges them by itself; optional: where annotations wish it. Default off.",
        ),
        optional("merge_method", Shape::Word(&["merge", "squash", "rebase"]), "How it merges then. Default merge."),
    ],
    ..PLAIN
};
