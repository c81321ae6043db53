//! What lies between two images: the commits and pull requests of their source, as the forge tells them that hosts it.

use serde_json::json;

use repin::model::forge::MergeMethod;

use super::{Shop, on_all_forges};
use crate::registry::Image;

on_all_forges!(
    a_pull_request_lists_what_was_merged_between_the_two_images,
    a_source_that_no_forge_is_listed_for_is_asked_of_nobody,
);

/// Publishes an image that says what it was built from.
fn publish(shop: &Shop, tag: &str, source: &str, revision: &str) {
    let mut image = Image::built("2026-01-05T10:00:00Z").marked(tag);
    image.labels = json!({"org.opencontainers.image.source": source, "org.opencontainers.image.revision": revision});
    shop.world.registry.fake().push("acme/web", tag, &image);
}

/// How many requests asked of the source since the last time.
fn asked(shop: &Shop) -> usize {
    let requests = shop.forge.requests();
    shop.forge.clear_requests();
    let is_of_source = |text: &str| text.contains("shop-source");
    // The body of a pull request may name it too.
    let asks = |path: &str, body: &str| is_of_source(path) || (path.contains("graphql") && is_of_source(body));
    requests.iter().filter(|request| asks(&request.path, &format!("{:?}", request.body))).count()
}

fn a_pull_request_lists_what_was_merged_between_the_two_images(shop: &Shop) {
    let source = shop.forge.add_source_project("acme/shop-source");
    let old = source.commit("Begin", "alice");
    let merged = source.merge("Show the cart, closes #1 @alice", "bob", &["Add the cart"], MergeMethod::Merge);
    let new = source.commit("Fix a typo", "carol");
    publish(shop, "1.0.0", &source.url(), &old);
    publish(shop, "1.1.0", &format!("{}.git", source.url()), &new);
    shop.add_web(&[]);
    shop.expect("delivered", "delivered");
    let pull = shop.only();
    let body = &pull.body;
    let link = format!("[pull request {}](", merged.number);
    assert!(body.contains(&link) && body.contains("): Show the cart, closes #\u{2060}1 @\u{2060}alice, by "), "{body}");
    assert!(body.contains("): Add the cart, by bob\n") && body.contains("): Fix a typo, by carol\n"), "{body}");
    assert!(!body.contains("Begin") && body.contains("[compared on 127.0.0.1:"), "{body}");
    let commit = shop.world.remote.git(&["log", "-1", "--format=%B", &pull.head]);
    assert!(commit.contains(&format!("Repin-Source: {}@{new}\n", source.url())), "{commit}");
    assert!(commit.contains(&format!("Argocd-reference-commit-sha: {new}\n")), "{commit}");
    assert!(asked(shop) > 0);
    shop.is_quiet();
    assert_eq!(asked(shop), 0, "a quiet cycle asks nothing of sources");
    // The next release: all that lies between it and what runs.
    let newest = source.commit("Show prices too", "dave");
    publish(shop, "1.2.0", &source.url(), &newest);
    shop.expect("delivered", "delivered");
    let body = shop.only().body;
    assert!(body.contains("): Show prices too, by dave\n") && body.contains("): Add the cart, by bob\n"), "{body}");
    // Back to an older build under a higher name.
    publish(shop, "1.3.0", &source.url(), &old);
    shop.expect("delivered", "delivered");
    assert!(shop.only().body.contains("**Both images were built from the same revision.**"), "{}", shop.only().body);
    publish(shop, "1.4.0", &source.url(), &"1".repeat(40));
    shop.expect("delivered", "delivered");
    let body = shop.only().body;
    assert!(body.contains("does not have both revisions"), "{body}");
}

fn a_source_that_no_forge_is_listed_for_is_asked_of_nobody(shop: &Shop) {
    let source = shop.forge.add_source_project("acme/shop-source");
    let (old, new) = (source.commit("Begin", "alice"), source.commit("Go on", "alice"));
    let elsewhere = "https://git.elsewhere.example/acme/shop-source";
    publish(shop, "1.0.0", elsewhere, &old);
    publish(shop, "1.1.0", elsewhere, &new);
    shop.add_web(&[]);
    shop.expect("delivered", "delivered");
    let body = shop.only().body;
    assert!(
        body.contains("What lies between is not shown: no entry of `forges` in repin.yaml is for `https:"),
        "{body}"
    );
    // An image of another source, and one that says nothing.
    publish(shop, "1.2.0", &source.url(), &new);
    shop.expect("delivered", "delivered");
    assert!(shop.only().body.contains("the old image was built from `https:"), "{}", shop.only().body);
    shop.world.registry.publish("acme/web", &["1.3.0"]);
    shop.expect("delivered", "delivered");
    assert!(shop.only().body.contains("What lies between is not shown: "), "{}", shop.only().body);
    assert_eq!(asked(shop), 0);
}
