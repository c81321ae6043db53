//! Layouts of GitOps repositories with dev, staging and production, and what happens in them.
//!
//! Commits have the real time; what must have been for a while is looked at with a later clock.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use repin::model::forge::{ForgeKind, MergeMethod};
use serde_json::Value;

use crate::forge::{FakeForge, Seen};
use crate::remote::{BareRemote, NewCommit};
use crate::table::verdict;
use crate::world::{Said, World};

/// How a GitOps repository is laid out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Layout {
    /// `clusters/<cluster>/apps/<app>/{deployment,kustomization}.yaml`, an ApplicationSet for each cluster.
    Clusters,
    /// `services/<name>/values-{dev,staging,prod}.yaml` with one chart.
    Values,
    /// Production in a repository of its own, where only pull requests get onto `main`.
    Locked,
}

/// The hours after the beginning at which production's window opens, and how many it lasts.
const WINDOW: (i64, i64) = (48, 4);

/// A layout with its repositories, a registry, and a forge before the repository that holds production.
pub struct Landscape<'w> {
    pub world: &'w World,
    pub forge: FakeForge,
    locked: Option<BareRemote>,
    layout: Layout,
    begin: Timestamp,
}

impl<'w> Landscape<'w> {
    /// Makes a landscape without services.
    pub fn open(layout: Layout, world: &'w World) -> Self {
        let locked = (layout == Layout::Locked).then(BareRemote::create);
        let forge = FakeForge::start(ForgeKind::GitHub, locked.as_ref().unwrap_or(&world.remote));
        let landscape = Self { world, forge, locked, layout, begin: Timestamp::now() };
        landscape.world.configure(&landscape.configuration());
        let sets = landscape.sets();
        let of = |is_production: bool| -> Vec<(&str, &str)> {
            let meant = sets.iter().filter(|(production, ..)| *production == is_production);
            meant.map(|(_, path, text)| (path.as_str(), text.as_str())).collect()
        };
        landscape.world.remote.commit(&of(false), "Add the sets");
        match &landscape.locked {
            Some(locked) => drop(locked.commit(&of(true), "Add the set")),
            None => drop(landscape.world.remote.commit(&of(true), "Add the set of production")),
        }
        if let Some(locked) = &landscape.locked {
            locked.install_hook(
                "update",
                "if [ \"$1\" = refs/heads/main ]; then echo 'main takes pull requests only' >&2; exit 1; fi",
            );
        }
        landscape
    }

    /// The environments in their order.
    pub fn environments(&self) -> [&'static str; 3] {
        match self.layout {
            Layout::Values => ["dev", "staging", "prod"],
            Layout::Clusters | Layout::Locked => ["dev", "staging", "production"],
        }
    }

