//! Tests of writing behind, with a sink that can be held up and made to fail.

use std::collections::BTreeMap;
use std::sync::mpsc;

use super::*;

/// What a wait may take on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// Only what is asked for is written.
const NEVER: Limits = Limits { enough: usize::MAX, too_much: usize::MAX, oldest: Duration::from_secs(3600) };

/// Values by key. A value is its size; an odd key can wait for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Values(BTreeMap<u32, usize>);

impl Batch for Values {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn bytes(&self) -> usize {
        self.0.values().sum()
    }

    fn is_enough(&self) -> bool {
        self.0.len() >= 10
    }

    fn is_pressing(&self) -> bool {
        self.0.keys().any(|key| key % 2 == 0)
    }
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Works,
    Fails,
    Panics,
}

struct Notes {
    tries_again: bool,
    does: Mutex<Does>,
    /// Keys that are written although the session fails.
    fits: fn(u32) -> bool,
    written: Mutex<Vec<Values>>,
    attempts: Mutex<usize>,
    gate: Option<Gate>,
}

/// Holds sessions up.
struct Gate {
    /// Told of each session.
    begun: Mutex<mpsc::Sender<()>>,
    /// What it then waits for.
    go: Mutex<mpsc::Receiver<()>>,
}

impl Sink for Notes {
    type Batch = Values;

    fn write(&self, batch: &Values) -> Result<(), EngineError> {
        *lock(&self.attempts) += 1;
        if let Some(gate) = &self.gate {
            lock(&gate.begun).send(()).unwrap();
            lock(&gate.go).recv_timeout(LONG).unwrap();
        }
        match *lock(&self.does) {
            Does::Works => lock(&self.written).push(batch.clone()),
            Does::Fails => return Err(EngineError::Io("full".into())),
            Does::Panics => panic!("on purpose"),
        }
        Ok(())
    }

    fn after_failure(&self, batch: &Values, _error: &EngineError) -> AfterFailure<Values> {
        if !self.tries_again {
            return AfterFailure::End;
        }
        let mut rest = batch.clone();
        rest.0.retain(|key, _| !(self.fits)(*key));
        AfterFailure::TryAgain { rest, merge: |rest, newer| rest.0.extend(newer.0) }
    }
}

fn sink(does: Does, tries_again: bool) -> Notes {
    Notes {
        tries_again,
        does: Mutex::new(does),
        fits: |_| false,
        written: Mutex::default(),
        attempts: Mutex::default(),
        gate: None,
    }
}

fn put(to: &WriteBehind<Notes>, key: u32, value: usize) -> Result<(), WriteError> {
    to.add(|values| values.0.extend([(key, value)]))
}

fn get(from: &WriteBehind<Notes>, key: u32) -> Option<usize> {
    from.find(|values| values.0.get(&key).copied())
}

fn batches(of: &WriteBehind<Notes>) -> Vec<Vec<(u32, usize)>> {
    lock(&of.sink().written).iter().map(|batch| batch.0.clone().into_iter().collect()).collect()
}

fn until(is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < LONG);
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_is_added_is_found_until_it_is_written_in_one_session() {
    let all = WriteBehind::new(sink(Does::Works, true), NEVER);
    for (key, value) in [(2, 1), (4, 1), (2, 7)] {
        put(&all, key, value).unwrap();
    }
    assert_eq!((get(&all, 2), get(&all, 4), get(&all, 6)), (Some(7), Some(1), None));
    assert!(batches(&all).is_empty());
    all.flush().unwrap();
    all.flush().unwrap();
    assert_eq!(batches(&all), [[(2, 7), (4, 1)]]);
    assert_eq!(get(&all, 2), None);
}

#[test]
fn the_thread_writes_what_is_old_or_much_or_asked_for() {
    let old = WriteBehind::new(sink(Does::Works, true), Limits { oldest: Duration::from_millis(5), ..NEVER });
    put(&old, 1, 1).unwrap();
    thread::sleep(Duration::from_millis(30));
    assert!(batches(&old).is_empty(), "it can wait for ever");
    put(&old, 2, 1).unwrap();
    until(|| batches(&old) == [[(1, 1), (2, 1)]]);

    let much = WriteBehind::new(sink(Does::Works, true), Limits { enough: 100, ..NEVER });
    put(&much, 1, 99).unwrap();
    thread::sleep(Duration::from_millis(30));
    assert!(batches(&much).is_empty());
    put(&much, 3, 1).unwrap();
    until(|| batches(&much) == [[(1, 99), (3, 1)]]);

    let many = WriteBehind::new(sink(Does::Works, true), NEVER);
    (0..10).for_each(|key| put(&many, key, 0).unwrap());
    until(|| batches(&many).len() == 1);

    let asked = WriteBehind::new(sink(Does::Works, true), NEVER);
    asked.begin_flush();
    put(&asked, 1, 1).unwrap();
    asked.begin_flush();
    until(|| batches(&asked) == [[(1, 1)]]);
}

