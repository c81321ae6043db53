//! Every key of the configuration file: where it stands, what it holds, what it is for.
//!
//! The reader takes unknown, missing and unbuilt keys from here, and [`crate::config::schema`] the JSON schema. Nothing
//! here reads.

mod commit;
mod cosign;
mod forge;
mod image_fields;
mod login;
mod registries;
mod rules;
mod webhook;

pub use self::commit::{COMMIT, IDENTITY, SIGNING};
pub use self::cosign::COSIGN_KEY;
pub use self::forge::{FORGE, FORGE_APP, FORGE_CREDENTIALS, PULL_REQUEST, PULL_REQUESTS, REPOSITORY_FORGE};
pub use self::image_fields::IMAGE_FIELD;
pub use self::login::{AZURE, CREDENTIALS, ECR, GOOGLE, PEER_FILE, PEER_REGISTRY};
pub use self::registries::{REGISTRY, REGISTRY_LIMITS};
pub use self::rules::{ENVIRONMENT, LEAST, MATCH, RULE, WINDOW};
pub use self::webhook::WEBHOOK;

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number from 1.
    Count,
    /// A number above 0.
    Rate,
    /// Numbers with units, such as `1h30m`.
    Interval,
    /// Numbers with units, or 0.
    Span,
    /// Environments of an upstream: a text, a list, or a mapping of `all` or `any`.
    Promotion,
    /// A list of texts.
    Texts,
    /// A text or a list of texts.
    TextOrTexts,
    /// Texts by free keys.
    TextMap,
    /// A reference to a secret.
    Secret,
    /// A text or a reference to a secret.
    TextOrSecret,
    /// An interval, a cron expression, or a mapping of one of them.
    Schedule,
    /// A mapping with these keys.
    Map(&'static Table),
    /// A list of mappings with these keys.
    List(&'static Table),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// What it is for, with its default.
    pub doc: &'static str,
}

/// The keys of one mapping.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Keys that are carried out.
    pub keys: &'static [Key],
    /// Keys of the design that this build does not carry out, in the manual's order.
    pub unbuilt: &'static [&'static str],
    /// Whether an unbuilt key is recorded instead of refused.
    pub keeps_unbuilt: bool,
    /// Whether its keys may hold a secret by mistake, and are not shown.
    pub hides: bool,
}

const PLAIN: Table = Table { keys: &[], unbuilt: &[], keeps_unbuilt: false, hides: false };

const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: true, doc }
}

const fn optional(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: false, doc }
}

/// The file itself.
pub const TOP: Table = Table {
    keys: &[
        optional(
            "schedule",
            Shape::Schedule,
            "When is looked: an interval of 1s to 7d, or a cron expression. Default 2m.",
        ),
        optional(
            "shortest_interval",
            Shape::Interval,
            "How often annotations may have a registry asked. Default: as often as its schedule.",
        ),
        required("repositories", Shape::List(&REPOSITORY), "GitOps repositories, at least one."),
        optional("forges", Shape::List(&FORGE), "Forges by URL: for repositories, and for what images are built from."),
        optional(
            "ignore_closed_by",
            Shape::Texts,
            "Logins whose closing of a pull request does not refuse what it held.",
        ),
        optional(
            "registries",
            Shape::List(&REGISTRY),
            "Registries; public ones are read anonymously without an entry.",
        ),
        optional(
            "registry_limits",
            Shape::Map(&REGISTRY_LIMITS),
            "What one answer of a registry may cost; more is refused, or cut and said.",
        ),
        optional("rules", Shape::List(&RULE), "What may be written and how; later rules override field by field."),
        optional(
            "environments",
            Shape::List(&ENVIRONMENT),
            "Environments with their settings, which come before those of `rules`.",
        ),
        optional("windows", Shape::List(&WINDOW), "When something may be written, by name."),
        optional(
            "max_changes_per_push",
            Shape::Count,
            "More changes than so many in one push, and none is written; of this and the rules the smaller counts.",
        ),
        optional("emergency_stop", Shape::Text, "While this file exists nothing is written; its first line says why."),
        optional("observe", Shape::Bool, "Decide and report everything, write nothing. Default false."),
        optional("commit", Shape::Map(&COMMIT), "Who commits are by, what they say, and how they are signed."),
        optional(
            "legacy_argocd_method",
            Shape::Word(&["as-git"]),
            "as-git: `write-back-method: argocd` is taken for git. Default: it is held.",
        ),
        optional("applications", Shape::List(&APPLICATION), "Applications that no manifest defines."),
        optional(
            "pull_secrets",
            Shape::List(&PULL_SECRET),
            "Credentials of registries that annotations may name, and who may.",
        ),
        optional(
            "docker_config",
            Shape::Text,
            "File of docker for every registry without `credentials`; or a directory.",
        ),
        optional("credential_helpers", Shape::TextMap, "Programs that such files may name: name to absolute path."),
        optional("registries_conf", Shape::Text, "registries.conf of argocd-image-updater, read as it is."),
        optional("webhooks", Shape::List(&WEBHOOK), "Who may tell of pushes, at POST /webhooks/<name> of the server."),
        optional("cosign_keys", Shape::List(&COSIGN_KEY), "Public keys that `verify` may demand signatures of."),
        optional(
            "image_fields",
            Shape::List(&IMAGE_FIELD),
            "Where objects of some kinds name an image, beside fields that are called `image`.",
        ),
        optional("cache", Shape::Map(&CACHE), "Where what can be fetched again is kept."),
        optional("server", Shape::Map(&SERVER), "The HTTP server; null = off."),
        optional("log", Shape::Map(&LOG), "What is logged, and how."),
    ],
    unbuilt: &["notifications", "kubernetes"],
    ..PLAIN
};

