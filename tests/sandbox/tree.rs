//! What lies in a directory, as a value that can be compared.
//!
//! Knows nothing of percache but the name of its store.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Everything below a directory by its path.
pub type Tree = BTreeMap<String, Node>;

#[derive(Clone, PartialEq, Eq)]
pub enum Node {
    File {
        bytes: Vec<u8>,
        executable: bool,
    },
    Symlink(String),
    /// Only a directory that is part of an output counts: by convention it is named, or lies below one that is named, `*.dir`. All others
    /// are mere places.
    Directory,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Node::File { bytes, executable } => {
                write!(f, "{}{:?}", if *executable { "executable " } else { "" }, String::from_utf8_lossy(bytes))
            }
            Node::Symlink(target) => write!(f, "-> {target}"),
            Node::Directory => f.write_str("directory"),
        }
    }
}

/// Everything below `root`, the store left out.
pub fn snapshot(root: &Path) -> Tree {
    let mut tree = Tree::new();
    collect(root, "", &mut tree);
    tree
}

fn collect(directory: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let entry = entry.expect("a readable entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        if [".percache", ".git"].contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        let metadata = entry.path().symlink_metadata().expect("an entry that stays");
        if metadata.is_dir() {
            collect(&entry.path(), &format!("{path}/"), tree);
            if path.split('/').any(|name| name.ends_with(".dir")) {
                tree.insert(path, Node::Directory);
            }
        } else if metadata.is_symlink() {
            let target = fs::read_link(entry.path()).expect("a symlink");
            tree.insert(path, Node::Symlink(target.to_string_lossy().into_owned()));
        } else {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            tree.insert(path, Node::File { bytes: fs::read(entry.path()).expect("a readable file"), executable });
        }
    }
}
