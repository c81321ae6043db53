//! Programs that give credentials, and programs that do not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use repin::credentials::Credentials;
use repin::registry::{Absent, DockerOptions, Login, Source};
use repin::secret::Secret;

use super::{assert_failed, basic, script, source};
use crate::CANARY;

struct Programs(tempfile::TempDir);

impl Programs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        script(self.0.path(), name, text)
    }

    /// A registry whose helper is this program.
    fn helper(&self, host: &str, absent: Absent, text: &str) -> Source {
        let program = self.write("docker-credential-own", text);
        let path = self.path("config.json");
        fs::write(&path, "{\"credsStore\": \"own\"}").unwrap();
        let helpers = [("own".to_owned(), program)].into_iter().collect();
        source(Login::Docker(DockerOptions { path, helpers, absent }), host)
    }

    fn script(&self, text: &str, expires: Option<Duration>) -> Source {
        source(Login::Program { path: self.write("auth.sh", text), expires }, "ghcr.io")
    }

    fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.path(name)).unwrap_or_default().lines().count()
    }
}

#[tokio::test]
async fn a_helper_is_told_get_and_the_server_and_answers_in_json() {
    let programs = Programs::new();
    let text = format!(
        "[ \"$*\" = get ] || exit 3\nserver=$(cat)\necho \"{{\\\"ServerURL\\\":\\\"$server\\\",\\\"Username\\\":\\\"$server\\\",\\\"Secret\\\":\\\"{CANARY}\\\"}}\""
    );
    let ghcr = programs.helper("ghcr.io", Absent::Refused, &text);
    assert_eq!(ghcr.credentials("acme/web").await, Ok(basic("ghcr.io", CANARY)));
    let token = programs.helper(
        "ghcr.io",
        Absent::Refused,
        &format!("echo '{{\"Username\":\"<token>\",\"Secret\":\"{CANARY}\"}}'"),
    );
    assert_eq!(token.credentials("acme/web").await, Ok(Credentials::IdentityToken(Secret::new(CANARY))));
    // Docker asks for Docker Hub by the name of old, and a user with a colon cannot be sent.
    let hub = programs.helper("docker.io", Absent::Refused, &text);
    assert_failed(hub.credentials("library/nginx").await, &["what it printed cannot be used"], false);
}

#[tokio::test]
async fn a_helper_that_has_nothing_is_no_failure() {
    let programs = Programs::new();
    let nothing = "echo 'credentials not found in native keychain'\nexit 1";
    let all = programs.helper("ghcr.io", Absent::Anonymous, nothing);
    assert_eq!(all.credentials("acme/web").await, Ok(Credentials::Anonymous));
    let own = programs.helper("ghcr.io", Absent::Refused, nothing);
    assert_failed(own.credentials("acme/web").await, &["no entry for ghcr.io"], false);
}

#[tokio::test]
async fn a_helper_that_fails_never_shows_what_it_said_and_nothing_is_asked_anonymously() {
    let programs = Programs::new();
    for (text, expected) in [
        (format!("echo {CANARY}\necho {CANARY} >&2\nexit 1"), "it ended with exit status: 1"),
        (format!("echo {CANARY}"), "what it printed is no JSON"),
        (format!("echo '{{\"Secret\": [\"{CANARY}\"]}}'"), "what it printed is no JSON"),
        ("kill -9 $$".to_owned(), "it ended with signal: 9"),
        (format!("yes {CANARY} | head -c 70000"), "it printed more than 65536 bytes"),
    ] {
        let failing = programs.helper("ghcr.io", Absent::Anonymous, &text);
        assert_failed(failing.credentials("acme/web").await, &["docker-credential-own", expected], true);
    }
    let gone = source(Login::Program { path: programs.path("gone"), expires: None }, "ghcr.io");
    assert_failed(gone.credentials("acme/web").await, &["it cannot be started: No such file"], false);
}

