//! The keys of `rules`, `environments` and `windows`.

use super::{Key, PLAIN, PULL_REQUEST, Shape, Table, optional, required};

const DELIVERY: Key =
    optional("delivery", Shape::Word(&["commit", "pull-request", "none"]), "How changes are delivered.");
const OBSERVE: Key = optional("observe", Shape::Bool, "Decide and report, write nothing.");
const MAY_WRITE: Key =
    optional("may_write", Shape::Texts, "Globs of files outside the source paths that may be written.");
const PER: Key = optional(
    "per",
    Shape::Word(&["application", "group", "environment", "repository"]),
    "What one commit holds. Default application, or group where an annotation names one.",
);
const SCHEDULE: Key =
    optional("schedule", Shape::Schedule, "Writes only when this has had a tick since the last cycle.");
const PULL: Key = optional("pull_request", Shape::Map(&PULL_REQUEST), "What pull requests are like; field by field.");
const VERIFY: Key = optional("verify", Shape::TextOrTexts, "cosign:<name>: images must be signed with these keys too.");
const WINDOWS: Key =
    optional("windows", Shape::TextOrTexts, "Names of `windows` that say when something is written; [] = at any time.");
const MIN_AGE: Key = optional("min_age", Shape::Span, "How long a tag must have been seen with one digest. Default 0.");
const PROMOTE_FROM: Key = optional(
    "promote_from",
    Shape::Promotion,
    "Environments whose Git says which values may come: <environment>[/<application>], a list, or {any: […]}.",
);
const SOAK: Key = optional("soak", Shape::Span, "How long they must have held a value without a break. Default 0.");
const FOLLOW_ROLLBACK: Key = optional(
    "follow_rollback",
    Shape::Word(&["pull-request", "none"]),
    "What they take back is taken back here by a pull request. Default none: it is held.",
);
const REGISTRIES: Key = optional(
    "registries",
    Shape::TextOrTexts,
    "Hosts, or hosts with the first parts of a path, whose images may be written; [] = all.",
);
const PER_HOUR: Key = optional(
    "max_changes_per_hour",
    Shape::Count,
    "At most so many changes of an environment within an hour. Default: no limit.",
);
const PER_PUSH: Key = optional(
    "max_changes_per_push",
    Shape::Count,
    "More changes than so many in one push, and none is written. Default: no limit.",
);
const AT_LEAST: Key = optional("at_least", Shape::Map(&LEAST), "What neither annotations nor other rules loosen.");

pub(super) const APPLICATION: Key =
    optional("application", Shape::Text, "Glob over the Application's name, or over namespace/name if it holds a /.");
pub(super) const NAMESPACE: Key = optional("namespace", Shape::Text, "Glob over the Application's namespace.");
pub(super) const PROJECT: Key = optional("project", Shape::Text, "Glob over the Application's project.");
pub(super) const LABEL: Key = optional("label", Shape::TextMap, "Labels of the Application with exactly these values.");

/// Makes a table of keys of its own, and of all that a rule and an environment can say.
macro_rules! with_settings {
    ($($own:expr),* $(,)?) => {
        Table {
            keys: &[
                $($own,)*
                DELIVERY,
                OBSERVE,
                MAY_WRITE,
                PER,
                SCHEDULE,
                PULL,
                VERIFY,
                WINDOWS,
                MIN_AGE,
                PROMOTE_FROM,
                SOAK,
                FOLLOW_ROLLBACK,
                REGISTRIES,
                PER_HOUR,
                PER_PUSH,
                AT_LEAST,
            ],
            unbuilt: &crate::rules::UNBUILT,
            keeps_unbuilt: true,
            ..PLAIN
        }
    };
}

/// `rules[]`.
pub const RULE: Table = with_settings![
    optional("match", Shape::Map(&MATCH), "What it applies to; all conditions must hold. Default: everything."),
    optional("environment", Shape::Text, "The environment of what it matches."),
    optional(
        "service",
        Shape::Text,
        "The service of what it matches. Default: what {service} captures, else the name without the environment.",
    ),
];

/// `environments[]`.
pub const ENVIRONMENT: Table = with_settings![required("name", Shape::Text, "Unique name: letters, digits and . _ -")];

/// `rules[].at_least` and `environments[].at_least`.
pub const LEAST: Table = Table {
    keys: &[
        optional("delivery", Shape::Word(&["commit", "pull-request", "none"]), "This delivery, or a stricter one."),
        optional("windows", Shape::TextOrTexts, "These windows must be open too."),
        optional("min_age", Shape::Span, "This age or more."),
        optional("promote_from", Shape::Promotion, "This promotion; of several rules the last one counts."),
        optional("soak", Shape::Span, "This soak or more."),
        optional("registries", Shape::TextOrTexts, "Images of these registries only."),
        optional("verify", Shape::TextOrTexts, "These keys too."),
        optional("max_changes_per_hour", Shape::Count, "So many, or fewer."),
        optional("max_changes_per_push", Shape::Count, "So many, or fewer."),
    ],
    ..PLAIN
};

/// `rules[].match`.
pub const MATCH: Table = Table {
    keys: &[
        optional("repository", Shape::Text, "Glob over names of `repositories`."),
        optional("branch", Shape::Text, "Glob over the branch that would be written."),
        optional(
            "path",
            Shape::Text,
            "Glob over the path of the file that would be written; {service} and {environment} take names out of it.",
        ),
        APPLICATION,
        NAMESPACE,
        PROJECT,
        LABEL,
    ],
    ..PLAIN
};

/// `windows[]`.
pub const WINDOW: Table = Table {
    keys: &[
        required("name", Shape::Text, "Unique name: letters, digits and . _ -"),
        required(
            "kind",
            Shape::Word(&["allow", "deny"]),
            "allow: something is written while it lasts. deny: nothing is, whatever others allow.",
        ),
        required("cron", Shape::Text, "When it begins: minute, hour, day of month, month, day of week; @daily."),
        required("duration", Shape::Interval, "How long it lasts, in elapsed time: 1m to 366d."),
        optional("time_zone", Shape::Text, "Zone of the IANA database. Default UTC."),
        optional("reason", Shape::Text, "Why, for whoever waits."),
    ],
    ..PLAIN
};
