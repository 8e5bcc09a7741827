//! What a worker gives up before it runs anybody's code, and an honest report of what it could give up.
//!
//! None of this is the first wall: a guest has no function that opens a file or a socket. It is for the day the
//! engine has a hole. System-call filtering (seccomp) is not there yet.

use serde::{Deserialize, Serialize};

/// What compiling a module may have of memory, in bytes. A component of 18.6 MB that holds a whole interpreter took
/// 0.5 GiB.
pub(crate) const COMPILING: u64 = 3 << 30;

/// How much of Landlock's rules the kernel enforces on a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Landlock {
    /// Everything that was asked for: no files, no TCP, no signals or abstract sockets to other processes.
    Full,
    /// What this kernel knows of it.
    Partial,
    /// Nothing: an old kernel, Landlock switched off, or not Linux.
    None,
}

/// What a worker process did to itself before it ran a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// Access to files and network, denied by the kernel.
    pub landlock: Landlock,
    /// The process can gain no rights by starting another program.
    pub no_new_privs: bool,
    /// No new descriptors, no files written, no core dumps, 7 GiB of address space at most, of
    /// which 4 are reserved for the guest and cannot all be used.
    pub rlimits: bool,
    /// The kernel kills the process when its parent dies. (It also ends by itself when its stdin closes.)
    pub dies_with_parent: bool,
    /// Every descriptor it inherited but the first three is closed.
    pub descriptors_closed: bool,
    /// The guest was loaded precompiled.
    pub cached: bool,
    /// What could not be done, and why.
    pub notes: Vec<String>,
}

/// First thing: before any request is read.
pub(super) fn at_start() -> WorkerReport {
    let mut report = WorkerReport {
        landlock: Landlock::None,
        no_new_privs: false,
        rlimits: false,
        dies_with_parent: false,
        descriptors_closed: false,
        cached: false,
        notes: Vec::new(),
    };
    system::at_start(&mut report);
    report
}

/// Last thing: before the threads that run guests are started, which inherit all of it.
pub(super) fn before_guests(report: &mut WorkerReport) {
    system::before_guests(report);
}

/// The same in two steps for a worker that compiles and runs a module of the user's: what of files it may still reach,
/// before anything of the module's is looked at; and the rest before it runs.
pub(super) fn before_module(report: &mut WorkerReport, workspace: Option<(&std::path::Path, bool)>) {
    system::before_module(report, workspace);
}

/// In between, where it is compiled: a file of two kilobytes can be code of many gigabytes.
pub(super) fn before_compiling(report: &mut WorkerReport) {
    system::before_compiling(report);
}

/// The second step: so many descriptors, and files so large.
pub(super) fn before_module_runs(report: &mut WorkerReport, files: u64, file_size: u64) {
    system::limit(report, files, file_size);
}

#[cfg(target_os = "linux")]
pub(crate) use system::close_inherited;

#[cfg(target_os = "linux")]
mod system {
    use super::COMPILING;
    use super::{Landlock, WorkerReport};
    use crate::worker::guest::RESERVATION;
    use landlock::{
        ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
        Scope,
    };
    use rustix::process::{Resource, Rlimit, Signal, setrlimit};
    use std::path::Path;

    /// Room for what is reserved for the guest's memory, of which it can use a part only, and 3 GiB for everything
    /// else: exceptions, the program, thread stacks and the allocator's arenas.
    const ADDRESS_SPACE: u64 = RESERVATION + (3 << 30);

