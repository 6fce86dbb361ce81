//! `cargo xtask test`: everything that has to hold before a change is accepted.
//!
//! Knows nothing of single tests: cargo's own output is shown as it comes.

use std::ffi::OsString;

use crate::python;
use crate::run::{Result, cargo, run};
use crate::servers;
use crate::setup;

/// The variable by which the harness of Rust's tests is told how many run at a time.
const THREADS: &str = "RUST_TEST_THREADS";

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
    let mut tests = cargo(["test", "--release", "--workspace", "--exclude", "percache-py"]);
    run(tests.envs(python).envs(servers::ensure()).env(THREADS, threads()))?;
    python::as_a_part_of_all_tests()
}

/// Returns how many tests run at a time: one more than there are processors, unless the caller says otherwise. Many of
/// them wait for a command or for a clock.
fn threads() -> OsString {
    let processors = std::thread::available_parallelism().map_or(1, Into::<usize>::into);
    std::env::var_os(THREADS).unwrap_or_else(|| (processors + 1).to_string().into())
}
