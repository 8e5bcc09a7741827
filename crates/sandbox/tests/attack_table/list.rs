//! The attacks of programs: what each tries in Python, and in JavaScript.

use crate::{Attack, Wanted};
use aic_sandbox::runtime::Access;

/// In JavaScript most attacks have nothing to begin with. This finds out rather than assumes it: the names under which
/// engines offer the outside, and modules.
const REACH: &str = "const names = ['require', 'process', 'std', 'os', 'Deno', 'Bun', 'fetch', 'WebSocket', 'XMLHttpRequest', \
     'Worker', 'open', 'read', 'scriptArgs', 'load', 'loadScript']; \
     const found = names.filter(name => typeof globalThis[name] !== 'undefined'); \
     for (const module of ['fs', 'std', 'os', 'net', 'file:///etc/passwd', '/etc/passwd']) \
       { try { await import(module); found.push(module) } catch {} } \
     if (found.length) return found; throw new Error('nothing to reach with')";

const fn denied(name: &'static str, access: Access, program: &'static str) -> Attack {
    Attack { name, wanted: Wanted::Denied, access, program, script: REACH }
}

const fn held(name: &'static str, program: &'static str, script: &'static str) -> Attack {
    Attack { name, wanted: Wanted::Held, access: Access::None, program, script }
}

pub const ATTACKS: &[Attack] = &[
    denied("read a host file", Access::ReadWrite, "print('GOT', open(CASE + '/secret').read())"),
    denied("`..`", Access::ReadWrite, "print('GOT', open('../secret').read())"),
    denied("absolute symlink planted by the host", Access::ReadWrite, "print('GOT', open('planted').read())"),
    denied(
        "relative symlink made by the guest",
        Access::ReadWrite,
        "os.symlink('../secret', 'made'); print('GOT', open('made').read())",
    ),
    denied("write to a read-only mount", Access::ReadOnly, "open('file', 'w').write('changed'); print('GOT')"),
    denied("hard link out", Access::ReadWrite, "os.link(CASE + '/secret', 'hard'); print('GOT')"),
    Attack { wanted: Wanted::Held, ..denied("FIFO in the workspace", Access::ReadWrite, "open('fifo').read()") },
    denied(
        "device node",
        Access::ReadWrite,
        "os.mknod('device', 0o20666, os.makedev(1, 5)); print('GOT', len(open('device', 'rb').read(10)))",
    ),
    denied(
        "device node planted by the host",
        Access::ReadWrite,
        "os.open('kernel-log', os.O_RDONLY | os.O_NONBLOCK); print('GOT')",
    ),
    denied(
        "set-user-ID file left behind",
        Access::ReadWrite,
        "open('tool', 'w').close(); os.chmod('tool', 0o4755); print('GOT')",
    ),
    denied(
        "set-user-ID file by open",
        Access::ReadWrite,
        "os.umask(0); os.close(os.open('tool2', os.O_CREAT | os.O_WRONLY, 0o4755)); print('GOT' if os.stat('tool2').st_mode & 0o4000 else 'NO')",
    ),
    held("endless loop", "while True: pass", "for (;;) {}"),
    held("sleep in a host call", "time.sleep(10000)", "await new Promise(() => {}); return 1"),
    denied("memory bomb", Access::None, "x = [bytearray(b'x' * (64 << 20)) for _ in range(24)]; print('GOT', len(x))"),
    denied(
        "fork bomb",
        Access::None,
        "n = 0\nfor _ in range(150):\n  if os.fork() == 0: time.sleep(1000)\n  n += 1\nprint('GOT', n)",
    ),
    held("fork bomb without end", "while True:\n  try: os.fork()\n  except OSError: pass", "for (;;) {}"),
    held(
        "deep recursion",
        "sys.setrecursionlimit(10**9)\ndef f(): return f() + 1\nf()",
        "const f = () => f() + 1; return f()",
    ),
    denied("file-descriptor bomb", Access::None, "x = [open('/dev/null') for _ in range(300)]; print('GOT', len(x))"),
    denied(
        "disk filling",
        Access::None,
        "for n in range(20): open('/tmp/aic-big%d' % n, 'wb').write(b'x' * 10_000_000)\nprint('GOT')",
    ),
    denied(
        "zip bomb",
        Access::None,
        "import zlib\nbomb = zlib.compress(b'\\0' * 20_000_000, 9)\nfor n in range(10): open('/tmp/aic-big%d' % n, 'wb').write(zlib.decompress(bomb))\nprint('GOT')",
    ),
    denied(
        "one huge file",
        Access::None,
        "with open('/tmp/aic-big0', 'wb') as f:\n  for n in range(60): f.write(b'x' * 1_000_000)\nprint('GOT')",
    ),
    denied(
        "TCP connect",
        Access::None,
        "import socket; socket.create_connection(('127.0.0.1', PORT), 5); print('GOT')",
    ),
    denied(
        "DNS",
        Access::None,
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(b'query', ('127.0.0.1', DNS)); print('GOT', s.recv(9))",
    ),
    denied("environment secret", Access::None, "print('GOT', os.environ['CARGO_MANIFEST_DIR'])"),
    denied(
        "environment of other processes",
        Access::None,
        "found = [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid() and readable(f'/proc/{p}/environ', b'CARGO_MANIFEST_DIR')]; print('GOT' if found else 'NO')",
    ),
    denied(
        "/proc snooping",
        Access::None,
        "found = [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid() and readable(f'/proc/{p}/cmdline', b'attack_table')]; print('GOT' if found else 'NO')",
    ),
    denied(
        "inherited descriptors",
        Access::None,
        "found = [n for n in range(3, 256) if target(n) == CASE + '/secret']; print('GOT' if found else 'NO')",
    ),
    denied(
        "host's Unix socket in the workspace",
        Access::ReadWrite,
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('socket'); print('GOT')",
    ),
    denied(
        "folder swapped for a link, 10,000 rounds",
        Access::ReadWrite,
        "until = time.monotonic() + 2; swapper = os.fork()\nif swapper == 0:\n  n = 0\n\
         \x20 while n < 10000 or time.monotonic() < until: os.mkdir('d'); os.rmdir('d'); os.symlink('..', 'd'); os.unlink('d'); n += 1\n\
         \x20 os._exit(0)\n\
         while os.waitpid(swapper, os.WNOHANG) == (0, 0):\n  if readable('d/secret', b'secret'): print('GOT', flush=True); break\nelse: print('NO')",
    ),
    denied(
        "a new namespace",
        Access::None,
        "import ctypes; c = ctypes.CDLL(None, use_errno=True)\nif c.unshare(0x10000000): raise OSError(ctypes.get_errno(), 'unshare')\nprint('GOT')",
    ),
];

/// Which limit comes first depends on the machine's speed and on whether it has control groups. That one comes is
/// what counts, and that the sandbox, or its next life, goes on.
pub const FICKLE: [&str; 4] = ["memory bomb", "fork bomb", "fork bomb without end", "deep recursion"];
