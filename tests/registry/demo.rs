use oci_distribution::client::{Client, ClientConfig, ClientProtocol};
use oci_distribution::secrets::RegistryAuth;
use oci_distribution::{Reference, config::ConfigFile};
use repin::demo_registry::DemoRegistry;
use repin::model::names::ImageName;
use repin::registry::{Limits, RegistryOptions};
use sha2::{Digest, Sha256};

use crate::{tags, with_limits};

async fn demo() -> (DemoRegistry, ImageName) {
    let demo = DemoRegistry::start().await.unwrap();
    for tag in ["1.10.0", "1.0.0", "1.2.0", "latest", "1.1.0"] {
        demo.publish("acme/web", tag).unwrap();
    }
    let image = format!("{}/acme/web", demo.addr()).parse().unwrap();
    (demo, image)
}

fn settings(demo: &DemoRegistry) -> RegistryOptions {
    RegistryOptions { host: demo.addr().to_string(), insecure: true, ..RegistryOptions::default() }
}

#[tokio::test]
async fn the_demo_registry_pages_as_the_specification_says() {
    let (demo, image) = demo().await;
    // A full page without a link is asked whether there is more, as long as the registry linked none.
    for (page_size, requests) in [(1000, 1), (5, 2), (4, 2), (2, 3), (1, 5)] {
        let registries = with_limits(settings(&demo), Limits { page_size, ..Limits::default() });
        let listing = registries.list_tags(&image).await.unwrap();
        assert_eq!(tags(&listing), ["1.0.0", "1.1.0", "1.10.0", "1.2.0", "latest"]);
        assert_eq!(registries.requests(), requests, "{page_size}");
    }
}

#[tokio::test]
async fn a_published_tag_is_there_at_once_and_a_moved_one_has_a_new_digest() {
    let (demo, image) = demo().await;
    let registries = with_limits(settings(&demo), Limits::default());
    let tag = "2.0.0".parse().unwrap();
    assert_eq!(registries.resolve_tag(&image, &tag).await, Ok(None));
    let first = demo.publish("acme/web", "2.0.0").unwrap();
    assert_eq!(registries.resolve_tag(&image, &tag).await, Ok(Some(first.clone())));
    let second = demo.publish("acme/web", "2.0.0").unwrap();
    assert_ne!(first, second);
    assert_eq!(registries.resolve_tag(&image, &tag).await, Ok(Some(second)));
    assert!(demo.publish("acme/web", "not a tag").is_err());
    assert!(demo.publish("Acme", "1.0.0").is_err());
}

#[tokio::test]
async fn another_client_reads_manifest_configuration_and_layer_of_a_demo_image() {
    let (demo, image) = demo().await;
    repin::http::install_crypto_provider();
    let client = Client::new(ClientConfig {
        protocol: ClientProtocol::Http,
        no_proxy: Some("127.0.0.1".to_owned()),
        ..ClientConfig::default()
    });
    let reference: Reference = format!("{image}:1.2.0").parse().unwrap();
    let (manifest, digest, config) =
        client.pull_manifest_and_config(&reference, &RegistryAuth::Anonymous).await.unwrap();
    let registries = with_limits(settings(&demo), Limits::default());
    let resolved = registries.resolve_tag(&image, &"1.2.0".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(resolved.as_str(), digest);
    let config: ConfigFile = serde_json::from_str(&config).unwrap();
    assert!(config.created.is_some());
    assert_eq!((config.os.to_string(), config.architecture.to_string()), ("linux".into(), "amd64".into()));
    let mut layer = Vec::new();
    client.pull_blob(&reference, &manifest.layers[0], &mut layer).await.unwrap();
    assert_eq!(manifest.layers[0].digest, format!("sha256:{}", hex::encode(Sha256::digest(&layer))));
    assert_eq!(config.rootfs.diff_ids, [manifest.layers[0].digest.clone()]);
    assert!(layer.windows(6).any(|part| part == b":1.2.0"));
}

#[tokio::test]
async fn the_demo_registry_cannot_be_written() {
    let (demo, image) = demo().await;
    let plain = repin::http::ClientOptions { insecure: true, direct: true, ..Default::default() };
    let client = repin::http::client(&plain).unwrap();
    let base = format!("http://{}/v2", demo.addr());
    for (method, path, status) in [
        (reqwest::Method::POST, "/acme/web/blobs/uploads/", 405),
        (reqwest::Method::PUT, "/acme/web/manifests/9.9.9", 405),
        (reqwest::Method::DELETE, "/acme/web/manifests/1.0.0", 405),
        (reqwest::Method::GET, "/", 200),
        (reqwest::Method::GET, "/acme/web/tags/list?n=x", 400),
        (reqwest::Method::GET, "/acme/none/tags/list", 404),
        (reqwest::Method::GET, "/acme/web/blobs/sha256:00", 404),
        (reqwest::Method::GET, "/acme/web/other/x", 404),
    ] {
        let answer = client.request(method.clone(), format!("{base}{path}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
    }
    let registries = with_limits(settings(&demo), Limits::default());
    assert_eq!(registries.list_tags(&image).await.unwrap().tags.len(), 5);
}
