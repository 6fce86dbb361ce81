//! The cases: what happened before a build.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::rivals::Tool;
use super::workload::Workload;
use crate::run::{Result, path_failure};

/// A case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// Nothing was ever built.
    Cold,
    /// Nothing happened.
    NoOp,
    /// One source of the last package has another content.
    Leaf,
    /// Every source has another time and the same content.
    Touch,
    /// All outputs were deleted.
    Restore,
}

/// In the order in which they are measured.
pub const CASES: [Case; 5] = [Case::Cold, Case::NoOp, Case::Leaf, Case::Touch, Case::Restore];

/// Stamps are believed when they are older than a file system's clock can tell.
const SETTLE: Duration = Duration::from_millis(50);

impl Case {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Case::Cold => "cold",
            Case::NoOp => "nothing to do",
            Case::Leaf => "one leaf changed",
            Case::Touch => "all touched",
            Case::Restore => "outputs deleted",
        }
    }

    /// Whether a tool can do what the case is about; those that only know times would run everything.
    pub fn makes_sense(self, tool: &Tool) -> bool {
        tool.restores || !matches!(self, Case::Touch | Case::Restore)
    }

    /// Brings the tree into the state before the build that is measured.
    pub fn prepare(self, tool: &Tool, workload: &Workload, dir: &Path, round: usize) -> Result<()> {
        match self {
            Case::Cold => {
                workload.remove_outputs(dir)?;
                for state in tool.state {
                    let path = dir.join(state);
                    let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                    match removed {
                        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                            return Err(path_failure("remove", &path, e));
                        }
                        _ => {}
                    }
                }
            }
            Case::NoOp => {
                settled_build(tool, dir)?;
            }
            Case::Leaf => {
                settled_build(tool, dir)?;
                workload.write_source(dir, workload.tasks - 1, 0, round + 1)?;
            }
            Case::Touch => {
                settled_build(tool, dir)?;
                #[allow(clippy::disallowed_methods, reason = "the clock of the product is not used here")]
                let now = SystemTime::now();
                for (task, file) in
                    (0..workload.tasks).flat_map(|task| (0..workload.files).map(move |file| (task, file)))
                {
                    let path = workload.source(dir, task, file);
                    let touched = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(now));
                    touched.map_err(|e| path_failure("touch", &path, e))?;
                }
                std::thread::sleep(SETTLE);
            }
            Case::Restore => {
                settled_build(tool, dir)?;
                workload.remove_outputs(dir)?;
            }
        }
        Ok(())
    }
}

/// Builds until everything is known by its stamp.
fn settled_build(tool: &Tool, dir: &Path) -> Result<()> {
    for _ in 0..2 {
        super::measure(tool, dir)?;
        std::thread::sleep(SETTLE);
    }
    Ok(())
}
