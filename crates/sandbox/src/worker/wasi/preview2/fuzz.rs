//! For the fuzzer and a law: any of preview 2's calls, on handles that are there and on such as no guest could have.

use super::types::{DescriptorFlags, Input, NewTimestamp, OpenFlags, Output, PathFlags, Pollable};
use crate::worker::wasi::Wasi;
use wasmtime::component::Resource;

/// Numbers and texts that a guest might say.
pub(crate) struct Said<'a> {
    pub(crate) number: &'a mut dyn FnMut() -> u64,
    pub(crate) text: &'a str,
}

impl Said<'_> {
    fn handle<T: 'static>(&mut self) -> Resource<T> {
        Resource::new_borrow((self.number)() as u32 & 15)
    }

    fn flags(&mut self) -> (PathFlags, OpenFlags, DescriptorFlags) {
        let bits = (self.number)();
        let set = |bit: u32| bits >> bit & 1 == 1;
        let follow = if set(0) { PathFlags::SYMLINK_FOLLOW } else { PathFlags::default() };
        let (mut open, mut flags) = (OpenFlags::default(), DescriptorFlags::default());
        let ways = [OpenFlags::CREATE, OpenFlags::DIRECTORY, OpenFlags::EXCLUSIVE, OpenFlags::TRUNCATE];
        (1..).zip(ways).filter(|(bit, _)| set(*bit)).for_each(|(_, way)| open |= way);
        (5..)
            .zip([DescriptorFlags::READ, DescriptorFlags::WRITE])
            .filter(|(bit, _)| set(*bit))
            .for_each(|(_, f)| flags |= f);
        (follow, open, flags)
    }
}

impl Wasi {
    /// Makes one call, whatever becomes of it.
    pub(crate) fn any_call(&mut self, kind: u8, mut said: Said<'_>) {
        let (this, text) = (said.handle(), said.text);
        match kind % 24 {
            0..=2 => {
                let (follow, open, flags) = said.flags();
                drop(self.opened(&this, follow, text, open, flags));
            }
            3 => {
                let at = (said.number)();
                drop(self.input(&this, at).map(|input| self.handles.push(input)));
            }
            4 => {
                let at = (said.number)();
                let output = self.output(&this, (at != 0).then_some(at));
                drop(output.map(|output| self.handles.push(output)));
            }
            5 => drop(self.listing(&this).map(|listing| self.handles.push(listing))),
            6 => drop(self.next_entry(&said.handle())),
            7 => drop(self.read_at(&this, (said.number)(), (said.number)())),
            8 => drop(self.write_at(&this, text.as_bytes(), (said.number)())),
            9 => drop(self.next_bytes(&said.handle(), (said.number)())),
            10 => drop(self.put_bytes(&said.handle(), text.as_bytes())),
            11 => drop(self.put_zeroes(&said.handle(), (said.number)())),
            12 => drop(self.splice(&said.handle(), &said.handle(), (said.number)())),
            13 => drop(self.skip(&said.handle(), (said.number)())),
            14 => drop(self.handles.push(Pollable::Due((said.number)()))),
            15 => drop(self.poll(&[said.handle(), said.handle()])),
            16 => drop(self.is_ready(&said.handle())),
            17 => drop(self.random_bytes((said.number)())),
            18 => drop(self.handles.push(if text.is_empty() {
                Input::Standard
            } else {
                Input::Text { bytes: text.as_bytes().into(), at: 3 }
            })),
            19 => drop(self.handles.push(Output::Printer { error: text.is_empty() })),
            20 => drop(self.touch(this.rep(), NewTimestamp::Now.given(1), Some((said.number)()))),
            21 => {
                let _ = (self.same_object(&this, &said.handle()), self.flags(&this), self.kind(&this));
            }
            22 => self.close(this.rep()),
            _ => {
                let (follow, ..) = said.flags();
                let _ = self.about_at(&this, follow, text).map(super::files::hash_of);
                let _ = self.rename(this.rep(), text, said.handle::<super::types::Descriptor>().rep(), "moved");
            }
        }
    }
}
