//! Renovate beside repin: the same tree, registry and forge, the model of Gitea, whose API both speak. Renovate is what
//! `REPIN_RENOVATE` names; `make bench-heavy` installs it. Both read and push the repository over file://. Renovate keeps
//! what registries say for a quarter of an hour, so that its second run asks them nothing; repin asks them again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use repin::model::forge::ForgeKind;
use serde_json::json;

use crate::daemon::{configure_with, repin};
use crate::forge::{FakeForge, PROJECT};
use crate::front::Front;
use crate::measure::{Cost, run};
use crate::pulls::fill;
use crate::registry::Registry;
use crate::remote::BareRemote;
use crate::report::Report;

/// So many Applications; `REPIN_HEAVY=1` measures [`ALL`].
const SAMPLE: usize = 30;
const ALL: usize = 300;
const TAGS: usize = 50;

pub fn measure_all(report: &mut Report) {
    let count = if std::env::var("REPIN_HEAVY").as_deref() == Ok("1") { ALL } else { SAMPLE };
    report.scenario(&format!("{count} Applications, a pull request each, on the model of Gitea: repin and Renovate"));
    let registry = Registry::start(count, TAGS);
    let ours = by_repin(report, &registry, count);
    let Some(program) = std::env::var_os("REPIN_RENOVATE").map(PathBuf::from) else {
        report.note("left out: Renovate, for REPIN_RENOVATE does not name it (make bench-heavy installs it)");
        return;
    };
    let theirs = by_renovate(report, &program, &registry, count);
    for (what, ours, theirs) in [("first delivery", ours[0], theirs[0]), ("quiet run", ours[1], theirs[1])] {
        let times = |theirs: f64, ours: f64| theirs / ours;
        report.at_least(&format!("{what}, requests to the forge, times less"), times(theirs.1, ours.1), 1.0, "");
        report.at_least(
            &format!("{what}, wall, times less"),
            times(theirs.0.as_secs_f64(), ours.0.as_secs_f64()),
            1.0,
            "",
        );
    }
}

/// Wall time and requests to the forge.
type Figures = (Duration, f64);

fn by_repin(report: &Report, registry: &Registry, count: usize) -> [Figures; 2] {
    let remote = BareRemote::create();
    let forge = FakeForge::start(ForgeKind::Gitea, &remote);
    fill(&remote, registry.host(), count);
    let url = remote.url();
    let config = configure_with(&remote.scratch(), ("1s", &url, registry.host()), &forge.settings(), "pull-request");
    ["first delivery", "with everything open"].map(|what| {
        forge.clear_requests();
        let before = registry.requests();
        let (_, cost) = run(&repin("once", &config));
        let asked = forge.requests().len();
        report.row(&format!("repin once, {what}"), cost, (registry.requests() - before).all(), "-");
        report.note(&format!("{asked} requests to the forge"));
        assert_eq!(forge.open_pulls().len(), count);
        (cost.wall, asked as f64)
    })
}

fn by_renovate(report: &Report, program: &Path, registry: &Registry, count: usize) -> [Figures; 2] {
    let remote = BareRemote::create();
    let forge = FakeForge::start(ForgeKind::Gitea, &remote);
    fill(&remote, registry.host(), count);
    let front = Front::start(forge.web_url(), remote.url());
    let place = remote.scratch();
    let config = place.join("renovate.json");
    std::fs::write(&config, settings(&front, &forge, registry, &place)).unwrap();
    let figures = ["first delivery", "with everything open"].map(|what| {
        front.take_requests();
        let before = registry.requests();
        let cost = renovate(program, &config, &place);
        let asked = front.take_requests();
        report.row(&format!("Renovate, {what}"), cost, (registry.requests() - before).all(), "-");
        report.note(&format!("{} requests to the forge", asked.len()));
        assert_eq!(forge.open_pulls().len(), count, "{asked:#?}");
        (cost.wall, asked.len() as f64)
    });
    // It asks for more than the document names; what is of interest here is how often.
    forge.take_violations();
    figures
}

/// No limits, no dashboard and no changelogs: what repin does here, too. What it may keep between runs it keeps.
fn settings(front: &Front, forge: &FakeForge, registry: &Registry, place: &Path) -> String {
    json!({
        "platform": "gitea", "endpoint": front.address(), "token": forge.token(), "repositories": [PROJECT],
        "onboarding": false, "requireConfig": "optional", "dependencyDashboard": false, "fetchChangeLogs": "off",
        "enabledManagers": ["helm-values"], "prHourlyLimit": 0, "prConcurrentLimit": 0, "branchConcurrentLimit": 0,
        "hostRules": [{"matchHost": registry.host(), "insecureRegistry": true}],
        "baseDir": place.join("renovate"), "repositoryCache": "enabled", "persistRepoData": true,
    })
    .to_string()
}

/// What it says goes where the measuring process shows it if it fails.
fn renovate(program: &Path, config: &Path, place: &Path) -> Cost {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" >&2", "sh", "env", "-i", "GIT_CONFIG_NOSYSTEM=1", "LOG_LEVEL=info"]);
    command.arg(format!("PATH={}", std::env::var("PATH").unwrap()));
    command.arg(format!("HOME={}", place.display()));
    command.arg(format!("RENOVATE_CONFIG_FILE={}", config.display())).arg(program);
    run(&command).1
}
