//! Derives the journal after a build from the journal before it and the files that the build has seen.
//!
//! Pure bookkeeping. Evidence of tasks that the build judged is written from scratch. The evidence of all other tasks
//! is carried over, unless a path that it rests on was seen in a different state, or a dependency of the task came out
//! differently: then the task is judged again next time.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use percache::store::manifest::Manifest;

use crate::action::basis::Basis;
use crate::fs::stat_cache::Observed;
use crate::fs::stat_table::{Builder, KnownFiles, Seen};
use crate::worktree::journal::{Evidence, Journal, PathLists};

/// What a build has found out about tasks.
pub struct Judged<'a> {
    /// The paths that the outcomes of tasks rest on, by task name.
    pub bases: &'a HashMap<String, Basis>,
    /// The names of tasks that rest on the same paths as before and whose outputs were put back.
    pub recalled: &'a HashSet<String>,
    /// The names of tasks that were not judged although one of their dependencies came out differently.
    pub doubtful: &'a HashSet<&'a str>,
    /// Whether evidence from before counts, because the configuration and the environment are the same.
    pub carries: bool,
    /// The paths that the configuration rests on.
    pub configuration: &'a [Vec<u8>],
}

/// Updates the files, lists and evidence of `journal`, whose tasks are already those after the build. Returns the
/// number of the configuration's list if all of its paths were looked at.
pub fn renew(journal: &mut Journal, observed: &Observed, judged: &Judged<'_>) -> Option<u32> {
    let (files, lists) = (std::mem::take(&mut journal.files), std::mem::take(&mut journal.lists));
    let carried: Vec<&str> =
        journal.tasks.keys().map(String::as_str).filter(|name| !judged.bases.contains_key(*name)).collect();
    let used =
        used(&files, observed, &lists, carried.iter().map(|name| journal.tasks[*name].evidence.lists.as_slice()));
    let merged = merge(&files, observed, &used);
    let mut book = Book {
        files: &files,
        observed,
        merged: &merged,
        lists: PathLists::default(),
        numbers: HashTable::new(),
        hasher: RandomState::default(),
        scratch: Vec::new(),
    };
    let mut sources = HashMap::new();
    let carried: HashMap<u32, (u32, bool)> = {
        let numbers = carried.iter().flat_map(|name| &journal.tasks[*name].evidence.lists).copied();
        numbers.collect::<HashSet<u32>>().into_iter().map(|number| (number, book.carry(lists.get(number)))).collect()
    };
    for (name, record) in &mut journal.tasks {
        let Some(basis) = judged.bases.get(name) else {
            let recalled = judged.recalled.contains(name);
            let mut sure = record.evidence.sure && judged.carries && !judged.doubtful.contains(name.as_str());
            for number in &mut record.evidence.lists {
                let (new, same) = match carried.get(number).copied().unwrap_or((0, false)) {
                    (_, false) if recalled => book.carry_with(lists.get(*number), &record.outputs),
                    carried => carried,
                };
                (*number, sure) = (new, sure && same);
            }
            record.evidence.sure = sure;
            continue;
        };
        let mut evidence = Evidence { sure: basis.sure, expiry: basis.expiry, lists: Vec::new() };
        let own = basis.lists.iter().filter(|list| !list.is_empty()).map(|list| book.enter(list));
        let mut entered: Vec<_> = own.collect();
        if let Some(found) = &basis.sources {
            let watched = sources.entry(std::sync::Arc::as_ptr(found)).or_insert_with(|| book.enter(&found.watched));
            entered.push(*watched);
        }
        for (number, seen) in entered {
            evidence.lists.push(number);
            evidence.sure &= seen;
        }
        record.evidence = evidence;
    }
    let (configuration, seen) = book.enter(judged.configuration);
    journal.lists = book.lists;
    journal.files = merged.files;
    seen.then_some(configuration)
}

/// Tells for each path known before whether it stays: the build has seen it, or evidence that is carried over rests on
/// it.
fn used<'l>(
    files: &KnownFiles,
    observed: &Observed,
    lists: &PathLists,
    carried: impl Iterator<Item = &'l [u32]>,
) -> Vec<bool> {
    let mut used = observed.confirmed.clone();
    used.resize(files.len(), false);
    let mut done = vec![false; lists.len()];
    for number in carried.flatten() {
        if done.get(*number as usize) == Some(&false) {
            done[*number as usize] = true;
            lists.get(*number).iter().for_each(|position| used[*position as usize] = true);
        }
    }
    used
}

/// The file table after the build, and the positions in it of the paths that were known before and of those seen in a
/// new state.
struct Merged {
    files: KnownFiles,
    from_before: Vec<Option<u32>>,
    from_now: Vec<u32>,
}

fn merge(files: &KnownFiles, observed: &Observed, used: &[bool]) -> Merged {
    // After an edit, most paths are the same and few entries differ: the rest is copied from the journal as it is.
    if observed.now.len() < files.len() / 8
        && let Some(merged) = merge_in_place(files, observed, used)
    {
        return merged;
    }
    let mut builder = Builder::default();
    let (mut from_before, mut from_now) = (vec![None; files.len()], Vec::with_capacity(observed.now.len()));
    let mut at = 0;
    for (path, seen) in &observed.now {
        let next = files.first_from(path, at);
        keep(files, at..next, used, &mut builder, &mut from_before);
        at = next;
        if at < files.len() && files.path(at) == path.as_slice() {
            if is_same(&files.seen(at), seen) {
                from_before[at] = Some(builder.len() as u32);
            }
            at += 1;
        }
        from_now.push(builder.len() as u32);
        builder.push(path, seen);
    }
    keep(files, at..files.len(), used, &mut builder, &mut from_before);
    Merged { files: builder.finish(), from_before, from_now }
}

