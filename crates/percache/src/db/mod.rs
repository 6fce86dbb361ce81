//! Databases: what is asked of one, and those that there are. Knows nothing of tasks and functions.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `engine` | What percache asks of a database |
//! | `memory` | The database in memory |
//! | `rocks` | The database on RocksDB. Only this module names RocksDB |
//! | `tail` | The tail of a database |
//! | `write_behind` | What is added collects in memory and is written later in one session |

pub mod engine;
pub mod memory;
#[cfg(feature = "rocksdb")]
pub mod rocks;
pub mod tail;
pub mod write_behind;
