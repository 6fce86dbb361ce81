//! Detours: directories of outputs that the kernel would not find below the workspace, because a symlink is on the way.
//!
//! Where it leads to something inside, that is opened by its real path, again in a way that never leaves the workspace. Out of it leads only
//! what `follow` names, and from there no further: what lies below is opened beneath the directory that it leads to.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, openat};
use rustix::io::Errno;

use super::{DIRECTORY, beneath};
use crate::fs::links;
use crate::model::path::RelPath;

/// Where a directory is that lies behind a symlink.
pub(super) enum Detour {
    /// Inside, there.
    Inside(RelPath),
    /// Outside, below a directory that may be followed.
    Outside(OwnedFd),
}

/// Finds a directory that lies behind a symlink; `None` where none is on the way, or it leads out of the workspace and may not.
pub(super) fn find(root: &Path, path: &RelPath, follow: &[RelPath]) -> Option<Result<Detour, Errno>> {
    let trail = links::follow(root, path.as_bytes());
    if trail.links.is_empty() {
        return None;
    }
    if let Some(inside) = trail.end_inside() {
        let path = inside.join(&trail.rest).map_err(|_| Errno::INVAL);
        return Some(path.map(Detour::Inside));
    }
    let allowed = follow.iter().find(|dir| path.starts_with(dir))?;
    Some(below(root, allowed, path).map(Detour::Outside))
}

/// Opens `path`, which is at or below the directory `allowed`, without leaving what that leads to.
fn below(root: &Path, allowed: &RelPath, path: &RelPath) -> Result<OwnedFd, Errno> {
    let top = openat(CWD, allowed.to_path(root), DIRECTORY, Mode::empty())?;
    let rest = RelPath::new(path.below(allowed).unwrap_or_default()).map_err(|_| Errno::INVAL)?;
    if rest.is_root() { Ok(top) } else { beneath(top.as_fd(), &rest) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::Tree;
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn workspace() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let (root, outside) = (base.join("ws"), base.join("outside"));
        fs::create_dir_all(root.join("real")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        (dir, root, outside)
    }

    fn put(tree: &mut Tree, to: &str) -> io::Result<()> {
        let staged = tree.root().join("staged");
        fs::write(&staged, "x").unwrap();
        tree.move_in(&staged, &path(to), None).map(|moved| assert!(moved.is_some()))
    }

    #[test]
    fn an_absolute_symlink_to_something_inside_is_followed() {
        let (_dir, root, _) = workspace();
        symlink(root.join("real"), root.join("build")).unwrap();
        symlink("build", root.join("chain")).unwrap();
        let mut tree = Tree::open(&root).unwrap();
        put(&mut tree, "build/a").unwrap();
        put(&mut tree, "chain/deep/b").unwrap();
        assert!(root.join("real/a").exists() && root.join("real/deep/b").exists());
        assert!(root.join("build").is_symlink(), "it stays what it was");
    }

    #[test]
    fn what_a_symlink_to_a_directory_that_is_not_there_yet_leads_to_is_made() {
        let (_dir, root, _) = workspace();
        symlink("later/on", root.join("build")).unwrap();
        let mut tree = Tree::open(&root).unwrap();
        tree.make_directory(&path("build/sub")).unwrap();
        assert!(root.join("later/on/sub").is_dir() && root.join("build").is_symlink());
    }

    #[test]
    fn only_what_may_be_followed_leads_out_and_from_there_no_further() {
        let (_dir, root, outside) = workspace();
        symlink(&outside, root.join("build")).unwrap();
        symlink("/tmp", outside.join("further")).unwrap();
        let error = put(&mut Tree::open(&root).unwrap(), "build/a").unwrap_err();
        assert!(
            error.to_string().contains(&format!("leads out of the workspace, to `{}`", outside.display())),
            "{error}"
        );
        let mut tree = Tree::open(&root).unwrap().following(&[path("build")]);
        put(&mut tree, "build/a").unwrap();
        put(&mut tree, "build/new/b").unwrap();
        assert!(outside.join("a").exists() && outside.join("new/b").exists());
        assert!(put(&mut tree, "build/further/c").is_err());
        let stamp = tree.stamp(&path("build/a")).unwrap();
        assert!(tree.remove_unchanged(&path("build/a"), stamp).unwrap());
        symlink(&outside, root.join("other")).unwrap();
        assert!(put(&mut tree, "other/a").is_err());
    }

    #[test]
    fn a_circle_is_an_error() {
        let (_dir, root, _) = workspace();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert!(put(&mut Tree::open(&root).unwrap(), "a/x").is_err());
    }
}
