//! The trailers of repin's commits, written and parsed back (DELIVERY "Trailers").
//!
//! A trailer block is the last paragraph of a message (git-interpret-trailers(1)). File and key are percent-encoded, so
//! no name can forge a line; an absent old value or digest is `-`, an empty one `""`.

use std::fmt::Write as _;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::model::change::WrittenPlace;
use crate::model::names::{Digest, ImageName, Tag};
use crate::model::source::Source;

/// Everything but letters, digits and what paths and key paths are usually made of.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'[')
    .remove(b']')
    .remove(b'=')
    .remove(b':');

/// One written place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Change {
    /// The file's path in the repository.
    pub file: String,
    /// The key path in it.
    pub key: String,
    /// The image without tag.
    pub image: String,
    /// What stood there; none if nothing did.
    pub old: Option<String>,
    /// What stands there now.
    pub new: String,
    /// The digest that the tag had when it was chosen.
    pub digest: Option<String>,
}

/// `Repin-Resume`: a person releases what was taken back.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Resume {
    /// `name` or `namespace/name`.
    pub application: String,
    /// One alias; none = all.
    pub alias: Option<String>,
    /// One tag; none = everything.
    pub tag: Option<String>,
}

/// `Repin-First-Seen`: when repin first saw a tag with this digest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FirstSeen {
    /// The image.
    pub image: ImageName,
    /// The tag.
    pub tag: Tag,
    /// The digest that it had.
    pub digest: Digest,
    /// Then.
    pub time: Timestamp,
}

/// The trailers of one commit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Trailers {
    /// `Repin-Format`.
    pub format: Option<String>,
    /// `Repin-Change`, in order.
    pub changes: Vec<Change>,
    /// `Repin-Application`: `namespace/name` and environment.
    pub applications: Vec<(String, Option<String>)>,
    /// `Repin-Reason`, in order.
    pub reasons: Vec<String>,
    /// `Repin-First-Seen`, in order.
    pub first_seen: Vec<FirstSeen>,
    /// `Repin-Source`, in order: what the written images were built from, by their labels.
    pub sources: Vec<Source>,
    /// `Repin-Resume`, in order.
    pub resumes: Vec<Resume>,
}

impl Trailers {
    /// Writes the block, one trailer a line, each line ended.
    pub fn write(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(text, "Repin-{key}: {}", one_line(value));
        };
        if let Some(format) = &self.format {
            line("Format", format);
        }
        for change in &self.changes {
            line("Change", &change.write());
        }
        for seen in &self.first_seen {
            line("First-Seen", &seen.write());
        }
        for (application, environment) in &self.applications {
            match environment {
                Some(environment) => line("Application", &format!("{application} ({environment})")),
                None => line("Application", application),
            }
        }
        for resume in &self.resumes {
            let parts: Vec<&str> = [Some(resume.application.as_str()), resume.alias.as_deref(), resume.tag.as_deref()]
                .into_iter()
                .flatten()
                .collect();
            line("Resume", &parts.join(" "));
        }
        for reason in &self.reasons {
            line("Reason", reason);
        }
        for source in &self.sources {
            line("Source", &source.to_string());
        }
        text
    }

    /// Reads the last paragraph of a commit message. Lines that are no trailer of repin, or not of its grammar, are
    /// passed over.
    pub fn parse(message: &str) -> Self {
        let mut found = Self::default();
        let lines: Vec<&str> = message.lines().map(str::trim_end).collect();
        let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |at| at + 1);
        let block = lines.get(..end).unwrap_or_default();
        // The first paragraph is the subject, and never a block of trailers.
        let Some(start) = block.iter().rposition(|line| line.is_empty()).map(|at| at + 1) else { return found };
        found.read(block.get(start..).unwrap_or_default());
        found
    }

    /// Reads what a commit message says of written places, also where a forge that squashed made it of several messages, or wrote
    /// behind them who took part: every paragraph but the first that names a change counts, each text once.
    pub fn parse_squashed(message: &str) -> Self {
        let mut found = Self::default();
        let lines: Vec<&str> = message.lines().map(str::trim_end).collect();
        let paragraphs = lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty()).skip(1);
        let is_block =
            |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case("repin-change"));
        let mut known: Vec<&[&str]> = Vec::new();
        for block in paragraphs.filter(|lines| lines.iter().any(is_block)) {
            if !known.contains(&block) {
                known.push(block);
                found.read(block);
            }
        }
        found
    }

    fn read(&mut self, block: &[&str]) {
        for line in block {
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match key.to_ascii_lowercase().as_str() {
                "repin-format" => self.format = Some(value.to_owned()),
                "repin-change" => self.changes.extend(Change::parse(value)),
                "repin-first-seen" => self.first_seen.extend(FirstSeen::parse(value)),
                "repin-application" => self.applications.push(application(value)),
                "repin-reason" => self.reasons.push(value.to_owned()),
                "repin-source" => self.sources.extend(value.parse::<Source>()),
                "repin-resume" => self.resumes.extend(Resume::parse(value)),
                _ => {}
            }
        }
    }
}

