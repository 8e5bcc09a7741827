//! Control groups of our own, where this user may make them: for memory, processes and the share of a processor.
//!
//! They are made beside each other at the hierarchy's root, one for each sandbox and controller, and removed with the
//! sandbox. Both versions of the interface are used as they are found; a machine may have both.

use aic_base::Limits;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What this user may have held by control groups here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Ability {
    pub(crate) memory: bool,
    pub(crate) pids: bool,
    pub(crate) cpu: bool,
}

/// Files of one sandbox's groups: what to write where, and which folders to make and remove.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) folders: Vec<PathBuf>,
    settings: Vec<(PathBuf, String)>,
    /// Settings without which the limit holds too: not every kernel has them.
    wishes: Vec<(PathBuf, String)>,
}

/// Limits that a group met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Hits {
    pub(crate) memory: bool,
    pub(crate) pids: bool,
}

/// A hierarchy as it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mounts {
    /// Version 1: controller and its folder.
    old: Vec<(String, PathBuf)>,
    new: Option<PathBuf>,
}

fn mounts() -> Mounts {
    parse(&fs::read_to_string("/proc/self/mounts").unwrap_or_default())
}

fn parse(text: &str) -> Mounts {
    let mut mounts = Mounts { old: Vec::new(), new: None };
    for line in text.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(folder), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next()) else { continue };
        match kind {
            "cgroup2" if mounts.new.is_none() => mounts.new = Some(folder.into()),
            "cgroup" => {
                let known = options.split(',').filter(|option| matches!(*option, "memory" | "pids" | "cpu"));
                mounts.old.extend(known.map(|controller| (controller.to_owned(), folder.into())));
            }
            _ => {}
        }
    }
    mounts
}

/// Finds out by making a group and removing it.
pub(crate) fn ability() -> Ability {
    let id = format!("probe-{}-{:?}", std::process::id(), std::thread::current().id());
    let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let limits = Limits::default();
    let mut able = Ability::default();
    for (one, field) in [
        (Ability { memory: true, ..Ability::default() }, &mut able.memory as &mut bool),
        (Ability { pids: true, ..Ability::default() }, &mut able.pids),
        (Ability { cpu: true, ..Ability::default() }, &mut able.cpu),
    ] {
        let plan = plan(&id, one, &limits, 0, 0);
        *field = !plan.settings.is_empty() && plan.make().is_ok();
        plan.remove();
    }
    able
}

/// What to do for one sandbox. `overhead` bytes and `tasks` are the sandbox's own, on top of the limits.
pub(crate) fn plan(id: &str, able: Ability, limits: &Limits, overhead: u64, tasks: u64) -> Plan {
    let mounts = mounts();
    let mut plan = Plan::default();
    let name = format!("aic-{id}");
    let memory = limits.memory.saturating_add(overhead).to_string();
    // Written larger, the kernel refuses it.
    let pids = u64::from(limits.pids).saturating_add(tasks).min(4_194_304).to_string();
    let quota = (limits.cpu.max(0.01) * 100_000.0).round().min(1e12) as u64;
    let wanted = [("memory", able.memory), ("pids", able.pids), ("cpu", able.cpu)];
    for (controller, _) in wanted.into_iter().filter(|(_, wanted)| *wanted) {
        let old = mounts.old.iter().find(|(name, _)| name == controller);
        let (folder, version) = match (old, &mounts.new) {
            (Some((_, mount)), _) => (mount.join(&name), 1),
            (None, Some(mount)) => (mount.join(&name), 2),
            (None, None) => continue,
        };
        let set = |file: &str, value: &str| (folder.join(file), value.to_owned());
        match (controller, version) {
            ("memory", 1) => {
                plan.settings.push(set("memory.limit_in_bytes", &memory));
                plan.wishes.push(set("memory.memsw.limit_in_bytes", &memory));
            }
            ("memory", _) => {
                plan.settings.push(set("memory.max", &memory));
                plan.wishes.push(set("memory.swap.max", "0"));
            }
            ("pids", _) => plan.settings.push(set("pids.max", &pids)),
            (_, 1) => {
                plan.settings.push(set("cpu.cfs_period_us", "100000"));
                plan.settings.push(set("cpu.cfs_quota_us", &quota.to_string()));
            }
            (_, _) => plan.settings.push(set("cpu.max", &format!("{quota} 100000"))),
        }
        if !plan.folders.contains(&folder) {
            plan.folders.push(folder);
        }
    }
    plan
}

