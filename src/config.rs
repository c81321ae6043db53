//! The configuration file of the operators, `repin.yaml`: found, read, checked as a whole.
//!
//! All problems are found at once, each with its line and key. Nothing here watches the file or connects to anything;
//! secrets are read from the environment and from files when the file is loaded. Format: YAML 1.2, one document; which
//! keys there are is in [`keys`], what they mean in `config/repin.example.yaml`.

mod access;
pub mod cases;
mod checks;
mod commit;
mod cosign_keys;
mod forges;
mod git_access;
mod image_fields;
pub mod interval;
pub mod keys;
mod limits;
mod login;
pub mod options;
mod promotion;
mod pull_rules;
mod pull_secrets;
mod reader;
mod registries_conf;
mod remotes;
mod rules;
mod schedule;
pub mod schema;
pub mod secrets;
mod sections;
pub mod settings;
mod webhooks;
mod windows;
mod words;

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::config::reader::Reader;
use crate::config::secrets::SecretRef;
use crate::config::settings::Settings;
use crate::config::words::printable;
use crate::model::problem::{Problem, Severity};
use crate::secret::Secret;
use crate::yaml::{Document, Kind, YamlError};

/// Largest configuration file, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;
/// Where the configuration is if nobody says where.
const DEFAULT_FILE: &str = "repin.yaml";

/// Reads, checks and completes a configuration file; gives the settings and warnings.
///
/// # Errors
/// All problems, in the order of the file, if one of them is an error; codes `config/…` and `unsupported/…`.
pub fn load(path: &Path) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
    let text = read(path).map_err(|reason| {
        let hint = "name the file with --config or $REPIN_CONFIG, or put it into the working directory as repin.yaml";
        let message = format!("the configuration {reason}");
        vec![problem(path, "config/unreadable", None, message, Some(hint))]
    })?;
    let default_cache = default_cache(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"));
    parse(&text, &Surroundings { file: path, secrets: &secrets::read, files: &secrets::read_bytes, default_cache })
}

/// What [`parse`] needs to know besides the text.
pub struct Surroundings<'a> {
    /// The file's path: shown in problems; its directory is where relative paths start.
    pub file: &'a Path,
    /// Gives the value of a secret, or why there is none (never with the value in it).
    pub secrets: &'a dyn Fn(&SecretRef) -> Result<Secret, String>,
    /// Gives the content of a file that is no secret, or why there is none.
    pub files: &'a dyn Fn(&Path) -> Result<Vec<u8>, String>,
    /// Where the cache goes if the file does not say; none makes that an error.
    pub default_cache: Option<PathBuf>,
}

/// Checks the text of a configuration file; gives the settings and warnings.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, around: &Surroundings<'_>) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
    let documents = crate::yaml::parse(text);
    let document = only_document(&documents, around.file, "configuration", "repositories")?;
    let reader = Reader::new(around);
    let settings = sections::settings(&reader.root(document.root()));
    let problems = reader.into_problems();
    match settings {
        Some(settings) if problems.iter().all(|problem| problem.severity == Severity::Warning) => {
            Ok((settings, problems))
        }
        _ => Err(problems),
    }
}

/// Gives the one document of a file, or says what is wrong with it.
fn only_document<'d>(
    documents: &'d Result<Vec<Document>, YamlError>,
    file: &Path,
    what: &str,
    required: &str,
) -> Result<&'d Document, Vec<Problem>> {
    match documents.as_deref() {
        Err(error) => {
            let message = format!("the {what} is no YAML: {}", error.message);
            let hint = "check indentation, quotes and brackets in this line and above it";
            Err(vec![problem(file, "config/yaml", Some(error.line), message, Some(hint))])
        }
        Ok([document]) => Ok(document),
        Ok([]) => {
            let message = format!("the {what} is empty, and `{required}` is required");
            let hint = match required {
                "repositories" => "start from config/repin.example.yaml",
                _ => "start from the example of the README",
            };
            Err(vec![problem(file, "config/missing-key", Some(1), message, Some(hint))])
        }
        Ok([_, second, ..]) => {
            let line = Some(second.root().line());
            let message = format!(
                "the {what} holds {} YAML documents, and must hold one",
                documents.as_ref().map_or(0, Vec::len)
            );
            Err(vec![problem(file, "config/yaml", line, message, Some("remove the lines `---`"))])
        }
    }
}

