//! The tests of the package: its own, and those of the original percache, which are fetched and not kept here.

use std::fs;
use std::path::{Path, PathBuf};

use super::interpreter::{Environment, Interpreter};
use super::place;
use super::wheel::package;
use crate::run::{Failure, Result, path_failure, run as run_command};

/// What the tests use beside the package.
const NEEDED: [&str; 8] = ["pytest", "mypy", "numpy", "pandas", "polars", "pydantic", "joblib", "dask[distributed]"];
/// The original, as it is on PyPI.
const ORIGINAL: &str =
    "percache==0.4.4 --hash=sha256:04b08b9d775b0e88666c14cfd6627691cc056ec526a4608f620595d68d1e31a2\n";

/// Runs all tests with what is installed.
fn run_all(environment: &Environment, original: &Path) -> Result<()> {
    let mut pytest = environment.command("python");
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(package().join("tests"));
    // Away from the sources: what is tested is what was installed.
    pytest.current_dir(place("python")?).env("PERCACHE_ORIGINAL", original);
    run_command(&mut pytest)
}

/// Makes an environment for a Python, and runs all tests in it.
pub fn run(interpreter: &Interpreter, wheel: &Path) -> Result<()> {
    println!("\nPython {}", interpreter.version);
    let needed = interpreter.environment("needed", &NEEDED)?;
    let environment = interpreter.fresh_environment("test")?;
    environment.see(&needed)?;
    environment.install(&[wheel])?;
    let original = original(interpreter)?;
    run_all(&environment, &original)
}

/// Returns the directory with the original's source.
pub fn original(interpreter: &Interpreter) -> Result<PathBuf> {
    let directory = place("python/original")?;
    let unpacked = directory.join("percache-0.4.4");
    if unpacked.join("tests.py").is_file() {
        return Ok(unpacked);
    }
    let requirements = directory.join("requirements.txt");
    fs::write(&requirements, ORIGINAL).map_err(|error| path_failure("write", &requirements, error))?;
    let mut download = std::process::Command::new(&interpreter.path);
    download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"]);
    run_command(download.arg("--dest").arg(&directory).arg("-r").arg(&requirements))?;
    let archive = directory.join("percache-0.4.4.tar.gz");
    run_command(std::process::Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&directory))?;
    Ok(unpacked)
}

/// Returns how many tests there are, as far as that can be told without Python.
pub fn count() -> Result<usize> {
    let directory = package().join("tests");
    let entries = fs::read_dir(&directory).map_err(|error| path_failure("read", &directory, error))?;
    let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let tests = |text: String| text.lines().filter(|line| line.trim_start().starts_with("def test_")).count();
    match texts.map(tests).sum() {
        0 => Err(Failure(format!("there are no tests in {}", directory.display()))),
        count => Ok(count),
    }
}
