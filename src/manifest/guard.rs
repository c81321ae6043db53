//! What is never written: sealed objects, encrypted files, templates, shared values, text that readers split differently.
//!
//! SOPS: which keys are encrypted follows `Tree.Encrypt` of getsops/sops (suffixes and expressions over the keys of the path).

use regex::Regex;

use crate::manifest::Source;
use crate::manifest::error::EditError;
use crate::manifest::locate::{Part, Reached, STRING_TAG, Shared, alias_lines};
use crate::manifest::place::Wanted;
use crate::model::key_path::{KeyPath, Segment};
use crate::yaml::{Document, Kind, Node, Style, line_of};

/// The suffix that SOPS leaves alone if the file names no rule.
const DEFAULT_UNENCRYPTED_SUFFIX: &str = "_unencrypted";
/// How long a label may be in Kubernetes.
const MAX_LABEL: usize = 63;
/// How much of a template is shown.
const SHOWN: usize = 80;

/// Checks what holds for every value of a document.
pub(super) fn check_document(source: &Source, document: &Document, part: Part<'_>) -> Result<(), EditError> {
    let documents = source.documents();
    // A manifest may stand beside a sealed object in one file; values do not.
    let is_object = document.root().get("apiVersion").is_some() && document.root().get("kind").is_some();
    let near = documents.iter().filter(|other| !is_object || std::ptr::eq(*other, document));
    for root in near.map(Document::root) {
        let listed = root.get("items").map(Node::items).unwrap_or_default();
        for object in std::iter::once(root).chain(listed) {
            let Some(node) = object.get("kind") else { continue };
            if let Some(kind @ ("SealedSecret" | "ExternalSecret")) = node.as_str() {
                return Err(EditError::Sealed { kind: kind.to_owned(), line: node.line() });
            }
        }
    }
    for document in documents {
        check_sops(document, part)?;
    }
    check_line_breaks(source, part.path)
}

/// Refuses what Kubernetes takes for no label, such as a digest or a long tag, where a label stands.
pub(super) fn check_label(path: &KeyPath, wanted: &Wanted) -> Result<(), EditError> {
    let (tag, digest) = (wanted.tag.as_deref().unwrap_or_default(), wanted.digest.as_deref());
    let is_label = match path.segments() {
        [.., Segment::Key(metadata), Segment::Key(labels), Segment::Key(_)] => {
            metadata == "metadata" && labels == "labels"
        }
        _ => false,
    };
    let is_end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let is_fit = digest.is_none() && tag.len() <= MAX_LABEL && is_end(tag.chars().next()) && is_end(tag.chars().last());
    if !is_label || is_fit {
        return Ok(());
    }
    let what = digest.map_or(format!("`{tag}`"), |digest| format!("`{tag}@{digest}`"));
    let why = format!(
        "{what} is no value of a label, which has up to {MAX_LABEL} letters, digits, `-`, `_` and `.`, the ends letters or digits"
    );
    Err(EditError::unproven(path, None, why))
}

/// Refuses a line break of Unicode outside of quotes: YAML 1.1 ends the line there, YAML 1.2 does not.
fn check_line_breaks(source: &Source, path: &KeyPath) -> Result<(), EditError> {
    let text = source.text();
    if text.is_ascii() {
        return Ok(());
    }
    let quoted = |node: Node<'_>| match node.kind() {
        Kind::Scalar { style: Style::Single | Style::Double, .. } => Some(node.span()),
        _ => None,
    };
    // Both run through the text once, in order.
    let mut spans = source.documents().iter().flat_map(Document::nodes).filter_map(quoted).peekable();
    for (at, c) in text.char_indices().filter(|(_, c)| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')) {
        while spans.next_if(|span| span.end <= at).is_some() {}
        if !spans.peek().is_some_and(|span| span.contains(&at)) {
            let why = format!("U+{:04X} outside of quotes ends a line for some readers and not for others", c as u32);
            return Err(EditError::unproven(path, Some(source.line_at(at)), why));
        }
    }
    Ok(())
}

