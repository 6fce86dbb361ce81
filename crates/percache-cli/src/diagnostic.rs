//! Renders mistakes of the configuration: title, place, the underlined text, and what to do about it.
//!
//! Knows nothing of what a mistake means.

use std::collections::BTreeMap;

use annotate_snippets::renderer::{AnsiColor, Effects, Style};
use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};
use percache_runner::configuration::{Diagnostic, Diagnostics};
use percache_runner::tasks::RelPath;

const ERROR: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
const HINT: Style = AnsiColor::Cyan.on_default().effects(Effects::BOLD);

/// Renders all mistakes, separated by blank lines and ending in `\n`; with ANSI colours if `color`.
pub fn render(diagnostics: &Diagnostics, color: bool) -> String {
    let renderer = if color { Renderer::styled().error(ERROR) } else { Renderer::plain() };
    let mistakes = diagnostics.errors.iter().map(|error| render_one(error, &diagnostics.sources, &renderer, color));
    mistakes.collect::<Vec<_>>().join("\n")
}

fn render_one(error: &Diagnostic, sources: &[(RelPath, String)], renderer: &Renderer, color: bool) -> String {
    let title = Level::ERROR.primary_title(printable(&error.title));
    let mut text = renderer.render(&[title.elements(snippets(error, sources))]);
    text.push('\n');
    if let Some(hint) = &error.hint {
        let (start, end) =
            if color { (HINT.render().to_string(), HINT.render_reset().to_string()) } else { Default::default() };
        text.push_str(&format!("\n{start}hint:{end} {}\n", printable(hint)));
    }
    text
}

/// Creates one snippet per file, starting with the file of the first label.
fn snippets<'d>(error: &'d Diagnostic, sources: &'d [(RelPath, String)]) -> Vec<Snippet<'d, Annotation<'d>>> {
    let mut files: Vec<&RelPath> = Vec::new();
    let mut annotations: BTreeMap<&RelPath, Vec<Annotation<'d>>> = BTreeMap::new();
    for (position, label) in error.labels.iter().enumerate() {
        if !files.contains(&&label.file) {
            files.push(&label.file);
        }
        let kind = if position == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let annotation = kind.span(label.span.clone()).label(printable(&label.text));
        annotations.entry(&label.file).or_default().push(annotation);
    }
    let with_text = files.into_iter().filter_map(|file| {
        let (path, text) = sources.iter().find(|(path, _)| path == file)?;
        Some(Snippet::source(text).path(path.to_string()).annotations(annotations.remove(file)?))
    });
    with_text.collect()
}

/// Replaces control characters: file names may contain them, and must not control the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

#[cfg(test)]
mod tests;
