//! Azure Container Registry: an access token of Microsoft Entra ID is exchanged at the registry for a refresh token, which
//! `host` then exchanges for tokens of single repositories.
//!
//! Documents: azure/acr, "AAD-OAuth" (`/oauth2/exchange`); Microsoft identity platform, "OAuth 2.0 client credentials flow";
//! "How managed identities for Azure resources work"; Azure AD Workload Identity (variables).

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use url::Url;

use crate::credentials::{Credentials, jwt};
use crate::registry::login::web::{self, Web};
use crate::registry::login::{Lease, LoginError, Target, Variables, files};
use crate::registry::trust;
use crate::secret::Secret;

const AUTHORITY: &str = "https://login.microsoftonline.com";
const METADATA: &str = "http://169.254.169.254";
const AUDIENCE: &str = "https://containerregistry.azure.net";
/// How long a refresh token is used that does not say when it ends; those of Azure end after three hours.
const UNSAID: Duration = Duration::from_secs(30 * 60);

/// Azure Container Registry; all of it empty is the default chain: a service principal or a workload identity by the
/// variables of Azure, else the managed identity of the machine.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AzureOptions {
    /// The tenant.
    pub tenant_id: Option<String>,
    /// The application, or a managed identity that a user assigned.
    pub client_id: Option<String>,
    /// The secret of the application.
    pub client_secret: Option<Secret>,
    /// The file with the token of a workload identity; read at each use.
    pub federated_token_file: Option<PathBuf>,
    /// Where Microsoft Entra ID is.
    pub authority: Option<Url>,
    /// For whom the access token is.
    pub audience: Option<String>,
    /// Where the instance metadata service is; set, it is asked instead of the default chain.
    pub metadata_url: Option<Url>,
}

/// Who we are to Azure.
#[derive(Debug, Eq, PartialEq)]
enum Identity {
    Secret { tenant: String, client: String, secret: Secret },
    Federated { tenant: String, client: String, file: PathBuf },
    Managed { client: Option<String> },
}

pub(super) async fn lease(options: &AzureOptions, target: &Target, web: &Web) -> Result<Lease, LoginError> {
    let identity = identity(options, &target.variables)?;
    let audience = options.audience.as_deref().unwrap_or(AUDIENCE).trim_end_matches('/');
    let authority = options.authority.as_ref().map(Url::as_str).or(target.variables.get("AZURE_AUTHORITY_HOST"));
    let (access, who) = match &identity {
        Identity::Secret { tenant, client, secret } => {
            let proof = [("client_secret", secret.expose())];
            let token = entra(authority, tenant, client, audience, &proof, web).await?;
            (token, format!("service principal {client}"))
        }
        Identity::Federated { tenant, client, file } => {
            let assertion = files::read_line(file).await?;
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            let proof = [("client_assertion_type", kind), ("client_assertion", assertion.as_str())];
            let token = entra(authority, tenant, client, audience, &proof, web).await?;
            (token, format!("workload identity {client}"))
        }
        Identity::Managed { client } => {
            let token = managed(options, client.as_deref(), audience, web).await?;
            let who = client.as_ref().map_or("of this machine", String::as_str);
            (token, format!("managed identity {who}"))
        }
    };
    let tenant = match &identity {
        Identity::Secret { tenant, .. } | Identity::Federated { tenant, .. } => Some(tenant.as_str()),
        Identity::Managed { .. } => options.tenant_id.as_deref(),
    };
    let refresh = exchange(target, tenant, &access, web).await?;
    let left = jwt::end(refresh.expose()).map(|end| end.as_second() - Timestamp::now().as_second());
    let lasts = match left.map(u64::try_from) {
        None => UNSAID,
        Some(Ok(seconds @ 1..)) => Duration::from_secs(seconds),
        Some(_) => return Err(LoginError::passing(trust::place(&target.api), "it gave a token that has ended")),
    };
    Ok(Lease::of(Credentials::IdentityToken(refresh), format!("Azure, {who}"), lasts))
}

/// Settings come before variables, and each setting may be completed by one.
fn identity(options: &AzureOptions, variables: &Variables) -> Result<Identity, LoginError> {
    let bad = |reason: String| Err(LoginError::lasting("the identity for Azure", reason));
    let client = options.client_id.as_deref().or(variables.get("AZURE_CLIENT_ID")).map(str::to_owned);
    let tenant = options.tenant_id.as_deref().or(variables.get("AZURE_TENANT_ID")).map(str::to_owned);
    for (name, id) in [("client_id", &client), ("tenant_id", &tenant)] {
        // It becomes a part of a URL.
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.');
        if id.as_ref().is_some_and(|id| !id.bytes().all(legal) || !id.bytes().any(|c| c.is_ascii_alphanumeric())) {
            return bad(format!("`{name}` is no ID, such as 00000000-0000-0000-0000-000000000000"));
        }
    }
    if options.metadata_url.is_some() {
        return Ok(Identity::Managed { client });
    }
    let is_set = options.client_secret.is_some() || options.federated_token_file.is_some();
    let secret = match is_set {
        true => options.client_secret.clone(),
        false => variables.get("AZURE_CLIENT_SECRET").map(Secret::new),
    };
    let file = match is_set {
        true => options.federated_token_file.clone(),
        false => variables.get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
    };
    match (secret, file, tenant, client) {
        (Some(secret), _, Some(tenant), Some(client)) => Ok(Identity::Secret { tenant, client, secret }),
        (None, Some(file), Some(tenant), Some(client)) => Ok(Identity::Federated { tenant, client, file }),
        (None, None, _, client) => Ok(Identity::Managed { client }),
        (_, _, tenant, _) => {
            let name = if tenant.is_none() { "tenant_id" } else { "client_id" };
            bad(format!("a secret or a federated token needs `{name}` too"))
        }
    }
}

