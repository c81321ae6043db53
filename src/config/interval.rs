//! When something is due: a span of time ([`crate::model::interval`]), told apart from a cron expression.

pub use crate::model::interval::parse;
use crate::model::schedule::cron::split_zone;

/// Tells whether a text looks like a cron expression.
pub fn is_cron(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['@', '*']) || split_zone(text).0.is_some() || matches!(text.split_whitespace().count(), 5..=7)
}

#[cfg(test)]
mod tests {
    use super::*;

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
