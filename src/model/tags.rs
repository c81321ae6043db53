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
        part(&self.text, &self.ends, at)
    }

    /// Gives the texts of all tags, sorted by bytes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut begin = 0;
        self.ends.iter().filter_map(move |end| {
            let end = *end as usize;
            self.text.get(std::mem::replace(&mut begin, end)..end)
        })
    }

    /// Gives the tags that are in any of these.
    pub fn union(all: &[Self]) -> Self {
        let mut tags = Vec::with_capacity(all.iter().map(Self::len).sum());
        all.iter().for_each(|some| tags.extend(some.iter()));
        Self::of(tags)
    }

    /// Keeps only the first tags, so many at most.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            *self = Self::of(self.iter().take(len).collect());
        }
    }

    /// Makes it of legal tags.
    fn of(mut tags: Vec<&str>) -> Self {
        // Registries give runs that are sorted, and the stable sort takes such runs whole.
        tags.sort();
        tags.dedup();
        let mut text = String::with_capacity(tags.iter().map(|tag| tag.len()).sum());
        let mut ends = Vec::with_capacity(tags.len());
        for tag in tags {
            // Four gigabytes of tags are no listing that anybody reads: see `registry::Limits::tags`.
            let Ok(end) = u32::try_from(text.len() + tag.len()) else { break };
            text.push_str(tag);
            ends.push(end);
        }
        Self { text: text.into(), ends: ends.into() }
    }

    /// Gives all tags, each with a text of its own.
    pub fn to_vec(&self) -> Vec<Tag> {
        self.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// Tells whether a text is one of them.
    pub fn contains(&self, text: &str) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).map(|tag| tag.cmp(text)) {
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
        let tags: Vec<Tag> = tags.into_iter().collect();
        Self::of(tags.iter().map(Tag::as_str).collect())
    }
}

/// Tags as they come: in any order, and some of them more than once.
#[derive(Debug, Default)]
pub struct TagBuffer {
    text: String,
    ends: Vec<u32>,
    /// One came after another that has the same or higher bytes.
    is_mixed: bool,
}

impl TagBuffer {
    /// Adds a tag; tells whether the text is one, and leaves it out if not.
    pub fn push(&mut self, text: &str) -> bool {
        let end = u32::try_from(self.text.len() + text.len());
        let (true, Ok(end)) = (Tag::is_legal(text), end) else { return false };
        self.is_mixed |= self.last().is_some_and(|last| last >= text);
        self.text.push_str(text);
        self.ends.push(end);
        true
    }

    /// Counts the tags, each as often as it came.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Gives the tag that came last.
    pub fn last(&self) -> Option<&str> {
        part(&self.text, &self.ends, self.len().checked_sub(1)?)
    }

    /// Sorts the tags.
    pub fn into_tags(self) -> Tags {
        if !self.is_mixed {
            return Tags { text: self.text.into(), ends: self.ends.into() };
        }
        Tags::of((0..self.len()).filter_map(|at| part(&self.text, &self.ends, at)).collect())
    }
}

/// Gives the tag at a position.
fn part<'t>(text: &'t str, ends: &[u32], at: usize) -> Option<&'t str> {
    let end = *ends.get(at)?;
    let begin = at.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    text.get(usize::try_from(begin).ok()?..usize::try_from(end).ok()?)
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
    fn a_buffer_takes_tags_in_any_order_and_nothing_else() {
        for texts in [&["1.0", "1.1", "a"][..], &["a", "1.0", "1.1", "1.0"], &["1.0", "1.0", "1.1", "a"]] {
            let mut buffer = TagBuffer::default();
            assert!(buffer.is_empty() && buffer.last().is_none());
            for text in texts {
                assert!(buffer.push(text));
                assert_eq!(buffer.last(), Some(*text));
            }
            let long = "a".repeat(129);
            for text in ["", "-a", "a b", "a\n", "é", &long] {
                assert!(!buffer.push(text), "{text:?}");
            }
            assert_eq!(buffer.len(), texts.len());
            assert_eq!(buffer.into_tags(), tags(&["1.0", "1.1", "a"]), "{texts:?}");
        }
        assert_eq!(TagBuffer::default().into_tags(), Tags::default());
    }

    #[test]
    fn a_union_has_each_tag_once_and_is_cut_at_the_end() {
        let mut all = Tags::union(&[tags(&["b", "d"]), tags(&[]), tags(&["a", "b", "c"])]);
        assert_eq!(all, tags(&["a", "b", "c", "d"]));
        all.truncate(4);
        assert_eq!(all.len(), 4);
        all.truncate(2);
        assert_eq!(all, tags(&["a", "b"]));
        all.truncate(0);
        assert!(all.is_empty() && all == tags(&[]));
        assert_eq!(Tags::union(&[]), tags(&[]));
    }

    #[test]
    fn a_tag_is_found_wherever_it_stands() {
        let texts: Vec<String> = (0..300).map(|at| format!("1.{at}.0")).collect();
        let all = tags(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(texts.iter().all(|text| all.contains(text)));
        for text in ["0", "1.300.0", "1.1", "1.1.00", "9"] {
            assert!(!all.contains(text), "{text}");
        }
        assert_eq!(all.to_vec().len(), 300);
    }
}
