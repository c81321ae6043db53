//! Logs Git in with what a forge gives: the tokens of a GitHub App last an hour.

use crate::credentials::Credentials;
use crate::forge::ForgeLogin;
use crate::model::remote_url::Transport;
use crate::plan::Failure;
use crate::reconcile::Reconciler;
use crate::reconcile::pulls::failure;

impl Reconciler {
    /// Gives every repository that is reached over https by an App the token of this hour; says which could not get one.
    pub(super) async fn log_in(&mut self) -> Vec<(String, Failure)> {
        let mut failures = Vec::new();
        for repository in &mut self.repositories {
            let name = repository.options.name.clone();
            let is_https = repository.options.url.transport() == Transport::Https;
            let is_by_app = |login: &ForgeLogin| matches!(login, ForgeLogin::App { .. });
            let has_none = repository.options.access.credentials == Credentials::Anonymous;
            let target = repository.options.forge.as_ref().filter(|forge| is_by_app(&forge.options.login));
            let is_there = |web: &url::Url| {
                let at = &repository.options.url;
                let port = at.port().or(Some(443));
                at.host().is_some_and(|host| web.host_str().is_some_and(|own| own.eq_ignore_ascii_case(host)))
                    && web.scheme() == "https"
                    && web.port_or_known_default() == port
            };
            // The token is for the forge's own host and no other.
            let target = target.filter(|forge| is_there(&forge.options.web_url));
            let (Some(target), true) = (target, is_https && has_none) else { continue };
            let Some(held) = self.forges.of_repository(&name) else { continue };
            match held.forge.git_credentials(&target.project).await {
                Ok(Some(credentials)) => repository.lend(credentials),
                Ok(None) => {}
                Err(error) => failures.push((name.clone(), failure(&name, &error))),
            }
        }
        failures
    }
}
