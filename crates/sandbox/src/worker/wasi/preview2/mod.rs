//! WASI preview 2, for components: the same arguments, clocks, random numbers, printing and folder as preview 1 gives
//! to modules, under the names and in the types of version 0.2.
//!
//! Each interface is offered under the very name that a component asks for, so that one for any 0.2 is served. What no
//! file of this folder offers is not there: calling it ends the run and names it.

mod cli;
mod clocks;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod sockets;
mod streams;
mod types;

use crate::worker::link::Holds;
use std::collections::BTreeSet;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType};
use wasmtime::{Engine, Result, StoreContextMut, format_err};

/// Bytes moved by one call; a guest that wants more asks again.
const MOST_MOVED: u64 = 1 << 20;
/// Streams, listings and whatever else a guest holds beside descriptors.
pub(crate) const MOST_HANDLES: usize = 10_000;
/// What one call may bring from the guest, in bytes: its texts and lists are copied before they are looked at.
pub(crate) const MOST_BROUGHT: usize = 32 << 20;

/// Gives a component what it asks for and can have; returns what it cannot have, of interfaces that are there in part
/// each function.
pub(crate) fn offer<T: Holds>(linker: &mut Linker<T>, component: &Component, engine: &Engine) -> Result<Vec<String>> {
    let (mut missing, mut resources) = (Vec::new(), Vec::new());
    for (name, wanted) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(wanted) = wanted.ty else {
            if matches!(wanted.ty, ComponentItem::ComponentFunc(_)) {
                stub(&mut linker.root(), name, name)?;
            }
            missing.push(name.to_owned());
            continue;
        };
        let (names, nothing) = (BTreeSet::new(), BTreeSet::new());
        let mut offered = Offered { instance: linker.instance(name)?, names, nothing };
        interface(name, &mut offered)?;
        let whole = !offered.names.is_empty();
        for (function, item) in wanted.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) if !offered.names.contains(function) => {
                    let full = format!("{name}#{function}");
                    stub(&mut offered.instance, function, &full)?;
                    if !offered.is_out_of_reach(function) {
                        missing.push(if whole { full } else { name.to_owned() });
                    }
                }
                // What an interface only borrows from an earlier one was defined there.
                ComponentItem::Resource(kind) if !resources.contains(&kind) => {
                    if !offered.names.contains(function) {
                        offered.instance.resource(function, ResourceType::host::<()>(), |_, _| Ok(()))?;
                    }
                    resources.push(kind);
                }
                _ => {}
            }
        }
    }
    missing.dedup();
    Ok(missing)
}

/// In place of a function that is not there: calling it ends the run and names it.
fn stub<T: 'static>(instance: &mut LinkerInstance<'_, T>, name: &str, full: &str) -> Result<()> {
    let full = full.to_owned();
    instance.func_new(name, move |_, _, _, _| Err(refused(&format!("calls `{full}`, which is not there"))))
}

