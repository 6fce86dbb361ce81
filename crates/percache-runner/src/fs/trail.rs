//! On what it depends which file a path leads to: every symlink on the way, and where the way ends.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The kernel gives up after as many.
const MOST_LINKS: usize = 40;

/// Returns every symlink on the way along the absolute `path`, the last component included, and the path without
/// symlinks that it leads to. Something need not be there.
pub fn trail(path: &Path) -> Vec<PathBuf> {
    let mut trail = Vec::new();
    let mut at = PathBuf::from("/");
    let mut ahead = components(path);
    while let Some(name) = ahead.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        at.push(name);
        if trail.len() < MOST_LINKS
            && let Ok(target) = fs::read_link(&at)
        {
            trail.push(at.clone());
            at.pop();
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            ahead.extend(components(&target));
        }
    }
    trail.push(at);
    trail
}

/// The names along a path, the last one first.
fn components(path: &Path) -> Vec<OsString> {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    names.map(|part| part.as_os_str().to_owned()).rev().collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_told_in_order_and_then_where_they_lead() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/deep")).unwrap();
        symlink(root.join("real"), root.join("absolute")).unwrap();
        symlink("../absolute/deep/../missing", root.join("real/relative")).unwrap();
        let of = |path: &str| {
            let trail = trail(&root.join(path)).into_iter();
            trail.map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of("real/deep/x"), ["real/deep/x"]);
        assert_eq!(of("absolute/x"), ["absolute", "real/x"]);
        assert_eq!(of("absolute/relative/y"), ["absolute", "real/relative", "absolute", "real/missing/y"]);
    }

    #[test]
    fn a_circle_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert_eq!(trail(&dir.path().canonicalize().unwrap().join("a")).len(), MOST_LINKS + 1);
    }
}
