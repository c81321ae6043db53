//! Functions over texts. The text itself comes last, as Sprig has it, so that it may come through a pipe.

use regex::RegexBuilder;

use crate::manifest::argocd::gotemplate::functions::Given;
use crate::manifest::argocd::gotemplate::{Fault, MAX_TEXT, emit};
use crate::manifest::argocd::value::{Text, Value};

/// How large a compiled expression may get, in bytes.
pub(super) const MAX_EXPRESSION: usize = 1 << 18;
/// The longest name in Kubernetes.
const MAX_NAME: usize = 253;
/// How long a slug is, unless a template says.
const SLUG: usize = 50;

/// Calls a function; none if there is no such one.
pub(super) fn call(given: &Given<'_>) -> Option<Result<Value, Fault>> {
    let changed =
        |change: &dyn Fn(&str) -> String| subject(given).map(|text| Value::Text(text.changed(change(text.as_str()))));
    let said =
        |says: fn(&str, &str) -> bool| given.text(0).and_then(|part| Ok(Value::bool(says(given.text(1)?, part))));
    Some(match given.name {
        "lower" => changed(&str::to_lowercase),
        "upper" => changed(&str::to_uppercase),
        "trim" => changed(&|text| text.trim().to_owned()),
        "nospace" => changed(&|text| text.split_whitespace().collect()),
        "toString" => given.get(0).map(|value| Value::Text(value.shown())),
        "trimPrefix" => cut(given, |text, part| text.strip_prefix(part).unwrap_or(text).to_owned()),
        "trimSuffix" => cut(given, |text, part| text.strip_suffix(part).unwrap_or(text).to_owned()),
        "trimAll" | "trimall" => cut(given, |text, part| text.trim_matches(|c| part.contains(c)).to_owned()),
        "replace" => replace(given),
        "repeat" => repeat(given),
        "substr" => substr(given),
        "trunc" => trunc(given),
        "contains" => said(|text, part| text.contains(part)),
        "hasPrefix" => said(|text, part| text.starts_with(part)),
        "hasSuffix" => said(|text, part| text.ends_with(part)),
        "quote" => Ok(wrapped(given, '"')),
        "squote" => Ok(wrapped(given, '\'')),
        "cat" => Ok(Value::Text(joined(given.arguments.iter().filter(|one| **one != Value::Null), " "))),
        "print" => Ok(Value::Text(joined(given.arguments.iter(), ""))),
        "printf" => printf(given),
        "indent" | "nindent" => indent(given),
        "splitList" => split(given, false),
        "split" => split(given, true),
        "join" => given.text(0).and_then(|by| match given.get(1)? {
            Value::List(items) if items.len().saturating_mul(by.len()) > MAX_TEXT => Err(too_long(given)),
            Value::List(items) => Ok(Value::Text(joined(items.iter(), by))),
            other => Ok(Value::Text(other.shown())),
        }),
        "base" => changed(&|text| text.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()),
        "dir" => changed(&|text| text.rsplit_once('/').map_or(".", |(dir, _)| dir).to_owned()),
        "ext" => changed(&|text| {
            let name = text.rsplit('/').next().unwrap_or_default();
            name.rfind('.').and_then(|at| name.get(at..)).unwrap_or_default().to_owned()
        }),
        "normalize" => changed(&normalize),
        "slugify" => slugify(given),
        "kebabcase" => changed(&kebab),
        "regexMatch" | "regexFind" | "regexReplaceAll" | "regexReplaceAllLiteral" => regular(given),
        _ => return None,
    })
}

fn subject(given: &Given<'_>) -> Result<Text, Fault> {
    match given.last()? {
        Value::Text(text) => Ok(text.clone()),
        other => Err(given.wrong("a text", other)),
    }
}

fn cut(given: &Given<'_>, cut: fn(&str, &str) -> String) -> Result<Value, Fault> {
    let (part, text) = (given.text(0)?, given.get(1).and_then(|_| subject(given))?);
    Ok(Value::Text(text.changed(cut(text.as_str(), part))))
}

fn replace(given: &Given<'_>) -> Result<Value, Fault> {
    let (from, to, text) = (given.text(0)?, given.text(1)?, given.get(2).and_then(|_| subject(given))?);
    let added = text.as_str().matches(from).count().saturating_mul(to.len());
    if added > MAX_TEXT {
        return Err(too_long(given));
    }
    Ok(Value::Text(text.changed(text.as_str().replace(from, to))))
}

fn too_long(given: &Given<'_>) -> Fault {
    Fault::Unsupported(format!("`{}` gives more than {MAX_TEXT} bytes", given.name))
}

