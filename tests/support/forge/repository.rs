//! The bare repository behind a project: branches are read from it, and merges are real.
//!
//! Nothing is checked out: trees are merged and written in the object database, so that a push can go on at the same time.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use crate::remote::git_program;

/// A bare repository of somebody else, driven by the git program.
#[derive(Clone, Debug)]
pub struct Repository {
    path: PathBuf,
    /// What git said of commits, which never change.
    said: Arc<Mutex<HashMap<String, Option<String>>>>,
}

/// Where a branch is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    pub id: String,
    pub parents: Vec<String>,
}

/// Name and address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    pub name: String,
    pub email: String,
}

/// What a commit says of itself.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: String,
    pub tree: String,
    pub parents: Vec<String>,
    pub author: Person,
    pub authored: Timestamp,
    pub committer: Person,
    pub committed: Timestamp,
    pub message: String,
}

/// Who makes a commit, and when.
pub struct Signature<'a> {
    pub author: &'a Person,
    pub committer: &'a Person,
    pub time: Timestamp,
}

/// One file of a commit; no content removes it.
pub type Change = (String, Option<Vec<u8>>);

impl Person {
    pub fn new(name: &str, email: &str) -> Self {
        Self { name: name.to_owned(), email: email.to_owned() }
    }

    /// Somebody with an account on the forge.
    pub fn of(login: &str) -> Self {
        Self { name: login.to_owned(), email: format!("{}@people.example", login.replace(['[', ']'], "")) }
    }
}

impl Record {
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }
}

