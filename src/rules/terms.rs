//! What counts for one image at one place: what its annotations wish, where the rules leave it to them, and what the rules
//! say, where they say nothing. `at_least` of the rules is loosened by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::interval::in_words;
use crate::model::promotion::{NONE, Promotion, Quorum};
use crate::model::rule::{Delivery, RegistryPrefix, Rule};
use crate::model::tracked::TrackedImage;
use crate::model::verification::KeyName;
use crate::model::window::{Window, WindowKind};
use crate::model::wishes::{HoldWish, PromotionWish};
use crate::rules::EffectiveRule;
use crate::rules::origin::{Setting, Source};

/// What counts for one image at one place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// How a change is delivered.
    pub delivery: Delivery,
    /// Sets of windows, all of which must be open.
    pub windows: Vec<BTreeSet<String>>,
    /// How long a tag must have been seen with one digest.
    pub min_age: Option<Duration>,
    /// From where values come.
    pub promote_from: Option<Promotion>,
    /// How long the upstream must have held a value.
    pub soak: Option<Duration>,
    /// A value that the upstream took back is taken back here too, by a pull request.
    pub follow_rollback: bool,
    /// Sets of registries; the image must be in one of each.
    pub registries: Vec<BTreeSet<RegistryPrefix>>,
    /// Keys with which an image must be signed.
    pub verify: BTreeSet<KeyName>,
    /// The most changes of the environment within an hour.
    pub max_changes_per_hour: Option<u32>,
    /// The most changes of one push.
    pub max_changes_per_push: Option<u32>,
    /// What the annotations hold.
    pub hold: Option<HoldWish>,
    /// Wishes of annotations that are less than `at_least` demands, by key.
    pub capped: Vec<Capped>,
}

/// A wish of an annotation that is less than the rules demand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Capped {
    /// The setting, as annotations call it.
    pub key: &'static str,
    /// What is wished.
    pub wished: String,
    /// What counts.
    pub counts: String,
}

/// Gives what counts for one image at a place that a rule is about.
pub fn terms(rule: &EffectiveRule, image: &TrackedImage) -> Terms {
    let wishes = &image.wishes;
    let mut capped = Vec::new();
    let mut cap = |key: &'static str, wished: String, counts: String| capped.push(Capped { key, wished, counts });

    // Where no rule gives a delivery nothing is written, whatever annotations say.
    let wish = image.delivery.filter(|_| rule.from.gives(Setting::Delivery));
    let least = rule.at_least.delivery.unwrap_or(Delivery::Commit);
    if let Some(wish) = wish.filter(|wish| *wish < least) {
        cap("delivery", wish.to_string(), least.to_string());
    }
    let delivery = wish.unwrap_or(rule.delivery).max(least);

    let mut windows: Vec<BTreeSet<String>> = Vec::new();
    let own = wishes.windows.as_ref().or(rule.windows.as_ref());
    windows.extend(own.filter(|set| !set.is_empty()).cloned());
    for set in &rule.at_least.windows {
        if !windows.contains(set) {
            windows.push(set.clone());
        }
    }
    if let Some(wish) = wishes.windows.as_ref().filter(|_| windows.len() > 1) {
        cap("window", names(wish), windows.iter().map(names).collect::<Vec<_>>().join(" and "));
    }

    // No age at all is a wish too, where it is written.
    let wish = wishes.written.contains_key("min-age").then(Duration::default);
    let min_age = longest(image.policy.min_age.or(wish), rule.min_age, rule.at_least.min_age, |wish, counts| {
        cap("min-age", in_words(wish), in_words(counts));
    });
    let soak = longest(wishes.soak, rule.soak, rule.at_least.soak, |wish, counts| {
        cap("soak", in_words(wish), in_words(counts));
    });

    let own = match &wishes.promote_from {
        Some(PromotionWish::None) => None,
        Some(PromotionWish::From(promotion)) => Some(promotion.clone()),
        None => rule.promote_from.clone(),
    };
    // Whoever demands a soak demands what is soaked: the rules' own promotion.
    let of_soak = rule.promote_from.as_ref().filter(|_| rule.at_least.soak.is_some());
    let least = rule.at_least.promote_from.as_ref().or(of_soak);
    let is_enough = |own: &&Promotion| least.is_none_or(|least| is_as_strict(own, least));
    let promote_from = own.as_ref().filter(is_enough).or(least).cloned();
    if let (Some(_), Some(counts)) = (&wishes.promote_from, promote_from.as_ref().filter(|_| promote_from != own)) {
        let wished = own.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string);
        cap("promote-from", wished, counts.to_string());
    }

    let mut registries: Vec<BTreeSet<RegistryPrefix>> = Vec::new();
    for set in rule.registries.iter().filter(|set| !set.is_empty()).chain(&rule.at_least.registries) {
        if !registries.contains(set) {
            registries.push(set.clone());
        }
    }
    let strictest = |own: Option<u32>, least: Option<u32>| own.into_iter().chain(least).min();
    Terms {
        delivery,
        windows,
        min_age,
        promote_from,
        soak,
        follow_rollback: rule.follow_rollback,
        registries,
        verify: image.policy.verify.iter().cloned().chain(rule.keys()).collect(),
        max_changes_per_hour: strictest(rule.max_changes_per_hour, rule.at_least.max_changes_per_hour),
        max_changes_per_push: strictest(rule.max_changes_per_push, rule.at_least.max_changes_per_push),
        hold: wishes.hold.clone(),
        capped,
    }
}

