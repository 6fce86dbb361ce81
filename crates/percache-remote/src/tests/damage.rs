//! What is damaged, forged or misplaced at the remote is a miss.

use super::*;

#[test]
fn damage_at_the_remote_is_a_miss_and_what_is_written_next_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let table = file_table(dir.path());
    let here = Machine::new(&table);
    let large = noise(2 << 20, 2);
    let outputs: [(&str, &[u8]); 3] = [("large", &large), ("middle", &large[..20_000]), ("small", b"small")];
    here.uploads.offer(here.made("app", &outputs));
    assert_eq!(here.finish().done, 1);
    // Two contents, and a record with the third.
    let all = files(dir.path());
    assert_eq!(all.len(), 3, "{all:?}");
    for path in &all {
        let sound = std::fs::read(path).unwrap();
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 4;
        for damaged in [Some(flipped), Some(sound[..sound.len() / 2].to_vec()), Some(vec![]), None] {
            match &damaged {
                Some(damaged) => std::fs::write(path, damaged).unwrap(),
                None => std::fs::remove_file(path).unwrap(),
            }
            let there = Machine::new(&table);
            assert!(there.pulls("app").is_none(), "{} as {:?} bytes", path.display(), damaged.map(|bytes| bytes.len()));
            std::fs::write(path, &sound).unwrap();
        }
    }
    assert!(Machine::new(&table).pulls("app").is_some());
}

#[test]
fn a_record_that_is_damaged_anywhere_is_a_miss_or_whole() {
    let dir = tempfile::tempdir().unwrap();
    let table = file_table(dir.path());
    let here = Machine::new(&table);
    here.uploads.offer(here.made("app", &[("one", b"one"), ("two", b"two two two")]));
    assert_eq!(here.finish().done, 1);
    let [path] = &files(dir.path())[..] else { panic!("contents lie beside the record") };
    let sound = std::fs::read(path).unwrap();
    let contents = sound.windows(4).position(|bytes| bytes == b"\x28\xb5\x2f\xfd").unwrap();
    let mut misses = 0;
    for at in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x11;
        std::fs::write(path, damaged).unwrap();
        let there = Machine::new(&table);
        match there.pulls("app") {
            Some(result) => assert!(result.contents().all(|(content, blob)| blob.is(&there.bytes(&content)))),
            None => misses += usize::from(at >= contents),
        }
    }
    assert_eq!(misses, sound.len() - contents);
}

#[test]
fn a_result_without_its_small_contents_is_given_them_and_stays_as_it_was_signed() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let (text, public) = SigningKey::generate().unwrap();
    std::fs::write(&key, text).unwrap();
    let bucket = dir.path().join("bucket");
    let signing = Table { sign_with: Some(key.display().to_string()), ..file_table(&bucket) };
    let here = Machine::new(&signing);
    let outputs: [(&str, &[u8]); 2] = [("one", b"one"), ("two", b"two two two")];
    here.uploads.offer(here.made("app", &outputs));
    assert_eq!(here.finish().done, 1);
    let [path] = &files(&bucket)[..] else { panic!("contents lie beside the record") };
    let sound = std::fs::read(path).unwrap();
    let trusting = Table { trust: Some(vec![public.to_string()]), ..file_table(&bucket) };

    // As an older version has written it: the contents lie beside it, or did.
    let contents = sound.windows(4).position(|bytes| bytes == b"\x28\xb5\x2f\xfd").unwrap() - 4 - 2 * 4 - 4;
    let mut older = sound[..contents].to_vec();
    let version = older.iter().position(|byte| *byte == b'2').unwrap();
    older[version] = b'1';
    let mut damaged = sound.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for unsound in [older, damaged] {
        std::fs::write(path, unsound).unwrap();
        assert!(Machine::new(&trusting).pulls("app").is_none());
        // It has other contents, so it cannot help.
        let other = Machine::new(&file_table(&bucket));
        other.uploads.offer(other.made("app", &[("one", b"1"), ("two", b"2")]));
        assert_eq!(other.finish().done, 1);
        assert!(Machine::new(&trusting).pulls("app").is_none());
        // It has no key of its own.
        let third = Machine::new(&file_table(&bucket));
        third.uploads.offer(third.made("app", &outputs));
        assert_eq!(third.finish().done, 1);
        assert!(std::fs::read(path).unwrap() == sound);
        assert!(Machine::new(&trusting).pulls("app").is_some());
    }
}

