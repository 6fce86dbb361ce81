//! A cache of the loaded workspace: while the configuration is unchanged, it is not read again.
//!
//! The journal says whether it is unchanged (see [`crate::session::freshness`]), and identifies the cached workspace by
//! its digest. A cache that cannot be read, or that another version of percache wrote, is ignored.

use std::fs;
use std::io;
use std::path::Path;

use percache::Digest;
use percache::base::files::{self, Durability};

use crate::model::Workspace;

/// Must be incremented with every change of the [model](crate::model).
const MAGIC: &[u8] = b"percache workspace 7\n";

/// Writes `workspace` to the file at `path`, and returns its digest.
///
/// # Errors
/// Also fails if the workspace's directory is not UTF-8.
pub fn keep(workspace: &Workspace, path: &Path) -> io::Result<Digest> {
    let bytes = postcard::to_extend(workspace, MAGIC.to_vec()).map_err(io::Error::other)?;
    // Not synced: after a power cut, the digest reveals any damage.
    files::replace(path, &bytes, Durability::Volatile)?;
    Ok(Digest::of(&bytes))
}

/// Returns the workspace in `root` that is cached in the file at `path`, if it has that digest.
pub fn kept(root: &Path, path: &Path, digest: &Digest) -> Option<Workspace> {
    let bytes = fs::read(path).ok()?;
    if Digest::of(&bytes) != *digest {
        return None;
    }
    let workspace: Workspace = postcard::from_bytes(bytes.strip_prefix(MAGIC)?).ok()?;
    (workspace.root == root).then_some(workspace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Request, load};

    const EXAMPLE: &str = include_str!("../../../../percache.toml.example");

    #[test]
    fn it_is_read_back_as_it_was_meant() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let more = "\n[task.more]\ncommand = ['a', '{args}']\ninputs = ['a/**', '!b/**/c', 'x[a-c]?/**/y*', 'é{1,2}']\n\
                    outputs = ['out/', 'o/*.{a,b}']\nenv_from = ['X*']\ntimeout = '1h'\nretries = 2\nvalid_for = '3d'\n";
        fs::write(root.join("percache.toml"), [EXAMPLE, more].concat()).unwrap();
        for file in ["src/a.c", "src/sub/b.c", "pkgs/one/percache.toml"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        let workspace = load(&root, &Request { args: vec!["-v".into()], ..Request::default() }).unwrap();
        let path = root.join("kept");
        let digest = keep(&workspace, &path).unwrap();
        assert_eq!(kept(&root, &path, &digest), Some(workspace));
        assert_eq!(kept(Path::new("/elsewhere"), &path, &digest), None);
        fs::write(&path, &fs::read(&path).unwrap()[1..]).unwrap();
        assert_eq!(kept(&root, &path, &digest), None);
    }
}
