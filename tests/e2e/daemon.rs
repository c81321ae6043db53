//! The daemon: schedule, signals, reload, health, metrics, logs, and what it must not let one bad object do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::registry::signing::Signer;
use crate::registry::{Behaviour, FakeRegistry, Image};
use crate::remote::BareRemote;
use crate::running::{Daemon, get_with, served, wait, wait_for_tag};
use crate::table::{self, PLAIN, Row};
use crate::world::{App, World};

const APP: App<'_> = App { name: "web", constraint: "", annotations: &[] };

#[test]
fn new_tags_are_taken_per_schedule_and_sigterm_ends_it_well() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let mut daemon = Daemon::start(&world);
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    world.registry.publish("acme/web", &["1.2.0"]);
    wait_for_tag(&world, &daemon, "web", "1.2.0");
    // Another Application appears in Git.
    world.registry.publish("acme/api", &["1.0.0", "1.1.0"]);
    world.add_app(&App { name: "api", ..APP }, "1.0.0");
    wait_for_tag(&world, &daemon, "api", "1.1.0");
    daemon.signal("TERM");
    let (status, took) = daemon.end();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
    world.remote.fsck();
}

#[test]
fn a_push_in_flight_is_finished_and_read_back_before_the_end() {
    for signal in ["TERM", "INT"] {
        let world = World::with_web(&["1.0.0", "1.1.0"]);
        world.remote.install_hook("pre-receive", "cat >/dev/null\ntouch in-flight\nsleep 2");
        let mut daemon = Daemon::start(&world);
        let marker = world.remote.path().join("in-flight");
        wait("push in flight", || marker.exists().then_some(()), || daemon.log());
        daemon.signal(signal);
        assert_eq!(daemon.end().0.code(), Some(0), "{}", daemon.log());
        assert_eq!(world.tag("web"), "1.1.0");
        daemon.said("wrote 1.1.0 for argocd/web");
        assert_eq!(world.once()["result"], "current");
        world.remote.fsck();
    }
}

#[test]
fn a_signal_while_a_registry_is_waited_for_ends_it_at_once() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.registry.set("acme/web", Behaviour::Stalled);
    let mut daemon = Daemon::start(&world);
    wait(
        "listing",
        || world.registry.requests().iter().any(|one| one.path.contains("tags")).then_some(()),
        || daemon.log(),
    );
    daemon.signal("INT");
    let (status, took) = daemon.end();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(world.tag("web"), "1.0.0");
}

