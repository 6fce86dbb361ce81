//! Remembers the directories of displaced files, in the user's state directory, so that they are found whatever happens
//! to the workspace: its `percache.toml` is gone, it was moved, it names another store, or it could not write to one.
//!
//! Nothing depends on it: the message that a file was moved aside also says where it is.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percache::Digest;
use percache::base::files::{self, Durability, create_private_dir};
use percache_runner::displaced::Place;
use percache_runner::events::Moved;

/// How long a directory that cannot be found is remembered: its disk may be mounted again.
const PATIENCE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Remembers where files were moved to. Errors are ignored.
pub fn remember(moved: &Moved) {
    let Some(dir) = directory() else { return };
    let entry = dir.join(Digest::of(moved.kept.as_os_str().as_bytes()).to_string());
    let text = [moved.root.as_os_str().as_bytes(), moved.kept.as_os_str().as_bytes()].join(&0);
    if fs::read(&entry).is_ok_and(|known| known == text) {
        return;
    }
    let _ = create_private_dir(&dir).and_then(|()| files::replace(&entry, &text, Durability::Volatile));
}

/// Returns all known directories of displaced files.
pub fn known() -> Vec<Place> {
    let entries = directory().and_then(|dir| fs::read_dir(dir).ok());
    entries.into_iter().flatten().flatten().filter_map(|entry| place(&entry.path())).collect()
}

fn place(entry: &Path) -> Option<Place> {
    let text = fs::read(entry).ok()?;
    let (root, kept) = text.split_at_checked(text.iter().position(|byte| *byte == 0)?)?;
    let (root, kept) = (PathBuf::from(OsStr::from_bytes(root)), PathBuf::from(OsStr::from_bytes(&kept[1..])));
    match kept.symlink_metadata() {
        Ok(_) => Some(Place::at(kept, Some(root))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let modified = || fs::metadata(entry).and_then(|metadata| metadata.modified()).ok();
            let is_old = || modified().is_some_and(|time| time.elapsed().is_ok_and(|age| age > PATIENCE));
            // If the worktree's directory still exists, all files were restored or have expired.
            if kept.parent().is_some_and(Path::is_dir) || is_old() {
                let _ = fs::remove_file(entry);
            }
            None
        }
        // Errors are reported when the directory is listed.
        Err(_) => Some(Place::at(kept, Some(root))),
    }
}

fn directory() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(etcetera::BaseStrategy::state_dir(&strategy)?.join("percache").join("displaced"))
}
