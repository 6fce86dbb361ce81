//! Random numbers that a seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

/// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016).
pub struct Chance(u64);

impl Chance {
    /// From the variable, or from the clock; the seed is printed, and shown when the test fails.
    pub fn from_env(variable: &str) -> Chance {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos() as u64;
        let seed = std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or_else(now);
        println!("{variable}={seed}");
        Chance::new(seed)
    }

    pub fn new(seed: u64) -> Chance {
        Chance(seed | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    /// Yes, once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A number from the environment.
pub fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}
