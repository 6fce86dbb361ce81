//! What a build in progress notes: a torn or damaged record ends the list, and hides nothing that stands before it.

use percache::Digest;
use percache_runner::internals::{Intent, Leader, LeftBehind, Trace};
use percache_runner::tasks::RelPath;

use crate::Target;

pub(crate) const TARGET: Target =
    Target { name: "intents", run, seeds, words: &["build/**", "!x", "\u{1}", "\u{2}"], allocates: Some(256) };

fn run(data: &[u8]) {
    let (left, whole) = LeftBehind::decode(data);
    assert!(whole <= data.len());
    assert_eq!(LeftBehind::decode(&data[..whole]), (left.clone(), whole));
    let written = left.encode();
    assert_eq!(LeftBehind::decode(&written), (left, written.len()));
}

fn seeds() -> Vec<Vec<u8>> {
    let path = |text: &str| RelPath::new(text).unwrap_or_else(|_| RelPath::root());
    let intent = Intent {
        patterns: vec!["out".into(), "!out/*.tmp".into()],
        others: vec![path("a/b")],
        temporaries: vec![path("t"), path("u")],
        last_sign: 7,
    };
    let (system, leader) = (Digest::of(b"boot"), Some(Leader { id: 7, began: (1 << 40, 1 << 41) }));
    let commands = vec![Trace { system, leader: None, pipes: vec![3, 4] }, Trace { system, leader, pipes: Vec::new() }];
    vec![LeftBehind { intents: vec![intent.clone(), intent], commands }.encode()]
}
