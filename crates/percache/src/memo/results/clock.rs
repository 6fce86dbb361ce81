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
    crate::base::clock::millis()
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// What lies further ahead than this was dated by a clock that was wrong; less is how clocks of different machines
/// differ.
const SKEW: Time = 5 * 60 * 1_000;

/// How long ago `then` was. What is dated in the future may be of any age: it counts as older than anything.
pub fn age(now: Time, then: Time) -> Duration {
    known_age(now, then).unwrap_or(Duration::MAX)
}

/// How long ago `then` was; `None` if it lies in the future.
pub fn known_age(now: Time, then: Time) -> Option<Duration> {
    (then <= now.saturating_add(SKEW)).then(|| Duration::from_millis(now.saturating_sub(then)))
}

/// The later of two times; one in the future only if both are.
pub fn later(now: Time, one: Time, other: Time) -> Time {
    let is_known = |time: Time| known_age(now, time).is_some();
    if is_known(one) == is_known(other) { one.max(other) } else { one.min(other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dated_in_the_future_is_older_than_anything() {
        assert_eq!(age(10_000, 4_000), Duration::from_secs(6));
        assert_eq!(age(10_000, 10_000 + SKEW), Duration::ZERO, "clocks differ a little");
        assert_eq!(age(10_000, 10_001 + SKEW), Duration::MAX);
        assert_eq!(known_age(10_000, 10_001 + SKEW), None);
    }

    #[test]
    fn the_later_time_is_one_that_can_be() {
        let (now, future) = (10_000, 10_000 + 2 * SKEW);
        assert_eq!((later(now, 1, 2), later(now, 2, 1)), (2, 2));
        assert_eq!((later(now, 1, future), later(now, future, 1)), (1, 1));
        assert_eq!(later(now, future, future + 1), future + 1);
    }
}
