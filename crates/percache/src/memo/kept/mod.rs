//! Which part of what a function returns is kept.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `keep` | Which part of what a function returns is kept, and for how long |
//! | `shape` | Chooses by the type of a function's results what is kept of them |

pub mod keep;
pub mod shape;
