use repin::registry::{Limits, PUBLIC_REGISTRIES, Truncation};

use crate::fake::{Behaviour, FakeRegistry, Link};
use crate::{assert_error, image, impatient, registries, settings, tags, with_limits, with_password};

fn versions(count: usize) -> Vec<String> {
    let mut versions: Vec<String> = (0..count).map(|n| format!("1.{n}.0")).collect();
    versions.sort();
    versions
}

#[tokio::test]
async fn a_listing_is_whole_however_the_registry_pages() {
    let all = versions(25);
    for (behaviours, requests) in [
        (vec![], 1),
        (vec![Behaviour::PageSize(10)], 3),
        (vec![Behaviour::PageSize(1)], 25),
        (vec![Behaviour::PageSize(10), Behaviour::Link(Link::Absolute)], 3),
        (vec![Behaviour::PageSize(10), Behaviour::Link(Link::Decorated)], 3),
        (vec![Behaviour::IgnoreN], 1),
        (vec![Behaviour::Unsorted], 1),
        (vec![Behaviour::Unsorted, Behaviour::PageSize(7)], 4),
        (vec![Behaviour::Redirect("/moved".to_owned()), Behaviour::PageSize(10)], 4),
    ] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &all.iter().map(String::as_str).collect::<Vec<_>>());
        behaviours.iter().for_each(|behaviour| fake.set("acme/web", behaviour.clone()));
        let registries = registries(&fake);
        let listing = registries.list_tags(&image(&fake, "acme/web")).await.unwrap();
        assert_eq!(tags(&listing), all, "{behaviours:?}");
        assert_eq!((listing.dropped, listing.truncated), (0, None), "{behaviours:?}");
        assert_eq!(fake.requests().len(), requests, "{behaviours:?}");
        let traffic = registries.traffic()[fake.host().as_str()];
        assert_eq!((traffic.requests, traffic.throttled), (u64::try_from(requests).unwrap(), 0));
    }
}

#[tokio::test]
async fn no_tags_is_an_answer_and_no_error() {
    let fake = FakeRegistry::start();
    fake.publish("acme/empty", &[]);
    fake.publish("acme/null", &["1.0.0"]);
    fake.set("acme/null", Behaviour::NullTags);
    for repository in ["acme/empty", "acme/null"] {
        let listing = registries(&fake).list_tags(&image(&fake, repository)).await.unwrap();
        assert_eq!((tags(&listing).len(), listing.truncated), (0, None), "{repository}");
    }
}

#[tokio::test]
async fn only_legal_tags_leave_the_registry() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    let hostile =
        ["2.0.0\nRepin-Resume: web", "2.0.0\u{1b}[31m", "-2.0.0", "../2", "2 0", "", "2.0.0\u{202e}", "1.0.0", "3.0.0"];
    let long = "9".repeat(129);
    let raw = hostile.iter().copied().chain([long.as_str()]).map(str::to_owned).collect();
    fake.set("acme/web", Behaviour::RawTags(raw));
    let listing = registries(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap();
    assert_eq!(tags(&listing), ["1.0.0", "3.0.0"]);
    assert_eq!(listing.dropped, 8);
}

