//! What `/proc` says of processes: who lives, who descends from whom, what they use.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// A process that cannot be confused with a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// When it started, in ticks since boot.
    pub(crate) started: u64,
}

impl Process {
    /// The process of this number, if there is one.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        let stat = Stat::of(pid)?;
        (stat.state != 'Z').then_some(Self { pid, started: stat.started })
    }

    pub(crate) fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    pub(crate) fn is_alive(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.started == self.started && stat.state != 'Z')
    }

    /// Ends it at once, if it still is the one that was meant.
    pub(crate) fn kill(self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid).filter(|_| self.is_alive()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The line of `/proc/PID/stat`.
struct Stat {
    state: char,
    parent: i32,
    /// Processor time, also that of children that ended and were waited for.
    ticks: u64,
    started: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn read(line: &str) -> Option<Self> {
        // The name stands in brackets and may itself hold brackets and spaces.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            ticks: (11..=14).map(number).sum::<Option<u64>>()?,
            started: number(19)?,
        })
    }
}

/// All processes that descend from this one, itself left out.
pub(crate) fn descendants(of: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if let Some(stat) = Stat::of(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![of];
    while let Some(parent) = next.pop() {
        // Taken out, so that no circle, which cannot be, could hold us.
        let born = children.remove(&parent).unwrap_or_default();
        found.extend(&born);
        next.extend(born);
    }
    found
}

/// Whether a process names this, and nothing beside it, as an argument.
pub(crate) fn is_named(argument: &OsStr) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<i32>().is_ok()));
    let mut lines = pids.map(|entry| fs::read(entry.path().join("cmdline")).unwrap_or_default());
    lines.any(|line| line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()))
}

/// What some processes use together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) memory: u64,
    pub(crate) read: u64,
    pub(crate) written: u64,
}

/// What these processes use. Those that end meanwhile count for nothing.
pub(crate) fn usage(pids: &[i32]) -> Usage {
    let tick = rustix::param::clock_ticks_per_second().max(1);
    let mut sum = Usage::default();
    for pid in pids {
        if let Some(stat) = Stat::of(*pid) {
            sum.cpu += Duration::from_millis(stat.ticks * 1000 / tick);
        }
        sum.memory += memory_of(*pid);
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        sum.read += field(&io, "rchar:");
        sum.written += field(&io, "wchar:");
    }
    sum
}

/// The memory of these processes in bytes; pages that several share count once in all.
pub(crate) fn memory(pids: &[i32]) -> u64 {
    pids.iter().map(|pid| memory_of(*pid)).sum()
}

fn memory_of(pid: i32) -> u64 {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    field(&smaps, "Pss:") * 1024
}

/// What open files hold that no folder shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Bytes of files that lie in memory alone: all of a guest's memory, where gVisor is its kernel.
    pub(crate) memory: u64,
    /// Bytes of files on the device that have no name any more.
    pub(crate) nameless: u64,
}

/// What these processes hold by open descriptors and by mappings; `device` is where nameless files are looked for.
pub(crate) fn held(pids: &[i32], device: Option<u64>) -> Held {
    let (mut sum, mut seen) = (Held::default(), HashSet::new());
    for pid in pids {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(target) = fs::read_link(&path) else { continue };
            let target = target.as_os_str().as_bytes();
            let in_memory = target.starts_with(b"/memfd:");
            if !(in_memory || device.is_some() && target.ends_with(b" (deleted)")) {
                continue;
            }
            let Ok(found) = fs::metadata(&path) else { continue };
            let bytes = found.blocks().saturating_mul(512);
            if !found.is_file() || !seen.insert((found.dev(), found.ino())) {
                continue;
            }
            if in_memory {
                sum.memory = sum.memory.saturating_add(bytes);
            } else if found.nlink() == 0 && Some(found.dev()) == device {
                sum.nameless = sum.nameless.saturating_add(bytes);
            }
        }
    }
    let Some(device) = device else { return sum };
    // Mapped and closed: how much of it is on disk is not known, so all up to its last mapped byte counts.
    let mut mapped: HashMap<u64, u64> = HashMap::new();
    for pid in pids {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        for (inode, end) in maps.lines().filter_map(|line| nameless_mapping(line, device)) {
            let most = mapped.entry(inode).or_default();
            *most = end.max(*most);
        }
    }
    let mapped = mapped.into_iter().filter(|(inode, _)| !seen.contains(&(device, *inode)));
    sum.nameless = mapped.fold(sum.nameless, |sum, (_, bytes)| sum.saturating_add(bytes));
    sum
}

