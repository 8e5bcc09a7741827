//! One connection of a program's, from its request to its end: judged, connected to, and relayed both ways.

use super::http::{self, Body, Request};
use super::{Contact, Guide, HostPort, Network, Outcome};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a connection to the server may take, all its addresses together.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a program may take to say what it wants.
pub(crate) const ASKED_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection lasts on which nothing moves in either direction.
const IDLE: Duration = Duration::from_secs(120);
/// How often a silent direction looks whether the other one is silent too.
const LOOK: Duration = Duration::from_secs(5);
/// Bytes moved at a time.
const PIECE: usize = 32 << 10;
/// The most contacts that are remembered one by one between two looks.
const MOST_CONTACTS: usize = 1000;

/// The program's side of a connection. Reads and writes end with an error once it is gone; a read gives up with
/// `TimedOut` after the time it was given.
pub(crate) trait Program: Send + Sync + 'static {
    /// Bytes of the program's; 0 at their end.
    fn read(&self, into: &mut [u8], within: Duration) -> io::Result<usize>;
    /// Bytes for the program.
    fn write_all(&self, bytes: &[u8]) -> io::Result<()>;
    /// No more bytes for the program.
    fn end(&self);
    /// The end of everything.
    fn close(&self);
}

/// What all connections of one sandbox share.
pub(crate) struct Proxy {
    network: Network,
    guide: Arc<Guide>,
    left: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    contacts: Vec<Contact>,
    /// How many were forgotten before the first of them.
    gone: usize,
}

/// A place in the book.
#[derive(Debug, Clone, Copy)]
struct Entry(usize);

