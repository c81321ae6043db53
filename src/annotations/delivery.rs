//! The keys that say how changes are delivered: `delivery`, and `pull-request.*`.
//!
//! Reads their grammar; whether the rules allow it is found out where a change is decided on.

use std::collections::BTreeSet;

use crate::annotations::Reader;
use crate::annotations::values::Obstacles;
use crate::model::forge::{self, PullWishes};
use crate::model::rule::Delivery;

impl Reader<'_> {
    /// Reads how the Application wishes its changes to be delivered.
    pub(super) fn delivery(&mut self, obstacles: &mut Obstacles) -> Option<Delivery> {
        let given = self.given.get("delivery").cloned()?;
        let delivery = Delivery::ALL.into_iter().find(|delivery| delivery.as_str() == given.value);
        if delivery.is_none() {
            let hint = "write `delivery: commit`, `delivery: pull-request` or `delivery: none`".to_owned();
            self.invalid("delivery", &given, "is no way of delivery", hint, obstacles);
        }
        delivery
    }

    /// Reads what the Application wishes of its pull requests.
    pub(super) fn pull_wishes(&mut self, obstacles: &mut Obstacles) -> PullWishes {
        PullWishes {
            labels: self.names("pull-request.labels", forge::label, "dependencies", obstacles),
            reviewers: self.names("pull-request.reviewers", forge::reviewer, "alice,acme/platform", obstacles),
            assignees: self.names("pull-request.assignees", forge::login, "alice", obstacles),
            auto_merge: self.auto_merge(obstacles),
        }
    }

    /// Reads a list, separated by commas or lines.
    fn names(
        &mut self,
        key: &str,
        read: fn(&str) -> Result<String, &'static str>,
        example: &str,
        obstacles: &mut Obstacles,
    ) -> BTreeSet<String> {
        let Some(given) = self.given.get(key).cloned() else { return BTreeSet::new() };
        let hint = || format!("write for example `{key}: {example}`, or remove the annotation");
        let mut names = BTreeSet::new();
        let entries: Vec<&str> =
            given.value.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty()).collect();
        for entry in &entries {
            match read(entry) {
                Ok(name) => drop(names.insert(name)),
                Err(rule) => self.invalid(key, &given, &format!("holds `{entry}`: {rule}"), hint(), obstacles),
            }
        }
        if entries.is_empty() {
            self.invalid(key, &given, "names nobody and nothing", hint(), obstacles);
        }
        names
    }

    fn auto_merge(&mut self, obstacles: &mut Obstacles) -> Option<bool> {
        const KEY: &str = "pull-request.auto-merge";
        let given = self.given.get(KEY).cloned()?;
        match given.value.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                let hint = format!("write `{KEY}: \"true\"` or `{KEY}: \"false\"`");
                self.invalid(KEY, &given, "is neither `true` nor `false`", hint, obstacles);
                None
            }
        }
    }
}
