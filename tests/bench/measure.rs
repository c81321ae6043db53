//! Wall, CPU and memory of this process, of children, and of a running daemon.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};

/// What some work cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub wall: Duration,
    /// User and system time, children included.
    pub cpu: Duration,
    /// Peak resident memory in KiB, of the largest process; 0 = not measured.
    pub peak: u64,
}

impl std::ops::Add for Cost {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { wall: self.wall + other.wall, cpu: self.cpu + other.cpu, peak: self.peak.max(other.peak) }
    }
}

/// The least of several runs of the same work.
pub fn quickest(costs: &[Cost]) -> Cost {
    Cost {
        wall: costs.iter().map(|cost| cost.wall).min().unwrap(),
        cpu: costs.iter().map(|cost| cost.cpu).min().unwrap(),
        peak: costs.iter().map(|cost| cost.peak).max().unwrap(),
    }
}

fn cpu_of(usage: &Usage) -> Duration {
    let micros = |time: nix::sys::time::TimeVal| {
        let (seconds, micros) = (u64::try_from(time.tv_sec()).unwrap(), u64::try_from(time.tv_usec()).unwrap());
        Duration::from_micros(seconds * 1_000_000 + micros)
    };
    micros(usage.user_time()) + micros(usage.system_time())
}

/// CPU of this process and of the children that it has waited for.
fn cpu() -> Duration {
    let of = |who| cpu_of(&getrusage(who).unwrap());
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}

/// Measures work of this process and its children.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let (begin, before) = (Instant::now(), cpu());
    let result = work();
    (result, Cost { wall: begin.elapsed(), cpu: cpu() - before, peak: 0 })
}

/// First argument of this program when it only measures another one. The small process in between is there because
/// Linux counts the memory of whoever started a program as memory of the program.
pub const MEASURE: &str = "--measure";

/// Runs a program to its end and gives its output with its cost, descendants included.
pub fn run(command: &Command) -> (String, Cost) {
    let mut own = Command::new(std::env::current_exe().unwrap());
    own.arg(MEASURE).arg(command.get_program()).args(command.get_args());
    let begin = Instant::now();
    let output = own.stdin(Stdio::null()).output().unwrap();
    let wall = begin.elapsed();
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    // 4 says that changes are pending, which is what `repin plan` is run for.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{command:?}: {talk}");
    let figures = talk.lines().rev().find_map(|line| line.strip_prefix(MEASURE)).unwrap();
    let mut figures = figures.split_whitespace().map(|figure| figure.parse::<u64>().unwrap());
    let (cpu, peak) = (Duration::from_micros(figures.next().unwrap()), figures.next().unwrap());
    (String::from_utf8(output.stdout).unwrap(), Cost { wall, cpu, peak })
}

/// What this program does behind [`MEASURE`].
pub fn measured(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> i32 {
    let status = Command::new(arguments.next().unwrap()).args(arguments).status().unwrap();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    eprintln!("{MEASURE} {} {}", cpu_of(&usage).as_micros(), usage.max_rss());
    status.code().unwrap_or(101)
}

/// A process that ends with this value.
pub struct Running(pub Child);

impl Running {
    /// CPU so far, children included that have ended; a hundredth of a second is the smallest step.
    pub fn cpu(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields = text.rsplit_once(") ").unwrap().1;
        // proc_pid_stat(5): utime, stime, cutime and cstime are fields 14 to 17, and the third one is the first here.
        let ticks: u64 = fields.split(' ').skip(11).take(4).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Peak resident memory in KiB.
    pub fn peak(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs git with an identity of its own and without anybody's configuration.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = git_command(directory, arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

pub fn git_command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(directory).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", directory).env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "A Person").env(format!("GIT_{role}_EMAIL"), "person@example.com");
    }
    command
}
