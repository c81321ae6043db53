//! What counts at each place of an Application, setting by setting, and who says so: the answer to "why is it delivered
//! this way?".
//!
//! A view of what the rules and the annotations make of each other; it decides nothing.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::model::interval::in_words;
use crate::model::rule::{AtLeast, Per, RegistryPrefix, Rule};
use crate::model::wishes::PromotionWish;
use crate::plan::past::service::service_of;
use crate::plan::{Snapshot, Subject, capped};
use crate::rules::EffectiveRule;
use crate::rules::origin::{Setting, Source};
use crate::rules::terms::{Capped, Terms, demanding};

/// One setting of one place; of what adds up, one for each who adds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SettingShown {
    /// The file that would be written.
    pub file: Option<String>,
    /// The alias.
    pub alias: String,
    /// The setting, as the configuration calls it.
    pub setting: &'static str,
    /// What counts; null = nothing is said, and nothing is demanded.
    pub value: Option<Shown>,
    /// Who says so.
    pub from: From,
    /// What the annotations wished, where it is less than the rules demand.
    pub capped: Option<CappedShown>,
}

/// A value.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// One text.
    Text(String),
    /// Several, sorted.
    Texts(Vec<String>),
    /// A number.
    Number(u32),
    /// Yes or no.
    Switch(bool),
}

/// Who says what a setting is.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct From {
    /// `rule`, `environment`, `annotation`, `at_least` or `default`.
    pub kind: &'static str,
    /// Position in `rules`, from 0.
    pub rule: Option<usize>,
    /// Line in the configuration, or of an annotation in the file that defines the Application.
    pub line: Option<u64>,
    /// The annotation, the name of the environment, or the key of the configuration that says it for all.
    pub key: Option<String>,
}

/// What is less than the rules demand.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CappedShown {
    /// What the annotation says.
    pub wished: String,
    /// What counts.
    pub counts: String,
}

/// Gives every setting of a place that rules are about; none where the place is not known.
pub fn settings(snapshot: &Snapshot, subject: &Subject) -> Vec<SettingShown> {
    let Some(rule) = &subject.rule else { return Vec::new() };
    let teller = Teller { snapshot, subject, rule, terms: subject.terms(), cut: capped::of(snapshot, subject) };
    let mut rows = Vec::new();
    teller.identity(&mut rows);
    teller.timing(&mut rows);
    teller.limits(&mut rows);
    teller.delivering(&mut rows);
    rows
}

struct Teller<'a> {
    snapshot: &'a Snapshot,
    subject: &'a Subject,
    rule: &'a EffectiveRule,
    terms: &'a Terms,
    cut: Vec<Capped>,
}

