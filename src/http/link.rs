//! The `Link` header (RFC 8288), as far as pages of a list need it.

/// Gives the target of the first link whose relation is `next`, as written: it may be relative.
pub(crate) fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let start = rest.find('<')?;
        let (target, after) = rest.get(start + 1..)?.split_once('>')?;
        let (is_next, following) = parameters(after);
        if is_next {
            return Some(target.trim());
        }
        rest = following;
    }
}

/// Reads the parameters of one link up to the comma that ends it. Gives whether its relation is `next`, and what follows.
fn parameters(text: &str) -> (bool, &str) {
    let mut relation: Option<bool> = None;
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return (relation == Some(true), rest);
        }
        if let Some(following) = rest.strip_prefix(',') {
            return (relation == Some(true), following);
        }
        let name_end = rest.find(['=', ';', ',']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        rest = after;
        let Some(after) = rest.strip_prefix('=') else { continue };
        let after = after.trim_start();
        let value;
        (value, rest) = match after.strip_prefix('"') {
            Some(quoted) => until_quote(quoted),
            None => after.split_at(after.find([';', ',']).unwrap_or(after.len())),
        };
        // RFC 8288, section 3.3: only the first `rel` of a link counts, and it may name several relations.
        if name.trim().eq_ignore_ascii_case("rel") && relation.is_none() {
            relation = Some(value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next")));
        }
    }
}

/// Splits after the closing quote; a backslash hides the character after it.
fn until_quote(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                let (value, after) = text.split_at(at);
                return (value, after.strip_prefix('"').unwrap_or(after));
            }
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_what_a_link_header_may_hold() {
        for (header, expected) in [
            (r#"</v2/a/tags/list?last=b&n=2>; rel="next""#, Some("/v2/a/tags/list?last=b&n=2")),
            ("<https://r.example/x>;rel=next", Some("https://r.example/x")),
            (r#"<?last=b>; REL="prev Next""#, Some("?last=b")),
            (r#"<a>; rel="prev", <b>; rel="next""#, Some("b")),
            (r#"<a>; title="x, <c>; rel=\"next\"", <b>; rel=next"#, Some("b")),
            (r#"<a>; rel="prev"; title="rel=next""#, None),
            (r#"<a>; rel=prev; rel=next"#, None),
            (r#"<a,b;c>; foo; rel = "next""#, Some("a,b;c")),
            (r#"<a>; rel="nextish""#, None),
            ("<a>", None),
            ("<a", None),
            (r#"<a>; rel="next"#, Some("a")),
            ("", None),
            ("rel=next", None),
        ] {
            assert_eq!(next(header), expected, "{header}");
        }
    }
}
