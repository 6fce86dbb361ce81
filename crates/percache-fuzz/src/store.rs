//! A store whose every record may be anything: it is read, checked, cleaned up and repaired, and repaired it is sound.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use percache::Digest;
use percache::base::codec::{Decoder, Encode};
use percache::db::engine::{Column, Engine, Session};
use percache::db::memory::MemoryEngine;
use percache::store::gc::{Policy, preview};
use percache::store::id::{ActionKey, Fingerprint};
use percache::store::layout::{BLOBS, INDEX, PARTS, RESULTS, digest_key, kind, result_key};
use percache::store::manifest::{Manifest, PathSet};
use percache::store::record::{ResultKey, StoredResult};
use percache::store::verify::{repair, verify};
use percache::store::{Store, blob, gc, stats};

use crate::{Target, record};

pub(crate) const TARGET: Target = Target {
    name: "store",
    run,
    seeds,
    words: &["\u{0}", "\u{1}", "\u{2}", "\u{3}", "r", "p", "u", "s", "l"],
    allocates: None,
};

const PATIENCE: Duration = Duration::from_secs(1);

/// Records: a byte for what to make of it, then its key and value.
fn run(data: &[u8]) {
    let engine = Arc::new(MemoryEngine::new());
    fill(&*engine, data);
    let store = Store::new(engine.clone());
    let results = read_all(&store, &*engine);
    let before = verify(&*view(&*engine)).expect("memory can be read");
    let used = HashMap::from([(
        ResultKey { action: ActionKey::default(), place: None },
        percache::base::clock::Time::from_millis(5),
    )]);
    let _ = stats::stats(&*view(&*engine), &used);
    let all = Policy { unused_since: None, maxsize: Some(100), only: None, used: &used, worthwhile: 0.0 };
    let expected = preview(&*engine, &all);
    let collected = gc::collect(&*engine, &all, PATIENCE);
    assert_eq!(collected.is_ok(), expected.is_ok());
    if before.is_sound()
        && let (Ok(collected), Ok(expected)) = (collected, expected)
    {
        assert_eq!(collected, expected);
        assert!(collected.results_left <= results);
    }
    repair(&*engine, PATIENCE).expect("memory can be written");
    let after = verify(&*view(&*engine)).expect("memory can be read");
    assert!(after.is_sound(), "{after:?}");
    let store = Store::new(engine.clone());
    assert_eq!(read_all(&store, &*engine), after.results, "everything whole can be read");
}

fn view(engine: &dyn Engine) -> percache::db::engine::SharedView {
    engine.view().expect("memory can be read")
}

/// Reads what a build would; gives the number of results all of whose contents are there.
fn read_all(store: &Store, engine: &dyn Engine) -> u64 {
    let mut results = Vec::new();
    let mut sets = Vec::new();
    view(engine)
        .scan(RESULTS, &[], &mut |key, _| {
            match key.split_first() {
                Some((&kind::RESULT, key)) => {
                    results.extend(ResultKey::from_bytes(key).filter(|_| key.len() == ResultKey::LEN))
                }
                Some((&kind::PATHS, key)) => sets.extend(key.get(..20).and_then(Fingerprint::from_slice)),
                _ => {}
            }
            std::ops::ControlFlow::Continue(())
        })
        .expect("memory can be read");
    sets.iter().for_each(|fingerprint| drop(store.path_sets(fingerprint)));
    let whole = results.iter().filter(|key| {
        let Ok(Some(result)) = store.result(key) else { return false };
        let _ = (store.parts(key), store.results_of(&result.label));
        // All of them: which is broken is noted.
        result.contents().filter(|content| store.read(content, &mut io::sink()).is_err()).count() == 0
    });
    whole.count() as u64
}

fn fill(engine: &dyn Engine, data: &[u8]) {
    let mut session = engine.session(PATIENCE).expect("memory can be written");
    let mut from = Decoder::new(data);
    while put_one(&mut *session, &mut from).is_some() {}
    session.commit().expect("memory can be written");
}

fn put_one(session: &mut dyn Session, from: &mut Decoder<'_>) -> Option<()> {
    let what = from.u8().ok()?;
    let mut put = |column: Column, key: &[u8], value: &[u8]| session.put(column, key, value).ok();
    match what % 8 {
        // A whole blob, and what names one.
        0 => {
            let piece = from.bytes().ok()?;
            let (digest, packed) = (Digest::of(piece), blob::pack(piece));
            put(INDEX, &digest_key(kind::SIZES, &digest), &sizes(piece.len(), packed.len()))?;
            put(BLOBS, digest.as_bytes(), &packed)
        }
        1 => {
            let key = result_key(kind::RESULT, &ResultKey::from_bytes(from.raw(ResultKey::LEN).ok()?)?);
            put(RESULTS, &key, from.bytes().ok()?)
        }
        2 => {
            let pieces = from.bytes().ok()?;
            let list: Vec<u8> = pieces.chunks(3).flat_map(|piece| *Digest::of(piece).as_bytes()).collect();
            put(INDEX, &digest_key(kind::LIST, &Digest::of(pieces)), &list)
        }
        // Anything anywhere.
        3 => put(RESULTS, from.bytes().ok()?, from.bytes().ok()?),
        4 => put(INDEX, from.bytes().ok()?, from.bytes().ok()?),
        5 => put(BLOBS, from.bytes().ok()?, from.bytes().ok()?),
        6 => put(PARTS, from.bytes().ok()?, from.bytes().ok()?),
        _ => {
            let piece = from.bytes().ok()?;
            put(BLOBS, Digest::of(piece).as_bytes(), from.bytes().ok()?)
        }
    }
}

fn sizes(length: usize, stored: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.u32(length as u32);
    bytes.u32(stored as u32);
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let key = ResultKey { action: ActionKey::new(Digest::of(b"a")), place: None };
    let mut sound = vec![0];
    sound.bytes(b"x");
    sound.u8(1);
    sound.extend_from_slice(&key.to_bytes());
    sound.bytes(&record::example().encode());
    sound.u8(3);
    sound.bytes(&[&[kind::PATHS][..], Digest::of(b"f").as_bytes(), Digest::of(b"set").as_bytes()].concat());
    sound.bytes(&[&[0; 8][..], &PathSet::from_iter([b"a.h".to_vec()]).encode()].concat());
    sound.u8(3);
    sound.bytes(&result_key(kind::USED, &key));
    sound.bytes(&[1; 8]);
    let mut chunked = Vec::new();
    for piece in [b"abc", b"def"] {
        chunked.u8(0);
        chunked.bytes(piece);
    }
    chunked.u8(2);
    chunked.bytes(b"abcdef");
    let mut large = record::example();
    large.log.digest = Digest::of(b"abcdef");
    large.log.length = 2 << 20;
    chunked.u8(1);
    chunked.extend_from_slice(&key.to_bytes());
    chunked.bytes(&StoredResult { outputs: Manifest::default(), ..large }.encode());
    let broken = [4, 3, 0, 0, 0, b's', 1, 2, 0, 0, 0, 0, 3, 1, 0, 0, 0, b'r', 2, 0, 0, 0, 1, 2].to_vec();
    vec![sound, chunked, broken]
}
