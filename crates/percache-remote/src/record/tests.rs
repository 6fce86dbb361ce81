//! Tests of the records.

use percache::Digest;
use percache::store::id::Fingerprint;
use percache::store::manifest::Manifest;
use percache::store::record::{Entry, Node};

use super::*;

fn content(text: &str) -> Content {
    Content { digest: Digest::of(text.as_bytes()), length: text.len() as u64 }
}

fn example() -> RemoteResult {
    let file = |text: &str| Node::File { content: content(text), executable: false };
    let entries = vec![Entry::new(*b"a", file("one")), Entry::new(*b"b", file("two")), Entry::new(*b"c", file("one"))];
    let result = StoredResult {
        label: "app".into(),
        fingerprint: Fingerprint::new(Digest::of(b"f")),
        created: percache::base::clock::Time::from_millis(1),
        took: percache::base::clock::Micros::new(2),
        status: 0,
        log: content("log"),
        outputs: Manifest::from_sorted_entries(entries).unwrap(),
    };
    let blobs = ["one", "two", "log"].map(|text| (content(text).digest, Blob::of(text.as_bytes()))).into();
    RemoteResult { result, blobs, paths: Some(paths(&["a.h"])), inlined: Inlined::default() }
}

/// The same with two of its contents inlined: those of sorted SHA-1.
fn inlining() -> RemoteResult {
    let mut inlined = Vec::new();
    inlined.count(2);
    [0, 2].iter().for_each(|at| inlined.u32(*at));
    inlined.bytes(b"frame");
    let inlined = Inlined::decode(&mut Decoder::new(&inlined), &[3, 3, 3]).unwrap();
    RemoteResult { inlined, ..example() }
}

fn paths(paths: &[&str]) -> PathSet {
    let mut encoded = Vec::new();
    encoded.count(paths.len());
    paths.iter().for_each(|path| encoded.bytes(path.as_bytes()));
    PathSet::decode(&encoded).unwrap()
}

fn action(text: &str) -> ActionKey {
    ActionKey(Sha256::of(text.as_bytes()))
}

fn signer(seed: u8) -> SigningKey {
    SigningKey::parse(&format!("ed25519:{}", format!("{seed:02x}").repeat(32))).unwrap()
}

/// Signs with one key and trusts others.
fn notary(namespace: &str, signs: Option<u8>, trusts: &[u8]) -> Notary {
    let trust = Trust(trusts.iter().map(|seed| signer(*seed).public()).collect());
    Notary { namespace: namespace.into(), trust, key: signs.map(signer) }
}

#[test]
fn a_result_is_read_back_as_written() {
    for notary in [notary("team", None, &[]), notary("team", Some(1), &[1, 2])] {
        let bytes = notary.encode_result(&action("a"), &example());
        assert_eq!(notary.decode_result(&action("a"), &bytes), Ok(example()));
    }
}

#[test]
fn the_encoding_is_pinned() {
    let bytes = notary("team", Some(1), &[]).encode_result(&action("a"), &example());
    assert_eq!(Sha256::of(&bytes).to_string(), "8b871985f069facf509da943af064e6695e0dd595d65508c4ab42a0adc588cdd");
}

#[test]
fn a_result_with_contents_in_it_is_read_back_as_written() {
    let notary = notary("team", Some(1), &[1]);
    let bytes = notary.encode_result(&action("a"), &inlining());
    assert_eq!(notary.decode_result(&action("a"), &bytes), Ok(inlining()));
    for end in 0..bytes.len() {
        assert!(notary.decode_result(&action("a"), &bytes[..end]).is_err());
    }
    assert!(notary.decode_result(&action("a"), &[&bytes[..], b"x"].concat()).is_err());
    // Nor does one without them say that it has some.
    let mut without = notary.encode_result(&action("a"), &example());
    let version = without.iter().position(|byte| *byte == b'1').unwrap();
    without[version] = b'2';
    assert!(notary.decode_result(&action("a"), &without).is_err());
}

#[test]
fn the_encoding_with_contents_is_pinned() {
    let bytes = notary("team", Some(1), &[]).encode_result(&action("a"), &inlining());
    assert_eq!(Sha256::of(&bytes).to_string(), "f8bb6c6b1d490c95911c9792c996b729c23543535ae05e3e5e98390ac4afeb0a");
}

