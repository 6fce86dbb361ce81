//! When a snapshot holds and when it does not.

use super::*;

struct Place {
    dir: tempfile::TempDir,
    watched: Watched,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        let stamp = |path: &str| Stamp::at(&dir.path().join(path)).unwrap();
        let watched = ["file", ".", "none"].map(|path| (path.as_bytes().to_vec(), stamp(path)));
        Place { watched: watched.into_iter().collect(), dir }
    }

    fn save(&self, at: &Path, caller: &Caller) {
        let snapshot = Snapshot {
            request: Digest::of(b"r"),
            epoch: 3,
            expiry: Time::MAX,
            variables: vec!["CC".into(), "LC_*".into()],
            tools: Vec::new(),
            tasks: vec!["app"],
            watched: &self.watched,
        };
        snapshot.save(at, caller).unwrap();
    }
}

fn caller(pairs: &[(&str, &str)]) -> Caller {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn it_holds_as_long_as_nothing_changes() {
    let (place, store) = (Place::new(), tempfile::tempdir().unwrap());
    let at = store.path().join("snapshot");
    let env = caller(&[("CC", "gcc"), ("OTHER", "1")]);
    let holds = |request: &[u8], epoch, env: &Caller| {
        unchanged(&at, place.dir.path(), &Digest::of(request), epoch, env, false, 2).map(|same| same.tasks)
    };
    assert_eq!(holds(b"r", 3, &env), None, "there is none");
    place.save(&at, &env);
    assert_eq!(holds(b"r", 3, &env), Some(vec!["app".to_owned()]));
    assert_eq!(holds(b"other", 3, &env), None);
    assert_eq!(holds(b"r", 4, &env), None);
    assert_eq!(holds(b"r", 3, &caller(&[("CC", "clang")])), None);
    assert_eq!(holds(b"r", 3, &caller(&[("CC", "gcc"), ("LC_ALL", "C")])), None);
    assert!(holds(b"r", 3, &caller(&[("CC", "gcc"), ("OTHER", "2")])).is_some());
    fs::write(place.dir.path().join("none"), "").unwrap();
    assert_eq!(holds(b"r", 3, &env), None, "a file where there was none");
}

#[test]
fn a_tool_is_asked_again() {
    let (mut place, store) = (Place::new(), tempfile::tempdir().unwrap());
    let said = store.path().join("said");
    fs::write(&said, "1").unwrap();
    place.watched.clear();
    let tool = Tool {
        command: format!("cat '{}'", said.display()),
        cwd: Vec::new(),
        pass: Vec::new(),
        from: Vec::new(),
        set: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
        answer: Digest::of(b"1"),
    };
    let at = store.path().join("snapshot");
    let env: Caller = std::env::vars_os().filter(|(name, _)| name == "PATH").collect();
    let (request, watched) = (Digest::of(b"r"), &place.watched);
    let (variables, tools) = (Vec::new(), vec![tool]);
    Snapshot { request, epoch: 0, expiry: Time::MAX, variables, tools, tasks: vec![], watched }
        .save(&at, &env)
        .unwrap();
    let holds = || unchanged(&at, place.dir.path(), &request, 0, &env, false, 1).is_some();
    assert!(holds());
    fs::write(&said, "2").unwrap();
    assert!(!holds());
}

#[test]
fn a_damaged_one_never_holds() {
    let (place, store) = (Place::new(), tempfile::tempdir().unwrap());
    let at = store.path().join("snapshot");
    place.save(&at, &Caller::new());
    let whole = fs::read(&at).unwrap();
    for position in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        fs::write(&at, &damaged).unwrap();
        assert!(
            unchanged(&at, place.dir.path(), &Digest::of(b"r"), 3, &Caller::new(), false, 1).is_none(),
            "{position}"
        );
    }
}