#[test]
fn health_readiness_and_metrics_say_what_is() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.registry.set("acme/web", Behaviour::Delay(Duration::from_millis(1_500)));
    world.configure(&served(&world.standard_config()));
    let daemon = Daemon::start(&world);
    assert_eq!(daemon.get("/healthz").0, 200);
    assert_eq!(daemon.get("/readyz").0, 503, "no cycle has ended");
    daemon.cycles(1);
    assert_eq!(daemon.get("/readyz").0, 200);
    assert_eq!(daemon.get("/nothing").0, 404);
    world.registry.clear("acme/web");
    daemon.cycles(1);
    let (status, open) =
        get_with(&daemon.address(), "/metrics", "accept: application/openmetrics-text; version=1.0.0\r\n");
    assert_eq!((status, open.lines().last()), (200, Some("# EOF")));
    let (status, text) = daemon.get("/metrics");
    assert_eq!(status, 200);
    let mut samples = std::collections::BTreeMap::new();
    for line in text.lines() {
        let known_comment = ["# HELP repin_", "# TYPE repin_"].iter().any(|start| line.starts_with(start));
        if line.starts_with('#') {
            assert!(known_comment, "{line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("repin_"), "{line}");
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        assert!(samples.insert(name.to_owned(), value.to_owned()).is_none(), "twice: {line}");
    }
    assert_eq!(samples["repin_deliveries_total"], "1");
    assert!(samples["repin_cycles_total"].parse::<u32>().unwrap() >= 2);
    let counters = samples.keys().filter(|name| name.ends_with("_total"));
    assert!(counters.clone().count() >= 5);
    counters.for_each(|name| assert!(text.contains(&format!("# TYPE {name} counter\n")), "{name} in {text}"));
}

#[test]
fn an_open_connection_does_not_hold_the_end_up() {
    let world = World::with_web(&["1.0.0"]);
    world.configure(&served(&world.standard_config()));
    let mut daemon = Daemon::start(&world);
    let address = daemon.address();
    let silent = TcpStream::connect(&address).unwrap();
    let mut half = TcpStream::connect(&address).unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    let mut kept = TcpStream::connect(&address).unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    kept.read_exact(&mut [0; 15]).unwrap();
    daemon.cycles(1);
    daemon.signal("TERM");
    let (status, took) = daemon.end();
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(took < Duration::from_secs(8), "{took:?}");
    drop((silent, half, kept));
}

#[test]
fn a_port_in_use_is_a_clear_error() {
    let world = World::with_web(&["1.0.0"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    world.configure(&world.standard_config().replace("server: null", &format!("server: {{listen: {address}}}")));
    let mut daemon = Daemon::start(&world);
    assert_eq!(daemon.end().0.code(), Some(1));
    let log = daemon.log();
    assert!(log.contains(&format!("cannot listen on {address}")) && log.contains("server.listen"), "{log}");
}

#[test]
fn a_broken_configuration_at_the_start_is_exit_3_with_every_problem() {
    let world = World::with_web(&["1.0.0"]);
    world.configure(
        &world
            .standard_config()
            .replace("schedule: 1s", "schedule: soon")
            .replace("delivery: commit", "delivery: post"),
    );
    let mut daemon = Daemon::start(&world);
    assert_eq!(daemon.end().0.code(), Some(3));
    let log = daemon.log();
    assert!(log.contains("soon") && log.contains("post"), "{log}");
}

#[test]
fn a_good_change_is_taken_over_and_a_bad_one_is_refused() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let good = served(&world.standard_config());
    world.configure(&good.replace("delivery: commit", "delivery: none"));
    let mut daemon = Daemon::start(&world);
    daemon.said("is held");
    assert_eq!(world.tag("web"), "1.0.0");
    // Broken: said once, and the running one stays.
    world.configure("repositories: [");
    daemon.said("is refused; the running one stays in force");
    assert!(daemon.get("/metrics").1.contains("repin_configuration_is_current 0"));
    daemon.cycles(2);
    assert_eq!(daemon.log().matches("is refused").count(), 1, "{}", daemon.log());
    assert_eq!(world.tag("web"), "1.0.0");
    // Gone altogether: the same.
    std::fs::remove_file(world.config()).unwrap();
    wait("refusal", || (daemon.log().matches("is refused").count() == 2).then_some(()), || daemon.log());
    assert!(daemon.is_running());
    // Good: taken over without a restart.
    world.configure(&good);
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    assert!(daemon.log().contains("the configuration changed and is taken over"));
    assert!(daemon.get("/metrics").1.contains("repin_configuration_is_current 1"));
    // A CA that is there and holds nothing: refused, with the schedule that came with it.
    let ca = world.remote.scratch().join("ca.pem");
    std::fs::write(&ca, "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n").unwrap();
    let secure = format!("  - host: registry.example.com\n    ca: {}\nrules:", ca.display());
    world.configure(&good.replace("schedule: 1s", "schedule: 1h").replace("rules:", &secure));
    wait("refusal", || (daemon.log().matches("is refused").count() >= 3).then_some(()), || daemon.log());
    assert!(daemon.get("/metrics").1.contains("repin_configuration_is_current 0"));
    daemon.cycles(2);
    daemon.signal("TERM");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn the_server_moves_to_another_address_without_a_restart() {
    let world = World::with_web(&["1.0.0"]);
    let first = served(&world.standard_config());
    world.configure(&first);
    let mut daemon = Daemon::start(&world);
    daemon.cycles(1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = taken.local_addr().unwrap();
    // An address in use: said, and the server stays.
    world.configure(&first.replace("127.0.0.1:0", &busy.to_string()));
    daemon.said("the server stays where it is");
    assert_eq!(daemon.get("/healthz").0, 200);
    // The port is free now; another schedule makes the file another one.
    drop(taken);
    world.configure(&first.replace("127.0.0.1:0", &busy.to_string()).replace("schedule: 1s", "schedule: 2s"));
    daemon.said(&format!("listening on http://{busy}"));
    let answers = || std::net::TcpStream::connect(busy).is_ok().then_some(());
    wait("the new address", answers, || daemon.log());
    assert!(daemon.is_running());
    daemon.signal("TERM");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn a_secret_that_changes_in_its_file_only_is_taken_over() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.registry.set("acme/web", Behaviour::Basic("robot".into(), "new-canary-4711".into()));
    let secret = world.remote.scratch().join("password");
    std::fs::write(&secret, "old-canary-4711\n").unwrap();
    let credentials =
        format!("    insecure: true\n    credentials: {{username: robot, password: {{file: {}}}}}\n", secret.display());
    world.configure(&world.standard_config().replace("    insecure: true\n", &credentials));
    let daemon = Daemon::start(&world);
    daemon.said("registry/unauthorized");
    // As a mounted Secret changes: another file takes the place.
    let next = secret.with_extension("next");
    std::fs::write(&next, "new-canary-4711\n").unwrap();
    std::fs::rename(next, &secret).unwrap();
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    // Emptied: refused, and the running one stays in force.
    std::fs::write(&secret, "").unwrap();
    daemon.said("is refused");
    world.registry.publish("acme/web", &["1.2.0"]);
    wait_for_tag(&world, &daemon, "web", "1.2.0");
    assert!(!daemon.log().contains("canary"), "{}", daemon.log());
}

#[test]
fn a_public_key_that_changes_in_its_file_only_is_taken_over() {
    let (world, signer) = (World::create(), Signer::p256());
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    world.add_app(&App { annotations: &["repin.dev/verify: cosign:release"], ..APP }, "1.0.0");
    let digest = world.registry.digest("acme/web", "1.1.0");
    world.registry.fake().refer("acme/web", &digest, &signer.referrer(&digest));
    let file = world.config().with_file_name("cosign.pub");
    std::fs::write(&file, Signer::p256().pem()).unwrap();
    world.configure(&format!("{}cosign_keys: [{{name: release, key: cosign.pub}}]\n", world.standard_config()));
    let daemon = Daemon::start(&world);
    daemon.said("is signed, and not with the cosign key release");
    std::fs::write(&file, signer.pem()).unwrap();
    wait_for_tag(&world, &daemon, "web", &format!("1.1.0@{digest}"));
}

#[test]
fn what_was_learnt_of_a_registry_survives_a_reload() {
    let world = World::with_web(&["1.0.0"]);
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    world.configure(&world.standard_config().replace("environment: dev", "environment: test"));
    daemon.said("taken over");
    daemon.cycles(1);
    // Emptied, and nothing of it answers: that is no decision to rest on.
    world.registry.remove("acme/web", "1.0.0");
    daemon.said("guard/listing");
    drop(daemon);
    let held = world.once();
    assert_eq!((&held["code"], &held["environment"]), (&"guard/listing".into(), &"test".into()), "{held:#}");
}

#[test]
fn a_repository_that_goes_away_and_comes_back_is_followed() {
    let world = World::with_web(&["1.0.0"]);
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    let away = world.remote.scratch().join("away");
    std::fs::rename(world.remote.path(), &away).unwrap();
    daemon.said("argocd/web failed: repository `gitops`");
    world.registry.publish("acme/web", &["1.1.0"]);
    daemon.cycles(2);
    let failures = daemon.log().matches("argocd/web failed").count();
    assert_eq!(failures, 1, "said once: {}", daemon.log());
    std::fs::rename(&away, world.remote.path()).unwrap();
    wait_for_tag(&world, &daemon, "web", "1.1.0");
}

#[test]
fn one_bad_object_of_each_kind_stops_no_other() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let (bad_repository, bad_registry) = (BareRemote::create(), FakeRegistry::start());
    bad_registry.set("acme/bad", Behaviour::Status(500, "UNKNOWN"));
    let bad = world.application(&App { name: "bad", ..APP }).replace(&world.registry.host(), &bad_registry.host());
    world.remote.commit(
        &[
            ("argocd/bad.yaml", &bad),
            ("apps/bad/values.yaml", &world.values("bad", "1.0.0")),
            ("argocd/unparsable.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: [\n"),
            (
                "argocd/typo.yaml",
                &world.application(&App {
                    name: "typo",
                    constraint: ">=zzz",
                    annotations: &["repin.dev/imagelist: x"],
                }),
            ),
        ],
        "Bad things",
    );
    let config = world.standard_config().replace(
        "registries:\n",
        &format!(
            "  - name: empty\n    url: {}\nregistries:\n  - host: {}\n    insecure: true\n",
            bad_repository.url(),
            bad_registry.host()
        ),
    );
    world.configure(&config);
    let mut daemon = Daemon::start(&world);
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    world.registry.publish("acme/web", &["1.2.0"]);
    wait_for_tag(&world, &daemon, "web", "1.2.0");
    for said in ["has no commits", "argocd/unparsable.yaml", "registry/server-error", "argocd/typo"] {
        daemon.said(said);
    }
    assert!(daemon.is_running());
}

#[test]
fn a_quiet_cycle_asks_once_and_says_one_line() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.add_app(&App { name: "twin", ..APP }, "1.1.0");
    world.registry.publish("acme/twin", &["1.1.0"]);
    // A git before git: it notes how it is called.
    let shims = world.remote.scratch().join("shims");
    std::fs::create_dir_all(&shims).unwrap();
    let (calls, shim) = (shims.join("calls"), shims.join("git"));
    let path = std::env::var("PATH").unwrap();
    std::fs::write(&shim, format!("#!/bin/sh\necho \"$1\" >> {}\nPATH='{path}' exec git \"$@\"\n", calls.display()))
        .unwrap();
    std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
    let daemon = Daemon::start_with(&world, |command| {
        command.env("PATH", format!("{}:{path}", shims.display()));
    });
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    daemon.cycles(2);
    let count =
        || (daemon.log().matches("cycle ended").count(), std::fs::read_to_string(&calls).unwrap().lines().count());
    let (cycles, asked) = count();
    let lines = daemon.log().lines().count();
    world.registry.forget_requests();
    daemon.cycles(3);
    let (cycles_then, asked_then) = count();
    let requests = world.registry.requests();
    let listings = |name: &str| requests.iter().filter(|one| one.path.contains(&format!("{name}/tags/list"))).count();
    let ran = cycles_then - cycles;
    // The look may fall into a cycle.
    assert!(asked_then - asked <= ran + 1, "{} looks in {ran} cycles", asked_then - asked);
    assert!(listings("web") <= ran + 1 && listings("twin") <= ran + 1, "{requests:#?}");
    assert_eq!(requests.len(), listings("web") + listings("twin"), "nothing but listings: {requests:#?}");
    let log = daemon.log();
    assert!(log.lines().skip(lines).all(|line| line.contains("cycle ended")), "{log}");
    assert_eq!(log.matches("wrote 1.1.0 for argocd/web").count(), 1, "one line per change: {log}");
}

#[test]
fn logs_are_lines_of_json_or_of_text() {
    for format in ["json", "text"] {
        let world = World::with_web(&["1.0.0", "1.1.0"]);
        world.remote.commit(&[("argocd/unparsable.yaml", "kind: [ # argoproj.io/\n")], "Broken");
        let log = format!("log: {{format: {format}}}\nserver: {{listen: 127.0.0.1:0}}");
        world.configure(&world.standard_config().replace("server: null", &log));
        let mut daemon = Daemon::start(&world);
        wait_for_tag(&world, &daemon, "web", "1.1.0");
        daemon.cycles(1);
        world.configure("nonsense");
        daemon.said("is refused");
        daemon.signal("TERM");
        assert_eq!(daemon.end().0.code(), Some(0));
        let log = daemon.log();
        let mut wrote = 0;
        for line in log.lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(parsed) if format == "json" => {
                    for key in ["timestamp", "level", "message"] {
                        assert!(parsed[key].is_string(), "{line}");
                    }
                    if parsed["message"] == "wrote 1.1.0 for argocd/web" {
                        wrote += 1;
                        assert_eq!((&parsed["application"], &parsed["tag"]), (&"argocd/web".into(), &"1.1.0".into()));
                    }
                }
                Ok(_) => panic!("{line}"),
                Err(_) => {
                    assert_eq!(format, "text", "{line}");
                    wrote += usize::from(line.contains("wrote 1.1.0 for argocd/web"));
                }
            }
            assert!(!line.contains('\u{1b}'), "{line:?}");
        }
        assert_eq!(wrote, 1, "{log}");
    }
}