impl Proxy {
    pub(crate) fn new(network: Network, guide: Arc<Guide>) -> Self {
        let left = AtomicU64::new(network.most_bytes);
        Self { network, guide, left, book: Mutex::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the next contact will stand.
    pub(crate) fn mark(&self) -> usize {
        let book = self.book();
        book.gone + book.contacts.len()
    }

    /// What has come since that mark, as it stands now.
    pub(crate) fn since(&self, mark: usize) -> Vec<Contact> {
        let book = self.book();
        book.contacts.get(mark.saturating_sub(book.gone)..).unwrap_or_default().to_vec()
    }

    fn note(&self, target: Option<HostPort>, outcome: Outcome, address: Option<IpAddr>) -> Entry {
        let mut book = self.book();
        if book.contacts.len() >= MOST_CONTACTS {
            let half = MOST_CONTACTS / 2;
            book.contacts.drain(..half);
            book.gone += half;
        }
        book.contacts.push(Contact { target, outcome, address, sent: 0, received: 0 });
        Entry(book.gone + book.contacts.len() - 1)
    }

    fn update(&self, entry: Entry, change: impl FnOnce(&mut Contact)) {
        let mut book = self.book();
        let index = entry.0.checked_sub(book.gone);
        if let Some(contact) = index.and_then(|index| book.contacts.get_mut(index)) {
            change(contact);
        }
    }

    /// Takes so many bytes off what is left; whether they were there.
    fn spend(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let spent = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(bytes));
        // What does not fit is over, and with it all that comes after.
        spent.inspect_err(|_| self.left.store(0, Ordering::SeqCst)).is_ok()
    }

    /// Serves one connection to its end. Every way out closes the program's side.
    pub(crate) fn serve(self: &Arc<Self>, program: &Arc<dyn Program>) {
        match self.meet(program) {
            Ok(()) => {}
            Err(Refused { status, why }) => {
                // What is said of a target alone has no subject.
                let subject = if why.starts_with("is ") || why.starts_with("has ") { "the target " } else { "" };
                let body = format!("aic: {subject}{why}\n");
                let length = body.len();
                let reply = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                let told = program.write_all(reply.as_bytes());
                if told.is_ok() {
                    program.end();
                    linger(&**program);
                }
            }
        }
        program.close();
    }

    fn meet(self: &Arc<Self>, program: &Arc<dyn Program>) -> Result<(), Refused> {
        let (mut bytes, began) = (Vec::new(), Instant::now());
        let end = loop {
            if let Some(end) = http::end_of_head(&bytes) {
                break end;
            }
            if bytes.len() > http::MOST_HEAD {
                return Err(self.refuse(None, Outcome::BadRequest, "the request's head is too long"));
            }
            let mut piece = [0; 4096];
            match program.read(&mut piece, ASKED_WITHIN.saturating_sub(began.elapsed())) {
                Ok(count @ 1..) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
                // Nothing was asked for, so there is nothing to answer.
                Ok(0) | Err(_) if bytes.is_empty() => return Ok(()),
                Ok(_) | Err(_) => return Err(self.refuse(None, Outcome::BadRequest, "the request has no end")),
            }
        };
        let rest = bytes.split_off(end);
        let request = http::read(&bytes).map_err(|(target, why)| self.refuse(target, Outcome::BadRequest, why))?;
        let target = request.target().clone();
        if !self.network.allow.contains(&target) {
            return Err(self.refuse(Some(target), Outcome::NotAllowed, ""));
        }
        if self.left.load(Ordering::SeqCst) == 0 {
            return Err(self.refuse(Some(target), Outcome::UsedUp, ""));
        }
        let found = self.guide.find(&target).map_err(|outcome| self.refuse(Some(target.clone()), outcome, ""))?;
        let (server, address) =
            connect(&found).ok_or_else(|| self.refuse(Some(target.clone()), Outcome::Unreachable, ""))?;
        let entry = self.note(Some(target), Outcome::Reached, Some(address.ip()));
        let link = Arc::new(Link {
            proxy: Arc::clone(self),
            program: Arc::clone(program),
            server,
            entry,
            began: Instant::now(),
            moved: AtomicU64::new(0),
        });
        // A break in the middle is the program's to see; there is no answer to give any more.
        drop(link.relay(request, rest));
        Ok(())
    }

    fn refuse(&self, target: Option<HostPort>, outcome: Outcome, why: &str) -> Refused {
        let status = match outcome {
            Outcome::BadRequest => "400 Bad Request",
            Outcome::Unreachable => "502 Bad Gateway",
            _ => "403 Forbidden",
        };
        let what = target.as_ref().map(|target| format!("{target} ")).unwrap_or_default();
        let why = if why.is_empty() { format!("{what}{outcome}") } else { why.to_owned() };
        self.note(target, outcome, None);
        Refused { status, why }
    }
}

struct Refused {
    status: &'static str,
    why: String,
}

/// Reads on for a moment, so that the answer is not lost to the reset that unread bytes cause.
fn linger(program: &dyn Program) {
    let mut piece = [0; 4096];
    for _ in 0..16 {
        if !matches!(program.read(&mut piece, Duration::from_secs(1)), Ok(1..)) {
            return;
        }
    }
}

fn connect(addresses: &[SocketAddr]) -> Option<(TcpStream, SocketAddr)> {
    let began = Instant::now();
    for address in addresses.iter().take(8) {
        let left = CONNECT_WITHIN.checked_sub(began.elapsed()).filter(|left| !left.is_zero())?;
        if let Ok(server) = TcpStream::connect_timeout(address, left) {
            // Small requests must not wait for each other.
            drop(server.set_nodelay(true));
            return Some((server, *address));
        }
    }
    None
}

/// A connection that was made.
struct Link {
    proxy: Arc<Proxy>,
    program: Arc<dyn Program>,
    server: TcpStream,
    entry: Entry,
    began: Instant,
    /// When anything moved last, in milliseconds since it began.
    moved: AtomicU64,
}

impl Link {
    fn relay(self: &Arc<Self>, request: Request, rest: Vec<u8>) -> io::Result<()> {
        self.server.set_read_timeout(Some(LOOK))?;
        self.server.set_write_timeout(Some(IDLE))?;
        if matches!(request, Request::Tunnel(_)) {
            self.program.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        }
        let back = Arc::clone(self);
        let thread = std::thread::Builder::new().name("egress-back".into());
        let thread = thread.spawn(move || back.down())?;
        let mut source = Source { link: self, rest, at: 0 };
        let sent = match request {
            Request::Tunnel(_) => source.all().map(|()| drop(self.server.shutdown(Shutdown::Write))),
            // Not half-closed: some servers take that for the client's end.
            Request::Plain(_, head, body) => {
                self.up(&head).and_then(|()| source.body(body)).and_then(|()| source.ignore())
            }
        };
        if sent.is_err() {
            drop(self.server.shutdown(Shutdown::Both));
            self.program.close();
        }
        drop(thread.join());
        sent
    }

