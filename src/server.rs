//! The HTTP server: `/healthz`, `/readyz`, `/metrics`, which name nothing that Git or a registry said, and
//! `POST /webhooks/<name>`, which can only cause a look.

mod connections;
pub mod events;
mod limit;
mod payload;
mod proof;
mod webhooks;

pub use crate::server::webhooks::Webhooks;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::server::connections::Bounded;
use crate::telemetry::Metrics;

/// How long connections may stay open after the end was asked for.
const CLOSING: Duration = Duration::from_secs(1);

/// What the server shows.
#[derive(Debug, Default)]
pub struct Status {
    /// The metrics.
    pub metrics: Metrics,
    /// A first cycle has ended.
    pub is_ready: AtomicBool,
}

/// Binds the server's socket.
///
/// # Errors
/// The address cannot be bound, such as a port in use.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the token is cancelled. Answers under way then get a second more; who holds a connection open without
/// asking anything does not hold up the end of the process.
///
/// # Errors
/// The socket fails.
pub async fn serve(
    listener: TcpListener,
    status: Arc<Status>,
    webhooks: Arc<Webhooks>,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let asked = cancel.clone();
    let served = axum::serve(Bounded::new(listener), router(status, webhooks))
        .with_graceful_shutdown(async move { asked.cancelled().await });
    let closing = async move {
        cancel.cancelled().await;
        tokio::time::sleep(CLOSING).await;
    };
    tokio::select! {
        result = served.into_future() => result,
        () = closing => Ok(()),
    }
}

fn router(status: Arc<Status>, webhooks: Arc<Webhooks>) -> Router {
    let received =
        Router::new().route("/webhooks/{name}", post(webhooks::receive)).with_state((status.clone(), webhooks));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(status)
        .merge(received)
}

/// The process answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// The first cycle has ended: from then on the process does its work.
async fn readyz(State(status): State<Arc<Status>>) -> impl IntoResponse {
    if status.is_ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the first cycle has not ended yet\n")
    }
}

/// OpenMetrics for who asks for it, as Prometheus does; else its older format, which every reader takes.
async fn metrics(State(status): State<Arc<Status>>, headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_open = accepted.into_iter().any(|value| value.contains("application/openmetrics-text"));
    let (kind, text) = if is_open {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", status.metrics.text())
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", status.metrics.prometheus_text())
    };
    ([(header::CONTENT_TYPE, kind)], text)
}
