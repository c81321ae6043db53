//! The way of every strategy that has an order: the listing, the guards, the best candidate that passes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::model::names::Tag;
use crate::model::outcome::OutcomeResult;
use crate::model::policy::{AfterRollback, Strategy};
use crate::plan::judge::newest::platforms;
use crate::plan::judge::walk::{Walk, mention};
use crate::plan::judge::{Judge, Judgement, PassedOver};
use crate::plan::rollback::{LookBack, look_back};
use crate::plan::{Listed, Question};
use crate::selection::{self, Builds, Ranking};

/// The candidates of one image.
pub(super) struct Field<'t> {
    /// Best first, in groups of those that the order cannot tell apart.
    pub(super) groups: Vec<Vec<&'t Tag>>,
    /// Dates of builds, where they make the order.
    pub(super) builds: Builds,
    /// How many eligible tags their images made unfit, by code.
    pub(super) rejected: BTreeMap<&'static str, usize>,
}

impl Judge<'_> {
    pub(super) fn by_order(&self) -> Result<Judgement, Vec<Question>> {
        let listed = match self.snapshot.listings.get(self.image) {
            None => return Err(vec![Question::Listing(self.image.clone())]),
            Some(Err(failure)) => return Ok(Judgement::failed(failure)),
            Some(Ok(listed)) => listed,
        };
        let policy = &self.tracked.policy;
        let ranking = listed.memo.ranking(policy, &listed.tags);
        let ranked = self.candidates(&ranking, listed);
        let field = if policy.strategy == Strategy::NewestBuild {
            match self.newest(ranked.iter().collect())? {
                Ok(field) => field,
                Err(judgement) => return Ok(judgement),
            }
        } else {
            let groups = ranked.iter().map(|tag| vec![tag]).collect();
            Field { groups, builds: Builds::new(), rejected: BTreeMap::new() }
        };
        let better = self.better(&field);
        if policy.strategy == Strategy::NewestBuild
            && !better.is_empty()
            && let Some(unknown) = self.ask_for_past()?
        {
            return Ok(unknown);
        }
        let builds = selection_builds(self, &field);
        let (application, alias) = (&self.tracked.application, &self.tracked.alias);
        let back = look_back(policy, &builds, application, alias, &self.subject.timeline);
        let mut passed_over = Vec::new();
        let judgement = if back.taken_back_by.is_some() {
            self.after_rollback(listed, better, &builds, &back, &mut passed_over)?
        } else {
            self.onwards(listed, &ranking, &field, better, &back, &mut passed_over)?
        };
        let to = judgement.to.clone();
        let mut judgement = judgement.with(to, Some(back));
        judgement.passed_over = passed_over;
        Ok(judgement)
    }

    /// Gives the eligible tags, best first. What is behind the first one that is not better matters only where dates make
    /// the order, and to who may go down.
    fn candidates(&self, ranking: &Ranking, listed: &Listed) -> Vec<Tag> {
        let policy = &self.tracked.policy;
        let mut candidates = Vec::new();
        for tag in ranking.tags(&listed.tags) {
            let is_worse = || !matches!(self.compare(&Builds::new(), &[&tag]), Some(Ordering::Greater) | None);
            let is_last = policy.strategy != Strategy::NewestBuild && !policy.allow_downgrade && is_worse();
            candidates.push(tag);
            if is_last {
                break;
            }
        }
        candidates
    }

    /// Gives the candidates that are better than what stands, or that cannot be compared with it.
    fn better<'t>(&self, field: &Field<'t>) -> Vec<Vec<&'t Tag>> {
        field.groups.iter().take_while(|group| self.is_better(field, group)).cloned().collect()
    }

    fn is_better(&self, field: &Field<'_>, group: &[&Tag]) -> bool {
        !matches!(self.order(field, group), Some(Ordering::Less | Ordering::Equal))
    }

    /// Compares a group with what stands.
    fn order(&self, field: &Field<'_>, group: &[&Tag]) -> Option<Ordering> {
        self.compare(&field.builds, group)
    }

    fn compare(&self, builds: &Builds, group: &[&Tag]) -> Option<Ordering> {
        let now = self.now();
        if group.iter().any(|tag| tag.as_str() == now) {
            return Some(Ordering::Equal);
        }
        selection::compare(&self.tracked.policy, builds, group.first()?.as_str(), now)
    }

    /// Nobody went back: the best candidate above what stands that passes the filters.
    fn onwards(
        &self,
        listed: &Listed,
        ranking: &Ranking,
        field: &Field<'_>,
        better: Vec<Vec<&Tag>>,
        back: &LookBack,
        passed_over: &mut Vec<PassedOver>,
    ) -> Result<Judgement, Vec<Question>> {
        if let Some(suspicion) = self.suspicion(listed)? {
            return Ok(suspicion);
        }
        let policy = &self.tracked.policy;
        match self.walk(&better, passed_over)? {
            Walk::Found(found) => return self.take_one(&found, passed_over, back),
            Walk::Stopped(judgement) => return Ok(*judgement),
            Walk::Empty => {}
        }
        let rest = field.groups.get(better.len()..).unwrap_or_default();
        if let Some(group) = rest.first() {
            if self.order(field, group) == Some(Ordering::Equal) {
                return Ok(self.kept_out(passed_over).unwrap_or_else(|| self.current(passed_over)));
            }
            if !policy.allow_downgrade {
                return Ok(self.kept_out(passed_over).unwrap_or_else(|| self.downgrade(group, passed_over)));
            }
            match self.walk(rest, passed_over)? {
                Walk::Found(found) => return self.take_one(&found, passed_over, back),
                Walk::Stopped(judgement) => return Ok(*judgement),
                Walk::Empty => {}
            }
        }
        let nothing = || {
            let message = self.nothing_chosen(ranking, field, listed, passed_over);
            Judgement::held("selection/none", message)
        };
        Ok(self.kept_out(passed_over).unwrap_or_else(nothing))
    }

    /// Guard 3: only what is above the mark, or was released, may follow, and it does not go further down.
    fn after_rollback(
        &self,
        listed: &Listed,
        better: Vec<Vec<&Tag>>,
        builds: &Builds,
        back: &LookBack,
        passed_over: &mut Vec<PassedOver>,
    ) -> Result<Judgement, Vec<Question>> {
        let is_allowed = |tag: &&Tag| back.allows(&self.tracked.policy, builds, tag);
        let mut groups = better;
        groups.iter_mut().for_each(|group| group.retain(is_allowed));
        groups.retain(|group| !group.is_empty());
        if groups.is_empty() {
            // Whatever the listing is worth: there is nothing in it that could follow.
            return Ok(self.rolled_back(back));
        }
        if let Some(suspicion) = self.suspicion(listed)? {
            return Ok(suspicion);
        }
        match self.walk(&groups, passed_over)? {
            Walk::Found(found) => self.take_one(&found, passed_over, back),
            Walk::Stopped(judgement) => Ok(*judgement),
            Walk::Empty => Ok(self.kept_out(passed_over).unwrap_or_else(|| self.rolled_back(back))),
        }
    }

    fn take_one(
        &self,
        found: &[&Tag],
        passed_over: &[PassedOver],
        back: &LookBack,
    ) -> Result<Judgement, Vec<Question>> {
        let [chosen] = found else {
            let mut names: Vec<String> = found.iter().map(ToString::to_string).collect();
            names.sort();
            names.truncate(5);
            let message = format!(
                "{} say that they were built at the same time, so it cannot be told which build is the newest",
                names.join(" and ")
            );
            return Ok(Judgement::held("created/unusable", message));
        };
        // A higher mark may stand in what was not read; what a person named needs none.
        let is_named = back.released.iter().any(|tag| tag == chosen.as_str());
        if back.is_cut && !is_named {
            return Ok(self.history_unknown(chosen));
        }
        self.take(chosen, &mention(passed_over, None))
    }

    fn current(&self, passed_over: &[PassedOver]) -> Judgement {
        let describe = selection::describe(&self.tracked.policy);
        let mut message = format!("{} is the newest that {describe} allows", self.now());
        message.push_str(&mention(passed_over, None));
        message.push_str(&self.moved());
        let shown = self.site.shown().unwrap_or_default();
        Judgement::new(OutcomeResult::Current, "current", message).with(Some(shown), None)
    }

    /// Says that the registry has another digest than the one that stands; for an order that is no change.
    fn moved(&self) -> String {
        let Some(pinned) = &self.site.held.digest else { return String::new() };
        let found = self.now().parse::<Tag>().ok();
        let found = found.as_ref().and_then(|tag| self.digest(tag)).and_then(Result::ok).flatten();
        match found {
            Some(found) if found.as_str() != pinned => {
                format!("; the registry has {found} for it now, and {pinned} stays pinned")
            }
            _ => String::new(),
        }
    }

    fn downgrade(&self, group: &[&Tag], passed_over: &[PassedOver]) -> Judgement {
        let chosen = group.first().map(ToString::to_string).unwrap_or_default();
        let message = format!(
            "{} stands in Git and is higher than {chosen}, the newest that {} allows; it stays{}",
            self.now(),
            selection::describe(&self.tracked.policy),
            mention(passed_over, None)
        );
        Judgement::held("guard/downgrade", message).with(Some(chosen), None)
    }

    /// Guard 2: the listing is cut, or lacks the current tag although that one still answers.
    fn suspicion(&self, listed: &Listed) -> Result<Option<Judgement>, Vec<Question>> {
        if let Some(cut) = &listed.truncated {
            let message = format!("the tag list of {} was cut: {cut}; nothing is decided on a part of it", self.image);
            return Ok(Some(Judgement::held("guard/listing", message)));
        }
        if let Some(tag) = self.now().parse::<Tag>().ok().filter(|tag| !listed.tags.contains(tag.as_str())) {
            match self.digest(&tag) {
                None => return Err(vec![Question::Manifest(self.image.clone(), tag)]),
                Some(Err(failure)) => return Ok(Some(Judgement::failed(failure))),
                Some(Ok(Some(_))) => {
                    let message = format!(
                        "the tag list of {} lacks {tag}, which stands in Git and still answers: the list is not whole",
                        self.image
                    );
                    return Ok(Some(Judgement::held("guard/listing", message)));
                }
                Some(Ok(None)) => {}
            }
        }
        if listed.tags.is_empty() && listed.was_filled {
            let message = format!("the tag list of {} is empty, and was not before", self.image);
            return Ok(Some(Judgement::held("guard/listing", message)));
        }
        Ok(None)
    }

    pub(super) fn rolled_back(&self, back: &LookBack) -> Judgement {
        let (Some(commit), Some(mark)) = (&back.taken_back_by, &back.mark) else {
            return Judgement::held("guard/rolled-back", "a person took a value back".to_owned());
        };
        let next = match (self.tracked.policy.after_rollback, self.tracked.policy.strategy) {
            (AfterRollback::Next, Strategy::Digest) => "only another digest is taken".to_owned(),
            (AfterRollback::Next, _) => format!("only a tag above {mark} is taken"),
            (AfterRollback::Wait, _) => "nothing is taken until a person goes on".to_owned(),
        };
        let now = Some(self.now_shown()).filter(|now| now != "\"\"").unwrap_or_else(|| "none".to_owned());
        let message = format!(
            "{} took {mark} back to {now} in {}; {next}, or what a commit with the trailer `Repin-Resume: {}` releases",
            commit.author_name,
            commit.in_words(),
            self.tracked.application.label(),
        );
        Judgement::held("guard/rolled-back", message)
    }

    fn nothing_chosen(
        &self,
        ranking: &Ranking,
        field: &Field<'_>,
        listed: &Listed,
        passed_over: &[PassedOver],
    ) -> String {
        let policy = &self.tracked.policy;
        if listed.tags.is_empty() {
            return format!("{} has no tags", self.image);
        }
        let order = match policy.strategy {
            Strategy::Semver => selection::describe(policy),
            Strategy::NewestBuild | Strategy::Alphabetical | Strategy::Numerical | Strategy::Digest => {
                "the filters".to_owned()
            }
        };
        if !passed_over.is_empty() {
            return format!(
                "none of the {} tags of {} that {order} allows carries {}{}",
                ranking.len(),
                self.image,
                platforms(&policy.platforms),
                mention(passed_over, None)
            );
        }
        let counts = ranking.rejected().iter().chain(&field.rejected);
        let counts: Vec<String> = counts.map(|(code, count)| format!("{count} {code}")).collect();
        let nearest: Vec<String> = ranking
            .nearest(policy, &listed.tags)
            .iter()
            .map(|(tag, rejection)| format!("{tag} ({})", rejection.code()))
            .collect();
        let nearest = match nearest.as_slice() {
            [] => String::new(),
            nearest => format!("; the highest are {}", nearest.join(", ")),
        };
        format!(
            "none of the {} tags of {} passes {order}: {}{nearest}",
            listed.tags.len(),
            self.image,
            counts.join(", ")
        )
    }

    pub(super) fn history_unknown(&self, chosen: &Tag) -> Judgement {
        let message = format!(
            "{chosen} is allowed, but history is read only in part (`history:`), and whether somebody went back from a higher one cannot be said"
        );
        let digest = self.digest(chosen).and_then(Result::ok).flatten();
        Judgement::held("history/unknown", message).with(Some(self.to(chosen, digest)), None)
    }
}

/// The dates of all builds that are known by now, those of the past included.
fn selection_builds(judge: &Judge<'_>, field: &Field<'_>) -> Builds {
    match judge.tracked.policy.strategy {
        Strategy::NewestBuild => super::builds(judge.snapshot, judge.image, &judge.tracked.policy),
        Strategy::Semver | Strategy::Alphabetical | Strategy::Numerical | Strategy::Digest => field.builds.clone(),
    }
}