#[test]
fn commands_beside_a_daemon_work() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let mut daemon = Daemon::start(&world);
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    world.configure(&world.standard_config().replace("schedule: 1s", "schedule: 1h"));
    daemon.said("taken over");
    daemon.cycles(0);
    world.registry.publish("acme/web", &["1.2.0"]);
    for (command, codes) in [("plan", &[0, 4][..]), ("once", &[0]), ("check", &[0]), ("plan", &[0])] {
        let said = world.repin(&[command]);
        assert!(codes.contains(&said.code), "{command}: {said:#?}");
        assert_eq!(said.json["problems"], serde_json::json!([]), "{command}");
    }
    assert_eq!(world.repin(&["explain", "web"]).code, 0);
    assert_eq!(world.tag("web"), "1.2.0");
    // The daemon goes on over what another one wrote.
    world.configure(&world.standard_config());
    world.registry.publish("acme/web", &["1.3.0"]);
    wait_for_tag(&world, &daemon, "web", "1.3.0");
    assert!(daemon.is_running());
    assert_eq!(world.remote.log().iter().filter(|(_, subject, _)| subject.starts_with("Update ")).count(), 3);
    world.remote.fsck();
}

#[test]
fn a_cache_that_is_deleted_under_a_daemon_is_made_again() {
    let world = World::with_web(&["1.0.0"]);
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    world.drop_cache();
    world.registry.publish("acme/web", &["1.1.0"]);
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    // A person's change has objects that are in no mirror yet.
    world.remote.commit(&[("apps/web/values.yaml", &world.values("web", "1.0.0"))], "Back by hand");
    daemon.said("guard/rolled-back");
    world.registry.publish("acme/web", &["1.2.0"]);
    wait_for_tag(&world, &daemon, "web", "1.2.0");
    world.remote.fsck();
}

