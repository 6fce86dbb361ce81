//! Rules of the source that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

/// What takes something away from a directory, or puts something over it.
const TAKES_AWAY: [&str; 10] = [
    "remove_file",
    "remove_dir",
    "unlinkat(",
    "renameat",
    "fs::rename(",
    "fs::write(",
    "File::create(",
    ".truncate(true)",
    "set_len(",
    "fs::copy(",
];

/// The files of the runner that may, and why.
const MAY: [(&str, &str); 14] = [
    ("fs/clearing.rs", "decides what goes, and displaces what percache does not hold"),
    ("fs/beneath.rs", "does that, for clearing and for directories"),
    ("fs/beneath/system.rs", "asks the kernel for it"),
    ("fs/displaced.rs", "keeps what was displaced, in the store"),
    ("fs/displaced/items.rs", "gives it back, and removes what is too old"),
    ("fs/displaced/relocate.rs", "moves what is displaced or given back"),
    ("action/directories.rs", "removes empty directories that percache made"),
    ("action/restore/staged.rs", "removes what waits in the staging directory"),
    ("fs/staging.rs", "removes the staging directory"),
    ("worktree/directory.rs", "the worktree's directory in the store"),
    ("maintenance.rs", "the store's directory"),
    ("worktree/failed_runs.rs", "the worktree's directory in the store"),
    ("worktree/intents.rs", "the worktree's directory in the store"),
    ("worktree/last_used.rs", "the worktree's directory in the store"),
];

/// The source files below a directory, relative to it.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).expect("a directory of sources").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => pending.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// The code of a file without its tests and comments, by lines.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]").or(text.find("#[cfg(all(test")).unwrap_or(text.len());
    text[..end].lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// percache never destroys bytes that it does not hold: one file decides what in the tree goes or gives way, and all others have it do so.
#[test]
fn nothing_in_the_tree_goes_but_by_clearing() {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("../percache-runner/src");
    let mut found = Vec::new();
    let mut used = Vec::new();
    for path in sources(&runner) {
        let name = path.strip_prefix(&runner).expect("below it").to_string_lossy().into_owned();
        if name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        let takes: Vec<_> = code(&text).filter(|(_, line)| TAKES_AWAY.iter().any(|word| line.contains(word))).collect();
        match MAY.iter().find(|(may, _)| *may == name) {
            Some((may, _)) if !takes.is_empty() => used.push(*may),
            Some(_) => {}
            None => found.extend(takes.iter().map(|(line, text)| format!("{name}:{}: {}", line + 1, text.trim()))),
        }
    }
    assert!(
        found.is_empty(),
        "go through `clearing`, or add the file with its reason to the list:\n{}",
        found.join("\n")
    );
    let idle: Vec<_> = MAY.iter().map(|(may, _)| *may).filter(|may| !used.contains(may)).collect();
    assert!(idle.is_empty(), "these need not be on the list any more: {idle:?}");
}

/// The layers of the runner, the lowest first, as the table in its `lib.rs` has them.
fn layers(lib: &str) -> Vec<String> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

/// The first component of every path that begins with `crate::`.
fn used(line: &str) -> impl Iterator<Item = &str> {
    let paths = line.split("crate::").skip(1);
    paths.map(|path| path.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap_or_default())
}

/// Dependencies between the folders of a crate run one way.
#[test]
fn every_layer_uses_only_those_below_it() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (runner, core) = (crates.join("percache-runner/src"), crates.join("percache/src"));
    let of_runner = layers(&fs::read_to_string(runner.join("lib.rs")).expect("lib.rs"));
    let of_core = ["base", "db", "store", "backend", "memo"].map(str::to_owned).to_vec();
    let mut wrong = Vec::new();
    for (root, layers) in [(runner, of_runner), (core, of_core)] {
        let height = |name: &str| layers.iter().position(|layer| layer == name);
        for path in sources(&root) {
            let name = path.strip_prefix(&root).expect("below it").to_string_lossy().into_owned();
            if name == "lib.rs" || name.ends_with("tests.rs") || name.contains("/tests/") {
                continue;
            }
            let own = name.split(['/', '.']).next().unwrap_or_default();
            let own = height(own).unwrap_or_else(|| panic!("`{own}` of {} is no layer that is known", root.display()));
            let text = fs::read_to_string(&path).expect("a source file");
            for (line, text) in code(&text) {
                let above = used(text).filter_map(height).any(|other| other > own);
                wrong.extend(above.then(|| format!("{name}:{}: {}", line + 1, text.trim())));
            }
        }
    }
    assert!(wrong.is_empty(), "these use a layer above their own:\n{}", wrong.join("\n"));
}

