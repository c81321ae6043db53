//! The keys of `image_fields`.

use crate::config::keys::{PLAIN, Shape, Table, optional, required};

/// `image_fields[]`.
pub const IMAGE_FIELD: Table = Table {
    keys: &[
        required("kind", Shape::Text, "Kind of the objects, such as Cluster."),
        optional(
            "group",
            Shape::Text,
            "Group of their apiVersion, such as postgresql.cnpg.io; empty = core. Default: any.",
        ),
        optional("image", Shape::Text, "Key path of the whole image; [*] stands for every item of a list."),
        optional("name", Shape::Text, "Key path of the image without tag, in place of `image`."),
        optional("tag", Shape::Text, "Key path of the tag, with `name`."),
        optional(
            "digest",
            Shape::Text,
            "Key path of the digest, with `name` and `tag`. Default: no digest is written.",
        ),
    ],
    ..PLAIN
};
