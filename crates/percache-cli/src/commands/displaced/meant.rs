//! Matches displaced files with a path that the user gives.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use percache_runner::text::read_back;

use super::find::Kept;

/// Finds the files that a path refers to, relative to the current directory: its path in the tree, its path in the
/// list, or its path in the store. A directory refers to everything below it. The first of these that matches counts.
pub fn meant<'k>(start: &Path, path: &Path, kept: &'k [Kept]) -> io::Result<Vec<&'k Kept>> {
    let start = start.canonicalize()?;
    for spelling in spellings(path) {
        let from_here = by_text(&start.join(&spelling));
        let real = with_real_directory(&from_here);
        let ways: [&dyn Fn(&Kept) -> bool; 4] = [
            &|kept| kept.target().starts_with(&from_here),
            &|kept| kept.target().starts_with(&real),
            // As in the list, relative to the root.
            &|kept| kept.root.as_ref().is_some_and(|root| kept.target().starts_with(by_text(&root.join(&spelling)))),
            &|kept| kept.item.at.starts_with(&from_here) || kept.item.at.starts_with(&real),
        ];
        for way in ways {
            let found: Vec<_> = kept.iter().filter(|kept| way(kept)).collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
    Ok(Vec::new())
}

/// Returns the possible spellings: the path itself; unescaped, as the list escapes it; and unescaped without quotes,
/// which a shell removes.
fn spellings(path: &Path) -> Vec<PathBuf> {
    let bytes = path.as_os_str().as_bytes();
    let quoted = [b"\"", bytes, b"\""].concat();
    let read = [read_back(bytes), read_back(&quoted)];
    let read = read.into_iter().flatten().map(|bytes| PathBuf::from(OsStr::from_bytes(&bytes)));
    std::iter::once(path.to_owned()).chain(read).collect()
}

/// Resolves `.` and `..` in the text alone, because the path need not exist.
fn by_text(path: &Path) -> PathBuf {
    let mut native = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(native.pop()),
            Component::CurDir => {}
            other => native.push(other),
        }
    }
    native
}

/// Resolves symlinks in the existing directories of a path, because a workspace is known by its real path.
fn with_real_directory(path: &Path) -> PathBuf {
    let there = path.ancestors().skip(1).find_map(|above| Some((above, above.canonicalize().ok()?)));
    there.and_then(|(above, real)| Some(real.join(path.strip_prefix(above).ok()?))).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_and_as_it_is_listed() {
        let spelled = |text: &[u8]| {
            let spellings = spellings(Path::new(OsStr::from_bytes(text)));
            spellings.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(spelled(b"a/b"), [b"a/b", b"a/b"]);
        assert_eq!(spelled(b"\"a\\nb\""), [&b"\"a\\nb\""[..], b"a\nb"]);
        // In double quotes, a shell leaves `\n` unchanged, and removes the quotes.
        assert_eq!(spelled(b"caf\\351"), [&b"caf\\351"[..], b"caf\xe9"]);
        assert_eq!(spelled(b"caf\xe9"), [b"caf\xe9", b"caf\xe9"]);
        assert_eq!(spelled(b"50\\%"), [b"50\\%"]);
    }
}
