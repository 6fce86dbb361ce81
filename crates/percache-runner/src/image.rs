//! The bytes of a file that is read whole and never written in place.
//!
//! Where the system can, the file is mapped and not copied: reading two megabytes into fresh memory takes as long as asking for the
//! stamps of two thousand files. What is mapped must only ever be replaced as a whole, by renaming another file to its name, as percache
//! does; a program that cuts it short meanwhile ends percache, as it ends git for its index.

use std::fs::{self, File};
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::{Mmap, MmapOptions};

/// The bytes.
#[derive(Debug)]
pub enum Image {
    /// Copied.
    Read(Vec<u8>),
    /// In place.
    Mapped(Mmap),
}

impl Image {
    /// The bytes of the file at `path`.
    pub fn of(path: &Path) -> io::Result<Image> {
        // Elsewhere, what is mapped cannot be replaced.
        if cfg!(not(unix)) {
            return fs::read(path).map(Image::Read);
        }
        let file = File::open(path)?;
        // All at once: every byte is going to be looked at.
        // SAFETY: no percache writes into the file, see above; for what others may do to it, no reader of files has a remedy.
        #[allow(unsafe_code, reason = "there is no safe way to map a file")]
        match unsafe { MmapOptions::new().populate().map(&file) } {
            Ok(map) => Ok(Image::Mapped(map)),
            // An empty file cannot be mapped, nor can one of some file systems.
            Err(_) => fs::read(path).map(Image::Read),
        }
    }
}

impl Deref for Image {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Image::Read(bytes) => bytes,
            Image::Mapped(map) => map,
        }
    }
}

impl From<Vec<u8>> for Image {
    fn from(bytes: Vec<u8>) -> Image {
        Image::Read(bytes)
    }
}

impl Default for Image {
    fn default() -> Image {
        Image::Read(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_the_file_as_it_was_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for content in [&b""[..], b"x", &[7; 10_000]] {
            fs::write(&path, content).unwrap();
            let image = Image::of(&path).unwrap();
            percache::files::replace(&path, b"another", percache::files::Durability::Volatile).unwrap();
            assert_eq!(&*image, content);
        }
        assert!(Image::of(&dir.path().join("none")).is_err());
    }
}
