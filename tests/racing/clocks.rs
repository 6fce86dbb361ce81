//! Clocks that stand still, jump, and take large steps, and what is edited meanwhile.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::COPY;
use crate::sandbox::{Run, Sandbox};

/// Edits of the same length, faster than any clock, right after the journal was written and before it.
#[test]
fn edits_within_one_tick_of_the_journal() {
    let ws = Sandbox::new(COPY);
    for n in 0..60 {
        let text = format!("{n:03}\n");
        ws.write("input", &text);
        if n % 3 == 0 {
            // As young as the journal to the nanosecond, as far as a program can say so.
            let journal = ws.shell("ls .percache/worktrees/*/journal 2>/dev/null || echo input");
            ws.shell(&format!("touch -r {} input", journal.trim()));
        }
        ws.build([]).succeeds();
        assert_eq!(ws.read("out/copy"), text);
        if n % 4 == 0 {
            // A snapshot, perhaps.
            ws.build([]).ran([]);
        }
    }
}

#[test]
fn times_of_files_that_are_set_to_anything() {
    let ws = Sandbox::new(COPY);
    ws.write("input", "one\n");
    ws.build([]).ran(["copy"]);
    std::thread::sleep(Duration::from_millis(50));
    ws.build([]).ran([]);
    for (number, date) in ["1970-01-01", "2038-01-20", "2100-01-01 12:00", "1999-12-31"].into_iter().enumerate() {
        let old = ws.modified("input");
        ws.write("input", format!("{number:03}\n"));
        ws.shell(&format!("touch -d '{date}' input"));
        ws.build([]).ran(["copy"]);
        assert_eq!(ws.read("out/copy"), format!("{number:03}\n"));
        // Another content of the same length, under the same modification time.
        ws.write("input", "two\n");
        let file = fs::File::options().append(true).open(ws.path("input")).unwrap();
        file.set_modified(old).unwrap();
        ws.build([]).succeeds();
        assert_eq!(ws.read("out/copy"), "two\n");
    }
}

/// A clock that is wrong by as many seconds as a test says. `None` where that is not possible.
struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    fn new(ws: &Sandbox) -> Option<Clock> {
        let (source, library) = (ws.outside("clock.c"), ws.outside("clock.so"));
        fs::write(&source, include_str!("../sandbox/clock.c")).unwrap();
        let mut command = Command::new("cc");
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).stderr(Stdio::null());
        let compiled = cfg!(target_os = "linux") && command.status().is_ok_and(|status| status.success());
        if !compiled {
            println!("skipped: there is no C compiler, or no LD_PRELOAD");
        }
        compiled.then(|| Clock { library, offset: ws.outside("offset") })
    }

    fn build(&self, ws: &Sandbox, offset: i64) -> Run {
        fs::write(&self.offset, offset.to_string()).unwrap();
        let mut command = ws.command("");
        ws.run(command.arg("build").env("LD_PRELOAD", &self.library).env("SHIM_CLOCK", &self.offset))
    }
}

const DAY: i64 = 86_400;

/// The clock jumps, and with it the times at which results and the journal were written: to the future and back, again and again.
#[test]
fn a_clock_that_jumps_back_and_forth() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            command = "@ran(copy); cat input > out/copy"
            inputs = ["input"]
            outputs = ["out/copy"]

            [task.fresh]
            command = "@ran(fresh); echo 1 > out/fresh"
            inputs = []
            outputs = ["out/fresh"]
            valid_for = "1h"
        "#,
    );
    let Some(clock) = Clock::new(&ws) else { return };
    for (round, offset) in [0, 400 * DAY, -400 * DAY, 20_000 * DAY, 0, 3, -3, 0].into_iter().enumerate() {
        for edit in 0..3 {
            let text = format!("{round}{edit}\n");
            ws.write("input", &text);
            let run = clock.build(&ws, offset).succeeds().does_not_say("warning");
            assert!(run.commands.contains(&"copy".to_owned()));
            assert_eq!(ws.read("out/copy"), text);
            let run = clock.build(&ws, offset).succeeds();
            assert!(!run.commands.contains(&"copy".to_owned()), "{}", run.output());
        }
    }
    ws.percache(["verify"]).succeeds();
    ws.percache(["stats"]).succeeds();
    ws.percache(["gc", "--maxage", "1d"]).succeeds();
    ws.build([]).succeeds();
    ws.same_as_clean();
}

