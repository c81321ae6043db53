//! What is remembered between runs besides Git mirrors, in one redb file. All of it can be deleted.
//!
//! Remembered is which images ever listed tags (guard 2: empty after it was not), what tags named and what stands behind
//! digests, which digests keys have signed, and when a tag was first seen with a digest. A command beside a running daemon
//! cannot open the file, and then remembers in memory only. Rows that nobody uses any more are swept, and there is a most
//! of them.

mod images;
mod store;

use std::collections::HashSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

pub use crate::cache::images::{Looked, Remembered};
use crate::cache::store::{Row, Store, Table};
use crate::model::names::{Digest, ImageName, Tag};

/// Images whose listing once held tags.
const FILLED: Table = Table::new("filled-2");
/// When a tag was first and last seen with a digest, by `image:tag@digest`: two times as RFC 3339 writes them.
const SEEN: Table = Table::new("seen-1");
/// Which digests keys have signed, by `image@digest fingerprint`, and when that was found, as RFC 3339 writes it.
const VERIFIED: Table = Table::new("verified-1");
/// When rows were last swept.
const SWEPT: Table = Table::new("swept-1");

/// How long anything is remembered of a tag that is not seen, or used, any more. One that comes back later begins anew.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How old the last sight of a tag may be before it is written again, and how often rows are forgotten.
const NOTED_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// Seconds of a day.
const DAY: i64 = 86_400;

/// The most rows of a table on disk: about 200 MiB.
const ROWS_ON_DISK: usize = 500_000;
/// The most rows of a table in memory: about 20 MiB.
const ROWS_IN_MEMORY: usize = 50_000;

/// The open cache.
pub struct Cache {
    store: Store,
    filled: HashSet<String>,
}

/// When a tag was seen with a digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Seen {
    first: Timestamp,
    last: Timestamp,
}

impl Seen {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (first, last) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()? })
    }
}

impl Cache {
    /// Opens the cache below a directory; what stands in the way only costs memory of earlier runs.
    pub fn open(directory: &Path) -> Self {
        Self::of(Store::open(directory))
    }

    /// Opens the cache below a directory to read it only; where there is none, or another process writes it, there is
    /// nothing to read. What is remembered then is in memory.
    pub fn look(directory: &Path) -> Self {
        Self::of(Store::look(directory))
    }

    /// Gives an empty cache that stays in memory.
    pub fn in_memory() -> Self {
        Self::of(Store::default())
    }

    fn of(store: Store) -> Self {
        let filled = store.keys(FILLED, "").into_iter().collect();
        Self { store, filled }
    }

    /// Tells whether a key, by its fingerprint, is known to have signed a digest. That stays true for ever.
    pub fn is_verified(&self, image: &ImageName, digest: &Digest, key: &str) -> bool {
        self.store.get(VERIFIED, &format!("{image}@{digest} {key}")).is_some()
    }

    /// Remembers which digests keys have signed.
    pub fn remember_verified(&self, now: Timestamp, fresh: &[(ImageName, Digest, String)]) {
        let row = |(image, digest, key): &(ImageName, Digest, String)| Row {
            table: VERIFIED,
            key: format!("{image}@{digest} {key}"),
            value: Some(now.to_string().into_bytes()),
        };
        self.store.write(&fresh.iter().map(row).collect::<Vec<_>>());
    }

    /// Gives when a tag was first seen with this digest.
    pub fn first_seen(&self, image: &ImageName, tag: &Tag, digest: &Digest) -> Option<Timestamp> {
        let row = self.store.get(SEEN, &format!("{image}:{tag}@{digest}"))?;
        Seen::parse(&row).map(|seen| seen.first)
    }

    /// Remembers of tags that are seen now when they were first seen.
    pub fn remember_seen(&self, now: Timestamp, tags: &[(ImageName, Tag, Digest, Timestamp)]) {
        let known = self.store.reader(SEEN);
        let row = |(image, tag, digest, first): &(ImageName, Tag, Digest, Timestamp)| {
            let key = format!("{image}:{tag}@{digest}");
            let is_noted = |known: Seen| known.first == *first && now.duration_since(known.last) < NOTED_EVERY;
            let is_noted = known.get(&key).and_then(|row| Seen::parse(&row)).is_some_and(is_noted);
            (!is_noted).then(|| Row { table: SEEN, key, value: Some(format!("{first} {now}").into_bytes()) })
        };
        let rows: Vec<Row> = tags.iter().filter_map(row).collect();
        drop(known);
        self.store.write(&rows);
    }

