//! The command line: arguments, one file per command, exit codes.
//!
//! stdout is data, stderr is talk. Exit codes: 0 fine, 1 failed, 2 usage, 3 configuration, 4 changes pending.

mod check;
mod demo;
pub mod document;
mod explain;
mod get;
mod history;
mod images;
mod login_check;
mod once;
mod plan;
mod policy_flags;
mod policy_test;
mod pulls;
pub mod render;
mod run;
mod set;
mod tags;
mod text_file;
mod trace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::cli::document::{
    CasesDocument, CheckDocument, CycleDocument, ExplainDocument, HistoryDocument, LoginDocument, PullsDocument,
    QueryShown, TagsDocument, TraceDocument, VERSION,
};
use crate::cli::render::Palette;
use crate::config::settings::{LogFormat, Settings};
use crate::config::{self, options};
use crate::model::problem::{Problem, Severity};
use crate::plan::trace::shown::Target;
use crate::reconcile::{CycleReport, Due, Mode, Reconciler};
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
    /// The clock of the decision, for once, plan, explain, history, trace, pulls and tags (RFC 3339)
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
    Run,
    /// Runs one cycle: looks, decides, writes
    Once,
    /// Shows what a cycle would write, as a unified diff
    Plan,
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
    /// Checks the configuration and every annotation, with place and hint
    Check,
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
        Command::Once
            | Command::Plan
            | Command::Explain { .. }
            | Command::History(_)
            | Command::Trace(_)
            | Command::Pulls
            | Command::Tags { .. }
    );
    if cli.global.now.is_some() && !has_clock {
        let error = clap::Error::raw(
            ErrorKind::ArgumentConflict,
            "--now is for once, plan, explain, history, trace, pulls and tags\n",
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
            Command::Run => run::run(&cli.global).await,
            Command::Once => once::run(&cli.global).await,
            Command::Plan => plan::run(&cli.global).await,
            Command::Explain { application, alias } => explain::run(&cli.global, &application, alias.as_deref()).await,
            Command::History(asked) => history::run(&cli.global, &asked).await,
            Command::Pulls => pulls::run(&cli.global).await,
            Command::Trace(asked) => trace::run(&cli.global, &asked).await,
            Command::Check => check::run(&cli.global).await,
            Command::Tags { image, policy, current, limit } => {
                let asked = tags::Asked { image: &image, policy: &policy, current: current.as_deref(), limit };
                tags::run(&cli.global, &asked).await
            }
            Command::LoginCheck { hosts, image } => login_check::run(&cli.global, &hosts, image.as_deref()).await,
            Command::Policy { command: PolicyCommand::Test { files } } => policy_test::run(&cli.global, &files),
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

/// Says what is wrong with the command line; with `--output json` as the command's document too.
fn usage(arguments: &[OsString], error: &clap::Error) -> u8 {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        render::out(&error.to_string());
        return FINE;
    }
    render::talk(&error.to_string());
    let words = arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    // What stands behind `--` is no flag.
    let words: Vec<String> = words.take_while(|word| word != "--").collect();
    let is_json =
        words.iter().any(|word| word == "--output=json") || words.windows(2).any(|pair| pair == ["--output", "json"]);
    if is_json {
        let text = error.to_string();
        // Up to the usage: what is wrong, and with which argument.
        let lines: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")).collect();
        let message = lines.join(" ").trim_start_matches("error: ").trim().to_owned();
        let problem = usage_problem("usage/invalid", message, Some("see `repin --help`".to_owned()));
        empty_document(command_of(&words), &[problem]);
    }
    USAGE
}

/// Finds the command among words that could not be understood; the value of a flag is none.
fn command_of(words: &[String]) -> &str {
    let known = [
        "run",
        "once",
        "plan",
        "explain",
        "history",
        "trace",
        "pulls",
        "check",
        "tags",
        "policy",
        "login-check",
        "set",
        "get",
        "images",
        "demo",
    ];
    let takes_value = |word: &str| ["--config", "--output", "--now"].contains(&word);
    let mut before = "";
    for word in words {
        if known.contains(&word.as_str()) && !takes_value(before) {
            return word;
        }
        before = word;
    }
    ""
}

fn usage_problem(code: &str, message: String, hint: Option<String>) -> Problem {
    Problem {
        severity: Severity::Error,
        code: code.to_owned(),
        repository: None,
        file: None,
        line: None,
        message,
        hint,
    }
}

/// Prints a command's document with empty lists and these problems.
fn empty_document(command: &str, problems: &[Problem]) {
    match command {
        "once" | "plan" => render::json(&CycleDocument { version: VERSION, outcomes: &[], problems }),
        "explain" => render::json(&ExplainDocument { version: VERSION, application: None, images: &[], problems }),
        "history" => {
            render::json(&HistoryDocument { version: VERSION, entries: &[], left_out: 0, problems });
        }
        "pulls" => render::json(&PullsDocument { version: VERSION, pulls: &[], waiting: &[], problems }),
        "trace" => {
            let query = QueryShown { kind: None, text: None, target: &Target::default() };
            render::json(&TraceDocument { version: VERSION, query, services: &[], problems });
        }
        "tags" => render::json(&TagsDocument { version: VERSION, problems, ..TagsDocument::default() }),
        "policy" => {
            render::json(&CasesDocument { version: VERSION, cases: &[], passed: 0, failed: 0, problems });
        }
        "set" => set::refuse("", problems),
        "get" => get::refuse("", "", problems),
        "images" => images::refuse(problems),
        "login-check" => render::json(&LoginDocument { version: VERSION, registries: &[], problems }),
        _ => render::json(&CheckDocument { version: VERSION, problems }),
    }
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

    /// Reads the configuration and runs one cycle.
    async fn cycle(&self, command: &str, mode: &Mode) -> Result<(CycleReport, Settings), u8> {
        let (report, settings, _) = self.looked(command, mode).await?;
        Ok((report, settings))
    }

    /// The same, and gives who ran it for what is asked besides.
    async fn looked(&self, command: &str, mode: &Mode) -> Result<(CycleReport, Settings, Reconciler), u8> {
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

/// Commands other than the daemon log errors only: their answer is on stdout.
fn init_log(settings: &Settings, command: &str) {
    let level = if command == "run" { settings.log.level.as_str() } else { "error" };
    telemetry::init(level, settings.log.format == LogFormat::Json);
}
