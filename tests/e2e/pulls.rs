//! Pull requests that behave: the same stories on every forge. People merge, close, commit and label; every cycle is a new
//! process with nothing but the remote, the forge and, mostly, a cache.

mod asking;
mod closing;
mod faults;
mod gates;
mod news;
mod people;
mod proxy;
mod release;
mod telling;

use std::process::{Child, Command, Output, Stdio};

use repin::model::forge::ForgeKind;
use serde_json::Value;

use crate::forge::{FakeForge, Request, Seen};
use crate::pulls::proxy::Proxy;
use crate::world::{App, Said, World, said};

/// A world with a forge in front of its remote, where everything below `apps/` is delivered by pull request.
pub struct Shop {
    pub world: World,
    pub forge: FakeForge,
    /// Holds what is said to the forge and by it against the vendor's document, where that is asked for.
    proxy: Option<Proxy>,
}

/// Runs each story on each kind of forge.
macro_rules! on_all_forges {
    ($($story:ident),* $(,)?) => {
        mod github {
            $(#[test] fn $story() { super::$story(&crate::pulls::Shop::open(repin::model::forge::ForgeKind::GitHub)); })*
        }
        mod gitlab {
            $(#[test] fn $story() { super::$story(&crate::pulls::Shop::open(repin::model::forge::ForgeKind::GitLab)); })*
        }
        mod gitea {
            $(#[test] fn $story() { super::$story(&crate::pulls::Shop::open(repin::model::forge::ForgeKind::Gitea)); })*
        }
    };
}
pub(crate) use on_all_forges;

/// What the rule says besides.
pub struct Wishes<'a> {
    /// Lines below `pull_request` of the rule.
    pub rule: &'a [&'a str],
    /// Lines of the repository.
    pub repository: &'a [&'a str],
    /// Lines of its forge.
    pub forge: &'a [&'a str],
    /// Lines of the whole file.
    pub top: &'a [&'a str],
    /// `delivery` of the rule.
    pub delivery: &'a str,
}

impl Default for Wishes<'_> {
    fn default() -> Self {
        Self { rule: &[], repository: &[], forge: &[], top: &[], delivery: "pull-request" }
    }
}

impl Shop {
    /// A world without Applications.
    pub fn open(kind: ForgeKind) -> Self {
        let world = World::create();
        let forge = FakeForge::start(kind, &world.remote);
        let proxy = Proxy::before(&forge);
        let shop = Self { world, forge, proxy };
        shop.wish(&Wishes::default());
        shop
    }

    /// Writes the configuration.
    pub fn wish(&self, wishes: &Wishes<'_>) {
        self.world.configure(&self.configuration(wishes));
    }

    pub fn configuration(&self, wishes: &Wishes<'_>) -> String {
        let lines =
            |indent: &str, lines: &[&str]| -> String { lines.iter().map(|line| format!("{indent}{line}\n")).collect() };
        let standard = self.world.standard_config();
        let (repositories, rules) = standard.split_once("registries:\n").unwrap();
        let rules = rules.replace("environment: dev", "environment: production");
        let rules = rules.replace("delivery: commit", &format!("delivery: {}", wishes.delivery));
        let pull_request = match wishes.rule {
            [] => String::new(),
            some => format!("    pull_request:\n{}", lines("      ", some)),
        };
        let forge = match &self.proxy {
            Some(proxy) => self.forge.settings().replace(&self.forge.api_url(), &proxy.url()),
            None => self.forge.settings(),
        };
        format!(
            "{}{repositories}{forge}{}{}registries:\n{rules}{pull_request}",
            lines("", wishes.top),
            lines("      ", wishes.forge),
            lines("    ", wishes.repository)
        )
    }

    /// Adds `web` with tag 1.0.0, and these tags in the registry.
    pub fn add_web(&self, tags: &[&str]) {
        self.world.add_web(tags);
    }

    /// Adds an Application with tag 1.0.0 in Git and these tags in the registry.
    pub fn add(&self, name: &str, tags: &[&str], annotations: &[&str]) {
        self.world.registry.publish(&format!("acme/{name}"), tags);
        self.world.add_app(&App { name, constraint: "", annotations }, "1.0.0");
    }

    pub fn publish(&self, name: &str, tags: &[&str]) {
        self.world.registry.publish(&format!("acme/{name}"), tags);
    }

    pub fn once(&self) -> Said {
        self.world.repin(&["once"])
    }

