//! What identifies a call: its function, its package, its arguments.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `about` | What is kept beside a result |
//! | `encoding` | The typed encoding of arguments and results |
//! | `function` | What identifies a memoized function, and the keys of its results |
//! | `identity` | Identifies what a function belongs to |
//! | `key_builder` | The key of a call in the making |
//! | `names` | No two callables under one name |
//! | `origin` | Where a function comes from, as it is written down beside its results |
//! | `summary` | The text that tells people which call a result belongs to |

pub(crate) mod about;
pub mod encoding;
pub mod function;
pub mod identity;
pub(crate) mod key_builder;
pub(crate) mod names;
pub mod origin;
pub(crate) mod summary;
