//! A guest's memory, read and written with every address checked: addresses come from the guest.

use super::errno::Errno;

/// The most pieces that one call may read or write. Epochs do not interrupt the host, so what it does in one call is
/// bounded.
const MOST_PIECES: u32 = 1024;
/// The longest path or name, in bytes.
pub(super) const MOST_TEXT: u32 = 4096;

pub(crate) struct Mem<'a>(pub(crate) &'a mut [u8]);

impl Mem<'_> {
    pub(crate) fn get(&self, at: u32, length: u32) -> Result<&[u8], Errno> {
        let rest = self.0.get(at as usize..).ok_or(Errno::FAULT)?;
        rest.get(..length as usize).ok_or(Errno::FAULT)
    }

    pub(crate) fn get_mut(&mut self, at: u32, length: u32) -> Result<&mut [u8], Errno> {
        let rest = self.0.get_mut(at as usize..).ok_or(Errno::FAULT)?;
        rest.get_mut(..length as usize).ok_or(Errno::FAULT)
    }

    pub(crate) fn put(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::FAULT)?;
        self.get_mut(at, length)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn put_u32(&mut self, at: u32, number: u32) -> Result<(), Errno> {
        self.put(at, &number.to_le_bytes())
    }

    pub(crate) fn put_u64(&mut self, at: u32, number: u64) -> Result<(), Errno> {
        self.put(at, &number.to_le_bytes())
    }

    fn array<const N: usize>(&self, at: u32) -> Result<[u8; N], Errno> {
        let bytes = self.get(at, N as u32)?;
        bytes.try_into().map_err(|_| Errno::FAULT)
    }

    pub(crate) fn u16(&self, at: u32) -> Result<u16, Errno> {
        self.array(at).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&self, at: u32) -> Result<u32, Errno> {
        self.array(at).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&self, at: u32) -> Result<u64, Errno> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// A path or name.
    pub(crate) fn text(&self, at: u32, length: u32) -> Result<String, Errno> {
        if length > MOST_TEXT {
            return Err(Errno::NAMETOOLONG);
        }
        let text = std::str::from_utf8(self.get(at, length)?).map_err(|_| Errno::ILSEQ)?;
        if text.contains('\0') { Err(Errno::INVAL) } else { Ok(text.to_owned()) }
    }

    /// The pieces of memory that a list of addresses and lengths names.
    pub(crate) fn pieces(&self, at: u32, count: u32) -> Result<Vec<(u32, u32)>, Errno> {
        if count > MOST_PIECES {
            return Err(Errno::INVAL);
        }
        (0..count)
            .map(|index| {
                let at = at.checked_add(index * 8).ok_or(Errno::FAULT)?;
                let length_at = at.checked_add(4).ok_or(Errno::FAULT)?;
                Ok((self.u32(at)?, self.u32(length_at)?))
            })
            .collect()
    }
}
