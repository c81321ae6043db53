//! Lists: pages, and answers that are still the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use repin::diagnostic::Diagnostic;
use repin::forge::Traffic;
use repin::model::forge::ForgeKind;
use serde_json::{Value, json};

use crate::{Reply, Server, forge, github, project, reply};

fn page_of(target: &str) -> usize {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let page = query.split('&').find_map(|part| part.strip_prefix("page="));
    page.map_or(1, |page| page.parse().unwrap())
}

/// A page of pull requests numbered from it on, of `last` pages.
fn page(target: &str, last: usize, link: &dyn Fn(usize) -> String) -> Reply {
    let page = page_of(target);
    let pulls: Vec<Value> =
        (0..2).map(|at| github::pull(u64::try_from(page * 10 + at).unwrap(), "repin/web")).collect();
    let answer = reply(200, json!(pulls)).with("etag", format!("W/\"page-{page}\""));
    if page < last { answer.with("link", link(page + 1)) } else { answer }
}

#[tokio::test]
async fn all_pages_are_read_and_the_second_time_asked_for_conditionally() {
    let server = Server::start(|seen| {
        let known = format!("W/\"page-{}\"", page_of(&seen.target));
        if seen.header("if-none-match") == known {
            return reply(304, "");
        }
        page(&seen.target, 3, &|next| format!("<http://x/api/v3/repositories/1/pulls?page={next}>; rel=\"next\""))
    })
    .await;
    let forge = forge(ForgeKind::GitHub, &server);
    let first = forge.open_pulls(&project(), "repin/").await.unwrap();
    assert_eq!(first.iter().map(|pull| pull.number).collect::<Vec<_>>(), [10, 11, 20, 21, 30, 31]);
    assert_eq!(forge.traffic(), Traffic { requests: 3, not_modified: 0, throttled: 0 });
    assert!(server.seen().iter().all(|seen| seen.header("if-none-match").is_empty()));
    let second = forge.open_pulls(&project(), "repin/").await.unwrap();
    assert_eq!(second, first);
    assert_eq!(forge.traffic(), Traffic { requests: 6, not_modified: 3, throttled: 0 });
}

#[tokio::test]
async fn a_date_serves_where_there_is_no_entity_tag() {
    let date = "Fri, 02 Jan 2026 03:04:05 GMT";
    let server = Server::start(move |seen| {
        if seen.header("if-modified-since") == date {
            return reply(304, "");
        }
        reply(200, json!([github::pull(1, "repin/web")])).with("last-modified", date)
    })
    .await;
    let forge = forge(ForgeKind::GitHub, &server);
    let first = forge.open_pulls(&project(), "repin/").await.unwrap();
    assert_eq!(forge.open_pulls(&project(), "repin/").await.unwrap(), first);
    assert_eq!(forge.traffic().not_modified, 1);
}

#[tokio::test]
async fn what_changed_is_read_anew() {
    let version = Arc::new(AtomicUsize::new(1));
    let now = version.clone();
    let server = Server::start(move |_| {
        let version = now.load(Ordering::SeqCst);
        let number = u64::try_from(version).unwrap();
        reply(200, json!([github::pull(number, "repin/web")])).with("etag", format!("\"{version}\""))
    })
    .await;
    let forge = forge(ForgeKind::GitHub, &server);
    for number in [1, 2] {
        version.store(number, Ordering::SeqCst);
        let found = forge.open_pulls(&project(), "repin/").await.unwrap();
        assert_eq!(found[0].number, u64::try_from(number).unwrap());
    }
    assert_eq!(server.seen()[1].header("if-none-match"), "\"1\"");
}

#[tokio::test]
async fn a_link_to_the_next_page_leads_nowhere_else() {
    let stranger = Server::start(|_| reply(200, "[]")).await;
    let evil = stranger.url.clone();
    let server =
        Server::start(move |seen| page(&seen.target, 2, &|next| format!("<{evil}/steal?page={next}>; rel=\"next\"")))
            .await;
    let found = forge(ForgeKind::GitHub, &server).open_pulls(&project(), "repin/").await.unwrap();
    assert_eq!(found.len(), 4);
    assert_eq!(stranger.lines(), [""; 0]);
    assert_eq!(
        server.lines(),
        ["GET /api/v3/repos/acme/gitops/pulls?state=open&per_page=100", "GET /api/v3/repos/acme/gitops/pulls?page=2"]
    );
}

#[tokio::test]
async fn a_forge_whose_pages_go_round_or_never_end_is_left() {
    for (kind, next, reason) in [
        (ForgeKind::GitHub, "page=1", "its pages go round"),
        (ForgeKind::GitHub, "", "the list has more than 100 pages"),
        (ForgeKind::Gitea, "", "the list has more than 100 pages"),
    ] {
        let server = Server::start(move |seen| {
            page(&seen.target, usize::MAX, &|page| {
                let next = if next.is_empty() { format!("page={page}") } else { next.to_owned() };
                format!("<?{next}>; rel=next")
            })
        })
        .await;
        let error = forge(kind, &server).open_pulls(&project(), "repin/").await.unwrap_err();
        assert_eq!(error.code(), "forge/bad-answer");
        assert!(error.to_string().ends_with(reason), "{error}");
        assert!(server.lines().len() <= 101);
    }
}

#[tokio::test]
async fn closed_ones_are_read_back_to_a_time_and_no_further() {
    let server = Server::start(|seen| {
        let page = page_of(&seen.target);
        let pulls: Vec<Value> = (0..2)
            .map(|at| {
                let mut pull = github::pull(u64::try_from(100 - page * 10 - at).unwrap(), "repin/web");
                pull["state"] = json!("closed");
                pull["closed_at"] = json!("2026-01-02T00:00:00Z");
                pull["updated_at"] = json!(format!("2026-01-{:02}T00:00:00Z", 20 - page * 2 - at));
                pull
            })
            .collect();
        reply(200, json!(pulls)).with("link", format!("<?page={}>; rel=next", page + 1))
    })
    .await;
    let forge = forge(ForgeKind::GitHub, &server);
    let since = "2026-01-15T00:00:00Z".parse().unwrap();
    let found = forge.closed_pulls(&project(), "repin/", since).await.unwrap();
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), [90, 89, 80, 79].split_at(4).0);
    assert_eq!(server.lines().len(), 3, "{:?}", server.lines());
    assert_eq!(
        server.lines()[0],
        "GET /api/v3/repos/acme/gitops/pulls?state=closed&sort=updated&direction=desc&per_page=100"
    );
}

#[tokio::test]
async fn what_a_list_gives_twice_counts_once() {
    let server = Server::start(|seen| {
        let pulls = if seen.target.contains("page=2") { vec![2, 3] } else { vec![1, 2] };
        let pulls: Vec<Value> = pulls.into_iter().map(|number| github::pull(number, "repin/web")).collect();
        let answer = reply(200, json!(pulls));
        if seen.target.contains("page=2") { answer } else { answer.with("link", "<?page=2>; rel=next") }
    })
    .await;
    let found = forge(ForgeKind::GitHub, &server).open_pulls(&project(), "repin/").await.unwrap();
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), [1, 2, 3]);
}