/// A stranger learns from the first line of a file what it is.
#[test]
fn every_file_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut wrong = Vec::new();
    for path in ["crates", "tests"].iter().flat_map(|dir| sources(&root.join(dir))) {
        let name = path.strip_prefix(&root).expect("below it").display().to_string();
        // What a macro is to refuse is shown as a user writes it.
        if !fs::read_to_string(&path).expect("a source file").starts_with("//! ") && !name.contains("/ui/") {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "these do not say what they are (`//!`):\n{}", wrong.join("\n"));
}

/// What a crate is used for, it is used for in one place: code that begins so, and the files of `crates/` that may have it.
const ONLY_IN: [(&str, &[&str]); 11] = [
    ("ClockId::Realtime", &["percache/src/base/clock.rs"]),
    ("pyo3::", &["percache-py/src/"]),
    (r"\x1b[?", &["percache-cli/src/report/live/screen.rs"]),
    ("percache_remote::", &["percache-cli/src/remote", "percache-cli/src/commands/remote"]),
    ("tokio::", &["percache-remote/src/"]),
    ("opendal::", &["percache-remote/src/service/bucket"]),
    ("tonic::", &["percache-remote/src/reapi/", "percache-remote/src/service/reapi"]),
    ("rocksdb::", &["percache/src/db/rocks.rs", "percache/src/db/rocks/"]),
    ("indicatif::", &["percache-cli/src/report/live/bar.rs"]),
    (
        "clap::",
        &[
            "percache-cli/src/args/",
            "percache-cli/src/usage.rs",
            "percache-cli/src/completion",
            "percache-cli/src/commands/help.rs",
            "percache-cli/src/commands/man.rs",
        ],
    ),
    ("stdio::stdout()", &["percache-cli/src/terminal/output.rs"]),
];

/// The "never" lines of docs/ARCHITECTURE.md that can be told from the text of the source.
#[test]
fn what_one_place_is_for_is_nowhere_else() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let products =
        ["percache/src", "percache-remote/src", "percache-runner/src", "percache-cli/src", "percache-py/src"];
    let mut wrong = Vec::new();
    for path in products.iter().flat_map(|dir| sources(&crates.join(dir))) {
        let name = path.strip_prefix(&crates).expect("below it").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a source file");
        for (line, text) in code(&text) {
            let misplaced = ONLY_IN.iter().filter(|(word, files)| {
                text.contains(word) && !files.iter().any(|file| name.starts_with(file)) && !name.ends_with("tests.rs")
            });
            wrong.extend(misplaced.map(|(word, _)| format!("{name}:{}: has `{word}`", line + 1)));
        }
    }
    assert!(wrong.is_empty(), "see \"What holds everywhere\" in docs/ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

/// A panic in one thread stops no other: a lock in a library is taken whether or not it is poisoned.
#[test]
fn every_lock_in_a_library_recovers_from_poison() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut seen, mut wrong) = (0, Vec::new());
    let libraries = ["percache/src", "percache-remote/src", "percache-runner/src"];
    for path in libraries.iter().flat_map(|dir| sources(&crates.join(dir))) {
        let name = path.strip_prefix(&crates).expect("below it").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a source file");
        if name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        // Unlike `code`: in the table of contents of a folder, the tests come first and are elsewhere.
        let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
        let code: String = text[..end].split_whitespace().collect();
        for taken in [".lock()", ".read()", ".write()"] {
            for (at, _) in code.match_indices(taken) {
                let then = &code[at + taken.len()..];
                seen += usize::from(then.starts_with(".unwrap_or_else(PoisonError::into_inner)"));
                let panics =
                    [".unwrap()", ".expect(", ".ok()", ".is_ok()", "else{"].iter().find(|end| then.starts_with(**end));
                wrong.extend(panics.map(|end| format!("{name}: `{taken}{end}`")));
            }
        }
        // What only tries to has a third answer, which says that it was poisoned.
        let tries = [".try_lock()", ".try_read()", ".try_write()"].iter().any(|taken| code.contains(taken));
        if tries && !code.contains("TryLockError::") {
            wrong.push(format!("{name}: tries to take a lock, and takes a poisoned one for one that is held"));
        }
    }
    assert!(seen > 20, "only {seen} locks were recognised");
    assert!(wrong.is_empty(), "take them by `unwrap_or_else(PoisonError::into_inner)`:\n{}", wrong.join("\n"));
}

