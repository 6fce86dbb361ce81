//! What belongs to the source of a workspace, held against what git itself says.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;
use crate::fs::git_repository::Repository;
use crate::fs::git_repository::tests::{git, write};

/// A directory with a workspace `ws` and a home.
struct Place {
    dir: tempfile::TempDir,
    caller: Caller,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Place {
        let dir = tempfile::tempdir().unwrap();
        ["ws", "home"].iter().for_each(|name| fs::create_dir(dir.path().join(name)).unwrap());
        write(&dir.path().join("ws"), files);
        let caller = BTreeMap::from([("HOME".into(), dir.path().join("home").into_os_string())]);
        Place { dir, caller }
    }

    fn with_git(files: &[(&str, &str)]) -> Place {
        let place = Place::new(files);
        git(&place.ws(), &["init", "-q"]);
        place
    }

    fn ws(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("ws")
    }

    fn home(&self, files: &[(&str, &str)]) {
        write(&self.dir.path().join("home"), files);
    }

    fn scan_at(&self, root: &Path) -> Result<SourceTree, WalkError> {
        let skip = [RelPath::new(".percache").unwrap()];
        let configuration = [RelPath::new("percache.toml").unwrap(), RelPath::new("member/percache.toml").unwrap()];
        SourceTree::scan(Area { root, skip: &skip, configuration: &configuration, caller: &self.caller })
    }

    fn scan(&self) -> SourceTree {
        self.scan_at(&self.ws()).unwrap()
    }

    fn files(&self) -> Vec<String> {
        texts(self.scan().files())
    }

    /// Runs git with the variables of the caller.
    fn git(&self, dir: &Path, args: &[&str]) -> std::process::Output {
        let mut command = std::process::Command::new("git");
        command.current_dir(dir).args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.envs(&self.caller).env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap()
    }

    fn git_ignores(&self, dir: &str) -> bool {
        self.git(&self.ws(), &["check-ignore", "--no-index", "-q", dir]).status.success()
    }

