//! Whose turn it is where a registry may be sent so many requests only in one cycle.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::names::ImageName;
use crate::plan::Question;

/// When images got their last answers, in cycles.
#[derive(Debug, Default)]
pub(super) struct Turns {
    cycle: u64,
    last: BTreeMap<ImageName, u64>,
}

impl Turns {
    /// Begins a cycle. Images that nobody asked about for long are forgotten.
    pub(super) fn begin(&mut self) {
        self.cycle += 1;
        let begin = self.cycle.saturating_sub(KEPT);
        self.last.retain(|_, cycle| *cycle >= begin);
    }

    /// Notes that an image got an answer.
    pub(super) fn served(&mut self, image: &ImageName) {
        match self.last.get_mut(image) {
            Some(last) => *last = self.cycle,
            None => drop(self.last.insert(image.clone(), self.cycle)),
        }
    }

    /// Orders questions: the images that waited longest first, and of each image one after the other, so that one with
    /// thousands of questions does not keep the others from their one. Who waited equally long is ordered by chance: a
    /// process that runs one cycle only knows no turns.
    pub(super) fn order(&self, questions: Vec<Question>, seed: i64) -> Vec<Question> {
        let mut places: BTreeMap<ImageName, usize> = BTreeMap::new();
        let mut keyed: Vec<_> = questions
            .into_iter()
            .map(|question| {
                let turn = question.image().map(|image| {
                    let place = places.entry(image.clone()).or_default();
                    *place += 1;
                    (*place, self.last.get(image).copied().unwrap_or_default(), chance(image, seed))
                });
                (turn, question)
            })
            .collect();
        keyed.sort_by_key(|(turn, _)| *turn);
        keyed.into_iter().map(|(_, question)| question).collect()
    }
}

/// How many cycles the turn of an image is remembered.
const KEPT: u64 = 10_000;

fn chance(image: &ImageName, seed: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (image, seed).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn who_waited_longest_is_first_and_nobody_takes_all() {
        let image = |name: &str| format!("r.example/{name}").parse::<ImageName>().unwrap();
        let question = |name: &str, tag: &str| Question::Manifest(image(name), tag.parse().unwrap());
        let mut turns = Turns::default();
        turns.begin();
        turns.served(&image("a"));
        turns.begin();
        turns.served(&image("b"));
        let asked = [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("b", "2"), ("c", "1")];
        let ordered = turns.order(asked.iter().map(|(name, tag)| question(name, tag)).collect(), 7);
        let expected = [("c", "1"), ("a", "1"), ("b", "1"), ("a", "2"), ("b", "2"), ("a", "3")];
        assert_eq!(ordered, expected.map(|(name, tag)| question(name, tag)));
        let names = ["d", "e", "f", "g"].map(|name| question(name, "1"));
        let first = |seed| Turns::default().order(names.to_vec(), seed).swap_remove(0);
        assert!((0..64).map(first).any(|one| one != first(0)), "not the same ones in each run");
        for _ in 0..=KEPT {
            turns.begin();
        }
        assert!(turns.last.is_empty());
    }
}
