//! What one registry does and others do not.

use std::time::Duration;

use repin::credentials::Credentials;
use repin::diagnostic::{Diagnostic, Retry};
use repin::model::metadata::Needs;
use repin::model::names::{ImageName, Tag};
use repin::registry::{Limits, Login, Registries};
use repin::secret::Secret;

use crate::hosted::{Account, Event};
use crate::models::docker_hub::DockerHub;
use crate::models::gar::Gar;
use crate::subjects::{self, PASSWORD, PRIVATE, PUBLIC, Running, Subject};

/// Waits for nothing that a registry asks for.
fn impatient() -> Limits {
    Limits { longest_pause: Duration::ZERO, ..Limits::default() }
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_short_name_is_below_library_at_docker_hub() {
    let running = subjects::docker_hub_without_account().start();
    running.hosted.publish("library/nginx", true, ["1.27.0"]);
    let listing = running.client().list_tags(&"nginx".parse().unwrap()).await.unwrap();
    assert_eq!(listing.tags.to_vec(), [tag("1.27.0")]);
    let journal = running.hosted.take_journal();
    assert_eq!(journal[1].parameter("scope"), Some("repository:library/nginx:pull"));
    assert_eq!(journal[2].path, "/v2/library/nginx/tags/list");
}

#[tokio::test]
async fn looking_costs_no_pull_at_docker_hub_and_goes_on_when_none_is_left() {
    let model = DockerHub { pulls: Some(0), abuse: None };
    let running = Subject { model: Box::new(model), ..subjects::docker_hub_without_account() }.start();
    running.hosted.publish(PUBLIC, true, ["1.0.0"]);
    let (client, image) = (running.client_with(Login::default(), impatient()), running.image(PUBLIC));
    for _ in 0..3 {
        assert_eq!(client.list_tags(&image).await.unwrap().tags.to_vec(), [tag("1.0.0")]);
        let digest = client.resolve_tag(&image, &tag("1.0.0")).await.unwrap().unwrap();
        assert_eq!(digest.as_str(), running.hosted.digest(PUBLIC, "1.0.0"));
    }
    assert_eq!(running.hosted.state().pulls, 0);
    // What is behind the digest is a pull.
    let digest = client.resolve_tag(&image, &tag("1.0.0")).await.unwrap().unwrap();
    let needs = Needs { created: true, platforms: Vec::new() };
    let error = client.describe(&image, &digest.into(), &needs, None).await.unwrap_err();
    assert_eq!(error.code(), "registry/rate-limited", "{error}");
}

#[tokio::test]
async fn after_the_overall_limit_of_docker_hub_nothing_is_sent_for_as_long_as_it_says() {
    let model = DockerHub { pulls: None, abuse: Some(3_600) };
    let running = Subject { model: Box::new(model), ..subjects::docker_hub_without_account() }.start();
    let (client, image) = (running.client(), running.image(PUBLIC));
    let error = client.list_tags(&image).await.unwrap_err();
    assert_eq!((error.code(), error.retry()), ("registry/rate-limited", Retry::After(Duration::from_secs(3_600))));
    assert_eq!(running.hosted.take_journal().len(), 1);
    let error = client.list_tags(&image).await.unwrap_err();
    assert_eq!(error.code(), "registry/rate-limited", "{error}");
    assert_eq!(running.hosted.take_journal().len(), 0);
}

#[tokio::test]
async fn a_number_that_amazon_refuses_is_asked_for_again_in_a_smaller_one() {
    let running = subjects::ecr().start();
    let tags: Vec<String> = (0..250).map(|at| format!("1.{at}.0")).collect();
    running.hosted.publish(PRIVATE, false, tags.iter().map(String::as_str));
    let client = running.client_with(running.login(PASSWORD), Limits { page_size: 5_000, ..Limits::default() });
    let listing = client.list_tags(&running.image(PRIVATE)).await.unwrap();
    assert_eq!((listing.tags.len(), listing.truncated), (250, None));
    assert_eq!(running.hosted.take_journal().len(), 1 + 3);
    client.list_tags(&running.image(PRIVATE)).await.unwrap();
    assert_eq!(running.hosted.take_journal().len(), 3, "it is not asked for the large one again");
}

#[tokio::test]
async fn a_token_that_ended_at_public_ecr_is_an_error_until_its_own_end() {
    let running = subjects::ecr_public().start();
    running.hosted.publish(PRIVATE, true, ["1.0.0"]);
    let client = running.client();
    running.hosted.plan(1, Event::TokensEnd);
    client.list_tags(&running.image(PRIVATE)).await.unwrap();
    let error = client.list_tags(&running.image(PRIVATE)).await.unwrap_err();
    assert_eq!(error.code(), "registry/server-error", "{error}");
}

#[tokio::test]
async fn a_web_page_with_status_200_is_no_empty_list() {
    let model = Gar { is_confused: true };
    let running = Subject { model: Box::new(model), ..subjects::artifact_registry() }.start();
    let error = running.client().list_tags(&running.image(PRIVATE)).await.unwrap_err();
    assert_eq!(error.code(), "registry/bad-listing", "{error}");
}

#[tokio::test]
async fn no_tags_are_no_error_where_the_registry_says_so() {
    let running = subjects::gitlab().start();
    let listing = running.client().list_tags(&running.image(PRIVATE)).await.unwrap();
    assert_eq!((listing.tags.len(), listing.truncated), (0, None));
}

#[tokio::test]
async fn what_is_private_or_missing_is_told_as_far_as_the_registry_tells_it() {
    let (unauthorized, forbidden, missing) = ("registry/unauthorized", "registry/forbidden", "registry/not-found");
    for (subject, private, absent) in [
        (subjects::docker_hub(), unauthorized, unauthorized),
        (subjects::ghcr(), unauthorized, forbidden),
        (subjects::quay(), unauthorized, unauthorized),
        (subjects::ecr(), unauthorized, missing),
        (subjects::artifact_registry(), forbidden, forbidden),
        (subjects::acr_with_refresh_token(), unauthorized, unauthorized),
        (subjects::harbor(), unauthorized, unauthorized),
        (subjects::gitlab(), forbidden, forbidden),
        (subjects::distribution_3(), unauthorized, missing),
        (subjects::zot(), "", missing),
        (subjects::nexus_connector(), unauthorized, missing),
        (subjects::artifactory(), unauthorized, missing),
    ] {
        let host = subject.host;
        let running = subject.start();
        let stranger = running.client_with(Login::default(), impatient());
        if !private.is_empty() {
            let error = stranger.list_tags(&running.image(PRIVATE)).await.unwrap_err();
            assert_eq!(error.code(), private, "{error}");
            assert!(error.hint().unwrap().contains(&format!("`credentials` of `{host}`")), "{:?}", error.hint());
        }
        let error = running.client().list_tags(&running.image("nobody/nothing")).await.unwrap_err();
        assert_eq!(error.code(), absent, "{error}");
    }
}

#[tokio::test]
async fn an_account_that_may_not_read_is_told_apart_where_the_registry_does() {
    for (subject, code, words) in [
        (subjects::docker_hub(), "registry/unauthorized", "401 UNAUTHORIZED"),
        (subjects::ghcr(), "registry/forbidden", "requested access to the resource is denied"),
        (subjects::quay(), "registry/unauthorized", "401 UNAUTHORIZED"),
        (subjects::artifact_registry(), "registry/forbidden", "artifactregistry.repositories.downloadArtifacts"),
        (subjects::gitlab(), "registry/forbidden", "access forbidden"),
    ] {
        let running = subject.start();
        let account = Account { password: PASSWORD.to_owned(), may_read: false };
        running.hosted.state().accounts.insert(running.subject.user.to_owned(), account);
        let error = running.client().list_tags(&running.image(PRIVATE)).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "`{words}` is not in `{error}`");
    }
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_though_harbor_asks_for_a_password() {
    let running = subjects::harbor().start();
    running.hosted.publish(PUBLIC, true, ["1.0.0"]);
    let (client, image) = (running.client_with(Login::default(), Limits::default()), running.image(PUBLIC));
    // Only HEAD needs a token there.
    client.resolve_tag(&image, &tag("1.0.0")).await.unwrap();
    running.hosted.plan(1, Event::TokensEnd);
    client.list_tags(&image).await.unwrap();
    running.hosted.take_journal();
    assert_eq!(client.list_tags(&image).await.unwrap().tags.to_vec(), [tag("1.0.0")]);
    let paths: Vec<String> = running.hosted.take_journal().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/v2/oss/tool/tags/list", "/service/token", "/v2/oss/tool/tags/list"]);
}

#[tokio::test]
async fn only_the_first_repository_of_a_registry_is_refused_before_it_gets_a_token() {
    for subject in [subjects::docker_hub(), subjects::ghcr(), subjects::quay(), subjects::gitlab()] {
        let running = subject.start();
        running.hosted.publish(PRIVATE, false, ["1.0.0"]);
        running.hosted.publish(PUBLIC, true, ["1.0.0"]);
        let client = running.client();
        client.list_tags(&running.image(PRIVATE)).await.unwrap();
        running.hosted.take_journal();
        client.list_tags(&running.image(PUBLIC)).await.unwrap();
        assert_eq!(running.hosted.take_journal().len(), 2, "the token and the list");
    }
}

#[tokio::test]
async fn a_token_of_github_alone_is_enough() {
    let running = subjects::ghcr().start();
    running.hosted.publish(PRIVATE, false, ["1.0.0"]);
    let account = Account { password: PASSWORD.to_owned(), may_read: true };
    // GitHub takes any user beside a token.
    running.hosted.state().accounts.insert("x-access-token".to_owned(), account);
    let client = running.client_with(Credentials::Token(Secret::new(PASSWORD)).into(), Limits::default());
    assert_eq!(list(&client, &running).await, [tag("1.0.0")]);
}

async fn list(client: &Registries, running: &Running) -> Vec<Tag> {
    let image: ImageName = running.image(PRIVATE);
    client.list_tags(&image).await.unwrap().tags.to_vec()
}
