//! The topics of `percache help`, which are parts of the documentation.

/// A topic.
pub struct Topic {
    /// Its name, as the user writes it.
    pub name: &'static str,
    /// Its subject, for the list.
    pub about: &'static str,
    document: &'static str,
    /// The heading of the part that is shown, without `#`; empty for the whole document.
    heading: &'static str,
}

const fn topic(name: &'static str, about: &'static str, document: &'static str, heading: &'static str) -> Topic {
    Topic { name, about, document, heading }
}

const CONFIGURATION: &str = include_str!("../../../docs/configuration.md");
const CACHING: &str = include_str!("../../../docs/caching.md");
const CLI: &str = include_str!("../../../docs/cli.md");

/// All topics, in the order of the list.
pub const TOPICS: [Topic; 17] = [
    topic("caching", "when a command runs, and when the cache has its result", CACHING, ""),
    topic("fingerprint", "what counts as a change", CACHING, "The fingerprint"),
    topic("outputs", "what is stored and restored, and what is removed", CACHING, "Outputs"),
    topic("store", "where results are, who shares them", CACHING, "The store"),
    topic("gc", "how the store stays small", CACHING, "Garbage collection"),
    topic("configuration", "every key of percache.toml", CONFIGURATION, ""),
    topic("environment", "which variables a command sees", CONFIGURATION, "Its environment"),
    topic("patterns", "how inputs and outputs are named", CONFIGURATION, "Patterns"),
    topic("placeholders", "{file}, {stem}, {args} and the like", CONFIGURATION, "Placeholders"),
    topic("foreach", "one task per file, or per combination of values", CONFIGURATION, "foreach and matrix"),
    topic("names", "how tasks are named on the command line and in deps", CONFIGURATION, "Names of tasks"),
    topic("dependencies", "what runs before what, and why", CONFIGURATION, "Dependencies"),
    topic("ci", "on machines that build for others", include_str!("../../../docs/guide/ci.md"), ""),
    topic("sharing", "results that a team shares", include_str!("../../../docs/guide/remote.md"), ""),
    topic("worktrees", "several checkouts, one cache", include_str!("../../../docs/guide/worktrees.md"), ""),
    topic("status", "exit statuses", CLI, "Exit status"),
    topic("errors", "error messages, what they mean and what to do", include_str!("../../../docs/errors.md"), ""),
];

impl Topic {
    /// Returns its Markdown.
    pub fn text(&self) -> String {
        if self.heading.is_empty() { self.document.to_owned() } else { section(self.document, self.heading) }
    }
}

/// Finds the topic of this name.
pub fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// Returns the list of topics, for the end of percache's help.
pub fn overview() -> String {
    let width = TOPICS.iter().map(|topic| topic.name.len()).max().unwrap_or(0);
    let lines = TOPICS.iter().map(|topic| format!("\n  {:width$}  {}", topic.name, topic.about));
    format!("Topics of `percache help`:{}", lines.collect::<String>())
}

/// Returns the part of a Markdown document below a heading, up to the next heading of the same or a higher level.
fn section(document: &str, heading: &str) -> String {
    let mut level = None;
    let mut code = false;
    let mut lines = Vec::new();
    for line in document.lines() {
        code ^= line.starts_with("```");
        let here = if code { 0 } else { line.bytes().take_while(|byte| *byte == b'#').count() };
        match level {
            None if here > 0 && line[here..].trim() == heading => level = Some(here),
            None => continue,
            Some(level) if here > 0 && here <= level => break,
            Some(_) => {}
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_its_text() {
        for topic in &TOPICS {
            let text = topic.text();
            assert!(text.starts_with('#'), "`{}` begins with its heading", topic.name);
            assert!(text.len() > 200, "`{}` is explained: {text}", topic.name);
        }
    }

    #[test]
    fn a_section_ends_with_the_next_of_its_level() {
        let document = "# a\n## b\ntext\n### c\n```\n# no heading\n```\n## d\n";
        assert_eq!(section(document, "b"), "## b\ntext\n### c\n```\n# no heading\n```");
        assert_eq!(section(document, "c"), "### c\n```\n# no heading\n```");
        assert_eq!(section(document, "nothing"), "");
    }
}
