//! The real program: one cycle, and the daemon.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::measure::{Cost, Running};

const PATIENCE: Duration = Duration::from_secs(300);

/// Writes a configuration for one repository and one registry.
pub fn configure(directory: &Path, url: &str, registry: &str) -> PathBuf {
    configure_with(directory, ("1s", url, registry), "", "commit")
}

/// The same with a schedule, more lines for the repository, and a delivery.
pub fn configure_with(
    directory: &Path,
    (schedule, url, registry): (&str, &str, &str),
    repository: &str,
    delivery: &str,
) -> PathBuf {
    let text = format!(
        "schedule: {schedule}\nserver: {{listen: \"127.0.0.1:0\"}}\ncache: {{path: {cache}}}\nrepositories:\n  - name: gitops\n    url: {url}\n    \
         branch: main\n{repository}registries:\n  - host: \"{registry}\"\n    insecure: true\nrules:\n  - match: {{path: \"apps/**\"}}\n    delivery: {delivery}\n",
        cache = directory.join("cache").display(),
    );
    let file = directory.join("repin.yaml");
    std::fs::write(&file, text).unwrap();
    file
}

/// The program with a clean environment.
pub fn repin(command: &str, config: &Path) -> Command {
    let mut repin = Command::new(env!("CARGO_BIN_EXE_repin"));
    repin.args([command, "--config"]).arg(config);
    repin
}

/// A running daemon.
pub struct Daemon {
    running: Running,
    address: String,
}

/// What the daemon counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub cycles: u64,
    pub delivered: u64,
    pub registry: u64,
    pub advertisements: u64,
    pub fetches: u64,
    pub pushes: u64,
    /// Directories of heads, directories of commits that were compared, and files.
    pub trees: u64,
    pub compared: u64,
    pub blobs: u64,
    /// Seconds in cycles.
    pub seconds: f64,
}

impl std::ops::Sub for Counts {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            cycles: self.cycles - other.cycles,
            delivered: self.delivered - other.delivered,
            registry: self.registry - other.registry,
            advertisements: self.advertisements - other.advertisements,
            fetches: self.fetches - other.fetches,
            pushes: self.pushes - other.pushes,
            trees: self.trees - other.trees,
            compared: self.compared - other.compared,
            blobs: self.blobs - other.blobs,
            seconds: self.seconds - other.seconds,
        }
    }
}

impl std::ops::Div<u64> for Counts {
    type Output = Self;
    /// What one of so many cycles did; how many cycles and deliveries there were stays.
    fn div(self, cycles: u64) -> Self {
        Self {
            registry: self.registry / cycles,
            advertisements: self.advertisements / cycles,
            fetches: self.fetches / cycles,
            pushes: self.pushes / cycles,
            trees: self.trees / cycles,
            compared: self.compared / cycles,
            blobs: self.blobs / cycles,
            seconds: self.seconds / cycles as f64,
            ..self
        }
    }
}

impl Daemon {
    pub fn start(config: &Path) -> Self {
        let mut command = repin("run", config);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", config.parent().unwrap());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on http://") {
                    let _ = sender.send(rest.split([' ', '"']).next().unwrap().to_owned());
                }
            }
        });
        let running = Running(child);
        let address = receiver.recv_timeout(PATIENCE).unwrap();
        Self { running, address }
    }

    pub fn counts(&self) -> Counts {
        let text = crate::http::get(&self.address, "/metrics");
        let read = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.map_or(0.0, |value| value.parse().unwrap())
        };
        let count = |name: &str| read(name) as u64;
        Counts {
            cycles: count("repin_cycles_total"),
            delivered: count("repin_deliveries_total"),
            registry: count("repin_registry_requests_total"),
            advertisements: count("repin_git_requests_total{kind=\"advertisement\"}"),
            fetches: count("repin_git_requests_total{kind=\"fetch\"}"),
            pushes: count("repin_git_requests_total{kind=\"push\"}"),
            trees: count("repin_git_objects_read_total{kind=\"tree\"}"),
            compared: count("repin_git_objects_read_total{kind=\"compared\"}"),
            blobs: count("repin_git_objects_read_total{kind=\"blob\"}"),
            seconds: read("repin_cycle_duration_seconds_sum"),
        }
    }

    /// Waits until so many cycles have ended, and gives the counts and the CPU of then.
    pub fn after(&self, cycles: u64) -> (Counts, Duration) {
        let begin = Instant::now();
        loop {
            let counts = self.counts();
            if counts.cycles >= cycles {
                return (counts, self.running.cpu());
            }
            assert!(begin.elapsed() < PATIENCE, "no {cycles} cycles: {counts:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub fn peak(&self) -> u64 {
        self.running.peak()
    }

    /// Measures the first cycle and the average of `more` further ones.
    pub fn first_and_next(&self, more: u64) -> [(Cost, Counts); 2] {
        let (first, cpu) = self.after(1);
        let wall = Duration::from_secs_f64(first.seconds);
        let begin = (Cost { wall, cpu, peak: self.peak() }, first);
        // One cycle more, so that what the first one left behind is not counted.
        let (from, cpu_from) = self.after(first.cycles + 1);
        let (to, cpu_to) = self.after(from.cycles + more);
        let counts = (to - from) / (to.cycles - from.cycles);
        let wall = Duration::from_secs_f64(counts.seconds);
        let cpu = (cpu_to - cpu_from) / u32::try_from(counts.cycles).unwrap();
        [begin, (Cost { wall, cpu, peak: self.peak() }, counts)]
    }
}
