//! Whether threads and processes are alive and at work, as far as the system tells.

/// What the system says of a thread or a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vital {
    /// It does nothing until somebody has it go on: by Ctrl-Z, SIGSTOP or a debugger.
    pub is_stopped: bool,
    /// How much of the processor it has used.
    pub ticks: u64,
}

/// Reads a file `stat` of `/proc`.
#[cfg(target_os = "linux")]
pub fn read(path: &str) -> Option<Vital> {
    parse(&std::fs::read_to_string(path).ok()?)
}

#[cfg(target_os = "linux")]
fn parse(text: &str) -> Option<Vital> {
    // The name in brackets may itself have brackets and spaces in it.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_stopped = matches!(fields.next()?, "T" | "t");
    let mut times = fields.skip(10);
    let (user, system): (u64, u64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some(Vital { is_stopped, ticks: user + system })
}

/// What is known of a process.
#[cfg(target_os = "linux")]
pub fn of_process(id: u32) -> Option<Vital> {
    read(&format!("/proc/{id}/stat"))
}

/// Nothing.
#[cfg(not(target_os = "linux"))]
pub fn of_process(_id: u32) -> Option<Vital> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        let text = "12 (a ) b) T 1 2 3 4 5 6 7 8 9 10 100 23 0 0 20 0 1";
        assert_eq!(parse(text), Some(Vital { is_stopped: true, ticks: 123 }));
        assert_eq!(of_process(std::process::id()).map(|vital| vital.is_stopped), Some(false));
        assert_eq!(parse("12 (a"), None);
    }
}
