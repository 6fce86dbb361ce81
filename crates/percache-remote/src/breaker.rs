//! Decides when to give a remote up for the rest of the run.
//!
//! A remote that is down costs one connection's patience, not one for each task; one that fails often costs a few calls.
//! It is a rate that counts: a busy server that drops one request of a hundred is worth having.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The latest calls that are looked at.
const WINDOW: usize = 20;
/// With fewer of them, a rate says nothing.
const LEAST: usize = 5;

/// Counts what became of calls. Once open, it stays open.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failed: VecDeque<bool>,
    /// What was wrong when it opened.
    open: Option<String>,
}

impl Breaker {
    /// Returns whether the remote was given up.
    pub fn is_open(&self) -> bool {
        self.state().open.is_some()
    }

    /// Returns why the remote was given up.
    pub fn reason(&self) -> Option<String> {
        self.state().open.clone()
    }

    /// Notes a call that was answered.
    pub fn success(&self) {
        self.state().note(false);
    }

    /// Notes a call that was not. Returns whether that was the one too many.
    pub fn failure(&self, reason: &str) -> bool {
        let mut state = self.state();
        state.note(true);
        let failed = state.failed.iter().filter(|failed| **failed).count();
        let opens = state.open.is_none() && failed >= LEAST && 2 * failed >= state.failed.len();
        if opens {
            state.open = Some(reason.to_owned());
        }
        opens
    }

    /// Gives the remote up at once. Returns whether it was not yet.
    pub fn trip(&self, reason: &str) -> bool {
        let mut state = self.state();
        let opens = state.open.is_none();
        state.open.get_or_insert_with(|| reason.to_owned());
        opens
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, failed: bool) {
        if self.failed.len() == WINDOW {
            self.failed.pop_front();
        }
        self.failed.push_back(failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_failures_among_many_calls_do_not_open_it() {
        let breaker = Breaker::default();
        for _ in 0..100 {
            (0..9).for_each(|_| breaker.success());
            assert!(!breaker.failure("reset"));
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn half_of_the_latest_calls_open_it_once_and_for_good() {
        let breaker = Breaker::default();
        (0..100).for_each(|_| breaker.success());
        let opened = (0..20).filter(|_| breaker.failure("reset")).count();
        assert_eq!(opened, 1);
        (0..100).for_each(|_| breaker.success());
        assert_eq!(breaker.reason().as_deref(), Some("reset"));
    }

    #[test]
    fn the_first_failures_are_not_a_rate() {
        let breaker = Breaker::default();
        (0..LEAST - 1).for_each(|_| assert!(!breaker.failure("reset")));
        assert!(breaker.failure("reset"));
    }

    #[test]
    fn what_is_down_is_given_up_at_once() {
        let breaker = Breaker::default();
        assert!(breaker.trip("refused") && !breaker.trip("again"));
        assert_eq!(breaker.reason().as_deref(), Some("refused"));
    }
}
