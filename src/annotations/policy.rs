//! The keys that say which tag: strategy, constraint, filters and guards of one image.

use globset::GlobBuilder;
use regex::RegexBuilder;

use crate::annotations::image_list::Entry;
use crate::annotations::keys;
use crate::annotations::values::Obstacles;
use crate::annotations::{Given, Reader};
use crate::model::policy::{AfterRollback, Policy, Strategy, TagGlob, TagPattern};
use crate::model::problem::Severity;

/// Largest compiled regular expression of `allow-tags`, in bytes.
const REGEX_SIZE: usize = 1 << 20;

impl Reader<'_> {
    pub(super) fn policy(&mut self, entry: &Entry, constraint: Option<String>, obstacles: &mut Obstacles) -> Policy {
        let alias = &entry.alias;
        let strategy = self.strategy(alias, obstacles);
        let mut policy = Policy {
            strategy: strategy.unwrap_or_default(),
            strict: self.boolean(alias, "strict", true, obstacles),
            include_prereleases: self.boolean(alias, "include-prereleases", false, obstacles),
            allow_downgrade: self.boolean(alias, "allow-downgrade", false, obstacles),
            ..Policy::default()
        };
        if let Some((key, given)) = self.owned(alias, "after-rollback") {
            match given.value.as_str() {
                "next" => policy.after_rollback = AfterRollback::Next,
                "wait" => policy.after_rollback = AfterRollback::Wait,
                _ => self.invalid(
                    &key,
                    &given,
                    "is neither `next` nor `wait`",
                    format!("write `{key}: next` or `{key}: wait`"),
                    obstacles,
                ),
            }
        }
        if let Some((key, given)) = self.owned(alias, "allow-tags") {
            policy.allow = self.allow_tags(&key, &given, obstacles);
        }
        if let Some((key, given)) = self.owned(alias, "ignore-tags") {
            policy.ignore = self.ignore_tags(&key, &given, obstacles);
        }
        match (constraint, strategy) {
            (Some(text), Some(Strategy::Semver)) => match text.parse() {
                Ok(parsed) => policy.constraint = Some(parsed),
                Err(error) => {
                    let line = self.line("image-list");
                    let message = format!("the constraint of `{}` cannot be read: {error}", entry.raw);
                    let hint = match text.parse::<crate::model::names::Tag>() {
                        Ok(tag) if !tag.as_str().starts_with(|c: char| c.is_ascii_digit()) => format!(
                            "`{text}` names one tag: to follow a mutable tag write `{alias}.update-strategy: digest`, to take the newest build `newest-build`"
                        ),
                        _ => "write a range such as `~1.2`, `1.x` or `>=1.0 <2.0`".to_owned(),
                    };
                    self.problem(Severity::Error, "annotation/invalid", line, message.clone(), hint);
                    obstacles.invalid.get_or_insert(message);
                }
            },
            (Some(text), Some(Strategy::Alphabetical)) => {
                let line = self.line("image-list");
                let message = format!(
                    "the constraint `{text}` of `{alias}` has no effect: the alphabetical order takes no constraint"
                );
                let hint = format!("remove it, use `{alias}.allow-tags`, or leave `update-strategy` out");
                self.problem(Severity::Warning, "annotation/unused", line, message, hint);
            }
            _ => {}
        }
        policy
    }

    /// Gives the strategy; `None` where it is unbuilt or invalid.
    fn strategy(&mut self, alias: &str, obstacles: &mut Obstacles) -> Option<Strategy> {
        let Some((key, given)) = self.owned(alias, "update-strategy") else { return Some(Strategy::Semver) };
        match given.value.as_str() {
            "semver" => Some(Strategy::Semver),
            "alphabetical" | "name" => Some(Strategy::Alphabetical),
            "newest-build" | "latest" | "numerical" | "digest" => {
                let message = format!("`{key}: {}` is not carried out by this version", given.value);
                let hint = "`semver` and `alphabetical` are".to_owned();
                self.unsupported(
                    keys::position("update-strategy"),
                    "update-strategy",
                    given.line,
                    message,
                    hint,
                    obstacles,
                );
                None
            }
            _ => {
                let hint = "the strategies are semver, newest-build, alphabetical, numerical, digest".to_owned();
                self.invalid(&key, &given, "is no strategy", hint, obstacles);
                None
            }
        }
    }

    fn boolean(&mut self, alias: &str, name: &str, default: bool, obstacles: &mut Obstacles) -> bool {
        let Some((key, given)) = self.owned(alias, name) else { return default };
        match given.value.as_str() {
            "true" => true,
            "false" => false,
            _ => {
                self.invalid(
                    &key,
                    &given,
                    "is neither `true` nor `false`",
                    format!("write `{key}: \"true\"` or `{key}: \"false\"`"),
                    obstacles,
                );
                default
            }
        }
    }

    fn allow_tags(&mut self, key: &str, given: &Given, obstacles: &mut Obstacles) -> Option<TagPattern> {
        if given.value == "any" {
            return None;
        }
        // No tag begins or ends with a blank, so `regexp: ^1` means what it says without it.
        let Some(source) = given.value.strip_prefix("regexp:").map(str::trim) else {
            let hint = format!(
                "write `{key}: \"regexp:<expression>\"` or `any`; a version range belongs into `image-list` behind the image's `:`"
            );
            self.invalid(key, given, "is neither `any` nor `regexp:<expression>`", hint, obstacles);
            return None;
        };
        match RegexBuilder::new(source).size_limit(REGEX_SIZE).build() {
            Ok(regex) => Some(TagPattern { source: source.to_owned(), regex }),
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or("it cannot be compiled").trim_start_matches("error: ");
                self.invalid(
                    key,
                    given,
                    &format!("is no usable regular expression: {why}"),
                    "see docs.rs/regex for the syntax; look-around and back references do not exist".into(),
                    obstacles,
                );
                None
            }
        }
    }

    fn ignore_tags(&mut self, key: &str, given: &Given, obstacles: &mut Obstacles) -> Vec<TagGlob> {
        let mut globs = Vec::new();
        for source in given.value.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
            match GlobBuilder::new(source).build() {
                Ok(glob) => globs.push(TagGlob { source: source.to_owned(), glob: glob.compile_matcher() }),
                Err(error) => self.invalid(
                    key,
                    given,
                    &format!("holds a glob that cannot be read: {error}"),
                    "globs are `*`, `?` and `[a-z]`, separated by commas".into(),
                    obstacles,
                ),
            }
        }
        globs
    }
}
