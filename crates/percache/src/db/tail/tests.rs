//! What is appended is read back; a torn or damaged end costs what stands in it, and nothing before it.

use super::*;
use std::path::PathBuf;

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tail");
    (dir, path)
}

fn changes(changes: &[(u8, &str, Option<&str>)]) -> Changes {
    let mut made = Changes::default();
    for (column, key, value) in changes {
        match value {
            Some(value) => made.put(*column, key.as_bytes(), value.as_bytes()),
            None => made.delete(*column, key.as_bytes()),
        }
    }
    made
}

fn commit(path: &Path, list: &[(u8, &str, Option<&str>)]) {
    Tail::read(path, 7).unwrap().append(path, &changes(list)).unwrap();
}

fn text(tail: &Tail, column: u8, key: &str) -> Option<Option<String>> {
    tail.get(column, key.as_bytes()).map(|value| value.map(|value| String::from_utf8(value.to_vec()).unwrap()))
}

fn three_commits() -> (tempfile::TempDir, PathBuf, Vec<usize>) {
    let (dir, path) = place();
    let ends = ["a", "b", "c"].map(|key| {
        commit(&path, &[(1, key, Some("one"))]);
        Tail::read(&path, 7).unwrap().size()
    });
    (dir, path, ends.into())
}

#[test]
fn the_newest_change_counts() {
    let (_dir, path) = place();
    assert!(Tail::read(&path, 7).unwrap().is_empty());
    commit(&path, &[(1, "a", Some("one")), (1, "b", Some("two")), (2, "a", Some("other"))]);
    commit(&path, &[(1, "a", None), (1, "b", Some(""))]);
    let tail = Tail::read(&path, 7).unwrap();
    assert_eq!(text(&tail, 1, "a"), Some(None));
    assert_eq!(text(&tail, 1, "b"), Some(Some(String::new())));
    assert_eq!(text(&tail, 2, "a"), Some(Some("other".into())));
    assert_eq!(text(&tail, 2, "b"), None);
    clear(&path).unwrap();
    assert!(Tail::read(&path, 7).unwrap().is_empty());
}

#[test]
fn a_scan_shows_both_in_order() {
    let (_dir, path) = place();
    commit(&path, &[(1, "ka", Some("A")), (1, "kc", Some("C")), (1, "kd", None), (1, "kx", Some("X"))]);
    commit(&path, &[(1, "k", Some("K")), (1, "l", Some("L")), (2, "kb", Some("another column"))]);
    let tail = Tail::read(&path, 7).unwrap();
    let below = [("ka0", "below"), ("kc", "hidden"), ("kd", "removed"), ("ke", "below")];
    for limit in 1..8 {
        let mut seen = Vec::new();
        let scan = |visit: &mut Visit<'_>| {
            for (key, value) in below {
                if visit(key.as_bytes(), value.as_bytes()).is_break() {
                    return Ok(());
                }
            }
            Ok(())
        };
        tail.scan_over(1, b"k", scan, &mut |key, value| {
            seen.push(format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value)));
            if seen.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        let all = ["k=K", "ka=A", "ka0=below", "kc=C", "ke=below", "kx=X"];
        assert_eq!(seen, all[..limit.min(all.len())]);
    }
}

#[test]
fn a_commit_is_there_whole_or_not_at_all() {
    let (_dir, path, ends) = three_commits();
    let whole = fs::read(&path).unwrap();
    for length in 0..=whole.len() {
        let tail = Tail::parse(whole[..length].to_vec());
        let commits = ends.iter().filter(|end| **end <= length).count();
        assert_eq!((tail.iter().count(), tail.lost()), (commits, 0), "{length} bytes");
        assert_eq!(tail.size(), if commits == 0 { 0 } else { ends[commits - 1] });
        // What was cut short gives way to the next commit.
        fs::write(&path, &whole[..length]).unwrap();
        commit(&path, &[(1, "z", Some("next"))]);
        let tail = Tail::read(&path, 7).unwrap();
        assert_eq!((tail.iter().count(), tail.lost()), (commits + 1, 0));
    }
}

#[test]
fn damage_costs_the_commit_that_it_is_in() {
    let (_dir, path, ends) = three_commits();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        let tail = Tail::parse(damaged);
        let hit = ends.iter().position(|end| at < *end).unwrap();
        let left: Vec<_> = tail.iter().map(|(_, key, _)| key[0]).collect();
        assert_eq!(left, [b'a', b'b', b'c'].into_iter().filter(|key| *key != b'a' + hit as u8).collect::<Vec<_>>());
        assert_eq!(tail.lost(), usize::from(hit < 2), "the last one may have been cut short");
    }
}

#[test]
fn that_of_another_kind_of_database_is_not_read() {
    let (_dir, path, _) = three_commits();
    assert_eq!(Tail::read(&path, 8).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn what_is_left_of_an_earlier_tail_does_not_count() {
    let (_dir, path, ends) = three_commits();
    let old = fs::read(&path).unwrap();
    clear(&path).unwrap();
    commit(&path, &[(1, "n", Some("new"))]);
    let mixed = [fs::read(&path).unwrap().as_slice(), &old[ends[0]..]].concat();
    let tail = Tail::parse(mixed);
    assert_eq!(tail.iter().map(|(_, key, _)| key).collect::<Vec<_>>(), [b"n"]);
    assert_eq!(tail.lost(), 0);
}

#[test]
fn a_tail_within_a_damaged_commit_is_none() {
    let (_dir, path) = place();
    let mut inner = changes(&[(1, "inner", Some("x"))]).to_record(7, 1);
    inner.extend(changes(&[(1, "inner", None)]).to_record(7, 1));
    let mut outer = Changes::default();
    outer.put(1, b"a", &inner);
    Tail::read(&path, 7).unwrap().append(&path, &outer).unwrap();
    commit(&path, &[(1, "b", Some("two"))]);
    let mut bytes = fs::read(&path).unwrap();
    // Behind what names the tail, and before the commit that is within.
    bytes[HEAD] ^= 1;
    let tail = Tail::parse(bytes);
    assert_eq!(tail.iter().map(|(_, key, _)| key).collect::<Vec<_>>(), [b"b"]);
    assert_eq!(tail.lost(), 1);
}
