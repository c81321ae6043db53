//! A real registry behind a real proxy that breaks: nothing wrong is chosen meanwhile, nothing is missed afterwards.

use serde_json::Value;

use crate::docker_registry::Access;
use crate::haproxy::{Fault, HaProxy, Part};
use crate::running::{Daemon, wait};
use crate::world::{App, World};

const WEB: App<'_> = App { name: "web", constraint: "1.x", annotations: &[] };

/// docker-registry, asked through HAProxy.
fn behind() -> Option<(World, HaProxy)> {
    let world = World::with_docker(Access::Open)?;
    let proxy = HaProxy::start(&world.registry.host())?;
    let settings = world.registry.settings();
    let config = world
        .standard_config()
        .replace(&settings, &format!("{settings}    api_url: {}\n    limits: {{request_timeout: 2s}}\n", proxy.url()));
    world.configure(&config.replace("server: null", "server: {listen: \"127.0.0.1:0\"}"));
    world.registry.publish("acme/web", &["1.0.0"]);
    world.add_app(&WEB, "1.0.0");
    Some((world, proxy))
}

fn judged(outcome: &Value) -> (&str, &str) {
    (outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap())
}

#[test]
fn what_the_proxy_does_is_told_by_name_and_nothing_is_written() {
    let Some((world, proxy)) = behind() else { return };
    world.registry.publish("acme/web", &["1.1.0", "1.2.0"]);
    let head = world.remote.head();
    for (fault, code) in [
        (Fault::TooMany, "registry/rate-limited"),
        (Fault::Unavailable, "registry/server-error"),
        (Fault::Tarpit, "registry/server-error"),
        (Fault::Drop, "registry/timeout"),
    ] {
        for part in [Part::Lists, Part::Rest] {
            proxy.set(part, fault);
            let outcome = world.once();
            assert_eq!(judged(&outcome), ("failed", code), "{fault:?} of {part:?}: {outcome:#}");
            assert_eq!(world.remote.head(), head, "{fault:?} of {part:?}");
            proxy.set(part, Fault::None);
        }
    }
    world.takes("1.2.0");
}

#[test]
fn a_daemon_waits_out_429_and_misses_nothing() {
    waits_out(Fault::TooMany, true);
}

#[test]
fn a_daemon_waits_out_503_and_misses_nothing() {
    waits_out(Fault::Unavailable, true);
}

#[test]
fn a_daemon_waits_out_dropped_connections_and_misses_nothing() {
    waits_out(Fault::Drop, false);
}

#[test]
fn a_daemon_waits_out_a_tarpit_and_misses_nothing() {
    waits_out(Fault::Tarpit, false);
}

/// Breaks everything, then half of it, then nothing.
fn waits_out(fault: Fault, is_told_to_wait: bool) {
    let Some((world, proxy)) = behind() else { return };
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    let label = format!("{{registry=\"{}\"}}", world.registry.host());
    let [throttled, backoff] =
        ["throttled_total", "backoff_seconds"].map(|name| format!("repin_registry_{name}{label}"));
    assert_eq!(daemon.metric(&throttled).unwrap_or_default(), 0.0, "{}", daemon.metrics());
    let head = world.remote.head();

    proxy.set_all(fault);
    let before = proxy.requests();
    world.registry.publish("acme/web", &["1.1.0", "1.2.0"]);
    wait("requests that fail", || (proxy.requests() >= before + 2).then_some(()), || daemon.log());
    daemon.cycles(1);
    assert_eq!(world.remote.head(), head, "{}", daemon.log());
    if is_told_to_wait {
        let is_above = |name: &str| daemon.metric(name).is_some_and(|value| value > 0.0).then_some(());
        wait("the pause in the metrics", || is_above(&backoff), || daemon.metrics());
        is_above(&throttled).expect("what asked for it");
    }

    // The list says that there is 1.2.0, and 1.2.0 cannot be looked at: nothing older is taken for it.
    proxy.set(Part::Lists, Fault::None);
    let before = proxy.requests();
    wait("lists that succeed", || (proxy.requests() >= before + 4).then_some(()), || daemon.log());
    assert_eq!(world.remote.head(), head, "{}", daemon.log());
    assert_eq!(daemon.metric(&throttled).unwrap_or_default() > 0.0, is_told_to_wait, "{}", daemon.metrics());

    proxy.set(Part::Rest, Fault::None);
    wait("the release", || (world.tag("web") == "1.2.0").then_some(()), || daemon.log());
    let subjects: Vec<String> = world.remote.log().into_iter().map(|(_, subject, _)| subject).take(2).collect();
    assert_eq!(subjects, ["Update web to 1.2.0", "Add web"]);
}
