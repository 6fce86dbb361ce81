//! Searching outputs for the workspace's own path.

use std::io;

use memchr::memmem::Finder;

/// Searches a stream for a text, including matches that span two pieces.
pub struct Search<'a> {
    finder: &'a Finder<'a>,
    /// The end of what was seen: too short for a match.
    tail: Vec<u8>,
    found: bool,
}

impl<'a> Search<'a> {
    /// Creates a search for a text that is not empty.
    pub fn new(finder: &'a Finder<'a>) -> Search<'a> {
        Search { finder, tail: Vec::new(), found: false }
    }

    /// Takes the next piece.
    pub fn see(&mut self, bytes: &[u8]) {
        let reach = self.finder.needle().len() - 1;
        if self.found {
            return;
        }
        self.tail.extend_from_slice(&bytes[..reach.min(bytes.len())]);
        self.found = self.finder.find(&self.tail).is_some() || self.finder.find(bytes).is_some();
        if bytes.len() >= reach {
            self.tail = bytes[bytes.len() - reach..].to_vec();
        } else {
            self.tail.drain(..self.tail.len().saturating_sub(reach));
        }
    }

    /// Returns whether the text has occurred.
    pub fn has_found(&self) -> bool {
        self.found
    }
}

impl io::Write for Search<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.see(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_across_pieces_is_found() {
        let finder = Finder::new("/home/me");
        for size in 1..10 {
            let mut search = Search::new(&finder);
            b"xx/home/mexx".chunks(size).for_each(|piece| search.see(piece));
            assert!(search.has_found(), "in pieces of {size}");
            let mut search = Search::new(&finder);
            b"xx/home/mxexx".chunks(size).for_each(|piece| search.see(piece));
            assert!(!search.has_found(), "in pieces of {size}");
        }
    }
}