/// Checks what holds for one place.
pub(super) fn check_place(
    document: &Document,
    text: &str,
    place: &Reached<'_>,
    path: &KeyPath,
    new: &str,
) -> Result<(), EditError> {
    check_content(text, place, path, new)?;
    check_shared(document, |at| line_of(text, at), text, place, path, new)
}

/// Checks what stands there, and what shall.
pub(super) fn check_content(text: &str, place: &Reached<'_>, path: &KeyPath, new: &str) -> Result<(), EditError> {
    if new.contains("{{") {
        let line = match place {
            Reached::Value(value) | Reached::Within(value, _) => value.node.line(),
            Reached::Missing(missing) => missing.map.line(),
        };
        return Err(EditError::unproven(path, Some(line), "a text with `{{` would be a template to Helm's `tpl`"));
    }
    match place {
        Reached::Value(value) => check_value(text, value.node, path, new),
        Reached::Missing(_) | Reached::Within(..) => Ok(()),
    }
}

/// Tells whether others put something into a text before it counts: Helm and generators into `{{…}}`, Flux and shells into
/// `${…}`, Kubernetes and kustomize into `$(…)`.
pub(super) fn is_template(text: &str) -> bool {
    ["{{", "${", "$("].iter().any(|begin| text.contains(begin))
}

/// Refuses what others share.
pub(super) fn check_shared(
    document: &Document,
    line_at: impl Fn(usize) -> u64,
    text: &str,
    place: &Reached<'_>,
    path: &KeyPath,
    new: &str,
) -> Result<(), EditError> {
    place.shared().map_or(Ok(()), |shared| Err(shared_error((text, &line_at), document, shared, path, new)))
}

fn check_value(text: &str, node: Node<'_>, path: &KeyPath, new: &str) -> Result<(), EditError> {
    let line = node.line();
    let written = text.get(node.span()).unwrap_or_default();
    let resolved = node.resolve().unwrap_or(node);
    let template = match resolved.kind() {
        // What is right already stays as it is, whatever it is.
        Kind::Scalar { value, .. } => value != new && is_template(value),
        Kind::Map { flow, .. } => *flow && written.starts_with("{{"),
        Kind::Seq { .. } | Kind::Alias(_) => false,
    };
    if template {
        let value = written.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        return Err(EditError::Template { path: path.to_string(), line, value });
    }
    if let Kind::Scalar { value, .. } = resolved.kind()
        && value.starts_with("ENC[AES256_GCM,")
    {
        return Err(EditError::Sops { path: path.to_string(), line, why: "the value is encrypted".to_owned() });
    }
    match (resolved.kind(), resolved.tag()) {
        (Kind::Map { .. } | Kind::Seq { .. }, _) => Err(EditError::not_a_scalar(path, line, resolved.kind())),
        (_, Some(tag)) if tag != STRING_TAG => {
            let tag = tag.replace("tag:yaml.org,2002:", "!!");
            Err(EditError::unproven(
                path,
                Some(line),
                format!("it is tagged `{tag}`, so no reader takes it for a string"),
            ))
        }
        _ => Ok(()),
    }
}

fn shared_error(
    text: (&str, &dyn Fn(usize) -> u64),
    document: &Document,
    shared: Shared<'_>,
    path: &KeyPath,
    new: &str,
) -> EditError {
    let entry = path.last_key().map_or_else(|| new.to_owned(), |key| format!("{key}: {new}"));
    let (line, named, why, instead) = match shared {
        Shared::Alias(alias) => {
            let line = alias.line();
            let instead = format!("write the value in place of the alias at line {line}, with `{entry}`");
            (line, alias.resolve().into_iter().collect(), "the path goes through an alias".to_owned(), instead)
        }
        Shared::Anchor(anchored) => {
            let others: Vec<String> = alias_lines(document, anchored).iter().map(u64::to_string).collect();
            let instead = format!("write a value of its own in place of the alias at line {}", others.join(", "));
            let why = "its anchor has aliases".to_owned();
            (anchor_line(text, anchored), vec![anchored], why, instead)
        }
        Shared::Merge(merge, value) => {
            let line = merge.line();
            let instead = format!("add `{entry}` as a key of its own behind the `<<` at line {line}");
            (line, merged(value), format!("it is merged in by the `<<` at line {line}"), instead)
        }
        Shared::MergedAfter(merge, value) => {
            let line = merge.line();
            let why = format!("the `<<` at line {line} brings the same key, and readers differ on which one counts");
            let instead = format!("move the `<<` of line {line} in front of the other keys");
            (line, merged(value), why, instead)
        }
    };
    let mut places = vec![line];
    for node in named {
        places.push(anchor_line(text, node));
        places.extend(alias_lines(document, node));
    }
    places.sort_unstable();
    places.dedup();
    EditError::Shared { path: path.to_string(), line, places, why, instead }
}

