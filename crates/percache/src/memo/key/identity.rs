//! Identifies what a function belongs to: its [`Package`], and the place of a function among others of the same path.
//!
//! A package is identified as cargo identifies it: by name, version and source. Cargo tells the compiler all three, and [`package!`]
//! reads them where it is expanded, so that a library's functions belong to the library and not to the program that uses it.

use crate::base::codec::{Encode, Sink};
use crate::memo::key::origin::Origin;

/// A package of Rust code: its name, and as much of version and source as shall tell it from others. Made by [`package!`].
///
/// [`package!`]: crate::package
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    name: &'static str,
    version: Option<&'static str>,
    source: Option<u64>,
}

impl Package {
    /// Identifies a package by its name alone: all versions of it, from wherever they were compiled.
    pub const fn named(name: &'static str) -> Package {
        Package { name, version: None, source: None }
    }

    /// Tells its versions apart.
    pub const fn version(mut self, version: &'static str) -> Package {
        self.version = Some(version);
        self
    }

    /// Tells packages apart that were compiled in different directories, as two packages of one name are.
    ///
    /// What cargo downloaded is known by its registry, or by its repository and revision, and not by where this user keeps
    /// downloads. Only a hash of the directory remains, so that no path of the build machine ends up in the program.
    pub const fn directory(mut self, directory: &'static str) -> Package {
        let bytes = directory.as_bytes();
        self.source = Some(hash(bytes, downloaded(bytes)));
        self
    }

    pub(crate) fn describe(&self, origin: &mut Origin) {
        origin.package = Some(self.name.to_owned());
        origin.version = self.version.map(str::to_owned);
        origin.source = self.source;
    }

    pub(crate) fn encode(&self, sink: &mut impl Sink) {
        sink.text(self.name);
        sink.bool(self.version.is_some());
        self.version.iter().for_each(|version| sink.text(version));
        sink.bool(self.source.is_some());
        self.source.iter().for_each(|source| sink.u64(*source));
    }
}

/// The [`Package`] in which it is expanded, for [`Cache::for_package`](crate::Cache::for_package) and
/// [`Memoized::package`](crate::Memoized::package).
///
/// `package!()` identifies it by name, version and source; `package!("version")` by name and version, so that builds in different
/// directories share results; `package!("package")` by its name, so that versions share results too.
///
/// ```
/// let cache = percache::Cache::in_memory().for_package(percache::package!());
/// let slow = cache.wrap("slow", |n: u64| n * n);
/// assert_eq!(slow.call(12), 144);
/// ```
#[macro_export]
macro_rules! package {
    () => {
        $crate::package!("source")
    };
    ("source") => {
        $crate::package!(@ Some(option_env!("CARGO_PKG_VERSION")), Some(option_env!("CARGO_MANIFEST_DIR")))
    };
    ("version") => {
        $crate::package!(@ Some(option_env!("CARGO_PKG_VERSION")), None)
    };
    ("package") => {
        $crate::package!(@ None, None)
    };
    (@ $version:expr, $directory:expr) => {{
        const PACKAGE: $crate::Package =
            $crate::__private::package(option_env!("CARGO_PKG_NAME"), $version, $directory);
        PACKAGE
    }};
}

/// What tells functions apart whose paths are the same.
///
/// A package may have a library and a program of one name, and a function may have two functions of one name in two of its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The program, when the function is compiled as a part of one and not of a library.
    pub program: Option<&'static str>,
    /// The folder of the package in which its file lies: `src`, `tests`, `examples`.
    pub folder: &'static str,
    /// How many functions of this name and code stand before it in its file.
    pub ordinal: u32,
}

impl Place {
    pub(crate) fn describe(&self, origin: &mut Origin) {
        origin.program = self.program.map(str::to_owned);
        origin.folder = Some(self.folder.to_owned());
    }

