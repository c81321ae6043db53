//! How plain scalars are read as values by YAML 1.1 (as Go, PyYAML and npm `yaml` resolve it) and YAML 1.2 core, and how
//! a string is written so that all of them read it back.
//!
//! Where readers of one version differ, a text is a string only if all agree; where all take it for one, it is one, as are
//! `2024-01-15-abc`, `1e5f3a2` and `07f3a1b`, which merely begin like something else.
//! Specs: yaml.org/type (1.1), YAML 1.2.2 section 10.3 (core schema). Nothing here looks at a document.

use crate::yaml::Style;

/// Tells whether a plain scalar is a null for any reader.
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Tells whether a reader of YAML 1.1 or 1.2 takes this plain scalar for a boolean.
pub fn is_boolean(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Tells whether this plain scalar is a string to every reader of YAML 1.1: yaml.v2, yaml.v3, PyYAML, npm `yaml`.
pub fn is_string_1_1(text: &str) -> bool {
    const WORDS: [&str; 14] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", ".nan", ".inf", "+.inf", "-.inf", "+.nan"];
    let word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    !(is_null(text) || word || matches!(text, "<<" | "=") || is_number_1_1(text) || is_timestamp(text))
}

/// Tells whether this plain scalar is a string to every reader of the YAML 1.2 core schema.
pub fn is_string_1_2(text: &str) -> bool {
    const WORDS: [&str; 6] = ["true", "false", ".nan", ".inf", "+.inf", "-.inf"];
    let word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let based = radix(unsigned).is_some_and(|(digits, base)| digits.bytes().all(|c| (c as char).is_digit(base)));
    !(is_null(text) || word || based || is_decimal(unsigned))
}

/// Tells whether every reader of either version sees this plain scalar as a string.
pub fn is_string(text: &str) -> bool {
    is_string_1_1(text) && is_string_1_2(text)
}

/// Tells whether a text may be written without quotes: safe in every context, a string to every reader, and no word that
/// a further reader might know.
pub fn plain_is_string(text: &str) -> bool {
    const WORDS: [&str; 12] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"];
    is_plain_syntax(text) && is_string(text) && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Tells whether a text has only characters that mean nothing to YAML in any place of a plain scalar.
pub fn is_plain_syntax(text: &str) -> bool {
    let safe = |c: u8| c.is_ascii_alphanumeric() || b"._/:@=-".contains(&c);
    let bytes = text.as_bytes();
    // Three dots at the beginning of a line end the document.
    let begins = match bytes {
        [b'.', b'.', ..] | [] => false,
        [first, ..] => first.is_ascii_alphanumeric() || b"._".contains(first),
    };
    begins && bytes.last() != Some(&b':') && bytes.iter().all(|c| safe(*c))
}

/// Writes a string in a style if that is safe, else in double quotes; a block style gives a plain or quoted scalar.
pub fn write(text: &str, style: Style) -> String {
    match style {
        Style::Single if text.chars().all(is_printable) => format!("'{}'", text.replace('\'', "''")),
        Style::Plain | Style::Block if plain_is_string(text) => text.to_owned(),
        _ => double_quoted(text),
    }
}

/// Tells whether a character stands for itself in a quoted or block scalar of one line.
pub fn is_printable(c: char) -> bool {
    let breaks = matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    !(c.is_control() || breaks)
}

fn double_quoted(text: &str) -> String {
    format!("\"{}\"", in_double_quotes(text))
}

/// Writes what stands between double quotes, in YAML and in JSON.
pub fn in_double_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => out.push_str(&format!("\\u{:04x}", c as u32)),
        }
    }
    out
}

/// Takes the digits behind `0x`, `0o`, `0b`.
fn radix(text: &str) -> Option<(&str, u32)> {
    let (prefix, digits) = text.split_at_checked(2)?;
    match prefix {
        "0x" | "0X" => Some((digits, 16)),
        "0o" | "0O" => Some((digits, 8)),
        "0b" | "0B" => Some((digits, 2)),
        _ => None,
    }
}

/// `12`, `1.`, `.5`, `.`, `1e3`, `e3`: npm `yaml` takes even the last, as NaN.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |s: &str| s.bytes().all(|c| c.is_ascii_digit());
    let exponent_ok = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    !text.is_empty() && digits(whole) && digits(part) && exponent_ok
}

