//! Documents that are run: the shell commands of a Markdown file, in order, each block held against the output that the document shows below it.
//!
//! In a block of `text`, `…` stands for anything within a line, and a line `…` for any number of lines.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::{PERCACHE, Sandbox};

/// A block of code.
pub struct Block {
    pub language: String,
    pub text: String,
    /// The heading above it.
    pub heading: String,
}

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All Markdown files of the documentation, and the README.
pub fn markdown_files() -> Vec<PathBuf> {
    let mut found = vec![repository().join("README.md"), repository().join("CHANGELOG.md")];
    let mut directories = vec![repository().join("docs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// The blocks of a document, by its path in the repository.
pub fn blocks(document: &str) -> Vec<Block> {
    let text = fs::read_to_string(repository().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"));
    let (mut blocks, mut open, mut heading) = (Vec::new(), None::<Block>, String::new());
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                let (language, heading) = (language.to_owned(), heading.clone());
                open = Some(Block { language, heading, text: String::new() });
            }
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) if line.starts_with('#') => heading = line.trim_start_matches('#').trim().to_owned(),
            (None, None) => {}
        }
    }
    blocks
}

/// Runs the `sh` blocks of a document in one shell. A block must succeed, unless what is shown below it speaks of a failure.
pub fn run(document: &str) {
    let blocks = blocks(document);
    let (shown, commands): (Vec<_>, Vec<_>) = blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.language == "sh")
        .map(|(number, block)| (blocks.get(number + 1).filter(|next| next.language == "text"), block))
        .unzip();
    assert!(!commands.is_empty(), "{document} has no commands");
    let mark = "-----8<-----";
    let directory = Path::new(PERCACHE).parent().unwrap().display();
    let mut script = format!("exec 2>&1\nPATH={directory}:$PATH\n");
    commands.iter().for_each(|block| script += &format!("{}echo \"{mark} $?\"\n", block.text));
    let ws = Sandbox::empty();
    ws.write("script", script);
    let output = ws.shell("sh script");
    let mut rest = &output[..];
    for (block, shown) in commands.into_iter().zip(shown) {
        let context = || format!("{document}, at\n{}it said\n{rest}", block.text);
        let (said, behind) = rest.split_once(mark).unwrap_or_else(|| panic!("it ends in {}", context()));
        let (status, behind) = behind.split_once('\n').unwrap_or_default();
        let fails = shown.is_some_and(|shown| shown.text.contains("failed  ") || shown.text.contains("error:"));
        assert_eq!(status.trim() != "0", fails, "status {status} in {}", context());
        if let Some(shown) = shown {
            assert!(fits(&shown.text, said), "{document} shows\n{}\nand it said\n{said}", shown.text);
        }
        rest = behind;
    }
}

/// Whether a text is as shown.
pub fn fits(shown: &str, said: &str) -> bool {
    let (shown, said): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), said.trim_end().lines().collect());
    lines_fit(&shown, &said)
}

fn lines_fit(shown: &[&str], said: &[&str]) -> bool {
    match shown {
        [] => said.is_empty(),
        ["…", rest @ ..] => (0..=said.len()).any(|skipped| lines_fit(rest, &said[skipped..])),
        [line, rest @ ..] => {
            said.first().is_some_and(|first| line_fits(line, first.trim_end())) && lines_fit(rest, &said[1..])
        }
    }
}

fn line_fits(shown: &str, said: &str) -> bool {
    let Some((before, after)) = shown.split_once('…') else { return shown.trim_end() == said };
    let Some(mut rest) = said.strip_prefix(before) else { return false };
    loop {
        if line_fits(after, rest) {
            return true;
        }
        let mut characters = rest.chars();
        if characters.next().is_none() {
            return false;
        }
        rest = characters.as_str();
    }
}

#[test]
fn what_is_shown_is_compared_with_what_is_said() {
    assert!(fits("a …s\n…\nend\n", "a 12s\nx\ny\nend\n"));
    assert!(fits("…\nend", "end\n"));
    assert!(!fits("a …s\n", "a 12\n"));
    assert!(!fits("a\n", "a\nb\n"));
    assert!(!fits("a\n…\nb\n", "a\n"));
}