/// Of a line of `/proc/PID/maps` about a file without a name on this device: its number and where the mapping ends in it.
fn nameless_mapping(line: &str, device: u64) -> Option<(u64, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (from, to) = fields.next()?.split_once('-')?;
    let (rights, offset, place, inode) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (major, minor) = place.split_once(':')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let number = |text: &str| u32::from_str_radix(text, 16).ok();
    let here = rustix::fs::makedev(number(major)?, number(minor)?) == device;
    // A private mapping's changes are memory of the process, and what it shows of the disk was written before.
    let counts = here && rights.ends_with('s') && line.ends_with(" (deleted)");
    let end = hex(offset)?.saturating_add(hex(to)?.saturating_sub(hex(from)?));
    counts.then_some((inode.parse().ok()?, end))
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse_the_reader() {
        let line = "42 (a) b (c) S 7 1 1 0 -1 0 0 0 0 0 30 12 5 6 20 0 1 0 999 1 1";
        let stat = Stat::read(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.ticks, stat.started), ('S', 7, 53, 999));
        assert!(Stat::read("42 (cut) S 7").is_none() && Stat::read("").is_none());
    }

    #[test]
    fn this_process_lives_and_one_of_another_start_does_not() {
        let own = Process::own().unwrap();
        assert!(own.is_alive());
        assert!(!Process { started: own.started + 1, ..own }.is_alive());
    }

    #[test]
    fn files_in_memory_and_files_without_a_name_are_counted_as_long_as_somebody_has_them_open() {
        use std::io::Write;
        let own = [std::process::id().cast_signed()];
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().metadata().unwrap().dev();
        let before = held(&own, Some(device));
        let mut memory: fs::File = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into();
        let mut file = fs::File::create(folder.path().join("gone")).unwrap();
        // Far more than what the other tests of this process open and close meanwhile.
        const MUCH: usize = 32 << 20;
        let half = MUCH as u64 / 2;
        memory.write_all(&vec![1; MUCH]).unwrap();
        file.write_all(&vec![1; MUCH]).unwrap();
        let named = held(&own, Some(device));
        assert!(named.memory >= before.memory + half && named.nameless < before.nameless + half);
        fs::remove_file(folder.path().join("gone")).unwrap();
        file.sync_all().unwrap();
        assert!(held(&own, Some(device)).nameless >= before.nameless + half);
    }

    #[test]
    fn a_shared_mapping_of_a_file_without_a_name_counts_to_its_end() {
        let device = rustix::fs::makedev(0xfe, 1);
        let line = "7f00-9f00 rw-s 00001000 fe:01 77                         /srv/a b (deleted)";
        assert_eq!(nameless_mapping(line, device), Some((77, 0x3000)));
        assert_eq!(nameless_mapping(&line.replace("rw-s", "rw-p"), device), None);
        assert_eq!(nameless_mapping(&line.replace(" (deleted)", ""), device), None);
        assert_eq!(nameless_mapping(line, 1), None);
        assert_eq!(nameless_mapping("7f00", device), None);
    }

    #[test]
    fn a_child_is_a_descendant_until_it_is_reaped() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let (own, pid) = (std::process::id().cast_signed(), child.id().cast_signed());
        assert!(descendants(own).contains(&pid));
        assert!(memory(&[pid]) > 0);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!descendants(own).contains(&pid));
    }
}
