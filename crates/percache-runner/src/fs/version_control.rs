//! Where version control systems other than git keep what they know: it changes with each of their commands, and is
//! nobody's source.

const DIRECTORIES: &[&[u8]] =
    &[b".hg", b".svn", b".jj", b".bzr", b"_darcs", b".pijul", b"CVS", b".sl", b".repo", b"_MTN", b".osc"];
/// Fossil keeps a file, and its journals beside it.
const FOSSIL: &[&[u8]] = &[b".fslckout", b"_FOSSIL_"];

/// Whether a directory or a file of this name is kept by such a system.
pub(crate) fn keeps(name: &[u8], is_directory: bool) -> bool {
    if is_directory {
        return DIRECTORIES.contains(&name);
    }
    FOSSIL.iter().any(|of| name.strip_prefix(*of).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-")))
}

/// The same where nobody can ask whether git tracks it: then a name that may well be that of something else (`CVS`)
/// does not count.
pub(crate) fn surely_keeps(name: &[u8], is_directory: bool) -> bool {
    matches!(name, [b'.' | b'_', ..]) && keeps(name, is_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_whole_and_by_kind() {
        assert!(
            keeps(b".hg", true)
                && keeps(b"CVS", true)
                && keeps(b".fslckout", false)
                && keeps(b"_FOSSIL_-journal", false)
        );
        assert!(
            !keeps(b".hg", false)
                && !keeps(b".hgignore", false)
                && !keeps(b".fslckouts", false)
                && !keeps(b"CVS2", true)
        );
        assert!(surely_keeps(b"_darcs", true) && !surely_keeps(b"CVS", true));
    }
}
