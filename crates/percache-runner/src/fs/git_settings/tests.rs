//! What is read of git's configuration.

use super::*;
use crate::fs::git_repository::tests::{git, write};

#[test]
fn a_later_level_replaces_what_an_earlier_one_says() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let home = root.join("home");
    let caller =
        Caller::from([("HOME".into(), home.clone().into()), ("GIT_CONFIG_SYSTEM".into(), root.join("system").into())]);
    write(&root, &[("system", "[core]\nignoreCase = true\nexcludesFile = /system"), ("main/a", "")]);
    let settings = Settings::read(None, &caller);
    assert_eq!((settings.excludes_file, settings.ignore_case), (Some("/system".into()), true));
    let files = [root.join("system"), home.join(".config/git/config"), home.join(".gitconfig")];
    assert_eq!(settings.consulted, files);

    write(&root, &[("home/.gitconfig", "[core]\nexcludesFile = ~/user")]);
    assert_eq!(Settings::read(None, &caller).excludes_file, Some(home.join("user")));

    let main = root.join("main");
    git(&main, &["init", "-q"]);
    git(&main, &["add", "."]);
    git(&main, &["commit", "-qm", "x"]);
    git(&main, &["config", "core.ignoreCase", "false"]);
    git(&main, &["worktree", "add", "-q", "../linked"]);
    git(&main, &["config", "extensions.worktreeConfig", "true"]);
    let linked = root.join("linked");
    git(&linked, &["config", "--worktree", "core.excludesFile", "here"]);
    let repository = Repository::at(&linked).unwrap();
    let settings = Settings::read(Some(&repository), &caller);
    assert_eq!((settings.excludes_file, settings.ignore_case), (Some(linked.join("here")), false));
    assert!(settings.consulted.contains(&repository.git_dir.join("config.worktree")));
    let other = Settings::read(Repository::at(&main).as_ref(), &caller);
    assert_eq!(other.excludes_file, Some(home.join("user")), "the setting of one worktree is not that of another");
}

#[test]
fn what_cannot_be_understood_counts_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let caller = Caller::from([("HOME".into(), home.clone().into()), ("GIT_CONFIG_NOSYSTEM".into(), "1".into())]);
    write(
        &home,
        &[(".config/git/config", "[core]\nexcludesFile = /good"), (".gitconfig", "[core\nexcludesFile = /bad")],
    );
    assert_eq!(Settings::read(None, &caller).excludes_file, Some("/good".into()));
    write(&home, &[(".gitconfig", "[include]\npath = ~/.gitconfig\n[core]\nexcludesFile = /round")]);
    assert_eq!(Settings::read(None, &caller).excludes_file, Some("/round".into()));
    write(&home, &[(".gitconfig", "[core]\nexcludesFile = relative")]);
    assert_eq!(Settings::read(None, &caller).excludes_file, None);
    assert_eq!(Settings::read(None, &Caller::new()).excludes_file, None);
}

/// What looks like a configuration, more or less.
const CONFIGURATION: &str =
    concat!("(\\[(core|include|includeIf|x)?( ?\"[a-z:/~*]{0,9}\")?\\]", "|path|excludesFile|=|~|\"|\\\\|\n|.){0,30}",);

proptest::proptest! {
    #[test]
    fn no_configuration_makes_it_panic(text in CONFIGURATION) {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q"]);
        write(dir.path(), &[("global", &text), (".git/config", &text), (".git/HEAD", &text)]);
        let caller = Caller::from([
            ("GIT_CONFIG_GLOBAL".into(), dir.path().join("global").into()),
            ("GIT_CONFIG_COUNT".into(), "1".into()),
            ("GIT_CONFIG_KEY_0".into(), text.clone().replace('\0', "").into()),
            ("GIT_CONFIG_VALUE_0".into(), "x".into()),
        ]);
        Settings::read(Repository::at(dir.path()).as_ref(), &caller);
    }
}
