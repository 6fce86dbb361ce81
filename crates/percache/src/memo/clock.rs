//! Times: milliseconds since 1970, from the system or from a clock that a test sets.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub type Time = u64;

/// Where a cache takes the time from.
#[derive(Clone, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// Another one.
    Custom(Arc<dyn Fn() -> SystemTime + Send + Sync>),
}

impl Clock {
    /// The time now.
    #[inline]
    pub fn now(&self) -> Time {
        let now = match self {
            Clock::System => return system_time(),
            Clock::Custom(clock) => clock(),
        };
        since_1970(now)
    }
}

fn since_1970(time: SystemTime) -> Time {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Time)
}

/// The coarse clock is a few milliseconds behind and several times as fast.
#[cfg(target_os = "linux")]
fn system_time() -> Time {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    Time::try_from(now.tv_sec).unwrap_or(0) * 1_000 + now.tv_nsec as Time / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn system_time() -> Time {
    since_1970(SystemTime::now())
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// How long ago `then` was; nothing when the clock was set back since.
pub fn age(now: Time, then: Time) -> Duration {
    Duration::from_millis(now.saturating_sub(then))
}
