//! Connections of the server: so many at once, and none that waits for long without an answer.
//!
//! Whoever reaches the port may open connections and say nothing, or a byte now and then. Each of them would take a file
//! that the cycles need for remotes and registries.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Most connections at once; others wait until one is closed.
const MOST: usize = 512;
/// How long a connection may be open since its beginning, or since its last answer. Longer than a body may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A listener whose connections are bounded.
pub(super) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Duration,
}

/// A connection. It ends when it waited for too long.
pub(super) struct Connection {
    stream: TcpStream,
    patience: Duration,
    end: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(MOST)), patience: PATIENCE }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // Closed by nobody.
        let place = self.places.clone().acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let end = Box::pin(tokio::time::sleep(self.patience));
        (Connection { stream, patience: self.patience, end, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Asked first: who sends a byte now and then is not waited for either.
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, bytes)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            let end = Instant::now() + self.patience;
            self.end.as_mut().reset(end);
        } else if self.end.as_mut().poll(context).is_ready() {
            // It reads no answer.
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn server(places: usize, patience: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Bounded { places: Arc::new(Semaphore::new(places)), patience, ..Bounded::new(listener) };
        let router = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn who_asks_nothing_is_sent_away_and_who_waits_for_a_place_is_answered() {
        let address = server(2, Duration::from_millis(100)).await;
        let mut silent = vec![send(address, "").await, send(address, "GET / HT").await];
        let mut asking = send(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut answer = String::new();
        asking.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
        for stream in &mut silent {
            let mut rest = Vec::new();
            // Closed, or reset with bytes unread.
            let _ = stream.read_to_end(&mut rest).await;
            assert!(rest.is_empty(), "{rest:?}");
        }
    }

    #[tokio::test]
    async fn who_sends_a_byte_now_and_then_is_sent_away_too() {
        let address = server(1, Duration::from_millis(200)).await;
        let mut dripping = send(address, "GET / HTTP/1.1\r\nx: ").await;
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let most = 1_000;
        for sent in 0..most {
            ticks.tick().await;
            if dripping.write_all(b"x").await.is_err() {
                return;
            }
            assert!(sent + 1 < most, "it was listened to for ever");
        }
    }

    #[tokio::test]
    async fn a_connection_that_gets_answers_stays() {
        let address = server(1, Duration::from_secs(60)).await;
        let mut stream = send(address, "").await;
        for _ in 0..3 {
            stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            let mut answer = vec![0; 4096];
            let count = stream.read(&mut answer).await.unwrap();
            assert!(answer[..count].starts_with(b"HTTP/1.1 200"));
        }
    }
}
