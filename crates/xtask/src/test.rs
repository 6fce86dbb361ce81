//! `cargo xtask test`: everything that has to hold before a change is accepted.
//!
//! Knows nothing of single tests: cargo's own output is shown as it comes.

use crate::python;
use crate::run::{Result, cargo, run};
use crate::servers;
use crate::setup;

/// Checks formatting and lints, with and without RocksDB, then runs all tests; stops at the first failure.
pub fn test() -> Result<()> {
    setup::ensure()?;
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    // The same for all of cargo, so that nothing is compiled twice.
    let python = python::all().last().map(python::build_environment).into_iter().flatten().collect::<Vec<_>>();
    let lints = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run(cargo(lints).envs(python.clone()))?;
    // The library as a program without RocksDB and without a C++ compiler has it.
    for features in ["", "macros,user-cache"] {
        let without = ["--no-default-features", "--features", features, "--", "-D", "warnings"];
        run(cargo(["clippy", "--release", "-p", "percache"]).args(without))?;
    }
    // The Python package with results in files.
    let light = ["clippy", "--release", "-p", "percache-py", "--no-default-features", "--", "-D", "warnings"];
    run(cargo(light).envs(python.clone()))?;
    // The Python package is tested in Python.
    run(cargo(["test", "--release", "--workspace", "--exclude", "percache-py"]).envs(python).envs(servers::ensure()))?;
    python::as_a_part_of_all_tests()
}
