//! Random packages of four ecosystems, and random edits of their manifests. After every build the outputs are those of
//! a clean build, and exactly those commands ran whose inputs were never there before.
//!
//! `PERCACHE_PACKAGES_BUILDS` is the number of builds, `PERCACHE_PACKAGES_SEED` repeats one history.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

use super::project::{Ecosystem, Edit, Package, Project, ecosystem, edit, packages};
use crate::sandbox::{Sandbox, number};

const BUILDS: u64 = 40;

#[derive(Clone, Debug)]
enum Build {
    All,
    /// The tasks of one package, by its name or by its directory; or those of all packages by a glob.
    Named {
        package: u8,
        test: bool,
        by_name: bool,
    },
}

type History = (Ecosystem, BTreeMap<u8, Package>, Vec<(Vec<Edit>, bool, Build)>);

fn histories() -> impl Strategy<Value = History> {
    let named = (any::<u8>(), any::<bool>(), any::<bool>()).prop_map(|(package, test, by_name)| Build::Named {
        package,
        test,
        by_name,
    });
    let build = prop_oneof![3 => Just(Build::All), 1 => named];
    (ecosystem(), packages(), vec((vec(edit(), 0..4), prop::bool::weighted(0.1), build), 4..=20))
}

#[test]
fn incremental_equals_clean_whatever_the_manifests_say() {
    if let Some(seed) = number("PERCACHE_PACKAGES_SEED") {
        history(seed);
        return;
    }
    let first = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970").as_nanos() as u64;
    let (wanted, mut built) = (number("PERCACHE_PACKAGES_BUILDS").unwrap_or(BUILDS), 0);
    let mut seed = first;
    while built < wanted {
        built += history(seed);
        seed = seed.wrapping_add(1);
    }
    println!("{built} builds");
}

/// Plays one history. Returns the number of its builds.
fn history(seed: u64) -> u64 {
    let config = Config { cases: 1, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let builds = std::cell::Cell::new(0);
    let outcome = runner.run(&histories(), |history| {
        builds.set(builds.get() + history.2.len() as u64);
        play(history)
    });
    if let Err(error) = outcome {
        panic!("PERCACHE_PACKAGES_SEED={seed}\n{error}");
    }
    builds.get()
}

fn play((ecosystem, packages, rounds): History) -> TestCaseResult {
    let ws = Sandbox::empty();
    let mut project = Project::new(ecosystem, packages);
    let (mut files, mut known) = (BTreeMap::new(), BTreeSet::new());
    for (number, (edits, loses_outputs, build)) in rounds.iter().enumerate() {
        edits.iter().for_each(|edit| project.edit(edit));
        write(&ws, &mut files, project.files());
        if *loses_outputs {
            ws.shell("rm -f packages/*/out");
        }
        check(&ws, &project, build, &mut known)
            .map_err(|error| TestCaseError::fail(format!("in round {number}: {error}\n{files:#?}")))?;
    }
    Ok(())
}

/// Writes what differs, as a switch of branches does.
fn write(ws: &Sandbox, before: &mut BTreeMap<String, String>, now: BTreeMap<String, String>) {
    before.keys().filter(|path| !now.contains_key(*path)).for_each(|path| ws.remove(path));
    for (path, text) in now.iter().filter(|(path, text)| before.get(*path) != Some(*text)) {
        match path.strip_suffix("percache.toml") {
            Some(dir) => ws.config_in(dir.trim_end_matches('/'), text),
            None => ws.write(path, text),
        }
    }
    *before = now;
}

fn check(ws: &Sandbox, project: &Project, build: &Build, known: &mut BTreeSet<String>) -> TestCaseResult {
    let units = project.units();
    let everything: Vec<_> = units.values().flatten().collect();
    let (names, wanted): (Vec<String>, BTreeSet<String>) = match build {
        Build::All => (Vec::new(), everything.iter().map(|unit| unit.label.clone()).collect()),
        Build::Named { package, test, by_name } => {
            let (slot, tasks) =
                units.iter().nth(usize::from(*package) % units.len()).expect("the first package has tasks");
            let unit = &tasks[usize::from(*test)];
            let what = if *test { "test" } else { "build" };
            let name = if *by_name { format!("{}:{what}", project.package_name(*slot)) } else { unit.name.clone() };
            (vec![name], unit.needs.clone())
        }
    };
    let run = ws.run(ws.command("").arg("build").args(&names));
    prop_assert_eq!(run.status, 0, "{:?}\n{}", names, run.output());
    let wanted: Vec<_> = everything.iter().filter(|unit| wanted.contains(&unit.label)).collect();
    let mut expected: Vec<_> =
        wanted.iter().filter(|unit| known.insert(unit.key.clone())).map(|unit| unit.label.clone()).collect();
    expected.sort();
    prop_assert_eq!(&run.commands, &expected, "not these (right) ran (left) for {:?}\n{}", names, run.output());
    let outputs: BTreeMap<_, _> = wanted.iter().filter_map(|unit| unit.output.clone()).collect();
    for (path, text) in &outputs {
        prop_assert!(ws.exists(path), "there is no {path}\n{}", run.output());
        prop_assert_eq!(&ws.read(path), text, "{}\n{}", path, run.output());
    }
    if matches!(build, Build::All) {
        let found = ws.shell("find packages -name out");
        let left: Vec<_> = found.lines().filter(|path| !outputs.contains_key(*path)).collect();
        prop_assert!(left.is_empty(), "left: {left:?}\n{}", run.output());
    }
    Ok(())
}
