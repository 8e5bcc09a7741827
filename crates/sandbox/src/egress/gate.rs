//! The host's end of a sandbox's connections: takes the agent's frames apart into connections, each served by threads
//! of its own, and frames what they answer.
//!
//! The agent is not believed: a connection that exists already, more of them than there may be, more bytes than were
//! asked for, or words that make no sense end the sandbox.

use super::proxy::{Program, Proxy};
use super::{Contact, Guide, Network};
use crate::jail::protocol::{self, CHUNK, Fields, Frame, Kind, MOST_CONNECTIONS, Nonce, WINDOW};
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Connections that are still being served on the host, those that the program has left included.
const MOST_SERVED: usize = 2 * MOST_CONNECTIONS;

/// What may wait to be written to the agent, in bytes: all windows, and their small change.
const MOST_WAITING: usize = 2 * MOST_CONNECTIONS * WINDOW;

/// The way to the agent, which is closed by taking the sender away.
pub(crate) type Questions = Arc<Mutex<Option<Sender<Question>>>>;

/// A frame on its way to the agent.
pub(crate) struct Question {
    pub(crate) bytes: Vec<u8>,
    /// Whether it lets others pass: programs' input and connections, which may be much, while a word to end a program
    /// must not wait behind it.
    pub(crate) patient: bool,
    /// The execution whose input it is; what is left of it is of no use once that is over.
    pub(crate) input_of: Option<u32>,
    /// Counts what waits of connections, which others decide on.
    weight: Option<Arc<AtomicUsize>>,
}

impl Question {
    /// A frame that the host itself wants to send.
    pub(crate) fn own(bytes: Vec<u8>) -> Self {
        Self { bytes, patient: false, input_of: None, weight: None }
    }

    /// Input of a program's.
    pub(crate) fn input(bytes: Vec<u8>, id: u32) -> Self {
        Self { bytes, patient: true, input_of: Some(id), weight: None }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(weight) = &self.weight {
            weight.fetch_sub(self.bytes.len(), Ordering::SeqCst);
        }
    }
}

pub(crate) struct Gate {
    proxy: Arc<Proxy>,
    lines: Arc<Lines>,
    served: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Lines {
    open: Mutex<HashMap<u32, Arc<Line>>>,
    voice: OnceLock<Voice>,
    /// Bytes that wait to be written to the agent.
    waiting: Arc<AtomicUsize>,
}

/// How to speak to the agent.
struct Voice {
    questions: Questions,
    nonce: Nonce,
    /// The most of a connection in one frame, in bytes.
    most: usize,
}

/// One connection.
struct Line {
    id: u32,
    lines: Arc<Lines>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    arrived: VecDeque<u8>,
    /// Bytes that came and for which there is no new credit yet.
    owed: usize,
    /// The program sends no more.
    silent: bool,
    /// What the program takes before it says so.
    credit: usize,
    /// No more goes to the program.
    told: bool,
    gone: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    pub(crate) fn new(network: Network, guide: Arc<Guide>) -> Self {
        Self { proxy: Arc::new(Proxy::new(network, guide)), lines: Arc::default(), served: Arc::default() }
    }

    /// How to speak to the agent, in frames that carry no more than `most` bytes; before anything is heard.
    pub(crate) fn open(&self, questions: Questions, nonce: Nonce, most: usize) {
        drop(self.lines.voice.set(Voice { questions, nonce, most }));
    }

    /// Ends every connection.
    pub(crate) fn close(&self) {
        let all = std::mem::take(&mut *lock(&self.lines.open));
        all.into_values().for_each(|line| line.hang_up());
    }

