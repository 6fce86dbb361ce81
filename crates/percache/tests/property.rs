//! A memoized program and the plain one do the same, whatever the program.

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

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use percache::backend::{DatabaseBackend, MemoryBackend};
use percache::db::memory::MemoryEngine;
use percache::{Cache, Function};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Argument {
    Nothing,
    Number(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Maybe(Option<Box<Argument>>),
    List(Vec<Argument>),
    Map(BTreeMap<String, Argument>),
    Hashed(HashMap<u8, u8>),
    Set(HashSet<u8>),
}

fn argument() -> impl Strategy<Value = Argument> {
    let leaf = prop_oneof![
        Just(Argument::Nothing),
        (-2i64..3).prop_map(Argument::Number),
        prop_oneof![Just(0.0), Just(-0.0), Just(1.0), any::<f64>()].prop_map(Argument::Float),
        "[a1]{0,2}".prop_map(Argument::Text),
        prop::collection::vec(0u8..2, 0..3).prop_map(Argument::Bytes),
        prop::collection::hash_map(0u8..3, 0u8..2, 0..3).prop_map(Argument::Hashed),
        prop::collection::hash_set(0u8..5, 0..4).prop_map(Argument::Set),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::option::of(inner.clone().prop_map(Box::new)).prop_map(Argument::Maybe),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Argument::List),
            prop::collection::btree_map("[ab]", inner, 0..3).prop_map(Argument::Map),
        ]
    })
}

#[derive(Clone, Debug)]
enum Step {
    Call { function: u8, version: u8, arguments: (Argument, Argument) },
    Sync,
    Clear,
    ClearOld,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0u8..3, 0u8..2, (argument(), argument()))
            .prop_map(|(function, version, arguments)| Step::Call { function, version, arguments }),
        1 => Just(Step::Sync),
        1 => Just(Step::Clear),
        1 => Just(Step::ClearOld),
        1 => Just(Step::Reopen),
    ]
}

/// What function number `function` returns in a version: different for each function and version, and all of the arguments is in it.
fn plain(function: u8, version: u8, arguments: &(Argument, Argument)) -> (u8, u8, (Argument, Argument)) {
    (function, version, arguments.clone())
}

/// Equality that tells floats apart by their bits, and sets by what is in them.
fn same(one: &(Argument, Argument), other: &(Argument, Argument)) -> bool {
    fn bits(argument: &Argument) -> Vec<u64> {
        match argument {
            Argument::Float(float) => vec![float.to_bits()],
            Argument::Maybe(Some(inner)) => bits(inner),
            Argument::List(list) => list.iter().flat_map(bits).collect(),
            Argument::Map(map) => map.values().flat_map(bits).collect(),
            _ => Vec::new(),
        }
    }
    let has_nan = |argument: &Argument| bits(argument).iter().any(|float| f64::from_bits(*float).is_nan());
    let equal = |a: &Argument, b: &Argument| (a == b || has_nan(a)) && bits(a) == bits(b);
    equal(&one.0, &other.0) && equal(&one.1, &other.1)
}

fn check(
    steps: Vec<Step>,
    hot_bytes: usize,
    open: impl Fn(percache::CacheBuilder) -> Cache,
) -> Result<(), TestCaseError> {
    let builder = || Cache::builder().hot_bytes(hot_bytes);
    let mut cache = open(builder());
    let mut known: Vec<(u8, u8, (Argument, Argument))> = Vec::new();
    for step in steps {
        match step {
            Step::Call { function, version, arguments } => {
                let ran = Cell::new(false);
                let wrapped = cache
                    .wrap(format!("f{function}"), |arguments: (Argument, Argument)| {
                        ran.set(true);
                        plain(function, version, &arguments)
                    })
                    .version(version.to_string());
                let got = wrapped.call(arguments.clone());
                prop_assert_eq!((got.0, got.1), (function, version));
                prop_assert!(same(&got.2, &arguments), "{:?} for {:?}", got.2, arguments);
                let is_known = known.iter().any(|(f, v, a)| *f == function && *v == version && same(a, &arguments));
                prop_assert_eq!(ran.get(), !is_known, "{:?}", arguments);
                if !is_known {
                    known.push((function, version, arguments));
                }
            }
            Step::Sync => cache.sync().unwrap(),
            Step::Clear => {
                prop_assert_eq!(cache.clear(None).unwrap().results, known.len() as u64);
                known.clear();
            }
            Step::ClearOld => prop_assert_eq!(cache.clear(Some(Duration::from_secs(3600))).unwrap().results, 0),
            Step::Reopen => {
                cache.close().unwrap();
                cache = open(builder());
            }
        }
        prop_assert_eq!(cache.stats().unwrap().results, known.len() as u64);
    }
    Ok(())
}

proptest! {
    #[test]
    fn memoized_is_plain_in_memory(steps in prop::collection::vec(step(), 0..60), hot in prop_oneof![Just(0usize), Just(1000), Just(1 << 20)]) {
        let backend = std::sync::Arc::new(MemoryBackend::new());
        check(steps, hot, |builder| builder.backend(backend.clone()))?;
    }

    #[test]
    fn memoized_is_plain_on_a_database(steps in prop::collection::vec(step(), 0..60), hot in prop_oneof![Just(0usize), Just(1 << 20)]) {
        let steps: Vec<Step> = steps.into_iter().filter(|step| !matches!(step, Step::Reopen)).collect();
        check(steps, hot, |builder| builder.backend(DatabaseBackend::new(Box::new(MemoryEngine::new()))))?;
    }

    #[test]
    fn keys_are_equal_when_arguments_are(one in (argument(), argument()), other in (argument(), argument())) {
        let key = |arguments: &(Argument, Argument)| Function::new("f").key(arguments).unwrap();
        prop_assert_eq!(key(&one) == key(&other), same(&one, &other));
        prop_assert_eq!(key(&one), key(&one.clone()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn memoized_is_plain_on_disk(steps in prop::collection::vec(step(), 0..60), is_hot in any::<bool>()) {
        let hot = if is_hot { 1 << 20 } else { 0 };
        for (_, open) in common::ON_DISK {
            let dir = tempfile::tempdir().unwrap();
            check(steps.clone(), hot, |builder| open(builder, dir.path()))?;
        }
    }
}
