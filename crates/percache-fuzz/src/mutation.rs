//! New inputs from old ones, without knowledge of what is covered: a poor man's libFuzzer, for a few seconds on any machine.

use fastrand::Rng;

/// Numbers at which readers go wrong.
const NUMBERS: [u32; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/// A variation of one of `inputs`, which are not empty.
pub fn vary(inputs: &[Vec<u8>], words: &[&str], rng: &mut Rng) -> Vec<u8> {
    let mut input = inputs[rng.usize(..inputs.len())].clone();
    for _ in 0..1 + rng.usize(..6) {
        change(&mut input, inputs, words, rng);
    }
    input.truncate(crate::LONGEST);
    input
}

fn change(input: &mut Vec<u8>, inputs: &[Vec<u8>], words: &[&str], rng: &mut Rng) {
    let start = rng.usize(..=input.len());
    let end = (start + rng.usize(..16)).min(input.len());
    match rng.u8(..8) {
        0 => input.iter_mut().skip(start).take(1).for_each(|byte| *byte ^= 1 << rng.u8(..8)),
        1 => input.iter_mut().skip(start).take(1).for_each(|byte| *byte = rng.u8(..)),
        2 => drop(input.drain(start..end)),
        3 => drop(input.splice(start..start, NUMBERS[rng.usize(..NUMBERS.len())].to_le_bytes())),
        4 => {
            let (number, end) = (NUMBERS[rng.usize(..NUMBERS.len())].to_le_bytes(), (start + 4).min(input.len()));
            input[start..end].copy_from_slice(&number[..end - start]);
        }
        5 => {
            let other = &inputs[rng.usize(..inputs.len())];
            let from = rng.usize(..=other.len());
            let piece = &other[from..(from + rng.usize(..64)).min(other.len())];
            drop(input.splice(start..end, piece.iter().copied()));
        }
        6 if start < end => {
            let piece = input[start..end].repeat(1 + rng.usize(..20));
            drop(input.splice(start..start, piece));
        }
        _ => {
            let word = if words.is_empty() { "" } else { words[rng.usize(..words.len())] };
            let end = if rng.bool() { start } else { end };
            drop(input.splice(start..end, word.bytes()));
        }
    }
}
