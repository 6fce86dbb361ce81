//! Which paths git's rules ignore: one list of patterns for each file that states some, the nearest one first.
//!
//! Parsed and matched with gitoxide's `gix-ignore`. Knows nothing of what git tracks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix_glob::pattern::Case;
use gix_glob::search::pattern::List;
use gix_ignore::search::{Ignore, pattern_matching_relative_path};

use crate::environment::Caller;
use crate::git_repository::Repository;
use crate::git_settings::Settings;
use crate::paths::RelPath;

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
    /// Reads the rules of a whole repository: the user's list, and the repository's own. Without a repository, the former alone.
    /// Adds to `consulted` all files that count for that, present or not.
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

    /// Returns these rules and those that the text of a `.gitignore` in `dir` states, a directory of the repository. They go first.
    pub fn with(&self, dir: &[u8], text: &[u8]) -> Rules {
        use std::os::unix::ffi::OsStrExt;
        let source = Path::new(std::ffi::OsStr::from_bytes(dir)).join(".gitignore");
        let list = List::from_bytes(text, source, Some(Path::new("")), Ignore::default());
        let list = list.ok().filter(|list| !list.patterns.is_empty());
        let Some(list) = list else { return self.clone() };
        Rules { case: self.case, nearest: Some(Arc::new(Node { list, farther: self.nearest.clone() })) }
    }

    /// Whether the rules ignore a path of the repository. What is above it is not: in an ignored directory git looks at no rules.
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

/// Whether a directory of the workspace in `root` is ignored, as far as the repository says that itself: what the user ignores everywhere
/// does not count.
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