    /// Connections that a thread is serving, which end soon after [`Gate::close`].
    #[cfg(fuzzing)]
    pub(crate) fn serving(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// Where the next contact will stand.
    pub(crate) fn mark(&self) -> usize {
        self.proxy.mark()
    }

    /// What was reached and refused since that mark.
    pub(crate) fn since(&self, mark: usize) -> Vec<Contact> {
        self.proxy.since(mark)
    }

    /// Whether this kind of frame is about connections.
    pub(crate) fn is_about(kind: Kind) -> bool {
        matches!(kind, Kind::Connect | Kind::Sent | Kind::Hung | Kind::Drained)
    }

    /// Takes such a frame; nothing where the agent may not have sent it.
    pub(crate) fn hear(&self, frame: Frame) -> Option<()> {
        let Frame { kind, id, payload, .. } = frame;
        // One that talks and does not listen fills our memory with answers.
        if self.lines.waiting.load(Ordering::SeqCst) > MOST_WAITING {
            return None;
        }
        if kind == Kind::Connect {
            return payload.is_empty().then(|| self.connect(id))?;
        }
        let line = lock(&self.lines.open).get(&id).map(Arc::clone);
        // It may speak of one that was ended here while it spoke; what it says must make sense all the same.
        match kind {
            Kind::Sent if !payload.is_empty() && payload.len() <= CHUNK => {
                line.map_or(Some(()), |line| line.take(&payload))
            }
            Kind::Hung if payload == [0] => line.map_or(Some(()), |line| line.fall_silent()),
            Kind::Hung if payload == [1] => {
                if let Some(line) = line {
                    lock(&self.lines.open).remove(&id);
                    line.hang_up();
                }
                Some(())
            }
            Kind::Drained if payload.len() == 4 => {
                let count = Fields(&payload).number()? as usize;
                line.map_or((count <= WINDOW).then_some(()), |line| line.drained(count))
            }
            _ => None,
        }
    }

    fn connect(&self, id: u32) -> Option<()> {
        let line = {
            let mut open = lock(&self.lines.open);
            if open.len() >= MOST_CONNECTIONS || open.contains_key(&id) {
                return None;
            }
            let line = Line::new(id, &self.lines);
            open.insert(id, Arc::clone(&line));
            line
        };
        let seat = Seat::take(&self.served);
        let (proxy, program) = (Arc::clone(&self.proxy), Arc::clone(&line));
        let thread = seat.and_then(|seat| {
            let thread = std::thread::Builder::new().name("egress".into());
            let serve = move || {
                let _seat = seat;
                let program: Arc<dyn Program> = program;
                proxy.serve(&program);
            };
            thread.spawn(serve).ok()
        });
        if thread.is_none() {
            line.close();
        }
        Some(())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
    }
}

/// The right to serve one connection.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(served: &Arc<AtomicUsize>) -> Option<Self> {
        let seat = Self(Arc::clone(served));
        // Counted first, so that giving it back on the way out is right.
        (served.fetch_add(1, Ordering::SeqCst) < MOST_SERVED).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Line {
    fn new(id: u32, lines: &Arc<Lines>) -> Arc<Self> {
        let state =
            State { arrived: VecDeque::new(), owed: 0, silent: false, credit: WINDOW, told: false, gone: false };
        Arc::new(Self { id, lines: Arc::clone(lines), state: Mutex::new(state), changed: Condvar::new() })
    }

    fn say(&self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        let gone = || io::Error::from(ErrorKind::BrokenPipe);
        let Voice { questions, nonce, .. } = self.lines.voice.get().ok_or_else(gone)?;
        let mut bytes = Vec::new();
        protocol::write(&mut bytes, kind, nonce, self.id, payload)?;
        let weight = Arc::clone(&self.lines.waiting);
        weight.fetch_add(bytes.len(), Ordering::SeqCst);
        let question = Question { bytes, patient: true, input_of: None, weight: Some(weight) };
        lock(questions).as_ref().ok_or_else(gone)?.send(question).map_err(|_| gone())
    }

    fn hang_up(&self) {
        lock(&self.state).gone = true;
        self.changed.notify_all();
    }

    fn take(&self, bytes: &[u8]) -> Option<()> {
        let mut state = lock(&self.state);
        state.owed = state.owed.checked_add(bytes.len()).filter(|owed| *owed <= WINDOW && !state.silent)?;
        state.arrived.extend(bytes);
        self.changed.notify_all();
        Some(())
    }

    fn fall_silent(&self) -> Option<()> {
        let told = {
            let mut state = lock(&self.state);
            if std::mem::replace(&mut state.silent, true) {
                return None;
            }
            state.told
        };
        self.changed.notify_all();
        if told {
            lock(&self.lines.open).remove(&self.id);
        }
        Some(())
    }

    fn drained(&self, count: usize) -> Option<()> {
        let mut state = lock(&self.state);
        state.credit = state.credit.checked_add(count).filter(|credit| *credit <= WINDOW)?;
        self.changed.notify_all();
        Some(())
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        let left = left.min(Duration::from_secs(86_400));
        self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Program for Line {
    fn read(&self, into: &mut [u8], within: Duration) -> io::Result<usize> {
        let until = Instant::now() + within;
        let mut state = lock(&self.state);
        while state.arrived.is_empty() {
            if state.gone {
                return Err(ErrorKind::ConnectionReset.into());
            }
            if state.silent {
                return Ok(0);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            state = self.wait(state, left);
        }
        let count = io::Read::read(&mut state.arrived, into)?;
        state.owed = state.owed.saturating_sub(count);
        drop(state);
        self.say(Kind::Credit, &(count as u32).to_le_bytes())?;
        Ok(count)
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut bytes = bytes;
        let most = self.lines.voice.get().map_or(CHUNK, |voice| voice.most);
        while !bytes.is_empty() {
            let count = {
                let mut state = lock(&self.state);
                while state.credit == 0 && !state.gone && !state.told {
                    state = self.wait(state, Duration::from_secs(3600));
                }
                if state.gone || state.told {
                    return Err(ErrorKind::ConnectionReset.into());
                }
                let count = bytes.len().min(state.credit).min(most);
                state.credit -= count;
                count
            };
            let (now, later) = bytes.split_at(count);
            self.say(Kind::Data, now)?;
            bytes = later;
        }
        Ok(())
    }

    fn end(&self) {
        let (first, silent) = {
            let mut state = lock(&self.state);
            (!std::mem::replace(&mut state.told, true) && !state.gone, state.silent)
        };
        self.changed.notify_all();
        // Before the agent hears of it: it may take the free place at once.
        if silent {
            lock(&self.lines.open).remove(&self.id);
        }
        if first {
            drop(self.say(Kind::Shut, &[0]));
        }
    }

    fn close(&self) {
        let over = {
            let mut state = lock(&self.state);
            let gone = std::mem::replace(&mut state.gone, true);
            gone || (state.told && state.silent)
        };
        self.changed.notify_all();
        lock(&self.lines.open).remove(&self.id);
        if !over {
            drop(self.say(Kind::Shut, &[1]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::TestNetwork;
    use super::super::{HostPort, Outcome};
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    /// The gate as an agent sees it, and a server behind it that answers each connection with this function.
    struct Scene {
        gate: Gate,
        said: Receiver<Question>,
        port: u16,
    }

    fn scene(most_bytes: u64, serve: fn(std::net::TcpStream)) -> Scene {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream));
            }
        });
        let port = address.port();
        let allow = vec![format!("service.test:{port}").parse::<HostPort>().unwrap()];
        let names = [("service.test".to_owned(), vec![vec![address.ip()]])].into();
        let guide = Guide::for_tests(TestNetwork { names, let_through: vec![address] });
        let (sender, said) = channel();
        let questions: Questions = Arc::new(Mutex::new(Some(sender)));
        let gate = Gate::new(Network { allow, most_bytes }, Arc::new(guide));
        gate.open(questions, [7; 16], CHUNK);
        Scene { gate, said, port }
    }

    impl Scene {
        fn says(&self, kind: Kind, id: u32, payload: &[u8]) -> Option<()> {
            self.gate.hear(Frame { kind, nonce: [7; 16], id, payload: payload.to_vec() })
        }

        fn hears(&self) -> Frame {
            let question = self.said.recv_timeout(Duration::from_secs(60)).expect("the gate says something");
            protocol::read(&mut question.bytes.as_slice()).unwrap()
        }

        /// All that comes for a connection until it is shut, giving credit back like the agent.
        fn answer(&self, id: u32) -> (String, u8) {
            let mut text = Vec::new();
            loop {
                let frame = self.hears();
                match frame.kind {
                    Kind::Data if frame.id == id => {
                        text.extend_from_slice(&frame.payload);
                        assert!(self.says(Kind::Drained, id, &(frame.payload.len() as u32).to_le_bytes()).is_some());
                    }
                    Kind::Shut if frame.id == id => {
                        return (String::from_utf8_lossy(&text).into_owned(), frame.payload[0]);
                    }
                    _ => {}
                }
            }
        }

        fn asks(&self, id: u32, request: &str) -> String {
            assert!(self.says(Kind::Connect, id, &[]).is_some());
            assert!(self.says(Kind::Sent, id, request.as_bytes()).is_some());
            let (answer, _) = self.answer(id);
            let _ = self.says(Kind::Hung, id, &[0]);
            answer
        }
    }

    fn hello(mut stream: std::net::TcpStream) {
        let mut bytes = [0; 1000];
        let count = stream.read(&mut bytes).unwrap_or_default();
        let head = String::from_utf8_lossy(&bytes[..count]).into_owned();
        drop(stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\nyou said {head}").as_bytes()));
    }

    fn echo(mut stream: std::net::TcpStream) {
        let mut copy = stream.try_clone().unwrap();
        drop(io::copy(&mut copy, &mut stream));
        drop(stream.shutdown(std::net::Shutdown::Write));
    }

    #[test]
    fn a_place_is_free_as_soon_as_the_agent_hears_that_it_is() {
        let scene = scene(1_000_000, |_| {});
        let mut ids = 1..;
        let mut connect = || {
            let id = ids.next().unwrap();
            assert!(scene.says(Kind::Connect, id, &[]).is_some(), "connection {id}");
            assert!(scene.says(Kind::Sent, id, b"nonsense\r\n\r\n").is_some());
            assert!(scene.says(Kind::Hung, id, &[0]).is_some());
        };
        (0..MOST_CONNECTIONS).for_each(|_| connect());
        for _ in 0..3000 {
            while scene.hears().kind != Kind::Shut {}
            connect();
        }
    }

    #[test]
    fn a_request_reaches_the_host_on_the_list_and_one_host_only() {
        let scene = scene(1_000_000, hello);
        let port = scene.port;
        let get = |host: &str, header: &str| format!("GET http://{host}/x HTTP/1.1\r\n{header}\r\n\r\n");
        let both = get(&format!("service.test:{port}"), &format!("Host: service.test:{port}"));
        // A second request on the same connection could name another host; it goes nowhere.
        let answer = scene.asks(1, &format!("{both}GET /secret HTTP/1.1\r\nHost: other.test\r\n\r\n"));
        assert!(answer.contains(&format!("you said GET /x HTTP/1.1\r\nHost: service.test:{port}\r\n")), "{answer}");
        assert!(!answer.contains("secret"), "{answer}");
        for (id, host, header, status) in [
            (2, format!("other.test:{port}"), "X: y".into(), "403"),
            (3, format!("127.0.0.1:{port}"), "X: y".into(), "403"),
            (4, "169.254.169.254".into(), "X: y".into(), "403"),
            (5, "service.test:1".into(), "X: y".into(), "403"),
            (6, format!("service.test:{port}"), "Host: other.test".into(), "400"),
            (7, format!("service.test:{port}"), format!("Host: service.test:{port}\r\nHost: other.test"), "400"),
        ] {
            let answer = scene.asks(id, &get(&host, &header));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host} {header}: {answer}");
        }
        let outcomes: Vec<_> = scene.gate.since(0).into_iter().map(|contact| contact.outcome).collect();
        use Outcome::{BadRequest, NotAllowed, Reached};
        assert_eq!(outcomes, [Reached, NotAllowed, NotAllowed, NotAllowed, NotAllowed, BadRequest, BadRequest]);
    }

    #[test]
    fn a_tunnel_carries_bytes_both_ways_under_the_window_and_counts_them() {
        let scene = scene(10_000_000, echo);
        let request = format!("CONNECT service.test:{} HTTP/1.1\r\n\r\n", scene.port);
        let all: Vec<u8> = (0..1_500_000u32).map(|number| number as u8).collect();
        scene.says(Kind::Connect, 9, &[]).unwrap();
        scene.says(Kind::Sent, 9, request.as_bytes()).unwrap();
        let (mut at, mut credit, mut back) = (0, WINDOW - request.len(), Vec::new());
        let shut = loop {
            while credit > 0 && at < all.len() {
                let piece = &all[at..all.len().min(at + credit.min(CHUNK))];
                scene.says(Kind::Sent, 9, piece).unwrap();
                (at, credit) = (at + piece.len(), credit - piece.len());
                if at == all.len() {
                    scene.says(Kind::Hung, 9, &[0]).unwrap();
                }
            }
            let frame = scene.hears();
            match frame.kind {
                Kind::Credit => credit += Fields(&frame.payload).number().unwrap() as usize,
                Kind::Data => {
                    back.extend_from_slice(&frame.payload);
                    scene.says(Kind::Drained, 9, &(frame.payload.len() as u32).to_le_bytes()).unwrap();
                }
                Kind::Shut => break frame.payload,
                other => panic!("{other:?}"),
            }
        };
        let established = b"HTTP/1.1 200 Connection established\r\n\r\n";
        assert!(back.starts_with(established) && back[established.len()..] == all && shut == [0]);
        let contact = scene.gate.since(0).remove(0);
        assert_eq!((contact.outcome, contact.sent, contact.received), (Outcome::Reached, 1_500_000, 1_500_000));
    }

    #[test]
    fn a_sandbox_that_used_up_its_bytes_is_cut_off() {
        let scene = scene(1000, echo);
        let request = format!("CONNECT service.test:{} HTTP/1.1\r\n\r\n{}", scene.port, "x".repeat(600));
        scene.says(Kind::Connect, 1, &[]).unwrap();
        scene.says(Kind::Sent, 1, request.as_bytes()).unwrap();
        assert_eq!(scene.answer(1).1, 1);
        assert_eq!(scene.gate.since(0)[0].outcome, Outcome::UsedUp);
        let next = format!("CONNECT service.test:{} HTTP/1.1\r\n\r\nx", scene.port);
        assert!(scene.asks(2, &next).starts_with("HTTP/1.1 403"));
        assert_eq!(scene.gate.since(1)[0].outcome, Outcome::UsedUp);
        assert!(scene.gate.since(0).iter().map(|contact| contact.sent + contact.received).sum::<u64>() <= 1000);
    }

    #[test]
    fn an_agent_that_breaks_the_rules_is_not_heard() {
        let scene = scene(1000, hello);
        let says = |kind, id, payload: &[u8]| scene.says(kind, id, payload).is_some();
        assert!(says(Kind::Connect, 1, &[]) && !says(Kind::Connect, 1, &[]), "one that exists");
        assert!(!says(Kind::Connect, 2, b"x"));
        assert!(!says(Kind::Sent, 1, &[]) && !says(Kind::Sent, 1, &vec![0; CHUNK + 1]));
        assert!(!says(Kind::Drained, 1, &1u32.to_le_bytes()), "more than was sent");
        assert!(!says(Kind::Drained, 77, &u32::MAX.to_le_bytes()) && !says(Kind::Drained, 1, &[1]));
        assert!(!says(Kind::Hung, 1, &[2]) && !says(Kind::Hung, 1, &[]));
        // One that is not served, and so is not over before it is spoken of again.
        lock(&scene.gate.lines.open).insert(5, Line::new(5, &scene.gate.lines));
        assert!(says(Kind::Hung, 5, &[0]) && !says(Kind::Sent, 5, b"x") && !says(Kind::Hung, 5, &[0]));
        assert!(says(Kind::Sent, 99, b"x") && says(Kind::Hung, 99, &[1]), "it cannot know yet that this one is over");
        assert!(!says(Kind::Stdout, 1, b"x"));
    }

    #[test]
    fn more_than_the_window_and_more_connections_than_there_may_be_are_not_taken() {
        let scene = scene(1000, |_| {});
        // Nobody reads on: the head is too long to be one, and the rest waits.
        scene.says(Kind::Connect, 1, &[]).unwrap();
        let flood = (0..WINDOW / CHUNK + 2).map_while(|_| scene.says(Kind::Sent, 1, &vec![b'x'; CHUNK])).count();
        assert!(flood <= WINDOW / CHUNK + 2);
        let many = (2..200).map_while(|id| scene.says(Kind::Connect, id, &[])).count();
        assert!(many <= MOST_CONNECTIONS, "{many}");
    }

    #[test]
    fn one_that_talks_and_does_not_listen_ends_before_it_fills_our_memory() {
        let scene = scene(u64::MAX, hello);
        let refused = (1..100).find(|id| {
            let heard = scene.says(Kind::Connect, *id, &[]).and_then(|()| scene.says(Kind::Hung, *id, &[1]));
            // As if each had left a mebibyte of answers that nobody fetched.
            scene.gate.lines.waiting.fetch_add(1 << 20, Ordering::SeqCst);
            heard.is_none()
        });
        assert!(refused.is_some());
    }
}
