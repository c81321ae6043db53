//! Signatures of a digest: what the cache knows of them, and what is looked for in the registry.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::names::{Digest, ImageName};
use crate::model::verification::{KeyName, Verification};
use crate::plan::Failure;
use crate::reconcile::scan::images::Images;
use crate::registry::{NamedKeys, PublicKey, RegistryError};

/// The public keys of the operator, by name.
pub(super) type Keys = BTreeMap<KeyName, Vec<PublicKey>>;

/// What is known of one digest now.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// For each key what its signatures are worth.
    pub(super) answers: BTreeMap<KeyName, Result<Verification, Failure>>,
    /// Fingerprints of keys that were found to have signed it.
    pub(super) signed: Vec<String>,
}

/// Says for each key whether it signed a digest. Who is known to have signed it is not looked for again; who has not may
/// have done so since.
pub(super) async fn look(
    images: &Images<'_>,
    image: &ImageName,
    digest: &Digest,
    names: &BTreeSet<KeyName>,
) -> Result<Looked, RegistryError> {
    // A name that nobody configured has no keys, and so nothing is signed by it.
    let Images { cache, registries, keys, .. } = images;
    let of = |name: &KeyName| keys.get(name).map(Vec::as_slice).unwrap_or_default();
    let is_known = |key: &PublicKey| cache.is_verified(image, digest, &key.fingerprint().to_string());
    let (known, open): (Vec<&KeyName>, Vec<&KeyName>) = names.iter().partition(|name| of(name).iter().any(is_known));
    let mut looked = Looked::default();
    looked.answers.extend(known.into_iter().map(|name| (name.clone(), Ok(Verification::Verified))));
    if open.is_empty() {
        return Ok(looked);
    }
    let asked: Vec<NamedKeys<'_>> = open.iter().map(|name| NamedKeys { name, keys: of(name) }).collect();
    for (name, verdict) in open.into_iter().zip(registries.verify(image, digest, &asked).await?) {
        let answer = match verdict {
            Ok(key) => {
                looked.signed.push(key.to_string());
                Verification::Verified
            }
            Err(why) => Verification::Unverified(why),
        };
        looked.answers.insert(name.clone(), Ok(answer));
    }
    Ok(looked)
}

/// Says that nothing can be said in this cycle.
pub(super) fn unknown(names: &BTreeSet<KeyName>, failure: &Failure) -> Looked {
    let answers = names.iter().map(|name| (name.clone(), Err(failure.clone()))).collect();
    Looked { answers, signed: Vec::new() }
}
