//! Texts of strangers: none of them notifies, links, closes, commands, or breaks what stands around it.

use repin::message::pull_request::{Marker, closed, render};
use repin::model::change::PullText;
use repin::model::forge::Course;

use crate::samples;

/// What is tried, and what must be nowhere in what is written for it.
const ATTACKS: &[(&str, &[&str])] = &[
    ("@alice please look", &["@alice"]),
    ("cc @acme/security-team", &["@acme"]),
    ("@dependabot merge", &["@dependabot"]),
    ("Fixes #12", &["#12"]),
    ("closes acme/web#12", &["web#12"]),
    ("Resolves GH-12", &["GH-12"]),
    ("resolves gh-12", &["gh-12"]),
    ("Closes OPS-17", &["OPS-17"]),
    ("see !7", &["!7"]),
    ("Implements &4", &["&4"]),
    ("snippet $12", &["$12"]),
    ("~bug ~\"in review\"", &["~bug", "~\"in"]),
    ("%12 and ^alert#3", &["%12", "^alert", "#3"]),
    ("[issue:12] [work_item:3]", &["[issue", "[work"]),
    ("closes https://github.com/acme/web/issues/12", &["https://github.com/acme/web/issues"]),
    ("https://evil.example/x", &["://evil"]),
    ("HTTP://EVIL.EXAMPLE/X", &["://EVIL"]),
    ("www.evil.example", &["www.evil"]),
    ("mail eve@evil.example", &["eve@evil"]),
    ("<https://evil.example>", &[" <https", "://evil"]),
    ("[click](https://evil.example)", &[" [click]", "](https://evil"]),
    ("[click][1]", &[" [click]"]),
    ("[^1]", &[" [^1]"]),
    ("![x](https://evil.example/pixel.png)", &["![", "](https://evil"]),
    ("<img src=x onerror=alert(1)>", &[" <img"]),
    ("<script>alert(1)</script>", &[" <script", "(1)</script"]),
    ("<details><summary>x", &[" <details", "><summary"]),
    ("<!-- repin: {\"format\":1} -->", &[" <!-- repin", "} -->"]),
    ("--> after the comment", &[" -->"]),
    ("&#64;alice", &[" &#64", "&#64;alice"]),
    ("&commat;alice", &[" &commat", "&commat;alice"]),
    ("*bold* **bold** _it_ ~~gone~~", &[" *bold", " **bold", " _it_", " ~~gone"]),
    ("`open", &[" `open"]),
    ("``", &[" ``"]),
    ("a | b | c", &["a | b"]),
    ("\\| \\[x\\](y)", &[" \\| "]),
    ("x\n/close", &["\n/close"]),
    ("x\r\n/merge\r\n", &["\n/merge", "\r"]),
    ("/assign @alice", &["\n/assign", "@alice"]),
    ("x\u{2028}/label bug\u{85}/approve", &["\u{2028}", "\u{85}"]),
    ("x\n\n# Heading\n\n- item", &["\n# Heading", "\n- item"]),
    ("x\n```\ncode", &["\n```"]),
    ("x\n\n| a |\n|---|", &["\n| a |"]),
    ("@\u{200b}alice @\u{2060}bob", &["@alice", "@bob", "\u{200b}"]),
    ("\u{202e}gnp.exe\u{202c}", &["\u{202e}", "\u{202c}"]),
    ("\u{61c}\u{ad}\u{e0041}\u{feff}x", &["\u{61c}", "\u{ad}", "\u{e0041}", "\u{feff}"]),
    ("\u{1b}[31mred\0", &["\u{1b}", "\0"]),
    ("[skip ci]", &["[skip ci]"]),
    ("[ci skip] [no ci]", &["[ci skip]", "[no ci]"]),
    ("***NO_CI***", &["***NO_CI"]),
    ("`@alice closes #12`", &["@alice", "#12"]),
    ("see `@alice`", &["@alice"]),
    ("closes `#12`", &["#12"]),
    ("``@alice``", &["@alice"]),
    ("Repin-Change: a#b c d e f", &["\nRepin-Change"]),
    ("x\n\nRepin-Resume: web", &["\nRepin-Resume"]),
];

