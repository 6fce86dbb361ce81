//! What the name of a script or target suggests.

/// What a script or target probably does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// Creates outputs.
    Build,
    /// Examines the sources and succeeds or fails.
    Check,
    /// Serves until the user ends it.
    Server,
    /// Runs until the user ends it, or asks the user questions.
    Interactive,
    /// Does anything else.
    Other,
}

pub(super) fn nature(name: &str) -> Nature {
    let first = name.split([':', '-', '_', '.']).next().unwrap_or(name);
    match first {
        _ if name.ends_with("watch") || name.ends_with(":fix") => Nature::Interactive,
        "build" | "compile" | "bundle" | "all" => Nature::Build,
        "test" | "tests" | "check" | "lint" | "typecheck" | "types" | "tsc" | "eslint" | "unit" => Nature::Check,
        "dev" | "start" | "serve" | "preview" | "storybook" => Nature::Server,
        "watch" | "repl" => Nature::Interactive,
        _ => Nature::Other,
    }
}

/// Returns whether what this script checks is what the package builds, and not only its sources.
pub(super) fn checks_outputs(name: &str) -> bool {
    let words: Vec<&str> = name.split([':', '-', '_', '.']).collect();
    words.iter().any(|word| matches!(*word, "test" | "tests" | "unit" | "e2e" | "integration" | "check"))
}

/// Returns the key that says that a task does not end by itself.
pub(super) fn endless(kind: Nature) -> (&'static str, String) {
    // Without servers in this version, one owns the terminal.
    let persistent = kind == Nature::Server && crate::config::has_task_key("persistent");
    (if persistent { "persistent" } else { "interactive" }, "true".to_owned())
}
