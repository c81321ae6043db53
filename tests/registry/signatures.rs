//! Where signatures are looked for, and what a repository may hold without making an image count as signed.

use std::io::Write as _;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use repin::model::names::Digest;
use repin::model::verification::{KeyName, Unverified};
use repin::registry::{Limits, NamedKeys, PublicKey, RegistryError, Verdict};
use serde_json::{Value, json};

use crate::fake::signing::{
    BUNDLE, SIGNATURE, SIGNED, SIMPLE_SIGNING, Signer, Stored, bundle, index, payload, statement, tag_of,
};
use crate::fake::{Behaviour, FakeRegistry, Image, OCI_INDEX, OCI_MANIFEST};
use crate::{assert_error, image, registries, settings, with_limits};

const REPOSITORY: &str = "acme/web";

fn key(signer: &Signer) -> PublicKey {
    PublicKey::from_pem(signer.pem().as_bytes()).unwrap()
}

/// A registry with an image for several platforms, and its digest.
fn signed_registry() -> (FakeRegistry, String) {
    let fake = FakeRegistry::start();
    fake.push(REPOSITORY, "1.0.0", &Image::index(&["linux/amd64", "linux/arm64"]));
    let digest = fake.digest(REPOSITORY, "1.0.0");
    (fake, digest)
}

async fn look(fake: &FakeRegistry, digest: &str, keys: &[PublicKey]) -> Result<Verdict, RegistryError> {
    let (name, digest): (KeyName, Digest) = ("release".parse().unwrap(), digest.parse().unwrap());
    let named = [NamedKeys { name: &name, keys }];
    let verdicts = registries(fake).verify(&image(fake, REPOSITORY), &digest, &named).await?;
    Ok(verdicts.into_iter().next().unwrap())
}

/// What was asked for, without the path of the API: digests of the image as `D`, of others as `X`.
fn asked(fake: &FakeRegistry, digest: &str) -> Vec<String> {
    let paths = fake.requests().into_iter().map(|seen| {
        let path = seen.path.replace("/v2/acme/web/", "").replace(digest, "D").replace(&tag_of(digest, ""), "D-tag");
        match path.split_once("sha256:") {
            Some((before, _)) => format!("{before}X"),
            None => path,
        }
    });
    paths.collect()
}

