//! A running daemon, and waiting for what it does.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::world::World;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon; killed when the story ends.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    pub fn start(world: &World) -> Self {
        Self::start_with(world, |_| ())
    }

    pub fn start_with(world: &World, prepare: impl FnOnce(&mut Command)) -> Self {
        let log = world.remote.scratch().join("daemon.log");
        let mut command = world.command(&["run"]);
        prepare(&mut command);
        let child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        Self { child, log }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for a line of the log, and gives it.
    pub fn said(&self, part: &str) -> String {
        wait(part, || self.log().lines().find(|line| line.contains(part)).map(str::to_owned), || self.log())
    }

    /// Waits for so many finished cycles more.
    pub fn cycles(&self, more: usize) {
        let count = || self.log().lines().filter(|line| line.contains("cycle ended")).count();
        let wanted = count() + more;
        wait("cycles", || (count() >= wanted).then_some(()), || self.log());
    }

    pub fn address(&self) -> String {
        self.said("listening on http://").split("http://").nth(1).unwrap().split([' ', '"']).next().unwrap().to_owned()
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        get(&self.address(), path)
    }

    pub fn metrics(&self) -> String {
        let text = self.get("/metrics").1;
        crate::remote::holds_no_secret("the metrics", &text);
        text
    }

    /// The value of a metric, labels included in its name; `None` if it is not there.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics().lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end, and gives how it ended and how long it took.
    pub fn end(&mut self) -> (ExitStatus, Duration) {
        let begin = Instant::now();
        let log = self.log.clone();
        let child = &mut self.child;
        let status = wait("the end", || child.try_wait().unwrap(), || std::fs::read_to_string(&log).unwrap());
        (status, begin.elapsed())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        crate::remote::holds_no_secret("the log", &self.log());
    }
}

pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>, tell: impl Fn() -> String) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "no {what}:\n{}", tell());
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn get(address: &str, path: &str) -> (u16, String) {
    get_with(address, path, "")
}

pub fn get_with(address: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}connection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub fn wait_for_tag(world: &World, daemon: &Daemon, name: &str, tag: &str) {
    wait(tag, || (world.tag(name) == tag).then_some(()), || daemon.log());
}

pub fn served(config: &str) -> String {
    config.replace("server: null", "server: {listen: 127.0.0.1:0}")
}