    /// Runs `once` and gives the outcome of `web`.
    pub fn cycle(&self) -> Value {
        self.cycle_of("web")
    }

    pub fn cycle_of(&self, name: &str) -> Value {
        let said = self.once();
        outcome(&said, name)
    }

    /// Runs `once` at a time of the decision's clock.
    pub fn cycle_at(&self, time: &str) -> Value {
        outcome(&self.world.repin(&["once", "--now", time]), "web")
    }

    /// Runs `once` for `web`, which must give this result and code.
    pub fn expect(&self, result: &str, code: &str) -> Value {
        let outcome = self.cycle();
        assert_eq!((&outcome["result"], &outcome["code"]), (&result.into(), &code.into()), "{outcome:#}");
        outcome
    }

    /// The only open pull request.
    pub fn only(&self) -> Seen {
        let mut open = self.forge.open_pulls();
        assert_eq!(open.len(), 1, "{open:#?}");
        open.remove(0)
    }

    /// The pull request that the cycle opened first, open and up to date.
    pub fn proposed(&self, tags: &[&str]) -> Seen {
        self.add_web(tags);
        self.expect("delivered", "delivered");
        self.only()
    }

    /// The tag of `web` on a branch.
    pub fn tag_on(&self, branch: &str) -> String {
        let text = self.world.remote.show_at(branch, "apps/web/values.yaml");
        let line = text.lines().find(|line| line.trim_start().starts_with("tag:")).unwrap();
        line.split_once(':').unwrap().1.trim().trim_matches('"').to_owned()
    }

    /// The branch holds exactly one commit on top of the head of `main`, with this tag.
    pub fn holds_one_commit(&self, pull: &Seen, tag: &str) {
        let remote = &self.world.remote;
        assert_eq!(remote.git(&["rev-list", "--count", &format!("main..{}", pull.head)]), "1");
        assert_eq!(remote.git(&["rev-parse", &format!("{}~1", pull.head)]), remote.head());
        assert_eq!(self.tag_on(&pull.head), tag);
    }

    /// Branches of pull requests on the remote.
    pub fn branches(&self) -> Vec<String> {
        let text = self.world.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/repin"]);
        text.lines().map(str::to_owned).collect()
    }

    /// The requests since the last clearing that change something.
    pub fn writes(&self) -> Vec<Request> {
        self.forge.requests().into_iter().filter(|request| request.method != "GET").collect()
    }

    /// A cycle that changes nothing: no writing request, no ref moved.
    pub fn is_quiet(&self) {
        let refs = || self.world.remote.git(&["for-each-ref", "refs/heads"]);
        let (before, pulls) = (refs(), self.forge.pulls());
        self.forge.clear_requests();
        self.once();
        assert_eq!(self.writes(), [], "a quiet cycle wrote");
        assert_eq!((refs(), self.forge.pulls()), (before, pulls));
    }

    /// Starts `once` of another instance, with a cache of its own.
    pub fn spawn(&self, cache: &str) -> Child {
        self.spawn_with(cache, &std::fs::read_to_string(self.world.config()).unwrap())
    }

    /// Starts `once` of an instance that is configured otherwise, with a cache of its own.
    pub fn spawn_with(&self, cache: &str, config: &str) -> Child {
        let other = self.world.config().with_file_name(format!("{cache}.yaml"));
        let own = self.world.cache().display().to_string();
        std::fs::write(&other, config.replace(&own, &format!("{own}-{cache}"))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
        command.args(["once", "--output", "json", "--config"]).arg(other);
        for name in
            ["REPIN_CONFIG", "REPIN_LOG", "REPIN_FAILPOINT", "http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"]
        {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs `once` until the failpoint ends it.
    pub fn killed_at(&self, point: &str) {
        let mut command = self.world.command(&["once", "--output", "json"]);
        let output: Output = command.env("REPIN_FAILPOINT", point).output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        assert_eq!(output.status.code(), None, "{point} was not reached: {output:?}");
    }
}

/// The outcome of an Application.
pub fn outcome(said: &Said, name: &str) -> Value {
    let outcomes = said.json["outcomes"].as_array().unwrap_or_else(|| panic!("{said:#?}"));
    let label = format!("argocd/{name}");
    let found = outcomes.iter().find(|outcome| outcome["application"] == label.as_str());
    found.unwrap_or_else(|| panic!("{said:#?}")).clone()
}

/// What a finished process said.
pub fn ended(child: Child) -> Said {
    said(&child.wait_with_output().unwrap())
}
