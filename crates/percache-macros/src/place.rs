//! Tells functions apart whose paths are the same: those of two programs of a package, and those of two blocks of a function.

use std::collections::HashMap;
use std::env;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file in which the attribute that is being expanded stands.
pub fn file() -> Option<PathBuf> {
    proc_macro::Span::call_site().local_file()
}

/// The folder of the package in which the file is; empty if it is in none.
pub fn folder(file: Option<&Path>) -> String {
    let relative = || {
        let package = env::var_os("CARGO_MANIFEST_DIR")?;
        let file = env::current_dir().ok()?.join(file?);
        top(file.strip_prefix(package).ok()?)
    };
    relative().unwrap_or_default()
}

fn top(file: &Path) -> Option<String> {
    let mut components = file.components();
    match (components.next()?, components.next()) {
        (Component::Normal(folder), Some(_)) => folder.to_str().map(str::to_owned),
        _ => None,
    }
}

/// How many functions of this name and code were expanded before in this file.
///
/// It tells functions apart that stand in two blocks of one function: their paths are the same. The line would do that too, but
/// would make every edit above it a change. The compiler expands what stands in a file in the same order each time; if the order
/// changes, or if such a function is inserted, then results are not found or are those of a function with the same code.
pub fn ordinal(file: Option<PathBuf>, name: String, digest: [u8; 20]) -> u32 {
    type Key = (Option<PathBuf>, String, [u8; 20]);
    static SEEN: Mutex<Option<HashMap<Key, u32>>> = Mutex::new(None);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let next = seen.get_or_insert_default().entry((file, name, digest)).or_default();
    *next += 1;
    *next - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_topmost() {
        assert_eq!(top(Path::new("src/a/b.rs")).as_deref(), Some("src"));
        assert_eq!(top(Path::new("tests/a.rs")).as_deref(), Some("tests"));
        assert_eq!(top(Path::new("build.rs")), None);
        assert_eq!(top(Path::new("../other/a.rs")), None);
    }

    #[test]
    fn functions_of_one_name_and_code_are_counted_in_each_file() {
        let count = |file: &str, name: &str, digest| ordinal(Some(file.into()), name.into(), digest);
        assert_eq!((count("a", "f", [1; 20]), count("a", "f", [1; 20])), (0, 1));
        assert_eq!((count("b", "f", [1; 20]), count("a", "g", [1; 20]), count("a", "f", [2; 20])), (0, 0, 0));
        assert_eq!(count("a", "f", [1; 20]), 2);
    }
}
