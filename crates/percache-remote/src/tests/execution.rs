//! Executing commands, with a server that does what a server may do wrong.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use percache::Digest;
use percache::db::memory::MemoryEngine;
use percache::store::Store;
use percache::store::record::{Content, Node};

use super::farm::{Answer, Farm, lacks, left};
use crate::connection::Notice;
use crate::digest::Blob;
use crate::execution::{Caller, Command, Executed, Execution, Input, InputKind, OutputPath, Stage};
use crate::fault::{Fault, FaultKind};
use crate::reapi::v2;
use crate::settings::{ExecutionSettings, ExecutionTable};

/// A build with one command.
#[derive(Default)]
pub(super) struct Build {
    pub files: HashMap<String, Vec<u8>>,
    stages: Mutex<Vec<Stage>>,
    pub log: Mutex<Vec<u8>>,
    wrote: AtomicUsize,
    stopped: AtomicBool,
}

impl Caller for Build {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        let bytes = self.files.get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn wants(&self, _: &str, input: bool) -> bool {
        !input
    }

    fn reached(&self, stage: Stage) {
        self.stages.lock().unwrap().push(stage);
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn restart(&self) {
        self.log.lock().unwrap().clear();
    }

    fn wrote(&self, _: bool, bytes: &[u8]) {
        self.wrote.fetch_add(1, Ordering::Relaxed);
        self.log.lock().unwrap().extend_from_slice(bytes);
    }
}

pub(super) struct World {
    pub build: Build,
    pub store: Store,
    execution: Execution,
    pub command: Command,
}

impl World {
    pub fn new(port: u16) -> World {
        let table = ExecutionTable { url: Some(format!("grpc://127.0.0.1:{port}")), ..ExecutionTable::default() };
        let settings = ExecutionSettings::resolve(&table, None, std::path::Path::new("/"), &|_| None).unwrap().unwrap();
        let files = HashMap::from([("src/a.txt".to_owned(), b"a\n".to_vec())]);
        let file = InputKind::File { digest: Digest::of(b"a\n"), executable: false };
        let command = Command {
            arguments: vec!["make".into()],
            inputs: vec![Input { path: "src/a.txt".into(), kind: file }],
            outputs: vec![OutputPath { path: "out".into(), directory: false }],
            cacheable: true,
            ..Command::default()
        };
        World {
            build: Build { files, ..Build::default() },
            store: Store::new(Arc::new(MemoryEngine::new())),
            execution: Execution::new(settings),
            command,
        }
    }

    pub fn execute(&self) -> Result<Executed, Fault> {
        self.execution.execute(&self.command, &self.store, &self.build)
    }

