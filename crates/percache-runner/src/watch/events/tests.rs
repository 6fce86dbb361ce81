//! Tests of what the system tells of changes.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const SOON: Duration = Duration::from_secs(10);
const NEVER: Duration = Duration::from_millis(300);

fn all(_: &Path) -> Concern {
    Concern::File
}

fn wait(events: &Events, concern: &dyn Fn(&Path) -> Concern, patience: Duration) -> Option<Burst> {
    events.wait(concern, patience, &|| false)
}

struct Dir {
    _temp: tempfile::TempDir,
    root: PathBuf,
}

impl Dir {
    fn new(directories: &[&str]) -> Dir {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        directories.iter().for_each(|directory| fs::create_dir_all(root.join(directory)).unwrap());
        Dir { _temp: temp, root }
    }

    fn following(&self, directories: &[&str]) -> (Events, BTreeSet<PathBuf>) {
        let events = Events::new(&self.root);
        let directories = directories.iter().map(|directory| self.root.join(directory)).collect();
        assert!(events.follow(&directories));
        (events, directories)
    }
}

#[test]
fn only_directories_that_are_followed_are_told_of_and_reading_is_no_change() {
    let dir = Dir::new(&["src", "node_modules/x"]);
    let (events, _) = dir.following(&["src"]);
    fs::write(dir.root.join("node_modules/x/a"), "").unwrap();
    fs::read_dir(dir.root.join("src")).unwrap();
    assert!(wait(&events, &all, NEVER).is_none());
    fs::write(dir.root.join("src/a"), "").unwrap();
    let burst = wait(&events, &all, SOON).unwrap();
    assert_eq!(burst.files, BTreeSet::from([dir.root.join("src/a")]));
    fs::read(dir.root.join("src/a")).unwrap();
    assert!(wait(&events, &all, NEVER).is_none());
}

#[test]
fn a_directory_that_was_replaced_is_followed_anew() {
    let dir = Dir::new(&["src/deep"]);
    let (events, directories) = dir.following(&["", "src", "src/deep"]);
    fs::rename(dir.root.join("src"), dir.root.join("old")).unwrap();
    fs::create_dir_all(dir.root.join("src/deep")).unwrap();
    wait(&events, &all, SOON).unwrap();
    assert!(events.follow(&directories));
    while wait(&events, &all, NEVER).is_some() {}
    fs::write(dir.root.join("old/deep/a"), "").unwrap();
    assert!(wait(&events, &all, NEVER).is_none(), "it is not the same any more");
    fs::write(dir.root.join("src/deep/a"), "").unwrap();
    assert_eq!(wait(&events, &all, SOON).unwrap().files, BTreeSet::from([dir.root.join("src/deep/a")]));
}

#[test]
fn a_directory_with_two_names_is_told_of_by_both() {
    let dir = Dir::new(&["real"]);
    std::os::unix::fs::symlink("real", dir.root.join("link")).unwrap();
    let (events, _) = dir.following(&["link", "real"]);
    fs::write(dir.root.join("real/a"), "").unwrap();
    let expected = BTreeSet::from([dir.root.join("link/a"), dir.root.join("real/a")]);
    assert_eq!(wait(&events, &all, SOON).unwrap().files, expected);
    events.follow(&BTreeSet::from([dir.root.join("link")]));
    fs::write(dir.root.join("real/b"), "").unwrap();
    assert_eq!(wait(&events, &all, SOON).unwrap().files, BTreeSet::from([dir.root.join("link/b")]));
}

#[test]
fn the_end_of_a_burst_is_told_however_busy_what_does_not_count_is() {
    let dir = Dir::new(&[]);
    let (events, _) = dir.following(&[""]);
    let concern = |path: &Path| if path.ends_with("log") { Concern::Nothing } else { Concern::Structure };
    let (over, began) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                fs::write(dir.root.join("log"), "").unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        fs::write(dir.root.join("a"), "").unwrap();
        let told = wait(&events, &concern, SOON);
        over.store(true, Ordering::SeqCst);
        assert_eq!(told.unwrap().structure, BTreeSet::from([dir.root.join("a")]));
    });
    assert!(began.elapsed() < LONGEST / 2, "{:?}", began.elapsed());
}

#[test]
fn a_burst_lasts_as_long_as_git_holds_its_index() {
    let dir = Dir::new(&[".git"]);
    let lock = dir.root.join(".git/index.lock");
    fs::write(&lock, "").unwrap();
    let (events, _) = dir.following(&[""]);
    std::thread::scope(|scope| {
        let told = scope.spawn(|| wait(&events, &all, SOON).unwrap());
        fs::write(dir.root.join("a"), "").unwrap();
        std::thread::sleep(10 * QUIET);
        fs::write(dir.root.join("b"), "").unwrap();
        std::thread::sleep(QUIET / 2);
        fs::remove_file(&lock).unwrap();
        let expected = BTreeSet::from([dir.root.join("a"), dir.root.join("b")]);
        assert_eq!(told.join().unwrap().files, expected);
    });
}

#[test]
fn without_events_it_is_time_to_look_every_second() {
    let dir = Dir::new(&["src"]);
    let events = Events::polling(&dir.root);
    assert!(!events.follow(&BTreeSet::from([dir.root.join("src")])));
    assert!(events.is_incomplete());
    assert!(wait(&events, &all, Duration::ZERO).unwrap().anything);
    assert!(wait(&events, &all, Duration::ZERO).is_none());
    assert!(wait(&events, &all, POLL).unwrap().anything);
}
