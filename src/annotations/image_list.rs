//! `image-list`: `[alias=]image[:constraint]`, separated by commas or newlines.

use crate::model::names::ImageName;

/// One entry of an image list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// The text as written, trimmed.
    pub raw: String,
    /// The alias: the text before `=`, else the last part of the image's path, else the raw text.
    pub alias: String,
    /// Image and constraint, or why the entry cannot be read.
    pub image: Result<(ImageName, Option<String>), String>,
}

/// Reads an image list; empty entries (trailing commas and newlines) are passed over.
pub fn read(text: &str) -> Vec<Entry> {
    text.lines().flat_map(read_line).collect()
}

/// Reads one line. No image begins with an operator, so a part that does goes on with the constraint before it:
/// `app=ghcr.io/a/web:>=1.0, <2.0` is one entry.
fn read_line(line: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for part in line.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let is_operator = part.starts_with(['<', '>', '=', '!', '~', '^']);
        match entries.last_mut().filter(|last| is_operator && matches!(last.image, Ok((_, Some(_))))) {
            Some(last) => *last = entry(&format!("{}, {part}", last.raw)),
            None => entries.push(entry(part)),
        }
    }
    entries
}

fn entry(raw: &str) -> Entry {
    let (alias, rest) = match raw.split_once('=') {
        Some((alias, rest)) if is_alias(alias.trim()) => (Some(alias.trim()), rest.trim()),
        _ => (None, raw),
    };
    let image = image(rest);
    let last_part = image.as_ref().ok().and_then(|(name, _)| name.repository().rsplit('/').next());
    let alias = alias.or(last_part).unwrap_or(raw).to_owned();
    Entry { raw: raw.to_owned(), alias, image }
}

/// An alias is what may stand before `.` in a key: `=` in a constraint (`nginx:>=1.0`) has a `:` before it.
fn is_alias(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'))
}

fn image(text: &str) -> Result<(ImageName, Option<String>), String> {
    if text.contains('@') {
        return Err(format!("`{text}` names a digest; name the image alone, or with a version constraint after `:`"));
    }
    // The `:` of a port stands before the first `/` and holds digits alone; any other one starts the constraint.
    let port = text.split_once('/').and_then(|(host, _)| {
        let (name, port) = host.split_once(':')?;
        (!port.is_empty() && port.bytes().all(|c| c.is_ascii_digit())).then_some(name.len() + 1)
    });
    let from = port.unwrap_or(0);
    let (name, constraint) = match text.get(from..).and_then(|rest| rest.find(':')) {
        Some(at) => (text.get(..from + at).unwrap_or(text), text.get(from + at + 1..)),
        None => (text, None),
    };
    let name: ImageName = name.trim().parse().map_err(|error: crate::model::names::NameError| {
        let hint = if name.trim_start().starts_with(['<', '>', '=', '!', '~', '^']) {
            "; a constraint stands behind the image's `:`"
        } else {
            ""
        };
        format!("{error}{hint}")
    })?;
    Ok((name, constraint.map(|c| c.trim().to_owned()).filter(|c| !c.is_empty())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found: Vec<(String, String)> = read(text)
            .into_iter()
            .map(|entry| {
                let image = match entry.image {
                    Ok((name, Some(constraint))) => format!("{name} [{constraint}]"),
                    Ok((name, None)) => name.to_string(),
                    Err(why) => format!("error: {why}"),
                };
                (entry.alias, image)
            })
            .collect();
        let expected: Vec<(String, String)> = expected.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn every_shape_of_an_entry_is_read_as_a_person_means_it() {
        check("nginx=bitnami/nginx:~1.21", &[("nginx", "docker.io/bitnami/nginx [~1.21]")]);
        check(
            "app1=acme/app1,nginx=nginx:~1.21",
            &[("app1", "docker.io/acme/app1"), ("nginx", "docker.io/library/nginx [~1.21]")],
        );
        check(
            "app=reg.example/app, sidecar=reg.example/sidecar\n",
            &[("app", "reg.example/app"), ("sidecar", "reg.example/sidecar")],
        );
        check("a=r.io/a\nb=r.io/b\n\n", &[("a", "r.io/a"), ("b", "r.io/b")]);
        check(
            "1234.dkr.ecr.eu-west-1.amazonaws.com/new-api",
            &[("new-api", "1234.dkr.ecr.eu-west-1.amazonaws.com/new-api")],
        );
        check("org/app=ghcr.io/org/app", &[("org/app", "ghcr.io/org/app")]);
        check("myApp=nginx", &[("myApp", "docker.io/library/nginx")]);
        check("localhost:5000/org/app:~1.2", &[("app", "localhost:5000/org/app [~1.2]")]);
        check("nginx:>=1.0", &[("nginx", "docker.io/library/nginx [>=1.0]")]);
        check("app=ghcr.io/a/web:>=1.0 <2.0", &[("app", "ghcr.io/a/web [>=1.0 <2.0]")]);
        check("app=ghcr.io/a/web:>=1.0, <2.0,b=r.io/b", &[("app", "ghcr.io/a/web [>=1.0, <2.0]"), ("b", "r.io/b")]);
        check("app=nginx:=1.0", &[("app", "docker.io/library/nginx [=1.0]")]);
        check("web=127.0.0.1:5100/acme/web", &[("web", "127.0.0.1:5100/acme/web")]);
    }

    #[test]
    fn what_cannot_be_read_keeps_its_text() {
        let found = read("app=ghcr.io/Acme/Web, <2.0, x@sha256:abc");
        assert_eq!(
            (found[0].alias.as_str(), found[1].alias.as_str(), found[2].raw.as_str()),
            ("app", "<2.0", "x@sha256:abc")
        );
        assert!(found.iter().all(|entry| entry.image.is_err()));
        assert!(found[1].image.as_ref().unwrap_err().contains("behind the image's `:`"));
    }
}
