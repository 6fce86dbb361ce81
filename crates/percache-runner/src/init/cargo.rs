//! Rust: proposes to cache the tests; the build is left to cargo, which does it better.

use std::path::Path;

use super::ignored::inputs_without;
use super::{Part, Proposed, list, read, string};

pub(super) fn look(dir: &Path) -> Option<Part> {
    let manifest = read(dir, "Cargo.toml")?;
    let workspace = manifest.contains("[workspace]");
    let all = if workspace { " --workspace" } else { "" };
    let task = |name: &str, comment: &str, command: String| {
        let mut keys = vec![("command", string(command))];
        keys.extend(inputs_without(dir, &["target"]));
        keys.push(("tools", list(&["cargo --version", "rustc --version"])));
        keys.push(("env_from", list(&["RUSTFLAGS"])));
        keys.push(("env_pass", list(&["CARGO_HOME", "CARGO_TARGET_DIR", "RUSTUP_*"])));
        Proposed { name: name.to_owned(), comment: comment.to_owned(), keys, default: true }
    };
    let mut build = task(
        "build",
        "cargo itself knows what changed; its target directory is too large to be kept.",
        format!("cargo build{all}"),
    );
    build.keys.push(("cache", "false".to_owned()));
    let tasks = vec![
        build,
        task("test", "Runs when a file of the project changed, and not otherwise.", format!("cargo test{all}")),
    ];
    let found = if workspace { "a Cargo workspace" } else { "a Cargo package" };
    Some(Part { found: found.to_owned(), prefix: "cargo", tasks, ..Part::default() })
}
