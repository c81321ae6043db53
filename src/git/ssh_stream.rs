//! A service that runs on the other side of an ssh connection, as the stream that libgit2 writes to and reads from.
//!
//! Writes are buffered and sent before the next read; while they are sent, what arrives is taken, so that neither side
//! waits for the other for ever.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect};

use crate::git::error::{GitError, plain};
use crate::git::network::{self, Conversation};
use crate::git::ssh::{Guard, SshError};

/// Bytes that are collected before they are sent.
const FULL: usize = 64 << 10;
/// Bytes of the other side's standard error that are kept.
const MAX_STDERR: usize = 16 << 10;
/// Longest text of a server in a message, in characters.
const MAX_TEXT: usize = 2_000;
/// How long the end of a conversation may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// The stream. Dropping it ends the connection.
pub(in crate::git) struct SshStream {
    conversation: Arc<Conversation>,
    session: Option<Handle<Guard>>,
    reader: ChannelReadHalf,
    writer: ChannelWriteHalf<Msg>,
    /// What is to be sent.
    outgoing: Vec<u8>,
    /// What arrived while something was sent.
    arrived: VecDeque<ChannelMsg>,
    /// What is to be read.
    incoming: Bytes,
    stderr: Vec<u8>,
    status: Option<u32>,
}

/// How sending ended.
enum Sent {
    Done,
    /// The other side closed the channel.
    Closed,
    /// The connection is gone.
    Lost,
}

impl SshStream {
    pub(in crate::git) fn new(conversation: Arc<Conversation>, session: Handle<Guard>, channel: Channel<Msg>) -> Self {
        let (reader, writer) = channel.split();
        Self {
            conversation,
            session: Some(session),
            reader,
            writer,
            outgoing: Vec::new(),
            arrived: VecDeque::new(),
            incoming: Bytes::new(),
            stderr: Vec::new(),
            status: None,
        }
    }

    /// Sends what was written.
    fn drain(&mut self) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        let conversation = Arc::clone(&self.conversation);
        match conversation.wait(self.send())? {
            Sent::Done => Ok(()),
            Sent::Closed => {
                for message in std::mem::take(&mut self.arrived) {
                    self.note(&message);
                }
                Err(self.failed("git on the server ended early"))
            }
            Sent::Lost => Err(self.lost()),
        }
    }

    async fn send(&mut self) -> Sent {
        let data = std::mem::take(&mut self.outgoing);
        let sending = self.writer.data_bytes(data);
        tokio::pin!(sending);
        loop {
            tokio::select! {
                biased;
                sent = &mut sending => return if sent.is_ok() { Sent::Done } else { Sent::Lost },
                message = self.reader.wait() => match message {
                    None => return Sent::Lost,
                    Some(ChannelMsg::Close) => return Sent::Closed,
                    Some(message) => self.arrived.push_back(message),
                },
            }
        }
    }

    /// Keeps what a message says about the end of the service.
    fn note(&mut self, message: &ChannelMsg) {
        match message {
            ChannelMsg::ExtendedData { data, .. } => {
                let room = MAX_STDERR.saturating_sub(self.stderr.len());
                self.stderr.extend(data.iter().take(room));
            }
            ChannelMsg::ExitStatus { exit_status } => self.status = Some(*exit_status),
            _ => {}
        }
    }

    /// Sorts the end of the service by what it said.
    fn failed(&self, why: &str) -> io::Error {
        let said = plain(&String::from_utf8_lossy(&self.stderr), MAX_TEXT);
        let remote = self.conversation.remote.clone();
        let reason = match (said.is_empty(), self.status) {
            (false, _) => said,
            (true, Some(status)) => format!("{why} (exit status {status})"),
            (true, None) => why.to_owned(),
        };
        let lower = reason.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        let error =
            if has(&["does not appear to be a git repository", "not found", "does not exist", "no such project"]) {
                GitError::NotARepository { remote, reason }
            } else if has(&["permission", "denied", "not allowed", "unauthorized", "read only", "dubious ownership"]) {
                GitError::Unauthorized { remote, reason }
            } else {
                GitError::Unreachable { remote, reason }
            };
        self.conversation.fail(error)
    }

    /// Asks the connection why it is gone.
    fn lost(&mut self) -> io::Error {
        let reason = self.session.take().zip(network::runtime().ok()).and_then(|(session, runtime)| {
            let end = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(1), session).await });
            end.ok()?.err().map(|error: SshError| error.to_string())
        });
        let reason = reason.unwrap_or_else(|| "the server closed the connection".to_owned());
        self.conversation.broken(&reason)
    }
}

impl Read for SshStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.drain()?;
        let conversation = Arc::clone(&self.conversation);
        while self.incoming.is_empty() {
            let message = match self.arrived.pop_front() {
                Some(message) => Some(message),
                None => conversation.wait(self.reader.wait())?,
            };
            match message {
                Some(ChannelMsg::Data { data }) => self.incoming = data,
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    return Err(self.failed(&format!("git on the server was ended by {signal_name:?}")));
                }
                Some(ChannelMsg::Failure) => return Err(self.failed("the server refuses to run the command")),
                Some(ChannelMsg::Close) => {
                    return match self.status {
                        Some(0) => Ok(0),
                        Some(_) => Err(self.failed("git on the server failed")),
                        None => Err(self.failed("the server closed the channel")),
                    };
                }
                // After its last byte the service still says how it ended.
                Some(other) => self.note(&other),
                None => return Err(self.lost()),
            }
        }
        let count = buffer.len().min(self.incoming.len());
        self.incoming.copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Write for SshStream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(buffer);
        if self.outgoing.len() >= FULL {
            self.drain()?;
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain()
    }
}

impl Drop for SshStream {
    fn drop(&mut self) {
        let (Some(session), Ok(runtime)) = (self.session.take(), network::runtime()) else { return };
        // The last flush packet may meet a channel that is closed already: how this ends says nothing.
        runtime.block_on(async {
            let goodbye = async {
                if !self.outgoing.is_empty() {
                    self.send().await;
                }
                let _ = self.writer.eof().await;
                let _ = self.writer.close().await;
                let _ = session.disconnect(Disconnect::ByApplication, "", "").await;
            };
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        });
    }
}
