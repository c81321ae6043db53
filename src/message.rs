//! Every text a person reads in Git: commit messages and their trailers. Pure; nothing here decides.

pub mod trailers;

use std::fmt::Write as _;

use crate::message::trailers::{Change, Trailers};
use crate::model::change::{CommitText, WrittenPlace};

/// Version of the trailers' grammar.
pub const FORMAT: &str = "1";
/// Longest subject line, in characters.
const SUBJECT: usize = 100;

/// Writes the message of one commit: subject, one line per place, trailers.
pub fn commit(text: &CommitText) -> String {
    let application = text.applications.first().map_or("", |(name, _)| name);
    let name = application.split_once('/').map_or(application, |(_, name)| name);
    let subject = match text.places.as_slice() {
        [one] => format!("Update {name} to {}", one.new),
        many => {
            let parts: Vec<String> = many.iter().map(|place| format!("{} {}", place.alias, place.new)).collect();
            format!("Update {name}: {}", parts.join(", "))
        }
    };
    let mut message = shorten(&subject);
    message.push_str("\n\n");
    for place in &text.places {
        let _ = writeln!(message, "{}: {} -> {}", place.image, old(place), place.new);
    }
    message.push('\n');
    message.push_str(&trailers(text).write());
    message
}

fn trailers(text: &CommitText) -> Trailers {
    let change = |place: &WrittenPlace| Change {
        file: place.file.clone(),
        key: place.key.clone(),
        image: place.image.clone(),
        old: place.old.clone(),
        new: place.new.clone(),
        digest: place.digest.clone(),
    };
    Trailers {
        format: Some(FORMAT.to_owned()),
        changes: text.places.iter().map(change).collect(),
        applications: text.applications.clone(),
        reasons: text.places.iter().map(|place| place.reason.clone()).collect(),
        ..Trailers::default()
    }
}

/// What stood there, as one printable line: people write anything, and a message must not be forged by it.
fn old(place: &WrittenPlace) -> String {
    match place.old.as_deref() {
        None => "(none)".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(old) => shorten(&trailers::one_line(old)),
    }
}

fn shorten(subject: &str) -> String {
    if subject.chars().count() <= SUBJECT {
        return subject.to_owned();
    }
    let kept: String = subject.chars().take(SUBJECT - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(alias: &str, old: Option<&str>, new: &str) -> WrittenPlace {
        WrittenPlace {
            file: "apps/web/values.yaml".into(),
            key: format!("{alias}.tag"),
            alias: alias.into(),
            image: format!("ghcr.io/acme/{alias}"),
            old: old.map(str::to_owned),
            new: new.into(),
            digest: None,
            reason: "semver 1.x".into(),
        }
    }

    #[test]
    fn a_commit_says_what_why_and_for_whom() {
        let text = CommitText {
            applications: vec![("argocd/web".into(), Some("dev".into()))],
            places: vec![place("app", Some("1.0.0"), "1.1.0")],
        };
        assert_eq!(
            commit(&text),
            "Update web to 1.1.0\n\nghcr.io/acme/app: 1.0.0 -> 1.1.0\n\nRepin-Format: 1\n\
             Repin-Change: apps/web/values.yaml#app.tag ghcr.io/acme/app 1.0.0 1.1.0 -\nRepin-Application: argocd/web (dev)\nRepin-Reason: semver 1.x\n"
        );
        let two = CommitText { places: vec![place("app", None, "1.1.0"), place("job", Some(""), "2.0")], ..text };
        let message = commit(&two);
        assert!(message.starts_with("Update web: app 1.1.0, job 2.0\n\nghcr.io/acme/app: (none) -> 1.1.0\nghcr.io/acme/job: (empty) -> 2.0\n\n"), "{message}");
    }
}
