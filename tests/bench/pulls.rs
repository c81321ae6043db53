//! 300 Applications in one repository that are delivered by pull request: the first delivery, and what the daemon costs
//! with all of them open. The forge is the model of the tests, in this process, with the bare repository behind it.

use std::time::Duration;

use repin::model::forge::ForgeKind;

use crate::daemon::{Counts, Daemon, configure_with};
use crate::forge::{FakeForge, Request};
use crate::measure::Cost;
use crate::registry::{Registry, newest};
use crate::remote::BareRemote;
use crate::report::Report;
use crate::repository::{Stream, application, values};

const APPLICATIONS: usize = 300;
const TAGS: usize = 50;
/// So many get a newer tag at once.
const NEWER: usize = 10;
/// Pull requests on a page of GitHub's lists.
const PAGE: usize = 100;
/// Time between two cycles: more than one takes, so that the requests of the next one are not counted with it.
const SCHEDULE: &str = "10s";
/// Cycles in which nothing moves.
const QUIET: u64 = 3;

pub fn measure_all(report: &mut Report) {
    let registry = Registry::start(APPLICATIONS, TAGS);
    let remote = BareRemote::create();
    let forge = FakeForge::start(ForgeKind::GitHub, &remote);
    report.scenario("300 Applications in one repository, each with a pull request of its own, on the model of GitHub");
    fill(&remote, registry.host(), APPLICATIONS);
    let config = configure_with(
        remote.scratch().as_path(),
        (SCHEDULE, &remote.url(), registry.host()),
        &forge.settings(),
        "pull-request",
    );
    let daemon = Daemon::start(&config);
    let mut watch = Watch::start(&daemon, &forge);

    let first = watch.cycles(1);
    assert_eq!(forge.open_pulls().len(), APPLICATIONS);
    assert_eq!(first.counts.delivered, APPLICATIONS as u64);
    first.print(report, "first delivery, everything cold");
    report.at_most("first delivery, pushes", first.counts.pushes as f64, 1.0, "");
    report.at_most("first delivery, forge writes per pull request", first.seen.writes / APPLICATIONS as f64, 1.0, "");
    report.at_most("first delivery, forge reads besides", first.seen.reads(), 4.0, "");

    // One cycle more, so that what the first one left behind is not counted.
    watch.cycles(1);
    let quiet = watch.cycles(QUIET);
    quiet.print(report, "a cycle in which nothing moved, 300 open");
    let lists = APPLICATIONS.div_ceil(PAGE) as f64 + 1.0;
    report.at_most("quiet cycle, forge requests: pages of open ones and one of closed", quiet.seen.all(), lists, "");
    report.at_most("quiet cycle, of these not conditional", quiet.seen.unconditional, 0.0, "");
    report.at_most("quiet cycle, forge writes", quiet.seen.writes, 0.0, "");
    report.at_most("quiet cycle, fetches and pushes", (quiet.counts.fetches + quiet.counts.pushes) as f64, 0.0, "");
    // It asks the registry twice for each image and plans each edit anew, as the first one does.
    let part = |cost: Cost| cost.cpu.as_secs_f64() / first.cost.cpu.as_secs_f64();
    report.at_most("quiet cycle, CPU as part of the first", part(quiet.cost), 0.2, "");

    note(&remote, "Read me.\n");
    let moved = watch.cycles(1);
    moved.print(report, "a cycle after a commit to the base that touches none");
    assert!(forge.open_pulls().len() == APPLICATIONS && is_on_base(&remote), "all of them follow the base");
    report.at_most("base moved, forge requests", moved.seen.all(), lists, "");
    report.at_most("base moved, forge writes", moved.seen.writes, 0.0, "");
    report.at_most("base moved, pushes", moved.counts.pushes as f64, 1.0, "");

    watch.cycles(1);
    registry.publish(NEWER);
    let newer = watch.cycles(1);
    newer.print(report, "a cycle in which 10 images have a newer tag");
    let tag = newest(TAGS + 1);
    let updated = forge.open_pulls().iter().filter(|pull| pull.title.contains(&tag)).count();
    assert_eq!((updated, newer.counts.delivered), (NEWER, NEWER as u64));
    report.at_most("10 newer tags, pushes", newer.counts.pushes as f64, 1.0, "");
    report.at_most("10 newer tags, forge writes", newer.seen.writes, NEWER as f64, "");
    // Whether somebody has taken part is asked of what is updated, comments and reviews, and once who repin itself is.
    report.at_most("10 newer tags, forge reads", newer.seen.reads(), lists + 1.0 + 2.0 * NEWER as f64, "");
}

