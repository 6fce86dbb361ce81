//! The time of day. `clippy.toml` forbids to ask for it anywhere else, so that one place says which clock it is.

use std::time::{SystemTime, UNIX_EPOCH};

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

/// Returns the milliseconds since 1970. A clock that is set before 1970 counts as 1970.
#[inline]
pub fn millis() -> u64 {
    now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_units_tell_the_same_time() {
        let (before, between, after) = (millis(), nanos() / 1_000_000, millis());
        assert!(before <= between && between <= after);
        // 2020: what is told is counted since 1970, in this unit.
        assert!(before > 1_577_836_800_000);
    }
}
