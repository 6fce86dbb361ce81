//! Where a path leads: every symlink on the way, and what is at the end, found the way the kernel goes.
//!
//! A path is known by every symlink on its way and by what it leads to. `lstat` tells neither of a path whose last component is a symlink,
//! and of one that only passes through symlinks it does not tell that it does. Most paths meet none: who asks finds that out first, for a
//! directory at a time, and comes here only for the others.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::readlink;
use rustix::io::Errno;

use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;

/// The kernel follows no more symlinks in one path (path_resolution(7)).
const MOST: usize = 40;

/// The way from a path to what it leads to. Paths are relative to the workspace, or absolute where they lie outside of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// The symlinks that are met, in that order.
    pub links: Vec<Vec<u8>>,
    /// What the path leads to, without a symlink on the way; or, when nothing is there, the first component that is missing. `None` for a
    /// circle, and when the way cannot be seen to its end.
    pub end: Option<Vec<u8>>,
    /// What stands in the path behind a component that is missing.
    pub rest: Vec<u8>,
    /// Whether the way was seen to its end, be it a circle.
    pub whole: bool,
}

impl Trail {
    /// Everything on which it rests that the path leads there: as long as none of these changes, it does.
    pub fn places(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.links.iter().chain(&self.end)
    }

    /// Where it ends, if that is inside of the workspace.
    pub fn end_inside(&self) -> Option<RelPath> {
        self.end.as_ref().and_then(|end| inside(end))
    }
}

/// A path of a [`Trail`] as a path of the workspace; `None` when it lies outside.
pub fn inside(path: &[u8]) -> Option<RelPath> {
    RelPath::new(path).ok()
}

/// Follows `path`, relative to the workspace at `root` or absolute. `root` has no symlink on its own way.
pub fn follow(root: &Path, path: &[u8]) -> Trail {
    let mut trail = Trail { whole: true, ..Trail::default() };
    let mut at = if path.first() == Some(&b'/') { PathBuf::from("/") } else { root.to_owned() };
    let mut ahead: Vec<Vec<u8>> = Vec::new();
    push(&mut ahead, path);
    while let Some(name) = ahead.pop() {
        if name == b".." {
            at.pop();
            continue;
        }
        at.push(OsStr::from_bytes(&name));
        match readlink(&at, Vec::new()) {
            Ok(target) => {
                let target = target.into_bytes();
                trail.links.push(relative(root, &at));
                if trail.links.len() > MOST {
                    // Of a circle, each link once.
                    trail.links.sort_unstable();
                    trail.links.dedup();
                    return trail;
                }
                at.pop();
                if target.first() == Some(&b'/') {
                    at = PathBuf::from("/");
                }
                push(&mut ahead, &target);
            }
            Err(Errno::INVAL) => {}
            // Whatever stands behind it, nothing is there as long as this is not.
            Err(Errno::NOENT | Errno::NOTDIR) => break,
            Err(_) => {
                trail.whole = false;
                return trail;
            }
        }
    }
    ahead.reverse();
    trail.rest = ahead.join(&b'/');
    trail.end = Some(relative(root, &at));
    trail
}

/// Whether what a symlink leads to takes its place among these outputs: they mean a directory there, and it leads to one, inside of the
/// workspace or where it may be followed out of it. Somebody has moved the outputs elsewhere, and the symlink is not one of them.
pub fn stands_in(root: &Path, link: &RelPath, outputs: &PatternSet) -> bool {
    if !outputs.passes(link) || !link.to_path(root).is_dir() {
        return false;
    }
    let Some(end) = follow(root, link.as_bytes()).end else { return false };
    let is_below = |dir: &RelPath| {
        let top = follow(root, dir.as_bytes()).end;
        top.is_some_and(|top| Path::new(OsStr::from_bytes(&end)).starts_with(OsStr::from_bytes(&top)))
    };
    inside(&end).is_some() || outputs.follow().iter().any(|dir| link.starts_with(dir) && is_below(dir))
}

/// Puts the components of a path on top of those that are still ahead.
fn push(ahead: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.split(|byte| *byte == b'/').rev().filter(|name| !name.is_empty() && *name != b".");
    ahead.extend(names.map(<[u8]>::to_vec));
}

/// An absolute path as the journal names it: relative to the workspace if it is inside.
pub fn relative(root: &Path, path: &Path) -> Vec<u8> {
    path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes().to_vec()
}

