//! Tests of whole ways: from one store through a remote to another.

mod damage;
mod execution;
mod farm;
mod handshake;
mod misbehaving;
mod odd;
mod proxy;
mod random;
mod servers;
mod told;
mod worker;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use percache::Digest;
use percache::db::memory::MemoryEngine;
use percache::store::Store;
use percache::store::id::Fingerprint;
use percache::store::manifest::Manifest;
use percache::store::record::{Content, Entry, Node, ResultKey, StoredResult};

use crate::record::RemoteResult;
use crate::{
    ActionKey, Fetch, FingerprintKey, Notice, Progress, Remote, Settings, Sha256, SigningKey, Table, Upload, Uploads,
};

/// One machine: a store and what it knows of the remote.
struct Machine {
    store: Arc<Store>,
    remote: Remote,
    uploads: Uploads,
    dir: tempfile::TempDir,
}

fn table(url: &str) -> Table {
    Table { url: Some(url.into()), write: Some("true".into()), ..Table::default() }
}

impl Machine {
    fn new(table: &Table) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::resolve(table, Path::new("/"), &|_| None).unwrap().unwrap();
        let store = Arc::new(Store::new(Arc::new(MemoryEngine::default())));
        let remote = Remote::new(settings);
        let uploads = Uploads::new(&remote, store.clone(), dir.path().join("remote"));
        Machine { store, remote, uploads, dir }
    }

    /// The same machine, and the next run.
    fn again(self, table: &Table) -> Machine {
        let settings = Settings::resolve(table, Path::new("/"), &|_| None).unwrap().unwrap();
        let remote = Remote::new(settings);
        let uploads = Uploads::new(&remote, self.store.clone(), self.dir.path().join("remote"));
        Machine { remote, uploads, ..self }
    }

    /// A result of these outputs, in the store.
    fn made(&self, name: &str, outputs: &[(&str, &[u8])]) -> Upload {
        let add = |bytes: &[u8]| self.store.add(&mut &bytes[..], &mut |_| ()).unwrap();
        let file = |bytes| Node::File { content: add(bytes), executable: true };
        let entries = outputs.iter().map(|(path, bytes)| Entry::new(*path, file(bytes))).collect();
        let result = StoredResult {
            label: name.into(),
            fingerprint: Fingerprint::new(Digest::of(name.as_bytes())),
            created: percache::base::clock::Time::from_millis(1),
            took: percache::base::clock::Micros::new(2),
            status: 0,
            log: add(b""),
            outputs: Manifest::from_sorted_entries(entries).unwrap(),
        };
        let key = ResultKey { action: percache::store::id::ActionKey::new(Digest::of(name.as_bytes())), place: None };
        Upload { key, fingerprint: fingerprint(name), action: action(name), result, paths: None }
    }

    fn finish(&self) -> Progress {
        self.uploads.finish(&mut |_| ControlFlow::Continue(()))
    }

    fn pulls(&self, name: &str) -> Option<RemoteResult> {
        let result = self.remote.results(&[action(name)]).pop()?.ok().flatten()?;
        let mut fetched = Vec::new();
        self.remote.fetch(std::slice::from_ref(&result), &*self.store, &mut |_, fetch| fetched.push(fetch));
        matches!(fetched[..], [Fetch::Whole { .. }]).then_some(result)
    }

    fn bytes(&self, content: &Content) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.store.read(content, &mut bytes).unwrap();
        bytes
    }
}

fn fingerprint(name: &str) -> FingerprintKey {
    FingerprintKey(Sha256::of(format!("fingerprint {name}").as_bytes()))
}

