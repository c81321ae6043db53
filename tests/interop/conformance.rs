//! What must hold at every registry, whatever its quirks.

use std::collections::BTreeSet;

use repin::diagnostic::Diagnostic;
use repin::model::names::Tag;
use repin::registry::{Limits, Listing, Registries, RegistryError};

use crate::hosted::{Asked, Door, Event, set};
use crate::subjects::{self, PASSWORD, PRIVATE, Running, Subject, WRONG, Way};

/// More than two of the largest pages.
const TAGS: usize = 2_345;
/// A cosign signature, its attestation and its list of parts, and what oras keeps of referrers.
const ARTIFACTS: [&str; 4] = ["", ".sig", ".att", ".sbom"];

/// Makes one test of each promise for each registry.
macro_rules! promises {
    ([$($registry:ident)+] $promises:tt) => { $(promises! { $registry $promises })+ };
    ($registry:ident [$($promise:ident)+]) => {
        mod $registry {
            $(#[tokio::test]
            async fn $promise() {
                super::super::$promise(crate::subjects::$registry()).await;
            })+
        }
    };
}

mod everywhere {
    promises! {
        [docker_hub docker_hub_without_account ghcr ghcr_without_account quay quay_before ecr ecr_public artifact_registry
            acr_with_refresh_token acr_with_password harbor gitlab distribution_3 distribution_3_1_0 zot zot_before
            nexus_connector nexus_group artifactory]
        [every_tag_is_found_at_the_cost_of_its_pages the_order_of_pushes_does_not_matter
            what_is_pushed_or_moved_between_two_pages_loses_nothing secrets_go_to_one_place_only
            no_secret_follows_a_registry_to_a_stranger
            signatures_attestations_and_lists_of_referrers_are_never_candidates
            a_tag_gives_its_digest_and_a_missing_one_gives_none]
    }
}

mod with_a_login {
    promises! {
        [docker_hub ghcr quay quay_before ecr artifact_registry acr_with_refresh_token acr_with_password harbor gitlab
            distribution_3 distribution_3_1_0 nexus_connector nexus_group artifactory]
        [wrong_credentials_are_told_with_the_setting_and_the_words_of_the_service]
    }
}

mod with_tokens {
    promises! {
        [docker_hub docker_hub_without_account ghcr ghcr_without_account quay quay_before artifact_registry
            acr_with_refresh_token gitlab artifactory]
        [a_token_that_ends_between_two_pages_is_renewed_once]
    }
}

/// `1.0.0` to `1.23.44`, and the artifacts of one of them.
fn tags() -> Vec<String> {
    let digest = format!("sha256-{}", "ab".repeat(32));
    let versions = (0..TAGS - ARTIFACTS.len()).map(|at| format!("1.{}.{}", at / 100, at % 100));
    versions.chain(ARTIFACTS.map(|end| format!("{digest}{end}"))).collect()
}

fn publish(running: &Running, tags: &[String]) {
    let is_public = running.hosted.state().repositories[PRIVATE].is_public;
    running.hosted.publish(PRIVATE, is_public, tags.iter().map(String::as_str));
}

async fn list(client: &Registries, running: &Running) -> Result<Listing, RegistryError> {
    client.list_tags(&running.image(PRIVATE)).await
}

fn found(listing: &Listing) -> BTreeSet<String> {
    assert_eq!((listing.dropped, listing.truncated), (0, None));
    listing.tags.iter().map(ToOwned::to_owned).collect()
}

fn pages(running: &Running, tags: usize) -> usize {
    tags.div_ceil(running.subject.page)
}

fn token_requests(running: &Running, journal: &[Asked]) -> usize {
    journal.iter().filter(|asked| running.is_token_request(asked)).count()
}

async fn every_tag_is_found_at_the_cost_of_its_pages(subject: Subject) {
    let running = subject.start();
    let all = tags();
    publish(&running, &all);
    let client = running.client();
    let listing = list(&client, &running).await.unwrap();
    assert_eq!(found(&listing), set(all.iter().map(String::as_str)));
    let journal = running.hosted.take_journal();
    let tokens = usize::from(running.has_tokens());
    assert_eq!(token_requests(&running, &journal), tokens, "{journal:#?}");
    let wanted = running.subject.learning + tokens + pages(&running, TAGS);
    assert_eq!(journal.len(), wanted, "{:#?}", lines(&journal));
    // All of it is known by now, so the pages are all that it costs.
    for _ in 0..2 {
        list(&client, &running).await.unwrap();
        let journal = running.hosted.take_journal();
        assert_eq!(journal.len(), pages(&running, TAGS), "{:#?}", lines(&journal));
    }
}

