//! The keys of files of cases, and the words that may stand there.

use crate::config::keys::{Key, Shape, Table};

const PLAIN: Table = Table { keys: &[], unbuilt: &[], keeps_unbuilt: false, hides: false };

const fn key(name: &'static str, shape: Shape, required: bool, doc: &'static str) -> Key {
    Key { name, shape, required, doc }
}

pub(super) const TOP: Table = Table {
    keys: &[
        key("policies", Shape::TextMap, false, "policies by name, for cases that share one"),
        key("legacy_argocd_method", Shape::Word(&["as-git"]), false, "as in repin.yaml, for cases with a manifest"),
        key("cases", Shape::List(&CASE), true, "the cases, at least one"),
    ],
    ..PLAIN
};

pub(super) const CASE: Table = Table {
    keys: &[
        key("name", Shape::Text, true, "what the case shows, in a few words"),
        key("policy", Shape::Text, false, "a name of `policies`, or the keys themselves"),
        key("manifest", Shape::Text, false, "instead of `policy`: a manifest with an annotated Application"),
        key("application", Shape::Text, false, "which Application, if the manifest has several"),
        key("alias", Shape::Text, false, "which image, if the Application has several"),
        key("current", Shape::Text, false, "what stands: a tag, with @ and its digest if it has one"),
        key("stood", Shape::Texts, false, "what stood before, oldest first"),
        key("tags", Shape::List(&TAG), true, "what the registry has: tags, or mappings with `tag`"),
        key("now", Shape::Text, false, "the clock (RFC 3339)"),
        key("expect", Shape::Map(&EXPECT), true, "`chosen`, `code`, `rejected`, one or more of them"),
    ],
    ..PLAIN
};

pub(super) const TAG: Table = Table {
    keys: &[
        key("tag", Shape::Text, true, "the tag"),
        key("digest", Shape::Text, false, "its digest"),
        key("created", Shape::Text, false, "when it was built (RFC 3339), or null if the image does not say"),
        key("platforms", Shape::Texts, false, "what it carries"),
        key("seen", Shape::Text, false, "when repin first saw it (RFC 3339)"),
        key("signed", Shape::Bool, false, "whether it is signed with the keys of `verify`; true if nothing is said"),
    ],
    ..PLAIN
};

pub(super) const EXPECT: Table = Table {
    keys: &[
        key("chosen", Shape::Text, false, "the tag that stands at the end, or null if something stands in the way"),
        key("code", Shape::Text, false, "the code of the outcome: pending, current, guard/downgrade, …"),
        key("rejected", Shape::TextMap, false, "tags that are not taken, each with the code that says why"),
    ],
    ..PLAIN
};

/// Codes of verdicts, as `explain` gives them.
pub(super) const VERDICTS: [&str; 13] = [
    "not-a-candidate",
    "ignore-tags",
    "allow-tags",
    "not-followed",
    "no-extract",
    "not-a-version",
    "not-a-number",
    "strict",
    "out-of-range",
    "prerelease",
    "gone",
    "no-created",
    "not-an-image",
];
