//! Restore: from an output manifest to files in the tree.
//!
//! Nothing is removed or replaced before everything is in hand: all contents are fetched into the staging directory and verified,
//! then what an earlier result left is taken away, then each file is moved into its place. What is right already is not touched.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use percache::store::record::{Entry, Node};
use percache::store::{ReadError, Store};

use crate::capture::is_right;
use crate::fanout::fan_out;
use crate::observe::{FileState, Observer};
use crate::paths::RelPath;
use crate::stamp::moment;
use crate::tree::{self, Tree};

/// Why outputs could not be put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store does not have them whole. Nothing in the tree was touched.
    #[error("{0}")]
    Store(ReadError),
    /// The tree.
    #[error("cannot restore `{0}`: {1}")]
    Tree(RelPath, io::Error),
}

/// What has to happen so that a manifest lies in the tree, and nothing else of its task.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Entries that are not right, and what is there instead.
    pub wrong: Vec<(&'a Entry, FileState)>,
    /// Outputs of an earlier result that this one does not have.
    pub stale: Vec<RelPath>,
}

impl Plan<'_> {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.wrong.is_empty() && self.stale.is_empty()
    }
}

/// Compares a manifest with the tree. `previous` is what earlier results of the task left, sorted.
pub fn plan<'a>(observer: &Observer<'_>, manifest: &'a [Entry], previous: &[RelPath]) -> io::Result<Plan<'a>> {
    let mut plan = Plan::default();
    for entry in manifest {
        let state = observer.observe(&entry.path)?;
        if !is_right(&entry.node, &state) {
            plan.wrong.push((entry, state));
        }
    }
    for path in previous {
        let kept = manifest.binary_search_by(|entry| entry.path.as_slice().cmp(path.as_bytes())).is_ok();
        if !kept && observer.observe(path.as_bytes())? != FileState::Absent {
            plan.stale.push(path.clone());
        }
    }
    Ok(plan)
}

/// The files that carrying a plan out makes beside the outputs for a moment: where these lie on another file system than what is staged.
/// Sorted.
pub fn temporaries(observer: &Observer<'_>, staging: &Path, plan: &Plan<'_>) -> Vec<RelPath> {
    let device = |path: &Path| fs::metadata(path).map(|metadata| std::os::unix::fs::MetadataExt::dev(&metadata)).ok();
    let staged = device(staging);
    let mut elsewhere: HashMap<RelPath, bool> = HashMap::new();
    let mut paths = Vec::new();
    for (entry, _) in &plan.wrong {
        let Ok(path) = RelPath::new(&entry.path) else { continue };
        let is_elsewhere = path.parent().is_none_or(|parent| {
            *elsewhere.entry(parent).or_insert_with_key(|parent| {
                // A directory that is not there yet will be on the file system of the one above.
                let there = parent.to_path(observer.root()).ancestors().find_map(device);
                there != staged
            })
        });
        if is_elsewhere && entry.node != Node::Directory {
            paths.extend(tree::temporary(&path));
        }
    }
    paths.sort();
    paths
}

/// Carries a plan out.
pub fn restore(
    observer: &Observer<'_>,
    store: &Store,
    staging: &Path,
    plan: &Plan<'_>,
    threads: usize,
) -> Result<(), RestoreError> {
    let staged = Staged::fetch(store, staging, plan, threads)?;
    let in_tree = |path: &RelPath| {
        let path = path.clone();
        move |e| RestoreError::Tree(path, e)
    };
    let root = RelPath::root();
    let mut tree = Tree::open(observer.root()).map_err(in_tree(&root))?;
    let removed = remove(&mut tree, &plan.stale);
    plan.stale.iter().for_each(|path| observer.put_other(path.as_bytes()));
    removed.map_err(|(path, e)| RestoreError::Tree(path, e))?;
    for ((entry, state), file) in plan.wrong.iter().zip(&staged.files) {
        let path = RelPath::new(&entry.path)
            .map_err(|e| RestoreError::Tree(root.clone(), io::Error::new(io::ErrorKind::InvalidData, e)))?;
        put(observer, &mut tree, entry, &path, state, file.as_deref()).map_err(in_tree(&path))?;
    }
    Ok(())
}

