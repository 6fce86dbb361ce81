//! Tests of files of results: what was written is read, and what is wrong with a file is found.

use std::sync::Arc;

use percache::db::memory::MemoryEngine;
use percache::store::Store;
use percache::store::id::{Fingerprint, WorkspaceId};
use percache::store::manifest::Manifest;
use percache::store::record::{Entry, Node, StoredResult};

use super::*;
use crate::digest::Sha256;
use crate::record::Notary;
use crate::trust::{SigningKey, Trust};

fn store() -> Store {
    Store::new(Arc::new(MemoryEngine::default()))
}

/// The action that follows from what was hashed.
fn name_of(parts: &[u8]) -> Option<ActionKey> {
    (!parts.is_empty()).then(|| ActionKey(Sha256::of(parts)))
}

fn export(store: &Store, name: &str, outputs: &[(&str, &[u8])]) -> Export {
    let add = |bytes: &[u8]| store.add(&mut &bytes[..], &mut |_| ()).unwrap();
    let file = |bytes| Node::File { content: add(bytes), executable: false };
    let entries = outputs.iter().map(|(path, bytes)| Entry::new(*path, file(bytes))).collect();
    let result = StoredResult {
        label: name.into(),
        fingerprint: Fingerprint::new(percache::Digest::of(name.as_bytes())),
        created: percache::base::clock::Time::from_millis(1),
        took: percache::base::clock::Micros::new(2),
        status: 0,
        log: add(b"log"),
        outputs: Manifest::from_sorted_entries(entries).unwrap(),
    };
    let parts = format!("parts of {name}").into_bytes();
    Export { action: name_of(&parts).unwrap(), place: None, result, parts }
}

/// Three results: two share a content, one has a large one.
fn some(store: &Store) -> Vec<Export> {
    let large: Vec<u8> = (0..3u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut all = vec![
        export(store, "a", &[("a", b"shared"), ("a2", b"own")]),
        export(store, "b", &[("b", b"shared")]),
        export(store, "c", &[("c", &large)]),
    ];
    all[1].place = Some(WorkspaceId::new(percache::Digest::of(b"/here")));
    all
}

fn written(store: &Store, exports: &[Export], notary: &Notary) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Vec::new(), notary, store).unwrap();
    exports.iter().for_each(|export| writer.add(export).unwrap());
    writer.finish().unwrap().1
}

/// What is taken of a file, what is refused, and the error that ends it.
fn read(bytes: &[u8], notary: &Notary, to: &Store) -> (Vec<Taken>, Vec<String>, Option<ArchiveError>) {
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    let mut reader = match ArchiveReader::new(bytes, notary, to, &name_of) {
        Ok(reader) => reader,
        Err(error) => return (taken, refused, Some(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(Item::Taken(one))) => taken.push(*one),
            Ok(Some(Item::Refused { why, .. })) => refused.push(why),
            Ok(None) => return (taken, refused, None),
            Err(error) => return (taken, refused, Some(error)),
        }
    }
}

fn is_whole(taken: &Taken, store: &Store) {
    taken.result.contents().for_each(|content| store.read(&content, &mut std::io::sink()).unwrap());
}

#[test]
fn what_is_written_is_read() {
    let (from, to, notary) = (store(), store(), Notary::default());
    let exports = some(&from);
    let bytes = written(&from, &exports, &notary);
    let (taken, refused, error) = read(&bytes, &notary, &to);
    assert!(refused.is_empty() && error.is_none(), "{refused:?} {error:?}");
    for (taken, export) in taken.iter().zip(&exports) {
        assert_eq!((&taken.result, &taken.parts, taken.place), (&export.result, &export.parts, export.place));
        is_whole(taken, &to);
    }
    assert_eq!(taken.len(), 3);
    // The content that two share came once.
    assert_eq!(taken.iter().map(|one| one.bytes).collect::<Vec<_>>(), [12, 0, 3 << 20]);
}

#[test]
fn the_format_is_pinned() {
    let (from, notary) = (store(), Notary::default());
    let exports = [export(&from, "a", &[("a", b"x")])];
    let bytes = written(&from, &exports, &notary);
    let plain = zstd::stream::decode_all(bytes.strip_prefix(HEAD).unwrap()).unwrap();
    assert_eq!(Sha256::of(&plain).to_string(), "add423f9165acff64d1474fd45be58b6e8c39c8f8b6ab01f6dbb24ef61991c69");
}

#[test]
fn a_file_cut_anywhere_gives_what_is_whole_and_an_error() {
    let (from, notary) = (store(), Notary::default());
    let exports = [export(&from, "a", &[("a", b"1")]), export(&from, "b", &[("b", b"2")])];
    let bytes = written(&from, &exports, &notary);
    for end in 0..bytes.len() {
        let to = store();
        let (taken, _, error) = read(&bytes[..end], &notary, &to);
        assert!(error.is_some(), "cut at {end} of {}", bytes.len());
        taken.iter().for_each(|one| is_whole(one, &to));
    }
}

