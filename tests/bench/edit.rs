//! One edit beside one parse of the same bytes, for every kind of file.

use std::hint::black_box;
use std::time::Duration;

use repin::manifest::Source;
use repin::model::key_path::KeyPath;

use crate::measure::{Cost, measure, quickest};
use crate::report::Report;

/// How often an edit may cost as much as the parse.
const LIMIT: f64 = 4.0;
/// Each way is run so often, in turns, and the quickest run counts.
const RUNS: usize = 7;
/// How many bytes one run goes through, so that it takes longer than the clock is coarse.
const BYTES_A_RUN: usize = 2 << 20;

pub fn measure_all(report: &mut Report) {
    report.scenario("One edit beside one parse and read of the same bytes; wall and CPU of one");
    for (size, services) in [("1 KiB", 8), ("20 KiB", 160), ("1 MiB", 8_000)] {
        let middle = services / 2;
        for (kind, text, key) in [
            ("values", values(services), format!("service-{middle}.image.tag")),
            ("documents", documents(services), "spec.containers[0].image".to_owned()),
            ("aliases", aliases(services), format!("service-{middle}.tag")),
            ("JSON", json(services), format!("service-{middle}.image.tag")),
            ("text in a text", text_in_text(services), format!("spec.values.service-{middle}.image.tag")),
        ] {
            let key: KeyPath = key.parse().unwrap();
            let (parse, edit) = measure_one(&text, &key);
            report.row(&format!("{kind}, {size} ({} bytes): parse", text.len()), parse, "-", "-");
            report.row(&format!("{kind}, {size}: edit"), edit, "-", "-");
            let times = edit.cpu.as_secs_f64() / parse.cpu.as_secs_f64();
            report.at_most(&format!("an edit of {kind}, {size}, CPU, times the parse"), times, LIMIT, "");
        }
    }
}

/// What one parse and one edit cost.
fn measure_one(text: &str, key: &KeyPath) -> (Cost, Cost) {
    let count = u32::try_from(BYTES_A_RUN.div_ceil(text.len())).unwrap();
    let parsed = || {
        let source = Source::parse(text).unwrap();
        black_box(source.read(key).unwrap());
        source
    };
    let (mut parses, mut edits) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (sources, cost) = measure(|| (0..count).map(|_| parsed()).collect::<Vec<_>>());
        parses.push(cost);
        // A source remembers what the second reader saw, so each is edited once.
        edits.push(measure(|| sources.iter().for_each(|source| drop(black_box(source.set(key, "2.0.0").unwrap())))).1);
    }
    let one = |costs: &[Cost]| {
        let least = quickest(costs);
        let each = |time: Duration| time / count;
        Cost { wall: each(least.wall), cpu: each(least.cpu), peak: 0 }
    };
    (one(&parses), one(&edits))
}

fn values(services: usize) -> String {
    let service = |at: usize| {
        format!(
            "service-{at}:\n  image:\n    repository: registry.example.com/acme/{at}\n    tag: 1.2.{at} # pinned\n    \
             pullPolicy: \"IfNotPresent\"\n"
        )
    };
    (0..services).map(service).collect()
}

fn documents(services: usize) -> String {
    let pod = |at: usize| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: p{at}\nspec:\n  containers:\n  - name: a\n    \
             image: acme/web:{at}\n"
        )
    };
    (0..services).map(pod).collect()
}

fn aliases(services: usize) -> String {
    let service = |at: usize| {
        format!("service-{at}:\n  <<: *base\n  image: *base\n  replicas: 3\n  host: h{at}.example.com\n  tag: 1.2.3\n")
    };
    let base = "base: &base\n  tag: 1.0.0\n  repository: acme/web\n".to_owned();
    base + &(0..services).map(service).collect::<String>()
}

fn json(services: usize) -> String {
    let service = |at: usize| {
        format!(
            "  \"service-{at}\": {{\n    \"image\": {{\n      \"repository\": \"acme/web\",\n      \"tag\": \"1.{at}\"\n    }}\n  }}"
        )
    };
    format!("{{\n{}\n}}\n", (0..services).map(service).collect::<Vec<_>>().join(",\n"))
}

fn text_in_text(services: usize) -> String {
    let lines: String = values(services).lines().map(|line| format!("    {line}\n")).collect();
    format!("apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  values: |\n{lines}")
}
