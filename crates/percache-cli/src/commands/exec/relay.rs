//! Passes on the output of the command as it comes: stdout to stdout, stderr to stderr.
//!
//! While this process waits for the result of another process's command, the output of that command is shown only on a
//! terminal: it counts only once there is a result.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use percache::Digest;
use percache::base::digest::Hasher;
use percache_runner::events::{Listener, Marked, Runner, SpooledLog, Stream};
use percache_runner::tasks::TaskId;

use crate::terminal::output::{Stderr, Stdout};

/// The two streams, and what was shown of them.
pub struct Relay {
    streams: [Mutex<Shown>; 2],
}

/// The state of one stream.
struct Shown {
    stream: Stream,
    terminal: bool,
    /// Whether its reader has closed it.
    closed: bool,
    /// How much of another process's run was shown, and its digest.
    borrowed: u64,
    hasher: Hasher,
}

impl Relay {
    /// Creates a relay that has shown nothing.
    pub fn new() -> Relay {
        let shown = |stream, terminal| {
            Mutex::new(Shown { stream, terminal, closed: false, borrowed: 0, hasher: Hasher::new() })
        };
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Relay { streams: [shown(Stream::Out, out), shown(Stream::Err, err)] }
    }

    fn of(&self, stream: Stream) -> MutexGuard<'_, Shown> {
        self.streams[usize::from(stream == Stream::Err)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether some output of another process's run was shown.
    pub fn has_borrowed(&self) -> bool {
        [Stream::Out, Stream::Err].into_iter().any(|stream| self.of(stream).borrowed > 0)
    }

    /// Shows a stored log, without the part that was already shown while it was written.
    pub fn replay(&self, log: &mut SpooledLog) -> io::Result<()> {
        let mut left = self.already_shown(log)?;
        each_piece(log, &mut |stream, bytes| {
            let left = &mut left[usize::from(stream == Stream::Err)];
            let skipped = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= skipped as u64;
            self.of(stream).write(&bytes[skipped..])
        })
    }

    /// Returns how much of each stream is already on the terminal: nothing, if what was shown is from another run.
    fn already_shown(&self, log: &mut SpooledLog) -> io::Result<[u64; 2]> {
        let borrowed = [Stream::Out, Stream::Err].map(|stream| self.of(stream).borrowed);
        if borrowed == [0, 0] {
            return Ok(borrowed);
        }
        let (mut left, mut hashers) = (borrowed, [Hasher::new(), Hasher::new()]);
        each_piece(log, &mut |stream, bytes| {
            let index = usize::from(stream == Stream::Err);
            let taken = bytes.len().min(usize::try_from(left[index]).unwrap_or(usize::MAX));
            left[index] -= taken as u64;
            hashers[index].update(&bytes[..taken]);
            Ok(())
        })?;
        let digests = hashers.map(Hasher::finish);
        let same = left == [0, 0] && digests == [Stream::Out, Stream::Err].map(|stream| self.of(stream).digest());
        Ok(if same { borrowed } else { [0, 0] })
    }
}

impl Listener for Relay {
    fn wrote(&self, _task: TaskId, runner: Runner, stream: Stream, bytes: &[u8]) {
        let mut shown = self.of(stream);
        if runner == Runner::Other {
            if !shown.terminal {
                return;
            }
            shown.borrowed += bytes.len() as u64;
            shown.hasher.update(bytes);
        }
        // The command runs on, and its result is stored even if nobody reads the output now.
        let _ = shown.write(bytes);
    }
}

impl Shown {
    /// Writes immediately. After an error, ignores everything.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.closed || bytes.is_empty() {
            return Ok(());
        }
        let written = match self.stream {
            Stream::Out => Stdout.write_all(bytes),
            Stream::Err => Stderr.write_all(bytes),
        };
        // Real errors are reported at the end of the process.
        self.closed = written.is_err();
        Ok(())
    }

    fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }
}

fn each_piece(log: &mut SpooledLog, take: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let (mut reader, mut marked, mut buffer) = (log.reader()?, Marked::default(), vec![0; 64 << 10]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => marked.read(&buffer[..count], take)?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