/// A schedule that is written as a mapping.
pub const SCHEDULE: Table = Table {
    keys: &[
        optional("cron", Shape::Text, "Minute, hour, day of month, month, day of week; @daily and the like."),
        optional("time_zone", Shape::Text, "Zone of the IANA database, with `cron`. Default UTC."),
        optional("interval", Shape::Interval, "Instead of `cron`: 1s to 7d."),
        optional("jitter", Shape::Interval, "At most this much longer, with `interval`. Default a tenth of it."),
    ],
    ..PLAIN
};

/// A promotion that is written as a mapping.
pub const PROMOTION: Table = Table {
    keys: &[
        optional("all", Shape::Texts, "All of these must hold a value."),
        optional("any", Shape::Texts, "One of these must; the first that is through counts."),
    ],
    ..PLAIN
};

/// `repositories[]`.
pub const REPOSITORY: Table = Table {
    keys: &[
        required("name", Shape::Text, "Unique name: letters, digits and . _ -"),
        required("url", Shape::Text, "https://, http://, ssh://, git@host:path, file:///path or an absolute path."),
        optional("branch", Shape::Text, "Branch that is read and written. Default: the remote's default branch."),
        optional(
            "branches",
            Shape::Texts,
            "Globs of other branches that annotations may name and make. Default: none.",
        ),
        optional("also", Shape::Texts, "Other URLs under which Applications name this repository."),
        optional("discover", Shape::Texts, "Globs of files that define Applications. Default **/*.yaml and **/*.yml."),
        optional(
            "credentials",
            Shape::Map(&GIT_CREDENTIALS),
            "A login or a token for https, a key or an agent for ssh.",
        ),
        optional(
            "known_hosts",
            Shape::Text,
            "OpenSSH file of the host keys to believe. Default: those of the user and of the machine.",
        ),
        optional("ca", Shape::Text, "PEM file with the certificates of the server's own authority, for https."),
        optional(
            "proxy",
            Shape::TextOrSecret,
            "http, https, socks5 or socks5h URL, for https; by reference if it holds a password.",
        ),
        optional("client_certificate", Shape::Map(&CLIENT_CERTIFICATE), "Our own certificate, for https."),
        optional(
            "forge",
            Shape::Map(&REPOSITORY_FORGE),
            "Where its pull requests are. Default: its entry of `forges`.",
        ),
        optional("pull_requests", Shape::Map(&PULL_REQUESTS), "How many pull requests it takes."),
        optional("may_write", Shape::Texts, "Globs of files outside the source paths that may be written."),
        optional("history", Shape::Map(&HISTORY), "Limits on the history that is read. Default: none."),
        optional("schedule", Shape::Schedule, "When it is looked at. Default: the `schedule` of the file."),
        optional("clusters", Shape::Texts, "Globs of files that say which clusters there are, for ApplicationSets."),
    ],
    ..PLAIN
};

/// `repositories[].history`.
pub const HISTORY: Table = Table {
    keys: &[
        optional("commits", Shape::Count, "At most this many commits along first parents."),
        optional("days", Shape::Count, "No commits older than this many days."),
    ],
    ..PLAIN
};