/// Gives the path of the configuration file: the flag `--config`, else `$REPIN_CONFIG` if it is not empty, else
/// `repin.yaml` in the working directory.
pub fn locate(flag: Option<&Path>) -> PathBuf {
    locate_with(flag, std::env::var_os("REPIN_CONFIG"))
}

/// Gives the path of the configuration file as [`locate`] does; none if nobody named one and there is none in the working
/// directory either.
pub fn find(flag: Option<&Path>) -> Option<PathBuf> {
    find_with(flag, std::env::var_os("REPIN_CONFIG"), Path::exists)
}

/// What a configuration file and the files that it names held; differs if one of them changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fingerprint([u8; 32]);

/// Gives the fingerprint of a configuration file and of the files of secrets, certificates, keys and registries that it
/// names; none if the file itself cannot be read. A named file that cannot be read counts as a state of its own, and so
/// does a file that is no YAML.
pub fn fingerprint(path: &Path) -> Option<Fingerprint> {
    let text = read(path).ok()?;
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    add(text.as_bytes());
    let mut left = named_files(path, &text);
    while let Some((is_peers, file)) = left.pop() {
        match read_regular(&file) {
            Ok(text) => {
                add(text.as_bytes());
                // It names certificates itself, and no file of its own kind.
                left.extend(
                    if is_peers { named_files(&file, &text) } else { Vec::new() }.into_iter().filter(|(is, _)| !is),
                );
            }
            Err(reason) => add(reason.as_bytes()),
        }
    }
    Some(Fingerprint(hash.finalize().into()))
}

/// Gives the files that are read when a configuration is loaded, and whether it is a `registries.conf`. Files that are
/// read when they are used, such as `docker_config`, are none of them.
fn named_files(path: &Path, text: &str) -> Vec<(bool, PathBuf)> {
    let mut found = Vec::new();
    for document in crate::yaml::parse(text).unwrap_or_default() {
        for node in document.nodes().filter(|node| matches!(node.kind(), Kind::Map { .. })) {
            for (key, value) in node.entries() {
                let is_peers = key.as_str() == Some("registries_conf");
                let is_named = is_peers || matches!(key.as_str(), Some("file" | "ca" | "ca_file" | "cert" | "key"));
                // One file, or a list of them.
                let named = std::iter::once(value).chain(value.items()).filter(|_| is_named);
                let files = named.filter_map(|value| value.as_str());
                found.extend(files.map(|file| (is_peers, path.parent().unwrap_or(Path::new("")).join(file))));
            }
        }
    }
    found
}

fn locate_with(flag: Option<&Path>, variable: Option<std::ffi::OsString>) -> PathBuf {
    named(flag, variable).unwrap_or_else(|| PathBuf::from(DEFAULT_FILE))
}

fn find_with(
    flag: Option<&Path>,
    variable: Option<std::ffi::OsString>,
    is_there: fn(&Path) -> bool,
) -> Option<PathBuf> {
    let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| is_there(path));
    named(flag, variable).or_else(default)
}

fn named(flag: Option<&Path>, variable: Option<std::ffi::OsString>) -> Option<PathBuf> {
    flag.map(Path::to_path_buf).or(variable.filter(|value| !value.is_empty()).map(PathBuf::from))
}

/// XDG Base Directory Specification: relative paths in the variables are ignored.
fn default_cache(cache_home: Option<std::ffi::OsString>, home: Option<std::ffi::OsString>) -> Option<PathBuf> {
    let absolute = |value: Option<std::ffi::OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(cache_home).or_else(|| absolute(home).map(|home| home.join(".cache"))).map(|path| path.join("repin"))
}

