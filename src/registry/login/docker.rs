//! A docker configuration file as a source: read again when it changed, its helpers run only where the operator says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::credentials::Credentials;
use crate::registry::login::docker_config::{Answer, Config, whose};
use crate::registry::login::files::{self, Seen, Stamp};
use crate::registry::login::program;
use crate::registry::login::{Lease, LoginError};

/// What a file is called inside a directory: a mounted Secret of Kubernetes in both its types, and `$DOCKER_CONFIG`.
const NAMES: &[&str] = &[".dockerconfigjson", ".dockercfg", "config.json"];

/// A docker configuration file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DockerOptions {
    /// The file, or a directory that holds it as `.dockerconfigjson`, `.dockercfg` or `config.json`.
    pub path: PathBuf,
    /// The programs that may be run, by the name that files use for them.
    pub helpers: BTreeMap<String, PathBuf>,
    /// What it means if there is no entry.
    pub absent: Absent,
}

/// What it means that a file has no entry for a registry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Absent {
    /// The registry is asked anonymously: the file is for whatever it has an entry for.
    Anonymous,
    /// An error: the file was named for this registry.
    Refused,
}

impl DockerOptions {
    /// What is given where nothing was found.
    pub(super) fn nothing(&self, host: &str, repository: &str) -> Result<Lease, LoginError> {
        let file = files::shown(&self.path);
        match self.absent {
            Absent::Anonymous => {
                let what = format!("nothing, it is asked anonymously: {file} has no entry for it");
                Ok(Lease { credentials: Credentials::Anonymous, what, until: None })
            }
            Absent::Refused => {
                let reason = format!("it has no entry for {host} or {host}/{repository}");
                Err(LoginError::lasting(file, reason))
            }
        }
    }
}

/// What a file gives for a repository.
pub(super) enum Found {
    /// It holds them itself, or nothing and that is fine.
    Lease(Lease),
    /// A helper is to be asked.
    Helper(Helper),
}

/// A credential helper that may be run.
pub(super) struct Helper {
    program: PathBuf,
    server: String,
    what: String,
}

impl Helper {
    /// What its answer is kept under.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.program.display(), self.server)
    }

    /// Runs it.
    pub(super) async fn ask(&self) -> Result<Lease, LoginError> {
        program::helper(&self.program, &self.server, &self.what).await
    }
}

/// A file as it was read last.
type Kept = (PathBuf, Stamp, Result<Arc<Config>, String>);

/// Reads a file, and keeps what it held.
#[derive(Default)]
pub(super) struct Reader {
    kept: Mutex<Option<Kept>>,
}

impl Reader {
    /// Finds what is meant for a repository.
    ///
    /// # Errors
    /// The file cannot be read, its entry cannot be used, or it names a helper that is not listed.
    pub(super) async fn find(
        &self,
        options: &DockerOptions,
        host: &str,
        repository: &str,
    ) -> Result<Found, LoginError> {
        let (path, config) = self.read(options).await?;
        let file = files::shown(&path);
        match config.find(host, repository) {
            Answer::Nothing => options.nothing(host, repository).map(Found::Lease),
            Answer::Broken(key, reason) => Err(LoginError::lasting(file, format!("{key}: {reason}"))),
            Answer::Entry(credentials, key) => {
                let what = format!("{} of {key} in {}", whose(credentials), path.display());
                Ok(Found::Lease(Lease { credentials: credentials.clone(), what, until: None }))
            }
            Answer::Helper { name, server, key } => match options.helpers.get(name) {
                Some(program) => {
                    let what = format!("the helper {name} of {key} in {}", path.display());
                    Ok(Found::Helper(Helper { program: program.clone(), server, what }))
                }
                None => {
                    let name: String = name.chars().filter(|c| c.is_ascii_graphic()).take(80).collect();
                    let reason = format!(
                        "{key} names the helper `{name}`, and only listed programs are run: add to repin.yaml \
                         `credential_helpers: {{{name}: /path/to/docker-credential-{name}}}`"
                    );
                    Err(LoginError::lasting(file, reason))
                }
            },
        }
    }

    /// Tells whether the file, as it is now, still holds these credentials.
    pub(super) async fn holds(&self, options: &DockerOptions, credentials: &Credentials) -> bool {
        self.read(options).await.is_ok_and(|(_, config)| config.holds(credentials))
    }

    async fn read(&self, options: &DockerOptions) -> Result<(PathBuf, Arc<Config>), LoginError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let last = kept.as_ref().map(|(_, stamp, _)| *stamp);
        let seen = files::read(&options.path, NAMES, last).await?;
        let (path, _, config) = match (seen, kept) {
            (Seen::Same, Some(kept)) => kept,
            (Seen::Read(path, stamp, bytes), _) => {
                let read = (path, stamp, Config::parse(&bytes).map(Arc::new));
                *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(read.clone());
                read
            }
            (Seen::Same, None) => return Err(unread(&options.path)),
        };
        match config {
            Ok(config) => Ok((path, config)),
            // Whoever writes it in place may be in the middle of it.
            Err(reason) => Err(LoginError::passing(files::shown(&path), reason)),
        }
    }
}

fn unread(path: &Path) -> LoginError {
    LoginError::passing(files::shown(path), "it was not read")
}
