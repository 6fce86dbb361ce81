//! The bytes of a file that is read whole.
//!
//! They are copied, not mapped: a program that truncates a mapped file, or a file system that loses it, kills the
//! process that reads it (SIGBUS). A copy is what the file was; if it was torn, its digest tells.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

/// The bytes.
#[derive(Debug, Default)]
pub struct Image(Vec<u8>);

impl Image {
    /// Reads the file at `path`.
    pub fn of(path: &Path) -> io::Result<Image> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        // Reserves room for all of it first.
        file.read_to_end(&mut bytes)?;
        Ok(Image(bytes))
    }
}

impl Deref for Image {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Image {
    fn from(bytes: Vec<u8>) -> Image {
        Image(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_image_is_the_file_as_it_was_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for content in [&b""[..], b"x", &[7; 10_000]] {
            fs::write(&path, content).unwrap();
            let image = Image::of(&path).unwrap();
            percache::base::files::replace(&path, b"another", percache::base::files::Durability::Volatile).unwrap();
            assert_eq!(&*image, content);
        }
        let image = Image::of(&path).unwrap();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert_eq!(&*image, b"another", "cut short meanwhile");
        assert!(Image::of(&dir.path().join("none")).is_err());
    }
}
