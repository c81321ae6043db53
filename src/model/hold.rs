//! What people stop and let through for a while: holds, freezes and overrides, as `.repin/holds.yaml` of a repository has
//! them. Git is the only database, so who did it and why stands in a commit as well.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::model::rule::Glob;

/// Where holds stand in a repository, on its own branch.
pub const HOLDS_FILE: &str = ".repin/holds.yaml";

/// Clocks of people and of this machine differ by less.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(10);

/// What a hold is about; all conditions that are given must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scope {
    /// Name of the configured repository that would be written.
    pub repository: Option<Glob>,
    /// The environment that the rules give.
    pub environment: Option<Glob>,
    /// The service.
    pub service: Option<Glob>,
    /// Application: its name, or `namespace/name` if the glob holds a `/`.
    pub application: Option<Glob>,
    /// The alias of an image.
    pub alias: Option<Glob>,
}

impl Scope {
    /// The names of the conditions, as the file has them, with what is asked for.
    pub fn conditions(&self) -> [(&'static str, Option<&Glob>); 5] {
        [
            ("repository", self.repository.as_ref()),
            ("environment", self.environment.as_ref()),
            ("service", self.service.as_ref()),
            ("application", self.application.as_ref()),
            ("alias", self.alias.as_ref()),
        ]
    }
}

/// The conditions in words: `environment production, application web`, or `everything`.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.conditions().into_iter().filter_map(|(name, glob)| Some(format!("{name} {}", glob?)));
        let given: Vec<String> = given.collect();
        if given.is_empty() { f.write_str("everything") } else { f.write_str(&given.join(", ")) }
    }
}

/// What an entry does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HoldKind {
    /// One service or Application stands still: its open pull requests are closed.
    Hold,
    /// A whole environment, repository or everything stands still: open pull requests stay, and are not merged by themselves.
    Freeze,
    /// Break-glass: windows, freezes, holds, soak and limits do not count. Guards do.
    Override,
}

impl HoldKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hold, Self::Freeze, Self::Override];

    /// Gives the word of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Freeze => "freeze",
            Self::Override => "override",
        }
    }
}

/// One entry of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hold {
    /// What it does.
    pub kind: HoldKind,
    /// What it is about.
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub actor: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; none = until it is taken out. An override always has one.
    pub until: Option<Timestamp>,
    /// Line of the file, from 1.
    pub line: u64,
}

impl fmt::Display for HoldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Hold {
    /// Tells whether it counts at this instant. What stops counts at once if it was written by a clock that is a little ahead;
    /// what lets through does not.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        let ahead = if self.kind == HoldKind::Override { SignedDuration::ZERO } else { CLOCKS_DIFFER };
        let has_begun = self.since.checked_sub(ahead).is_ok_and(|begin| begin <= now) || self.since <= now;
        has_begun && self.until.is_none_or(|until| now < until)
    }
}

/// A place, as holds see it.
#[derive(Clone, Copy, Debug)]
pub struct HeldPlace<'a> {
    /// Name of the configured repository that would be written.
    pub repository: &'a str,
    /// The environment that the rules give.
    pub environment: Option<&'a str>,
    /// The service.
    pub service: &'a str,
    /// The Application's namespace.
    pub namespace: &'a str,
    /// The Application's name.
    pub application: &'a str,
    /// The alias of the image.
    pub alias: &'a str,
}

impl Scope {
    /// Tells whether all conditions hold. A place without an environment is in none.
    pub fn is_match(&self, place: &HeldPlace<'_>) -> bool {
        let holds = |glob: &Option<Glob>, text: &str| glob.as_ref().is_none_or(|glob| glob.is_match(text));
        let environment = |glob: &Glob| place.environment.is_some_and(|environment| glob.is_match(environment));
        let application = |glob: &Glob| {
            if glob.as_str().contains('/') {
                glob.is_match(&format!("{}/{}", place.namespace, place.application))
            } else {
                glob.is_match(place.application)
            }
        };
        holds(&self.repository, place.repository)
            && self.environment.as_ref().is_none_or(environment)
            && holds(&self.service, place.service)
            && self.application.as_ref().is_none_or(application)
            && holds(&self.alias, place.alias)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        let mut scope = Scope::default();
        for pair in text.split_whitespace() {
            let (key, glob) = pair.split_once('=').unwrap();
            let glob = Some(glob.parse().unwrap());
            match key {
                "repository" => scope.repository = glob,
                "environment" => scope.environment = glob,
                "service" => scope.service = glob,
                "application" => scope.application = glob,
                "alias" => scope.alias = glob,
                other => unreachable!("{other}"),
            }
        }
        scope
    }

    #[test]
    fn all_conditions_must_be_met() {
        let place = HeldPlace {
            repository: "gitops",
            environment: Some("production"),
            service: "web",
            namespace: "argocd",
            application: "web-production",
            alias: "app",
        };
        for (text, expected, words) in [
            ("", true, "everything"),
            ("environment=production", true, "environment production"),
            ("environment=prod*", true, "environment prod*"),
            ("environment=staging", false, "environment staging"),
            (
                "repository=gitops environment={staging,production}",
                true,
                "repository gitops, environment {staging,production}",
            ),
            ("repository=other environment=production", false, "repository other, environment production"),
            ("service=web alias=app", true, "service web, alias app"),
            ("service=web alias=proxy", false, "service web, alias proxy"),
            ("application=web-production", true, "application web-production"),
            ("application=web-*", true, "application web-*"),
            ("application=web", false, "application web"),
            ("application=argocd/web-*", true, "application argocd/web-*"),
            ("application=*/web-production", true, "application */web-production"),
            ("application=team/web-*", false, "application team/web-*"),
        ] {
            assert_eq!((scope(text).is_match(&place), scope(text).to_string()), (expected, words.to_owned()), "{text}");
        }
        let unknown = HeldPlace { environment: None, ..place };
        for text in ["environment=*", "environment=**"] {
            assert!(!scope(text).is_match(&unknown), "{text}");
        }
        assert!(scope("").is_match(&unknown));
    }

    #[test]
    fn an_entry_counts_from_its_time_to_its_end() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let hold = |kind: HoldKind, until: Option<&str>| Hold {
            kind,
            scope: Scope::default(),
            reason: "r".into(),
            actor: "a".into(),
            since: at("2026-03-30T08:00:00Z"),
            until: until.map(at),
            line: 1,
        };
        let until = Some("2026-03-30T10:00:00Z");
        for (until, now, stops, lets_through) in [
            // A clock that is ten minutes ahead wrote what stops.
            (until, "2026-03-30T07:49:59Z", false, false),
            (until, "2026-03-30T07:50:00Z", true, false),
            (until, "2026-03-30T07:59:59Z", true, false),
            (until, "2026-03-30T08:00:00Z", true, true),
            (until, "2026-03-30T09:59:59.999Z", true, true),
            (until, "2026-03-30T10:00:00Z", false, false),
            (None, "2036-03-30T08:00:00Z", true, true),
        ] {
            for (kind, expected) in
                [(HoldKind::Freeze, stops), (HoldKind::Hold, stops), (HoldKind::Override, lets_through)]
            {
                assert_eq!(hold(kind, until).is_in_force(at(now)), expected, "{kind} {until:?} at {now}");
            }
        }
    }
}