fn put(
    observer: &Observer<'_>,
    tree: &mut Tree,
    entry: &Entry,
    path: &RelPath,
    state: &FileState,
    staged: Option<&Path>,
) -> io::Result<()> {
    match (&entry.node, state) {
        (Node::Directory, FileState::Absent) => return tree.make_directory(path),
        (Node::Directory, _) => {
            tree.remove_file(path)?;
            return tree.make_directory(path);
        }
        (_, FileState::Directory) => {
            tree.remove_directory(path)?;
        }
        _ => {}
    }
    let Some(staged) = staged else { return Ok(()) };
    let looked = moment();
    let stamp = tree.move_in(staged, path)?;
    if let Node::File { content, .. } = &entry.node {
        observer.put(&entry.path, stamp, content.digest, looked);
    }
    Ok(())
}

/// Removes files and symlinks, and directories that are empty then. What is not there is no matter.
pub fn remove(tree: &mut Tree, paths: &[RelPath]) -> Result<(), (RelPath, io::Error)> {
    // Backwards, so that a directory comes after what is in it.
    for path in paths.iter().rev() {
        let removed = tree.remove_file(path).and_then(|was| if was { Ok(was) } else { tree.remove_directory(path) });
        removed.map_err(|e| (path.clone(), e))?;
    }
    Ok(())
}

/// Files and symlinks in the staging directory, in the order of the plan; removed when they were not moved away.
struct Staged {
    files: Vec<Option<PathBuf>>,
}

impl Staged {
    fn fetch(store: &Store, staging: &Path, plan: &Plan<'_>, threads: usize) -> Result<Staged, RestoreError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Not only the process id: without a store of its own, this may be a directory for everybody, and the id one of long ago.
        static TOKEN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
        let name = || staging.join(format!("percache-{:x}-{}", *TOKEN, COUNT.fetch_add(1, Ordering::Relaxed)));
        let needed: Vec<_> = plan.wrong.iter().map(|(entry, _)| (*entry, name())).collect();
        let clean_up = Staged { files: needed.iter().map(|(_, path)| Some(path.clone())).collect() };
        let files = fan_out(threads, &needed, |(entry, path)| {
            stage(store, &entry.node, path).map(|staged| staged.then(|| path.clone()))
        });
        let files = files.map_err(RestoreError::Store)?;
        std::mem::forget(clean_up);
        Ok(Staged { files })
    }
}

fn stage(store: &Store, node: &Node, path: &Path) -> Result<bool, ReadError> {
    match node {
        Node::Directory => return Ok(false),
        Node::Symlink(target) => symlink(std::ffi::OsStr::from_bytes(target), path)?,
        Node::File { content, executable } => {
            // The permissions that a program would have given it: everything that the umask allows.
            let mode = if *executable { 0o777 } else { 0o666 };
            let file = File::options().write(true).create_new(true).mode(mode).open(path)?;
            let mut writer = BufWriter::with_capacity(256 << 10, file);
            store.read(content, &mut writer)?;
            writer.flush()?;
        }
    }
    Ok(true)
}

