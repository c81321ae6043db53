//! What `Cargo.lock` may hold: no banned crate, no source but one registry, no second version without a reason.
//!
//! `deny.toml` says the same to cargo-deny, which also knows advisories and licences; this test needs Rust only, so it
//! runs everywhere. The lists of both are compared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Crates that must not come back, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "one TLS stack: rustls with ring"),
    ("openssl-sys", "one TLS stack: rustls with ring"),
    ("openssl-src", "one TLS stack: rustls with ring"),
    ("native-tls", "one TLS stack: rustls with ring"),
    ("aws-lc-rs", "one crypto library: ring"),
    ("aws-lc-sys", "one crypto library: ring"),
    ("libssh2-sys", "ssh does not go through a C library"),
    ("serde_yml", "unsound and unmaintained (RUSTSEC-2025-0068)"),
    ("serde_yaml", "unmaintained; the code's `serde_yaml` is the package yaml_serde"),
    ("unsafe-libyaml", "the parser behind the unmaintained serde_yaml"),
    ("yaml-rust", "unmaintained (RUSTSEC-2024-0320)"),
    ("oci-distribution", "renamed; the code's `oci_distribution` is the package oci-client"),
    ("rsa", "timing side channel without a fix (RUSTSEC-2023-0071)"),
    ("atty", "unsound and unmaintained (RUSTSEC-2021-0145)"),
    ("ansi_term", "unmaintained (RUSTSEC-2021-0139)"),
    ("async-std", "unmaintained (RUSTSEC-2025-0052); one runtime: tokio"),
    ("backoff", "unmaintained (RUSTSEC-2025-0012)"),
    ("dotenv", "unmaintained (RUSTSEC-2021-0141)"),
    ("instant", "unmaintained (RUSTSEC-2024-0384)"),
    ("proc-macro-error", "unmaintained (RUSTSEC-2024-0370)"),
];

/// Crates that may stand here in several versions: which ones, and who keeps the older one.
const SEVERAL_VERSIONS: &[(&str, &[&str], &str)] = &[
    ("base64", &["0.22", "0.23"], "oci-client is at 0.22, reqwest at 0.23"),
    ("getrandom", &["0.2", "0.4"], "ring 0.17 is at 0.2"),
    ("rand", &["0.8", "0.10"], "macros only, not in the program: phf of cron 0.17 is at 0.8"),
    ("rand_core", &["0.6", "0.10"], "macros only, not in the program: phf of cron 0.17 is at 0.6"),
    ("syn", &["2", "3"], "macros only, not in the program: strum, getset, derive_builder, tracing and jiff are at 2"),
    ("windows-sys", &["0.52", "0.61"], "ring 0.17 is at 0.52; on Windows only"),
    ("winnow", &["0.7", "1"], "cron 0.17 is at 0.7"),
];

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Package {
    line: usize,
    name: String,
    version: String,
    source: Option<String>,
    has_checksum: bool,
}

#[test]
fn the_lock_file_holds_nothing_that_is_banned_foreign_or_twice() {
    let packages = packages(&read("Cargo.lock"));
    assert!(packages.len() > 50, "only {} packages were read", packages.len());
    let problems = problems(&packages);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_exception_for_several_versions_is_still_needed() {
    let packages = packages(&read("Cargo.lock"));
    for (name, allowed, reason) in SEVERAL_VERSIONS {
        let there: BTreeSet<&str> =
            packages.iter().filter(|p| p.name == *name).map(|p| compatible(&p.version)).collect();
        assert_eq!(there, allowed.iter().copied().collect(), "versions of `{name}` ({reason})");
    }
}

#[test]
fn cargo_deny_is_told_the_same() {
    let text = read("deny.toml");
    let banned: BTreeSet<&str> = BANNED.iter().map(|(name, _)| *name).collect();
    assert_eq!(crates_of(&text, "deny").into_iter().collect::<BTreeSet<_>>(), banned);
    let older: BTreeSet<String> =
        SEVERAL_VERSIONS.iter().map(|(name, versions, _)| format!("{name}:{}", versions[0])).collect();
    assert_eq!(crates_of(&text, "skip").into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), older);
}