/// A pipe would block, and gives its content once.
fn read_regular(path: &Path) -> Result<String, String> {
    match std::fs::metadata(path) {
        Ok(data) if data.is_file() => read(path),
        _ => Err("is no readable file".to_owned()),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let reason = |error: std::io::Error| format!("cannot be read: {error}");
    let file = std::fs::File::open(path).map_err(reason)?;
    if file.metadata().map_err(reason)?.is_dir() {
        return Err("is a directory".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("is larger than {MAX_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| format!("is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
}

fn problem(path: &Path, code: &str, line: Option<u64>, message: String, hint: Option<&str>) -> Problem {
    let file = Some(path.display().to_string());
    let (severity, message, hint) = (Severity::Error, printable(&message), hint.map(str::to_owned));
    Problem { severity, code: code.to_owned(), repository: None, file, line, message, hint }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_over_the_variable_and_the_working_directory() {
        for (flag, variable, expected) in [
            (Some("a"), Some("b"), "a"),
            (None, Some("b"), "b"),
            (None, Some(""), "repin.yaml"),
            (None, None, "repin.yaml"),
        ] {
            let flag = flag.map(Path::new);
            assert_eq!(locate_with(flag, variable.map(Into::into)), Path::new(expected));
            for is_there in [(|_| true) as fn(&Path) -> bool, |_| false] {
                let is_named = flag.is_some() || variable.is_some_and(|text| !text.is_empty());
                let expected = Some(PathBuf::from(expected)).filter(|path| is_named || is_there(path));
                assert_eq!(find_with(flag, variable.map(Into::into), is_there), expected);
            }
        }
    }

    #[test]
    fn the_cache_goes_where_xdg_says() {
        for (cache_home, home, expected) in [
            (Some("/c"), Some("/h"), Some("/c/repin")),
            (None, Some("/h"), Some("/h/.cache/repin")),
            (Some("c"), Some("/h"), Some("/h/.cache/repin")),
            (Some(""), Some(""), None),
            (None, None, None),
        ] {
            let path = default_cache(cache_home.map(Into::into), home.map(Into::into));
            assert_eq!(path.as_deref(), expected.map(Path::new));
        }
    }

    #[test]
    fn a_fingerprint_changes_with_the_file_and_what_it_names() {
        let directory = tempfile::tempdir().unwrap();
        let (path, secret) = (directory.path().join("repin.yaml"), directory.path().join("token"));
        assert_eq!(fingerprint(&path), None);
        let mut seen = vec![];
        let mut step = |changes: bool| {
            let now = fingerprint(&path).unwrap();
            assert_eq!(seen.contains(&now), !changes);
            seen.push(now);
        };
        std::fs::write(&path, "registries: [{credentials: {token: {file: token}}, ca: ca.pem}]\n").unwrap();
        step(true);
        std::fs::write(&secret, "one").unwrap();
        step(true);
        step(false);
        std::fs::write(&secret, "two").unwrap();
        step(true);
        std::fs::write(directory.path().join("ca.pem"), "pem").unwrap();
        step(true);
        std::fs::write(&path, "repositories: [{client_certificate: {cert: own.pem, key: {file: token}}}]\n").unwrap();
        step(true);
        std::fs::write(directory.path().join("own.pem"), "renewed with the same key").unwrap();
        step(true);
        std::fs::write(&path, "registries_conf: registries.conf\ndocker_config: config.json\n").unwrap();
        step(true);
        let peers = directory.path().join("registries.conf");
        std::fs::write(&peers, "registries: [{ca_file: peers.pem, registries_conf: registries.conf}]").unwrap();
        step(true);
        std::fs::write(directory.path().join("peers.pem"), "pem").unwrap();
        step(true);
        std::fs::write(directory.path().join("config.json"), "read when it is used").unwrap();
        std::fs::write(&path, "cosign_keys: [{key: own.pem}, {key: [a.pub, b.pub]}]\n").unwrap();
        step(true);
        for file in ["own.pem", "a.pub", "b.pub"] {
            std::fs::write(directory.path().join(file), "another key").unwrap();
            step(true);
        }
        step(false);
        std::fs::write(&path, "registries: [").unwrap();
        step(true);
    }
}
