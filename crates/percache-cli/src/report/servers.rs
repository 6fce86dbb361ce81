//! The output of servers, as it comes: each line begins with the server's name, in a colour of its own.

use percache_runner::tasks::TaskId;

use crate::report::settled::settled;
use crate::report::text::{clean, width};
use crate::terminal::style::{Paint, Style};

/// The length from which on a line without end is printed.
const LONGEST: usize = 64 << 10;

/// The streams of all servers.
#[derive(Default)]
pub struct Streams {
    /// In the order in which they were started.
    servers: Vec<Stream>,
}

/// The output of one server.
struct Stream {
    task: TaskId,
    name: String,
    /// A line that has not ended.
    begun: Vec<u8>,
}

impl Streams {
    /// Adds a server, so that the names of all are in one column.
    pub fn add(&mut self, task: TaskId, name: &str) {
        if !self.servers.iter().any(|stream| stream.task == task) {
            self.servers.push(Stream { task, name: clean(name, false), begun: Vec::new() });
        }
    }

    /// Takes a piece of a server's output, and returns the lines that it completes.
    pub fn lines(&mut self, task: TaskId, bytes: &[u8], paint: Paint) -> String {
        let Some(stream) = self.servers.iter_mut().find(|stream| stream.task == task) else { return String::new() };
        stream.begun.extend_from_slice(bytes);
        let end = match stream.begun.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if stream.begun.len() >= LONGEST => stream.begun.len(),
            None => return String::new(),
        };
        let rest = stream.begun.split_off(end);
        let whole = std::mem::replace(&mut stream.begun, rest);
        self.prefixed(task, &whole, paint)
    }

    /// Returns what is left of a server's output when it has ended.
    pub fn end(&mut self, task: TaskId, paint: Paint) -> String {
        let stream = self.servers.iter_mut().find(|stream| stream.task == task);
        let rest = stream.map(|stream| std::mem::take(&mut stream.begun)).unwrap_or_default();
        if rest.is_empty() { String::new() } else { self.prefixed(task, &rest, paint) }
    }

    fn prefixed(&self, task: TaskId, bytes: &[u8], paint: Paint) -> String {
        let Some(position) = self.servers.iter().position(|stream| stream.task == task) else { return String::new() };
        let name = &self.servers[position].name;
        let column = self.servers.iter().map(|stream| width(&stream.name)).max().unwrap_or(0);
        let padding = " ".repeat(column - width(name));
        let prefix = paint.apply(Style::Series(position), format!("{name}{padding} |"));
        let mut text = String::new();
        for line in clean(&settled(&String::from_utf8_lossy(bytes)), paint.is_on()).lines() {
            // A colour ends with its line, so that it does not reach the lines of others.
            let end = if line.contains('\x1b') { "\x1b[0m" } else { "" };
            let space = if line.is_empty() { "" } else { " " };
            text.push_str(&format!("{prefix}{space}{line}{end}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_bear_names() {
        let (api, web) = (TaskId(1), TaskId(2));
        let mut streams = Streams::default();
        streams.add(api, "api");
        streams.add(web, "pkgs/web:dev");
        assert_eq!(streams.lines(api, b"one\ntw", Paint::NEVER), "api          | one\n");
        assert_eq!(streams.lines(web, b"\n", Paint::NEVER), "pkgs/web:dev |\n");
        assert_eq!(streams.lines(api, b"o\r\n10 %\r20 %\n", Paint::NEVER), "api          | two\napi          | 20 %\n");
        assert_eq!(streams.lines(api, b"rest", Paint::NEVER), "");
        assert_eq!(streams.end(api, Paint::NEVER), "api          | rest\n");
        assert_eq!(streams.end(api, Paint::NEVER), "");
    }

    #[test]
    fn a_colour_ends_with_its_line() {
        let mut streams = Streams::default();
        streams.add(TaskId(0), "api");
        let line = streams.lines(TaskId(0), b"\x1b[31mred\n\x1b[2Jplain\n", Paint::ALWAYS);
        assert_eq!(line, "\x1b[36mapi |\x1b[0m \x1b[31mred\x1b[0m\n\x1b[36mapi |\x1b[0m plain\n");
    }
}
