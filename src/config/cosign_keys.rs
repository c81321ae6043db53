//! The entries of `cosign_keys`, public keys by name, and `verify` of rules, which names them.

use std::collections::{BTreeSet, HashMap};

use crate::config::access::file;
use crate::config::keys;
use crate::config::reader::Value;
use crate::config::settings::CosignKeySettings;
use crate::model::rule::Rule;
use crate::model::verification::{KeyName, Verifier};
use crate::registry::{KeyError, PublicKey};

const FORM: &str = "write `cosign:<name>` with a name of `cosign_keys`";

pub(super) fn entry(value: &Value<'_>) -> Option<CosignKeySettings> {
    let fields = value.fields(&keys::COSIGN_KEY);
    let name = fields.get("name").and_then(|value| {
        let text = value.text()?;
        text.parse().map_err(|error| value.invalid(error, "write what `verify` says after `cosign:`")).ok()
    });
    let keys = fields.get("key").and_then(|value| {
        if value.is_empty_list() {
            value.error("config/invalid-value", "is empty, and an entry has at least one key", "name a PEM file");
        }
        let read: Vec<Option<PublicKey>> = one_or_several(value).iter().map(public_key).collect();
        read.into_iter().collect::<Option<Vec<_>>>().filter(|keys| !keys.is_empty())
    });
    Some(CosignKeySettings { name: name?, keys: keys?, line: value.line })
}

/// Reads one value, or a list of them.
pub(super) fn one_or_several<'a>(value: &Value<'a>) -> Vec<Value<'a>> {
    if value.is_scalar() && !value.is_null() { vec![value.clone()] } else { value.items() }
}

/// Reads a file with one public key. What is in a file that holds none is not shown.
fn public_key(value: &Value<'_>) -> Option<PublicKey> {
    let (path, content) = file(value)?;
    PublicKey::from_pem(&content?)
        .map_err(|error| {
            let hint = match error {
                KeyError::Private => "name cosign.pub and keep the private key with whoever signs",
                KeyError::Several(_) => "split it, and list the files: `key: [a.pub, b.pub]`",
                KeyError::NotPem | KeyError::OtherPem | KeyError::NotAKey => {
                    "give what `cosign generate-key-pair` or `openssl pkey -pubout` writes: it begins with -----BEGIN PUBLIC KEY-----"
                }
                KeyError::Algorithm | KeyError::RsaBits(_) => "make another key with `cosign generate-key-pair`",
            };
            value.error("config/unreadable", format!("names {}, and {error}", path.display()), hint);
        })
        .ok()
}

/// Reads `verify` of a rule. An entry that this version does not carry out holds what the rule matches.
pub(super) fn verify(value: &Value<'_>, unsupported: &mut Vec<&'static str>) -> BTreeSet<KeyName> {
    if value.is_empty_list() {
        value.error("config/invalid-value", "is empty, and demands nothing", FORM);
    }
    let mut names = BTreeSet::new();
    for entry in one_or_several(value) {
        let Some(text) = entry.text() else { continue };
        match text.parse() {
            Ok(Verifier::Cosign(name)) => drop(names.insert(name)),
            Ok(Verifier::Keyless) => {
                unsupported.push("verify");
                let message = "is keyless, and this build does not carry it out: what it applies to is held";
                entry.warn("unsupported/verify", message, FORM);
            }
            Err(error) => entry.invalid(error, FORM),
        }
    }
    names
}

/// Reports doubled names, and names in rules that no entry has.
pub(super) fn check(entries: &[(&Value<'_>, Option<CosignKeySettings>)], rules: &[(&Value<'_>, &Rule)]) {
    let mut names = HashMap::new();
    for (value, read) in entries.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        if let Some(first) = names.insert(&read.name, value.line) {
            let message = format!("has the name `{}`, as the entry in line {first} has", read.name);
            value.error("config/duplicate", message, "keep one of them; `key` takes several files");
        }
    }
    // An entry that could not be read may be the one that is named.
    if entries.iter().any(|(_, read)| read.is_none()) {
        return;
    }
    let mut known: Vec<&str> = names.keys().map(|name| name.as_str()).collect();
    known.sort_unstable();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    for (value, rule) in rules {
        for name in rule.keys().iter().filter(|name| !names.contains_key(name)) {
            let message = format!("demands signatures with the key `{name}`, which `cosign_keys` does not have");
            value.error("config/invalid-value", message, format!("add an entry; configured are: {known}"));
        }
    }
}