    pub(crate) fn encode(&self, sink: &mut impl Sink) {
        sink.bool(self.program.is_some());
        self.program.iter().for_each(|program| sink.text(program));
        sink.text(self.folder);
        sink.u32(self.ordinal);
    }
}

/// Returns where the part of a directory's path begins that is the same on all machines: behind cargo's own folder of downloads.
const fn downloaded(path: &[u8]) -> usize {
    let mut at = 0;
    while at < path.len() {
        let behind = at + length_at(path, at, b"/registry/src/") + length_at(path, at, b"/git/checkouts/");
        if behind > at && has_cargo_hash(path, behind) {
            return behind;
        }
        at += 1;
    }
    0
}

/// Returns the length of `text` if it stands at this place of the path, else zero.
const fn length_at(path: &[u8], at: usize, text: &[u8]) -> usize {
    let mut i = 0;
    while i < text.len() {
        if at + i >= path.len() || separator(path[at + i]) != text[i] {
            return 0;
        }
        i += 1;
    }
    text.len()
}

/// Whether the component that begins at this place ends as cargo ends names of registries and repositories: `-1949cf8c6b5b557f`.
const fn has_cargo_hash(path: &[u8], start: usize) -> bool {
    const DIGITS: usize = 16;
    let mut end = start;
    while end < path.len() && separator(path[end]) != b'/' {
        end += 1;
    }
    if end - start <= DIGITS || path[end - DIGITS - 1] != b'-' {
        return false;
    }
    let mut at = end - DIGITS;
    while at < end {
        if !path[at].is_ascii_hexdigit() {
            return false;
        }
        at += 1;
    }
    true
}

const fn separator(byte: u8) -> u8 {
    if byte == b'\\' { b'/' } else { byte }
}

/// FNV-1a of the bytes from `start` on: SHA-1 cannot be computed at compile time.
const fn hash(bytes: &[u8], start: usize) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut at = start;
    while at < bytes.len() {
        hash = (hash ^ separator(bytes[at]) as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(directory: &'static str) -> Package {
        Package::named("app").version("1.0.0").directory(directory)
    }

    #[test]
    fn packages_are_told_apart_by_name_version_and_directory() {
        assert_ne!(at("/src/one"), at("/src/two"));
        assert_ne!(Package::named("app").version("1"), Package::named("app").version("2"));
        assert_ne!(Package::named("app"), Package::named("other"));
        assert_eq!(at("/src/one"), at("/src/one"));
    }

    #[test]
    fn what_cargo_downloaded_is_the_same_wherever_it_lies() {
        let registry = "/registry/src/index.crates.io-1949cf8c6b5b557f/app-1.0.0";
        assert_eq!(at("/home/a/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/app-1.0.0"), at(registry));
        assert_eq!(at(r"C:\cargo\registry\src\index.crates.io-1949cf8c6b5b557f\app-1.0.0"), at(registry));
        assert_eq!(
            at("/a/git/checkouts/app-0123456789abcdef/1a2b3c4/sub"),
            at("/b/git/checkouts/app-0123456789abcdef/1a2b3c4/sub")
        );
        assert_ne!(
            at("/a/git/checkouts/app-0123456789abcdef/1a2b3c4"),
            at("/a/git/checkouts/app-0123456789abcdef/5d6e7f8")
        );
    }

    #[test]
    fn folders_that_only_look_like_those_of_cargo_are_directories_like_others() {
        assert_ne!(at("/a/registry/src/app"), at("/b/registry/src/app"));
        assert_ne!(at("/a/git/checkouts/app-main/x"), at("/b/git/checkouts/app-main/x"));
    }

    #[test]
    fn the_macro_reads_what_cargo_says() {
        assert_eq!(crate::package!("package"), Package::named("percache"));
        assert_eq!(crate::package!("version"), Package::named("percache").version(env!("CARGO_PKG_VERSION")));
        assert_eq!(crate::package!(), crate::package!("version").directory(env!("CARGO_MANIFEST_DIR")));
    }
}
