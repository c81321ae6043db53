//! The editor and the search on public repositories: `make test-corpus CORPUS=<folder of checked-out repositories>`.
//!
//! Every image location that a survey finds gets new tags, and each edit is proven by others: PyYAML and npm `yaml` see one
//! value that differs, Helm renders what its own way of setting the value renders, kustomize the same objects but for that
//! image. Then every image that is rendered is searched for as an Application would have it: what `auto` finds must be what
//! runs, and where it is silent, what it prints must settle it. Nothing of the corpus is written, and without CORPUS this is
//! left out by name.
//!
//! `CORPUS_ONLY` takes the repositories whose name holds a text, `CORPUS_EVERY=n` each n-th location. `REPIN_HELM_PYTHON`
//! names a Python with PyYAML and helm-python-sdk, `REPIN_PYTHON` and `REPIN_NODE_MODULES` the readers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "corpus/auto.rs"]
mod auto;
#[path = "corpus/edits.rs"]
mod edits;
#[path = "corpus/judges.rs"]
mod judges;
#[path = "corpus/report.rs"]
mod report;
#[path = "corpus/tree.rs"]
mod tree;

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use judges::Judges;
use report::{Report, say};
use tree::Tree;

#[test]
fn on_public_repositories_every_edit_is_one_value_and_every_search_is_right_or_silent() {
    let Some(corpus) = env::var_os("CORPUS").filter(|corpus| !corpus.is_empty()) else {
        say("left out: the corpus (make test-corpus CORPUS=<folder of checked-out public repositories>)");
        return;
    };
    let corpus = PathBuf::from(corpus);
    let only = env::var("CORPUS_ONLY").unwrap_or_default();
    let every = env::var("CORPUS_EVERY").ok().and_then(|every| every.parse().ok()).unwrap_or(1);
    let mut names: Vec<String> = fs::read_dir(&corpus)
        .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()))
        .filter_map(|entry| entry.ok().filter(|entry| entry.path().is_dir())?.file_name().into_string().ok())
        .filter(|name| name.contains(&only))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{} has no repository", corpus.display());
    let mut all = Vec::new();
    for name in names {
        let tree = Tree::read(&corpus.join(&name));
        let mut judges = Judges::start(&corpus, &name);
        let mut report = Report::of(&name, &tree);
        edits::prove(&tree, &mut judges, &mut report, every);
        auto::search(&tree, &mut judges, &mut report, every);
        say(&report.line());
        all.push(report);
    }
    let text = Report::table(&all);
    say(&text);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/corpus.txt");
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    for report in &all {
        file.write_all(report.details().as_bytes()).unwrap();
    }
    say(&format!("details: {}", path.display()));
    let wrong: Vec<&String> = all.iter().flat_map(|report| &report.wrong).collect();
    assert!(wrong.is_empty(), "{} wrong, such as {:#?}", wrong.len(), &wrong[..wrong.len().min(8)]);
}
