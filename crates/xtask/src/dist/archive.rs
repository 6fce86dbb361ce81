//! `percache-VERSION-TARGET.tar.gz`: the binary with all that belongs to it, in the layout of `/usr/local`; and tar archives as such.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::binary::Binary;
use super::{File, VERSION};
use crate::run::{Failure, Result, path_failure};

/// Packs the archive.
pub fn make(binary: &Binary, directory: &Path) -> Result<PathBuf> {
    let name = format!("percache-{VERSION}-{}", binary.target);
    let mut files = vec![File::executable("bin/percache", binary.bytes.clone())];
    files.extend(binary.manuals.iter().map(|file| file.below("share/man")));
    files.extend(binary.completions.iter().map(|file| file.below("share")));
    files.extend(binary.documents.iter().map(|file| file.below("share/doc/percache")));
    let files: Vec<File> = files.iter().map(|file| file.below(&name)).collect();
    let path = directory.join(format!("{name}.tar.gz"));
    write(&path, &files)?;
    Ok(path)
}

/// Writes a compressed tar archive. It does not depend on when and by whom it is made.
pub fn write(path: &Path, files: &[File]) -> Result<()> {
    let failed = |error: std::io::Error| path_failure("write", path, error);
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.bytes.len() as u64);
        header.set_mode(if file.executable { 0o755 } else { 0o644 });
        // The time that `npm pack` gives to all files: some unpackers stumble over 1970.
        header.set_mtime(499_162_500);
        archive.append_data(&mut header, &file.path, &file.bytes[..]).map_err(failed)?;
    }
    let bytes = archive.into_inner().and_then(GzEncoder::finish).map_err(failed)?;
    let mut out = fs::File::create(path).map_err(failed)?;
    out.write_all(&bytes).map_err(|error| Failure(format!("cannot write {}: {error}", path.display())))
}
