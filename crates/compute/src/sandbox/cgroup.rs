//! Control groups, versions 1 and 2: limits on memory and processes, and how much memory a sandbox uses.
//!
//! Groups are made under the server's own, so that limits set on the server hold for what it starts. The hard memory limit
//! leaves room for the temporary files, which the kernel counts as memory too; the function's own limit is watched by
//! whoever runs it, through [`Group::memory`].

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io, process};

/// Where groups can be made on this machine.
#[derive(Clone, Debug)]
pub enum Cgroups {
    V1 { memory: Option<PathBuf>, pids: Option<PathBuf> },
    V2 { parent: PathBuf },
}

impl Cgroups {
    /// Finds hierarchies that this process may make groups in, by making one.
    pub fn detect() -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| format!("no mount table: {error}"))?;
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| format!("no cgroup table: {error}"))?;
        let memory = v1(&mounts, &own, "memory").filter(|path| writable(path));
        let pids = v1(&mounts, &own, "pids").filter(|path| writable(path));
        if memory.is_some() || pids.is_some() {
            memory.iter().chain(&pids).for_each(|parent| sweep(parent));
            return Ok(Self::V1 { memory, pids });
        }
        let parent = v2(&mounts, &own).ok_or("no cgroup file system is mounted")?;
        delegate(&parent).map_err(|error| format!("{} is not ours to manage: {error}", parent.display()))?;
        sweep(&parent);
        Ok(Self::V2 { parent })
    }

    pub fn describe(&self) -> &'static str {
        match self {
            Self::V1 { memory: Some(_), pids: Some(_) } => "cgroup v1 (memory, pids)",
            Self::V1 { memory: Some(_), .. } => "cgroup v1 (memory)",
            Self::V1 { .. } => "cgroup v1 (pids)",
            Self::V2 { .. } => "cgroup v2 (memory, pids)",
        }
    }

    pub fn create(&self, memory_bytes: u64, processes: u32) -> io::Result<Group> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let name = format!("welkin-{}-{}", process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let group = match self {
            Self::V1 { memory, pids } => Group {
                memory: memory.as_ref().map(|parent| parent.join(&name)),
                pids: pids.as_ref().map(|parent| parent.join(&name)),
                unified: false,
            },
            Self::V2 { parent } => {
                Group { memory: Some(parent.join(&name)), pids: Some(parent.join(&name)), unified: true }
            }
        };
        for directory in group.directories() {
            fs::create_dir(directory)?;
        }
        group.limit_memory(memory_bytes)?;
        if let Some(pids) = &group.pids {
            fs::write(pids.join("pids.max"), processes.to_string())?;
        }
        Ok(group)
    }
}

/// One sandbox's group; removed when dropped, which must be after its processes have ended.
#[derive(Debug)]
pub struct Group {
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    unified: bool,
}

impl Group {
    fn directories(&self) -> impl Iterator<Item = &Path> {
        let pids = if self.unified { None } else { self.pids.as_deref() };
        self.memory.as_deref().into_iter().chain(pids)
    }

    pub fn add(&self, pid: i32) -> io::Result<()> {
        self.directories().try_for_each(|directory| fs::write(directory.join("cgroup.procs"), pid.to_string()))
    }

    pub fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        let Some(memory) = &self.memory else { return Ok(()) };
        let file = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
        fs::write(memory.join(file), bytes.to_string())
    }

    /// Anonymous memory of every process in the group.
    pub fn memory(&self) -> Option<u64> {
        let stat = fs::read_to_string(self.memory.as_ref()?.join("memory.stat")).ok()?;
        let name = if self.unified { "anon " } else { "rss " };
        stat.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for directory in self.directories() {
            if let Err(error) = fs::remove_dir(directory) {
                tracing::debug!(%error, directory = %directory.display(), "control group left behind");
            }
        }
    }
}

/// The directory of our own group in a version 1 hierarchy.
fn v1(mounts: &str, own: &str, controller: &str) -> Option<PathBuf> {
    let (root, point) = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let is_v1 = right.next() == Some("cgroup");
        let options = right.nth(1)?;
        (is_v1 && options.split(',').any(|option| option == controller)).then(|| root_and_point(left))?
    })?;
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let controllers = parts.nth(1)?;
        controllers.split(',').any(|name| name == controller).then(|| parts.next())?
    })?;
    Some(inside(&root, &point, path))
}

/// The directory of our own group in the version 2 hierarchy.
fn v2(mounts: &str, own: &str) -> Option<PathBuf> {
    let (root, point) = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        right.starts_with("cgroup2 ").then(|| root_and_point(left))?
    })?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(inside(&root, &point, path))
}

fn root_and_point(left: &str) -> Option<(String, PathBuf)> {
    let mut fields = left.split(' ').skip(3);
    Some((fields.next()?.to_owned(), PathBuf::from(fields.next()?)))
}

/// A group's path is relative to the hierarchy; the mount may show only a part of it.
fn inside(root: &str, point: &Path, path: &str) -> PathBuf {
    let relative = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path).trim_start_matches('/');
    let full = point.join(relative);
    if full.is_dir() { full } else { point.to_owned() }
}

/// Removes groups that a killed server left behind.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix("welkin-")?.split_once('-'));
        if owner.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn writable(parent: &Path) -> bool {
    let probe = parent.join(format!("welkin-probe-{}", process::id()));
    fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
}

/// Version 2 lets a group have either processes or limited children, so the server first moves into a leaf of its own.
fn delegate(parent: &Path) -> io::Result<()> {
    let available = fs::read_to_string(parent.join("cgroup.controllers"))?;
    if !available.split_whitespace().any(|name| name == "memory") {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the memory controller is not available here"));
    }
    let enable = || fs::write(parent.join("cgroup.subtree_control"), "+memory +pids");
    if enable().is_ok() {
        return Ok(());
    }
    let leaf = parent.join("welkin-server");
    fs::create_dir_all(&leaf)?;
    fs::write(leaf.join("cgroup.procs"), process::id().to_string())?;
    enable()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 25 0:26 / /sys/fs/cgroup ro shared:9 - tmpfs tmpfs ro,mode=755\n\
35 30 0:31 / /nowhere/memory rw shared:15 - cgroup cgroup rw,memory\n\
36 30 0:32 /a/b /nowhere/unified rw shared:16 - cgroup2 cgroup2 rw\n";

    #[test]
    fn finds_own_group_or_falls_back_to_the_mount() {
        assert_eq!(v1(MOUNTS, "4:memory:/x\n", "memory"), Some("/nowhere/memory".into()));
        assert_eq!(v1(MOUNTS, "4:memory:/x\n", "pids"), None);
        assert_eq!(v2(MOUNTS, "0::/a/b/c\n"), Some("/nowhere/unified".into()));
    }

    #[test]
    fn groups_of_dead_servers_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let own = format!("welkin-{}-1", process::id());
        for name in ["welkin-999999999-1", &own, "welkin-server", "other"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        sweep(directory.path());
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["other", own.as_str(), "welkin-server"]);
    }

    #[test]
    fn path_is_relative_to_the_visible_part() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("c")).unwrap();
        assert_eq!(inside("/a/b", directory.path(), "/a/b/c"), directory.path().join("c"));
    }
}
