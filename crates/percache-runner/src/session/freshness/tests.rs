//! Tests of when evidence holds and when it does not.

use std::fs;

use super::*;
use crate::fs::stamp::Stamp;
use crate::fs::stat_table::{Builder, Seen};
use crate::worktree::conditions::Finding;
use crate::worktree::conditions::tests::example;
use crate::worktree::journal::{Evidence, Journal, PathLists, TaskRecord};
use percache::Digest;
use percache::base::clock::{Micros, Time};

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
            let digest = matches!(path, "file" | "toml").then(|| Digest::of(b"x"));
            files.push(path.as_bytes(), &Seen { stamp, digest, settled: true });
        }
        let mut lists = PathLists::default();
        for list in [&[3][..], &[0, 1], &[2]] {
            lists.push(list.iter().copied());
        }
        let task = |list: u32| TaskRecord {
            key: None,
            fingerprint: percache::store::id::Fingerprint::default(),
            created: Time::EPOCH,
            took: Micros::ZERO,
            previous: None,
            discovered: Default::default(),
            outputs: Default::default(),
            failed: false,
            on_remote: false,
            uncertain: Vec::new(),
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

    /// Replaces the state that was seen at a position.
    fn with(mut self, position: usize, change: impl FnOnce(&mut Seen)) -> Place {
        let mut seen = self.journal.files.seen(position);
        change(&mut seen);
        self.journal.files = self.journal.files.with([(position, seen)]);
        self
    }

    fn check(&self, (args, tasks): (&[u8], &[u8])) -> Freshness {
        let asked = Asked { args: Digest::of(args), tasks: Digest::of(tasks) };
        let around = Surroundings { root: self.dir.path(), epoch: 3, caller: &Caller::new() };
        check(&self.bytes(), &asked, around, 2).unwrap()
    }

    /// Returns the untouched tasks; `all` if these are all requested tasks.
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
    place.journal.tasks.get_mut("doc").unwrap().evidence.expiry = Time::now();
    assert_eq!(place.holds(ASKED, 3, &env), Some(String::new()), "its result is too old");
}

const ROOT: usize = 0;
const FILE: usize = 1;
const TOML: usize = 3;

#[test]
fn a_stamp_that_is_not_settled_counts_for_nothing() {
    let env = Caller::new();
    let place = Place::new(&env).with(ROOT, |seen| seen.settled = false);
    assert_eq!(place.holds(ASKED, 3, &env), Some("doc".to_owned()));
    let place = Place::new(&env).with(FILE, |seen| (seen.settled, seen.digest) = (false, None));
    assert_eq!(place.holds(ASKED, 3, &env), Some("doc".to_owned()));
}

#[test]
fn a_file_that_its_stamp_does_not_show_is_read() {
    let env = Caller::new();
    let place = Place::new(&env).with(FILE, |seen| seen.settled = false);
    assert_eq!(place.holds(ASKED, 3, &env), all(), "too young, and the same");
    let digest = Some(Digest::of(b"y"));
    let place = Place::new(&env).with(FILE, |seen| (seen.settled, seen.digest) = (false, digest));
    assert_eq!(place.holds(ASKED, 3, &env), Some("doc".to_owned()), "too young, and another");
    let touched = |at: usize| Place::new(&env).with(at, |seen| seen.stamp.as_mut().unwrap().mtime -= 1);
    assert_eq!(touched(FILE).holds(ASKED, 3, &env), all(), "touched");
    assert_eq!(touched(TOML).holds(ASKED, 3, &env), all(), "the configuration is touched");
    assert_eq!(touched(ROOT).holds(ASKED, 3, &env), Some("doc".to_owned()), "what is in a directory is not read");
    let place = touched(FILE);
    fs::write(place.dir.path().join("file"), "y").unwrap();
    assert_eq!(place.holds(ASKED, 3, &env), Some("doc".to_owned()), "written");
    fs::write(place.dir.path().join("toml"), "y").unwrap();
    assert_eq!(place.holds(ASKED, 3, &env), None, "the configuration is written");
}

#[test]
fn what_is_read_is_known_from_then_on() {
    let place = Place::new(&Caller::new()).with(FILE, |seen| seen.stamp.as_mut().unwrap().ctime -= 1);
    let now = Stamp::at(&place.dir.path().join("file")).unwrap();
    let read = place.check(ASKED).read;
    assert_eq!(read.len(), 1);
    assert_eq!((read[0].0, read[0].1.stamp, read[0].1.digest), (FILE, now, Some(Digest::of(b"x"))));
    assert!(!read[0].1.settled, "it was made a moment ago");
    fs::write(place.dir.path().join("file"), "y").unwrap();
    let read = place.check(ASKED).read;
    assert_eq!(read[0].1.digest, Some(Digest::of(b"y")), "another content is known, too");
}

#[test]
fn only_the_same_kind_of_file_with_the_same_permission_to_run_is_the_same() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let env = Caller::new();
    let changed = |change: &dyn Fn(&Path)| {
        let place = Place::new(&env).with(ROOT, |seen| seen.digest = None);
        change(&place.dir.path().join("file"));
        // Only the file itself counts.
        let root = Stamp::at(place.dir.path()).unwrap();
        place.with(ROOT, |seen| seen.stamp = root).holds(ASKED, 3, &env)
    };
    let mode = |mode: u32| move |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(changed(&mode(0o600)), all());
    assert_eq!(changed(&mode(0o755)), Some("doc".to_owned()));
    let not = Some("doc".to_owned());
    assert_eq!(changed(&|path| fs::remove_file(path).unwrap()), not);
    let link = |path: &Path| {
        fs::rename(path, path.with_extension("x")).unwrap();
        symlink("file.x", path).unwrap();
    };
    assert_eq!(changed(&link), not);
    let directory = |path: &Path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    };
    assert_eq!(changed(&directory), not);
}

#[test]
fn nothing_is_read_of_which_nobody_knows_that_it_is_asked_for() {
    let env = Caller::new();
    let touched = || Place::new(&env).with(FILE, |seen| seen.stamp.as_mut().unwrap().mtime -= 1);
    assert!(touched().check((ASKED.0, b"other tasks")).read.is_empty());
    let mut place = touched();
    place.journal.finding.as_mut().unwrap().request = Some((Digest::of(b"r"), vec![1]));
    assert!(place.check(ASKED).read.is_empty(), "only `doc` is asked for");
    let place = touched();
    fs::write(place.dir.path().join("toml"), "of another size").unwrap();
    assert!(place.check(ASKED).read.is_empty(), "the configuration is another");
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

/// A damaged journal must not run what it names as a tool.
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
