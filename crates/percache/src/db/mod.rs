//! Databases: the interface, and its implementations. Knows nothing of tasks and functions.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `engine` | What percache asks of a database |
//! | `memory` | The database in memory |
//! | `rocks` | The database on RocksDB. Only this module names RocksDB |
//! | `tail` | the newest commits, in a file beside the database |

pub mod engine;
pub mod memory;
#[cfg(feature = "rocksdb")]
pub mod rocks;
pub mod tail;
