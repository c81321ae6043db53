//! How fast a forge is asked: its own wishes before ours.
//!
//! A forge that says "too many" (429, or 403 for GitHub's limits), or that nothing is left of the allowance, is left alone
//! for as long as it says, or for a span that doubles each time where it does not say: short pauses are waited for, long ones
//! make every request fail at once, without being sent. Writes go one after the other, and with a pause between them only
//! after a forge complained of their rate. Each account has its own limits: that of one organisation stops no other.
//!
//! Documents: GitHub, "Rate limits for the REST API" and "Best practices for using the REST API"; GitLab, "Rate limits".

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::http::rate::{DAY, allowance, retry_after};

/// The longest pause that a request waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// The first pause where the forge does not say how long; GitHub asks for a minute at least.
const FIRST_GUESS: Duration = Duration::from_secs(60);
/// The longest one.
const LONGEST_GUESS: Duration = Duration::from_secs(15 * 60);
/// Time between two writes after a forge complained of the rate of requests that do not count against the allowance.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);
/// How long that is kept up.
const CAUTION: Duration = Duration::from_secs(3600);
/// Reads under way at once.
const READS: usize = 8;

/// Whose allowance a request is counted against.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Payer {
    /// The owner whose installation of an App asks; empty where one account asks for all.
    pub(super) owner: String,
    /// GraphQL has an allowance of its own.
    pub(super) is_graphql: bool,
}

/// The pace of one forge.
#[derive(Debug)]
pub(super) struct Pace {
    reads: Semaphore,
    writes: Semaphore,
    /// Time between the starts of two requests.
    interval: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_start: Option<Instant>,
    paused: BTreeMap<Payer, Instant>,
    /// Pauses in a row that the forge did not measure.
    guesses: u32,
    /// Until when writes are kept apart.
    careful_until: Option<Instant>,
    next_write: Option<Instant>,
}

/// What an answer says of our pace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    /// Nothing.
    None,
    /// It answered, and wants no more for so long.
    Later(Duration),
    /// It did not answer, for this allowance is used up; it says until when.
    Spent(Duration),
    /// It did not answer, and complains of our rate; it may say for how long it wants to be left alone.
    Slower(Option<Duration>),
}

impl Pace {
    pub(super) fn new(requests_per_second: Option<f64>) -> Self {
        let interval = requests_per_second.filter(|rate| rate.is_finite() && *rate > 0.0);
        Self {
            reads: Semaphore::new(READS),
            writes: Semaphore::new(1),
            interval: interval.map(|rate| Duration::from_secs_f64((1.0 / rate).min(DAY.as_secs_f64()))),
            state: Mutex::default(),
        }
    }

    /// Waits until a request may start.
    ///
    /// # Errors
    /// The forge is to be left alone for so long.
    pub(super) async fn admit(&self, payer: &Payer, is_write: bool) -> Result<Option<SemaphorePermit<'_>>, Duration> {
        self.wait_for_the_pause(payer).await?;
        let slots = if is_write { &self.writes } else { &self.reads };
        // Closed by nobody; without a permit the request would still be right.
        let permit = slots.acquire().await.ok();
        // While it waited for its turn others may have been told to stop.
        self.wait_for_the_pause(payer).await?;
        let now = Instant::now();
        let start = {
            let mut state = self.state();
            let mut start = state.next_start.unwrap_or(now).max(now);
            if is_write && state.careful_until.is_some_and(|until| until > now) {
                start = state.next_write.map_or(start, |next| next.max(start));
                state.next_write = Some(start + BETWEEN_WRITES);
            }
            state.next_start = self.interval.map(|interval| start + interval);
            start
        };
        if start > now {
            sleep_until(start).await;
        }
        Ok(permit)
    }

    async fn wait_for_the_pause(&self, payer: &Payer) -> Result<(), Duration> {
        loop {
            let now = Instant::now();
            let until = self.state().paused.get(payer).copied().filter(|until| *until > now);
            match until {
                None => return Ok(()),
                Some(until) if until - now > PATIENCE => return Err(until - now),
                Some(until) => sleep_until(until).await,
            }
        }
    }

    /// Takes in what an answer says. Gives how long the same request must wait, if it was refused for its rate.
    pub(super) fn note(&self, payer: &Payer, wish: Wish, now: Instant) -> Option<Duration> {
        let mut state = self.state();
        let pause = match wish {
            Wish::None => {
                state.guesses = 0;
                return None;
            }
            Wish::Later(pause) | Wish::Spent(pause) | Wish::Slower(Some(pause)) => pause,
            Wish::Slower(None) => {
                // Requests that were under way together are one sign, not many.
                if state.paused.get(payer).is_none_or(|until| *until <= now) {
                    state.guesses = state.guesses.saturating_add(1);
                }
                let doubled = 2_u32.saturating_pow(state.guesses.saturating_sub(1));
                FIRST_GUESS.saturating_mul(doubled).min(LONGEST_GUESS)
            }
        };
        let pause = pause.min(DAY);
        let mut stop = |payer: Payer| {
            let until = state.paused.entry(payer).or_insert(now);
            *until = (*until).max(now + pause);
        };
        stop(payer.clone());
        if matches!(wish, Wish::Slower(_)) {
            stop(Payer { is_graphql: !payer.is_graphql, ..payer.clone() });
            state.careful_until = Some(now + pause + CAUTION);
        }
        (!matches!(wish, Wish::Later(_))).then_some(pause)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what an answer says of our pace; `words` is what it says to people, which is all that tells a limit of GitHub from
/// a refusal where it sends no header.
pub(super) fn wish(status: StatusCode, headers: &HeaderMap, words: &str, now: Timestamp) -> Wish {
    let (asked, left) = (retry_after(headers, now), allowance(headers, now).filter(|pause| !pause.is_zero()));
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::FORBIDDEN => match (asked, left) {
            (Some(pause), _) => Wish::Slower(Some(pause)),
            (None, Some(pause)) => Wish::Spent(pause),
            (None, None) if status == StatusCode::TOO_MANY_REQUESTS || is_about_rate(words) => Wish::Slower(None),
            (None, None) => Wish::None,
        },
        StatusCode::SERVICE_UNAVAILABLE if asked.is_some() => Wish::Slower(asked),
        _ => left.map_or(Wish::None, Wish::Later),
    }
}

