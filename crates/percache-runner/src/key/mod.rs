//! What the result of a task depends on. Knows nothing of how results are looked up.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `fingerprint` | The fingerprint of a task and the action key of a result |

pub mod fingerprint;
