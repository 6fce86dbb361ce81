//! The start of a build: a survey of what earlier builds left in the tree, and the context that all tasks share.

use std::io;
use std::sync::{Mutex, OnceLock};

use percache::base::claim::Claimant;

use super::Session;
use super::desk::Desk;
use crate::action::context::{Context, Options, Tools};
use crate::action::directories::{Directories, needed};
use crate::fs::clearing::Clearing;
use crate::fs::displaced::Displaced;
use crate::fs::git_index::GitIndex;
use crate::fs::stat_cache::Observer;
use crate::model::event::{Event, Reporter};
use crate::model::path::RelPath;
use crate::model::problem::{reason, way_out};
use crate::session::standing::Holds;
use crate::syntax::shown::first_few;
use crate::worktree::Worktree;
use crate::worktree::intents::Intents;
use crate::worktree::old_contents::Contents;
use crate::worktree::old_texts::Texts;
use crate::worktree::ownership::{Buried, Ownership, Sources, bury, survey};

impl Session<'_> {
    pub(super) fn context<'a>(
        &'a self,
        options: &'a Options,
        desk: &'a Desk,
        holds: Option<Holds>,
        reporter: &mut dyn Reporter,
    ) -> io::Result<Context<'a>> {
        let root = &self.workspace.root;
        let mut observer = Observer::since(root, &desk.journal.files, self.began).following(&self.workspace.follow);
        let skip: Vec<_> = RelPath::from_native(root, self.store_dir).into_iter().collect();
        let ownership = survey(&observer, &self.graph.outputs, &desk.journal, &desk.left_behind.intents, &skip)?;
        let (displaced, directories) = (desk.displaced(), Directories::new(&desk.journal.made));
        let git = GitIndex::open(root);
        let mut stuck = Vec::new();
        if !self.options.dry_run && !ownership.edited.is_empty() {
            let message =
                format!("kept {}: no task makes it any more, but somebody has edited it", first_few(&ownership.edited));
            reporter.event(Event::Note { message });
        }
        if !self.options.dry_run && !ownership.dead.is_empty() {
            stuck = self.take_away_what_is_dead(&observer, &displaced, &directories, &git, &ownership, reporter)?;
        }
        let intents = desk.lock.as_ref().map(|_| Intents::open(&desk.worktree.intents(), &desk.left_behind));
        let (intents, untold) = match intents.transpose() {
            Ok(intents) => (intents, None),
            Err(e) => (None, Some(format!("what it is about to write cannot be noted: {e}"))),
        };
        let carries = holds.as_ref().is_some_and(|holds| holds.conditions);
        let (untouched, tools) = match holds {
            Some(mut holds) => {
                // A file that was removed since is not as it was found.
                let found = if ownership.dead.is_empty() { std::mem::take(&mut holds.same) } else { Vec::new() };
                observer.take_over(found, &holds.read);
                let untouched = holds.untouched();
                let names = self.workspace.tasks.iter().map(|task| task.name.as_str());
                (names.map(|name| untouched.contains(name)).collect(), holds.tools)
            }
            None => (Vec::new(), Tools::default()),
        };
        Ok(Context {
            workspace: self.workspace,
            graph: self.graph,
            options,
            observer,
            store: self.store,
            trusted: self.store.is_some() && desk.journal.epoch == desk.epoch,
            journal: &desk.journal,
            worktree: desk.worktree.dir(),
            staging: desk.staging(),
            intents,
            claimant: desk.lock.as_ref().and(self.store).map(|_| Claimant::new(desk.worktree.claims(), self.holder)),
            holder: self.holder,
            caller: self.caller,
            stop: self.stop,
            listener: self.listener,
            store_dir: self.store_dir,
            skip,
            place: Worktree::place(root),
            previous: ownership.owned,
            displaced,
            directories,
            needed: OnceLock::new(),
            git,
            kept: Mutex::default(),
            stuck: stuck.into_iter().map(|(path, _)| path).collect(),
            tools,
            contents: Contents::new(root, self.store, Texts::at(desk.worktree.texts())),
            carries,
            untouched,
            places: OnceLock::new(),
            executor: None,
            budget: None,
            sources: OnceLock::new(),
            trouble: Mutex::new(desk.trouble.clone().or(untold)),
        })
    }

    /// Removes outputs that no task makes any more, and the directories that were made for them. Returns what could not
    /// be removed.
    fn take_away_what_is_dead(
        &self,
        observer: &Observer<'_>,
        displaced: &Displaced,
        directories: &Directories,
        git: &GitIndex,
        Ownership { dead, .. }: &Ownership<'_>,
        reporter: &mut dyn Reporter,
    ) -> io::Result<Vec<(RelPath, io::Error)>> {
        let mut clearing = Clearing::open(observer, displaced)?;
        let buried = bury(&mut clearing, observer, dead, &Sources { git, tasks: &self.workspace.tasks });
        let needed = needed(&self.workspace.tasks);
        directories.prune(clearing.tree(), observer, dead.iter().map(|left| &left.path), &needed)?;
        tell_of_dead(reporter, &buried);
        tell_of_stuck(reporter, &buried.stuck);
        if let Some(moved) = displaced.take_moved() {
            reporter.event(Event::Displaced(moved));
        }
        Ok(buried.stuck)
    }
}

fn tell_of_dead(reporter: &mut dyn Reporter, Buried { removed, kept, .. }: &Buried) {
    let mut note = |message: String| reporter.event(Event::Note { message });
    if !removed.is_empty() {
        note(format!("removed {}: no task makes it any more", first_few(removed)));
    }
    if !kept.is_empty() {
        note(format!("kept {}: no task makes it any more, but it is a source now", first_few(kept)));
    }
}

/// Warns about leftover files that cannot be removed. They stop only the tasks that read them.
fn tell_of_stuck(reporter: &mut dyn Reporter, stuck: &[(RelPath, io::Error)]) {
    let Some(((path, why), more)) = stuck.split_first() else { return };
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    reporter.event(Event::Warning {
        message: format!("`{path}`{more} cannot be removed, although no task makes it any more: {}", reason(why)),
        hint: way_out(why),
    });
}
