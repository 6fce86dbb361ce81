//! What a server says of a finished action: nothing of it is believed before it is checked.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use prost::Message;

use crate::digest::Blob;
use crate::fault::{Fault, FaultKind};
use crate::reapi::{protobuf, v2};
use crate::service::reapi::blob;

/// The most outputs of one action. A tree of a few messages can stand for more than fit into any memory.
const MOST: usize = 1_000_000;
/// The deepest directory.
const DEEPEST: usize = 200;

/// What lies at the path of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A file.
    File { blob: Blob, executable: bool },
    /// A symlink, with its target.
    Symlink(String),
    /// A directory.
    Directory,
}

/// When and where an action was executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// How long it waited for a worker.
    pub queued: Duration,
    /// How long the command ran, if the server says so.
    pub took: Option<Duration>,
    /// The worker.
    pub worker: String,
}

/// The outputs of an action, by their paths.
pub(super) type Outputs = BTreeMap<String, Node>;

fn damaged(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Damaged, message)
}

/// Returns the outputs that a result names itself, and the trees of its directories.
#[allow(deprecated, reason = "older servers know the older fields alone")]
pub(super) fn outputs(result: &v2::ActionResult, base: &str) -> Result<(Outputs, Vec<(String, Blob)>), Fault> {
    let mut outputs = Outputs::new();
    for file in &result.output_files {
        let (path, node) = (joined(base, &file.path)?, file_node(file.digest.as_ref(), file.is_executable)?);
        add(&mut outputs, path, node)?;
    }
    let links = [&result.output_symlinks, &result.output_file_symlinks, &result.output_directory_symlinks];
    for link in links.into_iter().flatten() {
        // Servers may name a link in a field of each age.
        let (path, node) = (joined(base, &link.path)?, Node::Symlink(link.target.clone()));
        if outputs.get(&path) != Some(&node) {
            add(&mut outputs, path, node)?;
        }
    }
    let mut trees = Vec::new();
    for directory in &result.output_directories {
        let path = match directory.path.is_empty() {
            true => base.to_owned(),
            false => joined(base, &directory.path)?,
        };
        let tree = directory.tree_digest.as_ref().and_then(blob);
        let tree = tree.ok_or_else(|| damaged(format!("the output directory `{path}` has no tree")))?;
        trees.push((path, tree));
    }
    Ok((outputs, trees))
}

/// Adds what is in the tree of an output directory.
pub(super) fn add_tree(outputs: &mut Outputs, path: &str, tree: &[u8]) -> Result<(), Fault> {
    let tree = v2::Tree::decode(tree).map_err(|e| damaged(format!("the tree of `{path}` is damaged: {e}")))?;
    let children: HashMap<Blob, &v2::Directory> =
        tree.children.iter().map(|child| (Blob::of(&child.encode_to_vec()), child)).collect();
    let root = tree.root.as_ref().ok_or_else(|| damaged(format!("the tree of `{path}` has no root")))?;
    let mut pending = vec![(path.to_owned(), root, 0)];
    while let Some((path, directory, depth)) = pending.pop() {
        if !path.is_empty() {
            add(outputs, path.clone(), Node::Directory)?;
        }
        for file in &directory.files {
            let node = file_node(file.digest.as_ref(), file.is_executable)?;
            add(outputs, child(&path, &file.name)?, node)?;
        }
        for link in &directory.symlinks {
            add(outputs, child(&path, &link.name)?, Node::Symlink(link.target.clone()))?;
        }
        for node in &directory.directories {
            let path = child(&path, &node.name)?;
            let named = node.digest.as_ref().and_then(blob).and_then(|blob| children.get(&blob));
            let named = named.ok_or_else(|| damaged(format!("the tree lacks the directory `{path}`")))?;
            if depth == DEEPEST {
                return Err(damaged(format!("the directory `{path}` is too deep")));
            }
            pending.push((path, *named, depth + 1));
        }
    }
    Ok(())
}

fn add(outputs: &mut Outputs, path: String, node: Node) -> Result<(), Fault> {
    if outputs.len() == MOST {
        return Err(damaged("there are too many outputs"));
    }
    match outputs.insert(path.clone(), node) {
        None => Ok(()),
        Some(_) => Err(damaged(format!("the output `{path}` is there twice"))),
    }
}

