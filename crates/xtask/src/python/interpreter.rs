//! The Pythons of this machine, and environments for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::place;
use crate::run::{Result, path_failure, run};

/// The oldest Python that the package is for.
pub const LEAST: Version = Version(3, 9);
/// Versions to look for on the PATH.
const NEWEST_TO_LOOK_FOR: u32 = 20;

/// A version of Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A Python.
#[derive(Clone, Debug)]
pub struct Interpreter {
    pub version: Version,
    pub path: PathBuf,
}

/// Returns one Python of each version that is there and new enough, the oldest first.
pub fn all() -> Vec<Interpreter> {
    let mut candidates: Vec<PathBuf> =
        (LEAST.1..=NEWEST_TO_LOOK_FOR).map(|minor| PathBuf::from(format!("python3.{minor}"))).collect();
    candidates.push("python3".into());
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    let versions = pyenv.or(home).and_then(|root| fs::read_dir(root.join("versions")).ok());
    candidates.extend(versions.into_iter().flatten().flatten().map(|entry| entry.path().join("bin/python3")));
    let mut found: Vec<Interpreter> = candidates.into_iter().filter_map(asked).collect();
    found.sort_by_key(|interpreter| interpreter.version);
    found.dedup_by_key(|interpreter| interpreter.version);
    found
}

/// Asks a program whether it is such a Python: CPython with what makes environments, new enough.
fn asked(program: PathBuf) -> Option<Interpreter> {
    const QUESTION: &str = "import sys, venv, ensurepip; assert sys.implementation.name == 'cpython'; \
         assert not getattr(sys, '_is_gil_enabled', lambda: True)() is False; \
         print(*sys.version_info[:2], sys.executable)";
    let output = Command::new(program).args(["-c", QUESTION]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.trim_end().splitn(3, ' ');
    let version = Version(words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (output.status.success() && version >= LEAST).then_some(Interpreter { version, path: words.next()?.into() })
}

impl Interpreter {
    /// Makes an environment with nothing in it.
    pub fn fresh_environment(&self, name: &str) -> Result<Environment> {
        let path = place("python")?.join(format!("{name}-{}", self.version));
        run(Command::new(&self.path).args(["-m", "venv", "--clear"]).arg(&path))?;
        Ok(Environment { path })
    }

    /// Returns an environment with these packages, which is made once.
    pub fn environment(&self, name: &str, packages: &[&str]) -> Result<Environment> {
        let environment = Environment { path: place("python")?.join(format!("{name}-{}", self.version)) };
        let (made_for, wanted) = (environment.path.join("made-for"), packages.join(" "));
        if fs::read_to_string(&made_for).is_ok_and(|made| made == wanted) {
            return Ok(environment);
        }
        let environment = self.fresh_environment(name)?;
        environment.install(packages)?;
        fs::write(&made_for, wanted).map_err(|error| path_failure("write", &made_for, error))?;
        Ok(environment)
    }

    /// Returns whether packages can be had.
    pub fn reaches_pypi(&self, package: &str) -> Result<bool> {
        let directory = place("python/reachable")?;
        let mut download = Command::new(&self.path);
        download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1", "--timeout", "10", "--dest"]);
        let output = download.arg(&directory).arg(package).output();
        Ok(output.is_ok_and(|output| output.status.success()))
    }
}

/// A virtual environment.
pub struct Environment {
    pub path: PathBuf,
}

impl Environment {
    /// A program of the environment.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.path.join("bin").join(name));
        // Nothing of the caller's.
        command.env_remove("PYTHONPATH").env_remove("PYTHONHOME").env_remove("PYTHONDONTWRITEBYTECODE");
        command
    }

    /// Has this environment see the packages of another one.
    pub fn see(&self, other: &Environment) -> Result<()> {
        let link = self.packages()?.join("other.pth");
        let text = format!("{}\n", other.packages()?.display());
        fs::write(&link, text).map_err(|error| path_failure("write", &link, error))
    }

    /// Returns the directory of its packages.
    fn packages(&self) -> Result<PathBuf> {
        const QUESTION: &str = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let output = self.command("python").args(["-c", QUESTION]).output();
        let output = output.map_err(|error| path_failure("run", &self.path, error))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().into())
    }

    /// Installs packages: names with versions, or paths of wheels.
    pub fn install<S: AsRef<std::ffi::OsStr>>(&self, packages: &[S]) -> Result<()> {
        let mut command = self.command("python");
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        run(command.args(packages))
    }
}
