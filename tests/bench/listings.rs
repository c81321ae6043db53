//! Long listings in which nothing is new, and 5,000 images that are looked into: requests, memory, and CPU beside that of
//! parsing the same JSON once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::daemon::{Daemon, configure, repin};
use crate::measure::{Cost, measure, quickest, run};
use crate::registry::{Registry, newest, pages};
use crate::report::{Report, mebibytes};
use crate::repository::{Stream, application, values};

const BUILDS: usize = 5_000;
/// Parsing is done so often, and the quickest run counts.
const RUNS: usize = 3;
/// So many cycles of a daemon are measured together.
const CYCLES: u64 = 16;

pub fn measure_all(report: &mut Report) {
    quiet(report, 300, 5_000, Duration::ZERO);
    // Beside one listing it counts what a cycle costs whatever is listed: git is asked, by a process of its own.
    let cycle = cycle_with_one_tag(report);
    quiet(report, 1, 50_000, cycle);
    look_into_builds(report);
}

/// Measures a daemon that has next to nothing to read.
fn cycle_with_one_tag(report: &mut Report) -> Duration {
    report.scenario("one image of one tag, nothing new");
    let (place, registry) = (tempfile::tempdir().unwrap(), Registry::start_with_tokens(1, 1));
    let remote = remote(place.path(), registry.host(), &["s0".to_owned()], &newest(1), application);
    let daemon = Daemon::start(&configure(place.path(), &format!("file://{}", remote.display()), registry.host()));
    let [_, (next, counts)] = daemon.first_and_next(CYCLES);
    report.row("daemon, a cycle", next, counts.registry, counts.advertisements);
    next.cpu
}

/// Images of which nothing is new. From a cycle of the daemon is taken what it costs without listings.
fn quiet(report: &mut Report, images: usize, tags: usize, cycle: Duration) {
    let what = format!("{images} x {tags} tags");
    report.scenario(&format!("{images} image(s) of {tags} tags each, in pages of 1,000, nothing new"));
    let names: Vec<String> = (0..images).map(|at| format!("s{at}")).collect();
    let configured = |place: &Path, registry: &Registry| {
        let remote = remote(place, registry.host(), &names, &newest(tags), application);
        configure(place, &format!("file://{}", remote.display()), registry.host())
    };
    let lists = (images * pages(tags).len()) as u64;

    let parsed = quickest(&(0..RUNS).map(|_| parse(images, tags)).collect::<Vec<_>>());
    report.row("serde_json alone, each page once", parsed, "-", "-");

    let (place, registry) = (tempfile::tempdir().unwrap(), Registry::start(images, tags));
    let config = configured(place.path(), &registry);
    run(&repin("once", &config));
    let before = registry.requests();
    let (_, cost) = run(&repin("once", &config));
    let sent = registry.requests() - before;
    report.row("repin once", cost, sent.all(), "-");
    assert_eq!((sent.listings, sent.all()), (lists, lists), "requests are pages");
    report.at_most(&format!("{what}, once, peak memory"), mebibytes(cost.peak), 100.0, " MiB");
    let times = |cpu: Duration| cpu.as_secs_f64() / parsed.cpu.as_secs_f64();
    // It starts a process and ranks every tag besides, which a daemon does only with a listing that changed.
    let most = if images == 1 { 20.0 } else { 12.0 };
    report.at_most(&format!("{what}, once, CPU, times parsing"), times(cost.cpu), most, "");

    let (place, registry) = (tempfile::tempdir().unwrap(), Registry::start_with_tokens(images, tags));
    let daemon = Daemon::start(&configured(place.path(), &registry));
    let [(first, begin), (next, counts)] = daemon.first_and_next(CYCLES);
    report.row("daemon, first cycle, with a token for each image", first, begin.registry, begin.advertisements);
    report.row("daemon, a cycle with nothing new", next, counts.registry, counts.advertisements);
    assert_eq!(counts.registry, lists, "requests are pages");
    assert_eq!(registry.requests().tokens, images as u64, "tokens are asked for in the first cycle only");
    report.at_most(&format!("{what}, daemon, peak memory"), mebibytes(next.peak), 100.0, " MiB");
    let beside = if cycle.is_zero() { "" } else { " beside one with one tag" };
    let figure = format!("{what}, daemon, CPU of a cycle{beside}, times parsing");
    report.at_most(&figure, times(next.cpu.saturating_sub(cycle)), 5.0, "");
}

/// One image by newest-build.
fn look_into_builds(report: &mut Report) {
    report.scenario(&format!("newest-build over {BUILDS} tags, an image each"));
    let place = tempfile::tempdir().unwrap();
    let registry = Registry::start(0, BUILDS);
    let names = ["builds".to_owned()];
    let remote = remote(place.path(), registry.host(), &names, &newest(BUILDS), |name, image, url, path| {
        let order = "image-list: \"app=";
        let by_date = "app.update-strategy: newest-build\n    repin.dev/image-list: \"app=";
        application(name, image, url, path).replace(":1.x", "").replace(order, by_date)
    });
    let config = configure(place.path(), &format!("file://{}", remote.display()), registry.host());
    let lists = pages(BUILDS).len() as u64;
    let once = |report: &mut Report, what: &str| {
        let before = registry.requests();
        let (said, cost) = run(&repin("once", &config));
        assert!(said.contains("current"), "{said}");
        let sent = registry.requests() - before;
        report.row(what, cost, sent.all(), "-");
        (cost, sent.all())
    };
    let (cost, sent) = once(report, "repin once, nothing known");
    report.at_most("5,000 builds, cold, requests", sent as f64, (2 * BUILDS as u64 + lists) as f64, "");
    report.at_most("5,000 builds, cold, peak memory", mebibytes(cost.peak), 100.0, " MiB");
    let (_, sent) = once(report, "repin once, all known on disk");
    report.at_most("5,000 builds, warm, requests beside the pages", (sent - lists) as f64, 1.0, "");
    let daemon = Daemon::start(&config);
    let [_, (next, counts)] = daemon.first_and_next(5);
    report.row("daemon, a cycle with nothing new", next, counts.registry, counts.advertisements);
    report.at_most("5,000 builds, daemon, requests beside the pages", (counts.registry - lists) as f64, 1.0, "");
    report.at_most("5,000 builds, daemon, CPU of a cycle", next.cpu.as_secs_f64(), 0.25, " s");
    report.at_most("5,000 builds, daemon, peak memory", mebibytes(next.peak), 100.0, " MiB");
}

fn parse(images: usize, tags: usize) -> Cost {
    #[derive(Deserialize)]
    struct Page {
        tags: Vec<String>,
    }
    let pages = pages(tags);
    let parse = |body: &bytes::Bytes| serde_json::from_slice::<Page>(body).unwrap().tags.len();
    let (sum, cost) = measure(|| (0..images).flat_map(|_| &pages).map(parse).sum::<usize>());
    assert_eq!(sum, images * tags);
    cost
}

fn remote(
    place: &Path,
    host: &str,
    names: &[String],
    tag: &str,
    manifest: impl Fn(&str, &str, &str, &str) -> String,
) -> PathBuf {
    let bare = place.join("remote.git");
    let mut stream = Stream::new();
    stream.commit("Add everything");
    for name in names {
        let (image, path) = (format!("{host}/acme/{name}"), format!("apps/{name}"));
        let url = format!("file://{}", bare.display());
        stream.file(&format!("argocd/{name}.yaml"), &manifest(name, &image, &url, &path));
        stream.file(&format!("{path}/values.yaml"), &values(&image, tag));
    }
    stream.import(&bare)
}
