//! When evidence holds and when it does not.

use std::fs;

use super::*;
use crate::finding::Finding;
use crate::finding::tests::example;
use crate::journal::{Evidence, Journal, PathLists, TaskRecord};
use crate::known::{Builder, Seen};
use percache::Digest;
use percache::store::record::Time;

struct Place {
    dir: tempfile::TempDir,
    journal: Journal,
}

const ASKED: (&[u8], &[u8]) = (b"args", b"r");

impl Place {
    /// A workspace of two tasks: `app` rests on `file` and the root, `doc` on the absence of `none`.
    fn new(env: &Caller) -> Place {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        fs::write(dir.path().join("toml"), "x").unwrap();
        let mut files = Builder::default();
        for path in ["", "file", "none", "toml"] {
            let stamp = Stamp::at(&dir.path().join(path)).unwrap();
            files.push(path.as_bytes(), &Seen { stamp, digest: None, settled: true });
        }
        let mut lists = PathLists::default();
        for list in [&[3][..], &[0, 1], &[2]] {
            lists.push(list.iter().copied());
        }
        let task = |list: u32| TaskRecord {
            key: None,
            fingerprint: Digest::default(),
            created: 0,
            took: 0,
            previous: None,
            discovered: Vec::new(),
            outputs: Vec::new(),
            others: Vec::new(),
            evidence: Evidence { sure: true, expiry: Time::MAX, lists: vec![list] },
        };
        let finding = Finding {
            environment: variables_digest(env, &example().variables),
            tools: Vec::new(),
            request: Some((Digest::of(b"r"), vec![0, 1])),
            ..example()
        };
        let tasks = [("app", 1), ("doc", 2)].map(|(name, list)| (name.to_owned(), task(list)));
        let journal = Journal {
            epoch: 3,
            tasks: tasks.into(),
            files: files.finish(),
            lists,
            finding: Some(finding),
            ..Journal::default()
        };
        Place { dir, journal }
    }

    fn bytes(&self) -> Arc<Image> {
        let store = tempfile::tempdir().unwrap();
        let path = store.path().join("journal");
        Journal::save(&self.journal.encode(), &path).unwrap();
        Arc::new(Image::of(&path).unwrap())
    }

    /// The tasks that are untouched; `all` when that is all that are asked for.
    fn holds(&self, (args, tasks): (&[u8], &[u8]), epoch: u64, caller: &Caller) -> Option<String> {
        let asked = Asked { args: Digest::of(args), tasks: Digest::of(tasks) };
        let around = Surroundings { root: self.dir.path(), epoch, caller };
        let holds = check(&self.bytes(), &asked, around, 2).filter(|holds| holds.conditions)?;
        let mut names: Vec<_> = holds.untouched.into_iter().collect();
        names.sort();
        Some(match holds.idle {
            Some(_) => "all".to_owned(),
            None => names.join(" "),
        })
    }
}

