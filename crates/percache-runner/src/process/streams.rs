//! Two streams in one log: pieces in the order of arrival, each after a mark that names its stream.
//!
//! ```text
//! stream (1 byte: 1 stdout, 2 stderr)  length (4 bytes, little-endian)  that many bytes
//! ```

use std::io;

/// The stream that a command wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// stdout, or either of the two if both are captured as one stream.
    Out,
    /// stderr.
    Err,
}

const MARK: usize = 5;

/// Returns the mark before a piece of this length.
pub fn mark(stream: Stream, length: u32) -> [u8; MARK] {
    let [a, b, c, d] = length.to_le_bytes();
    [if stream == Stream::Out { 1 } else { 2 }, a, b, c, d]
}

/// A reader of marked pieces, which may be split anywhere.
#[derive(Debug)]
pub struct Marked {
    mark: Vec<u8>,
    stream: Stream,
    left: usize,
}

impl Default for Marked {
    fn default() -> Self {
        Marked { mark: Vec::with_capacity(MARK), stream: Stream::Out, left: 0 }
    }
}

impl Marked {
    /// Passes on the content of the next bytes, without the marks.
    ///
    /// # Errors
    /// Fails if a mark is missing, and on the first error of `to`.
    pub fn read(&mut self, mut bytes: &[u8], to: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>) -> io::Result<()> {
        while !bytes.is_empty() {
            let (taken, rest) = bytes.split_at(bytes.len().min(if self.left > 0 { self.left } else { self.missing() }));
            if self.left > 0 {
                to(self.stream, taken)?;
                self.left -= taken.len();
            } else {
                self.mark.extend_from_slice(taken);
                self.begin()?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Returns how many bytes of the mark are missing.
    fn missing(&self) -> usize {
        MARK - self.mark.len()
    }

    /// Begins a piece if its mark is complete.
    fn begin(&mut self) -> io::Result<()> {
        let &[stream, a, b, c, d] = self.mark.as_slice() else { return Ok(()) };
        self.stream = match stream {
            1 => Stream::Out,
            2 => Stream::Err,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a log of two streams without marks")),
        };
        self.left = u32::from_le_bytes([a, b, c, d]) as usize;
        self.mark.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_as_they_went_in_however_they_are_cut() {
        let pieces: [(Stream, &[u8]); 4] =
            [(Stream::Out, b"one"), (Stream::Err, b"two"), (Stream::Err, b""), (Stream::Out, b"\x01\x02")];
        let whole: Vec<u8> =
            pieces.iter().flat_map(|(s, text)| [&mark(*s, text.len() as u32), *text].concat()).collect();
        for cut in 1..=whole.len() {
            let (mut out, mut err, mut marked) = (Vec::new(), Vec::new(), Marked::default());
            for chunk in whole.chunks(cut) {
                let to = &mut |stream, bytes: &[u8]| {
                    if stream == Stream::Out { &mut out } else { &mut err }.extend_from_slice(bytes);
                    Ok(())
                };
                marked.read(chunk, to).unwrap();
            }
            assert_eq!((out.as_slice(), err.as_slice()), (b"one\x01\x02".as_slice(), b"two".as_slice()));
        }
    }

    #[test]
    fn what_is_not_marked_is_an_error() {
        assert!(Marked::default().read(b"hello, world", &mut |_, _| Ok(())).is_err());
    }
}
