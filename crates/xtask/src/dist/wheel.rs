//! The wheel for `pip install`: the Python package, with the command, its manual pages and completions. maturin makes it.

use std::path::{Path, PathBuf};

use super::binary::Binary;
use crate::python::{self, Carried};
use crate::run::{Failure, Result};

/// Packs the wheel.
pub fn make(binary: &Binary, directory: &Path) -> Result<PathBuf> {
    let newest = newest()?;
    let shared = binary.manuals.iter().map(|file| file.below("data/share/man"));
    let licences = binary.documents.iter().filter(|file| file.path.starts_with("LICENSE"));
    let shared = shared.chain(licences.map(|file| file.below("data/share/doc/percache")));
    let shared = shared.chain(binary.completions.iter().map(|file| file.below("data/share")));
    let mut files: Vec<Carried> = shared.map(|file| (file.path, file.bytes, false)).collect();
    files.push(("scripts/percache".into(), binary.bytes.clone(), true));
    python::make_with(&newest, directory, &files)
}

/// Packs the light wheel.
pub fn make_light(directory: &Path) -> Result<PathBuf> {
    python::make_light(&newest()?, directory)
}

fn newest() -> Result<python::Interpreter> {
    python::all().pop().ok_or_else(|| Failure("the wheel needs a Python to be made with".into()))
}