fn caller(pairs: &[(&str, &str)]) -> Caller {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn all() -> Option<String> {
    Some("all".to_owned())
}

#[test]
fn it_holds_as_long_as_the_conditions_are_the_same() {
    let env = caller(&[("CC", "gcc"), ("OTHER", "1")]);
    let place = Place::new(&env);
    assert_eq!(place.holds(ASKED, 3, &env), all());
    assert_eq!(place.holds(ASKED, 3, &caller(&[("CC", "gcc"), ("OTHER", "2")])), all());
    assert_eq!(place.holds((b"args", b"other"), 3, &env), Some("app doc".to_owned()), "other tasks are asked for");
    assert_eq!(place.holds((b"other", b"r"), 3, &env), None, "other arguments");
    assert_eq!(place.holds(ASKED, 4, &env), None, "results were removed");
    assert_eq!(place.holds(ASKED, 3, &caller(&[("CC", "clang")])), None);
    assert_eq!(place.holds(ASKED, 3, &caller(&[("CC", "gcc"), ("LC_ALL", "C")])), None);
    fs::write(place.dir.path().join("toml"), "xy").unwrap();
    assert_eq!(place.holds(ASKED, 3, &env), None, "the configuration");
}

#[test]
fn a_task_is_untouched_as_long_as_its_own_paths_are() {
    let env = Caller::new();
    let mut place = Place::new(&env);
    fs::write(place.dir.path().join("file"), "xy").unwrap();
    assert_eq!(place.holds(ASKED, 3, &env), Some("doc".to_owned()));
    place = Place::new(&env);
    fs::create_dir(place.dir.path().join("none")).unwrap();
    assert_eq!(place.holds(ASKED, 3, &env), Some(String::new()), "the directory changed, and what was absent");
    place = Place::new(&env);
    place.journal.tasks.get_mut("app").unwrap().evidence.sure = false;
    assert_eq!(place.holds(ASKED, 3, &env), Some("doc".to_owned()), "its paths are not all");
    place.journal.tasks.get_mut("doc").unwrap().evidence.expiry = now();
    assert_eq!(place.holds(ASKED, 3, &env), Some(String::new()), "its result is too old");
}

#[test]
fn a_stamp_that_is_not_settled_counts_for_nothing() {
    let env = Caller::new();
    let mut place = Place::new(&env);
    let mut files = Builder::default();
    for i in 0..place.journal.files.len() {
        let seen = place.journal.files.seen(i);
        files.push(place.journal.files.path(i), &Seen { settled: i != 1, ..seen });
    }
    place.journal.files = files.finish();
    assert_eq!(place.holds(ASKED, 3, &env), Some("doc".to_owned()));
}

#[test]
fn a_tool_is_asked_again() {
    let env: Caller = std::env::vars_os().filter(|(name, _)| name == "PATH").collect();
    let mut place = Place::new(&env);
    let said = place.dir.path().join("said");
    fs::write(&said, "1").unwrap();
    let tool = Tool { command: format!("cat '{}'", said.display()), ..example().tools[0].clone() };
    let finding = place.journal.finding.as_mut().unwrap();
    finding.tools = vec![tool];
    let root = Stamp::at(place.dir.path()).unwrap();
    let mut files = Builder::default();
    for i in 0..place.journal.files.len() {
        let seen = place.journal.files.seen(i);
        files.push(place.journal.files.path(i), &Seen { stamp: if i == 0 { root } else { seen.stamp }, ..seen });
    }
    place.journal.files = files.finish();
    assert_eq!(place.holds(ASKED, 3, &env), all());
    fs::write(&said, "2").unwrap();
    assert_eq!(place.holds(ASKED, 3, &env), None);
}

#[test]
fn a_damaged_journal_never_holds() {
    let env = Caller::new();
    let place = Place::new(&env);
    let whole = place.bytes();
    let asked = Asked { args: Digest::of(ASKED.0), tasks: Digest::of(ASKED.1) };
    let around = Surroundings { root: place.dir.path(), epoch: 3, caller: &env };
    assert!(check(&whole, &asked, around, 1).is_some());
    for position in 0..whole.len() {
        let mut damaged = whole.to_vec();
        damaged[position] ^= 1;
        assert!(check(&Arc::new(damaged.into()), &asked, around, 1).is_none(), "{position}");
    }
}

/// What stands in a damaged journal is no command.
#[test]
fn a_damaged_journal_runs_nothing() {
    let env: Caller = std::env::vars_os().filter(|(name, _)| name == "PATH").collect();
    let mut place = Place::new(&env);
    let ran = place.dir.path().join("ran");
    let tool = Tool { command: format!("touch '{}'", ran.display()), ..example().tools[0].clone() };
    place.journal.finding.as_mut().unwrap().tools = vec![tool];
    let asked = Asked { args: Digest::of(ASKED.0), tasks: Digest::of(ASKED.1) };
    let around = Surroundings { root: place.dir.path(), epoch: 3, caller: &env };
    let mut damaged = place.bytes().to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(check(&Arc::new(damaged.into()), &asked, around, 1).is_none());
    assert!(!ran.exists());
    drop(check(&place.bytes(), &asked, around, 1));
    assert!(ran.exists(), "a whole one is asked for its tools");
}
