//! Which paths git's rules ignore: one list of patterns for each file that states some, the nearest one first.
//!
//! Parsed and matched with gitoxide's `gix-ignore`. Knows nothing of what git tracks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix_glob::pattern::Case;
use gix_glob::search::pattern::List;
use gix_ignore::search::{Ignore, pattern_matching_relative_path};

use crate::fs::git_repository::Repository;
use crate::fs::git_settings::Settings;
use crate::model::Caller;
use crate::model::path::RelPath;

/// The rules that hold in a directory: those of the directories above it as well.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    case: Case,
    nearest: Option<Arc<Node>>,
}

#[derive(Debug)]
struct Node {
    list: List<Ignore>,
    farther: Option<Arc<Node>>,
}

impl Rules {
    /// Reads the rules of a whole repository: the user's list, and the repository's own. Without a repository, the
    /// former alone. Adds to `consulted` all files that count for that, present or not.
    pub fn general(repository: Option<&Repository>, caller: &Caller, consulted: &mut Vec<PathBuf>) -> Rules {
        let settings = Settings::read(repository, caller);
        let case = if settings.ignore_case { Case::Fold } else { Case::Sensitive };
        let rules = Rules { case, nearest: None };
        let own = repository.map(|repository| repository.common_dir.join("info/exclude"));
        let files = settings.excludes_file.into_iter().chain(own);
        consulted.extend(settings.consulted);
        files.fold(rules, |rules, file| {
            // A list that cannot be read counts for nothing, as for git.
            let text = fs::read(&file).unwrap_or_default();
            consulted.push(file);
            rules.with(b"", &text)
        })
    }

    /// Returns these rules and those that the text of a `.gitignore` in `dir` states, a directory of the repository.
    /// They go first.
    pub fn with(&self, dir: &[u8], text: &[u8]) -> Rules {
        use std::os::unix::ffi::OsStrExt;
        let source = Path::new(std::ffi::OsStr::from_bytes(dir)).join(".gitignore");
        let list = List::from_bytes(text, source, Some(Path::new("")), Ignore::default());
        let list = list.ok().filter(|list| !list.patterns.is_empty());
        let Some(list) = list else { return self.clone() };
        Rules { case: self.case, nearest: Some(Arc::new(Node { list, farther: self.nearest.clone() })) }
    }

    /// Whether the rules ignore a path of the repository. What is above it is not: in an ignored directory git looks at
    /// no rules.
    pub fn ignore(&self, path: &[u8], is_directory: bool) -> bool {
        let name = memchr::memrchr(b'/', path).map(|slash| slash + 1);
        let mut node = self.nearest.as_ref();
        while let Some(Node { list, farther }) = node.map(AsRef::as_ref) {
            let found = pattern_matching_relative_path(list, path.into(), name, Some(is_directory), self.case);
            if let Some(found) = found {
                return !found.pattern.is_negative();
            }
            node = farther.as_ref();
        }
        false
    }
}

/// Whether a directory of the workspace in `root` is ignored, as far as the repository says that itself: what the user
/// ignores everywhere does not count.
pub(crate) fn is_ignored(root: &Path, dir: &RelPath) -> bool {
    let repository = Repository::containing(root);
    let top = repository.as_ref().map_or(root, |repository| &repository.top);
    let Some(dir) = RelPath::from_native(top, &dir.to_path(root)) else { return false };
    let mut rules = Rules::general(repository.as_ref(), &Caller::new(), &mut Vec::new());
    let mut above = RelPath::root();
    dir.components().any(|name| {
        rules = rules.with(above.as_bytes(), &stated_in(&above.to_path(top)).unwrap_or_default());
        above = above.child(name);
        rules.ignore(above.as_bytes(), true)
    })
}

/// Returns the text of the `.gitignore` in a directory. One that is a symlink counts for nothing, as for git.
pub fn stated_in(dir: &Path) -> Option<Vec<u8>> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = fs::File::from(open(dir.join(".gitignore"), flags, Mode::empty()).ok()?);
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::fs::git_repository::tests::{git, write};

    fn rules(text: &str) -> Rules {
        Rules::default().with(b"", text.as_bytes())
    }

    #[test]
    fn the_nearest_list_with_a_match_decides_and_in_it_the_last_line() {
        let rules = rules("*.log\n!keep.log\nbuild/\n").with(b"sub", b"keep.log\n!/a.log\n");
        let ignored = |path: &str| rules.ignore(path.as_bytes(), false);
        assert!(ignored("a.log") && !ignored("keep.log") && !ignored("other/keep.log") && !ignored("build"));
        assert!(ignored("sub/keep.log") && !ignored("sub/a.log") && ignored("sub/deep/a.log"));
        assert!(rules.ignore(b"build", true) && rules.ignore(b"sub/build", true));
    }

    #[test]
    fn whether_a_directory_is_ignored_is_told_from_the_top_of_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        write(&root, &[(".gitignore", "/ws/data\n"), ("ws/sub/.gitignore", "cache\n")]);
        let is_ignored = |path: &str| is_ignored(&root.join("ws"), &RelPath::new(path).unwrap());
        assert!(is_ignored("sub/cache") && is_ignored("sub/cache/deep") && !is_ignored("data") && !is_ignored("sub"));
        git(&root, &["init", "-q"]);
        assert!(is_ignored("data") && is_ignored("data/deep"));
        write(&root, &[(".git/info/exclude", "sub\n")]);
        assert!(is_ignored("sub"));
    }

    #[test]
    fn a_list_that_is_a_symlink_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("real", "a\n")]);
        std::os::unix::fs::symlink("real", dir.path().join(".gitignore")).unwrap();
        assert_eq!(stated_in(dir.path()), None);
    }

    #[test]
    fn a_pattern_with_many_stars_does_not_take_for_ever() {
        let began = Instant::now();
        rules(&format!("{}b\n", "*a".repeat(12))).ignore("a".repeat(200).as_bytes(), false);
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn no_list_makes_it_panic(
            text in proptest::collection::vec(any::<u8>(), 0..80),
            path in "[a-c*/\\[\\]é]{0,9}",
        ) {
            Rules::default().with(b"sub", &text).with(b"", &text).ignore(path.as_bytes(), true);
        }
    }
}
