//! `percache completions`.

use crate::args::Completions;
use crate::completion;
use crate::error::{CliError, SUCCESS};

/// Prints a script that the shell reads.
pub fn run(args: &Completions) -> Result<u8, CliError> {
    crate::say!("{}", completion::script(args.shell).trim());
    Ok(SUCCESS)
}
