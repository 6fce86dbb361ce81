//! Ages and sizes, parsed as users write them, and durations, ages and sizes, formatted as percache prints them.
//!
//! Knows nothing of what they are the age or size of.

use std::time::Duration;

use thiserror::Error;

/// A text that is not an age.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not an age")]
pub struct AgeError(pub String);

/// A text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a size")]
pub struct SizeError(pub String);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// Parses an age: a whole number with a unit (`s`, `m`, `h`, `d`, `w`), by default in seconds.
///
/// # Errors
/// Fails on anything else, and on more than 2^64 seconds.
pub fn parse_age(text: &str) -> Result<Duration, AgeError> {
    let error = || AgeError(text.to_owned());
    let (number, unit) = split_number(text);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "w" => WEEK,
        _ => return Err(error()),
    };
    let count: u64 = number.parse().map_err(|_| error())?;
    count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(error)
}

/// Parses a size in bytes. The units are `kB`, `MB`, `GB`, `TB` of 1000 and `KiB`, `MiB`, `GiB`, `TiB` of 1024, in any
/// case and also without the `B`; the number may have a decimal fraction, and a fraction of a byte is dropped.
///
/// # Errors
/// Fails on anything else, and on more than 2^64 bytes.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let error = || SizeError(text.to_owned());
    let (number, unit) = split_number(text);
    let factor = size_factor(unit.trim_start()).ok_or_else(error)?;
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, digits)| (whole, Some(digits)));
    let bytes = whole.parse::<u64>().map_err(|_| error())?.checked_mul(factor).ok_or_else(error)?;
    let Some(digits) = fraction else { return Ok(bytes) };
    if digits.is_empty() || digits.len() > 18 {
        return Err(error());
    }
    let (parts, scale) = (digits.parse::<u128>().map_err(|_| error())?, 10u128.pow(digits.len() as u32));
    // Less than `factor`, which is a u64.
    bytes.checked_add((parts * u128::from(factor) / scale) as u64).ok_or_else(error)
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len()))
}

fn size_factor(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (base, letter) = unit.strip_suffix('i').map_or((1000u64, unit), |letter| (1024, letter));
    let power = match letter {
        "" if base == 1000 => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    Some(base.pow(power))
}

/// Returns a duration in whole microseconds, at most [`u64::MAX`] of them.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Formats how long something took: `0.41s`, `12.3s`, `2m03s`, `1h02m`.
pub fn format_duration(duration: Duration) -> String {
    let hundredths = (duration.as_micros() + 5_000) / 10_000;
    let tenths = (duration.as_millis() + 50) / 100;
    let seconds = (duration.as_millis() + 500) / 1000;
    if hundredths < 1000 {
        format!("{}.{:02}s", hundredths / 100, hundredths % 100)
    } else if tenths < 600 {
        format!("{}.{}s", tenths / 10, tenths % 10)
    } else if seconds < 3600 {
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60)
    }
}

/// Formats an age in the largest of days, hours and minutes whose count is above 1, otherwise in seconds: `119s`, `2m`,
/// `24h`, `2d`.
pub fn format_age(age: Duration) -> String {
    let seconds = age.as_secs();
    let large = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")].into_iter().find(|(unit, _)| seconds / unit > 1);
    let (unit, letter) = large.unwrap_or((1, "s"));
    format!("{}{letter}", seconds / unit)
}

/// Formats a size with one decimal in the largest unit of 1024 that it reaches: `512 B`, `1.5 KiB`, `20.0 GiB`.
pub fn format_size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut power = (bytes.ilog2() / 10).min(4);
    let tenths = |power: u32| (u128::from(bytes) * 10 + (1 << (10 * power - 1))) >> (10 * power);
    if tenths(power) >= 10_240 && power < 4 {
        power += 1;
    }
    let tenths = tenths(power);
    format!("{}.{} {}iB", tenths / 10, tenths % 10, ["K", "M", "G", "T"][power as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_beyond_all_numbers_is_not_taken_for_a_short_one() {
        let age = parse_age("18446744073709552").unwrap();
        assert!(age.as_millis() as u64 <= 384, "which is what is left of it in 64 bits");
        assert_eq!(micros(age), u64::MAX);
        assert_eq!(micros(Duration::from_secs(2)), 2_000_000);
    }

    #[test]
    fn ages_are_read() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("30m", 1800), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)]
        {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "d", "1.5h", "-1", "1 d", "1y", "1dd", "99999999999999999999", "18446744073709551615w"] {
            assert_eq!(parse_age(text), Err(AgeError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("7B", 7),
            ("500MB", 500_000_000),
            ("500 MB", 500_000_000),
            ("2GiB", 2 << 30),
            ("2gib", 2 << 30),
            ("10G", 10_000_000_000),
            ("1.5GiB", 3 << 29),
            ("0.1kB", 100),
            ("16777215.5TiB", u64::MAX - (1 << 39) + 1),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "1iB", "1.GiB", ".5GiB", "1.2.3GB", "-1", "1PB", "16777216TiB", "1 2"] {
            assert_eq!(parse_size(text), Err(SizeError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn durations_are_printed() {
        for (millis, text) in [
            (0, "0.00s"),
            (414, "0.41s"),
            (9_994, "9.99s"),
            (9_996, "10.0s"),
            (12_340, "12.3s"),
            (59_960, "1m00s"),
            (123_000, "2m03s"),
            (3_599_600, "1h00m"),
            (3_720_000, "1h02m"),
        ] {
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn ages_are_printed() {
        let printed =
            [0, 21, 119, 120, 7199, 7200, 86_400, 172_799, 172_800].map(|s| format_age(Duration::from_secs(s)));
        assert_eq!(printed, ["0s", "21s", "119s", "2m", "119m", "2h", "24h", "47h", "2d"]);
    }

    #[test]
    fn sizes_are_printed() {
        let printed = [0, 1023, 1024, 1536, (1 << 20) - 1, 1 << 20, 20 << 30, u64::MAX].map(format_size);
        assert_eq!(
            printed,
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "20.0 GiB", "16777216.0 TiB"]
        );
    }
}