    /// Checks that what the server said is not used, and that the user is told.
    fn is_refused(&self) -> Fault {
        let fault = self.execute().unwrap_err();
        let notices = self.execution.take_notices();
        assert!(matches!(&notices[..], [Notice::NotExecuted { .. } | Notice::GivenUp { .. }]), "{notices:?}");
        fault
    }
}

fn made() -> Blob {
    Blob::of(b"made\n")
}

/// A server that has what the command makes, and answers so.
fn farm(answers: &[Answer]) -> Farm {
    let farm = Farm::start(answers);
    farm.add(b"made\n");
    farm
}

fn good() -> Answer {
    Answer::Result(left("out", &made()))
}

fn is_good(world: &World, executed: &Executed) {
    let content = Content { digest: Digest::of(b"made\n"), length: 5 };
    assert_eq!(executed.outputs, [("out".to_owned(), Node::File { content, executable: false })]);
    let mut bytes = Vec::new();
    world.store.read(&content, &mut bytes).unwrap();
    assert_eq!(bytes, b"made\n");
    assert_eq!(*world.build.log.lock().unwrap(), b"said\n");
}

#[test]
fn what_is_needed_goes_there_once_and_what_was_made_comes_back() {
    let farm = farm(&[good()]);
    let world = World::new(farm.port);
    is_good(&world, &world.execute().unwrap());
    assert_eq!(*world.build.stages.lock().unwrap(), [Stage::Asked, Stage::Queued, Stage::Executing]);
    let (request, action) = &farm.actions()[0];
    assert!(!request.skip_cache_lookup && !action.do_not_cache);
    assert_eq!(farm.bytes(&Blob::of(b"a\n")).as_deref(), Some(&b"a\n"[..]));
    let asked = farm.calls("FindMissingBlobs");
    world.execute().unwrap();
    assert_eq!(
        (farm.calls("FindMissingBlobs"), farm.calls("BatchUpdateBlobs")),
        (asked, 1),
        "all is known to be there"
    );
    assert_eq!(world.execution.take_notices(), []);
}

#[test]
fn a_lost_stream_is_taken_up_again() {
    let farm = farm(&[Answer::Lost, Answer::Lost, good()]);
    let world = World::new(farm.port);
    is_good(&world, &world.execute().unwrap());
    assert_eq!((farm.calls("Execute"), farm.calls("WaitExecution")), (1, 2));
}

#[test]
fn an_operation_that_the_server_has_forgotten_is_begun_anew() {
    let farm = farm(&[Answer::Lost, Answer::Fails(5, None), good()]);
    let world = World::new(farm.port);
    is_good(&world, &world.execute().unwrap());
    assert_eq!((farm.calls("Execute"), farm.calls("WaitExecution")), (2, 1));
}

#[test]
fn what_the_server_has_dropped_is_uploaded_once_more_and_not_for_ever() {
    let input = Blob::of(b"a\n");
    let missing = Answer::Fails(9, Some(lacks(&input)));
    let one = farm(&[good(), missing.clone(), good()]);
    let world = World::new(one.port);
    world.execute().unwrap();
    one.lose_all();
    one.add(b"made\n");
    world.execute().unwrap();
    assert_eq!((one.calls("Execute"), one.bytes(&input).is_some()), (3, true));
    let always = farm(&[missing]);
    let world = World::new(always.port);
    assert_eq!(world.is_refused().kind, FaultKind::Missing);
    assert_eq!(always.calls("Execute"), 2);
}

#[test]
fn a_command_that_fails_has_failed_and_the_server_is_well() {
    let failed = v2::ActionResult { exit_code: 3, stderr_raw: "no\n".into(), ..Default::default() };
    let farm = farm(&[Answer::Result(failed)]);
    let world = World::new(farm.port);
    let executed = world.execute().unwrap();
    assert_eq!((executed.status, executed.timed_out, executed.outputs.len()), (3, false, 0));
    assert_eq!(*world.build.log.lock().unwrap(), b"no\n");
    assert_eq!(world.execution.take_notices(), []);
}

#[test]
fn what_a_command_writes_is_taken_as_it_comes_and_corrected_if_that_was_not_it() {
    for (streamed, times) in [("said\n", 1), ("sai", 2), ("something else\n", 2)] {
        let farm = farm(&[Answer::Streamed(streamed.into(), left("out", &made()))]);
        let world = World::new(farm.port);
        is_good(&world, &world.execute().unwrap());
        assert_eq!((farm.calls("Read"), world.build.wrote.load(Ordering::Relaxed)), (1, times), "{streamed}");
    }
}

#[test]
fn a_failure_that_the_server_kept_is_not_believed() {
    let failed = v2::ActionResult { exit_code: 3, ..Default::default() };
    let farm = farm(&[Answer::Cached(failed), good()]);
    let world = World::new(farm.port);
    is_good(&world, &world.execute().unwrap());
    let skipped: Vec<_> = farm.actions().iter().map(|(request, _)| request.skip_cache_lookup).collect();
    assert_eq!(skipped, [false, true]);
}

#[test]
fn a_result_that_the_server_kept_without_its_outputs_is_made_anew() {
    let farm = farm(&[Answer::Cached(left("out", &Blob::of(b"gone"))), good()]);
    let world = World::new(farm.port);
    is_good(&world, &world.execute().unwrap());
    assert_eq!(farm.calls("Execute"), 2);
    let always = Answer::Cached(left("out", &Blob::of(b"gone")));
    assert_eq!(World::new(self::farm(&[always]).port).is_refused().kind, FaultKind::Missing);
}

#[test]
fn the_status_counts_before_the_exit_code() {
    // The result says that all is well.
    let timed_out = farm(&[Answer::Status(4, left("out", &made()))]);
    assert!(World::new(timed_out.port).execute().unwrap().timed_out);
    let refused = farm(&[Answer::Status(3, left("out", &made()))]);
    World::new(refused.port).is_refused();
}

#[test]
fn a_busy_server_is_asked_again_and_then_left_alone() {
    let busy = farm(&[Answer::Fails(8, None), Answer::Status(14, v2::ActionResult::default()), good()]);
    let world = World::new(busy.port);
    is_good(&world, &world.execute().unwrap());
    let full = farm(&[Answer::Fails(8, None)]);
    let world = World::new(full.port);
    let began = Instant::now();
    assert_eq!(world.is_refused().kind, FaultKind::Transient);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(full.calls("Execute"), 4);
}

#[test]
fn a_refusal_is_one_word_and_the_end() {
    for code in [7, 12, 16] {
        let farm = farm(&[Answer::Fails(code, None)]);
        let world = World::new(farm.port);
        world.is_refused();
        assert_eq!(farm.calls("Execute"), 1, "{code}");
        assert_eq!(world.execution.is_usable(), code == 12, "{code}");
    }
}

#[test]
fn what_comes_back_damaged_is_refused() {
    let wrong = Blob::of(b"what it should be\n");
    let flipped = farm(&[Answer::Result(left("out", &wrong))]);
    flipped.add_as(wrong, b"what it should bf\n");
    assert_eq!(World::new(flipped.port).is_refused().kind, FaultKind::Damaged);
    let short = farm(&[Answer::Result(left("out", &wrong))]);
    short.add_as(wrong, b"what it");
    assert_eq!(World::new(short.port).is_refused().kind, FaultKind::Damaged);
    // Too large for a batch: it comes as a stream, which nothing else checks.
    let mut large = vec![7; 8 << 20];
    let whole = Blob::of(&large);
    let streamed = farm(&[Answer::Result(left("out", &whole))]);
    large[5 << 20] ^= 1;
    streamed.add_as(whole, &large);
    assert_eq!(World::new(streamed.port).is_refused().kind, FaultKind::Damaged);
    let gone = farm(&[Answer::Result(left("out", &wrong))]);
    assert_eq!(World::new(gone.port).is_refused().kind, FaultKind::Missing);
    for path in ["../out", "/out", "a/../../out", ""] {
        let outside = farm(&[Answer::Result(left(path, &made()))]);
        assert_eq!(World::new(outside.port).is_refused().kind, FaultKind::Damaged, "{path}");
    }
}

#[test]
fn an_input_that_changes_meanwhile_is_not_sent() {
    let farm = farm(&[good()]);
    let mut world = World::new(farm.port);
    world.build.files.insert("src/a.txt".into(), b"b\n".to_vec());
    assert!(world.is_refused().message.contains("`src/a.txt` changed"));
    assert_eq!((farm.calls("Execute"), farm.calls("BatchUpdateBlobs")), (0, 0));
}

#[test]
fn a_build_that_is_stopped_waits_for_nothing_and_ends_the_operation() {
    let farm = farm(&[Answer::Silence]);
    let world = World::new(farm.port);
    std::thread::scope(|scope| {
        let executed = scope.spawn(|| world.execute());
        while !world.build.stages.lock().unwrap().contains(&Stage::Queued) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        world.build.stopped.store(true, Ordering::Relaxed);
        assert!(executed.join().unwrap().is_err());
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    });
    assert_eq!(farm.calls("CancelOperation"), 1);
    assert_eq!(world.execution.take_notices(), [], "whoever stops a build knows");
}

#[test]
fn a_server_that_goes_silent_in_the_middle_is_noticed() {
    let farm = farm(&[Answer::Silence]);
    let proxy = super::proxy::start(farm.port, super::proxy::Fault::None);
    let world = World::new(proxy.port);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let executed = scope.spawn(|| world.execute());
        while !world.build.stages.lock().unwrap().contains(&Stage::Queued) {
            std::thread::sleep(Duration::from_millis(5));
        }
        proxy.stall();
        assert!(executed.join().unwrap().is_err());
    });
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}

