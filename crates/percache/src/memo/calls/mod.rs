//! What users call, and how a result is found or computed.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `ahead` | When the results of wrapped callables are computed again |
//! | `attribute` | What the expansion of `#[memoize]` calls |
//! | `entry` | One call of a memoized function: remove, refresh, key, without the cache |
//! | `fallible` | Wrapped callables that return a `Result` of which only `Ok` is kept |
//! | `fallible_async` | Wrapped `async` callables that return a `Result` of which only `Ok` is kept |
//! | `operation` | What a memoized function is asked to do with a call, and how it does that |
//! | `refresh` | Computing again what is still good, before it is too old, and keeping what cannot be computed again |
//! | `resolve` | Finding a result, or computing it once |
//! | `wrap` | Closures and functions whose results are kept |
//! | `wrap_async` | Closures and functions that return futures, whose results are kept |

pub(crate) mod ahead;
pub mod attribute;
pub(crate) mod entry;
pub(crate) mod fallible;
pub(crate) mod fallible_async;
pub(crate) mod operation;
pub(crate) mod refresh;
pub(crate) mod resolve;
pub(crate) mod wrap;
pub(crate) mod wrap_async;
