//! Guard 3 without an order: values of a place that can only be told apart.
//!
//! A value that a commit without repin's trailers replaced is refused; what repin itself replaced may come back. The
//! mark is what repin wrote last: once a person wrote something else over it, the place was taken back, unless that is
//! the first value of another tag that is followed since.

use std::collections::BTreeSet;

use crate::model::names::ApplicationKey;
use crate::model::policy::{AfterRollback, Policy};
use crate::plan::rollback::{
    LookBack, Standing, Stood, Timeline, is_released, is_written, open_releases, released_all, releases,
};

impl LookBack {
    /// Tells whether a value may follow where there is no order.
    pub fn allows_value(&self, policy: &Policy, value: &str, tag: &str, digest: &str) -> bool {
        if self.released.iter().any(|released| [value, tag, digest].contains(&released.as_str())) {
            return true;
        }
        let waits = policy.after_rollback == AfterRollback::Wait && self.taken_back_by.is_some();
        !waits && !self.refused.iter().any(|refused| refused == value)
    }
}

/// Looks back from today's value of one image's place, without an order.
pub fn look_back(policy: &Policy, application: &ApplicationKey, alias: &str, timeline: &Timeline) -> LookBack {
    let mine = releases(application, alias, timeline);
    let released_all = released_all(&mine);
    let mut line: Vec<(usize, &Standing)> = Vec::new();
    let mut reached_start = false;
    for (index, standing) in timeline.standings.iter().enumerate() {
        let is_absent = matches!(standing.stood, Stood::NoFile | Stood::NoKey);
        if is_absent && index > 0 {
            reached_start = true;
            break;
        }
        if standing.stood != Stood::Unreadable {
            line.push((index, standing));
        }
        if released_all.is_some_and(|at| standing.at <= at) {
            reached_start = true;
            break;
        }
    }
    let now = line.first().map(|(_, standing)| &standing.stood);
    let shown_now = now.and_then(Stood::shown);
    let mut refused = BTreeSet::new();
    for pair in line.windows(2) {
        let [(_, newer), (_, older)] = pair else { continue };
        let is_pinned = matches!(older.stood, Stood::Tag { digest: Some(_), .. });
        if is_pinned && older.stood != newer.stood && !is_written(newer, Some(older)) && !is_released(&mine, older) {
            refused.extend(older.stood.shown().filter(|value| Some(value) != shown_now.as_ref()));
        }
    }
    let is_own = |number: usize| {
        let older = line.get(number + 1).map(|(_, standing)| *standing);
        line.get(number).is_some_and(|(_, standing)| is_written(standing, older))
    };
    let mark = (0..line.len()).find(|number| is_own(*number)).and_then(|number| line.get(number));
    let followed = policy.followed();
    let is_retargeted = |mark: &Standing| {
        let is_followed =
            |stood: Option<&Stood>| stood.and_then(Stood::tag) == followed.as_ref().map(|tag| tag.as_str());
        is_followed(now) && !is_followed(Some(&mark.stood))
    };
    let taken = mark.filter(|(_, mark)| Some(&mark.stood) != now && !is_retargeted(mark));
    let taker = taken.and_then(|(index, mark)| {
        let newer = line.iter().rev().filter(|(at, _)| at < index).map(|(_, standing)| *standing);
        newer.into_iter().find(|standing| standing.stood != mark.stood)
    });
    LookBack {
        mark: mark.and_then(|(_, standing)| standing.stood.shown()),
        mark_came: None,
        released: open_releases(&mine, taker, timeline),
        taken_back_by: taker.map(|taker| taker.commit.clone()),
        is_cut: timeline.is_cut && !reached_start,
        refused: refused.into_iter().collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::message::trailers::{Change, Resume};
    use crate::model::history::CommitInfo;
    use crate::model::policy::Strategy;
    use crate::plan::rollback::Release;

    /// A timeline from words, oldest first: `tag@digest` or `tag` by a person, with `+` before it by repin, `*` before it as
    /// a commit that repin once made over `dev@A`, `x` no file, `?` unreadable, `!` a release of everything, `!value` of one value.
    fn timeline(words: &str) -> Timeline {
        let mut line = Timeline::default();
        let mut releases = Vec::new();
        for (at, word) in words.split(' ').enumerate() {
            let commit = Arc::new(CommitInfo {
                id: format!("{at:040x}").parse().unwrap(),
                author_name: "Paula".into(),
                author_email: "p@example.com".into(),
                time: Timestamp::UNIX_EPOCH,
                committer_name: "Paula".into(),
                committer_email: "p@example.com".into(),
                committed: Timestamp::UNIX_EPOCH,
                subject: format!("commit {at}"),
                message: String::new(),
            });
            let at = at as u64;
            if let Some(tag) = word.strip_prefix('!') {
                let tag = (!tag.is_empty()).then(|| tag.to_owned());
                let resume = Resume { application: "web".into(), alias: tag.as_ref().map(|_| "app".into()), tag };
                releases.push(Release { at, time: jiff::Timestamp::UNIX_EPOCH, resume });
                continue;
            }
            let value = word.trim_start_matches(['+', '*']);
            let (tag, digest) = value.split_once('@').map_or((value, None), |(tag, digest)| (tag, Some(digest)));
            let stood = match word {
                "x" => Stood::NoFile,
                "?" => Stood::Unreadable,
                _ => Stood::Tag { tag: tag.to_owned(), digest: digest.map(str::to_owned) },
            };
            let claimed = word.starts_with(['+', '*']).then(|| {
                Arc::new(Change {
                    file: "f".into(),
                    key: "k".into(),
                    image: "i".into(),
                    old: word.starts_with('*').then(|| "dev@A".to_owned()),
                    new: value.to_owned(),
                    digest: None,
                })
            });
            let since = commit.committed;
            line.standings.insert(0, Standing { at, commit, since, stood, claimed });
        }
        line.releases = Arc::new(releases);
        line
    }

    #[test]
    fn what_a_person_replaced_is_refused_and_what_repin_replaced_may_come_back() {
        let application = ApplicationKey {
            repository: "gitops".into(),
            file: None,
            kind: "Application".into(),
            namespace: "argocd".into(),
            name: "web".into(),
        };
        let next = Policy {
            strategy: Strategy::Digest,
            follow: Some("dev".parse().unwrap()),
            after_rollback: AfterRollback::Next,
            ..Policy::default()
        };
        let wait = Policy { after_rollback: AfterRollback::Wait, ..next.clone() };
        // (words, who took it back, may A, B and C follow under `next`, and under `wait`)
        for (words, taker, under_next, under_wait) in [
            ("dev", None, "ABC", "ABC"),
            ("dev +dev@A", None, "ABC", "ABC"),
            ("dev +dev@A +dev@B", None, "ABC", "ABC"),
            ("dev +dev@A +dev@B dev@A", Some(3), "AC", ""),
            ("dev +dev@A +dev@B dev@A dev@B", None, "BC", "BC"),
            ("dev +dev@A +dev@B dev@A +dev@C", None, "AC", "AC"),
            ("dev +dev@A dev", Some(2), "BC", ""),
            ("dev +dev@A +dev@B dev@B dev@A", Some(4), "AC", ""),
            ("dev +dev@A +dev@B ? dev@A", Some(4), "AC", ""),
            ("+dev@A x dev@B", None, "ABC", "ABC"),
            // A commit of repin that a person picks again takes back what came after it.
            ("+dev@A *dev@B", None, "ABC", "ABC"),
            ("+dev@A *dev@B +dev@C *dev@B", Some(3), "AB", ""),
            ("dev@A dev@B", None, "BC", "BC"),
            // Another tag is followed since.
            ("+main@A dev", None, "ABC", "ABC"),
            ("+dev@A 1.0.0", Some(1), "BC", ""),
            ("+dev@A +dev@B dev@A !", None, "ABC", "ABC"),
            ("+dev@A +dev@B dev@A !dev@B", Some(2), "ABC", "B"),
            ("+dev@A +dev@B dev@A !B", Some(2), "ABC", "B"),
            ("+dev@A +dev@B !dev@B dev@A", Some(3), "AC", ""),
        ] {
            for (policy, expected) in [(&next, under_next), (&wait, under_wait)] {
                let back = look_back(policy, &application, "app", &timeline(words));
                let taken_by = back.taken_back_by.as_ref().map(|commit| commit.subject.clone());
                assert_eq!(taken_by, taker.map(|at| format!("commit {at}")), "{words}");
                let value = |digest: &str| {
                    policy.strategy == Strategy::Digest
                        && back.allows_value(policy, &format!("dev@{digest}"), "dev", digest)
                };
                let allowed: String = ["A", "B", "C"].into_iter().filter(|digest| value(digest)).collect();
                assert_eq!(allowed, expected, "{words} {:?}", policy.after_rollback);
            }
        }
    }
}
