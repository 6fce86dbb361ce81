//! What the machine gives to this process: how many processors, and how much memory.
//!
//! In a container, and in a batch system's job, that is what the control group allows, and not what the machine has.

use std::fs;
use std::path::Path;

/// Returns how many processors this process may use: the standard library takes CPU affinity and the quotas of control
/// groups, version 1 and 2, into account.
pub fn cpus() -> u64 {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64)
}

/// Returns how many bytes of memory this process may use; [`u64::MAX`] where that cannot be told.
pub fn memory() -> u64 {
    memory_below(Path::new("/"))
}

/// Like [`memory`], as the files of the system below `root` say.
fn memory_below(root: &Path) -> u64 {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mount = root.join("sys/fs/cgroup");
    let limits = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        match controllers {
            "" => limit(&mount, path, "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                limit(&mount.join("memory"), path, "memory.limit_in_bytes")
            }
            _ => None,
        }
    });
    limits.chain(total(root)).min().unwrap_or(u64::MAX)
}

/// Returns the lowest limit of a control group and those above it. A container may see only its own, as the root.
fn limit(mount: &Path, group: &str, file: &str) -> Option<u64> {
    // In a namespace of its own, a process that was moved there from outside has a path with `..`.
    let names = group.split('/').filter(|name| !matches!(*name, "" | "." | ".."));
    let mut directory = mount.to_owned();
    let mut lowest = bytes_in(&directory.join(file));
    for name in names {
        directory.push(name);
        lowest = [lowest, bytes_in(&directory.join(file))].into_iter().flatten().min();
    }
    lowest
}

/// Returns the number in a file; `None` for `max`, and if there is no such file.
fn bytes_in(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Returns how much memory the machine has.
fn total(root: &Path) -> Option<u64> {
    let info = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let kibibytes = info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))?;
    kibibytes.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// Makes these files, and returns what a process there may use.
    fn memory_of(files: &[(&str, &str)]) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        memory_below(dir.path())
    }

    #[test]
    fn the_lowest_limit_counts() {
        let total = ("proc/meminfo", "MemFree:  1 kB\nMemTotal:       16777216 kB\nBuffers: 2 kB\n");
        assert_eq!(memory_of(&[]), u64::MAX);
        assert_eq!(memory_of(&[total]), 16 * GIB);
        let group = ("proc/self/cgroup", "0::/user/job\n");
        assert_eq!(memory_of(&[total, group]), 16 * GIB, "without limits");
        let (own, above) = ("sys/fs/cgroup/user/job/memory.max", "sys/fs/cgroup/user/memory.max");
        assert_eq!(memory_of(&[total, group, (own, "max\n"), (above, "4294967296\n")]), 4 * GIB);
        assert_eq!(memory_of(&[total, group, (own, "2147483648\n"), (above, "max\n")]), 2 * GIB);
        assert_eq!(memory_of(&[total, group, (own, "99999999999999\n")]), 16 * GIB, "more than there is");
        let container = ("proc/self/cgroup", "0::/\n");
        assert_eq!(memory_of(&[total, container, ("sys/fs/cgroup/memory.max", "1073741824\n")]), GIB);
        let moved = ("proc/self/cgroup", "0::/../other\n");
        assert_eq!(memory_of(&[total, moved, ("sys/fs/cgroup/other/memory.max", "1073741824\n")]), GIB);
    }

    #[test]
    fn groups_of_version_1_have_a_limit_of_their_own() {
        let total = ("proc/meminfo", "MemTotal: 16777216 kB\n");
        let groups = ("proc/self/cgroup", "4:cpu,cpuacct:/job\n3:memory:/docker/ab:c\n0::/\n");
        let at = |path: &'static str| (path, "3221225472\n");
        let unlimited = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(memory_of(&[total, groups, unlimited]), 16 * GIB);
        assert_eq!(
            memory_of(&[total, groups, unlimited, at("sys/fs/cgroup/memory/docker/ab:c/memory.limit_in_bytes")]),
            3 * GIB
        );
        assert_eq!(memory_of(&[total, groups, at("sys/fs/cgroup/memory/memory.limit_in_bytes")]), 3 * GIB);
    }

    #[test]
    fn this_process_has_something() {
        assert!(cpus() > 0 && memory() > 1 << 20);
    }
}