    /// What git lists that is there, less what it names as a directory: another repository, of which it lists nothing.
    fn git_lists(&self, root: &Path) -> Vec<String> {
        let output = self.git(root, &["ls-files", "-z", "-co", "--exclude-standard"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let listed: BTreeSet<_> = output.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let is_file = |path: &String| root.join(path).symlink_metadata().is_ok_and(|found| !found.is_dir());
        listed.into_iter().map(|path| path.into_owned()).filter(is_file).collect()
    }
}

fn texts(files: &[RelPath]) -> Vec<String> {
    files.iter().map(ToString::to_string).collect()
}

#[test]
fn what_git_would_ignore_is_not_found() {
    let place = Place::new(&[
        (".gitignore", "*.o\n/build/\n!keep.o\n"),
        ("a.c", ""),
        ("a.o", ""),
        ("keep.o", ""),
        ("build/app", ""),
        ("sub/.gitignore", "local\n"),
        ("sub/local", ""),
        ("sub/build/x", ""),
        (".hidden", ""),
        (".ignore", "a.c\n"),
        (".percache/store", ""),
    ]);
    let expected = [".gitignore", ".hidden", ".ignore", "a.c", "keep.o", "sub/.gitignore", "sub/build/x"];
    assert_eq!(place.files(), expected, "without a repository");
    assert_eq!(texts(&place.scan().directories), [".", "sub", "sub/build"]);

    git(&place.ws(), &["init", "-q"]);
    write(&place.ws(), &[(".git/info/exclude", ".hidden\n")]);
    let expected = [".gitignore", ".ignore", "a.c", "keep.o", "sub/.gitignore", "sub/build/x"];
    assert_eq!(place.files(), expected, "with a repository and its own excludes");
}

#[test]
fn what_git_tracks_counts_although_it_is_ignored() {
    let files =
        [(".gitignore", "*.log\nvendor/\n"), ("golden.log", ""), ("vendor/a/lib.js", ""), ("vendor/other.js", "")];
    let place = Place::with_git(&files);
    assert_eq!(place.files(), [".gitignore"]);
    let before = place.scan();
    git(&place.ws(), &["add", "-f", "golden.log", "vendor/a/lib.js"]);
    assert_eq!(place.files(), [".gitignore", "golden.log", "vendor/a/lib.js"]);
    assert!(before.rests_on(&place.ws()).contains(&b".git/index".to_vec()));
    fs::remove_file(place.ws().join("golden.log")).unwrap();
    assert_eq!(place.files(), [".gitignore", "vendor/a/lib.js"], "what is not there is no file");
    git(&place.ws(), &["rm", "-q", "--cached", "vendor/a/lib.js"]);
    assert_eq!(place.files(), [".gitignore"]);
}

#[test]
fn a_workspace_inside_of_a_repository_heeds_what_stands_above() {
    let place = Place::with_git(&[(".gitignore", "*.o\n/in/gen\n"), ("in/a.o", ""), ("in/gen/x", ""), ("in/a.c", "")]);
    let inner = place.ws().join("in");
    let tree = place.scan_at(&inner).unwrap();
    assert_eq!(texts(tree.files()), ["a.c"]);
    let above = place.ws().join(".gitignore").into_os_string().into_encoded_bytes();
    assert!(tree.rests_on(&inner).contains(&above));

    fs::write(place.ws().join(".gitignore"), "/in\n").unwrap();
    let tree = place.scan_at(&inner).unwrap();
    assert_eq!(texts(tree.files()), ["a.c", "a.o", "gen/x"], "the whole workspace is ignored");
    assert!(tree.rests_on(&inner).contains(&above));

    fs::remove_dir_all(place.ws().join(".git")).unwrap();
    fs::write(place.ws().join(".gitignore"), "*.o\n").unwrap();
    let tree = place.scan_at(&inner).unwrap();
    assert_eq!(texts(tree.files()), ["a.c", "a.o", "gen/x"], "without a repository, nothing above counts");
}

#[test]
fn the_users_own_list_is_found_where_git_finds_it() {
    let files = [("a", ""), ("scratch", ""), ("sub/scratch", ""), ("sub/deep/scratch", "")];
    let place = Place::with_git(&files);
    let expect = |expected: &[&str], consulted: &str| {
        assert_eq!(place.files(), expected);
        assert_eq!(place.git_lists(&place.ws()), expected);
        let outside = || place.ws().parent().unwrap().join(consulted).into_os_string().into_encoded_bytes();
        let consulted = consulted.strip_prefix("ws/").map_or_else(outside, |inside| inside.as_bytes().to_vec());
        assert!(place.scan().rests_on(&place.ws()).contains(&consulted));
    };
    expect(&["a", "scratch", "sub/deep/scratch", "sub/scratch"], "home/.config/git/ignore");
    place.home(&[(".config/git/ignore", "/scratch\n")]);
    expect(&["a", "sub/deep/scratch", "sub/scratch"], "home/.config/git/ignore");
    place.home(&[(".gitconfig", "[core]\nexcludesFile = ~/lists/mine\n")]);
    expect(&["a", "scratch", "sub/deep/scratch", "sub/scratch"], "home/lists/mine");
    place.home(&[("lists/mine", "sub/scratch\n")]);
    expect(&["a", "scratch", "sub/deep/scratch"], "home/.gitconfig");
    place.home(&[
        (".gitconfig", "[include]\npath = more/config\n"),
        ("more/config", "[core]\nexcludesfile = ~/lists/mine\n"),
    ]);
    expect(&["a", "scratch", "sub/deep/scratch"], "home/more/config");
    let condition = format!("[includeIf \"gitdir:{}/\"]\npath = more/config\n", place.ws().display());
    place.home(&[(".gitconfig", &condition)]);
    expect(&["a", "scratch", "sub/deep/scratch"], "home/more/config");
    place.home(&[(".gitconfig", "[includeIf \"onbranch:no\"]\npath = more/config\n")]);
    expect(&["a", "sub/deep/scratch", "sub/scratch"], "ws/.git/HEAD");
    git(&place.ws(), &["config", "core.excludesFile", "../home/lists/mine"]);
    expect(&["a", "scratch", "sub/deep/scratch"], "ws/.git/config");
    git(&place.ws(), &["config", "core.excludesFile", ""]);
    expect(&["a", "scratch", "sub/deep/scratch", "sub/scratch"], "ws/.git/config");
}

#[test]
fn variables_say_where_the_configuration_is() {
    let mut place = Place::with_git(&[("a", ""), ("b", "")]);
    place.home(&[("elsewhere", "[core]\nexcludesFile = ~/list\n"), ("list", "a\n"), ("xdg/git/ignore", "b\n")]);
    let home = place.dir.path().join("home");
    let settings: [(&[(&str, OsString)], &str); 3] = [
        (&[("XDG_CONFIG_HOME", home.join("xdg").into())], "a"),
        (&[("GIT_CONFIG_GLOBAL", home.join("elsewhere").into())], "b"),
        (
            &[
                ("GIT_CONFIG_COUNT", "1".into()),
                ("GIT_CONFIG_KEY_0", "core.excludesfile".into()),
                ("GIT_CONFIG_VALUE_0", home.join("list").into()),
            ],
            "b",
        ),
    ];
    let without = place.caller.clone();
    for (variables, expected) in settings {
        place.caller = without.clone();
        place.caller.extend(variables.iter().map(|(name, value)| (name.into(), value.clone())));
        assert_eq!(place.files(), [expected]);
        assert_eq!(place.git_lists(&place.ws()), [expected]);
    }
}

#[test]
fn every_link_on_the_way_to_a_list_is_noted() {
    let place = Place::with_git(&[("a", "")]);
    place.home(&[("dotfiles/git/ignore", "a\n")]);
    fs::create_dir(place.dir.path().join("home/.config")).unwrap();
    symlink("../dotfiles/git", place.dir.path().join("home/.config/git")).unwrap();
    let tree = place.scan();
    assert_eq!(texts(tree.files()), [""; 0]);
    let (rests_on, home) = (tree.rests_on(&place.ws()), place.dir.path().canonicalize().unwrap().join("home"));
    for path in [".config/git", "dotfiles/git/ignore", "dotfiles/git/config", ".gitconfig"] {
        assert!(rests_on.contains(&home.join(path).into_os_string().into_encoded_bytes()), "{path}");
    }
}

#[test]
fn a_linked_worktree_heeds_the_excludes_of_its_repository_and_is_no_part_of_another() {
    let place = Place::with_git(&[("a", ""), ("secret", "")]);
    git(&place.ws(), &["add", "a"]);
    git(&place.ws(), &["commit", "-qm", "x"]);
    git(&place.ws(), &["worktree", "add", "-q", ".worktrees/x"]);
    write(&place.ws(), &[(".git/info/exclude", "secret\n"), (".worktrees/x/secret", ""), (".worktrees/x/b", "")]);
    assert_eq!(place.files(), ["a"]);
    assert_eq!(texts(&place.scan().directories), [".", ".worktrees", ".worktrees/x"]);
    let linked = place.ws().join(".worktrees/x");
    let tree = place.scan_at(&linked).unwrap();
    assert_eq!(texts(tree.files()), ["a", "b"]);
    let main = |file: &str| place.ws().join(".git").join(file).into_os_string().into_encoded_bytes();
    let rests_on = tree.rests_on(&linked);
    assert!(rests_on.contains(&main("info/exclude")) && rests_on.contains(&main("worktrees/x/index")));
    assert!(rests_on.contains(&b".git".to_vec()));
}

#[test]
fn submodules_and_members_are_part_of_the_tree_by_their_own_rules_and_other_repositories_are_not() {
    let place = Place::with_git(&[(".gitignore", "*.log\n"), ("a", "")]);
    for inner in ["sub", "member", "other"] {
        let inner = place.ws().join(inner);
        write(&inner, &[("x", ""), ("x.log", ""), ("hidden", ""), (".gitignore", "hidden\n")]);
        git(&inner, &["init", "-q"]);
        git(&inner, &["add", "."]);
        git(&inner, &["commit", "-qm", "x"]);
    }
    git(&place.ws(), &["submodule", "--quiet", "add", "./sub"]);
    let inner = ["member/.gitignore", "member/x", "member/x.log", "sub/.gitignore", "sub/x", "sub/x.log"];
    assert_eq!(place.files(), [&[".gitignore", ".gitmodules", "a"][..], &inner].concat());
    fs::remove_dir_all(place.ws().join(".git")).unwrap();
    let other = ["other/.gitignore", "other/x", "other/x.log"];
    let expected = [&[".gitignore", ".gitmodules", "a"][..], &inner[..3], &other, &inner[3..]].concat();
    assert_eq!(place.files(), expected, "in no repository, a repository is a directory like others");
}

#[test]
fn what_other_systems_keep_is_left_out_unless_git_tracks_it() {
    let place = Place::with_git(&[
        (".hg/store", ""),
        ("sub/CVS/Entries", ""),
        (".jj/repo", ""),
        (".fslckout", ""),
        (".fslckout-journal", ""),
        (".svn", "no directory"),
        (".fslckouts", "another name"),
    ]);
    assert_eq!(place.files(), [".fslckouts", ".svn"]);
    git(&place.ws(), &["add", "sub"]);
    assert_eq!(place.files(), [".fslckouts", ".svn", "sub/CVS/Entries"]);
}

#[test]
fn symlinks_are_files_and_the_locks_of_editors_are_none() {
    let place = Place::with_git(&[("real/a", "")]);
    for (link, target) in
        [("link", "real"), (".#a", "me@host.1:2"), (".#later", "real/b"), (".#kept", "nowhere"), ("round", "round")]
    {
        symlink(target, place.ws().join(link)).unwrap();
    }
    git(&place.ws(), &["add", ".#kept"]);
    assert_eq!(place.files(), [".#kept", "link", "real/a", "round"]);
    assert!(place.scan().rests_on(&place.ws()).contains(&b"real/b".to_vec()), "it may come to lead somewhere");
}

#[test]
fn an_unreadable_directory_is_no_error_when_it_is_ignored() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_git(&[(".gitignore", "data\n"), ("data/x", ""), ("a", "")]);
    let data = place.ws().join("data");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o0)).unwrap();
    let ignored = place.files();
    fs::write(place.ws().join(".gitignore"), "").unwrap();
    let counts = place.scan_at(&place.ws());
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(ignored, [".gitignore", "a"]);
    // Root reads everything.
    if !rustix::process::geteuid().is_root() {
        assert_eq!(counts.unwrap_err().path, data);
    }
}