    /// Forgets what was not seen or used for long, and the oldest of what is too much. Once a day is enough.
    pub fn sweep(&self, now: Timestamp) {
        let last = self.store.get(SWEPT, "").and_then(|row| std::str::from_utf8(&row).ok()?.parse::<Timestamp>().ok());
        let is_recent = |last: Timestamp| last <= now && now.duration_since(last) < NOTED_EVERY;
        if last.is_some_and(is_recent) {
            return;
        }
        self.sweep_to(now, if self.store.is_on_disk() { ROWS_ON_DISK } else { ROWS_IN_MEMORY });
        self.store.write(&[Row { table: SWEPT, key: String::new(), value: Some(now.to_string().into_bytes()) }]);
    }

    fn sweep_to(&self, now: Timestamp, rows: usize) {
        let begin = now.checked_sub(FORGOTTEN_AFTER).unwrap_or(Timestamp::MIN).as_second();
        self.store.sweep(SEEN, rows, begin, |row| Some(Seen::parse(row)?.last.as_second()));
        let found = |row: &[u8]| Some(std::str::from_utf8(row).ok()?.parse::<Timestamp>().ok()?.as_second());
        self.store.sweep(VERIFIED, rows, i64::MIN, found);
        self.sweep_images(now, rows);
    }

    /// Tells whether an earlier listing of this image held tags.
    pub fn was_filled(&self, image: &ImageName) -> bool {
        self.filled.contains(&image.to_string())
    }

    /// Remembers that the listings of these images hold tags.
    pub fn remember_filled(&mut self, images: &[ImageName]) {
        let names: Vec<String> =
            images.iter().map(ToString::to_string).filter(|name| !self.filled.contains(name)).collect();
        let row = |name: &String| Row { table: FILLED, key: name.clone(), value: Some(Vec::new()) };
        self.store.write(&names.iter().map(row).collect::<Vec<_>>());
        self.filled.extend(names);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::event::PushedTags;
    use crate::model::metadata::{Described, Metadata};

    #[test]
    fn a_filled_listing_is_remembered_by_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let image = image("ghcr.io/acme/web");
        let mut cache = Cache::open(directory.path());
        assert!(!cache.was_filled(&image));
        cache.remember_filled(std::slice::from_ref(&image));
        // Beside an open cache a second one works, and remembers nothing of it.
        assert!(!Cache::open(directory.path()).was_filled(&image));
        drop(cache);
        assert!(Cache::open(directory.path()).was_filled(&image));
    }

    fn image(name: &str) -> ImageName {
        name.parse().unwrap()
    }

    fn tag(name: &str) -> Tag {
        name.parse().unwrap()
    }

    fn digest(digit: &str) -> Digest {
        format!("sha256:{}", digit.repeat(64)).parse().unwrap()
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(day * DAY).unwrap()
    }

    /// An image with this in its words behind a tag with the digest `a`.
    fn looked(name: &str, words: &str) -> Looked {
        let metadata = Arc::new(Metadata::Foreign(words.into()));
        let described = Described { digest: digest("a"), metadata };
        Looked { image: image("ghcr.io/acme/web"), tag: tag(name), etag: Some("\"x\"".into()), described }
    }

    fn known(cache: &Cache, now: Timestamp, name: &str) -> Option<Remembered> {
        cache.tags(now, &image("ghcr.io/acme/web"), [&tag(name)]).into_values().next()
    }