impl Teller<'_> {
    fn identity(&self, rows: &mut Vec<SettingShown>) {
        let environment = self.rule.environment.clone().map(Shown::Text);
        rows.push(self.row("environment", environment, self.given(Setting::Environment)));
        rows.push(self.row("service", Some(Shown::Text(service_of(self.subject))), self.given(Setting::Service)));
    }

    fn timing(&self, rows: &mut Vec<SettingShown>) {
        let (image, wishes) = (&self.subject.tracked, &self.subject.tracked.wishes);
        let wish = image.delivery.filter(|_| self.rule.from.gives(Setting::Delivery));
        let own = wish.unwrap_or(self.rule.delivery);
        let delivery = Shown::Text(self.terms.delivery.to_string());
        let is_cut = own < self.terms.delivery;
        let from = self.from(wish.is_some(), is_cut, "delivery", Setting::Delivery);
        rows.push(self.row("delivery", Some(delivery), from));

        let own = wishes.windows.as_ref().or(self.rule.windows.as_ref());
        let from = self.from(wishes.windows.is_some(), false, "window", Setting::Windows);
        rows.push(self.row("windows", own.map(texts), from));
        let is_new = |set: &BTreeSet<String>| Some(set) != own;
        self.add(rows, "windows", &|least| least.windows.iter().filter(|set| is_new(set)).flatten().cloned().collect());

        let own = image.policy.min_age.or_else(|| wishes.written.contains_key("min-age").then(Default::default));
        let is_cut = own.or(self.rule.min_age).unwrap_or_default() < self.terms.min_age.unwrap_or_default();
        let from = self.from(own.is_some(), is_cut, "min-age", Setting::MinAge);
        rows.push(self.row("min_age", self.terms.min_age.map(|age| Shown::Text(in_words(age))), from));

        let own = match &wishes.promote_from {
            Some(PromotionWish::None) => None,
            Some(PromotionWish::From(promotion)) => Some(promotion),
            None => self.rule.promote_from.as_ref(),
        };
        let is_cut = own != self.terms.promote_from.as_ref();
        let from = self.from(wishes.promote_from.is_some(), is_cut, "promote-from", Setting::PromoteFrom);
        let promotion = self.terms.promote_from.as_ref().map(|promotion| Shown::Text(promotion.to_string()));
        rows.push(self.row("promote_from", promotion, from));

        let is_cut = wishes.soak.or(self.rule.soak).unwrap_or_default() < self.terms.soak.unwrap_or_default();
        let from = self.from(wishes.soak.is_some(), is_cut, "soak", Setting::Soak);
        rows.push(self.row("soak", self.terms.soak.map(|soak| Shown::Text(in_words(soak))), from));

        let follow = if self.terms.follow_rollback { "pull-request" } else { "none" };
        let follow = Shown::Text(follow.to_owned());
        rows.push(self.row("follow_rollback", Some(follow), self.given(Setting::FollowRollback)));

        let hold = wishes.hold.as_ref().map(|hold| match hold.until {
            Some(until) => Shown::Text(format!("{}, until {until}", hold.reason)),
            None => Shown::Text(hold.reason.clone()),
        });
        let from = if hold.is_some() { self.annotation("hold") } else { default() };
        rows.push(self.row("hold", hold, from));
    }

    fn limits(&self, rows: &mut Vec<SettingShown>) {
        let of = |set: &BTreeSet<RegistryPrefix>| -> BTreeSet<String> {
            set.iter().map(|prefix| prefix.as_str().to_owned()).collect()
        };
        let own = self.rule.registries.as_ref();
        rows.push(self.row("registries", own.map(|set| texts(&of(set))), self.given(Setting::Registries)));
        let is_new = |set: &BTreeSet<RegistryPrefix>| Some(set) != own;
        self.add(rows, "registries", &|least| {
            least.registries.iter().filter(|set| is_new(set)).flat_map(&of).collect()
        });

        let before = rows.len();
        let wished: BTreeSet<String> =
            self.subject.tracked.policy.verify.iter().map(|name| format!("cosign:{name}")).collect();
        if !wished.is_empty() {
            rows.push(self.row("verify", Some(texts(&wished)), self.annotation("verify")));
        }
        for (source, rule) in self.applied() {
            let keys: BTreeSet<String> = rule.verify.iter().map(|name| format!("cosign:{name}")).collect();
            if !keys.is_empty() {
                rows.push(self.row("verify", Some(texts(&keys)), of_source(source, rule)));
            }
        }
        self.add(rows, "verify", &|least| least.verify.iter().map(|name| format!("cosign:{name}")).collect());
        if rows.len() == before {
            rows.push(self.row("verify", None, default()));
        }

        let most = |own: Option<u32>, counts: Option<u32>, key: &str, setting| match counts {
            Some(counts) if own != Some(counts) => self.demanded(key),
            _ => self.given(setting),
        };
        let (own, counts) = (self.rule.max_changes_per_hour, self.terms.max_changes_per_hour);
        let from = most(own, counts, "max_changes_per_hour", Setting::MaxChangesPerHour);
        rows.push(self.row("max_changes_per_hour", counts.map(Shown::Number), from));
        let (own, counts) = (self.rule.max_changes_per_push, self.terms.max_changes_per_push);
        let from = most(own, counts, "max_changes_per_push", Setting::MaxChangesPerPush);
        let row = match self.snapshot.max_changes_per_push {
            Some(all) if counts.is_none_or(|counts| all < counts) => {
                self.row("max_changes_per_push", Some(Shown::Number(all)), for_all("max_changes_per_push"))
            }
            _ => self.row("max_changes_per_push", counts.map(Shown::Number), from),
        };
        rows.push(row);
    }

    fn delivering(&self, rows: &mut Vec<SettingShown>) {
        let image = &self.subject.tracked;
        let given = self.rule.from.given.get(&Setting::Observe).and_then(|source| source.of(&self.snapshot.rules));
        let is_of_all = self.rule.observe && given.is_none_or(|rule| rule.observe != Some(true));
        let from = if is_of_all { for_all("observe") } else { self.given(Setting::Observe) };
        rows.push(self.row("observe", Some(Shown::Switch(self.rule.observe)), from));
        let per = self.rule.per.unwrap_or(if image.group.is_some() { Per::Group } else { Per::Application });
        rows.push(self.row("per", Some(Shown::Text(per.as_str().to_owned())), self.given(Setting::Per)));
        let schedule = self.rule.schedule.as_ref().map(|schedule| Shown::Text(schedule.to_string()));
        rows.push(self.row("schedule", schedule, self.given(Setting::Schedule)));

        let before = rows.len();
        let globs = |rule: &Rule| rule.may_write.iter().map(|glob| glob.as_str().to_owned()).collect::<BTreeSet<_>>();
        for (source, rule) in self.applied() {
            if !rule.may_write.is_empty() {
                rows.push(self.row("may_write", Some(texts(&globs(rule))), of_source(source, rule)));
            }
        }
        let of_rules: BTreeSet<String> = self.applied().flat_map(|(_, rule)| globs(rule)).collect();
        let all = self.rule.may_write.iter().map(|glob| glob.as_str().to_owned());
        let rest: BTreeSet<String> = all.filter(|glob| !of_rules.contains(glob)).collect();
        if !rest.is_empty() {
            rows.push(self.row("may_write", Some(texts(&rest)), for_all("repositories[].may_write")));
        }
        if rows.len() == before {
            rows.push(self.row("may_write", None, default()));
        }

        let (pull, wish) = (&self.rule.pull_request, &image.pull_request);
        let mut people = |name, key, own: &BTreeSet<String>, wished: &BTreeSet<String>, setting| {
            let own = Some(own).filter(|own| !own.is_empty() || self.rule.from.gives(setting));
            if own.is_some() || wished.is_empty() {
                rows.push(self.row(name, own.map(texts), self.given(setting)));
            }
            if !wished.is_empty() {
                rows.push(self.row(name, Some(texts(wished)), self.annotation(key)));
            }
        };
        people("pull_request.labels", "pull-request.labels", &pull.labels, &wish.labels, Setting::Labels);
        let (own, wished) = (&pull.reviewers, &wish.reviewers);
        people("pull_request.reviewers", "pull-request.reviewers", own, wished, Setting::Reviewers);
        let (own, wished) = (&pull.assignees, &wish.assignees);
        people("pull_request.assignees", "pull-request.assignees", own, wished, Setting::Assignees);
        rows.push(self.row("pull_request.draft", Some(Shown::Switch(pull.is_draft)), self.given(Setting::Draft)));
        let is_merged = pull.is_auto_merged(wish.auto_merge);
        let is_wished = wish.auto_merge.is_some() && is_merged.is_some();
        let from = self.from(is_wished, false, "pull-request.auto-merge", Setting::AutoMerge);
        rows.push(self.row("pull_request.auto_merge", Some(Shown::Switch(is_merged.unwrap_or(false))), from));
        let method = Shown::Text(pull.merge_method.as_str().to_owned());
        rows.push(self.row("pull_request.merge_method", Some(method), self.given(Setting::MergeMethod)));
    }

    fn row(&self, setting: &'static str, value: Option<Shown>, from: From) -> SettingShown {
        let key = match setting {
            "windows" => "window".to_owned(),
            other => other.replace('_', "-"),
        };
        // Of several rows the one of the annotation tells what was cut; of one, that one.
        let is_told = !matches!((setting, from.kind), ("windows" | "verify" | "registries", "at_least"));
        let cut = self.cut.iter().find(|capped| is_told && capped.key == key);
        SettingShown {
            file: self.subject.located.as_ref().map(|located| located.file.to_string()),
            alias: self.subject.tracked.alias.clone(),
            setting,
            value,
            from,
            capped: cut.map(|one| CappedShown { wished: one.wished.clone(), counts: one.counts.clone() }),
        }
    }

    /// Adds what each `at_least` demands besides.
    fn add(&self, rows: &mut Vec<SettingShown>, name: &'static str, of: &dyn Fn(&AtLeast) -> BTreeSet<String>) {
        for (source, rule) in self.applied() {
            let demanded = of(&rule.at_least);
            if !demanded.is_empty() {
                rows.push(self.row(name, Some(texts(&demanded)), From { kind: "at_least", ..of_source(source, rule) }));
            }
        }
    }

    fn applied(&self) -> impl Iterator<Item = (Source, &Rule)> {
        self.rule.from.applied.iter().filter_map(|source| Some((*source, source.of(&self.snapshot.rules)?)))
    }

    fn from(&self, is_wished: bool, is_cut: bool, key: &str, setting: Setting) -> From {
        match (is_cut, is_wished) {
            (true, _) => self.demanded(key),
            (false, true) => self.annotation(key),
            (false, false) => self.given(setting),
        }
    }

    fn given(&self, setting: Setting) -> From {
        let source = self.rule.from.given.get(&setting);
        let found = source.and_then(|source| Some((*source, source.of(&self.snapshot.rules)?)));
        found.map_or_else(default, |(source, rule)| of_source(source, rule))
    }

    fn demanded(&self, key: &str) -> From {
        let last = demanding(&self.snapshot.rules, self.rule, key).pop();
        last.map_or_else(default, |(source, rule)| From { kind: "at_least", ..of_source(source, rule) })
    }

    fn annotation(&self, key: &str) -> From {
        let written = self.subject.tracked.wishes.written.get(key);
        From {
            kind: "annotation",
            rule: None,
            line: written.map(|written| written.line),
            key: written.map(|written| written.key.clone()),
        }
    }
}

fn of_source(source: Source, rule: &Rule) -> From {
    let line = Some(rule.line);
    match source {
        Source::Environment(_) => From { kind: "environment", rule: None, line, key: rule.of_environment.clone() },
        Source::Rule(at) => From { kind: "rule", rule: Some(at), line, key: None },
    }
}

fn default() -> From {
    From { kind: "default", ..From::default() }
}

fn for_all(key: &str) -> From {
    From { kind: "default", key: Some(key.to_owned()), ..From::default() }
}

fn texts(set: &BTreeSet<String>) -> Shown {
    Shown::Texts(set.iter().cloned().collect())
}
