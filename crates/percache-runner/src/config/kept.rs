//! A cache of the loaded workspace: while the configuration is unchanged, it is not read again. What every build has to
//! say about the configuration is in a file of its own, so that a build with nothing to do need not read the rest.
//!
//! The journal says whether it is unchanged (see [`crate::session::freshness`]), and identifies the cached workspace by
//! its digest. A cache that cannot be read, or that another version of percache wrote, is ignored.

use std::fs;
use std::io;
use std::path::Path;

use percache::Digest;
use percache::base::files::{self, Durability};
use serde::{Deserialize, Serialize};

use crate::model::notice::Note;
use crate::model::{PackageDoubt, UnusedTemplate, Workspace};

/// Must be incremented with every change of the [model](crate::model).
const MAGIC: &[u8] = b"percache workspace 7\n";

const SLIPS: &[u8] = b"percache slips 1\n";

/// What is most likely a slip in a configuration without mistakes. Every build tells it, because it is still true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slips {
    unused: Vec<UnusedTemplate>,
    doubts: Vec<PackageDoubt>,
}

impl Slips {
    /// Returns those of a workspace.
    pub fn of(workspace: &Workspace) -> Slips {
        Slips { unused: workspace.unused.clone(), doubts: workspace.doubts.clone() }
    }

    /// Returns what users are told.
    pub fn notes(self) -> impl Iterator<Item = Note> {
        let unused = self.unused.into_iter().map(|UnusedTemplate { name, place }| Note::UnusedTemplate { name, place });
        unused.chain(self.doubts.into_iter().map(Note::Packages))
    }

    /// Writes them to the file at `path`, for the configuration whose copy has this digest. Writes nothing if there are
    /// none.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn keep(&self, configuration: &Digest, path: &Path) -> io::Result<()> {
        if *self == Slips::default() {
            // A file that is there belongs to another configuration.
            return Ok(());
        }
        let head = [SLIPS, configuration.as_bytes()].concat();
        let bytes = postcard::to_extend(self, head).map_err(io::Error::other)?;
        files::replace(path, &bytes, Durability::Volatile)
    }

    /// Returns those in the file at `path`; none if it belongs to another configuration than the one whose copy has
    /// this digest.
    pub fn kept(path: &Path, configuration: &Digest) -> Slips {
        let bytes = fs::read(path).unwrap_or_default();
        let own = bytes.strip_prefix(SLIPS).and_then(|rest| rest.strip_prefix(configuration.as_bytes()));
        own.and_then(|own| postcard::from_bytes(own).ok()).unwrap_or_default()
    }
}

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

    const GOLDEN: &str = "706572636163686520736c69707320310a23137b7dc7fb3dc23fb016be6aead54c6f8d73c3\
                          0101740f70657263616368652e746f6d6c3a3101016101700168";
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

    #[test]
    fn slips_belong_to_one_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("slips");
        let unused = UnusedTemplate { name: "t".to_owned(), place: "percache.toml:1".to_owned() };
        let file = crate::model::path::RelPath::new("a").unwrap();
        let doubt = PackageDoubt { file, problem: "p".to_owned(), hint: "h".to_owned() };
        let slips = Slips { unused: vec![unused], doubts: vec![doubt] };
        let digest = Digest::of(b"a configuration");
        slips.keep(&digest, &path).unwrap();
        let hex: String = fs::read(&path).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN, "a change of the format needs a new version");
        assert_eq!(Slips::kept(&path, &digest), slips);
        assert_eq!(slips.notes().count(), 2);
        assert_eq!(Slips::kept(&path, &Digest::of(b"another one")), Slips::default());
        fs::write(&path, &fs::read(&path).unwrap()[..45]).unwrap();
        assert_eq!(Slips::kept(&path, &digest), Slips::default());
        fs::remove_file(&path).unwrap();
        Slips::default().keep(&digest, &path).unwrap();
        assert!(!path.exists());
    }
}
