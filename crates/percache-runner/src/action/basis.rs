//! The basis of a task's outcome: the paths that it rests on, from which the next build can tell by stamps alone that
//! it still holds.

use std::sync::Arc;

use percache::store::record::{Entry, Time};

use crate::action::context::{Context, Sources};
use crate::action::inputs::Prepared;
use crate::fs::stat_cache::FileState;
use crate::key::fingerprint::Discovered;
use crate::model::Task;
use crate::syntax::units::millis;

/// The paths that an outcome rests on.
pub struct Basis {
    /// Whether these paths are the whole basis, so that the next build may rely on them.
    pub sure: bool,
    /// The time from which on the result is too old to be used.
    pub expiry: Time,
    /// Paths in the order in which they were looked at: relative to the workspace, or absolute.
    pub lists: Vec<Vec<Vec<u8>>>,
    /// The basis of the list of files that git does not ignore, for a task without declared inputs.
    pub sources: Option<Arc<Sources>>,
}

impl Basis {
    /// Returns the basis of a task whose outputs in the tree match a result that was recorded at `created`.
    pub fn new(
        ctx: &Context<'_>,
        task: &Task,
        prepared: &Prepared,
        discovered: &Discovered,
        outputs: &[Entry],
        created: Time,
    ) -> Basis {
        let inputs = prepared.inputs.iter().map(|(path, _)| path.as_bytes().to_vec()).collect();
        let further = discovered.0.iter().map(|(path, _)| path).chain(outputs.iter().map(|entry| &entry.path));
        let sources = if task.inputs.default { ctx.found_sources() } else { None };
        let mut further: Vec<_> = further.cloned().collect();
        let links = discovered.0.iter().filter(|(_, state)| matches!(state, FileState::Symlink { .. }));
        links
            .filter_map(|(path, _)| ctx.observer.trail(path))
            .for_each(|trail| further.extend(trail.places().cloned()));
        let known = |path: &[u8], state: &FileState| ctx.observer.is_known_by_stamps(path, state);
        let sure = prepared.inputs.iter().all(|(path, state)| known(path.as_bytes(), state))
            && discovered.0.iter().all(|(path, state)| known(path, state))
            // The warning must be repeated each time.
            && prepared.further.iter().all(|(path, state)| known(path, state))
            && prepared.missing.is_empty()
            && prepared.warnings.is_empty()
            // Asking a tool again takes its environment, and values from an `env_file` must not be written down.
            && (task.tools.is_empty() || task.env_file.is_empty());
        Basis {
            sure,
            expiry: task.valid_for.map_or(Time::MAX, |valid| created.saturating_add(millis(valid))),
            lists: vec![inputs, prepared.watched.clone(), further],
            sources,
        }
    }

    /// Returns the basis of a task that must be judged again in any case: what is known about its inputs is still worth
    /// keeping.
    pub fn unsure(prepared: &Prepared) -> Basis {
        let inputs = prepared.inputs.iter().map(|(path, _)| path.as_bytes().to_vec()).collect();
        Basis { sure: false, expiry: 0, lists: vec![inputs], sources: None }
    }
}
