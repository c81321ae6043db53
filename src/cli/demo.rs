//! `repin demo`: the main job on an embedded registry and a local Git repository, told step by step.
//!
//! Nothing is faked: a real daemon watches a real (embedded, read-only) OCI registry and a bare repository that the git
//! program made, in a temporary directory that is removed at the end.

mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::demo::world::World;
use crate::cli::document::{CheckDocument, VERSION};
use crate::cli::render::{self, Paint, Palette};
use crate::cli::{FAILED, FINE, Global, usage_problem};
use crate::config;
use crate::daemon;
use crate::server::Status;

/// Longest wait for something that must happen within a cycle or two.
const PATIENCE: Duration = Duration::from_secs(20);
/// Cycles that a reverted change must survive before the demo believes it.
const QUIET_CYCLES: u64 = 2;

/// Exit 0 if every step came out as told, 1 if not or if it was interrupted before.
pub(super) async fn run(global: &Global, keep: bool) -> u8 {
    let teller = Teller { palette: Palette::of_stdout(), is_quiet: global.is_json() };
    let told = tell(&teller, keep).await;
    let problems = match &told {
        Ok(()) => Vec::new(),
        Err(why) => vec![usage_problem("demo/stopped", format!("the demo stopped: {why}"), None)],
    };
    if global.is_json() {
        render::json(&CheckDocument { version: VERSION, problems: &problems });
    } else {
        render::talk(&render::problems(&problems, Palette::plain()));
    }
    if told.is_ok() { FINE } else { FAILED }
}

async fn tell(teller: &Teller, keep: bool) -> Result<(), String> {
    let world = World::create().await?;
    let (settings, _) =
        config::load(&world.config_path()).map_err(|problems| render::problems(&problems, Palette::plain()))?;
    let status = Arc::new(Status::default());
    let stop = CancellationToken::new();
    let token = stop.clone();
    let daemon = tokio::spawn(daemon::run(
        world.config_path(),
        config::fingerprint(&world.config_path()),
        settings,
        None,
        status.clone(),
        async move { token.cancelled().await },
    ));
    let told = tokio::select! {
        told = story(teller, &world, &status) => told,
        () = interrupted() => Err("interrupted".to_owned()),
    };
    if told.is_ok() && keep {
        teller.say(&world.invitation());
        interrupted().await;
    }
    stop.cancel();
    match daemon.await {
        Ok(Ok(())) => told,
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(format!("the daemon panicked: {error}")),
    }
}

async fn story(teller: &Teller, world: &World, status: &Status) -> Result<(), String> {
    teller.say(
        "This is repin at work: it watches a registry, and when a release appears that an Application allows, it writes\n\
         the tag into the Application's values file in Git. Registry, Git repository and daemon are real ones, on this\n\
         machine, in a temporary directory that is removed at the end.",
    );

    teller.heading("1. A GitOps repository with three services, and a registry with their images");
    teller.say(&world.overview());
    teller.say(&format!(
        "The annotations in argocd/web.yaml say what to track, and where its tag stands:\n\n{}",
        world.annotations("web")
    ));
    teller.say("apps/web/values.yaml, as people wrote it:");
    teller.quote(&world.show("apps/web/values.yaml").await?);
    wait_for_cycles(status, 1).await?;
    let start = world.head().await?;
    teller.say("The daemon runs, and has nothing to do: Git holds the newest releases that the annotations allow.");

    teller.heading("2. CI pushes three tags of web: 1.1.0, 1.2.0-rc.1 and 2.0.0");
    // Right after a cycle, so that the decision can be shown before the next one carries it out.
    wait_for_cycles(status, status.metrics.cycles() + 1).await?;
    for tag in ["1.1.0", "1.2.0-rc.1", "2.0.0"] {
        world.publish("acme/web", tag)?;
    }
    teller.say("The decision, as `repin explain web` shows it. Every tag gets a reason:");
    teller.quote(&world.explain("web").await?);
    let updated = world.moved_from(&start, PATIENCE).await?;
    teller.say("The commit that the daemon made and pushed. One value changed; comments, quotes and blank lines stay:");
    teller.show(&world.commit(&updated).await?);

    teller.heading("3. 1.1.0 misbehaves. A person takes it back with `git revert`, and it stays taken back");
    let reverted = world.revert(&updated).await?;
    wait_for_cycles(status, status.metrics.cycles() + QUIET_CYCLES).await?;
    let now = world.head().await?;
    if now != reverted {
        return Err(format!("the head moved from {reverted} to {now} after the revert"));
    }
    teller.say(&format!(
        "1.1.0 is still in the registry and still allowed, but {QUIET_CYCLES} cycles later the head is still the revert, {}.\n\
         repin reads from Git's history that a person went back, so no lost cache makes it forget:",
        short(&reverted)
    ));
    teller.quote(&world.explain("web").await?);

    teller.heading("4. The next release, web 1.2.0, is taken without anybody's help");
    world.publish("acme/web", "1.2.0")?;
    let taken = world.moved_from(&reverted, PATIENCE).await?;
    teller.show(&world.commit(&taken).await?);

    teller.heading("5. What Git says in the end. It is the only database: who, what, and why, in every commit");
    teller.quote(&world.log().await?);
    teller.say("How to use it on your own repository: README.md.");
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut term) => drop(term.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

async fn wait_for_cycles(status: &Status, count: u64) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while status.metrics.cycles() < count {
        if Instant::now() > deadline {
            return Err(format!("cycle {count} did not end within {PATIENCE:?}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// Writes the story to stdout.
struct Teller {
    palette: Palette,
    is_quiet: bool,
}

impl Teller {
    fn heading(&self, text: &str) {
        self.write(&format!("\n{}\n", self.palette.paint(Paint::Bold, text)));
    }

    fn say(&self, text: &str) {
        self.block("  ", text);
    }

    /// Shows what a file or a program says, a step further in.
    fn quote(&self, text: &str) {
        self.block("      ", text);
    }

    fn block(&self, margin: &str, text: &str) {
        let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") };
        let indented: String = text.lines().map(line).collect();
        self.write(&format!("\n{indented}"));
    }

    /// Shows a commit with its diff in colour.
    fn show(&self, text: &str) {
        let painted: Vec<String> = text
            .lines()
            .map(|line| match line.as_bytes() {
                [b'+', ..] => self.palette.paint(Paint::Green, line),
                [b'-', ..] => self.palette.paint(Paint::Red, line),
                [b'@', ..] => self.palette.paint(Paint::Cyan, line),
                [b'c', b'o', b'm', b'm', b'i', b't', b' ', ..] => self.palette.paint(Paint::Yellow, line),
                _ => line.to_owned(),
            })
            .collect();
        self.quote(&painted.join("\n"));
    }

    fn write(&self, text: &str) {
        if self.is_quiet {
            render::talk(text);
        } else {
            render::out(text);
        }
    }
}