impl Drop for Staged {
    fn drop(&mut self) {
        for path in self.files.iter().flatten() {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::capture;
    use crate::known::KnownFiles;
    use crate::pattern::PatternSet;
    use percache::Digest;
    use percache::memory::MemoryEngine;
    use percache::store::record::Content;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    struct Place {
        dir: tempfile::TempDir,
        store: Store,
        manifest: Vec<Entry>,
    }

    impl Place {
        fn root(&self) -> PathBuf {
            self.dir.path().join("work")
        }

        /// A tree whose outputs were captured.
        fn new() -> Place {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("work");
            fs::create_dir_all(root.join("out/empty")).unwrap();
            fs::create_dir_all(dir.path().join("staging")).unwrap();
            fs::write(root.join("out/a"), "a").unwrap();
            fs::write(root.join("out/run"), "#!/bin/sh").unwrap();
            fs::set_permissions(root.join("out/run"), fs::Permissions::from_mode(0o755)).unwrap();
            symlink("nowhere", root.join("out/link")).unwrap();
            let store = Store::new(Arc::new(MemoryEngine::new()));
            let outputs = PatternSet::parse(&RelPath::root(), &["out"]).unwrap();
            let known = KnownFiles::new();
            let manifest = capture(&Observer::new(&root, &known), Some(&store), &outputs, &[], 2).unwrap().entries;
            Place { dir, store, manifest }
        }

        /// Restores; how many entries were wrong and stale.
        fn restore(&self, previous: &[&str]) -> Result<(usize, usize), RestoreError> {
            let known = KnownFiles::new();
            let root = self.root();
            let observer = Observer::new(&root, &known);
            let previous: Vec<_> = previous.iter().map(|path| RelPath::new(path).unwrap()).collect();
            let plan = plan(&observer, &self.manifest, &previous).unwrap();
            restore(&observer, &self.store, &self.dir.path().join("staging"), &plan, 2)?;
            assert_eq!(fs::read_dir(self.dir.path().join("staging")).unwrap().count(), 0, "nothing is left in staging");
            Ok((plan.wrong.len(), plan.stale.len()))
        }
    }

    #[test]
    fn what_is_right_is_not_touched() {
        let place = Place::new();
        let before = fs::metadata(place.root().join("out/a")).unwrap().modified().unwrap();
        assert_eq!(place.restore(&[]).unwrap(), (0, 0));
        assert_eq!(fs::metadata(place.root().join("out/a")).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn everything_comes_back() {
        let place = Place::new();
        fs::remove_dir_all(place.root().join("out")).unwrap();
        assert_eq!(place.restore(&[]).unwrap(), (5, 0));
        let out = place.root().join("out");
        assert_eq!(fs::read(out.join("a")).unwrap(), b"a");
        assert!(out.join("empty").is_dir());
        assert_eq!(fs::read_link(out.join("link")).unwrap(), Path::new("nowhere"));
        assert_eq!(fs::metadata(out.join("run")).unwrap().permissions().mode() & 0o100, 0o100);
        assert_eq!(fs::metadata(out.join("a")).unwrap().permissions().mode() & 0o111, 0);
        assert_eq!(place.restore(&[]).unwrap(), (0, 0));
    }

    #[test]
    fn a_wrong_kind_a_wrong_bit_and_read_only_files_are_put_right() {
        let place = Place::new();
        let out = place.root().join("out");
        fs::remove_file(out.join("a")).unwrap();
        fs::create_dir(out.join("a")).unwrap();
        fs::remove_dir(out.join("empty")).unwrap();
        fs::write(out.join("empty"), "a file").unwrap();
        fs::set_permissions(out.join("run"), fs::Permissions::from_mode(0o444)).unwrap();
        fs::remove_file(out.join("link")).unwrap();
        symlink("elsewhere", out.join("link")).unwrap();
        assert_eq!(place.restore(&[]).unwrap(), (4, 0));
        assert_eq!(place.restore(&[]).unwrap(), (0, 0));
    }

    #[test]
    fn what_an_earlier_result_left_goes_and_what_others_put_there_stays() {
        let place = Place::new();
        let out = place.root().join("out");
        fs::create_dir_all(out.join("old/deep")).unwrap();
        fs::write(out.join("old/deep/file"), "x").unwrap();
        fs::create_dir(out.join("shared")).unwrap();
        fs::write(out.join("shared/ours"), "x").unwrap();
        fs::write(out.join("shared/theirs"), "x").unwrap();
        let previous =
            ["out/a", "out/gone", "out/old", "out/old/deep", "out/old/deep/file", "out/shared", "out/shared/ours"];
        assert_eq!(place.restore(&previous).unwrap().0, 0);
        assert!(!out.join("old").exists());
        assert!(!out.join("shared/ours").exists());
        assert!(out.join("shared/theirs").exists());
    }

    #[test]
    fn when_something_is_missing_in_the_store_nothing_is_touched() {
        let mut place = Place::new();
        let missing = Content { digest: Digest::of(b"never stored"), length: 12 };
        let node = Node::File { content: missing, executable: false };
        place.manifest.push(Entry { path: b"out/z".into(), node });
        fs::write(place.root().join("out/a"), "edited").unwrap();
        fs::write(place.root().join("out/stale"), "stale").unwrap();
        assert!(matches!(place.restore(&["out/stale"]), Err(RestoreError::Store(ReadError::Missing(_)))));
        assert_eq!(fs::read(place.root().join("out/a")).unwrap(), b"edited");
        assert!(place.root().join("out/stale").exists());
        assert_eq!(fs::read_dir(place.dir.path().join("staging")).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_with_files_of_others_is_not_replaced() {
        let place = Place::new();
        let out = place.root().join("out");
        fs::remove_file(out.join("a")).unwrap();
        fs::create_dir(out.join("a")).unwrap();
        fs::write(out.join("a/theirs"), "x").unwrap();
        assert!(matches!(place.restore(&[]), Err(RestoreError::Tree(..))));
        assert!(out.join("a/theirs").exists());
    }
}
