//! The command line: arguments, one file per command, exit codes.
//!
//! stdout is data, stderr is talk. Exit codes: 0 fine, 1 failed, 2 usage, 3 configuration, 4 changes pending.

mod check;
mod demo;
pub mod document;
mod explain;
mod get;
mod history;
mod holds;
mod images;
mod login_check;
pub mod migrate;
mod once;
mod plan;
mod policy_flags;
mod policy_test;
mod pulls;
mod refusal;
pub mod render;
mod run;
mod set;
mod status;
mod tags;
mod text_file;
mod trace;

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::cli::document::{CycleDocument, VERSION};
use crate::cli::refusal::{empty_document, usage, usage_problem};
use crate::cli::render::Palette;
use crate::config::settings::{LogFormat, Settings};
use crate::config::{self, options};
use crate::model::problem::Problem;
use crate::reconcile::{CycleReport, Due, Mode, OVERRIDE_LOG, Reconciler};
use crate::telemetry;

/// Done, and nothing failed.
pub const FINE: u8 = 0;
/// Something failed.
pub const FAILED: u8 = 1;
/// The command line cannot be understood, or names nothing that exists.
pub const USAGE: u8 = 2;
/// The configuration cannot be used.
pub const CONFIGURATION: u8 = 3;
/// `plan`, `set --dry-run`: something would change.
pub const PENDING: u8 = 4;

#[derive(Debug, Parser)]
#[command(name = "repin", version, about = "Image update automation for GitOps", long_about = None, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command takes, before or after its name.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Configuration file [default: $REPIN_CONFIG, else ./repin.yaml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What stdout gets
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    output: Output,
    /// The clock of the decision, for once, plan, status, explain, history, trace, pulls and tags (RFC 3339)
    #[arg(long, global = true, value_name = "TIME")]
    now: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon: one cycle per schedule, until SIGTERM
    Run {
        /// Writes nothing, and says why
        #[arg(long, env = "REPIN_EMERGENCY_STOP", value_name = "REASON", num_args = 0..=1, require_equals = true, default_missing_value = "--emergency-stop")]
        emergency_stop: Option<String>,
    },
    /// Runs one cycle: looks, decides, writes
    Once {
        /// Writes nothing, and says why
        #[arg(long, env = "REPIN_EMERGENCY_STOP", value_name = "REASON", num_args = 0..=1, require_equals = true, default_missing_value = "--emergency-stop")]
        emergency_stop: Option<String>,
    },
    /// Shows what a cycle would write, as a unified diff
    Plan,
    /// Shows per service and environment what stands there, what comes next, and what holds it
    Status(status::Asked),
    /// Says of every tag of an Application's images why it is taken or not
    Explain {
        /// `name`, `namespace/name`, or `repository:file:namespace/name`
        application: String,
        /// Only this image
        alias: Option<String>,
    },
    /// Lists what stood at the places of Applications, and who brought it, from Git alone
    History(history::Asked),
    /// Lists the open pull requests of repin and what each waits for, and what waits for one
    Pulls,
    /// Says what runs where and how it got there, and where an image, a commit or a pull request is now
    Trace(trace::Asked),
    /// Checks the configuration and every annotation, with place and hint; says of one Application which settings count
    Check {
        /// `name`, `namespace/name`, or `repository:file:namespace/name`
        application: Option<String>,
    },
    /// Says which tag of an image a policy takes, and why, without any Application
    Tags {
        /// `[alias=]image[:range]`, as in the annotation `image-list`
        image: String,
        /// `key=value` with the keys of annotations, an order, `order:range`, or a range; may be repeated
        #[arg(long, value_name = "POLICY", allow_hyphen_values = true)]
        policy: Vec<String>,
        /// What stands, so that only what is newer counts: a tag, with `@` and its digest if it has one
        #[arg(long, value_name = "TAG")]
        current: Option<String>,
        /// How many tags are shown as text [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Says what becomes of a configuration of argocd-image-updater, and gives a repin.yaml to start with
    Migrate(migrate::Asked),
    /// Tests policies for a repository's own CI, without a network
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Says which credentials are used for each registry, and what it answers
    LoginCheck {
        /// Hosts as in image names [default: all that are configured]
        hosts: Vec<String>,
        /// An image whose tags are listed with them
        #[arg(long, value_name = "IMAGE")]
        image: Option<String>,
    },
    /// Has nothing written where it says, until it is thawed or ends
    Freeze(holds::Freeze),
    /// Ends freezes
    Thaw(holds::Thaw),
    /// Has an Application stand still, until it is resumed or it ends
    Hold(holds::HoldAsked),
    /// Ends holds of an Application
    Resume(holds::ResumeAsked),
    /// Lets through what windows, freezes, holds, soak and limits hold (break-glass), for a while
    Override(holds::OverrideAsked),
    /// Writes values of a YAML or JSON file and changes no other byte of it
    Set(set::Asked),
    /// Prints one value of a YAML or JSON file
    Get(get::Asked),
    /// Lists where files name images, with the key paths that `set` and annotations take
    Images(images::Asked),
    /// Shows the main job on an embedded registry and a local Git repository
    Demo {
        /// Goes on until it is interrupted
        #[arg(long)]
        keep: bool,
    },
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Runs the cases of files and says which are not as expected
    Test {
        /// Files of cases (YAML)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// Runs the command line and gives the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(usage(&arguments, &error)),
    };
    let has_clock = matches!(
        cli.command,
        Command::Once { .. }
            | Command::Plan
            | Command::Status(_)
            | Command::Explain { .. }
            | Command::History(_)
            | Command::Trace(_)
            | Command::Pulls
            | Command::Tags { .. }
    );
    if cli.global.now.is_some() && !has_clock {
        let error = clap::Error::raw(
            ErrorKind::ArgumentConflict,
            "--now is for once, plan, status, explain, history, trace, pulls and tags\n",
        );
        return ExitCode::from(usage(&arguments, &error));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            render::talk(&format!("error: the runtime cannot be started: {error}\n"));
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Run { emergency_stop } => run::run(&cli.global, emergency_stop).await,
            Command::Once { emergency_stop } => once::run(&cli.global, emergency_stop).await,
            Command::Plan => plan::run(&cli.global).await,
            Command::Status(asked) => status::run(&cli.global, &asked).await,
            Command::Explain { application, alias } => explain::run(&cli.global, &application, alias.as_deref()).await,
            Command::History(asked) => history::run(&cli.global, &asked).await,
            Command::Pulls => pulls::run(&cli.global).await,
            Command::Trace(asked) => trace::run(&cli.global, &asked).await,
            Command::Check { application: None } => check::run(&cli.global).await,
            Command::Check { application: Some(application) } => check::of_one(&cli.global, &application).await,
            Command::Tags { image, policy, current, limit } => {
                let asked = tags::Asked { image: &image, policy: &policy, current: current.as_deref(), limit };
                tags::run(&cli.global, &asked).await
            }
            Command::Migrate(asked) => migrate::run(&cli.global, &asked).await,
            Command::LoginCheck { hosts, image } => login_check::run(&cli.global, &hosts, image.as_deref()).await,
            Command::Policy { command: PolicyCommand::Test { files } } => policy_test::run(&cli.global, &files),
            Command::Freeze(asked) => holds::freeze(&cli.global, &asked).await,
            Command::Thaw(asked) => holds::thaw(&cli.global, &asked).await,
            Command::Hold(asked) => holds::hold(&cli.global, &asked).await,
            Command::Resume(asked) => holds::resume(&cli.global, &asked).await,
            Command::Override(asked) => holds::let_through(&cli.global, &asked).await,
            Command::Set(asked) => set::run(&cli.global, &asked),
            Command::Get(asked) => get::run(&cli.global, &asked),
            Command::Images(asked) => images::run(&cli.global, &asked),
            Command::Demo { keep } => demo::run(&cli.global, keep).await,
        }
    });
    // Blocking work that is left, such as a name look-up, is not waited for.
    runtime.shutdown_background();
    ExitCode::from(code)
}

