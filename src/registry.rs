//! Registries: which tags a repository has, and which manifest a tag names.
//!
//! A client for looking only; it never pulls an image and never writes. Nothing of a registry is believed that was not
//! checked: only legal tags leave this module, a list is whole or an error, and no request and no credential goes to a
//! host that the operator did not name or the rules of `trust` do not allow.
//! Spec: OCI Distribution 1.1; Docker's token specification for Bearer tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::metadata::{Metadata, Needs};
use crate::model::names::Digest;
use crate::model::names::ImageName;
use crate::model::names::Tag;
use crate::registry::host::Host;

mod answer;
mod challenge;
mod document;
mod error;
mod exchange;
mod host;
mod listing;
mod login;
mod manifest;
mod metadata;
mod options;
mod pace;
mod probe;
mod proof;
mod public;
mod signature;
mod standing;
mod token;
mod trust;
mod wire;

pub use self::error::RegistryError;
pub use self::listing::{Listing, Truncation};
pub use self::login::{
    Absent, AzureOptions, Description, DockerOptions, EcrOptions, GoogleOptions, Login, LoginError, Source, StaticKeys,
    Target, Variables, is_endpoint,
};
pub use self::manifest::{Last, Named};
pub use self::options::{CONCURRENCY, Limits, Options, PullSecretOptions, RegistryOptions};
pub use self::pace::Traffic;
pub use self::probe::Probe;
pub use self::public::{PUBLIC_REGISTRIES, PublicRegistry};
pub use self::signature::{Fingerprint, KeyError, NamedKeys, PublicKey, Verdict};

/// All registries that may be asked.
#[derive(Default)]
pub struct Registries {
    hosts: BTreeMap<String, Arc<Host>>,
    /// The same hosts with pull secrets, by the host and the secret's name.
    with_secrets: BTreeMap<(String, String), Arc<Host>>,
}