fn is_about_rate(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    words.contains("rate limit") || words.contains("abuse detection")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_forge_wants_is_read_from_its_headers_and_words() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let s = Duration::from_secs;
        let reset = ("x-ratelimit-reset", "1767323105");
        for (status, headers, words, expected) in [
            (200, vec![], "", Wish::None),
            (200, vec![("x-ratelimit-remaining", "4999"), reset], "", Wish::None),
            (200, vec![("x-ratelimit-remaining", "0"), reset], "", Wish::Later(s(60))),
            (304, vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767323000")], "", Wish::None),
            (403, vec![("x-ratelimit-remaining", "0"), reset], "API rate limit exceeded", Wish::Spent(s(60))),
            (403, vec![("x-ratelimit-remaining", "10"), reset], "Resource not accessible", Wish::None),
            (403, vec![("retry-after", "30")], "", Wish::Slower(Some(s(30)))),
            (403, vec![], "You have exceeded a secondary rate limit.", Wish::Slower(None)),
            (403, vec![], "You have triggered an abuse detection mechanism", Wish::Slower(None)),
            (429, vec![], "", Wish::Slower(None)),
            (429, vec![("retry-after", "7")], "", Wish::Slower(Some(s(7)))),
            (429, vec![("ratelimit-remaining", "0"), ("ratelimit-reset", "1767323105")], "", Wish::Spent(s(60))),
            (503, vec![("retry-after", "5")], "", Wish::Slower(Some(s(5)))),
            (503, vec![], "", Wish::None),
        ] {
            let headers: HeaderMap =
                headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(wish(status, &headers, words, now), expected, "{status} {headers:?} {words}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_pause_is_waited_for_and_a_long_one_refuses_all_that_follow() {
        let (pace, payer) = (Pace::new(None), Payer::default());
        let started = Instant::now();
        assert_eq!(pace.note(&payer, Wish::Slower(Some(PATIENCE)), started), Some(PATIENCE));
        drop(pace.admit(&payer, false).await.unwrap());
        assert_eq!(started.elapsed(), PATIENCE);
        pace.note(&payer, Wish::Slower(Some(Duration::from_secs(60))), Instant::now());
        assert_eq!(pace.admit(&payer, false).await.unwrap_err(), Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_account_used_up_stops_no_other() {
        let pace = Pace::new(None);
        let payer = |owner: &str, is_graphql| Payer { owner: owner.to_owned(), is_graphql };
        pace.note(&payer("acme", false), Wish::Spent(Duration::from_secs(600)), Instant::now());
        assert!(pace.admit(&payer("acme", false), true).await.is_err());
        for other in [payer("acme", true), payer("zoo", false)] {
            drop(pace.admit(&other, true).await.unwrap());
        }
        pace.note(&payer("acme", true), Wish::Slower(Some(Duration::from_secs(900))), Instant::now());
        assert_eq!(pace.admit(&payer("acme", false), false).await.unwrap_err(), Duration::from_secs(900));
        drop(pace.admit(&payer("zoo", true), false).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_kept_apart_only_after_a_complaint() {
        let (pace, payer) = (Pace::new(None), Payer::default());
        let started = Instant::now();
        for _ in 0..50 {
            drop(pace.admit(&payer, true).await.unwrap());
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        pace.note(&payer, Wish::Slower(Some(Duration::from_secs(1))), Instant::now());
        for _ in 0..4 {
            drop(pace.admit(&payer, true).await.unwrap());
        }
        assert_eq!(started.elapsed(), Duration::from_secs(4));
    }

    #[test]
    fn a_pause_that_nobody_measured_doubles_up_to_a_quarter_of_an_hour() {
        let (pace, payer, mut now) = (Pace::new(None), Payer::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let pause = pace.note(&payer, Wish::Slower(None), now).unwrap();
            assert_eq!(pace.note(&payer, Wish::Slower(None), now), Some(pause), "of requests under way together");
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [60, 120, 240, 480, 900, 900]);
    }
}
