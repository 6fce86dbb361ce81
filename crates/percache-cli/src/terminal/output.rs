//! Writes completely to standard output and standard error. An error of standard output is reported once, at the end of
//! the process.
//!
//! The handles of the standard library give up halfway if the descriptor is non-blocking (a pipe from a program with an
//! event loop, or a terminal left so by one), and the rest is lost. These wait until there is room. A reader that
//! closed the other end (`percache list | head`) is not an error; a full disk is.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};

use percache_runner::text::reason;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::error::{CliError, FAILURE, SUCCESS};
use crate::terminal::style::Paint;

/// The first error of standard output, other than a closed pipe.
static FAILED: Mutex<Option<Errno>> = Mutex::new(None);
/// Held during a write, so that lines of several threads do not mix.
static WHOLE: Mutex<()> = Mutex::new(());

/// Standard output, unbuffered.
#[derive(Clone, Copy, Debug)]
pub struct Stdout;

/// Standard error, unbuffered.
#[derive(Clone, Copy, Debug)]
pub struct Stderr;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_whole(rustix::stdio::stdout(), bytes).map_err(|error| {
            if error != Errno::PIPE {
                FAILED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
            error.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Ok(write_whole(rustix::stdio::stderr(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes all bytes, and waits for room if the descriptor is non-blocking.
fn write_whole(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    let _whole = WHOLE.lock().unwrap_or_else(PoisonError::into_inner);
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&to, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the exit status of the process, given that of the command. Reports the error if standard output could not be
/// written.
pub fn status(done: u8, paint: Paint) -> u8 {
    let Some(error) = FAILED.lock().unwrap_or_else(PoisonError::into_inner).take() else { return done };
    let hint = "what was to be shown is not complete; look at where standard output leads";
    let message = format!("cannot write to standard output: {}", reason(&error.into()));
    // If this cannot be written either, there is nothing more to do.
    let _ = CliError::failure(message).hint(Some(hint)).report(paint);
    if done == SUCCESS { FAILURE } else { done }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    use super::*;

    #[test]
    fn a_pipe_that_does_not_block_gets_all() {
        let (mut reader, writer) = io::pipe().unwrap();
        fcntl_setfl(&writer, fcntl_getfl(&writer).unwrap() | OFlags::NONBLOCK).unwrap();
        let text: Vec<u8> = (0..1_000_000u32).map(|number| (number % 251) as u8).collect();
        let (mut read, text) = (Vec::new(), &text[..]);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                write_whole(writer.as_fd(), text).unwrap();
            });
            reader.read_to_end(&mut read).unwrap();
        });
        assert!(read == *text);
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(write_whole(writer.as_fd(), b"x"), Err(Errno::PIPE));
        if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
            assert_eq!(write_whole(full.as_fd(), b"x"), Err(Errno::NOSPC));
        }
    }
}
