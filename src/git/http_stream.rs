//! One request over HTTP as the stream that libgit2 writes to and reads from.
//!
//! Neither the request nor the answer is held whole: a long request is sent in chunks while it is written.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use git2::transport::Service;
use reqwest::{Body, Response};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::git::https::HttpExchange;
use crate::git::network;

/// Longest request that is sent whole, with its length; a longer one is sent in chunks. As git's `http.postBuffer`.
const WHOLE_REQUEST: usize = 1 << 20;
/// Bytes of one chunk of a longer request.
const CHUNK: usize = 64 << 10;
/// Chunks that wait to be sent.
const WAITING_CHUNKS: usize = 8;
/// How long the end of a body is waited for, for the sake of the connection.
const END_OF_BODY: Duration = Duration::from_millis(100);

/// One request and its answer.
pub(in crate::git) struct HttpStream {
    exchange: Arc<HttpExchange>,
    service: &'static str,
    step: Step,
}

impl HttpStream {
    /// Prepares the stream of a service; nothing is sent before libgit2 writes or reads.
    pub(in crate::git) fn new(exchange: &Arc<HttpExchange>, service: Service) -> Self {
        let (service, step) = match service {
            Service::UploadPackLs => ("git-upload-pack", Step::Ask),
            Service::UploadPack => ("git-upload-pack", Step::Collect(BytesMut::new())),
            Service::ReceivePackLs => ("git-receive-pack", Step::Ask),
            Service::ReceivePack => ("git-receive-pack", Step::Collect(BytesMut::new())),
        };
        Self { exchange: Arc::clone(exchange), service, step }
    }

    /// Begins to send a request in chunks.
    fn begin(&self, waiting: BytesMut) -> io::Result<Step> {
        let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
        let chunks = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|chunk| (chunk, receiver))
        });
        let request = self.exchange.post(self.service).body(Body::wrap_stream(chunks));
        let runtime = network::runtime().map_err(|reason| self.exchange.conversation.broken(&reason))?;
        let answer = Answer(runtime.spawn(async { request.send().await }));
        Ok(Step::Send { waiting, sender, answer })
    }

    /// Ends the request and waits for the beginning of its answer.
    fn receive(&mut self) -> io::Result<()> {
        let conversation = Arc::clone(&self.exchange.conversation);
        let response = match std::mem::replace(&mut self.step, Step::Failed) {
            Step::Ask => self.exchange.ask(self.service)?,
            Step::Collect(body) => {
                let request = self.exchange.post(self.service).body(body.freeze());
                self.exchange.result(self.service, conversation.wait(async { request.send().await })?)?
            }
            Step::Send { waiting, sender, mut answer } => {
                if !waiting.is_empty() {
                    // A server that answers early closes the channel, and its answer says why.
                    let _ = conversation.wait(sender.send(Ok(waiting.freeze())))?;
                }
                drop(sender);
                let sent = conversation.wait(&mut answer.0)?;
                let sent = sent.map_err(|error| conversation.broken(&error.to_string()))?;
                self.exchange.result(self.service, sent)?
            }
            receiving @ Step::Receive { .. } => {
                self.step = receiving;
                return Ok(());
            }
            Step::Failed => return Err(io::Error::other("the request failed before")),
        };
        self.step = Step::Receive { response, chunk: Bytes::new() };
        Ok(())
    }
}

impl Read for HttpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive()?;
        let Step::Receive { response, chunk } = &mut self.step else { return Ok(0) };
        while chunk.is_empty() {
            match self.exchange.conversation.wait(response.chunk())? {
                Ok(Some(next)) => *chunk = next,
                Ok(None) => return Ok(0),
                Err(error) => return Err(self.exchange.failed(&error)),
            }
        }
        let count = buffer.len().min(chunk.len());
        chunk.copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Write for HttpStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if let Step::Collect(body) = &mut self.step
            && body.len().saturating_add(buffer.len()) > WHOLE_REQUEST
        {
            let body = std::mem::take(body);
            self.step = self.begin(body)?;
        }
        match &mut self.step {
            Step::Collect(body) => body.extend_from_slice(buffer),
            Step::Send { waiting, sender, .. } => {
                waiting.extend_from_slice(buffer);
                while waiting.len() >= CHUNK {
                    let chunk = waiting.split_to(CHUNK).freeze();
                    if self.exchange.conversation.wait(sender.send(Ok(chunk)))?.is_err() {
                        // The server answered before the end of the request, or the connection broke.
                        self.receive()?;
                        return Err(self.exchange.conversation.broken("it answered before the end of the request"));
                    }
                }
            }
            Step::Ask | Step::Receive { .. } | Step::Failed => {
                return Err(io::Error::other("the request was sent already"));
            }
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for HttpStream {
    fn drop(&mut self) {
        // libgit2 stops at the last packet. The connection serves the next request only if the body was read to its
        // end, which is there already or comes at once.
        if let Step::Receive { response, .. } = &mut self.step
            && let Ok(runtime) = network::runtime()
        {
            runtime.block_on(async {
                let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
                let _ = tokio::time::timeout(END_OF_BODY, rest).await;
            });
        }
    }
}

/// Where a request or its answer stands.
enum Step {
    /// The references are asked for at the first read.
    Ask,
    /// A request is being written, and is still short.
    Collect(BytesMut),
    /// A long request is being sent.
    Send { waiting: BytesMut, sender: mpsc::Sender<Result<Bytes, io::Error>>, answer: Answer },
    /// The answer is being read.
    Receive { response: Response, chunk: Bytes },
    /// It failed.
    Failed,
}

/// The answer to a request that is still being sent. Dropping it gives the request up.
struct Answer(JoinHandle<Result<Response, reqwest::Error>>);

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.abort();
    }
}
