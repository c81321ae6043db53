//! Whether an image is signed by keys of the operator: where its signatures are, and what they are worth.
//!
//! Looked for are, until every key has signed: referrers (OCI Distribution 1.1, "Listing Referrers"), the referrers tag
//! schema where a registry has no such list, and cosign's own tag `sha256-<hex>.sig`. All of it is in the image's own
//! repository. Tags and lists only say what to read: parts are read by their digest and must have it, and what counts is
//! a signature over the image's digest alone. Whatever a repository holds can so be refused or passed over, and never
//! make an image count that no key signed.

mod bundle;
mod key;
mod read;
mod simple;

use std::collections::HashSet;

use crate::model::names::{Digest, ImageName};
use crate::model::verification::{KeyName, Unverified};
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host};
use crate::registry::options::Limits;
use crate::registry::signature::bundle::{Bundle, SIGNED, is_bundle};
use crate::registry::signature::read::{Descriptor, Listed, Manifest, Part, Source};
use crate::registry::signature::simple::{CERTIFICATE, SIGNATURE, SIMPLE_SIGNING};

pub use self::key::{Fingerprint, KeyError, PublicKey};

/// Signatures of one image that are looked at, and manifests that may hold some.
const MAX_SIGNATURES: usize = 64;
/// Bytes of a bundle, or of what was signed.
const MAX_BLOB: usize = 1024 * 1024;
/// What lists of referrers say of a manifest for which they found no type.
const NO_TYPE: [&str; 2] = ["", "application/vnd.oci.empty.v1+json"];
/// What cosign called its first format where it stored it as a referrer.
const SIGNATURE_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// The annotation by which cosign says which statement a bundle holds.
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";

/// The public keys that one name stands for; any of them is enough.
#[derive(Clone, Copy, Debug)]
pub struct NamedKeys<'a> {
    /// The name.
    pub name: &'a KeyName,
    /// The keys.
    pub keys: &'a [PublicKey],
}

/// What was found for one name: the key that signed, or why the image does not count as signed.
pub type Verdict = Result<Fingerprint, Unverified>;

pub(crate) async fn verify(
    host: &Host,
    image: &ImageName,
    digest: &Digest,
    keys: &[NamedKeys<'_>],
) -> Result<Vec<Verdict>, RegistryError> {
    let limits = host.limits();
    let source = Source { host, image, budget: Budget::new(limits.listing_time) };
    let verdicts = keys.iter().map(|_| Err(Unverified::Nothing)).collect();
    let mut search = Search {
        source,
        digest,
        keys,
        limits,
        verdicts,
        seen: HashSet::new(),
        looked_at: 0,
        content: None,
        open: None,
    };
    search.run().await?;
    match search.open {
        // Whoever could not be asked may have had the signature.
        Some(error) if !search.is_done() => Err(error),
        _ => Ok(search.verdicts),
    }
}

/// One search for the signatures of one digest.
struct Search<'a> {
    source: Source<'a>,
    digest: &'a Digest,
    keys: &'a [NamedKeys<'a>],
    limits: &'a Limits,
    /// One for each of `keys`.
    verdicts: Vec<Verdict>,
    /// Digests of manifests that were looked at.
    seen: HashSet<String>,
    /// Signatures that were looked at.
    looked_at: usize,
    /// The image's own manifest, once somebody signed that.
    content: Option<Vec<u8>>,
    /// The first question that the registry did not answer.
    open: Option<RegistryError>,
}