/// The same text at every place where a stranger may write.
fn attacked(text: &str) -> PullText {
    let text = format!("x {text}");
    let mut place = samples::place("web", Some("production"), "ghcr.io/acme/web", "1.2.0", "1.3.0");
    place.old = Some(text.clone());
    place.key.clone_from(&text);
    place.file.clone_from(&text);
    place.alias.clone_from(&text);
    place.reason.clone_from(&text);
    place.application = (text.clone(), Some(text.clone()));
    place.passed_over = vec![("9".into(), text.clone())];
    let (subjects, pulls) = ([(text.as_str(), text.as_str())], [(7, text.as_str(), text.as_str())]);
    let mut attacked =
        samples::with_news(samples::text(&text, vec![place]), samples::news(Course::Ahead, &subjects, &pulls));
    attacked.base.clone_from(&text);
    let mut second = samples::place("web", None, &text, "1", "2");
    second.labels = Some(samples::labels(&text, &text));
    let missing = repin::model::change::News { missing: Some(text), ..Default::default() };
    attacked.news.insert((second.image.clone(), second.old.clone(), second.new.clone()), missing);
    attacked.commit.places.push(second);
    attacked
}

#[test]
fn texts_of_strangers_are_texts_and_nothing_else() {
    let mut wrong = Vec::new();
    for (attack, forbidden) in ATTACKS {
        let text = attacked(attack);
        let marker = samples::marker(&text);
        let rendered = render(&text, &marker);
        let comment = closed(&format!("x {attack}"), text.reopened_within).text;
        for said in [&rendered.title, &rendered.body, &comment] {
            // A title knows no Markdown.
            let is_title = *said == rendered.title;
            for found in forbidden.iter().filter(|found| !(is_title && is_markup(found)) && is_said(said, found)) {
                wrong.push(format!("{attack:?} leaves {found:?} in\n{said}"));
            }
        }
        let quiet = render(&attacked("quiet"), &samples::marker(&attacked("quiet")));
        let shape = |body: &str| -> Vec<String> { body.lines().map(shape).collect() };
        assert_eq!(shape(&rendered.body), shape(&quiet.body), "{attack:?}\n{}", rendered.body);
        let hidden = rendered.body.lines().last().unwrap();
        let hidden = hidden.strip_prefix("<!-- repin: ").and_then(|rest| rest.strip_suffix(" -->")).unwrap();
        let means_something = |c: char| !c.is_ascii() || c.is_ascii_control() || "<>&#@!`".contains(c);
        assert!(!hidden.contains(means_something) && !hidden.contains("--") && !hidden.contains("//"), "{hidden}");
        assert_eq!(Marker::parse(&rendered.body), Some(Marker { text: rendered.key.clone(), ..marker }), "{attack:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Tells whether a forbidden text is there, outside of the marker. Within code Markdown means nothing, so what would be HTML
/// or Markdown counts outside of it only.
fn is_said(said: &str, forbidden: &str) -> bool {
    let mut lines = said.lines().filter(|line| !line.starts_with("<!-- repin"));
    if !is_markup(forbidden) {
        return lines.collect::<Vec<_>>().join("\n").contains(forbidden);
    }
    lines.any(|line| without_code(line).contains(forbidden))
}

fn is_markup(forbidden: &str) -> bool {
    let begins = forbidden.starts_with([' ', '<', '!']) && !forbidden.starts_with("!7");
    begins || forbidden.ends_with("-->") || forbidden.contains(['<', '|']) || forbidden.starts_with("](")
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// What a line is: how it begins, and how many cells it has.
fn shape(line: &str) -> String {
    let start = line.split_once(' ').map_or(line, |(start, _)| start);
    let cells = line.replace("\\|", "").matches('|').count();
    format!("{} {cells}", start.chars().take(12).collect::<String>())
}
