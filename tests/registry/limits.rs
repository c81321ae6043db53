use std::sync::Arc;
use std::time::{Duration, Instant};

use repin::registry::{Limits, RegistryOptions, Truncation};

use crate::fake::{Behaviour, FakeRegistry};
use crate::{assert_error, image, registries, settings, short_timeouts, with_limits};

#[tokio::test]
async fn a_body_that_never_ends_is_cut_at_the_limit_at_once() {
    let gzip = vec![("content-encoding", "gzip".to_owned()), ("content-type", "application/json".to_owned())];
    let bomb = include_bytes!("bomb.json.gz").to_vec();
    for behaviour in [Behaviour::Endless, Behaviour::List(200, gzip, bomb)] {
        let fake = FakeRegistry::start();
        fake.set("acme/web", behaviour.clone());
        let limits = Limits { bytes_per_page: 1_000_000, ..Limits::default() };
        let started = Instant::now();
        let error = with_limits(settings(&fake), limits).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert_error(&error, "registry/too-large", &["acme/web", "more than 1000000 bytes"], "delete old tags");
        assert!(started.elapsed() < Duration::from_secs(5), "{behaviour:?}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn what_fits_the_limit_after_decompression_is_read() {
    let fake = FakeRegistry::start();
    let gzip = vec![("content-encoding", "gzip".to_owned())];
    fake.set("acme/web", Behaviour::List(200, gzip, include_bytes!("bomb.json.gz").to_vec()));
    let limits = Limits { bytes_per_page: 30_000_000, ..Limits::default() };
    let listing = with_limits(settings(&fake), limits).list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert_eq!(listing.tags.len(), 1);
}

#[tokio::test]
async fn a_server_that_stalls_is_left_after_the_time_limit() {
    for behaviour in [Behaviour::Stalled, Behaviour::Delay(Duration::from_secs(60))] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0"]);
        fake.set("acme/web", behaviour);
        let registries = with_limits(settings(&fake), short_timeouts());
        let started = Instant::now();
        let error = registries.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert_error(&error, "registry/timeout", &["acme/web", "within 300 ms"], "next cycle");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_listing_that_takes_too_long_in_all_is_cut_and_says_so() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1", "2", "3", "4", "5", "6", "7", "8"]);
    fake.set("acme/web", Behaviour::PageSize(1));
    fake.set("acme/web", Behaviour::Delay(Duration::from_millis(300)));
    let limits = Limits { listing_time: Duration::from_millis(1000), ..Limits::default() };
    let listing = with_limits(settings(&fake), limits).list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert_eq!(listing.truncated, Some(Truncation::Time));
    assert!((1..=3).contains(&listing.tags.len()), "{:?}", listing.tags);
}

#[tokio::test]
async fn the_rate_is_held_and_waiting_for_it_costs_no_listing_its_time() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1", "2", "3", "4", "5", "6"]);
    fake.set("acme/web", Behaviour::PageSize(1));
    let settings = RegistryOptions { requests_per_second: Some(5.0), ..settings(&fake) };
    let limits = Limits { listing_time: Duration::from_millis(800), ..Limits::default() };
    let started = Instant::now();
    let listing = with_limits(settings, limits).list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert_eq!((listing.tags.len(), listing.truncated), (6, None));
    // Six requests, five waits of 200 ms: more than the listing's own time.
    assert!(started.elapsed() >= Duration::from_millis(1000), "{:?}", started.elapsed());
}

#[tokio::test]
async fn at_most_eight_requests_are_in_flight() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1"]);
    fake.set("acme/web", Behaviour::Delay(Duration::from_millis(150)));
    let registries = Arc::new(registries(&fake));
    let name = image(&fake, "acme/web");
    let started = Instant::now();
    let all: Vec<_> = (0..17)
        .map(|_| {
            let (registries, name) = (registries.clone(), name.clone());
            tokio::spawn(async move { registries.list_tags(&name).await.unwrap() })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    // Three rounds: 8, 8 and 1.
    assert!(started.elapsed() >= Duration::from_millis(450), "{:?}", started.elapsed());
}