impl Search<'_> {
    async fn run(&mut self) -> Result<(), RegistryError> {
        let mut next = None;
        let mut pages = 0;
        let has_list = loop {
            let listed = self.source.referrers(self.digest, next.take()).await;
            match self.settle(listed)? {
                None => break true,
                Some(Listed::Absent) => break pages > 0,
                Some(Listed::Unreadable(why)) => {
                    self.note_all(Unverified::Unreadable(why));
                    break true;
                }
                Some(Listed::Page { entries, next: following }) => {
                    pages += 1;
                    self.look_into(entries).await?;
                    if self.is_done() || self.is_full() {
                        return Ok(());
                    }
                    let Some(following) = following else { break true };
                    if pages >= read::MAX_PAGES {
                        self.note_all(Unverified::Unreadable("the list of referrers has more pages than are read"));
                        break true;
                    }
                    next = Some(following);
                }
            }
        };
        let tag = tag_of(self.digest);
        if !has_list {
            let listed = self.source.referrers_by_tag(&tag).await;
            match self.settle(listed)? {
                None | Some(Listed::Absent) => {}
                Some(Listed::Unreadable(why)) => self.note_all(Unverified::Unreadable(why)),
                Some(Listed::Page { entries, .. }) => self.look_into(entries).await?,
            }
        }
        if self.is_done() || self.is_full() {
            return Ok(());
        }
        let part = self.source.manifest_by_tag(&format!("{tag}.sig")).await;
        match self.settle(part)? {
            None | Some(Part::Absent) => Ok(()),
            Some(Part::Unreadable(why)) => {
                self.note_all(Unverified::Unreadable(why));
                Ok(())
            }
            Some(Part::Bytes(bytes)) => match Manifest::parse(&bytes) {
                Some(manifest) => self.layers(&manifest).await,
                None => {
                    self.note_all(Unverified::Unreadable("the manifest of signatures is none"));
                    Ok(())
                }
            },
        }
    }

    /// Looks into those entries of a list that may be signatures.
    async fn look_into(&mut self, entries: Vec<Descriptor>) -> Result<(), RegistryError> {
        for entry in entries {
            let kind = entry.artifact_type.as_deref().unwrap_or_default();
            if !is_bundle(kind) && kind != SIGNATURE_ARTIFACT && !NO_TYPE.contains(&kind) {
                continue;
            }
            if entry.annotation(PREDICATE).is_some_and(|predicate| predicate != SIGNED) {
                self.note_all(Unverified::Attestations);
                continue;
            }
            if self.seen.contains(&entry.digest) {
                continue;
            }
            if self.is_done() || self.is_full() {
                break;
            }
            if self.seen.len() >= MAX_SIGNATURES {
                self.note_all(Unverified::TooMany(MAX_SIGNATURES));
                break;
            }
            self.seen.insert(entry.digest.clone());
            let part = self.source.part("manifests", &entry, read::MAX_MANIFEST).await;
            match self.settle(part)? {
                None | Some(Part::Absent) => {}
                Some(Part::Unreadable(why)) => self.note_all(Unverified::Unreadable(why)),
                Some(Part::Bytes(bytes)) => match Manifest::parse(&bytes) {
                    None => self.note_all(Unverified::Unreadable("the manifest of a signature is none")),
                    // A list may name what it likes.
                    Some(manifest) if !manifest.is_of(self.digest) => {
                        self.note_all(Unverified::Unreadable("the list of referrers names one of another image"));
                    }
                    Some(manifest) => self.layers(&manifest).await?,
                },
            }
        }
        Ok(())
    }

    /// Looks at every signature that a manifest holds.
    async fn layers(&mut self, manifest: &Manifest) -> Result<(), RegistryError> {
        if manifest.annotation(PREDICATE).is_some_and(|predicate| predicate != SIGNED) {
            self.note_all(Unverified::Attestations);
            return Ok(());
        }
        for layer in &manifest.layers {
            let (is_bundle, is_simple) = (is_bundle(&layer.media_type), layer.media_type == SIMPLE_SIGNING);
            if !is_bundle && !is_simple {
                continue;
            }
            if self.is_done() || self.is_full() {
                return Ok(());
            }
            self.looked_at += 1;
            let part = self.source.part("blobs", layer, MAX_BLOB).await;
            let bytes = match self.settle(part)? {
                None => continue,
                Some(Part::Absent) => {
                    self.note_all(Unverified::Unreadable("a part of a signature is gone"));
                    continue;
                }
                Some(Part::Unreadable(why)) => {
                    self.note_all(Unverified::Unreadable(why));
                    continue;
                }
                Some(Part::Bytes(bytes)) => bytes,
            };
            if is_bundle { self.bundle(&bytes).await? } else { self.simple(layer, &bytes) }
        }
        Ok(())
    }

    async fn bundle(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        let bundle = match Bundle::parse(bytes) {
            Ok(bundle) => bundle,
            Err(why) => {
                self.note_all(why);
                return Ok(());
            }
        };
        if bundle.signs_content() && self.content.is_none() {
            let own = Descriptor::of(self.digest);
            let part = self.source.part("manifests", &own, self.limits.bytes_per_manifest).await;
            match self.settle(part)? {
                None => return Ok(()),
                // Else a signature of another kind of file would be taken for one of an image.
                Some(Part::Bytes(bytes)) if read::is_manifest(&bytes) => self.content = Some(bytes),
                Some(Part::Bytes(_) | Part::Absent | Part::Unreadable(_)) => {
                    self.note_all(Unverified::Unreadable("the image's own manifest cannot be read"));
                    return Ok(());
                }
            }
        }
        let content = self.content.take();
        let manifest = content.as_deref().unwrap_or_default();
        self.hold(|key, digest| bundle.check(key, digest, manifest));
        self.content = content;
        Ok(())
    }

    fn simple(&mut self, layer: &Descriptor, payload: &[u8]) {
        let Some(signature) = layer.annotation(SIGNATURE).and_then(bundle::decode) else {
            self.note_all(Unverified::Unreadable("a signature is no base64"));
            return;
        };
        let is_keyless = layer.annotation(CERTIFICATE).is_some_and(|text| !text.is_empty());
        self.hold(|key, digest| {
            simple::check(key, digest, payload, &signature).map_err(|why| match why {
                Unverified::OtherKey if is_keyless => Unverified::Keyless,
                other => other,
            })
        });
    }

    /// Holds one signature against all keys that have not signed yet.
    fn hold(&mut self, check: impl Fn(&PublicKey, &Digest) -> Result<(), Unverified>) {
        let open = self.verdicts.iter_mut().zip(self.keys).filter(|(verdict, _)| verdict.is_err());
        for (verdict, named) in open {
            for key in named.keys {
                match check(key, self.digest) {
                    Ok(()) => *verdict = Ok(key.fingerprint()),
                    Err(why) => note(verdict, why),
                }
            }
        }
    }

    fn note_all(&mut self, why: Unverified) {
        self.verdicts.iter_mut().for_each(|verdict| note(verdict, why));
    }

    fn is_done(&self) -> bool {
        self.verdicts.iter().all(Result::is_ok)
    }

    /// Tells whether no more signatures are looked at, and notes it.
    fn is_full(&mut self) -> bool {
        let is_full = self.looked_at >= MAX_SIGNATURES;
        if is_full {
            self.note_all(Unverified::TooMany(MAX_SIGNATURES));
        }
        is_full
    }

    /// Takes an answer; none where the registry failed and another question may still be answered.
    fn settle<T>(&mut self, answer: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(error) if read::is_of_one_question(&error) => {
                self.open.get_or_insert(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Gives the tag under which a digest's referrers are kept (OCI Distribution 1.1, "Referrers Tag Schema"): of a long digest
/// the beginning.
fn tag_of(digest: &Digest) -> String {
    let (algorithm, hex) = digest.as_str().split_once(':').unwrap_or_default();
    format!("{algorithm}-{}", hex.get(..64).unwrap_or(hex))
}

/// Keeps the reason that says more.
fn note(verdict: &mut Verdict, why: Unverified) {
    if let Err(known) = verdict {
        *known = (*known).max(why);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_a_digest_is_one_whatever_the_algorithm() {
        for (digest, expected) in [
            (format!("sha256:{}", "a".repeat(64)), format!("sha256-{}", "a".repeat(64))),
            (format!("sha512:{}{}", "a".repeat(64), "b".repeat(64)), format!("sha512-{}", "a".repeat(64))),
        ] {
            assert_eq!(tag_of(&digest.parse().unwrap()), expected);
        }
    }
}
