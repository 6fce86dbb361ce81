//! What identifies a memoized function, and the keys of its results.
//!
//! ```text
//! key = SHA-1( "percache memo 2" name? code? version? package? path place?, zeros to a multiple of 64 bytes, arguments )
//! ```
//!
//! The parts before the arguments are the same for all calls: they are hashed once, and each call goes on from there. Knows nothing
//! of where results are kept.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use crate::base::block_hasher::{BlockHasher, BlockState};
use crate::base::codec::Encode;
use crate::base::digest::{Digest, Hasher};
use crate::base::fork::PerProcess;
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::identity::{Package, Place};
use crate::memo::key::key_builder::KeyBuilder;
use crate::memo::key::origin::Origin;

/// Results of another version of keys are not found.
const DOMAIN: &str = "percache memo 2";

/// What a function consists of, as `#[tracked]` and `#[memoize]` found it when it was compiled.
#[derive(Debug)]
pub struct Code {
    /// SHA-1 of its tokens: comments, formatting, attributes and visibility do not count.
    pub digest: [u8; 20],
    /// What it says that it depends on.
    pub depends_on: &'static [&'static Code],
}

impl Code {
    /// The digest of the code and of all that it depends on.
    pub fn total(&self) -> Digest {
        if self.depends_on.is_empty() {
            return Digest(self.digest);
        }
        let mut hasher = Hasher::new();
        hasher.digest(&Digest(self.digest));
        hasher.count(self.depends_on.len());
        self.depends_on.iter().for_each(|code| hasher.digest(&code.total()));
        hasher.finish()
    }
}

/// A function whose results are kept: its identity and its rules.
#[derive(Clone, Debug)]
pub struct Function {
    /// Without one, it is named by the path of its instance.
    name: Option<Cow<'static, str>>,
    code: Option<Digest>,
    version: Option<Cow<'static, str>>,
    package: Option<Package>,
    place: Option<Place>,
    maxage: Option<Duration>,
    refresh_after: Option<Duration>,
    stale_if_error: Option<Duration>,
    /// Of the instance that was called first; most functions have no other.
    first: PerProcess<(Box<str>, BlockState)>,
}

