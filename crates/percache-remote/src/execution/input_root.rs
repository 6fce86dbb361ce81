//! The input root of an action: the files, links and directories that its command finds, as a Merkle tree.
//!
//! Every directory is a message that names what is in it, sorted, and is itself named by the digest of that message. The
//! same files are therefore always the same root, and what two actions share is uploaded once.

use std::collections::BTreeMap;

use prost::Message;

use super::{Command, Input, InputKind, Inputs};
use crate::digest::Blob;
use crate::fault::{Fault, FaultKind};
use crate::reapi::v2;
use crate::service::reapi::digest;

/// Returns the input root of a command, of whose files the names are known.
pub(super) fn of(command: &Command, inputs: &Inputs<'_>) -> Result<Directory, Fault> {
    let mut root = Directory::default();
    for Input { path, kind } in &command.inputs {
        match (kind, inputs.get(&path[..])) {
            (InputKind::Symlink(target), _) => root.add_symlink(path, target)?,
            (InputKind::File { .. }, Some((blob, executable))) => root.add_file(path, *blob, *executable)?,
            _ => root.add_directory(path)?,
        }
    }
    root.add_directory(&command.directory)?;
    Ok(root)
}

/// A directory of the input root.
#[derive(Debug, Default)]
pub(super) struct Directory {
    entries: BTreeMap<String, Entry>,
}

/// What a name of a directory stands for.
#[derive(Debug)]
enum Entry {
    Directory(Directory),
    File { blob: Blob, executable: bool },
    Symlink(String),
}

impl Directory {
    /// Adds a file.
    pub fn add_file(&mut self, path: &str, blob: Blob, executable: bool) -> Result<(), Fault> {
        self.add(path, Entry::File { blob, executable })
    }

    /// Adds a symlink.
    pub fn add_symlink(&mut self, path: &str, target: &str) -> Result<(), Fault> {
        self.add(path, Entry::Symlink(target.to_owned()))
    }

    /// Adds a directory, if it is not there for what is in it; the empty path is the root.
    pub fn add_directory(&mut self, path: &str) -> Result<(), Fault> {
        self.below(path, path).map(drop)
    }

    fn add(&mut self, path: &str, entry: Entry) -> Result<(), Fault> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.below(parent, path)?.entries.insert(name.to_owned(), entry) {
            Some(Entry::Directory(_)) => Err(contradiction(path)),
            _ => Ok(()),
        }
    }

    fn below(&mut self, directory: &str, path: &str) -> Result<&mut Directory, Fault> {
        let mut at = self;
        for name in directory.split('/').filter(|name| !name.is_empty()) {
            let entry = at.entries.entry(name.to_owned()).or_insert_with(|| Entry::Directory(Directory::default()));
            let Entry::Directory(next) = entry else { return Err(contradiction(path)) };
            at = next;
        }
        Ok(at)
    }

    /// Returns the name of this directory, and adds its message and those of all directories below to `messages`.
    pub fn encode(&self, messages: &mut BTreeMap<Blob, Vec<u8>>) -> Blob {
        let mut message = v2::Directory::default();
        for (name, entry) in &self.entries {
            let name = name.clone();
            match entry {
                Entry::Directory(directory) => {
                    let digest = Some(digest(&directory.encode(messages)));
                    message.directories.push(v2::DirectoryNode { name, digest });
                }
                Entry::File { blob, executable } => {
                    let (digest, is_executable) = (Some(digest(blob)), *executable);
                    message.files.push(v2::FileNode { name, digest, is_executable, node_properties: None });
                }
                Entry::Symlink(target) => {
                    message.symlinks.push(v2::SymlinkNode { name, target: target.clone(), node_properties: None });
                }
            }
        }
        let bytes = message.encode_to_vec();
        let blob = Blob::of(&bytes);
        messages.insert(blob, bytes);
        blob
    }
}

fn contradiction(path: &str) -> Fault {
    Fault::new(FaultKind::Local, format!("its input `{path}` is a directory and something else at a time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Directory {
        let mut root = Directory::default();
        root.add_file("src/b.c", Blob::of(b"b"), false).unwrap();
        root.add_file("src/a.c", Blob::of(b"a"), true).unwrap();
        root.add_symlink("link", "src/a.c").unwrap();
        root.add_directory("out/deep").unwrap();
        root
    }

    fn decoded(messages: &BTreeMap<Blob, Vec<u8>>, node: &v2::DirectoryNode) -> v2::Directory {
        let (_, bytes) = messages.iter().find(|(blob, _)| Some(digest(blob)) == node.digest).unwrap();
        v2::Directory::decode(&bytes[..]).unwrap()
    }

    #[test]
    fn a_directory_names_what_is_in_it_in_order() {
        let mut messages = BTreeMap::new();
        let root = example().encode(&mut messages);
        let message = v2::Directory::decode(&messages[&root][..]).unwrap();
        let names: Vec<_> = message.directories.iter().map(|node| &node.name[..]).collect();
        assert_eq!((names, &message.symlinks[0].target[..]), (vec!["out", "src"], "src/a.c"));
        let src = decoded(&messages, &message.directories[1]);
        let files: Vec<_> = src.files.iter().map(|file| (&file.name[..], file.is_executable)).collect();
        assert_eq!(files, [("a.c", true), ("b.c", false)]);
        let out = decoded(&messages, &message.directories[0]);
        assert_eq!(decoded(&messages, &out.directories[0]), v2::Directory::default());
        assert_eq!(messages.len(), 4, "root, src, out, and the empty one");
    }

    #[test]
    fn the_root_is_pinned_and_independent_of_the_order() {
        let root = example().encode(&mut BTreeMap::new());
        let mut other = Directory::default();
        other.add_directory("out/deep").unwrap();
        other.add_symlink("link", "src/a.c").unwrap();
        other.add_file("src/a.c", Blob::of(b"a"), true).unwrap();
        other.add_file("src/b.c", Blob::of(b"b"), false).unwrap();
        assert_eq!(other.encode(&mut BTreeMap::new()), root);
        assert_eq!(root.digest.to_string(), "5764eebe2ea76887dfdbf474f857bbaf72f907980f4b5d65b3eb671302ff086c");
    }

    #[test]
    fn a_path_below_a_file_or_a_link_is_an_error() {
        for path in ["src/a.c/x", "link/x"] {
            assert!(example().add_file(path, Blob::of(b""), false).unwrap_err().message.contains(path));
        }
        assert!(example().add_file("src", Blob::of(b""), false).is_err());
        assert!(example().add_directory("src/a.c").is_err());
    }
}
