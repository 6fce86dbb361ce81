//! `percache schema`.

use percache_runner::configuration;

use crate::error::{CliError, SUCCESS};

/// Prints the JSON Schema of percache.toml.
pub fn run() -> Result<u8, CliError> {
    crate::say!("{:#}", configuration::schema());
    Ok(SUCCESS)
}
