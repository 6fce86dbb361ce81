//! As many contents as fit into one message.

/// Contents of one batch: the answer to more takes servers long.
const TOGETHER: usize = 1_000;
/// What a message has for each content besides its bytes, at the most.
pub(super) const OVERHEAD: u64 = 256;

/// Divides contents into batches of at most `most` bytes.
pub(super) fn batches<T>(all: impl Iterator<Item = T>, most: u64, length: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    let (mut batches, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0u64);
    for one in all {
        let size = length(&one) + OVERHEAD;
        if !batch.is_empty() && (batch.len() == TOGETHER || bytes.saturating_add(size) > most) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += size;
        batch.push(one);
    }
    batches.extend(Some(batch).filter(|batch| !batch.is_empty()));
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_full_and_never_too_full() {
        let lengths = [100, 200, 700, 5_000, 1, 1];
        let divided = batches(lengths.into_iter(), 1_000 + 2 * OVERHEAD, |length| *length);
        assert_eq!(divided, [vec![100, 200], vec![700], vec![5_000], vec![1, 1]]);
        assert_eq!(batches(std::iter::repeat_n(0, 2_001), u64::MAX, |length| *length).len(), 3);
        assert!(batches(std::iter::empty::<u64>(), 10, |length| *length).is_empty());
    }
}
