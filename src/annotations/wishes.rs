//! The keys that say when a change may go and from where it comes: `promote-from`, `soak`, `window`, `hold`.
//!
//! Reads their grammar, and notes where keys that rules know too are written; what the rules make of them is in
//! [`crate::rules::terms`].

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::annotations::Reader;
use crate::annotations::keys::{self, Scope};
use crate::annotations::values::Obstacles;
use crate::model::application::{LEGACY_PREFIX, PREFIX};
use crate::model::interval;
use crate::model::policy::AfterRollback;
use crate::model::promotion::{NONE, Promotion};
use crate::model::wishes::{HoldWish, PromotionWish, Wishes, WrittenAt};

/// The keys that rules know too, and `hold`.
const SHARED: [&str; 12] = [
    "delivery",
    "min-age",
    "soak",
    "window",
    "promote-from",
    "verify",
    "hold",
    "after-rollback",
    "pull-request.labels",
    "pull-request.reviewers",
    "pull-request.assignees",
    "pull-request.auto-merge",
];
/// What stands before the end of a hold.
const UNTIL: &str = "until=";

impl Reader<'_> {
    /// Reads what the annotations wish for one image besides its policy and its place.
    pub(super) fn wishes(&mut self, alias: &str, obstacles: &mut Obstacles) -> Wishes {
        let after_rollback = self.find(alias, "after-rollback").and_then(|(_, given)| match given.value.as_str() {
            "next" => Some(AfterRollback::Next),
            "wait" => Some(AfterRollback::Wait),
            // It was reported with the policy.
            _ => None,
        });
        Wishes {
            promote_from: self.promote_from(alias, obstacles),
            soak: self.soak(alias, obstacles),
            windows: self.windows(obstacles),
            hold: self.hold(obstacles),
            after_rollback,
            written: SHARED.into_iter().filter_map(|name| Some((name, self.written(alias, name)?))).collect(),
        }
    }

    /// Tells where the annotation stands that counts for an image.
    fn written(&self, alias: &str, name: &str) -> Option<WrittenAt> {
        let is_of_all = keys::KEYS.iter().any(|key| key.name == name && key.scope == Scope::Application);
        let (key, given) = match self.given.get(name) {
            Some(given) if is_of_all => (name.to_owned(), given),
            None if is_of_all => return None,
            _ => self.find(alias, name)?,
        };
        let prefix = if given.legacy { LEGACY_PREFIX } else { PREFIX };
        Some(WrittenAt { key: format!("{prefix}{key}"), line: given.line })
    }

    fn promote_from(&mut self, alias: &str, obstacles: &mut Obstacles) -> Option<PromotionWish> {
        let (key, given) = self.owned(alias, "promote-from")?;
        if given.value == NONE {
            return Some(PromotionWish::None);
        }
        match given.value.parse::<Promotion>() {
            Ok(promotion) => Some(PromotionWish::From(promotion)),
            Err(error) => {
                let hint = format!("write for example `{key}: staging`, `{key}: any:qa,staging` or `{key}: none`");
                self.invalid(&key, &given, &format!("is no promotion: {error}"), hint, obstacles);
                None
            }
        }
    }

    fn soak(&mut self, alias: &str, obstacles: &mut Obstacles) -> Option<std::time::Duration> {
        let (key, given) = self.owned(alias, "soak")?;
        match interval::parse(&given.value) {
            Ok(span) => Some(span),
            Err(_) if given.value == "0" => Some(std::time::Duration::ZERO),
            Err(rule) => {
                let hint = format!("write for example `{key}: 24h` or `{key}: 2d`");
                self.invalid(&key, &given, &format!("is no span of time: {rule}"), hint, obstacles);
                None
            }
        }
    }

    /// Reads the names of windows; whether the operator has them is found out where Applications are resolved.
    fn windows(&mut self, obstacles: &mut Obstacles) -> Option<BTreeSet<String>> {
        const KEY: &str = "window";
        let given = self.given.get(KEY).cloned()?;
        let names = given.value.split([',', '\n']).map(str::trim).filter(|name| !name.is_empty());
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        if names.is_empty() {
            let hint =
                format!("write `{KEY}: <name>` with a name of the operator's `windows`, or remove the annotation");
            self.invalid(KEY, &given, "names no window", hint, obstacles);
            return None;
        }
        Some(names)
    }

    fn hold(&mut self, obstacles: &mut Obstacles) -> Option<HoldWish> {
        const KEY: &str = "hold";
        let given = self.given.get(KEY).cloned()?;
        match read_hold(&given.value) {
            Ok(hold) => Some(hold),
            Err(rule) => {
                let hint = format!("write `{KEY}: <reason>`, or `{KEY}: <reason> {UNTIL}2026-04-01T08:00:00Z`");
                self.invalid(KEY, &given, &rule, hint, obstacles);
                None
            }
        }
    }
}

/// Reads a reason with `until=<RFC 3339>` somewhere in it.
fn read_hold(text: &str) -> Result<HoldWish, String> {
    let (ends, words): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|word| word.starts_with(UNTIL));
    let until = match ends.as_slice() {
        [] => None,
        [end] => {
            let end = end.strip_prefix(UNTIL).unwrap_or_default();
            let end = end.trim_end_matches([',', ';', '.']);
            let until: Result<Timestamp, _> = end.parse();
            Some(until.map_err(|_| format!("ends at `{end}`, which is no time of RFC 3339"))?)
        }
        _ => return Err("has two ends".to_owned()),
    };
    let reason = words.join(" ");
    let reason = if until.is_some() { reason.trim_end_matches([',', ';', ' ']) } else { &reason };
    if reason.is_empty() {
        return Err("gives no reason".to_owned());
    }
    Ok(HoldWish { reason: reason.to_owned(), until })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_a_reason_and_may_have_an_end() {
        let hold = |reason: &str, until: Option<&str>| {
            Ok(HoldWish { reason: reason.to_owned(), until: until.map(|until| until.parse().unwrap()) })
        };
        let end = "2026-04-01T08:00:00Z";
        for (text, expected) in [
            ("incident 4711", hold("incident 4711", None)),
            ("incident 4711 until=2026-04-01T08:00:00Z", hold("incident 4711", Some(end))),
            ("incident 4711, until=2026-04-01T10:00:00+02:00", hold("incident 4711", Some(end))),
            (
                "until=2026-04-01T08:00:00Z:  no",
                Err("ends at `2026-04-01T08:00:00Z:`, which is no time of RFC 3339".to_owned()),
            ),
            ("until=2026-04-01T08:00:00Z audit", hold("audit", Some(end))),
            ("audit\n  until=2026-04-01T08:00:00Z", hold("audit", Some(end))),
            ("held until we know more", hold("held until we know more", None)),
            ("audit until=2026-04-01", Err("ends at `2026-04-01`, which is no time of RFC 3339".to_owned())),
            ("audit until=", Err("ends at ``, which is no time of RFC 3339".to_owned())),
            ("audit until=2026-04-01T08:00:00Z until=2026-04-02T08:00:00Z", Err("has two ends".to_owned())),
            ("until=2026-04-01T08:00:00Z", Err("gives no reason".to_owned())),
            ("", Err("gives no reason".to_owned())),
        ] {
            assert_eq!(read_hold(text), expected, "{text}");
        }
    }
}
