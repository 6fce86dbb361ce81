//! One configuration file as written: every value with its place, types checked, nothing resolved.
//!
//! Knows the keys of the file format. Does not know other files, the file system, placeholders or what a name refers to.

use std::num::NonZeroUsize;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::raw_task::{RawTask, read_tasks};
use super::reader::{Fields, entries, expect_count, wrong_type};
use super::report::{At, Place, Report};
use crate::model::Jobserver;
use crate::syntax::units;

/// One file.
#[derive(Debug, Default)]
pub(super) struct RawFile {
    pub members: Vec<At<String>>,
    pub default: Option<Vec<At<String>>>,
    pub env: Vec<(At<String>, At<String>)>,
    pub jobserver: Option<Jobserver>,
    pub follow: Vec<At<String>>,
    pub cache: RawCache,
    pub pools: Vec<(At<String>, NonZeroUsize)>,
    pub tasks: Vec<RawTask>,
    /// The text is not TOML: what was understood of it may not be all there is.
    pub broken: bool,
}

/// `[cache]`, units read.
#[derive(Debug, Default)]
pub(super) struct RawCache {
    pub dir: Option<At<String>>,
    pub maxage: Option<Duration>,
    pub maxsize: Option<u64>,
    pub check_rate: Option<f64>,
}

/// Reads the text of `file`. `root` says whether it is the workspace's root file.
pub(super) fn read_file(report: &mut Report, file: usize, text: &str, root: bool) -> RawFile {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        report.error("this is not TOML", Place { file, span }, error.message());
    }
    // What the parser made of a broken line would be reported as if the user had written it.
    report.mute_lines_of_errors(file);
    let mut raw = RawFile { broken: !errors.is_empty(), ..RawFile::default() };
    let mut top = Fields::new(report, file, "the file", document.into_inner());
    if root {
        read_root_tables(&mut top, &mut raw);
    } else {
        refuse_root_tables(&mut top);
    }
    if let Some(tables) = top.table("task") {
        raw.tasks = read_tasks(top.report, file, tables, raw.broken);
    }
    top.finish();
    raw
}

/// What the file of the workspace root names as members, as far as it can be understood.
pub(super) fn members_of(mut document: DeTable<'_>) -> Vec<At<String>> {
    let Some(DeValue::Table(mut workspace)) = document.remove("workspace").map(Spanned::into_inner) else {
        return Vec::new();
    };
    let Some(DeValue::Array(members)) = workspace.remove("members").map(Spanned::into_inner) else {
        return Vec::new();
    };
    let strings = members.into_iter().filter_map(|item| {
        let span = item.span();
        item.get_ref().as_str().map(|text| At { value: text.to_owned(), span })
    });
    strings.collect()
}

fn read_root_tables(top: &mut Fields<'_, '_>, raw: &mut RawFile) {
    if let Some(workspace) = take_table(top, "workspace") {
        let mut fields = Fields::new(top.report, top.file, "[workspace]", workspace);
        raw.members = fields.strings("members").unwrap_or_default();
        raw.default = fields.strings("default");
        raw.env = fields.string_table("env").unwrap_or_default();
        raw.jobserver = read_jobserver(&mut fields);
        raw.follow = fields.strings("follow").unwrap_or_default();
        fields.finish();
    }
    if let Some(cache) = take_table(top, "cache") {
        raw.cache = read_cache(Fields::new(top.report, top.file, "[cache]", cache));
    }
    if let Some(pools) = take_table(top, "pools") {
        raw.pools = read_pools(top.report, top.file, pools);
    }
}

fn read_jobserver(fields: &mut Fields<'_, '_>) -> Option<Jobserver> {
    let value = fields.take("jobserver")?;
    let span = value.span();
    match value.get_ref() {
        DeValue::Boolean(false) => None,
        DeValue::Boolean(true) => Some(Jobserver::Pipe),
        DeValue::String(text) if text == "pipe" => Some(Jobserver::Pipe),
        DeValue::String(text) if text == "fifo" => Some(Jobserver::Fifo),
        other => {
            fields.wrong_type("jobserver", span, "`true`, `false`, `\"pipe\"` or `\"fifo\"`", other);
            None
        }
    }
}

fn read_cache(mut fields: Fields<'_, '_>) -> RawCache {
    let dir = fields.string("dir");
    let maxage = fields.string_or_integer("maxage");
    let maxsize = fields.string_or_integer("maxsize");
    let check_rate = fields.fraction("check_rate");
    let file = fields.file;
    if let Some(dir) = dir.as_ref().filter(|dir| dir.value.is_empty() || dir.value.contains('\0')) {
        fields
            .error("`dir` is not a path", &dir.span, "must name a directory")
            .hint("leave it out for `.percache`".to_owned());
    }
    let cache = RawCache {
        dir,
        maxage: maxage.and_then(|age| read_age(fields.report, file, "maxage", &age)),
        maxsize: maxsize.and_then(|size| read_size(fields.report, file, "maxsize", &size)),
        check_rate,
    };
    fields.finish();
    cache
}

/// An AGE; a mistake is reported.
pub(super) fn read_age(report: &mut Report, file: usize, key: &str, age: &At<String>) -> Option<Duration> {
    match units::parse_age(&age.value) {
        Ok(duration) => Some(duration),
        Err(_) => {
            let at = Place { file, span: age.span.clone() };
            let hint = "write a whole number with s, m, h, d or w: `90s`, `30m`, `12h`, `30d`, `2w`".to_owned();
            report.error(format!("`{key}` is not an age"), at, "is not an age").hint(hint);
            None
        }
    }
}

fn read_size(report: &mut Report, file: usize, key: &str, size: &At<String>) -> Option<u64> {
    match units::parse_size(&size.value) {
        Ok(bytes) => Some(bytes),
        Err(_) => {
            let at = Place { file, span: size.span.clone() };
            let hint = "write a number of bytes, or one with a unit: `500MB`, `2GiB`, `1.5GiB`".to_owned();
            report.error(format!("`{key}` is not a size"), at, "is not a size").hint(hint);
            None
        }
    }
}

fn read_pools(report: &mut Report, file: usize, pools: DeTable<'_>) -> Vec<(At<String>, NonZeroUsize)> {
    let read = entries(pools).into_iter().filter_map(|(name, value)| {
        let capacity = expect_count(report, file, &format!("pools.{}", name.value), value, 1)?;
        Some((name, NonZeroUsize::new(capacity.value as usize)?))
    });
    read.collect()
}

/// A member states tasks only: what the whole workspace shares stands in one place.
fn refuse_root_tables(top: &mut Fields<'_, '_>) {
    let written = top.keys();
    for key in ["workspace", "cache", "pools"] {
        top.take(key);
        if let Some(at) = written.iter().find(|at| at.value == key) {
            let hint = "move it to the percache.toml of the workspace root".to_owned();
            let title = format!("[{key}] in the file of a member");
            top.error(title, &at.span, "only the root file may have this table").hint(hint);
        }
    }
}

fn take_table<'i>(fields: &mut Fields<'_, 'i>, key: &'static str) -> Option<DeTable<'i>> {
    let value = fields.take(key)?;
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Some(table),
        other => {
            wrong_type(fields.report, fields.file, key, span, "a table", &other);
            None
        }
    }
}
