//! One configuration file as written: every value with its place, types checked, nothing resolved.
//!
//! Does not know other files, the file system, placeholders or what a name refers to; [`keys`](super::keys) knows the
//! keys of the file format.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{FILE, FileKeys, Section};
use super::reader::Fields;
use super::report::{At, Place, Report};

/// One file.
#[derive(Debug, Default)]
pub(super) struct RawFile {
    pub keys: FileKeys,
    /// Whether the text is invalid TOML, so that what was parsed may be incomplete.
    pub broken: bool,
}

/// Parses the text of `file`. `root` says whether it is the workspace's root file.
pub(super) fn read_file(report: &mut Report, file: usize, text: &str, root: bool) -> RawFile {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        report.error("this is not TOML", Place { file, span }, error.message());
    }
    // What the parser recovered from a broken line would be reported as if the user had written it.
    report.mute_lines_of_errors(file);
    let mut fields = Fields::new(report, file, "the file", document.into_inner());
    if !root {
        refuse_root_tables(&mut fields);
    }
    let keys = FileKeys::read(&mut fields);
    fields.finish(&FILE);
    RawFile { keys, broken: !errors.is_empty() }
}

/// Returns the `members` of a root file, as far as it can be parsed.
pub(super) fn members_of(mut document: DeTable<'_>) -> Vec<At<String>> {
    let Some(DeValue::Table(mut workspace)) = document.remove("workspace").map(Spanned::into_inner) else {
        return Vec::new();
    };
    let Some(DeValue::Array(members)) = workspace.remove("members").map(Spanned::into_inner) else {
        return Vec::new();
    };
    let strings = members.into_iter().filter_map(|item| {
        let span = item.span();
        item.get_ref().as_str().map(|text| At { value: text.to_owned(), at: Place { file: 0, span } })
    });
    strings.collect()
}

/// Returns the store's directory that a root file names, as far as it can be parsed.
pub(super) fn cache_dir_of(mut document: DeTable<'_>) -> Option<String> {
    let DeValue::Table(mut cache) = document.remove("cache")?.into_inner() else { return None };
    let dir = cache.remove("dir")?.into_inner();
    dir.as_str().filter(|dir| !dir.is_empty()).map(str::to_owned)
}

/// Reports tables that only the root file may have: a member defines only tasks, so that shared settings are in one
/// place.
fn refuse_root_tables(fields: &mut Fields<'_, '_>) {
    for key in FILE.keys.iter().filter(|key| key.traits.root_only) {
        if fields.take(key.name).is_some()
            && let Some(at) = fields.place_of(key.name)
        {
            let hint = "move it to the percache.toml of the workspace root".to_owned();
            let title = format!("[{}] in the file of a member", key.name);
            fields.report.error(title, at, "only the root file may have this table").hint(hint);
        }
    }
}
