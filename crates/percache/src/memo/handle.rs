//! What a [`Cache`](super::Cache) holds: what all its clones share, for each process anew after a fork.

use std::ops::Deref;
use std::sync::{Arc, Weak};

use crate::base::exit;
use crate::base::fork::{self, PerProcess};
use crate::memo::shared::Shared;

/// The cache of this process.
#[derive(Clone)]
pub struct Handle {
    first: Own,
    children: Arc<PerProcess<Own>>,
}

/// What a process has made, and no other one drops.
#[derive(Clone)]
pub struct Own(Arc<Shared>);

impl Drop for Own {
    fn drop(&mut self) {
        if self.0.generation != fork::generation() {
            std::mem::forget(self.0.clone());
        }
    }
}

impl Deref for Own {
    type Target = Shared;

    #[inline]
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Own {
    fn open(shared: Shared) -> Own {
        let shared = Arc::new(shared);
        let weak: Weak<Shared> = Arc::downgrade(&shared);
        exit::register(weak, shared.close_at_exit);
        Own(shared)
    }
}

impl Handle {
    /// The handle of a cache that was just opened.
    pub fn new(shared: Shared) -> Handle {
        Handle { first: Own::open(shared), children: Arc::new(PerProcess::new()) }
    }

    /// What this process has.
    #[inline]
    pub fn own(&self) -> &Own {
        if self.first.generation == fork::generation() { &self.first } else { self.of_child() }
    }

    #[cold]
    fn of_child(&self) -> &Own {
        self.children.get_or_init(|| Own::open(self.first.renewed()))
    }
}

impl Deref for Handle {
    type Target = Shared;

    #[inline]
    fn deref(&self) -> &Shared {
        self.own()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The list is not dropped in a child: its links may be those of others.
        if fork::generation() != self.first.generation {
            if Arc::strong_count(&self.children) == 1
                && let Some(own) = self.children.if_made()
            {
                own.close_by_drop();
            }
            std::mem::forget(self.children.clone());
        }
    }
}
