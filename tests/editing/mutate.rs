//! Golden and generated files with random faults: whatever stands there, the editor does not panic, and what it does write
//! is one value and nothing else. Every case has a number, and the same number is the same case.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use repin::diagnostic::Diagnostic;
use repin::manifest::{EditError, Found, Source, apply};
use repin::model::address::Address;
use repin::model::key_path::KeyPath;
use repin::yaml::{Kind, Node};

use crate::generate::{self, Random};
use crate::{count, golden, leaves};

/// What is put into a file.
const TOKENS: [&str; 48] = [
    ": ",
    ":",
    "- ",
    "-",
    "? ",
    "&a ",
    "*a",
    "*a ",
    "<<: *a",
    "<<: [*a, *a]",
    "|",
    ">-",
    "|2",
    "|+\n",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    " #",
    "#",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "  ",
    "---\n",
    "...\n",
    "%YAML 1.1\n---\n",
    "!!str ",
    "!x ",
    "!!int ",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "{{ .x }}",
    "~",
    "\\",
    "\\n",
    "\\u00e9",
    "\\ud83d",
    "é",
    "\0",
    "\u{7f}",
    "tag: v1\n",
    "sops: {mac: x}\n",
];
/// How many key paths of a file are tried.
const TRIED: usize = 3;

/// A file to begin with, and a key path that was in it.
struct Seed {
    text: String,
    key: String,
}

fn seeds() -> Vec<Seed> {
    let text = |case: &golden::Golden| String::from_utf8(case.before.clone()).ok();
    let key = |case: &golden::Golden| match &case.change {
        golden::Change::Value { key, .. } | golden::Change::Tag { key, .. } | golden::Change::Shared { key, .. } => {
            key.clone()
        }
        golden::Change::One { place, .. } => place.key(),
        golden::Change::Fields { .. } | golden::Change::Search { .. } => "spec.image".to_owned(),
        golden::Change::Named { .. } => "image.tag".to_owned(),
        golden::Change::Strings { .. } => "spec.source.kustomize.images[0]".to_owned(),
        golden::Change::Entry { .. } => "images[0].newTag".to_owned(),
    };
    golden::all().iter().filter_map(|case| Some(Seed { text: text(case)?, key: key(case) })).collect()
}

/// Gives a place between two characters.
fn boundary(random: &mut Random, text: &str) -> usize {
    let mut at = random.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn mutate(random: &mut Random, text: &mut String, others: &[Seed]) {
    let at = boundary(random, text);
    match random.below(9) {
        0 | 1 => text.insert_str(at, random.pick(&TOKENS)),
        2 => {
            let mut end = (at + 1 + random.below(6)).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(at..end, random.pick(&["", "", "x", ":", "\n", " "]));
        }
        3..=7 => {
            let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
            if lines.is_empty() {
                return;
            }
            let (one, other) = (random.below(lines.len()), random.below(lines.len()));
            match random.below(5) {
                0 => drop(lines.remove(one)),
                1 => lines.insert(other, lines[one].clone()),
                2 => lines.swap(one, other),
                3 => lines[one].insert_str(0, random.pick(&[" ", "  ", "\t", "- ", "# "])),
                _ => lines[one] = lines[one].trim_start_matches([' ', '-']).to_owned(),
            }
            *text = lines.concat();
        }
        _ => {
            let other = &others[random.below(others.len())].text;
            let (from, to) = (boundary(random, other), boundary(random, other));
            text.insert_str(at, &other[from.min(to)..from.max(to)]);
        }
    }
}

/// Gives key paths of a node and of the texts below it.
fn paths(node: Node<'_>, path: &str, depth: usize, found: &mut Vec<String>) {
    if depth > 12 || found.len() > 200 {
        return;
    }
    let node = node.resolve().unwrap_or(node);
    match node.kind() {
        Kind::Map { .. } => {
            for (key, value) in node.entries().into_iter().chain(node.inherited_entries()) {
                let Some(key) = key.as_str() else { continue };
                let key =
                    ['\\', '.', '[', ']'].iter().fold(key.to_owned(), |key, c| key.replace(*c, &format!("\\{c}")));
                let below = if path.is_empty() { key } else { format!("{path}.{key}") };
                paths(value, &below, depth + 1, found);
            }
            found.extend(["tag", "digest", "repository"].map(|key| format!("{path}.{key}")));
        }
        Kind::Seq { .. } => {
            for (number, item) in node.items().into_iter().enumerate() {
                paths(item, &format!("{path}[{number}]"), depth + 1, found);
            }
        }
        Kind::Scalar { value, .. } => {
            found.push(path.to_owned());
            let inner = Source::parse(value).ok().filter(|_| value.contains([':', '-', '[']));
            if let Some(document) = inner.as_ref().and_then(|inner| inner.documents().first()) {
                paths(document.root(), path, depth + 1, found);
            }
        }
        Kind::Alias(_) => {}
    }
}

/// What the cases came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    parsed: u64,
    written: u64,
    shared: u64,
    refused: u64,
}