    #[test]
    fn what_was_read_of_tags_and_when_they_were_first_seen_is_remembered_by_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let (web, api) = (image("ghcr.io/acme/web"), image("ghcr.io/acme/api"));
        let now = time("2026-01-05T10:00:00.5Z");
        let fill = |cache: &Cache| {
            cache.remember_tags(now, &[looked("1.0.0", "x")]);
            cache.remember_seen(now, &[(web.clone(), tag("1.0.0"), digest("a"), now)]);
        };
        let check = |cache: &Cache| {
            let metadata = Some(Arc::new(Metadata::Foreign("x".into())));
            let etag = Some("\"x\"".to_owned());
            let expected = Remembered { checked: now, digest: digest("a"), etag, metadata: metadata.clone() };
            assert_eq!(known(cache, now, "1.0.0"), Some(expected));
            assert_eq!(known(cache, now, "1.0.1"), None);
            assert_eq!(cache.metadata(&web, &digest("a")), metadata);
            assert_eq!((cache.metadata(&web, &digest("b")), cache.metadata(&api, &digest("a"))), (None, None));
            assert_eq!(cache.first_seen(&web, &tag("1.0.0"), &digest("a")), Some(now));
            assert_eq!(cache.first_seen(&web, &tag("1.0.0"), &digest("b")), None);
            assert_eq!(cache.first_seen(&api, &tag("1.0.0"), &digest("a")), None);
        };
        let cache = Cache::open(directory.path());
        fill(&cache);
        check(&cache);
        // Beside an open cache a second one remembers on its own.
        let beside = Cache::open(directory.path());
        assert_eq!(known(&beside, now, "1.0.0"), None);
        fill(&beside);
        check(&beside);
        drop(cache);
        check(&Cache::open(directory.path()));
    }

    #[test]
    fn an_etag_that_is_the_digest_and_none_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path());
        for etag in [None, Some(format!("\"{}\"", digest("a")))] {
            cache.remember_tags(day(1), &[Looked { etag: etag.clone(), ..looked("a", "x") }]);
            assert_eq!(known(&cache, day(1), "a").unwrap().etag, etag);
        }
    }

    #[test]
    fn a_tag_that_was_pushed_is_forgotten_with_every_secret_and_what_stands_behind_digests_stays() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path());
        let web = image("ghcr.io/acme/web");
        let names = [web.clone(), web.with_pull_secret("a"), web.with_pull_secret("b"), image("ghcr.io/acme/web2")];
        for name in &names {
            for tag in ["dev", "prod"] {
                cache.remember_tags(day(1), &[Looked { image: name.clone(), ..looked(tag, "x") }]);
            }
        }
        cache.forget_tags(&web, &PushedTags::These([tag("dev")].into()));
        let left = |name: &ImageName| cache.tags(day(1), name, [&tag("dev"), &tag("prod")]).len();
        assert_eq!(names.each_ref().map(left), [1, 1, 1, 2]);
        cache.forget_tags(&web, &PushedTags::Any);
        assert_eq!(names.each_ref().map(left), [0, 0, 0, 2]);
        assert!(cache.metadata(&web, &digest("a")).is_some());
    }

    #[test]
    fn what_a_key_signed_is_remembered_for_that_image_digest_and_key_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (web, other) = (image("ghcr.io/acme/web"), image("ghcr.io/acme/api"));
        let on_disk = Cache::open(directory.path());
        let in_memory = Cache::open(directory.path());
        for cache in [on_disk, in_memory] {
            cache.remember_verified(day(1), &[]);
            assert!(!cache.is_verified(&web, &digest("a"), "key"));
            cache.remember_verified(day(1), &[(web.clone(), digest("a"), "key".to_owned())]);
            assert!(cache.is_verified(&web, &digest("a"), "key"));
            assert!(!cache.is_verified(&web, &digest("b"), "key"));
            assert!(!cache.is_verified(&web, &digest("a"), "other"));
            assert!(!cache.is_verified(&other, &digest("a"), "key"));
        }
        // However old it is; the oldest go where there are too many.
        let next = Cache::open(directory.path());
        next.remember_verified(day(2), &[(web.clone(), digest("b"), "key".to_owned())]);
        next.sweep_to(day(1000), 2);
        assert!(next.is_verified(&web, &digest("a"), "key"));
        next.sweep_to(day(1000), 1);
        let left = ["a", "b"].map(|digit| next.is_verified(&web, &digest(digit), "key"));
        assert_eq!(left, [false, true]);
    }

    #[test]
    fn a_tag_that_was_not_seen_for_ninety_days_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let on_disk = Cache::open(directory.path());
        let in_memory = Cache::open(directory.path());
        assert!(on_disk.store.is_on_disk() && !in_memory.store.is_on_disk());
        let web = image("ghcr.io/acme/web");
        for (name, cache) in [("on disk", on_disk), ("in memory", in_memory)] {
            let see = |now: i64, names: &[&str]| {
                let tags: Vec<_> = names.iter().map(|name| (web.clone(), tag(name), digest("a"), day(1))).collect();
                cache.remember_seen(day(now), &tags);
                cache.remember_tags(day(now), &names.iter().map(|name| looked(name, "x")).collect::<Vec<_>>());
                cache.sweep(day(now));
            };
            see(1, &["old", "kept"]);
            // That it is still seen is noted once a day, whatever else is.
            (2..=100).for_each(|now| see(now, &["kept"]));
            let first = |name| cache.first_seen(&web, &tag(name), &digest("a"));
            let is_known = |name| known(&cache, day(1), name).is_some();
            assert_eq!((first("old"), first("kept")), (None, Some(day(1))), "{name}");
            assert_eq!((is_known("old"), is_known("kept")), (false, true), "{name}");
            see(200, &["new"]);
            assert_eq!((first("kept"), first("new")), (None, Some(day(1))), "{name}");
            assert_eq!((is_known("kept"), is_known("new")), (false, true), "{name}");
        }
    }

    #[test]
    fn of_too_many_rows_those_go_that_nobody_used_for_longest() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path());
        let web = image("ghcr.io/acme/web");
        for (at, digit) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
            let one = looked(digit, digit);
            let described = Described { digest: digest(digit), ..one.described };
            cache.remember_tags(day(1 + at as i64 / 2), &[Looked { described, ..one }]);
        }
        // `a` is used again, so `b` is the oldest.
        assert!(known(&cache, day(4), "a").is_some());
        let left = |cache: &Cache| {
            let is_left = |digit: &&str| cache.metadata(&web, &digest(digit)).is_some();
            ["a", "b", "c", "d", "e"].into_iter().filter(is_left).collect::<String>()
        };
        cache.sweep_to(day(4), 5);
        assert_eq!(left(&cache), "abcde");
        cache.sweep_to(day(4), 4);
        assert_eq!(left(&cache), "acde");
        // Two of one day: one of them goes.
        cache.sweep_to(day(4), 3);
        assert_eq!(left(&cache).len(), 3);
        assert!(left(&cache).contains('a') && left(&cache).contains('e'), "{}", left(&cache));
        cache.sweep_to(day(200), 3);
        assert_eq!(left(&cache), "");
    }

    #[test]
    fn a_cache_that_is_only_looked_at_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = directory.path().join("nowhere");
        let web = image("ghcr.io/acme/web");
        let see = |cache: &Cache, name: &str, at: i64| {
            cache.remember_seen(day(at), &[(web.clone(), tag(name), digest("a"), day(at))]);
        };
        let seen = |cache: &Cache, name: &str| cache.first_seen(&web, &tag(name), &digest("a"));
        let mut cache = Cache::open(directory.path());
        see(&cache, "1.0.0", 1);
        cache.remember_filled(std::slice::from_ref(&web));
        // Beside an open cache there is nothing to read.
        assert_eq!(seen(&Cache::look(directory.path()), "1.0.0"), None);
        drop(cache);
        let before = std::fs::read(directory.path().join("repin.redb")).unwrap();
        let looked = Cache::look(directory.path());
        assert_eq!(seen(&looked, "1.0.0"), Some(day(1)));
        assert!(looked.was_filled(&web));
        see(&looked, "1.1.0", 2);
        assert_eq!(seen(&looked, "1.1.0"), Some(day(2)));
        looked.sweep(day(400));
        assert_eq!(seen(&looked, "1.0.0"), Some(day(1)));
        drop(looked);
        assert_eq!(std::fs::read(directory.path().join("repin.redb")).unwrap(), before);
        assert!(!Cache::look(&nowhere).was_filled(&web) && !nowhere.exists());
        assert!(!Cache::in_memory().was_filled(&web));
    }

    #[test]
    fn rows_are_swept_once_a_day_whoever_asks() {
        let directory = tempfile::tempdir().unwrap();
        let swept = |hour: i64| {
            let cache = Cache::open(directory.path());
            let now = Timestamp::from_second(400 * DAY + hour * 3_600).unwrap();
            cache.remember_tags(day(1), &[looked("old", "x")]);
            cache.sweep(now);
            known(&cache, day(1), "old").is_none()
        };
        assert_eq!([0, 1, 23, 25, 26, 2].map(swept), [true, false, false, true, false, true]);
    }

    #[test]
    fn rows_of_another_version_are_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path());
        cache.remember_tags(day(1), &[looked("a", "x")]);
        drop(cache);
        let store = Store::open(directory.path());
        let key = format!("ghcr.io/acme/web@{}", digest("a"));
        assert!(store.get(Table::new("metadata-2"), &key).is_some());
        let foreign = Row { table: Table::new("metadata-2"), key, value: Some(b"1 {\"image\":[{}]}".to_vec()) };
        store.write(&[foreign]);
        drop(store);
        let known = known(&Cache::open(directory.path()), day(1), "a").unwrap();
        assert_eq!((known.digest, known.metadata), (digest("a"), None));
    }

    #[test]
    fn a_damaged_cache_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("repin.redb"), "not a database").unwrap();
        let mut cache = Cache::open(directory.path());
        let image = image("ghcr.io/acme/web");
        cache.remember_filled(std::slice::from_ref(&image));
        drop(cache);
        assert!(Cache::open(directory.path()).was_filled(&image));
    }
}
