//! Finds the name that was probably meant.
//!
//! Knows nothing of what the names stand for.

/// The candidate nearest to `word`, when it is near enough to be a slip: at most a third of the letters differ.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from one to the other; case does not count.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    strsim::osa_distance(&a.to_lowercase(), &b.to_lowercase())
}

/// "did you mean …?", as a hint.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_does_not() {
        let names = ["codegen", "objects", "app"];
        assert_eq!(nearest("codgen", names), Some("codegen"));
        assert_eq!(nearest("obejcts", names), Some("objects"));
        assert_eq!(nearest("ap", names), Some("app"));
        assert_eq!(nearest("CodeGen", names), Some("codegen"));
        assert_eq!(nearest("test", names), None);
        assert_eq!(nearest("", names), None);
    }
}
