//! How a registry is asked that says "too many", and how requests are shared out.

use std::time::{Duration, Instant};

use repin::diagnostic::{Diagnostic, Retry};
use repin::registry::{Limits, RegistryOptions};

use crate::fake::{Behaviour, FakeRegistry};
use crate::{assert_error, image, registries, settings, tags, with_limits};

fn quick() -> Limits {
    Limits { first_pause: Duration::from_millis(20), ..Limits::default() }
}

#[tokio::test]
async fn a_short_pause_is_waited_for_and_the_question_is_asked_again() {
    for behaviour in [Behaviour::Throttled(2, "0"), Behaviour::Throttled(2, "soon"), Behaviour::Busy(2)] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0"]);
        fake.set("acme/web", behaviour.clone());
        let registries = with_limits(settings(&fake), quick());
        let listing = registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
        assert_eq!((tags(&listing), fake.requests().len()), (vec!["1.0.0"], 3), "{behaviour:?}");
        let traffic = registries.traffic()[fake.host().as_str()];
        assert_eq!((traffic.requests, traffic.throttled), (3, 2), "{behaviour:?}");
    }
}

#[tokio::test]
async fn retry_after_is_waited_for_in_full() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    fake.set("acme/web", Behaviour::Throttled(1, "1"));
    let started = Instant::now();
    registries(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_request_is_sent_three_times_at_most() {
    for (behaviour, code) in
        [(Behaviour::Throttled(9, "0"), "registry/rate-limited"), (Behaviour::Busy(9), "registry/server-error")]
    {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0"]);
        fake.set("acme/web", behaviour);
        let error = with_limits(settings(&fake), quick()).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert_eq!((error.code(), fake.requests().len()), (code, 3));
    }
}

#[tokio::test]
async fn a_registry_that_asked_for_a_long_pause_gets_no_request_until_then() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    fake.publish("acme/api", &["1.0.0"]);
    fake.set("acme/web", Behaviour::Throttled(1, "3000"));
    let registries = registries(&fake);
    let error = registries.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_error(&error, "registry/rate-limited", &["429, try again in 3000 s"], "requests_per_second");
    for repository in ["acme/web", "acme/api"] {
        let error = registries.list_tags(&image(&fake, repository)).await.unwrap_err();
        let message = ["asked to be left alone, so it is not asked for", repository, "for another 3"];
        assert_error(&error, "registry/rate-limited", &message, "requests_per_second");
        assert!(matches!(error.retry(), Retry::After(left) if left.as_secs() > 2900), "{error:?}");
    }
    assert_eq!(fake.requests().len(), 1);
    assert!(registries.traffic()[fake.host().as_str()].pause.as_secs() > 2900);
}

#[tokio::test]
async fn the_requests_of_a_cycle_are_there_again_in_the_next_one() {
    let fake = FakeRegistry::start();
    for repository in ["acme/a", "acme/b", "acme/c"] {
        fake.publish(repository, &["1.0.0"]);
    }
    let settings = RegistryOptions { requests_per_cycle: Some(3), ..settings(&fake) };
    let registries = with_limits(settings, Limits::default());
    for _ in 0..2 {
        registries.begin_cycle();
        registries.list_tags(&image(&fake, "acme/a")).await.unwrap();
        registries.list_tags(&image(&fake, "acme/b")).await.unwrap();
        let error = registries.list_tags(&image(&fake, "acme/c")).await.unwrap_err();
        assert_error(&error, "registry/over-budget", &["3 requests of this cycle", "`acme/c`"], "requests_per_cycle");
        assert_eq!(error.retry(), Retry::Later);
        // What lists bring about still has its part.
        let tag = "1.0.0".parse().unwrap();
        registries.resolve_tag(&image(&fake, "acme/c"), &tag).await.unwrap();
        let error = registries.resolve_tag(&image(&fake, "acme/a"), &tag).await.unwrap_err();
        assert_eq!(error.code(), "registry/over-budget");
    }
    assert_eq!(fake.requests().len(), 6);
}
