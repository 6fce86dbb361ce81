//! Targets of a Makefile. Only make knows what they read and write, so they always run, and make decides what to do.

use std::collections::BTreeSet;
use std::path::Path;

use super::nature::{Nature, endless, nature};
use super::{Part, Proposed, read, string};

pub(super) fn look(dir: &Path) -> Option<Part> {
    let text = ["GNUmakefile", "makefile", "Makefile"].iter().find_map(|name| read(dir, name))?;
    let targets = targets(&text);
    let mut tasks: Vec<Proposed> = Vec::new();
    for (position, target) in targets.iter().enumerate() {
        let kind = nature(target);
        let comment = if position == 0 {
            "make knows what these read and write, percache does not: they always run."
        } else {
            ""
        };
        let flag = match kind {
            Nature::Interactive | Nature::Server => endless(kind),
            _ => ("cache", "false".to_owned()),
        };
        let keys = vec![("command", string(format!("make {target}"))), flag];
        tasks.push(Proposed { name: target.clone(), comment: comment.to_owned(), keys, default: position == 0 });
    }
    (!tasks.is_empty()).then(|| Part { found: "a Makefile".to_owned(), prefix: "make", tasks, ..Part::default() })
}

/// Returns the first target, then those that a person calls by name: the phony ones.
fn targets(text: &str) -> Vec<String> {
    let rules = text.lines().filter(|line| !line.starts_with(['\t', ' ', '#']));
    let rules: Vec<(&str, &str)> =
        rules.filter_map(|line| line.split_once(':')).filter(|(_, rest)| !rest.starts_with('=')).collect();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let is_plain =
        |name: &String| !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let phony = rules.iter().filter(|(target, _)| target.trim() == ".PHONY").flat_map(|(_, names)| words(names));
    let first = rules.iter().flat_map(|(target, _)| words(target)).find(|name| is_plain(name));
    let mut seen = BTreeSet::new();
    first.into_iter().chain(phony.filter(is_plain)).filter(|name| seen.insert(name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_target_and_the_phony_ones_are_what_people_call() {
        let text = "CC := cc\nX ?= 1\n.PHONY: all test clean\nall: app\n\t$(CC) a:b\napp: a.o\n%.o: %.c\ntest: app\n";
        assert_eq!(targets(text), ["all", "test", "clean"]);
    }
}
