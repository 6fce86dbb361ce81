//! Globs over names of variables: as in patterns over paths, with braces.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::syntax::braces::expand_braces;
use crate::syntax::glob::{GlobError, NameGlob};

/// Names and globs over names.
#[derive(Clone, Debug, Default)]
pub struct NameGlobs(Vec<NameGlob>);

impl NameGlobs {
    /// Reads names and globs; leaves out what does not parse.
    pub fn of<S: AsRef<str>>(names: &[S]) -> NameGlobs {
        NameGlobs(names.iter().filter_map(|name| parse(name.as_ref()).ok()).flatten().collect())
    }

    /// Tells whether one of them means `name`.
    pub fn matches(&self, name: &OsStr) -> bool {
        self.0.iter().any(|glob| glob.matches(name.as_bytes()))
    }
}

/// Reads one name or glob; with braces, it stands for several.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(name: &str) -> Result<Vec<NameGlob>, GlobError> {
    expand_braces(name)?.iter().map(|text| NameGlob::parse(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_meant_by_themselves_by_wildcards_and_by_braces() {
        let globs = NameGlobs::of(&["HOME", "CARGO_*", "LC_{ALL,C?YPE}", "[broken"]);
        let means = |name: &str| globs.matches(OsStr::new(name));
        assert!(means("HOME") && means("CARGO_HOME") && means("CARGO_") && means("LC_ALL") && means("LC_CTYPE"));
        assert!(!means("HOMES") && !means("XCARGO_HOME") && !means("LC_TIME") && !means("[broken") && !means(""));
        assert!(parse("{A,B").is_err() && parse("[a").is_err());
    }
}