#[test]
fn a_broken_index_is_an_error_that_names_it() {
    let place = Place::with_git(&[("a", "")]);
    fs::write(place.ws().join(".git/index"), "DIRC").unwrap();
    assert_eq!(place.scan_at(&place.ws()).unwrap_err().path, place.ws().join(".git/index"));
}

#[test]
fn many_directories_are_listed_on_several_threads_and_all_are_found() {
    let place = Place::with_git(&[(".gitignore", "*.o\n")]);
    let names: Vec<_> =
        (0..300).flat_map(|i| [format!("d{i}/a.c"), format!("d{i}/e/a.o"), format!("d{i}/e/b.c")]).collect();
    write(&place.ws(), &names.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>());
    assert_eq!(place.files(), place.git_lists(&place.ws()));
    assert_eq!(place.scan().files().len(), 601);
}

/// A few names, so that rules meet files.
fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["a", "b", "ab", "a.c", "b.c", "x y", "É"])
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(name(), 1..4).prop_map(|names| names.join("/"))
}

fn rule() -> impl Strategy<Value = String> {
    let globs = vec!["*", "?", "*.c", "[ab]", "[!a]*", "**", "a*", "\\a"];
    let part = prop_oneof![
        3 => name().prop_map(str::to_owned),
        1 => proptest::sample::select(globs).prop_map(str::to_owned),
    ];
    let pattern = (any::<bool>(), proptest::collection::vec(part, 1..4), any::<bool>());
    let pattern = (proptest::bool::weighted(0.3), pattern).prop_map(|(negated, (anchored, parts, directory))| {
        let (bang, slash) = (if negated { "!" } else { "" }, if anchored { "/" } else { "" });
        format!("{bang}{slash}{}{}", parts.join("/"), if directory { "/" } else { "" })
    });
    prop_oneof![20 => pattern, 1 => Just("# a".to_owned()), 1 => Just("\\#a".to_owned()), 1 => Just("a  ".to_owned())]
}