/// So many services, all behind.
pub fn fill(remote: &BareRemote, host: &str, count: usize) {
    let mut stream = Stream::new();
    stream.commit("Add everything");
    for at in 0..count {
        let (app, image) = (format!("s{at}"), format!("{host}/acme/s{at}"));
        let path = format!("apps/{app}");
        stream.file(&format!("argocd/{app}.yaml"), &application(&app, &image, &remote.url(), &path));
        stream.file(&format!("{path}/values.yaml"), &values(&image, "1.0.0"));
        stream.file(&format!("{path}/Chart.yaml"), &format!("apiVersion: v2\nname: {app}\nversion: 0.1.0\n"));
    }
    stream.append(&remote.path());
}

/// A person's commit to the base.
fn note(remote: &BareRemote, text: &str) {
    let mut stream = Stream::new();
    stream.commit_on_top("A note");
    stream.file("NOTES.md", text);
    stream.append(&remote.path());
}

fn is_on_base(remote: &BareRemote) -> bool {
    let parents = remote.git(&["for-each-ref", "--format=%(parent)", "refs/heads/repin"]);
    let head = remote.head();
    parents.lines().count() == APPLICATIONS && parents.lines().all(|parent| parent == head)
}

/// What the forge was asked, of one cycle.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Pages of the lists of open and closed ones.
    pub open: f64,
    pub closed: f64,
    /// Other reads.
    pub others: f64,
    pub writes: f64,
    /// Reads that did not say what is known already.
    pub unconditional: f64,
}

impl Seen {
    pub fn of(requests: &[Request], cycles: f64) -> Self {
        let count = |is: &dyn Fn(&Request) -> bool| requests.iter().filter(|one| is(one)).count() as f64 / cycles;
        let is_read = |one: &Request| one.method == "GET";
        let lists =
            |one: &Request, state: &str| is_read(one) && one.path.contains("/pulls?") && one.path.contains(state);
        Self {
            open: count(&|one| lists(one, "state=open")),
            closed: count(&|one| lists(one, "state=closed")),
            others: count(&|one| is_read(one) && !lists(one, "state=")),
            writes: count(&|one| !is_read(one)),
            unconditional: count(&|one| is_read(one) && !one.conditional),
        }
    }

    pub fn reads(self) -> f64 {
        self.open + self.closed + self.others
    }

    pub fn all(self) -> f64 {
        self.reads() + self.writes
    }
}

/// One cycle, or the average of several.
struct Measured {
    cost: Cost,
    counts: Counts,
    seen: Seen,
}

impl Measured {
    fn print(&self, report: &Report, what: &str) {
        let Counts { advertisements, fetches, pushes, registry, .. } = self.counts;
        report.row(what, self.cost, registry, format!("{advertisements} asked, {fetches} fetched, {pushes} pushed"));
        let Seen { open, closed, others, writes, unconditional } = self.seen;
        report.note(&format!(
            "forge: {open} pages of open ones, {closed} of closed ones, {others} other reads, {writes} writes; {unconditional} reads not conditional"
        ));
    }
}

/// A daemon and the forge that it asks.
struct Watch<'a> {
    daemon: &'a Daemon,
    forge: &'a FakeForge,
    counts: Counts,
    cpu: Duration,
}

impl<'a> Watch<'a> {
    fn start(daemon: &'a Daemon, forge: &'a FakeForge) -> Self {
        Self { daemon, forge, counts: Counts::default(), cpu: Duration::ZERO }
    }

    /// Waits for the end of so many more cycles.
    fn cycles(&mut self, more: u64) -> Measured {
        let wanted = self.counts.cycles + more;
        let (counts, cpu) = self.daemon.after(wanted);
        assert_eq!(counts.cycles, wanted, "the machine is too busy to tell the cycles apart");
        let requests = self.forge.requests();
        self.forge.clear_requests();
        let since = counts - self.counts;
        let average = u32::try_from(more).unwrap();
        let wall = Duration::from_secs_f64(since.seconds) / average;
        let cost = Cost { wall, cpu: (cpu - self.cpu) / average, peak: self.daemon.peak() };
        (self.counts, self.cpu) = (counts, cpu);
        Measured { cost, counts: since / more, seen: Seen::of(&requests, more as f64) }
    }
}
