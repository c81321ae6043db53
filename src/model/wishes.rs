//! What annotations wish for besides a policy and a place: when a change may go, and from where it comes. What the rules
//! make of it is in [`crate::rules`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::policy::AfterRollback;
use crate::model::promotion::Promotion;

/// `promote-from` of annotations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PromotionWish {
    /// Nothing is promoted, where a rule would.
    None,
    /// From there.
    From(Promotion),
}

/// `hold` of annotations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HoldWish {
    /// Why.
    pub reason: String,
    /// Until when; none = as long as it stands there.
    pub until: Option<Timestamp>,
}

/// What the annotations of one image wish; none = as the rules say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wishes {
    /// `promote-from`.
    pub promote_from: Option<PromotionWish>,
    /// `soak`.
    pub soak: Option<Duration>,
    /// `window`: names of windows, one set.
    pub windows: Option<BTreeSet<String>>,
    /// `hold`.
    pub hold: Option<HoldWish>,
    /// `after-rollback`, where it is written.
    pub after_rollback: Option<AfterRollback>,
    /// Where the annotations that rules know too are written: by the setting's key, such as `delivery`.
    pub written: BTreeMap<&'static str, WrittenAt>,
}

/// Where an annotation is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrittenAt {
    /// The whole key.
    pub key: String,
    /// Line, from 1, in the defining file.
    pub line: u64,
}
