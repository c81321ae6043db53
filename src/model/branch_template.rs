//! Names of branches that are made for a change: the part of Go's text/template that `git-branch` takes.
//!
//! Exactly `{{range .Images}}…{{end}}` with `{{.Name}}`, `{{.Alias}}`, `{{.OldTag}}` and `{{.NewTag}}` inside, and
//! `{{.SHA256}}` outside of it, as argocd-image-updater documents them; with blanks and with the trim markers `{{- ` and
//! ` -}}`. Anything else is an error. Whether the result may be written is not decided here.

use sha2::{Digest as _, Sha256};

/// Longest template, in bytes.
const MAX_BYTES: usize = 4096;
/// Stands for an action in [`BranchTemplate::pattern`].
const ANY: char = '*';

/// A parsed template. Equal if written the same.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BranchTemplate {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Part {
    Text(String),
    Sha256,
    Images(Vec<OfImage>),
}

#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum OfImage {
    Text(String),
    Name,
    Alias,
    OldTag,
    NewTag,
}

/// One change, as a template sees it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ImageChange {
    /// The image's repository, without its registry.
    pub name: String,
    /// The alias.
    pub alias: String,
    /// What stood there, empty if nothing did.
    pub old_tag: String,
    /// What shall stand there.
    pub new_tag: String,
}

/// Why a text is no template that is carried out.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{rule}, at character {at}")]
pub struct TemplateError {
    /// Position of the character, from 1.
    pub at: usize,
    /// What is wrong.
    pub rule: String,
}

/// What a text is cut into.
enum Token<'a> {
    Text(&'a str),
    /// What stands between the braces, without blanks and trim markers, and where the braces begin.
    Action(&'a str, usize),
}

impl BranchTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is not carried out, and where.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        if source.len() > MAX_BYTES {
            return Err(TemplateError { at: 1, rule: format!("a template has at most {MAX_BYTES} bytes") });
        }
        let mut parts = Vec::new();
        // The open range: its content, and where it began.
        let mut open: Option<(Vec<OfImage>, usize)> = None;
        for token in tokens(source)? {
            let (action, at) = match token {
                Token::Text("") => continue,
                Token::Text(text) => {
                    match &mut open {
                        Some((inner, _)) => inner.push(OfImage::Text(text.to_owned())),
                        None => parts.push(Part::Text(text.to_owned())),
                    }
                    continue;
                }
                Token::Action(action, at) => (action, at),
            };
            let error = |rule: String| Err(TemplateError { at: position(source, at), rule });
            let words: Vec<&str> = action.split_whitespace().collect();
            match (words.as_slice(), &mut open) {
                (["range", ".Images"], None) => open = Some((Vec::new(), at)),
                (["range", ".Images"], Some(_)) => {
                    return error("`{{range .Images}}` stands in another one".to_owned());
                }
                (["end"], Some(_)) => {
                    if let Some((inner, _)) = open.take() {
                        parts.push(Part::Images(inner));
                    }
                }
                (["end"], None) => return error("`{{end}}` ends no `{{range .Images}}`".to_owned()),
                ([".SHA256"], None) => parts.push(Part::Sha256),
                ([".SHA256"], Some(_)) => {
                    return error(
                        "`{{.SHA256}}` stands inside of `{{range .Images}}`, and has a value only outside".into(),
                    );
                }
                ([name @ (".Name" | ".Alias" | ".OldTag" | ".NewTag")], None) => {
                    return error(format!("`{{{{{name}}}}}` stands outside of `{{{{range .Images}}}}`"));
                }
                ([".Name"], Some((inner, _))) => inner.push(OfImage::Name),
                ([".Alias"], Some((inner, _))) => inner.push(OfImage::Alias),
                ([".OldTag"], Some((inner, _))) => inner.push(OfImage::OldTag),
                ([".NewTag"], Some((inner, _))) => inner.push(OfImage::NewTag),
                _ => return error(format!("`{{{{{action}}}}}` is not carried out")),
            }
        }
        match open {
            Some((_, at)) => {
                let rule = "`{{range .Images}}` has no `{{end}}`".to_owned();
                Err(TemplateError { at: position(source, at), rule })
            }
            None => Ok(Self { source: source.to_owned(), parts }),
        }
    }

    /// Gives the text as written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Gives what is known before anything is chosen: the text with `*` for each action, and for the whole of a range.
    pub fn pattern(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Sha256 | Part::Images(_) => text.push(ANY),
            }
        }
        text
    }

    /// Writes the name for these changes, which are sorted and counted once each, so that their order means nothing.
    ///
    /// `SHA256` is the SHA-256, as 64 hex digits, over one line `<name> <alias> <old tag> <new tag>\n` for each of them.
    pub fn render(&self, changes: &[ImageChange]) -> String {
        let mut changes: Vec<&ImageChange> = changes.iter().collect();
        changes.sort();
        changes.dedup();
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Sha256 => text.push_str(&sha256(&changes)),
                Part::Images(inner) => {
                    for (change, part) in changes.iter().flat_map(|change| inner.iter().map(move |part| (change, part)))
                    {
                        text.push_str(match part {
                            OfImage::Text(fixed) => fixed,
                            OfImage::Name => &change.name,
                            OfImage::Alias => &change.alias,
                            OfImage::OldTag => &change.old_tag,
                            OfImage::NewTag => &change.new_tag,
                        });
                    }
                }
            }
        }
        text
    }
}

