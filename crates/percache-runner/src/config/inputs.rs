//! The declared inputs of a task: patterns, the default ones, parts of files, and files outside of the workspace.
//!
//! Knows nothing of which files there are.

use super::bind::Bindings;
use super::placeholder::Piece;
use super::report::{Place, Report};
use super::stated::{Stated, Text};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::{External, Inputs};
use crate::syntax::data::{KeyPath, split};
use crate::syntax::glob::escape;

/// The word in `inputs` for what a task without `inputs` depends on.
pub(super) const DEFAULT_INPUTS: &str = "@default";

/// Fills in `inputs`. Reports mistakes.
pub(super) fn inputs(stated: &Stated, bind: &Bindings<'_>, report: &mut Report) -> Inputs {
    let Some(texts) = &stated.keys.inputs else {
        // A group reads nothing.
        return Inputs { default: stated.keys.command.is_some(), ..Inputs::default() };
    };
    check_first(texts, report);
    let shared = stated.shared_inputs;
    let mut inputs = Inputs { shared, ..Inputs::default() };
    if !texts.iter().any(may_be_special) {
        inputs.patterns = bind.patterns(texts, report);
        return inputs;
    }
    let (mut written, mut files) = (Vec::new(), Vec::new());
    for (place, text) in texts.iter().enumerate() {
        if text.template.fixed() == Some(DEFAULT_INPUTS) {
            inputs.default = true;
            continue;
        }
        let pattern = bind.pattern(text);
        match split(&pattern) {
            Some((file, key, _)) => {
                let Some(path) = file_of_part(bind, file, key, &text.at, report) else { continue };
                // The whole file does not count, unless a later pattern names it again.
                written.push((place, format!("!{file}")));
                inputs.parts.push(key.to_owned());
                files.push((place, path));
            }
            None => written.push((place, pattern)),
        }
    }
    let places: Vec<usize> = written.iter().map(|(place, _)| *place).collect();
    let patterns = written.into_iter().map(|(place, written)| (&texts[place], written));
    inputs.patterns = bind.parse(patterns, report).renumbered(&places);
    let literal: Vec<String> = files.iter().map(|(_, path)| escape(&path.to_string())).collect();
    let places: Vec<usize> = files.iter().map(|(place, _)| *place).collect();
    inputs.partial = PatternSet::parse(&RelPath::root(), &literal).unwrap_or_default().renumbered(&places);
    inputs
}

/// Returns whether a text is `@default` or may name a part of a file.
fn may_be_special(text: &Text) -> bool {
    text.template.written().any(|part| part.contains('#') || part == DEFAULT_INPUTS)
}

/// Returns the file that `FILE#KEY` names. Reports mistakes.
fn file_of_part(bind: &Bindings<'_>, file: &str, key: &str, at: &Place, report: &mut Report) -> Option<RelPath> {
    let title = format!("`{file}#{key}` does not name a part of a file");
    if let Err(problem) = KeyPath::parse(key) {
        let hint = "write `params.yaml#train.lr`, or a JSON pointer: `package.json#/dependencies`".to_owned();
        report.error(title, at.clone(), problem).hint(hint);
        return None;
    }
    if file.starts_with('!') {
        let hint = "name the parts that count; the rest of the file does not".to_owned();
        report.error(title, at.clone(), "a part cannot be taken away").hint(hint);
        return None;
    }
    let set = match PatternSet::parse(bind.base, &[file]) {
        Ok(set) => set,
        Err(error) => {
            report.error(title, at.clone(), error.kind.to_string()).hint(error.kind.hint());
            return None;
        }
    };
    match set.patterns() {
        [pattern] if pattern.literal().is_some() => pattern.literal().cloned(),
        _ => {
            let hint = "name each file; in a task with `foreach`, write `{file}#KEY`".to_owned();
            report.error(title, at.clone(), "has a wildcard").hint(hint);
            None
        }
    }
}

/// Reports an exclusion as the first pattern: it has nothing to exclude from, and was most likely meant to exclude from
/// everything.
pub(super) fn check_first(texts: &[Text], report: &mut Report) {
    let Some(Piece::Text(written)) = texts.first().and_then(|text| text.template.pieces().first()) else { return };
    if written.starts_with('!') {
        let hint = "begin with a pattern that adds: `\".\"` is everything in the directory".to_owned();
        let title = "the first pattern takes away from nothing";
        report.error(title, texts[0].at.clone(), "has nothing before it").hint(hint);
    }
}

/// Fills in `external`. Reports mistakes.
pub(super) fn external(stated: &Stated, bind: &Bindings<'_>, report: &mut Report) -> Vec<External> {
    let texts = stated.keys.external.iter().flatten();
    let mut external: Vec<External> = texts.filter_map(|text| external_file(bind, text, report)).collect();
    external.sort();
    external.dedup();
    external
}

fn external_file(bind: &Bindings<'_>, text: &Text, report: &mut Report) -> Option<External> {
    let written = bind.text(text);
    let title = format!("`{written}` is not a file outside of the workspace");
    if bind.base.join(&written).is_ok() {
        let hint = "name it in `inputs`".to_owned();
        report.error(title, text.at.clone(), "lies in the workspace").hint(hint);
        return None;
    }
    let problem = match () {
        () if written.contains('\0') => Some("contains a NUL byte"),
        () if written.contains(['*', '?', '[', '{']) => Some("is a pattern"),
        () if written.ends_with('/') => Some("is a directory"),
        () => None,
    };
    if let Some(problem) = problem {
        let hint = "name each file: `/etc/ssl/openssl.cnf`, `../shared/schema.json`".to_owned();
        report.error(title, text.at.clone(), problem).hint(hint);
        return None;
    }
    let base = bind.base.to_string();
    let above = if written.starts_with('/') || bind.base.is_root() { "" } else { &base };
    Some(External(normal(above, &written)))
}

/// Joins two paths and takes out `.` and `..` as far as possible.
fn normal(base: &str, path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in base.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => drop(names.pop()),
            ".." if path.starts_with('/') => {}
            name => names.push(name),
        }
    }
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, names.join("/"))
}
