//! The story of a release on each layout.

use std::process::Command;

use jiff::Timestamp;

use crate::any_registry::on_all_parts;
use crate::docker_registry::Access;
use crate::environments::landscape::{Landscape, Layout};
use crate::remote::{BareRemote, git_program};
use crate::world::World;

mod clusters_as_folders {
    use super::*;

    on_all_parts!(a_release_goes_its_way);

    fn a_release_goes_its_way(world: &World) {
        super::a_release_goes_its_way(&Landscape::open(Layout::Clusters, world));
    }
}

mod values_of_one_chart {
    use super::*;

    on_all_parts!(a_release_goes_its_way);

    fn a_release_goes_its_way(world: &World) {
        super::a_release_goes_its_way(&Landscape::open(Layout::Values, world));
    }
}

mod production_locked_in_a_repository_of_its_own {
    use super::*;

    #[test]
    fn a_release_goes_its_way() {
        super::a_release_goes_its_way(&Landscape::open(Layout::Locked, &World::create()));
    }

    #[test]
    fn a_release_goes_its_way_on_docker_registry() {
        if let Some(world) = World::with_docker(Access::Open) {
            super::a_release_goes_its_way(&Landscape::open(Layout::Locked, &world));
        }
    }

    #[test]
    fn nobody_pushes_to_its_main() {
        let world = World::create();
        let landscape = Landscape::open(Layout::Locked, &world);
        assert!(is_refused(landscape.home()));
        assert!(!is_refused(&landscape.world.remote));
    }
}

/// Tells whether a person's push to `main` is refused.
fn is_refused(remote: &BareRemote) -> bool {
    remote.checkout("main");
    remote.work(&["commit", "--quiet", "--allow-empty", "-m", "Nothing"]);
    let push = Command::new(git_program())
        .args(["push", "--quiet", "origin", "HEAD:main"])
        .current_dir(remote.work_tree())
        .output();
    !push.unwrap().status.success()
}

const CURRENT: &str = "current current";
const DELIVERED: &str = "delivered delivered";

