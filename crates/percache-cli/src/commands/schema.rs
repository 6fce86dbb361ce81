//! `percache schema`.

use percache_runner::config;

use crate::error::{CliError, SUCCESS};

/// Prints the JSON Schema of percache.toml.
pub fn run() -> Result<u8, CliError> {
    crate::say!("{:#}", config::schema());
    Ok(SUCCESS)
}
