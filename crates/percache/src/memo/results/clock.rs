//! The clock of a cache, the system's or one that a test sets, and ages by it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::base::clock::Time;

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
        match self {
            Clock::System => Time::now_coarse(),
            Clock::Custom(clock) => Time::of(clock()),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// What lies further ahead than this was dated by a clock that was wrong; less is how clocks of different machines
/// differ.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// How long ago `then` was. What is dated in the future may be of any age: it counts as older than anything.
pub fn age(now: Time, then: Time) -> Duration {
    known_age(now, then).unwrap_or(Duration::MAX)
}

/// How long ago `then` was; `None` if it lies in the future.
pub fn known_age(now: Time, then: Time) -> Option<Duration> {
    (then <= now.saturating_add(SKEW)).then(|| now.since(then))
}

/// The later of two times; one in the future only if both are.
pub fn later(now: Time, one: Time, other: Time) -> Time {
    let is_known = |time: Time| known_age(now, time).is_some();
    if is_known(one) == is_known(other) { one.max(other) } else { one.min(other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(10_000);

    fn ahead(length: Duration) -> Time {
        NOW.saturating_add(length)
    }

    #[test]
    fn what_is_dated_in_the_future_is_older_than_anything() {
        let millisecond = Duration::from_millis(1);
        assert_eq!(age(NOW, Time::from_millis(4_000)), Duration::from_secs(6));
        assert_eq!(age(NOW, ahead(SKEW)), Duration::ZERO, "clocks differ a little");
        assert_eq!(age(NOW, ahead(SKEW + millisecond)), Duration::MAX);
        assert_eq!(known_age(NOW, ahead(SKEW + millisecond)), None);
    }

    #[test]
    fn the_later_time_is_one_that_can_be() {
        let [one, two] = [1, 2].map(Time::from_millis);
        let (future, beyond) = (ahead(2 * SKEW), ahead(3 * SKEW));
        assert_eq!((later(NOW, one, two), later(NOW, two, one)), (two, two));
        assert_eq!((later(NOW, one, future), later(NOW, future, one)), (one, one));
        assert_eq!(later(NOW, future, beyond), beyond);
    }
}
