//! Whether an Application may use the pull secret that its annotations name.
//!
//! Who can annotate an Application must not be able to send the operator's credentials anywhere, or to look with them
//! where others may: a secret goes to the hosts that it is bound to, for the Applications that it is bound to.

use crate::annotations::ImageRequest;
use crate::model::application::Application;
use crate::model::names::ImageName;
use crate::model::rule::PullSecret;
use crate::model::tracked::Refusal;
use crate::rules::{self, Subject};

/// Gives the image as its registry is asked for it, or why it is not asked and what to do.
pub(super) fn asked(
    application: &Application,
    request: &ImageRequest,
    known: &[PullSecret],
) -> Result<Option<ImageName>, (Refusal, String)> {
    let (Some(image), Some(name)) = (&request.image, &request.pull_secret) else { return Ok(request.image.clone()) };
    let refused = |why: String, hint: String| {
        let message = format!("`pull-secret: {name}` is not used, and nothing is sent: {why}");
        Err((Refusal { code: "annotation/pull-secret".to_owned(), message }, hint))
    };
    let Some(secret) = known.iter().find(|secret| secret.name == *name) else {
        let hint = format!(
            "let the operator add an entry to `pull_secrets:` of repin.yaml with `name: \"{name}\"` and `registries: [\"{}\"]`",
            image.registry()
        );
        return refused("`pull_secrets:` of repin.yaml has no such name".to_owned(), hint);
    };
    if !secret.registries.iter().any(|host| host == image.registry()) {
        let why = format!("it is bound to {}, and the image is at `{}`", listed(&secret.registries), image.registry());
        let hint =
            format!("name another one, or let the operator add the host: `registries: [\"{}\"]`", image.registry());
        return refused(why, hint);
    }
    let key = &application.key;
    let subject = Subject {
        repository: &key.repository,
        branch: "",
        path: key.file.as_ref(),
        application: &key.name,
        namespace: &key.namespace,
        project: &application.project,
        labels: &application.labels,
    };
    if !rules::is_match(&secret.matches, &subject) {
        let hint = "name another one, or let the operator widen its `match`".to_owned();
        return refused("its `match` does not hold for this Application".to_owned(), hint);
    }
    Ok(Some(image.with_pull_secret(name)))
}

fn listed(hosts: &[String]) -> String {
    let hosts: Vec<String> = hosts.iter().map(|host| format!("`{host}`")).collect();
    hosts.join(", ")
}
