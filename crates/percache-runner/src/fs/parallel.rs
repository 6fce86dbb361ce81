//! Does one thing to many items on a few threads of its own.
//!
//! Not on rayon's pool: a job that waits there for its parts may be given another job meanwhile, and a command that runs for an hour
//! would keep a restore from ending.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Items that one thread is worth starting for.
const WORTH_A_THREAD: usize = 16;

/// Threads take the items in shares, so many for each thread that all end at about the same time.
const SHARES: usize = 64;

/// So many items are a share at the most. Taken one by one, threads would wait for one another where there is little to do for each.
const LARGEST_SHARE: usize = 64;

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
    let answers = Mutex::new(Vec::new());
    let share = (items.len() / (threads * SHARES)).clamp(1, LARGEST_SHARE);
    let run = || {
        let mut own = Vec::new();
        while let Some(start) = Some(next.fetch_add(share, Ordering::Relaxed)).filter(|start| *start < items.len()) {
            let taken = &items[start..items.len().min(start + share)];
            let done: Result<Vec<R>, E> = taken.iter().map(&work).collect();
            if done.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            own.push((start, done));
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
    answers.sort_unstable_by_key(|(start, _)| *start);
    let mut all = Vec::with_capacity(items.len());
    for (_, done) in answers {
        all.extend(done?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order() {
        for count in [0, 1, 17, 1_000, 10_001, 50_000] {
            let items: Vec<usize> = (0..count).collect();
            let doubled = fan_out(4, &items, |i| Ok::<_, ()>(i * 2)).unwrap();
            assert_eq!(doubled, items.iter().map(|i| i * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_ends_it() {
        let items: Vec<usize> = (0..1_000).collect();
        assert_eq!(fan_out(4, &items, |i| if *i == 500 { Err(*i) } else { Ok(()) }), Err(500));
    }
}
