//! The tables of Masterminds/semver's own tests, as data: every row agrees but the five that the design names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use repin::model::constraint::Constraint;
use repin::model::version::Version;
use serde::Deserialize;

#[derive(Deserialize)]
struct Tables {
    source: String,
    tables: Rows,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    #[serde(rename = "TestConstraintCheck")]
    check: Vec<MatchRow>,
    #[serde(rename = "TestConstraintsCheck")]
    checks: Vec<MatchRow>,
    #[serde(rename = "TestConstraintsCheckIncludePrerelease")]
    checks_with_prereleases: Vec<MatchRow>,
    #[serde(rename = "TestNewVersion")]
    versions: Vec<VersionRow>,
}

#[derive(Deserialize)]
struct MatchRow {
    constraint: String,
    version: String,
    #[serde(rename = "match")]
    expected: bool,
}

#[derive(Deserialize)]
struct VersionRow {
    version: String,
    err: String,
}

impl MatchRow {
    fn agrees(&self, include_prereleases: bool) -> bool {
        let constraint: Constraint = self.constraint.parse().unwrap();
        let version: Version = self.version.parse().unwrap();
        constraint.matches(&version, include_prereleases) == self.expected
    }
}

impl VersionRow {
    fn agrees(&self) -> bool {
        let is_refused: bool = self.err.parse().unwrap();
        self.version.parse::<Version>().is_err() == is_refused
    }
}

#[test]
fn all_462_rows_agree_but_the_five_that_the_design_names() {
    let Tables { source, tables } = serde_json::from_str(include_str!("data/semver-masterminds.json")).unwrap();
    assert!(source.contains("Masterminds/semver"));

    let mut rows: Vec<(&str, usize, bool)> = Vec::new();
    rows.extend(tables.check.iter().enumerate().map(|(i, row)| ("TestConstraintCheck", i, row.agrees(false))));
    rows.extend(tables.checks.iter().enumerate().map(|(i, row)| ("TestConstraintsCheck", i, row.agrees(false))));
    let with_prereleases = tables.checks_with_prereleases.iter().enumerate();
    rows.extend(with_prereleases.map(|(i, row)| ("TestConstraintsCheckIncludePrerelease", i, row.agrees(true))));
    rows.extend(tables.versions.iter().enumerate().map(|(i, row)| ("TestNewVersion", i, row.agrees())));

    assert_eq!(rows.len(), 462);
    let differing: BTreeSet<(&str, usize)> =
        rows.iter().filter(|(_, _, agrees)| !agrees).map(|(table, index, _)| (*table, *index)).collect();
    assert_eq!(
        differing,
        BTreeSet::from([
            ("TestConstraintsCheck", 1),
            ("TestConstraintsCheckIncludePrerelease", 9),
            ("TestNewVersion", 83),
            ("TestNewVersion", 84),
            ("TestNewVersion", 85),
        ])
    );
}
