//! Several environments upstream: what counts where all of them must hold a value, and where any of them may.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::model::names::Digest;
use crate::plan::Subject;
use crate::plan::judge::is_capped;
use crate::plan::locate::shown;
use crate::plan::promotion::{Holding, Obstacle, nothing};
use crate::selection::{self, Builds};

/// Finds one that holds another value than the first: another tag, or another digest than the first that is known.
pub(super) fn other_than_first(all: &[Holding]) -> Option<(&Holding, &Holding)> {
    let first = all.first()?;
    if let Some(other) = all.iter().find(|held| held.tag != first.tag) {
        return Some((first, other));
    }
    let known = all.iter().find(|held| held.digest.is_some())?;
    let other = all.iter().find(|held| held.digest.is_some() && held.digest != known.digest)?;
    Some((known, other))
}

/// All must hold the same; it has stood as long as at the last of them.
pub(super) fn all_hold(holdings: &[Holding]) -> Result<Holding, Obstacle> {
    let first = holdings.first().ok_or_else(nothing)?;
    if let Some((one, other)) = other_than_first(holdings) {
        let shown = |held: &Holding| shown(Some(&held.tag), held.digest.as_ref().map(Digest::as_str));
        let message = format!(
            "`{}` holds {}, and `{}` holds {}: both must hold the same",
            one.upstream,
            shown(one),
            other.upstream,
            shown(other)
        );
        return Err(Obstacle { code: "promotion/disagree", message });
    }
    let last = holdings.iter().max_by_key(|held| held.soaked_at).unwrap_or(first);
    let digest = holdings.iter().find_map(|held| held.digest.clone());
    Ok(Holding { digest, ..last.clone() })
}

/// Any may hold it: of those that did for long enough, or of all where a person lifted that, the highest by the policy's
/// order, of equal ones the first in the list; else the one that will have first.
pub(super) fn any_holds(subject: &Subject, holdings: &[Holding], now: Timestamp, is_lifted: bool) -> Option<Holding> {
    let holdings = fitting(subject, holdings);
    let mut best: Option<&Holding> = None;
    for held in holdings.iter().copied().filter(|held| is_lifted || held.soaked_at <= now) {
        if best.is_none_or(|best| order(subject, &held.tag, &best.tag) == Some(Ordering::Greater)) {
            best = Some(held);
        }
    }
    best.or_else(|| holdings.iter().min_by_key(|held| held.soaked_at).copied()).cloned()
}

/// Gives those of several that may go here and are no less than what stands here, where one is: what another one has not got
/// yet is nothing that was taken back.
fn fitting<'h>(subject: &Subject, holdings: &'h [Holding]) -> Vec<&'h Holding> {
    let site = subject.located.as_ref().and_then(|located| located.site.as_ref().ok());
    let now = site.and_then(|site| site.tag()).unwrap_or_default();
    let fits =
        |held: &Holding| !is_capped(subject, &held.tag) && order(subject, &held.tag, now) != Some(Ordering::Less);
    let fitting: Vec<&Holding> = holdings.iter().filter(|held| fits(held)).collect();
    if fitting.is_empty() { holdings.iter().collect() } else { fitting }
}

fn order(subject: &Subject, one: &str, other: &str) -> Option<Ordering> {
    selection::compare(&subject.tracked.policy, &Builds::new(), one, other)
}
