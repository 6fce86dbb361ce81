//! Whether two patterns can match one path. This decides which task feeds which, so it must never say no wrongly; and every
//! wrong yes is a dependency too many, in the worst case a cycle.

use super::{Pattern, Segment};
use crate::syntax::glob::NameGlob;

/// What a pattern is taken for that names something without saying that it is a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsaid {
    /// A file or a directory: whatever may lie below it counts.
    FileOrDirectory,
    /// A file, unless the other pattern has a component of its own for it and goes on below it.
    File,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Deep,
    Literal(&'a [u8]),
    Glob(&'a NameGlob),
}

impl<'a> From<&'a Segment> for Part<'a> {
    fn from(segment: &'a Segment) -> Self {
        match segment {
            Segment::Deep => Part::Deep,
            Segment::Name(glob) => Part::Glob(glob),
        }
    }
}

/// Whether some path may match both, `negated` left aside.
pub(super) fn overlap(a: &Pattern, b: &Pattern, unsaid: Unsaid) -> bool {
    let (upper, lower) = if a.prefix.starts_with(&b.prefix) { (b, a) } else { (a, b) };
    let Some(between) = lower.prefix.below(&upper.prefix) else { return false };
    if lower.rest.is_empty() && !upper.reaches(&lower.prefix) {
        return false;
    }
    let names = between.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
    let upper_parts: Vec<Part<'_>> = upper.rest.iter().map(Part::from).collect();
    let lower_parts: Vec<Part<'_>> = names.map(Part::Literal).chain(lower.rest.iter().map(Part::from)).collect();
    let either = unsaid == Unsaid::FileOrDirectory;
    parts_meet(&upper_parts, &lower_parts, [either || upper.directory, either || lower.directory])
}

/// Whether one path fits both sequences: which pairs of positions can be reached together, as in the product of two automata.
/// At the end of a sequence, everything below counts when it is a directory (`directories`), or when its last component
/// met one of the other sequence and not only its `**`.
fn parts_meet(ours: &[Part<'_>], theirs: &[Part<'_>], directories: [bool; 2]) -> bool {
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Reached {
        No,
        ByDeep,
        ByName,
    }
    let width = theirs.len() + 1;
    let mut cells = vec![Reached::No; (ours.len() + 1) * width];
    cells[0] = Reached::ByName;
    for i in 0..=ours.len() {
        for j in 0..=theirs.len() {
            let cell = cells[i * width + j];
            if cell == Reached::No {
                continue;
            }
            let (Some(a), Some(b)) = (ours.get(i), theirs.get(j)) else {
                let ended = [i == ours.len(), j == theirs.len()];
                let goes_on_below = ended[0] && directories[0] || ended[1] && directories[1];
                if ended == [true, true] || goes_on_below || cell == Reached::ByName {
                    return true;
                }
                continue;
            };
            let mut reach = |i: usize, j: usize, how: Reached| {
                let cell = &mut cells[i * width + j];
                *cell = (*cell).max(how);
            };
            match (a, b) {
                // A `**` ends, or takes one more component of the other side.
                (Part::Deep, _) | (_, Part::Deep) => {
                    reach(i + 1, j, Reached::ByDeep);
                    reach(i, j + 1, Reached::ByDeep);
                }
                _ if a.meets(b) => reach(i + 1, j + 1, Reached::ByName),
                _ => {}
            }
        }
    }
    false
}

impl Part<'_> {
    /// Whether one name fits both. A `**` has no name.
    fn meets(&self, other: &Part<'_>) -> bool {
        match (self, other) {
            (Part::Deep, _) | (_, Part::Deep) => false,
            (Part::Literal(a), Part::Literal(b)) => a == b,
            (Part::Literal(name), Part::Glob(glob)) | (Part::Glob(glob), Part::Literal(name)) => glob.matches(name),
            (Part::Glob(a), Part::Glob(b)) => a.meets(b),
        }
    }
}
