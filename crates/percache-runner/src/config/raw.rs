//! One configuration file as written: every value with its place, types checked, nothing resolved.
//!
//! Does not know other files, the file system, placeholders or what a name refers to; [`keys`](super::keys) knows the
//! keys of the file format.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{FILE, FileKeys, Files, Section};
use super::members::Member;
use super::reader::Fields;
use super::report::{Place, Report};
use crate::model::Ecosystem;

/// One file.
#[derive(Debug, Default)]
pub(super) struct RawFile {
    pub keys: FileKeys,
    /// Whether the text is invalid TOML, so that what was parsed may be incomplete.
    pub broken: bool,
}

/// What a file is to the workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Root,
    Member,
    /// A percache.toml includes it.
    Included,
}

/// Parses the text of `file`.
pub(super) fn read_file(report: &mut Report, file: usize, text: &str, role: Role) -> RawFile {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        report.error("this is not TOML", Place { file, span }, error.message());
    }
    // What the parser recovered from a broken line would be reported as if the user had written it.
    report.mute_lines_of_errors(file);
    let mut fields = Fields::new(report, file, "the file", document.into_inner());
    refuse(&mut fields, role);
    let keys = FileKeys::read(&mut fields);
    fields.finish(&FILE);
    RawFile { keys, broken: !errors.is_empty() }
}

/// Returns the `members` of a root file, as far as it can be parsed.
pub(super) fn members_of(mut document: DeTable<'_>) -> Vec<Member> {
    let Some(DeValue::Table(mut workspace)) = document.remove("workspace").map(Spanned::into_inner) else {
        return Vec::new();
    };
    match workspace.remove("members").map(Spanned::into_inner) {
        Some(DeValue::String(name)) => Ecosystem::named(&name).map(Member::alone).into_iter().collect(),
        Some(DeValue::Array(members)) => {
            members.iter().filter_map(|item| item.get_ref().as_str()).map(Member::listed).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the store's directory that a root file names, as far as it can be parsed.
pub(super) fn cache_dir_of(mut document: DeTable<'_>) -> Option<String> {
    let DeValue::Table(mut cache) = document.remove("cache")?.into_inner() else { return None };
    let dir = cache.remove("dir")?.into_inner();
    dir.as_str().filter(|dir| !dir.is_empty()).map(str::to_owned)
}

/// Reports keys that a file of this role may not have: a member defines only tasks, so that shared settings are in one
/// place.
fn refuse(fields: &mut Fields<'_, '_>, role: Role) {
    let (allowed, whose): (&[Files], _) = match role {
        Role::Root => return,
        Role::Member => (&[Files::All, Files::Main], "in the file of a member"),
        Role::Included => (&[Files::All], "in an included file"),
    };
    for key in FILE.keys.iter().filter(|key| !allowed.contains(&key.traits.files)) {
        if fields.take(key.name).is_none() {
            continue;
        }
        let Some(at) = fields.place_of(key.name) else { continue };
        let mistake = match key.traits.files {
            Files::Root => fields
                .report
                .error(format!("[{}] {whose}", key.name), at, "only the root file may have this table")
                .hint("move it to the percache.toml of the workspace root".to_owned()),
            _ => fields
                .report
                .error(format!("`{}` {whose}", key.name), at, "only a percache.toml may have this key")
                .hint("move it to the percache.toml that includes this file".to_owned()),
        };
        drop(mistake);
    }
}
