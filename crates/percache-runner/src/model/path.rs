//! Paths inside the workspace: relative to its root, normalised, `/` between components, bytes as the file system has them.
//!
//! Knows nothing of the file system: `..` is resolved by the text alone, symlinks are never looked at.

mod kept;

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// A path relative to the workspace root. The root itself is the empty path. Never absolute, without `.`, `..`, empty
/// components and NUL, so that equal paths are equal bytes. Clones share the text. Ordered by bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(Arc<[u8]>);

/// Why a text is not a path inside the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// It starts with `/`.
    #[error("the path is absolute")]
    Absolute,
    /// More `..` than there are directories above.
    #[error("the path leaves the workspace")]
    Outside,
    /// It contains a NUL byte.
    #[error("the path contains a NUL byte")]
    Nul,
}

impl PathError {
    /// What to do about it.
    pub fn hint(self) -> String {
        match self {
            PathError::Absolute | PathError::Outside => {
                "paths stay below the root's percache.toml; of a program elsewhere, name the version in `tools`"
                    .to_owned()
            }
            PathError::Nul => "write it without".to_owned(),
        }
    }
}

impl RelPath {
    /// The workspace root.
    pub fn root() -> Self {
        RelPath(Arc::from(&b""[..]))
    }

    /// The path that `text` names, seen from the workspace root.
    ///
    /// # Errors
    /// When the text is absolute, leaves the workspace or contains NUL.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, PathError> {
        resolve(b"", text.as_ref())
    }

    /// The path that `text`, written in a file of this directory, names.
    ///
    /// # Errors
    /// When the text is absolute, leaves the workspace or contains NUL.
    pub fn join(&self, text: impl AsRef<[u8]>) -> Result<Self, PathError> {
        resolve(&self.0, text.as_ref())
    }

    /// The entry `name` of this directory. `name` is one component, as a directory listing gives it.
    pub fn child(&self, name: &[u8]) -> Self {
        debug_assert!(!name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..");
        if self.is_root() {
            return RelPath(Arc::from(name));
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        RelPath(bytes.into())
    }

    /// The part of `path` below `root`; `None` when it is not below it or not normalised (`.` and `..` in the text).
    pub fn from_native(root: &Path, path: &Path) -> Option<Self> {
        resolve(b"", &native_bytes(path.strip_prefix(root).ok()?)).ok()
    }

    /// Whether this is the workspace root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of the path.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as text; `None` when it is not UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The directory that contains this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let cut = match memchr::memrchr(b'/', &self.0) {
            Some(slash) => slash,
            None if self.is_root() => return None,
            None => 0,
        };
        Some(RelPath(Arc::from(&self.0[..cut])))
    }

    /// Every directory above this path as bytes, the nearest first, the root (empty) last. Look-ups by `&[u8]` need no copy.
    pub fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        let first = (!self.is_root()).then_some(&self.0[..]);
        std::iter::successors(first.map(above), |path| (!path.is_empty()).then(|| above(path)))
    }

    /// The names along the path, outermost first; none for the root.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// The last component; empty for the root.
    pub fn file_name(&self) -> &[u8] {
        let start = memchr::memrchr(b'/', &self.0).map_or(0, |slash| slash + 1);
        &self.0[start..]
    }

    /// What stands behind the last dot of the file name; empty without one. A leading dot starts no extension.
    pub fn extension(&self) -> &[u8] {
        let name = self.file_name();
        extension_dot(name).map_or(&[], |dot| &name[dot + 1..])
    }

    /// The file name without its extension and the dot before it.
    pub fn stem(&self) -> &[u8] {
        let name = self.file_name();
        extension_dot(name).map_or(name, |dot| &name[..dot])
    }

    /// The path in the file system, given where the workspace is.
    pub fn to_path(&self, root: &Path) -> PathBuf {
        if self.is_root() { root.to_path_buf() } else { root.join(native_path(&self.0)) }
    }

    /// Whether this is `dir` or lies below it.
    pub fn starts_with(&self, dir: &RelPath) -> bool {
        self.below(dir).is_some()
    }

    /// What remains of this path behind `dir`, without a slash in front: empty when they are equal, `None` when it does not lie
    /// at or below `dir`.
    pub fn below(&self, dir: &RelPath) -> Option<&[u8]> {
        if dir.is_root() {
            return Some(&self.0);
        }
        match self.0.strip_prefix(dir.as_bytes())? {
            [b'/', rest @ ..] => Some(rest),
            [] => Some(&[]),
            _ => None,
        }
    }

    /// This path as a command that runs in `dir` has to name it: with `..` where needed, `.` for `dir` itself.
    pub fn relative_to(&self, dir: &RelPath) -> Vec<u8> {
        let shared = self.components().zip(dir.components()).take_while(|(a, b)| a == b).count();
        let up = dir.components().skip(shared).map(|_| &b".."[..]);
        let parts: Vec<&[u8]> = up.chain(self.components().skip(shared)).collect();
        if parts.is_empty() { b".".to_vec() } else { parts.join(&b'/') }
    }
}

