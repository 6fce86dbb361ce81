//! Does one thing to many items on a few threads of its own.
//!
//! Not on rayon's pool: a job that waits there for its parts may be given another job meanwhile, and a command that runs for an hour
//! would keep a restore from ending.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Items that one thread is worth starting for.
const WORTH_A_THREAD: usize = 16;

/// Calls `work` with each item, on up to `threads` threads; the answers in order of the items, or one of the errors.
pub fn fan_out<T: Sync, R: Send, E: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = threads.min(items.len() / WORTH_A_THREAD);
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::with_capacity(items.len()));
    let run = || {
        let mut own = Vec::new();
        while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < items.len()) {
            let answer = work(&items[index]);
            let failed = answer.is_err();
            own.push((index, answer));
            if failed {
                next.store(items.len(), Ordering::Relaxed);
            }
        }
        answers.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
    };
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| {
            scope.spawn(run);
        });
        run();
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order() {
        let items: Vec<usize> = (0..1_000).collect();
        let doubled = fan_out(4, &items, |i| Ok::<_, ()>(i * 2)).unwrap();
        assert_eq!(doubled, items.iter().map(|i| i * 2).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_ends_it() {
        let items: Vec<usize> = (0..1_000).collect();
        assert_eq!(fan_out(4, &items, |i| if *i == 500 { Err(*i) } else { Ok(()) }), Err(500));
    }
}
