//! WASI, as far as a guest of the user's gets it: arguments, environment, clocks, random numbers, printing, and one
//! folder. Preview 1, for modules, is here, and preview 2, for components, in `preview2`; both stand on one table of
//! descriptors. Written here rather than taken from a library, because what is not written cannot be reached.
//!
//! Time and chance are inputs: a clock starts where the host says and moves only when it is looked at or slept by, and
//! random numbers follow from a seed. So a sleep takes no time, and the same run gives the same result.

mod errno;
mod fds;
mod files;
#[cfg(target_os = "linux")]
mod folder;
#[cfg(not(target_os = "linux"))]
#[path = "nothing.rs"]
mod folder;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod mem;
mod nodes;
mod paths;
pub(crate) mod preview2;

pub(crate) use errno::Errno;
pub(crate) use folder::Folder;
pub(crate) use mem::Mem;
pub(crate) use nodes::{Node, SHELF, Table};
pub(crate) use preview2::MOST_HANDLES;

use super::random::SplitMix64;
use wasmtime::component::ResourceTable;

/// How far a look at a clock moves it, in nanoseconds: a loop that waits for a moment comes to an end.
const LOOK: u64 = 1000;

/// What one run of a guest has.
pub(crate) struct Wasi {
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) random: SplitMix64,
    /// When it began, in nanoseconds since 1970, and how much has passed for the guest.
    pub(crate) began: u64,
    pub(crate) passed: u64,
    pub(crate) table: Table,
    /// What a component has beside descriptors.
    pub(crate) handles: ResourceTable,
    /// Entries of folders among them.
    pub(crate) listed: usize,
}

pub(crate) type Done = Result<(), Errno>;

impl Wasi {
    fn put_list(mem: &mut Mem<'_>, all: &[Vec<u8>], mut list: u32, mut text: u32) -> Done {
        for one in all {
            mem.put_u32(list, text)?;
            mem.put(text, one)?;
            let end = text.checked_add(one.len() as u32).ok_or(Errno::FAULT)?;
            mem.put(end, &[0])?;
            list = list.checked_add(4).ok_or(Errno::FAULT)?;
            text = end.checked_add(1).ok_or(Errno::FAULT)?;
        }
        Ok(())
    }

    fn put_sizes(mem: &mut Mem<'_>, all: &[Vec<u8>], count: u32, bytes: u32) -> Done {
        let sum: usize = all.iter().map(|one| one.len() + 1).sum();
        mem.put_u32(count, u32::try_from(all.len()).map_err(|_| Errno::OVERFLOW)?)?;
        mem.put_u32(bytes, u32::try_from(sum).map_err(|_| Errno::OVERFLOW)?)
    }

    pub(crate) fn args_get(&mut self, mem: &mut Mem<'_>, list: u32, text: u32) -> Done {
        Self::put_list(mem, &self.args, list, text)
    }

    pub(crate) fn args_sizes_get(&mut self, mem: &mut Mem<'_>, count: u32, bytes: u32) -> Done {
        Self::put_sizes(mem, &self.args, count, bytes)
    }

    pub(crate) fn environ_get(&mut self, mem: &mut Mem<'_>, list: u32, text: u32) -> Done {
        Self::put_list(mem, &self.env, list, text)
    }

    pub(crate) fn environ_sizes_get(&mut self, mem: &mut Mem<'_>, count: u32, bytes: u32) -> Done {
        Self::put_sizes(mem, &self.env, count, bytes)
    }

    /// What the calendar says, in nanoseconds since 1970.
    pub(crate) fn today(&self) -> u64 {
        self.began.saturating_add(self.passed)
    }

    /// The time of a clock: 0 is the calendar's, the others count from the beginning.
    fn now(&self, clock: u32) -> Result<u64, Errno> {
        match clock {
            0 => Ok(self.today()),
            1..=3 => Ok(self.passed),
            _ => Err(Errno::INVAL),
        }
    }

