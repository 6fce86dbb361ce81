//! The journal of a worktree. It ends in its own digest, which no mutation would find: the target puts a right one behind its input. What is
//! behind that check is what an attacker who can write the store has before him.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use percache::Digest;
use percache::base::clock::{Micros, Time};
use percache::store::id::{ActionKey, Fingerprint, WorkspaceId};
use percache::store::manifest::PathSet;
use percache::store::record::ResultKey;
use percache_runner::internals::{
    Asked, Builder, Caller, Evidence, Finding, Flat, Image, Journal, PathLists, Seen, Stamp, Surroundings, TaskRecord,
    Tool, check, is_whole,
};

use crate::{Target, record};

pub(crate) const TARGET: Target =
    Target { name: "journal", run, seeds, words: &["\u{1}\u{0}\u{0}\u{0}", "\u{7}", "app"], allocates: Some(128) };

const DIGEST: usize = 20;

fn run(data: &[u8]) {
    let bytes = Arc::new(Image::from(sealed(data)));
    assert!(is_whole(&bytes));
    let Ok(journal) = Journal::decode_whole(&bytes) else { return };
    look_at(&journal);
    let written = journal.encode().to_vec();
    let again = Journal::decode_whole(&Arc::new(written.clone().into()));
    assert_eq!(again.as_ref(), Ok(&journal));
    assert_eq!(journal.encode().to_vec(), written);
    stands(&bytes, &journal);
}

/// The input behind the first line of a journal, and before its digest.
fn sealed(data: &[u8]) -> Vec<u8> {
    let mut bytes = first_line();
    bytes.extend_from_slice(data);
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

fn first_line() -> Vec<u8> {
    let mut bytes = Journal::default().encode().to_vec();
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(end);
    bytes
}

/// Whatever a build asks of a journal can be answered.
fn look_at(journal: &Journal) {
    let files = &journal.files;
    for i in 0..files.len() {
        let path = files.path(i);
        assert!(files.c_path(i).count_bytes() <= path.len());
        assert!(files.find(path).is_some_and(|found| files.path(found) == path));
        files.seen(i);
    }
    for list in 0..=journal.lists.len() as u32 {
        assert!(journal.lists.get(list).iter().all(|position| (*position as usize) < files.len()));
    }
    for record in journal.tasks.values() {
        assert!(record.left().count() == record.outputs.len());
    }
}

/// Evidence that makes no sense is none. In an empty directory, and without the tools, which would be run.
fn stands(bytes: &Arc<Image>, journal: &Journal) {
    let Some(finding) = journal.finding.as_ref().filter(|finding| finding.tools.is_empty()) else { return };
    let request = finding.request.as_ref().map_or(Digest::default(), |(request, _)| *request);
    let asked = Asked { args: finding.args, tasks: request };
    let around = Surroundings { root: Path::new("/dev/null/none"), epoch: journal.epoch, caller: &Caller::new() };
    assert!(check(bytes, &asked, around, 1).is_none(), "there is no such directory");
    let root = Path::new("/");
    if let Some(holds) = check(bytes, &asked, Surroundings { root, ..around }, 1) {
        let known = |name: &str| journal.tasks.contains_key(name);
        assert!(holds.untouched().into_iter().all(known));
    }
    let flat = Flat::decode(bytes).unwrap_or_else(|e| panic!("it was read before: {e}"));
    assert!(flat.tasks.len() >= journal.tasks.len());
}

fn seeds() -> Vec<Vec<u8>> {
    let journals = [Journal::default(), example(true), example(false)];
    let first = first_line().len();
    journals
        .iter()
        .map(|journal| journal.encode().to_vec())
        .map(|bytes| bytes[first..bytes.len() - DIGEST].to_vec())
        .collect()
}

fn example(with_tools: bool) -> Journal {
    let mut files = Builder::default();
    let stamp = Stamp { size: 1, mtime: 2, ctime: 3, inode: 4, mode: 0o100_644 };
    files.push(b"no/such/file", &Seen { stamp: None, digest: None, settled: true });
    files.push(b"src/\xff.c", &Seen { stamp: Some(stamp), digest: Some(Digest::of(b"x")), settled: false });
    let mut lists = PathLists::default();
    lists.push([]);
    lists.push([0, 1]);
    lists.push([0]);
    let key = ResultKey { action: ActionKey::new(Digest::of(b"a")), place: None };
    let record = TaskRecord {
        key: Some(key),
        fingerprint: Fingerprint::new(Digest::of(b"f")),
        created: Time::from_millis(3),
        took: Micros::new(4),
        previous: Some(ResultKey { place: Some(WorkspaceId::new(Digest::of(b"/"))), ..key }),
        discovered: PathSet::from_iter([b"include/a.h".to_vec()]),
        outputs: record::example().outputs,
        failed: true,
        on_remote: false,
        uncertain: vec![b"d".to_vec()],
        evidence: Evidence { sure: true, expiry: Time::MAX, lists: vec![2, 0] },
    };
    let tool = Tool {
        command: "cc --version".into(),
        cwd: Vec::new(),
        pass: vec!["A".into()],
        from: vec!["CC".into()],
        set: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
        answer: Digest::of(b"1"),
    };
    let finding = Finding {
        args: Digest::of(b"args"),
        variables: vec!["CC".into(), "LC_*".into()],
        environment: Digest::of(b""),
        tools: if with_tools { vec![tool] } else { Vec::new() },
        configuration: 0,
        kept: Some(Digest::of(b"kept")),
        request: Some((Digest::of(b"r"), vec![0])),
    };
    Journal {
        epoch: 7,
        hits: 1,
        misses: 2,
        tasks: BTreeMap::from([("app".to_owned(), record)]),
        files: files.finish(),
        lists,
        finding: Some(finding),
        made: vec![b"build".to_vec()],
    }
}
