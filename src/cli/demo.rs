//! `repin demo`: the main job on an embedded registry and a local Git repository, told step by step.
//!
//! Nothing is faked: a real daemon watches a real (embedded, read-only) OCI registry and a bare repository that the git
//! program made, in a temporary directory that is removed at the end.

mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::cli::demo::world::World;
use crate::cli::render::{self, Paint, Palette};
use crate::cli::{FAILED, FINE, Global};
use crate::config;
use crate::daemon;
use crate::server::Status;

/// Longest wait for something that must happen within a cycle or two.
const PATIENCE: Duration = Duration::from_secs(20);
/// Cycles that a reverted change must survive before the demo believes it.
const QUIET_CYCLES: u64 = 2;

/// Exit 0 if every step came out as told, 1 if not.
pub(super) async fn run(global: &Global, keep: bool) -> u8 {
    let teller = Teller { palette: Palette::of_stdout(), is_quiet: global.is_json() };
    match tell(&teller, keep).await {
        Ok(()) => FINE,
        Err(why) => {
            render::talk(&format!("error: the demo stopped: {why}\n"));
            FAILED
        }
    }
}

async fn tell(teller: &Teller, keep: bool) -> Result<(), String> {
    let world = World::create().await?;
    let path = world.config_path();
    let (settings, _) = config::load(&path).map_err(|problems| render::problems(&problems, Palette::plain()))?;
    teller.heading("1. Three services in a GitOps repository, each with an annotated Application");
    teller.say(&world.tree().await?);
    teller.say(&format!(
        "registry    http://{}\nrepository  {}\nconfig      {}",
        world.registry(),
        world.remote(),
        path.display()
    ));
    teller.say(&world.show("apps/web/values.yaml").await?);

    let status = Arc::new(Status::default());
    let stop = CancellationToken::new();
    let token = stop.clone();
    let daemon =
        tokio::spawn(daemon::run(path.clone(), settings, status.clone(), async move { token.cancelled().await }));
    wait_for_cycles(&status, 1).await?;
    let start = world.head().await?;

    teller.heading("2. A new tag appears: web 1.1.0. The daemon decides, commits and pushes");
    world.publish("acme/web", "1.1.0")?;
    let updated = world.moved_from(&start, PATIENCE).await?;
    teller.say(&world.explain("web").await?);
    teller.show(&world.commit(&updated).await?);

    teller.heading("3. A person takes it back with `git revert`. It stays taken back");
    let reverted = world.revert(&updated).await?;
    wait_for_cycles(&status, status.metrics.cycles() + QUIET_CYCLES).await?;
    let now = world.head().await?;
    if now != reverted {
        return Err(format!("the head moved from {reverted} to {now} after the revert"));
    }
    teller.say(&format!("{QUIET_CYCLES} cycles later the head is still the revert, {}.", short(&reverted)));
    teller.say(&world.explain("web").await?);

    teller.heading("4. The next release, web 1.2.0, is taken");
    world.publish("acme/web", "1.2.0")?;
    let taken = world.moved_from(&reverted, PATIENCE).await?;
    teller.show(&world.commit(&taken).await?);
    teller.heading("5. What Git says in the end");
    teller.say(&world.log().await?);

    if keep {
        teller.say(&format!(
            "The daemon goes on until Ctrl-C. Look at {} and try:\n  repin explain web --config {}",
            world.remote(),
            path.display()
        ));
        tokio::signal::ctrl_c().await.map_err(|error| error.to_string())?;
    }
    stop.cancel();
    match daemon.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(format!("the daemon panicked: {error}")),
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
        let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
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
        self.say(&painted.join("\n"));
    }

    fn write(&self, text: &str) {
        if self.is_quiet {
            render::talk(text);
        } else {
            render::out(text);
        }
    }
}