async fn the_order_of_pushes_does_not_matter(subject: Subject) {
    let running = subject.start();
    // 11 is coprime to the number, so this is every tag once, in no order.
    let all = tags();
    let mixed: Vec<String> = (0..TAGS).map(|at| all[at * 11 % TAGS].clone()).collect();
    publish(&running, &mixed);
    let listing = list(&running.client(), &running).await.unwrap();
    assert_eq!(found(&listing), set(all.iter().map(String::as_str)));
}

async fn what_is_pushed_or_moved_between_two_pages_loses_nothing(subject: Subject) {
    let running = subject.start();
    let all = tags();
    publish(&running, &all);
    let client = running.client();
    let before = running.hosted.digest(PRIVATE, "1.7.7");
    // One that was read already, one that stands before all that was read, one behind all, and one that is still to come.
    for tag in ["1.0.0", "0.0.1", "zzz", "1.7.7"] {
        running.hosted.plan(1, Event::Push(PRIVATE, tag));
    }
    let listing = list(&client, &running).await.unwrap();
    let missing: Vec<String> = set(all.iter().map(String::as_str)).difference(&found(&listing)).cloned().collect();
    assert_eq!(missing, Vec::<String>::new());
    let moved: Tag = "1.7.7".parse().unwrap();
    let digest = client.resolve_tag(&running.image(PRIVATE), &moved).await.unwrap().unwrap();
    assert_eq!(digest.as_str(), running.hosted.digest(PRIVATE, "1.7.7"));
    assert_ne!(digest.as_str(), before);
}

async fn a_token_that_ends_between_two_pages_is_renewed_once(subject: Subject) {
    let running = subject.start();
    let all = tags();
    publish(&running, &all);
    let client = running.client();
    running.hosted.plan(1, Event::TokensEnd);
    let first = list(&client, &running).await;
    let again = list(&client, &running).await;
    let asked = token_requests(&running, &running.hosted.take_journal());
    assert_eq!(found(&first.unwrap()).len(), TAGS);
    assert_eq!(found(&again.unwrap()).len(), TAGS);
    assert_eq!(asked, 2);
}

async fn wrong_credentials_are_told_with_the_setting_and_the_words_of_the_service(subject: Subject) {
    let running = subject.start();
    publish(&running, &tags());
    let client = running.client_with(running.login(WRONG), Limits::default());
    let error = list(&client, &running).await.unwrap_err();
    let (code, words) = running.subject.refusal;
    assert_eq!(error.code(), code, "{error}");
    let (text, hint) = (error.to_string(), error.hint().unwrap());
    assert!(text.contains(words), "`{words}` is not in `{text}`");
    assert!(hint.contains(&format!("`credentials` of `{}`", running.subject.host)), "{hint}");
    for said in [&text, &hint, &format!("{error:?}")] {
        assert!(!said.contains("canary"), "{said}");
    }
}

async fn secrets_go_to_one_place_only(subject: Subject) {
    let running = subject.start();
    let all = tags();
    publish(&running, &all);
    let client = running.client();
    if running.subject.renews {
        running.hosted.plan(1, Event::TokensEnd);
    }
    list(&client, &running).await.unwrap();
    client.resolve_tag(&running.image(PRIVATE), &"1.0.0".parse().unwrap()).await.unwrap();
    let journal = running.hosted.take_journal();
    let with_password = journal.iter().filter(|asked| asked.whole.contains(PASSWORD)).count();
    assert_eq!(with_password > 0, matches!(running.subject.way, Way::Exchange(..) | Way::Direct));
    for (at, asked) in journal.iter().enumerate() {
        let may_have_password = match running.subject.way {
            // Before the registry said that it wants a token it gets what it was configured with.
            Way::Exchange(..) => running.is_token_request(asked) || (at == 0 && asked.door == Door::Api),
            Way::Direct => asked.door == Door::Api,
            Way::Anonymous(..) | Way::Open => false,
        };
        assert!(may_have_password || !asked.whole.contains(PASSWORD), "{asked:#?}");
        let may_have_token = asked.door == Door::Api && !running.is_token_request(asked);
        assert!(may_have_token || !asked.whole.contains("canary-TOKEN"), "{asked:#?}");
    }
}

