//! Texts of strangers in Markdown: labels of images, subjects of commits, titles of pull requests, names of authors.
//!
//! What a forge makes of a text beyond showing it stays out: mentions that notify, references that leave a note elsewhere,
//! words that close issues, commands to bots and to GitLab at the start of a line, HTML, images, footnotes, links to
//! anywhere. Forges look for these in the raw text, in what Markdown makes of it, or in both (GitLab finds closing words
//! also within code), so an escape alone does not do: a word joiner, which nobody sees, stands within each of them.

use url::Url;

use crate::model::text::is_invisible;

/// U+2060: takes no room, allows no line break, and belongs to no reference of any forge.
const JOINER: char = '\u{2060}';
/// Longest URL that is linked, in bytes.
const MAX_URL: usize = 600;

/// Gives a text as one line without Markdown, as titles have it: invisible characters out, references broken, at most
/// `max` characters.
pub(super) fn plain(text: &str, max: usize) -> String {
    broken(&clean(text, max))
}

/// Gives a text as one line of Markdown that shows the text itself; what stands between backticks stays code. It must not
/// begin a line.
pub(super) fn text(text: &str, max: usize) -> String {
    let text = clean(text, max);
    let parts: Vec<&str> = text.split('`').collect();
    let is_paired = parts.len() % 2 == 1 && parts.iter().skip(1).step_by(2).all(|code| !code.trim().is_empty());
    if !is_paired {
        return escaped(&text);
    }
    let part = |(at, part): (usize, &&str)| match at % 2 {
        0 => escaped(part),
        _ => format!("`{}`", broken(&part.replace('|', "¦"))),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Breaks references, and escapes what means something in Markdown.
fn escaped(text: &str) -> String {
    let text = broken(text);
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    for (at, c) in chars.iter().enumerate() {
        let is_word = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
        let is_marked = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '&' | '~' | '$' => true,
            // Within a word it means nothing (CommonMark 0.31, "Emphasis").
            '_' => !(is_word(at.checked_sub(1)) && is_word(Some(at + 1))),
            _ => false,
        };
        if is_marked {
            out.push('\\');
        }
        out.push(*c);
    }
    out
}

/// Gives a text as code, in which Markdown means nothing. A backtick becomes `'`, a pipe `¦`: a table ends its cells at
/// them, in code too.
pub(super) fn code(text: &str, max: usize) -> String {
    let text = clean(text, max).replace('`', "'").replace('|', "¦");
    // A value by itself says nothing to a forge, and people copy it; a marker it must not be.
    let is_copied = !text.contains(' ') && !text.contains("<!--");
    let text = if is_copied { text } else { broken(&text) };
    if text.is_empty() { "(empty)".to_owned() } else { format!("`{text}`") }
}

/// Gives a link; none if the URL is not of http or https, names a user, or is too long. Pages of github.com that would
/// note that they were mentioned are linked through the host that GitHub has for that.
pub(super) fn link(label: &str, url: &str) -> Option<String> {
    let mut url = web_url(url)?;
    let notes = |path: &str| path.split('/').any(|part| matches!(part, "pull" | "issues" | "discussions"));
    if url.host_str() == Some("github.com") && notes(url.path()) {
        url.set_host(Some("redirect.github.com")).ok()?;
    }
    let target: String =
        url.as_str().chars().map(|c| if is_plain_in_url(c) { c.to_string() } else { hex(c) }).collect();
    Some(format!("[{label}]({target})"))
}

/// Gives a link whose words say where it leads.
pub(super) fn host_link(before: &str, url: &str) -> Option<String> {
    let host = host(url)?;
    link(&format!("{before}{}", text(&host, 100)), url)
}

/// Gives the host that a link leads to, with its port.
pub(super) fn host(url: &str) -> Option<String> {
    let url = web_url(url)?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn web_url(text: &str) -> Option<Url> {
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\' || is_invisible(c);
    if text.len() > MAX_URL || text.contains(is_odd) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    (is_web && url.username().is_empty() && url.password().is_none()).then_some(url)
}

fn is_plain_in_url(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'+,;=%".contains(c) && !matches!(c, '[' | ']')
}

fn hex(c: char) -> String {
    let mut bytes = [0; 4];
    c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// One line, without what cannot be seen, of at most `max` characters.
pub(super) fn clean(text: &str, max: usize) -> String {
    let is_gap = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}');
    let seen: String = text.chars().map(|c| if is_gap(c) { ' ' } else { c }).filter(|c| !is_invisible(*c)).collect();
    let line = seen.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= max {
        return line;
    }
    let kept: String = line.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Puts a joiner into everything that a forge, or a bot that reads along, takes for more than a text.
fn broken(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    for (at, c) in chars.iter().enumerate() {
        out.push(*c);
        if is_breaking(&chars, at) {
            out.push(JOINER);
        }
    }
    out
}

/// Tells whether a joiner goes behind a character.
fn is_breaking(chars: &[char], at: usize) -> bool {
    let (before, behind) = (chars.get(..at).unwrap_or_default(), chars.get(at + 1..).unwrap_or_default());
    let Some(c) = chars.get(at) else { return false };
    let follows =
        |text: &str| text.chars().enumerate().all(|(n, c)| behind.get(n).is_some_and(|b| b.eq_ignore_ascii_case(&c)));
    let is_name = behind.first().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '"' | '-' | '.' | '{'));
    match c {
        // A mention; in front of a digest it is none.
        '@' => !behind.is_empty() && !follows("sha256:") && !follows("sha512:"),
        // Issues, merge requests, epics, snippets, labels, milestones, alerts of GitLab.
        '#' | '!' | '&' | '$' | '~' | '%' | '^' => is_name,
        // `[issue:1]` of GitLab, and `[skip ci]`, which a squash would carry into a commit.
        '[' => behind.first().is_some_and(|c| c.is_alphabetic()),
        // `***NO_CI***`
        '*' => before.ends_with(&['*', '*']),
        // URLs become links, and closing words find them.
        ':' => follows("//"),
        'w' | 'W' => behind.first() == Some(&'.') && ends_with_www(before),
        // `GH-1`, and the keys of issue trackers that listen to a forge.
        '-' => behind.first().is_some_and(char::is_ascii_digit) && is_tracker(before),
        _ => false,
    }
}

fn ends_with_www(before: &[char]) -> bool {
    let last = before.iter().rev().take(3).collect::<Vec<_>>();
    last.len() >= 2
        && last.iter().take(2).all(|c| c.eq_ignore_ascii_case(&'w'))
        && !last.get(2).is_some_and(|c| c.is_alphanumeric())
}

/// Tells whether a text ends like the name of a project of an issue tracker.
fn is_tracker(before: &[char]) -> bool {
    let word: String = before.iter().rev().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').collect();
    let is_key = word.len() >= 2
        && !word.bytes().any(|c| c.is_ascii_lowercase())
        && word.ends_with(|c: char| c.is_ascii_uppercase());
    is_key || word.eq_ignore_ascii_case("hg")
}
