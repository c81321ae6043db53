//! A running daemon; killed when the story ends.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(60);

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

    /// Waits for so many finished cycles more.
    pub fn cycles(&self, more: usize) {
        let count = || self.log().lines().filter(|line| line.contains("cycle ended")).count();
        let wanted = count() + more;
        wait("cycles", || (count() >= wanted).then_some(()), || self.log());
    }

    /// The value of a metric, labels included in its name; `None` if it is not there.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics().lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    pub fn metrics(&self) -> String {
        let address = wait(
            "the address",
            || {
                let log = self.log();
                let line = log.lines().find(|line| line.contains("listening on http://"))?;
                Some(line.split("http://").nth(1)?.split([' ', '"']).next()?.to_owned())
            },
            || self.log(),
        );
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is there, and says what was instead if it does not come.
pub fn wait<T>(what: &str, mut found: impl FnMut() -> Option<T>, instead: impl Fn() -> String) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = found() {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} did not come within {PATIENCE:?}: {}", instead());
}
