//! Networks for programs: what is on the list is reached through the proxy, and nothing else is, by any way. On gVisor
//! as root and rootless, on the host's own kernel, and in a virtual machine. The servers are this test's own, on the loopback; that names lead
//! there is what `TestNetwork` is for.
#![cfg(target_os = "linux")]

mod support;

use aic_sandbox::egress::{Network, Outcome, TestNetwork};
use aic_sandbox::runtime::{Exec, ExecResult, Exit, Limit, SandboxId, SandboxSpec};
use aic_sandbox::{Cancel, Runtime};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use support::jails::Wall::{Emulated, Gvisor, Process, Rootless};
use support::jails::{Wall, is_here, python_rootfs, spec, text};

const ALL: [Wall; 3] = [Gvisor, Rootless, Process];

/// Answers each request with what it was, and bodies with themselves.
fn server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(answer(stream)));
        }
    });
    address
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 65536]);
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            count => bytes.extend_from_slice(&piece[..count]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = bytes.split_off(end);
    while body.len() < length.unwrap_or(0) {
        let count = stream.read(&mut piece)?;
        body.extend_from_slice(&piece[..count]);
    }
    if body.is_empty() {
        body = format!("SECRET for {}", head.replace("\r\n", " ")).into_bytes();
    }
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

struct Scene {
    jails: aic_sandbox::Jails,
    spec: SandboxSpec,
    address: SocketAddr,
    _state: tempfile::TempDir,
}

/// A sandbox that may reach `service.test`, `turncoat.test` and `private.test` at the server's port; other names lead to
/// the server just as well.
fn scene(wall: Wall, change: impl FnOnce(&mut Network)) -> Scene {
    let (address, state) = (server(), tempfile::tempdir().unwrap());
    let port = address.port();
    let here = vec![vec![address.ip()]];
    let other: IpAddr = Ipv4Addr::new(127, 0, 0, 2).into();
    let names = [
        ("service.test", here.clone()),
        ("other.test", here.clone()),
        ("private.test", vec![vec![other]]),
        // The first question is answered with what may be reached, every later one with what may not.
        ("turncoat.test", vec![vec![address.ip()], vec![other]]),
    ];
    let names = names.into_iter().map(|(name, answers)| (name.to_owned(), answers)).collect();
    let jails = wall.open(state.path()).with_test_network(TestNetwork { names, let_through: vec![address] });
    let allow = ["service.test", "private.test", "turncoat.test"].map(|name| format!("{name}:{port}").parse().unwrap());
    let mut network = Network::to(allow);
    change(&mut network);
    Scene { jails, spec: SandboxSpec { network, ..spec(wall) }, address, _state: state }
}

impl Scene {
    fn start(&self) -> SandboxId {
        let id = self.jails.create(&self.spec).unwrap();
        self.jails.start(&id).unwrap();
        id
    }

    fn run_in(&self, id: &SandboxId, program: &str) -> ExecResult {
        let program = format!("PORT = {}\n{RAW}{URLLIB}\n{program}", self.address.port());
        self.jails.exec(id, &Exec::command(["python3", "-c", &program]), &Cancel::new()).unwrap()
    }

    fn python(&self, program: &str) -> ExecResult {
        let id = self.start();
        let result = self.run_in(&id, program);
        let fine = self.jails.exec(&id, &Exec::command(["echo", "fine"]), &Cancel::new()).unwrap();
        assert_eq!(text(&fine), "fine");
        self.jails.delete(&id).unwrap();
        result
    }
}

/// `raw` says something to the proxy and returns the answer.
const RAW: &str = r"
import os, socket
def raw(request, then=b''):
    s = socket.create_connection(('127.0.0.1', 3128)); s.sendall(request.encode())
    if then: s.recv(1000); s.sendall(then)
    answer = b''
    while True:
        piece = s.recv(65536)
        if not piece: return answer.decode()
        answer += piece
";

/// `get` as ordinary programs do it.
const URLLIB: &str = r"
import urllib.request
def get(host, path='/'):
    return urllib.request.urlopen(f'http://{host}:{PORT}{path}').read().decode()
";

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_program_reaches_the_host_on_the_list_and_the_result_says_so() {
    for wall in ALL {
        let scene = scene(wall, |_| {});
        let port = scene.address.port();
        let result = scene.python("print(get('service.test', '/a'))");
        assert!(text(&result).contains("SECRET for GET /a HTTP/1.1"), "{wall:?}: {}", text(&result));
        let contact = &result.network[0];
        assert_eq!(contact.target.as_ref().unwrap().to_string(), format!("service.test:{port}"));
        assert_eq!((contact.outcome, contact.address), (Outcome::Reached, Some(scene.address.ip())));
        assert!(contact.sent > 0 && contact.received > 0);
        let tunnel = "print(raw(f'CONNECT service.test:{PORT} HTTP/1.1\\r\\n\\r\\n', b'GET /b HTTP/1.1\\r\\n\\r\\n'))";
        assert!(text(&scene.python(tunnel)).contains("SECRET for GET /b"), "{wall:?}");
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn megabytes_go_both_ways_and_many_connections_at_once() {
    for wall in ALL {
        let scene = scene(wall, |_| {});
        let big = "data = os.urandom(3_000_000)\n\
                   back = urllib.request.urlopen(f'http://service.test:{PORT}/', data).read()\n\
                   print(back == data)";
        assert_eq!(text(&scene.python(big)), "True", "{wall:?}");
        let many = "import threading; threading.stack_size(1 << 18)\n\
                    from concurrent.futures import ThreadPoolExecutor\n\
                    with ThreadPoolExecutor(48) as pool:\n  \
                    print(sum('SECRET' in one for one in pool.map(lambda n: get('service.test', f'/{n}'), range(96))))";
        let result = scene.python(many);
        assert_eq!(text(&result), "96", "{wall:?}");
        assert_eq!(result.network.len(), 96);
    }
}

/// A try to get at the server past the list, and what the proxy must have noted of it; nothing where it never hears.
const ATTACKS: &[(&str, &str, Option<Outcome>)] = &[
    ("a host that is not on the list", "print(get('other.test'))", Some(Outcome::NotAllowed)),
    (
        "an address in place of a name",
        "print(raw(f'GET http://127.0.0.1:{PORT}/ HTTP/1.1\\r\\n\\r\\n'))",
        Some(Outcome::NotAllowed),
    ),
    (
        "the metadata service",
        "print(raw('GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\\r\\n\\r\\n'))",
        Some(Outcome::NotAllowed),
    ),
    (
        "a number as a name",
        "print(raw(f'GET http://2130706433:{PORT}/ HTTP/1.1\\r\\n\\r\\n'))",
        Some(Outcome::BadRequest),
    ),
    ("a name that leads inside", "print(get('private.test'))", Some(Outcome::PrivateAddress)),
    (
        "a name that changes its mind",
        "assert 'SECRET' in get('turncoat.test')\nprint(get('turncoat.test'))",
        Some(Outcome::PrivateAddress),
    ),
    ("another port", "print(raw(f'CONNECT service.test:{PORT + 1} HTTP/1.1\\r\\n\\r\\n'))", Some(Outcome::NotAllowed)),
    (
        "another host in the header",
        "print(raw(f'GET http://service.test:{PORT}/ HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n'))",
        Some(Outcome::BadRequest),
    ),
    (
        "a second header",
        "print(raw(f'GET http://service.test:{PORT}/ HTTP/1.1\\r\\nHost: service.test:{PORT}\\r\\nHost: other.test\\r\\n\\r\\n'))",
        Some(Outcome::BadRequest),
    ),
    (
        "a header hidden behind a line end of another kind",
        "print(raw(f'GET http://service.test:{PORT}/ HTTP/1.1\\r\\nX: y\\nHost: other.test\\r\\n\\r\\n'))",
        Some(Outcome::BadRequest),
    ),
    (
        "a length that can be read in two ways",
        "print(raw(f'POST http://service.test:{PORT}/ HTTP/1.1\\r\\nContent-Length: 1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n'))",
        Some(Outcome::BadRequest),
    ),
    ("past the proxy", "print(raw.__globals__['socket'].create_connection(('127.0.0.1', PORT), 5))", None),
    ("past the proxy by name", "print(socket.create_connection(('service.test', PORT), 5))", None),
    (
        "a datagram",
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(b'x', ('127.0.0.1', PORT)); print('SECRET', s.recv(10))",
        None,
    ),
];

#[test]
#[ignore = "needs runsc and bwrap"]
fn no_way_past_the_list_leads_anywhere() {
    for wall in ALL {
        let scene = scene(wall, |_| {});
        // The control: outside, whoever knows the address gets the secret.
        let outside = format!(
            "import urllib.request; print(urllib.request.urlopen('http://{}/').read().decode())",
            scene.address
        );
        let outside = Command::new("python3").args(["-c", &outside]).env_clear().output().unwrap();
        assert!(String::from_utf8_lossy(&outside.stdout).contains("SECRET"));
        let id = scene.start();
        for (name, program, noted) in ATTACKS {
            let result = scene.run_in(&id, program);
            let said = String::from_utf8_lossy(&result.stdout).into_owned();
            assert!(!said.contains("SECRET"), "{wall:?}: {name}: {said}");
            let last = result.network.last().map(|contact| contact.outcome);
            assert_eq!(last, *noted, "{wall:?}: {name}: {}", text(&result));
        }
    }
}

/// `get` for a Python that has nothing but sockets.
const BARE: &str = r"
def get(host, path='/'):
    return raw(f'GET http://{host}:{PORT}{path} HTTP/1.1\r\n\r\n')
";

/// One machine for all of it, as each start and each Python takes seconds on an emulated processor.
#[test]
#[ignore = "needs qemu-system-x86_64 and a guest image"]
fn a_virtual_machine_reaches_what_is_on_the_list_and_nothing_else() {
    if !is_here(Emulated) {
        return;
    }
    let (root, mut scene) = (python_rootfs(), scene(Emulated, |_| {}));
    scene.spec.rootfs = aic_sandbox::runtime::Rootfs::Directory(root.path().into());
    let id = scene.start();
    let run = |program: &str| {
        let program = format!("PORT = {}\n{RAW}{BARE}\n{program}", scene.address.port());
        scene.jails.exec(&id, &Exec::command(["python3", "-c", &program]), &Cancel::new()).unwrap()
    };
    let result = run("data = 'x' * 60_000\n\
         print(get('service.test', '/a'))\n\
         print(raw(f'POST http://service.test:{PORT}/ HTTP/1.1\\r\\nContent-Length: {len(data)}\\r\\n\\r\\n{data}').endswith(data))");
    assert!(text(&result).contains("SECRET for GET /a") && text(&result).ends_with("True"), "{}", text(&result));
    assert!(result.network.iter().all(|contact| contact.outcome == Outcome::Reached));

    // An execution is ended although there are bytes for it on the line, and they are no burden to those after it.
    let mut flooded = Exec::command(["sh", "-c", "while :; do :; done"]);
    (flooded.stdin, flooded.timeout) = (vec![b'x'; 2_000_000], std::time::Duration::from_secs(2));
    let result = scene.jails.exec(&id, &flooded, &Cancel::new()).unwrap();
    assert_eq!(result.exit, Exit::Over(Limit::Timeout));

    let attacks: Vec<_> = ATTACKS.iter().map(|(_, program, _)| program).collect();
    let result = run(&format!(
        "for attack in {}:\n    try: exec(attack)\n    except Exception as error: print(repr(error))",
        serde_json::to_string(&attacks).unwrap()
    ));
    let printed = text(&result);
    // The name that changes its mind is reached once, before it does.
    assert!(!printed.contains("SECRET") && printed.lines().count() >= ATTACKS.len(), "{printed}");
    let noted = result.network.iter().map(|contact| contact.outcome).filter(|outcome| *outcome != Outcome::Reached);
    let expected = ATTACKS.iter().filter_map(|(_, _, noted)| *noted);
    assert_eq!(noted.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{printed}");
    let alive = scene.jails.exec(&id, &Exec::command(["sh", "-c", "echo fine"]), &Cancel::new()).unwrap();
    assert_eq!(text(&alive), "fine");
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn without_a_list_there_is_no_proxy_and_with_one_private_addresses_are_refused_by_default() {
    for wall in ALL {
        let none = scene(wall, |network| network.allow.clear());
        let result = none.python("print(os.environ.get('http_proxy')); raw('GET http://a/ HTTP/1.1\\r\\n\\r\\n')");
        assert!(text(&result).starts_with("None") && !result.exit.is_success(), "{wall:?}: {}", text(&result));

        // Without anything for tests: the machine's own resolver and the ordinary judgement.
        let (address, state) = (server(), tempfile::tempdir().unwrap());
        let jails = wall.open(state.path());
        let allow = [format!("127.0.0.1:{}", address.port()), format!("localhost:{}", address.port())];
        let network = Network::to(allow.map(|target| target.parse().unwrap()));
        let spec = SandboxSpec { network, ..spec(wall) };
        let plain = Scene { jails, spec, address, _state: state };
        let result = plain.python("print(raw(f'GET http://127.0.0.1:{PORT}/ HTTP/1.1\\r\\n\\r\\n'))");
        assert!(text(&result).contains("not of the public internet"), "{wall:?}: {}", text(&result));
        assert_eq!(result.network[0].outcome, Outcome::PrivateAddress);
        let result = plain.python("print(raw(f'CONNECT localhost:{PORT} HTTP/1.1\\r\\n\\r\\n'))");
        assert!(text(&result).starts_with("HTTP/1.1 4") || text(&result).starts_with("HTTP/1.1 502"), "{wall:?}");
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_sandbox_that_used_up_its_bytes_gets_no_more_and_a_new_life_does() {
    for wall in [Gvisor, Process] {
        let scene = scene(wall, |network| network.most_bytes = 100_000);
        let big = "try: print(len(urllib.request.urlopen(f'http://service.test:{PORT}/', os.urandom(90_000)).read()))\n\
                   except OSError as error: print('cut')";
        let result = scene.python(big);
        // Where the answer is cut decides how the program sees it.
        assert_ne!(text(&result), "90000", "{wall:?}");
        assert_eq!(result.network[0].outcome, Outcome::UsedUp, "{wall:?}");
        assert!(text(&scene.python("print(get('service.test'))")).contains("SECRET"));
    }
}

#[test]
#[ignore = "needs runsc and bwrap"]
fn a_sandbox_that_ends_in_the_middle_of_a_transfer_leaves_nothing() {
    for wall in [Gvisor, Process] {
        let scene = scene(wall, |_| {});
        let id = scene.jails.create(&scene.spec).unwrap();
        scene.jails.start(&id).unwrap();
        let program = format!(
            "PORT = {}\n{RAW}{URLLIB}\nimport time\ns = socket.create_connection(('127.0.0.1', 3128))\n\
             s.sendall(f'CONNECT service.test:{{PORT}} HTTP/1.1\\r\\n\\r\\n'.encode())\nprint(s.recv(1000), flush=True)\ntime.sleep(1000)",
            scene.address.port()
        );
        let mut link = scene.jails.attach(&id, &Exec::command(["python3", "-c", &program]), None).unwrap();
        let said = link.next(support::HANGS).unwrap();
        assert!(format!("{said:?}").starts_with("Some(Stdout"), "{said:?}");
        scene.jails.delete(&id).unwrap();
        assert!(link.next(support::HANGS).is_err());
        support::jails::nothing_left_of(scene._state.path(), &[id]);
    }
}
