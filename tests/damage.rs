//! Damaged: whatever happens to the files of the store, a build is right and says at most one thing about it, `verify` finds what is
//! broken, and `verify --repair` keeps what is whole.
//!
//! By default every 211th byte of the small files is damaged, and each file as a whole in two of five ways; `PERCACHE_DAMAGE_STEP=1`
//! damages each byte and in every way.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::{Chance, Sandbox, number};

const DEFAULT_STEP: u64 = 211;
/// Smaller files are damaged byte by byte, those above in [`PLACES`] places.
const SMALL: usize = 4096;
const PLACES: usize = 6;

const CONFIG: &str = r#"
    [task.copy]
    foreach = "src/*"
    command = "@ran({name}); cat {file} noise > out/{name}"
    inputs = ["{file}", "noise"]
    outputs = ["out/{name}"]

    [task.quiet]
    command = "@ran(quiet); cat src/a > out/quiet; mkdir -p out/empty.dir"
    inputs = ["src/a"]
    outputs = ["out/quiet", "out/empty.dir/"]

    [task.small]
    command = "@ran(small); cat small > out/small"
    inputs = ["small"]
    outputs = ["out/small"]
"#;

const NAMES: [&str; 3] = ["a", "b", "c"];
const VERSIONS: [u64; 3] = [1, 2, 3];

fn noise() -> Vec<u8> {
    // So much that a session writes it to the database, and not to the tail.
    let mut chance = Chance::new(1);
    (0..100_000).map(|_| chance.below(256) as u8).collect()
}

fn become_version(ws: &Sandbox, version: u64) {
    NAMES.iter().for_each(|name| ws.write(&format!("src/{name}"), format!("{version}{name}")));
}

