//! Cases: tags that are written down instead of asked for, and what a policy is expected to make of them.
//!
//! Reading the file is in `config`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::model::metadata::{Build, Created, Described, Labels, Metadata, Platform};
use crate::model::names::{Digest, ImageName, Tag};
use crate::model::policy::{Policy, Strategy};
use crate::model::verification::{Unverified, Verification};
use crate::plan::explain::ExplainedTag;
use crate::plan::locate::FileState;
use crate::plan::trial::Answer;
use crate::plan::{Decision, Listed, Question, Snapshot, decide};

/// Standings that say why a tag was not taken although the filters allow it.
pub const STANDINGS: [&str; 5] = ["rolled-back", "too-young", "wrong-platform", "unverified", "older"];

/// One tag of a registry that is not asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Offer {
    /// The tag.
    pub tag: Tag,
    /// Its digest; none = one of its own.
    pub digest: Option<Digest>,
    /// When it was built; none = nothing is said about it, `Some(None)` = the image does not say.
    pub created: Option<Option<Timestamp>>,
    /// Its platforms; none = all that the policy wants.
    pub platforms: Option<Vec<Platform>>,
    /// When it was first seen; none = long ago.
    pub seen: Option<Timestamp>,
    /// It is signed with every key that is demanded.
    pub is_signed: bool,
}

/// What is expected; what is none is not looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Expectation {
    /// The tag that stands at the end, with `@` and its digest if that is looked at too; `Some(None)` = something stands
    /// in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Option<String>>,
    /// The outcome's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why tags were not taken: the code of the verdict, or one of [`STANDINGS`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rejected: BTreeMap<String, String>,
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    /// The tag that stands at the end; none if something stands in the way.
    pub chosen: Option<String>,
    /// The outcome's code.
    pub code: String,
    /// Every tag that was not taken, and why.
    pub rejected: BTreeMap<String, String>,
}

/// One thing that is not as it is expected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// `chosen`, `code`, or a tag.
    pub what: String,
    /// What is expected.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// The same in words, for a tag.
    pub reason: Option<String>,
}

/// Decides with these tags in the registry.
///
/// # Errors
/// The tags whose date the decision needs, and about which nothing is said.
pub fn settle(mut snapshot: Snapshot, offers: &[Offer]) -> Result<(Snapshot, Decision), BTreeSet<Tag>> {
    let policy = snapshot.subjects.first().map(|subject| subject.tracked.policy.clone()).unwrap_or_default();
    let mut undated = BTreeSet::new();
    loop {
        let decision = decide(&snapshot);
        if decision.questions.is_empty() {
            return if undated.is_empty() { Ok((snapshot, decision)) } else { Err(undated) };
        }
        for question in decision.questions {
            let offer = |tag: &Tag| offers.iter().find(|offer| offer.tag == *tag);
            match question {
                Question::Listing(image) => {
                    let tags: BTreeSet<Tag> = offers.iter().map(|offer| offer.tag.clone()).collect();
                    let listed = Listed { tags: tags.into_iter().collect(), ..Listed::default() };
                    snapshot.listings.insert(image, Ok(Arc::new(listed)));
                }
                Question::Manifest(image, tag) => {
                    let digest = offer(&tag).and_then(|offer| see(offer, &image, &mut snapshot));
                    snapshot.manifests.insert((image, tag), Ok(digest));
                }
                Question::Metadata(image, tag) | Question::Remembered(image, tag) => {
                    let found = offer(&tag);
                    let is_undated =
                        |offer: &&Offer| policy.strategy == Strategy::NewestBuild && offer.created.is_none();
                    undated.extend(found.filter(is_undated).map(|offer| offer.tag.clone()));
                    let digest = found.and_then(|offer| see(offer, &image, &mut snapshot));
                    let described = found.zip(digest).map(|(offer, digest)| described(offer, digest, &policy));
                    snapshot.metadata.entry(image).or_default().insert(tag, Ok(described));
                }
                Question::Verification(image, digest, keys) => {
                    let named = |offer: &&Offer| digest_of(offer).as_ref() == Some(&digest);
                    let is_signed = offers.iter().filter(named).all(|offer| offer.is_signed);
                    let unsigned = Verification::Unverified(Unverified::Nothing);
                    let answer = if is_signed { Verification::Verified } else { unsigned };
                    let all = keys.into_iter().map(|key| (key, Ok(answer.clone())));
                    snapshot.verifications.entry((image, digest)).or_default().extend(all);
                }
                // It changes nothing of what is decided.
                Question::Labels(image, digest) => {
                    snapshot.labels.insert((image, digest), None);
                }
                Question::File(branch, path) => {
                    snapshot.files.insert((branch, path), FileState::Missing);
                }
                // A trial has no repository, and so no forge.
                Question::Closed(..) => {}
            }
        }
    }
}

