//! `cargo xtask bench python`: percache beside joblib, diskcache, cachier and the original, in one run.

use super::wheel::package;
use super::{all, make, place};
use crate::run::{Failure, Result, run};

/// Whom percache is measured beside.
const RIVALS: [&str; 4] = ["numpy", "joblib", "diskcache", "cachier"];

/// Measures, and prints the table.
pub fn bench() -> Result<()> {
    let found = all();
    let newest = found.last().ok_or_else(|| Failure("there is no Python to measure with".into()))?;
    let wheel = make(newest)?;
    let environment = newest.fresh_environment("bench")?;
    environment.install(&RIVALS)?;
    environment.install(&[&wheel])?;
    let original = super::tests::original(newest)?;
    let mut python = environment.command("python");
    python.arg(package().join("benches/bench.py")).arg(original).current_dir(place("python")?);
    run(&mut python)
}