#[tokio::test]
async fn a_program_that_does_not_end_is_killed_with_all_that_it_started_and_its_failure_shared() {
    let programs = Programs::new();
    let pid = programs.path("pid");
    let hangs = format!("sleep 600 &\necho $! >> {}\nwait", pid.display());
    let stuck = programs.helper("ghcr.io", Absent::Anonymous, &hangs);
    let started = Instant::now();
    let (first, second) = tokio::join!(stuck.credentials("acme/web"), stuck.credentials("acme/api"));
    assert!(started.elapsed() < Duration::from_secs(20), "one wait for both");
    assert_failed(first, &["it did not end within 10 s"], true);
    assert_failed(second, &["it did not end within 10 s"], true);
    // Who comes just after does not wait again.
    assert_failed(stuck.credentials("acme/db").await, &["it did not end within 10 s"], true);
    assert_eq!(programs.lines("pid"), 1);
    let process = fs::read_to_string(&pid).unwrap();
    let process = Path::new("/proc").join(process.trim());
    let deadline = Instant::now() + Duration::from_secs(5);
    // Killed, it may stay as a zombie until it is waited for.
    let is_alive = || fs::read_to_string(process.join("cmdline")).is_ok_and(|line| line.contains("sleep"));
    while is_alive() {
        assert!(Instant::now() < deadline, "it still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_program_sees_nothing_of_our_own_secrets_and_no_shell_reads_its_name() {
    let programs = Programs::new();
    let seen = programs.path("seen");
    let path = programs
        .write("auth; touch oops.sh", &format!("env > {}\npwd >> {}\necho robot:pass", seen.display(), seen.display()));
    let own = source(Login::Program { path, expires: None }, "ghcr.io");
    assert_eq!(own.credentials("acme/web").await, Ok(basic("robot", "pass")));
    let seen = fs::read_to_string(seen).unwrap();
    let allowed = |name: &str| {
        [
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "TMPDIR",
            "TZ",
            "LANG",
            "PWD",
            "OLDPWD",
            "SHLVL",
            "_",
            "DOCKER_CONFIG",
            "GNUPGHOME",
        ]
        .contains(&name)
            || ["AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_", "IDENTITY_", "XDG_", "SSL_", "HTTP", "http", "NO_", "no_"]
                .iter()
                .any(|start| name.starts_with(start))
    };
    for line in seen.lines().filter(|line| line.contains('=')) {
        assert!(allowed(line.split('=').next().unwrap()), "{line}");
    }
    // Cargo sets these for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() && !seen.contains("CARGO"), "{seen}");
    assert!(seen.ends_with("/\n"), "it runs in the root: {seen}");
}

#[tokio::test]
async fn a_script_prints_user_and_password_and_is_run_again_when_they_end() {
    let programs = Programs::new();
    let ran = programs.path("ran");
    let count = format!("echo x >> {0}\necho \"robot:$(wc -l < {0} | tr -d ' ')\"", ran.display());
    let kept = programs.script(&count, None);
    assert_eq!(kept.credentials("acme/web").await, Ok(basic("robot", "1")));
    assert_eq!(kept.credentials("acme/api").await, Ok(basic("robot", "1")));
    let what = kept.describe("acme/web").await.unwrap();
    assert_eq!(what.to_string(), format!("user robot of the program {}", programs.path("auth.sh").display()));
    // Refused at once, it would print the same: nobody runs it for every image that is refused.
    assert!(!kept.refuse(&basic("robot", "1")).await);
    assert!(kept.refuse(&basic("robot", "0")).await, "what is refused was replaced meanwhile");
    assert_eq!(programs.lines("ran"), 1);
    let short = programs.script(&count, Some(Duration::ZERO));
    assert_eq!(short.credentials("acme/web").await, Ok(basic("robot", "2")));
    assert_eq!(short.credentials("acme/web").await, Ok(basic("robot", "3")));
    for (text, expected) in [
        (format!("echo {CANARY}"), "is not one line `user:password`"),
        (format!("echo robot:{CANARY}; echo more"), "is not one line `user:password`"),
        (":".to_owned(), "is not one line `user:password`"),
        (format!("echo robot:{CANARY}; exit 2"), "it ended with exit status: 2"),
    ] {
        assert_failed(programs.script(&text, None).credentials("acme/web").await, &["auth.sh", expected], true);
    }
}
