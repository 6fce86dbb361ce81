//! Recognises patterns in the language of other tools. What has no meaning here is taken for a part of a name, and then
//! nothing matches.
//!
//! For patterns that have matched nothing: names may contain all these characters.

/// Returns what to write instead of what looks like the wildcards of another tool.
pub fn foreign(pattern: &str) -> Option<&'static str> {
    let text = pattern.trim_start_matches('!');
    let groups = text.match_indices('(').filter(|(at, _)| {
        let inside = text[at + 1..].split_once(')').map(|(inside, _)| inside);
        inside.is_some_and(|inside| inside.contains('|') || text[..*at].ends_with(['@', '+', '*', '?', '!']))
    });
    let mut parts = text.split('/');
    match () {
        () if groups.count() > 0 => Some("alternatives are written in braces: `*.{js,map}`"),
        () if parts.any(|part| part != "**" && part.contains("**")) => {
            Some("`**` stands for directories, and alone between slashes: `src/**/*.js`")
        }
        () if text.starts_with('~') || text.contains('$') => {
            Some("neither `~` nor variables are replaced in a pattern")
        }
        () if text.contains('\\') && !text.contains('/') => Some("directories are divided by `/`"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_tools_write_is_known() {
        for text in ["dist/**/*.(js|map)", "dist/**/*.@(js|map)", "dist/+(a|b).js", "x/!(a).js", "x/?(a)"] {
            assert!(foreign(text).is_some_and(|hint| hint.contains("braces")), "{text}");
        }
        for text in ["src/**.js", "~/x", "$HOME/x", r"dist\*.js"] {
            assert!(foreign(text).is_some(), "{text}");
        }
        for text in ["src/**/*.js", "app/(group)/page.js", "a(1).txt", "**", r"a\*b/c", "!x"] {
            assert_eq!(foreign(text), None, "{text}");
        }
    }
}