fn action(name: &str) -> ActionKey {
    ActionKey(Sha256::of(format!("action {name}").as_bytes()))
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// What every remote must do, of whatever kind.
fn goes_from_one_machine_to_another(table: &Table) {
    let (here, there) = (Machine::new(table), Machine::new(table));
    assert!(there.pulls("app").is_none());
    let large = noise(5 << 20, 1);
    let dull = vec![b'x'; 3 << 20];
    let outputs: [(&str, &[u8]); 5] =
        [("bin/app", &large), ("bin/dull", &dull), ("bin/empty", b""), ("bin/twin", b"text"), ("bin/twin2", b"text")];
    here.uploads.offer(here.made("app", &outputs));
    let many: Vec<_> = (0..300).map(|at| (format!("f{at:03}"), format!("content {at}").into_bytes())).collect();
    let many: Vec<_> = many.iter().map(|(path, bytes)| (&path[..], &bytes[..])).collect();
    here.uploads.offer(here.made("many", &many));
    let progress = here.finish();
    assert_eq!((progress.done, progress.left()), (2, 0), "{:?}", here.remote.take_notices());
    for (name, outputs) in [("app", &outputs[..]), ("many", &many[..])] {
        let result = there.pulls(name).unwrap_or_else(|| panic!("{name}: {:?}", there.remote.take_notices()));
        for (path, bytes) in outputs {
            let Some(Entry { node: Node::File { content, executable: true }, .. }) =
                result.result.outputs.get(path.as_bytes())
            else {
                panic!("{path} is no executable file")
            };
            assert!(there.bytes(content) == *bytes, "{path}");
        }
    }
    assert_eq!(there.remote.counts().hits, 2);
    assert_eq!(there.remote.take_notices(), []);
    assert!(here.uploads.leftovers().is_empty());
    // Whoever makes the same thing finds it there, and writes no content.
    let third = Machine::new(table);
    third.uploads.offer(third.made("app", &outputs));
    let progress = third.finish();
    assert_eq!((progress.done, progress.bytes), (1, 0));
}

fn path_sets_are_found_under_their_fingerprint(table: &Table) {
    let (here, there) = (Machine::new(table), Machine::new(table));
    let mut upload = here.made("app", &[("app", b"1")]);
    let paths = percache::store::manifest::PathSet::decode(b"\x01\0\0\0\x03\0\0\0a.h").unwrap();
    upload.paths = Some(paths.clone());
    here.uploads.offer(upload.clone());
    assert_eq!(here.finish().done, 1);
    assert_eq!(there.remote.path_sets(&[upload.fingerprint]), [(vec![paths], None)]);
    assert_eq!(there.remote.path_sets(&[fingerprint("other")]), [(vec![], None)]);
}

/// Every file below `dir`, but those of unfinished writes.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = pending.pop() {
        for entry in std::fs::read_dir(next).unwrap().flatten() {
            if entry.path().is_dir() { pending.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found
}

fn file_table(dir: &Path) -> Table {
    table(&format!("file://{}", dir.display()))
}

#[test]
fn a_shared_directory() {
    let dir = tempfile::tempdir().unwrap();
    goes_from_one_machine_to_another(&file_table(dir.path()));
    path_sets_are_found_under_their_fingerprint(&file_table(dir.path()));
}

#[test]
fn a_redis_server() {
    let Some(server) = servers::redis() else { return };
    goes_from_one_machine_to_another(&table(&server.url));
    path_sets_are_found_under_their_fingerprint(&table(&server.url));
}

#[test]
fn a_webdav_server() {
    let Some(server) = servers::webdav() else { return };
    goes_from_one_machine_to_another(&table(&server.url));
    path_sets_are_found_under_their_fingerprint(&table(&server.url));
}

#[test]
fn a_server_of_the_remote_execution_api() {
    let Some(server) = servers::casd(&[]) else { return };
    goes_from_one_machine_to_another(&table(&server.url));
    path_sets_are_found_under_their_fingerprint(&table(&server.url));
}

#[test]
fn what_a_server_has_lost_or_damaged_is_a_miss() {
    let Some(server) = servers::casd(&[]) else { return };
    let here = Machine::new(&table(&server.url));
    let large = noise(2 << 20, 3);
    let middle = [noise(20_000, 6), noise(20_000, 7)];
    let outputs: [(&str, &[u8]); 4] =
        [("large", &large), ("one", &middle[0]), ("small", b"small"), ("two", &middle[1])];
    here.uploads.offer(here.made("app", &outputs));
    assert_eq!(here.finish().done, 1, "{:?}", here.remote.take_notices());
    let objects = server.dir.path().join("casd/cas/objects");
    // Some of what is there is the server's own.
    let all: Vec<_> = files(&objects).into_iter().filter(|path| path.metadata().unwrap().len() > 0).collect();
    assert!(all.len() >= 4, "{all:?}");
    for path in &all {
        let sound = std::fs::read(path).unwrap();
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 4;
        for damaged in [Some(flipped), Some(sound[..sound.len() / 2].to_vec()), None] {
            std::fs::remove_file(path).unwrap();
            if let Some(damaged) = &damaged {
                std::fs::write(path, damaged).unwrap();
            }
            let there = Machine::new(&table(&server.url));
            if let Some(result) = there.pulls("app") {
                assert!(result.contents().all(|(content, blob)| blob.is(&there.bytes(&content))));
            }
            std::fs::write(path, &sound).unwrap();
        }
    }
}

#[test]
fn a_failed_action_of_the_server_is_nothing_to_us() {
    let Some(server) = servers::casd(&[]) else { return };
    let here = Machine::new(&table(&server.url));
    let mut upload = here.made("app", &[("app", b"1")]);
    upload.result.status = 1;
    here.uploads.offer(upload);
    here.finish();
    assert!(Machine::new(&table(&server.url)).pulls("app").is_none());
}

#[test]
fn a_connection_that_is_cut_is_made_again_and_nothing_is_lost() {
    let Some(server) = servers::redis() else { return };
    redis_or_grpc_behind_a_cut(&server.url, "redis", server.port);
    let Some(server) = servers::casd(&[]) else { return };
    redis_or_grpc_behind_a_cut(&server.url, "grpc", server.port);
}

fn redis_or_grpc_behind_a_cut(direct: &str, scheme: &str, port: u16) {
    let large = noise(6 << 20, 4);
    let outputs: [(&str, &[u8]); 2] = [("large", &large), ("small", b"small")];
    // Half of it goes through, then the connection breaks, once.
    let proxy = proxy::start(port, proxy::Fault::CutOnceAfter(3 << 20));
    let here = Machine::new(&table(&format!("{scheme}://127.0.0.1:{}", proxy.port)));
    here.uploads.offer(here.made("app", &outputs));
    let progress = here.finish();
    assert_eq!(progress.done, 1, "{scheme}: {:?}", here.remote.take_notices());
    let proxy = proxy::start(port, proxy::Fault::CutOnceAfter(3 << 20));
    let there = Machine::new(&table(&format!("{scheme}://127.0.0.1:{}", proxy.port)));
    assert!(there.pulls("app").is_some(), "{scheme}: {:?}", there.remote.take_notices());
    assert!(Machine::new(&table(direct)).pulls("app").is_some());
}

#[test]
fn a_remote_that_dies_in_the_middle_costs_its_patience_once() {
    let Some(server) = servers::casd(&[]) else { return };
    let full = Machine::new(&table(&server.url));
    (0..20).for_each(|at| full.uploads.offer(full.made(&format!("app {at}"), &[("app", b"1")])));
    assert_eq!(full.finish().done, 20);
    let proxy = proxy::start(server.port, proxy::Fault::None);
    let here = Machine::new(&table(&format!("grpc://127.0.0.1:{}", proxy.port)));
    assert!(here.pulls("app 0").is_some());
    proxy.stall();
    let began = Instant::now();
    (1..20).for_each(|at| assert!(here.pulls(&format!("app {at}")).is_none()));
    here.uploads.offer(here.made("new", &[("app", b"2")]));
    here.finish();
    assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
    assert!(matches!(&here.remote.take_notices()[..], [Notice::GivenUp { .. }]));
}

#[test]
fn a_slow_network_is_no_dead_one() {
    let Some(server) = servers::casd(&[]) else { return };
    // Every way takes four seconds, twice what a build waits for a sign. (Slower, and what the system buffers between
    // two programs of one machine would hold up the sign itself, which no real network does.)
    let proxy = proxy::start(server.port, proxy::Fault::Slow { bytes_a_second: 8 << 20 });
    let table = table(&format!("grpc://127.0.0.1:{}", proxy.port));
    let here = Machine::new(&table);
    here.uploads.offer(here.made("app", &[("app", &noise(32 << 20, 5))]));
    assert_eq!(here.finish().done, 1, "{:?}", here.remote.take_notices());
    let there = Machine::new(&table);
    assert!(there.pulls("app").is_some(), "{:?}", there.remote.take_notices());
}

#[test]
fn what_is_down_is_given_up_at_once_and_offered_again_later() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    for scheme in ["redis", "webdav", "grpc"] {
        let here = Machine::new(&table(&format!("{scheme}://127.0.0.1:{port}")));
        let began = Instant::now();
        (0..50).for_each(|at| assert!(here.pulls(&format!("app {at}")).is_none()));
        here.uploads.offer(here.made("app", &[("app", b"1")]));
        assert_eq!(here.finish().done, 0);
        assert!(began.elapsed() < Duration::from_millis(2_500), "{scheme}: {:?}", began.elapsed());
        let notices = here.remote.take_notices();
        assert!(matches!(&notices[..], [Notice::GivenUp { .. }]), "{scheme}: {notices:?}");
        let dir = tempfile::tempdir().unwrap();
        let next = here.again(&file_table(dir.path()));
        assert_eq!(next.uploads.leftovers(), [next.made("app", &[("app", b"1")]).key]);
        next.uploads.offer(next.made("app", &[("app", b"1")]));
        assert_eq!(next.finish().done, 1);
        assert!(next.uploads.leftovers().is_empty());
    }
}

#[test]
fn what_is_silent_costs_its_patience_once() {
    // The kernel accepts; nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for scheme in ["redis", "webdav", "grpc"] {
        let here = Machine::new(&table(&format!("{scheme}://{address}")));
        let began = Instant::now();
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(|| assert!(here.pulls("app").is_none()))));
        });
        assert!(here.pulls("app").is_none());
        here.uploads.offer(here.made("app", &[("app", b"1")]));
        here.finish();
        assert!(began.elapsed() < Duration::from_millis(2_500), "{scheme}: {:?}", began.elapsed());
        assert!(matches!(&here.remote.take_notices()[..], [Notice::GivenUp { .. }]));
    }
}

