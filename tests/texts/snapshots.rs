//! Title and body of pull requests, compared in full with `tests/texts/pull-requests/`. `REPIN_UPDATE=1` writes them again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use repin::message::pull_request::{Marker, closed, key, notice, render, replace, updated};
use repin::model::change::Notice;

use crate::samples;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/texts/pull-requests")
}

fn compare(name: &str, text: &str, wrong: &mut Vec<String>) {
    let path = folder().join(format!("{name}.md"));
    if std::env::var_os("REPIN_UPDATE").is_some() {
        fs::create_dir_all(folder()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if expected != text {
        wrong.push(format!("{} is not what is written now:\n{text}", path.display()));
    }
}

#[test]
fn pull_requests_read_as_they_were_written_down() {
    let mut wrong = Vec::new();
    let all = samples::all();
    for (name, text) in &all {
        let marker = samples::marker(text);
        let rendered = render(text, &marker);
        compare(name, &format!("{}\n\n{}\n", rendered.title, rendered.body), &mut wrong);
        assert!(rendered.body.len() < 60_000, "{name}: {} bytes", rendered.body.len());
        assert!(rendered.title.chars().count() <= 200 && !rendered.title.contains('\n'), "{name}: {}", rendered.title);
        let last = rendered.body.lines().last().unwrap();
        let read = Marker::parse(&rendered.body).unwrap_or_else(|| panic!("{name}: {last}"));
        assert_eq!(read, Marker { text: rendered.key.clone(), ..marker }, "{name}");
        assert_eq!(last, read.write(), "{name}");
        assert_eq!(rendered.key, key(text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let written = fs::read_dir(folder()).unwrap().count();
    assert_eq!(written, all.len() + 1, "a file of {} is of no pull request here", folder().display());
}

#[test]
fn comments_read_as_they_were_written_down() {
    let (mut text, week) = (samples::all().swap_remove(2).1, Duration::from_secs(7 * 24 * 3600));
    let old = samples::marker(&text).changes;
    text.commit.places[0].new = "1.4.0".into();
    text.commit.places.truncate(2);
    text.commit.places.push(samples::place("api", Some("production"), "ghcr.io/acme/api", "1.0", "1.1"));
    let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let refused = |closed_by: Option<&str>| Notice::Refused {
        closed_by: closed_by.map(str::to_owned),
        values: vec!["ghcr.io/acme/web 1.3.0".into(), "a `b` @c | fixes #1".into()],
    };
    let all = [
        notice(&Notice::Foreign { author: "alice".into(), commit }),
        notice(&refused(Some("bob\n/close @all"))),
        notice(&refused(None)),
        closed("`main` holds 1.3.0 already @alice.", week),
        updated(&text, &old),
        updated(&text, &samples::marker(&text).changes),
    ];
    let mut wrong = Vec::new();
    compare("comments", &all.each_ref().map(|comment| format!("{}\n", comment.text)).join("\n----\n\n"), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    for (at, comment) in all.iter().enumerate() {
        assert!(comment.text.ends_with(&comment.mark) && comment.text.matches("<!--").count() == 1, "{}", comment.text);
        assert!(Marker::parse(&comment.text).is_none(), "{}", comment.text);
        assert!(!all[..at].iter().any(|other| other.mark == comment.mark) || at == 2 || at == 5, "{}", comment.text);
    }
}

#[test]
fn a_quiet_cycle_changes_nothing() {
    for (name, text) in samples::all() {
        let mut later = text.clone();
        later.news.clear();
        for place in &mut later.commit.places {
            place.labels = None;
            place.passed_over.clear();
            place.first_seen = None;
            place.reason.clear();
        }
        assert_eq!(key(&later), key(&text), "{name}");
        let change: [fn(&mut repin::model::change::PullText); 9] = [
            |text| text.group.push('x'),
            |text| text.base.push('x'),
            |text| text.commit.applications[0].0.push('x'),
            |text| text.commit.places[0].file.push('x'),
            |text| text.commit.places[0].key.push('x'),
            |text| text.commit.places[0].image.push('x'),
            |text| text.commit.places[0].old = Some("x".into()),
            |text| text.commit.places[0].new.push('x'),
            |text| text.commit.places[0].digest = Some("x".into()),
        ];
        for change in change {
            let mut other = text.clone();
            change(&mut other);
            assert_ne!(key(&other), key(&text), "{name}");
        }
    }
}

#[test]
fn a_marker_takes_the_place_of_the_one_before() {
    let text = samples::all().swap_remove(0).1;
    let marker = samples::marker(&text);
    let body = render(&text, &marker).body;
    let closed = Marker { closed: Some("nothing left -->".into()), told: ["foreign".into()].into(), ..marker.clone() };
    for body in [body.clone(), body.replace('\n', "\r\n"), format!("{body}\n\nSomebody wrote below.\n")] {
        let replaced = replace(&body, &closed);
        assert_eq!(Marker::parse(&replaced).as_ref(), Some(&closed));
        assert_eq!(replaced.matches("<!-- repin:").count(), 1);
        assert_eq!(replace(&replaced, &Marker::parse(&body).unwrap()), body);
    }
    assert_eq!(replace("", &closed), closed.write());
    assert_eq!(replace("Hello \n", &closed), format!("Hello\n\n{}", closed.write()));
}

#[test]
fn a_body_is_shortened_by_whole_entries_and_its_marker_stays_whole() {
    for (count, is_whole) in [(300, true), (3_300, false)] {
        let text = samples::many(count);
        let marker = samples::marker(&text);
        let rendered = render(&text, &marker);
        let body = &rendered.body;
        assert!(body.len() < 60_000 && body.len() > 50_000, "{} bytes", body.len());
        assert_eq!(rendered.title, format!("Update production: {count} images of {count} applications"));
        let rows = body.lines().filter(|line| line.starts_with("| `argocd/")).count();
        let sections = body.lines().filter(|line| line.starts_with("### `")).count();
        assert!(rows > 10 && sections > 5, "{rows} rows, {sections} sections");
        assert!(body.contains(&format!("\n\nand {} more.\n", count as usize - rows)), "{rows} rows");
        assert!(body.contains(&format!("\n\nand {} more images.\n", count as usize - sections)), "{sections} sections");
        assert!(body.contains("\n- Go back after the merge: "));
        let read = Marker::parse(body).unwrap();
        assert_eq!(read.changes.len() + read.more, count as usize);
        assert_eq!(read.more == 0, is_whole, "{} are left out", read.more);
        assert!(read.changes.len() >= 300 && read.changes == marker.changes[..read.changes.len()]);
        assert!(Marker::parse(&read.write()).unwrap() == read);
    }
}
