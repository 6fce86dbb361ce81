//! A type for each kind of digest that the store files something under, so that none is taken for another.
//!
//! A plain [`Digest`] is the digest of a content.

use std::fmt;

use crate::base::digest::Digest;

/// Defines an id: a digest that means one thing.
macro_rules! id_type {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(Digest);

        impl $name {
            /// Takes a digest for an id of this kind.
            pub const fn new(digest: Digest) -> $name {
                $name(digest)
            }

            /// Decodes an id. Returns `None` if these are not 20 bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<$name> {
                Digest::from_slice(bytes).map($name)
            }

            /// Returns the digest.
            pub const fn digest(&self) -> &Digest {
                &self.0
            }

            /// Returns the bytes.
            pub fn as_bytes(&self) -> &[u8; crate::base::digest::DIGEST_LEN] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id_type! {
    /// Identifies everything about a run that is known before it starts.
    Fingerprint
}

id_type! {
    /// Identifies an action: a fingerprint together with the discovered inputs and their states.
    ActionKey
}

id_type! {
    /// Identifies the directory of a workspace. Results whose outputs mention its path are stored under it.
    WorkspaceId
}
