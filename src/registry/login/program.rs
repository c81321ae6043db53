//! Programs that give credentials: docker's credential helpers, and scripts that print `user:password`.
//!
//! Only programs that the operator listed by path are run, without a shell, with a time limit, a cap on what they print and
//! an environment that holds none of repin's own secrets. What they write to standard error, and what they print when
//! they fail, is never shown: it may hold anything. Protocol: docker-credential-helpers, "Development".

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::credentials::Credentials;
use crate::registry::login::docker_config::{credentials, whose};
use crate::registry::login::{Lease, LoginError};

/// How long a program may run.
const LIMIT: Duration = Duration::from_secs(10);
/// Most that it may print, in bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// How long the answer of a helper is used: the protocol has no end of it, and helpers keep tokens themselves.
const LASTS: Duration = Duration::from_secs(5 * 60);
/// What a program gets of our environment: what programs need to run, and what names a person or a machine to a cloud.
const KEPT: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TZ",
    "LANG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "DOCKER_CONFIG",
    "GNUPGHOME",
    "PASSWORD_STORE_DIR",
];
/// The same by their first letters.
const KEPT_PREFIXES: &[&str] = &["AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "IDENTITY_", "XDG_"];

/// Asks a credential helper. `Anonymous` if it has nothing for this server.
///
/// # Errors
/// It cannot be run, fails, or gives no credentials.
pub(super) async fn helper(program: &Path, server: &str, what: &str) -> Result<Lease, LoginError> {
    /// `Secret` is the only part that is one.
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        #[serde(default)]
        username: String,
        #[serde(default)]
        secret: String,
    }
    let run = run(program, &["get"], server).await?;
    let lease = |credentials, what| Lease::of(credentials, what, LASTS);
    if !run.is_success {
        // The one answer that is no failure; helpers of other languages write it in lower case or after a prefix.
        let text = String::from_utf8_lossy(&run.output).to_ascii_lowercase();
        if text.contains("credentials not found") {
            return Ok(lease(Credentials::Anonymous, what.to_owned()));
        }
        return Err(LoginError::passing(shown(program), failed("get", server, &run.status)));
    }
    let answer: Answer = serde_json::from_slice(&run.output)
        .map_err(|_| LoginError::passing(shown(program), "what it printed is no JSON with `Username` and `Secret`"))?;
    if answer.username.is_empty() && answer.secret.is_empty() {
        return Ok(lease(Credentials::Anonymous, what.to_owned()));
    }
    let read = credentials(answer.username, answer.secret)
        .map_err(|reason| LoginError::lasting(shown(program), format!("what it printed cannot be used: {reason}")))?;
    let what = format!("{} of {what}", whose(&read));
    Ok(lease(read, what))
}

/// Runs a script that prints `user:password`.
///
/// # Errors
/// As [`helper`].
pub(super) async fn printed(program: &Path, expires: Option<Duration>) -> Result<Lease, LoginError> {
    let run = run(program, &[], "").await?;
    if !run.is_success {
        return Err(LoginError::passing(
            shown(program),
            format!("it ended with {}; run it by hand to see why", run.status),
        ));
    }
    let bad = |reason: &str| LoginError::passing(shown(program), reason.to_owned());
    let text = String::from_utf8(run.output).map_err(|_| bad("what it printed is not UTF-8"))?;
    let rule = "what it printed is not one line `user:password`";
    let (user, password) = text.trim().split_once(':').ok_or_else(|| bad(rule))?;
    let read = credentials(user.to_owned(), password.to_owned()).map_err(|_| bad(rule))?;
    let what = format!("{} of the program {}", whose(&read), program.display());
    Ok(match expires {
        Some(expires) => Lease::of(read, what, expires),
        None => Lease { credentials: read, what, until: None },
    })
}

/// How a program ended.
struct Run {
    is_success: bool,
    status: String,
    output: Vec<u8>,
}

/// A running program with all that it started, by its process id, which is that of the group. Dropped, they are killed: a
/// script whose own child hangs would leave one behind at each try.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0.and_then(|id| i32::try_from(id).ok()) {
            // The program was not waited for yet, so the id is still its own. If all are gone, nothing is to be done.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

async fn run(program: &Path, arguments: &[&str], input: &str) -> Result<Run, LoginError> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").env_clear().envs(std::env::vars_os().filter(|(name, _)| is_kept(name)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A group of its own: an interrupt at the terminal is meant for us. Dropped, that is at the limit, it is killed.
    command.process_group(0).kill_on_drop(true);
    let began = |error: std::io::Error| LoginError::lasting(shown(program), format!("it cannot be started: {error}"));
    let mut child = command.spawn().map_err(began)?;
    let mut group = Group(child.id());
    let talk = async {
        if let Some(mut stdin) = child.stdin.take() {
            // A program that reads nothing has closed it.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = stdout.take(MAX_BYTES + 1).read_to_end(&mut output).await;
        }
        if output.len() as u64 > MAX_BYTES {
            return Err(LoginError::passing(shown(program), format!("it printed more than {MAX_BYTES} bytes")));
        }
        let status = child.wait().await;
        group.0 = None;
        let status = status.map_err(|error| LoginError::passing(shown(program), format!("it was lost: {error}")))?;
        Ok(Run { is_success: status.success(), status: status.to_string(), output })
    };
    let late = || LoginError::passing(shown(program), format!("it did not end within {} s", LIMIT.as_secs()));
    tokio::time::timeout(LIMIT, talk).await.unwrap_or_else(|_| Err(late()))
}

fn is_kept(name: &std::ffi::OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn failed(action: &str, server: &str, status: &str) -> String {
    format!("it ended with {status}; try it by hand: write {server} to the input of `{action}`")
}

fn shown(program: &Path) -> String {
    format!("the program {}", program.display().to_string().replace(char::is_control, " "))
}
