//! The budget of parallel work, shared with the commands: a GNU make jobserver (GNU make manual, "Sharing Job Slots with GNU make").
//!
//! Every command that runs has one slot. A command that is itself make, cargo or another program of the protocol takes further slots from
//! the same pipe while nobody else needs them, and gives them back. One slot is never in the pipe: even if a command was killed together
//! with the slots that it had taken, one command at a time goes on.
//!
//! The protocol is the business of the crate `jobserver`.

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jobserver::{Acquired, Client, HelperThread};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::model::Jobserver;
use crate::process::Stop;

/// How often a command that waits looks whether the build is stopped.
const PAUSE: Duration = Duration::from_millis(10);

/// The slots.
pub struct Budget {
    /// Whether the slot that is not in the pipe is taken.
    own_is_taken: AtomicBool,
    slots: Mutex<Receiver<io::Result<Acquired>>>,
    /// Slots that were asked for and are not wanted any more.
    unwanted: Arc<AtomicUsize>,
    asks: HelperThread,
    variables: Vec<(OsString, OsString)>,
}

/// A slot; free again when it is dropped.
pub enum Slot<'a> {
    /// The one that is not in the pipe.
    Own(&'a Budget),
    /// One from the pipe.
    Taken(#[allow(dead_code, reason = "held")] Acquired),
}

impl Budget {
    /// A budget of so many slots, at least one, of which commands are told in this form.
    ///
    /// # Errors
    /// When the pipe or the thread that waits at it cannot be made.
    pub fn new(slots: usize, form: Jobserver) -> io::Result<Budget> {
        let client = Client::new(slots.saturating_sub(1))?;
        let variables = variables(&client, form)?;
        let (sender, receiver) = channel();
        let unwanted = Arc::new(AtomicUsize::new(0));
        let not_wanted = unwanted.clone();
        let asks = client.into_helper_thread(move |slot| {
            let less = |count: usize| count.checked_sub(1);
            if not_wanted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
                // The receiver is gone when the build is over.
                let _ = sender.send(slot);
            }
        })?;
        Ok(Budget { own_is_taken: AtomicBool::new(false), slots: Mutex::new(receiver), unwanted, asks, variables })
    }

    /// What tells a command of the budget.
    pub fn variables(&self) -> &[(OsString, OsString)] {
        &self.variables
    }

    /// Waits for a slot; `None` when the build is stopped meanwhile.
    ///
    /// # Errors
    /// When the pipe cannot be read.
    pub fn acquire(&self, stop: &Stop) -> io::Result<Option<Slot<'_>>> {
        if let Some(slot) = self.take_own() {
            return Ok(Some(slot));
        }
        self.asks.request_token();
        loop {
            let slot = self.slots.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PAUSE);
            if let Ok(slot) = slot {
                return slot.map(|slot| Some(Slot::Taken(slot)));
            }
            let own = self.take_own();
            if own.is_some() || stop.requested() {
                self.unwanted.fetch_add(1, Ordering::SeqCst);
                return Ok(own);
            }
        }
    }

    fn take_own(&self) -> Option<Slot<'_>> {
        let was_taken = self.own_is_taken.swap(true, Ordering::SeqCst);
        (!was_taken).then(|| Slot::Own(self))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Slot::Own(budget) = self {
            budget.own_is_taken.store(false, Ordering::SeqCst);
        }
    }
}

/// The variables that name the pipe; from now on all commands inherit it, or can open it.
fn variables(client: &Client, form: Jobserver) -> io::Result<Vec<(OsString, OsString)>> {
    // What the crate would do to a command, it does between fork and exec, which rules out the cheaper posix_spawn.
    let mut model = Command::new("");
    client.configure_make(&mut model);
    let variables: Vec<_> =
        model.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let text = variables.iter().map(|(_, value)| value.to_string_lossy()).next().unwrap_or_default();
    let pipe =
        text.split("--jobserver-auth=").nth(1).and_then(|text| text.split_whitespace().next()).unwrap_or_default();
    if form == Jobserver::Fifo {
        return named(pipe);
    }
    for number in pipe.split(',') {
        let number =
            number.parse().map_err(|_| io::Error::other(format!("the jobserver's pipe has no number: {text}")))?;
        // SAFETY: the client, which is kept, owns this descriptor.
        #[allow(unsafe_code, reason = "the crate gives the number alone")]
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        fcntl_setfd(fd, FdFlags::empty())?;
    }
    Ok(variables)
}

