//! The wish to stop, from a signal or from a caller: seen at once by everybody who polls.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The wish to stop. Clones share it; once made, it stays.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The last signal, or 0.
    signal: Arc<AtomicUsize>,
    /// Has a byte for each signal. Nobody reads it, so it wakes every poll.
    wake: (PipeReader, PipeWriter),
    /// Has a byte for each signal by which a person says that it is urgent. SIGHUP is none: a closing terminal may send it twice.
    urgent: (PipeReader, PipeWriter),
}

impl Stop {
    /// Stops on SIGINT, SIGTERM and SIGHUP, from now on until the process ends. A signal that the process was started to ignore (`nohup`, a
    /// background job of a script) stays ignored, where the system tells.
    ///
    /// # Errors
    /// When no pipe can be made or no handler be installed.
    pub fn install() -> io::Result<Stop> {
        let stop = Stop::manual()?;
        let ignored = ignored_signals();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if ignored >> (signal - 1) & 1 == 1 {
                continue;
            }
            // In this order: who is woken shall see the signal.
            flag::register_usize(signal, Arc::clone(&stop.0.signal), signal as usize)?;
            if signal != SIGHUP {
                low_level::pipe::register(signal, stop.0.urgent.1.try_clone()?)?;
            }
            low_level::pipe::register(signal, stop.0.wake.1.try_clone()?)?;
        }
        Ok(stop)
    }

    /// Stops on [`trigger`](Self::trigger) only.
    ///
    /// # Errors
    /// When no pipe can be made.
    pub fn manual() -> io::Result<Stop> {
        let signal = Arc::new(AtomicUsize::new(0));
        Ok(Stop(Arc::new(Shared { signal, wake: io::pipe()?, urgent: io::pipe()? })))
    }

    /// Acts as if SIGINT had come.
    ///
    /// # Errors
    /// When the pipe cannot be written to.
    pub fn trigger(&self) -> io::Result<()> {
        self.trigger_as(SIGINT)
    }

    /// Acts as if this signal had come. A command that owns the terminal gets a Ctrl-C itself, and so heeds any signal
    /// but SIGINT. Only SIGINT is taken for a person's wish, which a second one makes urgent.
    ///
    /// # Errors
    /// When the pipe cannot be written to.
    pub fn trigger_as(&self, signal: i32) -> io::Result<()> {
        self.0.signal.store(signal as usize, Ordering::SeqCst);
        if signal == SIGINT {
            (&self.0.urgent.1).write_all(b"!")?;
        }
        (&self.0.wake.1).write_all(b"!")
    }

    /// Acts as if SIGTERM had come: ends a command that owns the terminal, too.
    ///
    /// # Errors
    /// When the pipe cannot be written to.
    pub fn end(&self) -> io::Result<()> {
        self.trigger_as(SIGTERM)
    }

    /// Whether to stop.
    pub fn requested(&self) -> bool {
        self.signal().is_some()
    }

    /// The last signal that asked to stop.
    pub fn signal(&self) -> Option<i32> {
        match self.0.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal as i32),
        }
    }

    /// Whether a person asked again: nothing more is to be waited for.
    pub fn urgent(&self) -> bool {
        rustix::io::ioctl_fionread(&self.0.urgent.0).is_ok_and(|bytes| bytes >= 2)
    }
}

/// Readable from the first wish on.
impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.0.as_fd()
    }
}

/// Bit n - 1 is signal n. Linux tells in /proc (proc_pid_status(5)); other systems only by unsafe means.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};

    #[test]
    fn a_wish_is_seen_by_all_and_a_second_one_is_urgent() {
        let stop = Stop::manual().unwrap();
        let other = stop.clone();
        assert!(!other.requested() && !other.urgent());
        stop.trigger().unwrap();
        assert_eq!(other.signal(), Some(SIGINT));
        stop.trigger_as(SIGTERM).unwrap();
        assert_eq!(other.signal(), Some(SIGTERM));
        assert!(!other.urgent(), "nobody has asked twice");
        stop.trigger().unwrap();
        assert!(other.urgent());
    }

    #[test]
    fn a_signal_asks_to_stop() {
        let stop = Stop::install().unwrap();
        kill_process(getpid(), Signal::HUP).unwrap();
        let mut fds = [rustix::event::PollFd::new(&stop, rustix::event::PollFlags::IN)];
        while rustix::event::poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
        assert_eq!(stop.signal(), Some(SIGHUP));
        assert!(!stop.urgent());
    }
}