/// What must not be in a folder of `crates/`, whatever it is for.
const NOT_IN: [(&str, &[&str]); 2] = [
    ("percache-runner/src/key/", &["HashMap", "HashSet"]),
    ("percache-cli/src/report/", &["thread::spawn", "thread::scope"]),
];

/// What is hashed has one order, and the display has no thread.
#[test]
fn some_things_are_nowhere_in_a_folder() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut wrong = Vec::new();
    for (folder, words) in NOT_IN {
        let files = sources(&crates.join(folder));
        assert!(!files.is_empty(), "{folder} has moved");
        for path in files.into_iter().filter(|path| !path.ends_with("tests.rs")) {
            let text = fs::read_to_string(&path).expect("a source file");
            let found = code(&text).filter(|(_, line)| words.iter().any(|word| line.contains(word)));
            wrong.extend(found.map(|(line, text)| format!("{}:{}: {}", path.display(), line + 1, text.trim())));
        }
    }
    assert!(wrong.is_empty(), "see \"What holds everywhere\" in docs/ARCHITECTURE.md:\n{}", wrong.join("\n"));
}

/// What a crate must never know, it does not depend on.
#[test]
fn no_crate_depends_on_what_it_must_never_know() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let never: [(&str, &[&str]); 5] = [
        ("percache", &["clap", "indicatif", "toml", "toml_edit", "rayon", "percache-runner"]),
        ("percache-remote", &["clap", "indicatif", "rocksdb", "toml", "percache-cli", "percache-runner"]),
        (
            "percache-runner",
            &["clap", "indicatif", "rocksdb", "percache-cli", "percache-remote", "tokio", "home", "dirs"],
        ),
        ("percache-macros", &["percache", "percache-runner", "rocksdb"]),
        ("percache-py", &["clap", "indicatif", "rocksdb", "percache-runner", "percache-cli"]),
    ];
    for (name, never) in never {
        let manifest = fs::read_to_string(crates.join(name).join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).expect("dependencies");
        let wrong: Vec<_> = never.iter().filter(|other| dependencies.contains_key(**other)).collect();
        assert!(wrong.is_empty(), "{name} depends on {wrong:?}");
    }
}

/// All that `percache-runner` shows, by group; the first row is what it shows without one. A name more is a decision: a
/// caller needs it, and nothing that is here already does.
#[rustfmt::skip]
const DOOR: [(&str, &str); 13] = [
    ("", "Accept BuildError Check Download Force FromRemote HitLogs OpenError Opened Options Project Request Session Stop Summary \
        Target open"),
    ("configuration", "Diagnostic Diagnostics DiscoverError FILE_NAME File InitError Proposal Source discover is_broken \
        likely_stores propose schema stated"),
    ("tasks", "AcceptError Acceptable AffectedError CacheSettings Clean Cleaned FailedRun FilterError LastLog LastRuns \
        LastState NamedFile NamedFileError NotPortable RelPath SelectError Task TaskCommand TaskGraph TaskId Workspace \
        acceptable affected filtered last_log name_from named_file not_portable"),
    ("events", "Deviation Differs Event Exclusion Failure Holder Listener LogText Marked Moved NotStored Note \
        Outcome PackageDoubt Phase Provenance RemoteRun RemoteStage Reporter Runner Served Span SpooledLog \
        StoreTrouble Stream Warning WhyKept"),
    ("exec", "Answer Single"),
    ("sharing", "Feed Fetched Identity Names Offer Remote RemoteKey identify stored_offer"),
    ("execution", "Client InputKind RemoteCommand RemoteExecuted RemoteInput Workers"),
    ("why", "Answer Behind Cause Chain Change FileState Kind Last LastBuild Line Link Nearest Question Standing Stands \
        State TiedTask Value Why last_build standings tied_tasks why"),
    ("watching", "Activity Blame Blamed Broken Burst Change Configured Events Happened Hearing KnownFiles Noting Run \
        Servers Target attend end moment"),
    ("store", "DEFAULT_MAXAGE DEFAULT_MAXSIZE MaintenanceError Report Request Unstable advance_epoch disk_usage \
        displaced gc last_uses statistics unstable_tasks"),
    ("displaced", "Amount Item Place delete give_back in_store list measure recorded_outputs"),
    ("history", "Build Ending Retrospect TaskRun critical_path rows"),
    ("text", "AgeError SizeError did_you_mean foreign format_age format_duration format_size nearest parse_age \
        parse_size first_few read_back reason shown shown_bytes way_out"),
];

