//! What a serial line needs and a pipe does not: the noise before the agent's greeting is passed over, and no more is
//! sent than the agent said it has read, because such a line holds little and drops the rest without a word.

use super::protocol::GREETING;
use std::io::{self, Read, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that may be on their way: half of what the guest's kernel holds of a line that nobody reads.
const WINDOW: u32 = 8 << 10;
/// Bytes sent at once.
const PIECE: usize = 1024;
/// The most noise before a greeting, in bytes.
const MOST_NOISE: usize = 1 << 20;

/// How much may be sent. Shared between the thread that writes and the one that reads.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What may be sent now.
    left: u32,
    over: bool,
}

impl Credit {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the greeting. What came before it is lost.
    pub(crate) fn open(&self, from: &mut impl Read) -> io::Result<()> {
        let mut matched = 0;
        let mut byte = [0];
        for _ in 0..MOST_NOISE {
            from.read_exact(&mut byte)?;
            // It begins with the only line end but its last, so a mismatch can only be its beginning or nothing.
            matched = match GREETING.get(matched) {
                Some(wanted) if *wanted == byte[0] => matched + 1,
                _ => usize::from(GREETING.first() == Some(&byte[0])),
            };
            if matched == GREETING.len() {
                self.give(WINDOW);
                return Ok(());
            }
        }
        Err(io::Error::other("a mebibyte of noise and no greeting"))
    }

    /// The agent has read so much. One that says more than it got gains nothing.
    pub(crate) fn give(&self, bytes: u32) {
        let mut state = self.lock();
        state.left = state.left.saturating_add(bytes).min(WINDOW);
        self.changed.notify_all();
    }

    /// Nobody reads any more.
    pub(crate) fn close(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// Sends it all, as fast as it is read.
    pub(crate) fn send(&self, to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            let mut state = self.lock();
            while (state.left as usize) < piece.len() && !state.over {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.over {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            state.left -= piece.len() as u32;
            drop(state);
            to.write_all(piece)?;
            to.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_found_in_noise_and_what_follows_is_left() {
        let mut line = b"[ 0.1] kernel\n\naic agent\r\n\n".to_vec();
        line.extend_from_slice(GREETING);
        line.extend_from_slice(b"rest");
        let mut left = line.as_slice();
        Credit::default().open(&mut left).unwrap();
        assert_eq!(left, b"rest");
        assert!(Credit::default().open(&mut &b"only noise"[..]).is_err());
        assert!(Credit::default().open(&mut io::repeat(b'\n')).unwrap_err().to_string().contains("no greeting"));
    }

    #[test]
    fn no_more_is_sent_than_was_read_and_an_end_wakes_the_sender() {
        let credit = Credit::default();
        credit.give(u32::MAX);
        let (mut small, mut sent) = (Vec::new(), Vec::new());
        credit.send(&mut small, &[1; 100]).unwrap();
        credit.give(u32::MAX);
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| credit.send(&mut sent, &[2; 3 * WINDOW as usize]));
            // It takes all there is, then waits; each gift lets it go on.
            while credit.lock().left > 0 {
                std::thread::yield_now();
            }
            credit.give(WINDOW);
            while credit.lock().left > 0 {
                std::thread::yield_now();
            }
            credit.close();
            assert!(sender.join().unwrap().is_err());
        });
        assert_eq!((small.len(), sent.len()), (100, 2 * WINDOW as usize));
    }
}
