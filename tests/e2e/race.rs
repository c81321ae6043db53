//! Several writers at once: nothing lost, nothing done twice.

use std::collections::BTreeMap;
use std::process::Command;

use crate::world::{App, World, said};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn world() -> World {
    let world = World::create();
    let mut files = Vec::new();
    for name in NAMES {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0", "1.1.0"]);
        files.push((format!("argocd/{name}.yaml"), world.application(&App { name, constraint: "", annotations: &[] })));
        files.push((format!("apps/{name}/values.yaml"), world.values(name, "1.0.0")));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add");
    world
}

/// A person with a clone of their own, who pushes without force and pulls when somebody was faster.
fn person(world: &World, commits: usize) {
    let clone = world.remote.scratch().join("person");
    let script = format!(
        "set -e\ngit clone -q {url} {clone}\ncd {clone}\nfor n in $(seq {commits}); do\n  echo $n > person-$n.txt\n  git add -A\n  \
         git commit -qm \"person $n\"\n  until git push -q origin HEAD:main 2>/dev/null; do git pull -q --rebase origin main; done\ndone",
        url = world.remote.url(),
        clone = clone.display(),
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", world.remote.scratch());
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "P").env(format!("GIT_{role}_EMAIL"), "p@example.com");
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// How often each subject is on the branch.
fn subjects(world: &World) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (_, subject, _) in world.remote.log() {
        *found.entry(subject).or_default() += 1;
    }
    found
}

#[test]
fn several_instances_and_a_person_lose_and_double_nothing() {
    for shared_cache in [true, false] {
        let world = world();
        let runs: Vec<_> = (0..4)
            .map(|n| {
                let config = world.remote.scratch().join(format!("repin-{n}.yaml"));
                let own = world.remote.scratch().join(format!("cache-{n}")).display().to_string();
                let text = world.standard_config();
                let cache = world.cache().display().to_string();
                std::fs::write(&config, if shared_cache { text } else { text.replace(&cache, &own) }).unwrap();
                config
            })
            .collect();
        let world = &world;
        std::thread::scope(|scope| {
            scope.spawn(|| person(world, 5));
            for config in &runs {
                scope.spawn(move || {
                    let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
                    let output = command.args(["once", "--output", "json", "--config"]).arg(config).output().unwrap();
                    let said = said(&output);
                    for outcome in said.json["outcomes"].as_array().unwrap() {
                        let (result, code) = (outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap());
                        assert!(["delivered", "current"].contains(&result) || code == "git/moved", "{said:#?}");
                    }
                    assert_eq!(said.json["outcomes"].as_array().unwrap().len(), NAMES.len());
                });
            }
        });
        let last = world.repin(&["once"]);
        assert_eq!(last.code, 0, "{last:#?}");
        let found = subjects(world);
        for name in NAMES {
            assert_eq!(world.tag(name), "1.1.0");
            assert_eq!(found[&format!("Update {name} to 1.1.0")], 1, "{found:#?}");
        }
        for n in 1..=5 {
            assert_eq!(found[&format!("person {n}")], 1, "{found:#?}");
            assert_eq!(world.remote.show(&format!("person-{n}.txt")), format!("{n}\n"));
        }
        assert_eq!(found.values().sum::<usize>(), 1 + NAMES.len() + 5, "{found:#?}");
        world.remote.fsck();
        let again = world.repin(&["once"]);
        assert!(again.json["outcomes"].as_array().unwrap().iter().all(|one| one["result"] == "current"), "{again:#?}");
    }
}

#[test]
fn what_is_called_delivered_is_on_the_branch_exactly_once() {
    let world = world();
    let delivered: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| world.repin(&["once"]))).collect();
        let outcomes =
            runs.into_iter().flat_map(|run| run.join().unwrap().json["outcomes"].as_array().unwrap().clone());
        outcomes
            .filter(|one| one["result"] == "delivered")
            .map(|one| one["commit"].as_str().unwrap().to_owned())
            .collect()
    });
    let log = world.remote.log();
    for commit in &delivered {
        assert_eq!(log.iter().filter(|(id, ..)| id == commit).count(), 1, "{commit} of {delivered:?}");
        assert_eq!(delivered.iter().filter(|other| *other == commit).count(), 1, "two runs claim {commit}");
    }
    assert_eq!(delivered.len(), NAMES.len());
}
