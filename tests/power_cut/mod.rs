//! Power cuts: what a build, `gc` and `clear` do to the files of the store is recorded, call by call (`shim.c`). After every one of
//! these calls the power fails: a disk is made on which what was not synced is lost, torn, zeros or out of order (`disk`). On every
//! such disk the store opens, every visible result is whole, the build is right, and what was stored before is still there.
//!
//! The method is that of redb's crash tests. Some dozens of disks by default; `PERCACHE_POWER_CUTS=all` takes every one;
//! `PERCACHE_POWER_SEED` repeats one run.

mod disk;
mod log;

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use crate::sandbox::{Chance, Sandbox};
use disk::{CUTS, Disk, Image};

/// Disks for each recording, unless all are asked for.
const SOME: usize = 15;

const CONFIG: &str = r#"
    [task.copy]
    foreach = "src/*"
    command = "@ran({name}); cat {file} {file} > out/{name}"
    inputs = ["{file}"]
    outputs = ["out/{name}"]

    [task.long]
    command = "@ran(long); cat src/a src/b noise > out/long"
    inputs = ["noise", "src/a", "src/b"]
    outputs = ["out/long"]
"#;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn noise() -> Vec<u8> {
    (0..1_500_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn become_version(ws: &Sandbox, version: u32) {
    NAMES.iter().for_each(|name| ws.write(&format!("src/{name}"), text(version, name)));
}

fn text(version: u32, name: &str) -> String {
    // Long enough to lie in a blob file, short enough not to be cut.
    format!("{version}{name} ").repeat(400)
}

fn is_right(ws: &Sandbox, version: u32, context: &str) {
    for name in NAMES {
        assert!(ws.read(&format!("out/{name}")) == text(version, name).repeat(2), "out/{name} is wrong, {context}");
    }
    let expected = [text(version, "a").as_bytes(), text(version, "b").as_bytes(), &noise()].concat();
    assert!(fs::read(ws.path("out/long")).unwrap() == expected, "out/long is wrong, {context}");
}

fn workspace() -> Sandbox {
    let ws = Sandbox::new(CONFIG);
    ws.write("noise", noise());
    ws
}

/// Puts an image in the place of the store.
fn install(image: &Image, store: &Path) {
    let _ = fs::remove_dir_all(store);
    fs::create_dir_all(store).expect("creating the store");
    image.directories.iter().for_each(|path| fs::create_dir_all(store.join(path)).expect("creating a directory"));
    for (path, content) in &image.files {
        // A name may be permanent before that of its directory is.
        fs::create_dir_all(store.join(path).parent().expect("a directory above")).expect("creating a directory");
        fs::write(store.join(path), content).expect("writing a file");
    }
}

/// Plays every cut of what `arguments` does; `before` are the versions whose results have to survive. `then` is the version that lies
/// in the tree.
fn cut_everywhere(ws: &Sandbox, arguments: &[&str], before: &[u32], then: u32) {
    let Some(library) = log::compile(&ws.outside("tmp")) else {
        println!("skipped: there is no C compiler, or no LD_PRELOAD");
        return;
    };
    let (store, recording) = (ws.path(".percache"), ws.outside("recording"));
    let mut base = Disk::load(&store);
    let mut command = ws.command("");
    log::record(command.args(arguments), &library, &store, &recording);
    ws.run(&mut command).succeeds();
    let calls = log::parse(&fs::read(&recording).expect("a recording"), &store);
    let changes = calls.iter().filter(|call| call.changes()).count();
    assert!(changes > 20, "{changes} changes were recorded: {calls:?}");
    let all = std::env::var("PERCACHE_POWER_CUTS").is_ok_and(|text| text == "all");
    let mut chance = Chance::from_env("PERCACHE_POWER_SEED");
    let (mut seen, mut disks, hasher) = (HashSet::new(), 0, RandomState::new());
    for (number, call) in calls.iter().enumerate() {
        base.apply(call);
        for how in CUTS.into_iter().filter(|_| call.changes()) {
            if !all && chance.below((changes * CUTS.len()) as u64) >= SOME as u64 {
                continue;
            }
            let image = base.cut(how, &mut chance);
            if seen.insert(hasher.hash_one(&image)) {
                disks += 1;
                install(&image, &store);
                holds(ws, before, then, &format!("{how:?} after call {number}, {}", describe(call)));
            }
        }
    }
    println!("{}: {changes} write points, {disks} different disks", arguments.join(" "));
}

fn describe(call: &log::Call) -> String {
    let mut text = format!("{call:?}");
    text.truncate(120);
    text
}

/// The store opens, what it shows is whole, a build is right, and nothing that was there before is lost.
fn holds(ws: &Sandbox, before: &[u32], then: u32, context: &str) {
    ws.shell("rm -rf out");
    become_version(ws, then);
    let verified = ws.percache(["verify"]);
    assert_eq!(verified.status, 0, "{context}\n{}", verified.output());
    let run = ws.build([]);
    assert_eq!(run.status, 0, "{context}\n{}", run.output());
    assert!(!run.output().contains("warning"), "{context}\n{}", run.output());
    is_right(ws, then, context);
    for version in before {
        ws.shell("rm -rf out");
        become_version(ws, *version);
        let run = ws.build([]);
        assert!(run.commands.is_empty(), "{:?} had to run again, {context}\n{}", run.commands, run.output());
        is_right(ws, *version, context);
    }
}

#[test]
fn the_first_build() {
    let ws = workspace();
    become_version(&ws, 1);
    cut_everywhere(&ws, &["build"], &[], 1);
}

#[test]
fn a_build_that_adds_results() {
    let ws = workspace();
    become_version(&ws, 1);
    ws.build([]).succeeds();
    become_version(&ws, 2);
    cut_everywhere(&ws, &["build"], &[1], 2);
}

#[test]
fn gc_that_gives_space_back() {
    let ws = workspace();
    for version in [1, 2] {
        become_version(&ws, version);
        ws.build([]).succeeds();
    }
    ws.write("src/d", "of no use any more".repeat(200));
    ws.build([]).succeeds();
    ws.remove("src/d");
    ws.remove("out/d");
    ws.build([]).succeeds();
    cut_everywhere(&ws, &["clear", "copy"], &[], 2);
    let ws = workspace();
    become_version(&ws, 1);
    ws.build([]).succeeds();
    ws.build(["--force"]).succeeds();
    become_version(&ws, 2);
    ws.build([]).succeeds();
    ws.percache(["clear", "long"]).succeeds();
    ws.build([]).succeeds();
    cut_everywhere(&ws, &["gc"], &[2], 2);
}
