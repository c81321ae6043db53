//! Commit messages and hidden markers with random faults: whatever becomes of them, reading does not panic, what is written
//! is read back, and no text of a stranger forges a trailer or a marker. Every case has a number, and the same number is
//! the same case.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use repin::message::pull_request::{Marker, closed, notice, render, replace, updated};
use repin::message::trailers::{Change, Trailers};
use repin::message::{Wording, commit};
use repin::model::change::{Notice, PullText};

use crate::samples;

/// What is put into a text.
const TOKENS: [&str; 44] = [
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\0",
    "\t",
    " ",
    "Repin-Change: ",
    "\nRepin-Change: a#b ghcr.io/acme/web 1 2 -",
    "\n\nRepin-Change: forged#b ghcr.io/acme/web 1 2 -\n",
    "\nRepin-Resume: web",
    "\nRepin-Source: https://github.com/acme/web@1a2b3c4",
    "Repin-Format: 1",
    "\nArgocd-reference-commit-sha: 1a2b3c4",
    "---\n",
    "#",
    "%",
    "%0A",
    "%23",
    "%ff",
    "-",
    "\"\"",
    "@sha256:",
    ":",
    "<!-- repin: ",
    "<!--",
    "-->",
    "--",
    "<!-- repin: {\"format\":1,\"branch\":\"repin/forged\",\"changes\":[],\"text\":\"x\",\"told\":[]} -->",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\\u002d",
    "\\ud83d",
    "\u{1f600}",
    "\u{202e}",
    "|",
    "`",
];

/// SplitMix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn boundary(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn mutate(random: &mut Random, text: &mut String) {
    let at = random.boundary(text);
    match random.below(6) {
        0..=2 => text.insert_str(at, TOKENS[random.below(TOKENS.len())]),
        3 => {
            let mut end = (at + 1 + random.below(9)).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(at..end, "");
        }
        4 => {
            let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
            if !lines.is_empty() {
                let (one, other) = (random.below(lines.len()), random.below(lines.len()));
                lines.swap(one, other);
                if random.below(3) == 0 {
                    lines.insert(other, lines[one].clone());
                }
            }
            *text = lines.concat();
        }
        _ => text.truncate(at),
    }
}

/// A text as a stranger writes it.
fn foreign(random: &mut Random) -> String {
    let mut text = ["1.2.0", "apps/web/values.yaml", "Fix the cart", ""][random.below(4)].to_owned();
    for _ in 0..random.below(5) {
        let at = random.boundary(&text);
        text.insert_str(at, TOKENS[random.below(TOKENS.len())]);
    }
    text
}

/// A pull request in which strangers wrote what they like.
fn pull(random: &mut Random) -> PullText {
    let mut text = samples::hostile();
    let place = &mut text.commit.places[0];
    place.file = foreign(random);
    place.key = foreign(random);
    // An image has a name.
    place.image = format!("i{}", foreign(random));
    place.old = Some(foreign(random)).filter(|_| random.below(4) > 0);
    place.new = foreign(random);
    place.digest = Some(foreign(random)).filter(|_| random.below(4) > 0);
    place.alias = foreign(random);
    place.reason = foreign(random);
    place.labels = Some(samples::labels(&foreign(random), &foreign(random)));
    place.passed_over = vec![(foreign(random), foreign(random))];
    place.application = (foreign(random), Some(foreign(random)));
    text.commit.applications = vec![text.commit.places[0].application.clone()];
    let place = &text.commit.places[0];
    let key = (place.image.clone(), place.old.clone(), place.new.clone());
    let mut news = text.news.pop_first().unwrap().1;
    news.missing = Some(foreign(random));
    for pull in &mut news.pulls {
        (pull.title, pull.author, pull.url) = (foreign(random), foreign(random), foreign(random));
    }
    for commit in news.comparison.iter_mut().flat_map(|comparison| &mut comparison.commits) {
        (commit.subject, commit.author, commit.url) = (foreign(random), foreign(random), foreign(random));
    }
    text.news.insert(key, news);
    text
}

/// What the cases came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    markers: u64,
    changes: u64,
    refused: u64,
}

fn check(number: u64, tally: &mut Tally) {
    let mut random = Random(number.wrapping_mul(0x9e37_79b9) ^ 20_261_126);
    let checked = catch_unwind(AssertUnwindSafe(|| check_case(&mut random, tally)));
    if let Err(panic) = checked {
        let why =
            panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|&why| why.into()));
        panic!("case {number}: {}", why.unwrap_or_default());
    }
}

