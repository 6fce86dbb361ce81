//! `percache man`: writes manual pages, for packagers.

use clap::CommandFactory;

use percache_runner::text::shown;

use crate::args::{Cli, Man};
use crate::error::{CliError, SUCCESS};

/// Writes a manual page for percache and one for each of its commands.
pub fn run(args: &Man) -> Result<u8, CliError> {
    let dir = &args.directory;
    let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
    written.map_err(|e| CliError::failure(format!("cannot write manual pages to `{}`: {e}", shown(dir))))?;
    Ok(SUCCESS)
}
