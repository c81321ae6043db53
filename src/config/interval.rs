//! Spans of time as people write them in settings: `2m`, `90s`, `1h30m`, `7d`.
//!
//! Grammar: one or more `<whole number><unit>` without spaces, units d, h, m, s, each once and the larger first. A number
//! without a unit is refused: nobody agrees what it counts.

use std::time::Duration;

use crate::model::schedule::cron::split_zone;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a span of time.
///
/// # Errors
/// The rule that the text breaks.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    const GRAMMAR: &str = "it is written as numbers with a unit of d, h, m or s, the larger first, such as 2m or 1h30m";
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let unit = after.chars().next().ok_or("a number has no unit: d, h, m or s")?;
        let (_, factor) = units.find(|(known, _)| *known == unit).ok_or(GRAMMAR)?;
        let number: u64 = number.parse().map_err(|_| GRAMMAR)?;
        let part = number.checked_mul(*factor).ok_or("the number is too large")?;
        seconds = seconds.checked_add(part).ok_or("the number is too large")?;
        rest = after.strip_prefix(unit).unwrap_or_default();
    }
    if text.is_empty() { Err(GRAMMAR) } else { Ok(Duration::from_secs(seconds)) }
}

/// Tells whether a text looks like a cron expression.
pub fn is_cron(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['@', '*']) || split_zone(text).0.is_some() || matches!(text.split_whitespace().count(), 5..=7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_added_up() {
        for (text, expected) in [
            ("2m", Some(120)),
            ("90s", Some(90)),
            ("1h30m", Some(5_400)),
            ("1d2h3m4s", Some(93_784)),
            ("0s", Some(0)),
            ("007m", Some(420)),
            ("", None),
            ("2", None),
            ("1h30", None),
            ("m", None),
            ("-2m", None),
            ("+2m", None),
            ("1.5h", None),
            ("2 m", None),
            ("30m1h", None),
            ("1m1m", None),
            ("2min", None),
            ("2M", None),
            ("2ms", None),
            ("\u{663}m", None),
            ("99999999999999999999s", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(parse(text).ok().map(|span| span.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn cron_is_recognised() {
        for (text, expected) in [
            ("*/5 * * * *", true),
            ("@hourly", true),
            ("* * * *", true),
            ("TZ=UTC 0 9", true),
            ("2m", false),
            ("every two minutes", false),
        ] {
            assert_eq!(is_cron(text), expected, "{text}");
        }
    }
}
