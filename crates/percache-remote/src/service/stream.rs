//! Large contents, a piece at a time, between threads that block and tasks that do not.

use std::io::{self, Read, Write};

use tokio::sync::mpsc;

use crate::fault::{Fault, FaultKind};

/// Pieces that wait at the most; together with [`PIECE`] this bounds the memory that one content takes.
const WAITING: usize = 4;
/// What is handed over at a time.
pub(crate) const PIECE: usize = 1 << 20;

pub(crate) type Sender = mpsc::Sender<Result<Vec<u8>, Fault>>;
pub(crate) type Receiver = mpsc::Receiver<Result<Vec<u8>, Fault>>;

/// Makes a pipe whose one end blocks and whose other end does not.
pub(crate) fn pipe() -> (Sender, Receiver) {
    mpsc::channel(WAITING)
}

/// The end that a thread reads.
pub(crate) struct PipeReader {
    from: Receiver,
    piece: Vec<u8>,
    at: usize,
}

impl PipeReader {
    /// Reads what is sent to `from`.
    pub fn new(from: Receiver) -> PipeReader {
        PipeReader { from, piece: Vec::new(), at: 0 }
    }
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.from.blocking_recv() {
                Some(Ok(piece)) => (self.piece, self.at) = (piece, 0),
                Some(Err(fault)) => return Err(io::Error::other(fault.message)),
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The end that a thread writes. What is written is complete when [`PipeWriter::finish`] was called.
pub(crate) struct PipeWriter {
    to: Sender,
    piece: Vec<u8>,
}

impl PipeWriter {
    /// Sends what is written to `to`.
    pub fn new(to: Sender) -> PipeWriter {
        PipeWriter { to, piece: Vec::with_capacity(PIECE) }
    }

    /// Sends the rest.
    pub fn finish(mut self) -> io::Result<()> {
        self.hand_over()
    }

    /// Tells the other end that what it got is not all.
    pub fn fail(self, message: String) {
        // When nobody listens any more, nobody need know.
        let _ = self.to.blocking_send(Err(Fault::new(FaultKind::Local, message)));
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        if piece.is_empty() {
            return Ok(());
        }
        self.to.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        if self.piece.len() == PIECE {
            self.hand_over()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let (to, from) = pipe();
        let bytes: Vec<u8> = (0..3 * PIECE + 17).map(|at| (at % 251) as u8).collect();
        let copy = bytes.clone();
        let thread = std::thread::spawn(move || {
            let mut writer = PipeWriter::new(to);
            copy.chunks(70_001).try_for_each(|part| writer.write_all(part)).unwrap();
            writer.finish().unwrap();
        });
        let mut read = Vec::new();
        PipeReader::new(from).read_to_end(&mut read).unwrap();
        thread.join().unwrap();
        assert!(read == bytes);
    }

    #[test]
    fn what_fails_at_one_end_fails_at_the_other() {
        let (to, from) = pipe();
        let mut writer = PipeWriter::new(to);
        writer.write_all(b"half").unwrap();
        writer.fail("lost".into());
        let mut reader = PipeReader::new(from);
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap_err().to_string(), "lost");

        let (to, from) = pipe();
        drop(from);
        let mut writer = PipeWriter::new(to);
        assert!(writer.write_all(&vec![0; PIECE]).is_err());
    }
}
