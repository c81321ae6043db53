//! How fast one registry is asked: its own wishes before ours.
//!
//! A registry that says "too many" (429), "not before" (503 with a time), or that nothing is left of its allowance is left
//! alone for as long as it says, or for a span that doubles each time where it does not say. A 503 without a time may be
//! about one repository: only that request waits, until several in a row say so. Short pauses are waited for, long ones
//! make every question to it fail at once, without a request. Up to a bound on requests in a cycle nobody can use it up
//! for the others: whose turn it is, `reconcile` says. Clock and dice are arguments.
//!
//! Specs: RFC 9110, section 10.2.3 (`Retry-After`); draft-ietf-httpapi-ratelimit-headers (`RateLimit`, and the older
//! three fields); Docker Hub's `ratelimit-remaining: 0;w=21600`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::http::rate::{DAY, allowance};
use crate::registry::answer::Answer;

/// The longest pause where the registry does not say how long.
const LONGEST_GUESS: Duration = Duration::from_secs(300);
/// After so many 503 in a row it is the whole registry that is left alone.
const BUSY: u32 = 3;

/// The pace of one registry; everybody who asks it shares it, whatever the credentials.
#[derive(Debug)]
pub(crate) struct Pace {
    slots: Semaphore,
    /// Time between the starts of two requests.
    interval: Option<Duration>,
    /// The first pause where the registry does not say how long.
    first_guess: Duration,
    /// The longest pause that a question waits for.
    patience: Duration,
    /// Requests in a cycle; none = as many as are asked.
    budget: Option<u64>,
    state: Mutex<State>,
    requests: AtomicU64,
    throttled: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    next_start: Option<Instant>,
    paused_until: Option<Instant>,
    /// Pauses in a row that the registry did not measure.
    guesses: u32,
    /// 503 in a row that named no time.
    busy: u32,
    spent: u64,
    /// Of them those that began something else than a list.
    others: u64,
}

/// What of a cycle's requests a request may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Share {
    /// It begins a list. A quarter of the requests is left for what the lists bring about: without it, lists that take
    /// all of them in each cycle would let nothing be written.
    List,
    /// It begins anything else.
    All,
    /// It goes on with what was begun, which is of no use half done: it is counted, and never refused.
    Begun,
}

impl Share {
    /// Tells whether nothing of a budget is left. Lists that were begun may take more than their part, and that is no
    /// reason to leave less than the quarter: where each cycle begins with a long list, nothing would ever be written.
    fn is_used_up(self, budget: u64, state: &State) -> bool {
        let kept = budget.div_ceil(4);
        match self {
            Self::List => state.spent >= budget - kept,
            Self::All => state.spent >= budget && state.others >= kept,
            Self::Begun => false,
        }
    }
}

/// Why a request may not start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The registry asked to be left alone for so long.
    Paused(Duration),
    /// The requests of this cycle are used up.
    Spent(u64),
}

/// What an answer means for the same request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Advice {
    /// It is an answer.
    Take,
    /// It is to be asked again after this time, and after the pause that all wait for.
    Again(Duration),
}

/// What one registry was asked since the process began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Requests that were sent, those to its token service and redirects included.
    pub requests: u64,
    /// Answers that asked for a pause: 429, 503, and allowances that are used up.
    pub throttled: u64,
    /// How long it is left alone from now on.
    pub pause: Duration,
}

impl Pace {
    pub(crate) fn new(
        concurrency: usize,
        interval: Option<Duration>,
        budget: Option<u64>,
        first_guess: Duration,
        patience: Duration,
    ) -> Self {
        Self {
            slots: Semaphore::new(concurrency),
            interval,
            first_guess,
            patience,
            budget,
            state: Mutex::default(),
            requests: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        }
    }

