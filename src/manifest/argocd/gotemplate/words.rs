//! Rarer functions over texts: cases, encodings, and regular expressions that find several parts.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::{Regex, RegexBuilder};
use sha2::{Digest, Sha256};

use crate::manifest::argocd::gotemplate::functions::Given;
use crate::manifest::argocd::gotemplate::texts::MAX_EXPRESSION;
use crate::manifest::argocd::gotemplate::{Fault, MAX_TEXT};
use crate::manifest::argocd::value::Value;

/// What Go's `regexp.QuoteMeta` puts a `\` before.
const SPECIAL: &str = "\\.+*?()|[]{}^$";

/// Calls a function; none if there is no such one.
pub(super) fn call(given: &Given<'_>) -> Option<Result<Value, Fault>> {
    let changed = |change: &dyn Fn(&str) -> String| given.text(0).map(|text| Value::text(change(text)));
    Some(match given.name {
        "title" => changed(&|text| each_word(text, is_apart, char::to_ascii_uppercase)),
        "untitle" => changed(&|text| each_word(text, char::is_whitespace, char::to_ascii_lowercase)),
        "abbrev" => abbrev(given),
        "b64enc" => changed(&|text| STANDARD.encode(text)),
        "b64dec" => given.text(0).and_then(decoded),
        "sha256sum" => changed(&|text| hex::encode(Sha256::digest(text))),
        "splitn" => splitn(given),
        "toStrings" => {
            given.list(0).map(|items| Value::List(items.iter().map(|item| Value::Text(item.shown())).collect()))
        }
        "regexQuoteMeta" => changed(&quoted),
        "regexFindAll" => find_all(given),
        "regexSplit" => split(given),
        _ => return None,
    })
}

/// What Go's `strings.Title` takes for the end of a word.
fn is_apart(c: char) -> bool {
    if c.is_ascii() { !(c.is_ascii_alphanumeric() || c == '_') } else { c.is_whitespace() }
}

/// Changes the first letter of each word.
fn each_word(text: &str, is_apart: fn(char) -> bool, change: fn(&char) -> char) -> String {
    let mut is_first = true;
    let letter = |c: char| {
        let out = if is_first { change(&c) } else { c };
        is_first = is_apart(c);
        out
    };
    text.chars().map(letter).collect()
}

/// `abbrev <n> <text>`: cut with `...`, which count.
fn abbrev(given: &Given<'_>) -> Result<Value, Fault> {
    let (count, text) = (given.count(0)?, given.text(1)?);
    let cut = count.checked_sub(3).filter(|cut| *cut > 0 && text.len() > count).and_then(|cut| text.get(..cut));
    Ok(Value::text(cut.map_or_else(|| text.to_owned(), |cut| format!("{cut}..."))))
}

fn decoded(text: &str) -> Result<Value, Fault> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.map(Value::text).ok_or_else(|| Fault::Invalid("`b64dec` is given no base64 of a text".to_owned()))
}

/// `splitn <separator> <n> <text>`: at most n parts, as a map of `_0`, `_1` ….
fn splitn(given: &Given<'_>) -> Result<Value, Fault> {
    let (by, count, text) = (given.text(0)?, given.count(1)?, given.text(2)?);
    if by.is_empty() || count == 0 {
        return Err(Fault::Unsupported("`splitn` without a separator or a number".to_owned()));
    }
    let parts = text.splitn(count, by).enumerate();
    Ok(Value::Map(parts.map(|(at, part)| (format!("_{at}"), Value::text(part))).collect::<BTreeMap<_, _>>()))
}

fn quoted(text: &str) -> String {
    text.chars().flat_map(|c| SPECIAL.contains(c).then_some('\\').into_iter().chain([c])).collect()
}

fn expression(given: &Given<'_>) -> Result<Regex, Fault> {
    let source = given.text(0)?;
    let regex = RegexBuilder::new(source).size_limit(MAX_EXPRESSION).build();
    regex.map_err(|_| Fault::Unsupported(format!("`{}` with the expression `{source}`", given.name)))
}

/// How many parts are wanted at most; none = all.
fn most(given: &Given<'_>) -> Result<Option<usize>, Fault> {
    Ok(if given.number(2)? < 0.0 { None } else { Some(given.count(2)?) })
}

fn find_all(given: &Given<'_>) -> Result<Value, Fault> {
    let (regex, text, most) = (expression(given)?, given.text(1)?, most(given)?);
    let found = regex.find_iter(text).take(most.unwrap_or(MAX_TEXT));
    Ok(Value::List(found.map(|found| Value::text(found.as_str())).collect()))
}

fn split(given: &Given<'_>) -> Result<Value, Fault> {
    let (regex, text, most) = (expression(given)?, given.text(1)?, most(given)?);
    // Go and we do not split alike where nothing stands between two parts.
    if regex.is_match("") {
        return Err(Fault::Unsupported("`regexSplit` with an expression that matches nothing at all".to_owned()));
    }
    let parts = |count: usize| Value::List(regex.splitn(text, count).map(Value::text).collect());
    Ok(most.map_or_else(|| parts(usize::MAX), parts))
}
