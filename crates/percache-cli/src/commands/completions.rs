//! `percache completions`.

use clap::CommandFactory;

use crate::args::{Cli, Completions};
use crate::error::{CliError, SUCCESS};

/// Prints a script that the shell reads.
pub fn run(args: &Completions) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "percache", &mut script);
    crate::say!("{}", String::from_utf8_lossy(&script).trim_end());
    Ok(SUCCESS)
}
