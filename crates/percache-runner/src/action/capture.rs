//! Capture: turns the files that a command left into an output manifest, and sends their contents to the store.
//!
//! Every file is read once: hashed, cut into chunks, and searched for the workspace's own path. Contents are streamed,
//! so a large output needs no large memory.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem::Finder;
use percache::Digest;
use percache::base::codec::DecodeError;
use percache::store::interface::Contents;
use percache::store::manifest::Manifest;
use percache::store::record::{Content, Entry, Node};
use rustix::fs::CWD;

use crate::action::search::Search;
use crate::fs::hash_file;
use crate::fs::parallel::fan_out;
use crate::fs::rights;
use crate::fs::stamp::{Stamp, moment};
use crate::fs::stat_cache::Observer;
use crate::fs::walk::{Found, Kind};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;

/// The captured outputs of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The output manifest.
    pub entries: Manifest,
    /// Whether an output contains the workspace's own path.
    pub tied: bool,
}

/// A reason why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Some process still writes to an output although the command has ended.
    #[error("its output `{0}` changed while it was stored")]
    Changed(RelPath),
    /// An output is of this other kind: no file, directory or symlink.
    #[error("its output `{0}` is {1}, which cannot be stored")]
    Special(RelPath, &'static str),
    /// What was found is no manifest: somebody exchanged files and directories meanwhile.
    #[error("its outputs changed while they were stored: {0}")]
    Contradictory(#[from] DecodeError),
    /// An output cannot be read.
    #[error("its output `{0}` cannot be read: {1}")]
    Read(RelPath, io::Error),
}

impl CaptureError {
    /// Returns advice on what to do, if there is any.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            CaptureError::Changed(_) | CaptureError::Contradictory(_) => {
                Some("something that the command has started still runs: wait for it in the command")
            }
            CaptureError::Special(..) => Some(
                "outputs are files, directories and symlinks: remove it, and leave it out of `outputs` by a `!` pattern",
            ),
            _ => None,
        }
    }
}

/// Captures the outputs of a successful command; `found` is sorted. Without a store, they are hashed all the same.
///
/// # Errors
/// Fails on an output that is no file, directory or symlink, that cannot be read, or that some process still
/// writes to.
pub fn capture(
    observer: &Observer<'_>,
    store: Option<&dyn Contents>,
    found: &[Found],
    threads: usize,
) -> Result<Captured, CaptureError> {
    let tied = AtomicBool::new(false);
    let own = observer.root().as_os_str().as_bytes();
    // In a workspace at `/`, every text that names a path would count.
    let own = (own.len() > 1).then(|| Finder::new(own));
    let entries = fan_out(threads, found, |found| {
        let mut search = own.as_ref().map(Search::new);
        let (node, withheld) = node(observer, store, found, &mut |bytes| {
            search.iter_mut().for_each(|search| search.see(bytes));
        })?;
        if search.is_some_and(|search| search.has_found()) {
            tied.store(true, Ordering::Relaxed);
        }
        Ok::<_, CaptureError>(Entry { path: found.path.as_bytes().to_vec(), node, withheld, kept: true })
    })?;
    let entries = Manifest::from_sorted_entries(entries)?;
    tell_of_others(observer, &entries);
    Ok(Captured { entries, tied: tied.into_inner() })
}

/// Tells the observer about directories and symlinks that are there now. It already knows about files, from when they
/// were read or placed.
pub fn tell_of_others(observer: &Observer<'_>, manifest: &[Entry]) {
    let others = manifest.iter().filter(|entry| !matches!(entry.node, Node::File { .. }));
    others.for_each(|entry| observer.put_other(&entry.path));
}

/// Returns the literal outputs at which nothing was found. `found` is sorted by `path`.
pub fn missing<T>(outputs: &PatternSet, found: &[T], path: impl Fn(&T) -> &[u8]) -> Vec<String> {
    let mut missing = Vec::new();
    for pattern in outputs.patterns().iter().filter(|pattern| !pattern.negated) {
        if let Some(literal) = pattern.literal()
            && found.binary_search_by(|found| path(found).cmp(literal.as_bytes())).is_err()
        {
            missing.push(literal.to_string());
        }
    }
    missing
}