/// Gives what a `<<` names: one mapping, or each of a list.
fn merged(value: Node<'_>) -> Vec<Node<'_>> {
    let listed = value.items();
    let all = if listed.is_empty() { vec![value] } else { listed };
    all.into_iter().filter_map(Node::resolve).collect()
}

/// Gives the line of a node's `&name`: a block mapping begins lines behind it.
fn anchor_line((text, line_at): (&str, &dyn Fn(usize) -> u64), node: Node<'_>) -> u64 {
    let before = text.get(..node.span().start).unwrap_or_default();
    before.rfind('&').filter(|_| node.is_anchored()).map_or_else(|| node.line(), line_at)
}

fn check_sops(document: &Document, part: Part<'_>) -> Result<(), EditError> {
    let root = document.root();
    let Some((key, sops)) = root.entries().into_iter().find(|(key, _)| key.as_str() == Some("sops")) else {
        return Ok(());
    };
    if sops.get("mac").is_none() {
        return Ok(());
    }
    let refuse = |why: String| Err(EditError::Sops { path: part.path.to_string(), line: key.line(), why });
    if sops.get("mac_only_encrypted").and_then(Node::as_str) != Some("true") {
        return refuse("its MAC covers every value, `mac_only_encrypted` is not set".to_owned());
    }
    match is_encrypted(sops, part) {
        Ok(false) => Ok(()),
        Ok(true) => refuse("its rules say that this value is encrypted".to_owned()),
        Err(why) => refuse(why),
    }
}

fn is_encrypted(sops: Node<'_>, part: Part<'_>) -> Result<bool, String> {
    let keys: Vec<&str> = part
        .segments()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) | Segment::Where { .. } => None,
        })
        .collect();
    if keys.first() == Some(&"sops") {
        return Ok(true);
    }
    let rule = |name: &'static str| {
        sops.get(name).and_then(Node::as_str).filter(|text| !text.is_empty()).map(|text| (name, text))
    };
    for name in ["encrypted_comment_regex", "unencrypted_comment_regex"] {
        if rule(name).is_some() {
            return Err(format!("`{name}` decides by comments"));
        }
    }
    let names = ["unencrypted_suffix", "encrypted_suffix", "unencrypted_regex", "encrypted_regex"];
    let rules: Vec<(&str, &str)> = names.into_iter().filter_map(rule).collect();
    let ends = |suffix: &str| keys.iter().any(|key| key.ends_with(suffix));
    let matches = |name: &str, text: &str| match Regex::new(text) {
        Ok(regex) => Ok(keys.iter().any(|key| regex.is_match(key))),
        Err(_) => Err(format!("its `{name}` is no regular expression that can be read")),
    };
    match rules.as_slice() {
        [] => Ok(!ends(DEFAULT_UNENCRYPTED_SUFFIX)),
        [("unencrypted_suffix", suffix)] => Ok(!ends(suffix)),
        [("encrypted_suffix", suffix)] => Ok(ends(suffix)),
        [(name @ "unencrypted_regex", text)] => Ok(!matches(name, text)?),
        [(name, text)] => matches(name, text),
        _ => Err("it has several rules for what is encrypted".to_owned()),
    }
}
