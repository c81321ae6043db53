//! What `status` makes of a snapshot and of what was decided on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use repin::model::hold::{Hold, HoldKind, Scope};
use repin::model::outcome::Outcome;
use repin::model::rule::{Delivery, Glob, Match, Rule};
use repin::model::schedule::cron::Cron;
use repin::model::window::{Window, WindowKind};
use repin::plan::past::Past;
use repin::plan::status::{Decided, PlaceStatus, State, Status, Wish, services, status};
use repin::plan::{Failure, Snapshot};

use crate::{World, digest, values};

/// One rule for what stands below a directory.
fn rule(path: &str, environment: &str) -> Rule {
    Rule {
        matches: Match { path: Some(Glob::of_paths(path).unwrap()), ..Match::default() },
        environment: Some(environment.into()),
        delivery: Some(Delivery::Commit),
        ..Rule::default()
    }
}

/// `web` in `prod`, `staging` and `dev`, in the order of promotion dev, staging, prod; and `api`, whose service a rule names.
fn shop() -> World {
    let mut world = World { tags: BTreeMap::from([("r.example/web", vec!["1.0.0", "1.1.0"])]), ..World::default() };
    for (name, file, tag) in [
        ("web-prod", "apps/web-prod/values.yaml", "1.0.0"),
        ("web-dev", "apps/web-dev/values.yaml", "1.1.0"),
        ("web-staging", "apps/web-staging/values.yaml", "1.0.0"),
        ("backend-dev", "apps/backend-dev/values.yaml", "1.1.0"),
    ] {
        world.add(name, file, "");
        world.files.insert(file, values(tag));
    }
    let promoted = |from: &str, rule: Rule| Rule { promote_from: Some(from.parse().unwrap()), ..rule };
    world.rules = vec![
        rule("apps/*-dev/**", "dev"),
        promoted("dev", rule("apps/*-staging/**", "staging")),
        promoted(
            "staging",
            Rule { windows: Some(BTreeSet::from(["office".into()])), ..rule("apps/*-prod/**", "prod") },
        ),
        Rule { service: Some("api".into()), ..rule("apps/backend-dev/**", "dev") },
    ];
    world
}

fn decided(world: &World, snapshot: &Snapshot, wish: Wish<'_>) -> Status {
    let decision = world.decide_on(snapshot.clone());
    let all = Decided { outcomes: &decision.outcomes, judgements: &decision.judgements };
    status(snapshot, &Past::default(), Some(all), wish)
}

fn places(status: &Status) -> Vec<(&str, &PlaceStatus)> {
    let of_service = |one| {
        let one: &repin::plan::status::ServiceStatus = one;
        one.environments.iter().map(|place| (one.service.as_str(), place)).collect::<Vec<_>>()
    };
    status.services.iter().flat_map(of_service).collect()
}

fn lines(status: &Status) -> Vec<String> {
    let line = |(service, place): (&str, &PlaceStatus)| {
        let next = place.next.as_ref().and_then(|next| next.tag.as_deref()).unwrap_or("-");
        let code = place.held.as_ref().map_or("-", |held| held.code.as_str());
        let environment = place.environment.as_deref().unwrap_or("-");
        format!(
            "{service} {environment} {} {next} {} {code}",
            place.tag.as_deref().unwrap_or("-"),
            place.state.as_str()
        )
    };
    places(status).into_iter().map(line).collect()
}

