//! How long one waits in this process for what another thread or task computes.
//!
//! What closes a circle is seen at once ([`waits`](super::waits)). What cannot be seen is a computation that waits
//! for other threads or tasks that wait for it in turn: in a pool whose threads take up other work while they wait,
//! or where it joins a thread that calls its function. So every wait ends sometime, and whoever gives up computes as
//! well:
//!
//! - on a thread of a rayon pool after [`ON_A_POOL`]: any such thread may have a part of the awaited computation
//!   further down its stack;
//! - after the cache's `wait_timeout`, if it has one;
//! - otherwise when there is reason to believe that the wait is in vain. The computing thread waits for another
//!   thread and the whole process has done nothing for [`IDLE`]; the computing task could go on and nobody has polled
//!   it for [`UNPOLLED`], or the whole process has done nothing for [`IDLE_TASK`]; or neither has moved for
//!   [`QUIET`]. One that gives up for such a reason does so for all: the others go on waiting, for whichever of the
//!   two is ready first, and the time begins anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// On a thread of a pool: as long as a wait may be that was not needed.
pub const ON_A_POOL: Duration = Duration::from_millis(100);
/// For a process that does nothing, another computation costs little.
pub const IDLE: Duration = Duration::from_secs(5);
/// The same where a task computes: what it waits for may well be far away.
pub const IDLE_TASK: Duration = Duration::from_secs(10);
/// What can go on is polled sooner, even if the executor has a lot to do.
pub const UNPOLLED: Duration = Duration::from_secs(1);
/// Longer than what works at all shows no sign of it.
pub const QUIET: Duration = Duration::from_secs(60);
/// Whoever has waited for so long waits in vain, whatever it looks like.
pub const LONGEST: Duration = Duration::from_secs(3_600);
/// Signs of life are looked for this often.
pub const TICK: Duration = Duration::from_millis(500);

/// A process that uses less of the processor than this share does nothing.
const IDLE_SHARE: u32 = 50;

/// Who computes, as far as others can watch it.
#[derive(Clone, Debug)]
pub enum Leader {
    /// A thread, by the number that the system gives it.
    Thread(u32),
    /// A task.
    Task(Arc<Signs>),
    /// Somebody.
    Unknown,
}

impl Leader {
    /// This thread.
    pub fn this_thread() -> Leader {
        system::thread_number().map_or(Leader::Unknown, Leader::Thread)
    }

    /// Grows while work is done.
    fn progress(&self) -> u64 {
        match self {
            Leader::Thread(number) => system::ticks_of(*number).unwrap_or(0),
            Leader::Task(signs) => signs.polls.load(Ordering::Relaxed),
            Leader::Unknown => 0,
        }
    }

    /// For how long the process has to do nothing for this to be suspicious.
    fn idle(&self) -> Option<Duration> {
        match self {
            Leader::Thread(number) => system::waits_for_a_thread(*number).then_some(IDLE),
            Leader::Task(_) => Some(IDLE_TASK),
            Leader::Unknown => None,
        }
    }

    fn is_abandoned(&self) -> bool {
        matches!(self, Leader::Task(signs) if signs.woken_for() >= UNPOLLED)
    }
}

/// What a task that computes shows of itself.
#[derive(Debug)]
pub struct Signs {
    polls: AtomicU64,
    /// In milliseconds since `began`, and one: when it was woken that was not polled since. 0: it was polled since.
    woken: AtomicU64,
    began: Instant,
}

impl Signs {
    /// Of a task that begins.
    pub fn new() -> Arc<Signs> {
        Arc::new(Signs { polls: AtomicU64::new(0), woken: AtomicU64::new(0), began: Instant::now() })
    }

    /// It is polled now.
    pub fn polled(&self) {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.woken.store(0, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).map_or(u64::MAX, |now| now + 1)
    }

    fn woken_for(&self) -> Duration {
        match self.woken.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            woken => Duration::from_millis(self.now().saturating_sub(woken)),
        }
    }
}

/// A waker that leaves a sign when it is used.
#[derive(Debug)]
pub struct Signal {
    /// Where.
    pub signs: Arc<Signs>,
    /// What is woken.
    pub inner: Waker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let _ = self.signs.woken.compare_exchange(0, self.signs.now(), Ordering::Relaxed, Ordering::Relaxed);
        self.inner.wake_by_ref();
    }
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Advice {
    /// Wait, and ask again after this.
    Wait(Duration),
    /// Compute, whatever others do.
    Compute,
    /// Compute, unless somebody has begun to for the same reason since [`Watch::asked`].
    ComputeForAll,
}

/// One wait, from its begin.
#[derive(Debug)]
pub struct Watch {
    begun: Instant,
    /// After this, no matter what.
    limit: Option<Duration>,
    looked: Instant,
    progress: u64,
    /// Since when the leader has made no progress.
    quiet: Instant,
    /// Since when the process has done nothing.
    idle: Instant,
    busy: Duration,
}