#[tokio::test]
async fn what_is_no_listing_is_an_error_that_says_why() {
    let text = |text: &str| Behaviour::List(200, vec![("content-type", "text/plain".to_owned())], text.into());
    for (behaviour, code, message, hint) in [
        (Behaviour::Html, "registry/bad-listing", "HTML", "api_url"),
        (text("\n <html>"), "registry/bad-listing", "HTML", "api_url"),
        (text(""), "registry/bad-listing", "ends too early, after 0 bytes", "proxy"),
        (text("{}"), "registry/bad-listing", "holds no `tags`", "proxy"),
        (text("ok"), "registry/bad-listing", "no JSON (line 1", "proxy"),
        (Behaviour::List(204, vec![], vec![]), "registry/server-error", "204", "next cycle"),
        (Behaviour::Truncated, "registry/bad-listing", "ends too early", "proxy"),
        (Behaviour::Cut, "registry/bad-listing", "was cut", "proxy"),
        (
            Behaviour::Status(403, "DENIED"),
            "registry/forbidden",
            "forbids anonymous access to read `acme/web`: 403 DENIED",
            "credentials",
        ),
        (
            Behaviour::Status(404, "NAME_UNKNOWN"),
            "registry/not-found",
            "no repository `acme/web`: 404 NAME_UNKNOWN",
            "image-list",
        ),
        (Behaviour::Status(500, "UNKNOWN"), "registry/server-error", "500", "next cycle"),
        (Behaviour::Status(503, "words of a stranger"), "registry/server-error", "503", "next cycle"),
        (Behaviour::Status(400, "UNKNOWN"), "registry/server-error", "400", "`insecure: true`"),
        (Behaviour::Status(418, "DENIED"), "registry/server-error", "418", "next cycle"),
        (
            Behaviour::Status(401, "UNAUTHORIZED"),
            "registry/unauthorized",
            "refused anonymous access",
            "set `credentials`",
        ),
    ] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0"]);
        fake.publish("acme/api", &["1.0.0"]);
        fake.set("acme/web", behaviour);
        let registries = with_limits(settings(&fake), impatient());
        let error = registries.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert_error(&error, code, &[&fake.host(), "acme/web", message], hint);
        let other = registries.list_tags(&image(&fake, "acme/api")).await.unwrap();
        assert_eq!(tags(&other), ["1.0.0"], "another repository is not harmed");
    }
}

#[tokio::test]
async fn retry_after_is_told_as_seconds_or_as_a_date() {
    use repin::diagnostic::{Diagnostic, Retry};
    use std::time::Duration;
    for (header, expected) in [
        ("7", Retry::After(Duration::from_secs(7))),
        ("99999999999", Retry::After(Duration::from_secs(86_400))),
        ("Wed, 21 Oct 2015 07:28:00 GMT", Retry::After(Duration::ZERO)),
        ("Wed, 21 Oct 2099 07:28:00 GMT", Retry::After(Duration::from_secs(86_400))),
        ("soon", Retry::Later),
        ("-1", Retry::Later),
    ] {
        let fake = FakeRegistry::start();
        fake.set("acme/web", Behaviour::RateLimited(header));
        let registries = with_limits(settings(&fake), impatient());
        let error = registries.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert_error(&error, "registry/rate-limited", &[&fake.host(), "acme/web", "429"], "requests_per_second");
        assert_eq!(error.retry(), expected, "{header}");
    }
}