#[test]
fn a_journal_from_the_future_is_believed_no_more_than_another() {
    let ws = Sandbox::new(COPY);
    ws.write("input", "one\n");
    ws.build([]).ran(["copy"]);
    std::thread::sleep(Duration::from_millis(50));
    ws.build([]).ran([]);
    let future = SystemTime::now() + Duration::from_secs(1_000_000);
    for file in ["journal", "snapshot", "used", "intents"] {
        for path in ws.shell(&format!("ls .percache/worktrees/*/{file} 2>/dev/null || true")).lines() {
            fs::File::options().append(true).open(ws.path(path)).unwrap().set_modified(future).unwrap();
        }
    }
    ws.write("input", "two\n");
    ws.build([]).ran(["copy"]);
    assert_eq!(ws.read("out/copy"), "two\n");
    ws.percache(["gc", "--maxage", "0"]).succeeds();
    ws.build([]).succeeds();
    assert_eq!(ws.read("out/copy"), "two\n");
}

/// A discovered input has no digest from before the run; whether it changed meanwhile, only its time can tell. When the clock is set
/// back during the run, it cannot.
#[test]
fn a_clock_that_is_set_back_while_a_header_is_edited() {
    let ws = Sandbox::new(
        r#"
            [task.copy]
            command = "@ran(copy); cat header > out/copy; echo 'out/copy: header' > dep/copy.d; if [ -e edit ]; then echo 0 > ../offset; echo edited >> header; fi"
            inputs = []
            outputs = ["out/copy"]
            depfile = "dep/copy.d"
        "#,
    );
    let Some(clock) = Clock::new(&ws) else { return };
    ws.write("header", "first\n");
    ws.write("edit", "");
    clock.build(&ws, 3600).reported(["copy"]).says(["`copy` is not stored", "clock was set back"]);
    ws.remove("edit");
    clock.build(&ws, 0).ran(["copy"]);
    assert_eq!(ws.read("out/copy"), "first\nedited\n");
    clock.build(&ws, 0).ran([]);
}

/// A file system that keeps no fractions of a second: many edits of one length within one of its ticks.
#[test]
fn a_file_system_whose_clock_has_steps_of_a_second() {
    let ws = Sandbox::empty();
    // ext4 has no room for more in inodes of 128 bytes.
    let script =
        "truncate -s 40M ../image && mkfs.ext4 -q -F -I 128 ../image && mkdir coarse && mount -o loop ../image coarse";
    let mounted = Command::new("sh").args(["-e", "-c", script]).current_dir(ws.root()).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: no such file system can be mounted here");
        return;
    }
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(ws.path("coarse"));
    ws.config_in("coarse/w", COPY);
    for n in 0..25 {
        let text = format!("{n:03}\n");
        ws.write("coarse/w/input", &text);
        assert!(ws.shell("stat -c %z coarse/w/input").contains(".000000000"), "the clock has steps of a second");
        ws.run(ws.command("coarse/w").arg("build")).succeeds();
        assert_eq!(ws.read("coarse/w/out/copy"), text);
        if n % 5 == 4 {
            // An output of the same length, changed in the same second.
            ws.write("coarse/w/out/copy", "xxx\n");
            ws.run(ws.command("coarse/w").arg("build")).ran([]).restored(1);
            assert_eq!(ws.read("coarse/w/out/copy"), text);
            // Long enough for digests to settle, and for a snapshot; then an edit.
            std::thread::sleep(Duration::from_millis(2500));
            ws.run(ws.command("coarse/w").arg("build")).ran([]);
            ws.run(ws.command("coarse/w").arg("build")).ran([]);
        }
    }
}
