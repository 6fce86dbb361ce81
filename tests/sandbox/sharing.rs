//! Clones beside each other that share results: through a remote that variables name, or in a file.

use std::process::Command;

use super::Sandbox;

/// A remote that is read where `CACHE` is its address, and written to where `CACHE_WRITE` is true.
pub const REMOTE: &str = r#"
    [remote]
    url = "$CACHE"
    write = "$CACHE_WRITE"
"#;

/// A task for each source, which discovers a header, and one that joins what they make and makes outputs of all kinds.
pub const TASKS: &str = r#"
    [task.each]
    foreach = "src/*.txt"
    command = "@ran({stem}); cat {file} include/h > out/{stem}; echo out/{stem}: {file} include/h > {stem}.d"
    inputs = ["{file}"]
    outputs = ["out/{stem}"]
    depfile = "{stem}.d"

    [task.join]
    command = "@ran(join); cat out/* > joined; ln -sf joined link; printf '#!/bin/sh\n' > tool; chmod +x tool"
    inputs = ["out/*"]
    outputs = ["joined", "link", "tool"]
"#;

/// Creates clones with this configuration and these files, without a store. A file contains its own name, without the
/// directory and the extension, and a line feed.
pub fn clones(names: &[&str], config: &str, files: &[&str]) -> Sandbox {
    let ws = Sandbox::empty();
    for clone in names {
        ws.config_in(clone, config);
        for file in files {
            let name = file.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
            ws.write(&format!("{clone}/{file}"), format!("{name}\n"));
        }
    }
    ws
}

/// Returns the address of a directory that serves as a bucket.
pub fn bucket(ws: &Sandbox) -> String {
    format!("file://{}", ws.outside("bucket").display())
}

/// Creates a command in a clone, with the remote at this address.
pub fn command(ws: &Sandbox, clone: &str, url: &str, arguments: &[&str]) -> Command {
    let mut command = ws.command(clone);
    command.args(arguments).env("CACHE", url);
    command
}
