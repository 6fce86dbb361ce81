//! Medians and how they are shown.

use std::collections::BTreeMap;

use super::case::{CASES, Case};

/// Wall and processor times of one case, in milliseconds.
#[derive(Default)]
pub struct Times(Vec<(f64, f64)>);

impl Times {
    /// One run more.
    pub fn push(&mut self, spent: (f64, f64)) {
        self.0.push(spent);
    }

    /// The median wall time.
    pub fn wall(&self) -> f64 {
        median(self.0.iter().map(|spent| spent.0).collect())
    }

    /// The median processor time.
    pub fn processor(&self) -> f64 {
        median(self.0.iter().map(|spent| spent.1).collect())
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
            Some(of) if *name == names[0] => format!("{:.1} ({:.0})", of.wall(), of.processor()),
            Some(of) => {
                let ratio = own.unwrap_or_default() / of.wall();
                format!("{:.1} ({:.0}); percache takes {ratio:.2}×", of.wall(), of.processor())
            }
        };
        let cells: Vec<_> = names.iter().map(cell).collect();
        println!("| {} | {} |", case.name(), cells.join(" | "));
    }
}