/// Makes and checks the case of a number.
fn check(number: u64, seeds: &[Seed], tally: &mut Tally) {
    let mut random = Random::new(number.wrapping_mul(0x9e37_79b9) ^ 20_261_126);
    let (mut text, key) = if random.below(3) == 0 {
        let case = generate::any(&mut random);
        (case.text, case.key)
    } else {
        let seed = &seeds[random.below(seeds.len())];
        (seed.text.clone(), seed.key.clone())
    };
    for _ in 0..1 + random.below(3) {
        mutate(&mut random, &mut text, seeds);
    }
    let checked = catch_unwind(AssertUnwindSafe(|| check_text(&mut random, &text, &key, tally)));
    if let Err(panic) = checked {
        let why =
            panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|&why| why.into()));
        panic!("case {number}: {}\n{text:?}\n{text}", why.unwrap_or_default());
    }
}

fn check_text(random: &mut Random, text: &str, key: &str, tally: &mut Tally) {
    let Ok(source) = Source::parse(text) else { return };
    tally.parsed += 1;
    let mut keys = vec![key.to_owned()];
    if let Some(document) = source.documents().first() {
        let mut all = Vec::new();
        paths(document.root(), "", 0, &mut all);
        let all: Vec<KeyPath> = all.iter().filter_map(|key| key.trim_start_matches('.').parse().ok()).collect();
        keys.extend((0..TRIED - 1).filter_map(|_| all.get(random.below(all.len().max(1)))).map(KeyPath::to_string));
        for key in keys {
            let Ok(path) = key.parse::<KeyPath>() else { continue };
            try_path(random, &source, &path, &all, tally);
        }
    }
}

fn try_path(random: &mut Random, source: &Source, path: &KeyPath, all: &[KeyPath], tally: &mut Tally) {
    let tag = generate::tag(random);
    let read = source.read(path);
    let _ = source.canonical(&Address::first(path.clone()));
    let mut is_shared = false;
    let edited = match source.set(path, &tag) {
        Err(EditError::Shared { .. }) => {
            is_shared = true;
            source.set_shared(path, &tag, all)
        }
        done => done,
    };
    let edited = match edited {
        Ok(edited) => edited,
        Err(error) => {
            tally.refused += 1;
            assert!(error.hint().is_some_and(|hint| !hint.is_empty()) && !error.to_string().is_empty(), "{error:?}");
            return;
        }
    };
    let read = read.unwrap_or_else(|error| panic!("{path} was written and cannot be read: {error}"));
    assert!(is_shared || read != Found::Absent { insertable: false }, "{path} was written and cannot be added");
    let before = source.text();
    assert_eq!(apply(before, &edited.edits).as_ref(), Ok(&edited.text));
    assert_eq!(apply(&edited.text, &edited.inverse()).as_deref(), Ok(before));
    let again = Source::parse(&edited.text).unwrap_or_else(|error| panic!("{error}\n{}", edited.text));
    let found = again.read(path);
    assert!(
        matches!(&found, Ok(Found::Text { value, .. }) if *value == tag),
        "{path} is {found:?} and not {tag}\n{}",
        edited.text
    );
    if edited.edits.is_empty() {
        return;
    }
    tally.written += 1;
    tally.shared += u64::from(is_shared);
    leaves::difference(before, &edited.text, &tag, is_shared)
        .unwrap_or_else(|why| panic!("{path} = {tag}: {why}\n{}", edited.text));
}

#[test]
fn files_with_random_faults_are_edited_rightly_or_not_at_all() {
    let (cases, seeds) = (count(5_000, 1_000_000), seeds());
    let first: u64 = std::env::var("REPIN_CASE").ok().and_then(|number| number.parse().ok()).unwrap_or(0);
    let threads = thread::available_parallelism().map_or(2, |threads| threads.get() as u64);
    let tally = thread::scope(|scope| {
        let work = |thread: u64| {
            let seeds = &seeds;
            move || {
                let mut tally = Tally::default();
                (first + thread..cases).step_by(threads as usize).for_each(|number| check(number, seeds, &mut tally));
                tally
            }
        };
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
        running.into_iter().fold(Tally::default(), |sum, one| {
            let one = one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Tally {
                parsed: sum.parsed + one.parsed,
                written: sum.written + one.written,
                shared: sum.shared + one.shared,
                refused: sum.refused + one.refused,
            }
        })
    });
    // Else the faults are too many to say anything.
    assert!(tally.parsed > cases / 4 && tally.written > cases / 4 && tally.shared > cases / 500, "{cases}: {tally:?}");
    println!("{cases} cases: {tally:?}");
}
