//! What is read of a repository: everything once, whatever many images are looked for in it, and later only what changed.

use crate::running::{Daemon, served, wait};
use crate::world::World;

const TEAMS: usize = 6;
const SERVICES: usize = 12;
const OTHERS: [&str; 4] = ["service", "config", "ingress", "policy"];

/// Trees and files that were read, and trees that were compared for what came when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Read {
    trees: u64,
    compared: u64,
    blobs: u64,
}

fn read(daemon: &Daemon) -> Read {
    let count = |kind: &str| {
        let name = format!("repin_git_objects_read_total{{kind=\"{kind}\"}} ");
        daemon.metric(&name).unwrap_or_default() as u64
    };
    Read { trees: count("tree"), compared: count("compared"), blobs: count("blob") }
}

/// Commits files, and gives what the daemon reads because of it.
fn read_after(world: &World, daemon: &Daemon, files: &[(&str, &str)]) -> Read {
    let before = read(daemon);
    world.remote.commit(files, "Write");
    wait("reading", || (read(daemon).trees > before.trees).then_some(()), || daemon.log());
    // A cycle that reads nothing shows that nothing more comes.
    daemon.cycles(2);
    let after = read(daemon);
    Read {
        trees: after.trees - before.trees,
        compared: after.compared - before.compared,
        blobs: after.blobs - before.blobs,
    }
}

fn application(world: &World, name: &str, path: &str, target: &str, images: &[String]) -> String {
    let images: Vec<String> = images.iter().map(|name| format!("{name}={}", world.image(name))).collect();
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  namespace: argocd\n  annotations:\n    \
         repin.dev/image-list: \"{images}\"\n{target}spec:\n  project: default\n  source:\n    repoURL: {url}\n    path: {path}\n    \
         targetRevision: main\n",
        images = images.join(", "),
        url = world.remote.url(),
    )
}

fn deployment(world: &World, name: &str, replicas: usize) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  replicas: {replicas}\n  template:\n    spec:\n      \
         containers:\n        - name: app\n          image: {}:1.0.0\n",
        world.image(name)
    )
}

#[test]
fn a_repository_is_read_once_for_all_images_and_later_only_what_changed() {
    let world = World::create();
    let everywhere = "    repin.dev/write-back-target: /apps\n";
    let name = |team: usize, service: usize| format!("t{team}s{service}");
    let mut files = Vec::new();
    for (team, service) in (0..TEAMS).flat_map(|team| (0..SERVICES).map(move |service| (team, service))) {
        let (name, directory) = (name(team, service), format!("apps/team{team}/s{service}"));
        world.registry.publish(&format!("acme/{name}"), &["1.0.0"]);
        files.push((format!("{directory}/deployment.yaml"), deployment(&world, &name, 1)));
        for kind in OTHERS {
            // What only begins with the name of an image does not speak of it.
            let text = format!("kind: {kind}\nmetadata: {{name: {name}}}\nspec: {{peer: acme/t{team}s1{service}}}\n");
            files.push((format!("{directory}/{kind}.yaml"), text));
        }
    }
    let manifests = files.len() as u64;
    let wide: Vec<String> = (0..TEAMS).map(|team| name(team, 1)).collect();
    files.push(("argocd/wide.yaml".to_owned(), application(&world, "wide", "apps", everywhere, &wide)));
    let own = application(&world, "own", "apps/team1/s3", "", &[name(1, 3)]);
    files.push(("argocd/own.yaml".to_owned(), own));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Start");
    world.configure(&served(&world.standard_config()));

    let daemon = Daemon::start(&world);
    daemon.cycles(2);
    let found = daemon.metric("repin_outcomes{result=\"current\"} ");
    assert_eq!(found, Some((wide.len() + 1) as f64), "{}", daemon.log());
    let directories = (3 + TEAMS + TEAMS * SERVICES) as u64;
    // Discovery and the search share one reading; to find the fields in them, manifests that speak of an image are parsed.
    let parsed = ((wide.len() + 1) * (1 + OTHERS.len())) as u64;
    let all = Read { trees: directories, compared: directories, blobs: manifests + 2 + parsed };
    assert_eq!(read(&daemon), all);
    daemon.cycles(2);
    assert_eq!(read(&daemon), all, "a quiet cycle reads nothing");

    // The root, `apps`, the team and the service; compared are these with those before.
    let nobodys = [("apps/team2/s5/service.yaml", "kind: service\nspec: {port: 80}\n")];
    assert_eq!(read_after(&world, &daemon, &nobodys), Read { trees: 4, compared: 8, blobs: 1 });
    // One that names an image that is looked for is parsed besides.
    let scaled = deployment(&world, &name(0, 1), 2);
    let theirs = [("apps/team0/s1/deployment.yaml", scaled.as_str())];
    assert_eq!(read_after(&world, &daemon, &theirs), Read { trees: 4, compared: 8, blobs: 2 });
    // Another image is found without reading anything again but what speaks of it.
    let more = application(&world, "more", "apps", everywhere, &[name(3, 3)]);
    assert_eq!(
        read_after(&world, &daemon, &[("argocd/more.yaml", &more)]),
        Read { trees: 2, compared: 4, blobs: 2 + OTHERS.len() as u64 }
    );
    assert_eq!(daemon.metric("repin_outcomes{result=\"current\"} "), Some((wide.len() + 2) as f64));
}