async fn no_secret_follows_a_registry_to_a_stranger(subject: Subject) {
    let stranger = subjects::zot().start();
    let running = subject.start();
    let all = tags();
    publish(&running, &all);
    // A host of another name: the same machine, and no place that the registry may send anybody to.
    let port = stranger.hosted.url().port().unwrap();
    let place = format!("localhost:{port}");
    // From the start, and once somebody is logged in.
    let client = running.client();
    list(&client, &running).await.unwrap();
    running.hosted.state().stranger = Some(place.clone());
    for client in [&client, &running.client()] {
        match list(client, &running).await {
            Ok(listing) => assert_eq!(found(&listing).len(), TAGS, "it names no other place"),
            Err(error) => assert_eq!(error.code(), "registry/untrusted-url", "{error}"),
        }
    }
    // And where it does not name the place, but sends there.
    running.hosted.state().redirects = true;
    let error = list(&client, &running).await.unwrap_err();
    assert_eq!(error.code(), "registry/untrusted-url", "{error}");
    assert!(error.to_string().contains(&place), "{error}");
    assert_eq!(lines(&stranger.hosted.take_journal()), Vec::<String>::new());
}

async fn signatures_attestations_and_lists_of_referrers_are_never_candidates(subject: Subject) {
    let running = subject.start();
    let all = tags();
    publish(&running, &all);
    let listing = list(&running.client(), &running).await.unwrap();
    let policy = alphabetical();
    let ranking = repin::selection::explain(&policy, &repin::selection::Builds::new(), &listing.tags.to_vec());
    let eligible: Vec<&str> =
        ranking.iter().filter(|(_, verdict)| verdict.is_eligible()).map(|(tag, _)| tag.as_str()).collect();
    // By bytes `sha256-…` would be the highest.
    assert_eq!((eligible.len(), eligible.iter().max().copied()), (TAGS - ARTIFACTS.len(), Some("1.9.99")));
    for (tag, verdict) in ranking.iter().filter(|(tag, _)| tag.as_str().starts_with("sha256-")) {
        assert_eq!(verdict.rejection().map(|why| why.code()), Some("not-a-candidate"), "{tag}");
    }
}

async fn a_tag_gives_its_digest_and_a_missing_one_gives_none(subject: Subject) {
    let running = subject.start();
    publish(&running, &tags());
    let client = running.client();
    let (image, tag): (_, Tag) = (running.image(PRIVATE), "1.3.4".parse().unwrap());
    let digest = client.resolve_tag(&image, &tag).await.unwrap().unwrap();
    assert_eq!(digest.as_str(), running.hosted.digest(PRIVATE, "1.3.4"));
    let missing: Tag = "9.9.9".parse().unwrap();
    assert_eq!(client.resolve_tag(&image, &missing).await.unwrap(), None);
    // The digest comes without a pull: these are HEAD requests, which no limit counts.
    assert_eq!(running.hosted.state().pulls, 0);
}

fn alphabetical() -> repin::model::policy::Policy {
    use repin::model::policy::{AfterRollback, Policy, Strategy};
    Policy {
        strategy: Strategy::Alphabetical,
        constraint: None,
        follow: None,
        allow: None,
        extract: None,
        ignore: Vec::new(),
        strict: true,
        include_prereleases: false,
        allow_downgrade: false,
        after_rollback: AfterRollback::Next,
        platforms: Vec::new(),
        pin: None,
        min_age: None,
        verify: std::collections::BTreeSet::new(),
    }
}

fn lines(journal: &[Asked]) -> Vec<String> {
    let line = |asked: &Asked| {
        let proof = asked.authorization.as_deref().map_or("-", |sent| sent.split(' ').next().unwrap_or_default());
        format!("{:?} {} {} {:?} {proof}", asked.door, asked.method, asked.path, asked.query)
    };
    journal.iter().map(line).collect()
}