/// The names that a `pub use` makes public.
fn shown(statement: &str) -> Vec<String> {
    let Some(path) = statement.trim().strip_prefix("pub use ") else { return Vec::new() };
    let names = match path.split_once('{') {
        Some((_, names)) => names.trim_end_matches('}'),
        None => path.rsplit("::").next().unwrap_or(path),
    };
    let last = |name: &str| name.rsplit(" as ").next().unwrap_or(name).trim().to_owned();
    names.split(',').map(last).filter(|name| !name.is_empty()).collect()
}

/// The groups of a `lib.rs` with their names, sorted.
fn door(lib: &str) -> Vec<(String, Vec<String>)> {
    let mut groups = vec![(String::new(), Vec::new())];
    let without_comments: Vec<_> = lib.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    for part in without_comments.join("\n").split("\npub mod ") {
        let (name, body) = if groups[0].1.is_empty() { ("", part) } else { part.split_once('{').expect("a group") };
        let body = if name.is_empty() { body } else { body.split_once("\n}").expect("its end").0 };
        let mut names: Vec<_> = body.split(';').flat_map(shown).collect();
        names.sort();
        match name {
            "" => groups[0].1 = names,
            name => groups.push((name.trim().to_owned(), names)),
        }
    }
    groups
}

/// Whoever reads `lib.rs` of the runner has read all that others can use.
#[test]
fn the_runner_shows_what_is_listed_and_nothing_else() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lib = fs::read_to_string(crates.join("percache-runner/src/lib.rs")).expect("lib.rs");
    let public: Vec<_> = lib.lines().filter(|line| line.starts_with("pub mod ") && line.ends_with(';')).collect();
    assert!(public.is_empty(), "all of a module is public by {public:?}");
    let groups: Vec<_> = door(&lib).into_iter().filter(|(name, _)| name != "internals").collect();
    let listed = DOOR.iter().map(|(name, names)| {
        let mut names: Vec<_> = names.split(' ').map(str::to_owned).collect();
        names.sort();
        ((*name).to_owned(), names)
    });
    assert_eq!(groups, listed.collect::<Vec<_>>());
}

/// What is shown to fuzz targets is for them alone.
#[test]
fn no_product_reaches_behind_the_door() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = fs::read_to_string(crates.join("percache-cli/Cargo.toml")).expect("a manifest");
    assert!(!manifest.contains("internals"), "the command line asks for the runner's internals");
    let users = sources(&crates).into_iter().filter(|path| {
        let text = fs::read_to_string(path).expect("a source file");
        text.contains("percache_runner::internals")
    });
    let wrong: Vec<_> = users.filter(|path| !path.starts_with(crates.join("percache-fuzz"))).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What only whoever writes to a terminal has in its text.
const SPOKEN: [&str; 6] = ["\"warning:", "\"note:", "\"hint:", "\"error:", "println!", "print!("];

/// Returns whether code names a variant of one of the runner's messages.
fn names_a_message(text: &str) -> bool {
    let begins_a_word = |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == ':');
    ["Warning::", "Note::", "NotStored::", "StoreTrouble::"].iter().any(|of| text.find(of).is_some_and(begins_a_word))
}

/// Warnings and notes are data until they reach the command line, and one file of it words them.
#[test]
fn one_file_words_warnings_and_notes() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let products = ["percache/src", "percache-runner/src", "percache-cli/src"];
    let mut wrong = Vec::new();
    for path in products.iter().flat_map(|dir| sources(&crates.join(dir))) {
        let name = path.strip_prefix(&crates).expect("below it").to_string_lossy().into_owned();
        if name.ends_with("tests.rs") || name.contains("/tests/") || name == "percache-cli/src/messages.rs" {
            continue;
        }
        let is_cli = name.starts_with("percache-cli/");
        let text = fs::read_to_string(&path).expect("a source file");
        for (line, text) in code(&text) {
            let spoken = !is_cli && SPOKEN.iter().any(|word| text.contains(word));
            let elsewhere = is_cli && names_a_message(text);
            wrong.extend((spoken || elsewhere).then(|| format!("{name}:{}: {}", line + 1, text.trim())));
        }
    }
    assert!(wrong.is_empty(), "`messages.rs` of the command line words them:\n{}", wrong.join("\n"));
}
