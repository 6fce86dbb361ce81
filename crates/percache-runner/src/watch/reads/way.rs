//! The paths that symlinks lead through.

use std::path::{Component, Path, PathBuf};

/// The longest chain of symlinks that is followed.
const HOPS: usize = 40;

/// Returns everything that a symlink leads to, link by link.
pub(super) fn way(link: &Path) -> Vec<PathBuf> {
    let mut way: Vec<PathBuf> = Vec::new();
    let mut at = link.to_owned();
    while let Some(target) = std::fs::read_link(&at).ok().filter(|_| way.len() < HOPS) {
        let parent = at.parent().unwrap_or(&at).to_owned();
        // The directory's real path is needed, because `..` in the target is relative to it.
        let parent = parent.canonicalize().unwrap_or(parent);
        at = lexically(&parent.join(target));
        way.push(at.clone());
    }
    way.extend(link.canonicalize());
    way
}

fn lexically(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_way_of_a_symlink_is_known_from_link_to_link() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        std::os::unix::fs::symlink("../file", root.join("d/second")).unwrap();
        std::os::unix::fs::symlink("d/second", root.join("first")).unwrap();
        std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
        let mut found = way(&root.join("first"));
        found.dedup();
        assert_eq!(found, [root.join("d/second"), root.join("file")]);
        assert_eq!(way(&root.join("loop")).len(), HOPS);
    }
}
