//! What repin costs, each figure beside its limit: `make bench`.
//!
//! Everything is measured on repositories, registries and processes that this program makes, on loopback and one disk.
//! A missed limit is a line with `MISSED` and exit code 1. Arguments choose scenarios by part of their name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]
#![allow(missing_docs, unreachable_pub)]

mod behind;
mod daemon;
mod edit;
mod environments;
#[path = "../support/forge.rs"]
mod forge;
mod front;
mod growth;
mod http;
mod listings;
mod measure;
mod past;
mod pulls;
mod registry;
#[path = "../support/remote.rs"]
mod remote;
mod renovate;
mod report;
mod repository;
mod scan;
mod search;

use report::Report;

type Scenario = (&'static str, fn(&mut Report));

const SCENARIOS: [Scenario; 10] = [
    ("behind", behind::measure_all),
    ("scan", scan::measure_all),
    ("listings", listings::measure_all),
    ("growth", growth::measure_all),
    ("past", past::measure_all),
    ("environments", environments::measure_all),
    ("search", search::measure_all),
    ("pulls", pulls::measure_all),
    ("renovate", renovate::measure_all),
    ("edit", edit::measure_all),
];

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_ref().and_then(|first| first.to_str()) {
        Some(measure::MEASURE) => {
            let code = measure::measured(arguments);
            return u8::try_from(code).unwrap_or(101).into();
        }
        Some(registry::REGISTRY) => {
            let mut number = || arguments.next().unwrap().to_str().unwrap().parse().unwrap();
            registry::serve(number(), number(), number() == 1);
            return std::process::ExitCode::SUCCESS;
        }
        _ => {}
    }
    // cargo adds an option of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut report = Report::default();
    for (name, scenario) in SCENARIOS {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            scenario(&mut report);
        }
    }
    report.end()
}
