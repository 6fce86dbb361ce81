//! Scripts of the root of a workspace. Most of them run those of the packages: these become groups.

use std::collections::BTreeSet;

use super::super::Proposed;
use super::super::write::{list, task_name};
use super::project::{Member, Project};
use super::rules::Rules;
use super::script;

/// Returns the tasks of the root's scripts. `known` are the names of the packages' tasks.
pub(super) fn tasks(project: &Project, own: &Member, rules: &Rules, known: &BTreeSet<&str>) -> Vec<Proposed> {
    let mut others = script::Taken::default();
    let mut tasks = Vec::new();
    for (name, text) in own.scripts() {
        let runs = run_in_packages(text).map(|names| names.iter().map(|name| task_name(name)).collect::<Vec<_>>());
        match runs {
            Some(names) if names.iter().all(|name| known.contains(name.as_str())) => {
                let deps: Vec<String> = names.iter().map(|name| format!("*:{name}")).collect();
                let comment = format!("Stands for `{text}`.");
                let keys = vec![("deps", list(&deps))];
                tasks.push(Proposed { name: task_name(name), comment, keys, default: false });
            }
            // It runs what is no task: a server, perhaps, in every package.
            Some(_) if rules.of(own, name).is_none() => {}
            _ => tasks.extend(script::task(project, own, rules, (name, text), &mut others)),
        }
    }
    tasks
}

/// Returns the scripts that a command runs in all packages, if it does nothing else.
fn run_in_packages(text: &str) -> Option<Vec<String>> {
    if text.contains(['&', '|', ';', '>']) {
        return None;
    }
    let mut words: Vec<&str> = text.split_whitespace().collect();
    while matches!(words.first(), Some(&"npx" | &"pnpm" | &"yarn" | &"bunx" | &"exec" | &"cross-env"))
        && matches!(words.get(1), Some(&"turbo" | &"nx" | &"lerna" | &"exec"))
    {
        words.remove(0);
    }
    let (program, rest) = words.split_first()?;
    let names: Vec<&str> = match *program {
        "turbo" => plain(rest).filter(|word| !matches!(*word, "run")).collect(),
        "lerna" => plain(rest.strip_prefix(&["run"])?).collect(),
        "nx" if rest.first() == Some(&"run-many") => targets(&rest[1..]),
        "npm" | "pnpm" | "yarn" | "bun" => of_manager(rest)?,
        _ => return None,
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    (!names.is_empty()).then_some(names)
}

/// Yields the words that are no options, nor the value of one.
fn plain<'w>(words: &'w [&'w str]) -> impl Iterator<Item = &'w str> {
    let takes_value = |word: &str| matches!(word, "--filter" | "-F" | "--concurrency" | "--scope" | "--cache-dir");
    let words = words.split(|word| *word == "--").next().unwrap_or_default();
    let is_value = move |position: usize| position > 0 && takes_value(words[position - 1]);
    words
        .iter()
        .enumerate()
        .filter(move |(position, word)| !word.starts_with('-') && !is_value(*position))
        .map(|(_, word)| *word)
}

/// Returns the targets of `nx run-many`.
fn targets<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let mut names = Vec::new();
    let mut is_target = false;
    for word in words {
        if let Some(value) = ["--target=", "--targets=", "-t="].iter().find_map(|option| word.strip_prefix(option)) {
            names.extend(value.split(','));
            is_target = false;
        } else if word.starts_with('-') {
            is_target = matches!(*word, "-t" | "--target" | "--targets");
        } else if is_target {
            names.extend(word.split(','));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Returns the script that a package manager runs in all packages.
fn of_manager<'w>(words: &[&'w str]) -> Option<Vec<&'w str>> {
    let everywhere = ["-r", "--recursive", "-ws", "--workspaces", "workspaces"];
    if !words.iter().any(|word| everywhere.contains(word)) || words.iter().any(|word| word.starts_with("--filter")) {
        return None;
    }
    let skipped = |word: &&str| !matches!(*word, "run" | "run-script" | "workspaces" | "foreach" | "exec");
    let names: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).filter(skipped).collect();
    match names.as_slice() {
        [one] => Some(vec![one]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::run_in_packages;

    #[test]
    fn what_runs_in_all_packages_is_known() {
        let names = |text| run_in_packages(text).unwrap_or_default().join(" ");
        for (text, expected) in [
            ("turbo run build test", "build test"),
            ("turbo lint --filter web --cache-dir=x -- --fix", "lint"),
            ("npx turbo build", "build"),
            ("nx run-many -t build test --parallel 3", "build test"),
            ("nx run-many --target=build,lint --all", "build lint"),
            ("lerna run build --scope x", "build"),
            ("npm run build --workspaces --if-present", "build"),
            ("npm run build -ws", "build"),
            ("pnpm -r run test", "test"),
            ("pnpm -r build", "build"),
            ("yarn workspaces foreach -A run build", "build"),
            ("npm run build", ""),
            ("turbo run build && echo done", ""),
            ("tsc -b", ""),
            ("pnpm --filter web -r build", ""),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }
}
