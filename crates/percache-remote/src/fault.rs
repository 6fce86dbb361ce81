//! What goes wrong between here and a remote.

use std::fmt;

/// What kind of failure it is, which decides what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// There is nobody, or nobody answers: the remote is given up.
    Unreachable,
    /// One call makes no progress, though the remote is there.
    Slow,
    /// A call failed that may succeed the next time.
    Transient,
    /// The caller lacks the right.
    Denied,
    /// The server does not do this.
    Unsupported,
    /// What came is not what was asked for.
    Damaged,
    /// What was asked for is not there.
    Missing,
    /// The reason is on this machine.
    Local,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of failure.
    pub kind: FaultKind,
    /// What happened, for people; without secrets.
    pub message: String,
}

impl Fault {
    /// Creates one.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault { kind, message: message.into() }
    }

    /// Creates one for what did not come within the patience for it.
    pub fn timeout(what: &str, patience: std::time::Duration) -> Fault {
        let message = format!("{what}: no answer within {} s", patience.as_secs_f32());
        Fault::new(FaultKind::Slow, message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