/// Gives those whose `at_least` is what counts for a setting, as annotations or the configuration call it.
pub fn demanding<'r>(rules: &'r [Rule], rule: &EffectiveRule, key: &str) -> Vec<(Source, &'r Rule)> {
    fn counts<T: PartialEq>(own: &Option<T>, all: &Option<T>) -> bool {
        own.is_some() && own == all
    }
    let all = &rule.at_least;
    rule.from.demanding(rules, |own| match key {
        "delivery" => counts(&own.delivery, &all.delivery),
        "window" => !own.windows.is_empty(),
        "min-age" => counts(&own.min_age, &all.min_age),
        "promote-from" => counts(&own.promote_from, &all.promote_from),
        "soak" => counts(&own.soak, &all.soak),
        "max_changes_per_hour" => counts(&own.max_changes_per_hour, &all.max_changes_per_hour),
        "max_changes_per_push" => counts(&own.max_changes_per_push, &all.max_changes_per_push),
        _ => false,
    })
}

/// Gives the wish, else what the rules say, and at least what they demand; none = no time at all.
fn longest(
    wish: Option<Duration>,
    rule: Option<Duration>,
    least: Option<Duration>,
    capped: impl FnOnce(Duration, Duration),
) -> Option<Duration> {
    let counts = wish.or(rule).max(least);
    if let (Some(wish), Some(counts)) = (wish, counts.filter(|counts| wish.is_some_and(|wish| wish < *counts))) {
        capped(wish, counts);
    }
    counts.filter(|counts| !counts.is_zero())
}

/// Tells whether whatever one promotion lets through another one lets through too.
fn is_as_strict(own: &Promotion, least: &Promotion) -> bool {
    let is_of = |one: &Promotion, other: &Promotion| one.upstreams.iter().all(|up| other.upstreams.contains(up));
    let meets = |one: &Promotion, other: &Promotion| one.upstreams.iter().any(|up| other.upstreams.contains(up));
    match (quorum(own), quorum(least)) {
        (Quorum::All, Quorum::All) => is_of(least, own),
        (Quorum::All, Quorum::Any) => meets(own, least),
        (Quorum::Any, Quorum::Any) => is_of(own, least),
        // One of several says nothing about all of several.
        (Quorum::Any, Quorum::All) => false,
    }
}

/// All of one is one of one.
fn quorum(promotion: &Promotion) -> Quorum {
    if promotion.upstreams.len() == 1 { Quorum::All } else { promotion.quorum }
}

/// Gives the wishes that are really cut: a window that closes more often than the rules demand is none.
pub fn cuts(
    terms: &Terms,
    rule: &EffectiveRule,
    image: &TrackedImage,
    windows: &BTreeMap<String, Window>,
) -> Vec<Capped> {
    let of = |set: &BTreeSet<String>, kind: WindowKind| -> BTreeSet<String> {
        let is_it = |name: &&String| windows.get(*name).is_some_and(|window| window.kind == kind);
        set.iter().filter(is_it).cloned().collect()
    };
    let is_within = |wish: &BTreeSet<String>, least: &BTreeSet<String>| {
        let (own, demanded) = (of(wish, WindowKind::Allow), of(least, WindowKind::Allow));
        let is_open_less = demanded.is_empty() || (!own.is_empty() && own.is_subset(&demanded));
        is_open_less && of(least, WindowKind::Deny).is_subset(&of(wish, WindowKind::Deny))
    };
    let is_cut = |capped: &&Capped| match &image.wishes.windows {
        Some(wish) if capped.key == "window" => !rule.at_least.windows.iter().all(|least| is_within(wish, least)),
        _ => true,
    };
    terms.capped.iter().filter(is_cut).cloned().collect()
}

fn names(set: &BTreeSet<String>) -> String {
    set.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}
