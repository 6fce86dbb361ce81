//! Links the C++ library that RocksDB needs into the program where a static one is installed: looking up its symbols takes longer than
//! all else that starting percache takes, and a program that carries it runs where none is installed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const LIBRARY: &str = "libstdc++.a";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let native = env::var("HOST").is_ok_and(|host| env::var("TARGET").is_ok_and(|target| target == host));
    // Where there is none, the linker finds the dynamic one, as without this.
    if let Some(library) = static_library().filter(|_| linux && native)
        && let Ok(place) = alone(&library)
    {
        println!("cargo:rustc-link-arg-bins=-L{}", place.display());
    }
}

/// The static library of the compiler that linked RocksDB.
fn static_library() -> Option<PathBuf> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let answer = Command::new(compiler).arg(format!("-print-file-name={LIBRARY}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(answer.stdout).ok()?.trim());
    // A compiler that has none answers with the bare name.
    path.is_absolute().then_some(path)
}

/// A directory with that library and no other: in its own, the linker would take the dynamic one that lies beside it.
fn alone(library: &Path) -> io::Result<PathBuf> {
    let place = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("static");
    fs::create_dir_all(&place)?;
    fs::copy(library, place.join(LIBRARY))?;
    Ok(place)
}
