//! What the editor writes, read by others: PyYAML (YAML 1.1) and npm `yaml` (1.1 and 1.2).
//!
//! `REPIN_PYTHON` names a Python with PyYAML (default `python3`), `REPIN_NODE_MODULES` a folder that holds npm `yaml`.
//! A reader that is not there is left out by name, unless `REPIN_REQUIRE_READERS=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "editing/generate.rs"]
mod generate;
#[allow(dead_code)]
#[path = "editing/golden.rs"]
mod golden;
#[path = "readers/kustomize.rs"]
mod kustomize;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use repin::manifest::Source;
use repin::model::address::Address;
use repin::model::key_path::{KeyPath, Segment};
use serde_json::{Value, json};

use generate::Random;

/// Edits `before`; one line for the scripts.
fn line(name: &str, before: &str, key: &str, value: &str) -> Value {
    shared_line(name, before, key, value, &[])
}

/// The same for a value that is visible in several places.
fn shared_line(name: &str, before: &str, key: &str, value: &str, agreed: &[KeyPath]) -> Value {
    let path: KeyPath = key.parse().unwrap();
    let edited = Source::parse(before)
        .and_then(|source| source.set_shared(&path, value, agreed))
        .unwrap_or_else(|error| panic!("{name}: {error}\n{before}"));
    edited_line(name, before, &edited.text, &path, value)
}

/// One line for the scripts: what was written at a path.
fn edited_line(name: &str, before: &str, after: &str, path: &KeyPath, value: &str) -> Value {
    let steps: Vec<Value> = path
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Key(key) => json!({ "key": key }),
            Segment::Index(index) => json!({ "index": index }),
            Segment::Where { field, value } => json!({ "field": field, "value": value }),
        })
        .collect();
    json!({ "name": name, "before": before, "after": after, "steps": steps, "expected": value })
}

/// Strings that look like something else, each of them different.
fn adversarial() -> Vec<String> {
    let mut texts: BTreeSet<String> = BTreeSet::new();
    let words = [
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "nan",
        "inf",
        ".nan",
        ".inf",
        "none",
        "undefined",
    ];
    for word in words {
        let mut title = word.to_owned();
        title[..1].make_ascii_uppercase();
        for form in [word.to_owned(), title, word.to_uppercase()] {
            texts.extend(["", "+", "-", "."].map(|sign| format!("{sign}{form}")));
            texts.extend(["1", ".", "_", " "].map(|end| format!("{form}{end}")));
        }
    }
    for odd in [
        "",
        " ",
        "~",
        "<<",
        "=",
        "-",
        "--",
        "---",
        "...",
        "?",
        ":",
        "a:",
        ":a",
        "a: b",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "!!int 1",
        "|",
        ">-",
        "%a",
        "@a",
        "`a`",
        "'",
        "''",
        "\"",
        "\\",
        "\\n",
        "a\nb",
        "a\r\nb",
        "\ta",
        "a\t",
        "[a]",
        "{a}",
        "a,b",
        "a]",
        "}",
        "é",
        "😀",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{2029}",
        "\u{feff}",
        "\u{feff}a",
        "\u{fffd}",
        "\u{e000}",
        "\u{200b}",
        "\u{1}",
        "\u{1b}[0m",
        "${X}",
        "1 ",
        " 1",
        "- a",
        "? a",
        "a\u{2028}b",
        "\u{10ffff}",
    ] {
        texts.insert(odd.to_owned());
    }
    for almost in [
        "20240115-abc",
        "20240115-3f2a1b9",
        "2024-01-15-abc",
        "2024-01-15-1",
        "2024-01-15T10-30-00",
        "2024-01-15T10",
        "2024-01-15t1.2.3",
        "0abcdef",
        "07f3a1b",
        "1e5f3a2",
        "6e1a",
        "12e",
        "12e4567",
        "1_2_3x",
        "1_2_3",
        "0x1g",
        "0b12",
        "0o8",
        "_x",
        "_",
        "_e1",
        "_.1",
        "._1",
        ".hidden",
        ".e1",
        "..",
    ] {
        texts.insert(almost.to_owned());
    }
    let pieces = [
        "0", "1", "12", "60", "2024", "-", "_", ".", ":", "e", "E", "x", "o", "b", "+", "T", "Z", "t", "a", "f", "/",
        "@",
    ];
    let mut random = Random::new(7);
    while texts.len() < 3400 {
        let count = 1 + random.below(6);
        texts.insert((0..count).map(|_| random.pick(&pieces)).collect());
    }
    texts.into_iter().collect()
}

/// Tells whether a file, or a text in it, has a tab.
fn has_tab(text: &str) -> bool {
    text.contains('\t') || text.contains("\\t")
}

/// Tells whether an anchor is there twice, which YAML allows.
fn repeats_an_anchor(text: &str) -> bool {
    let mut seen = BTreeSet::new();
    text.split_whitespace().filter(|word| word.starts_with('&')).any(|anchor| !seen.insert(anchor))
}

