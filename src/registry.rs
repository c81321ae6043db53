//! Registries: which tags a repository has, and which manifest a tag names.
//!
//! A client for looking only; it never pulls an image and never writes. Nothing of a registry is believed that was not
//! checked: only legal tags leave this module, a list is whole or an error, and no request and no credential goes to a
//! host that the operator did not name or the rules of `trust` do not allow.
//! Spec: OCI Distribution 1.1; Docker's token specification for the anonymous Bearer flow.

use std::collections::BTreeMap;

use crate::model::metadata::{Metadata, Needs};
use crate::model::names::Digest;
use crate::model::names::ImageName;
use crate::model::names::Tag;
use crate::registry::host::Host;

mod answer;
mod challenge;
mod error;
mod host;
mod link;
mod listing;
mod login;
mod manifest;
mod metadata;
mod options;
mod public;
mod token;
mod trust;

pub use self::error::RegistryError;
pub use self::listing::{Listing, Truncation};
pub use self::login::Login;
pub use self::options::{Limits, Options, PullSecretOptions, RegistryOptions};
pub use self::public::{PUBLIC_REGISTRIES, PublicRegistry};

/// All registries that may be asked.
pub struct Registries {
    hosts: BTreeMap<String, Host>,
    /// The same hosts with pull secrets, by the host and the secret's name.
    with_secrets: BTreeMap<(String, String), Host>,
    limits: Limits,
}

impl Registries {
    /// Checks the settings and makes the clients. Nothing is sent yet.
    ///
    /// # Errors
    /// `Settings` names the first registry whose settings cannot be used, or that is there twice.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        let Options { registries, pull_secrets, limits } = options;
        let mut hosts = BTreeMap::new();
        for registry in registries.iter().cloned() {
            let checked = registry.check(&limits)?;
            let name = checked.name.clone();
            if hosts.insert(name.clone(), Host::new(checked, limits.clone())?).is_some() {
                let rule = "each host stands there once".to_owned();
                return Err(RegistryError::Settings { registry: name, rule });
            }
        }
        for public in PUBLIC_REGISTRIES {
            if !hosts.contains_key(public.host) {
                let settings = RegistryOptions { host: public.host.to_owned(), ..RegistryOptions::default() };
                hosts.insert(public.host.to_owned(), Host::new(settings.check(&limits)?, limits.clone())?);
            }
        }
        let mut with_secrets = BTreeMap::new();
        for secret in pull_secrets {
            for name in &secret.registries {
                // A registry that is not configured is asked nothing, with or without a secret.
                let Some(host) = hosts.get(name) else { continue };
                let same = registries.iter().find(|one| one.is_for(name)).cloned();
                let same = same.unwrap_or_else(|| RegistryOptions { host: name.clone(), ..RegistryOptions::default() });
                let checked = RegistryOptions { login: secret.login.clone(), ..same }.check(&limits)?;
                with_secrets.insert((name.clone(), secret.name.clone()), host.beside(checked)?);
            }
        }
        Ok(Self { hosts, with_secrets, limits })
    }

    /// Tells whether the image's registry may be asked: it is configured, or one of [`PUBLIC_REGISTRIES`].
    pub fn is_configured(&self, image: &ImageName) -> bool {
        self.hosts.contains_key(image.registry())
    }

    /// Lists the tags of a repository, over all pages.
    ///
    /// # Errors
    /// Any [`RegistryError`] but `BadManifest` and `Settings`. A list that is not whole is an error, unless one of our
    /// own limits cut it; then `truncated` says which.
    pub async fn list_tags(&self, image: &ImageName) -> Result<Listing, RegistryError> {
        listing::list_tags(self.host(image)?, image, &self.limits).await
    }

    /// Gives the digest of the manifest that a tag names now; `None` if the registry has no such tag (404).
    ///
    /// # Errors
    /// Any [`RegistryError`] but `BadListing`, `NotFound` and `Settings`.
    pub async fn resolve_tag(&self, image: &ImageName, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        manifest::resolve_tag(self.host(image)?, image, tag, &self.limits).await
    }

    /// Reads what stands behind a digest: platforms, and the dates that are needed. What is known of it already is not
    /// asked again. `None` if the registry does not have it, or not all of it (404).
    ///
    /// # Errors
    /// Any [`RegistryError`] but `BadListing`, `NotFound` and `Settings`. Bytes that do not have the digest under which
    /// they were asked for are `BadManifest`.
    pub async fn describe(
        &self,
        image: &ImageName,
        digest: &Digest,
        needs: &Needs,
        known: Option<&Metadata>,
    ) -> Result<Option<Metadata>, RegistryError> {
        metadata::describe(self.host(image)?, image, digest, needs, known, &self.limits).await
    }

    /// Gives how many requests were sent to each registry that was asked, its token service and redirects included.
    pub fn requests(&self) -> BTreeMap<&str, u64> {
        let counts = self.hosts.iter().map(|(name, host)| (name.as_str(), host.requests()));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    fn host(&self, image: &ImageName) -> Result<&Host, RegistryError> {
        let host = match image.pull_secret() {
            // Without that secret it is not asked: an anonymous answer is another one.
            Some(name) => self.with_secrets.get(&(image.registry().to_owned(), name.to_owned())),
            None => self.hosts.get(image.registry()),
        };
        host.ok_or_else(|| RegistryError::Unconfigured { image: image.clone() })
    }
}
