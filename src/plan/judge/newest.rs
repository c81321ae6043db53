//! The order by dates of builds: every candidate's date must be known before anything is newest.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use crate::model::metadata::{Built, Described, Metadata, Platform};
use crate::model::names::{ImageName, Tag};
use crate::model::policy::{Policy, Strategy};
use crate::plan::judge::order::Field;
use crate::plan::judge::{Judge, Judgement};
use crate::plan::rollback::Stood;
use crate::plan::{Failure, Question, Snapshot};
use crate::selection::{self, Builds};

/// How many tags are looked into. What is remembered of them costs no request.
const MAX_CANDIDATES: usize = 20_000;

/// How many of the tags that stood at a place are looked into, the newest ones: who went back further than that many
/// changes ago has made all of them since by hand.
const MAX_PAST: usize = 1_000;

/// Gives the dates of the builds of an image's tags, as far as they are known and usable; empty for other orders.
pub fn builds(snapshot: &Snapshot, image: &ImageName, policy: &Policy) -> Builds {
    if policy.strategy != Strategy::NewestBuild {
        return Builds::new();
    }
    let now = snapshot.metadata.get(image);
    let remembered = snapshot.remembered.get(image).into_iter().flatten();
    let remembered = remembered.filter(|(tag, _)| !now.is_some_and(|now| now.contains_key(*tag)));
    let now = now.into_iter().flatten().filter_map(|(tag, answer)| Some((tag, answer.as_ref().ok()?.as_ref()?)));
    let dated =
        now.chain(remembered).filter_map(|(tag, described)| match described.metadata.built(&policy.platforms) {
            Built::At(time) => Some((tag.clone(), time)),
            Built::Unusable(_) | Built::Unsaid => None,
        });
    dated.collect()
}

/// Says why an image cannot be a candidate of an order by dates, in a code and in words after the tag; none if it can, or
/// nobody looked.
pub fn unfit(snapshot: &Snapshot, image: &ImageName, policy: &Policy, tag: &Tag) -> Option<(&'static str, String)> {
    if policy.strategy != Strategy::NewestBuild {
        return None;
    }
    match snapshot.described(image, tag)? {
        Err(_) => None,
        Ok(None) => Some(("gone", "does not answer, or not with all of its parts (404)".to_owned())),
        Ok(Some(described)) => match &*described.metadata {
            Metadata::Foreign(kind) => Some(("not-an-image", format!("is no image: its media type is `{kind}`"))),
            // The filter after the order says so.
            metadata if !metadata.lacks(&policy.platforms).is_empty() => None,
            metadata => match metadata.built(&policy.platforms) {
                Built::Unsaid => Some(("no-created", "does not say when it was built (`created`)".to_owned())),
                Built::At(_) | Built::Unusable(_) => None,
            },
        },
    }
}

