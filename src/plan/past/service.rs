//! Which service a place belongs to, and which Applications a name means: the one that bears it, or those of one service in
//! several environments.
//!
//! This is the one place that knows what a service is: what the rules say (`service`, or a capture of the path), else the
//! Application's name without `-<environment>` or `<environment>-`, where the rules give its place an environment.

use std::collections::BTreeSet;

use crate::model::names::ApplicationKey;
use crate::plan::{Snapshot, Subject};

/// One service, whatever environment it runs in.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Service {
    /// Namespace of its Applications, without the environment as well.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Gives the name of the service that a place belongs to.
pub fn service_of(subject: &Subject) -> String {
    Service::of(subject).name
}

impl Service {
    /// Gives the service that a place belongs to.
    pub fn of(subject: &Subject) -> Self {
        let key = &subject.tracked.application;
        let bare = |name: &str| without(name, subject.environment().unwrap_or_default()).to_owned();
        let said = subject.rule.as_ref().and_then(|rule| rule.service.clone());
        Self { namespace: bare(&key.namespace), name: said.unwrap_or_else(|| bare(&key.name)) }
    }

    /// Gives `namespace/name`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn is_named(&self, name: &str) -> bool {
        match name.split_once('/') {
            Some((namespace, name)) => self.namespace == namespace && self.name == name,
            None => self.name == name,
        }
    }
}

fn without<'n>(name: &'n str, environment: &str) -> &'n str {
    let stripped = || {
        let front = || name.strip_prefix(environment).and_then(|rest| rest.strip_prefix('-'));
        name.strip_suffix(environment).and_then(|rest| rest.strip_suffix('-')).or_else(front)
    };
    if environment.is_empty() { name } else { stripped().filter(|rest| !rest.is_empty()).unwrap_or(name) }
}

/// The Applications that a name means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Meant {
    /// These.
    These(BTreeSet<ApplicationKey>),
    /// None; this one is called most like it.
    None {
        /// The nearest name, if there is any.
        nearest: Option<String>,
    },
}

/// Gives the Applications that bear a name exactly. If there are none, or `with_service`, those of the service of that name
/// count too.
pub fn meant(snapshot: &Snapshot, applications: &BTreeSet<ApplicationKey>, name: &str, with_service: bool) -> Meant {
    let mut found: BTreeSet<ApplicationKey> = applications.iter().filter(|key| key.is_named(name)).cloned().collect();
    if found.is_empty() || with_service {
        found.extend(of_service(snapshot, name));
    }
    if found.is_empty() { Meant::None { nearest: nearest(applications, name) } } else { Meant::These(found) }
}

fn of_service(snapshot: &Snapshot, name: &str) -> BTreeSet<ApplicationKey> {
    let is_it = |subject: &&std::sync::Arc<Subject>| Service::of(subject).is_named(name);
    snapshot.subjects.iter().filter(is_it).map(|subject| subject.tracked.application.clone()).collect()
}

/// Gives the name that is most like one that is not there.
fn nearest(applications: &BTreeSet<ApplicationKey>, name: &str) -> Option<String> {
    let alike = |key: &ApplicationKey| {
        let of = |known: &str| strsim::jaro_winkler(known, name);
        of(&key.name).max(of(&key.label()))
    };
    let best = applications.iter().map(|key| (alike(key), key)).max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, key)| key.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_the_name_without_its_environment() {
        for (name, environment, expected) in [
            ("web-staging", "staging", "web"),
            ("staging-web", "staging", "web"),
            ("web-staging", "production", "web-staging"),
            ("web", "staging", "web"),
            ("staging", "staging", "staging"),
            ("-staging", "staging", "-staging"),
            ("webstaging", "staging", "webstaging"),
            ("web-staging-staging", "staging", "web-staging"),
            ("web-eu-prod", "eu-prod", "web"),
            ("web-", "", "web-"),
        ] {
            assert_eq!(without(name, environment), expected, "{name} in {environment}");
        }
    }
}