impl Global {
    fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    fn clock(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }

    /// Reads the configuration; what is wrong goes to stdout as the command's document, or to stderr.
    fn settings(&self, command: &str) -> Result<(Settings, Vec<Problem>), u8> {
        let path = config::locate(self.config.as_deref());
        match config::load(&path) {
            Ok((settings, warnings)) => {
                init_log(&settings, command);
                Ok((settings, warnings))
            }
            Err(problems) => {
                self.refuse(command, &problems);
                Err(CONFIGURATION)
            }
        }
    }

    fn refuse(&self, command: &str, problems: &[Problem]) {
        if self.is_json() {
            empty_document(command, problems);
        } else {
            render::talk(&render::problems(problems, Palette::plain()));
        }
    }

    /// Reads the configuration and runs one cycle. What it found is not taken down piece by piece: the process ends with it.
    async fn cycle(&self, command: &str, mode: &Mode) -> Result<(ManuallyDrop<CycleReport>, Settings), u8> {
        let (report, settings, reconciler) = self.looked(command, mode).await?;
        reconciler.leave();
        Ok((ManuallyDrop::new(report), settings))
    }

    /// The same, and gives who ran it for what is asked besides.
    async fn looked(&self, command: &str, mode: &Mode) -> Result<(CycleReport, Settings, Reconciler), u8> {
        self.run_cycle(command, mode, None).await
    }

    /// The same, where nothing is written for this reason, if there is one.
    async fn run_cycle(
        &self,
        command: &str,
        mode: &Mode,
        emergency: Option<String>,
    ) -> Result<(CycleReport, Settings, Reconciler), u8> {
        let (settings, warnings) = self.settings(command)?;
        let mut reconciler =
            match Reconciler::new(options::reconcile(&settings, &config::locate(self.config.as_deref()))) {
                Ok(reconciler) => reconciler,
                Err(error) => {
                    let hint = crate::diagnostic::Diagnostic::hint(&error);
                    let problem = usage_problem(crate::diagnostic::Diagnostic::code(&error), error.to_string(), hint);
                    self.refuse(command, &[problem]);
                    return Err(CONFIGURATION);
                }
            };
        // Whoever only looks sees what the others would do.
        let emergency = emergency.or_else(|| std::env::var("REPIN_EMERGENCY_STOP").ok());
        reconciler.stop_writing(emergency);
        let mut report = reconciler.cycle(self.clock(), mode, &Due::everything(), &CancellationToken::new()).await;
        let mut problems = warnings;
        problems.append(&mut report.problems);
        report.problems = problems;
        Ok((report, settings, reconciler))
    }

    /// Prints the document of `once` and `plan`.
    fn print(&self, report: &CycleReport) {
        if self.is_json() {
            render::json(&CycleDocument { version: VERSION, outcomes: &report.outcomes, problems: &report.problems });
        }
    }
}

/// Commands other than the daemon log errors only: their answer is on stdout. What an override let through is logged
/// always.
fn init_log(settings: &Settings, command: &str) {
    let level = if command == "run" { settings.log.level.as_str() } else { "error" };
    telemetry::init(&format!("{level},{OVERRIDE_LOG}=warn"), settings.log.format == LogFormat::Json);
}
