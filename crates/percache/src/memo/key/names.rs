//! No two callables under one name: percache does not see the code of a closure, so its name is all that its results are known by.

use std::any::TypeId;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Mutex, PoisonError, TryLockError};

use crate::base::digest::Digest;
use crate::memo::key::function::Function;

/// What was wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// Each closure and each function has a type of its own, wherever it is wrapped.
    kind: TypeId,
    /// Function pointers and trait objects do not say what they call; of them, the place where they are wrapped has to be the same.
    opaque_at: Option<&'static Location<'static>>,
    at: &'static Location<'static>,
}

impl Wrapped {
    /// A callable of type `F` that is wrapped at this place of the source.
    pub fn new<F>(at: &'static Location<'static>) -> Wrapped {
        let name = std::any::type_name::<F>();
        let opaque =
            name.contains("dyn ") || ["fn(", "for<", "unsafe ", "extern "].iter().any(|start| name.starts_with(start));
        Wrapped { kind: typeid::of::<F>(), opaque_at: opaque.then_some(at), at }
    }

    fn is(&self, other: &Wrapped) -> bool {
        self.kind == other.kind && self.opaque_at == other.opaque_at
    }
}

/// The callables that were wrapped in a cache, by what identifies them: name, version and package, and the type of what is in their
/// keys. Two callables of one name whose arguments are of different types never find each other's results.
#[derive(Default)]
pub struct Names(Mutex<HashMap<(Digest, String), Wrapped>>);

impl Names {
    /// Whether the name belongs to this callable: to the first that was called under it. Reports an error if not.
    ///
    /// `arguments` is the name of the type of what is in its keys.
    pub fn belong_to(&self, function: &Function, arguments: &str, wrapped: Wrapped) -> bool {
        let name = (function.identity(), encoded_as(arguments));
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = *names.entry(name).or_insert(wrapped);
        drop(names);
        let own = first.is(&wrapped);
        if !own {
            log::error!(
                "percache: two callables are named {:?}: the one wrapped at {} keeps the name, and what the one wrapped at {} \
                 returns is not kept; give each a name of its own, or another `version`",
                function.name(""),
                first.at,
                wrapped.at,
            );
        }
        own
    }
}

impl Names {
    /// The same names for a child of this process. A thread that the child does not have may have been about to add one: then, none.
    pub fn copied(&self) -> Names {
        match self.0.try_lock() {
            Ok(names) => Names(Mutex::new(names.clone())),
            Err(TryLockError::Poisoned(names)) => Names(Mutex::new(names.into_inner().clone())),
            Err(TryLockError::WouldBlock) => Names::default(),
        }
    }
}

/// One name for types whose values are encoded in the same way: those that own their data, and those that borrow it.
fn encoded_as(kind: &str) -> String {
    let owned = [
        ("&", ""),
        ("[", "<"),
        ("]", ">"),
        ("alloc::vec::Vec<", "<"),
        ("alloc::string::String", "str"),
        ("alloc::boxed::Box<str>", "str"),
        ("alloc::borrow::Cow<str>", "str"),
        ("std::path::PathBuf", "std::path::Path"),
    ];
    owned.iter().fold(kind.to_owned(), |kind, (from, to)| kind.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn of<F: Fn(u8) -> u8>(_: F) -> Wrapped {
        Wrapped::new::<F>(Location::caller())
    }

    fn plus_one(n: u8) -> u8 {
        n + 1
    }

    #[test]
    fn a_name_belongs_to_the_first_callable() {
        let names = Names::default();
        let own = |name, version, wrapped| names.belong_to(&Function::new(name).version(version), "u8", wrapped);
        let (one, two) = (of(|n| n + 1), of(|n| n + 2));
        assert!(own("f", "1", one) && own("f", "1", one));
        assert!(!own("f", "1", two));
        assert!(own("f", "2", two) && own("g", "1", two));
    }

    #[test]
    fn names_are_taken_in_a_child_of_the_process_as_well() {
        let names = Names::default();
        let own = |names: &Names, wrapped| names.belong_to(&Function::new("f"), "u8", wrapped);
        let (one, two) = (of(|n| n + 1), of(|n| n + 2));
        assert!(own(&names, one));
        let copy = names.copied();
        assert!(!own(&copy, two) && own(&copy, one));
        let adding = names.0.lock().unwrap();
        assert!(own(&names.copied(), two), "nobody would ever unlock it");
        drop(adding);
    }

    #[test]
    fn callables_of_other_arguments_are_apart() {
        use std::any::type_name;
        let names = Names::default();
        let own = |arguments, wrapped| names.belong_to(&Function::new("f"), arguments, wrapped);
        assert!(own(type_name::<(u32, u32)>(), of(|n| n)));
        assert!(own(type_name::<(f64, f64)>(), of(|n| n + 1)));
        assert!(own(type_name::<&str>(), of(|n| n + 2)));
        assert!(!own(type_name::<String>(), of(|n| n + 3)), "a text is a text");
        assert!(own(type_name::<&[u8]>(), of(|n| n + 4)));
        assert!(!own(type_name::<Vec<u8>>(), of(|n| n + 5)));
    }

    #[test]
    fn functions_are_the_same_wherever_they_are_wrapped() {
        let names = Names::default();
        assert!(names.belong_to(&Function::new("f"), "u8", of(plus_one)));
        assert!(names.belong_to(&Function::new("f"), "u8", of(plus_one)));
        let closure = |n: u8| n;
        assert!(names.belong_to(&Function::new("g"), "u8", of(closure)));
        assert!(names.belong_to(&Function::new("g"), "u8", of(closure)));
    }

    #[test]
    fn pointers_are_the_same_where_they_are_wrapped_at_one_place() {
        let names = Names::default();
        let pointer: fn(u8) -> u8 = plus_one;
        for _ in 0..2 {
            assert!(names.belong_to(&Function::new("f"), "u8", of(pointer)));
        }
        assert!(!names.belong_to(&Function::new("f"), "u8", of(pointer)));
        let boxed: Box<dyn Fn(u8) -> u8> = Box::new(plus_one);
        assert!(names.belong_to(&Function::new("h"), "u8", of(&boxed)));
        assert!(!names.belong_to(&Function::new("h"), "u8", of(&boxed)));
    }
}
