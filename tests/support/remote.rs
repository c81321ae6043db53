//! A real bare repository as a remote, driven by the git program with an environment and an identity of its own.
//!
//! Include it with `#[path = "support/remote.rs"] mod remote;`.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// What every secret of the tests holds.
pub const CANARY: &str = "canary-";

/// Fails if a text that people or programs see holds a secret.
pub fn holds_no_secret(what: &str, text: &str) {
    if let Some(at) = text.find(CANARY).filter(|_| !std::thread::panicking()) {
        let begin = text[..at].char_indices().rev().nth(200).map_or(0, |(at, _)| at);
        panic!("a secret is in {what}: {}…", &text[begin..at]);
    }
}

/// A bare repository with the branch `main`, and a scratch clone through which commits are made.
pub struct BareRemote {
    root: TempDir,
}

/// One commit to make; [`BareRemote::make`] makes it.
#[derive(Clone, Debug)]
pub struct NewCommit<'a> {
    pub branch: &'a str,
    /// Path and new content; no content removes the file.
    pub changes: Vec<(&'a str, Option<&'a str>)>,
    pub message: &'a str,
    pub author: (&'a str, &'a str),
    /// As `GIT_AUTHOR_DATE` and `GIT_COMMITTER_DATE` take it.
    pub date: Option<String>,
}

impl<'a> NewCommit<'a> {
    pub fn new(changes: &[(&'a str, &'a str)], message: &'a str) -> Self {
        let changes = changes.iter().map(|(path, content)| (*path, Some(*content))).collect();
        Self { branch: "main", changes, message, author: ("A Person", "person@example.com"), date: None }
    }
}

impl BareRemote {
    /// Makes an empty bare repository.
    pub fn create() -> Self {
        let root = tempfile::tempdir().unwrap();
        let remote = Self { root };
        remote.git_in(remote.root.path(), &["init", "--quiet", "--bare", "-b", "main", "remote.git"]);
        remote.git_in(remote.root.path(), &["init", "--quiet", "-b", "main", "work"]);
        remote.work(&["remote", "add", "origin", &remote.url()]);
        remote
    }

