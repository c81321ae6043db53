//! Guard 3 for values that come from upstream: there the value is one, and needs no order to be refused.

use std::sync::Arc;

use crate::model::history::CommitInfo;
use crate::model::names::ApplicationKey;
use crate::plan::rollback::{Standing, Stood, Timeline, is_released, is_written, released_all, releases};

/// Finds the commit of a person, or of another tool, that replaced this very value at the place, and that nobody released
/// since. What repin itself replaced may come back.
pub fn refusal(
    application: &ApplicationKey,
    alias: &str,
    timeline: &Timeline,
    tag: &str,
    digest: Option<&str>,
) -> Option<Arc<CommitInfo>> {
    let mine = releases(application, alias, timeline);
    let released_all = released_all(&mine);
    let mut newer: Option<&Standing> = None;
    for (index, standing) in timeline.standings.iter().enumerate() {
        if index > 0 && matches!(standing.stood, Stood::NoFile | Stood::NoKey) {
            return None;
        }
        if let Some(taker) =
            newer.filter(|newer| is_value(&standing.stood, tag, digest) && newer.stood != standing.stood)
        {
            let is_gone_on = is_value(&taker.stood, tag, digest)
                || is_written(taker, Some(standing))
                || is_released(&mine, standing);
            if !is_gone_on {
                return Some(taker.commit.clone());
            }
        }
        if released_all.is_some_and(|at| standing.at <= at) {
            return None;
        }
        if standing.stood != Stood::Unreadable {
            newer = Some(standing);
        }
    }
    None
}

/// Tells whether a value, as tag and digest, came to a timeline before another one did, by when each of them stood there
/// first: what was taken back and is taken up again is no step back.
pub fn came_before(timeline: &Timeline, value: (&str, Option<&str>), other: (&str, Option<&str>)) -> bool {
    let is_it = |standing: &Standing, (tag, digest): (&str, Option<&str>)| is_value(&standing.stood, tag, digest);
    let first = |wanted, unlike| {
        timeline.standings.iter().rposition(|standing| is_it(standing, wanted) && !is_it(standing, unlike))
    };
    // Newest first, so the earlier one has the larger position.
    first(value, other).zip(first(other, value)).is_some_and(|(value, other)| value > other)
}

fn is_value(stood: &Stood, tag: &str, digest: Option<&str>) -> bool {
    match stood {
        Stood::Tag { tag: stood, digest: pinned } => {
            let is_other = |(one, other): (&str, &str)| one != other;
            stood == tag && !pinned.as_deref().zip(digest).is_some_and(is_other)
        }
        Stood::Other | Stood::NoKey | Stood::NoFile | Stood::Unreadable => false,
    }
}
