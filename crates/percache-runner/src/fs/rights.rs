//! Rights that a command took from what it made.
//!
//! A private key that was made 0600 must not come back as 0644. So of each output, the rights are known that the
//! umask would have left and that it does not have; what is made in its place lacks them, too. More rights than the
//! umask allows are never given.

use std::sync::OnceLock;

/// The rights that are missing from this mode, of those that the umask of this process leaves. Of directories, those
/// of their owner do not count: without them nothing could be put there.
pub fn withheld(mode: u32) -> u16 {
    lacking(mode, umask())
}

fn lacking(mode: u32, umask: u32) -> u16 {
    let is_directory = mode & 0o170_000 == 0o040_000;
    let (usual, counts) = match () {
        () if is_directory => (0o777, 0o077),
        () if mode & 0o100 != 0 => (0o777, 0o277),
        () => (0o666, 0o277),
    };
    (usual & !umask & !mode & counts) as u16
}

/// The umask. It can be asked for only by setting it, so it is read from where Linux tells.
fn umask() -> u32 {
    static UMASK: OnceLock<u32> = OnceLock::new();
    *UMASK.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let told = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        told.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_taken_away_counts() {
        for (mode, umask, withheld) in [
            (0o100_644, 0o022, 0),
            (0o100_755, 0o022, 0),
            (0o100_600, 0o022, 0o044),
            (0o100_700, 0o022, 0o055),
            (0o100_640, 0o002, 0o024),
            (0o100_444, 0o022, 0o200),
            (0o100_600, 0o077, 0),
            (0o100_666, 0o022, 0),
            (0o040_700, 0o022, 0o055),
            (0o040_555, 0o022, 0),
            (0o042_775, 0o002, 0),
        ] {
            assert_eq!(lacking(mode, umask), withheld, "{mode:o} {umask:o}");
        }
    }
}