#[test]
fn what_is_being_written_is_found_and_whoever_adds_too_much_waits_for_it() {
    let ((begun, begins), (go, goes)) = (mpsc::channel(), mpsc::channel());
    let mut held_up = sink(Does::Works, true);
    held_up.gate = Some(Gate { begun: Mutex::new(begun), go: Mutex::new(goes) });
    let all = WriteBehind::new(held_up, Limits { enough: 60, too_much: 100, ..NEVER });
    put(&all, 1, 60).unwrap();
    begins.recv_timeout(LONG).unwrap();
    put(&all, 3, 41).unwrap();
    assert_eq!((get(&all, 1), get(&all, 3)), (Some(60), Some(41)), "one is written, the other waits");
    thread::scope(|scope| {
        let (added, adds) = mpsc::channel();
        let all = &all;
        scope.spawn(move || {
            put(all, 5, 1).unwrap();
            added.send(()).unwrap();
        });
        assert!(adds.recv_timeout(Duration::from_millis(30)).is_err(), "there is no room for it");
        go.send(()).unwrap();
        adds.recv_timeout(LONG).unwrap();
    });
    assert_eq!((get(&all, 1), get(&all, 5)), (None, Some(1)));
    go.send(()).unwrap();
    all.flush().unwrap();
    assert_eq!(batches(&all), [vec![(1, 60)], vec![(3, 41), (5, 1)]]);
}

#[test]
fn whoever_adds_too_much_writes_if_nobody_does() {
    let all = WriteBehind::new(sink(Does::Works, true), Limits { too_much: 10, ..NEVER });
    put(&all, 1, 11).unwrap();
    assert!(batches(&all).is_empty());
    put(&all, 3, 1).unwrap();
    assert_eq!(batches(&all), [[(1, 11)]]);
    *lock(&all.sink().does) = Does::Fails;
    put(&all, 1, 11).unwrap();
    assert!(matches!(put(&all, 5, 2), Err(WriteError::Dropped(_))), "told what became of the others");
    assert_eq!((get(&all, 1), get(&all, 5)), (None, Some(2)), "there is no room for both");
}

#[test]
fn a_failure_can_end_all_writing() {
    let all = WriteBehind::new(sink(Does::Fails, false), NEVER);
    put(&all, 2, 1).unwrap();
    assert!(all.ended().is_none());
    for _ in 0..2 {
        assert!(matches!(all.flush(), Err(WriteError::Ended(EngineError::Io(text))) if text == "full"));
    }
    assert!(matches!(put(&all, 4, 1), Err(WriteError::Ended(_))));
    assert_eq!((get(&all, 2), get(&all, 4)), (None, None));
    assert!(all.ended().is_some());
    assert!(all.close().is_err());
    assert_eq!(*lock(&all.sink().attempts), 1, "nothing is tried after the first failure");
}

#[test]
fn what_was_not_written_waits_for_the_next_addition() {
    let mut narrow = sink(Does::Fails, true);
    narrow.fits = |key| key == 4;
    let all = WriteBehind::new(narrow, Limits { oldest: Duration::from_millis(5), ..NEVER });
    put(&all, 1, 1).unwrap();
    put(&all, 4, 4).unwrap();
    until(|| *lock(&all.sink().attempts) > 0 && get(&all, 4).is_none());
    let before = *lock(&all.sink().attempts);
    thread::sleep(Duration::from_millis(30));
    assert_eq!(*lock(&all.sink().attempts), before, "nobody tries again and again by himself");
    assert_eq!(get(&all, 1), Some(1));
    assert!(matches!(all.flush(), Err(WriteError::Waits(_))));
    *lock(&all.sink().does) = Does::Works;
    put(&all, 2, 2).unwrap();
    until(|| batches(&all) == [[(1, 1), (2, 2)]]);
}

#[test]
fn what_was_added_meanwhile_is_newer_than_what_was_not_written() {
    let ((begun, begins), (go, goes)) = (mpsc::channel(), mpsc::channel());
    let mut held_up = sink(Does::Fails, true);
    held_up.gate = Some(Gate { begun: Mutex::new(begun), go: Mutex::new(goes) });
    let all = WriteBehind::new(held_up, NEVER);
    put(&all, 1, 1).unwrap();
    put(&all, 3, 3).unwrap();
    thread::scope(|scope| {
        let flush = scope.spawn(|| all.flush());
        begins.recv_timeout(LONG).unwrap();
        put(&all, 1, 2).unwrap();
        assert_eq!(get(&all, 1), Some(2));
        go.send(()).unwrap();
        assert!(flush.join().unwrap().is_err());
    });
    assert_eq!((get(&all, 1), get(&all, 3)), (Some(2), Some(3)));
}

#[test]
fn a_panic_keeps_nobody_waiting() {
    let all = WriteBehind::new(sink(Does::Panics, false), NEVER);
    put(&all, 1, 1).unwrap();
    assert!(matches!(all.flush(), Err(WriteError::Ended(_))));
    assert!(all.flush().is_err());
}

#[test]
fn what_waits_is_written_when_it_is_closed_and_nothing_after_that() {
    let all = WriteBehind::new(sink(Does::Works, true), NEVER);
    put(&all, 2, 1).unwrap();
    all.close().unwrap();
    put(&all, 4, 1).unwrap();
    all.close().unwrap();
    assert_eq!(batches(&all), [[(2, 1)]]);
    assert_eq!(get(&all, 4), None);
}