#[test]
fn only_those_who_are_trusted_are_believed_and_only_for_their_namespace_and_action() {
    let bytes = notary("team", Some(1), &[]).encode_result(&action("a"), &example());
    let refused = |notary: &Notary, name: &str| notary.decode_result(&action(name), &bytes).unwrap_err();
    let forged = Refusal::Distrust(Distrust::Forged(signer(1).public()));
    assert_eq!(refused(&notary("other", None, &[1]), "a"), forged);
    assert_eq!(refused(&notary("team", None, &[1]), "b"), forged);
    let stranger = Refusal::Distrust(Distrust::Stranger(signer(1).public()));
    assert_eq!(refused(&notary("team", None, &[2]), "a"), stranger);
    let unsigned = notary("team", None, &[]).encode_result(&action("a"), &example());
    let refusal = notary("team", None, &[1]).decode_result(&action("a"), &unsigned).unwrap_err();
    assert_eq!(refusal, Refusal::Distrust(Distrust::Unsigned));
    // Without signatures, a record still is one of its key alone.
    assert_eq!(refused(&notary("team", None, &[]), "b"), Refusal::Misplaced);
}

#[test]
fn no_change_of_a_signed_record_goes_unnoticed_and_none_panics() {
    let bytes = notary("team", Some(1), &[]).encode_result(&action("a"), &example());
    let reader = notary("team", None, &[1]);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(reader.decode_result(&action("a"), &damaged).is_err(), "byte {at}");
        }
        assert!(reader.decode_result(&action("a"), &bytes[..at]).is_err());
    }
}

#[test]
fn records_that_contradict_themselves_are_refused() {
    let all = notary("", None, &[]);
    let refused = |record: &RemoteResult| {
        let bytes = all.encode_result(&action("a"), record);
        all.decode_result(&action("a"), &bytes).unwrap_err()
    };
    let mut fewer = example();
    fewer.blobs.remove(&content("two").digest);
    assert!(refused(&fewer).to_string().contains("not those of its outputs"));
    let mut more = example();
    more.blobs.insert(content("three").digest, Blob::of(b"three"));
    assert!(refused(&more).to_string().contains("not those of its outputs"));
    let mut longer = example();
    longer.blobs.get_mut(&content("two").digest).unwrap().length = 9;
    assert!(refused(&longer).to_string().contains("not those of its outputs"));
    let mut doubled = example();
    doubled.blobs.insert(content("two").digest, Blob::of(b"one"));
    assert!(refused(&doubled).to_string().contains("one name"));
    let mut failed = example();
    failed.result.status = 1;
    assert_eq!(refused(&failed), Refusal::Failed(1));
}

#[test]
fn manifests_that_lead_elsewhere_are_refused() {
    let all = notary("", None, &[]);
    let bytes = all.encode_result(&action("a"), &example());
    let replaced = |from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        let mut hostile = bytes.clone();
        hostile[at..at + to.len()].copy_from_slice(to);
        all.decode_result(&action("a"), &hostile)
    };
    // The path of the entry `a`, one byte long; `b` follows.
    for path in [b".", b"/", b"b", b"c", b"\0"] {
        assert!(replaced(b"\x01\0\0\0a\0", &[b"\x01\0\0\0", &path[..], b"\0"].concat()).is_err(), "{path:?}");
    }
}

#[test]
fn path_sets_collect_and_each_is_believed_or_not() {
    let key = FingerprintKey(Sha256::of(b"f"));
    let (one, two) = (notary("", Some(1), &[1, 2]), notary("", Some(2), &[2]));
    let first = one.add_paths(&key, &paths(&["a.h"]), None).unwrap();
    let both = two.add_paths(&key, &paths(&["b.h"]), Some(&first)).unwrap();
    assert_eq!(one.decode_paths(&key, &both).unwrap(), (vec![paths(&["b.h"]), paths(&["a.h"])], None));
    let (sets, refused) = two.decode_paths(&key, &both).unwrap();
    assert_eq!(sets, [paths(&["b.h"])]);
    assert_eq!(refused, Some(Refusal::Distrust(Distrust::Stranger(signer(1).public()))));
    // What is there and believed is not written again; what is damaged is replaced.
    assert_eq!(one.add_paths(&key, &paths(&["a.h"]), Some(&both)), None);
    assert!(two.add_paths(&key, &paths(&["a.h"]), Some(&both)).is_some());
    assert!(one.add_paths(&key, &paths(&["a.h"]), Some(b"damaged")).is_some());
    let other = FingerprintKey(Sha256::of(b"g"));
    assert!(one.decode_paths(&other, &both).unwrap().0.is_empty());
}

#[test]
fn path_sets_do_not_grow_without_end() {
    let key = FingerprintKey(Sha256::of(b"f"));
    let notary = notary("", None, &[]);
    let mut there = None;
    for at in 0..PATH_SETS + 5 {
        there = notary.add_paths(&key, &paths(&[&format!("{at}.h")]), there.as_deref());
    }
    let (sets, _) = notary.decode_paths(&key, &there.unwrap()).unwrap();
    assert_eq!((sets.len(), &sets[0]), (PATH_SETS, &paths(&["20.h"])));
}