impl Registries {
    /// Checks the settings and makes the clients. Nothing is sent yet.
    ///
    /// # Errors
    /// `Settings` names the first registry whose settings cannot be used, or that is there twice.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        Self::default().renewed(options)
    }

    /// The same with other settings. Registries whose settings did not change keep their connections, tokens and pauses.
    ///
    /// # Errors
    /// As [`Registries::new`].
    pub fn renewed(&self, options: Options) -> Result<Self, RegistryError> {
        let Options { registries, pull_secrets, login, limits } = options;
        let mut hosts: BTreeMap<String, Arc<Host>> = BTreeMap::new();
        for settings in &registries {
            let host = self.host_of(settings, &limits)?;
            let name = host.name().to_owned();
            if hosts.insert(name.clone(), host).is_some() {
                let rule = "each host stands there once".to_owned();
                return Err(RegistryError::Settings { registry: name, rule });
            }
        }
        for public in PUBLIC_REGISTRIES {
            if !hosts.contains_key(public.host) {
                let (host, login) = (public.host.to_owned(), login.clone());
                let settings = RegistryOptions { host, login, ..RegistryOptions::default() };
                hosts.insert(public.host.to_owned(), self.host_of(&settings, &limits)?);
            }
        }
        let mut with_secrets = BTreeMap::new();
        for secret in pull_secrets {
            for name in &secret.registries {
                // A registry that is not configured is asked nothing, with or without a secret.
                let Some(host) = hosts.get(name) else { continue };
                let settings = host.with_login(secret.login.clone());
                let key = (name.clone(), secret.name.clone());
                let known = self.with_secrets.get(&key).filter(|known| known.is_made_of(&settings, &limits));
                let known = known.filter(|known| known.shares_wire_with(host)).cloned();
                let made = known.map_or_else(|| host.beside(settings).map(Arc::new), Ok)?;
                with_secrets.insert(key, made);
            }
        }
        Ok(Self { hosts, with_secrets })
    }

    fn host_of(&self, settings: &RegistryOptions, limits: &Limits) -> Result<Arc<Host>, RegistryError> {
        let mut all = self.hosts.values();
        match all.find(|known| known.is_made_of(settings, limits)) {
            Some(known) => Ok(known.clone()),
            None => Host::new(settings.clone(), limits).map(Arc::new),
        }
    }

    /// Begins a cycle: what each registry may be asked in one is there again.
    pub fn begin_cycle(&self) {
        self.hosts.values().chain(self.with_secrets.values()).for_each(|host| host.begin());
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
        listing::list_tags(self.host(image)?, image).await
    }

    /// Gives the digest of the manifest that a tag names now; `None` if the registry has no such tag (404).
    ///
    /// # Errors
    /// Any [`RegistryError`] but `BadListing`, `NotFound` and `Settings`.
    pub async fn resolve_tag(&self, image: &ImageName, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        let host = self.host(image)?;
        manifest::resolve_tag(host, image, tag, host.limits()).await
    }

    /// Looks at a tag: reads its manifest if nothing is known of it, which [`Registries::describe`] then need not ask for
    /// again; else asks whether it names another digest than before, without reading it. `None` if the registry has no
    /// such tag (404).
    ///
    /// # Errors
    /// Any [`RegistryError`] but `BadListing`, `NotFound` and `Settings`.
    pub async fn open_tag(
        &self,
        image: &ImageName,
        tag: &Tag,
        last: Option<Last<'_>>,
    ) -> Result<Option<Named>, RegistryError> {
        let host = self.host(image)?;
        manifest::open_tag(host, image, tag, last, host.limits()).await
    }

    /// Reads what stands behind a tag or a digest: platforms, labels, and the dates that are needed. What is known of it
    /// already is not asked again. `None` if the registry does not have it, or not all of it (404).
    ///
    /// # Errors
    /// Any [`RegistryError`] but `BadListing`, `NotFound` and `Settings`. Bytes that do not have the digest under which
    /// they were asked for are `BadManifest`.
    pub async fn describe(
        &self,
        image: &ImageName,
        named: &Named,
        needs: &Needs,
        known: Option<&Metadata>,
    ) -> Result<Option<Metadata>, RegistryError> {
        let host = self.host(image)?;
        metadata::describe(host, image, named, needs, known, host.limits()).await
    }

    /// Reads what an image says of its sources, of one build only, with three requests at most; what is known of the digest
    /// is not asked again, and comes back with that build read. `None` if the registry does not have it, or not all of it
    /// (404).
    ///
    /// # Errors
    /// As [`Registries::describe`].
    pub async fn describe_one(
        &self,
        image: &ImageName,
        named: &Named,
        known: Option<&Metadata>,
    ) -> Result<Option<Metadata>, RegistryError> {
        let host = self.host(image)?;
        metadata::describe_one(host, image, named, known, host.limits()).await
    }

    /// Looks for signatures of a digest in the image's repository, and says for each name which of its keys signed it, or
    /// why the image does not count as signed.
    ///
    /// # Errors
    /// Any [`RegistryError`] but `BadListing`, `BadManifest`, `NotFound` and `Settings`, if it is not known whether every
    /// name signed. What a repository holds is no error, whatever it is.
    pub async fn verify(
        &self,
        image: &ImageName,
        digest: &Digest,
        keys: &[NamedKeys<'_>],
    ) -> Result<Vec<Verdict>, RegistryError> {
        signature::verify(self.host(image)?, image, digest, keys).await
    }

    /// Gives how many requests may be under way at a registry, by its host.
    pub fn concurrency(&self, host: &str) -> usize {
        self.hosts.get(host).map_or(CONCURRENCY, |host| host.concurrency())
    }

    /// Tells whether a registry, by its host, may be sent so many requests only in one cycle.
    pub fn is_rationed(&self, host: &str) -> bool {
        self.hosts.get(host).is_some_and(|host| host.is_rationed())
    }

    /// Gives what each registry was asked so far that was asked anything.
    pub fn traffic(&self) -> BTreeMap<&str, Traffic> {
        let all = self.hosts.iter().map(|(name, host)| (name.as_str(), host.traffic()));
        all.filter(|(_, traffic)| traffic.requests > 0 || !traffic.pause.is_zero()).collect()
    }

    /// Gives how many requests were sent in all, those to token services and redirects included.
    pub fn requests(&self) -> u64 {
        self.hosts.values().map(|host| host.traffic().requests).sum()
    }

    /// Asks a registry whether it takes the credentials that are used for this image, or, where the name has no repository
    /// ([`ImageName::of_registry`]), for the registry itself.
    ///
    /// # Errors
    /// `Unconfigured`; nothing was asked.
    pub async fn probe(&self, image: &ImageName) -> Result<Probe, RegistryError> {
        Ok(self.host(image)?.probe(image).await)
    }

    fn host(&self, image: &ImageName) -> Result<&Host, RegistryError> {
        let host = match image.pull_secret() {
            // Without that secret it is not asked: an anonymous answer is another one.
            Some(name) => self.with_secrets.get(&(image.registry().to_owned(), name.to_owned())),
            None => self.hosts.get(image.registry()),
        };
        host.map(Arc::as_ref).ok_or_else(|| RegistryError::Unconfigured { image: image.clone() })
    }
}
