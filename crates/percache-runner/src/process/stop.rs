//! The request to stop, by a signal or a caller, which every poll sees at once.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// A request to stop. Clones share it; once made, it cannot be withdrawn.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The last signal, or 0.
    signal: Arc<AtomicUsize>,
    /// Receives a byte for each signal. It is never read, so it wakes every poll.
    wake: (PipeReader, PipeWriter),
    /// Receives a byte for each signal that a person may repeat for urgency. SIGHUP is not one, because a closing
    /// terminal may send it twice.
    urgent: (PipeReader, PipeWriter),
}

impl Stop {
    /// Stops on SIGINT, SIGTERM and SIGHUP, from now on until the process ends. A signal that the process was started
    /// to ignore (`nohup`, a background job of a script) stays ignored, on systems that tell.
    ///
    /// # Errors
    /// Fails if a pipe cannot be created or a handler cannot be installed.
    pub fn install() -> io::Result<Stop> {
        let stop = Stop::manual()?;
        let ignored = ignored_signals();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            if ignored >> (signal - 1) & 1 == 1 {
                continue;
            }
            // In this order, so that whoever is woken sees the signal.
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
    /// Fails if a pipe cannot be created.
    pub fn manual() -> io::Result<Stop> {
        let signal = Arc::new(AtomicUsize::new(0));
        Ok(Stop(Arc::new(Shared { signal, wake: io::pipe()?, urgent: io::pipe()? })))
    }

    /// Acts as if SIGINT had arrived.
    ///
    /// # Errors
    /// Fails if the pipe cannot be written.
    pub fn trigger(&self) -> io::Result<()> {
        self.trigger_as(SIGINT)
    }

    /// Acts as if this signal had arrived. A command that owns the terminal receives a Ctrl-C itself, and so is ended
    /// by every signal but SIGINT. Only SIGINT counts as a person's request, which a second one makes urgent.
    ///
    /// # Errors
    /// Fails if the pipe cannot be written.
    pub fn trigger_as(&self, signal: i32) -> io::Result<()> {
        self.0.signal.store(signal as usize, Ordering::SeqCst);
        if signal == SIGINT {
            (&self.0.urgent.1).write_all(b"!")?;
        }
        (&self.0.wake.1).write_all(b"!")
    }

    /// Acts as if SIGTERM had arrived, which also ends a command that owns the terminal.
    ///
    /// # Errors
    /// Fails if the pipe cannot be written.
    pub fn end(&self) -> io::Result<()> {
        self.trigger_as(SIGTERM)
    }

    /// Returns whether to stop.
    pub fn requested(&self) -> bool {
        self.signal().is_some()
    }

    /// Returns the last signal that asked to stop.
    pub fn signal(&self) -> Option<i32> {
        match self.0.signal.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal as i32),
        }
    }

    /// Returns whether a person asked again, so that nothing more is to be waited for.
    pub fn urgent(&self) -> bool {
        rustix::io::ioctl_fionread(&self.0.urgent.0).is_ok_and(|bytes| bytes >= 2)
    }
}

/// Becomes readable with the first request and stays so.
impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.wake.0.as_fd()
    }
}

/// Returns the ignored signals; bit n - 1 is signal n. Linux lists them in /proc (proc_pid_status(5)); other systems
/// only through unsafe code.
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
