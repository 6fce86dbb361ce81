//! No text makes the loader panic, and every place that it reports lies in a text.

use proptest::prelude::*;

use super::Tree;
use super::meaning::EXAMPLE;

/// Pieces that a mutation inserts: some are special somewhere, some nowhere.
const PIECES: [&str; 34] = [
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\n",
    "#",
    "!",
    "*",
    "**",
    "/",
    "..",
    ":",
    "?",
    "\\",
    "é",
    "\u{0}",
    "\"\"\"",
    "-1",
    "1e9",
    "true",
    "{file}",
    "{args}",
    "{fiel}",
    "task.",
    "[task.x]\n",
    "[a]",
    "deps = [\"*\"]\n",
    "foreach = \"**\"\n",
    "99999999999999999999d",
];

fn mutated() -> impl Strategy<Value = String> {
    let mutation = (any::<prop::sample::Index>(), 0usize..12, prop::sample::select(&PIECES[..]), any::<bool>());
    prop::collection::vec(mutation, 0..8).prop_map(|mutations| {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, removed, piece, insert) in mutations {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, piece.chars().filter(|_| insert));
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_text_is_a_workspace_or_a_list_of_mistakes(root in mutated(), member in mutated()) {
        let tree = Tree::new(&root, &[("src/a.c", ""), ("src/b.c", ""), ("pkgs/lib/percache.toml", &member)]);
        match tree.load(&["-x", "a b"]) {
            Ok(workspace) => {
                let graph = crate::graph::TaskGraph::new(&workspace);
                prop_assert_eq!(graph.order.len(), workspace.tasks.len());
            }
            Err(mistakes) => {
                prop_assert!(!mistakes.errors.is_empty());
                for label in mistakes.errors.iter().flat_map(|error| &error.labels) {
                    let source = mistakes.sources.iter().find(|(path, _)| *path == label.file);
                    prop_assert!(source.is_some_and(|(_, text)| text.get(label.span.clone()).is_some()), "{:?}", label);
                }
            }
        }
    }
}
