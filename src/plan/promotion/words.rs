//! How promotions are told to people.

use jiff::SignedDuration;

use crate::model::interval::{in_words, to_the_minute};
use crate::plan::Subject;
use crate::plan::judge::Judgement;
use crate::plan::promotion::Holding;

/// Names a place: `argocd/web-staging (app, staging) at apps/web.yaml#image.tag`.
pub(super) fn place_in_words(subject: &Subject) -> String {
    let application = &subject.tracked.application;
    let environment = subject.environment().unwrap_or("no environment");
    let file = subject.located.as_ref().map(|located| format!(" at {}", located.file)).unwrap_or_default();
    format!("{} ({}, {environment}){file}", application.label(), subject.tracked.alias)
}

/// Says how long a value has to stand upstream yet.
pub(in crate::plan) fn soaking(held: &Holding, soak: SignedDuration) -> Judgement {
    let message = format!(
        "`{}` holds {} since {}, and `soak` is {}: it waits until {}",
        held.upstream,
        held.tag,
        to_the_minute(held.since),
        in_words(soak.unsigned_abs()),
        to_the_minute(held.soaked_at),
    );
    let mut judgement = Judgement::held("promotion/soak", message);
    judgement.until = Some(held.soaked_at);
    judgement
}
