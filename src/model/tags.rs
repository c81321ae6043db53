//! The tags of a listing in little memory. Many images with thousands of tags each are held at once, and a text of its own
//! for each tag would cost several times what it says.

use std::fmt;

use crate::model::names::Tag;

/// Distinct tags, sorted by bytes: one text, and where each tag ends in it.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Tags {
    text: Box<str>,
    ends: Box<[u32]>,
}

impl Tags {
    /// Counts the tags.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Gives the text of the tag at a position.
    pub fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let begin = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(usize::try_from(begin).ok()?..usize::try_from(end).ok()?)
    }

    /// Gives the texts of all tags, sorted by bytes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Gives all tags, each with a text of its own.
    pub fn to_vec(&self) -> Vec<Tag> {
        self.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// Tells whether a tag is among them.
    pub fn contains(&self, tag: &Tag) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).map(|text| text.cmp(tag.as_str())) {
                Some(std::cmp::Ordering::Equal) => return true,
                Some(std::cmp::Ordering::Less) => low = middle + 1,
                Some(std::cmp::Ordering::Greater) | None => high = middle,
            }
        }
        false
    }
}

impl FromIterator<Tag> for Tags {
    fn from_iter<T: IntoIterator<Item = Tag>>(tags: T) -> Self {
        let mut tags: Vec<Tag> = tags.into_iter().collect();
        tags.sort_unstable();
        tags.dedup();
        let mut text = String::with_capacity(tags.iter().map(|tag| tag.as_str().len()).sum());
        let mut ends = Vec::with_capacity(tags.len());
        for tag in &tags {
            // Four gigabytes of tags are no listing that anybody reads: see `registry::Limits::tags`.
            let Ok(end) = u32::try_from(text.len() + tag.as_str().len()) else { break };
            text.push_str(tag.as_str());
            ends.push(end);
        }
        Self { text: text.into(), ends: ends.into() }
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(texts: &[&str]) -> Tags {
        texts.iter().filter_map(|text| text.parse().ok()).collect()
    }

    #[test]
    fn tags_are_sorted_and_there_once() {
        let some = tags(&["b", "1.10.0", "a", "1.2.0", "b", "_"]);
        assert_eq!(some.iter().collect::<Vec<_>>(), ["1.10.0", "1.2.0", "_", "a", "b"]);
        assert_eq!((some.len(), some.is_empty(), some.get(4), some.get(5)), (5, false, Some("b"), None));
        assert_eq!(some, tags(&["_", "1.2.0", "1.10.0", "b", "a"]));
        // The same text, cut elsewhere.
        assert_ne!(tags(&["a", "bc"]), tags(&["ab", "c"]));
        assert!(tags(&[]).is_empty() && tags(&[]) != some);
    }

    #[test]
    fn a_tag_is_found_wherever_it_stands() {
        let texts: Vec<String> = (0..300).map(|at| format!("1.{at}.0")).collect();
        let all = tags(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let is_in = |text: &str| text.parse().is_ok_and(|tag| all.contains(&tag));
        assert!(texts.iter().all(|text| is_in(text)));
        for text in ["0", "1.300.0", "1.1", "1.1.00", "9"] {
            assert!(!is_in(text), "{text}");
        }
        assert_eq!(all.to_vec().len(), 300);
    }
}
