//! `cargo xtask test`: everything that has to hold before a change is accepted.
//!
//! Knows nothing of single tests: cargo's own output is shown as it comes.

use crate::run::{Result, cargo, run};
use crate::setup;

/// Checks formatting and lints, then runs all tests; stops at the first failure.
pub fn test() -> Result<()> {
    setup::ensure()?;
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    run(&mut cargo(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    run(&mut cargo(["test", "--release", "--workspace"]))
}