#[tokio::test]
async fn pages_that_go_round_or_never_end_are_an_error() {
    for (link, message, requests) in
        [(Link::Loop, "go round", 1), (Link::Endless, "3 pages in a row hold no new tag", 4)]
    {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0", "2.0.0"]);
        fake.set("acme/web", Behaviour::PageSize(1));
        fake.set("acme/web", Behaviour::Link(link));
        let error = registries(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert_error(&error, "registry/bad-listing", &["acme/web", message], "proxy");
        assert_eq!(fake.requests().len(), requests);
    }
}

#[tokio::test]
async fn neither_a_request_nor_a_password_goes_where_a_page_or_a_redirect_points() {
    let stranger = FakeRegistry::start();
    stranger.publish("acme/web", &["9.9.9"]);
    let there = format!("http://{}", stranger.host());
    let named_otherwise = there.replace("127.0.0.1", "localhost");
    let link = |url: &str| vec![Behaviour::PageSize(1), Behaviour::Link(Link::To(url.to_owned()))];
    let redirect = |url: &str| vec![Behaviour::Redirect(url.to_owned())];
    for (behaviours, what, place) in [
        (link(&format!("{there}/v2/acme/web/tags/list")), "next page", there.as_str()),
        (link(&format!("{named_otherwise}/v2/acme/web/tags/list")), "next page", &named_otherwise),
        (link("http://169.254.169.254/latest"), "next page", "http://169.254.169.254"),
        (link("//evil.example/v2/"), "next page", "http://evil.example"),
        (link("file:///etc/passwd"), "next page", "file://"),
        (link(&format!("https://evil.example/{}", crate::CANARY)), "next page", "https://evil.example"),
        (redirect(&there), "redirect", &there),
        (redirect("https://169.254.169.254"), "redirect", "https://169.254.169.254"),
        (redirect(&format!("http://{}.evil.example", crate::CANARY)), "redirect", "http://***.evil.example"),
    ] {
        let fake = FakeRegistry::start();
        fake.publish("acme/web", &["1.0.0", "2.0.0"]);
        behaviours.iter().for_each(|behaviour| fake.set("acme/web", behaviour.clone()));
        let error = with_password(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
        assert_error(&error, "registry/untrusted-url", &["acme/web", what, place, "stays at the scheme"], "api_url");
        assert_eq!(fake.requests().len(), 1, "{behaviours:?}");
    }
    assert_eq!(stranger.requests(), []);
}

#[tokio::test]
async fn a_redirect_in_a_circle_ends_after_three() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1.0.0"]);
    fake.set("acme/web", Behaviour::Redirect(String::new()));
    let error = registries(&fake).list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_error(&error, "registry/redirect", &["acme/web", "more than 3 times"], "api_url");
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn a_tag_on_several_pages_counts_once() {
    let fake = FakeRegistry::start();
    fake.publish("acme/web", &["1", "2", "3", "4", "5", "6"]);
    fake.set("acme/web", Behaviour::PageSize(4));
    // The third page is all known.
    fake.set("acme/web", Behaviour::RawTags(["1", "2", "3", "4", "5", "6", "0", "a b"].map(str::to_owned).to_vec()));
    for (most, truncated, expected) in [
        (8, None, &["0", "1", "2", "3", "4", "5", "6"][..]),
        (7, None, &["0", "1", "2", "3", "4", "5", "6"]),
        (6, Some(Truncation::Tags), &["1", "2", "3", "4", "5", "6"]),
        (5, Some(Truncation::Tags), &["1", "2", "3", "4", "5"]),
    ] {
        let limits = Limits { tags: most, ..Limits::default() };
        let listing = with_limits(settings(&fake), limits).list_tags(&image(&fake, "acme/web")).await.unwrap();
        assert_eq!((tags(&listing), listing.truncated), (expected.to_vec(), truncated), "{most}");
    }
}

#[tokio::test]
async fn our_own_limits_cut_a_listing_and_say_so() {
    let fake = FakeRegistry::start();
    let all = versions(20);
    fake.publish("acme/web", &all.iter().map(String::as_str).collect::<Vec<_>>());
    fake.set("acme/web", Behaviour::PageSize(5));
    for (limits, truncated, count) in [
        (Limits { pages: 2, ..Limits::default() }, Some(Truncation::Pages), 10),
        (Limits { pages: 4, ..Limits::default() }, None, 20),
        (Limits { tags: 7, ..Limits::default() }, Some(Truncation::Tags), 7),
        (Limits { tags: 19, ..Limits::default() }, Some(Truncation::Tags), 19),
        (Limits { tags: 20, ..Limits::default() }, None, 20),
    ] {
        let listing = with_limits(settings(&fake), limits.clone()).list_tags(&image(&fake, "acme/web")).await.unwrap();
        assert_eq!((listing.truncated, listing.tags.len()), (truncated, count), "{limits:?}");
    }
}

#[tokio::test]
async fn only_configured_and_public_registries_are_asked() {
    let fake = FakeRegistry::start();
    let registries = registries(&fake);
    assert!(registries.is_configured(&image(&fake, "acme/web")));
    for public in PUBLIC_REGISTRIES {
        assert!(registries.is_configured(&format!("{}/acme/web", public.host).parse().unwrap()), "{}", public.host);
    }
    assert!(registries.is_configured(&"nginx".parse().unwrap()));
    let stranger = "registry.example.com/acme/web".parse().unwrap();
    assert!(!registries.is_configured(&stranger));
    let error = registries.list_tags(&stranger).await.unwrap_err();
    let message = ["registry.example.com", "`acme/web`", "not configured"];
    assert_error(&error, "registry/unconfigured", &message, "add `- host: registry.example.com` to `registries`");
    assert!(registries.traffic().is_empty() && registries.requests() == 0);
}

#[tokio::test]
async fn a_registry_that_is_down_is_named() {
    let host = {
        let fake = FakeRegistry::start();
        fake.host()
    };
    let settings = repin::registry::RegistryOptions { host: host.clone(), insecure: true, ..Default::default() };
    let registries = with_limits(settings, Limits::default());
    let error = registries.list_tags(&format!("{host}/acme/web").parse().unwrap()).await.unwrap_err();
    assert_error(&error, "registry/unreachable", &[&host, "acme/web", "refused"], "check the name and the network");
}