    pub(super) fn at_start(report: &mut WorkerReport) {
        let noted = |report: &mut WorkerReport, what: &str, result: Result<(), String>| match result {
            Ok(()) => true,
            Err(why) => {
                report.notes.push(format!("{what}: {why}"));
                false
            }
        };
        let result = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| e.to_string());
        report.dies_with_parent = noted(report, "dying with the parent", result);
        let result = close_inherited();
        report.descriptors_closed = noted(report, "closing inherited descriptors", result);
        let result = rustix::thread::set_no_new_privs(true).map_err(|error| error.to_string());
        report.no_new_privs = noted(report, "no_new_privs", result);
    }

    /// Whatever the parent forgot to mark close-on-exec.
    pub(crate) fn close_inherited() -> Result<(), String> {
        let entries = std::fs::read_dir("/proc/self/fd").map_err(|error| format!("/proc/self/fd: {error}"))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        // Collected first: the listing itself is one of them, and is closed when this line ends.
        let seen: Vec<i32> = names.filter(|fd| *fd > 2).collect();
        let still_open = |fd: &i32| std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok();
        for fd in seen.into_iter().filter(still_open) {
            // SAFETY: `worker_main` runs before this process has opened anything, so nothing in it owns a descriptor
            // above 2; that of the listing above is closed already and filtered out.
            #[expect(unsafe_code, reason = "closes descriptors that nothing in this process owns")]
            unsafe {
                rustix::io::close(fd);
            }
        }
        Ok(())
    }

    pub(super) fn before_guests(report: &mut WorkerReport) {
        before_module(report, None);
        limit(report, 0, 0);
    }

    pub(super) fn before_module(report: &mut WorkerReport, workspace: Option<(&Path, bool)>) {
        match landlock(workspace) {
            Ok(landlock) => report.landlock = landlock,
            Err(why) => report.notes.push(format!("Landlock: {why}")),
        }
    }

    pub(super) fn before_compiling(report: &mut WorkerReport) {
        // The run needs more, of which it can use a part only: so this is no limit for good.
        let hard = rustix::process::getrlimit(Resource::As).maximum;
        let most = hard.map_or(COMPILING, |hard| hard.min(COMPILING));
        if let Err(error) = setrlimit(Resource::As, Rlimit { current: Some(most), maximum: hard }) {
            report.notes.push(format!("memory of the compiler: {error}"));
        }
    }

    pub(super) fn limit(report: &mut WorkerReport, files: u64, file_size: u64) {
        let limits = [
            (Resource::Nofile, files),
            (Resource::Fsize, file_size),
            (Resource::Core, 0),
            (Resource::As, ADDRESS_SPACE),
        ];
        report.rlimits = true;
        for (resource, most) in limits {
            // Not above what a stricter parent has set already.
            let most = rustix::process::getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
            let limit = Rlimit { current: Some(most), maximum: Some(most) };
            if let Err(error) = setrlimit(resource, limit) {
                report.rlimits = false;
                report.notes.push(format!("{resource:?}: {error}"));
            }
        }
    }

    /// Denies every access that this version of Landlock knows, but to plain files and folders in the workspace.
    pub(super) fn landlock(workspace: Option<(&Path, bool)>) -> Result<Landlock, landlock::RulesetError> {
        let newest = ABI::V6;
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(newest))?
            .handle_access(AccessNet::from_all(newest))?
            .scope(Scope::from_all(newest))?
            .create()?;
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let change = AccessFs::WriteFile
            | AccessFs::Truncate
            | AccessFs::MakeReg
            | AccessFs::MakeDir
            | AccessFs::RemoveFile
            | AccessFs::RemoveDir
            | AccessFs::Refer;
        // One that is gone by now is not reached either.
        if let Some((folder, writable)) = workspace
            && let Ok(folder) = PathFd::new(folder)
        {
            rules = rules.add_rule(PathBeneath::new(folder, if writable { read | change } else { read }))?;
        }
        let status = rules.restrict_self()?;
        Ok(match status.ruleset {
            RulesetStatus::FullyEnforced => Landlock::Full,
            RulesetStatus::PartiallyEnforced => Landlock::Partial,
            RulesetStatus::NotEnforced => Landlock::None,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Landlock, system};
    use std::fs;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    #[test]
    fn landlock_denies_what_worked_before_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let try_all = move || {
            let written = fs::write(std::env::temp_dir().join("aic-landlock"), "");
            [fs::read("/etc/passwd").err(), fs::read_dir("/").err(), written.err(), TcpStream::connect(address).err()]
        };
        // Landlock holds for the thread that asked for it; the other tests go on freely.
        let thread = std::thread::spawn(move || (try_all(), system::landlock(None).unwrap(), try_all()));
        let (before, landlock, after) = thread.join().unwrap();
        assert!(before.iter().all(Option::is_none), "{before:?}");
        match landlock {
            Landlock::Full => assert!(after.iter().all(Option::is_some), "{after:?}"),
            Landlock::Partial => assert!(after[..3].iter().all(Option::is_some), "{after:?}"),
            Landlock::None => assert!(after.iter().all(Option::is_none), "{after:?}"),
        }
        drop(fs::remove_file(std::env::temp_dir().join("aic-landlock")));
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::WorkerReport;

    pub(super) fn at_start(report: &mut WorkerReport) {
        report.notes.push("only Linux is locked down by this version".into());
    }

    pub(super) fn before_guests(_report: &mut WorkerReport) {}

    pub(super) fn before_module(_report: &mut WorkerReport, _workspace: Option<(&std::path::Path, bool)>) {}

    pub(super) fn before_compiling(_report: &mut WorkerReport) {}

    pub(super) fn limit(_report: &mut WorkerReport, _files: u64, _file_size: u64) {}
}
