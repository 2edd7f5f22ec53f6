//! Stopping every process of a sandbox and letting them go on, without help from control groups: a group of version 1 keeps
//! what it froze from dying, and servers without privileges have none.

#![expect(unsafe_code, reason = "kill has no safe interface in the standard library")]

use std::fs;

/// Stops a process and everything below it. The process must be a child of this one that nobody reaps meanwhile. Parents are
/// stopped before their children are looked at, so no new ones appear behind our back, and no process that was seen can be
/// reaped and its number given to another.
pub fn stop(root: i32) {
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        signal(pid, libc::SIGSTOP);
        waiting.extend(children(pid));
    }
}

/// Lets a stopped process and everything below it go on, children first.
pub fn resume(root: i32) {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        found.extend(children(*pid));
        at += 1;
    }
    found.into_iter().rev().for_each(|pid| signal(pid, libc::SIGCONT));
}

fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: kill touches no memory.
    unsafe { libc::kill(pid, signal) };
}