#[tokio::test]
async fn every_kind_of_key_verifies_in_every_place_and_no_other_key_does() {
    type Place = (&'static str, fn(&FakeRegistry, &str, &Signer), &'static [&'static str]);
    let places: [Place; 4] = [
        (
            "referrers",
            |fake, digest, signer| fake.refer(REPOSITORY, digest, &signer.referrer(digest)),
            &["referrers/D", "manifests/X", "blobs/X"],
        ),
        (
            "tag schema",
            |fake, digest, signer| {
                let stored = signer.referrer(digest);
                fake.set(REPOSITORY, Behaviour::NoReferrers);
                fake.store(REPOSITORY, &stored);
                fake.tag_bytes(REPOSITORY, &tag_of(digest, ""), OCI_INDEX, &index(&[stored.descriptor()]));
            },
            &["referrers/D", "manifests/D-tag", "manifests/X", "blobs/X"],
        ),
        (
            "cosign's tag",
            |fake, digest, signer| fake.store_as(REPOSITORY, &tag_of(digest, ".sig"), &signer.classic(digest)),
            &["referrers/D", "manifests/D-tag.sig", "blobs/X"],
        ),
        (
            "cosign's tag on an old registry",
            |fake, digest, signer| {
                fake.set(REPOSITORY, Behaviour::NoReferrers);
                fake.store_as(REPOSITORY, &tag_of(digest, ".sig"), &signer.classic(digest));
            },
            &["referrers/D", "manifests/D-tag", "manifests/D-tag.sig", "blobs/X"],
        ),
    ];
    let signers = [Signer::p256(), Signer::p384(), Signer::ed25519(), Signer::rsa()];
    for (place, sign, requests) in places {
        for (at, signer) in signers.iter().enumerate() {
            let (fake, digest) = signed_registry();
            sign(&fake, &digest, signer);
            let found = look(&fake, &digest, &[key(signer)]).await.unwrap();
            assert_eq!(found, Ok(key(signer).fingerprint()), "{place} {at}");
            assert_eq!(asked(&fake, &digest), requests, "{place} {at}");
            // Of keys that are changed one for the other either is enough.
            let two = [key(&Signer::p256()), key(signer)];
            assert_eq!(look(&fake, &digest, &two).await.unwrap(), Ok(key(signer).fingerprint()), "{place} {at}");
            let others: Vec<PublicKey> =
                signers.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| key(other)).collect();
            assert_eq!(look(&fake, &digest, &others).await.unwrap(), Err(Unverified::OtherKey), "{place} {at}");
            assert_eq!(look(&fake, &digest, &[]).await.unwrap(), Err(Unverified::Nothing), "{place} {at}");
        }
    }
}

#[tokio::test]
async fn a_signature_of_the_manifest_itself_counts() {
    for signer in [Signer::p256(), Signer::p384(), Signer::ed25519(), Signer::rsa()] {
        let (fake, digest) = signed_registry();
        let manifest = fake.bytes_of(REPOSITORY, &digest);
        fake.refer(REPOSITORY, &digest, &Stored::bundle(&signer.message(&manifest), &digest));
        assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Ok(key(&signer).fingerprint()));
        assert_eq!(look(&fake, &digest, &[key(&Signer::p256())]).await.unwrap(), Err(Unverified::OtherKey));
        // A signature of any other file is none of an image, even if a registry has a digest name that file.
        let file = br#"{"signed": "for another purpose"}"#;
        fake.tag_bytes(REPOSITORY, "9.0.0", OCI_MANIFEST, file);
        let other = fake.digest(REPOSITORY, "9.0.0");
        fake.refer(REPOSITORY, &other, &Stored::bundle(&signer.message(file), &other));
        let expected = Unverified::Unreadable("the image's own manifest cannot be read");
        assert_eq!(look(&fake, &other, &[key(&signer)]).await.unwrap(), Err(expected));
        // Nor is one of another image, which says so of itself or does not.
        fake.push(REPOSITORY, "2.0.0", &Image::built("2026-01-01T00:00:00Z"));
        let newer = fake.digest(REPOSITORY, "2.0.0");
        let mut foreign = signer.message(&manifest);
        fake.refer(REPOSITORY, &newer, &Stored::bundle(&foreign, &newer));
        let expected = Unverified::Unreadable("a bundle is of another content");
        assert_eq!(look(&fake, &newer, &[key(&signer)]).await.unwrap(), Err(expected));
        foreign["messageSignature"].as_object_mut().unwrap().remove("messageDigest");
        fake.refer(REPOSITORY, &newer, &Stored::bundle(&foreign, &newer));
        assert_eq!(look(&fake, &newer, &[key(&signer)]).await.unwrap(), Err(Unverified::OtherKey));
    }
}

#[tokio::test]
async fn a_signature_of_another_digest_is_none_of_this_one_wherever_it_is_put() {
    let signer = Signer::p256();
    let (fake, digest) = signed_registry();
    let other = format!("sha256:{}", "b".repeat(64));
    // The statement is of another digest, and everything around it of this one.
    fake.refer(REPOSITORY, &digest, &Stored::bundle(&signer.envelope(&statement(SIGNED, &other)), &digest));
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Err(Unverified::OtherDigest));
    let (fake, digest) = signed_registry();
    fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &signer.classic(&other));
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Err(Unverified::OtherDigest));
}

#[tokio::test]
async fn a_signature_made_under_another_name_counts_because_the_digest_is_the_same() {
    let signer = Signer::p256();
    let (fake, digest) = signed_registry();
    let signed = payload(&digest, "other.example/somebody/else");
    let signature = STANDARD.encode(signer.sign(signed.as_bytes()));
    let stored = Stored::layers(&[(SIMPLE_SIGNING, signed.as_bytes(), json!({SIGNATURE: signature}))]);
    fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &stored);
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Ok(key(&signer).fingerprint()));
}