#[test]
fn a_repository_that_is_not_due_is_not_looked_at_while_another_one_is() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let other = BareRemote::create();
    let own = format!("    schedule: 7d\n  - name: other\n    url: {}\nregistries:\n", other.url());
    other.commit(&[("NOTES", "x\n")], "Start");
    world.configure(&world.standard_config().replace("registries:\n", &own));
    let daemon = Daemon::start(&world);
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    // The look after an own push is always due.
    daemon.cycles(2);
    // Both get an Application; only one of them is looked at.
    for name in ["late", "soon"] {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0", "1.1.0"]);
    }
    world.add_app(&App { name: "late", ..APP }, "1.0.0");
    let soon = App { name: "soon", ..APP };
    let manifest = world.application(&soon).replace(&world.remote.url(), &other.url());
    other.commit(
        &[("argocd/soon.yaml", &manifest), ("apps/soon/values.yaml", &world.values("soon", "1.0.0"))],
        "Add soon",
    );
    let is_written = || other.show("apps/soon/values.yaml").contains("1.1.0").then_some(());
    wait("soon", is_written, || daemon.log());
    daemon.cycles(2);
    assert_eq!(world.tag("late"), "1.0.0", "{}", daemon.log());
    // What is to be written there is never written on the head of the last look.
    world.registry.publish("acme/web", &["1.2.0"]);
    wait_for_tag(&world, &daemon, "web", "1.2.0");
    wait_for_tag(&world, &daemon, "late", "1.1.0");
    world.remote.fsck();
}