fn problems(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    // Cargo's own registry: what nearly every package names.
    let registry =
        packages.iter().find_map(|package| package.source.as_deref().filter(|one| one.starts_with("registry+")));
    for package in packages {
        let place = format!("Cargo.lock:{}: {} {}", package.line, package.name, package.version);
        if let Some((_, reason)) = BANNED.iter().find(|(name, _)| *name == package.name) {
            problems.push(format!("{place} is banned: {reason}"));
        }
        match package.source.as_deref() {
            source if source.is_some() && source == registry => {
                if !package.has_checksum {
                    problems.push(format!("{place} has no checksum"));
                }
            }
            Some(other) => problems.push(format!("{place} comes from `{other}`, not from the registry")),
            None if package.name == "repin" => {}
            None => problems.push(format!("{place} comes from a path, not from the registry")),
        }
    }
    let mut versions: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(package);
    }
    for (name, same) in versions.into_iter().filter(|(_, same)| same.len() > 1) {
        let allowed = SEVERAL_VERSIONS.iter().find(|(listed, ..)| *listed == name).map_or(&[][..], |(_, v, _)| v);
        let mut seen = BTreeSet::new();
        for package in same {
            let version = compatible(&package.version);
            if !allowed.contains(&version) || !seen.insert(version) {
                problems.push(format!(
                    "Cargo.lock:{}: {name} {} is one of several versions, without a reason",
                    package.line, package.version
                ));
            }
        }
    }
    problems
}

/// Gives the part of a version that Cargo treats as one: `1` of 1.2.3, `0.22` of 0.22.1, `0.0.3` of 0.0.3.
fn compatible(version: &str) -> &str {
    let mut end = 0;
    for part in version.split('.') {
        end += part.len() + 1;
        if part.bytes().any(|digit| digit != b'0') {
            break;
        }
    }
    &version[..(end - 1).min(version.len())]
}

/// Reads the packages of a lock file, which Cargo writes with one key on each line.
fn packages(lock: &str) -> Vec<Package> {
    let mut found: Vec<Package> = Vec::new();
    for (number, line) in lock.lines().enumerate() {
        if line == "[[package]]" {
            found.push(Package { line: number + 1, ..Package::default() });
        }
        let (Some(package), Some((key, value))) = (found.last_mut(), line.split_once(" = ")) else { continue };
        let value = value.trim_matches('"').to_owned();
        match key {
            "name" => package.name = value,
            "version" => package.version = value,
            "source" => package.source = Some(value),
            "checksum" => package.has_checksum = value.len() == 64,
            _ => {}
        }
    }
    found
}

/// Gives what stands behind `crate = ` in the list `key = [ … ]` of `deny.toml`, one entry on each line.
fn crates_of<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines()
        .skip_while(|line| *line != format!("{key} = ["))
        .skip(1)
        .take_while(|line| *line != "]")
        .filter_map(|line| line.split("crate = \"").nth(1)?.split('"').next())
        .collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn each_rule_finds_what_breaks_it() {
    const INDEX: &str = "registry+https://index.example";
    let package = |name: &str, version: &str, source: Option<&str>| {
        let source = source.map_or(String::new(), |source| format!("source = \"{source}\"\n"));
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}checksum = \"{}\"\n\n",
            "0".repeat(64)
        )
    };
    let check = |lock: &str, expected: &[&str]| assert_eq!(problems(&packages(lock)), expected, "{lock}");

    check(&(package("repin", "0.1.0", None) + &package("yaml_serde", "0.10.0", Some(INDEX))), &[]);
    check(
        &package("openssl-sys", "0.9.1", Some(INDEX)),
        &["Cargo.lock:1: openssl-sys 0.9.1 is banned: one TLS stack: rustls with ring"],
    );
    check(
        &package("a", "1.0.0", Some("git+https://example.com/a")),
        &["Cargo.lock:1: a 1.0.0 comes from `git+https://example.com/a`, not from the registry"],
    );
    check(
        &(package("a", "1.0.0", Some(INDEX)) + &package("b", "1.0.0", Some("registry+https://other.example"))),
        &["Cargo.lock:7: b 1.0.0 comes from `registry+https://other.example`, not from the registry"],
    );
    check(&package("a", "1.0.0", None), &["Cargo.lock:1: a 1.0.0 comes from a path, not from the registry"]);
    check(&package("a", "1.0.0", Some(INDEX)).replace("checksum", "other"), &["Cargo.lock:1: a 1.0.0 has no checksum"]);
    check(
        &(package("a", "1.0.0", Some(INDEX)) + &package("a", "2.0.0", Some(INDEX))),
        &[
            "Cargo.lock:1: a 1.0.0 is one of several versions, without a reason",
            "Cargo.lock:7: a 2.0.0 is one of several versions, without a reason",
        ],
    );
    check(&(package("syn", "2.0.1", Some(INDEX)) + &package("syn", "3.0.0", Some(INDEX))), &[]);
    check(
        &(package("syn", "2.0.1", Some(INDEX)) + &package("syn", "4.0.0", Some(INDEX))),
        &["Cargo.lock:7: syn 4.0.0 is one of several versions, without a reason"],
    );
    for (version, expected) in [("1.2.3", "1"), ("0.22.1", "0.22"), ("0.0.3", "0.0.3"), ("0.0.0", "0.0.0")] {
        assert_eq!(compatible(version), expected);
    }
}
