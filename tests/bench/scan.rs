//! Listing the tags of many images beside a client that reads the same answers and throws them away.

use futures_util::{StreamExt, stream};
use repin::model::names::ImageName;
use repin::registry::{Options, Registries, RegistryOptions};

use crate::measure::{measure, quickest};
use crate::registry::Registry;
use crate::report::Report;

/// Requests under way at once, as in a cycle.
const CONCURRENCY: usize = 8;
const IMAGES: usize = 3_000;
const TAGS: usize = 50;
/// Each way is run so often, in turns, and the quickest run counts.
const RUNS: usize = 3;

pub fn measure_all(report: &mut Report) {
    let registry = Registry::start(IMAGES, TAGS);
    repin::http::install_crypto_provider();
    report.scenario("3,000 images of 50 tags listed, 8 requests at once");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        bare.push(measure(|| runtime.block_on(discard(registry.host()))).1);
        ours.push(measure(|| runtime.block_on(list(registry.host()))).1);
    }
    let (bare, ours) = (quickest(&bare), quickest(&ours));
    report.row("a bare HTTP client that discards the answers", bare, IMAGES, "-");
    report.row("repin's listings, checked and sorted", ours, IMAGES, "-");
    report.at_most("scan, wall, times a bare client", ours.wall.as_secs_f64() / bare.wall.as_secs_f64(), 3.0, "");
    report.at_most("scan, CPU, times a bare client", ours.cpu.as_secs_f64() / bare.cpu.as_secs_f64(), 3.0, "");
}

async fn discard(host: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |at| {
        let request = client.get(format!("http://{host}/v2/acme/s{at}/tags/list"));
        async move { request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap().len() }
    };
    let read: usize = stream::iter(0..IMAGES)
        .map(get)
        .buffer_unordered(CONCURRENCY)
        .fold(0, |sum, len| async move { sum + len })
        .await;
    assert!(read > IMAGES * TAGS);
}

async fn list(host: &str) {
    let registry = RegistryOptions { host: host.to_owned(), insecure: true, ..RegistryOptions::default() };
    let registries = Registries::new(Options { registries: vec![registry], ..Options::default() }).unwrap();
    let registries = &registries;
    let get = |at| {
        let image: ImageName = format!("{host}/acme/s{at}").parse().unwrap();
        async move { registries.list_tags(&image).await.unwrap().tags.len() }
    };
    let tags: usize = stream::iter(0..IMAGES)
        .map(get)
        .buffer_unordered(CONCURRENCY)
        .fold(0, |sum, len| async move { sum + len })
        .await;
    assert_eq!(tags, IMAGES * TAGS);
}