#[test]
fn a_registry_that_is_not_due_is_asked_for_what_it_never_answered_only() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let config = world.standard_config();
    world.configure(&config.replace("    insecure: true\n", "    insecure: true\n    schedule: \"0 0 1 1 *\"\n"));
    let daemon = Daemon::start(&world);
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    let asked = |image: &str| {
        let part = format!("acme/{image}/tags");
        world.registry.requests().iter().filter(|one| one.path.contains(&part)).count()
    };
    world.registry.publish("acme/web", &["1.2.0"]);
    daemon.cycles(2);
    assert_eq!(asked("web"), 1);
    world.registry.publish("acme/api", &["1.0.0", "1.1.0"]);
    world.add_app(&App { name: "api", ..APP }, "1.0.0");
    wait_for_tag(&world, &daemon, "api", "1.1.0");
    daemon.cycles(2);
    assert_eq!((asked("web"), asked("api"), world.tag("web")), (1, 1, "1.1.0".to_owned()), "{}", daemon.log());
    // Another schedule: all is looked at.
    world.configure(&config);
    wait_for_tag(&world, &daemon, "web", "1.2.0");
}

#[test]
fn a_rule_with_a_schedule_writes_after_its_ticks_and_when_a_person_asks() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let config = world.standard_config();
    let far = "    schedule: {cron: \"30 2 29 2 *\", time_zone: Europe/Berlin}\n";
    world.configure(&format!("{config}{far}"));
    let daemon = Daemon::start(&world);
    // The start is no tick: a restart at night must not write what waits for the morning.
    let said = daemon.said("rule/schedule");
    assert!(said.contains("30 2 29 2 * (Europe/Berlin)"), "{said}");
    // A change of the settings is none either.
    world.configure(&format!("{}{far}", config.replace("environment: dev", "environment: test")));
    daemon.said("taken over");
    daemon.cycles(2);
    assert_eq!(world.tag("web"), "1.0.0");
    world.takes("1.1.0");
    drop(daemon);
    world.registry.publish("acme/web", &["1.3.0"]);
    world.configure(&format!("{config}    schedule: 2s\n"));
    let daemon = Daemon::start(&world);
    wait_for_tag(&world, &daemon, "web", "1.3.0");
    world.registry.publish("acme/web", &["1.4.0"]);
    wait_for_tag(&world, &daemon, "web", "1.4.0");
}

