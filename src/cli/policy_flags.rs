//! `--policy`: what an operator writes on a command line -> the keys and values of annotations, and a range.
//!
//! Only the short forms are read here; what the values mean is read by the reader of annotations.

use crate::annotations::bare::Setting;
use crate::model::constraint::Constraint;

/// The words of `update-strategy`.
const ORDERS: [&str; 7] = ["semver", "newest-build", "latest", "alphabetical", "name", "numerical", "digest"];

/// What all `--policy` of a command line say.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Flags {
    /// What stands behind the image's `:`, if a flag says so.
    pub(super) range: Option<String>,
    /// The keys, in their order.
    pub(super) settings: Vec<Setting>,
}

/// What is wrong with one of them, and what to do.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: String,
}

/// Reads all `--policy`: `key=value`, an order, `order:range`, or a range.
pub(super) fn read(texts: &[String]) -> (Flags, Vec<Wrong>) {
    let (mut flags, mut wrong) = (Flags::default(), Vec::new());
    for text in texts.iter().map(|text| text.trim()) {
        match one(text) {
            Ok((setting, range)) => {
                flags.settings.extend(setting);
                if let (Some(first), Some(second)) = (&flags.range, &range) {
                    wrong.push(Wrong {
                        message: format!("two ranges are given: `{first}` and `{second}`"),
                        hint: "keep one; `||` between two ranges means either".to_owned(),
                    });
                }
                flags.range = flags.range.or(range);
            }
            Err(one) => wrong.push(one),
        }
    }
    (flags, wrong)
}

fn one(text: &str) -> Result<(Option<Setting>, Option<String>), Wrong> {
    let setting = |key: &str, value: &str| Setting { key: key.to_owned(), value: value.to_owned(), line: 1 };
    if let Some((key, value)) = text.split_once('=').filter(|(key, _)| is_key(key.trim())) {
        return Ok((Some(setting(key.trim(), value.trim())), None));
    }
    let (word, range) = text.split_once(':').map_or((text, None), |(word, range)| (word, Some(range.trim())));
    if ORDERS.contains(&word) {
        let order = Some(setting("update-strategy", word));
        return match range {
            Some("") => Err(Wrong {
                message: format!("`{text}` has nothing behind its `:`"),
                hint: format!("write `{word}`, or what is allowed behind the `:`"),
            }),
            range => Ok((order, range.map(str::to_owned))),
        };
    }
    if !text.is_empty() && text.parse::<Constraint>().is_ok() {
        return Ok((None, Some(text.to_owned())));
    }
    let near = ORDERS.iter().max_by(|a, b| likeness(word, a).total_cmp(&likeness(word, b)));
    let hint = match near.filter(|near| likeness(word, near) > 0.75) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("orders are {}; keys are those of the annotations, as in `min-age=3d`", ORDERS.join(", ")),
    };
    Err(Wrong { message: format!("`{text}` is neither `key=value` nor an order nor a range of versions"), hint })
}

/// No range begins with a letter and holds a `=`, but for `x` and `v`, which are followed by no letter.
fn is_key(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/');
    let has_letters = text.chars().filter(char::is_ascii_alphabetic).count() > 1;
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && has_letters && text.chars().all(is_word)
}

fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let (flags, wrong) = read(&[text.to_owned()]);
        let settings: Vec<String> = flags.settings.iter().map(|one| format!("{}={}", one.key, one.value)).collect();
        let range = flags.range.map(|range| format!("[{range}]"));
        let wrong = wrong.into_iter().map(|wrong| wrong.hint);
        settings.into_iter().chain(range).chain(wrong).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_short_form_is_read_as_it_is_meant() {
        for (text, expected) in [
            ("update-strategy=newest-build", "update-strategy=newest-build"),
            ("allow-tags=regexp:^v=[0-9]+$", "allow-tags=regexp:^v=[0-9]+$"),
            ("app.min-age = 3d", "app.min-age=3d"),
            ("repin.dev/pin=digest", "repin.dev/pin=digest"),
            ("platfrom=linux/amd64", "platfrom=linux/amd64"),
            ("extract=", "extract="),
            ("newest-build", "update-strategy=newest-build"),
            ("semver", "update-strategy=semver"),
            ("semver:1.x", "update-strategy=semver [1.x]"),
            ("semver:>=1 <2", "update-strategy=semver [>=1 <2]"),
            ("digest:latest", "update-strategy=digest [latest]"),
            ("latest", "update-strategy=latest"),
            ("~1.2", "[~1.2]"),
            ("1.x", "[1.x]"),
            (">=1.0 <2.0", "[>=1.0 <2.0]"),
            ("=1.0", "[=1.0]"),
            ("x", "[x]"),
            ("1.0 - 1.2 || >=3", "[1.0 - 1.2 || >=3]"),
            ("newest-biuld", "did you mean `newest-build`?"),
            ("semver:", "write `semver`, or what is allowed behind the `:`"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        for text in ["", "main", "nightly:1"] {
            assert!(shown(text).starts_with("orders are semver, "), "{text}: {}", shown(text));
        }
    }

    #[test]
    fn two_ranges_are_one_too_many() {
        let (flags, wrong) = read(&["1.x".to_owned(), "semver:2.x".to_owned()]);
        assert_eq!(flags.range.as_deref(), Some("1.x"));
        assert_eq!(
            wrong.iter().map(|one| one.message.as_str()).collect::<Vec<_>>(),
            ["two ranges are given: `1.x` and `2.x`"]
        );
    }
}
