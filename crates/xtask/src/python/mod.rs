//! `cargo xtask python`: the Python package, from its wheel in an environment of its own to its tests, with the
//! oldest and the newest Python that this machine has.
//!
//! Everything that is made is below `python` and `wheels` of the target directory. Packages come from PyPI, through pip.

mod bench;
mod interpreter;
mod tests;
mod wheel;

use std::path::PathBuf;

use crate::run::{Failure, Result, check, path_failure};
use crate::setup;

pub use bench::bench;
pub use interpreter::{Interpreter, all};
pub use wheel::{Carried, build_environment, make, make_light, make_with};

/// What is asked of PyPI, to see whether it can be asked.
const REACHABLE: &str = "pytest";

/// Which wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wheel {
    /// With RocksDB, and with the command.
    Whole,
    /// Without both.
    Light,
}

/// Makes the wheel, and runs the tests with the oldest and the newest Python.
pub fn python(which: Wheel) -> Result<()> {
    setup::ensure()?;
    let found = all();
    let (Some(oldest), Some(newest)) = (found.first(), found.last()) else {
        return Err(Failure(format!("there is no Python from {} on with pip and venv", interpreter::LEAST)));
    };
    let wheel = match which {
        Wheel::Whole => make(newest)?,
        Wheel::Light => make_light(newest, &place("wheels")?)?,
    };
    let mut interpreters = vec![oldest];
    if oldest.version != newest.version {
        interpreters.push(newest);
    }
    interpreters.into_iter().try_for_each(|interpreter| tests::run(interpreter, &wheel))
}

/// The same with the newest Python alone, as a part of all tests. Without Python or PyPI the tests are skipped, and
/// that is said.
pub fn as_a_part_of_all_tests() -> Result<()> {
    let found = all();
    let missing = match found.last() {
        None => format!("there is no Python from {} on with pip and venv", interpreter::LEAST),
        Some(newest) if !newest.reaches_pypi(REACHABLE)? => "PyPI cannot be reached".to_owned(),
        Some(newest) => return tests::run(newest, &wheel::make_with_built(newest)?),
    };
    println!("\nPython: 0 passed, {} skipped: {missing}.", tests::count()?);
    Ok(())
}

/// A directory for what is made here, below the target directory.
fn place(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|error| Failure(format!("cannot find the target directory: {error}")))?;
    let target = own.ancestors().nth(2);
    check(target.is_some(), || "cannot find the target directory".to_owned())?;
    let place = target.unwrap_or(&own).join(name);
    std::fs::create_dir_all(&place).map_err(|error| path_failure("create", &place, error))?;
    Ok(place)
}