/// Every edit, as lines for the scripts.
fn batch() -> Vec<Value> {
    let mut lines = Vec::new();
    for case in golden::all().iter().filter(|case| case.expected.is_ok()) {
        let before = std::str::from_utf8(&case.before).unwrap();
        let after = golden::write(before, &case.change).unwrap();
        for (key, value) in golden::written(&after, &case.change) {
            // The scripts look at first documents.
            let address: Address = key.parse().unwrap();
            if address.object.is_none() {
                lines.push(edited_line(&case.name, before, &after, &address.key, &value));
            }
        }
    }
    assert!(lines.len() >= 80, "{} golden cases", lines.len());
    let mut random = Random::new(20_261_120);
    let wanted = if env::var("REPIN_HEAVY").as_deref() == Ok("1") { 100_000 } else { 2_000 };
    // PyYAML reads no tab behind a value, so that many without tabs are wanted, whatever else comes with them.
    let mut without_tabs = 0;
    while without_tabs < wanted {
        let case = generate::any(&mut random);
        without_tabs += usize::from(!has_tab(&case.text));
        let agreed: Vec<KeyPath> = case.shared.iter().map(|(key, _)| key.parse().unwrap()).collect();
        lines.push(shared_line(&format!("generated-{}", lines.len()), &case.text, &case.key, &case.tag, &agreed));
    }
    let forms = [
        "tag: v1 # c\nb: 1\n",
        "tag: 'v1'\nb: 1\n",
        "tag: \"v1\"\n",
        "a: {tag: v1, b: c}\n",
        "tag: >-\n  v1\nb: 1\n",
        "tag:\nb: 1\n",
        "tag: !!str v1\nb: 1\n",
        "a: [v1, v2]\n",
    ];
    for (number, text) in adversarial().iter().enumerate() {
        for form in [forms[0], forms[1 + number % (forms.len() - 1)]] {
            let key = if form.contains('[') {
                "a[0]"
            } else if form.contains('{') {
                "a.tag"
            } else {
                "tag"
            };
            lines.push(line(&format!("adversarial-{number}"), form, key, text));
        }
    }
    lines
}

/// Runs a script over the batch; it prints one JSON object: what it read wrongly, and what it cannot read at all, edited or not.
fn check(reader: &str, command: &mut Command, batch: &Path, lines: &[Value]) {
    let total = lines.len();
    let output = command.arg(batch).output().unwrap_or_else(|error| panic!("{reader}: {error}"));
    assert!(output.status.success(), "{reader}: {}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |key: &str| report[key].as_array().unwrap().clone();
    let wrong = list("wrong");
    assert!(
        wrong.is_empty(),
        "{reader} reads {} of {total} otherwise, such as {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(8)]
    );
    let unread = list("unread");
    assert_eq!(report["right"].as_u64().unwrap() as usize + unread.len(), total, "{reader}");
    for name in &unread {
        let before = lines.iter().find(|line| line["name"] == *name).and_then(|line| line["before"].as_str()).unwrap();
        assert!(
            reader == "PyYAML" && (has_tab(before) || repeats_an_anchor(before)),
            "{reader} cannot read {name} even before the edit: {before}"
        );
    }
}

/// Says that a reader is not there; fails if it must be.
fn left_out(reader: &str, why: &str) {
    assert!(env::var("REPIN_REQUIRE_READERS").as_deref() != Ok("1"), "{reader} is required: {why}");
    // `eprintln!` would be hidden by the test harness if the test passes.
    #[allow(clippy::explicit_write)]
    writeln!(std::io::stderr(), "left out: reading edits with {reader} ({why})").unwrap();
}

#[test]
fn every_written_tag_is_the_same_string_to_other_readers() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers");
    let python = env::var("REPIN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_python =
        Command::new(&python).args(["-c", "import yaml"]).output().is_ok_and(|output| output.status.success());
    let modules = env::var("REPIN_NODE_MODULES").ok().filter(|folder| Path::new(folder).join("yaml").is_dir());
    let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_python {
        left_out("PyYAML", &format!("`{python}` cannot import yaml, set REPIN_PYTHON"));
    }
    let node = modules.filter(|_| has_node);
    if node.is_none() {
        left_out("npm yaml", "no `node`, or REPIN_NODE_MODULES names no folder with `yaml`");
    }
    if !has_python && node.is_none() {
        return;
    }
    let lines = batch();
    let folder = tempfile::tempdir().unwrap();
    // A script reads its whole file at once.
    for lines in lines.chunks(10_000) {
        let file = folder.path().join("edits.jsonl");
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&file, text).unwrap();
        if has_python {
            check("PyYAML", Command::new(&python).arg(scripts.join("pyyaml.py")), &file, lines);
        }
        if let Some(modules) = &node {
            for version in ["1.1", "1.2"] {
                let mut command = Command::new("node");
                command.arg(scripts.join("npm-yaml.cjs")).args([modules, version]);
                check(&format!("npm yaml {version}"), &mut command, &file, lines);
            }
        }
    }
}
