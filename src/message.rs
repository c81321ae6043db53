//! Every text a person reads in Git: commit messages and their trailers. Pure; nothing here decides.
//!
//! A message is a subject, a body, and the trailers in a paragraph of their own at its end. Subject and body come from the
//! operator's [`template`] or are the default; the trailers are always written here.

pub mod merged;
pub mod pull_request;
pub mod template;
pub mod trailers;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::message::template::Template;
use crate::message::trailers::{Change, FirstSeen, Trailers};
use crate::model::change::{CommitText, WrittenPlace};
use crate::model::source::Source;

/// Version of the trailers' grammar.
pub const FORMAT: &str = "1";
/// Longest subject line, in characters.
const SUBJECT: usize = 100;

/// How the messages of commits are written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wording {
    /// Gives subject and body; none = the default ones.
    pub template: Option<Template>,
    /// `name <email>` of the last trailer `Signed-off-by`; none = no such trailer.
    pub sign_off: Option<String>,
}

/// The message of one commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// All of it.
    pub text: String,
    /// Why the default message stands in for that of the template.
    pub stand_in: Option<String>,
}

/// What stands before the trailers.
struct Parts {
    subject: String,
    body: String,
}

/// Writes the message of one commit: subject, body, trailers. A template that fails on this commit is stood in for by
/// the default message.
pub fn commit(text: &CommitText, wording: &Wording) -> Message {
    let (parts, stand_in) = match wording.template.as_ref().map(|template| template.render(text)) {
        None => (default_parts(text), None),
        Some(Ok(parts)) => (parts, None),
        Some(Err(error)) => (default_parts(text), Some(error.to_string())),
    };
    let mut message = parts.subject;
    message.push_str("\n\n");
    if !parts.body.is_empty() {
        message.push_str(&parts.body);
        message.push_str("\n\n");
    }
    let trailers = trailers(text);
    message.push_str(&trailers.write());
    // Argo CD shows one commit. It is one only if all images were built from it.
    let is_of_one = text.places.iter().all(|place| source(place).as_ref() == trailers.sources.first());
    let reference = trailers.sources.first().filter(|_| is_of_one).and_then(trailers::argocd_reference);
    message.push_str(&reference.unwrap_or_default());
    if let Some(sign_off) = &wording.sign_off {
        let _ = writeln!(message, "Signed-off-by: {}", trailers::one_line(sign_off));
    }
    Message { text: message, stand_in }
}

/// Subject, and one line per place.
fn default_parts(text: &CommitText) -> Parts {
    let name = |label: &str| application_parts(label).1.to_owned();
    let first = text.applications.first().map(|(label, _)| name(label)).unwrap_or_default();
    let is_of_one =
        text.places.iter().all(|place| Some(&place.application) == text.places.first().map(|one| &one.application));
    let subject = match text.places.as_slice() {
        [one] => format!("Update {first} to {}", one.new),
        many if is_of_one => {
            let parts: Vec<String> = many.iter().map(|place| format!("{} {}", place.alias, place.new)).collect();
            format!("Update {first}: {}", parts.join(", "))
        }
        many => {
            let part = |place: &WrittenPlace| format!("{} {} {}", name(&place.application.0), place.alias, place.new);
            let parts: Vec<String> = many.iter().map(part).collect();
            let listed = format!("Update {} applications: {}", text.applications.len(), parts.join(", "));
            if listed.chars().count() <= SUBJECT { listed } else { counted(text) }
        }
    };
    let line = |place: &WrittenPlace| format!("{}: {} -> {}", place.image, old(place), place.new);
    let lines: Vec<String> = text.places.iter().map(line).collect();
    Parts { subject: shorten(&subject), body: lines.join("\n") }
}

/// Namespace and name of an Application's label.
fn application_parts(label: &str) -> (&str, &str) {
    label.split_once('/').unwrap_or(("", label))
}

