//! Time and chance, which are inputs: a clock moves only when it is looked at or waited for, and random numbers follow
//! from a seed.

use super::types::{Datetime, Pollable};
use super::{Holds, MOST_MOVED, Offered, functions, refused};
use crate::worker::wasi::{LOOK, Wasi};
use wasmtime::component::Resource;
use wasmtime::{Result, StoreContextMut};

impl Wasi {
    /// Looks at the clock that counts from the beginning.
    fn look(&mut self) -> u64 {
        let now = self.passed;
        self.passed = now.saturating_add(LOOK);
        now
    }

    pub(super) fn is_ready(&self, pollable: &Resource<Pollable>) -> Result<bool> {
        Ok(match self.handles.get(pollable)? {
            Pollable::Ready => true,
            Pollable::Due(moment) => *moment <= self.passed,
        })
    }

    /// Which of these are ready; where none is, the first that is due becomes so.
    pub(super) fn poll(&mut self, wanted: &[Resource<Pollable>]) -> Result<Vec<u32>> {
        if wanted.is_empty() {
            return Err(refused("waits for nothing"));
        }
        let mut soonest = u64::MAX;
        for one in wanted {
            soonest = soonest.min(match self.handles.get(one)? {
                Pollable::Ready => 0,
                Pollable::Due(moment) => *moment,
            });
        }
        self.passed = self.passed.max(soonest);
        let mut ready = Vec::new();
        for (index, one) in (0u32..).zip(wanted) {
            if self.is_ready(one)? {
                ready.push(index);
            }
        }
        Ok(ready)
    }

    pub(super) fn random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        let most = MOST_MOVED * 16;
        let length = usize::try_from(length).ok().filter(|length| *length as u64 <= most);
        let length = length.ok_or_else(|| refused("asks for more than 16 MiB of random bytes at once"))?;
        let words = (0..length.div_ceil(8)).flat_map(|_| self.random.next().to_le_bytes());
        Ok(words.take(length).collect())
    }
}

pub(super) fn monotonic<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered:
        "now" => |wasi| wasi.look();
        "resolution" => |_| LOOK;
        "subscribe-instant" => |wasi, moment: u64| wasi.handles.push(Pollable::Due(moment))?;
        "subscribe-duration" => |wasi, nanoseconds: u64| {
            let moment = wasi.passed.saturating_add(nanoseconds);
            wasi.handles.push(Pollable::Due(moment))?
        };
    }
    Ok(())
}

pub(super) fn wall<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered:
        "now" => |wasi| Datetime::of(wasi.began.saturating_add(wasi.look()));
        "resolution" => |_| Datetime::of(LOOK);
    }
    Ok(())
}

pub(super) fn poll<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    offered.resource::<Pollable>("pollable")?;
    functions! { offered:
        // A loop that asks until it is so comes to an end.
        "[method]pollable.ready" => |wasi, this: Resource<Pollable>| {
            wasi.look();
            wasi.is_ready(&this)?
        };
        "poll" => |wasi, wanted: Vec<Resource<Pollable>>| wasi.poll(&wanted)?;
    }
    let block = "[method]pollable.block";
    offered.names.insert(block);
    offered.instance.func_wrap(block, |mut store: StoreContextMut<'_, T>, (this,): (Resource<Pollable>,)| {
        store.data_mut().wasi().poll(&[this]).map(drop)
    })
}

pub(super) fn random<T: Holds>(offered: &mut Offered<'_, T>, bytes: &'static str, number: &'static str) -> Result<()> {
    functions! { offered:
        bytes => |wasi, length: u64| wasi.random_bytes(length)?;
        number => |wasi| wasi.random.next();
    }
    Ok(())
}

pub(super) fn seed<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered: "insecure-seed" => |wasi| (wasi.random.next(), wasi.random.next()); }
    Ok(())
}