/// `pull_secrets[]`.
pub const PULL_SECRET: Table = Table {
    keys: &[
        required("name", Shape::Text, "What `pull-secret` of an Application says; unique."),
        required("registries", Shape::Texts, "Hosts of images that they are sent for, at least one."),
        required("credentials", Shape::Map(&CREDENTIALS), "One source, as for `registries`."),
        required("match", Shape::Map(&PULL_MATCH), "The Applications that may name it; {} = all."),
    ],
    ..PLAIN
};

/// `pull_secrets[].match`.
pub const PULL_MATCH: Table = Table {
    keys: &[
        optional("repository", Shape::Text, "Glob over the name of the repository that defines the Application."),
        optional("path", Shape::Text, "Glob over the path of the file that defines the Application."),
        rules::APPLICATION,
        rules::NAMESPACE,
        rules::PROJECT,
        rules::LABEL,
    ],
    ..PLAIN
};

/// `repositories[].credentials`.
pub const GIT_CREDENTIALS: Table = Table {
    keys: &[
        optional("username", Shape::TextOrSecret, "With `password`."),
        optional("password", Shape::Secret, "With `username`."),
        optional("token", Shape::Secret, "Instead of them; sent as the password of x-access-token."),
        optional("ssh_key", Shape::Secret, "Private key for ssh, as ssh-keygen writes it."),
        optional("passphrase", Shape::Secret, "With `ssh_key`, if it is encrypted."),
        optional("ssh_agent", Shape::Bool, "true: the agent at SSH_AUTH_SOCK."),
    ],
    hides: true,
    ..PLAIN
};

/// `repositories[].client_certificate`.
pub const CLIENT_CERTIFICATE: Table = Table {
    keys: &[
        required("cert", Shape::Text, "PEM file with the certificate and those up to its authority."),
        required("key", Shape::Secret, "Its key, PEM, not encrypted."),
    ],
    hides: true,
    ..PLAIN
};

/// A reference to a secret.
pub const SECRET: Table = Table {
    keys: &[
        optional("env", Shape::Text, "Name of an environment variable."),
        optional("file", Shape::Text, "Path of a file; line ends at its end are dropped."),
    ],
    hides: true,
    ..PLAIN
};

/// `applications[]`.
pub const APPLICATION: Table = Table {
    keys: &[
        required("name", Shape::Text, "The Application's name."),
        optional("namespace", Shape::Text, "Its namespace. Default argocd."),
        required("repository", Shape::Text, "Name of one of `repositories`."),
        required("path", Shape::Text, "Source path in the repository, . for its root."),
        required("annotations", Shape::TextMap, "Annotations, without their prefix."),
    ],
    ..PLAIN
};

/// `cache`.
pub const CACHE: Table = Table {
    keys: &[optional("path", Shape::Text, "Directory. Default $XDG_CACHE_HOME/repin, else ~/.cache/repin.")],
    ..PLAIN
};

/// `server`.
pub const SERVER: Table = Table {
    keys: &[optional("listen", Shape::Text, "Address and port; port 0 = any, null = off. Default 127.0.0.1:8080.")],
    ..PLAIN
};

/// `log`.
pub const LOG: Table = Table {
    keys: &[
        optional("format", Shape::Word(&["text", "json"]), "Default text."),
        optional("level", Shape::Word(&["error", "warn", "info", "debug", "trace"]), "Default info."),
    ],
    ..PLAIN
};

/// Gives the path of every key that is carried out, such as `repositories[].url`, in the order of the tables.
pub fn all() -> Vec<String> {
    let mut paths = Vec::new();
    collect(&TOP, "", &mut paths);
    paths
}

fn collect(table: &Table, prefix: &str, paths: &mut Vec<String>) {
    for key in table.keys {
        let path = format!("{prefix}{}", key.name);
        paths.push(path.clone());
        match key.shape {
            Shape::Map(table) => collect(table, &format!("{path}."), paths),
            Shape::List(table) => collect(table, &format!("{path}[]."), paths),
            Shape::Secret | Shape::TextOrSecret => collect(&SECRET, &format!("{path}."), paths),
            Shape::Schedule => collect(&SCHEDULE, &format!("{path}."), paths),
            Shape::Promotion => collect(&PROMOTION, &format!("{path}."), paths),
            Shape::Text
            | Shape::Word(_)
            | Shape::Bool
            | Shape::Count
            | Shape::Rate
            | Shape::Interval
            | Shape::Span
            | Shape::Texts
            | Shape::TextOrTexts
            | Shape::TextMap => {}
        }
    }
}