    /// Begins a cycle: its requests are there again.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        (state.spent, state.others) = (0, 0);
    }

    /// Waits until a request may start, and counts it.
    ///
    /// # Errors
    /// The registry is to be left alone for longer than anybody waits, or this cycle's requests are used up.
    pub(crate) async fn admit(&self, share: Share) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        loop {
            self.wait_for_the_pause().await?;
            // Closed by nobody; without a permit the request would still be right.
            let permit = self.slots.acquire().await.ok();
            let now = Instant::now();
            let start = {
                let mut state = self.state();
                if state.paused_until.is_some_and(|until| until > now) {
                    continue;
                }
                if let Some(budget) = self.budget
                    && share.is_used_up(budget, &state)
                {
                    return Err(Refusal::Spent(budget));
                }
                state.spent += 1;
                state.others += u64::from(share == Share::All);
                let start = state.next_start.unwrap_or(now).max(now);
                state.next_start = self.interval.map(|interval| start + interval);
                start
            };
            if start > now {
                sleep_until(start).await;
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            return Ok(permit);
        }
    }

    async fn wait_for_the_pause(&self) -> Result<(), Refusal> {
        loop {
            let now = Instant::now();
            let until = self.state().paused_until.filter(|until| *until > now);
            match until {
                None => return Ok(()),
                Some(until) if until - now > self.patience => return Err(Refusal::Paused(until - now)),
                Some(until) => sleep_until(until).await,
            }
        }
    }

    /// Takes in what the registry answered.
    pub(crate) fn note(&self, answer: &Answer) -> Advice {
        let asked = wish(answer, jiff::Timestamp::now());
        self.note_wish(asked, Instant::now(), dice())
    }

    fn note_wish(&self, wish: Wish, now: Instant, dice: u32) -> Advice {
        let mut state = self.state();
        let (pause, advice) = match wish {
            Wish::None => {
                (state.guesses, state.busy) = (0, 0);
                return Advice::Take;
            }
            Wish::Later(pause) => (pause, Advice::Take),
            Wish::Again(Some(pause)) => (pause, Advice::Again(Duration::ZERO)),
            Wish::Busy if state.busy + 1 < BUSY => {
                state.busy += 1;
                self.throttled.fetch_add(1, Ordering::Relaxed);
                return if self.first_guess > self.patience { Advice::Take } else { Advice::Again(self.first_guess) };
            }
            Wish::Again(None) | Wish::Busy => {
                // Requests that were under way together are one sign, not many.
                if state.paused_until.is_none_or(|until| until <= now) {
                    state.guesses = state.guesses.saturating_add(1);
                }
                let doubled = 2_u32.saturating_pow(state.guesses.saturating_sub(1));
                (self.first_guess.saturating_mul(doubled).min(LONGEST_GUESS), Advice::Again(Duration::ZERO))
            }
        };
        self.throttled.fetch_add(1, Ordering::Relaxed);
        // Not all who were told the same come back in the same moment.
        let jitter = pause.min(Duration::from_secs(60)).mul_f64(f64::from(dice) / f64::from(u32::MAX) / 10.0);
        let until = now + pause.min(DAY) + jitter;
        state.paused_until = Some(state.paused_until.map_or(until, |known| known.max(until)));
        if pause > self.patience { Advice::Take } else { advice }
    }

    /// Gives what was asked so far, and how long the registry is left alone from now on.
    pub(crate) fn traffic(&self) -> Traffic {
        let until = self.state().paused_until;
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
            pause: until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now())),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a registry wants of us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wish {
    None,
    /// It answered, and wants no more for so long.
    Later(Duration),
    /// It did not answer, and wants to be asked again after so long, if it says.
    Again(Option<Duration>),
    /// It cannot answer this now.
    Busy,
}

/// Reads what an answer says of our pace.
fn wish(answer: &Answer, now: jiff::Timestamp) -> Wish {
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS => {
            Wish::Again(answer.retry_after(now).or_else(|| allowance(&answer.headers, now)))
        }
        StatusCode::SERVICE_UNAVAILABLE => answer.retry_after(now).map_or(Wish::Busy, |pause| Wish::Again(Some(pause))),
        _ => match allowance(&answer.headers, now) {
            Some(pause) if !pause.is_zero() => Wish::Later(pause),
            _ => Wish::None,
        },
    }
}