fn repeat(given: &Given<'_>) -> Result<Value, Fault> {
    let (count, text) = (given.count(0)?, given.text(1)?);
    if count.saturating_mul(text.len()) > 64 * 1024 {
        return Err(Fault::Unsupported("`repeat` gives more than 65536 bytes".to_owned()));
    }
    Ok(Value::text(text.repeat(count)))
}

/// `substr <start> <end> <text>`; a negative end is the end of the text.
fn substr(given: &Given<'_>) -> Result<Value, Fault> {
    let (start, end, text) = (given.number(0)?, given.number(1)?, subject(given)?);
    let length = text.as_str().len();
    let end = if end < 0.0 || end as usize > length { length } else { end as usize };
    let start = if start < 0.0 { 0 } else { start as usize };
    let part = text.as_str().get(start..end).unwrap_or_default().to_owned();
    Ok(Value::Text(text.changed(part)))
}

/// `trunc <n> <text>`; a negative number keeps the end.
fn trunc(given: &Given<'_>) -> Result<Value, Fault> {
    let (count, text) = (given.number(0)?, subject(given)?);
    let (value, keep) = (text.as_str(), count.abs() as usize);
    let part = match value.len().checked_sub(keep) {
        None => value,
        Some(gone) if count < 0.0 => value.get(gone..).unwrap_or(value),
        Some(_) => value.get(..keep).unwrap_or(value),
    };
    Ok(Value::Text(text.changed(part.to_owned())))
}

fn wrapped(given: &Given<'_>, quote: char) -> Value {
    let mut out = Text::default();
    for (at, value) in given.arguments.iter().filter(|one| **one != Value::Null).enumerate() {
        let text = value.shown();
        out.push_str(if at == 0 { "" } else { " " });
        match quote {
            '"' => out.push(&emit::quoted(&text)),
            _ => {
                out.push_str("'");
                out.push(&text);
                out.push_str("'");
            }
        }
    }
    Value::Text(out)
}

fn joined<'v>(values: impl Iterator<Item = &'v Value>, by: &str) -> Text {
    let mut out = Text::default();
    for (at, value) in values.enumerate() {
        out.push_str(if at == 0 { "" } else { by });
        out.push(&value.shown());
    }
    out
}

fn printf(given: &Given<'_>) -> Result<Value, Fault> {
    let mut rest = given.text(0)?;
    let (mut out, mut at) = (Text::default(), 1);
    while let Some(percent) = rest.find('%') {
        out.push_str(rest.get(..percent).unwrap_or_default());
        let after = rest.get(percent + 1..).unwrap_or_default();
        let end = after.find(|c: char| c.is_ascii_alphabetic() || c == '%').unwrap_or_default();
        let (flags, verb) =
            (after.get(..end).unwrap_or_default(), after.get(end..).and_then(|rest| rest.chars().next()));
        rest = after.get(end + 1..).unwrap_or_default();
        if verb == Some('%') {
            out.push_str("%");
            continue;
        }
        let value = given.get(at)?;
        at += 1;
        let text = match (verb, value) {
            (Some('s'), Value::Text(text)) => text.clone(),
            (Some('v'), value) => value.shown(),
            (Some('q'), Value::Text(text)) => emit::quoted(text),
            (Some('t'), Value::Bool(_, text)) => text.clone(),
            (Some('d'), Value::Number(number, _)) if number.fract() == 0.0 => Text::plain(format!("{number:.0}")),
            (verb, value) => {
                let verb = verb.map(String::from).unwrap_or_default();
                return Err(Fault::Unsupported(format!("`printf` with `%{flags}{verb}` of {}", value.kind())));
            }
        };
        let digits = flags.trim_start_matches(['-', '0']);
        match digits.parse::<usize>() {
            _ if flags.is_empty() => out.push(&text),
            Ok(width) if width <= 1024 => {
                let gap = width.saturating_sub(text.as_str().chars().count());
                let fill = if flags.starts_with('0') { "0" } else { " " }.repeat(gap);
                out.push_str(if flags.starts_with('-') { "" } else { &fill });
                out.push(&text);
                out.push_str(if flags.starts_with('-') { &fill } else { "" });
            }
            _ => return Err(Fault::Unsupported(format!("`printf` with the flags `{flags}`"))),
        }
    }
    if at < given.arguments.len() {
        return Err(Fault::Invalid("`printf` is given more values than its text has places".to_owned()));
    }
    out.push_str(rest);
    Ok(Value::Text(out))
}

