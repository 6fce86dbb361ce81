//! What git ignores, and inputs without what is no source.

use std::path::Path;

use super::write::list;
use crate::fs::git_ignore::{Rules, stated_in};
use crate::model::path::RelPath;

/// Returns whether git ignores this directory or file, as far as the `.gitignore` here and those above it in the
/// repository say.
pub(super) fn ignores(dir: &Path, name: &str) -> bool {
    let outermost = || dir.ancestors().filter(|above| above.join(".gitignore").is_file()).last();
    let top = dir.ancestors().find(|above| above.join(".git").exists()).or_else(outermost).unwrap_or(dir);
    let Some(below) = RelPath::from_native(top, dir) else { return false };
    let mut rules = Rules::default();
    let mut here = RelPath::root();
    let mut add = |here: &RelPath| {
        if let Some(text) = stated_in(&here.to_path(top)) {
            rules = rules.with(here.as_bytes(), &text);
        }
    };
    add(&here);
    for component in below.components() {
        here = here.child(component);
        add(&here);
    }
    let Ok(path) = below.join(name) else { return false };
    let mut whole = path.ancestors().filter(|above| !above.is_empty()).collect::<Vec<_>>();
    whole.reverse();
    whole.into_iter().any(|above| rules.ignore(above, true)) || rules.ignore(path.as_bytes(), true)
}

/// Returns the key `inputs` if the default would include what does not belong there.
pub(super) fn inputs_without(dir: &Path, names: &[&str]) -> Option<(&'static str, String)> {
    let more: Vec<&&str> = names.iter().filter(|name| !ignores(dir, name)).collect();
    (!more.is_empty()).then(|| {
        let without = more.into_iter().map(|name| format!("!**/{name}"));
        let inputs: Vec<String> = std::iter::once("@default".to_owned()).chain(without).collect();
        ("inputs", list(&inputs))
    })
}
