//! What building and testing percache needs beyond Rust, how it is recognised, and what systems call it.
//!
//! Knows nothing of how packages are installed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::has_program;

/// Something that has to be there.
pub struct Need {
    /// How a message names it.
    pub name: &'static str,
    /// Whether it is there.
    pub present: fn() -> bool,
    /// The package of Debian and Ubuntu.
    pub apt: &'static str,
}

/// Everything that is needed.
pub const NEEDS: [Need; 4] = [
    Need { name: "a C compiler", present: has_c_compiler, apt: "gcc" },
    Need { name: "a C++ compiler", present: has_cxx_compiler, apt: "g++" },
    Need { name: "libclang", present: has_libclang, apt: "libclang-dev" },
    Need { name: "git", present: has_git, apt: "git" },
];

/// What to type on systems where nothing is installed for the user.
pub const ELSEWHERE: &str = "macOS: `xcode-select --install` and `brew install llvm`; Fedora: `dnf install gcc-c++ clang-devel git`; \
     Arch: `pacman -S --needed gcc clang git`; Alpine: `apk add g++ clang-dev linux-headers git`";

fn has_c_compiler() -> bool {
    has_program("cc")
}

fn has_cxx_compiler() -> bool {
    std::env::var_os("CXX").is_some() || has_program("c++")
}

fn has_git() -> bool {
    has_program("git")
}

/// The library is loaded when RocksDB's bindings are made; it is of no use without the headers of its own compiler.
fn has_libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    library_directories().iter().any(|directory| holds_libclang(directory)) && has_builtin_headers()
}

/// Where clang-sys, which loads the library, looks for it.
fn library_directories() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = [
        "/usr/lib",
        "/usr/lib64",
        "/usr/local/lib",
        "/Library/Developer/CommandLineTools/usr/lib",
        "/opt/homebrew/opt/llvm/lib",
    ]
    .map(PathBuf::from)
    .to_vec();
    directories.extend(children("/usr/lib").into_iter().filter(|path| name_of(path).ends_with("-linux-gnu")));
    directories.extend(llvm_directories());
    directories
}

/// The libraries of each version that Debian's packages install side by side.
fn llvm_directories() -> Vec<PathBuf> {
    let versions = children("/usr/lib").into_iter().filter(|path| name_of(path).starts_with("llvm"));
    versions.map(|path| path.join("lib")).collect()
}

fn holds_libclang(directory: &Path) -> bool {
    let is_library = |name: String| {
        name.starts_with("libclang.") || (name.starts_with("libclang-") && !name.starts_with("libclang-cpp"))
    };
    children(directory).iter().any(|path| is_library(name_of(path)))
}

fn has_builtin_headers() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let mut homes: Vec<PathBuf> = ["/usr/lib/clang", "/usr/lib64/clang"].map(PathBuf::from).to_vec();
    homes.extend(llvm_directories().into_iter().map(|path| path.join("clang")));
    homes.iter().flat_map(children).any(|version| version.join("include/stddef.h").exists())
}

/// The entries of a directory; none if it cannot be read.
fn children(directory: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