fn rules() -> impl Strategy<Value = String> {
    proptest::collection::vec(rule(), 1..5).prop_map(|rules| rules.join("\n") + "\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Random trees with rules at all levels, nested repositories and tracked files, against git itself.
    #[test]
    fn the_same_files_as_git_lists(
        files in proptest::collection::btree_set(path(), 1..25),
        ignores in proptest::collection::btree_map(proptest::option::of(path()), rules(), 0..4),
        (exclude, global) in (rules(), rules()),
        tracked in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
        nested in proptest::option::of(any::<prop::sample::Index>()),
        below in any::<prop::sample::Index>(),
    ) {
        let place = Place::with_git(&[]);
        let ws = place.ws();
        let put = |path: &str, text: &str| {
            // A path below a file cannot be.
            let native = ws.join(path);
            let made = fs::create_dir_all(native.parent().unwrap()).is_ok() && !native.is_dir();
            made && fs::write(native, text).is_ok()
        };
        let files: Vec<_> = files.into_iter().filter(|path| put(path, "")).collect();
        for (dir, text) in &ignores {
            put(&dir.iter().map(|dir| format!("{dir}/")).chain([".gitignore".to_owned()]).collect::<String>(), text);
        }
        write(&ws, &[(".git/info/exclude", &exclude)]);
        place.home(&[(".config/git/ignore", &global)]);
        for file in &tracked {
            git(&ws, &["add", "-f", "--", file.get::<String>(&files).as_str()]);
        }
        let dirs: Vec<_> = files.iter().filter_map(|path| Some(path.rsplit_once('/')?.0)).collect();
        if let Some(nested) = nested.filter(|_| !dirs.is_empty()) {
            git(&ws.join(nested.get(&dirs)), &["init", "-q"]);
        }
        prop_assert_eq!(place.files(), place.git_lists(&ws));
        if !dirs.is_empty() {
            let dir = *below.get(&dirs);
            let root = ws.join(dir);
            if !place.git_ignores(dir) && Repository::containing(&root).unwrap().top == ws {
                prop_assert_eq!(texts(place.scan_at(&root).unwrap().files()), place.git_lists(&root));
            }
        }
    }
}
