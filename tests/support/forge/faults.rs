//! What a forge may do wrong, and how much it lets itself be asked.

use std::time::Duration;

use jiff::Timestamp;

/// What happens to a request instead of, or besides, its answer.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// This status, with an error of the forge's kind; nothing is done.
    Status(u16),
    /// The connection ends without an answer; nothing is done.
    Drop,
    /// It is done, and the connection ends without an answer.
    DropAnswer,
    /// It is done, and answered late.
    Delay(Duration),
    /// This is answered; nothing is done.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Too many requests of a kind that the forge does not declare; seconds to wait.
    Secondary(u64),
}

/// A trouble that waits for its request.
#[derive(Clone, Debug)]
pub struct Planned {
    pub method: String,
    /// A part of path and query.
    pub part: String,
    pub trouble: Trouble,
    /// How often it happens yet.
    pub times: usize,
}

/// How many requests the forge still takes.
#[derive(Clone, Debug)]
pub struct Rate {
    pub limit: u64,
    pub used: u64,
    /// When what was used is forgotten.
    pub reset: Timestamp,
    /// Every request from the n-th on ends without an answer, as if the forge were gone.
    pub gone_after: Option<u64>,
}

impl Rate {
    pub fn new(now: Timestamp) -> Self {
        Self { limit: 5_000, used: 0, reset: in_an_hour(now), gone_after: None }
    }

    /// Counts one request; false if there is none left.
    pub fn take(&mut self, now: Timestamp) -> bool {
        if now >= self.reset {
            (self.used, self.reset) = (0, in_an_hour(now));
        }
        if self.used >= self.limit {
            return false;
        }
        self.used += 1;
        true
    }
}

fn in_an_hour(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second() + 3_600).unwrap()
}