impl Plan {
    /// Makes the groups and sets their limits.
    pub(crate) fn make(&self) -> io::Result<()> {
        for folder in &self.folders {
            if let Some(parent) = folder.parent().filter(|parent| parent.join("cgroup.subtree_control").exists()) {
                // Each by itself: one that the kernel does not have must not keep the others away.
                for controller in ["+memory", "+pids", "+cpu"] {
                    let _ = fs::write(parent.join("cgroup.subtree_control"), controller);
                }
            }
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        for (file, value) in &self.settings {
            set(file, value)?;
        }
        for (file, value) in &self.wishes {
            let _ = set(file, value);
        }
        Ok(())
    }

    /// Whether the memory of all processes together is held.
    pub(crate) fn holds_memory(&self) -> bool {
        self.settings.iter().any(|(file, _)| file.ends_with("memory.max") || file.ends_with("memory.limit_in_bytes"))
    }

    /// Which limits these groups had to hold by force: a process killed for want of memory, a fork refused.
    pub(crate) fn hits(&self) -> Hits {
        Hits { memory: self.killed() > 0, pids: self.count("pids.events", "max ") > 0 }
    }

    /// How many processes were killed for want of memory until now.
    pub(crate) fn killed(&self) -> u64 {
        self.count("memory.events", "oom_kill ") + self.count("memory.oom_control", "oom_kill ")
    }

    fn count(&self, file: &str, word: &str) -> u64 {
        let number = |folder: &PathBuf| {
            let text = fs::read_to_string(folder.join(file)).ok()?;
            text.lines().find_map(|line| line.strip_prefix(word)?.trim().parse::<u64>().ok())
        };
        self.folders.iter().filter_map(number).fold(0, u64::saturating_add)
    }

    /// The files into which a process of one thread writes itself, once the groups are made.
    ///
    /// In version 1 that is `tasks`: a thread that moves itself alone takes no lock of the whole system. `cgroup.procs`
    /// does, and waits until every processor has seen it: 15 ms in place of 0.2 for three groups on two processors with
    /// Linux 6.18.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        let door = |folder: &PathBuf| {
            let own = folder.join("tasks");
            if own.exists() { own } else { folder.join("cgroup.procs") }
        };
        self.folders.iter().map(door).collect()
    }

    /// Removes the groups. Those that still hold processes, which should be dead by now, stay.
    pub(crate) fn remove(&self) {
        for folder in &self.folders {
            // The kernel may take a moment to notice that the last process is gone.
            for _ in 0..2000 {
                match fs::remove_dir(folder) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(std::time::Duration::from_millis(5));
                    }
                    _ => break,
                }
            }
        }
    }
}

/// Writes without making the file: in a group's folder nothing can be made, and elsewhere nothing should.
fn set(file: &Path, value: &str) -> io::Result<()> {
    io::Write::write_all(&mut fs::OpenOptions::new().write(true).open(file)?, value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_where_they_are_mounted() {
        let text = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                    cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                    cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n\
                    cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\nnonsense\n";
        let mounts = parse(text);
        assert_eq!(mounts.new.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        let names: Vec<_> = mounts.old.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cpu", "memory"]);
    }

    #[test]
    fn a_process_goes_in_by_its_thread_alone_where_the_group_is_of_version_1() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
        for (group, files) in [(&old, &["tasks", "cgroup.procs"][..]), (&new, &["cgroup.procs"])] {
            fs::create_dir(group).unwrap();
            files.iter().for_each(|file| fs::write(group.join(file), "").unwrap());
        }
        let plan = Plan { folders: vec![old.clone(), new.clone()], ..Plan::default() };
        assert_eq!(plan.doors(), [old.join("tasks"), new.join("cgroup.procs")]);
    }

    #[test]
    fn a_plan_without_ability_does_nothing() {
        let plan = plan("x", Ability::default(), &Limits::default(), 0, 0);
        assert_eq!(plan, Plan::default());
        plan.make().unwrap();
    }
}
