//! Tells by stamps alone what has changed since the last build, for `percache list`: reads no file, asks no tool, and
//! so decides nothing.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use percache::base::clock::Time;
use rustix::fs::{AtFlags, CWD, FileType, statat};

use super::open_root;
use crate::fs::mapped_file::Image;
use crate::fs::stamp::Stamp;
use crate::worktree::journal::Flat;

/// Returns for each task in the journal whether all that it rests on has the stamps of the last build; `None` if
/// stamps do not tell, because more than files matters, or because the configuration may have changed.
///
/// `written` is when the build wrote the journal. Outputs beside inputs change the directory of both after the build
/// listed it, so a directory that was last changed before that moment counts as the build left it.
pub fn by_stamps(bytes: &Arc<Image>, root: &Path, written: i64) -> HashMap<String, Option<bool>> {
    let (Ok(journal), Some(root)) = (Flat::decode(bytes), open_root(root)) else { return HashMap::new() };
    let root = root.as_ref().map_or(CWD, AsFd::as_fd);
    let same: Vec<bool> = (0..journal.files.len())
        .map(|position| {
            let path = journal.files.c_path(position);
            let stat = statat(root, if path.is_empty() { c"." } else { path }, AtFlags::SYMLINK_NOFOLLOW);
            let (now, before) = (stat.ok().map(|stat| Stamp::of(&stat)), journal.files.seen(position).stamp);
            now == before
                || matches!((now, before), (Some(now), Some(before)) if changed_in_build(&now, &before, written))
        })
        .collect();
    let holds = |list: u32| journal.lists.get(list).iter().all(|position| same[*position as usize]);
    let known = journal.finding.as_ref().is_some_and(|finding| holds(finding.configuration));
    let now = Time::now();
    let tasks = journal.tasks.iter().map(|task| {
        let fresh = match () {
            () if !task.lists().all(holds) || now >= task.expiry => Some(false),
            () => (known && task.sure).then_some(true),
        };
        (task.name.to_owned(), fresh)
    });
    tasks.collect()
}

/// Returns whether a directory with these stamps, `now` and `before`, has not changed since the build ended.
fn changed_in_build(now: &Stamp, before: &Stamp, written: i64) -> bool {
    let is_directory = |stamp: &Stamp| stamp.file_type() == FileType::Directory;
    is_directory(now) && is_directory(before) && now.inode == before.inode && now.ctime <= written
}
