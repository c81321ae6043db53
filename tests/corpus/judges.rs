//! The programs that judge an edit: other readers, Helm and kustomize, each a process that answers jobs line by line.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use repin::model::names::RepoPath;
use serde_json::{Value, json};

use crate::report::say;

/// The judges of one repository.
pub(crate) struct Judges {
    /// Readers by name.
    pub readers: Vec<(&'static str, Judge)>,
    renderer: Option<Judge>,
}

/// One process.
pub(crate) struct Judge {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What a leaf of a rendered object was and is.
pub(crate) struct Change {
    /// The object and the keys.
    pub at: String,
    /// Before the edit.
    pub before: String,
    /// After it.
    pub after: String,
}

/// What a renderer says.
pub(crate) enum Rendered {
    /// It renders before and after.
    Done {
        /// Every image, where it was asked for.
        images: Vec<String>,
        /// What differs.
        changed: Vec<Change>,
        /// Where more differs than the text of a leaf.
        structure: Vec<String>,
        /// Whether Helm's own way of setting the value renders the same.
        as_set: Option<bool>,
    },
    /// It does not render before the edit, and why.
    Not(String),
    /// It renders no more with the edit; whether Helm's own way of setting the value ends likewise.
    Refused(String, Option<bool>),
}

impl Judges {
    /// Starts what is there; what is not is left out by name.
    pub(crate) fn start(corpus: &Path, name: &str) -> Self {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let python = env::var("REPIN_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let helm = env::var("REPIN_HELM_PYTHON").unwrap_or_else(|_| python.clone());
        let mut readers = Vec::new();
        if Command::new(&python).args(["-c", "import yaml"]).output().is_ok_and(|output| output.status.success()) {
            readers.push(("PyYAML", Judge::start(Command::new(&python).arg(scripts.join("differ.py")))));
        } else {
            say(&format!("left out: PyYAML (`{python}` cannot import yaml, set REPIN_PYTHON)"));
        }
        match env::var("REPIN_NODE_MODULES").ok().filter(|folder| Path::new(folder).join("yaml").is_dir()) {
            Some(modules) => {
                for (reader, version) in [("npm yaml 1.1", "1.1"), ("npm yaml 1.2", "1.2")] {
                    let mut command = Command::new("node");
                    command.arg(scripts.join("differ.cjs")).args([&modules, version]);
                    readers.push((reader, Judge::start(&mut command)));
                }
            }
            None => say("left out: npm yaml (REPIN_NODE_MODULES names no folder with `yaml`)"),
        }
        let has_yaml = Command::new(&helm).args(["-c", "import yaml"]).output();
        let renderer = if has_yaml.is_ok_and(|output| output.status.success()) {
            Some(Judge::start(Command::new(&helm).arg(scripts.join("render.py")).arg(corpus).arg(name)))
        } else {
            say(&format!("left out: rendering (`{helm}` cannot import yaml, set REPIN_HELM_PYTHON)"));
            None
        };
        Self { readers, renderer }
    }

    /// Gives the images that are rendered, or why nothing is.
    pub(crate) fn images(&mut self, kind: &str, directory: &RepoPath) -> Result<Vec<String>, String> {
        match self.ask(&json!({ "kind": kind, "dir": directory.as_str() })) {
            Rendered::Done { images, .. } => Ok(images),
            Rendered::Not(why) | Rendered::Refused(why, _) => Err(why),
        }
    }

    /// Renders a directory before and after files have other texts; `set` says the same edit in Helm's own way.
    pub(crate) fn render(
        &mut self,
        kind: &str,
        directory: &RepoPath,
        files: &BTreeMap<RepoPath, String>,
        set: Option<Value>,
    ) -> Rendered {
        let files: BTreeMap<&str, &String> = files.iter().map(|(file, text)| (file.as_str(), text)).collect();
        self.ask(&json!({ "kind": kind, "dir": directory.as_str(), "files": files, "set": set }))
    }

    fn ask(&mut self, job: &Value) -> Rendered {
        match &mut self.renderer {
            Some(renderer) => rendered(&renderer.ask(job)),
            None => Rendered::Not("left out".to_owned()),
        }
    }
}

impl Judge {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// Asks one thing.
    pub(crate) fn ask(&mut self, job: &Value) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{job}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?} for {:.400}", job.to_string()))
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        // At the end of its input it cleans up and ends.
        self.input = None;
        let _ = self.child.wait();
    }
}

fn rendered(answer: &Value) -> Rendered {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let texts = |key: &str| answer[key].as_array().map(|all| all.iter().map(text).collect()).unwrap_or_default();
    let as_set = answer["as_set"].as_bool();
    match answer["state"].as_str() {
        Some("rendered") => {
            let change = |one: &Value| Change { at: text(&one[0]), before: text(&one[1]), after: text(&one[2]) };
            let changed = answer["changed"].as_array().map(|all| all.iter().map(change).collect()).unwrap_or_default();
            Rendered::Done { images: texts("images"), changed, structure: texts("structure"), as_set }
        }
        Some("refused") => Rendered::Refused(text(&answer["why"]), as_set),
        _ => Rendered::Not(text(&answer["why"])),
    }
}
