//! Recipes of a justfile. Only they know what they read and write, so they always run.

use std::path::Path;

use super::nature::{Nature, endless, nature};
use super::write::task_name;
use super::{Part, Proposed, list, read, string};

pub(super) fn look(dir: &Path) -> Option<Part> {
    let text = ["justfile", "Justfile", ".justfile"].iter().find_map(|name| read(dir, name))?;
    let recipes = recipes(&text);
    let tasks: Vec<Proposed> = recipes
        .iter()
        .enumerate()
        .map(|(position, recipe)| {
            let kind = nature(&recipe.name);
            let flag = match kind {
                Nature::Interactive | Nature::Server => endless(kind),
                _ => ("cache", "false".to_owned()),
            };
            let mut keys: Vec<_> = recipe.description.iter().map(|text| ("description", string(text))).collect();
            keys.extend([("command", list(&["just", &recipe.name])), flag]);
            let comment = match position {
                0 => "Always runs. State `inputs` and `outputs` and take `cache` away to have it cached.",
                _ => "",
            };
            let default = matches!(kind, Nature::Build | Nature::Check);
            Proposed { name: task_name(&recipe.name), comment: comment.to_owned(), keys, default }
        })
        .collect();
    (!tasks.is_empty()).then(|| Part { found: "a justfile".to_owned(), prefix: "just", tasks, ..Part::default() })
}

#[derive(Debug, PartialEq, Eq)]
struct Recipe {
    name: String,
    /// The comment above it.
    description: Option<String>,
}

/// Returns the recipes that people call without arguments.
fn recipes(text: &str) -> Vec<Recipe> {
    let mut recipes = Vec::new();
    let (mut comment, mut private) = (None, false);
    for line in text.lines() {
        if let Some(text) = line.strip_prefix('#').filter(|text| !text.starts_with('!')) {
            comment = Some(text.trim().to_owned());
            continue;
        }
        if line.starts_with('[') {
            private |= line.contains("private");
            continue;
        }
        let found = recipe(line).filter(|_| !private);
        recipes.extend(found.map(|name| Recipe { name, description: comment.take().filter(|text| !text.is_empty()) }));
        (comment, private) = (None, false);
    }
    recipes
}

/// Returns the name of the recipe that begins in a line, unless it is private or needs arguments.
fn recipe(line: &str) -> Option<String> {
    let line = line.strip_prefix('@').unwrap_or(line);
    if !line.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let (head, rest) = line.split_once(':')?;
    // `name := value` is a variable.
    if rest.starts_with('=') {
        return None;
    }
    let mut words = head.split_whitespace();
    let name = words.next()?;
    // `*rest` may be empty, and a default stands for what is left out.
    let optional = |word: &str| word.starts_with('*') || word.contains('=');
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    (is_name && words.all(optional)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::recipes;

    #[test]
    fn recipes_are_what_people_call_without_arguments() {
        let text = "set shell := ['bash']\nversion := '1'\n\n# Build it all\nbuild: gen\n    cargo build\n\n[private]\ngen:\n    x\n\
                    _hidden:\n    x\n@test filter='' *rest: build\n    x\nrelease tag: test\n    x\nalias b := build\n# of nothing\n\nlint:\n    y\n";
        let found: Vec<(String, Option<String>)> = recipes(text).into_iter().map(|r| (r.name, r.description)).collect();
        let expected = [("build", Some("Build it all")), ("test", None), ("lint", None)];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.map(str::to_owned))));
    }
}
