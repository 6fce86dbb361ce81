//! `cargo xtask test`: everything that has to hold before a change is accepted.
//!
//! Knows nothing of single tests: cargo's own output is shown as it comes.

use crate::run::{Result, cargo, run};
use crate::setup;

/// Checks formatting and lints, with and without RocksDB, then runs all tests; stops at the first failure.
pub fn test() -> Result<()> {
    setup::ensure()?;
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    run(&mut cargo(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // The library as a program without RocksDB and without a C++ compiler has it.
    for features in ["", "macros,user-cache"] {
        let without = ["--no-default-features", "--features", features, "--", "-D", "warnings"];
        run(cargo(["clippy", "--release", "-p", "percache"]).args(without))?;
    }
    run(&mut cargo(["test", "--release", "--workspace"]))
}
