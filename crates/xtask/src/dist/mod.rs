//! `cargo xtask dist`: packages that carry the binary, in `dist` of the target directory: an archive, a wheel for pip, packages for npm;
//! and a light wheel, which has the Python package alone and no RocksDB.
//! With `--check`, each is installed into an empty directory and used.
//!
//! Knows the order; each kind of package is a file.

mod archive;
mod binary;
mod check;
mod npm;
mod wheel;

use std::fs;
use std::path::PathBuf;

use crate::run::{Result, path_failure};
use crate::setup;

/// The name under which percache is installed from npm: there, `percache` belongs to others.
const PACKAGE: &str = "percache-cli";
const SUMMARY: &str = "percache never runs the same thing twice: a task cache for any command";
const LICENSE: &str = "MIT OR Apache-2.0";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A file of a package.
#[derive(Clone)]
struct File {
    /// Relative, with `/`.
    path: String,
    bytes: Vec<u8>,
    executable: bool,
}

impl File {
    fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> File {
        File { path: path.into(), bytes: bytes.into(), executable: false }
    }

    fn executable(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> File {
        File { executable: true, ..File::new(path, bytes) }
    }

    /// The same file in a directory.
    fn below(&self, directory: &str) -> File {
        File { path: format!("{directory}/{}", self.path), ..self.clone() }
    }
}

/// The packages that were made.
struct Packages {
    archive: PathBuf,
    wheel: PathBuf,
    light_wheel: PathBuf,
    /// The one with the command, then the one with the binary.
    npm: [PathBuf; 2],
}

/// Makes all packages; and tries each of them.
pub fn dist(check: bool) -> Result<()> {
    setup::ensure()?;
    let binary = binary::build()?;
    let directory = binary.directory.join("dist");
    fs::create_dir_all(&directory).map_err(|error| path_failure("create", &directory, error))?;
    let packages = Packages {
        archive: archive::make(&binary, &directory)?,
        wheel: wheel::make(&binary, &directory)?,
        light_wheel: wheel::make_light(&directory)?,
        npm: npm::make(&binary, &directory)?,
    };
    println!("binary: {}, stripped", size(binary.bytes.len()));
    for path in [&packages.archive, &packages.wheel, &packages.light_wheel].into_iter().chain(&packages.npm) {
        let length = path.metadata().map_err(|error| path_failure("find", path, error))?.len();
        println!("{} ({})", path.display(), size(length as usize));
    }
    if check { check::check(&packages) } else { Ok(()) }
}

fn size(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
