//! What percache itself writes while it watches: `percache watch > log` in the workspace must not wake itself by its own lines.

use std::fs;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Returns whether a path is the file to which the standard output or error goes.
pub fn is_own_output(path: &Path) -> bool {
    let Ok(file) = fs::metadata(path) else { return false };
    let is_it = |stream: &File| {
        stream.metadata().is_ok_and(|own| own.is_file() && (own.dev(), own.ino()) == (file.dev(), file.ino()))
    };
    let streams = [io::stdout().as_fd().try_clone_to_owned(), io::stderr().as_fd().try_clone_to_owned()];
    streams.into_iter().flatten().any(|stream| is_it(&File::from(stream)))
}