fn sha256(changes: &[&ImageChange]) -> String {
    let mut hash = Sha256::new();
    for change in changes {
        hash.update(format!("{} {} {} {}\n", change.name, change.alias, change.old_tag, change.new_tag));
    }
    hex::encode(hash.finalize())
}

fn tokens(source: &str) -> Result<Vec<Token<'_>>, TemplateError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut trims_start = false;
    while let Some(rest) = source.get(at..) {
        let trimmed = |text: &'_ str, ends: bool| -> (usize, usize) {
            let from = if trims_start { text.len() - text.trim_start().len() } else { 0 };
            let to = if ends { text.trim_end().len() } else { text.len() };
            (from, to.max(from))
        };
        let Some((text, behind)) = rest.split_once("{{") else {
            let (from, to) = trimmed(rest, false);
            tokens.push(Token::Text(rest.get(from..to).unwrap_or_default()));
            break;
        };
        let opened = at + text.len();
        let Some((inside, _)) = behind.split_once("}}") else {
            let rule = "`{{` has no `}}`".to_owned();
            return Err(TemplateError { at: position(source, opened), rule });
        };
        at = opened + inside.len() + 4;
        // As in Go a marker has a blank on its inner side: `{{-3}}` is a number.
        let blank = |text: &&str| text.starts_with(char::is_whitespace);
        let after_marker = inside.strip_prefix('-').filter(blank);
        let before_marker = inside.strip_suffix('-').filter(|text| text.ends_with(char::is_whitespace));
        let (from, to) = trimmed(text, after_marker.is_some());
        tokens.push(Token::Text(text.get(from..to).unwrap_or_default()));
        trims_start = before_marker.is_some();
        let start = after_marker.map_or(0, |_| 1);
        let end = before_marker.map_or(inside.len(), str::len);
        tokens.push(Token::Action(inside.get(start..end).unwrap_or_default().trim(), opened));
    }
    Ok(tokens)
}

/// Counts characters up to a byte, from 1.
fn position(source: &str, byte: usize) -> usize {
    source.get(..byte).map_or(1, |before| before.chars().count() + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn change(name: &str, alias: &str, old_tag: &str, new_tag: &str) -> ImageChange {
        ImageChange { name: name.into(), alias: alias.into(), old_tag: old_tag.into(), new_tag: new_tag.into() }
    }

    fn changes() -> [ImageChange; 3] {
        let (web, job) = (change("acme/web", "app", "1.0", "1.1"), change("acme/job", "job", "", "2"));
        [web.clone(), job, web]
    }

    #[test]
    fn a_name_is_made_of_the_changes() {
        // printf 'acme/job job  2\nacme/web app 1.0 1.1\n' | sha256sum
        let sum = "ea0fa636bee7d39b38f0118938f0ff1ba722cd28a911dc6464e23896a8ed936d";
        for (template, expected, pattern) in [
            ("auto", "auto", "auto"),
            ("auto/{{range .Images}}{{.Name}}-{{.NewTag}}{{end}}", "auto/acme/job-2acme/web-1.1", "auto/*"),
            ("a{{range .Images}}-{{.Alias}}:{{.OldTag}}{{end}}z", "a-job:-app:1.0z", "a*z"),
            ("a {{- range .Images -}} x {{ .Alias -}} \n y{{ end -}} b", "ax jobyx appyb", "a*b"),
            ("{{ range  .Images }}{{end}}", "", "*"),
            ("up-{{.SHA256}}", "up-SUM", "up-*"),
            ("a}}b", "a}}b", "a}}b"),
        ] {
            let parsed = BranchTemplate::parse(template).unwrap();
            let rendered = parsed.render(&changes());
            let expected = expected.replace("SUM", sum);
            assert_eq!((rendered, parsed.pattern().as_str()), (expected, pattern), "{template}");
        }
    }

    #[test]
    fn the_order_of_the_changes_means_nothing() {
        let template = BranchTemplate::parse("{{.SHA256}}{{range .Images}}{{.Alias}}{{end}}").unwrap();
        let mut other = changes();
        other.reverse();
        assert_eq!(template.render(&changes()), template.render(&other));
    }

    #[test]
    fn what_is_not_carried_out_is_named_with_its_place() {
        for (template, expected) in [
            ("a{{.Title}}", "`{{.Title}}` is not carried out, at character 2"),
            ("é{{if .Images}}{{end}}", "`{{if .Images}}` is not carried out, at character 2"),
            ("{{.Name}}", "`{{.Name}}` stands outside of `{{range .Images}}`, at character 1"),
            ("{{range .Images}}{{.SHA256}}{{end}}", "only outside, at character 18"),
            ("{{range .Images}}{{range .Images}}{{end}}{{end}}", "stands in another one, at character 18"),
            ("x{{range .Images}}", "has no `{{end}}`, at character 2"),
            ("{{end}}", "ends no `{{range .Images}}`, at character 1"),
            ("ab{{", "`{{` has no `}}`, at character 3"),
            ("{{}}", "is not carried out, at character 1"),
            ("{{-.SHA256}}", "`{{-.SHA256}}` is not carried out"),
            ("{{.SHA256 | upper}}", "is not carried out"),
            ("{{range $i, $e := .Images}}{{end}}", "is not carried out"),
            ("{{/* x */}}", "is not carried out"),
        ] {
            let message = BranchTemplate::parse(template).unwrap_err().to_string();
            assert!(message.contains(expected), "{template}: {message}");
        }
        assert!(BranchTemplate::parse(&"a".repeat(MAX_BYTES + 1)).is_err());
    }
}