#[test]
fn what_one_record_has_damaged_another_may_have() {
    let here = Machine::new(&file_table(tempfile::tempdir().unwrap().path()));
    let [mut one, two] = ["one", "two"].map(|name| {
        let upload = here.made(name, &[("own", name.as_bytes()), ("shared", b"shared")]);
        let contents = upload.result.contents().filter(|content| content.length > 0);
        let blobs = contents.map(|content| (content.digest, crate::Blob::of_content(&*here.store, &content).unwrap()));
        let blobs: std::collections::BTreeMap<_, _> = blobs.collect();
        let inlined = crate::Inlined::choose(blobs.values().map(|blob| blob.length));
        let mut result = RemoteResult { result: upload.result.clone(), blobs, paths: None, inlined };
        let contents: Vec<_> = result.contents().collect();
        result.inlined.pack(&*here.store, &contents).unwrap();
        result
    });
    // Of the same lengths, and not the same.
    one.inlined = two.inlined.clone();
    for order in [[&one, &two], [&two, &one]] {
        let there = Machine::new(&table("file:///nowhere"));
        let mut fetched = std::collections::BTreeMap::new();
        let results = order.map(RemoteResult::clone);
        there.remote.fetch(&results, &*there.store, &mut |at, fetch| {
            assert!(fetched.insert(results[at].result.label.clone(), fetch).is_none());
        });
        assert!(matches!(fetched["one"], Fetch::Refused(_)) && matches!(fetched["two"], Fetch::Whole { .. }));
    }
}

#[test]
fn what_is_not_signed_by_a_friend_is_a_miss_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let keys = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| {
        let (text, public) = SigningKey::generate().unwrap();
        let path = keys.path().join(name);
        std::fs::write(&path, text).unwrap();
        (path.display().to_string(), public.to_string())
    });
    let signing = |(path, _): &(String, String)| Table { sign_with: Some(path.clone()), ..file_table(dir.path()) };
    let trusting = |table: Table| Table { trust: Some(vec![ours.1.clone()]), ..table };
    let stranger = Machine::new(&signing(&theirs));
    stranger.uploads.offer(stranger.made("app", &[("app", b"bad")]));
    assert_eq!(stranger.finish().done, 1);

    let here = Machine::new(&trusting(signing(&ours)));
    assert!(here.pulls("app").is_none());
    here.uploads.offer(here.made("app", &[("app", b"good")]));
    here.uploads.offer(here.made("lib", &[("lib", b"good")]));
    let progress = here.finish();
    assert_eq!((progress.done, progress.passed_over), (1, 1));
    assert!(matches!(&here.remote.take_notices()[..], [Notice::Refused { reason, .. }] if reason.contains("trust")));
    let there = Machine::new(&trusting(file_table(dir.path())));
    assert!(there.pulls("lib").is_some() && there.pulls("app").is_none());
    assert!(Machine::new(&file_table(dir.path())).pulls("app").is_some());
}

#[test]
fn a_result_under_the_key_of_another_is_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let here = Machine::new(&file_table(dir.path()));
    here.uploads.offer(here.made("app", &[("app", b"1")]));
    here.finish();
    let name = |name: &str| action(name).0.to_string();
    let is_it = |path: &&std::path::PathBuf| path.ends_with(name("app"));
    let from = files(dir.path()).iter().find(is_it).unwrap().clone();
    let to = dir.path().join(format!("percache/v1/default/sha256/results/{}/{}", &name("lib")[..2], name("lib")));
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
    let there = Machine::new(&file_table(dir.path()));
    assert!(there.pulls("lib").is_none() && there.pulls("app").is_some());
}
