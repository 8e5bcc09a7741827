//! Programs' way to the network, where they have one: a listener on the sandbox's own loopback. The agent hands bytes on
//! between its connections and the host, and understands none of them: the host speaks HTTP, looks names up and decides.
//!
//! Neither side sends more of a connection than the other has taken up to a window, so that nothing piles up.

use crate::Voice;
use crate::protocol::{CHUNK, Fields, Frame, Kind, MOST_CONNECTIONS, WINDOW};
use crate::sys::{POLLIN, POLLOUT, PollFd};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

pub struct Egress {
    listener: TcpListener,
    lines: Vec<Line>,
    next: u32,
}

/// One connection of a program's.
struct Line {
    id: u32,
    stream: TcpStream,
    /// What the program has not taken yet.
    waiting: VecDeque<u8>,
    /// What the host takes before it says so.
    credit: usize,
    /// The program sends no more.
    silent: bool,
    /// The host sends no more.
    told: bool,
    gone: bool,
}

impl Egress {
    pub fn listen(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, lines: Vec::new(), next: 1 })
    }

    /// What it waits for.
    pub fn wants(&self, fds: &mut Vec<PollFd>) {
        if self.lines.len() < MOST_CONNECTIONS {
            fds.push(PollFd { fd: self.listener.as_raw_fd(), events: POLLIN, revents: 0 });
        }
        for line in &self.lines {
            let reads = if line.reads() { POLLIN } else { 0 };
            let writes = if line.waiting.is_empty() { 0 } else { POLLOUT };
            if reads | writes != 0 {
                fds.push(PollFd { fd: line.stream.as_raw_fd(), events: reads | writes, revents: 0 });
            }
        }
    }

    /// Moves what can be moved now.
    pub fn pump(&mut self, ready: &impl Fn(i32) -> bool, voice: &mut Voice) {
        for line in self.lines.iter_mut().filter(|line| ready(line.stream.as_raw_fd())) {
            line.read_once(voice);
            line.write_once(voice);
        }
        self.lines.retain(|line| !line.is_over());
        if ready(self.listener.as_raw_fd()) {
            self.accept(voice);
        }
    }

    fn accept(&mut self, voice: &mut Voice) {
        while self.lines.len() < MOST_CONNECTIONS
            && let Ok((stream, _)) = self.listener.accept()
        {
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let id = self.next;
            self.next = self.next.wrapping_add(1);
            voice.say(Kind::Connect, id, &[]);
            let waiting = VecDeque::new();
            self.lines.push(Line { id, stream, waiting, credit: WINDOW, silent: false, told: false, gone: false });
        }
    }

    /// What the host says of a connection. One that is gone by now is not found.
    pub fn hear(&mut self, frame: &Frame, voice: &mut Voice) {
        let Some(line) = self.lines.iter_mut().find(|line| line.id == frame.id) else { return };
        match frame.kind {
            Kind::Data => {
                line.waiting.extend(&frame.payload);
                line.write_once(voice);
            }
            Kind::Shut if frame.payload.first() == Some(&0) => {
                line.told = true;
                line.end_when_empty();
            }
            Kind::Shut => line.gone = true,
            Kind::Credit => {
                let more = Fields(&frame.payload).number().unwrap_or_default() as usize;
                line.credit = line.credit.saturating_add(more).min(WINDOW);
            }
            _ => {}
        }
        self.lines.retain(|line| !line.is_over());
    }
}

impl Line {
    fn reads(&self) -> bool {
        !self.silent && self.credit > 0
    }

    fn is_over(&self) -> bool {
        self.gone || (self.silent && self.told && self.waiting.is_empty())
    }

    fn lost(&mut self, voice: &mut Voice) {
        if !self.gone {
            self.gone = true;
            voice.say(Kind::Hung, self.id, &[1]);
        }
    }

    fn read_once(&mut self, voice: &mut Voice) {
        if !self.reads() || self.gone {
            return;
        }
        let mut bytes = [0; CHUNK];
        let room = bytes.get_mut(..self.credit.min(CHUNK)).unwrap_or_default();
        match self.stream.read(room) {
            Ok(0) => {
                self.silent = true;
                voice.say(Kind::Hung, self.id, &[0]);
            }
            Ok(count) => {
                self.credit -= count;
                voice.say(Kind::Sent, self.id, bytes.get(..count).unwrap_or_default());
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.lost(voice),
        }
    }

    fn write_once(&mut self, voice: &mut Voice) {
        if self.waiting.is_empty() || self.gone {
            return;
        }
        let (front, _) = self.waiting.as_slices();
        match self.stream.write(front) {
            Ok(count) => {
                self.waiting.drain(..count);
                voice.say(Kind::Drained, self.id, &(count as u32).to_le_bytes());
                self.end_when_empty();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.lost(voice),
        }
    }

    fn end_when_empty(&mut self) {
        if self.told && self.waiting.is_empty() {
            // One that is gone already is found out by reading.
            drop(self.stream.shutdown(Shutdown::Write));
        }
    }
}
