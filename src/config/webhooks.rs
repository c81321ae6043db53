//! The entries of `webhooks`: who may tell of pushes.

use std::collections::HashMap;

use crate::config::access::secret;
use crate::config::checks::report_double;
use crate::config::keys;
use crate::config::reader::Value;
use crate::config::remotes::{host, name, rate};
use crate::config::settings::{RegistrySettings, ServerSettings};
use crate::model::webhook::{Webhook, WebhookKind};
use crate::registry::PUBLIC_REGISTRIES;
use crate::secret::Secret;

const DEFAULT_REQUESTS_PER_SECOND: f64 = 100.0;

/// Reads all of them; none if one cannot be used, which then was reported.
pub(super) fn webhooks(
    value: &Value<'_>,
    server: ServerSettings,
    registries: &[(&Value<'_>, Option<RegistrySettings>)],
    peers: &[RegistrySettings],
) -> Option<Vec<Webhook>> {
    let entries = value.items();
    let read: Vec<_> = entries.iter().map(|value| (value, webhook(value))).collect();
    let mut names = HashMap::new();
    for (value, webhook) in read.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        let name = &webhook.name;
        report_double(value, &format!("has the name `{name}`"), names.insert(name, value.line));
        // A registry that could not be read may be the one that is named.
        let is_asked = |host: &str| {
            let is_configured = registries.iter().any(|(_, read)| read.as_ref().is_none_or(|one| one.host == host));
            is_configured
                || peers.iter().any(|peer| peer.host == host)
                || PUBLIC_REGISTRIES.iter().any(|public| public.host == host)
        };
        if let Some(host) = webhook.registry.as_deref().filter(|host| !is_asked(host)) {
            let message = format!("tells of images of `{host}`, which is not configured and never asked");
            value.warn("config/no-match", message, format!("add to `registries:` the line `- host: {host}`"));
        }
    }
    if server.listen.is_none() && !entries.is_empty() {
        value.warn(
            "config/unused",
            "are there, and `server` is off, so nobody can send to them",
            "set `server.listen`",
        );
    }
    read.into_iter().map(|(_, read)| read).collect()
}

fn webhook(value: &Value<'_>) -> Option<Webhook> {
    let fields = value.fields(&keys::WEBHOOK);
    let name = fields.get("name").and_then(name);
    let word = fields.get("kind").and_then(|value| value.word(&WebhookKind::ALL.map(WebhookKind::as_str)));
    let kind = WebhookKind::ALL.into_iter().find(|kind| Some(kind.as_str()) == word);
    let secret = fields.get("secret").and_then(proof);
    let written = fields.get("registry");
    let registry = written.map(host);
    if let (Some(kind), None) = (kind, written)
        && kind.needs_registry()
    {
        let rule = format!("has no `registry`, and a sender of kind {} does not say how images name it", kind.as_str());
        value.error("config/missing-key", rule, "add `registry: <host>`, as in the image names");
        return None;
    }
    let requests_per_second = fields.get("requests_per_second").map(rate);
    let kind = kind?;
    let registry = match registry {
        Some(read) => Some(read?),
        None => kind.default_registry().map(str::to_owned),
    };
    Some(Webhook {
        name: name?,
        kind,
        secret: secret?,
        registry,
        requests_per_second: requests_per_second.unwrap_or(Some(DEFAULT_REQUESTS_PER_SECOND))?,
    })
}

/// A secret that arrives as it was given: no header keeps blanks at its ends.
fn proof(value: &Value<'_>) -> Option<Secret> {
    let secret = secret(value)?;
    let text = secret.expose();
    if text.trim() != text {
        let message = "begins or ends with a blank, or holds nothing else, which no sender's header carries";
        value.error("config/secret", message, "give it another value, such as what `openssl rand -hex 32` prints");
        return None;
    }
    Some(secret)
}
