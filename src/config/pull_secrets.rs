//! The entries of `pull_secrets`: credentials of registries that annotations may name.

use std::collections::HashMap;

use crate::config::access::warn_plain;
use crate::config::checks::report_double;
use crate::config::keys;
use crate::config::login::credentials;
use crate::config::reader::Value;
use crate::config::remotes::host;
use crate::config::rules::matches;
use crate::config::settings::{PullSecretSettings, RegistrySettings};
use crate::model::rule::{Glob, PullSecret};
use crate::registry::PUBLIC_REGISTRIES;

/// Longest name, in characters.
const MAX_NAME: usize = 200;

pub(super) fn pull_secret(value: &Value<'_>) -> Option<PullSecretSettings> {
    let fields = value.fields(&keys::PULL_SECRET);
    let name = fields.get("name").and_then(name);
    let hosts = fields.get("registries").map(|value| {
        if value.is_empty_list() {
            value.error("config/invalid-value", "is empty, and names the hosts that it is sent to", "name one or more");
        }
        value.items().iter().filter_map(host).collect::<Vec<String>>()
    });
    let credentials = fields.get("credentials").and_then(credentials);
    let matches = fields.get("match").map(|value| matches(value, &keys::PULL_MATCH, Glob::of_paths));
    let secret = PullSecret { name: name?, registries: hosts?, matches: matches? };
    Some(PullSecretSettings { secret, credentials: credentials?, line: value.line })
}

/// Any text on one line, so that the spellings of argocd-image-updater are names too.
fn name(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if text.is_empty() || text.chars().count() > MAX_NAME || text.contains(char::is_control) || text.trim() != text {
        let rule = format!("it is one line of 1 to {MAX_NAME} characters, without blanks at its ends");
        value.invalid(rule, "write what the annotation `pull-secret` says");
        return None;
    }
    Some(text.to_owned())
}

/// `peers` are the registries of a `registries.conf`. Reports doubled names, hosts that nobody configured, and what would be sent over plain HTTP.
pub(super) fn check(
    secrets: &[(&Value<'_>, Option<PullSecretSettings>)],
    registries: &[(&Value<'_>, Option<RegistrySettings>)],
    peers: &[RegistrySettings],
) {
    let mut names = HashMap::new();
    for (value, read) in secrets.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        let name = &read.secret.name;
        report_double(value, &format!("has the name `{name}`"), names.insert(name, value.line));
        // A registry that could not be read may be the one that is named.
        let is_whole = registries.iter().all(|(_, registry)| registry.is_some());
        for host in &read.secret.registries {
            let known = registries.iter().filter_map(|(_, registry)| registry.as_ref()).chain(peers);
            let known = known.into_iter().find(|one| one.host == *host);
            match known {
                Some(registry) if registry.insecure => warn_plain(value, Some(host)),
                Some(_) => {}
                None if !is_whole || PUBLIC_REGISTRIES.iter().any(|public| public.host == *host) => {}
                None => {
                    let message = format!("is bound to `{host}`, which is not configured and never asked");
                    value.warn("config/no-match", message, format!("add to `registries:` the line `- host: {host}`"));
                }
            }
        }
    }
}