fn node(
    observer: &Observer<'_>,
    store: Option<&dyn Contents>,
    found: &Found,
    seen: &mut dyn FnMut(&[u8]),
) -> Result<(Node, u16), CaptureError> {
    let native = found.path.to_path(observer.root());
    let unreadable = |e| CaptureError::Read(found.path.clone(), e);
    match found.kind {
        // The symlink's target counts: in another tree, the same outputs lie in a real directory.
        Kind::DirectoryLink => Ok((Node::Directory, 0)),
        Kind::Directory => {
            let stamp = Stamp::at(&native).map_err(unreadable)?;
            Ok((Node::Directory, stamp.map_or(0, |stamp| rights::withheld(stamp.mode))))
        }
        Kind::Special => {
            let is = std::fs::symlink_metadata(native).map_err(unreadable)?.file_type();
            let what = match () {
                () if is.is_fifo() => "a pipe",
                () if is.is_socket() => "a socket",
                () => "a device",
            };
            Err(CaptureError::Special(found.path.clone(), what))
        }
        Kind::Symlink => {
            let target = std::fs::read_link(native).map_err(unreadable)?;
            seen(target.as_os_str().as_bytes());
            Ok((Node::Symlink(target.as_os_str().as_bytes().to_vec()), 0))
        }
        Kind::File => {
            let mut file = hash_file::open(CWD, &native).map_err(unreadable)?;
            let before = Stamp::of_file(&file).map_err(unreadable)?;
            let content = match store {
                Some(store) => store.add(&mut file, seen).map_err(unreadable)?,
                None => hash(&mut file).map_err(unreadable)?,
            };
            let looked = moment();
            let after = Stamp::of_file(&file).map_err(unreadable)?;
            if before != after {
                return Err(CaptureError::Changed(found.path.clone()));
            }
            observer.put(found.path.as_bytes(), after, content.digest, looked);
            let node = Node::File { content, executable: after.mode & 0o100 != 0 };
            Ok((node, rights::withheld(after.mode)))
        }
    }
}

fn hash(file: &mut File) -> io::Result<Content> {
    Digest::of_reader(file).map(|(digest, length)| Content { digest, length })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::outputs::present;
    use crate::fs::stat_table::KnownFiles;
    use percache::store::Store;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn captured(root: &Path, outputs: &[&str]) -> Result<Captured, CaptureError> {
        let known = KnownFiles::new();
        let outputs = PatternSet::parse(&RelPath::root(), outputs).unwrap();
        let store = Store::new(std::sync::Arc::new(percache::db::memory::MemoryEngine::new()));
        let found = present(root, &outputs, &[]).unwrap();
        capture(&Observer::new(root, &known), Some(&store), &found, 2)
    }

    #[test]
    fn every_kind_of_output_is_in_the_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("out/empty")).unwrap();
        fs::write(root.join("out/run"), "x").unwrap();
        fs::set_permissions(root.join("out/run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("nowhere", root.join("out/link")).unwrap();
        let content = Content { digest: Digest::of(b"x"), length: 1 };
        let entry = |path: &str, node| Entry::new(path, node);
        let expected = vec![
            entry("out", Node::Directory),
            entry("out/empty", Node::Directory),
            entry("out/link", Node::Symlink(b"nowhere".into())),
            entry("out/run", Node::File { content, executable: true }),
        ];
        assert_eq!(
            captured(root, &["out"]).unwrap(),
            Captured { entries: Manifest::from_sorted_entries(expected).unwrap(), tied: false }
        );
    }

    #[test]
    fn a_literal_output_must_be_there_and_a_glob_need_not_match() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "x").unwrap();
        let missing = |outputs: &[&str]| {
            let outputs = PatternSet::parse(&RelPath::root(), outputs).unwrap();
            missing(&outputs, &present(dir.path(), &outputs, &[]).unwrap(), |found| found.path.as_bytes())
        };
        assert_eq!(missing(&["a", "b"]), ["b"]);
        assert_eq!(missing(&["a", "*.o"]), [""; 0]);
    }

    #[test]
    fn an_output_that_names_the_workspace_is_tied_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("plain"), "nothing").unwrap();
        fs::write(root.join("named"), format!("prefix={}/lib\n", root.display())).unwrap();
        assert!(!captured(root, &["plain"]).unwrap().tied);
        assert!(captured(root, &["plain", "named"]).unwrap().tied);
        fs::remove_file(root.join("named")).unwrap();
        symlink(root.join("plain"), root.join("named")).unwrap();
        assert!(captured(root, &["named"]).unwrap().tied);
    }
}
