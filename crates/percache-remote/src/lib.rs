//! Shares the results of tasks between machines, through an object store or a server of the Remote Execution API.
//!
//! A remote is a second place behind the local store. It is asked when the local store does not know a result, what comes
//! from it is checked and added to the local store, and what was made here is offered to it behind the build's back.
//! Nothing connects before it is needed, and nothing here fails a build.
//!
//! The crate knows results and contents. It never knows tasks, the terminal or TOML. Nobody outside of it knows tokio,
//! OpenDAL or gRPC.
//!
//! | module | its one idea |
//! | --- | --- |
//! | `digest` | SHA-256, the name of everything that is remote |
//! | `keys` | the names of results and path sets |
//! | `trust` | signatures, and whose count |
//! | `record` | what lies on a remote for a result |
//! | `inlined` | the small contents that lie in the record itself |
//! | `settings` | from `[remote]` and the environment to what a connection needs |
//! | `fault`, `retry`, `breaker` | what goes wrong, when to try again, and when to give up |
//! | `invocation` | which tool, build and task a call is for |
//! | `service` | what every kind of remote can do, and the kinds there are |
//! | `connection` | one connection for a run, made when it is first needed |
//! | `reapi` | messages of the Remote Execution API, generated |
//! | `verified` | one large content, checked while it is read |
//! | `remote` | looking up |
//! | `fetch` | fetching contents, those of many results together |
//! | `archive` | results in one file, without any server |
//! | `uploads` | offering, in the background |
//! | `trial` | whether it can be written to, and how fast |
//! | `totals` | what came and went in all builds |
//! | `execution` | executing commands on workers of a server |

mod archive;
mod breaker;
mod connection;
mod digest;
pub mod execution;
mod fault;
mod fetch;
mod inlined;
mod invocation;
mod keys;
mod reapi;
mod record;
mod remote;
mod retry;
mod service;
mod settings;
mod totals;
mod trial;
mod trust;
mod uploads;
mod verified;

#[cfg(test)]
mod tests;

pub use archive::{ArchiveError, ArchiveReader, ArchiveWriter, Export, Item, Taken, Written};
pub use connection::Notice;
pub use digest::{Blob, Sha256};
pub use fault::{Fault, FaultKind};
pub use fetch::Fetch;
pub use inlined::Inlined;
pub use invocation::Invocation;
pub use keys::{ActionKey, FingerprintKey};
pub use record::{Notary, RemoteResult};
pub use remote::{Counts, Remote};
pub use service::About;
pub use settings::{Address, ExecutionSettings, ExecutionTable, Scheme, Settings, SettingsError, Table, Tls};
pub use totals::Totals;
pub use trial::Trial;
pub use trust::{KeyError, PublicKey, SigningKey, Trust};
pub use uploads::{Progress, Upload, Uploads};
