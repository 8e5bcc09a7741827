//! Files: the folders that a guest has from the beginning, and all that is beneath them.

use super::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Input, Listing,
    MetadataHash, NewTimestamp, OpenFlags, Output, PathFlags, StreamFault,
};
use super::{Holds, MOST_MOVED, Offered, functions};
use crate::worker::random::SplitMix64;
use crate::worker::wasi::files::{About, How};
use crate::worker::wasi::mem::MOST_TEXT;
use crate::worker::wasi::nodes::{FOLDER, Node, REGULAR, UNKNOWN};
use crate::worker::wasi::{Errno, Wasi};
use std::collections::VecDeque;
use std::sync::Arc;
use wasmtime::component::{Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};

/// Entries of folders that were listed and not yet told of, in all.
const MOST_ENTRIES: usize = 200_000;

/// What a call on a descriptor gives.
type Filed<T> = Result<T, ErrorCode>;
type This = Resource<Descriptor>;

/// A path as a guest may write it.
fn checked(path: &str) -> Result<&str, Errno> {
    match path {
        _ if path.len() > MOST_TEXT as usize => Err(Errno::NAMETOOLONG),
        _ if path.contains('\0') => Err(Errno::INVAL),
        _ => Ok(path),
    }
}

fn follows(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

/// Two numbers that are the same for the same state of the same file.
pub(super) fn hash_of(about: About) -> MetadataHash {
    let mixed = |seed: u64, more: u64| SplitMix64(SplitMix64(seed).next() ^ more).next();
    MetadataHash { lower: mixed(about.inode, about.device), upper: mixed(about.modified ^ about.changed, about.size) }
}

impl Wasi {
    /// The folders that a guest has from the beginning. However often it asks and gives them back, they stay open.
    fn preopened(&self) -> Vec<(This, String)> {
        let all = self.table.preopened().into_iter();
        all.map(|(number, path)| (Resource::new_own(number), path.to_owned())).collect()
    }

    pub(super) fn close(&mut self, number: u32) {
        if self.table.slot(number).is_ok_and(|slot| slot.preopen.is_none()) {
            let _ = self.table.close(number);
        }
    }

    pub(super) fn opened(
        &mut self,
        this: &This,
        follow: PathFlags,
        path: &str,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Filed<This> {
        let how = How {
            read: flags.contains(DescriptorFlags::READ),
            write: flags.contains(DescriptorFlags::WRITE),
            create: open.contains(OpenFlags::CREATE),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate: open.contains(OpenFlags::TRUNCATE),
            append: false,
            folder: open.contains(OpenFlags::DIRECTORY),
            follow: follows(follow),
        };
        Ok(Resource::new_own(self.open(this.rep(), checked(path)?, how)?))
    }

    pub(super) fn flags(&mut self, this: &This) -> Filed<DescriptorFlags> {
        Ok(match self.table.node(this.rep())? {
            Node::Folder { folder, .. } if folder.writable => DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
            Node::Open { read, write, .. } => {
                let mut flags = if *read { DescriptorFlags::READ } else { DescriptorFlags::default() };
                if *write {
                    flags |= DescriptorFlags::WRITE;
                }
                flags
            }
            _ => DescriptorFlags::READ,
        })
    }

    pub(super) fn kind(&mut self, this: &This) -> Filed<DescriptorType> {
        Ok(DescriptorType::of(match self.table.node(this.rep())? {
            Node::Folder { .. } | Node::Shelf => FOLDER,
            Node::Open { .. } | Node::Text { seeks: true, .. } => REGULAR,
            Node::Text { .. } | Node::Printer { .. } => UNKNOWN,
        }))
    }

    pub(super) fn input(&mut self, this: &This, at: u64) -> Result<Input, Errno> {
        match self.table.node(this.rep())? {
            Node::Text { bytes, seeks: true, .. } => Ok(Input::Text { bytes: Arc::clone(bytes), at }),
            Node::Open { file, read: true, .. } => Ok(Input::File { file: Arc::clone(file), at }),
            Node::Shelf | Node::Folder { .. } => Err(Errno::ISDIR),
            _ => Err(Errno::BADF),
        }
    }

    /// On its end where no place is said.
    pub(super) fn output(&mut self, this: &This, at: Option<u64>) -> Result<Output, Errno> {
        match self.table.node(this.rep())? {
            Node::Open { file, write: true, .. } => Ok(Output::File { file: Arc::clone(file), at }),
            Node::Shelf | Node::Folder { .. } => Err(Errno::ISDIR),
            _ => Err(Errno::BADF),
        }
    }

    /// Puts what was made for a guest among its handles.
    fn kept<R: Send + 'static>(&mut self, made: Result<R, Errno>) -> Result<Filed<Resource<R>>> {
        Ok(match made {
            Ok(made) => Ok(self.handles.push(made)?),
            Err(errno) => Err(errno.into()),
        })
    }

    /// The bytes, and whether they are the last.
    pub(super) fn read_at(&mut self, this: &This, length: u64, offset: u64) -> Filed<(Vec<u8>, bool)> {
        let bytes = self.table.piece(this.rep(), offset, length.min(MOST_MOVED) as usize)?;
        let over = bytes.is_empty() && length > 0;
        Ok((bytes, over))
    }

    pub(super) fn write_at(&mut self, this: &This, bytes: &[u8], offset: u64) -> Filed<u64> {
        let Output::File { file, .. } = self.output(this, Some(offset))? else { return Err(ErrorCode::Io) };
        self.table.write_all(&file, &mut Some(offset), bytes)?;
        Ok(bytes.len() as u64)
    }

    /// The entries that may be told of, one more folder's among them.
    pub(super) fn listing(&mut self, this: &This) -> Result<Listing, Errno> {
        let entries = self.table.entries(this.rep())?;
        self.listed += entries.len();
        if self.listed > MOST_ENTRIES {
            self.listed -= entries.len();
            return Err(Errno::NOMEM);
        }
        Ok(Listing(VecDeque::from(entries)))
    }

    pub(super) fn next_entry(&mut self, this: &Resource<Listing>) -> Result<Filed<Option<DirectoryEntry>>> {
        let Some(entry) = self.handles.get_mut(this)?.0.pop_front() else { return Ok(Ok(None)) };
        self.listed -= 1;
        // Names that are no UTF-8 have no form in preview 2.
        let name = String::from_utf8(entry.name).map_err(|_| ErrorCode::IllegalByteSequence);
        Ok(name.map(|name| Some(DirectoryEntry { kind: DescriptorType::of(entry.kind), name })))
    }

    pub(super) fn same_object(&mut self, this: &This, other: &This) -> bool {
        let mut place = |this: &This| self.table.about(this.rep()).ok().map(|about| (about.device, about.inode));
        let (one, two) = (place(this), place(other));
        this.rep() == other.rep() || one == two && one.is_some_and(|(device, _)| device != 0)
    }

    pub(super) fn about_at(&mut self, this: &This, flags: PathFlags, path: &str) -> Filed<About> {
        Ok(self.about_path(this.rep(), checked(path)?, follows(flags))?)
    }
}

pub(super) fn preopens<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered: "get-directories" => |wasi| wasi.preopened(); }
    Ok(())
}

