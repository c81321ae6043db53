//! Which host keys ssh may believe. What is not known is refused.
//!
//! Spec: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": names that are plain, hashed, with `*`, `?` and `!`, `[host]:port`,
//! and `@revoked`. Certificates of hosts (`@cert-authority`) are not believed.

use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::{Algorithm, HashAlg, PublicKey};

/// Most bytes of a pattern and of a name that are compared; longer ones match nothing.
const MAX_NAME: usize = 1024;

/// The entries of one or more files.
pub(in crate::git) struct KnownHosts {
    entries: Vec<Known>,
}

struct Known {
    /// File and line.
    place: String,
    entry: Entry,
}

/// Why a host key is not believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::git) enum Refusal {
    /// There is no key for this host.
    Unknown,
    /// There is another key for this host: file and line, and its fingerprint.
    Changed { place: String, known: String },
    /// The key is marked as revoked: file and line.
    Revoked { place: String },
}

impl KnownHosts {
    /// Reads the texts of files, each with its name; lines that cannot be read are passed over, as OpenSSH does.
    pub(in crate::git) fn parse(files: &[(String, String)]) -> Self {
        let lines = files
            .iter()
            .flat_map(|(file, text)| text.lines().enumerate().map(move |(index, line)| (file, index + 1, line)));
        let entries = lines.filter_map(|(file, number, line)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let first = words.first().filter(|first| !first.starts_with('#'))?;
            // The comment at the end is no part of an entry.
            let count = if first.starts_with('@') { 4 } else { 3 };
            let entry = words.iter().take(count).copied().collect::<Vec<_>>().join(" ").parse().ok()?;
            Some(Known { place: format!("{file}:{number}"), entry })
        });
        Self { entries: entries.collect() }
    }

    /// Says whether a host may show a key.
    pub(in crate::git) fn check(&self, host: &str, port: u16, key: &PublicKey) -> Result<(), Refusal> {
        let is_same = |known: &&Known| known.entry.public_key().key_data() == key.key_data();
        let revoked = |known: &&Known| known.entry.marker() == Some(&Marker::Revoked);
        if let Some(known) = self.of(host, port).filter(revoked).find(is_same) {
            return Err(Refusal::Revoked { place: known.place.clone() });
        }
        let plain: Vec<&Known> = self.of(host, port).filter(|known| known.entry.marker().is_none()).collect();
        if plain.iter().any(is_same) {
            return Ok(());
        }
        let same_kind = plain.iter().find(|known| known.entry.public_key().algorithm() == key.algorithm());
        match same_kind.or(plain.first()) {
            Some(known) => {
                let known_key = known.entry.public_key();
                let fingerprint = known_key.fingerprint(HashAlg::Sha256);
                Err(Refusal::Changed {
                    place: known.place.clone(),
                    known: format!("{} {fingerprint}", known_key.algorithm()),
                })
            }
            None => Err(Refusal::Unknown),
        }
    }

    /// Puts the algorithms of known keys first, so that a server with several host keys shows the one that is known.
    pub(in crate::git) fn order(&self, host: &str, port: u16, all: &[Algorithm]) -> Vec<Algorithm> {
        let known: Vec<Algorithm> = self
            .of(host, port)
            .filter(|known| known.entry.marker().is_none())
            .map(|known| known.entry.public_key().algorithm())
            .collect();
        let (mut first, others): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|one| known.contains(one));
        first.extend(others);
        first
    }

    fn of<'a>(&'a self, host: &str, port: u16) -> impl Iterator<Item = &'a Known> {
        let name = name(host, port);
        self.entries.iter().filter(move |known| matches(known.entry.host_patterns(), &name))
    }
}

/// Gives the name under which OpenSSH looks for a host.
pub(in crate::git) fn name(host: &str, port: u16) -> String {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

fn matches(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => Hmac::<sha1::Sha1>::new_from_slice(salt)
            .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
        HostPatterns::Patterns(patterns) => {
            let refused = |pattern: &String| pattern.strip_prefix('!').is_some_and(|pattern| glob(pattern, name));
            let meant = |pattern: &String| !pattern.starts_with('!') && glob(pattern, name);
            !patterns.iter().any(refused) && patterns.iter().any(meant)
        }
    }
}

