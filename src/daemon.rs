//! The process: named parts under one cancellation token, the schedule, reload and shutdown.
//!
//! A part that ends by itself ends the process with an error that names it. SIGTERM and SIGINT let a push in flight
//! finish, 25 seconds at most.

mod again;
mod agenda;
mod parts;
mod said;
mod scheduler;

pub use crate::daemon::said::log_problems;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::settings::Settings;
use crate::config::{self, Fingerprint, options};
use crate::daemon::parts::Parts;
use crate::daemon::scheduler::schedule;
use crate::reconcile::Reconciler;
use crate::server::{self, Status, Webhooks};

/// How long a push in flight may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(25);
/// How often the configuration file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why the daemon stopped.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The HTTP server's address cannot be bound.
    #[error("cannot listen on {address}: {source}; change `server.listen`, or set it to null")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A registry's settings cannot be used.
    #[error("{0}")]
    Registry(#[from] crate::registry::RegistryError),
    /// A part that should run for ever came to its end, or panicked.
    #[error("the part `{part}` ended by itself; stopping, so that whoever supervises this process starts it again")]
    PartEnded {
        /// Name of the part.
        part: &'static str,
    },
    /// Work in flight did not finish within the grace period.
    #[error("gave up waiting for {left} part(s) after {grace:?}; the next start continues their work")]
    GraceExceeded {
        /// Parts still running.
        left: usize,
        /// How long we waited.
        grace: Duration,
    },
}

/// Runs the daemon until `signal`; `status` shows what it does, to the HTTP server and to the caller. `known` is the
/// fingerprint of the configuration from before it was loaded: a change since then is taken over. `emergency` is the reason
/// for which nothing is written as long as it runs.
///
/// # Errors
/// Any [`DaemonError`].
pub async fn run(
    path: PathBuf,
    known: Option<Fingerprint>,
    settings: Settings,
    emergency: Option<String>,
    status: Arc<Status>,
    signal: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let cancel = CancellationToken::new();
    let mut reconciler = Reconciler::new(options::reconcile(&settings, &path))?;
    reconciler.stop_writing(emergency);
    let mut parts = Parts::default();
    let listener = match settings.server.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    info!(repositories = settings.repositories.len(), schedule = %settings.schedule, "repin {} runs", env!("CARGO_PKG_VERSION"));
    let webhooks = Arc::new(Webhooks::default());
    webhooks.replace(&settings.webhooks);
    let (sender, receiver) = watch::channel(Arc::new(settings));
    parts.start("server", serve(listener, receiver.clone(), status.clone(), webhooks.clone(), cancel.clone()));
    parts.start("configuration", watch_configuration(path.clone(), known, sender, status.clone(), cancel.clone()));
    parts.start("scheduler", schedule(reconciler, path, receiver, status, webhooks, cancel.clone()));
    parts.run(cancel, signal, GRACE).await
}

async fn listen(address: SocketAddr) -> Result<TcpListener, DaemonError> {
    let listener = server::bind(address).await.map_err(|source| DaemonError::Listen { address, source })?;
    let bound = listener.local_addr().unwrap_or(address);
    info!(address = %bound, "listening on http://{bound}");
    Ok(listener)
}

/// Serves where and to whom the configuration says, also after it changed; an address that cannot be bound leaves the old one.
async fn serve(
    mut listener: Option<TcpListener>,
    mut settings: watch::Receiver<Arc<Settings>>,
    status: Arc<Status>,
    webhooks: Arc<Webhooks>,
    cancel: CancellationToken,
) {
    let mut address = settings.borrow_and_update().server.listen;
    loop {
        let stop = cancel.child_token();
        let (current, token) = (listener.take(), stop.clone());
        let (status, received) = (status.clone(), webhooks.clone());
        let served = async move {
            match current {
                Some(listener) => server::serve(listener, status, received, token).await,
                None => {
                    token.cancelled().await;
                    Ok(())
                }
            }
        };
        tokio::pin!(served);
        let next = loop {
            tokio::select! {
                result = &mut served => {
                    if let Err(error) = result {
                        error!("the server failed: {error}");
                    }
                    return;
                }
                changed = settings.changed() => {
                    let wanted = {
                        let settings = settings.borrow_and_update();
                        webhooks.replace(&settings.webhooks);
                        settings.server.listen
                    };
                    if changed.is_err() {
                        // The part that reads the configuration is gone, and the process ends.
                        cancel.cancelled().await;
                    } else if wanted != address {
                        match wanted {
                            None => break None,
                            Some(new) => match listen(new).await {
                                Ok(bound) => break Some((new, bound)),
                                Err(error) => error!("{error}; the server stays where it is"),
                            },
                        }
                    }
                }
            }
        };
        stop.cancel();
        if let Err(error) = served.await {
            error!("the server failed: {error}");
        }
        (address, listener) = next.map_or((None, None), |(new, bound)| (Some(new), Some(bound)));
    }
}

/// Looks at the file and the secrets it names, and takes a good change over; after a bad one the running configuration
/// stays in force.
async fn watch_configuration(
    path: PathBuf,
    mut known: Option<Fingerprint>,
    sender: watch::Sender<Arc<Settings>>,
    status: Arc<Status>,
    cancel: CancellationToken,
) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let found = fingerprint(&path).await;
        if found == known {
            continue;
        }
        known = found;
        let file = path.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&file)).await;
        match loaded {
            Ok(Ok((settings, warnings))) => {
                log_problems(&warnings);
                let log_differs = sender.borrow().log != settings.log;
                if log_differs {
                    warn!("changes of `log` take effect with the next start");
                }
                sender.send_replace(Arc::new(settings));
            }
            Ok(Err(problems)) => {
                log_problems(&problems);
                error!(file = %path.display(), "the changed configuration is refused; the running one stays in force");
                status.metrics.reload(false);
            }
            Err(error) => error!("the configuration could not be read: {error}"),
        }
    }
}

async fn fingerprint(path: &Path) -> Option<Fingerprint> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || config::fingerprint(&path)).await.ok().flatten()
}
