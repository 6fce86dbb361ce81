//! What outputs lie in the tree, and whether they are as they were recorded.

use std::path::Path;

use percache::store::record::Node;

use crate::fs::stat_cache::FileState;
use crate::fs::walk::{self, Found, Kind, Want};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;

/// Returns which outputs lie in the tree now. A symlink that somebody has put in the place of a directory of outputs, and which is followed, is none
/// of them: it is not percache's to remove.
pub fn present(root: &Path, outputs: &PatternSet, skip: &[RelPath]) -> Result<Vec<Found>, walk::WalkError> {
    let mut found = present_with_links(root, outputs, skip)?;
    found.retain(|found| found.kind != Kind::DirectoryLink);
    Ok(found)
}

/// As [`present`], with the symlinks that stand in the place of directories.
pub fn present_with_links(root: &Path, outputs: &PatternSet, skip: &[RelPath]) -> Result<Vec<Found>, walk::WalkError> {
    if outputs.is_empty() { Ok(Vec::new()) } else { walk::expand(root, outputs, skip, Want::Directories) }
}

/// Returns whether `state` is what `node` looks like in the tree, as far as its own path is concerned.
pub fn is_right(node: &Node, state: &FileState) -> bool {
    match (node, state) {
        (Node::File { content, executable }, FileState::File { digest, executable: is }) => {
            content.digest == *digest && executable == is
        }
        (Node::Symlink(target), FileState::Symlink { target: is, .. }) => target == is,
        (Node::Directory, FileState::Directory) => true,
        _ => false,
    }
}