/// Matches `*` and `?` without ever going back further than to the last `*`.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    if pattern.len() > MAX_NAME || name.len() > MAX_NAME {
        return false;
    }
    let (mut p, mut n, mut star) = (0, 0, None);
    while let Some(byte) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(byte) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEhjhfpGBBlYJDFBAxlc+AtdGCXzqrTJmGtJT9rq4rBE";
    const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    #[test]
    fn names_are_found_in_every_form_and_everything_else_is_refused() {
        use Refusal::{Revoked, Unknown};
        let changed = || Refusal::Changed {
            place: "f:1".to_owned(),
            known: format!("ssh-ed25519 {}", key(TWO).fingerprint(HashAlg::Sha256)),
        };
        // `echo -n git.example.com | openssl dgst -sha1 -mac HMAC -macopt hexkey:<salt>`, as `ssh-keygen -H` does.
        let hashed = {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            let salt = [7_u8; 20];
            let mac = Hmac::<sha1::Sha1>::new_from_slice(&salt).unwrap().chain_update(b"git.example.com").finalize();
            format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(mac.into_bytes()))
        };
        for (text, host, port, expected) in [
            (format!("git.example.com {ONE}"), "git.example.com", 22, Ok(())),
            (format!("git.example.com {ONE}"), "GIT.example.com", 22, Ok(())),
            (format!("  git.example.com\t{ONE} a comment"), "git.example.com", 22, Ok(())),
            (format!("a.example.com,git.example.com {ONE}"), "git.example.com", 22, Ok(())),
            (format!("git.example.com {ONE}"), "git.example.com", 2222, Err(Unknown)),
            (format!("[git.example.com]:2222 {ONE}"), "git.example.com", 2222, Ok(())),
            (format!("[git.example.com]:2222 {ONE}"), "git.example.com", 22, Err(Unknown)),
            (format!("[::1]:2222 {ONE}"), "[::1]", 2222, Ok(())),
            (format!("{hashed} {ONE}"), "git.example.com", 22, Ok(())),
            (format!("{hashed} {ONE}"), "git.example.org", 22, Err(Unknown)),
            (format!("*.example.com {ONE}"), "git.example.com", 22, Ok(())),
            (format!("*.example.com {ONE}"), "example.com", 22, Err(Unknown)),
            (format!("g?t.* {ONE}"), "git.example.com", 22, Ok(())),
            (format!("*.example.com,!git.example.com {ONE}"), "git.example.com", 22, Err(Unknown)),
            (format!("!git.example.com,*.example.com {ONE}"), "a.example.com", 22, Ok(())),
            (format!("git.example.com {TWO}"), "git.example.com", 22, Err(changed())),
            (format!("git.example.com {TWO}\ngit.example.com {ONE}"), "git.example.com", 22, Ok(())),
            (
                format!("@revoked * {ONE}\ngit.example.com {ONE}"),
                "git.example.com",
                22,
                Err(Revoked { place: "f:1".to_owned() }),
            ),
            (format!("@cert-authority git.example.com {ONE}"), "git.example.com", 22, Err(Unknown)),
            (format!("# git.example.com {ONE}\nnonsense\n\n"), "git.example.com", 22, Err(Unknown)),
            (String::new(), "git.example.com", 22, Err(Unknown)),
        ] {
            assert_eq!(
                KnownHosts::parse(&[("f".to_owned(), text.clone())]).check(host, port, &key(ONE)),
                expected,
                "{text} for {host}:{port}"
            );
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends() {
        assert!(!glob(&format!("{}b", "*a".repeat(300)), &"a".repeat(900)));
        assert!(glob("**", "") && glob("", "") && !glob("?", ""));
    }

    #[test]
    fn the_algorithm_of_a_known_key_is_asked_for_first() {
        let all = [Algorithm::new("ecdsa-sha2-nistp256").unwrap(), Algorithm::Ed25519];
        let known = KnownHosts::parse(&[("f".to_owned(), format!("git.example.com {ONE}"))]);
        assert_eq!(known.order("git.example.com", 22, &all)[0], Algorithm::Ed25519);
        assert_eq!(known.order("other.example.com", 22, &all), all);
    }
}
