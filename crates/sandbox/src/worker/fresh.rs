//! Puts a guest's memory back as it was when it was made, by copying back the pages that were written.
//!
//! To give such pages back to the kernel costs the next evaluation a page fault for each, and every processor a flush of
//! what it knows of this address space: together more than a small script takes. wasmtime can copy them back by itself
//! (`pagemap_scan`), but version 48 passes over a page that the kernel has swapped out or is just moving, and the next
//! instance would read what the last one wrote there (its pull request 14357). So it is done here first: what wasmtime
//! then passes over is as it was already.

use std::fs::File;
use std::io;
use std::sync::LazyLock;
use system::{Region, give_back, scan};
use wasmparser::{DataKind, Operator, Parser, Payload};
use wasmtime::PoolingAllocationConfig;

/// The map of this process's own pages; none where the kernel cannot be asked which were written (before Linux 6.7).
static PAGEMAP: LazyLock<Option<File>> = LazyLock::new(|| {
    let map = File::open("/proc/self/pagemap").ok()?;
    scan(&map, 0..0, 1, &mut [Region::default()]).ok()?;
    PoolingAllocationConfig::is_pagemap_scan_available().then_some(map)
});

/// Written pages that are put back by copying, in bytes; a small script writes 36. Of more than that the rest is given
/// back to the kernel after all, which is the faster way for much.
pub(super) const KEPT: usize = 2 << 20;

/// The least that a page can be, in bytes; where pages are larger, more is copied.
const PAGE: usize = 4096;

/// Runs of written pages that are asked for at once.
const AT_ONCE: usize = 64;

/// Whether memory can be put back this way here.
pub(super) fn is_possible() -> bool {
    PAGEMAP.is_some()
}

/// What a memory is when an instance is made: zeros, and these bytes behind them.
pub(super) struct Fresh {
    at: usize,
    bytes: Vec<u8>,
}