impl Watch {
    /// A wait that begins now. `timeout`: what the cache says.
    pub fn new(timeout: Option<Duration>) -> Watch {
        let now = Instant::now();
        let limit = if is_on_a_pool() { Some(timeout.map_or(ON_A_POOL, |most| most.min(ON_A_POOL))) } else { timeout };
        Watch { begun: now, limit, looked: now, progress: 0, quiet: now, idle: now, busy: system::busy() }
    }

    /// How long the wait has lasted.
    pub fn lasted(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether to go on waiting for `leader`. `relieved`: when another waiter for the same
    /// result last gave up.
    pub fn advise(&mut self, leader: &Leader, relieved: Option<Instant>) -> Advice {
        let now = Instant::now();
        let lasted = now - self.begun;
        if let Some(limit) = self.limit {
            return if lasted >= limit { Advice::Compute } else { Advice::Wait(limit - lasted) };
        }
        let since_look = now - self.looked;
        if since_look < TICK {
            return Advice::Wait(TICK - since_look);
        }
        self.look(leader, now, since_look);
        let since = |then: Instant| now.saturating_duration_since(relieved.map_or(then, |relieved| relieved.max(then)));
        let in_vain = lasted >= LONGEST
            || since(self.quiet) >= QUIET
            || leader.idle().is_some_and(|idle| since(self.idle) >= idle)
            || (leader.is_abandoned() && since(self.begun) >= UNPOLLED);
        if in_vain { Advice::ComputeForAll } else { Advice::Wait(TICK) }
    }

    fn look(&mut self, leader: &Leader, now: Instant, since_look: Duration) {
        let (progress, busy) = (leader.progress(), system::busy());
        if progress != self.progress {
            self.quiet = now;
        }
        if (busy.saturating_sub(self.busy)) * IDLE_SHARE > since_look {
            self.idle = now;
        }
        (self.progress, self.busy, self.looked) = (progress, busy, now);
    }
}

/// Whether this thread belongs to a pool whose threads take up other work while theirs waits.
#[cfg(feature = "rayon")]
fn is_on_a_pool() -> bool {
    rayon_core::current_thread_index().is_some()
}

#[cfg(not(feature = "rayon"))]
fn is_on_a_pool() -> bool {
    false
}

#[cfg(target_os = "linux")]
mod system {
    use std::cell::Cell;
    use std::fs;
    use std::time::Duration;

    use crate::base::fork;
    use crate::memo::waiting::vital;

    thread_local! {
        /// With the generation of the process: a child's thread is another one.
        static NUMBER: Cell<Option<(usize, u32)>> = const { Cell::new(None) };
    }

    /// The number of this thread.
    pub fn thread_number() -> Option<u32> {
        let generation = fork::generation();
        if let Some((_, number)) = NUMBER.get().filter(|(of, _)| *of == generation) {
            return Some(number);
        }
        let number = fs::read_link("/proc/thread-self").ok()?.file_name()?.to_str()?.parse().ok()?;
        NUMBER.set(Some((generation, number)));
        Some(number)
    }

    /// How much of the processor a thread has used.
    pub fn ticks_of(thread: u32) -> Option<u64> {
        Some(vital::read(&format!("/proc/self/task/{thread}/stat"))?.ticks)
    }

    /// Whether a thread is in the call by which one waits for another thread of the same process, and not for a file,
    /// a process or a time.
    pub fn waits_for_a_thread(thread: u32) -> bool {
        let text = fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).unwrap_or_default();
        text.split(' ').next().is_some_and(|number| number == libc::SYS_futex.to_string())
    }

    /// How much of the processor this process has used.
    pub fn busy() -> Duration {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(used.tv_sec.try_into().unwrap_or(0), used.tv_nsec.try_into().unwrap_or(0))
    }
}

/// Nothing is known here: only [`QUIET`] counts.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::Duration;

    pub fn thread_number() -> Option<u32> {
        None
    }

    pub fn ticks_of(_thread: u32) -> Option<u64> {
        None
    }

    pub fn waits_for_a_thread(_thread: u32) -> bool {
        false
    }

    pub fn busy() -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_kept_whoever_computes() {
        let mut watch = Watch::new(Some(Duration::from_millis(20)));
        assert!(matches!(watch.advise(&Leader::this_thread(), None), Advice::Wait(_)));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(watch.advise(&Leader::this_thread(), None), Advice::Compute);
    }

    #[test]
    fn a_task_that_was_woken_and_not_polled_is_abandoned() {
        let signs = Signs::new();
        let waker: Waker = Arc::new(Signal { signs: signs.clone(), inner: Waker::noop().clone() }).into();
        let leader = Leader::Task(signs.clone());
        waker.wake_by_ref();
        assert!(!leader.is_abandoned());
        std::thread::sleep(UNPOLLED);
        waker.wake_by_ref();
        assert!(leader.is_abandoned());
        signs.polled();
        assert!(!leader.is_abandoned());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_waits_for_another_is_told_from_one_that_sleeps() {
        let (send, receive) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            tell.send(Leader::this_thread()).unwrap();
            receive.recv().unwrap_err();
            tell.send(Leader::this_thread()).unwrap();
            std::thread::sleep(Duration::from_secs(5));
        });
        let leader = told.recv().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(leader.idle(), Some(IDLE));
        drop(send);
        told.recv().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(leader.idle(), None);
    }
}