pub(super) fn types<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    offered.names.extend(["descriptor", "directory-entry-stream"]);
    let close = |mut store: StoreContextMut<'_, T>, number| {
        store.data_mut().wasi().close(number);
        Ok(())
    };
    offered.instance.resource("descriptor", ResourceType::host::<Descriptor>(), close)?;
    let forget = |mut store: StoreContextMut<'_, T>, number| {
        let wasi = store.data_mut().wasi();
        wasi.listed -= wasi.handles.delete(Resource::<Listing>::new_own(number))?.0.len();
        Ok(())
    };
    offered.instance.resource("directory-entry-stream", ResourceType::host::<Listing>(), forget)?;
    contents(offered)?;
    paths(offered)
}

/// The calls about what is open.
fn contents<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered:
        "[method]descriptor.read-via-stream" => |wasi, this: This, offset: u64| {
            let made = wasi.input(&this, offset);
            wasi.kept(made)?
        };
        "[method]descriptor.write-via-stream" => |wasi, this: This, offset: u64| {
            let made = wasi.output(&this, Some(offset));
            wasi.kept(made)?
        };
        "[method]descriptor.append-via-stream" => |wasi, this: This| {
            let made = wasi.output(&this, None);
            wasi.kept(made)?
        };
        "[method]descriptor.read-directory" => |wasi, this: This| {
            let made = wasi.listing(&this);
            wasi.kept(made)?
        };
        "[method]directory-entry-stream.read-directory-entry" => |wasi, this: Resource<Listing>| {
            wasi.next_entry(&this)?
        };
        "[method]descriptor.advise" => |wasi, this: This, _offset: u64, _length: u64, _advice: Advice| {
            wasi.kind(&this).map(drop)
        };
        // What a guest writes is its host's to keep; making sure that a disk has it is not the guest's.
        "[method]descriptor.sync" => |wasi, this: This| wasi.kind(&this).map(drop);
        "[method]descriptor.sync-data" => |wasi, this: This| wasi.kind(&this).map(drop);
        "[method]descriptor.get-flags" => |wasi, this: This| wasi.flags(&this);
        "[method]descriptor.get-type" => |wasi, this: This| wasi.kind(&this);
        "[method]descriptor.set-size" => |wasi, this: This, size: u64| {
            wasi.table.resize(this.rep(), size).map_err(ErrorCode::from)
        };
        "[method]descriptor.set-times" => |wasi, this: This, accessed: NewTimestamp, modified: NewTimestamp| {
            let now = wasi.today();
            wasi.touch(this.rep(), accessed.given(now), modified.given(now)).map_err(ErrorCode::from)
        };
        "[method]descriptor.read" => |wasi, this: This, length: u64, offset: u64| wasi.read_at(&this, length, offset);
        "[method]descriptor.write" => |wasi, this: This, bytes: Vec<u8>, offset: u64| {
            wasi.write_at(&this, &bytes, offset)
        };
        "[method]descriptor.stat" => |wasi, this: This| {
            wasi.table.about(this.rep()).map(DescriptorStat::from).map_err(ErrorCode::from)
        };
        "[method]descriptor.is-same-object" => |wasi, this: This, other: This| wasi.same_object(&this, &other);
        "[method]descriptor.metadata-hash" => |wasi, this: This| {
            wasi.table.about(this.rep()).map(hash_of).map_err(ErrorCode::from)
        };
        "filesystem-error-code" => |wasi, error: Resource<StreamFault>| {
            let StreamFault(errno) = wasi.handles.get(&error)?;
            Some(ErrorCode::from(*errno))
        };
    }
    Ok(())
}