    pub(crate) fn clock_res_get(&mut self, mem: &mut Mem<'_>, clock: u32, at: u32) -> Done {
        self.now(clock)?;
        mem.put_u64(at, LOOK)
    }

    pub(crate) fn clock_time_get(&mut self, mem: &mut Mem<'_>, clock: u32, _precision: u64, at: u32) -> Done {
        let now = self.now(clock)?;
        self.passed = self.passed.saturating_add(LOOK);
        mem.put_u64(at, now)
    }

    pub(crate) fn random_get(&mut self, mem: &mut Mem<'_>, at: u32, length: u32) -> Done {
        for piece in mem.get_mut(at, length)?.chunks_mut(8) {
            let bytes = self.random.next().to_le_bytes();
            piece.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
        }
        Ok(())
    }

    /// Waits for clocks and descriptors. Descriptors are always ready; without any, the clock that is due first moves
    /// on to that moment.
    pub(crate) fn poll_oneoff(
        &mut self,
        mem: &mut Mem<'_>,
        wanted: u32,
        events: u32,
        count: u32,
        happened: u32,
    ) -> Done {
        if count == 0 || count > 1024 {
            return Err(Errno::INVAL);
        }
        let mut ready: Vec<(u64, u16, u8)> = Vec::new();
        let mut first: Option<(u64, u64)> = None;
        for index in 0..count {
            let at = wanted.checked_add(index * 48).filter(|at| *at < u32::MAX - 48).ok_or(Errno::FAULT)?;
            let name = mem.u64(at)?;
            match mem.get(at + 8, 1)? {
                [0] => {
                    let (clock, timeout, flags) = (mem.u32(at + 16)?, mem.u64(at + 24)?, mem.u16(at + 40)?);
                    let now = self.now(clock)?;
                    let left = if flags & 1 == 1 { timeout.saturating_sub(now) } else { timeout };
                    if first.is_none_or(|(_, soonest)| left < soonest) {
                        first = Some((name, left));
                    }
                }
                [kind @ (1 | 2)] => {
                    let known = self.table.slot(mem.u32(at + 16)?).is_ok();
                    ready.push((name, if known { 0 } else { Errno::BADF.0 }, *kind));
                }
                _ => return Err(Errno::INVAL),
            }
        }
        if let (true, Some((name, left))) = (ready.is_empty(), first) {
            self.passed = self.passed.saturating_add(left);
            ready.push((name, 0, 0));
        }
        for (at, (name, error, kind)) in (events..).step_by(32).zip(&ready) {
            let mut event = [0; 32];
            event[..8].copy_from_slice(&name.to_le_bytes());
            event[8..10].copy_from_slice(&error.to_le_bytes());
            event[10] = *kind;
            // How many bytes there are is not known before they are asked for.
            event[16] = u8::from(*kind != 0);
            mem.put(at, &event)?;
        }
        mem.put_u32(happened, ready.len() as u32)
    }

    pub(crate) fn proc_raise(&mut self, _: &mut Mem<'_>, _signal: u32) -> Done {
        Err(Errno::NOSYS)
    }

    pub(crate) fn sched_yield(&mut self, _: &mut Mem<'_>) -> Done {
        Ok(())
    }

    pub(crate) fn sock_accept(&mut self, _: &mut Mem<'_>, _: u32, _: u32, _: u32) -> Done {
        Err(Errno::NOTSUP)
    }

    #[expect(clippy::too_many_arguments, reason = "WASI's, not ours")]
    pub(crate) fn sock_recv(&mut self, _: &mut Mem<'_>, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32) -> Done {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn sock_send(&mut self, _: &mut Mem<'_>, _: u32, _: u32, _: u32, _: u32, _: u32) -> Done {
        Err(Errno::NOTSUP)
    }

    pub(crate) fn sock_shutdown(&mut self, _: &mut Mem<'_>, _: u32, _: u32) -> Done {
        Err(Errno::NOTSUP)
    }
}