/// The variable that names the pipe by a path, the only form that some clients know: an open pipe has one in /proc (proc_pid_fd(5)), and
/// can be opened by it like a named one. So nothing is left behind when percache is killed.
fn named(pipe: &str) -> io::Result<Vec<(OsString, OsString)>> {
    let reader = pipe.split(',').next().unwrap_or_default();
    let path = format!("/proc/{}/fd/{reader}", std::process::id());
    std::fs::metadata(&path).map_err(|e| io::Error::other(format!("\"fifo\" needs `{path}`: {e}")))?;
    Ok(vec![("MAKEFLAGS".into(), format!("-j --jobserver-auth=fifo:{path}").into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_slots_are_given_than_there_are() {
        let (budget, stop) = (Budget::new(2, Jobserver::Pipe).unwrap(), Stop::manual().unwrap());
        let first = budget.acquire(&stop).unwrap().unwrap();
        let second = budget.acquire(&stop).unwrap().unwrap();
        let third = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.acquire(&stop).unwrap().is_some());
            std::thread::sleep(PAUSE * 3);
            assert!(!waiting.is_finished());
            drop(second);
            waiting.join().unwrap()
        });
        assert!(third);
        drop(first);
        assert!(matches!(budget.acquire(&stop).unwrap(), Some(Slot::Own(_))));
    }

    #[test]
    fn who_waits_goes_on_with_the_slot_that_is_not_in_the_pipe_or_when_the_build_is_stopped() {
        let (budget, stop) = (Budget::new(1, Jobserver::Pipe).unwrap(), Stop::manual().unwrap());
        let first = budget.acquire(&stop).unwrap().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.acquire(&stop).unwrap().is_some());
            std::thread::sleep(PAUSE * 3);
            drop(first);
            assert!(waiting.join().unwrap());
        });
        let _held = budget.acquire(&stop).unwrap().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.acquire(&stop).unwrap().is_some());
            std::thread::sleep(PAUSE * 3);
            stop.trigger().unwrap();
            assert!(!waiting.join().unwrap());
        });
    }

    #[test]
    fn commands_are_told_of_the_pipe() {
        let budget = Budget::new(3, Jobserver::Pipe).unwrap();
        let make = budget.variables().iter().find(|(name, _)| name == "MAKEFLAGS").unwrap();
        assert!(make.1.to_string_lossy().contains("--jobserver-auth="));
    }

    /// As ninja and make open it: by its path, and as often as they like.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_named_pipe_gives_the_slots_that_are_not_taken_and_takes_them_back() {
        use std::io::{Read, Write};
        use std::os::unix::fs::FileTypeExt;
        let (budget, stop) = (Budget::new(2, Jobserver::Fifo).unwrap(), Stop::manual().unwrap());
        let [(name, value)] = budget.variables() else { panic!("one variable") };
        assert_eq!(name, "MAKEFLAGS");
        let value = value.to_string_lossy().into_owned();
        let path = value.split_once("--jobserver-auth=fifo:").unwrap().1;
        assert!(std::fs::metadata(path).unwrap().file_type().is_fifo());
        let mut client = std::fs::File::options().read(true).write(true).open(path).unwrap();
        let own = budget.acquire(&stop).unwrap().unwrap();
        let mut slot = [0];
        client.read_exact(&mut slot).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| budget.acquire(&stop).unwrap().is_some());
            std::thread::sleep(PAUSE * 3);
            assert!(!waiting.is_finished(), "the client has the only other slot");
            client.write_all(&slot).unwrap();
            assert!(waiting.join().unwrap());
        });
        drop(own);
    }
}