#[tokio::test]
async fn several_names_are_looked_for_at_once_until_each_has_signed() {
    let (one, two) = (Signer::p256(), Signer::ed25519());
    let (fake, digest) = signed_registry();
    fake.refer(REPOSITORY, &digest, &one.referrer(&digest));
    fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &two.classic(&digest));
    let names: [KeyName; 2] = ["one".parse().unwrap(), "two".parse().unwrap()];
    let keys = [vec![key(&one)], vec![key(&two)]];
    let named: Vec<NamedKeys<'_>> = names.iter().zip(&keys).map(|(name, keys)| NamedKeys { name, keys }).collect();
    let found = registries(&fake).verify(&image(&fake, REPOSITORY), &digest.parse().unwrap(), &named).await.unwrap();
    assert_eq!(found, [Ok(key(&one).fingerprint()), Ok(key(&two).fingerprint())]);
    assert_eq!(asked(&fake, &digest), ["referrers/D", "manifests/X", "blobs/X", "manifests/D-tag.sig", "blobs/X"]);
}

#[tokio::test]
async fn attestations_are_no_signatures_and_are_not_even_read() {
    let signer = Signer::p256();
    let (fake, digest) = signed_registry();
    let mut sbom = Stored::bundle(&signer.envelope(&statement("https://spdx.dev/Document", &digest)), &digest);
    sbom.manifest["annotations"] = json!({"dev.sigstore.bundle.predicateType": "https://spdx.dev/Document"});
    for _ in 0..100 {
        fake.refer(REPOSITORY, &digest, &sbom);
    }
    fake.list_referrer(
        REPOSITORY,
        &digest,
        json!({"mediaType": OCI_MANIFEST, "digest": digest, "artifactType": "application/spdx+json"}),
    );
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Err(Unverified::Attestations));
    assert_eq!(asked(&fake, &digest), ["referrers/D", "manifests/D-tag.sig"]);
    // Behind all of them the signature is found.
    fake.refer(REPOSITORY, &digest, &signer.referrer(&digest));
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Ok(key(&signer).fingerprint()));
    // A list that does not tell: what the key signed says so itself.
    let (fake, digest) = signed_registry();
    sbom.manifest.as_object_mut().unwrap().remove("annotations");
    sbom.manifest["subject"]["digest"] = digest.as_str().into();
    fake.refer(REPOSITORY, &digest, &sbom);
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Err(Unverified::OtherStatement));
}

#[tokio::test]
async fn a_list_without_types_and_the_first_format_as_a_referrer_are_understood() {
    let signer = Signer::p256();
    for kind in [Value::Null, "".into(), "application/vnd.oci.empty.v1+json".into()] {
        let (fake, digest) = signed_registry();
        let stored = signer.referrer(&digest);
        fake.store(REPOSITORY, &stored);
        let mut entry = stored.descriptor();
        entry["artifactType"] = kind;
        fake.list_referrer(REPOSITORY, &digest, entry);
        assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Ok(key(&signer).fingerprint()));
    }
    // Some say what they are in the body alone.
    let (fake, digest) = signed_registry();
    let stored = signer.referrer(&digest);
    fake.store(REPOSITORY, &stored);
    let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
    fake.set(REPOSITORY, Behaviour::Referrers(200, headers, index(&[stored.descriptor()])));
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Ok(key(&signer).fingerprint()));
    let (fake, digest) = signed_registry();
    let mut classic = signer.classic(&digest);
    classic.manifest["artifactType"] = "application/vnd.dev.cosign.artifact.sig.v1+json".into();
    classic.manifest["subject"] = json!({"mediaType": OCI_INDEX, "digest": digest, "size": 1});
    fake.refer(REPOSITORY, &digest, &classic);
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Ok(key(&signer).fingerprint()));
}

#[tokio::test]
async fn keyless_signatures_are_told_from_those_of_other_keys() {
    let (signer, ours) = (Signer::p256(), Signer::p256());
    let (fake, digest) = signed_registry();
    let mut keyless = signer.envelope(&statement(SIGNED, &digest));
    keyless["verificationMaterial"] = json!({"certificate": {"rawBytes": "AAAA"}});
    fake.refer(REPOSITORY, &digest, &Stored::bundle(&keyless, &digest));
    assert_eq!(look(&fake, &digest, &[key(&ours)]).await.unwrap(), Err(Unverified::Keyless));
    let (fake, digest) = signed_registry();
    let mut classic = signer.classic(&digest);
    classic.manifest["layers"][0]["annotations"]["dev.sigstore.cosign/certificate"] = "-----BEGIN".into();
    fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &classic);
    assert_eq!(look(&fake, &digest, &[key(&ours)]).await.unwrap(), Err(Unverified::Keyless));
}

