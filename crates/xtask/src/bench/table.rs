//! Medians and how they are shown.

use std::collections::BTreeMap;
use std::time::Duration;

use super::case::{CASES, Case};

/// What one run took.
#[derive(Clone, Copy)]
pub struct Spent {
    /// From its start to its end.
    pub wall: Duration,
    /// Of all its processes together.
    pub processor: Duration,
    /// The most that one of its processes had resident at a time, in bytes.
    pub memory: u64,
}

/// The runs of one case.
#[derive(Default)]
pub struct Times(Vec<Spent>);

impl Times {
    /// One run more.
    pub fn push(&mut self, spent: Spent) {
        self.0.push(spent);
    }

    /// The median wall time in milliseconds.
    pub fn wall(&self) -> f64 {
        self.median(|spent| spent.wall.as_secs_f64() * 1e3)
    }

    fn processor(&self) -> f64 {
        self.median(|spent| spent.processor.as_secs_f64() * 1e3)
    }

    /// The median of the peaks in MiB.
    pub fn memory(&self) -> f64 {
        self.median(|spent| spent.memory as f64 / f64::from(1 << 20))
    }

    fn median(&self, figure: impl Fn(&Spent) -> f64) -> f64 {
        median(self.0.iter().map(figure).collect())
    }
}

/// The middle one; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// One line a case, one column a tool; behind the others how percache's wall time compares to theirs.
pub fn print(names: &[&str], times: &BTreeMap<(Case, &str), Times>) {
    println!("| case | {} |", names.join(" | "));
    println!("| --- |{}", " --- |".repeat(names.len()));
    for case in CASES {
        let own = times.get(&(case, names[0])).map(Times::wall);
        let cell = |name: &&str| match times.get(&(case, *name)) {
            None => "–".to_owned(),
            Some(of) => {
                let figures = format!("{:.1} ({:.0}), {:.0} MiB", of.wall(), of.processor(), of.memory());
                match own.filter(|_| *name != names[0]) {
                    None => figures,
                    Some(own) => format!("{figures}; percache takes {:.2}×", own / of.wall()),
                }
            }
        };
        let cells: Vec<_> = names.iter().map(cell).collect();
        println!("| {} | {} |", case.name(), cells.join(" | "));
    }
}
