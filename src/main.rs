//! The `repin` program: hands the command line to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    repin::cli::main(std::env::args_os())
}