/// Looks with something hostile stored by `spoil`, and a good signature behind it or not: whatever is there is no error,
/// gives no more than its reason, and does not hide the good one.
async fn hostile(what: &str, expected: &'static str, spoil: impl Fn(&FakeRegistry, &str, &Signer)) {
    let signer = Signer::p256();
    for has_good in [false, true] {
        let (fake, digest) = signed_registry();
        spoil(&fake, &digest, &signer);
        if has_good {
            fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &signer.classic(&digest));
        }
        let expected = if has_good { Ok(key(&signer).fingerprint()) } else { Err(Unverified::Unreadable(expected)) };
        assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), expected, "{what}, good one: {has_good}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_passed_over_and_never_believed() {
    let refer = |fake: &FakeRegistry, digest: &str, stored: &Stored| fake.refer(REPOSITORY, digest, stored);
    hostile("a cut bundle", "a bundle is no JSON of that kind", |fake, digest, signer| {
        let text = signer.envelope(&statement(SIGNED, digest)).to_string();
        let mut cut = Stored::layers(&[(BUNDLE, &text.as_bytes()[..text.len() - 9], json!({}))]);
        cut.manifest["artifactType"] = BUNDLE.into();
        cut.manifest["subject"] = json!({"digest": digest});
        refer(fake, digest, &cut);
    })
    .await;
    hostile("a bundle of another version", "a bundle is of a version that is not known", |fake, digest, signer| {
        let mut bundle = signer.envelope(&statement(SIGNED, digest));
        bundle["mediaType"] = "application/vnd.dev.sigstore.bundle.v9+json".into();
        refer(fake, digest, &Stored::bundle(&bundle, digest));
    })
    .await;
    hostile("an empty bundle", "a bundle holds neither an envelope nor a signature, or both", |fake, digest, _| {
        refer(fake, digest, &Stored::bundle(&bundle(json!({})), digest));
    })
    .await;
    hostile("a blob larger than it may be", "a part of a signature is too large", |fake, digest, _| {
        let large = vec![b' '; 1024 * 1024 + 1];
        let mut stored = Stored::layers(&[(BUNDLE, &large, json!({}))]);
        stored.manifest["artifactType"] = BUNDLE.into();
        stored.manifest["subject"] = json!({"digest": digest});
        // Whether its size is said or not.
        stored.manifest["layers"][0].as_object_mut().unwrap().remove("size");
        refer(fake, digest, &stored);
    })
    .await;
    hostile("a blob that is said to be large", "a part of a signature is too large", |fake, digest, signer| {
        let mut stored = signer.referrer(digest);
        stored.manifest["layers"][0]["size"] = json!(u64::MAX);
        refer(fake, digest, &stored);
    })
    .await;
    hostile("a blob with other bytes", "the bytes of a part do not have its digest", |fake, digest, signer| {
        let stored = signer.referrer(digest);
        let named = stored.manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
        fake.set(REPOSITORY, Behaviour::PartChanged(named, "{}".to_owned()));
        refer(fake, digest, &stored);
    })
    .await;
    hostile("a manifest with other bytes", "the bytes of a part do not have its digest", |fake, digest, signer| {
        let (stored, other) = (signer.referrer(digest), signer.referrer(digest));
        let text = String::from_utf8(other.bytes()).unwrap() + " ";
        fake.store(REPOSITORY, &other);
        fake.set(REPOSITORY, Behaviour::PartChanged(stored.digest(), text));
        refer(fake, digest, &stored);
    })
    .await;
    hostile("a blob that is gone", "a part of a signature is gone", |fake, digest, signer| {
        let stored = signer.referrer(digest);
        let named = stored.manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
        fake.set(REPOSITORY, Behaviour::PartMissing(named));
        refer(fake, digest, &stored);
    })
    .await;
    hostile("a name that is no digest", "a part of a signature has no digest", |fake, digest, signer| {
        let mut stored = signer.referrer(digest);
        stored.manifest["layers"][0]["digest"] = "../../../etc/passwd".into();
        refer(fake, digest, &stored);
    })
    .await;
    hostile("a referrer that is no manifest", "the manifest of a signature is none", |fake, digest, _| {
        let stored = Stored { manifest: json!({"schemaVersion": 1}), blobs: vec![] };
        fake.store(REPOSITORY, &stored);
        fake.list_referrer(REPOSITORY, digest, stored.descriptor());
    })
    .await;
    hostile(
        "a referrer of another image",
        "the list of referrers names one of another image",
        |fake, digest, signer| {
            // Its bundle would verify: what the registry says of it still must fit.
            let other = format!("sha256:{}", "b".repeat(64));
            refer(fake, digest, &Stored::bundle(&signer.envelope(&statement(SIGNED, digest)), &other));
        },
    )
    .await;
    hostile("a list that is none", "the list of referrers is none", |fake, _, _| {
        let headers = vec![("content-type", OCI_INDEX.to_owned())];
        fake.set(REPOSITORY, Behaviour::Referrers(200, headers, b"{\"schemaVersion\":2,\"manifests\":[".to_vec()));
    })
    .await;
    hostile("a list without end", "the list of referrers is too large", |fake, _, _| {
        let headers = vec![("content-type", OCI_INDEX.to_owned())];
        fake.set(REPOSITORY, Behaviour::Referrers(200, headers, vec![b' '; 4 * 1024 * 1024 + 1]));
    })
    .await;
    hostile("a list in a tag that is none", "the list of referrers is none", |fake, digest, _| {
        fake.set(REPOSITORY, Behaviour::NoReferrers);
        fake.tag_bytes(REPOSITORY, &tag_of(digest, ""), OCI_INDEX, b"[]");
    })
    .await;
}