fn indent(given: &Given<'_>) -> Result<Value, Fault> {
    let (count, text) = (given.count(0)?.min(1024), given.get(1).and_then(|_| subject(given))?);
    if text.as_str().split('\n').count().saturating_mul(count) > MAX_TEXT {
        return Err(too_long(given));
    }
    let blanks = " ".repeat(count);
    let mut out = Text::plain(if given.name == "nindent" { "\n" } else { "" });
    let mut start = 0;
    for line in text.as_str().split('\n') {
        out.push_str(if start == 0 { "" } else { "\n" });
        out.push_str(&blanks);
        out.push(&text.part(start..start + line.len()));
        start += line.len() + 1;
    }
    Ok(Value::Text(out))
}

fn split(given: &Given<'_>, as_map: bool) -> Result<Value, Fault> {
    let (by, text) = (given.text(0)?, given.get(1).and_then(|_| subject(given))?);
    let value = text.as_str();
    let parts: Vec<&str> = if by.is_empty() {
        value.char_indices().map(|(at, c)| &value[at..at + c.len_utf8()]).collect()
    } else {
        value.split(by).collect()
    };
    let parts = parts.into_iter().map(|part| Value::Text(text.changed(part.to_owned())));
    Ok(if as_map {
        Value::Map(parts.enumerate().map(|(at, part)| (format!("_{at}"), part)).collect())
    } else {
        Value::List(parts.collect())
    })
}

/// Makes a text a name of Kubernetes, as Argo CD does for `basenameNormalized`.
pub(in crate::manifest::argocd) fn normalize(text: &str) -> String {
    let legal = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.') { c } else { '-' };
    let cut: String = text.to_lowercase().chars().map(legal).take(MAX_NAME).collect();
    cut.trim_matches(['-', '.']).to_owned()
}

/// `slugify [length [smart]] <text>`: lower case words joined by `-`, cut between words.
fn slugify(given: &Given<'_>) -> Result<Value, Fault> {
    let text = subject(given)?;
    let (length, is_smart) = match given.arguments {
        [_] => (SLUG, true),
        [_, _] => (given.count(0)?, true),
        [_, Value::Bool(is_smart, _), _] => (given.count(0)?, *is_smart),
        _ => return Err(given.wrong("a length, a boolean and a text", &Value::Null)),
    };
    let mut slug = String::new();
    for c in text.as_str().to_lowercase().chars() {
        match c {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            '_' => slug.push(c),
            c if !c.is_ascii() => {
                return Err(Fault::Unsupported("`slugify` of letters beyond ASCII".to_owned()));
            }
            _ if !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_matches(['-', '_']);
    let cut = match slug.get(..length) {
        None => slug,
        Some(head) if !is_smart || slug.as_bytes().get(length) == Some(&b'-') => head,
        Some(head) => head.rfind('-').and_then(|at| head.get(..at)).unwrap_or(head),
    };
    Ok(Value::Text(text.changed(cut.trim_end_matches('-').to_owned())))
}

fn kebab(text: &str) -> String {
    let mut out = String::new();
    let mut is_after_lower = false;
    for c in text.chars() {
        if matches!(c, '_' | ' ' | '-') {
            out.push('-');
            is_after_lower = false;
            continue;
        }
        if c.is_uppercase() && is_after_lower {
            out.push('-');
        }
        is_after_lower = c.is_lowercase() || c.is_ascii_digit();
        out.extend(c.to_lowercase());
    }
    out
}

/// Regular expressions: those of Go, which are linear as ours are.
fn regular(given: &Given<'_>) -> Result<Value, Fault> {
    let source = given.text(0)?;
    let regex = RegexBuilder::new(source).size_limit(MAX_EXPRESSION).build();
    let regex = regex.map_err(|_| Fault::Unsupported(format!("`{}` with the expression `{source}`", given.name)))?;
    let text = match given.get(1)? {
        Value::Text(text) => text,
        other => return Err(given.wrong("a text", other)),
    };
    let value = text.as_str();
    if given.name.starts_with("regexReplace") {
        // Each `$` of the replacement may stand for all of what matched.
        let to = given.text(2)?;
        let repeated = value.len().saturating_mul(to.matches('$').count());
        let added = regex.find_iter(value).count().saturating_mul(to.len());
        if repeated.saturating_add(added) > MAX_TEXT {
            return Err(too_long(given));
        }
    }
    Ok(match given.name {
        "regexMatch" => Value::bool(regex.is_match(value)),
        "regexFind" => {
            Value::Text(text.changed(regex.find(value).map(|found| found.as_str().to_owned()).unwrap_or_default()))
        }
        "regexReplaceAll" => Value::Text(text.changed(regex.replace_all(value, given.text(2)?).into_owned())),
        _ => Value::Text(text.changed(regex.replace_all(value, regex::NoExpand(given.text(2)?)).into_owned())),
    })
}