#[test]
fn a_quiet_cycle_asks_the_remote_once_whatever_branches_were_made() {
    let each = format!("{PLAIN}\nrepin.dev/git-branch: \":auto/{{{{range .Images}}}}{{{{.Alias}}}}{{{{end}}}}\"");
    let names = ["a", "b", "c"].map(|name| (name, each.replace("app", name)));
    let rows: Vec<Row<'_>> = names.iter().map(|(name, text)| Row::new(name, text)).collect();
    let world = table::world(&rows);
    let config =
        world.standard_config().replace("    branch: main\n", "    branch: main\n    branches: [\"auto/**\"]\n");
    world.configure(&served(&config));
    let daemon = Daemon::start(&world);
    daemon.said("wrote 2.0.0 for argocd/c");
    daemon.cycles(2);
    let figures = || -> (u32, u32) {
        let text = daemon.get("/metrics").1;
        let figure = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap();
        (figure("repin_cycles_total "), figure("repin_git_requests_total{kind=\"advertisement\"} "))
    };
    let (cycles, asked) = figures();
    daemon.cycles(2);
    let (later, asked_later) = figures();
    assert_eq!(asked_later - asked, later - cycles, "{}", daemon.log());
    assert!(daemon.log().contains("branch/written"), "{}", daemon.log());
}

#[test]
fn a_quiet_cycle_asks_for_the_list_and_what_stands_however_many_images_were_looked_into() {
    let world = World::create();
    for day in 1..=20 {
        let image = Image::built(&format!("2026-01-{day:02}T10:00:00Z"));
        world.registry.fake().push("acme/web", &format!("t{day}"), &image);
    }
    let app = App { name: "web", constraint: "", annotations: &["repin.dev/update-strategy: newest-build"] };
    world.add_app(&app, "t20");
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    world.registry.forget_requests();
    daemon.cycles(2);
    let seen = world.registry.requests();
    let is_expected = |seen: &crate::registry::Seen| {
        seen.path.contains("/tags/list") || (seen.method == "HEAD" && seen.path.ends_with("/manifests/t20"))
    };
    assert!(seen.len() >= 4 && seen.iter().all(is_expected), "{seen:#?}");
}
