//! `percache completions`.

use crate::args::Completions;
use crate::completion;
use crate::error::{CliError, SUCCESS};

/// Prints a script for the shell to evaluate.
pub fn run(args: &Completions) -> Result<u8, CliError> {
    crate::say!("{}", completion::script(args.shell).trim());
    Ok(SUCCESS)
}