fn check_case(random: &mut Random, tally: &mut Tally) {
    let text = pull(random);
    let marker = Marker {
        closed: Some(foreign(random)).filter(|_| random.below(2) == 0),
        told: [foreign(random)].into(),
        ..samples::marker(&text)
    };
    let changes = marker.changes.clone();
    // What is written is read back, and holds what it was written for and nothing else.
    let message = commit(&text.commit, &Wording::default()).text;
    let read = Trailers::parse(&message);
    assert_eq!(read.changes, changes, "{message}");
    assert_eq!((read.format.as_deref(), read.resumes.len(), read.reasons.len()), (Some("1"), 0, 1), "{message}");
    assert!(read.applications.len() == 1 && read.sources.len() <= 1, "{message}");
    assert_eq!(Trailers::parse(&format!("Subject\n\n{}", read.write())), read, "{message}");
    let rendered = render(&text, &marker);
    let (title, body) = (rendered.title, rendered.body);
    let marker = Marker { text: rendered.key, ..marker };
    assert_eq!(Marker::parse(&body).as_ref(), Some(&marker), "{body}");
    assert_eq!(Marker::parse(&body.replace('\n', "\r\n")).as_ref(), Some(&marker), "{body}");
    assert_eq!(body.matches("<!--").count(), 1, "{body}");
    assert!(!title.contains('\n') && Trailers::parse(&format!("{title}\n\n{body}")) == Trailers::default(), "{body}");
    let wrapped = body.replace(' ', if random.below(2) == 0 { "\n" } else { "\r\n  " });
    // A blank that a value begins or ends with is all that wrapping takes.
    assert!(Marker::parse(&wrapped).is_some_and(|read| read.changes == marker.changes), "{wrapped}");
    // A person squashes title and body into one commit, with the commit's own message behind it or not.
    let squashed = Trailers::parse(&format!("{title}\n\n{body}\n\n{message}"));
    assert_eq!(squashed.changes, changes, "{body}");
    let values = vec![foreign(random), foreign(random)];
    for comment in [
        closed(&foreign(random), text.reopened_within),
        notice(&Notice::Refused { closed_by: Some(foreign(random)), values }),
        updated(&text, &[Change { new: foreign(random), ..changes[0].clone() }]),
    ] {
        assert!(
            Marker::parse(&comment.text).is_none() && comment.text.matches("<!--").count() == 1,
            "{}",
            comment.text
        );
        assert_eq!(Trailers::parse(&comment.text), Trailers::default(), "{}", comment.text);
    }
    // Whatever becomes of them on the way, reading does not panic, and what is read can be written.
    let (mut message, mut body) = (message, body);
    for _ in 0..1 + random.below(6) {
        mutate(random, &mut message);
        mutate(random, &mut body);
    }
    let read = Trailers::parse(&message);
    tally.changes += read.changes.len() as u64;
    for change in &read.changes {
        assert_eq!(Change::parse(&change.write()).as_ref(), Some(change));
    }
    match Marker::parse(&body) {
        Some(read) => {
            tally.markers += 1;
            assert_eq!(Marker::parse(&read.write()).as_ref(), Some(&read), "{body}");
            assert_eq!(Marker::parse(&replace(&body, &marker)).as_ref(), Some(&marker), "{body}");
        }
        None => tally.refused += 1,
    }
}

#[test]
fn texts_with_random_faults_are_read_rightly_or_not_at_all() {
    let is_heavy = std::env::var_os("REPIN_HEAVY").is_some();
    let cases: u64 = if is_heavy { 1_000_000 } else { 5_000 };
    let first: u64 = std::env::var("REPIN_CASE").ok().and_then(|number| number.parse().ok()).unwrap_or(0);
    let threads = thread::available_parallelism().map_or(2, |threads| threads.get() as u64);
    let tally = thread::scope(|scope| {
        let work = |thread: u64| {
            let mut tally = Tally::default();
            (first + thread..first + cases).step_by(threads as usize).for_each(|number| check(number, &mut tally));
            tally
        };
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold(Tally::default(), |sum, tally| Tally {
            markers: sum.markers + tally.markers,
            changes: sum.changes + tally.changes,
            refused: sum.refused + tally.refused,
        })
    });
    // The faults must leave enough whole, and break enough.
    assert!(tally.markers > cases / 10 && tally.changes > cases / 10 && tally.refused > cases / 10, "{tally:?}");
}
