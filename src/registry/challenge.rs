//! The `WWW-Authenticate` header (RFC 9110, section 11), as far as registries use it.

/// One challenge: a scheme and its parameters.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Tells whether the scheme is this one, whatever its case.
    pub(crate) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Gives the first parameter of that name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Reads all challenges of one header; what cannot be read is left out.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return found;
        }
        let word_end = rest.find([' ', '\t', '=', ',']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            found.push(Challenge { scheme: word.to_owned(), parameters: Vec::new() });
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let (text, after) = match value.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (text, after) = value.split_at(value.find([',', ' ', '\t']).unwrap_or(value.len()));
                (text.to_owned(), after)
            }
        };
        if let Some(challenge) = found.last_mut() {
            challenge.parameters.push((word.to_owned(), text));
        }
        rest = after;
    }
}

/// Reads a quoted string after its first quote.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            other => value.push(other),
        }
    }
    (value, chars.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_bearer_challenge_is_found_among_others() {
        for (header, realm, scope) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                Some("https://auth.docker.io/token"),
                Some("repository:a/b:pull,push"),
            ),
            (r#"Basic realm="x, Bearer realm=y", BEARER Realm = "https://h/t""#, Some("https://h/t"), None),
            (r#"bearer realm=https://h/t, scope="a \"b\"", Basic"#, Some("https://h/t"), Some(r#"a "b""#)),
            (r#"Bearer realm="https://h/t"#, Some("https://h/t"), None),
            ("Bearer", None, None),
        ] {
            let challenges = parse(header);
            let bearer = challenges.iter().find(|challenge| challenge.is("bearer")).unwrap();
            assert_eq!((bearer.parameter("realm"), bearer.parameter("scope")), (realm, scope), "{header}");
        }
    }

    #[test]
    fn what_is_no_challenge_gives_none() {
        for header in ["", ",,", " = ", "=x", "\"\"=", "a=b"] {
            assert!(parse(header).iter().all(|challenge| !challenge.is("bearer")), "{header}");
        }
    }
}
