//! The plain types that the stages hand to each other. Each kind of string with rules has one type, and only its
//! `FromStr` makes one. Nothing here decides, reads or writes.

pub mod address;
pub mod application;
pub mod asking;
pub mod branch_template;
pub mod change;
pub mod codeowners;
pub mod constraint;
pub mod event;
pub mod forge;
pub mod history;
pub mod image_field;
pub mod interval;
pub mod key_path;
pub mod manifest_files;
pub mod metadata;
pub mod names;
pub mod origin;
pub mod outcome;
pub mod overriding;
pub mod policy;
pub mod problem;
pub mod pull_name;
pub mod remote_url;
pub mod rule;
pub mod schedule;
pub mod source;
pub mod tags;
pub mod text;
pub mod tracked;
pub mod verification;
pub mod version;
pub mod webhook;
