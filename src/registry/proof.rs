//! What is sent to prove who asks, and texts of a server without it.

use reqwest::header::HeaderValue;

use crate::credentials::{Credentials, masking};
use crate::registry::token::Slot;

/// What goes with a request to the registry's API.
pub(crate) enum Proof<'a> {
    Nothing,
    Direct(&'a Credentials),
    Bearer(&'a Slot),
}

impl<'a> Proof<'a> {
    /// What is sent before the registry said what it wants.
    pub(crate) fn direct(credentials: &'a Credentials) -> Self {
        match credentials {
            Credentials::Basic { .. } | Credentials::Token(_) => Self::Direct(credentials),
            // An identity token is for the token service only; keys are not for a registry.
            Credentials::Anonymous
            | Credentials::IdentityToken(_)
            | Credentials::SshKey { .. }
            | Credentials::SshAgent { .. } => Self::Nothing,
        }
    }

    /// Gives the `Authorization` header.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        match self {
            Proof::Nothing => None,
            Proof::Bearer(slot) => slot.get().map(|token| token.header.clone()),
            Proof::Direct(credentials) => header(credentials),
        }
    }
}

/// Gives the `Authorization` header that credentials are sent in, marked as sensitive.
pub(crate) fn header(credentials: &Credentials) -> Option<HeaderValue> {
    let text = match credentials {
        Credentials::Basic { username, password } => format!("Basic {}", masking::basic(username, password)),
        Credentials::Token(token) => format!("Bearer {}", token.expose()),
        Credentials::Anonymous
        | Credentials::IdentityToken(_)
        | Credentials::SshKey { .. }
        | Credentials::SshAgent { .. } => return None,
    };
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Makes a text of the server fit for people: short, one line, without what the server was told.
pub(crate) fn clean(text: &str, credentials: &Credentials) -> String {
    masking::clean(text, &masking::forms(credentials))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::secret::Secret;

    #[test]
    fn words_of_a_server_are_shown_short_on_one_line_and_without_the_password() {
        let password = Credentials::Basic { username: "robot".to_owned(), password: Secret::new("hunter2") };
        let sent = STANDARD.encode("robot:hunter2");
        let said = clean(&format!("a\n\u{1b}[31mb\u{202e} hunter2 {sent} {}", "x".repeat(500)), &password);
        assert!(said.starts_with("a  [31mb  *** *** xxx"), "{said}");
        assert_eq!(said.chars().count(), 200);
    }
}
