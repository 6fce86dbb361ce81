//! The tail of a database: whatever lies between the commits and whichever of them are damaged, all that are whole are seen, in order, and
//! nothing else.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use percache::base::codec::{Decoder, Encode};
use percache::db::tail::{Changes, Tail};

use crate::Target;

pub(crate) const TARGET: Target =
    Target { name: "tail", run, seeds, words: &["pctail1\n", "\u{0}", "\u{1}", "\u{2}", "\u{3}"], allocates: None };

const KIND: u32 = 1;
/// Of the tail that is written.
const ID: u64 = 7;

type Known = BTreeMap<(u8, Vec<u8>), Option<Vec<u8>>>;

/// A file, and where in it which commits were written.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    commits: Vec<(Range<usize>, Vec<u8>, Changes)>,
}

/// Steps: what to do (one byte), and with what.
fn run(data: &[u8]) {
    // As it is: a file of anything.
    let any = Tail::parse(data.to_vec());
    assert!(any.size() <= data.len());
    assert!(any.is_empty() || any.size() > 0);
    let mut written = Written::default();
    let mut from = Decoder::new(data);
    while written.step(&mut from).is_some() {}
    let tail = Tail::parse(written.bytes.clone());
    let (known, end) = written.whole();
    assert_eq!(seen(&tail), known);
    assert_eq!(tail.size(), end);
    for ((column, key), value) in &known {
        assert_eq!(tail.get(*column, key), Some(value.as_deref()));
    }
    scans(&tail, &known);
    // The next commit stands behind the last whole one, and hides none.
    let mut changes = Changes::default();
    changes.put(0, b"new", b"value");
    let mut longer = written.bytes[..end].to_vec();
    longer.extend(changes.to_record(KIND, ID));
    let mut expected = known;
    expected.insert((0, b"new".to_vec()), Some(b"value".to_vec()));
    assert_eq!(seen(&Tail::parse(longer)), expected);
}

/// A fuzzer sees what is compared, digests too, and puts whole commits into its inputs; within a damaged one, such a commit would count.
/// Here they are none any more.
fn garbled(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x55).collect()
}

impl Written {
    fn step(&mut self, from: &mut Decoder<'_>) -> Option<()> {
        match from.u8().ok()? % 5 {
            // A commit.
            0 => {
                let mut changes = Changes::default();
                for _ in 0..from.u8().ok()? % 8 {
                    let (column, key) = (from.u8().ok()? % 4, garbled(from.bytes().ok()?));
                    match from.bool() {
                        Ok(true) => changes.put(column, &key, &garbled(from.bytes().ok()?)),
                        _ => changes.delete(column, &key),
                    }
                }
                let record = changes.to_record(KIND, ID);
                let start = self.bytes.len();
                self.bytes.extend_from_slice(&record);
                self.commits.push((start..self.bytes.len(), record, changes));
            }
            // What does not belong there.
            1 => self.bytes.extend(garbled(from.bytes().ok()?)),
            // A byte that changes.
            2 => {
                let place = from.u32().ok()? as usize;
                let with = from.u8().ok()?;
                if let Some(byte) = self.bytes.get_mut(place) {
                    *byte ^= with;
                }
            }
            // The end, cut off.
            3 => {
                let cut = from.u32().ok()? as usize;
                let length = self.bytes.len().saturating_sub(cut);
                self.bytes.truncate(length);
            }
            // The beginning of a commit that was never finished.
            _ => {
                let mut changes = Changes::default();
                changes.put(0, &garbled(from.bytes().ok()?), b"unfinished");
                let record = changes.to_record(KIND, ID);
                let length = (from.u8().ok()? as usize).min(record.len() - 20);
                self.bytes.extend_from_slice(&record[..length]);
            }
        }
        Some(())
    }

    /// What the whole commits have changed, and where the last of them ends.
    fn whole(&self) -> (Known, usize) {
        let mut known = Known::new();
        let mut end = 0;
        for (place, record, changes) in &self.commits {
            if self.bytes.get(place.clone()) == Some(record) {
                known.extend(
                    changes.iter().map(|(column, key, value)| ((column, key.to_vec()), value.map(<[u8]>::to_vec))),
                );
                end = place.end;
            }
        }
        (known, end)
    }
}

fn seen(tail: &Tail) -> Known {
    tail.iter().map(|(column, key, value)| ((column, key.to_vec()), value.map(<[u8]>::to_vec))).collect()
}

/// Over a database that has one key, a scan shows that one and what the tail has, in order.
fn scans(tail: &Tail, known: &Known) {
    for column in 0..4 {
        let mut expected = BTreeMap::from([(b"m".to_vec(), b"below".to_vec())]);
        for ((_, key), value) in known.iter().filter(|((of, _), _)| *of == column) {
            match value {
                Some(value) => expected.insert(key.clone(), value.clone()),
                None => expected.remove(key),
            };
        }
        let mut shown = Vec::new();
        let below = |visit: &mut percache::db::engine::Visit<'_>| {
            let _ = visit(b"m", b"below");
            Ok(())
        };
        let scanned = tail.scan_over(column, b"", below, &mut |key, value| {
            shown.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        });
        scanned.expect("nothing fails here");
        assert_eq!(shown, expected.into_iter().collect::<Vec<_>>());
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let commit = |to: &mut Vec<u8>, keys: &[(&[u8], Option<&[u8]>)]| {
        to.u8(0);
        to.u8(keys.len() as u8);
        for (key, value) in keys {
            to.u8(1);
            to.bytes(&garbled(key));
            to.bool(value.is_some());
            value.iter().for_each(|value| to.bytes(&garbled(value)));
        }
    };
    let mut plain = Vec::new();
    commit(&mut plain, &[(b"a", Some(b"1")), (b"m", Some(b"over"))]);
    commit(&mut plain, &[(b"a", None), (b"z", Some(b""))]);
    let mut damaged = plain.clone();
    damaged.u8(2);
    damaged.u32(30);
    damaged.u8(1);
    let mut cut = plain.clone();
    cut.u8(3);
    cut.u32(5);
    commit(&mut cut, &[(b"later", Some(b"x"))]);
    let mut between = vec![1];
    between.bytes(&garbled(b"pctail1\n\0\0\0\0pctail1\n"));
    commit(&mut between, &[(b"m", None)]);
    between.u8(4);
    between.bytes(b"k");
    between.u8(40);
    commit(&mut between, &[(b"k", Some(b"2"))]);
    let mut changes = Changes::default();
    changes.put(1, b"key", b"value");
    vec![plain, damaged, cut, between, changes.to_record(KIND, ID)]
}
