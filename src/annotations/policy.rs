//! The keys that say which tag: strategy, constraint, filters and guards of one image.

use std::collections::BTreeSet;
use std::time::Duration;

use globset::GlobBuilder;
use regex::RegexBuilder;

use crate::annotations::image_list::Entry;
use crate::annotations::values::Obstacles;
use crate::annotations::{Given, Reader, keys};
use crate::model::interval;
use crate::model::metadata::Platform;
use crate::model::names::Tag;
use crate::model::policy::{AfterRollback, Extract, Pin, Policy, Strategy, TagGlob, TagPattern};
use crate::model::problem::Severity;
use crate::model::verification::{KeyName, Verifier};

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
            after_rollback: strategy.unwrap_or_default().after_rollback(),
            platforms: self.platforms(alias, obstacles),
            pin: self.pin(alias, strategy, obstacles),
            min_age: self.min_age(alias, obstacles),
            verify: self.verify(alias, obstacles),
            ..Policy::default()
        };
        if let (Some(Pin::Tag), false, Some((key, given))) =
            (policy.pin, policy.verify.is_empty(), self.owned(alias, "pin"))
        {
            let message = format!("`{key}: tag` writes a tag that may move after it was verified (`verify`)");
            let hint = format!("remove `{key}`: with `verify` it is `tag+digest`");
            self.problem(Severity::Warning, "annotation/unpinned", given.line, message, hint);
        }
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
        policy.allow = self.allow(alias, obstacles);
        policy.extract = self.extract(alias, policy.allow.as_ref(), obstacles);
        if let Some(order) = [Strategy::Digest, Strategy::NewestBuild].into_iter().find(|one| strategy == Some(*one))
            && let (Some(_), Some((key, given))) = (&policy.extract, self.owned(alias, "extract"))
        {
            let message = format!("`{key}: {}` has no effect: the {order} order compares no text of tags", given.value);
            let hint = "remove it, or use semver, alphabetical or numerical".to_owned();
            self.problem(Severity::Warning, "annotation/unused", given.line, message, hint);
        }
        if let Some((key, given)) = self.owned(alias, "ignore-tags") {
            policy.ignore = self.ignore_tags(&key, &given, obstacles);
        }
        if let (Some(text), Some(strategy)) = (constraint, strategy) {
            self.constraint(entry, &text, strategy, &mut policy, obstacles);
        }
        policy
    }

    /// Reads what stands behind the image's `:`, as the strategy takes it.
    fn constraint(
        &mut self,
        entry: &Entry,
        text: &str,
        strategy: Strategy,
        policy: &mut Policy,
        obstacles: &mut Obstacles,
    ) {
        let (alias, line) = (&entry.alias, self.line("image-list"));
        let tag = text.parse::<Tag>().ok();
        match strategy {
            Strategy::Semver => match text.parse() {
                Ok(parsed) => policy.constraint = Some(parsed),
                Err(error) => {
                    let message = format!("the constraint of `{}` cannot be read: {error}", entry.raw);
                    let hint = match tag.filter(|tag| !tag.as_str().starts_with(|c: char| c.is_ascii_digit())) {
                        Some(_) => format!(
                            "`{text}` names one tag: to follow a mutable tag write `{alias}.update-strategy: digest`, to take the newest build `newest-build`"
                        ),
                        None => "write a range such as `~1.2`, `1.x` or `>=1.0 <2.0`".to_owned(),
                    };
                    self.problem(Severity::Error, "annotation/invalid", line, message.clone(), hint);
                    obstacles.invalid.get_or_insert(message);
                }
            },
            Strategy::Digest => match tag {
                Some(tag) => policy.follow = Some(tag),
                None => {
                    let message = format!("`{text}` of `{}` is no tag, and `digest` follows one tag", entry.raw);
                    let hint = format!("name one tag, such as `{alias}=<image>:latest`, or use another strategy");
                    self.problem(Severity::Error, "annotation/invalid", line, message.clone(), hint);
                    obstacles.invalid.get_or_insert(message);
                }
            },
            Strategy::NewestBuild | Strategy::Alphabetical | Strategy::Numerical => {
                let message = format!(
                    "the constraint `{text}` of `{alias}` has no effect: the {strategy} order takes no constraint"
                );
                let hint = format!("remove it, use `{alias}.allow-tags`, or leave `update-strategy` out");
                self.problem(Severity::Warning, "annotation/unused", line, message, hint);
            }
        }
    }

    /// Gives the strategy; `None` where it is invalid.
    fn strategy(&mut self, alias: &str, obstacles: &mut Obstacles) -> Option<Strategy> {
        let Some((key, given)) = self.owned(alias, "update-strategy") else { return Some(Strategy::Semver) };
        match given.value.as_str() {
            "semver" => Some(Strategy::Semver),
            "newest-build" | "latest" => Some(Strategy::NewestBuild),
            "alphabetical" | "name" => Some(Strategy::Alphabetical),
            "numerical" => Some(Strategy::Numerical),
            "digest" => Some(Strategy::Digest),
            _ => {
                let hint = "the strategies are semver, newest-build, alphabetical, numerical, digest".to_owned();
                self.invalid(&key, &given, "is no strategy", hint, obstacles);
                None
            }
        }
    }

    fn platforms(&mut self, alias: &str, obstacles: &mut Obstacles) -> Vec<Platform> {
        let Some((key, given)) = self.owned(alias, "platforms") else { return Vec::new() };
        let mut platforms: Vec<Platform> = Vec::new();
        for text in given.value.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
            match text.parse() {
                Ok(platform) if platforms.contains(&platform) => {}
                Ok(platform) => platforms.push(platform),
                Err(error) => {
                    let hint = "name what the nodes run, such as `linux/amd64,linux/arm64`".to_owned();
                    self.invalid(&key, &given, &format!("holds `{text}`: {error}"), hint, obstacles);
                }
            }
        }
        if platforms.is_empty() && obstacles.invalid.is_none() {
            let hint = "name what the nodes run, such as `linux/amd64`, or remove the annotation".to_owned();
            self.invalid(&key, &given, "names no platform", hint, obstacles);
        }
        platforms
    }

    fn pin(&mut self, alias: &str, strategy: Option<Strategy>, obstacles: &mut Obstacles) -> Option<Pin> {
        let (key, given) = self.owned(alias, "pin")?;
        let pin = match given.value.as_str() {
            "tag" => Pin::Tag,
            "digest" => Pin::Digest,
            "tag+digest" => Pin::TagAndDigest,
            _ => {
                let hint = format!("write `{key}: tag`, `{key}: digest` or `{key}: tag+digest`");
                self.invalid(&key, &given, "is neither `tag` nor `digest` nor `tag+digest`", hint, obstacles);
                return None;
            }
        };
        if pin == Pin::Tag && strategy == Some(Strategy::Digest) {
            let hint = format!("remove `{key}`, or write `{key}: tag+digest`, which `digest` implies");
            self.invalid(&key, &given, "contradicts the strategy `digest`, which writes digests", hint, obstacles);
        }
        if pin == Pin::Digest && self.find(alias, "helm.image-tag").is_some() {
            let hint = format!("write `{key}: tag+digest`, or name the whole image with `{alias}.helm.image-spec`");
            self.invalid(&key, &given, "leaves no tag for `helm.image-tag`", hint, obstacles);
        }
        Some(pin)
    }

    fn min_age(&mut self, alias: &str, obstacles: &mut Obstacles) -> Option<Duration> {
        let (key, given) = self.owned(alias, "min-age")?;
        match interval::parse(&given.value) {
            Ok(age) => Some(age).filter(|age| !age.is_zero()),
            Err(_) if given.value == "0" => None,
            Err(rule) => {
                let hint = format!("write for example `{key}: 3d` or `{key}: 12h`");
                self.invalid(&key, &given, &format!("is no span of time: {rule}"), hint, obstacles);
                None
            }
        }
    }

    /// How often the registry is asked.
    pub(super) fn interval(&mut self, alias: &str, obstacles: &mut Obstacles) -> Option<Duration> {
        let (key, given) = self.owned(alias, "interval")?;
        match interval::parse(&given.value) {
            Ok(span) if !span.is_zero() => Some(span),
            Ok(_) => {
                let hint = format!("write for example `{key}: 30m`, or remove it to have the operator's schedule");
                self.invalid(&key, &given, "is no time at all", hint, obstacles);
                None
            }
            Err(rule) => {
                let hint = format!("write for example `{key}: 30m` or `{key}: 6h`");
                self.invalid(&key, &given, &format!("is no span of time: {rule}"), hint, obstacles);
                None
            }
        }
    }

    /// Reads the keys that must have signed. What is asked for and is not carried out holds the image.
    fn verify(&mut self, alias: &str, obstacles: &mut Obstacles) -> BTreeSet<KeyName> {
        let Some((key, given)) = self.owned(alias, "verify") else { return BTreeSet::new() };
        let mut names = BTreeSet::new();
        let entries: Vec<&str> =
            given.value.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).collect();
        for entry in &entries {
            match entry.parse() {
                Ok(Verifier::Cosign(name)) => drop(names.insert(name)),
                Ok(Verifier::Keyless) => self.unsupported(
                    keys::position("verify"),
                    "verify",
                    given.line,
                    format!("`{key}: {entry}` is not carried out by this version, which verifies by keys only"),
                    format!("write `{key}: cosign:<name>` with a name of the operator's `cosign_keys`"),
                    obstacles,
                ),
                Err(error) => {
                    let hint = format!("write `{key}: cosign:<name>` with a name of the operator's `cosign_keys`");
                    self.invalid(&key, &given, &format!("holds `{entry}`: {error}"), hint, obstacles);
                }
            }
        }
        if entries.is_empty() {
            let hint = format!("write `{key}: cosign:<name>`, or remove the annotation");
            self.invalid(&key, &given, "names no key", hint, obstacles);
        }
        names
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

    /// Reads `allow-tags`, or argocd-image-updater's older name of it, `tag-match`.
    fn allow(&mut self, alias: &str, obstacles: &mut Obstacles) -> Option<TagPattern> {
        let (current, older) = (self.owned(alias, "allow-tags"), self.owned(alias, "tag-match"));
        if let (Some((key, _)), Some((unused, given))) = (&current, &older) {
            let message = format!("`{unused}: {}` has no effect beside `{key}`", given.value);
            self.problem(Severity::Warning, "annotation/unused", given.line, message, "remove it".into());
        }
        let (key, given) = current.or(older)?;
        self.allow_tags(&key, &given, obstacles)
    }

    fn extract(&mut self, alias: &str, pattern: Option<&TagPattern>, obstacles: &mut Obstacles) -> Option<Extract> {
        let (key, given) = self.owned(alias, "extract")?;
        let Some(TagPattern { regex, .. }) = pattern else {
            // An expression that cannot be read was reported.
            if self.find(alias, "allow-tags").is_none_or(|(_, given)| given.value == "any") {
                let hint =
                    format!("add `{alias}.allow-tags: \"regexp:^main-(?P<ts>[0-9]+)$\"` and extract `$ts` of it");
                self.invalid(&key, &given, "has no expression to take something from", hint, obstacles);
            }
            return None;
        };
        let groups = Extract::groups(&given.value);
        let names: Vec<&str> = regex.capture_names().flatten().collect();
        let is_there = |group: &&str| {
            names.contains(group) || group.parse::<usize>().is_ok_and(|number| number < regex.captures_len())
        };
        if let Some(group) = groups.iter().find(|group| !is_there(group)) {
            let named: String = names.iter().map(|name| format!(", ${{{name}}}")).collect();
            let hint = format!("the groups of the expression are $0 to ${}{named}", regex.captures_len() - 1);
            self.invalid(
                &key,
                &given,
                &format!("names the group `{group}`, which allow-tags does not have"),
                hint,
                obstacles,
            );
            return None;
        }
        if groups.is_empty() {
            let hint = "write `$1`, or `$name` for a group `(?P<name>…)` of allow-tags".to_owned();
            self.invalid(&key, &given, "names no group, so all tags would be equal", hint, obstacles);
            return None;
        }
        Some(Extract { source: given.value })
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
