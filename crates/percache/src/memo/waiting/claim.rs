//! Single flight between processes: who computes a key claims a byte of a file that all processes lock
//! ([`range_lock`](super::range_lock)).
//!
//! Which byte, the key says. Two keys may have the same one, if hardly ever: then a process waits that need not, or,
//! where both are in one process, that has the claim already. Beside each claim there is a byte that those hold who
//! wait, all of them: a holder that finds somebody there writes its result to the store at once instead of with the
//! next batch.
//!
//! Nobody waits without an end. A wait ends after the cache's `wait_timeout`; without one, when the holder was
//! stopped, has not used the processor for [`SILENCE`], or after [`LONGEST`]. Then a second claim says who computes
//! as well: one process and not all. Two processes may each have what the other wants: who computes something
//! already, or holds up somebody who does, waits for [`NESTED_PATIENCE`] at most while anything is wanted that its
//! own process has.
//!
//! Knows keys and files, nothing of results.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::digest::Digest;
use crate::memo::waiting::patience::LONGEST;
use crate::memo::waiting::range_lock::{Held, Mode, RangeLock};
use crate::memo::waiting::vital::{self, Vital};

/// For how long a wait lasts that others may wait for.
const NESTED_PATIENCE: Duration = Duration::from_secs(2);
/// A wait that lasts longer is logged.
const WORTH_A_WORD: Duration = Duration::from_secs(2);
/// Who shows no sign of life for this long is not waited for.
const SILENCE: Duration = Duration::from_secs(60);
/// Signs of life are looked for this often.
const LOOK: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// The name of the file, in the directory of the claims.
const NAME: &str = "lock";
/// How many processes compute a key, one because it waited for the other in vain, before all do.
const SEATS: usize = 2;

/// The claims of one cache.
#[derive(Debug)]
pub struct Claims {
    dir: PathBuf,
    file: Mutex<Option<Arc<RangeLock>>>,
    timeout: Option<Duration>,
}

/// The right among processes to compute a key.
#[derive(Debug)]
pub struct Claim {
    lock: Arc<RangeLock>,
    held: Held,
}

/// What became of an attempt.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Mine(Claim),
    /// Another process has it, and knows that somebody waits.
    Busy(Waiting),
}

/// A place among those who wait.
#[derive(Debug)]
pub struct Waiting {
    lock: Arc<RangeLock>,
    key: Digest,
    timeout: Option<Duration>,
    seat: usize,
    begun: Instant,
    told: bool,
    pause: Duration,
    /// What those who hold the seats before and this one look at.
    wanted: Vec<Held>,
    holder: Option<Holder>,
}

/// The process that is waited for.
#[derive(Debug)]
struct Holder {
    process: i32,
    since: Instant,
    looked: Instant,
    vital: Option<Vital>,
    /// Since when it has shown no sign of life.
    silent: Instant,
}

/// How a wait stands.
#[derive(Debug)]
pub enum Standing {
    /// The other process is done or dead. The key is not ours yet: it may be in the store, or free to be claimed.
    Over,
    /// To be asked again after this.
    Waits(Duration),
    /// Compute now: with the claim, or, without one, alongside a process that takes too long.
    Enough(Option<Claim>),
}

impl Claims {
    /// Claims in `dir`, which is made when it is needed. `timeout`: how long to wait for a process at the most.
    pub fn new(dir: PathBuf, timeout: Option<Duration>) -> Claims {
        Claims { dir, file: Mutex::default(), timeout }
    }

    /// The same for a child of this process.
    pub fn renewed(&self) -> Claims {
        Claims::new(self.dir.clone(), self.timeout)
    }

    /// Where they are.
    pub fn dir(&self) -> &PathBuf {
        &self.dir
    }

    fn file(&self) -> io::Result<Arc<RangeLock>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = file.as_ref().filter(|lock| lock.is_there()) {
            return Ok(lock.clone());
        }
        let lock = RangeLock::open(&self.dir.join(NAME))?;
        *file = Some(lock.clone());
        Ok(lock)
    }

    /// Claims `key` if no other process has it.
    pub fn attempt(&self, key: &Digest) -> io::Result<Attempt> {
        let lock = self.file()?;
        if let Some(held) = lock.try_hold(place(key, 0), Mode::Exclusive)? {
            return Ok(Attempt::Mine(Claim { lock, held }));
        }
        let wanted = lock.try_hold(wanted_at(place(key, 0)), Mode::Shared)?.into_iter().collect();
        Ok(Attempt::Busy(Waiting {
            lock,
            key: *key,
            timeout: self.timeout,
            seat: 0,
            begun: Instant::now(),
            told: false,
            pause: SHORTEST_PAUSE,
            wanted,
            holder: None,
        }))
    }
}