async fn entra(
    authority: Option<&str>,
    tenant: &str,
    client: &str,
    audience: &str,
    proof: &[(&str, &str)],
    web: &Web,
) -> Result<Secret, LoginError> {
    let base = authority.unwrap_or(AUTHORITY).trim_end_matches('/');
    let url = web::endpoint(&format!("{base}/{tenant}/oauth2/v2.0/token"), "`authority`")?;
    let scope = format!("{audience}/.default");
    let mut form = vec![("grant_type", "client_credentials"), ("client_id", client), ("scope", &scope)];
    form.extend_from_slice(proof);
    let reply = web::send(web::form(web.request(Method::POST, &url)?, &form), &url).await?;
    let sent: Vec<&str> = proof.iter().map(|(_, value)| *value).collect();
    let json = reply.json(&url, &sent)?;
    let token = web::text(&json, "access_token").ok_or_else(|| reply.without(&url, "an access token"))?;
    Ok(Secret::new(token))
}

async fn managed(
    options: &AzureOptions,
    client: Option<&str>,
    audience: &str,
    web: &Web,
) -> Result<Secret, LoginError> {
    let base = options.metadata_url.as_ref().map_or(METADATA, Url::as_str).trim_end_matches('/');
    let mut url = web::endpoint(&format!("{base}/metadata/identity/oauth2/token"), "`metadata_url`")?;
    url.query_pairs_mut().append_pair("api-version", "2018-02-01").append_pair("resource", audience);
    if let Some(client) = client {
        url.query_pairs_mut().append_pair("client_id", client);
    }
    let reply = web::send(web.request(Method::GET, &url)?.header("metadata", "true"), &url).await?;
    let json = reply.json(&url, &[])?;
    let token = web::text(&json, "access_token").ok_or_else(|| reply.without(&url, "an access token"))?;
    Ok(Secret::new(token))
}

/// Exchanges an access token at the registry itself, and nowhere else.
async fn exchange(target: &Target, tenant: Option<&str>, access: &Secret, web: &Web) -> Result<Secret, LoginError> {
    let mut url = target.api.clone();
    url.set_path("/oauth2/exchange");
    let mut form =
        vec![("grant_type", "access_token"), ("service", target.host.as_str()), ("access_token", access.expose())];
    form.extend(tenant.map(|tenant| ("tenant", tenant)));
    let request = web::form(web.to_registry(Method::POST, &url, &target.client)?, &form);
    let reply = web::send(request, &url).await?;
    let json = reply.json(&url, &[access.expose()])?;
    let token = web::text(&json, "refresh_token").ok_or_else(|| reply.without(&url, "a refresh token"))?;
    Ok(Secret::new(token))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn settings_come_before_variables_and_the_machine_comes_last() {
        let all = variables(&[
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_CLIENT_SECRET", "s"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/f"),
        ]);
        let federated =
            variables(&[("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_FEDERATED_TOKEN_FILE", "/f")]);
        let ids = || ("t".to_owned(), "c".to_owned());
        let secret = |secret: &str| Identity::Secret { tenant: ids().0, client: ids().1, secret: Secret::new(secret) };
        let file = |file: &str| Identity::Federated { tenant: ids().0, client: ids().1, file: file.into() };
        let none = AzureOptions::default;
        for (options, variables, expected) in [
            (none(), &all, secret("s")),
            (none(), &federated, file("/f")),
            (none(), &Variables::default(), Identity::Managed { client: None }),
            (AzureOptions { client_secret: Some(Secret::new("own")), ..none() }, &all, secret("own")),
            (AzureOptions { federated_token_file: Some("/own".into()), ..none() }, &all, file("/own")),
            (
                AzureOptions { metadata_url: Some("http://127.0.0.1:1".parse().unwrap()), ..none() },
                &all,
                Identity::Managed { client: Some("c".into()) },
            ),
        ] {
            assert_eq!(identity(&options, variables).unwrap(), expected);
        }
    }

    #[test]
    fn half_an_identity_names_the_other_half() {
        let none = AzureOptions::default;
        let secret = Some(Secret::new("hunter2"));
        for (options, expected) in [
            (AzureOptions { client_secret: secret.clone(), ..none() }, "needs `tenant_id` too"),
            (AzureOptions { client_secret: secret, tenant_id: Some("t".into()), ..none() }, "needs `client_id` too"),
            (AzureOptions { tenant_id: Some("../x".into()), ..none() }, "`tenant_id` is no ID"),
            (AzureOptions { tenant_id: Some("..".into()), ..none() }, "`tenant_id` is no ID"),
        ] {
            let error = identity(&options, &Variables::default()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }
}
