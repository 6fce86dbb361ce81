//! What `#[memoize]` takes for the code of a function: what is a change, and what is not.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unsafe_code,
    unused_qualifications,
    reason = "a test that cannot go on has failed, and says why"
)]

mod common;

use std::sync::LazyLock;

use common::counted::{called, calls};
use percache::{Cache, memoize, tracked};
use serde::Serialize;

static CACHE: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

#[test]
fn a_name_replaces_the_path() {
    mod old {
        #[percache::memoize(cache = super::CACHE, name = "moved")]
        pub fn f(n: u32) -> u32 {
            super::called();
            n
        }
    }
    mod new {
        #[percache::memoize(cache = super::CACHE, name = "moved")]
        pub fn f(n: u32) -> u32 {
            super::called();
            n
        }
    }
    assert_eq!((old::f(1), new::f(1)), (1, 1));
    assert_eq!(calls(), 1);
}

#[test]
fn comments_attributes_and_visibility_are_not_code_but_the_body_is() {
    mod one {
        #[percache::memoize(cache = super::CACHE, name = "edited")]
        pub fn f(n: u32) -> u32 {
            super::called();
            n + 1
        }
    }
    mod commented {
        /// Documented.
        #[percache::memoize(cache = super::CACHE, name = "edited", maxage = "1d")]
        #[inline(never)]
        #[rustfmt::skip]
        pub(super) fn f(
            n: u32,
        ) -> u32 {

            // Called.
            super::called();
            n+1
        }
    }
    mod other {
        #[percache::memoize(cache = super::CACHE, name = "edited")]
        pub fn f(n: u32) -> u32 {
            super::called();
            n + 2
        }
    }
    mod versioned {
        #[percache::memoize(cache = super::CACHE, name = "edited", version = 2)]
        pub fn f(n: u32) -> u32 {
            super::called();
            n + 1
        }
    }
    assert_eq!((one::f(1), commented::f(1)), (2, 2));
    assert_eq!(calls(), 1);
    assert_eq!((other::f(1), versioned::f(1)), (3, 2));
    assert_eq!(calls(), 2);
    assert_eq!(one::f(1), 2);
    assert_eq!(calls(), 0, "the results of another body were left alone");
}

#[test]
fn a_change_of_what_a_function_depends_on_is_a_change() {
    mod before {
        #[percache::tracked]
        fn helper(n: u32) -> u32 {
            n + 1
        }
        #[percache::memoize(cache = super::CACHE, name = "dependent", depends_on(helper))]
        pub fn f(n: u32) -> u32 {
            super::called();
            helper(n)
        }
        #[percache::memoize(cache = super::CACHE, name = "independent")]
        pub fn g(n: u32) -> u32 {
            super::called();
            helper(n)
        }
    }
    mod after {
        #[percache::tracked]
        fn helper(n: u32) -> u32 {
            n + 2
        }
        #[percache::memoize(cache = super::CACHE, name = "dependent", depends_on(helper))]
        pub fn f(n: u32) -> u32 {
            super::called();
            helper(n)
        }
        #[percache::memoize(cache = super::CACHE, name = "independent")]
        pub fn g(n: u32) -> u32 {
            super::called();
            helper(n)
        }
    }
    assert_eq!((before::f(1), after::f(1), before::f(1)), (2, 3, 2));
    assert_eq!(calls(), 2);
    assert_eq!((before::g(1), after::g(1)), (2, 2), "what it does not say, percache cannot know");
}

mod tracked_items {
    #[percache::tracked]
    pub const FACTOR: u32 = 3;
    #[percache::tracked]
    pub static OFFSET: u32 = 4;
    #[percache::tracked(depends_on(FACTOR, OFFSET))]
    pub fn helper(n: u32) -> u32 {
        n * FACTOR + OFFSET
    }
    #[percache::memoize(cache = super::CACHE)]
    #[percache::tracked]
    pub fn memoized(n: u32) -> u32 {
        helper(n)
    }
    #[percache::tracked]
    #[percache::memoize(cache = super::CACHE)]
    pub fn memoized_too(n: u32) -> u32 {
        helper(n)
    }
}

#[derive(Serialize)]
struct Steps(u32);

impl Steps {
    #[tracked]
    fn step(&self) -> u32 {
        self.0
    }

    #[memoize(cache = CACHE)]
    #[tracked]
    fn two(&self) -> u32 {
        2 * self.step()
    }

    #[memoize(cache = CACHE, depends_on(Self::step, Self::two, tracked_items::helper, tracked_items::memoized, tracked_items::memoized_too))]
    fn all(&self) -> u32 {
        self.two() + tracked_items::memoized(1) + tracked_items::memoized_too(1)
    }
}

#[test]
fn everything_tracked_can_be_depended_on() {
    assert_eq!(Steps(5).all(), 10 + 7 + 7);
}