impl Change {
    /// Gives what is told of a written place.
    pub fn of(place: &WrittenPlace) -> Self {
        Self {
            file: place.file.clone(),
            key: place.key.clone(),
            image: place.image.clone(),
            old: place.old.clone(),
            new: place.new.clone(),
            digest: place.digest.clone(),
        }
    }

    /// Gives the value of its trailer: one line of ASCII.
    pub fn write(&self) -> String {
        let value = |text: Option<&str>| match text {
            None => "-".to_owned(),
            Some("") => "\"\"".to_owned(),
            Some("-") => "%2D".to_owned(),
            Some(text) => encode(text),
        };
        format!(
            "{}#{} {} {} {} {}",
            encode(&self.file),
            encode(&self.key),
            encode(&self.image),
            value(self.old.as_deref()),
            value(Some(&self.new)),
            value(self.digest.as_deref())
        )
    }

    /// Reads the value of its trailer; none if it is not of the grammar.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let [place, image, old, new, digest] = parts.as_slice() else { return None };
        let (file, key) = place.split_once('#')?;
        let value = |text: &str| match text {
            "-" => Some(None),
            "\"\"" => Some(Some(String::new())),
            text => decode(text).map(Some),
        };
        Some(Self {
            file: decode(file)?,
            key: decode(key)?,
            image: decode(image)?,
            old: value(old)?,
            new: value(new)??,
            digest: value(digest)?,
        })
    }
}

impl FirstSeen {
    fn write(&self) -> String {
        // Whole seconds, upwards: an age is never shorter than it is said to be.
        let second = self.time.as_second() + i64::from(self.time.subsec_nanosecond() > 0);
        let time = Timestamp::from_second(second).unwrap_or(self.time);
        format!("{}:{}@{} {time}", self.image, self.tag, self.digest)
    }

    fn parse(text: &str) -> Option<Self> {
        let (value, time) = text.split_once(' ')?;
        let (named, digest) = value.split_once('@')?;
        let (image, tag) = named.rsplit_once(':')?;
        Some(Self {
            image: image.parse().ok()?,
            tag: tag.parse().ok()?,
            digest: digest.parse().ok()?,
            time: time.trim().parse().ok()?,
        })
    }
}

impl Resume {
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let (application, alias, tag) = match parts.as_slice() {
            [application] => (application, None, None),
            [application, alias, tag] => (application, Some((*alias).to_owned()), Some((*tag).to_owned())),
            _ => return None,
        };
        Some(Self { application: (*application).to_owned(), alias, tag })
    }
}

