//! Whatever an agent or a program in a sandbox may send to the host: frames, messages in them, connections, and requests
//! to the proxy. The parts are compiled here by path, because the rest of their crate is an engine of no concern.
#![no_main]
#![allow(dead_code, unused_imports, reason = "parts of a crate")]

#[path = "parts/jail.rs"]
mod jail;
#[path = "../../../crates/sandbox/src/egress/mod.rs"]
mod egress;

use egress::gate::{Gate, Question, Questions};
use egress::{Network, TestNetwork};
use jail::protocol::{self, Ended, Frame, Kind, Setup, Start};
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, Mutex, mpsc};

/// Some frames of an agent's, by the first bytes, each with what follows it as its payload.
fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    const KINDS: [Kind; 6] = [Kind::Connect, Kind::Sent, Kind::Sent, Kind::Hung, Kind::Drained, Kind::Stdout];
    let mut all = Vec::new();
    while let [kind, id, length, rest @ ..] = bytes {
        let length = usize::from(*length).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        let kind = KINDS[usize::from(*kind) % KINDS.len()];
        let payload = if kind == Kind::Connect { Vec::new() } else { payload.to_vec() };
        all.push(Frame { kind, nonce: [0; 16], id: u32::from(*id % 40), payload });
        bytes = rest;
    }
    all
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = bytes;
    while let Ok(frame) = protocol::read(&mut input) {
        let mut again = Vec::new();
        protocol::write(&mut again, frame.kind, &frame.nonce, frame.id, &frame.payload).expect("it was read");
        assert_eq!(protocol::read(&mut again.as_slice()).expect("it was written"), frame);
    }
    if let Some(setup) = Setup::decode(bytes) {
        assert_eq!(Setup::decode(&setup.encode()), Some(setup));
    }
    if let Some(start) = Start::decode(bytes) {
        assert_eq!(Start::decode(&start.encode()), Some(start));
    }
    if let Some(ended) = Ended::decode(bytes) {
        assert_eq!(Ended::decode(&ended.encode()), Some(ended));
    }
    egress::fuzz(bytes);
    let Some((0, bytes)) = bytes.split_first() else { return };
    // No name leads anywhere here, so that nothing is ever connected to.
    let allow = vec!["a.test:80".parse().expect("a target"), "127.0.0.1:1".parse().expect("a target")];
    let guide = egress::Guide::for_tests(TestNetwork::default());
    let gate = Gate::new(Network { allow, ..Network::default() }, Arc::new(guide));
    let (sender, heard) = mpsc::channel::<Question>();
    let questions: Questions = Arc::new(Mutex::new(Some(sender)));
    gate.open(Arc::clone(&questions), [0; 16], protocol::CHUNK);
    for frame in frames(bytes) {
        if gate.hear(frame).is_none() {
            break;
        }
    }
    gate.close();
    // No connection outlives its sandbox; one that does is reported as an input that takes too long.
    while gate.serving() > 0 {
        std::thread::yield_now();
    }
    *questions.lock().expect("nobody panicked") = None;
    for question in heard.iter() {
        let frame = protocol::read(&mut question.bytes.as_slice()).expect("the host speaks in frames");
        assert!(matches!(frame.kind, Kind::Data | Kind::Shut | Kind::Credit));
    }
    assert!(gate.since(0).iter().all(|contact| contact.outcome != egress::Outcome::Reached));
});
