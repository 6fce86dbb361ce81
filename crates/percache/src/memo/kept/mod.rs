//! Which part of what a function returns is kept.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `in_option` | Rules for a `Result`, applied to an `Option` of one |
//! | `keep` | Which part of what a function returns is kept, and for how long |
//! | `shape` | Chooses by the type of a function's results what is kept of them |

mod in_option;
pub mod keep;
pub mod shape;
