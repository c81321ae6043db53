//! Words of a server without what it was told.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::credentials::Credentials;
use crate::model::text::is_invisible;
use crate::secret::Secret;

/// Makes a text of a server fit for people: short, one line, without the secrets in any of the forms in which they were sent.
pub(crate) fn clean(text: &str, forms: &[String]) -> String {
    let mut text = text.to_owned();
    for form in forms {
        text = text.replace(form, "***");
    }
    text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).take(200).collect()
}

/// Gives user and password as HTTP Basic sends them, without the scheme (RFC 7617).
pub(crate) fn basic(username: &str, password: &Secret) -> String {
    STANDARD.encode(format!("{username}:{}", password.expose()))
}

/// Gives every form in which credentials are sent.
pub(crate) fn forms(credentials: &Credentials) -> Vec<String> {
    let mut forms = match credentials {
        Credentials::Anonymous | Credentials::SshKey { .. } | Credentials::SshAgent { .. } => Vec::new(),
        Credentials::Basic { username, password } => {
            let sent = basic(username, password);
            vec![sent, password.expose().to_owned(), password.expose().to_ascii_lowercase()]
        }
        Credentials::Token(token) | Credentials::IdentityToken(token) => {
            vec![token.expose().to_owned(), token.expose().to_ascii_lowercase()]
        }
    };
    forms.retain(|form| !form.is_empty());
    forms
}