#[tokio::test]
async fn what_cosigns_tag_names_is_not_believed_either() {
    let signer = Signer::p256();
    let tagged = |change: &dyn Fn(&mut Stored)| {
        let (fake, digest) = signed_registry();
        let mut stored = signer.classic(&digest);
        change(&mut stored);
        fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &stored);
        (fake, digest)
    };
    for (what, change, expected) in [
        (
            "no signature",
            &(|stored: &mut Stored| stored.manifest["layers"][0]["annotations"] = json!({})) as &dyn Fn(&mut Stored),
            Unverified::Unreadable("a signature is no base64"),
        ),
        (
            "no base64",
            &|stored: &mut Stored| stored.manifest["layers"][0]["annotations"][SIGNATURE] = "%%%".into(),
            Unverified::Unreadable("a signature is no base64"),
        ),
        (
            "another signature",
            &|stored: &mut Stored| stored.manifest["layers"][0]["annotations"][SIGNATURE] = "AAAA".into(),
            Unverified::OtherKey,
        ),
        (
            "another media type",
            &|stored: &mut Stored| stored.manifest["layers"][0]["mediaType"] = "application/json".into(),
            Unverified::Nothing,
        ),
        (
            "an index",
            &|stored: &mut Stored| stored.manifest["mediaType"] = OCI_INDEX.into(),
            Unverified::Unreadable("the manifest of signatures is none"),
        ),
        (
            "annotations that are no texts",
            &|stored: &mut Stored| stored.manifest["layers"][0]["annotations"][SIGNATURE] = json!({"x": 1}),
            Unverified::Unreadable("the manifest of signatures is none"),
        ),
    ] {
        let (fake, digest) = tagged(change);
        assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Err(expected), "{what}");
    }
    // Of several signatures in one manifest each is looked at.
    let other = Signer::p256();
    let (fake, digest) = tagged(&|stored: &mut Stored| {
        let mut foreign = stored.manifest["layers"][0].clone();
        foreign["annotations"][SIGNATURE] = STANDARD.encode(other.sign(&stored.blobs[0])).into();
        stored.manifest["layers"].as_array_mut().unwrap().insert(0, foreign);
    });
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Ok(key(&signer).fingerprint()));
}