/// Numbers of YAML 1.1: underscores anywhere, octal with a zero, base 60.
fn is_number_1_1(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    // Go drops every underscore before it looks for a number, which begins with a digit, a dot or a sign: `+_1` is one.
    let plain = unsigned.replace('_', "");
    let looked_at = if unsigned.len() == text.len() { unsigned } else { plain.as_str() };
    if !looked_at.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E')) {
        return false;
    }
    if let Some((digits, base)) = radix(&plain) {
        let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
        return digits.bytes().all(|c| (c as char).is_digit(base));
    }
    let mut sixties = plain.split(':');
    let first = sixties.next().unwrap_or_default();
    let rest: Vec<&str> = sixties.collect();
    if rest.is_empty() {
        return is_decimal(&plain);
    }
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_digit());
    let part = |s: &str| {
        s.split_once('.').map_or(digits(s), |(whole, part)| digits(whole) && is_decimal(part) || part.is_empty())
    };
    digits(first) && rest.iter().all(|s| part(s))
}

/// `2024-1-5`, alone or with anything that holds a `:` after a `T` or a blank: no reader knows a time without one.
fn is_timestamp(text: &str) -> bool {
    let (date, time) = text.split_once(['T', 't', ' ', '\t']).map_or((text, None), |(date, time)| (date, Some(time)));
    if time.is_some_and(|time| !time.contains(':')) {
        return false;
    }
    let mut parts = date.split('-');
    let mut digits = |from: usize, to: usize| {
        parts.next().is_some_and(|s| (from..=to).contains(&s.len()) && s.bytes().all(|c| c.is_ascii_digit()))
    };
    digits(4, 4) && digits(1, 2) && digits(1, 2) && parts.next().is_none()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::LazyLock;

    use regex::Regex;

    use super::*;

    #[test]
    fn what_a_reader_takes_for_another_type_is_known() {
        for text in [
            "",
            "~",
            "null",
            "Null",
            "NULL",
            "true",
            "True",
            "TRUE",
            "false",
            "0",
            "1",
            "-1",
            "+1",
            "1.10",
            "1.",
            ".5",
            "-.5",
            "1e3",
            "1E3",
            "1.5e-3",
            "12345678e9",
            "0x1f",
            "0o17",
            ".nan",
            ".NaN",
            ".inf",
            "-.Inf",
            "+.INF",
            "0123",
            "089",
            "+12e03",
        ] {
            assert!(!is_string_1_2(text) && !is_string_1_1(text), "{text:?}");
        }
        for text in [
            "y",
            "Y",
            "n",
            "N",
            "yes",
            "No",
            "on",
            "ON",
            "Off",
            "1_000",
            "0x_1f",
            "0b101",
            "-0b1",
            "12:30",
            "1:2:3",
            "190:20:30.15",
            "2024-01-15",
            "2024-1-5",
            "2024-01-15T12:00:00Z",
            "2024-01-15 12:00:00",
            "<<",
            "=",
            "e3",
            "1__",
            "+_1",
            "-_1_0.5",
            "1_0.5_0",
            "E10",
        ] {
            assert!(!is_string_1_1(text), "{text:?}");
        }
        for text in
            ["v1", "1.2.3", "1.2.3.4", "latest", "a:1", "1.2-rc", "nan", "inf", "_1", "1.2.", "x1e3", "sha256:12"]
        {
            assert!(is_string(text), "{text:?}");
        }
    }

    #[test]
    fn ordinary_tags_stay_plain() {
        for text in [
            "1.2.3",
            "v1.2.3",
            "1.25.3-alpine",
            "main-3f2a1b9",
            "1.2.3.4",
            "latest",
            "stable",
            "v1",
            "v1.10",
            "3.19-slim",
            "2024.01.15",
            "a",
            "nginx:1.2",
            "ghcr.io/acme/web",
            "release_1",
            "1.0.0-rc.1",
            "1.2.3-beta",
            "1.2.3-0",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bf822cd15d6c15b0f00a8",
            "bookworm-20240110",
            "e2e",
            "nginx@sha256:00",
            "truely",
            "none",
            "v1e3",
            "20240115-abc",
            "20240115-3f2a1b9",
            "2024-01-15-abc",
            "2024-01-15-1",
            "2024-01-15T10-30-00",
            "2024-01-15t1.2.3",
            "0abcdef",
            "07f3a1b",
            "1e5f3a2",
            "6e1a",
            "12e",
            "1_2_3x",
            "0x1g",
            "0b12",
            "0o8",
            "1-2",
            "_x",
            "_1",
            "_",
            ".hidden",
        ] {
            assert!(plain_is_string(text), "{text:?}");
            assert_eq!(write(text, Style::Plain), text);
        }
    }

    #[test]
    fn what_somebody_may_misread_gets_quotes() {
        for text in [
            "",
            "1.10",
            "1e3",
            "0123",
            "0x1f",
            "1_000",
            "12:30",
            "true",
            "on",
            "y",
            "null",
            "~",
            "2024-01-15",
            "12345678e9",
            ".5",
            "nan",
            "Inf",
            "infinity",
            "1",
            "007",
            "20240115",
            "1234567",
            "2024-1-5",
            "2024-01-15T10:30:00",
            "1_2_3",
            "0x_1f",
            "12e45_67",
            "._1",
            "..",
            "...",
            "..a",
            "3e5",
            "e3",
            "12e4567",
            "0.1",
            "1.",
            "a:",
            "a b",
            "a#b",
            "-a",
            "a,b",
            "{a}",
            "[a]",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "'a'",
            "a\n",
            "1.2+3",
            "ü",
            "0b1",
            "0o7",
            "=",
            "<<",
        ] {
            assert!(!plain_is_string(text), "{text:?}");
            assert!(write(text, Style::Plain).starts_with('"'), "{text:?}");
        }
    }

    #[test]
    fn a_style_is_kept_if_it_can_hold_the_text() {
        assert_eq!(write("1.10", Style::Single), "'1.10'");
        assert_eq!(write("it's", Style::Single), "'it''s'");
        assert_eq!(write("a\nb", Style::Single), "\"a\\nb\"");
        assert_eq!(write("v1", Style::Double), "\"v1\"");
        assert_eq!(
            write("a\"\\\t\r\u{85}\u{2028}\u{0}é😀", Style::Double),
            "\"a\\\"\\\\\\t\\r\\u0085\\u2028\\u0000é😀\""
        );
        assert_eq!(write("v1", Style::Block), "v1");
        assert_eq!(write("1.10", Style::Block), "\"1.10\"");
    }

    /// What `resolve` of yaml.v2, of yaml.v3 and of the copy of yaml.v2 in sigs.k8s.io/yaml takes for no string, written anew:
    /// `ParseInt` with the base of its prefix, `ParseFloat` behind an expression, four layouts of times.
    fn go_has_another_type(text: &str) -> bool {
        const INTEGERS: &str =
            "[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)|-?0b[-+]?[01]+|-?0o[-+]?[0-7]+";
        const FLOATS: &str = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?";
        const TIMES: &str = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt][0-9]+:[0-9]+:[0-9.]+.*| [0-9]+:[0-9]+:[0-9.]+)?";
        static NUMBERS: LazyLock<Regex> = LazyLock::new(|| Regex::new(&format!("^({INTEGERS}|{FLOATS})$")).unwrap());
        static DATES: LazyLock<Regex> = LazyLock::new(|| Regex::new(&format!("^({TIMES})$")).unwrap());
        const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"];
        let is_word = WORDS.contains(&text.to_lowercase().as_str()) || matches!(text, "" | "<<");
        let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            && NUMBERS.is_match(&text.replace('_', ""));
        is_word || is_number || DATES.is_match(text)
    }

    #[test]
    fn what_stays_plain_is_a_string_to_go() {
        let letters = ["0", "1", "8", ".", "_", "-", ":", "e", "x", "o", "b", "a", "y", "n", "T"];
        let starts = ["", "+", "0x", "-0o", "0b", "2024-1-", "2024-01-15", "1e"];
        let mut plain = 0;
        let mut texts: Vec<String> = starts.map(str::to_owned).to_vec();
        for _ in 0..4 {
            texts = texts.iter().flat_map(|text| letters.iter().map(move |c| format!("{text}{c}"))).collect();
            let wrong: Vec<_> = texts.iter().filter(|t| is_string_1_1(t) && go_has_another_type(t)).collect();
            assert!(wrong.is_empty(), "{wrong:?}");
            plain += texts.iter().filter(|text| plain_is_string(text)).count();
        }
        assert!(plain > 100_000, "{plain}");
    }
}
