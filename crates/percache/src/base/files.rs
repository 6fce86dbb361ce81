//! Files that only their owner can read, and that are seen whole or not at all.
//!
//! Results may hold what others must not read, so everything that is made here has mode 0600, directories 0700, whatever the umask
//! allows. Knows nothing of what is in the files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What has to be so when the new content of a file can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It may be lost or torn when the power fails; whoever reads it notices, and goes without.
    Volatile,
    /// It is on the disk, under its name.
    Durable,
}

/// Options for a file that only its owner can read once it is made.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a directory that only its owner can enter, and those above it. One that is there already keeps its mode.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Gives a file this content, in one step: a reader sees the old content or the new one, whenever the process is killed.
pub fn replace(path: &Path, content: &[u8], durability: Durability) -> io::Result<()> {
    Staged::write(path, [content], durability)?.commit()
}

/// The new content of a file, written and not yet seen. Dropped, it is gone.
#[derive(Debug)]
#[must_use = "the file has its old content until this is committed"]
pub struct Staged {
    temporary: PathBuf,
    path: PathBuf,
    durability: Durability,
    moved: bool,
}

impl Staged {
    /// Writes what the file at `path` is to be: these pieces, one behind the other.
    pub fn write<'a>(
        path: &Path,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        durability: Durability,
    ) -> io::Result<Staged> {
        // From here on it is removed, whatever happens.
        let staged = Staged { temporary: temporary(path), path: path.to_owned(), durability, moved: false };
        let file = private().write(true).create(true).truncate(true).open(&staged.temporary)?;
        // What is long is not copied.
        let mut writer = BufWriter::with_capacity(16 << 10, file);
        pieces.into_iter().try_for_each(|piece| writer.write_all(piece))?;
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        if durability == Durability::Durable {
            file.sync_all()?;
        }
        Ok(staged)
    }

    /// Gives the file its new content, in one step.
    pub fn commit(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        self.moved = true;
        match (self.durability, self.path.parent()) {
            (Durability::Durable, Some(directory)) => sync_dir(directory),
            _ => Ok(()),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.moved {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// A name beside `path` that nobody else uses now. What a killed process left there may be written over.
fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(path);
    name.push(format!(".{}-{number}{NEW}", std::process::id()));
    PathBuf::from(name)
}

/// What the names of files end in that are not yet in their place.
const NEW: &str = ".new";

/// Whether a file of this name waits to be moved into its place.
pub fn is_temporary(path: &Path) -> bool {
    path.as_os_str().to_string_lossy().ends_with(NEW)
}

/// Makes the names in a directory permanent.
#[cfg(unix)]
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A directory cannot be opened here; its names are permanent when the file system says so.
#[cfg(not(unix))]
pub fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Takes from everybody but the owner what a library has given them: of the files in `dir`, not below it. What cannot be changed stays
/// as it is: it may belong to somebody else, or be gone.
#[cfg(unix)]
pub fn make_private(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let open =
            entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o077 != 0);
        if open {
            let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o600));
        }
    }
}

/// There are no such modes here.
#[cfg(not(unix))]
pub fn make_private(_dir: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        create_private_dir(&deep).unwrap();
        replace(&deep.join("file"), b"x", Durability::Durable).unwrap();
        assert_eq!((mode(&deep), mode(&deep.join("file"))), (0o700, 0o600));
        fs::write(deep.join("of a library"), "x").unwrap();
        fs::set_permissions(deep.join("of a library"), fs::Permissions::from_mode(0o644)).unwrap();
        make_private(&deep);
        assert_eq!(mode(&deep.join("of a library")), 0o600);
    }

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for durability in [Durability::Volatile, Durability::Durable] {
            fs::write(&path, "old").unwrap();
            replace(&path, b"new", durability).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
        // What cannot be replaced stays, and leaves nothing either.
        fs::create_dir(dir.path().join("directory")).unwrap();
        assert!(replace(&dir.path().join("directory"), b"new", Durability::Volatile).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
