//! Which runtime a sandbox gets: a pure function of what is asked and what the machine has.
//!
//! The order of judgement: an explicit choice, then the security level, then what is needed, then speed. Nothing ever
//! falls back to no isolation, and `process` is taken only where somebody wrote its name.

use super::{Capabilities, Choice, Hold, Kept, RuntimeKind};
use std::fmt;
use std::time::Duration;

/// A spec's `sandbox.security`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// Any runtime that isolates.
    #[default]
    Standard,
    /// A virtual machine on real hardware, else gVisor.
    High,
}

/// A spec's `sandbox.fallback`: what happens when the runtime that fits best is not to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fallback {
    /// That one, or an error.
    #[default]
    Strict,
    /// The chain, with the reason recorded.
    BestEffort,
    /// That one, and an error too if any limit would be only advisory.
    Fail,
}

/// What the program needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// It is a command; without this and `module` it is JavaScript.
    pub command: bool,
    /// It is a WebAssembly module.
    pub module: bool,
    /// Hosts to talk to.
    pub network: bool,
    /// A terminal.
    pub interactive: bool,
    /// A graphics processor.
    pub gpu: bool,
    /// A folder of the host's.
    pub workspace: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// The runtime; nothing for `auto`.
    pub runtime: Option<RuntimeKind>,
    /// How strong the wall must be.
    pub security: Security,
    /// What to do without it.
    pub fallback: Fallback,
    /// What `best-effort` tries, in this order; gVisor and WASM where it is empty.
    pub chain: Vec<RuntimeKind>,
    /// What the program needs.
    pub needs: Needs,
}

/// What the machine has of one runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which.
    pub kind: RuntimeKind,
    /// Why it cannot be used, where it cannot.
    pub unusable: Option<String>,
    /// Whether the processor is emulated in software.
    pub emulated: bool,
    /// What it can do.
    pub capabilities: Capabilities,
    /// How it would keep the limits asked for.
    pub kept: Vec<Kept>,
    /// One execution when warm, as the probe measured it.
    pub warm: Duration,
}

/// Why there is no sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked for.
    pub requested: String,
    /// Each runtime that was looked at, and why it is not the one.
    pub reasons: Vec<(RuntimeKind, String)>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no sandbox for `runtime: {}`", self.requested)?;
        for (index, (kind, reason)) in self.reasons.iter().enumerate() {
            write!(f, "{} {kind} {reason}", if index == 0 { ":" } else { ";" })?;
        }
        f.write_str(". Run `aic doctor` to see what this machine has")
    }
}

impl std::error::Error for Refusal {}

/// Chooses.
///
/// # Errors
/// When nothing may be taken; the refusal says why of each.
pub fn select(ask: &Ask, offers: &[Offer]) -> Result<Choice, Refusal> {
    let requested = ask.runtime.map_or("auto", RuntimeKind::name).to_owned();
    let mut reasons: Vec<(RuntimeKind, String)> = Vec::new();
    let first = match ask.runtime {
        Some(kind) => vec![kind],
        None => automatic(ask.security, offers),
    };
    // What nobody may have, nobody falls back from.
    let forbidden = ask.runtime.and_then(|kind| refused(kind).map(|why| (kind, why)));
    if let Some((kind, why)) = forbidden.clone().filter(|(kind, _)| *kind == RuntimeKind::Docker) {
        return Err(Refusal { requested, reasons: vec![(kind, why)] });
    }
    for kind in &first {
        match judge(*kind, ask, offers) {
            Ok(()) => return Ok(Choice { requested, actual: *kind, fallback: None }),
            Err(why) => reasons.push((*kind, why)),
        }
    }
    if ask.fallback == Fallback::BestEffort {
        let usual = [RuntimeKind::Gvisor, RuntimeKind::Wasm];
        let chain = if ask.chain.is_empty() { &usual[..] } else { &ask.chain };
        for kind in chain.iter().filter(|kind| !first.contains(kind)) {
            match judge(*kind, ask, offers) {
                Ok(()) => {
                    let why: Vec<_> = reasons.iter().map(|(kind, why)| format!("{kind} {why}")).collect();
                    return Ok(Choice { requested, actual: *kind, fallback: Some(why.join("; ")) });
                }
                Err(why) => reasons.push((*kind, why)),
            }
        }
    }
    Err(Refusal { requested, reasons })
}

/// What `auto` looks at, best first.
fn automatic(security: Security, offers: &[Offer]) -> Vec<RuntimeKind> {
    match security {
        Security::High => vec![RuntimeKind::Microvm, RuntimeKind::Gvisor],
        Security::Standard => {
            let mut kinds = [RuntimeKind::Wasm, RuntimeKind::Gvisor, RuntimeKind::Microvm];
            let warm = |kind: &RuntimeKind| offer(*kind, offers).map_or(Duration::MAX, |offer| offer.warm);
            // Stable: the usual order decides between equals.
            kinds.sort_by_key(warm);
            kinds.to_vec()
        }
    }
}

