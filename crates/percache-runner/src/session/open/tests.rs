//! When there is nothing to do, and when there is.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use percache::db::memory::MemoryEngine;

use super::*;
use crate::action::context::{Accept, Check, Download, Force, HitLogs, Options};
use crate::config::DiscoverError;
use crate::process::Stop;

/// A workspace with a task that copies a file, and its store.
struct Site {
    dir: tempfile::TempDir,
    store: Arc<Store>,
    /// How often the store was opened.
    opened: Cell<u32>,
}

/// The plainest options.
fn plain() -> Options {
    Options {
        keep_going: false,
        force: Force::No,
        accept: Accept::No,
        check: Check::Sample,
        dry_run: false,
        pull: false,
        download: Download::All,
        explain: false,
        hit_logs: HitLogs::No,
    }
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let text = "[task.copy]\ncommand = \"cp in out\"\ninputs = [\"in\"]\noutputs = [\"out\"]\n";
        fs::write(dir.path().join("percache.toml"), text).unwrap();
        fs::write(dir.path().join("in"), "one").unwrap();
        Site { dir, store: Arc::new(Store::new(Arc::new(MemoryEngine::new()))), opened: Cell::new(0) }
    }

    /// Waits until the times of all files stand for their content.
    fn settle(&self) {
        std::thread::sleep(Duration::from_millis(50));
    }

    /// Builds until the times of what the build itself made stand for the content, too.
    fn build(&self) {
        for _ in 0..2 {
            self.ask(|_| {}).unwrap();
            // A database in memory leaves no trace that gc need not run yet.
            fs::write(self.dir.path().join(".percache/last-gc"), "").unwrap();
        }
    }

    /// Asks what there is to do. Returns the tasks of an unchanged tree; builds otherwise.
    fn ask(&self, change: impl FnOnce(&mut Request<'_>)) -> Result<Option<Vec<String>>, OpenError> {
        self.settle();
        let store = |_: &Path| {
            self.opened.set(self.opened.get() + 1);
            self.store.clone()
        };
        let mut request = Request {
            target: Target::Directory(self.dir.path()),
            tasks: &[],
            args: &[],
            options: plain(),
            jobs: Some(1),
            every_event: false,
            caller: [("PATH".into(), "/usr/bin:/bin".into())].into_iter().collect(),
            holder: "a test".to_owned(),
            store: Some(&store),
            last: false,
        };
        change(&mut request);
        match open(request)? {
            Opened::Unchanged { tasks, .. } => Ok(Some(tasks)),
            Opened::Session(mut session) => {
                let summary = session.build(&Stop::manual().unwrap(), &(), &mut ()).unwrap();
                assert!(summary.failed.is_empty());
                Ok(None)
            }
        }
    }
}

#[test]
fn an_unchanged_tree_is_known_without_the_store() {
    let site = Site::new();
    assert_eq!(site.ask(|_| {}).unwrap(), None, "nothing was built yet");
    site.build();
    let opened = site.opened.get();
    assert_eq!(site.ask(|_| {}).unwrap(), Some(vec!["copy".to_owned()]));
    assert_eq!(site.opened.get(), opened, "the store was opened for nothing");
    fs::write(site.dir.path().join("in"), "two").unwrap();
    assert_eq!(site.ask(|_| {}).unwrap(), None);
    assert_eq!(fs::read_to_string(site.dir.path().join("out")).unwrap(), "two");
    site.build();
    assert_eq!(site.ask(|_| {}).unwrap(), Some(vec!["copy".to_owned()]));
}

#[test]
fn whoever_asks_for_more_gets_a_session() {
    let site = Site::new();
    site.build();
    let more: [fn(&mut Request<'_>); 9] = [
        |request| request.options.force = Force::All,
        |request| request.options.check = Check::All,
        |request| request.options.accept = Accept::Unknown,
        |request| request.options.dry_run = true,
        |request| request.options.explain = true,
        |request| request.options.hit_logs = HitLogs::All,
        |request| request.every_event = true,
        |request| request.store = None,
        |request| {
            request.caller =
                [("PATH".into(), "/bin:/usr/bin".into()), ("LANG".into(), "C".into())].into_iter().collect()
        },
    ];
    for (number, change) in more.into_iter().enumerate() {
        assert_eq!(site.ask(change).unwrap(), None, "number {number}");
        // Some of these make the next build look at everything.
        site.build();
        assert!(site.ask(|_| {}).unwrap().is_some(), "number {number}");
    }
}

#[test]
fn a_project_that_is_loaded_is_not_read_again() {
    let site = Site::new();
    let project = Arc::new(Project::load(site.dir.path(), &[]).unwrap_or_else(|_| panic!("it is valid")));
    let of = |request: &mut Request<'_>| request.target = Target::Project(project.clone());
    assert_eq!(site.ask(of).unwrap(), None);
    site.build();
    assert_eq!(site.ask(of).unwrap(), Some(vec!["copy".to_owned()]));
}

#[test]
fn what_is_not_there_is_an_error_before_anything_runs() {
    let site = Site::new();
    let name = ["copi".to_owned()];
    let file = site.dir.path().join("percache.toml");
    fs::write(&file, "[task.copy]\ncomand = \"x\"\n").unwrap();
    assert!(matches!(site.ask(|_| {}), Err(OpenError::Config(_))));
    fs::remove_file(&file).unwrap();
    assert!(matches!(site.ask(|_| {}), Err(OpenError::Discover(DiscoverError::NotFound(_)))));
    assert_eq!(site.opened.get(), 0);
    let site = Site::new();
    let project = Project::load(site.dir.path(), &[]).unwrap_or_else(|_| panic!("it is valid"));
    assert!(matches!(project.requested(&name, &[]), Err(OpenError::Select(_))));
    assert!(matches!(project.requested(&[], &name), Err(OpenError::NoArguments(Some(task))) if task == "copy"));
}
