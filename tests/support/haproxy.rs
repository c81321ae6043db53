//! A real HAProxy in front of a registry, which breaks what it is told to break while it runs.
//!
//! Include it with `#[path = "support/haproxy.rs"] mod …`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How often a port is chosen anew.
const TRIES: usize = 20;
const PATIENCE: Duration = Duration::from_secs(20);

/// What is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// Lists of tags.
    Lists,
    /// Everything else: manifests and blobs.
    Rest,
}

impl Part {
    fn key(self) -> &'static str {
        match self {
            Self::Lists => "lists",
            Self::Rest => "rest",
        }
    }
}

/// How it is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    None,
    /// 429, and to be tried again in a second.
    TooMany,
    /// 503 with a web page, as load balancers send it.
    Unavailable,
    /// The connection is dropped, and nobody is told.
    Drop,
    /// The answer, an error, takes its time.
    Tarpit,
}

impl Fault {
    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::TooMany => "429",
            Self::Unavailable => "503",
            Self::Drop => "drop",
            Self::Tarpit => "tarpit",
        }
    }
}

/// The running proxy.
pub struct HaProxy {
    port: u16,
    process: Child,
    directory: TempDir,
}

impl HaProxy {
    /// Starts before the registry at this host and port; `None`, said by name, where HAProxy is not installed.
    #[allow(clippy::explicit_write, reason = "what eprintln says is hidden of a test that passes")]
    pub fn start(registry: &str) -> Option<Self> {
        let Some(program) = find("haproxy") else {
            let why = "haproxy is not installed (Debian package haproxy)";
            assert!(env::var("REPIN_REQUIRE_HAPROXY").as_deref() != Ok("1"), "REPIN_REQUIRE_HAPROXY=1, and {why}");
            writeln!(std::io::stderr(), "left out: a story behind HAProxy: {why}").unwrap();
            return None;
        };
        for _ in 0..TRIES {
            let directory = tempfile::tempdir().unwrap();
            // The port is free again a moment before HAProxy takes it, so another process may be faster.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            write_settings(directory.path(), port, registry);
            let log = File::create(directory.path().join("log")).unwrap();
            let process = Command::new(&program)
                .args(["-db", "-f", "haproxy.cfg"])
                .current_dir(directory.path())
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap();
            let mut proxy = Self { port, process, directory };
            if proxy.comes_up() {
                return Some(proxy);
            }
        }
        panic!("haproxy found no free port in {TRIES} tries");
    }

    /// Where the registry's API is behind it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Breaks something from now on, or mends it.
    pub fn set(&self, part: Part, fault: Fault) {
        let map = self.directory.path().join("faults").display().to_string();
        let said = self.command(&format!("set map {map} {} {}", part.key(), fault.word())).unwrap();
        assert_eq!(said.trim(), "", "{said}");
    }

    pub fn set_all(&self, fault: Fault) {
        for part in [Part::Lists, Part::Rest] {
            self.set(part, fault);
        }
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        let said = self.command("show stat").unwrap();
        let mut lines = said.lines();
        let names: Vec<&str> = lines.next().unwrap().trim_start_matches("# ").split(',').collect();
        let column = names.iter().position(|name| *name == "req_tot").unwrap();
        let frontend = lines.find(|line| line.starts_with("registry,FRONTEND")).unwrap();
        frontend.split(',').nth(column).unwrap().parse().unwrap()
    }

    fn command(&self, text: &str) -> std::io::Result<String> {
        let mut socket = UnixStream::connect(self.directory.path().join("admin"))?;
        writeln!(socket, "{text}")?;
        let mut said = String::new();
        socket.read_to_string(&mut said)?;
        Ok(said)
    }

    fn comes_up(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.process.try_wait().unwrap().is_some() {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                assert!(log.contains("cannot bind socket"), "haproxy ended: {log}");
                return false;
            }
            if self.command("show info").is_ok() && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("haproxy did not answer within {PATIENCE:?}");
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write_settings(directory: &Path, port: u16, registry: &str) {
    let faults = directory.join("faults");
    fs::write(&faults, "lists none\nrest none\n").unwrap();
    let fault = |word: &str| format!("if {{ var(txn.fault) -m str {word} }}");
    let map = |part: &str| format!("http-request set-var(txn.fault) str({part}),map({},none)", faults.display());
    let text = format!(
        "global\n  stats socket {admin} mode 600 level admin\n\
         defaults\n  mode http\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n  timeout tarpit 1s\n\
         frontend registry\n  bind 127.0.0.1:{port}\n  {lists} if {{ path_end /tags/list }}\n  {rest} unless {{ path_end /tags/list }}\n  \
         http-request return status 429 content-type application/json string '{{\"errors\":[{{\"code\":\"TOOMANYREQUESTS\"}}]}}' \
         hdr Retry-After 1 {too_many}\n  \
         http-request return status 503 content-type text/html string '<!DOCTYPE html><title>503</title>' {unavailable}\n  \
         http-request silent-drop {drop}\n  http-request tarpit deny_status 500 {tarpit}\n  default_backend real\n\
         backend real\n  server registry {registry}\n",
        admin = directory.join("admin").display(),
        lists = map("lists"),
        rest = map("rest"),
        too_many = fault("429"),
        unavailable = fault("503"),
        drop = fault("drop"),
        tarpit = fault("tarpit"),
    );
    fs::write(directory.join("haproxy.cfg"), text).unwrap();
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    places.map(|directory| directory.join(program)).find(|file| file.is_file())
}