/// Walks `text` from `base`, which is normalised.
fn resolve(base: &[u8], text: &[u8]) -> Result<RelPath, PathError> {
    if text.first() == Some(&b'/') {
        return Err(PathError::Absolute);
    }
    if text.contains(&0) {
        return Err(PathError::Nul);
    }
    let mut bytes = Vec::with_capacity(base.len() + 1 + text.len());
    bytes.extend_from_slice(base);
    for component in text.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if bytes.is_empty() => return Err(PathError::Outside),
            b".." => bytes.truncate(above(&bytes).len()),
            name => {
                if !bytes.is_empty() {
                    bytes.push(b'/');
                }
                bytes.extend_from_slice(name);
            }
        }
    }
    Ok(RelPath(bytes.into()))
}

/// The directory that contains `path`.
fn above(path: &[u8]) -> &[u8] {
    &path[..memchr::memrchr(b'/', path).unwrap_or(0)]
}

fn extension_dot(name: &[u8]) -> Option<usize> {
    memchr::memrchr(b'.', name).filter(|&dot| dot > 0)
}

#[cfg(unix)]
fn native_path(bytes: &[u8]) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn native_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(unix)]
fn native_bytes(path: &Path) -> std::borrow::Cow<'_, [u8]> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().into()
}

#[cfg(not(unix))]
fn native_bytes(path: &Path) -> std::borrow::Cow<'_, [u8]> {
    path.to_string_lossy().replace('\\', "/").into_bytes().into()
}

impl Borrow<[u8]> for RelPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for RelPath {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The path for people: what is not UTF-8 is replaced, the root is `.`.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() { f.write_str(".") } else { f.write_str(&String::from_utf8_lossy(&self.0)) }
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn equal_paths_are_equal_bytes() {
        for (text, meant) in [
            ("a//b/", "a/b"),
            ("./a/./b", "a/b"),
            ("a/../b", "b"),
            ("a/b/../..", ""),
            (".", ""),
            ("", ""),
            ("...", "..."),
        ] {
            assert_eq!(path(text).as_bytes(), meant.as_bytes(), "{text}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_workspace() {
        assert_eq!(RelPath::new("/etc/passwd"), Err(PathError::Absolute));
        assert_eq!(RelPath::new("a/../../b"), Err(PathError::Outside));
        assert_eq!(RelPath::new("a\0b"), Err(PathError::Nul));
        assert_eq!(path("pkgs/app").join("../../.."), Err(PathError::Outside));
        assert_eq!(path("pkgs/app").join("../lib/x.h"), Ok(path("pkgs/lib/x.h")));
        assert_eq!(path("pkgs").join("/x"), Err(PathError::Absolute));
    }

    #[test]
    fn parts_of_a_name() {
        let parts = |text| {
            let path = path(text);
            [path.file_name(), path.stem(), path.extension()].map(|part| String::from_utf8(part.to_vec()).unwrap())
        };
        assert_eq!(parts("src/a.tar.gz"), ["a.tar.gz", "a.tar", "gz"]);
        assert_eq!(parts("a.d/Makefile"), ["Makefile", "Makefile", ""]);
        assert_eq!(parts(".bashrc"), [".bashrc", ".bashrc", ""]);
        assert_eq!(parts("."), ["", "", ""]);
    }

    #[test]
    fn up_and_down() {
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(RelPath::root()));
        assert_eq!(RelPath::root().parent(), None);
        assert_eq!(path("a/b/c").ancestors().collect::<Vec<_>>(), [&b"a/b"[..], b"a", b""]);
        assert_eq!(RelPath::root().ancestors().count(), 0);
        assert_eq!(RelPath::root().child(b"a").child(b"b"), path("a/b"));
        assert_eq!(path("a/b").to_path(Path::new("/w")), Path::new("/w/a/b"));
        assert_eq!(RelPath::root().to_path(Path::new("/w")).as_os_str(), "/w");
        assert_eq!(RelPath::from_native(Path::new("/w"), Path::new("/w/a/b")), Some(path("a/b")));
        assert_eq!(RelPath::from_native(Path::new("/w"), Path::new("/wx/a")), None);
    }

    #[test]
    fn below_is_by_component() {
        assert!(path("src/a").starts_with(&path("src")));
        assert!(path("src").starts_with(&path("src")));
        assert!(path("src").starts_with(&RelPath::root()));
        assert!(!path("src2/a").starts_with(&path("src")));
        assert!(!path("src").starts_with(&path("src/a")));
    }

    #[test]
    fn as_seen_from_another_directory() {
        let seen = |from: &str, to: &str| String::from_utf8(path(to).relative_to(&path(from))).unwrap();
        assert_eq!(seen("", "src/a.c"), "src/a.c");
        assert_eq!(seen("build", "src/a.c"), "../src/a.c");
        assert_eq!(seen("src/x/y", "src/a.c"), "../../a.c");
        assert_eq!(seen("src", "src"), ".");
        assert_eq!(seen("src", ""), "..");
        assert_eq!(seen("src", "src2/a"), "../src2/a");
    }
}