#[test]
fn a_server_that_is_down_or_silent_costs_its_patience_once() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (down, hangs) = (closed.local_addr().unwrap().port(), silent.local_addr().unwrap().port());
    drop(closed);
    for port in [down, hangs] {
        let world = World::new(port);
        let began = Instant::now();
        (0..20).for_each(|_| assert!(world.execute().is_err()));
        assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
        assert!(matches!(&world.execution.take_notices()[..], [Notice::GivenUp { .. }]));
        assert!(!world.execution.is_usable());
    }
}

#[test]
fn the_calls_of_an_execution_say_for_which_task_and_action_they_are() {
    let farm = farm(&[good()]);
    let mut world = World::new(farm.port);
    world.command.task = "make[x]".into();
    world.execute().unwrap();
    let action = farm.actions()[0].0.action_digest.clone().unwrap().hash;
    let told = farm.told();
    for method in ["FindMissingBlobs", "BatchUpdateBlobs", "Execute", "BatchReadBlobs"] {
        let (_, told) = told.iter().find(|(called, _)| called == method).unwrap_or_else(|| panic!("{method}"));
        assert_eq!((&told.target_id, &told.action_id), (&"make[x]".to_owned(), &action), "{method}");
    }
    assert_eq!(told[0].1.action_mnemonic, "make");
}