impl Function {
    /// The function of this name. In one cache, no other may have it.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Function {
        Function { name: Some(name.into()), ..Function::by_path() }
    }

    /// A function that is told from others by the path that [`Function::key_of`] is given, as `#[memoize]` does it.
    pub fn by_path() -> Function {
        Function {
            name: None,
            code: None,
            version: None,
            package: None,
            place: None,
            maxage: None,
            refresh_after: None,
            stale_if_error: None,
            first: PerProcess::new(),
        }
    }

    /// With this code: results of other code are left alone and found again when the code comes back.
    pub fn code(mut self, code: &Code) -> Function {
        self.code = Some(code.total());
        self
    }

    /// With this version, for what changes without the code changing.
    pub fn version(mut self, version: impl Into<Cow<'static, str>>) -> Function {
        self.version = Some(version.into());
        self
    }

    /// Tells it from functions of the same name and code in other packages. Without one, they share their results.
    pub fn package(mut self, package: Package) -> Function {
        self.package = Some(package);
        self
    }

    /// Tells it from functions of the same path and code in the same package.
    pub(crate) fn place(mut self, place: Place) -> Function {
        self.place = Some(place);
        self
    }

    /// Results that are older are computed again.
    pub fn maxage(mut self, maxage: Duration) -> Function {
        self.maxage = Some(maxage);
        self
    }

    /// Results that are older are returned, and computed again for the next call.
    pub fn refresh_after(mut self, age: Duration) -> Function {
        self.refresh_after = Some(age);
        self
    }

    /// When computing a result again gives an error that is not kept, the old one is returned, for this long after its `maxage`.
    pub fn stale_if_error(mut self, time: Duration) -> Function {
        self.stale_if_error = Some(time);
        self
    }

    /// The age from which a result is computed again ahead of time.
    pub fn refreshed_after(&self) -> Option<Duration> {
        self.refresh_after
    }

    /// How much longer than its `maxage` a result stands in for an error.
    pub fn stale_for(&self) -> Option<Duration> {
        self.stale_if_error
    }

    /// Its name for people; `path` as in [`Function::key_of`].
    pub fn name<'a>(&'a self, path: &'a str) -> Cow<'a, str> {
        let path = as_written(path.trim_end_matches("::{{closure}}"));
        match &self.name {
            None => path,
            Some(name) if path.is_empty() => Cow::Borrowed(name),
            Some(name) => Cow::Owned(format!("{name}{path}")),
        }
    }

    /// Returns what it belongs to.
    pub fn origin(&self) -> Origin {
        let mut origin = Origin::default();
        self.package.iter().for_each(|package| package.describe(&mut origin));
        self.place.iter().for_each(|place| place.describe(&mut origin));
        origin
    }

    /// The digest of its code, if that is known.
    pub fn code_digest(&self) -> Option<Digest> {
        self.code
    }

    /// How old a result may be.
    pub fn oldest(&self) -> Option<Duration> {
        self.maxage
    }

    /// The key of a call: of an argument list, a tuple, or whatever else tells one call from another.
    #[inline]
    pub fn key<A: Serialize + ?Sized>(&self, arguments: &A) -> Result<Key, EncodingError> {
        self.key_of("", arguments)
    }

    /// The key of a call of one instance of a function: `path` names it, with its types.
    #[inline]
    pub fn key_of<A: Serialize + ?Sized>(&self, path: &str, arguments: &A) -> Result<Key, EncodingError> {
        self.key_with(path, |key| key.add(arguments))
    }

    /// The key of a call whose arguments are added one by one.
    #[inline]
    pub(crate) fn key_with(&self, path: &str, add: impl FnOnce(&mut KeyBuilder)) -> Result<Key, EncodingError> {
        let (known, prefix) = self.first.get_or_init(|| (path.into(), self.prefix(path)));
        let mut key = KeyBuilder::new(if **known == *path { *prefix } else { self.prefix(path) });
        add(&mut key);
        key.finish()
    }

    /// Returns the digest of all that tells it from other functions.
    pub(crate) fn identity(&self) -> Digest {
        BlockHasher::new(self.prefix("")).finish()
    }

    fn prefix(&self, path: &str) -> BlockState {
        let mut bytes = Vec::new();
        bytes.text(DOMAIN);
        bytes.bool(self.name.is_some());
        self.name.iter().for_each(|name| bytes.text(name));
        bytes.bool(self.code.is_some());
        self.code.iter().for_each(|code| bytes.digest(code));
        bytes.bool(self.version.is_some());
        self.version.iter().for_each(|version| bytes.text(version));
        bytes.bool(self.package.is_some());
        self.package.iter().for_each(|package| package.encode(&mut bytes));
        bytes.text(&as_written(path));
        bytes.bool(self.place.is_some());
        self.place.iter().for_each(|place| place.encode(&mut bytes));
        // To the end of a block: so the hash of most calls takes one more block and not two.
        BlockState::after(bytes)
    }
}

/// What precedes the name of a function whose body `#[memoize]` has moved to a function beside it.
const MOVED: &str = "__percache_body_of_";

/// Returns the path as it is without `#[memoize]`: a function keeps its results when it gets or loses a `handle`.
fn as_written(path: &str) -> Cow<'_, str> {
    if path.contains(MOVED) { Cow::Owned(path.replace(MOVED, "")) } else { Cow::Borrowed(path) }
}