fn is_right(ws: &Sandbox, version: u64, context: &str) {
    for name in NAMES {
        let expected = [format!("{version}{name}").as_bytes(), &noise()].concat();
        assert!(fs::read(ws.path(&format!("out/{name}"))).unwrap() == expected, "out/{name} is wrong: {context}");
    }
    assert_eq!(ws.read("out/quiet"), format!("{version}a"), "{context}");
    assert!(ws.path("out/empty.dir").is_dir(), "{context}");
    assert_eq!(ws.read("out/small"), "2", "{context}");
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

/// A workspace with results of all versions, each stored by a session of its own, and a copy of its store.
struct Damaged {
    ws: Sandbox,
    checks: u64,
    warned: u64,
    found: u64,
}

impl Damaged {
    fn new() -> Damaged {
        let ws = Sandbox::new(CONFIG);
        ws.write("noise", noise());
        ws.write("small", "1");
        for version in VERSIONS {
            become_version(&ws, version);
            ws.build([]).succeeds();
        }
        // The tail has one too.
        ws.write("small", "2");
        ws.build([]).ran(["small"]);
        assert!(ws.path(".percache/tail").exists());
        // One more with nothing to do, for the journal.
        std::thread::sleep(std::time::Duration::from_millis(30));
        ws.build([]).ran([]);
        ws.shell("cp -a .percache ../whole");
        Damaged { ws, checks: 0, warned: 0, found: 0 }
    }

    fn files(&self) -> Vec<PathBuf> {
        let whole = self.ws.outside("whole");
        let files = files_below(&whole).into_iter().map(|path| path.strip_prefix(&whole).unwrap().to_owned());
        files.filter(|path| !path.ends_with("lock") && !path.ends_with("LOCK")).collect()
    }

    fn bytes(&self, file: &Path) -> Vec<u8> {
        fs::read(self.ws.outside("whole").join(file)).unwrap()
    }

    /// The store with `content` in the place of a file; `None`: without the file.
    fn damage(&self, file: &Path, content: Option<&[u8]>) {
        self.ws.shell("rm -rf .percache out && cp -a ../whole .percache");
        let path = self.ws.path(".percache").join(file);
        match content {
            Some(content) => fs::write(path, content).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
    }

    /// Builds are right, and say at most one thing.
    fn builds(&mut self, context: &str) {
        self.checks += 1;
        become_version(&self.ws, 2);
        let run = self.ws.build([]).succeeds();
        is_right(&self.ws, 2, context);
        let warnings = run.output().matches("warning").count();
        assert!(warnings <= 1, "{warnings} warnings: {context}\n{}", run.output());
        self.warned += warnings as u64;
        become_version(&self.ws, 4);
        self.ws.build([]).succeeds();
        is_right(&self.ws, 4, context);
    }

    /// After a repair the store is sound and works without a word; how many versions it still has as a whole.
    fn repairs(&mut self, context: &str) -> usize {
        self.checks += 1;
        let found = self.ws.percache(["verify"]);
        let says = format!("{context}\n{}", found.output());
        assert!([0, 1].contains(&found.status), "{says}");
        self.found += u64::from(found.status == 1);
        let repaired = self.ws.percache(["verify", "--repair"]);
        assert_eq!(repaired.status, 0, "{context}\n{}", repaired.output());
        let verified = self.ws.percache(["verify"]);
        assert_eq!(verified.status, 0, "not sound after a repair, {context}\n{}", verified.output());
        let kept = VERSIONS.into_iter().filter(|version| {
            self.ws.shell("rm -rf out");
            become_version(&self.ws, *version);
            let run = self.ws.build([]).succeeds().does_not_say("warning");
            is_right(&self.ws, *version, context);
            run.commands.iter().all(|command| command == "small")
        });
        kept.count()
    }

    fn report(&self, what: &str) {
        println!(
            "{what}: {} checks, {} builds with a warning, {} found by verify",
            self.checks, self.warned, self.found
        );
    }
}

#[test]
fn every_file_cut_emptied_filled_with_garbage_and_removed() {
    let mut store = Damaged::new();
    let thorough = number("PERCACHE_DAMAGE_STEP").is_some();
    for (number, file) in store.files().into_iter().enumerate() {
        let whole = store.bytes(&file);
        let garbage: Vec<u8> = (0..whole.len().max(64)).map(|n| (n * 7 + 13) as u8).collect();
        let ways: [(&str, Option<&[u8]>); 5] = [
            ("cut in half", Some(&whole[..whole.len() / 2])),
            ("without its last byte", Some(&whole[..whole.len().saturating_sub(1)])),
            ("empty", Some(&[])),
            ("garbage", Some(&garbage)),
            ("missing", None),
        ];
        for (way, (how, content)) in ways.into_iter().enumerate() {
            if !thorough && ![number % 5, (number + 2) % 5].contains(&way) {
                continue;
            }
            let context = format!("{} is {how}", file.display());
            store.damage(&file, content);
            store.builds(&context);
            store.damage(&file, content);
            let kept = store.repairs(&context);
            // A table or a blob file has results of one version; a session, and so a version, has its own.
            assert!(kept + 1 >= VERSIONS.len(), "only {kept} of {} versions are left: {context}", VERSIONS.len());
        }
    }
    store.report("whole files");
}

#[test]
fn every_byte_flipped() {
    let mut store = Damaged::new();
    let step = number("PERCACHE_DAMAGE_STEP").unwrap_or(DEFAULT_STEP) as usize;
    for file in store.files() {
        let whole = store.bytes(&file);
        let step = if whole.len() > SMALL { (whole.len() / PLACES).max(step) } else { step };
        for at in (0..whole.len()).step_by(step) {
            let context = format!("byte {at} of {} is flipped", file.display());
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            store.damage(&file, Some(&flipped));
            store.builds(&context);
            if at % (2 * step) == 0 {
                store.damage(&file, Some(&flipped));
                let kept = store.repairs(&context);
                assert!(kept + 1 >= VERSIONS.len(), "only {kept} versions are left: {context}");
            }
        }
    }
    store.report("single bytes");
}

/// A damaged blob is written again by the build that notices it: the next one finds it whole, without any repair.
#[test]
fn a_damaged_blob_is_mended_by_the_next_build() {
    let mut store = Damaged::new();
    let blobs: Vec<_> =
        store.files().into_iter().filter(|file| file.extension().is_some_and(|e| e == "blob")).collect();
    assert_eq!(blobs.len(), VERSIONS.len(), "one for each session");
    for file in blobs {
        let mut bytes = store.bytes(&file);
        let length = bytes.len();
        bytes[100..length - 50].fill(0);
        store.damage(&file, Some(&bytes));
        let mut ran = 0;
        for version in VERSIONS {
            become_version(&store.ws, version);
            let run = store.ws.build([]).succeeds();
            ran += run.commands.len();
            assert_eq!(run.output().contains("warning"), !run.commands.is_empty(), "{}", run.output());
            is_right(&store.ws, version, "");
        }
        assert!((1..=4).contains(&ran), "{ran}");
        store.ws.percache(["verify"]).succeeds();
        for version in VERSIONS {
            store.ws.remove("out");
            become_version(&store.ws, version);
            store.ws.build([]).ran([]).does_not_say("warning");
            is_right(&store.ws, version, "");
        }
    }
    store.checks += 1;
}

#[test]
fn a_directory_in_the_place_of_a_file_and_a_file_in_that_of_a_directory() {
    let mut store = Damaged::new();
    let mut places = store.files();
    places.extend(["db", "claims", "worktrees"].map(PathBuf::from));
    for place in places {
        let context = format!("{} is something else", place.display());
        store.ws.shell("rm -rf .percache out && cp -a ../whole .percache");
        let path = store.ws.path(".percache").join(&place);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
            fs::write(&path, "a file").unwrap();
        } else {
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            fs::write(path.join("inside"), "").unwrap();
        }
        store.builds(&context);
    }
    store.report("other kinds");
}

#[test]
fn the_whole_store_removed_between_builds_and_during_one() {
    let store = Damaged::new();
    store.ws.remove(".percache");
    become_version(&store.ws, 1);
    store.ws.build([]).succeeds().does_not_say("warning");
    is_right(&store.ws, 1, "removed between builds");
    store.ws.edit_config("cat src/a > out/quiet", "rm -rf .percache; cat src/a > out/quiet");
    become_version(&store.ws, 2);
    let run = store.ws.build([]).succeeds();
    assert!(run.output().matches("warning").count() <= 1, "{}", run.output());
    is_right(&store.ws, 2, "removed by a command");
    store.ws.build([]).succeeds();
    is_right(&store.ws, 2, "after that");
}
