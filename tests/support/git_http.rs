//! Git over HTTPS as people run it: nginx and fcgiwrap of Debian in front of `git http-backend`.
//!
//! Include it with `#[path = "support/git_http.rs"] mod …`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub const USER: &str = "robot";
/// A password that must never be seen in any text.
pub const PASSWORD: &str = "canary-PASSWORD-5d20";
/// The same as `{SHA}`, which nginx reads by itself.
const HASHED: &str = "robot:{SHA}@HASH@\nx-access-token:{SHA}@HASH@\n";

/// How often a port is chosen anew.
const TRIES: usize = 20;
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// The running servers. They end when this is dropped.
pub struct GitHttp {
    port: u16,
    processes: Vec<Child>,
    directory: TempDir,
}

impl GitHttp {
    /// Serves the bare repositories below `root`; `None`, said by name, where what it needs is not installed.
    ///
    /// `/git/<name>` wants user and password, `/open/<name>` neither, `/certified/<name>` a certificate of the client
    /// besides.
    pub fn start(root: &Path) -> Option<Self> {
        let programs = [("nginx", "nginx-light"), ("fcgiwrap", "fcgiwrap"), ("openssl", "openssl"), ("git", "git")];
        for (program, package) in programs {
            if find(program).is_none() {
                let why = format!("{program} is not installed (Debian package {package})");
                assert!(env::var("REPIN_REQUIRE_SERVERS").as_deref() != Ok("1"), "REPIN_REQUIRE_SERVERS=1, and {why}");
                std::io::stderr().write_all(format!("left out: Git over HTTPS: {why}\n").as_bytes()).unwrap();
                return None;
            }
        }
        for _ in 0..TRIES {
            let directory = tempfile::tempdir().unwrap();
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            write_settings(root, port, directory.path());
            let processes = vec![spawn_gateway(directory.path()), spawn_nginx(directory.path())];
            let mut server = Self { port, processes, directory };
            if server.comes_up() {
                return Some(server);
            }
        }
        panic!("nginx found no free port in {TRIES} tries");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives the address of a repository, such as `git/remote.git`.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.port)
    }

    /// Gives the certificate that `/certified/` wants, and its key.
    pub fn client_certificate(&self) -> (Vec<u8>, String) {
        let file = |name| fs::read_to_string(self.directory.path().join(name)).unwrap();
        (file("client.pem").into_bytes(), file("client.key"))
    }

    /// Gives the requests so far, one line each: method, path, status, user, length of the request's body.
    pub fn requests(&self) -> Vec<String> {
        // nginx writes the line after the client has its answer: the log is read when it has come to rest.
        let read = || fs::read_to_string(self.directory.path().join("access.log")).unwrap_or_default();
        let mut log = read();
        loop {
            thread::sleep(Duration::from_millis(60));
            let now = read();
            if now == log {
                break;
            }
            log = now;
        }
        log.lines().map(str::to_owned).collect()
    }

    /// Everything that the servers wrote down.
    pub fn logs(&self) -> String {
        ["access.log", "error.log", "out"]
            .iter()
            .map(|name| fs::read_to_string(self.directory.path().join(name)).unwrap_or_default())
            .collect()
    }

    fn comes_up(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        let socket = self.directory.path().join("gateway");
        while Instant::now() < until {
            if self.processes.iter_mut().any(|process| process.try_wait().unwrap().is_some()) {
                return false;
            }
            if socket.exists() && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not listen: {}", self.logs());
    }
}

impl Drop for GitHttp {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A file of the certificates that the tests of the registry client use too.
pub fn tls(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/registry/tls").join(name)
}

pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers where the PATH of people does not look.
    let places = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|directory| directory.join(program)).find(|file| file.is_file())
}

fn write_settings(root: &Path, port: u16, directory: &Path) {
    let programs = Command::new("git").arg("--exec-path").output().unwrap().stdout;
    let programs = String::from_utf8(programs).unwrap();
    fs::write(directory.join("passwords"), HASHED.replace("@HASH@", &hash())).unwrap();
    make_client_certificate(directory);
    // The worker of a server that root starts must see repositories that belong to root.
    let user = if is_root() { "user root;" } else { "" };
    let backend = |name: &str, more: &str| {
        format!(
            "location ~ ^/{name}(/.*)$ {{
              {more}
              fastcgi_param REQUEST_METHOD $request_method;
              fastcgi_param QUERY_STRING $query_string;
              fastcgi_param CONTENT_TYPE $content_type;
              fastcgi_param CONTENT_LENGTH $content_length;
              fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
              fastcgi_param SCRIPT_FILENAME {}/git-http-backend;
              fastcgi_param GIT_HTTP_EXPORT_ALL \"\";
              fastcgi_param GIT_PROJECT_ROOT {};
              fastcgi_param PATH_INFO $1;
              fastcgi_param REMOTE_USER $remote_user;
              fastcgi_param REMOTE_ADDR $remote_addr;
              fastcgi_read_timeout 300; fastcgi_buffering off;
              fastcgi_pass unix:{}/gateway;
            }}",
            programs.trim(),
            root.display(),
            directory.display()
        )
    };
    let basic = format!("auth_basic git; auth_basic_user_file {}/passwords;", directory.display());
    let text = format!(
        "{user} pid {dir}/pid; error_log {dir}/error.log; daemon off; master_process off;
        events {{}}
        http {{
          log_format short '$request_method $uri $status $remote_user $request_length';
          access_log {dir}/access.log short; client_max_body_size 8m;
          client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
          uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
          server {{
            listen 127.0.0.1:{port} ssl;
            ssl_certificate {cert}; ssl_certificate_key {key};
            ssl_client_certificate {ca}; ssl_verify_client optional;
            location = /git/remote/info/refs {{ return 301 /git/remote.git/info/refs?$args; }}
            location = /old/remote.git/info/refs {{ return 301 /git/remote.git/info/refs?$args; }}
            {git}
            {open}
            {certified}
          }}
        }}\n",
        dir = directory.display(),
        cert = tls("server.pem").display(),
        key = tls("server.key.pem").display(),
        ca = directory.join("client.pem").display(),
        git = backend("git", &basic),
        open = backend("open", ""),
        certified = backend("certified", &format!("if ($ssl_client_verify != SUCCESS) {{ return 496; }} {basic}")),
    );
    fs::write(directory.join("nginx.conf"), text).unwrap();
}

/// A certificate that is its own authority.
fn make_client_certificate(directory: &Path) {
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "30",
    ]);
    command.args(["-subj", "/CN=robot", "-addext", "extendedKeyUsage=clientAuth"]);
    command.args(["-keyout", "client.key", "-out", "client.pem"]).current_dir(directory);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn hash() -> String {
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha1", "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    let digest = child.wait_with_output().unwrap().stdout;
    assert_eq!(digest.len(), 20);
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(digest)
}

pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}

fn spawn_gateway(directory: &Path) -> Child {
    let mut command = Command::new(find("fcgiwrap").unwrap());
    command.arg("-s").arg(format!("unix:{}/gateway", directory.display()));
    spawn(command, directory)
}

fn spawn_nginx(directory: &Path) -> Child {
    let mut command = Command::new(find("nginx").unwrap());
    command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
    command.arg("-e").arg(directory.join("error.log"));
    spawn(command, directory)
}

pub fn spawn(mut command: Command, directory: &Path) -> Child {
    let log = File::options().create(true).append(true).open(directory.join("out")).unwrap();
    command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()).env("HOME", directory);
    command.current_dir(directory).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap()
}
