//! From where a place takes its values: environments upstream, and how long they must have held them.

use std::fmt;
use std::str::FromStr;

/// The word that says that nothing is promoted, where a rule would.
pub const NONE: &str = "none";

/// Of several upstreams, how many must hold a value.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Quorum {
    /// All of them.
    #[default]
    All,
    /// One of them; of those that are through, the first in the list counts.
    Any,
}

/// One environment upstream.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Upstream {
    /// The environment.
    pub environment: String,
    /// The Application there, by name; none = that of the same service.
    pub application: Option<String>,
}

/// `promote-from`: the only candidate is what these environments' Git holds.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Promotion {
    /// How many of them must hold it.
    pub quorum: Quorum,
    /// At least one, each once, in the order of the text.
    pub upstreams: Vec<Upstream>,
}

/// Why a text says no promotion.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{rule}")]
pub struct PromotionError {
    /// The rule it breaks.
    pub rule: String,
}

impl FromStr for Promotion {
    type Err = PromotionError;

    /// Reads `[all:|any:]<environment>[/<application>][,…]`.
    fn from_str(text: &str) -> Result<Self, PromotionError> {
        let fail = |rule: &str| Err(PromotionError { rule: rule.to_owned() });
        let (quorum, list) = match text.trim().split_once(':') {
            Some(("all", rest)) => (Quorum::All, rest),
            Some(("any", rest)) => (Quorum::Any, rest),
            Some(_) => return fail("in front of a `:` stands `all` or `any`"),
            None => (Quorum::All, text),
        };
        let mut upstreams: Vec<Upstream> = Vec::new();
        for entry in list.split([',', '\n']).map(str::trim) {
            let (environment, application) = match entry.split_once('/') {
                Some((environment, application)) => (environment, Some(application)),
                None => (entry, None),
            };
            let is_name = |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '/');
            if !is_name(environment) || !application.is_none_or(is_name) {
                return fail("an upstream is an environment, or `<environment>/<application>`");
            }
            if environment == NONE {
                return fail("`none` stands alone");
            }
            let upstream =
                Upstream { environment: environment.to_owned(), application: application.map(str::to_owned) };
            if upstreams.contains(&upstream) {
                return fail("each upstream is named once");
            }
            upstreams.push(upstream);
        }
        Ok(Self { quorum, upstreams })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.application {
            Some(application) => write!(f, "{}/{application}", self.environment),
            None => f.write_str(&self.environment),
        }
    }
}

impl fmt::Display for Promotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.upstreams.iter().map(ToString::to_string).collect();
        match self.quorum {
            Quorum::Any if names.len() > 1 => write!(f, "any:{}", names.join(",")),
            Quorum::All | Quorum::Any => f.write_str(&names.join(",")),
        }
    }
}