/// What to say of a path that leads out of the workspace and may not.
pub fn leads_out(root: &Path, path: &RelPath) -> io::Error {
    let Trail { links, end, .. } = follow(root, path.as_bytes());
    let end = end.map(|end| String::from_utf8_lossy(&end).into_owned());
    let to = end.filter(|_| !links.is_empty()).map(|end| format!(", to `{end}`")).unwrap_or_default();
    // Without a number: that tells it from what the system says.
    io::Error::new(io::ErrorKind::PermissionDenied, format!("`{path}` leads out of the workspace{to}"))
}

/// What to say of a symlink to a directory that would have to be there, and that nobody but its user makes.
pub fn leads_nowhere(root: &Path, path: &RelPath) -> io::Error {
    let end = follow(root, path.as_bytes()).end.unwrap_or_default();
    let message = format!("`{path}` leads to `{}`, which is not there", String::from_utf8_lossy(&end));
    io::Error::new(io::ErrorKind::NotFound, message)
}

/// The directory that holds a path of a [`Trail`]; empty for the workspace and for what lies directly in it.
pub fn parent(path: &[u8]) -> &[u8] {
    &path[..memchr::memrchr(b'/', path).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    struct Tree {
        _dir: tempfile::TempDir,
        root: PathBuf,
    }

    fn tree(links: &[(&str, &str)]) -> Tree {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("ws");
        fs::create_dir_all(root.join("real/sub")).unwrap();
        fs::write(root.join("real/file"), "x").unwrap();
        for (target, at) in links {
            let target = target.replace("ROOT", root.to_str().unwrap());
            symlink(target, root.join(at)).unwrap();
        }
        Tree { _dir: dir, root }
    }

    fn followed(tree: &Tree, path: &str) -> (Vec<String>, Option<String>) {
        let text =
            |path: &Vec<u8>| String::from_utf8(path.clone()).unwrap().replace(tree.root.to_str().unwrap(), "ROOT");
        let trail = follow(&tree.root, path.as_bytes());
        assert!(trail.whole);
        (trail.links.iter().map(text).collect(), trail.end.as_ref().map(text))
    }

    fn way(links: &[&str], end: &str) -> (Vec<String>, Option<String>) {
        (links.iter().map(|link| (*link).to_owned()).collect(), Some(end.to_owned()))
    }

    #[test]
    fn every_link_on_the_way_is_met_and_the_end_has_none() {
        let tree = tree(&[("real", "one"), ("one/sub", "two"), ("../file", "real/sub/up"), ("ROOT/real", "absolute")]);
        assert_eq!(followed(&tree, "real/file"), way(&[], "real/file"));
        assert_eq!(followed(&tree, "one/file"), way(&["one"], "real/file"));
        assert_eq!(followed(&tree, "two/up"), way(&["two", "one", "real/sub/up"], "real/file"));
        assert_eq!(followed(&tree, "absolute/sub"), way(&["absolute"], "real/sub"));
        assert_eq!(
            followed(&tree, "two/../file"),
            way(&["two", "one"], "real/file"),
            "`..` goes up from where it leads"
        );
    }

    #[test]
    fn what_leads_nowhere_ends_at_what_is_missing() {
        let tree = tree(&[("gone/deep/../x", "dangling"), ("real/file/x", "below")]);
        assert_eq!(followed(&tree, "dangling"), way(&["dangling"], "gone"));
        assert_eq!(followed(&tree, "below"), way(&["below"], "real/file/x"));
        assert_eq!(followed(&tree, "none/at/all"), way(&[], "none"));
    }

    #[test]
    fn a_circle_has_no_end_and_each_of_its_links_once() {
        let tree = tree(&[("b", "a"), ("a", "b")]);
        let (links, end) = followed(&tree, "a/x");
        assert_eq!((links, end), (vec!["a".to_owned(), "b".to_owned()], None));
    }

    #[test]
    fn outside_of_the_workspace_paths_are_absolute() {
        let tree = tree(&[("../other", "out"), ("..", "up")]);
        let beside = tree.root.with_file_name("other");
        assert_eq!(followed(&tree, "out/x"), way(&["out"], beside.to_str().unwrap()));
        assert_eq!(followed(&tree, "up/ws/real"), way(&["up"], "real"));
        assert_eq!(inside(&follow(&tree.root, b"out").end.unwrap()), None);
    }
}