    fn production(&self) -> &'static str {
        self.environments()[2]
    }

    /// The repository in which production stands.
    pub fn home(&self) -> &BareRemote {
        self.locked.as_ref().unwrap_or(&self.world.remote)
    }

    fn remote_of(&self, environment: &str) -> &BareRemote {
        if environment == self.production() { self.home() } else { &self.world.remote }
    }

    /// The file in which the tag of a service stands.
    pub fn path(&self, environment: &str, service: &str) -> String {
        match self.layout {
            Layout::Clusters => format!("clusters/{environment}/apps/{service}/deployment.yaml"),
            Layout::Values => format!("services/{service}/values-{environment}.yaml"),
            Layout::Locked if environment == self.production() => format!("services/{service}/kustomization.yaml"),
            Layout::Locked => format!("envs/{environment}/{service}/kustomization.yaml"),
        }
    }

    /// The files of a service in one environment.
    fn files(&self, environment: &str, service: &str, tag: &str) -> Vec<(String, String)> {
        let (path, image) = (self.path(environment, service), self.world.image(service));
        let deployment = |image: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {service}\nspec:\n  template:\n    spec:\n      containers:\n      - name: app # the only one\n        image: {image}\n"
            )
        };
        let beside = |name: &str| format!("{}/{name}", path.rsplit_once('/').unwrap().0);
        match self.layout {
            Layout::Clusters => vec![
                (path.clone(), deployment(&format!("{image}:{tag}"))),
                (beside("kustomization.yaml"), "resources: [deployment.yaml]\n".to_owned()),
            ],
            Layout::Values => vec![(
                path,
                format!(
                    "# {service} in {environment}\nimage:\n  repository: {image}\n  tag: \"{tag}\"\n\nreplicas: 2\n"
                ),
            )],
            Layout::Locked => vec![
                (
                    path.clone(),
                    format!(
                        "resources: [deployment.yaml]\nimages:\n  # who runs\n  - name: {image}\n    newTag: \"{tag}\"\n"
                    ),
                ),
                (beside("deployment.yaml"), deployment(&image)),
            ],
        }
    }

    /// The ApplicationSets, and whether each is of production: nothing in them speaks of a service.
    fn sets(&self) -> Vec<(bool, String, String)> {
        let set = |name: &str, url: &str, generators: &str, metadata: &str, source: &str| {
            format!(
                "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata:\n  name: {name}\n  namespace: argocd\nspec:\n  goTemplate: true\n  goTemplateOptions: [missingkey=error]\n  generators:\n{generators}  template:\n    metadata:\n{metadata}    spec:\n      project: default\n      source:\n        repoURL: {url}\n        targetRevision: main\n{source}"
            )
        };
        let directories = |url: &str, glob: &str| {
            format!("- git: {{repoURL: {url}, revision: HEAD, directories: [{{path: '{glob}'}}]}}\n")
        };
        let metadata = |environment: &str, prereleases: &str| {
            format!(
                "      name: '{{{{ .path.basename }}}}-{environment}'\n      annotations:\n        repin.dev/image-list: 'app={host}/acme/{{{{ .path.basename }}}}'\n        repin.dev/include-prereleases: '{prereleases}'\n",
                host = self.world.registry.host()
            )
        };
        let own = self.world.remote.url();
        if self.layout == Layout::Values {
            let generators = format!(
                "  - matrix:\n      generators:\n      {}      - list:\n          elements:\n          - {{env: dev, prereleases: 'true'}}\n          - {{env: staging, prereleases: 'false'}}\n          - {{env: prod, prereleases: 'false'}}\n",
                directories(&own, "services/*")
            );
            let source = "        path: charts/service\n        helm:\n          valueFiles: ['../../services/{{ .path.basename }}/values-{{ .env }}.yaml']\n";
            let text = set("services", &own, &generators, &metadata("{{ .env }}", "{{ .prereleases }}"), source);
            let chart = "apiVersion: v2\nname: service\nversion: 1.0.0\n".to_owned();
            return vec![
                (false, "argocd/services.yaml".to_owned(), text),
                (true, "charts/service/Chart.yaml".to_owned(), chart),
            ];
        }
        let of = |environment: &&str| {
            let is_production = *environment == self.production();
            let url = self.remote_of(environment).url();
            let glob = self.path(environment, "*").rsplit_once('/').unwrap().0.to_owned();
            let prereleases = if *environment == "dev" { "true" } else { "false" };
            let generators = format!("  {}", directories(&url, &glob));
            let source = "        path: '{{ .path.path }}'\n";
            let text = set(environment, &url, &generators, &metadata(environment, prereleases), source);
            (is_production, format!("argocd/{environment}.yaml"), text)
        };
        self.environments().iter().map(of).collect()
    }

    /// The configuration: no service is named in it.
    pub fn configuration(&self) -> String {
        let standard = self.world.standard_config();
        let (repositories, rest) = standard.split_once("registries:\n").unwrap();
        let (registries, _) = rest.split_once("rules:\n").unwrap();
        let locked = self
            .locked
            .as_ref()
            .map(|locked| format!("  - name: production\n    url: {}\n    branch: main\n", locked.url()));
        let rules = match self.layout {
            Layout::Clusters => "  - match: {path: \"clusters/{environment}/apps/{service}/**\"}\n",
            Layout::Values => "  - match: {path: \"services/{service}/values-{environment}.yaml\"}\n",
            Layout::Locked => {
                "  - match: {repository: gitops, path: \"envs/{environment}/{service}/**\"}\n  - match: {repository: production, path: \"services/{service}/**\"}\n    environment: production\n"
            }
        };
        let opens = (self.begin + SignedDuration::from_hours(WINDOW.0)).to_zoned(TimeZone::UTC);
        format!(
            "{repositories}{}{}registries:\n{registries}environments:\n  - name: dev\n    delivery: commit\n  - name: staging\n    delivery: commit\n  - name: {production}\n    delivery: pull-request\n    promote_from: staging\n    soak: 24h\n    windows: [office]\n    at_least: {{delivery: pull-request}}\nrules:\n{rules}windows:\n  - name: office\n    kind: allow\n    cron: \"{} {} {} {} *\"\n    duration: {}h\n    reason: people are there\n",
            locked.unwrap_or_default(),
            self.forge.settings(),
            opens.minute(),
            opens.hour(),
            opens.day(),
            opens.month(),
            WINDOW.1,
            production = self.production(),
        )
    }

    /// Adds a service with this tag everywhere: one new folder for each cluster or repository, and nothing else.
    pub fn add_service(&self, service: &str, tag: &str) {
        let config = std::fs::read_to_string(self.world.config()).unwrap();
        let (mut own, mut of_production) = (Vec::new(), Vec::new());
        for environment in self.environments() {
            let files = self.files(environment, service, tag);
            if environment == self.production() && self.locked.is_some() {
                of_production.extend(files)
            } else {
                own.extend(files)
            }
        }
        let message = format!("Add {service}");
        let changes: Vec<(&str, &str)> = own.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.world.remote.commit(&changes, &message);
        if !of_production.is_empty() {
            let changes: Vec<(&str, &str)> =
                of_production.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            let branch = format!("add-{service}");
            self.home().checkout("main");
            self.home().make(&NewCommit { branch: &branch, ..NewCommit::new(&changes, &message) });
            self.merge(self.forge.open(&branch, &message, "alice"));
        }
        assert_eq!(std::fs::read_to_string(self.world.config()).unwrap(), config);
        assert!(!config.contains(service), "{config}");
    }

    /// Takes a commit of production back, as people do there.
    pub fn revert(&self, commit: &str) {
        if self.locked.is_none() {
            self.world.remote.revert(commit);
            return;
        }
        self.home().checkout("main");
        self.home().work(&["revert", "--no-edit", commit]);
        self.home().push_work("revert");
        self.merge(self.forge.open("revert", "Revert it", "alice"));
    }

    /// Merges a pull request and gives the commit that came onto the base.
    pub fn merge(&self, number: u64) -> String {
        self.forge.merge(number, MergeMethod::Squash, "alice")
    }

    /// The tag of a service in an environment, as Git has it.
    pub fn tag(&self, environment: &str, service: &str) -> String {
        self.tag_at(environment, service, "main")
    }

    /// The same at a revision.
    pub fn tag_at(&self, environment: &str, service: &str, revision: &str) -> String {
        let text = self.remote_of(environment).show_at(revision, &self.path(environment, service));
        let before = match self.layout {
            Layout::Clusters => format!("image: {}:", self.world.image(service)),
            Layout::Values => "tag: ".to_owned(),
            Layout::Locked => "newTag: ".to_owned(),
        };
        let found = text.lines().find_map(|line| line.trim_start().strip_prefix(&before));
        found.unwrap_or_else(|| panic!("no tag: {text}")).trim_matches('"').to_owned()
    }

    /// The tags of a service in all environments.
    pub fn tags(&self, service: &str) -> [String; 3] {
        self.environments().map(|environment| self.tag(environment, service))
    }

    /// The digest that the commit says which brought what stands in an environment, or stands in a branch.
    pub fn digest(&self, environment: &str, service: &str, revision: &str) -> String {
        let path = self.path(environment, service);
        let message = self.remote_of(environment).git(&["log", "-1", "--format=%B", revision, "--", &path]);
        let change = message
            .lines()
            .find(|line| line.starts_with("Repin-Change: ") && line.contains(&format!("/acme/{service} ")));
        let change = change.unwrap_or_else(|| panic!("no change of {service}: {message}"));
        change.rsplit_once(' ').unwrap().1.to_owned()
    }

    /// Runs `once` so many hours after the beginning; 0 is now.
    pub fn once_after(&self, hours: i64) -> Said {
        self.said_after("once", hours)
    }

    pub fn said_after(&self, command: &str, hours: i64) -> Said {
        let now = (self.begin + SignedDuration::from_hours(hours)).max(Timestamp::now());
        self.world.repin(&[command, "--now", &now.to_string()])
    }

    /// When production's window opens.
    pub fn opens(&self) -> Timestamp {
        let seconds = (self.begin + SignedDuration::from_hours(WINDOW.0)).as_second();
        Timestamp::from_second(seconds - seconds.rem_euclid(60)).unwrap()
    }

    /// The outcome of a service in an environment.
    pub fn outcome<'v>(&self, said: &'v Said, environment: &str, service: &str) -> &'v Value {
        let path = self.path(environment, service);
        let list = said.json["outcomes"].as_array().unwrap_or_else(|| panic!("{said:#?}"));
        let found = list.iter().find(|one| one["environment"] == environment && one["file"] == path.as_str());
        found.unwrap_or_else(|| panic!("no outcome of {service} in {environment}: {said:#?}"))
    }

    /// `result code` of a service in all environments.
    pub fn verdicts(&self, said: &Said, service: &str) -> [String; 3] {
        self.environments().map(|environment| verdict(self.outcome(said, environment, service)))
    }

    /// The only open pull request.
    pub fn only(&self) -> Seen {
        let mut open = self.forge.open_pulls();
        assert_eq!(open.len(), 1, "{open:#?}");
        open.remove(0)
    }

    /// The heads of all branches of all repositories.
    pub fn refs(&self) -> String {
        [&self.world.remote, self.home()].map(|remote| remote.git(&["for-each-ref", "refs/heads"])).join("\n")
    }
}