fn offer(kind: RuntimeKind, offers: &[Offer]) -> Option<&Offer> {
    offers.iter().find(|offer| offer.kind == kind)
}

fn refused(kind: RuntimeKind) -> Option<String> {
    match kind {
        RuntimeKind::Docker => Some(
            "is refused: containers share the host's kernel, which agents' code must not reach; take gvisor".into(),
        ),
        RuntimeKind::Firecracker | RuntimeKind::Kata => {
            Some("is known by name, but this version does not drive it; take gvisor".into())
        }
        RuntimeKind::Wasm | RuntimeKind::Gvisor | RuntimeKind::Microvm | RuntimeKind::Process => None,
    }
}

/// Whether this one may be taken; if not, why.
fn judge(kind: RuntimeKind, ask: &Ask, offers: &[Offer]) -> Result<(), String> {
    if let Some(why) = refused(kind) {
        return Err(why);
    }
    let offer = offer(kind, offers).ok_or("is not part of this build")?;
    let (has, needs) = (offer.capabilities, ask.needs);
    let lacks = [
        (needs.command && !has.commands, "runs no commands"),
        (needs.module && !has.modules, "runs no WebAssembly modules"),
        (!needs.command && !needs.module && !has.javascript, "runs no JavaScript by itself"),
        (needs.network && !has.network, "has no network in this version"),
        (needs.interactive && !has.interactive, "has no terminal"),
        (needs.gpu && !has.gpu, "has no graphics processor"),
        (needs.workspace && !has.workspace && !needs.module, "sees no folder of the host's"),
    ];
    if let Some((_, lack)) = lacks.into_iter().find(|(lacks, _)| *lacks) {
        return Err(lack.into());
    }
    if ask.security == Security::High && !matches!(kind, RuntimeKind::Microvm | RuntimeKind::Gvisor) {
        return Err("is not what `security: high` allows: a microVM or gVisor".into());
    }
    let named = ask.runtime == Some(kind);
    if offer.emulated && !named {
        return Err("would run on an emulated processor, which is taken only when named".into());
    }
    if let Some(why) = &offer.unusable {
        return Err(format!("cannot be used: {why}"));
    }
    if ask.fallback == Fallback::Fail {
        let advisory: Vec<_> = offer.kept.iter().filter(|kept| kept.hold == Hold::Advisory).collect();
        if !advisory.is_empty() {
            let all: Vec<_> = advisory.iter().map(|kept| format!("{} ({})", kept.limit, kept.by)).collect();
            return Err(format!("would not enforce {}, and `fallback: fail` forbids that", all.join(", ")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::RuntimeKind::{Docker, Firecracker, Gvisor, Kata, Microvm, Process, Wasm};
    use super::*;
    use crate::runtime::Limit;

    fn offer_of(kind: RuntimeKind) -> Offer {
        let agent = kind != Wasm;
        let capabilities = Capabilities {
            commands: agent,
            javascript: !agent,
            modules: !agent,
            network: agent,
            interactive: agent,
            gpu: false,
            workspace: agent,
            own_kernel: kind != Process,
        };
        let warm = Duration::from_micros(match kind {
            Wasm => 300,
            Process => 5_000,
            Gvisor => 10_000,
            _ => 20_000,
        });
        let kept = vec![Kept::enforced(Limit::Memory, "test")];
        Offer { kind, unusable: None, emulated: false, capabilities, kept, warm }
    }

    fn without(kind: RuntimeKind) -> Offer {
        Offer { unusable: Some("it is not installed".into()), ..offer_of(kind) }
    }

    fn emulated() -> Offer {
        Offer { emulated: true, ..offer_of(Microvm) }
    }

    fn advisory(kind: RuntimeKind) -> Offer {
        Offer { kept: vec![Kept::advisory(Limit::Cpu, "no cgroup")], ..offer_of(kind) }
    }

    fn command() -> Ask {
        Ask { needs: Needs { command: true, ..Needs::default() }, ..Ask::default() }
    }

    fn script() -> Ask {
        Ask::default()
    }

    fn named(kind: RuntimeKind, ask: Ask) -> Ask {
        Ask { runtime: Some(kind), ..ask }
    }

    fn high(ask: Ask) -> Ask {
        Ask { security: Security::High, ..ask }
    }

    fn fallback(fallback: Fallback, ask: Ask) -> Ask {
        Ask { fallback, ..ask }
    }

    fn chain(chain: &[RuntimeKind], ask: Ask) -> Ask {
        Ask { chain: chain.to_vec(), ..ask }
    }

    fn all() -> Vec<Offer> {
        [Wasm, Gvisor, Microvm, Process].map(offer_of).to_vec()
    }

    #[test]
    fn the_table_of_choices() {
        use Fallback::{BestEffort, Fail};
        let emulation = || vec![offer_of(Wasm), offer_of(Gvisor), emulated(), offer_of(Process)];
        let bare = || vec![offer_of(Wasm), without(Gvisor), without(Microvm), offer_of(Process)];
        let needs = |needs: Needs| Ask { needs, ..Ask::default() };
        type Row = (&'static str, Ask, Vec<Offer>, Result<RuntimeKind, &'static str>);
        let table: Vec<Row> = vec![
            ("a script gets the fastest", script(), all(), Ok(Wasm)),
            ("a command gets the fastest that runs commands", command(), all(), Ok(Gvisor)),
            ("high takes hardware", high(command()), all(), Ok(Microvm)),
            ("high takes no emulation", high(command()), emulation(), Ok(Gvisor)),
            ("high has no script", high(script()), all(), Err("gvisor runs no JavaScript")),
            ("high with nothing", high(command()), bare(), Err("gvisor cannot be used: it is not installed")),
            (
                "high never falls to process",
                high(chain(&[Process], fallback(BestEffort, command()))),
                bare(),
                Err("process is not what `security: high` allows"),
            ),
            ("emulation where named", named(Microvm, command()), emulation(), Ok(Microvm)),
            ("process where named", named(Process, command()), all(), Ok(Process)),
            ("process never by itself", command(), bare(), Err("microvm cannot be used")),
            (
                "best effort does not reach process either",
                fallback(BestEffort, command()),
                bare(),
                Err("wasm runs no commands"),
            ),
            (
                "process where the chain names it",
                chain(&[Process], fallback(BestEffort, command())),
                bare(),
                Ok(Process),
            ),
            ("strict stays", named(Gvisor, command()), bare(), Err("gvisor cannot be used")),
            (
                "best effort goes on",
                named(Microvm, fallback(BestEffort, command())),
                vec![without(Microvm), offer_of(Gvisor)],
                Ok(Gvisor),
            ),
            (
                "best effort from a name this version does not drive",
                named(Firecracker, fallback(BestEffort, command())),
                all(),
                Ok(Gvisor),
            ),
            ("firecracker", named(Firecracker, command()), all(), Err("does not drive it")),
            ("kata", named(Kata, command()), all(), Err("does not drive it")),
            ("docker", named(Docker, fallback(BestEffort, command())), all(), Err("share the host's kernel")),
            (
                "fail with advisory limits",
                named(Gvisor, fallback(Fail, command())),
                vec![advisory(Gvisor)],
                Err("would not enforce cpu (no cgroup)"),
            ),
            (
                "fail goes to the next that enforces",
                fallback(Fail, command()),
                vec![advisory(Gvisor), offer_of(Microvm)],
                Ok(Microvm),
            ),
            ("strict lets advisory limits be", command(), vec![advisory(Gvisor)], Ok(Gvisor)),
            ("a module", needs(Needs { module: true, workspace: true, ..Needs::default() }), all(), Ok(Wasm)),
            (
                "a module with a network",
                needs(Needs { module: true, network: true, ..Needs::default() }),
                all(),
                Err("wasm has no network"),
            ),
            (
                "a module with high security",
                high(needs(Needs { module: true, ..Needs::default() })),
                all(),
                Err("modules"),
            ),
            ("a terminal", needs(Needs { interactive: true, ..Needs::default() }), all(), Err("wasm has no terminal")),
            ("a network", needs(Needs { network: true, command: true, ..Needs::default() }), all(), Ok(Gvisor)),
            (
                "a network for a script",
                needs(Needs { network: true, ..Needs::default() }),
                all(),
                Err("wasm has no network"),
            ),
            (
                "a graphics processor",
                needs(Needs { gpu: true, command: true, ..Needs::default() }),
                all(),
                Err("no graphics processor"),
            ),
            ("nothing at all", command(), vec![], Err("not part of this build")),
        ];
        for (name, ask, offers, expected) in table {
            match (select(&ask, &offers), expected) {
                (Ok(choice), Ok(kind)) => assert_eq!(choice.actual, kind, "{name}"),
                (Err(refusal), Err(text)) => assert!(refusal.to_string().contains(text), "{name}: {refusal}"),
                (got, expected) => panic!("{name}: {got:?} rather than {expected:?}"),
            }
        }
    }

    #[test]
    fn a_fallback_is_recorded_and_a_direct_hit_is_not() {
        let ask = named(Microvm, fallback(Fallback::BestEffort, command()));
        let choice = select(&ask, &[without(Microvm), offer_of(Gvisor)]).unwrap();
        assert_eq!(choice.requested, "microvm");
        assert_eq!(choice.fallback.as_deref(), Some("microvm cannot be used: it is not installed"));
        assert_eq!(select(&command(), &all()).unwrap().fallback, None);
    }

    #[test]
    fn a_slow_machine_changes_the_order() {
        let slow = Offer { warm: Duration::from_secs(1), ..offer_of(Gvisor) };
        assert_eq!(select(&command(), &[slow, offer_of(Microvm)]).unwrap().actual, Microvm);
    }
}
