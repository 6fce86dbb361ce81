//! `cargo xtask demo`: percache at work on `examples/calc`. Every outcome that is shown is also checked.
//!
//! Knows nothing of how percache works.

use std::path::PathBuf;
use std::time::Duration;

use crate::project::Project;
use crate::run::{Failure, Result, cargo, check, path_failure, repository, run};
use crate::setup;

/// Builds percache and shows what it does.
pub fn demo() -> Result<()> {
    setup::ensure()?;
    run(&mut cargo(["build", "--release", "--workspace"]))?;
    let project = Project::copy_of(&repository().join("examples/calc"), percache_binary()?)?;
    let tasks = first_build(&project)?;
    nothing_to_do(&project, tasks)?;
    comment_in_a_header(&project, tasks)?;
    header_edited(&project)?;
    why(&project)?;
    edits_reverted(&project)?;
    outputs_restored(&project, tasks)?;
    garbage_collected(&project)?;
    println!("\nThat was percache. The project is examples/calc; its percache.toml is the place to read on.");
    Ok(())
}

/// Cargo puts all binaries into one directory, ours too.
fn percache_binary() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|error| Failure(format!("cannot find the target directory: {error}")))?;
    let percache = own.with_file_name(format!("percache{}", std::env::consts::EXE_SUFFIX));
    percache.metadata().map_err(|error| path_failure("find", &percache, error))?;
    Ok(percache)
}

fn caption(text: &str) {
    println!("\n── {text}");
}

fn check_greeting(project: &Project) -> Result<()> {
    let greeting = project.greeting()?;
    check(greeting == "hello, world\n", || format!("the program printed {greeting:?}"))
}

/// Gives the number of tasks.
fn first_build(project: &Project) -> Result<usize> {
    caption("A C project that was never built: every command runs.");
    let summary = project.build()?;
    check(summary.ran == summary.total() && summary.ran > 40, || format!("not every task ran: {summary:?}"))?;
    check_greeting(project)?;
    Ok(summary.total())
}

fn nothing_to_do(project: &Project, tasks: usize) -> Result<()> {
    caption("Nothing changed: no command runs.");
    let summary = project.build()?;
    check(summary.up_to_date == tasks, || format!("not every task is up to date: {summary:?}"))
}

fn comment_in_a_header(project: &Project, tasks: usize) -> Result<()> {
    caption(
        "A comment changes in one header. What includes it is compiled; the objects come out the same, so it ends there.",
    );
    println!("  include/fold.h: `Computes what can be computed` becomes `Does what can be done`");
    project.replace("include/fold.h", "Computes what can be computed", "Does what can be done")?;
    let summary = project.build()?;
    // fold.c, program.c, and the unit test of fold.
    check(summary.ran == 3 && summary.total() == tasks, || format!("not three tasks ran: {summary:?}"))
}

fn header_edited(project: &Project) -> Result<()> {
    caption(
        "A constant changes in one header: what includes it is compiled, and the library, program and tests follow.",
    );
    println!("  include/vm.h: `MAX_FRAMES = 512` becomes `MAX_FRAMES = 600`");
    project.replace("include/vm.h", "MAX_FRAMES = 512", "MAX_FRAMES = 600")?;
    let summary = project.build()?;
    check(summary.ran > 3 && summary.up_to_date > summary.ran / 2, || format!("not a few tasks ran: {summary:?}"))
}

fn why(project: &Project) -> Result<()> {
    caption("Why did that run?");
    let text = project.percache(&["why", "library-objects[src/vm.c]"])?;
    check(text.contains("include/vm.h"), || "the answer does not name include/vm.h".into())
}

fn edits_reverted(project: &Project) -> Result<()> {
    caption("Both edits are taken back: those results are known, no command runs.");
    project.replace("include/vm.h", "MAX_FRAMES = 600", "MAX_FRAMES = 512")?;
    project.replace("include/fold.h", "Does what can be done", "Computes what can be computed")?;
    let summary = project.build()?;
    check(summary.ran == 0 && summary.restored > 0, || format!("the results were not restored: {summary:?}"))?;
    check_greeting(project)
}

fn outputs_restored(project: &Project, tasks: usize) -> Result<()> {
    caption("All outputs are deleted: they come back from the cache.");
    project.remove_directory("build")?;
    let summary = project.build()?;
    check(summary.ran == 0 && summary.total() == tasks, || format!("a command ran: {summary:?}"))?;
    check_greeting(project)
}

fn garbage_collected(project: &Project) -> Result<()> {
    caption("What was not used for a second is thrown away, and its disk space is free again.");
    let before = project.size_of(".percache")?;
    std::thread::sleep(Duration::from_secs(2));
    project.percache(&["gc", "--maxage", "1s"])?;
    let after = project.size_of(".percache")?;
    println!("  .percache: {before} bytes before, {after} bytes after");
    check(after < before, || "the store has not become smaller".into())
}