fn application(text: &str) -> (String, Option<String>) {
    match text.strip_suffix(')').and_then(|text| text.split_once(" (")) {
        Some((name, environment)) => (name.to_owned(), Some(environment.to_owned())),
        None => (text.to_owned(), None),
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Gives the trailers with which Argo CD shows the commit that an image was built from ("Source Hydrator", "Commit
/// Tracing"): a line each, none for a revision that Argo CD does not take for one.
pub fn argocd_reference(source: &Source) -> Option<String> {
    let sha = source.revision();
    let is_sha = (5..=40).contains(&sha.len()) && sha.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    is_sha.then(|| format!("Argocd-reference-commit-sha: {sha}\nArgocd-reference-commit-repourl: {}\n", source.url()))
}

/// Makes one line of a text: control characters and line separators become blanks.
pub fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_block_is_written_as_documented() {
        let trailers = Trailers {
            format: Some("1".into()),
            changes: vec![Change {
                file: "apps/we b/values.yaml".into(),
                key: "image.tag".into(),
                image: "127.0.0.1:5100/acme/web".into(),
                old: Some("1.0.0".into()),
                new: "1.1.0".into(),
                digest: Some(format!("sha256:{}", "a".repeat(64))),
            }],
            applications: vec![("argocd/web".into(), Some("dev".into())), ("argocd/api".into(), None)],
            reasons: vec!["semver 1.x\nRepin-Change: forged".into()],
            ..Trailers::default()
        };
        assert_eq!(
            trailers.write(),
            format!(
                "Repin-Format: 1\nRepin-Change: apps/we%20b/values.yaml#image.tag 127.0.0.1:5100/acme/web 1.0.0 1.1.0 sha256:{}\n\
                 Repin-Application: argocd/web (dev)\nRepin-Application: argocd/api\nRepin-Reason: semver 1.x Repin-Change: forged\n",
                "a".repeat(64)
            )
        );
    }

    #[test]
    fn when_a_tag_was_first_seen_is_read_back() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let read = |value: &str| Trailers::parse(&format!("Subject\n\nRepin-First-Seen: {value}\n")).first_seen;
        let written = format!("127.0.0.1:5100/acme/web:1.1.0@{digest} 2026-01-05T10:00:00Z");
        let [seen] = read(&written).try_into().unwrap();
        assert_eq!((seen.image.to_string().as_str(), seen.tag.as_str()), ("127.0.0.1:5100/acme/web", "1.1.0"));
        assert_eq!(seen.time, "2026-01-05T10:00:00Z".parse().unwrap());
        assert_eq!(seen.write(), written);
        let later = FirstSeen { time: "2026-01-05T10:00:00.000000001Z".parse().unwrap(), ..seen };
        assert!(later.write().ends_with(" 2026-01-05T10:00:01Z"), "{}", later.write());
        for bad in [
            "",
            "web:1@sha256:abc 2026-01-05T10:00:00Z",
            &written.replace("T10:00:00Z", ""),
            &written.replace(":1.1.0@", "@"),
            &written.replace(' ', ""),
        ] {
            assert_eq!(read(bad), [], "{bad}");
        }
    }

    #[test]
    fn argo_cd_is_told_of_commits_only() {
        let told = |text: &str| argocd_reference(&text.parse().unwrap());
        let sha = "6f1c2b7a9d3e4f5061728394a5b6c7d8e9f00112";
        assert_eq!(
            told(&format!("https://github.com/acme/web@{sha}")).unwrap(),
            format!(
                "Argocd-reference-commit-sha: {sha}\nArgocd-reference-commit-repourl: https://github.com/acme/web\n"
            )
        );
        assert!(told("https://github.com/acme/web@1a2b3").is_some());
        for revision in ["1a2b", "v1.2.3", "main", "1A2B3C4", &sha.repeat(2)] {
            assert_eq!(told(&format!("https://github.com/acme/web@{revision}")), None, "{revision}");
        }
    }

    #[test]
    fn only_the_last_paragraph_counts() {
        let read = |message: &str| Trailers::parse(message).resumes.len();
        assert_eq!(read("Subject\n\nRepin-Resume: web\n"), 1);
        assert_eq!(read("Subject\n\nRepin-Resume: web app 1.2.0\nSigned-off-by: a <a@b>\n\n\n"), 1);
        assert_eq!(read("Subject\n\nRepin-Resume: web\n\nThat was it.\n"), 0);
        assert_eq!(read("Subject\n\nRepin-Resume: web app\n"), 0);
        assert_eq!(read("Repin-Resume: web\n"), 0);
    }

    #[test]
    fn a_squashed_message_says_all_that_it_was_made_of() {
        let change =
            |service: &str| format!("Repin-Format: 1\nRepin-Change: {service}.yaml#tag i - 1 -\nRepin-Reason: why");
        let (web, api) = (change("web"), change("api"));
        for (message, expected) in [
            (format!("Subject\n\n{web}\n"), 1),
            (format!("Subject\n\n{web}\n\nCo-authored-by: a <a@b>\n"), 1),
            (
                format!(
                    "Both (#12)\n\n* Update web\n\n{web}\n\n* Update api\n\n{api}\n\n---------\n\nCo-authored-by: a <a@b>"
                ),
                2,
            ),
            (format!("Subject\n\n{web}\n\n{web}\n"), 1),
            (format!("Subject\r\n\r\n{}\r\n\r\nCo-authored-by: a", web.replace('\n', "\r\n")), 1),
            (format!("Subject\n\n{web}\n(cherry picked from commit 0123)\n"), 1),
            ("Subject".to_owned(), 0),
            (format!("Subject\n\nIt says `{web}`\n"), 1),
            (format!("{web}\n"), 0),
        ] {
            let read = Trailers::parse_squashed(&message);
            assert_eq!((read.changes.len(), read.reasons.len()), (expected, expected), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(file in "\\PC{1,30}", key in "\\PC{1,20}", old in proptest::option::of("\\PC{0,9}"), new in "\\PC{0,9}") {
            let change = Change { file, key, image: "ghcr.io/acme/web".into(), old, new, digest: None };
            let trailers = Trailers { format: Some("1".into()), changes: vec![change], ..Trailers::default() };
            prop_assert_eq!(Trailers::parse(&format!("Subject\n\n{}", trailers.write())), trailers);
        }
    }
}
