//! Renders Markdown for a terminal: headings, paragraphs, lists, code and tables, wrapped to a width.
//!
//! Knows nothing of what the text is about. pulldown-cmark does the parsing.

mod table;
mod words;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::terminal::markdown::table::Table;
use crate::terminal::markdown::words::Words;
use crate::terminal::style::{Paint, Style};

/// Renders the text, wrapped to `width` columns and ending in `\n`.
pub fn render(markdown: &str, width: usize, paint: Paint) -> String {
    let (words, text, bullet) = Default::default();
    let mut page = Page { width, paint, text, words, style: None, lists: Vec::new(), bullet, code: false, table: None };
    Parser::new_ext(markdown, Options::ENABLE_TABLES).for_each(|event| page.event(event));
    page.text.trim_matches('\n').to_owned() + "\n"
}

struct Page {
    width: usize,
    paint: Paint,
    text: String,
    /// The words of the current paragraph, heading or cell.
    words: Words,
    style: Option<Style>,
    /// One entry per open list: the number of the next item, if the list is numbered.
    lists: Vec<Option<u64>>,
    /// The text before the first line of the next block.
    bullet: String,
    code: bool,
    table: Option<Table>,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.code => self.code(&text),
            Event::Text(text) => self.words.push(&text, self.style),
            Event::Code(text) if self.paint.is_on() => self.words.push(&text, Some(Style::Active)),
            Event::Code(text) => self.words.push(&format!("`{text}`"), None),
            Event::SoftBreak => self.words.push(" ", None),
            Event::HardBreak => self.flush(),
            Event::Rule => self.text.push('\n'),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.blank();
                self.style = Some(Style::Strong);
            }
            Tag::Strong | Tag::Emphasis => self.style = Some(Style::Strong),
            Tag::Paragraph if self.bullet.is_empty() => self.blank(),
            Tag::CodeBlock(_) => {
                self.flush();
                self.blank();
                self.code = true;
            }
            Tag::List(first) => {
                self.flush();
                if self.lists.is_empty() {
                    self.blank();
                }
                self.lists.push(first);
            }
            Tag::Item => {
                let number = self.lists.last_mut().and_then(Option::as_mut);
                self.bullet = number.map_or("- ".to_owned(), |number| {
                    *number += 1;
                    format!("{}. ", *number - 1)
                });
            }
            Tag::Table(_) => self.table = Some(Table::default()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => {
                self.style = None;
                self.flush();
                let line = match level {
                    _ if self.paint.is_on() => "",
                    HeadingLevel::H1 => "=",
                    HeadingLevel::H2 => "-",
                    _ => "",
                };
                let length = self.text.lines().last().map_or(0, |line| line.chars().count());
                self.text.push_str(&line.repeat(length));
                self.text.push_str(if line.is_empty() { "" } else { "\n" });
            }
            TagEnd::Strong | TagEnd::Emphasis => self.style = None,
            TagEnd::Paragraph | TagEnd::Item => self.flush(),
            TagEnd::CodeBlock => self.code = false,
            TagEnd::List(_) => drop(self.lists.pop()),
            TagEnd::TableCell => {
                let words = std::mem::take(&mut self.words);
                self.table.iter_mut().for_each(|table| table.cell(words.clone()));
            }
            TagEnd::TableHead | TagEnd::TableRow => self.table.iter_mut().for_each(Table::end_row),
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.blank();
                    self.text.push_str(&table.render(self.width, self.paint));
                }
            }
            _ => {}
        }
    }

    /// Writes the collected words as lines.
    fn flush(&mut self) {
        if self.words.is_empty() {
            return;
        }
        let words = std::mem::take(&mut self.words);
        let bullet = std::mem::take(&mut self.bullet);
        let outer = "  ".repeat(self.lists.len().saturating_sub(1));
        let inner = if self.lists.is_empty() { 0 } else { outer.len() + bullet.len().max(2) };
        for (number, line) in words.wrap(self.width.saturating_sub(inner), self.paint).into_iter().enumerate() {
            let indent = if number == 0 && !bullet.is_empty() { format!("{outer}{bullet}") } else { " ".repeat(inner) };
            self.text.push_str(&format!("{indent}{}\n", line.text));
        }
    }

    fn code(&mut self, text: &str) {
        let indent = " ".repeat(4 + 2 * self.lists.len());
        for line in text.lines() {
            let line = if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") };
            self.text.push_str(&line);
        }
    }

    /// Adds an empty line, unless there is one.
    fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(markdown: &str, width: usize) -> String {
        render(markdown, width, Paint::NEVER)
    }

    #[test]
    fn paragraphs_are_wrapped_and_lists_are_indented() {
        let text = "# Title\n\nSome words `code` and [a link](x.md).\nMore.\n\n- one two three four\n- b\n  - c\n\n1. x\n2. y\n";
        let said = "Title\n=====\n\nSome words `code`\nand a link. More.\n\n- one two three\n  four\n- b\n  - c\n\n1. x\n2. y\n";
        assert_eq!(plain(text, 18), said);
    }

    #[test]
    fn code_stands_as_it_is() {
        assert_eq!(plain("Run:\n\n```sh\na   b\n\nc\n```\n\nDone.", 40), "Run:\n\n    a   b\n\n    c\n\nDone.\n");
    }

    #[test]
    fn tables_fit_the_width() {
        let table = "| key | meaning |\n| --- | --- |\n| `dir` | where the store is |\n| `x` | y |\n";
        assert_eq!(
            plain(table, 60),
            "key    meaning\n─────  ──────────────────\n`dir`  where the store is\n`x`    y\n"
        );
        assert_eq!(
            plain(table, 18),
            "key    meaning\n─────  ───────────\n`dir`  where the\n       store is\n`x`    y\n"
        );
    }

    #[test]
    fn styles_do_not_count_as_width() {
        let text = render("**bold** and `code`", 13, Paint::ALWAYS);
        assert_eq!(text, "\x1b[1mbold\x1b[0m and \x1b[36mcode\x1b[0m\n");
    }
}
