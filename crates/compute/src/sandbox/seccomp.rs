//! The system call filter: a deny-list of what no function needs and what kernels have been attacked through.
//!
//! Everything else that protects the machine (namespaces, no capabilities, no new privileges) holds without it.

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, sock_filter};

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const ERRNO: u32 = 0x0005_0000;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Flags of `clone` that make namespaces.
const NAMESPACES: u32 = 0x7e02_0000;

const DENIED: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

const LOAD: u16 = (BPF_LD | BPF_W | BPF_ABS) as u16;
const EQUAL: u16 = (BPF_JMP | BPF_JEQ | BPF_K) as u16;
const AT_LEAST: u16 = (BPF_JMP | BPF_JGE | BPF_K) as u16;
const ANY_BIT: u16 = (BPF_JMP | BPF_JSET | BPF_K) as u16;
const RETURN: u16 = (BPF_RET | BPF_K) as u16;

/// The filter as a program for the kernel. `struct seccomp_data` is: number at 0, architecture at 4, arguments from 16.
pub fn filter() -> Vec<sock_filter> {
    let step = |code, k, jt, jf| sock_filter { code, jt, jf, k };
    let mut program = vec![
        step(LOAD, 4, 0, 0),
        step(EQUAL, ARCHITECTURE, 1, 0),
        step(RETURN, KILL, 0, 0),
        step(LOAD, 0, 0, 0),
        // The x32 numbers are another way to the same calls.
        step(AT_LEAST, 0x4000_0000, 0, 1),
        step(RETURN, ERRNO | libc::ENOSYS as u32, 0, 0),
        // The flags of clone3 lie behind a pointer, which a filter cannot follow: libraries fall back to clone.
        step(EQUAL, libc::SYS_clone3 as u32, 0, 1),
        step(RETURN, ERRNO | libc::ENOSYS as u32, 0, 0),
    ];
    for call in DENIED {
        program.push(step(EQUAL, *call as u32, 0, 1));
        program.push(step(RETURN, ERRNO | libc::EPERM as u32, 0, 0));
    }
    program.extend([
        step(EQUAL, libc::SYS_clone as u32, 0, 3),
        step(LOAD, 16, 0, 0),
        step(ANY_BIT, NAMESPACES, 0, 1),
        step(RETURN, ERRNO | libc::EPERM as u32, 0, 0),
        step(RETURN, ALLOW, 0, 0),
    ]);
    program
}
