//! Links within the documentation lead to something: a file, and a heading in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::documents::{markdown_files, repository};

/// The anchors of a document: those that GitHub makes from headings, and those with a name.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut code = false;
    let headings = text.lines().filter(|line| {
        code ^= line.starts_with("```");
        !code && line.starts_with('#')
    });
    let headings = headings.map(|heading| anchor(heading.trim_start_matches('#').trim()));
    let named = text.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned);
    headings.chain(named).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// What the links of a document point to: `[text](target)`, outside of code.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut code = false;
    for line in text.lines() {
        code ^= line.starts_with("```");
        if !code {
            targets.extend(line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned));
        }
    }
    targets
}

fn missing(document: &Path, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let path: PathBuf = if file.is_empty() { document.to_owned() } else { document.parent()?.join(file) };
    let broken = match fs::read_to_string(&path) {
        _ if !path.exists() => true,
        Ok(text) => !heading.is_empty() && !anchors(&text).contains(heading),
        // A directory.
        Err(_) => !heading.is_empty(),
    };
    broken.then(|| format!("{}: {target}", document.strip_prefix(repository()).unwrap_or(document).display()))
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    let mut count = 0;
    for document in markdown_files() {
        let text = fs::read_to_string(&document).unwrap();
        for target in targets(&text) {
            count += 1;
            broken.extend(missing(&document, &target));
        }
    }
    assert!(count > 100, "only {count} links were found");
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn anchors_are_those_of_github() {
    assert_eq!(anchor("`foreach` and `matrix`"), "foreach-and-matrix");
    assert_eq!(anchor("percache.toml in an editor"), "percachetoml-in-an-editor");
    assert_eq!(anchor("[task.NAME]"), "taskname");
}