/// The byte of a key: even, so that the next one is for those who wait.
fn place(key: &Digest, seat: usize) -> u64 {
    let bytes: [u8; 8] = std::array::from_fn(|at| key.0[(at + 8 * seat) % key.0.len()]);
    u64::from_le_bytes(bytes) & (libc::off_t::MAX as u64 >> 1) & !1
}

fn wanted_at(place: u64) -> u64 {
    place + 1
}

impl Claim {
    /// Whether another process waits for it.
    pub fn is_wanted(&self) -> bool {
        self.lock.other(wanted_at(self.held.at())).is_ok_and(|other| other.is_some())
    }
}

impl Waiting {
    /// Looks how the wait stands. `nested`: whoever waits computes something, or holds somebody up who does. `name`:
    /// what is waited for.
    pub fn look(&mut self, nested: bool, name: &dyn Fn() -> String) -> io::Result<Standing> {
        let mut other = None;
        for seat in 0..=self.seat {
            match self.lock.other(place(&self.key, seat))? {
                None => return Ok(Standing::Over),
                Some(process) => other = Some(process),
            }
        }
        let Some(process) = other else { return Ok(Standing::Over) };
        let now = Instant::now();
        if self.holder.as_ref().is_none_or(|holder| holder.process != process) {
            let vital = known(process);
            self.holder = Some(Holder { process, since: now, looked: now, vital, silent: now });
        }
        if now - self.begun >= WORTH_A_WORD && !std::mem::replace(&mut self.told, true) {
            let who = if process > 0 { format!("process {process}") } else { "another process".into() };
            log::warn!("percache: waiting for {who}, which computes {}", name());
        }
        if nested && now - self.begun >= NESTED_PATIENCE && self.may_be_waited_for() {
            return Ok(Standing::Enough(None));
        }
        if let Some(reason) = self.in_vain(now) {
            log::warn!("percache: process {process} computes {} and {reason}; it is computed here as well", name());
            return self.next_seat();
        }
        self.pause = (self.pause * 3 / 2).min(LONGEST_PAUSE);
        Ok(Standing::Waits(self.pause))
    }

    /// Whether another process waits for anything that this one has.
    fn may_be_waited_for(&self) -> bool {
        let claims = self.lock.all_held().into_iter().filter(|at| at % 2 == 0);
        claims.into_iter().any(|at| self.lock.other(wanted_at(at)).is_ok_and(|other| other.is_some()))
    }

    /// Why there is no sense in waiting for who holds the seat.
    fn in_vain(&mut self, now: Instant) -> Option<String> {
        let holder = self.holder.as_mut()?;
        let lasted = now - holder.since;
        if let Some(timeout) = self.timeout.filter(|timeout| now - self.begun >= *timeout) {
            return Some(format!("is not ready after {timeout:?}"));
        }
        if now - holder.looked < LOOK {
            return None;
        }
        let vital = known(holder.process);
        if vital != holder.vital {
            holder.silent = now;
        }
        (holder.vital, holder.looked) = (vital, now);
        if vital.is_some_and(|vital| vital.is_stopped) && now - self.begun >= WORTH_A_WORD {
            Some("is stopped".into())
        } else if self.timeout.is_none() && now - holder.silent >= SILENCE {
            Some(format!("has shown no sign of life for {SILENCE:?}"))
        } else if lasted >= LONGEST {
            Some(format!("is not ready after {LONGEST:?}"))
        } else {
            None
        }
    }

    /// Computes beside who was waited for, or waits for who does so already.
    fn next_seat(&mut self) -> io::Result<Standing> {
        self.seat += 1;
        if self.seat >= SEATS || self.timeout.is_some() {
            return Ok(Standing::Enough(None));
        }
        let at = place(&self.key, self.seat);
        if let Some(held) = self.lock.try_hold(at, Mode::Exclusive)? {
            return Ok(Standing::Enough(Some(Claim { lock: self.lock.clone(), held })));
        }
        self.wanted.extend(self.lock.try_hold(wanted_at(at), Mode::Shared)?);
        Ok(Standing::Waits(SHORTEST_PAUSE))
    }
}

fn known(process: i32) -> Option<Vital> {
    u32::try_from(process).ok().filter(|process| *process > 0).and_then(vital::of_process)
}