impl Judge<'_> {
    /// Gives what a tag's image says of itself, now or as it is remembered.
    pub(super) fn described(&self, tag: &Tag) -> Option<Result<Option<&Described>, &Failure>> {
        self.snapshot.described(self.image, tag)
    }

    /// Tells whether a tag was not looked at in this cycle, and is known from an earlier one.
    pub(super) fn is_remembered(&self, tag: &Tag) -> bool {
        self.snapshot.described_now(self.image, tag).is_none() && self.described(tag).is_some()
    }

    /// Orders the eligible tags by their dates, or says why that cannot be done.
    pub(super) fn newest<'t>(&self, eligible: Vec<&'t Tag>) -> Result<Result<Field<'t>, Judgement>, Vec<Question>> {
        let policy = &self.tracked.policy;
        if eligible.len() > MAX_CANDIDATES {
            let message = format!(
                "{} tags of {} pass the filters, and newest-build looks into {MAX_CANDIDATES} at most",
                eligible.len(),
                self.image
            );
            return Ok(Err(Judgement::held("selection/too-many", message)));
        }
        let current = self.now().parse::<Tag>().ok();
        // What stands is the floor, whatever the filters say of it, and a floor is as high as it is now.
        let floor = current.iter().filter(|tag| self.snapshot.described_now(self.image, tag).is_none());
        let floor = floor.map(|tag| Question::Metadata(self.image.clone(), tag.clone()));
        let others = eligible.iter().copied().filter(|tag| Some(*tag) != current.as_ref());
        let asked: Vec<Question> = floor.chain(self.unknown(others)).collect();
        if !asked.is_empty() {
            return Err(asked);
        }
        let mut groups: BTreeMap<Timestamp, Vec<&Tag>> = BTreeMap::new();
        let mut unusable: Vec<(&Tag, Timestamp)> = Vec::new();
        let mut rejected: BTreeMap<&'static str, usize> = BTreeMap::new();
        for tag in &eligible {
            let described = match self.described(tag) {
                // It could be the newest one, so nothing else is.
                Some(Err(failure)) => return Ok(Err(Judgement::failed(failure))),
                Some(Ok(described)) => described,
                None => None,
            };
            if let Some((code, _)) = unfit(self.snapshot, self.image, policy, tag) {
                *rejected.entry(code).or_default() += 1;
                continue;
            }
            let Some(metadata) = described.map(|described| &described.metadata) else { continue };
            let is_wrong = !metadata.lacks(&policy.platforms).is_empty();
            if is_wrong {
                *rejected.entry("wrong-platform").or_default() += 1;
            }
            match metadata.built(&policy.platforms) {
                Built::At(time) => groups.entry(time).or_default().push(tag),
                Built::Unusable(time) if !is_wrong => unusable.push((*tag, time)),
                Built::Unusable(_) | Built::Unsaid => {}
            }
        }
        if let Some(Err(failure)) = current.as_ref().and_then(|tag| self.described(tag)) {
            return Ok(Err(Judgement::failed(failure)));
        }
        unusable.sort();
        let is_alone = groups.is_empty() && unusable.iter().all(|(tag, _)| Some(*tag) == current.as_ref());
        if let Some((tag, time)) = unusable.first().filter(|_| !is_alone) {
            let more = match unusable.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more like it)"),
            };
            let message = format!(
                "{tag}{more} says that it was built on {}, as reproducible builds do, so it cannot be told which build is the newest",
                time.strftime("%Y-%m-%d")
            );
            return Ok(Err(Judgement::held("created/unusable", message)));
        }
        let mut groups: Vec<Vec<&Tag>> = groups.into_values().rev().collect();
        // A lone build without a date that stands is equal to itself.
        groups.extend(unusable.first().map(|(tag, _)| vec![*tag]));
        Ok(Ok(Field { groups, builds: builds(self.snapshot, self.image, policy), rejected }))
    }

    /// Asks for the dates of what stood at the place, for it may be newer than what stands. Says so if one cannot be known.
    pub(super) fn ask_for_past(&self) -> Result<Option<Judgement>, Vec<Question>> {
        let standings = &self.subject.timeline.standings;
        let line = standings.iter().take_while(|standing| standing.stood != Stood::NoFile);
        let mut stood: Vec<Tag> = Vec::new();
        let mut seen = HashSet::new();
        for text in line.filter_map(|standing| standing.stood.tag()).filter(|text| seen.insert(*text)) {
            let tag = text.parse::<Tag>().ok();
            stood.extend(tag.filter(|tag| selection::judge(&self.tracked.policy, tag).is_eligible()));
            if stood.len() == MAX_PAST {
                break;
            }
        }
        let asked: Vec<Question> = self.unknown(stood.iter()).collect();
        if !asked.is_empty() {
            return Err(asked);
        }
        let unknown = stood.iter().find_map(|tag| self.described(tag)?.err());
        Ok(unknown.map(Judgement::failed))
    }

    fn unknown<'t>(&self, tags: impl Iterator<Item = &'t Tag>) -> impl Iterator<Item = Question> {
        let unknown = tags.filter(|tag| self.described(tag).is_none());
        unknown.map(|tag| Question::Remembered(self.image.clone(), tag.clone()))
    }
}

/// Names platforms: `linux/arm64 and linux/arm/v7`.
pub fn platforms(platforms: &[Platform]) -> String {
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}
