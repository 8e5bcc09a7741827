//! The system-call filter of programs: a list of what is denied, as code for the kernel's filter machine (classic BPF).
//!
//! Every program is kept from making files set-user-ID or set-group-ID and from making device nodes, because in a
//! folder of the host's such a file would outlive the sandbox; and from namespaces of their own. Where the kernel behind
//! the sandbox is the host's own, programs are also kept from sockets and the calls that most escapes begin with.

use crate::sys::Instruction;

const EPERM: u32 = 1;
const EACCES: u32 = 13;
const ENOSYS: u32 = 38;

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const KILL: u32 = 0x8000_0000;

const AF_INET: u32 = 2;
const SOCK_STREAM: u32 = 1;
const IPPROTO_TCP: u32 = 6;

const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;
const AND: u16 = 0x54;

const SET_ID: u32 = 0o6000;
const CREATES: u32 = 0o100 | 0o20_000_000;
/// `CLONE_NEW…`: time, mount, cgroup, UTS, IPC, user, PID, network.
const NAMESPACES: u32 = 0x7e02_0080;

#[cfg(target_arch = "x86_64")]
mod table {
    pub const ARCH: u32 = 0xc000_003e;
    /// Call and which argument is the mode.
    pub const MODE: &[(u32, u32)] = &[(90, 1), (91, 1), (268, 2), (452, 2), (85, 1), (83, 1), (258, 2)];
    /// Call and which argument are the flags; the mode comes after.
    pub const OPEN: &[(u32, u32)] = &[(2, 1), (257, 2)];
    pub const NODE: &[(u32, u32)] = &[(133, 1), (259, 2)];
    /// Their arguments lie in memory, where a filter cannot look: openat2, io_uring, clone3.
    pub const OPAQUE: &[u32] = &[437, 425, 426, 427, 435];
    pub const SOCKET: u32 = 41;
    pub const CLONE: u32 = 56;
    /// unshare, setns.
    pub const NAMESPACE: &[u32] = &[272, 308];
    pub const IOCTL: u32 = 16;
    /// memfd_create and shmget: memory that no process's own size shows.
    pub const HIDDEN: &[u32] = &[319, 29];
    /// ptrace, syslog, pivot_root, chroot, acct, mount, umount2, swapon, swapoff, reboot, sethostname, setdomainname,
    /// iopl, ioperm, init_module, delete_module, quotactl, add_key, request_key, keyctl, migrate_pages,
    /// vmsplice, move_pages, perf_event_open, name_to_handle_at, open_by_handle_at, process_vm_readv and
    /// _writev, kcmp, finit_module, kexec_load, kexec_file_load, bpf, userfaultfd, open_tree to mount_setattr,
    /// personality, settimeofday, clock_settime, adjtimex, uselib, nfsservctl, lookup_dcookie, pidfd_getfd, fanotify_init,
    /// memfd_secret.
    pub const DENIED: &[u32] = &[
        101, 103, 155, 161, 163, 165, 166, 167, 168, 169, 170, 171, 172, 173, 175, 176, 179, 248, 249, 250, 256, 278,
        279, 298, 303, 304, 310, 311, 312, 313, 246, 320, 321, 323, 428, 429, 430, 431, 432, 433, 442, 135, 164, 227,
        159, 134, 180, 212, 438, 300, 447,
    ];
}
#[cfg(target_arch = "aarch64")]
mod table {
    pub const ARCH: u32 = 0xc000_00b7;
    pub const MODE: &[(u32, u32)] = &[(52, 1), (53, 2), (452, 2), (34, 2)];
    pub const OPEN: &[(u32, u32)] = &[(56, 2)];
    pub const NODE: &[(u32, u32)] = &[(33, 2)];
    pub const OPAQUE: &[u32] = &[437, 425, 426, 427, 435];
    pub const SOCKET: u32 = 198;
    pub const CLONE: u32 = 220;
    /// unshare, setns.
    pub const NAMESPACE: &[u32] = &[97, 268];
    pub const IOCTL: u32 = 29;
    pub const HIDDEN: &[u32] = &[279, 194];
    pub const DENIED: &[u32] = &[
        117, 116, 41, 51, 89, 40, 39, 224, 225, 142, 161, 162, 105, 106, 60, 217, 218, 219, 238, 75, 239, 241, 264,
        265, 270, 271, 272, 273, 104, 294, 280, 282, 428, 429, 430, 431, 432, 433, 442, 92, 170, 112, 171, 18, 438,
        262, 447,
    ];
}

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// The low half of an argument; modes and flags have no high half.
const fn argument(index: u32) -> Instruction {
    step(LOAD, 0, 0, 16 + 8 * index)
}