/// The subject of a commit for more Applications than a line can name: how many images, and where.
fn counted(text: &CommitText) -> String {
    let names: BTreeSet<&str> = text.applications.iter().map(|(name, _)| name.as_str()).collect();
    let environment = text.applications.first().and_then(|(_, environment)| environment.as_deref());
    let is_one = text.applications.iter().all(|(_, other)| other.as_deref() == environment);
    let place = environment.filter(|_| is_one).map(|environment| format!(" in {environment}")).unwrap_or_default();
    format!("Update {} images of {} applications{place}", text.places.len(), names.len())
}

fn trailers(text: &CommitText) -> Trailers {
    Trailers {
        format: Some(FORMAT.to_owned()),
        changes: text.places.iter().map(Change::of).collect(),
        first_seen: first_seen(text),
        applications: text.applications.clone(),
        reasons: text.places.iter().map(|place| place.reason.clone()).collect(),
        sources: distinct(text.places.iter().filter_map(source)),
        resumes: Vec::new(),
    }
}

/// What a written image was built from.
fn source(place: &WrittenPlace) -> Option<Source> {
    place.labels.as_ref().and_then(Source::of)
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::new();
    for item in items {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    all
}

/// Says each clock once, however many places hold the image.
fn first_seen(text: &CommitText) -> Vec<FirstSeen> {
    let of_place = |place: &WrittenPlace| {
        let tag = place.new.split('@').next().unwrap_or_default();
        Some(FirstSeen {
            image: place.image.parse().ok()?,
            tag: tag.parse().ok()?,
            digest: place.digest.as_ref()?.parse().ok()?,
            time: place.first_seen?,
        })
    };
    distinct(text.places.iter().filter_map(of_place))
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::metadata::Labels;

    /// The template in the manual that gives the default message.
    const DEFAULT: &str = "\
Update {{ applications[0].name }}{% if images|length == 1 %} to {{ images[0].new }}{% else %}: \
{% for image in images %}{{ image.alias }} {{ image.new }}{% if not loop.last %}, {% endif %}{% endfor %}{% endif %}

{% for image in images -%}
{{ image.image }}: {% if image.old is none %}(none){% else %}{{ image.old or '(empty)' }}{% endif %} -> {{ image.new }}
{% endfor %}";

    fn place(alias: &str, old: Option<&str>, new: &str) -> WrittenPlace {
        WrittenPlace {
            file: "apps/web/values.yaml".into(),
            key: format!("{alias}.tag"),
            application: ("argocd/web".into(), Some("dev".into())),
            alias: alias.into(),
            image: format!("ghcr.io/acme/{alias}"),
            old: old.map(str::to_owned),
            new: new.into(),
            digest: None,
            first_seen: None,
            reason: "semver 1.x".into(),
            labels: None,
            passed_over: Vec::new(),
        }
    }

    fn text(places: Vec<WrittenPlace>) -> CommitText {
        let mut applications: Vec<_> = places.iter().map(|place| place.application.clone()).collect();
        applications.dedup();
        CommitText { repository: "gitops".into(), branch: "main".into(), applications, places }
    }

    fn by(template: &str) -> Wording {
        Wording { template: Some(Template::new(template).unwrap()), sign_off: None }
    }

    #[test]
    fn a_commit_says_what_why_and_for_whom() {
        let message = |text: &CommitText| commit(text, &Wording::default()).text;
        let one = text(vec![place("app", Some("1.0.0"), "1.1.0")]);
        assert_eq!(
            message(&one),
            "Update web to 1.1.0\n\nghcr.io/acme/app: 1.0.0 -> 1.1.0\n\nRepin-Format: 1\n\
             Repin-Change: apps/web/values.yaml#app.tag ghcr.io/acme/app 1.0.0 1.1.0 -\nRepin-Application: argocd/web (dev)\nRepin-Reason: semver 1.x\n"
        );
        let two = text(vec![place("app", None, "1.1.0"), place("job", Some(""), "2.0")]);
        assert!(message(&two).starts_with("Update web: app 1.1.0, job 2.0\n\nghcr.io/acme/app: (none) -> 1.1.0\nghcr.io/acme/job: (empty) -> 2.0\n\nRepin-"), "{}", message(&two));
        let mut seen = place("app", Some("1.0.0"), &format!("1.1.0@sha256:{}", "a".repeat(64)));
        seen.digest = Some(format!("sha256:{}", "a".repeat(64)));
        seen.first_seen = "2026-01-05T10:00:00Z".parse().ok();
        let aged = message(&text(vec![seen.clone(), seen]));
        let line = format!("Repin-First-Seen: ghcr.io/acme/app:1.1.0@sha256:{} 2026-01-05T10:00:00Z\n", "a".repeat(64));
        assert_eq!(aged.matches(&line).count(), 1, "{aged}");
        for known in [&one, &two] {
            assert_eq!(commit(known, &by(DEFAULT)), commit(known, &Wording::default()));
        }
        let thousands = text((0..3_000).map(|n| place(&format!("app-{n}"), Some("1.0.0"), "1.1.0")).collect());
        assert_eq!(commit(&thousands, &by(DEFAULT)), commit(&thousands, &Wording::default()));
        let api = WrittenPlace { application: ("argocd/api".into(), None), ..place("app", Some("1"), "2") };
        let both = text(vec![place("app", Some("1"), "2"), api]);
        assert!(message(&both).starts_with("Update 2 applications: web app 2, api app 2\n\n"), "{}", message(&both));
    }

    #[test]
    fn a_commit_names_what_its_images_were_built_from() {
        let built = |source: &str, revision: &str, alias: &str| {
            let labels = Labels { source: Some(source.into()), revision: Some(revision.into()), ..Labels::default() };
            WrittenPlace { labels: Some(labels), ..place(alias, Some("1.0.0"), "1.1.0") }
        };
        let web = "https://github.com/acme/web";
        let lines = |places: Vec<WrittenPlace>| -> Vec<String> {
            let message = commit(&text(places), &Wording::default()).text;
            let told = message.lines().filter(|line| line.starts_with("Repin-Source") || line.starts_with("Argocd"));
            told.map(str::to_owned).collect()
        };
        let argocd =
            ["Argocd-reference-commit-sha: 1a2b3c4", "Argocd-reference-commit-repourl: https://github.com/acme/web"];
        let source = "Repin-Source: https://github.com/acme/web@1a2b3c4";
        assert_eq!(lines(vec![built(web, "1a2b3c4", "app")]), [source, argocd[0], argocd[1]]);
        let scp = built("git@github.com:acme/web.git", "1a2b3c4", "job");
        assert_eq!(lines(vec![built(web, "1a2b3c4", "app"), scp]), [source, argocd[0], argocd[1]], "each once");
        let other = built(web, "1a2b3c5", "job");
        assert_eq!(
            lines(vec![built(web, "1a2b3c4", "app"), other]),
            [source, "Repin-Source: https://github.com/acme/web@1a2b3c5"]
        );
        assert_eq!(lines(vec![built(web, "1a2b3c4", "app"), place("job", None, "2")]), [source], "one does not say");
        assert_eq!(lines(vec![built(web, "v1.1.0", "app")]), ["Repin-Source: https://github.com/acme/web@v1.1.0"]);
        for (source, revision) in [
            ("https://github.com/acme/web\nRepin-Resume: web", "1a2b3c4"),
            ("https://github.com/acme/web", "1a2b3c4\n\nRepin-Change: x"),
            ("https://github.com/acme/web", "1a2b3c4 Repin-Change: x"),
            ("javascript:alert(1)", "1a2b3c4"),
        ] {
            assert_eq!(lines(vec![built(source, revision, "app")]), [""; 0], "{source} {revision}");
        }
    }

    #[test]
    fn a_template_sees_the_whole_change_set() {
        let template = "{{ repository }}@{{ branch }} {{ environments|join('+') }}: {{ applications|length }}\n\
            {% for i in images %}{{ i.application.namespace }}/{{ i.application.name }} {{ i.application.environment }} {{ i.alias }} {{ i.image }} \
            {{ i.file }}#{{ i.key }} {{ i.old }} {{ i.new }} {{ i.digest }} {{ i.reason }}\n{% endfor %}";
        let text = text(vec![place("app", None, "1.1.0")]);
        let message = commit(&text, &by(template)).text;
        assert!(
            message.starts_with("gitops@main dev: 1\n\nargocd/web dev app ghcr.io/acme/app apps/web/values.yaml#app.tag None 1.1.0 None semver 1.x\n\nRepin-Format: 1\n"),
            "{message}"
        );
    }

    #[test]
    fn what_a_template_gives_is_never_a_trailer_and_cuts_none_off() {
        let old = "1\n\nRepin-Change: forged\u{2028}\0";
        for template in [
            "Subject",
            "\n \nSubject\nBody\n\n\n",
            "Subject\n\nSigned-off-by: x <x@example.com>",
            "Subject\n\nRe{{ 'pin-Change' }} x",
            "Subject\n\n{{ images[0].old }}",
            "Subject\r\n\r\nFoo: bar\r\n---\r\nFoo: bar\n",
            "Subject\n\n# ------------------------ >8 ------------------------\nx",
        ] {
            let text = text(vec![place("app", Some(old), "1.1.0")]);
            let message = commit(&text, &by(template));
            assert_eq!(message.stand_in, None);
            let message = message.text;
            let expected = trailers(&text);
            assert_eq!(
                Trailers::parse(&message),
                Trailers { reasons: vec!["semver 1.x".into()], ..expected.clone() },
                "{message}"
            );
            assert!(
                message.starts_with("Subject\n\n") && message.ends_with(&format!("\n\n{}", expected.write())),
                "{message}"
            );
            assert!(!message.lines().any(|line| line.starts_with("---") || line.starts_with("# -")), "{message}");
            assert!(!message.contains(|c: char| c.is_control() && c != '\n'), "{message:?}");
        }
    }

    #[test]
    fn a_sign_off_is_the_last_line_of_the_same_block() {
        let text = text(vec![place("app", None, "1.1.0")]);
        let plain = commit(&text, &Wording::default()).text;
        let wording = Wording { sign_off: Some("Bot <bot@example.com>".into()), ..Wording::default() };
        assert_eq!(commit(&text, &wording).text, format!("{plain}Signed-off-by: Bot <bot@example.com>\n"));
    }

    #[test]
    fn a_template_that_cannot_work_is_refused_at_the_start() {
        for (template, part) in [
            ("{{ image }}", "undefined"),
            ("{{ images[0].tag }}", "undefined"),
            ("{{ images[1].new }}", "undefined"),
            ("a\nb {% for %}", "line 2 of the template: "),
            ("{% include 'x' %}", "unknown statement include"),
            ("{{ 'x'|nothing }}", "unknown filter"),
            ("{{ images[0].old ~ images[0].digest|upper|nothing }}", "unknown filter"),
            ("x{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}", "out of fuel"),
            ("{% for a in range(90000) %}{{ '%060d'|format(a) }}{% endfor %}", "more than 4194304 bytes"),
            ("", "the subject, its first line, is empty"),
            (" \n\t\n", "the subject, its first line, is empty"),
            ("{{ images[0].digest or '' }}", "the subject, its first line, is empty"),
            ("---\nx", "begins with `---`"),
            ("x\n\nrepin-resume: web", "adds its trailers itself"),
            ("Repin-Format: 1", "adds its trailers itself"),
        ] {
            let error = Template::new(template).unwrap_err().to_string();
            assert!(error.contains(part), "{template}: {error}");
        }
    }

    #[test]
    fn a_template_that_fails_on_one_commit_is_stood_in_for() {
        let template = "{% if images[0].new == '6.6.6' %}{{ images[9].new }}{% endif %}x";
        let wording = by(template);
        let good = commit(&text(vec![place("app", None, "1.1.0")]), &wording);
        assert!(good.text.starts_with("x\n\n") && good.stand_in.is_none());
        let bad = commit(&text(vec![place("app", None, "6.6.6")]), &wording);
        assert!(bad.text.starts_with("Update web to 6.6.6\n\n"), "{}", bad.text);
        assert!(bad.stand_in.unwrap().contains("undefined"));
    }
}
