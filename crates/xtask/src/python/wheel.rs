//! The wheel: the package with its native half, and the command `percache`. maturin makes it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::interpreter::Interpreter;
use super::place;
use crate::run::{Failure, Result, cargo, forget_own_package, path_failure, repository, run};

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

/// A file that the wheel carries beside the package: its path below the wheel's data directory, its content, and
/// whether it is a program.
pub type Carried = (String, Vec<u8>, bool);

/// Builds the command, makes the wheel with it, and returns the wheel's path.
pub fn make(python: &Interpreter) -> Result<PathBuf> {
    run(&mut cargo(["build", "--release", "-p", "percache-cli"]))?;
    make_with_built(python)
}

/// Makes the wheel with the command that was built last. After the tests of the workspace that is theirs; to build it
/// by itself would compile what it depends on again, with other features.
pub fn make_with_built(python: &Interpreter) -> Result<PathBuf> {
    let stripped = place("python")?.join("percache");
    run(Command::new("strip").arg("-o").args([&stripped, &place("release")?.join("percache")]))?;
    let bytes = fs::read(&stripped).map_err(|error| path_failure("read", &stripped, error))?;
    make_with(python, &place("wheels")?, &[("scripts/percache".into(), bytes, true)])
}

/// Makes the wheel with these files in it.
pub fn make_with(python: &Interpreter, out: &Path, files: &[Carried]) -> Result<PathBuf> {
    let _carried = Data::new(files)?;
    make_of(python, out, &[])
}

/// Makes the light wheel, in `light` of a directory, and returns its path: the package alone, without RocksDB and without
/// the command. It keeps results in files, and has the name of the other one, whose place it takes.
pub fn make_light(python: &Interpreter, out: &Path) -> Result<PathBuf> {
    let out = out.join("light");
    fs::create_dir_all(&out).map_err(|error| path_failure("create", &out, error))?;
    make_of(python, &out, &["--no-default-features"])
}

/// Makes a wheel of what is there, with these arguments for maturin.
fn make_of(python: &Interpreter, out: &Path, arguments: &[&str]) -> Result<PathBuf> {
    let tools = python.environment("tools", &[MATURIN])?;
    // What an earlier version has left there would be taken for this one.
    for old in wheels(out)? {
        fs::remove_file(&old).map_err(|error| path_failure("remove", &old, error))?;
    }
    let mut maturin = tools.command("maturin");
    maturin.args(["build", "--release", "--manifest-path"]).arg(package().join("Cargo.toml"));
    maturin.arg("--out").arg(out).arg("--interpreter").arg(&python.path).args(arguments);
    maturin.envs(build_environment(python)).env("CARGO_TARGET_DIR", place("")?);
    forget_own_package(&mut maturin);
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

/// The directory in which maturin looks for what it is to pack beside the package. It is there as long as this is.
struct Data(PathBuf);

impl Data {
    fn new(files: &[Carried]) -> Result<Data> {
        let data = Data(package().join("percache._percache.data"));
        for (name, bytes, is_program) in files {
            let path = data.0.join(name);
            let parent = path.parent().unwrap_or(&data.0);
            fs::create_dir_all(parent).map_err(|error| path_failure("create", parent, error))?;
            fs::write(&path, bytes).map_err(|error| path_failure("write", &path, error))?;
            let mode = fs::Permissions::from_mode(if *is_program { 0o755 } else { 0o644 });
            fs::set_permissions(&path, mode).map_err(|error| path_failure("write", &path, error))?;
        }
        Ok(data)
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