/// The filter; with `strict` it also denies what is dangerous on a kernel shared with the host, of sockets all but TCP
/// over IPv4 where there is a network, and, where memory is `counted` by the size of processes, what has memory beside it.
pub fn code(strict: bool, network: bool, counted: bool) -> Vec<Instruction> {
    let answer = |errno: u32| step(RETURN, 0, 0, ERRNO | errno);
    let mut code = vec![
        step(LOAD, 0, 0, 4),
        step(EQUAL, 1, 0, table::ARCH),
        step(RETURN, 0, 0, KILL),
        step(LOAD, 0, 0, 0),
        // The second numbering of x86-64's calls, which no program here uses.
        step(AT_LEAST, 0, 1, 0x4000_0000),
        answer(ENOSYS),
    ];
    let mut case = |number: u32, then: &[Instruction]| {
        code.push(step(EQUAL, 0, then.len() as u8, number));
        code.extend_from_slice(then);
    };
    let allow = step(RETURN, 0, 0, ALLOW);
    for &(number, mode) in table::MODE {
        case(number, &[argument(mode), step(ANY_BIT, 0, 1, SET_ID), answer(EPERM), allow]);
    }
    for &(number, flags) in table::OPEN {
        let judged = [
            argument(flags),
            step(ANY_BIT, 0, 3, CREATES),
            argument(flags + 1),
            step(ANY_BIT, 0, 1, SET_ID),
            answer(EPERM),
            allow,
        ];
        case(number, &judged);
    }
    for &(number, mode) in table::NODE {
        let judged = [
            argument(mode),
            step(ANY_BIT, 3, 0, SET_ID),
            step(AND, 0, 0, 0o170_000),
            step(EQUAL, 1, 0, 0o020_000),
            step(EQUAL, 0, 1, 0o060_000),
            answer(EPERM),
            allow,
        ];
        case(number, &judged);
    }
    for &number in table::OPAQUE {
        case(number, &[answer(ENOSYS)]);
    }
    // A namespace of one's own comes with all rights in it, and with them the larger half of any kernel.
    case(table::CLONE, &[argument(0), step(ANY_BIT, 0, 1, NAMESPACES), answer(EPERM), allow]);
    for &number in table::NAMESPACE {
        case(number, &[answer(EPERM)]);
    }
    if strict {
        let tcp = [
            argument(0),
            step(EQUAL, 0, 6, AF_INET),
            argument(1),
            step(AND, 0, 0, 0xf),
            step(EQUAL, 0, 3, SOCK_STREAM),
            argument(2),
            step(EQUAL, 2, 0, 0),
            step(EQUAL, 1, 0, IPPROTO_TCP),
            answer(EACCES),
            allow,
        ];
        case(table::SOCKET, if network { &tcp } else { &tcp[8..9] });
        // Typing into the terminal, TIOCSTI and TIOCLINUX.
        let typing = [argument(1), step(EQUAL, 1, 0, 0x5412), step(EQUAL, 0, 1, 0x541c), answer(EPERM), allow];
        case(table::IOCTL, &typing);
        for &number in table::DENIED.iter().chain(table::HIDDEN.iter().filter(|_| counted)) {
            case(number, &[answer(EPERM)]);
        }
    }
    code.push(allow);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers to a call with these arguments: the kernel's machine, for the instructions used.
    fn judge(code: &[Instruction], number: u32, arguments: [u32; 4]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let Instruction { code: what, jt, jf, k } = code[at];
            at += 1;
            let holds = match what {
                LOAD => {
                    value = match k {
                        0 => number,
                        4 => table::ARCH,
                        offset => arguments[(offset as usize - 16) / 8],
                    };
                    continue;
                }
                AND => {
                    value &= k;
                    continue;
                }
                RETURN => return k,
                EQUAL => value == k,
                AT_LEAST => value >= k,
                ANY_BIT => value & k != 0,
                _ => panic!("an instruction that is not used"),
            };
            at += usize::from(if holds { jt } else { jf });
        }
    }

    const DENY: u32 = ERRNO | EPERM;

    #[test]
    fn a_set_id_bit_is_denied_wherever_a_mode_is_given_and_plain_modes_are_not() {
        let code = code(false, false, false);
        for &(number, mode) in table::MODE {
            for (bits, answer) in [(0o4755, DENY), (0o2755, DENY), (0o755, ALLOW), (0o1777, ALLOW)] {
                let mut arguments = [0o7777; 4];
                arguments[mode as usize] = bits;
                assert_eq!(judge(&code, number, arguments), answer, "{number} {bits:o}");
            }
        }
    }

    #[test]
    fn the_mode_of_an_open_counts_only_where_a_file_is_made() {
        let code = code(false, false, false);
        for &(number, flags) in table::OPEN {
            let open = |how: u32, mode: u32| {
                let mut arguments = [0; 4];
                arguments[flags as usize] = how;
                arguments[flags as usize + 1] = mode;
                judge(&code, number, arguments)
            };
            assert_eq!([open(0o101, 0o4755), open(0o101, 0o644), open(0, 0o4755)], [DENY, ALLOW, ALLOW]);
        }
    }

    #[test]
    fn fifos_are_made_and_devices_are_not() {
        let code = code(false, false, false);
        for &(number, mode) in table::NODE {
            for (kind, answer) in [(0o010_644, ALLOW), (0o020_644, DENY), (0o060_644, DENY), (0o104_755, DENY)] {
                let mut arguments = [0; 4];
                arguments[mode as usize] = kind;
                assert_eq!(judge(&code, number, arguments), answer, "{kind:o}");
            }
        }
    }

    #[test]
    fn namespaces_are_always_denied_and_sockets_by_the_strict_filter() {
        let (plain, strict) = (code(false, false, true), code(true, false, false));
        assert_eq!(judge(&plain, table::SOCKET, [2, 1, 0, 0]), ALLOW);
        assert_eq!(judge(&strict, table::SOCKET, [2, 1, 0, 0]), ERRNO | EACCES);
        // TCP over IPv4 is the way to the agent, and the only one.
        let open = code(true, true, false);
        for (socket, answer) in [
            ([2, 1, 0, 0], ALLOW),
            ([2, 0o2_004_001, 6, 0], ALLOW),
            ([2, 1, 262, 0], ERRNO | EACCES),
            ([2, 2, 0, 0], ERRNO | EACCES),
            ([2, 3, 6, 0], ERRNO | EACCES),
            ([10, 1, 0, 0], ERRNO | EACCES),
            ([1, 1, 0, 0], ERRNO | EACCES),
            ([16, 3, 0, 0], ERRNO | EACCES),
        ] {
            assert_eq!(judge(&open, table::SOCKET, socket), answer, "{socket:?}");
            assert_eq!(judge(&strict, table::SOCKET, socket), ERRNO | EACCES, "{socket:?}");
        }
        for code in [&plain, &strict] {
            assert_eq!(judge(code, table::CLONE, [0x1000_0000, 0, 0, 0]), DENY);
            assert_eq!(judge(code, table::CLONE, [0x0100_0011, 0, 0, 0]), ALLOW);
            assert!(table::NAMESPACE.iter().all(|number| judge(code, *number, [0; 4]) == DENY));
        }
        assert_eq!(judge(&strict, table::IOCTL, [0, 0x5412, 0, 0]), DENY);
        assert_eq!(judge(&strict, table::IOCTL, [0, 0x5413, 0, 0]), ALLOW);
        for &number in table::DENIED {
            assert_eq!((judge(&plain, number, [0; 4]), judge(&strict, number, [0; 4])), (ALLOW, DENY), "{number}");
        }
        let counted = code(true, false, true);
        for &number in table::HIDDEN {
            let answers = [&plain, &strict, &counted].map(|code| judge(code, number, [0; 4]));
            assert_eq!(answers, [ALLOW, ALLOW, DENY], "{number}");
        }
        assert!(strict.len() < 4096);
    }
}
