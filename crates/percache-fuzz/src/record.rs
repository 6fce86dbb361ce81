//! Records of the store: one value has one encoding, so what can be read is written as the same bytes.

use percache::Digest;
use percache::base::clock::{Micros, Time};
use percache::base::codec::Decoder;
use percache::store::id::{ActionKey, Fingerprint, WorkspaceId};
use percache::store::manifest::{Manifest, PathSet};
use percache::store::record::{Content, Entry, Node, ResultKey, StoredResult};
use percache_runner::internals::{Discovered, Part, Parts};
use percache_runner::why::{Behind, FileState, Kind, Value};

use crate::Target;

pub(crate) const TARGET: Target =
    Target { name: "record", run, seeds, words: &["\u{2}", "\u{1}"], allocates: Some(64) };

/// The first byte says of what kind.
fn run(data: &[u8]) {
    let Some((&kind, bytes)) = data.split_first() else { return };
    let written = match kind % 5 {
        0 => StoredResult::decode(bytes).ok().map(|result| {
            assert_eq!(StoredResult::label_of(bytes), Some(result.label.as_str()));
            assert!(result.contents().count() <= 1 + result.outputs.len());
            result.encode()
        }),
        1 => PathSet::decode(bytes).ok().map(|paths| paths.encode()),
        2 => Parts::decode(bytes).ok().map(|parts| {
            parts.fingerprint();
            parts.record(&Discovered::default())
        }),
        3 => {
            let mut from = Decoder::new(bytes);
            Entry::decode(&mut from).ok().map(|entry| {
                let mut written = Vec::new();
                entry.encode(&mut written);
                [&written, from.rest()].concat()
            })
        }
        _ => ResultKey::from_bytes(bytes).map(|key| key.to_bytes().to_vec()),
    };
    if let Some(written) = written {
        assert_eq!(written, bytes, "a record of kind {}", kind % 5);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let result = example();
    let state = FileState::File { digest: Digest::of(b"x"), executable: true };
    let link = FileState::Symlink {
        target: b"x".to_vec(),
        behind: Behind::File { digest: Digest::of(b"x"), executable: false },
    };
    let parts = Parts::new(vec![
        Part::new(Kind::Command, "", Value::List(vec![b"cc".to_vec(), b"-c".to_vec()])),
        Part::new(Kind::Cwd, "", Value::Text(b"src".to_vec())),
        Part::new(Kind::Env, "CC", Value::Unset),
        Part::new(Kind::Env, "CFLAGS", Value::Digest(Digest::of(b"-O2"))),
        Part::new(Kind::Input, "src/a.c", Value::File(state)),
        Part::new(Kind::Input, "src/b.c", Value::File(link)),
    ]);
    let mut entry = Vec::new();
    result.outputs[1].encode(&mut entry);
    let records = [
        result.encode(),
        PathSet::from_iter([b"a.h".to_vec(), b"/usr/b.h".to_vec()]).encode(),
        parts.record(&Discovered(vec![(b"a.h".to_vec(), FileState::Absent)])),
        entry,
        ResultKey { action: ActionKey::new(Digest::of(b"a")), place: Some(WorkspaceId::new(Digest::of(b"/"))) }
            .to_bytes()
            .to_vec(),
    ];
    (0..).zip(records).map(|(kind, record)| [&[kind], &record[..]].concat()).collect()
}

/// A result with one output of each kind.
pub(crate) fn example() -> StoredResult {
    let content = Content { digest: Digest::of(b"x"), length: 1 };
    StoredResult {
        label: "pkgs/app:build".into(),
        fingerprint: Fingerprint::new(Digest::of(b"f")),
        created: Time::from_millis(1),
        took: Micros::new(2),
        status: -3,
        log: content,
        outputs: Manifest::from_sorted_entries(vec![
            Entry::new(*b"d", Node::Directory),
            Entry::new(*b"d/\xff", Node::File { content, executable: true }),
            Entry::new(*b"l", Node::Symlink(b"../x".into())),
        ])
        .expect("a manifest"),
    }
}