/// The calls about paths. Each begins at a folder that the guest has, and ends beneath it.
fn paths<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    functions! { offered:
        "[method]descriptor.open-at" =>
        |wasi, this: This, follow: PathFlags, path: String, open: OpenFlags, flags: DescriptorFlags| {
            wasi.opened(&this, follow, &path, open, flags)
        };
        "[method]descriptor.stat-at" => |wasi, this: This, flags: PathFlags, path: String| {
            wasi.about_at(&this, flags, &path).map(DescriptorStat::from)
        };
        "[method]descriptor.metadata-hash-at" => |wasi, this: This, flags: PathFlags, path: String| {
            wasi.about_at(&this, flags, &path).map(hash_of)
        };
        "[method]descriptor.set-times-at" =>
        |wasi, this: This, flags: PathFlags, path: String, accessed: NewTimestamp, modified: NewTimestamp| {
            let (now, follow) = (wasi.today(), follows(flags));
            let (accessed, modified) = (accessed.given(now), modified.given(now));
            let done = checked(&path).and_then(|path| wasi.touch_path(this.rep(), path, follow, accessed, modified));
            done.map_err(ErrorCode::from)
        };
        "[method]descriptor.create-directory-at" => |wasi, this: This, path: String| {
            checked(&path).and_then(|path| wasi.make_folder(this.rep(), path)).map_err(ErrorCode::from)
        };
        "[method]descriptor.readlink-at" => |wasi, this: This, path: String| {
            let link = checked(&path).and_then(|path| wasi.link(this.rep(), path));
            link.and_then(|link| String::from_utf8(link).map_err(|_| Errno::ILSEQ)).map_err(ErrorCode::from)
        };
        "[method]descriptor.remove-directory-at" => |wasi, this: This, path: String| {
            checked(&path).and_then(|path| wasi.unlink(this.rep(), path, true)).map_err(ErrorCode::from)
        };
        "[method]descriptor.unlink-file-at" => |wasi, this: This, path: String| {
            checked(&path).and_then(|path| wasi.unlink(this.rep(), path, false)).map_err(ErrorCode::from)
        };
        "[method]descriptor.rename-at" => |wasi, this: This, path: String, to: This, new: String| {
            let both = checked(&path).and_then(|path| Ok((path, checked(&new)?)));
            both.and_then(|(path, new)| wasi.rename(this.rep(), path, to.rep(), new)).map_err(ErrorCode::from)
        };
        // Why not: as for preview 1.
        "[method]descriptor.link-at" => |_, _this: This, _flags: PathFlags, _path: String, _to: This, _new: String| {
            Err::<(), _>(ErrorCode::Unsupported)
        };
        "[method]descriptor.symlink-at" => |_, _this: This, _old: String, _new: String| {
            Err::<(), _>(ErrorCode::Unsupported)
        };
    }
    Ok(())
}
