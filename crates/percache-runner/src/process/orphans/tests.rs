//! Only what a trace names is ended, whatever has its numbers by now.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::*;
use crate::process::ticks;

/// A command as the runner starts it, and its trace: it leads a group, and its output goes through a pipe.
fn start(script: &str) -> (Child, Trace) {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let before = ticks();
    let child = command.spawn().unwrap();
    let trace = Trace::of(&Mark::Leader(child.id(), before..=ticks())).unwrap();
    (child, trace)
}

fn end_of(traces: &[Trace]) -> usize {
    let ended = end(traces, &Stop::manual().unwrap(), &mut |who| panic!("waits for {who}"));
    assert!(!ended.some_left);
    ended.found
}

fn pipes(child: &Child) -> Trace {
    Trace::of(&Mark::Outputs(vec![crate::process::pipe_number(child.stdout.as_ref().unwrap()).unwrap()])).unwrap()
}

fn is_running(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

#[test]
fn a_leader_is_ended_with_its_group() {
    let (mut child, leader) = start("sleep 100 > /dev/null & sleep 100; true");
    assert!(end_of(&[leader]) > 0);
    assert!(!is_running(&mut child));
    // Everybody in the group had the pipe or was killed with it.
    let mut rest = String::new();
    child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(end_of(&[leader_that_was(child.id())]), 0);
}

fn leader_that_was(id: u32) -> Trace {
    Trace { system: system::this().unwrap(), leader: Some(Leader { id, began: (1, 1) }), pipes: Vec::new() }
}

#[test]
fn who_holds_the_output_is_ended_although_the_leader_is_gone() {
    // In a session of its own, as a daemon that forgot to close its output.
    let (mut child, _) = start("setsid sleep 100 & exit");
    child.wait().unwrap();
    assert_eq!(end_of(&[pipes(&child)]), 1);
    assert_eq!(end_of(&[pipes(&child)]), 0);
}

#[test]
fn a_process_that_only_has_the_same_id_is_left_alone() {
    let (mut child, leader) = start("exec sleep 100");
    let (from, to) = leader.leader.unwrap().began;
    // Not a tick too early or too late: others may have had this id just before, or have it right after.
    for began in [(0, from - 1), (to + 1, u64::MAX)] {
        let mut trace = leader.clone();
        trace.leader = trace.leader.map(|leader| Leader { began, ..leader });
        assert_eq!(end_of(&[trace]), 0);
    }
    let mut elsewhere = [leader, pipes(&child)];
    elsewhere.iter_mut().for_each(|trace| trace.system = Digest::of(b"another boot"));
    assert_eq!(end_of(&elsewhere), 0);
    assert!(is_running(&mut child));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_trace_is_read_back_as_written() {
    for trace in [leader_that_was(7), Trace { pipes: vec![1, 2], leader: None, ..leader_that_was(0) }] {
        let mut bytes = Vec::new();
        trace.encode(&mut bytes);
        let mut from = Decoder::new(&bytes);
        assert_eq!(Trace::decode(&mut from), Ok(trace));
        assert_eq!(from.finish(), Ok(()));
    }
}