fn file_node(digest: Option<&v2::Digest>, executable: bool) -> Result<Node, Fault> {
    let blob = digest.and_then(blob).ok_or_else(|| damaged("an output has no valid digest"))?;
    Ok(Node::File { blob, executable })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

/// Returns a path below `base`.
fn joined(base: &str, path: &str) -> Result<String, Fault> {
    if !path.split('/').all(is_name) {
        return Err(damaged(format!("the output `{path}` does not lie below the directory of the command")));
    }
    Ok(if base.is_empty() { path.to_owned() } else { format!("{base}/{path}") })
}

fn child(directory: &str, name: &str) -> Result<String, Fault> {
    match is_name(name) {
        true => joined(directory, name),
        false => Err(damaged(format!("an output directory has an entry `{name}`"))),
    }
}

/// Returns when and where an action was executed, as far as the server says so.
pub(super) fn timing(metadata: Option<&v2::ExecutedActionMetadata>) -> Timing {
    let Some(metadata) = metadata else { return Timing::default() };
    let between = |from: &Option<protobuf::Timestamp>, to: &Option<protobuf::Timestamp>| {
        let nanos = |at: &protobuf::Timestamp| i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
        let (from, to) = (nanos(from.as_ref()?), nanos(to.as_ref()?));
        u64::try_from(to - from).ok().map(Duration::from_nanos)
    };
    Timing {
        queued: between(&metadata.queued_timestamp, &metadata.worker_start_timestamp).unwrap_or_default(),
        took: between(&metadata.execution_start_timestamp, &metadata.execution_completed_timestamp),
        worker: metadata.worker.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::reapi::digest;

    fn file(name: &str) -> v2::FileNode {
        let digest = Some(digest(&Blob::of(name.as_bytes())));
        v2::FileNode { name: name.into(), digest, is_executable: false, node_properties: None }
    }

    fn directory(name: &str, of: &v2::Directory) -> v2::DirectoryNode {
        v2::DirectoryNode { name: name.into(), digest: Some(digest(&Blob::of(&of.encode_to_vec()))) }
    }

    fn added(root: v2::Directory, children: Vec<v2::Directory>) -> Result<Vec<String>, Fault> {
        let tree = v2::Tree { root: Some(root), children }.encode_to_vec();
        let mut outputs = Outputs::new();
        add_tree(&mut outputs, "out", &tree).map(|()| outputs.into_keys().collect())
    }

    #[test]
    fn a_tree_becomes_paths() {
        let deep = v2::Directory { files: vec![file("b")], ..Default::default() };
        let root = v2::Directory {
            files: vec![file("a")],
            directories: vec![directory("deep", &deep), directory("same", &deep)],
            ..Default::default()
        };
        let paths = ["out", "out/a", "out/deep", "out/deep/b", "out/same", "out/same/b"];
        assert_eq!(added(root, vec![deep]).unwrap(), paths);
    }

    #[test]
    fn a_hostile_tree_is_refused() {
        let of = |name: &str| v2::Directory { files: vec![file(name)], ..Default::default() };
        for name in ["", ".", "..", "a/b", "/etc/passwd", "a\0"] {
            assert!(added(of(name), Vec::new()).is_err(), "{name:?}");
        }
        let twice = v2::Directory { files: vec![file("a"), file("a")], ..Default::default() };
        assert!(added(twice, Vec::new()).unwrap_err().message.contains("twice"));
        let lacking = v2::Directory { directories: vec![directory("x", &of("b"))], ..Default::default() };
        assert!(added(lacking, Vec::new()).unwrap_err().message.contains("lacks"));
        // Each names the one before twice: 2^64 directories, from 64 messages.
        let mut all = vec![v2::Directory::default()];
        for at in 0..64 {
            let both = vec![directory("a", &all[at]), directory("b", &all[at])];
            all.push(v2::Directory { directories: both, ..Default::default() });
        }
        assert!(added(all[64].clone(), all).unwrap_err().message.contains("too many"));
        let mut deep = vec![v2::Directory::default()];
        for at in 0..300 {
            let one = vec![directory("a", &deep[at])];
            deep.push(v2::Directory { directories: one, ..Default::default() });
        }
        assert!(added(deep[300].clone(), deep).unwrap_err().message.contains("too deep"));
    }

    #[test]
    fn a_result_with_paths_outside_is_refused() {
        let result = |path: &str| {
            let digest = Some(digest(&Blob::of(b"x")));
            let file = v2::OutputFile { path: path.into(), digest, ..Default::default() };
            v2::ActionResult { output_files: vec![file], ..Default::default() }
        };
        assert_eq!(outputs(&result("a/b"), "pkg").unwrap().0.into_keys().collect::<Vec<_>>(), ["pkg/a/b"]);
        for path in ["../a", "/a", "a/../b", "a//b", ""] {
            assert!(outputs(&result(path), "pkg").is_err(), "{path:?}");
        }
        let mut unnamed = result("a");
        unnamed.output_files[0].digest = None;
        assert!(outputs(&unnamed, "").is_err());
    }

    #[test]
    fn times_of_a_server_whose_clock_jumps_are_none() {
        let at = |seconds| Some(protobuf::Timestamp { seconds, nanos: 5 });
        let metadata = v2::ExecutedActionMetadata {
            queued_timestamp: at(10),
            worker_start_timestamp: at(12),
            execution_start_timestamp: at(i64::MAX),
            execution_completed_timestamp: at(i64::MIN),
            ..Default::default()
        };
        let timing = timing(Some(&metadata));
        assert_eq!((timing.queued, timing.took), (Duration::from_secs(2), None));
    }
}
