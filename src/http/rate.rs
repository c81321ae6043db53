//! What the headers of an answer say of our pace, whoever answers.
//!
//! Specs: RFC 9110, section 10.2.3 (`Retry-After`); draft-ietf-httpapi-ratelimit-headers (`RateLimit`, and the older three
//! fields, with and without `x-`).

use std::num::IntErrorKind;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest time that a server can make us wait.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads `Retry-After`: seconds, or a date; at most a day.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(count) => seconds(count),
        // More than fits is longer than anybody waits.
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => DAY,
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            seconds(u64::try_from(date.as_second().saturating_sub(now.as_second())).unwrap_or(0))
        }
    };
    Some(wait)
}

/// Gives how long nothing is left of the allowance, if the registry says so and says until when. Docker Hub says how long
/// its window is and not when it ends: that nothing is left there, the next 429 says with its `Retry-After`.
pub(crate) fn allowance(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    // `RateLimit: "default";r=0;t=30` names what is left and when there is more; several policies are a list.
    if let Some(list) = text("ratelimit").filter(|list| list.contains("r=")) {
        let spent = list.split(',').filter_map(|policy| {
            let parameter = |name: &str| {
                let found = policy.split(';').filter_map(|part| part.trim().split_once('='));
                found.into_iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<u64>().ok())
            };
            (parameter("r")? == 0).then(|| parameter("t")).flatten()
        });
        return spent.max().map(seconds);
    }
    // `RateLimit: limit=100, remaining=0, reset=30` is how earlier drafts wrote it.
    if let Some(list) = text("ratelimit").filter(|list| list.contains("remaining=")) {
        let member = |name: &str| {
            let mut found = list.split([',', ';']).filter_map(|part| part.trim().split_once('='));
            found.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse::<u64>().ok())
        };
        return (member("remaining")? == 0).then(|| member("reset")).flatten().map(seconds);
    }
    let remaining = text("ratelimit-remaining").or_else(|| text("x-ratelimit-remaining"))?;
    if remaining.split(';').next()?.trim() != "0" {
        return None;
    }
    let reset: u64 = text("ratelimit-reset").or_else(|| text("x-ratelimit-reset"))?.parse().ok()?;
    // Some write the seconds that are left, some the second of the clock.
    let clock = u64::try_from(now.as_second()).unwrap_or(0);
    Some(seconds(if reset > clock / 2 { reset.saturating_sub(clock) } else { reset }))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count).min(DAY)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_counted_from_now() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", Some(60)),
            ("Fri, 02 Jan 2026 03:00:00 GMT", Some(0)),
            ("Sat, 02 Jan 2027 03:00:00 GMT", Some(DAY.as_secs())),
            ("999999999999", Some(DAY.as_secs())),
            ("99999999999999999999999", Some(DAY.as_secs())),
            ("-99999999999999999999999", None),
            ("1.5", None),
            ("later", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