#[test]
fn uploads_can_be_broken_off_and_are_remembered() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = Machine::new(&table(&format!("webdav://{}", silent.local_addr().unwrap())));
    here.uploads.offer(here.made("app", &[("app", b"1")]));
    let began = Instant::now();
    let progress = here.uploads.finish(&mut |_| ControlFlow::Break(()));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!((progress.done, progress.left()), (0, 1));
    let next = here.again(&table("file:///nowhere"));
    assert_eq!(next.uploads.leftovers().len(), 1);
}

#[test]
fn without_a_question_there_is_no_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let here = Machine::new(&table(&format!("redis://{}", listener.local_addr().unwrap())));
    assert_eq!(here.finish(), Progress::default());
    assert!(listener.accept().is_err());
    assert!(!here.dir.path().join("remote").exists());
}

#[test]
fn the_generated_code_is_that_of_the_protos() {
    if std::env::var_os("PERCACHE_TEST_PROTOS").is_none() {
        eprintln!("SKIPPED: PERCACHE_TEST_PROTOS is not set; generating code builds some forty crates");
        return;
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("protos/Cargo.toml");
    let mut cargo = std::process::Command::new(env!("CARGO"));
    let output =
        cargo.args(["run", "--quiet", "--manifest-path"]).arg(manifest).args(["--", "--check"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