fn interface<T: Holds>(name: &str, offered: &mut Offered<'_, T>) -> Result<()> {
    let Some((name, "0.2")) = name.split_once('@').and_then(|(name, version)| Some((name, minor(version)?))) else {
        return Ok(());
    };
    match name {
        "wasi:cli/environment" => cli::environment(offered),
        "wasi:cli/exit" => cli::exit(offered),
        "wasi:cli/stdin" => cli::stdin(offered),
        "wasi:cli/stdout" => cli::stdout(offered),
        "wasi:cli/stderr" => cli::stderr(offered),
        "wasi:cli/terminal-input" => offered.empty::<types::TerminalInput>("terminal-input"),
        "wasi:cli/terminal-output" => offered.empty::<types::TerminalOutput>("terminal-output"),
        "wasi:cli/terminal-stdin" => cli::terminal_stdin(offered),
        "wasi:cli/terminal-stdout" => cli::terminal_output(offered, "get-terminal-stdout"),
        "wasi:cli/terminal-stderr" => cli::terminal_output(offered, "get-terminal-stderr"),
        "wasi:clocks/monotonic-clock" => clocks::monotonic(offered),
        "wasi:clocks/wall-clock" => clocks::wall(offered),
        "wasi:random/random" => clocks::random(offered, "get-random-bytes", "get-random-u64"),
        "wasi:random/insecure" => clocks::random(offered, "get-insecure-random-bytes", "get-insecure-random-u64"),
        "wasi:random/insecure-seed" => clocks::seed(offered),
        "wasi:io/error" => streams::error(offered),
        "wasi:io/poll" => clocks::poll(offered),
        "wasi:io/streams" => streams::streams(offered),
        "wasi:filesystem/preopens" => files::preopens(offered),
        "wasi:filesystem/types" => files::types(offered),
        "wasi:sockets/network" => sockets::network(offered),
        "wasi:sockets/instance-network" => sockets::instance_network(offered),
        "wasi:sockets/ip-name-lookup" => sockets::lookup(offered),
        "wasi:sockets/tcp" => offered.empty::<types::TcpSocket>("tcp-socket"),
        "wasi:sockets/udp" => sockets::udp(offered),
        "wasi:sockets/tcp-create-socket" => sockets::create::<_, types::TcpSocket>(offered, "create-tcp-socket"),
        "wasi:sockets/udp-create-socket" => sockets::create::<_, types::UdpSocket>(offered, "create-udp-socket"),
        _ => Ok(()),
    }
}

/// The part of a version that says what fits what.
fn minor(version: &str) -> Option<&str> {
    let end = version.match_indices('.').nth(1)?.0;
    version.get(..end)
}

/// An interface on its way to a component.
struct Offered<'a, T: 'static> {
    instance: LinkerInstance<'a, T>,
    /// Its functions and resources so far.
    names: BTreeSet<&'static str>,
    /// The kinds of resources among them of which there is none.
    nothing: BTreeSet<&'static str>,
}

impl<T: Holds> Offered<'_, T> {
    /// A kind of resource that lies among the handles.
    fn resource<R: Send + 'static>(&mut self, name: &'static str) -> Result<()> {
        self.names.insert(name);
        self.instance.resource(name, ResourceType::host::<R>(), |mut store: StoreContextMut<'_, T>, number| {
            store.data_mut().wasi().handles.delete(Resource::<R>::new_own(number))?;
            Ok(())
        })
    }

    /// A kind of resource of which there is none.
    fn empty<R: 'static>(&mut self, name: &'static str) -> Result<()> {
        self.names.insert(name);
        self.nothing.insert(name);
        self.instance.resource(name, ResourceType::host::<R>(), |_, _| Ok(()))
    }

    /// Whether this is a method of what nobody ever has.
    fn is_out_of_reach(&self, function: &str) -> bool {
        let method = function.strip_prefix("[method]").and_then(|method| method.split_once('.'));
        method.is_some_and(|(resource, _)| self.nothing.contains(resource))
    }
}

/// Offers functions under their names in WASI. What they return is the call's result, or why the run ends.
macro_rules! functions {
    ($offered:ident: $($name:expr => |$wasi:pat_param $(, $argument:ident: $kind:ty)*| $act:expr;)*) => {
        $(
            $offered.names.insert($name);
            $offered.instance.func_wrap(
                $name,
                |mut store: wasmtime::StoreContextMut<'_, T>, ($($argument,)*): ($($kind,)*)| {
                    let $wasi = store.data_mut().wasi();
                    Ok(($act,))
                },
            )?;
        )*
    };
}
use functions;

/// A call that a guest has no reason to make.
fn refused(what: &str) -> wasmtime::Error {
    format_err!("it {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_fit_within_a_minor_one() {
        assert_eq!(
            (minor("0.2.0"), minor("0.2.12"), minor("0.2.0-rc-2023-11-10")),
            (Some("0.2"), Some("0.2"), Some("0.2"))
        );
        assert_eq!((minor("0.3.0"), minor("1.0"), minor("")), (Some("0.3"), None, None));
    }
}
