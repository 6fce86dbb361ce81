//! One computation for each key: who computes, who waits, for whom and how long.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `begin` | Calls for other languages and executors |
//! | `bytes` | What bindings for other languages need beyond that |
//! | `claim` | Single flight between processes |
//! | `flight` | Single flight within a process |
//! | `patience` | How long one waits in this process for what another thread or task computes |
//! | `publishing` | A cache is not closed before its results are passed on |
//! | `range_lock` | Locks on single bytes of one file, held by the process |
//! | `timer` | Wakes tasks after a while |
//! | `vital` | Whether threads and processes are alive and at work, as far as the system tells |
//! | `waits` | Who waits for whom |

pub mod begin;
pub mod bytes;
pub(crate) mod claim;
pub(crate) mod flight;
pub(crate) mod patience;
pub(crate) mod publishing;
#[cfg(unix)]
pub(crate) mod range_lock;
#[cfg(not(unix))]
#[path = "range_lock/other.rs"]
pub(crate) mod range_lock;
pub(crate) mod timer;
pub(crate) mod vital;
pub(crate) mod waits;
