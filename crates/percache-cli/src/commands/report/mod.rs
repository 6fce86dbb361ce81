//! `percache report`: a page about the last build. [`data`] provides its content, `page/` its appearance.

mod data;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use percache::base::clock::Time;
use percache::base::files::{self, Durability};
use percache_runner::text::{format_age, reason, shown};
use percache_runner::why::Question;

use crate::args::{Cli, Report};
use crate::error::{CliError, SUCCESS};
use crate::setup::{load, open_store};
use crate::terminal::output::Stdout;
use crate::terminal::style::Paint;

/// The HTML frame; comments in it are replaced by the style, the scripts and the data.
const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
/// They share one scope: later ones use what earlier ones define.
const SCRIPTS: [&str; 8] = [
    include_str!("page/base.js"),
    include_str!("page/detail.js"),
    include_str!("page/timeline.js"),
    include_str!("page/layout.js"),
    include_str!("page/graph.js"),
    include_str!("page/table.js"),
    include_str!("page/charts.js"),
    include_str!("page/main.js"),
];

/// Writes the report.
pub fn run(cli: &Cli, args: &Report) -> Result<u8, CliError> {
    let project = Arc::new(load(cli, &[])?);
    let store = Arc::new(open_store(&project.store_dir, Paint::stderr(cli.color)));
    let told = project.retrospect(&store).ok_or_else(CliError::no_build)?;
    let asked = Question { project, store, caller: std::env::vars_os().collect() };
    let data = data::report(&asked, &told);
    let project = &asked.project;
    if args.json {
        crate::say!("{data:#}");
        return Ok(SUCCESS);
    }
    let page = page(&data.to_string());
    let default = project.report_page();
    match args.output.as_deref() {
        Some(path) if path == Path::new("-") => {
            // Errors of writing are reported at the end.
            let _ = Stdout.write_all(page.as_bytes());
        }
        path => {
            // Files in the store are readable only by their owner.
            let written = match path {
                Some(path) => fs::write(path, page),
                None => files::replace(&default, page.as_bytes(), Durability::Volatile),
            };
            let path = path.unwrap_or(&default);
            written.map_err(|e| {
                let hint = "give the path of a file in a directory that exists";
                CliError::usage(format!("cannot write `{}`: {}", shown(&path), reason(&e))).hint(Some(hint))
            })?;
            let began = told.history.builds.last().map_or(Time::EPOCH, |build| build.began);
            let age = format_age(Time::now().since(began));
            crate::say!("{}", shown(&path));
            if !cli.quiet {
                crate::aside!("a report of the build of {age} ago; any browser opens it");
            }
        }
    }
    Ok(SUCCESS)
}

/// Assembles the page: one self-contained file that loads nothing else.
fn page(data: &str) -> String {
    // Nothing in a script element may look like its end tag, and JSON can escape any character by its number.
    let data = data.replace('<', "\\u003c");
    PAGE.replace("/*STYLE*/", STYLE).replace("/*SCRIPT*/", &SCRIPTS.concat()).replace("/*DATA*/", &data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_ends_the_script() {
        let page = page(r#"{"name":"</script><script>alert(1)</script>/*STYLE*/"}"#);
        assert!(page.contains(r#"{"name":"\u003c/script>\u003cscript>alert(1)\u003c/script>/*STYLE*/"}"#));
        assert!(!page.contains("/*DATA*/") && !page.contains("/*SCRIPT*/"));
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = page("{}");
        for reference in ["http://", "https://", " src=", "url(", "import ", "fetch(", "XMLHttpRequest"] {
            let found = page.replace("http://www.w3.org/2000/svg", "").find(reference).map(|at| &page[at..][..80]);
            assert_eq!(found, None, "{reference}");
        }
    }
}
