//! The directives of go.mod and go.work: `require`, `replace`, `use`, one a line or in a block with parentheses.

use std::ops::Range;

/// One directive: its keyword, and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// What it is: `module`, `use`, `require`.
    pub keyword: String,
    /// What stands behind the keyword, without quotes and comments.
    pub words: Vec<String>,
    /// The bytes of the text that state it.
    pub span: Range<usize>,
}

/// Returns the directives of a text. What Go would refuse is taken for words.
pub fn directives(text: &str) -> Vec<Directive> {
    let mut all = Vec::new();
    let mut block: Option<String> = None;
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        let start = end - line.trim_start().len();
        // `require(` is as good as `require (`.
        let code = line.split("//").next().unwrap_or_default();
        let span = start..(end - line.len() + code.trim_end().len()).max(start);
        let code = code.replace('(', " ( ");
        let words: Vec<String> = code.split_whitespace().map(unquoted).collect();
        match (&block, words.as_slice()) {
            (_, []) => {}
            (Some(_), [only]) if only == ")" => block = None,
            (Some(keyword), _) => all.push(Directive { keyword: keyword.clone(), words, span }),
            (None, [keyword, open]) if open == "(" => block = Some(keyword.clone()),
            (None, [keyword, rest @ ..]) => {
                all.push(Directive { keyword: keyword.clone(), words: rest.to_vec(), span });
            }
        }
    }
    all
}

fn unquoted(word: &str) -> String {
    let inner = ['"', '`'].iter().find_map(|quote| word.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::directives;

    #[test]
    fn each_has_its_place() {
        let text = "go 1.22\n  use ./a // comment\nuse (\r\n\t./b\r\n)\n";
        let at: Vec<&str> = directives(text).into_iter().map(|directive| &text[directive.span]).collect();
        assert_eq!(at, ["go 1.22", "use ./a", "./b"]);
    }

    #[test]
    fn directives_stand_alone_or_in_blocks() {
        let text = "module example.com/a // comment\n\ngo 1.22\nrequire example.com/b v1.0.0\n\
                    require (\n\t\"example.com/c\" v0.1.0 // indirect\n)\nreplace example.com/b => ../b\n";
        let found: Vec<String> =
            directives(text).into_iter().map(|d| format!("{} {}", d.keyword, d.words.join(" "))).collect();
        assert_eq!(
            found,
            [
                "module example.com/a",
                "go 1.22",
                "require example.com/b v1.0.0",
                "require example.com/c v0.1.0",
                "replace example.com/b => ../b"
            ]
        );
    }
}
