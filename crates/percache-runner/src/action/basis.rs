//! The basis of a task's outcome: the paths on which it rests, so that the next build can tell from stamps alone that it holds.

use std::sync::Arc;

use percache::store::record::{Entry, Time};

use crate::action::context::{Context, Sources};
use crate::action::inputs::Prepared;
use crate::fs::stat_cache::FileState;
use crate::key::fingerprint::Discovered;
use crate::model::{Inputs, Task};

/// What an outcome rests on.
pub struct Basis {
    /// Whether the paths are all that there is to it.
    pub sure: bool,
    /// From this time on the result is too old to be used.
    pub expiry: Time,
    /// Paths in the order in which they were looked at: relative to the workspace, or absolute.
    pub lists: Vec<Vec<Vec<u8>>>,
    /// What the list of files rests on that git would not ignore, when the task has no declared inputs.
    pub sources: Option<Arc<Sources>>,
}

impl Basis {
    /// Of a task whose outputs were seen to lie in the tree as a result says that was recorded at `created`.
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
        let sources = match task.inputs {
            Inputs::Default => ctx.found_sources(),
            Inputs::Patterns(_) => None,
        };
        let mut further: Vec<_> = further.cloned().collect();
        let links = discovered.0.iter().filter(|(_, state)| matches!(state, FileState::Symlink { .. }));
        links
            .filter_map(|(path, _)| ctx.observer.trail(path))
            .for_each(|trail| further.extend(trail.places().cloned()));
        let known = |path: &[u8], state: &FileState| ctx.observer.is_known_by_stamps(path, state);
        let sure = prepared.inputs.iter().all(|(path, state)| known(path.as_bytes(), state))
            && discovered.0.iter().all(|(path, state)| known(path, state))
            // Told again each time.
            && prepared.missing.is_empty()
            // To ask a tool again takes its environment, and what comes from an `env_file` is not to be written down.
            && (task.tools.is_empty() || task.env_file.is_empty());
        let valid = task.valid_for.map(|valid| valid.as_millis() as u64);
        Basis {
            sure,
            expiry: valid.map_or(Time::MAX, |valid| created.saturating_add(valid)),
            lists: vec![inputs, prepared.watched.clone(), further],
            sources,
        }
    }

    /// Of a task that has to be judged again in any case: what is known of these paths is still worth keeping.
    pub fn unsure(prepared: &Prepared) -> Basis {
        let inputs = prepared.inputs.iter().map(|(path, _)| path.as_bytes().to_vec()).collect();
        Basis { sure: false, expiry: 0, lists: vec![inputs], sources: None }
    }
}
