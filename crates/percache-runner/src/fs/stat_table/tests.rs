//! The table gives back what it was made of, by position and by path, and is written as it stands.

use super::*;

fn example() -> Vec<(&'static [u8], Seen)> {
    let stamp = Stamp { size: 1, mtime: 2, ctime: 3, inode: 4, mode: 0o100644 };
    vec![
        (b"", Seen { stamp: Some(stamp), digest: None, settled: true }),
        (b"a", Seen { stamp: None, digest: None, settled: true }),
        (b"src/\xff.c", Seen { stamp: Some(stamp), digest: Some(Digest::of(b"x")), settled: false }),
    ]
}

fn table() -> KnownFiles {
    let mut builder = Builder::default();
    example().iter().for_each(|(path, seen)| builder.push(path, seen));
    builder.finish()
}

#[test]
fn a_table_is_read_back_as_written() {
    let mut bytes = b"before".to_vec();
    table().encode(&mut bytes);
    let bytes = Arc::new(bytes.into());
    let (table, end) = KnownFiles::decode(&bytes, 6).unwrap();
    assert_eq!(end, bytes.len());
    for (i, (path, seen)) in example().iter().enumerate() {
        assert_eq!((table.path(i), table.seen(i)), (*path, *seen));
        assert_eq!(table.c_path(i).to_bytes(), *path);
        assert_eq!(table.find(path), Some(i));
    }
    assert_eq!(table.find(b"b"), None);
    assert_eq!(KnownFiles::new().find(b""), None);
}

#[test]
fn a_table_with_other_lines_is_the_one_that_is_made_anew() {
    let table = table();
    let stamp = Stamp { size: 9, mtime: 8, ctime: 7, inode: 6, mode: 0o100755 };
    let other = Seen { stamp: Some(stamp), digest: Some(Digest::of(b"y")), settled: true };
    for changed in 0..1 << 3 {
        let is_changed = |i: usize| changed & (1 << i) != 0;
        let (mut builder, mut again) = (Builder::default(), table.clone());
        for (i, (path, seen)) in example().iter().enumerate() {
            builder.push(path, if is_changed(i) { &other } else { seen });
            if is_changed(i) {
                again = again.with([(i, other)]);
            }
        }
        let expected = builder.finish();
        let mut taken = Builder::default();
        let at_once = table.with((0..3).filter(|i| is_changed(*i)).map(|i| (i, other)));
        taken.extend(&at_once, 0..3);
        for made in [&at_once, &again, &taken.finish()] {
            assert_eq!(made, &expected);
            let [bytes, wanted] = [made, &expected].map(|table| {
                let mut bytes = Vec::new();
                table.encode(&mut bytes);
                bytes
            });
            assert_eq!(bytes, wanted);
        }
    }
}

#[test]
fn few_questions_and_many_have_the_same_answers() {
    let mut builder = Builder::default();
    let paths: Vec<String> = (0..500).map(|i| format!("dir{:02}/file{i:04}", i / 20)).collect();
    paths.iter().for_each(|path| builder.push(path.as_bytes(), &Seen { stamp: None, digest: None, settled: true }));
    let table = builder.finish();
    for _ in 0..2 {
        for (i, path) in paths.iter().enumerate() {
            assert_eq!(table.find(path.as_bytes()), Some(i));
            assert_eq!(table.find(format!("{path}x").as_bytes()), None);
            assert_eq!(table.first_from(format!("{path}x").as_bytes(), 0), i + 1);
        }
    }
    assert!(table.index.get().is_some());
}

#[test]
fn lines_of_a_table_are_taken_over_as_they_stand() {
    let table = table();
    for (start, end) in (0..=3).flat_map(|start| (start..=3).map(move |end| (start, end))) {
        let mut builder = Builder::default();
        builder.push(b"", &example()[0].1);
        builder.extend(&table, start.max(1)..end.max(1).max(start.max(1)));
        let taken = builder.finish();
        let mut bytes = Vec::new();
        taken.encode(&mut bytes);
        // It is looked at whole when it is read.
        let (read, _) = KnownFiles::decode(&Arc::new(bytes.into()), 0).unwrap();
        let expected = example().into_iter().skip(start.max(1)).take(end.saturating_sub(start.max(1)));
        let found = (1..read.len()).map(|i| (read.path(i).to_vec(), read.seen(i)));
        assert!(found.eq(expected.map(|(path, seen)| (path.to_vec(), seen))));
    }
}

#[test]
fn a_damaged_table_is_an_error_or_harmless() {
    let mut whole = Vec::new();
    table().encode(&mut whole);
    for at in 0..whole.len() {
        assert!(KnownFiles::decode(&Arc::new(whole[..at].to_vec().into()), 0).is_err());
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            if let Ok((table, _)) = KnownFiles::decode(&Arc::new(damaged.into()), 0) {
                (0..table.len()).for_each(|i| {
                    assert!(table.c_path(i).count_bytes() <= table.path(i).len());
                    assert_eq!(table.seen(i), table.seen(i));
                });
                table.find(b"a");
            }
        }
    }
}
