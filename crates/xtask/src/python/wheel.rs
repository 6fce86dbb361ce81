//! The wheel: the package with its native half, and the command `percache`. maturin makes it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::interpreter::Interpreter;
use super::place;
use crate::run::{Failure, Result, cargo, path_failure, repository, run};

/// The version is fixed: what it tells cargo decides what is compiled again.
const MATURIN: &str = "maturin==1.16.0";

/// What maturin tells cargo of the Python that it compiles for. cargo without it, or with another one, compiles PyO3
/// again.
pub fn build_environment(python: &Interpreter) -> [(&'static str, OsString); 3] {
    [
        ("PYO3_PYTHON", python.path.clone().into()),
        ("PYO3_ENVIRONMENT_SIGNATURE", format!("cpython-{}-64bit", python.version).into()),
        ("PYO3_BUILD_EXTENSION_MODULE", "1".into()),
    ]
}

/// Makes the wheel with the command in it, and returns its path.
pub fn make(python: &Interpreter) -> Result<PathBuf> {
    run(&mut cargo(["build", "--release", "-p", "percache-cli"]))?;
    let carried = Carried::new(&place("release")?.join("percache"))?;
    let wheel = make_of(python, &place("wheels")?, &[]);
    drop(carried);
    wheel
}

/// Makes a wheel of what is there, with these arguments for maturin.
pub fn make_of(python: &Interpreter, out: &Path, arguments: &[&str]) -> Result<PathBuf> {
    let tools = python.environment("tools", &[MATURIN])?;
    // What an earlier version has left there would be taken for this one.
    for old in wheels(out)? {
        fs::remove_file(&old).map_err(|error| path_failure("remove", &old, error))?;
    }
    let mut maturin = tools.command("maturin");
    maturin.args(["build", "--release", "--manifest-path"]).arg(package().join("Cargo.toml"));
    maturin.arg("--out").arg(out).arg("--interpreter").arg(&python.path).args(arguments);
    maturin.envs(build_environment(python)).env("CARGO_TARGET_DIR", place("")?);
    run(&mut maturin)?;
    wheels(out)?.pop().ok_or_else(|| Failure(format!("maturin left no wheel in {}", out.display())))
}

/// The directory of the package.
pub fn package() -> PathBuf {
    repository().join("crates/percache-py")
}

fn wheels(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).map_err(|error| path_failure("read", directory, error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "whl")).collect())
}

/// What maturin is to pack beside the package, where it looks for it. It is there as long as this is.
struct Carried(PathBuf);

impl Carried {
    fn new(binary: &Path) -> Result<Carried> {
        let carried = Carried(package().join("percache.data"));
        let scripts = carried.0.join("scripts");
        fs::create_dir_all(&scripts).map_err(|error| path_failure("create", &scripts, error))?;
        run(Command::new("strip").arg("-o").arg(scripts.join("percache")).arg(binary))?;
        Ok(carried)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
