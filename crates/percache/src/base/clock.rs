//! The time of day, and lengths of time, as they are kept. `clippy.toml` forbids to ask for the time anywhere else, so that
//! one place says which clock it is.
//!
//! A point in time is a [`Time`], a length that is kept is [`Micros`]. No arithmetic on them wraps: what is read from a
//! disk may be anything. Only this module, encodings and what people read know the units.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in time, to the millisecond, not before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The beginning of 1970.
    pub const EPOCH: Time = Time(0);
    /// Later than anything.
    pub const MAX: Time = Time(u64::MAX);

    /// Returns the time now.
    #[inline]
    pub fn now() -> Time {
        Time::of(now())
    }

    /// Returns the time now by a clock that is a few milliseconds behind where that is several times as fast.
    #[cfg(target_os = "linux")]
    #[inline]
    pub fn now_coarse() -> Time {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Time(u64::try_from(now.tv_sec).unwrap_or(0) * 1_000 + now.tv_nsec as u64 / 1_000_000)
    }

    /// Returns the time now by a clock that is a few milliseconds behind where that is several times as fast.
    #[cfg(not(target_os = "linux"))]
    pub fn now_coarse() -> Time {
        Time::now()
    }

    /// Converts a time of the system. What is before 1970 counts as 1970.
    #[inline]
    pub fn of(time: SystemTime) -> Time {
        Time(time.duration_since(UNIX_EPOCH).map_or(0, millis_of))
    }

    /// Returns the time so many milliseconds after the beginning of 1970.
    pub const fn from_millis(millis: u64) -> Time {
        Time(millis)
    }

    /// Returns the milliseconds since the beginning of 1970.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns how long ago `earlier` was; nothing if it is later.
    #[inline]
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Returns how long ago `earlier` was; `None` if it is later.
    pub fn checked_since(self, earlier: Time) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_millis)
    }

    /// Returns the later time, [`Time::MAX`] if there is none.
    #[inline]
    pub fn saturating_add(self, length: Duration) -> Time {
        Time(self.0.saturating_add(millis_of(length)))
    }

    /// Returns the earlier time, [`Time::EPOCH`] if it would be before that.
    pub fn saturating_sub(self, length: Duration) -> Time {
        Time(self.0.saturating_sub(millis_of(length)))
    }

    /// Returns the eight bytes that it is kept as.
    pub const fn to_le_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Reads them back.
    #[inline]
    pub const fn from_le_bytes(bytes: [u8; 8]) -> Time {
        Time(u64::from_le_bytes(bytes))
    }
}

impl From<Time> for SystemTime {
    fn from(time: Time) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

/// A length of time as it is kept, to the microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(u64);

impl Micros {
    /// No time at all.
    pub const ZERO: Micros = Micros(0);

    /// Returns so many microseconds.
    pub const fn new(micros: u64) -> Micros {
        Micros(micros)
    }

    /// Returns how many microseconds these are.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<Duration> for Micros {
    fn from(length: Duration) -> Micros {
        Micros(u64::try_from(length.as_micros()).unwrap_or(u64::MAX))
    }
}

impl From<Micros> for Duration {
    fn from(length: Micros) -> Duration {
        Duration::from_micros(length.0)
    }
}

#[inline]
fn millis_of(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the time now, as files have it.
#[inline]
#[allow(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Returns the nanoseconds since 1970. A clock that is set before 1970 counts as 1970.
#[inline]
pub fn nanos() -> u64 {
    now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_units_tell_the_same_time() {
        let (before, between, after) = (Time::now(), Time::from_millis(nanos() / 1_000_000), Time::now());
        assert!(before <= between && between <= after);
        // 2020: what is told is counted since 1970, in this unit.
        assert!(before.as_millis() > 1_577_836_800_000);
        let coarse = Time::now_coarse();
        assert!(coarse <= Time::now() && after.since(coarse) < Duration::from_secs(1));
    }

    #[test]
    fn no_arithmetic_wraps() {
        let (early, late) = (Time::from_millis(5), Time::from_millis(2_005));
        let second = Duration::from_secs(1);
        assert_eq!((late.since(early), early.since(late)), (2 * second, Duration::ZERO));
        assert_eq!((late.checked_since(early), early.checked_since(late)), (Some(2 * second), None));
        assert_eq!(early.saturating_add(2 * second), late);
        assert_eq!((late.saturating_sub(second).as_millis(), early.saturating_sub(second)), (1_005, Time::EPOCH));
        assert_eq!((Time::MAX.saturating_add(second), early.saturating_add(Duration::MAX)), (Time::MAX, Time::MAX));
        assert_eq!(Time::of(UNIX_EPOCH - second), Time::EPOCH);
        assert_eq!(Time::of(late.into()), late);
        assert_eq!((Micros::from(second).get(), Micros::from(Duration::MAX).get()), (1_000_000, u64::MAX));
        assert_eq!(Duration::from(Micros::new(7)), Duration::from_micros(7));
    }

    #[test]
    fn times_are_kept_as_numbers() {
        let time = Time::from_millis(0x0102);
        assert_eq!(time.to_le_bytes(), [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Time::from_le_bytes(time.to_le_bytes()), time);
        assert_eq!(serde_json::to_string(&time).unwrap(), "258");
    }
}
