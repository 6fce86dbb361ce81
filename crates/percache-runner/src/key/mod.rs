//! What a result depends on. Knows nothing of how it is looked up.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `fingerprint` | Fingerprints |

pub mod fingerprint;