/// Gives the digest of a tag: its own where nothing is said.
fn digest_of(offer: &Offer) -> Option<Digest> {
    let own = || format!("sha256:{}", hex::encode(Sha256::digest(offer.tag.as_str()))).parse().ok();
    offer.digest.clone().or_else(own)
}

/// Gives the digest of a tag, and notes when it was first seen with it.
fn see(offer: &Offer, image: &ImageName, snapshot: &mut Snapshot) -> Option<Digest> {
    let digest = digest_of(offer)?;
    let key = (image.clone(), offer.tag.clone(), digest.clone());
    snapshot.first_seen.insert(key, offer.seen.unwrap_or(Timestamp::MIN));
    Some(digest)
}

fn described(offer: &Offer, digest: Digest, policy: &Policy) -> Described {
    let created = offer.created.flatten().map_or(Created::Unsaid, Created::At);
    let build =
        |platform: Option<Platform>| Build { platform, manifest: Box::default(), created, labels: Labels::default() };
    let platforms = offer.platforms.as_ref().unwrap_or(&policy.platforms);
    let builds = if offer.platforms.is_none() && platforms.is_empty() {
        vec![build(None)]
    } else {
        platforms.iter().cloned().map(Some).map(build).collect()
    };
    Described { digest, metadata: Arc::new(Metadata::Image(builds)) }
}

impl Finding {
    /// Reads what was found of an answer.
    pub fn of(answer: &Answer) -> Self {
        let why = |tag: &ExplainedTag| Some((tag.tag.clone(), tag.code.or(tag.standing.filter(is_reason))?.to_owned()));
        Self {
            chosen: answer.chosen.clone(),
            code: answer.code.clone(),
            rejected: answer.candidates.iter().filter_map(why).collect(),
        }
    }
}

impl Expectation {
    /// Holds an answer against what is expected.
    pub fn differences(&self, answer: &Answer, found: &Finding) -> Vec<Difference> {
        let nothing = || "nothing".to_owned();
        let mut differences = Vec::new();
        if let Some(expected) = &self.chosen {
            let is_pinned = expected.as_ref().is_some_and(|expected| expected.contains('@'));
            let found = if is_pinned { &answer.value } else { &answer.chosen };
            differences.push((
                "chosen",
                expected.clone().unwrap_or_else(nothing),
                found.clone().unwrap_or_else(nothing),
            ));
        }
        if let Some(expected) = &self.code {
            differences.push(("code", expected.clone(), found.code.clone()));
        }
        for (tag, expected) in &self.rejected {
            let of_tag = || answer.candidates.iter().find(|one| one.tag == *tag).and_then(|one| one.standing);
            let code = found.rejected.get(tag).map(String::as_str).or_else(of_tag).unwrap_or("eligible");
            differences.push((tag, expected.clone(), code.to_owned()));
        }
        let difference = |(what, expected, found): (&str, String, String)| Difference {
            reason: answer.candidates.iter().find(|tag| tag.tag == what).map(|tag| tag.reason.clone()),
            what: what.to_owned(),
            expected,
            found,
        };
        differences.into_iter().filter(|(_, expected, found)| expected != found).map(difference).collect()
    }
}

fn is_reason(standing: &&'static str) -> bool {
    STANDINGS.contains(standing)
}
