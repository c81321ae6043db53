//! `repin demo` as a person runs it: what it tells, how long it takes, when it is in colour, and how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The longest that the demo may take by itself.
const LIMIT: Duration = Duration::from_secs(15);
const ESCAPE: char = '\u{1b}';

/// The demo, in a directory of its own for whatever it leaves behind.
fn demo(arguments: &[&str], temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
    command.arg("demo").args(arguments).env("TMPDIR", temporary).stdin(Stdio::null());
    for name in ["NO_COLOR", "REPIN_CONFIG", "REPIN_LOG", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

/// Gives what stands between two headings, which begin with their numbers.
fn step(told: &str, number: usize) -> &str {
    let start = told.find(&format!("\n{number}. ")).unwrap_or_else(|| panic!("no step {number}:\n{told}"));
    let end = told.find(&format!("\n{}. ", number + 1)).unwrap_or(told.len());
    &told[start..end]
}

#[track_caller]
fn shows(told: &str, parts: &[&str]) {
    let squeezed = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(squeezed.contains(part), "{part:?} is missing in:\n{told}");
    }
}

#[test]
fn the_demo_tells_the_whole_story_and_ends_by_itself() {
    let temporary = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let output = demo(&[], temporary.path()).output().unwrap();
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    let told = text(&output);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(!told.contains(ESCAPE), "{told}");
    shows(step(&told, 1), &["repin.dev/app.helm.image-tag: image.tag", "tag: \"1.0.0\" # see CHANGELOG"]);
    let decision = [
        "place apps/web/values.yaml#image.tag",
        "chosen 1.1.0",
        "2.0.0 rejected `2.0.0` is outside `1.x`",
        "1.2.0-rc.1 rejected pre-release",
        "Author: repin",
        "Repin-Application: argocd/web (dev)",
        "--- a/apps/web/values.yaml +++ b/apps/web/values.yaml",
        "- tag: \"1.0.0\" # see CHANGELOG before going up a major + tag: \"1.1.0\" # see CHANGELOG before going up a major",
    ];
    shows(step(&told, 2), &decision);
    let rollback = ["the head is still the revert", "gate guard/rolled-back", "1.1.0 eligible rolled-back"];
    shows(step(&told, 3), &rollback);
    shows(step(&told, 4), &["Update web to 1.2.0", "- tag: \"1.0.0\"", "+ tag: \"1.2.0\""]);
    let log = ["repin: Update web to 1.2.0", "Paula Person: Revert", "repin: Update web to 1.1.0"];
    shows(step(&told, 5), &log);
    // One value of one file changed: a diff has two lines that begin with a sign, besides the two that name the file.
    let signs = |line: &&str| matches!(line.trim_start().as_bytes(), [b'+' | b'-', ..]);
    assert_eq!(step(&told, 2).lines().filter(signs).count(), 4, "{told}");
    assert!(is_empty(temporary.path()), "the demo leaves nothing behind");
}

#[test]
fn the_demo_is_in_colour_on_a_terminal_that_does_not_forbid_it() {
    let Some(script) = find("script") else {
        writeln!(std::io::stderr(), "left out: the demo on a terminal (script of util-linux is not installed)")
            .unwrap();
        return;
    };
    let runs: Vec<_> = [None, Some("1")]
        .map(|no_color| {
            let temporary = tempfile::tempdir().unwrap();
            let plain = demo(&[], temporary.path());
            let mut command = Command::new(&script);
            command.args(["-qec", &format!("'{}' demo", plain.get_program().to_str().unwrap()), "/dev/null"]);
            command.env("TMPDIR", temporary.path()).env_remove("NO_COLOR").stdin(Stdio::null());
            if let Some(value) = no_color {
                command.env("NO_COLOR", value);
            }
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            (no_color, temporary, child)
        })
        .into();
    for (no_color, _temporary, child) in runs {
        let told = text(&child.wait_with_output().unwrap());
        shows(&told, &["Update web to 1.2.0"]);
        match no_color {
            Some(_) => assert!(!told.contains(ESCAPE), "{told:?}"),
            None => {
                for painted in ["\u{1b}[1m2. ", "\u{1b}[32m+  tag: \"1.1.0\"", "\u{1b}[31m-  tag: \"1.0.0\""] {
                    assert!(told.contains(painted), "{painted:?} is missing in {told:?}");
                }
            }
        }
    }
}

#[test]
fn a_kept_demo_goes_on_until_it_is_interrupted() {
    let temporary = tempfile::tempdir().unwrap();
    let mut kept = Kept(demo(&["--keep"], temporary.path()).stdout(Stdio::piped()).spawn().unwrap());
    let child = &mut kept.0;
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut told = String::new();
    while !told.contains("git push origin HEAD:main") {
        assert_ne!(lines.read_line(&mut told).unwrap(), 0, "the demo ended: {told}");
    }
    // The daemon takes a change of a person's, in the clone that the demo names.
    let clone = told.lines().find_map(|line| {
        line.trim().strip_suffix(" is a clone: change something, `git push origin HEAD:main`, and watch.")
    });
    let clone = clone.unwrap_or_else(|| panic!("no clone is named: {told}"));
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(clone).args(["-c", "user.name=A Person", "-c", "user.email=person@example.com"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["pull", "--quiet", "--rebase", "origin", "main"]);
    let values = Path::new(clone).join("apps/web/values.yaml");
    let text = std::fs::read_to_string(&values).unwrap();
    assert!(text.contains("tag: \"1.2.0\""), "{text}");
    // The place is made anew elsewhere, so what stands there is no step back.
    let application = Path::new(clone).join("argocd/web.yaml");
    let moved = std::fs::read_to_string(&application).unwrap().replace("path: apps/web\n", "path: apps/web2\n");
    std::fs::write(&application, moved).unwrap();
    std::fs::create_dir_all(Path::new(clone).join("apps/web2")).unwrap();
    std::fs::write(Path::new(clone).join("apps/web2/values.yaml"), text.replace("1.2.0", "1.1.0")).unwrap();
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "Move web"]);
    git(&["push", "--quiet", "origin", "HEAD:main"]);
    let deadline = Instant::now() + LIMIT;
    loop {
        git(&["fetch", "--quiet", "origin"]);
        if git(&["log", "-1", "--format=%an: %s", "origin/main"]) == "repin: Update web to 1.2.0\n" {
            break;
        }
        assert!(Instant::now() < deadline, "the daemon of the kept demo does nothing");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(child.try_wait().unwrap().is_none());
    let sent = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    lines.read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(is_empty(temporary.path()), "the demo leaves nothing behind");
}

#[test]
fn with_json_stdout_is_one_document_and_the_story_is_talk() {
    let temporary = tempfile::tempdir().unwrap();
    let output = demo(&["--output", "json"], temporary.path()).output().unwrap();
    assert_eq!(text(&output).split_whitespace().collect::<String>(), r#"{"version":1,"problems":[]}"#);
    shows(&String::from_utf8_lossy(&output.stderr), &["Update web to 1.2.0"]);
}

/// A demo that stays ends with its test, whatever comes of that.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}