impl Repository {
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), said: Arc::default() }
    }

    /// Every branch and its head.
    pub fn heads(&self) -> BTreeMap<String, Head> {
        let text = self.git(&["for-each-ref", "--format=%(objectname) %(parent)%00%(refname:lstrip=2)", "refs/heads"]);
        let read = |line: &str| {
            let (ids, branch) = line.split_once('\0')?;
            let mut ids = ids.split_whitespace().map(str::to_owned);
            Some((branch.to_owned(), Head { id: ids.next()?, parents: ids.collect() }))
        };
        text.lines().filter_map(read).collect()
    }

    pub fn head(&self, branch: &str) -> Option<String> {
        self.try_git(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")])
    }

    /// The commit that a revision names: an id, whole or shortened, a branch or a tag.
    pub fn resolve(&self, revision: &str) -> Option<String> {
        let is_plain = !revision.is_empty() && !revision.starts_with('-') && !revision.contains([':', '^', '~', '@']);
        if !is_plain {
            return None;
        }
        self.try_git(&["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")])
    }

    pub fn is_ancestor(&self, older: &str, newer: &str) -> bool {
        self.of_commits(&["merge-base", "--is-ancestor", older, newer]).is_some()
    }

    pub fn merge_base(&self, one: &str, other: &str) -> Option<String> {
        self.of_commits(&["merge-base", one, other])
    }

    /// The commits that `to` has and `from` has not, newest first.
    pub fn between(&self, from: &str, to: &str) -> Vec<String> {
        let text = self.of_commits(&["rev-list", "--topo-order", &format!("{from}..{to}")]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    pub fn record(&self, id: &str) -> Record {
        let format = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B";
        let text = self.of_commits(&["show", "--no-patch", format, id]).unwrap();
        let fields: Vec<&str> = text.splitn(10, '\0').collect();
        let time = |text: &str| Timestamp::from_second(text.parse().unwrap()).unwrap();
        Record {
            id: fields[0].to_owned(),
            tree: fields[1].to_owned(),
            parents: fields[2].split_whitespace().map(str::to_owned).collect(),
            author: Person::new(fields[3], fields[4]),
            authored: time(fields[5]),
            committer: Person::new(fields[6], fields[7]),
            committed: time(fields[8]),
            message: fields[9].trim_end_matches('\n').to_owned(),
        }
    }

    /// Names of the files that differ, with how: `A`, `M`, `D`.
    pub fn changed_files(&self, from: &str, to: &str) -> Vec<(String, String)> {
        let text = self.of_commits(&["diff-tree", "-r", "--no-renames", "--name-status", from, to]).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('\t'));
        pairs.map(|(how, path)| (how.to_owned(), path.to_owned())).collect()
    }

    pub fn file(&self, revision: &str, path: &str) -> Option<Vec<u8>> {
        let mut command = self.command();
        let output = command.args(["cat-file", "blob", &format!("{revision}:{path}")]).output().unwrap();
        output.status.success().then_some(output.stdout)
    }

    /// The last commit that changed a file.
    pub fn last_change(&self, revision: &str, path: &str) -> String {
        self.git(&["log", "-1", "--format=%H", revision, "--", path])
    }

    pub fn blob(&self, revision: &str, path: &str) -> Option<String> {
        self.try_git(&["rev-parse", "--verify", "--quiet", &format!("{revision}:{path}")])
    }

    /// The merged tree; none if there is a conflict.
    pub fn merged_tree(&self, base: &str, head: &str) -> Option<String> {
        let tree = self.of_commits(&["merge-tree", "--write-tree", "--no-messages", base, head])?;
        tree.lines().next().map(str::to_owned)
    }

    /// A merge commit; none if there is a conflict.
    pub fn merge(&self, base: &str, head: &str, message: &str, by: &Signature<'_>) -> Option<String> {
        let tree = self.merged_tree(base, head)?;
        Some(self.commit_tree(&tree, &[base, head], message, by))
    }

    /// All commits as one; none if there is a conflict.
    pub fn squash(&self, base: &str, head: &str, message: &str, by: &Signature<'_>) -> Option<String> {
        let tree = self.merged_tree(base, head)?;
        Some(self.commit_tree(&tree, &[base], message, by))
    }

    /// Each commit anew on the base, by its own author; none if one of them conflicts.
    pub fn rebase(&self, base: &str, head: &str, committer: &Person, time: Timestamp) -> Option<String> {
        let mut top = base.to_owned();
        for id in self.between(base, head).iter().rev() {
            let record = self.record(id);
            let [parent] = &record.parents[..] else { continue };
            // What the commit changes, on the new top: two commits whose only common ancestor has its parent's tree.
            let by = Signature { author: &record.author, committer, time };
            let origin = self.commit_tree(&format!("{parent}^{{tree}}"), &[], "origin", &by);
            let ours = self.commit_tree(&format!("{top}^{{tree}}"), &[&origin], "ours", &by);
            let theirs = self.commit_tree(&record.tree, &[&origin], "theirs", &by);
            let tree = self.merged_tree(&ours, &theirs)?;
            top = self.commit_tree(&tree, &[&top], &record.message, &by);
        }
        Some(top)
    }

    /// A commit on a parent, or a first one, with these files.
    pub fn commit(&self, parent: Option<&str>, files: &[Change], message: &str, by: &Signature<'_>) -> String {
        let scratch = tempfile::tempdir().unwrap();
        let index = scratch.path().join("index");
        let run = |arguments: &[&str], input: &[u8]| {
            let mut command = self.command();
            command.env("GIT_INDEX_FILE", &index).args(arguments);
            with_input(command, input)
        };
        if let Some(parent) = parent {
            run(&["read-tree", parent], b"");
        }
        for (path, content) in files {
            let entry = match content {
                Some(content) => {
                    let blob = run(&["hash-object", "-w", "--stdin"], content);
                    format!("100644 {blob}\t{path}\0")
                }
                None => format!("0 {}\t{path}\0", "0".repeat(40)),
            };
            run(&["update-index", "-z", "--index-info"], entry.as_bytes());
        }
        let tree = run(&["write-tree"], b"");
        self.commit_tree(&tree, parent.as_slice(), message, by)
    }

    /// Sets a ref if it is still where it was; an absent one is to be made.
    pub fn set(&self, name: &str, new: &str, old: Option<&str>) -> bool {
        let zero = "0".repeat(40);
        self.try_git(&["update-ref", name, new, old.unwrap_or(&zero)]).is_some()
    }

    /// Sets a ref, wherever it is.
    pub fn force(&self, name: &str, new: &str) {
        self.git(&["update-ref", name, new]);
    }

    /// Makes refs that are not there.
    pub fn create_all(&self, refs: &[(String, String)]) {
        let lines: String = refs.iter().map(|(name, id)| format!("create {name} {id}\n")).collect();
        let mut command = self.command();
        command.args(["update-ref", "--stdin"]);
        with_input(command, lines.as_bytes());
    }

    pub fn delete(&self, name: &str) {
        self.git(&["update-ref", "-d", name]);
    }

    fn commit_tree(&self, tree: &str, parents: &[&str], message: &str, by: &Signature<'_>) -> String {
        let tree = self.git(&["rev-parse", "--verify", tree]);
        let mut command = self.command();
        command.args(["commit-tree", &tree]);
        for parent in parents {
            command.args(["-p", parent]);
        }
        command.env("GIT_AUTHOR_NAME", &by.author.name).env("GIT_AUTHOR_EMAIL", &by.author.email);
        command.env("GIT_COMMITTER_NAME", &by.committer.name).env("GIT_COMMITTER_EMAIL", &by.committer.email);
        let date = format!("@{} +0000", by.time.as_second());
        command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        with_input(command, message.as_bytes())
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// Asks git for what depends on ids alone; the same question is asked once.
    fn of_commits(&self, arguments: &[&str]) -> Option<String> {
        let key = arguments.join("\0");
        if let Some(said) = self.said.lock().unwrap().get(&key) {
            return said.clone();
        }
        let said = self.try_git(arguments);
        self.said.lock().unwrap().insert(key, said.clone());
        said
    }

    fn try_git(&self, arguments: &[&str]) -> Option<String> {
        let output = self.command().args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(git_program());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(&self.path);
        command.env("HOME", &self.path).env("LC_ALL", "C").env("TZ", "UTC").env("GIT_CONFIG_NOSYSTEM", "1");
        command.args(["-c", "core.quotePath=false"]);
        command
    }
}

fn with_input(mut command: Command, input: &[u8]) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}