impl Fresh {
    /// As a module says: what its segments of data put where. `None` when it is no module, or when only its run tells.
    pub(super) fn of(wasm: &[u8]) -> Option<Self> {
        let mut segments = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            let Payload::DataSection(section) = payload.ok()? else { continue };
            for data in section {
                let data = data.ok()?;
                // What is not active lies nowhere until a function puts it there.
                let DataKind::Active { offset_expr, .. } = data.kind else { continue };
                let Ok(Operator::I32Const { value }) = offset_expr.get_operators_reader().read() else { return None };
                segments.push((value.cast_unsigned() as usize, data.data));
            }
        }
        let at = segments.iter().map(|(at, _)| *at).min().unwrap_or_default();
        let end = segments.iter().map(|(at, bytes)| at + bytes.len()).max().unwrap_or_default();
        let mut bytes = vec![0; end - at];
        segments.iter().for_each(|(from, data)| bytes[from - at..][..data.len()].copy_from_slice(data));
        Some(Self { at, bytes })
    }

    /// Puts back every page that was written, and says how many bytes these were, or the first of them.
    ///
    /// # Errors
    /// When the kernel does not say which: then nobody may use this memory any more.
    ///
    /// # Safety
    /// The memory is whole pages of mappings that are private to this process, of zeros or of a file that never changes,
    /// as memories of instances are on Linux.
    #[expect(unsafe_code, reason = "what it is told must be true of the memory")]
    pub(super) unsafe fn restore(&self, memory: &mut [u8]) -> io::Result<usize> {
        let map = PAGEMAP.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let base = memory.as_ptr().addr() as u64;
        let (mut from, end) = (base, base + memory.len() as u64);
        let mut written = 0;
        while from < end {
            let mut regions = [Region::default(); AT_ONCE];
            let looked = scan(map, from..end, (KEPT - written).div_ceil(PAGE), &mut regions)?;
            for region in regions.iter().take_while(|region| region.end > region.start) {
                let place = (region.start.max(base) - base) as usize..(region.end.min(end) - base) as usize;
                let start = place.start;
                let piece = memory.get_mut(place).ok_or(io::ErrorKind::InvalidData)?;
                written += piece.len();
                self.put_back(piece, start);
            }
            if looked <= from {
                return Err(io::ErrorKind::InvalidData.into());
            }
            from = looked;
            if written >= KEPT {
                let rest = memory.get_mut((from - base) as usize..).unwrap_or_default();
                // SAFETY: as the caller says.
                #[expect(unsafe_code, reason = "gives pages back to the kernel")]
                unsafe {
                    give_back(rest)?;
                }
                break;
            }
        }
        Ok(written)
    }

    /// Makes the piece of the memory that begins at `start` what it was.
    pub(super) fn put_back(&self, piece: &mut [u8], start: usize) {
        let (before, rest) = piece.split_at_mut(self.at.saturating_sub(start).min(piece.len()));
        before.fill(0);
        let known = self.bytes.get((start + before.len()).saturating_sub(self.at)..).unwrap_or_default();
        let (known, (within, after)) = {
            let length = known.len().min(rest.len());
            (&known[..length], rest.split_at_mut(length))
        };
        within.copy_from_slice(known);
        after.fill(0);
    }
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
    use rustix::mm::{Advice, madvise};
    use std::fs::File;
    use std::io;
    use std::ops::Range;

    const SCAN: Opcode = opcode::read_write::<Scan>(b'f', 16);

    /// What is known of a page.
    const FILE: u64 = 1 << 2;
    const PRESENT: u64 = 1 << 3;
    const SWAPPED: u64 = 1 << 4;
    const ZERO: u64 = 1 << 5;

    /// `struct pm_scan_arg` of Linux.
    #[repr(C)]
    #[derive(Default)]
    struct Scan {
        size: u64,
        flags: u64,
        start: u64,
        end: u64,
        walk_end: u64,
        regions: u64,
        regions_length: u64,
        most_pages: u64,
        inverted: u64,
        all_of: u64,
        any_of: u64,
        told: u64,
    }

    /// `struct page_region` of Linux: from one address up to another.
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    pub(super) struct Region {
        pub(super) start: u64,
        pub(super) end: u64,
        categories: u64,
    }

    /// Finds pages between two addresses that are neither as in their file nor untouched, whether they are in memory,
    /// swapped out or being moved (which looks like swapped out), and so many at most. Returns up to where it looked.
    pub(super) fn scan(map: &File, within: Range<u64>, most: usize, regions: &mut [Region]) -> io::Result<u64> {
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            start: within.start,
            end: within.end,
            most_pages: most as u64,
            regions: regions.as_mut_ptr() as u64,
            regions_length: regions.len() as u64,
            inverted: FILE | ZERO,
            all_of: FILE | ZERO,
            any_of: PRESENT | SWAPPED,
            ..Scan::default()
        };
        // SAFETY: the number is that of `PAGEMAP_SCAN`, which takes this structure and writes into it and into no more
        // regions than it is told of; they live for as long as the call.
        #[expect(unsafe_code, reason = "asks the kernel about pages")]
        unsafe {
            ioctl(map, Updater::<SCAN, Scan>::new(&mut scan))?;
        }
        Ok(scan.walk_end)
    }

    /// Makes whole pages what their mappings were at first.
    ///
    /// # Safety
    /// These are private, of zeros or of a file.
    #[expect(unsafe_code, reason = "what it is told must be true of the memory")]
    pub(super) unsafe fn give_back(memory: &mut [u8]) -> io::Result<()> {
        // SAFETY: nobody else has this memory, for which any bytes will do.
        #[expect(unsafe_code, reason = "gives pages back to the kernel")]
        Ok(unsafe { madvise(memory.as_mut_ptr().cast(), memory.len(), Advice::LinuxDontNeed) }?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::File;
    use std::io;
    use std::ops::Range;

    /// From one address up to another.
    #[derive(Clone, Copy, Default)]
    pub(super) struct Region {
        pub(super) start: u64,
        pub(super) end: u64,
    }

    pub(super) fn scan(_: &File, _: Range<u64>, _: usize, _: &mut [Region]) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[expect(unsafe_code, reason = "the other one is")]
    pub(super) unsafe fn give_back(_: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_piece_becomes_what_it_was() {
        let original = [0, 0, 0, 1, 2, 3, 0, 0];
        // Larger by now than it was made.
        let (fresh, grown) = (Fresh { at: 3, bytes: original[3..6].to_vec() }, original);
        for start in 0..grown.len() {
            for end in start..=grown.len() {
                let mut piece = vec![9; end - start];
                fresh.put_back(&mut piece, start);
                assert_eq!(piece, grown[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn a_kernel_that_cannot_say_what_was_written_is_an_error_rather_than_a_guess() {
        let file = File::open("/dev/null").unwrap();
        assert!(scan(&file, 0..4096, 1, &mut [Region::default()]).is_err());
    }
}