fn a_release_goes_its_way(landscape: &Landscape<'_>) {
    let registry = &landscape.world.registry;
    let [_, staging, production] = landscape.environments();
    for service in ["web", "pay"] {
        registry.publish(&format!("acme/{service}"), &["1.0.0"]);
        landscape.add_service(service, "1.0.0");
    }
    let said = landscape.once_after(0);
    assert_eq!(said.code, 0, "{said:#?}");
    for service in ["web", "pay"] {
        assert_eq!(landscape.verdicts(&said, service), [CURRENT, CURRENT, CURRENT], "{said:#?}");
    }

    // A build reaches dev by itself, and nothing else.
    registry.publish("acme/web", &["1.0.0", "1.1.0-build.7"]);
    let said = landscape.once_after(0);
    assert_eq!(landscape.verdicts(&said, "web"), [DELIVERED, CURRENT, CURRENT], "{said:#?}");
    assert_eq!(landscape.tags("web"), ["1.1.0-build.7", "1.0.0", "1.0.0"]);

    // A release reaches staging.
    registry.publish("acme/web", &["1.0.0", "1.1.0-build.7", "1.1.0"]);
    let said = landscape.once_after(0);
    assert_eq!(landscape.verdicts(&said, "web"), [DELIVERED, DELIVERED, CURRENT], "{said:#?}");
    assert_eq!(landscape.tags("web"), ["1.1.0", "1.1.0", "1.0.0"]);

    // Production waits until staging held it for a day, and then until people are there.
    let said = landscape.once_after(1);
    let held = landscape.outcome(&said, production, "web");
    assert_eq!((&held["result"], &held["to"]), (&"held".into(), &"1.1.0".into()), "{held:#}");
    assert!(["promotion/soak", "gate/window"].contains(&held["code"].as_str().unwrap()), "{held:#}");
    let said = landscape.once_after(25);
    let held = landscape.outcome(&said, production, "web");
    assert_eq!((&held["result"], &held["code"]), (&"held".into(), &"gate/window".into()), "{held:#}");
    assert_eq!(held["until"].as_str().unwrap().parse::<Timestamp>().unwrap(), landscape.opens(), "{held:#}");
    assert!(held["message"].as_str().unwrap().contains("people are there"), "{held:#}");
    assert_eq!(landscape.forge.pulls().len(), before(landscape), "{:#?}", landscape.forge.pulls());

    // Then there is one pull request with exactly what staging holds, digest and all.
    let known = before(landscape);
    let said = landscape.once_after(49);
    assert_eq!(landscape.verdicts(&said, "web"), [CURRENT, CURRENT, DELIVERED], "{said:#?}");
    let pull = landscape.only();
    assert_eq!(landscape.tag_at(production, "web", &pull.head), "1.1.0");
    let digest = registry.digest("acme/web", "1.1.0");
    assert_eq!(landscape.digest(staging, "web", "main"), digest);
    assert_eq!(landscape.digest(production, "web", &pull.head), digest);
    assert_eq!(landscape.home().git(&["diff", "--name-only", "main", &pull.head]), landscape.path(production, "web"));
    landscape.world.drop_cache();
    let refs = landscape.refs();
    let said = landscape.once_after(49);
    assert_eq!(landscape.verdicts(&said, "web")[2], "held pull-request/open", "{said:#?}");
    assert_eq!((landscape.refs(), landscape.forge.pulls().len()), (refs, known + 1));
    let merged = landscape.merge(pull.number);
    let said = landscape.once_after(49);
    assert_eq!(landscape.verdicts(&said, "web"), [CURRENT, CURRENT, CURRENT], "{said:#?}");
    assert_eq!(landscape.tags("web"), ["1.1.0", "1.1.0", "1.1.0"]);

    // Who takes it back in production has it back there, and nowhere else; also where nothing is remembered.
    landscape.revert(&merged);
    let open = landscape.forge.pulls().len();
    for _ in 0..2 {
        let said = landscape.once_after(50);
        assert_eq!(landscape.verdicts(&said, "web"), [CURRENT, CURRENT, "held guard/rolled-back"], "{said:#?}");
        landscape.world.drop_cache();
    }
    assert_eq!(landscape.tags("web"), ["1.1.0", "1.1.0", "1.0.0"]);
    assert_eq!(landscape.forge.pulls().len(), open);

    // A freeze holds all, whatever comes.
    let freeze = ["freeze", "--reason", "end of quarter", "--by", "paula", "--in", "gitops"];
    assert_eq!(landscape.world.repin(&freeze).code, 0);
    registry.publish("acme/web", &["1.0.0", "1.1.0-build.7", "1.1.0", "1.2.0"]);
    registry.publish("acme/pay", &["1.0.0", "1.0.1"]);
    let refs = landscape.refs();
    let said = landscape.once_after(50);
    for service in ["web", "pay"] {
        for environment in landscape.environments().into_iter().take(2) {
            let held = landscape.outcome(&said, environment, service);
            assert_eq!((&held["result"], &held["code"]), (&"held".into(), &"gate/frozen".into()), "{held:#}");
            assert!(held["message"].as_str().unwrap().contains("end of quarter"), "{held:#}");
        }
    }
    assert_eq!(landscape.refs(), refs);
    assert_eq!(landscape.world.repin(&["thaw", "--by", "paula", "--in", "gitops"]).code, 0);
    let said = landscape.once_after(50);
    for service in ["web", "pay"] {
        assert_eq!(landscape.verdicts(&said, service)[..2], [DELIVERED, DELIVERED], "{said:#?}");
    }

    // It holds production too, which now has something to take.
    assert_eq!(landscape.world.repin(&freeze).code, 0);
    let (refs, open) = (landscape.refs(), landscape.forge.open_pulls().len());
    let said = landscape.once_after(50);
    for service in ["web", "pay"] {
        assert_eq!(landscape.verdicts(&said, service), [CURRENT, CURRENT, "held gate/frozen"], "{said:#?}");
    }
    assert_eq!((landscape.refs(), landscape.forge.open_pulls().len()), (refs, open));
    assert_eq!(landscape.world.repin(&["thaw", "--by", "paula", "--in", "gitops"]).code, 0);

    // What is above the one that was taken back goes on to production; each service has a pull request of its own.
    let said = landscape.once_after(50);
    for service in ["web", "pay"] {
        assert_eq!(landscape.verdicts(&said, service), [CURRENT, CURRENT, DELIVERED], "{said:#?}");
    }
    let open = landscape.forge.open_pulls();
    assert_eq!(open.len(), 2, "{open:#?}");
    for pull in open {
        landscape.merge(pull.number);
    }
    assert_eq!(landscape.tags("web"), ["1.2.0", "1.2.0", "1.2.0"]);
    assert_eq!(landscape.tags("pay"), ["1.0.1", "1.0.1", "1.0.1"]);

    // A new service is one new folder.
    registry.publish("acme/cart", &["1.0.0", "1.1.0"]);
    landscape.add_service("cart", "1.0.0");
    let said = landscape.once_after(50);
    assert_eq!(landscape.verdicts(&said, "cart")[..2], [DELIVERED, DELIVERED], "{said:#?}");
    assert_eq!(landscape.tags("cart"), ["1.1.0", "1.1.0", "1.0.0"]);
    let said = landscape.once_after(50);
    assert_eq!(landscape.verdicts(&said, "cart"), [CURRENT, CURRENT, DELIVERED], "{said:#?}");
    landscape.merge(landscape.only().number);
    let said = landscape.once_after(51);
    for service in ["web", "pay", "cart"] {
        assert_eq!(landscape.verdicts(&said, service), [CURRENT, CURRENT, CURRENT], "{said:#?}");
    }
    landscape.world.remote.fsck();
    landscape.home().fsck();
}

/// How many pull requests people opened themselves: in the locked repository whatever they add is one.
fn before(landscape: &Landscape<'_>) -> usize {
    landscape.forge.pulls().iter().filter(|pull| !pull.head.starts_with("repin/")).count()
}
