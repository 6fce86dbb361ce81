//! Files in which tools note, beside their outputs, what they have done. If such a file outlives the outputs, the next
//! run skips what it believes to be there; so they are outputs as well.

use std::fs;
use std::path::Path;

use super::super::read;
use crate::model::path::RelPath;

/// Returns the state files that a script leaves.
pub(super) fn state_files(dir: &Path, script: &str) -> Vec<String> {
    let mut files = of_typescript(dir, script);
    files.extend(of_cache(script, "eslint", ".eslintcache"));
    files.extend(of_cache(script, "stylelint", ".stylelintcache"));
    files
}

fn runs_typescript(script: &str) -> bool {
    words(script).any(|word| matches!(word, "tsc" | "vue-tsc" | "tsgo"))
}

/// Returns arguments with which the script notes what it has checked elsewhere than another script does; `None` if
/// there are none. Even a compiler that emits nothing writes such a file.
pub(super) fn apart(name: &str, script: &str) -> Option<[String; 3]> {
    let is_one_command = !script.contains(['&', '|', ';']);
    let checks = runs_typescript(script) && script.contains("--noEmit") && !script.contains("tsBuildInfoFile");
    let place = format!("node_modules/.cache/{name}.tsbuildinfo");
    (is_one_command && checks).then(|| ["--incremental".to_owned(), "--tsBuildInfoFile".to_owned(), place])
}

/// Returns the words of a script that may be programs.
fn words(script: &str) -> impl Iterator<Item = &str> {
    script.split(|char: char| !(char.is_ascii_alphanumeric() || "-_.".contains(char)))
}

/// Returns the file of a linter that notes what it has checked, if it is told to.
fn of_cache(script: &str, program: &str, usual: &str) -> Option<String> {
    if !words(script).any(|word| word == program) || !script.split_whitespace().any(|word| word == "--cache") {
        return None;
    }
    let place = script.split("--cache-location").nth(1).and_then(|rest| {
        rest.trim_start_matches([' ', '=']).split_whitespace().next().map(|path| path.trim_matches(['\'', '"']))
    });
    match place {
        Some(place) => place_of(place.trim_end_matches('/')),
        None => Some(usual.to_owned()),
    }
}

/// Returns a path that is an output: what lies in node_modules is not.
fn place_of(path: &str) -> Option<String> {
    let path = RelPath::root().join(path).ok()?;
    path.to_str().filter(|path| !path.is_empty() && !path.starts_with("node_modules/")).map(str::to_owned)
}

fn of_typescript(dir: &Path, script: &str) -> Vec<String> {
    if !runs_typescript(script) {
        return Vec::new();
    }
    let configurations = fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        (name.starts_with("tsconfig") && name.ends_with(".json")).then(|| read(dir, &name))?
    });
    let text = configurations.collect::<Vec<_>>().join("\n");
    // A configuration that it extends may say so, too. With `--build`, it writes such a file whatever the configuration
    // says.
    let keys = ["\"composite\"", "\"incremental\"", "\"tsBuildInfoFile\"", "\"extends\""];
    let keeps = keys.iter().any(|key| text.contains(key))
        || script.split_whitespace().any(|word| matches!(word, "-b" | "--build" | "--incremental"));
    let named = text.split("\"tsBuildInfoFile\"").skip(1).filter_map(|rest| {
        place_of(rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()?)
    });
    let mut files: Vec<String> = if keeps { vec!["*.tsbuildinfo".to_owned()] } else { Vec::new() };
    files.extend(named.filter(|path| path.contains('/') || !path.ends_with(".tsbuildinfo")));
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linter_that_keeps_a_cache_says_so() {
        let of = |script| state_files(Path::new("/nowhere"), script);
        assert_eq!(of("eslint --cache ."), [".eslintcache"]);
        assert_eq!(of("eslint . --cache --cache-location=.cache/eslint"), [".cache/eslint"]);
        assert_eq!(of("eslint --cache --cache-location node_modules/.cache/ ."), [""; 0]);
        assert_eq!(of("eslint ."), [""; 0]);
        assert_eq!(of("prettier --cache ."), [""; 0]);
    }
}
