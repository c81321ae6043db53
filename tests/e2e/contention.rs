//! Two instances and three people push to one branch, and new tags appear every round: nothing is lost, nothing is done
//! twice, nobody forces, nobody starves.
//!
//! 50 rounds, and 1,000 with `REPIN_HEAVY=1` (`make test-heavy`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::git_http::{GitHttp, PASSWORD, USER, tls};
use crate::sshd::Sshd;
use crate::table::{self, PLAIN, Row, outcome, verdict};
use crate::world::{App, Said, World, said};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const INSTANCES: usize = 2;
const PEOPLE: usize = 3;
/// How often a cycle may push to one branch.
const TRIES: usize = 6;
const VARIABLE: &str = "REPIN_TEST_GIT_PASSWORD";

/// How the instances reach the remote.
struct Way<'a> {
    /// URL in the configuration.
    url: &'a str,
    /// More lines of the repository's entry.
    keys: &'a str,
}

/// Values with lines of people far below the tag, so that git can merge them.
fn values(world: &World, name: &str) -> String {
    let lines: String = (0..PEOPLE).map(|n| format!("# of person {n}\n\n\nperson{n}: 0\n\n\n")).collect();
    format!("{}\n\n\n{lines}", world.values(name, "1.0.0"))
}

fn world() -> World {
    let world = World::create();
    let mut files = Vec::new();
    for name in NAMES {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0"]);
        files.push((format!("argocd/{name}.yaml"), world.application(&App { name, constraint: "", annotations: &[] })));
        files.push((format!("apps/{name}/values.yaml"), values(&world, name)));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add");
    for (key, value) in [
        ("receive.denyNonFastForwards", "true"),
        ("receive.denyDeletes", "true"),
        ("core.logAllRefUpdates", "true"),
        ("gc.autoDetach", "false"),
    ] {
        world.remote.git(&["config", key, value]);
    }
    world
}

/// Configuration files of the instances, each with a cache of its own.
fn instances(world: &World, way: &Way<'_>) -> Vec<PathBuf> {
    let own = format!("    url: {}\n", world.remote.url());
    let config = world.standard_config();
    assert!(config.contains(&own), "{config}");
    let new = format!("    url: {}\n    also: [\"{}\"]\n{}", way.url, world.remote.url(), way.keys);
    let config = config.replace(&own, &new);
    let write = |n: usize| {
        let file = world.remote.scratch().join(format!("repin-{n}.yaml"));
        let cache = world.remote.scratch().join(format!("cache-{n}")).display().to_string();
        std::fs::write(&file, config.replace(&world.cache().display().to_string(), &cache)).unwrap();
        file
    };
    (0..INSTANCES).map(write).collect()
}

fn once(world: &World, config: &Path) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
    command.args(["once", "--output", "json", "--config"]).arg(config);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", world.remote.scratch());
    said(&command.env("REPIN_LOG", "repin=debug").env(VARIABLE, PASSWORD).output().unwrap())
}

fn shell(world: &World, script: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", world.remote.scratch()).env("GIT_CONFIG_NOSYSTEM", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "P").env(format!("GIT_{role}_EMAIL"), "p@example.com");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

fn clone_of(world: &World, person: usize) -> String {
    world.remote.scratch().join(format!("person-{person}")).display().to_string()
}

/// The values file that a person edits in a round: the file of another person's edit, and of an instance's.
fn edited(person: usize, round: usize) -> &'static str {
    NAMES[(person + round) % NAMES.len()]
}

/// What a person does in a round: a line of a values file, or a note of their own.
fn kind(person: usize, round: usize) -> &'static str {
    if (person + round).is_multiple_of(3) { "notes" } else { "edits" }
}