    fn touch(&self) {
        self.moved.store(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(moved) >= IDLE
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        self.touch();
        if self.proxy.spend(bytes) {
            return Ok(());
        }
        self.proxy.update(self.entry, |contact| contact.outcome = Outcome::UsedUp);
        drop(self.server.shutdown(Shutdown::Both));
        Err(ErrorKind::QuotaExceeded.into())
    }

    /// To the server.
    fn up(&self, bytes: &[u8]) -> io::Result<()> {
        self.spend(bytes.len())?;
        (&self.server).write_all(bytes)?;
        self.proxy.update(self.entry, |contact| contact.sent += bytes.len() as u64);
        Ok(())
    }

    /// From the server, until it has no more.
    fn down(&self) {
        let mut piece = vec![0; PIECE];
        loop {
            match (&self.server).read(&mut piece) {
                Ok(0) => return self.program.end(),
                Ok(count) => {
                    let bytes = piece.get(..count).unwrap_or_default();
                    let handed = self.spend(count).and_then(|()| self.program.write_all(bytes));
                    if handed.is_err() {
                        break;
                    }
                    self.proxy.update(self.entry, |contact| contact.received += count as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && !self.is_idle() => {}
                Err(_) => break,
            }
        }
        drop(self.server.shutdown(Shutdown::Both));
        self.program.close();
    }
}

/// What a program sends, from what was read too much with its request on.
struct Source<'a> {
    link: &'a Arc<Link>,
    rest: Vec<u8>,
    at: usize,
}

impl Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let waiting = self.rest.get(self.at..).unwrap_or_default();
        if !waiting.is_empty() {
            let count = waiting.len().min(into.len());
            into.iter_mut().zip(waiting).for_each(|(slot, byte)| *slot = *byte);
            self.at += count;
            return Ok(count);
        }
        loop {
            match self.link.program.read(into, LOOK) {
                Err(error) if error.kind() == ErrorKind::TimedOut && !self.link.is_idle() => {}
                result => return result,
            }
        }
    }

    /// All of it.
    fn all(&mut self) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            match self.read(&mut piece)? {
                0 => return Ok(()),
                count => self.link.up(piece.get(..count).unwrap_or_default())?,
            }
        }
    }

    /// Reads to the end without handing anything on.
    fn ignore(&mut self) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        while self.read(&mut piece)? > 0 {}
        Ok(())
    }

    /// The body of one request, and nothing after it: a second request could name another host.
    fn body(&mut self, body: Body) -> io::Result<()> {
        match body {
            Body::Length(length) => self.exactly(length),
            Body::Chunked => loop {
                let line = self.line()?;
                let length = http::chunk_length(&line).ok_or(ErrorKind::InvalidData)?;
                if length == 0 {
                    // Trailers are read over: they could not be judged.
                    while !self.line()?.is_empty() {}
                    return self.link.up(b"0\r\n\r\n");
                }
                self.link.up(format!("{length:x}\r\n").as_bytes())?;
                self.exactly(length)?;
                if !self.line()?.is_empty() {
                    return Err(ErrorKind::InvalidData.into());
                }
                self.link.up(b"\r\n")?;
            },
        }
    }

    fn exactly(&mut self, mut left: u64) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let count = self.read(piece.get_mut(..most).unwrap_or_default())?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.link.up(piece.get(..count).unwrap_or_default())?;
            left -= count as u64;
        }
        Ok(())
    }

    /// One line, without its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let (mut line, mut byte) = (Vec::new(), [0]);
        loop {
            if self.read(&mut byte)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            line.extend_from_slice(&byte);
            if line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                return Ok(line);
            }
            if line.len() > 4096 || byte == *b"\n" {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }
}
