//! Trying once more what may have failed by chance.

use std::future::Future;
use std::time::Duration;

use crate::fault::{Fault, FaultKind};

/// Tries in all.
const TRIES: u32 = 3;
/// The longest pause before the first repetition; the next one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// Repeats a call that fails in passing, after pauses of random length: clients that were refused together do not come
/// back together. A call that got no answer at all is not repeated, because it has cost its time already.
pub(crate) async fn retried<T, F: Future<Output = Result<T, Fault>>>(mut call: impl FnMut() -> F) -> Result<T, Fault> {
    let mut longest = PAUSE;
    for _ in 1..TRIES {
        match call().await {
            Err(fault) if fault.kind == FaultKind::Transient => {}
            answer => return answer,
        }
        tokio::time::sleep(longest.mul_f64(0.25 + 0.75 * fastrand::f64())).await;
        longest *= 2;
    }
    call().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn tries(kind: FaultKind, fails: u32) -> (u32, bool) {
        let made = Cell::new(0);
        let call = || async {
            made.set(made.get() + 1);
            if made.get() <= fails { Err(Fault::new(kind, "x")) } else { Ok(()) }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(retried(call));
        (made.get(), answer.is_ok())
    }

    #[test]
    fn only_what_passes_is_tried_again_and_not_for_ever() {
        assert_eq!(tries(FaultKind::Transient, 0), (1, true));
        assert_eq!(tries(FaultKind::Transient, 2), (3, true));
        assert_eq!(tries(FaultKind::Transient, 9), (3, false));
        for kind in [FaultKind::Denied, FaultKind::Unreachable, FaultKind::Damaged, FaultKind::Missing] {
            assert_eq!(tries(kind, 1), (1, false));
        }
    }
}