/// A commit of a person, pushed without force, and rebased when somebody was faster.
fn work(world: &World, person: usize, round: usize) {
    let change = match kind(person, round) {
        "notes" => format!("echo {round} >> notes-{person}.txt"),
        _ => format!(
            "sed -i 's/^person{person}: .*/person{person}: {round}/' apps/{}/values.yaml",
            edited(person, round)
        ),
    };
    let script = format!(
        "set -e\ncd {clone}\n{change}\ngit add -A\ngit commit -qm 'person {person} {kind} in round {round}'\n\
         tries=0\nuntil git push -q origin HEAD:main 2>/dev/null; do\n  tries=$((tries + 1)); [ $tries -lt 100 ]\n  \
         git pull -q --rebase origin main\ndone",
        clone = clone_of(world, person),
        kind = kind(person, round),
    );
    shell(world, &script);
}

/// What the instances said over all rounds.
#[derive(Default)]
struct Tally {
    /// Commits that are said to be delivered, by instance.
    delivered: Vec<BTreeSet<String>>,
    lost_pushes: usize,
    /// Runs that gave up after their last try.
    given_up: usize,
}

impl Tally {
    fn take(&mut self, instance: usize, said: &Said) {
        let lost = said.talk.lines().filter(|line| line.contains("a head moved under a push")).count();
        assert!(lost <= TRIES, "{lost} lost pushes in one cycle: {}", said.talk);
        self.lost_pushes += lost;
        let outcomes = said.json["outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), NAMES.len(), "{said:#?}");
        let mut moved = 0;
        for outcome in outcomes {
            match (outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap()) {
                ("current", _) => {}
                ("delivered", _) => {
                    let commit = outcome["commit"].as_str().unwrap().to_owned();
                    assert!(self.delivered[instance].insert(commit), "{outcome:#} was delivered before");
                }
                (_, "git/moved") => moved += 1,
                _ => panic!("{said:#?}"),
            }
        }
        assert!(moved == 0 || lost == TRIES, "given up before the last try: {said:#?}");
        // One push for all: no Application waits for the others' luck.
        let here = outcomes.iter().filter(|outcome| outcome["result"] == "delivered").count();
        assert!(moved == 0 || here == 0, "some starved beside others: {said:#?}");
        self.given_up += usize::from(moved > 0);
    }
}

/// Runs the rounds and asserts what must hold at the end over the whole history.
fn contend(world: &World, way: &Way<'_>, rounds: usize) {
    let instances = instances(world, way);
    let first = world.remote.head();
    for person in 0..PEOPLE {
        shell(world, &format!("git clone -q {} {}", world.remote.url(), clone_of(world, person)));
    }
    let mut tally = Tally { delivered: vec![BTreeSet::new(); INSTANCES], ..Tally::default() };
    for round in 1..=rounds {
        for name in NAMES {
            world.registry.publish(&format!("acme/{name}"), &[&format!("1.0.{round}")]);
        }
        let runs: Vec<(usize, Said)> = std::thread::scope(|scope| {
            // Who begins takes turns.
            let order = (0..INSTANCES).map(|n| (n + round) % INSTANCES);
            let runs: Vec<_> = order
                .map(|n| {
                    (
                        n,
                        scope.spawn({
                            let config = &instances[n];
                            move || once(world, config)
                        }),
                    )
                })
                .collect();
            for person in 0..PEOPLE {
                scope.spawn(move || work(world, person, round));
            }
            runs.into_iter().map(|(n, run)| (n, run.join().unwrap())).collect()
        });
        runs.iter().for_each(|(instance, said)| tally.take(*instance, said));
    }
    let last = once(world, &instances[0]);
    assert_eq!(last.code, 0, "{last:#?}");
    tally.take(0, &last);
    for name in NAMES {
        assert_eq!(world.tag(name), format!("1.0.{rounds}"));
    }
    let again = once(world, &instances[1]);
    assert!(again.json["outcomes"].as_array().unwrap().iter().all(|one| one["result"] == "current"), "{again:#?}");

    let history = history(world);
    assert_sound(world, &history, rounds);
    let own: BTreeSet<String> =
        history.iter().filter(|commit| commit.is_own()).map(|commit| commit.id.clone()).collect();
    let said: BTreeSet<String> = tally.delivered.iter().flatten().cloned().collect();
    assert_eq!(said, own, "what is called delivered is on the branch, and nothing else");
    assert_eq!(tally.delivered.iter().map(BTreeSet::len).sum::<usize>(), own.len(), "two instances claim one commit");
    assert_no_force(world, &first, &history);
    world.remote.fsck();
    assert!(tally.given_up * 10 <= rounds, "{} of {rounds} rounds were given up", tally.given_up);
    if rounds >= 50 {
        assert!(tally.delivered.iter().all(|commits| !commits.is_empty()), "an instance starved");
        assert!(tally.lost_pushes > 0, "no push was ever lost: nobody contended");
    }
}

/// One commit of the branch with what it changed.
struct Commit {
    id: String,
    subject: String,
    message: String,
    /// Removed and added lines by file.
    files: BTreeMap<String, (Vec<String>, Vec<String>)>,
}

impl Commit {
    fn is_own(&self) -> bool {
        self.message.contains("\nRepin-Change: ")
    }
}

/// The branch along first parents, oldest first.
fn history(world: &World) -> Vec<Commit> {
    let format = "--format=%x01%H%x00%s%x00%B%x02";
    let text = world.remote.git(&["log", "--first-parent", "--reverse", "-p", "-U0", "--no-color", format, "main"]);
    let read = |commit: &str| {
        let (head, diff) = commit.split_once('\u{2}').unwrap();
        let mut fields = head.split('\0').map(str::to_owned);
        let (id, subject, message) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
        let mut files: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
        let mut file = String::new();
        for line in diff.lines() {
            if let Some(path) = line.strip_prefix("+++ b/") {
                path.clone_into(&mut file);
            } else if line.starts_with("---") || line.starts_with("+++") {
            } else if let Some(removed) = line.strip_prefix('-') {
                files.entry(file.clone()).or_default().0.push(removed.to_owned());
            } else if let Some(added) = line.strip_prefix('+') {
                files.entry(file.clone()).or_default().1.push(added.to_owned());
            }
        }
        Commit { id, subject, message, files }
    };
    text.split('\u{1}').skip(1).map(read).collect()
}

fn tag_of(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("tag: \"")?.strip_suffix('"')
}

/// Replays the whole history: every commit does what it says, from what stood there.
fn assert_sound(world: &World, history: &[Commit], rounds: usize) {
    let mut standing: BTreeMap<String, String> = BTreeMap::new();
    let mut written = BTreeSet::new();
    let mut people: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, commit) in history.iter().enumerate() {
        let named = || format!("{} {}: {:?}", commit.id, commit.subject, commit.files);
        if at == 0 {
            standing = NAMES.map(|name| (format!("apps/{name}/values.yaml"), "1.0.0".to_owned())).into();
        } else if commit.is_own() {
            let [(file, (removed, added))] = &commit.files.iter().collect::<Vec<_>>()[..] else {
                panic!("{}", named())
            };
            let ([old], [new]) = (&removed[..], &added[..]) else { panic!("{}", named()) };
            let (old, new) = (tag_of(old).unwrap(), tag_of(new).unwrap());
            assert_eq!(standing.insert((*file).clone(), new.to_owned()).as_deref(), Some(old), "{}", named());
            assert_ne!(old, new, "{}", named());
            assert!(written.insert(((*file).clone(), new.to_owned())), "written twice: {}", named());
            let trailers: Vec<&str> =
                commit.message.lines().filter(|line| line.starts_with("Repin-Change: ")).collect();
            assert!(
                matches!(trailers[..], [one] if one.starts_with(&format!("Repin-Change: {file}#image.tag "))
                    && one.contains(&format!(" {old} {new} "))),
                "{}: {trailers:?}",
                named()
            );
        } else {
            *people.entry(&commit.subject).or_default() += 1;
            assert!(commit.files.values().all(|(old, new)| old.iter().chain(new).all(|line| tag_of(line).is_none())));
            assert!(!commit.files.is_empty(), "{}", named());
        }
    }
    assert_eq!(people.len(), PEOPLE * rounds);
    for person in 0..PEOPLE {
        for round in 1..=rounds {
            let subject = format!("person {person} {} in round {round}", kind(person, round));
            assert_eq!(people.get(subject.as_str()), Some(&1), "{subject}");
        }
        let of_kind = |what: &'static str| (1..=rounds).filter(move |round| kind(person, *round) == what);
        let notes: String = of_kind("notes").map(|round| format!("{round}\n")).collect();
        assert_eq!(world.remote.show(&format!("notes-{person}.txt")), notes);
        for name in NAMES {
            let last = of_kind("edits").rfind(|round| edited(person, *round) == name).unwrap_or(0);
            let text = world.remote.show(&format!("apps/{name}/values.yaml"));
            let line = format!("person{person}: {last}");
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}

/// Every update of the branch goes forward on its line, from where the one before it ended.
fn assert_no_force(world: &World, first: &str, history: &[Commit]) {
    let position = |id: &str| history.iter().position(|commit| commit.id == id);
    let log = std::fs::read_to_string(world.remote.path().join("logs/refs/heads/main")).unwrap();
    let mut at = first.to_owned();
    for line in log.lines() {
        let mut ids = line.split(' ');
        let (old, new) = (ids.next().unwrap(), ids.next().unwrap());
        assert_eq!(old, at, "{line}");
        assert!(position(new).unwrap() > position(old).unwrap(), "{line} goes back");
        new.clone_into(&mut at);
    }
    assert_eq!(at, world.remote.head());
}

#[test]
fn two_instances_and_three_people_lose_and_double_nothing() {
    let rounds = if std::env::var("REPIN_HEAVY").as_deref() == Ok("1") { 1_000 } else { 50 };
    let world = world();
    contend(&world, &Way { url: &world.remote.url(), keys: "" }, rounds);
}

#[test]
fn the_same_holds_over_https() {
    let world = world();
    let Some(server) = GitHttp::start(world.remote.path().parent().unwrap()) else { return };
    world.remote.git(&["config", "http.receivepack", "true"]);
    let keys = format!(
        "    ca: {}\n    credentials: {{username: {USER}, password: {{env: {VARIABLE}}}}}\n",
        tls("ca.pem").display()
    );
    contend(&world, &Way { url: &server.url("git/remote.git"), keys: &keys }, 6);
}

#[test]
fn the_same_holds_over_ssh() {
    let Some(server) = Sshd::start() else { return };
    let world = world();
    let keys = format!(
        "    known_hosts: {}\n    credentials: {{ssh_key: {{file: {}}}}}\n",
        server.known_hosts(&server.name(), "ed25519").display(),
        server.key("ed25519", "").display()
    );
    contend(&world, &Way { url: &server.url(&world.remote.path()), keys: &keys }, 6);
}

/// Moves the branch itself at the first `times` pushes, so that these lose, and writes down that it was asked.
fn losing_hook(name: &str, times: usize, log: &Path) -> String {
    format!(
        "count=$(grep -c '^{name} ' {log})\necho \"{name} $count\" >> {log}\n[ \"$count\" -lt {times} ] || exit 0\n\
         unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n\
         export GIT_AUTHOR_NAME=P GIT_AUTHOR_EMAIL=p@example.com GIT_COMMITTER_NAME=P GIT_COMMITTER_EMAIL=p@example.com\n\
         new=$(git commit-tree -p main -m \"faster $count\" 'main^{{tree}}')\ngit update-ref refs/heads/main \"$new\"",
        log = log.display()
    )
}

#[test]
fn a_repository_that_always_moves_makes_no_other_one_wait() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let calm = World::with_web(&["1.0.0", "1.1.0"]);
    let log = world.remote.scratch().join("pushes");
    std::fs::write(&log, "").unwrap();
    world.remote.install_hook("pre-receive", &losing_hook("busy", 1_000, &log));
    calm.remote.install_hook("pre-receive", &losing_hook("calm", 2, &log));
    let second = format!(
        "  - name: calm\n    url: {}\n    branch: main\n    discover: [\"**/*.yaml\"]\nregistries:\n{}",
        calm.remote.url(),
        calm.registry.settings()
    );
    let config = world.standard_config();
    world.configure(&config.replace("registries:\n", &second));
    let said = world.repin(&["once"]);
    assert_eq!(said.code, 1, "{said:#?}");
    let result = |repository: &str| -> (String, String) {
        let outcomes: &Vec<Value> = said.json["outcomes"].as_array().unwrap();
        let outcome = outcomes.iter().find(|one| one["repository"] == repository).unwrap();
        let commit = outcome["commit"].as_str().unwrap_or_default().to_owned();
        (outcome["code"].as_str().unwrap().to_owned(), commit)
    };
    assert_eq!(result("gitops").0, "git/moved", "{said:#?}");
    assert_eq!(result("calm"), ("delivered".to_owned(), calm.remote.head()));
    assert_eq!((world.tag("web"), calm.tag("web")), ("1.0.0".to_owned(), "1.1.0".to_owned()));
    let pushes = std::fs::read_to_string(&log).unwrap();
    let pushes: Vec<&str> = pushes.lines().collect();
    let at = |wanted: &str| pushes.iter().position(|push| *push == wanted).unwrap();
    assert_eq!(pushes.iter().filter(|push| push.starts_with("busy ")).count(), TRIES, "{pushes:?}");
    assert_eq!(pushes.iter().filter(|push| push.starts_with("calm ")).count(), 3, "{pushes:?}");
    assert!(at("calm 2") < at("busy 4"), "calm waited for busy: {pushes:?}");
}

#[test]
fn a_refused_branch_is_not_pushed_to_again_while_another_one_is_tried_again() {
    let live = format!("{PLAIN}\nrepin.dev/git-branch: live");
    let world = table::world(&[Row::new("web", PLAIN), Row::new("api", &live)]);
    let config = world.standard_config();
    world.configure(&config.replace("    branch: main\n", "    branch: main\n    branches: [live]\n"));
    world.remote.checkout("main");
    world.remote.push_work("live");
    let log = world.remote.scratch().join("pushes");
    std::fs::write(&log, "").unwrap();
    let hook = format!(
        "read old new ref\necho \"$ref\" >> {log}\n[ \"$ref\" != refs/heads/main ] || {{ echo closed; exit 1; }}\n\
         [ $(grep -c live {log}) -le 2 ] || exit 0\n\
         unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n\
         export GIT_AUTHOR_NAME=P GIT_AUTHOR_EMAIL=p@example.com GIT_COMMITTER_NAME=P GIT_COMMITTER_EMAIL=p@example.com\n\
         git update-ref \"$ref\" $(git commit-tree -p \"$old\" -m faster \"$old^{{tree}}\")",
        log = log.display()
    );
    world.remote.install_hook("pre-receive", &hook);
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web")), "failed git/push-rejected", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "api")), "delivered delivered", "{said:#?}");
    let refused =
        said.json["problems"].as_array().unwrap().iter().filter(|one| one["code"] == "git/push-rejected").count();
    assert_eq!(refused, 1, "{said:#?}");
    let pushes = std::fs::read_to_string(&log).unwrap();
    let count = |branch: &str| pushes.lines().filter(|line| line.ends_with(branch)).count();
    assert_eq!((count("/main"), count("/live")), (1, 3), "{pushes}");
}