#[tokio::test]
async fn signatures_without_end_are_not_read_without_end() {
    let (signer, other) = (Signer::p256(), Signer::p256());
    let (fake, digest) = signed_registry();
    let payload = payload(&digest, "x");
    for at in 0..70 {
        // As the signature is over the content, each is another manifest.
        let mut stored = other.referrer(&digest);
        stored.manifest["annotations"] = json!({"number": format!("{at}")});
        fake.refer(REPOSITORY, &digest, &stored);
    }
    fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &signer.classic(&digest));
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Err(Unverified::TooMany(64)));
    assert_eq!(fake.requests().len(), 1 + 2 * 64);
    // The same in one manifest.
    let (fake, digest) = signed_registry();
    let signature = STANDARD.encode(other.sign(payload.as_bytes()));
    let layers: Vec<(&str, &[u8], Value)> =
        (0..70).map(|_| (SIMPLE_SIGNING, payload.as_bytes(), json!({SIGNATURE: signature}))).collect();
    fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &Stored::layers(&layers));
    assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Err(Unverified::TooMany(64)));
    assert_eq!(fake.requests().len(), 2 + 64);
}

#[tokio::test]
async fn a_list_of_referrers_is_read_over_its_pages_within_limits() {
    let signer = Signer::p256();
    let foreign = |at: usize| json!({"mediaType": OCI_MANIFEST, "digest": format!("sha256:{at:064x}"), "artifactType": "application/spdx+json"});
    for (entries, expected) in [
        (3, Ok(key(&signer).fingerprint())),
        (30, Ok(key(&signer).fingerprint())),
        (31, Err(Unverified::Unreadable("the list of referrers has more pages than are read"))),
    ] {
        let (fake, digest) = signed_registry();
        fake.set(REPOSITORY, Behaviour::PageSize(2));
        (0..entries).for_each(|at| fake.list_referrer(REPOSITORY, &digest, foreign(at)));
        if entries == 31 {
            fake.list_referrer(REPOSITORY, &digest, foreign(31));
        }
        fake.refer(REPOSITORY, &digest, &signer.referrer(&digest));
        assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), expected, "{entries}");
    }
    // The next page of another host is not asked for, and then nothing is known.
    let (elsewhere, (fake, digest)) = (FakeRegistry::start(), signed_registry());
    let headers = vec![
        ("content-type", OCI_INDEX.to_owned()),
        ("link", format!("<http://{}/v2/acme/web/referrers/x>; rel=next", elsewhere.host())),
    ];
    fake.set(REPOSITORY, Behaviour::Referrers(200, headers, index(&[])));
    let error = look(&fake, &digest, &[key(&signer)]).await.unwrap_err();
    assert_error(&error, "registry/untrusted-url", &["next page", &elsewhere.host()], "");
    assert_eq!(elsewhere.requests(), []);
}

#[tokio::test]
async fn a_registry_without_the_list_is_known_by_many_answers() {
    let signer = Signer::p256();
    let html = vec![("content-type", "text/html".to_owned())];
    let away = vec![("location", "https://elsewhere.example/login".to_owned())];
    for (status, headers) in
        [(404, vec![]), (400, vec![]), (405, vec![]), (406, vec![]), (501, vec![]), (200, html), (303, away)]
    {
        let (fake, digest) = signed_registry();
        fake.set(REPOSITORY, Behaviour::Referrers(status, headers, b"<html>".to_vec()));
        let stored = signer.referrer(&digest);
        fake.store(REPOSITORY, &stored);
        fake.tag_bytes(REPOSITORY, &tag_of(&digest, ""), OCI_INDEX, &index(&[stored.descriptor()]));
        assert_eq!(look(&fake, &digest, &[key(&signer)]).await.unwrap(), Ok(key(&signer).fingerprint()), "{status}");
    }
}

