//! docs/errors.md: each entry is provoked as it says, and answers as it shows.

use std::path::Path;

use crate::documents::{Block, blocks, fits};
use crate::sandbox::{PERCACHE, Sandbox};

/// One entry: what provokes it, and what is said.
struct Entry {
    title: String,
    config: Option<String>,
    commands: String,
    said: String,
}

fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut config = None;
    let mut commands = None;
    for Block { language, text, heading } in blocks("docs/errors.md") {
        match &language[..] {
            "toml" => config = Some(text),
            "sh" => commands = Some(text),
            "text" => entries.push(Entry {
                title: heading,
                config: config.take(),
                commands: commands.take().expect("commands before what they say"),
                said: text,
            }),
            other => panic!("a block of `{other}` below `{heading}`"),
        }
    }
    entries
}

/// The last command's output, from a workspace of its own.
fn provoked(entry: &Entry) -> String {
    let ws = Sandbox::empty();
    entry.config.iter().for_each(|config| ws.write("percache.toml", config));
    let (before, last) = entry.commands.trim_end().rsplit_once('\n').unwrap_or(("", entry.commands.trim_end()));
    let directory = Path::new(PERCACHE).parent().unwrap().display();
    ws.shell(&format!("PATH={directory}:$PATH\n{{ :\n{before}\n}} >/dev/null 2>&1 || true\n{last} 2>&1 || true"))
}

#[test]
fn every_error_of_the_table_is_said_as_shown() {
    let entries = entries();
    assert!(entries.len() > 100, "only {} entries", entries.len());
    let differ = |entry: &&Entry| !fits(&entry.said, &provoked(entry));
    let wrong: Vec<String> = entries
        .iter()
        .filter(differ)
        .map(|entry| format!("## {}\nshown:\n{}said:\n{}", entry.title, entry.said, provoked(entry)))
        .collect();
    assert!(wrong.is_empty(), "{} of docs/errors.md are not so:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_error_has_its_place_and_a_way_out() {
    /// What cannot be put better than by the message itself.
    const COMPLETE: [&str; 5] = [
        "Out of range",
        "A wildcard that is not closed",
        "Braces that are not closed",
        "A brace that closes nothing",
        "The command failed",
    ];
    for entry in entries() {
        let hinted = entry.said.contains("hint:");
        assert!(hinted || COMPLETE.contains(&&entry.title[..]), "`{}` has no hint", entry.title);
        let failed = entry.said.contains("failed  ") && hinted;
        assert!(
            !failed || entry.said.contains("stated:  percache.toml:"),
            "`{}` does not say where its task is",
            entry.title
        );
        let in_file =
            entry.said.starts_with("error:") && entry.config.is_some() && entry.commands.trim() == "percache build";
        assert!(!in_file || entry.said.contains("--> percache.toml:"), "`{}` has no place", entry.title);
    }
}
