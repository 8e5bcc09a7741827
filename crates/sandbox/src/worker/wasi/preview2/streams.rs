//! Streams of bytes: the standard ones, and those that are opened on files. None keeps its guest waiting.

use super::types::{Input, Output, Pollable, StreamError, StreamFault};
use super::{Holds, MOST_MOVED, Offered, functions, refused};
use crate::worker::wasi::nodes::{piece_of_file, piece_of_text};
use crate::worker::wasi::{Errno, Wasi};
use wasmtime::Result;
use wasmtime::component::Resource;

/// What a call on a stream gives; the outer error ends the run.
type Streamed<T> = Result<Result<T, StreamError>>;

impl Wasi {
    fn fault<R>(&mut self, errno: Errno) -> Streamed<R> {
        Ok(Err(StreamError::LastOperationFailed(self.handles.push(StreamFault(errno))?)))
    }

    fn streamed<R>(&mut self, done: Result<R, Errno>) -> Streamed<R> {
        match done {
            Ok(value) => Ok(Ok(value)),
            Err(errno) => self.fault(errno),
        }
    }

    /// The next bytes, of which there are none only where none are asked for.
    pub(super) fn next_bytes(&mut self, stream: &Resource<Input>, wanted: u64) -> Streamed<Vec<u8>> {
        let most = wanted.min(MOST_MOVED) as usize;
        let read = match self.handles.get_mut(stream)? {
            Input::Standard => {
                let mut bytes = vec![0; most];
                self.table.read(0, &mut bytes).map(|count| {
                    bytes.truncate(count);
                    bytes
                })
            }
            Input::Text { bytes, at } => {
                let piece = piece_of_text(bytes, *at, most);
                *at = at.saturating_add(piece.len() as u64);
                Ok(piece)
            }
            Input::File { file, at } => piece_of_file(file, *at, most).inspect(|piece| {
                *at = at.saturating_add(piece.len() as u64);
            }),
        };
        match read {
            Ok(bytes) if bytes.is_empty() && wanted > 0 => Ok(Err(StreamError::Closed)),
            read => self.streamed(read),
        }
    }

    pub(super) fn put_bytes(&mut self, stream: &Resource<Output>, bytes: &[u8]) -> Streamed<()> {
        let written = match self.handles.get_mut(stream)? {
            Output::Printer { error } => {
                self.table.print(*error, bytes);
                Ok(())
            }
            Output::File { file, at } => self.table.write_all(file, at, bytes),
        };
        self.streamed(written)
    }

    pub(super) fn put_zeroes(&mut self, stream: &Resource<Output>, count: u64) -> Streamed<()> {
        if count > MOST_MOVED {
            return Err(refused("writes more zeroes at once than it may"));
        }
        self.put_bytes(stream, &vec![0; count as usize])
    }

    pub(super) fn splice(&mut self, to: &Resource<Output>, from: &Resource<Input>, wanted: u64) -> Streamed<u64> {
        let bytes = match self.next_bytes(from, wanted)? {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error)),
        };
        Ok(self.put_bytes(to, &bytes)?.map(|()| bytes.len() as u64))
    }

    pub(super) fn skip(&mut self, stream: &Resource<Input>, wanted: u64) -> Streamed<u64> {
        Ok(self.next_bytes(stream, wanted)?.map(|bytes| bytes.len() as u64))
    }
}

pub(super) fn error<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    offered.resource::<StreamFault>("error")?;
    functions! { offered:
        "[method]error.to-debug-string" => |wasi, this: Resource<StreamFault>| {
            let StreamFault(Errno(number)) = wasi.handles.get(&this)?;
            format!("error {number} of WASI")
        };
    }
    Ok(())
}

pub(super) fn streams<T: Holds>(offered: &mut Offered<'_, T>) -> Result<()> {
    offered.resource::<Input>("input-stream")?;
    offered.resource::<Output>("output-stream")?;
    functions! { offered:
        "[method]input-stream.read" => |wasi, this: Resource<Input>, length: u64| wasi.next_bytes(&this, length)?;
        "[method]input-stream.blocking-read" => |wasi, this: Resource<Input>, length: u64| {
            wasi.next_bytes(&this, length)?
        };
        "[method]input-stream.skip" => |wasi, this: Resource<Input>, length: u64| wasi.skip(&this, length)?;
        "[method]input-stream.blocking-skip" => |wasi, this: Resource<Input>, length: u64| wasi.skip(&this, length)?;
        "[method]input-stream.subscribe" => |wasi, _this: Resource<Input>| wasi.handles.push(Pollable::Ready)?;
        "[method]output-stream.check-write" => |_, _this: Resource<Output>| Ok::<u64, StreamError>(MOST_MOVED);
        "[method]output-stream.write" => |wasi, this: Resource<Output>, bytes: Vec<u8>| wasi.put_bytes(&this, &bytes)?;
        "[method]output-stream.blocking-write-and-flush" => |wasi, this: Resource<Output>, bytes: Vec<u8>| {
            wasi.put_bytes(&this, &bytes)?
        };
        "[method]output-stream.flush" => |_, _this: Resource<Output>| Ok::<(), StreamError>(());
        "[method]output-stream.blocking-flush" => |_, _this: Resource<Output>| Ok::<(), StreamError>(());
        "[method]output-stream.subscribe" => |wasi, _this: Resource<Output>| wasi.handles.push(Pollable::Ready)?;
        "[method]output-stream.write-zeroes" => |wasi, this: Resource<Output>, count: u64| {
            wasi.put_zeroes(&this, count)?
        };
        "[method]output-stream.blocking-write-zeroes-and-flush" => |wasi, this: Resource<Output>, count: u64| {
            wasi.put_zeroes(&this, count)?
        };
        "[method]output-stream.splice" => |wasi, this: Resource<Output>, from: Resource<Input>, length: u64| {
            wasi.splice(&this, &from, length)?
        };
        "[method]output-stream.blocking-splice" => |wasi, this: Resource<Output>, from: Resource<Input>, length: u64| {
            wasi.splice(&this, &from, length)?
        };
    }
    Ok(())
}