#[test]
fn a_flipped_bit_is_never_taken_for_a_result() {
    let (from, notary) = (store(), Notary::default());
    let exports = [export(&from, "a", &[("a", b"1")]), export(&from, "b", &[("b", b"2")])];
    let bytes = written(&from, &exports, &notary);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let to = store();
        let (taken, refused, error) = read(&damaged, &notary, &to);
        // A header's unused bits may be flipped without consequence.
        assert!(error.is_some() || refused.len() + taken.len() == 2, "flipped at {at}");
        for one in taken {
            assert!(exports.iter().any(|export| export.result == one.result && export.parts == one.parts));
            is_whole(&one, &to);
        }
    }
}

#[test]
fn damage_in_what_is_packed_costs_the_results_that_need_it() {
    let (from, notary) = (store(), Notary::default());
    let exports = [export(&from, "a", &[("a", b"only here")]), export(&from, "b", &[("b", b"and here")])];
    let bytes = written(&from, &exports, &notary);
    let mut plain = zstd::stream::decode_all(bytes.strip_prefix(HEAD).unwrap()).unwrap();
    let at = plain.windows(9).position(|bytes| bytes == b"only here").unwrap();
    plain[at] ^= 1;
    let again = [HEAD, &zstd::stream::encode_all(&plain[..], 1).unwrap()].concat();
    let (taken, refused, error) = read(&again, &notary, &store());
    assert!(error.is_none(), "{error:?}");
    assert_eq!((taken.len(), refused.len()), (1, 1));
    assert_eq!(taken[0].result.label, "b");
}

#[test]
fn only_what_a_friend_signed_is_taken_and_nothing_else_fills_the_store() {
    let (from, to) = (store(), store());
    let (text, public) = SigningKey::generate().unwrap();
    let signing = Notary { key: Some(SigningKey::parse(&text).unwrap()), ..Notary::default() };
    let trusting = Notary { trust: Trust(vec![public]), ..Notary::default() };
    let exports = some(&from);
    let (taken, refused, error) = read(&written(&from, &exports, &Notary::default()), &trusting, &to);
    assert!(taken.is_empty() && error.is_none());
    assert_eq!(refused, ["it is not signed"; 3]);
    let large = exports[2].result.contents().max_by_key(|content| content.length).unwrap();
    assert!(!to.has(&large).unwrap(), "it was added although nobody who is believed has signed it");
    let (taken, refused, _) = read(&written(&from, &exports, &signing), &trusting, &to);
    assert_eq!((taken.len(), refused.len()), (3, 0));
}

#[test]
fn a_result_cannot_pass_for_another_or_lose_its_directory() {
    let (from, notary) = (store(), Notary::default());
    let exports = some(&from);
    let swapped = [Export { parts: exports[1].parts.clone(), ..exports[0].clone() }];
    assert_eq!(read(&written(&from, &swapped, &notary), &notary, &store()).1, ["it is the result of another action"]);
    // A record made for a directory, with the directory taken away: the writer itself computes another key.
    let tied = written(&from, &exports[1..2], &notary);
    let mut plain = zstd::stream::decode_all(tied.strip_prefix(HEAD).unwrap()).unwrap();
    let length = u64::from_le_bytes(plain[1..9].try_into().unwrap()) as usize;
    let mut body = plain[9..9 + length].to_vec();
    body.truncate(length - 21);
    body.push(0);
    let rest = plain.split_off(9 + length + 32);
    let forged = [&[RESULT][..], &(body.len() as u64).to_le_bytes(), &body, &Sha256::of(&body).0, &rest].concat();
    let forged = [HEAD, &zstd::stream::encode_all(&forged[..], 1).unwrap()].concat();
    assert_eq!(read(&forged, &notary, &store()).1, ["it is the result of another action"]);
}

#[test]
fn other_files_are_told_apart() {
    let notary = Notary::default();
    let error = |bytes: &[u8]| read(bytes, &notary, &store()).2.unwrap().to_string();
    assert_eq!(error(b""), "it is no file of exported results");
    assert_eq!(error(b"PK\x03\x04 something else entirely"), "it is no file of exported results");
    assert_eq!(error(b"percache archive 9\nand so on"), "it was written by another version of percache");
    assert_eq!(error(HEAD), "it is cut short");
}

#[test]
fn what_the_store_has_lost_is_left_out() {
    let (from, notary) = (store(), Notary::default());
    let mut exports = some(&from);
    exports[0].result.log.digest = percache::Digest::of(b"nowhere");
    let mut writer = ArchiveWriter::new(Vec::new(), &notary, &from).unwrap();
    exports.iter().for_each(|export| writer.add(export).unwrap());
    let (counts, bytes) = writer.finish().unwrap();
    assert_eq!((counts.results, counts.incomplete, counts.contents), (2, 1, 3));
    assert_eq!(read(&bytes, &notary, &store()).0.len(), 2);
}
