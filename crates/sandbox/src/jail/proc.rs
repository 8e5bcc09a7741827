//! What `/proc` says of processes: who lives, who descends from whom, what they use.

use std::collections::HashMap;
use std::fs;
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
            ticks: number(11)? + number(12)?,
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

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse_the_reader() {
        let line = "42 (a) b (c) S 7 1 1 0 -1 0 0 0 0 0 30 12 0 0 20 0 1 0 999 1 1";
        let stat = Stat::read(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.ticks, stat.started), ('S', 7, 42, 999));
        assert!(Stat::read("42 (cut) S 7").is_none() && Stat::read("").is_none());
    }

    #[test]
    fn this_process_lives_and_one_of_another_start_does_not() {
        let own = Process::own().unwrap();
        assert!(own.is_alive());
        assert!(!Process { started: own.started + 1, ..own }.is_alive());
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