#[test]
fn services_come_by_name_and_their_environments_as_values_are_promoted() {
    let world = shop();
    let mut snapshot = world.snapshot();
    let window = Window {
        name: "office".into(),
        kind: WindowKind::Allow,
        cron: Cron::new("0 9 * * *", TimeZone::UTC).unwrap(),
        duration: Duration::from_secs(3_600),
        reason: Some("people are there".into()),
    };
    snapshot.windows = Arc::new(BTreeMap::from([("office".to_owned(), window)]));
    let shown = decided(&world, &snapshot, Wish::default());
    assert_eq!(
        lines(&shown),
        [
            "api dev 1.1.0 - current -",
            "web dev 1.1.0 - current -",
            "web staging 1.0.0 1.1.0 pending -",
            "web prod 1.0.0 - current -",
        ]
    );
    assert_eq!(services(&snapshot), BTreeSet::from(["api".to_owned(), "web".to_owned()]));
    let staging = places(&shown)[2].1;
    assert_eq!(staging.next.as_ref().unwrap().digest.as_deref(), Some(digest("a").as_str()));
    assert_eq!((staging.by.as_deref(), staging.since), (Some("Paula"), Some(Timestamp::UNIX_EPOCH)));
    // The window counts where it is asked for, whether something waits or not.
    let open: Vec<Option<bool>> =
        places(&shown).iter().map(|(_, place)| place.window.as_ref().map(|window| window.open)).collect();
    assert_eq!(open, [None, None, None, Some(false)]);
    let closed = &shown.closed[0];
    assert_eq!((shown.closed.len(), closed.places), (1, 1));
    assert_eq!(closed.environments, BTreeSet::from([Some("prod".to_owned())]));
    assert_eq!(closed.window.next_open, Some("1970-01-01T09:00:00Z".parse().unwrap()));
    let only = decided(&world, &snapshot, Wish { service: Some("web"), environment: Some("prod") });
    assert_eq!(lines(&only), ["web prod 1.0.0 - current -"]);
}

#[test]
fn freezes_and_overrides_in_force_stand_on_top_and_holds_at_their_places() {
    let world = shop();
    let mut snapshot = world.snapshot();
    let glob = |text: &str| Some(text.parse::<Glob>().unwrap());
    let hold = |kind, scope, line, until: Option<i64>| Hold {
        kind,
        scope,
        reason: "end of quarter".into(),
        actor: "paula".into(),
        since: Timestamp::from_second(-60).unwrap(),
        until: until.map(|seconds| Timestamp::from_second(seconds).unwrap()),
        line,
    };
    let all = vec![
        hold(HoldKind::Freeze, Scope { environment: glob("staging"), ..Scope::default() }, 2, Some(3_600)),
        hold(HoldKind::Freeze, Scope::default(), 7, Some(-1)),
        hold(HoldKind::Override, Scope { service: glob("api"), ..Scope::default() }, 12, Some(60)),
        hold(HoldKind::Hold, Scope { service: glob("web"), environment: glob("prod"), ..Scope::default() }, 17, None),
    ];
    snapshot.holds.insert("gitops".into(), Ok(Arc::new(all)));
    let shown = decided(&world, &snapshot, Wish::default());
    assert_eq!(lines(&shown)[2], "web staging 1.0.0 1.1.0 held gate/frozen");
    assert_eq!(shown.freezes.iter().map(|one| one.line).collect::<Vec<_>>(), [2], "what is over has no effect");
    assert_eq!(shown.overrides.iter().map(|one| one.line).collect::<Vec<_>>(), [12]);
    assert_eq!(places(&shown)[2].1.held.as_ref().unwrap().until, Some(Timestamp::from_second(3_600).unwrap()));
    let offline = status(&snapshot, &Past::default(), None, Wish { service: Some("web"), environment: None });
    assert_eq!(
        lines(&offline),
        ["web dev 1.1.0 - stands -", "web staging 1.0.0 - stands -", "web prod 1.0.0 - held gate/hold"],
        "from Git alone nothing is known of what comes"
    );
}

#[test]
fn what_could_not_be_read_is_named_and_failed() {
    let world = shop();
    let mut snapshot = world.snapshot();
    let failure =
        Failure { code: "git/unreachable".into(), message: "it did not answer".into(), hint: None, line: None };
    snapshot.repository_failures.insert("gitops".into(), failure);
    snapshot.stop = Some("the database moves".into());
    let shown = decided(&world, &snapshot, Wish::default());
    assert_eq!(shown.unread, [("gitops".to_owned(), "git/unreachable: it did not answer".to_owned())]);
    assert_eq!(shown.stopped.as_deref(), Some("the database moves"));
    assert!(places(&shown).iter().all(|(_, place)| place.state == State::Failed), "{:#?}", lines(&shown));
    let outcomes: Vec<Outcome> = world.decide_on(snapshot).outcomes;
    assert_eq!(outcomes.len(), places(&shown).len(), "one for each");
}
