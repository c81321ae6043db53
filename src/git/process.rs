//! A child process that speaks the pack protocol on its standard input and output, with time limits.
//!
//! It is started without a shell, waited for when its stream ends, and killed if it does not end by itself.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use std::os::unix::process::CommandExt;

/// Bytes of standard error that are kept.
const MAX_STDERR: usize = 16 << 10;
/// The packet that ends a request.
const FLUSH: &[u8] = b"0000";
/// How long a process may take to end after its stream was closed.
const GRACE: Duration = Duration::from_secs(5);
/// What a child process gets of our environment: nothing that may be secret.
const KEPT_VARIABLES: [&str; 7] = ["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "XDG_CONFIG_HOME"];

/// How long a conversation may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::git) struct Limits {
    /// Longest time to connect and to log in; of no meaning for a process.
    pub(in crate::git) connect: Duration,
    /// Longest wait for the next byte.
    pub(in crate::git) idle: Duration,
    /// Longest conversation.
    pub(in crate::git) total: Duration,
}

/// What went wrong with a process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::git) enum Trouble {
    /// There is no such program.
    NotInstalled,
    /// The system refused to start it.
    NotStarted(String),
    /// It was killed at this limit.
    TimedOut(Duration),
    /// It ended with an error; its standard error.
    Failed(String),
}

/// A running process: the part that outlives its stream.
pub(in crate::git) struct Process {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    child: Child,
    stderr: Vec<u8>,
    stderr_ended: bool,
    /// Since when a read or write is waiting.
    waiting_since: Option<Instant>,
    timed_out: Option<Duration>,
    /// It closed its side of the stream.
    hung_up: bool,
    /// We closed the stream first: how it ends then says nothing.
    ended_by_us: bool,
    closed: bool,
}

impl Process {
    /// Starts `program service path`.
    pub(in crate::git) fn start(
        program: &Path,
        service: &str,
        path: &Path,
        limits: Limits,
    ) -> Result<(Arc<Self>, Pipe), Trouble> {
        let mut command = Command::new(program);
        command.arg(service).arg(path).env_clear().current_dir("/");
        command.envs(KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: an interrupt at the terminal must not break a push that we let finish.
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Trouble::NotInstalled,
            _ => Trouble::NotStarted(error.to_string()),
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Trouble::NotStarted("it has no pipes".to_owned()));
        };
        let state = State {
            child,
            stderr: Vec::new(),
            stderr_ended: false,
            waiting_since: None,
            timed_out: None,
            hung_up: false,
            ended_by_us: false,
            closed: false,
        };
        let process = Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() });
        let pipe = Pipe { ends: Some((stdin, stdout)), process: Arc::clone(&process) };
        let collector = Arc::clone(&process);
        let watch = Arc::clone(&process);
        let started = thread::Builder::new().name("git-stderr".to_owned()).spawn(move || collector.collect(stderr));
        started
            .and_then(|_| {
                thread::Builder::new().name("git-watch".to_owned()).spawn(move || watch.watch(limits, Instant::now()))
            })
            .map_err(|error| Trouble::NotStarted(error.to_string()))?;
        Ok((process, pipe))
    }

    /// Tells what went wrong, if anything. If it has hung up it is given a moment to end and to say why.
    pub(in crate::git) fn trouble(&self) -> Option<Trouble> {
        let (timed_out, running) = {
            let state = self.lock();
            (state.timed_out, state.ended_by_us || !state.hung_up)
        };
        if let Some(limit) = timed_out {
            return Some(Trouble::TimedOut(limit));
        }
        if running || self.wait(Duration::from_secs(2)).is_none_or(|success| success) {
            return None;
        }
        // A hook in the background may hold the pipe, so its end is not waited for without a limit.
        let (state, _) = self
            .changed
            .wait_timeout_while(self.lock(), Duration::from_millis(500), |state| !state.stderr_ended)
            .unwrap_or_else(PoisonError::into_inner);
        Some(Trouble::Failed(String::from_utf8_lossy(&state.stderr).into_owned()))
    }

    /// Waits for the end: whether it succeeded, or nothing if it is still running.
    fn wait(&self, limit: Duration) -> Option<bool> {
        let until = Instant::now() + limit;
        let mut pause = Duration::from_micros(200);
        loop {
            if let Ok(Some(status)) = self.lock().child.try_wait() {
                return Some(status.success());
            }
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    fn collect(&self, mut stderr: impl Read) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stderr.read(&mut buffer) {
            let mut state = self.lock();
            let room = MAX_STDERR.saturating_sub(state.stderr.len()).min(count);
            state.stderr.extend(buffer.iter().take(room));
        }
        self.lock().stderr_ended = true;
        self.changed.notify_all();
    }

    /// Kills the process when a limit is reached; ends with the stream.
    fn watch(&self, limits: Limits, started: Instant) {
        let mut state = self.lock();
        while !state.closed {
            let idle = state.waiting_since.map(|since| limits.idle.saturating_sub(since.elapsed()));
            let total = limits.total.saturating_sub(started.elapsed());
            let reached = match idle {
                Some(Duration::ZERO) => Some(limits.idle),
                _ if total.is_zero() => Some(limits.total),
                _ => None,
            };
            if let Some(limit) = reached {
                state.timed_out = Some(limit);
                let _ = state.child.kill();
                return;
            }
            let pause = idle.unwrap_or(limits.idle).min(total);
            (state, _) = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stream to a process. Dropping it ends the process.
pub(in crate::git) struct Pipe {
    ends: Option<(ChildStdin, ChildStdout)>,
    process: Arc<Process>,
}

impl Pipe {
    /// Runs a call that may wait, under the idle limit. Zero bytes or an error mean that the process has hung up.
    fn waiting(
        &mut self,
        call: impl FnOnce(&mut (ChildStdin, ChildStdout)) -> std::io::Result<usize>,
    ) -> std::io::Result<usize> {
        self.process.lock().waiting_since = Some(Instant::now());
        let result = self.ends.as_mut().map_or(Err(ErrorKind::BrokenPipe.into()), call);
        let mut state = self.process.lock();
        state.waiting_since = None;
        state.hung_up |= !matches!(result, Ok(1..));
        match state.timed_out {
            Some(limit) => Err(std::io::Error::other(format!("no answer within {} s", limit.as_secs()))),
            None => result,
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.waiting(|(_, stdout)| stdout.read(buffer))
    }
}

impl Write for Pipe {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        // libgit2 says goodbye when it disconnects. A process that has sent everything may be gone by then, and the
        // broken pipe would hide the error for which libgit2 disconnects.
        self.waiting(|(stdin, _)| match stdin.write(buffer) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe && buffer == FLUSH => Ok(buffer.len()),
            other => other,
        })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let killed = {
            let mut state = self.process.lock();
            state.ended_by_us = !state.hung_up;
            state.timed_out.is_some()
        };
        // Both ends: a process that is still sending ends by the broken pipe.
        drop(self.ends.take());
        if killed || self.process.wait(GRACE).is_none() {
            let _ = self.process.lock().child.kill();
            let _ = self.process.wait(GRACE);
        }
        self.process.lock().closed = true;
        self.process.changed.notify_all();
    }
}
