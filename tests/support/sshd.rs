//! Git over ssh as people run it: the sshd of OpenSSH with host keys of its own, and git's restricted shell behind it.
//!
//! Include it with `#[path = "support/sshd.rs"] mod …`, beside `git_http`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::git_http::{find, is_root, spawn};

/// How often a port is chosen anew.
const TRIES: usize = 20;
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The running server. It ends when this is dropped.
pub struct Sshd {
    port: u16,
    process: Child,
    directory: TempDir,
}

impl Sshd {
    /// Starts a server that takes the key of [`Sshd::key`] for every kind; `None`, said by name, where what it needs is
    /// not installed.
    pub fn start() -> Option<Self> {
        let programs = [("sshd", "openssh-server"), ("ssh-keygen", "openssh-client"), ("ssh-agent", "openssh-client")];
        for (program, package) in programs {
            if find(program).is_none() {
                let why = format!("{program} is not installed (Debian package {package})");
                assert!(env::var("REPIN_REQUIRE_SERVERS").as_deref() != Ok("1"), "REPIN_REQUIRE_SERVERS=1, and {why}");
                std::io::stderr().write_all(format!("left out: Git over ssh: {why}\n").as_bytes()).unwrap();
                return None;
            }
        }
        if is_root() {
            // Debian's sshd wants this place of its own; without a service manager nobody makes it.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        for _ in 0..TRIES {
            let directory = tempfile::tempdir().unwrap();
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let place = directory.path();
            for kind in ["ed25519", "ecdsa"] {
                make_key(&place.join(format!("host-{kind}")), kind, "");
            }
            fs::write(place.join("authorized"), "").unwrap();
            write_settings(place, port);
            let mut command = Command::new(find("sshd").unwrap());
            command.args(["-D", "-e", "-f"]).arg(place.join("sshd_config"));
            let process = spawn(command, place);
            let mut server = Self { port, process, directory };
            if server.comes_up() {
                return Some(server);
            }
        }
        panic!("sshd found no free port in {TRIES} tries");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Gives the URL of a repository by its path.
    pub fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", user(), self.port, path.display())
    }

    /// Makes a user's key and lets it in; gives its file.
    pub fn key(&self, kind: &str, passphrase: &str) -> PathBuf {
        let file = self.stranger(kind, passphrase);
        let mut authorized = fs::OpenOptions::new().append(true).open(self.path().join("authorized")).unwrap();
        authorized.write_all(&fs::read(file.with_extension("pub")).unwrap()).unwrap();
        file
    }

    /// Makes a user's key that is not let in; gives its file.
    pub fn stranger(&self, kind: &str, passphrase: &str) -> PathBuf {
        let count = fs::read_dir(self.path()).unwrap().count();
        let file = self.path().join(format!("user-{kind}-{count}"));
        make_key(&file, kind, passphrase);
        file
    }

    /// Writes a file of known hosts with this server's key of a kind under a name.
    pub fn known_hosts(&self, name: &str, kind: &str) -> PathBuf {
        let key = fs::read_to_string(self.path().join(format!("host-{kind}.pub"))).unwrap();
        self.write_known_hosts(&format!("{name} {key}"))
    }

    pub fn write_known_hosts(&self, text: &str) -> PathBuf {
        let count = fs::read_dir(self.path()).unwrap().count();
        let file = self.path().join(format!("known-{count}"));
        fs::write(&file, text).unwrap();
        file
    }

    /// Gives the name under which this server is known.
    pub fn name(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// Gives the fingerprint of a host key.
    pub fn fingerprint(&self, kind: &str) -> String {
        let mut command = Command::new("ssh-keygen");
        let output = command.arg("-lf").arg(self.path().join(format!("host-{kind}"))).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    }

    /// Starts an agent with these keys.
    pub fn agent(&self, keys: &[&Path]) -> Agent {
        let socket = self.path().join("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket);
        let process = spawn(command, self.path());
        let agent = Agent { socket, process };
        let until = Instant::now() + PATIENCE;
        while !agent.socket.exists() {
            assert!(Instant::now() < until, "the agent does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        for key in keys {
            let mut command = Command::new("ssh-add");
            let output = command.arg(key).env("SSH_AUTH_SOCK", &agent.socket).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        agent
    }

    /// Everything that the server wrote down.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("out")).unwrap_or_default()
    }

    fn comes_up(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                let mut greeting = [0; 4];
                return stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-";
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("sshd does not listen: {}", self.log());
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A running ssh agent. It ends when this is dropped.
pub struct Agent {
    pub socket: PathBuf,
    process: Child,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn make_key(file: &Path, kind: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"]).arg(file).stdin(Stdio::null());
    if kind == "rsa" {
        command.args(["-b", "2048"]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn write_settings(place: &Path, port: u16) {
    let path = env::var("PATH").unwrap();
    let text = format!(
        "ListenAddress 127.0.0.1:{port}\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
         HostKey {place}/host-ed25519\nHostKey {place}/host-ecdsa\nAuthorizedKeysFile {place}/authorized\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel VERBOSE\nSetEnv PATH={path}\n\
         ForceCommand exec git shell -c \"$SSH_ORIGINAL_COMMAND\"\n",
        place = place.display()
    );
    fs::write(place.join("sshd_config"), text).unwrap();
}
