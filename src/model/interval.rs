//! Spans of time as people write them in settings and annotations: `2m`, `90s`, `1h30m`, `7d`.
//!
//! Grammar: one or more `<whole number><unit>` without spaces, units d, h, m, s, each once and the larger first. A number
//! without a unit is refused: nobody agrees what it counts.

use std::time::Duration;

use jiff::Timestamp;

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

/// Gives a span as [`parse`] reads it, to the second: `1h30m`, `14d`.
pub fn as_written(span: Duration) -> String {
    let mut rest = span.as_secs();
    let mut text = String::new();
    for (unit, factor) in UNITS {
        if rest >= factor {
            text.push_str(&format!("{}{unit}", rest / factor));
        }
        rest %= factor;
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Gives a time as people read it, which stays right when it is read later: `2026-03-10 12:00 UTC`.
pub fn to_the_minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Gives a span as people say it, in its two largest units: `3d`, `1h 30m`, `45s`.
pub fn in_words(span: Duration) -> String {
    let mut rest = span.as_secs();
    let mut words: Vec<String> = Vec::new();
    for (unit, factor) in UNITS {
        let count = rest / factor;
        rest %= factor;
        if count > 0 {
            words.push(format!("{count}{unit}"));
        } else if !words.is_empty() {
            break;
        }
        if words.len() == 2 {
            break;
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
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
    fn a_span_is_written_as_it_is_read() {
        for text in ["0s", "59s", "1m", "1h30m", "1d2h3m4s", "366d", "1d4s"] {
            assert_eq!(parse(text).map(as_written).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_span_is_said_in_its_two_largest_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (5_400, "1h 30m"),
            (3_601, "1h"),
            (86_400 * 3, "3d"),
            (93_784, "1d 2h"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), expected);
        }
    }
}