/// Any number: the keys of a hash map are random.
fn dice() -> u32 {
    u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::BytesMut;

    use super::*;

    fn pace(budget: Option<u64>) -> Pace {
        Pace::new(2, None, budget, Duration::from_secs(1), Duration::from_secs(10))
    }

    #[test]
    fn what_a_registry_wants_is_read_in_every_dialect() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let s = Duration::from_secs;
        for (status, headers, expected) in [
            (200, vec![], Wish::None),
            (200, vec![("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "99;w=21600")], Wish::None),
            (200, vec![("ratelimit-remaining", "0;w=21600")], Wish::None),
            (200, vec![("ratelimit-remaining", "0"), ("ratelimit-reset", "30")], Wish::Later(s(30))),
            (200, vec![("ratelimit-remaining", "1"), ("ratelimit-reset", "30")], Wish::None),
            (200, vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767323105")], Wish::Later(s(60))),
            (200, vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767323000")], Wish::None),
            (200, vec![("ratelimit", r#""default";r=0;t=20"#)], Wish::Later(s(20))),
            (200, vec![("ratelimit", r#""burst";r=5;t=1, "day";r=0;t=600"#)], Wish::Later(s(600))),
            (200, vec![("ratelimit", r#""default";r=1;t=20"#)], Wish::None),
            (429, vec![], Wish::Again(None)),
            (429, vec![("retry-after", "7")], Wish::Again(Some(s(7)))),
            (429, vec![("ratelimit", r#""default";r=0;t=20"#)], Wish::Again(Some(s(20)))),
            (429, vec![("ratelimit", "limit=100, remaining=0, reset=20")], Wish::Again(Some(s(20)))),
            (200, vec![("ratelimit", "limit=100;w=60,remaining=0,reset=20")], Wish::Later(s(20))),
            (200, vec![("ratelimit", "limit=100, remaining=10, reset=20")], Wish::None),
            (503, vec![("retry-after", "Fri, 02 Jan 2026 03:05:05 GMT")], Wish::Again(Some(s(60)))),
            (503, vec![("retry-after", "soon")], Wish::Busy),
            (503, vec![], Wish::Busy),
            (500, vec![("retry-after", "7")], Wish::None),
        ] {
            let answer = Answer {
                url: "https://r.example".parse().unwrap(),
                status: StatusCode::from_u16(status).unwrap(),
                headers: headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
                body: Ok(BytesMut::new()),
            };
            assert_eq!(wish(&answer, now), expected, "{status} {headers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_pause_is_waited_for_and_a_long_one_is_an_answer() {
        let pace = pace(None);
        let started = Instant::now();
        assert_eq!(
            pace.note_wish(Wish::Again(Some(Duration::from_secs(4))), started, 0),
            Advice::Again(Duration::ZERO)
        );
        drop(pace.admit(Share::All).await.unwrap());
        assert_eq!(started.elapsed().as_secs(), 4);
        assert_eq!(pace.note_wish(Wish::Later(Duration::from_secs(60)), Instant::now(), 0), Advice::Take);
        assert!(matches!(pace.admit(Share::All).await, Err(Refusal::Paused(left)) if left.as_secs() == 60));
        assert_eq!((pace.traffic().requests, pace.traffic().throttled), (1, 2));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(pace.traffic().pause, Duration::ZERO);
        drop(pace.admit(Share::All).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn unmeasured_pauses_double_and_requests_under_way_together_are_one_sign() {
        let pace = pace(None);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let now = Instant::now();
            for _ in 0..5 {
                pace.note_wish(Wish::Again(None), now, 0);
            }
            let pause = pace.traffic().pause;
            pauses.push(pause.as_secs());
            tokio::time::advance(pause).await;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(pace.note_wish(Wish::None, Instant::now(), 0), Advice::Take);
        pace.note_wish(Wish::Again(None), Instant::now(), u32::MAX);
        assert_eq!(pace.traffic().pause, Duration::from_millis(1100), "an answer ends the series; a tenth is jitter");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_busy_with_one_thing_is_asked_for_others_until_that_is_the_rule() {
        let (pace, second) = (pace(None), Duration::from_secs(1));
        for _ in 0..2 {
            for _ in 0..2 {
                assert_eq!(pace.note_wish(Wish::Busy, Instant::now(), 0), Advice::Again(second));
                assert_eq!(pace.traffic().pause, Duration::ZERO);
            }
            pace.note_wish(Wish::None, Instant::now(), 0);
        }
        for expected in [0, 0, 1] {
            pace.note_wish(Wish::Busy, Instant::now(), 0);
            assert_eq!(pace.traffic().pause.as_secs(), expected);
        }
        assert_eq!(pace.traffic().throttled, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_is_there_again_in_the_next_cycle() {
        for (budget, lists) in [(2, 1), (4, 3), (5, 3), (100, 75)] {
            let pace = pace(Some(budget));
            for _ in 0..2 {
                for _ in 0..lists {
                    drop(pace.admit(Share::List).await.unwrap());
                }
                assert_eq!(pace.admit(Share::List).await.map(drop), Err(Refusal::Spent(budget)));
                for _ in lists..budget {
                    drop(pace.admit(Share::All).await.unwrap());
                }
                assert_eq!(pace.admit(Share::All).await.map(drop), Err(Refusal::Spent(budget)));
                drop(pace.admit(Share::Begun).await.unwrap());
                pace.begin();
            }
            assert_eq!(pace.traffic().requests, 2 * (budget + 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lists_that_are_longer_than_the_budget_leave_the_rest_its_part() {
        for (budget, kept) in [(2, 1), (4, 1), (100, 25)] {
            let pace = pace(Some(budget));
            for _ in 0..2 {
                drop(pace.admit(Share::List).await.unwrap());
                for _ in 0..2 * budget {
                    drop(pace.admit(Share::Begun).await.unwrap());
                }
                assert_eq!(pace.admit(Share::List).await.map(drop), Err(Refusal::Spent(budget)));
                for _ in 0..kept {
                    drop(pace.admit(Share::All).await.unwrap());
                }
                assert_eq!(pace.admit(Share::All).await.map(drop), Err(Refusal::Spent(budget)));
                pace.begin();
            }
        }
    }
}
