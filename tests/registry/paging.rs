//! Pages of registries that do not do what the specification says.

use repin::diagnostic::Diagnostic;
use repin::registry::Limits;

use crate::fake::{Behaviour, FakeRegistry};
use crate::{image, settings, tags, with_limits};

fn versions(count: usize) -> Vec<String> {
    let mut versions: Vec<String> = (0..count).map(|n| format!("1.{n}.0")).collect();
    versions.sort();
    versions
}

fn publish(fake: &FakeRegistry, repository: &str, count: usize) -> Vec<String> {
    let all = versions(count);
    fake.publish(repository, &all.iter().map(String::as_str).collect::<Vec<_>>());
    all
}

#[tokio::test]
async fn a_registry_that_refuses_so_many_tags_is_asked_for_fewer_and_remembered() {
    for (most, code, first, second) in [
        (100, "PAGINATION_NUMBER_INVALID", 4, 3),
        (1000, "PAGINATION_NUMBER_INVALID", 1, 1),
        // Neither 1000 nor 100: without a number it says itself how many.
        (50, "PAGINATION_NUMBER_INVALID", 7, 5),
        (100, "", 4, 3),
    ] {
        let fake = FakeRegistry::start();
        let all = publish(&fake, "acme/web", 250);
        fake.set("acme/web", Behaviour::MostTags(most, code));
        let registries = with_limits(settings(&fake), Limits::default());
        for expected in [first, second] {
            fake.forget_requests();
            let listing = registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
            assert_eq!((tags(&listing), listing.truncated), (all.iter().map(String::as_str).collect(), None));
            assert_eq!(fake.requests().len(), expected, "{most} {code}");
        }
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_about_the_number_is_an_error_at_once() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    fake.set("acme/web", Behaviour::Status(400, "UNSUPPORTED"));
    let registries = with_limits(settings(&fake), Limits::default());
    let error = registries.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_eq!((error.code(), fake.requests().len()), ("registry/server-error", 1));
}

#[tokio::test]
async fn pages_without_links_are_followed_by_the_last_tag() {
    for (count, page_size, first, second) in [(25, 10, 3, 3), (20, 10, 3, 3), (250, 1000, 1, 1)] {
        let fake = FakeRegistry::start();
        let all = publish(&fake, "acme/web", count);
        fake.set("acme/web", Behaviour::Unlinked);
        let registries = with_limits(settings(&fake), Limits { page_size, ..Limits::default() });
        for expected in [first, second] {
            fake.forget_requests();
            let listing = registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
            assert_eq!(tags(&listing), all);
            assert_eq!(fake.requests().len(), expected, "{count} by {page_size}");
        }
    }
}

#[tokio::test]
async fn a_full_page_of_a_registry_that_knows_neither_link_nor_last_is_asked_about_once() {
    let fake = FakeRegistry::start();
    for repository in ["acme/web", "acme/api"] {
        publish(&fake, repository, 100);
        fake.set(repository, Behaviour::IgnoreN);
    }
    let registries = with_limits(settings(&fake), Limits::default());
    for (repository, requests) in [("acme/web", 2), ("acme/api", 1), ("acme/web", 1)] {
        fake.forget_requests();
        assert_eq!(registries.list_tags(&image(&fake, repository)).await.unwrap().tags.len(), 100);
        assert_eq!(fake.requests().len(), requests, "{repository}");
    }
}