/// Like [`merge`], if no path is added and none is dropped; else `None`.
fn merge_in_place(files: &KnownFiles, observed: &Observed, used: &[bool]) -> Option<Merged> {
    let mut from_before: Vec<Option<u32>> = (0..files.len() as u32).map(Some).collect();
    let mut from_now = Vec::with_capacity(observed.now.len());
    let mut unused = used.iter().filter(|used| !**used).count();
    let mut at = 0;
    for (path, seen) in &observed.now {
        at = files.first_from(path, at);
        if at == files.len() || files.path(at) != path.as_slice() {
            return None;
        }
        if !is_same(&files.seen(at), seen) {
            from_before[at] = None;
        }
        unused -= usize::from(!used[at]);
        from_now.push(at as u32);
        at += 1;
    }
    if unused > 0 {
        return None;
    }
    let files = files.with(observed.now.iter().zip(&from_now).map(|((_, seen), i)| (*i as usize, *seen)));
    Some(Merged { files, from_before, from_now })
}

/// Copies those entries in `positions` that are used.
fn keep(
    files: &KnownFiles,
    positions: Range<usize>,
    used: &[bool],
    builder: &mut Builder,
    from_before: &mut [Option<u32>],
) {
    let mut start = positions.start;
    while start < positions.end {
        let run = used[start..positions.end].iter().take_while(|used| **used).count();
        let first = builder.len();
        builder.extend(files, start..start + run);
        from_before[start..start + run].iter_mut().zip(first..).for_each(|(to, i)| *to = Some(i as u32));
        start += run + 1;
    }
}

/// Returns whether a task judged by the one state would be judged the same by the other.
fn is_same(before: &Seen, now: &Seen) -> bool {
    let same_content = before.digest.is_some_and(|digest| now.digest == Some(digest));
    match (before.stamp, now.stamp) {
        (Some(old), Some(new)) if same_content => old.executable() == new.executable(),
        (old, new) => old == new && (before.settled || same_content),
    }
}

struct Book<'a> {
    files: &'a KnownFiles,
    observed: &'a Observed,
    merged: &'a Merged,
    lists: PathLists,
    /// The numbers of lists, hashed by their content: many tasks look at the same paths.
    numbers: HashTable<u32>,
    hasher: RandomState,
    /// A buffer for making lists.
    scratch: Vec<u32>,
}

impl Book<'_> {
    /// Enters a list of paths. Returns its number, and whether each of its paths was seen in one state only.
    fn enter(&mut self, paths: &[Vec<u8>]) -> (u32, bool) {
        let mut positions = std::mem::take(&mut self.scratch);
        let mut all = true;
        positions.extend(paths.iter().filter_map(|path| {
            let position = self.position(path);
            all &= position.is_some_and(|(_, once)| once);
            position.map(|(position, _)| position)
        }));
        (self.number(positions), all)
    }

    /// Returns the position in the new table of a path that this build looked at, and whether it was seen in one state
    /// only.
    fn position(&self, path: &[u8]) -> Option<(u32, bool)> {
        let before = self.files.find(path);
        let confirmed = before.filter(|i| self.observed.confirmed[*i]);
        match self.observed.now.binary_search_by(|(other, _)| other.as_slice().cmp(path)) {
            Ok(now) => {
                let other_before =
                    confirmed.is_some_and(|i| self.files.seen(i).stamp != self.observed.now[now].1.stamp);
                Some((self.merged.from_now[now], !other_before && !self.observed.flipped.contains(path)))
            }
            Err(_) => self.merged.from_before[confirmed?].map(|position| (position, true)),
        }
    }

    /// Enters a list of positions in the old table. Returns its number, and whether none of its paths was seen in
    /// another state.
    fn carry(&mut self, before: &[u32]) -> (u32, bool) {
        let mut positions = std::mem::take(&mut self.scratch);
        positions.extend(before.iter().filter_map(|i| self.merged.from_before[*i as usize]));
        let same = positions.len() == before.len();
        (self.number(positions), same)
    }

    /// Like [`Book::carry`], for a task whose outputs were put back: those may have been seen in a new state, as long
    /// as it was one state only.
    fn carry_with(&mut self, before: &[u32], outputs: &Manifest) -> (u32, bool) {
        let mut positions = std::mem::take(&mut self.scratch);
        positions.extend(before.iter().filter_map(|i| {
            let path = self.files.path(*i as usize);
            let put_back = || outputs.contains(path);
            let seen = || self.position(path).filter(|(_, once)| *once && put_back()).map(|(position, _)| position);
            self.merged.from_before[*i as usize].or_else(seen)
        }));
        let same = positions.len() == before.len();
        (self.number(positions), same)
    }

    fn number(&mut self, mut positions: Vec<u32>) -> u32 {
        let Book { lists, numbers, hasher, .. } = self;
        let hash = |positions: &[u32]| hasher.hash_one(positions);
        let entry = numbers.entry(
            hash(&positions),
            |number| lists.get(*number) == positions.as_slice(),
            |number| hash(lists.get(*number)),
        );
        let number = match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let number = lists.len() as u32;
                entry.insert(number);
                lists.push(positions.iter().copied())
            }
        };
        positions.clear();
        self.scratch = positions;
        number
    }
}