    /// Gives the path of the bare repository.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("remote.git")
    }

    /// Gives the address of the bare repository.
    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Gives a directory beside the bare repository, for whatever a test needs.
    pub fn scratch(&self) -> PathBuf {
        let scratch = self.root.path().join("scratch");
        fs::create_dir_all(&scratch).unwrap();
        scratch
    }

    /// Commits files to `main` and gives the commit's id.
    pub fn commit(&self, changes: &[(&str, &str)], message: &str) -> String {
        self.make(&NewCommit::new(changes, message))
    }

    /// Removes files from `main` and gives the commit's id.
    pub fn remove(&self, paths: &[&str], message: &str) -> String {
        let changes = paths.iter().map(|path| (*path, None)).collect();
        self.make(&NewCommit { changes, ..NewCommit::new(&[], message) })
    }

    /// Makes one commit on the branch's head on the remote, and pushes it.
    pub fn make(&self, commit: &NewCommit<'_>) -> String {
        self.checkout(commit.branch);
        for (path, content) in &commit.changes {
            let file = self.work_tree().join(path);
            match content {
                Some(content) => {
                    fs::create_dir_all(file.parent().unwrap()).unwrap();
                    fs::write(file, content).unwrap();
                }
                None => fs::remove_file(file).unwrap(),
            }
        }
        self.work(&["add", "--all"]);
        let mut command = self.command(&self.work_tree());
        command.args(["commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", commit.message]);
        command.env("GIT_AUTHOR_NAME", commit.author.0).env("GIT_AUTHOR_EMAIL", commit.author.1);
        if let Some(date) = &commit.date {
            command.env("GIT_AUTHOR_DATE", date).env("GIT_COMMITTER_DATE", date);
        }
        succeed(&mut command);
        self.push_work(commit.branch)
    }

    /// Pushes what the work clone has checked out to a branch, by force, and gives its id.
    pub fn push_work(&self, branch: &str) -> String {
        self.work(&["push", "--quiet", "--force", "origin", &format!("HEAD:refs/heads/{branch}")]);
        self.work(&["rev-parse", "HEAD"])
    }

    /// Reverts a commit of `main` and gives the new commit's id.
    pub fn revert(&self, id: &str) -> String {
        self.checkout("main");
        self.work(&["revert", "--no-edit", id]);
        self.push_work("main")
    }

    /// Checks the branch's head on the remote out in the work clone; a new branch starts without commits.
    pub fn checkout(&self, branch: &str) {
        self.work(&["fetch", "--quiet", "--prune", "origin", "+refs/heads/*:refs/remotes/origin/*"]);
        let known = self.try_work(&["rev-parse", "--verify", "--quiet", &format!("refs/remotes/origin/{branch}")]);
        if known.status.success() {
            self.work(&["checkout", "--quiet", "--force", "-B", branch, &format!("refs/remotes/origin/{branch}")]);
            self.work(&["clean", "--quiet", "-ffdx"]);
        } else if !self.try_work(&["rev-parse", "--verify", "--quiet", "HEAD"]).status.success() {
            self.work(&["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]);
        } else {
            self.work(&["checkout", "--quiet", "-B", branch]);
        }
    }

    /// Gives a file's content at the head of `main`.
    pub fn show(&self, path: &str) -> String {
        self.show_at("main", path)
    }

    /// Gives a file's content at a revision.
    pub fn show_at(&self, revision: &str, path: &str) -> String {
        let mut command = self.command(&self.path());
        command.args(["show", &format!("{revision}:{path}")]);
        String::from_utf8(succeed(&mut command)).unwrap()
    }

    /// Gives id, subject and body of the commits on `main`, newest first.
    pub fn log(&self) -> Vec<(String, String, String)> {
        let text = self.git(&["log", "--format=%H%x00%s%x00%b%x01", "main"]);
        let commits = text.split('\u{1}').map(str::trim_start).filter(|commit| !commit.is_empty());
        commits
            .map(|commit| {
                let mut fields = commit.split('\0').map(|field| field.trim_end().to_owned());
                (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap())
            })
            .collect()
    }

    /// Gives the id of the head of `main`.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "refs/heads/main"])
    }

    /// Installs a hook; the script runs under `/bin/sh`.
    pub fn install_hook(&self, name: &str, script: &str) {
        let hooks = self.path().join("hooks");
        fs::create_dir_all(&hooks).unwrap();
        // Written elsewhere first: a file that is open for writing cannot be executed.
        let draft = self.scratch().join(name);
        let mut file = fs::File::create(&draft).unwrap();
        write!(file, "#!/bin/sh\n{script}\n").unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o755)).unwrap();
        drop(file);
        fs::rename(draft, hooks.join(name)).unwrap();
    }

    /// Removes a hook.
    pub fn remove_hook(&self, name: &str) {
        fs::remove_file(self.path().join("hooks").join(name)).unwrap();
    }

    /// Fails if the bare repository lacks an object or holds a damaged one.
    pub fn fsck(&self) {
        self.git(&["fsck", "--strict", "--full", "--no-dangling"]);
    }

    /// Runs git in the bare repository; it must succeed.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.path(), arguments)
    }

    /// Runs git in the work clone; it must succeed.
    pub fn work(&self, arguments: &[&str]) -> String {
        self.git_in(&self.work_tree(), arguments)
    }

    /// Runs git in the bare repository with text on its standard input; it must succeed.
    pub fn git_with_input(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut command = self.command(&self.path());
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Gives the path of the work clone.
    pub fn work_tree(&self) -> PathBuf {
        self.root.path().join("work")
    }

    fn try_work(&self, arguments: &[&str]) -> Output {
        self.command(&self.work_tree()).args(arguments).output().unwrap()
    }

    fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let output = succeed(self.command(directory).args(arguments));
        String::from_utf8(output).unwrap().trim_end().to_owned()
    }

    fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new(git_program());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(directory);
        command.env("HOME", self.root.path()).env("LC_ALL", "C").env("TZ", "UTC");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_AUTHOR_NAME", "A Person").env("GIT_AUTHOR_EMAIL", "person@example.com");
        command.env("GIT_COMMITTER_NAME", "A Person").env("GIT_COMMITTER_EMAIL", "person@example.com");
        command
    }
}

/// Where git is. A program that is looked for in a `PATH` of its own is started by a copy of the whole process, which takes
/// long where the process is large.
pub fn git_program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|one| one.join("git")).find(|one| one.is_file()).expect("git is in PATH")
    });
    found.clone()
}

fn succeed(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{command:?}: {}: {said:?}", output.status);
    output.stdout
}

impl Drop for BareRemote {
    fn drop(&mut self) {
        // A story may have broken it on purpose.
        let log = self.command(&self.path()).args(["log", "--all", "--format=%B%an%ae%cn%ce"]).output();
        if let Ok(log) = log {
            holds_no_secret("a commit", &String::from_utf8_lossy(&log.stdout));
        }
    }
}