#[tokio::test]
async fn what_a_registry_does_not_answer_is_unknown_and_not_unsigned() {
    let signer = Signer::p256();
    for (status, code) in [(429, "registry/rate-limited"), (503, "registry/server-error"), (403, "registry/forbidden")]
    {
        let (fake, digest) = signed_registry();
        fake.set(REPOSITORY, Behaviour::Referrers(status, vec![], b"{}".to_vec()));
        let error = look(&fake, &digest, &[key(&signer)]).await.unwrap_err();
        assert_error(&error, code, &[&fake.host(), REPOSITORY], "");
        // What limits us is not asked on; what failed at one question may answer another.
        let goes_on = asked(&fake, &digest).iter().any(|path| path == "manifests/D-tag.sig");
        assert_eq!(goes_on, status != 429, "{status}");
        fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &signer.classic(&digest));
        let found = look(&fake, &digest, &[key(&signer)]).await;
        assert_eq!(found.is_ok_and(|verdict| verdict.is_ok()), status != 429, "{status}");
    }
    let (fake, digest) = signed_registry();
    fake.set(REPOSITORY, Behaviour::ManifestFails(tag_of(&digest, ".sig"), 500));
    let error = look(&fake, &digest, &[key(&signer)]).await.unwrap_err();
    assert_error(&error, "registry/server-error", &["500"], "");
    // Time runs for the whole search, not for each question.
    let (fake, digest) = signed_registry();
    fake.set(REPOSITORY, Behaviour::Delay(std::time::Duration::from_millis(150)));
    let limits = Limits { listing_time: std::time::Duration::from_millis(200), ..Limits::default() };
    let (name, digest): (KeyName, Digest) = ("release".parse().unwrap(), digest.parse().unwrap());
    let keys = [key(&signer)];
    let named = [NamedKeys { name: &name, keys: &keys }];
    let slow = with_limits(settings(&fake), limits);
    let error = slow.verify(&image(&fake, REPOSITORY), &digest, &named).await.unwrap_err();
    assert_error(&error, "registry/timeout", &[], "");
}

/// openssl as a second opinion: it makes keys and signatures, and reads ours.
#[tokio::test]
#[allow(clippy::explicit_write, reason = "what eprintln says is hidden of a test that passes")]
async fn openssl_and_repin_agree_on_signatures() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(std::env::var("REPIN_REQUIRE_REGISTRY").as_deref() != Ok("1"), "openssl is not installed");
        writeln!(std::io::stderr(), "left out: signatures of openssl (openssl is not installed)").unwrap();
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let output = command.args(arguments.split(' ')).current_dir(directory.path()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    for (make, sign) in [
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key", "dgst -sha256 -sign key payload"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key", "dgst -sha256 -sign key payload"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key", "dgst -sha384 -sign key payload"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key", "dgst -sha256 -sign key payload"),
        ("genpkey -algorithm ED25519 -out key", "pkeyutl -sign -inkey key -rawin -in payload"),
    ] {
        let (fake, digest) = signed_registry();
        let payload = payload(&digest, "x");
        std::fs::write(directory.path().join("payload"), &payload).unwrap();
        openssl(make);
        let public = PublicKey::from_pem(&openssl("pkey -in key -pubout")).unwrap();
        let signature = STANDARD.encode(openssl(sign));
        let stored = Stored::layers(&[(SIMPLE_SIGNING, payload.as_bytes(), json!({SIGNATURE: signature}))]);
        fake.store_as(REPOSITORY, &tag_of(&digest, ".sig"), &stored);
        assert_eq!(
            look(&fake, &digest, std::slice::from_ref(&public)).await.unwrap(),
            Ok(public.fingerprint()),
            "{make}"
        );
    }
    // And the keys and signatures of these tests are ones to openssl.
    for (signer, verify) in [
        (Signer::p256(), "dgst -sha256 -verify public -signature signature payload"),
        (Signer::p384(), "dgst -sha384 -verify public -signature signature payload"),
        (Signer::rsa(), "dgst -sha256 -verify public -signature signature payload"),
        (Signer::ed25519(), "pkeyutl -verify -pubin -inkey public -rawin -in payload -sigfile signature"),
    ] {
        std::fs::write(directory.path().join("public"), signer.pem()).unwrap();
        std::fs::write(directory.path().join("payload"), "anything").unwrap();
        std::fs::write(directory.path().join("signature"), signer.sign(b"anything")).unwrap();
        openssl(verify);
    }
}
