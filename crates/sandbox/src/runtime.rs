//! What can isolate a program on this machine, and proof of it: the seam for the backends to come.
//!
//! A runtime is called ready only after it has run something. Tools that are merely installed are reported as such.

use crate::cancel::Cancel;
use crate::host::ScriptHost;
use crate::script::{Enforcement, ScriptCall};
use aic_base::{Limits, Timestamp};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A way to isolate a program.
pub trait Runtime: Send + Sync {
    /// Its name in a spec's `sandbox.runtime`, or of the tool.
    fn name(&self) -> &'static str;

    /// Finds out whether it works here and now. May start processes; takes seconds at most, except for the first
    /// time ever, when WASM compiles its guest.
    fn probe(&self) -> Probe;
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It ran a program, and this is how.
    Ready {
        /// From nothing to the first answer: starting a worker and one evaluation.
        first: Duration,
        /// One further evaluation by the same worker.
        warm: Duration,
        /// How its limits were kept.
        enforcement: Enforcement,
    },
    /// It is installed, but this version does not drive it, so it isolates nothing.
    NotDriven {
        /// Where it is.
        path: PathBuf,
    },
    /// It is not installed.
    NotFound,
    /// It should work, and does not.
    Broken {
        /// Why, and what to do.
        why: String,
    },
}

impl Probe {
    /// Whether programs can be run in it.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    /// One line for a person.
    pub fn summary(&self) -> String {
        match self {
            Self::Ready { first, warm, enforcement } => {
                let (first, warm) = (first.as_secs_f64() * 1e3, warm.as_secs_f64() * 1e3);
                let landlock = format!("{:?}", enforcement.worker.landlock).to_lowercase();
                format!("ready: first answer {first:.1} ms, then {warm:.2} ms; Landlock: {landlock}")
            }
            Self::NotDriven { path } => {
                format!("found at {}; this version does not drive it yet", path.display())
            }
            Self::NotFound => "not found".into(),
            Self::Broken { why } => format!("does not work: {why}"),
        }
    }
}

/// A runtime and what its probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// The runtime's name.
    pub name: &'static str,
    /// What was found.
    pub probe: Probe,
}

/// JavaScript in QuickJS in WASM in a worker process.
#[derive(Debug)]
pub struct Wasm<'a> {
    host: &'a ScriptHost,
}

impl<'a> Wasm<'a> {
    /// The runtime behind this host.
    pub fn new(host: &'a ScriptHost) -> Self {
        Self { host }
    }

    fn evaluate(&self, number: i64) -> Result<Enforcement, String> {
        let call = ScriptCall {
            filename: "probe.js".into(),
            source: "export default ({ number }) => number * 2;".into(),
            args: json!({ "number": number }),
            ctx: json!({}),
            limits: Limits { timeout: Duration::from_secs(10), ..Limits::default() },
            now: Timestamp::default(),
            seed: 0,
        };
        match self.host.call(&call, &Cancel::new()) {
            Ok(result) if result.value == json!(number * 2) => Ok(result.enforcement),
            Ok(result) => Err(format!("twice {number} came out as {}", result.value)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Runtime for Wasm<'_> {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn probe(&self) -> Probe {
        let evaluated = || -> Result<Probe, String> {
            let started = Instant::now();
            let enforcement = self.evaluate(21)?;
            let first = started.elapsed();
            let started = Instant::now();
            self.evaluate(1000)?;
            Ok(Probe::Ready { first, warm: started.elapsed(), enforcement })
        };
        evaluated().unwrap_or_else(|why| Probe::Broken { why })
    }
}

/// A runtime to come: looked for, never claimed.
#[derive(Debug, Clone, Copy)]
struct Later {
    name: &'static str,
    programs: &'static [&'static str],
}

impl Runtime for Later {
    fn name(&self) -> &'static str {
        self.name
    }

    fn probe(&self) -> Probe {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        look_for(self.programs, &folders)
    }
}

const LATER: [Later; 6] = [
    Later { name: "gvisor", programs: &["runsc"] },
    Later { name: "firecracker", programs: &["firecracker"] },
    Later { name: "kata", programs: &["kata-runtime"] },
    Later { name: "qemu", programs: &["qemu-system-x86_64", "qemu-system-aarch64"] },
    Later { name: "kvm", programs: &["/dev/kvm"] },
    Later { name: "bubblewrap", programs: &["bwrap"] },
];

/// Finds the first of these programs in these folders; a program that is a path is looked for where it says.
fn look_for(programs: &[&str], folders: &[PathBuf]) -> Probe {
    let anywhere = |program: &&str| -> Option<PathBuf> {
        if Path::new(program).is_absolute() {
            return Path::new(program).exists().then(|| program.into());
        }
        // An empty entry of PATH means the working folder, where anybody may have put anything.
        let folders = folders.iter().filter(|folder| folder.is_absolute());
        folders.map(|folder| folder.join(program)).find(|path| is_program(path))
    };
    programs.iter().find_map(anywhere).map_or(Probe::NotFound, |path| Probe::NotDriven { path })
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Probes every runtime that a spec can name or that may be asked for, in order of preference; for `aic doctor`.
///
/// WASM is ready only after a real evaluation in a real worker of this host. `/dev/kvm` is looked for, not tried.
pub fn probe_all(host: &ScriptHost) -> Vec<ProbeReport> {
    let wasm = Wasm::new(host);
    let later = LATER.iter().map(|runtime| runtime as &dyn Runtime);
    let all = std::iter::once(&wasm as &dyn Runtime).chain(later);
    all.map(|runtime| ProbeReport { name: runtime.name(), probe: runtime.probe() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_installed_is_found_but_not_claimed() {
        let probe = look_for(&["no-such-program", "sh"], &["/bin".into()]);
        assert_eq!(probe, Probe::NotDriven { path: "/bin/sh".into() });
        assert!(!probe.is_ready());
        assert!(probe.summary().contains("does not drive it yet"));
    }

    #[test]
    fn a_tool_is_not_looked_for_in_the_working_folder() {
        assert_eq!(look_for(&["Cargo.toml"], &["".into(), ".".into()]), Probe::NotFound);
    }
}