/// The name of one result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub Digest);

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LEAF: Code = Code { digest: [1; 20], depends_on: &[] };
    static OTHER_LEAF: Code = Code { digest: [2; 20], depends_on: &[] };

    #[test]
    fn the_key_is_pinned() {
        let key = Function::new("f").key(&(1u64, "x")).unwrap();
        let mut hasher = Hasher::new();
        hasher.update(b"\x0f\0\0\0percache memo 2\x01\x01\0\0\0f\0\0\0\0\0\0\0\0");
        hasher.update(&[0; 31]);
        hasher.update(b"\x18\x09\x01\0\0\0\0\0\0\0\x13\x01x\0");
        assert_eq!(key.0, hasher.finish());
    }

    #[test]
    fn everything_that_identifies_a_function_is_in_the_key() {
        let key = |function: Function| function.key(&1u8).unwrap();
        let keys = [
            key(Function::new("f")),
            key(Function::new("g")),
            key(Function::new("f").version("1")),
            key(Function::new("f").version("")),
            key(Function::new("f").code(&LEAF)),
            key(Function::new("f").code(&OTHER_LEAF)),
            key(Function::new("f").package(Package::named("a"))),
            key(Function::new("f").package(Package::named("b"))),
            key(Function::new("f").package(Package::named("a").version("1"))),
            key(Function::new("f").place(Place { program: None, folder: "src", ordinal: 0 })),
            key(Function::new("f").place(Place { program: None, folder: "src", ordinal: 1 })),
            key(Function::new("f").place(Place { program: None, folder: "tests", ordinal: 0 })),
            key(Function::new("f").place(Place { program: Some("f"), folder: "src", ordinal: 0 })),
            Function::new("f").key_of("u8", &1u8).unwrap(),
        ];
        for (place, one) in keys.iter().enumerate() {
            assert!(!keys[..place].contains(one), "{place}");
        }
        assert_eq!(key(Function::new("f").maxage(Duration::ZERO)), keys[0]);
    }

    #[test]
    fn arguments_that_are_added_one_by_one_are_told_apart_like_those_of_a_tuple() {
        let function = Function::new("f");
        let key = |arguments: &[&str]| {
            let list = |key: &mut KeyBuilder| {
                key.begin_list();
                arguments.iter().for_each(|argument| key.add(argument));
                key.end_list();
            };
            function.key_with("", list).unwrap()
        };
        assert_eq!(key(&["a", "b"]), function.key(&("a", "b")).unwrap());
        assert_ne!(key(&["a", "b"]), key(&["ab", ""]));
        assert_ne!(key(&["a"]), key(&["a", ""]));
    }

    #[test]
    fn instances_of_a_generic_function_are_apart() {
        let function = Function::new("f");
        let [a, b] = ["f<u8>", "f<u16>"].map(|types| function.key_of(types, &1u8).unwrap());
        assert_ne!(a, b);
        assert_eq!(function.key_of("f<u8>", &1u8).unwrap(), a);
    }

    #[test]
    fn a_body_that_was_moved_changes_no_key() {
        let function = Function::by_path();
        let keys = ["app::f<u8>::{{closure}}", "app::__percache_body_of_f<u8>::{{closure}}"]
            .map(|path| function.key_of(path, &1u8).unwrap());
        assert_eq!(keys[0], keys[1]);
        assert_eq!(function.name("app::__percache_body_of_f<u8>::{{closure}}"), "app::f<u8>");
    }

    #[test]
    fn a_change_of_what_code_depends_on_is_a_change_of_the_code() {
        static ONE: Code = Code { digest: [3; 20], depends_on: &[&LEAF] };
        static OTHER: Code = Code { digest: [3; 20], depends_on: &[&OTHER_LEAF] };
        assert_ne!(ONE.total(), OTHER.total());
        assert_eq!(LEAF.total(), Digest([1; 20]));
    }

    #[test]
    fn long_arguments_count_to_the_last_byte() {
        let function = Function::new("f");
        let text = "x".repeat(10_000);
        let mut other = text.clone();
        other.replace_range(5_000..5_001, "y");
        assert_ne!(function.key(&text).unwrap(), function.key(&other).unwrap());
        assert_eq!(function.key(&text).unwrap(), function.key(&text.clone()).unwrap());
    }
}
