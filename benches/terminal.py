#!/usr/bin/env python3
"""The workbench on a terminal, measured from outside, with peers on the same terminal in the same run.

usage: benches/terminal.py AIC [ROUNDS]

AIC is a build of the program: release for figures. nvim and htop are measured beside it where they are installed.
Everything happens in a temporary folder with copies of the samples. One table: the time to the first frame (the median
of ROUNDS starts, 10 unless told), from a key to its first byte (200 single keys), writes and wake-ups a second while
nothing happens (10 s; wake-ups are voluntary context switches of all its threads and children), 200 keys in one
write, and 100 sizes in a row. A frame is what stands between the marks of a synchronized update; programs that send
none have their reads counted instead, marked `r`.
"""
import fcntl
import os
import pathlib
import pty
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS, ROWS = 120, 40
SINGLE_KEYS, BURST, SIZES, IDLE = 200, 200, 100, 10.0
# What programs ask a terminal, and what a common one answers: nobody is to wait for an answer that never comes.
QUESTIONS = {
    b"\x1b]11;?": b"\x1b]11;rgb:1111/1111/1111\x1b\\",
    b"\x1b]10;?": b"\x1b]10;rgb:eeee/eeee/eeee\x1b\\",
    b"\x1b[6n": b"\x1b[1;1R",
    b"\x1b[c": b"\x1b[?64;1;2c",
    b"\x1b[>c": b"\x1b[>41;390;0c",
    b"\x1b[?u": b"\x1b[?0u",
    b"\x1b[?2026$p": b"\x1b[?2026;2$y",
    b"\x1b[5n": b"\x1b[0n",
}
FRAME = b"\x1b[?2026h"


class Program:
    """A program on a terminal of its own."""

    def __init__(self, command, folder, ready):
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execvp(command[0], command)
        self.size(COLUMNS, ROWS)
        self.ready = ready
        self.first = None

    def size(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def take(self, longest):
        """What comes next within so many seconds; empty if nothing does."""
        if not select.select([self.fd], [], [], longest)[0]:
            return b""
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            sys.exit("the program has ended while it was measured")
        for question, answer in QUESTIONS.items():
            if question in data:
                os.write(self.fd, answer)
        return data

    def until_ready(self):
        """Seconds from the start to the first frame: the one that holds the marker."""
        seen = b""
        while time.perf_counter() - self.started < 20:
            seen += self.take(0.5)
            if self.ready in seen:
                return time.perf_counter() - self.started
        sys.exit(f"no {self.ready!r} in {seen[-2000:]!r}")

    def quiet(self, seconds, patience=0.0, longest=30.0):
        """Takes what comes until nothing has for so long: the bytes, the frames, the reads, and when the last came. The
        first may take longer, as patience goes."""
        data, reads, last = b"", 0, time.perf_counter()
        end = last + longest
        while time.perf_counter() < end:
            chunk = self.take(seconds if reads else max(seconds, patience))
            if not chunk:
                break
            data, reads, last = data + chunk, reads + 1, time.perf_counter()
        return len(data), data.count(FRAME), reads, last

    def processes(self):
        found, at = [self.pid], 0
        while at < len(found):
            for tasks in pathlib.Path(f"/proc/{found[at]}/task").glob("*/children"):
                try:
                    found.extend(int(child) for child in tasks.read_text().split())
                except OSError:
                    pass
            at += 1
        return found

    def wakeups(self):
        """How often each thread of it and of its children gave up the processor by itself, and so was woken later."""
        counts = {}
        for process in self.processes():
            for status in pathlib.Path(f"/proc/{process}/task").glob("*/status"):
                try:
                    lines = status.read_text().splitlines()
                except OSError:
                    continue
                counts[status.parent.name] = sum(
                    int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt")
                )
        return counts

    def memory(self):
        """Proportional share of all its processes, in MB."""
        total = 0
        for process in self.processes():
            try:
                lines = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def end(self):
        for process in reversed(self.processes()):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def at(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def measure(command, folder, ready, before, keys, rounds):
    starts = []
    for _ in range(rounds):
        program = Program(command, folder, ready)
        starts.append(program.until_ready() * 1e3)
        program.end()
    program = Program(command, folder, ready)
    program.until_ready()
    program.quiet(1.5)
    # Not from the first line on: a key that changes nothing has no answer.
    os.write(program.fd, before + keys[0])
    delays = []
    for number in range(1, SINGLE_KEYS + 1):
        program.quiet(0.025)
        start = time.perf_counter()
        os.write(program.fd, keys[number % len(keys)])
        if program.take(1.0):
            delays.append((time.perf_counter() - start) * 1e3)
    program.quiet(1.0)
    earlier, writes, begin = program.wakeups(), 0, time.perf_counter()
    while (left := begin + IDLE - time.perf_counter()) > 0:
        writes += bool(program.take(left))
    # Threads that ended meanwhile count no more; new ones count from nothing.
    woken = sum(count - earlier.get(thread, 0) for thread, count in program.wakeups().items()) / IDLE
    memory = program.memory()
    program.quiet(0.3)
    start = time.perf_counter()
    os.write(program.fd, keys[0] * BURST)
    size, frames, reads, last = program.quiet(0.3, patience=3.0)
    burst = f"{frames}" if frames else f"{reads} r"
    start_storm = time.perf_counter()
    for number in range(SIZES):
        program.size(60 + number * 7 % 61, 20 + number * 3 % 21)
        time.sleep(0.002)
    program.size(COLUMNS, ROWS)
    storm = program.quiet(0.3, patience=3.0)
    os.write(program.fd, keys[-1])
    alive = bool(program.take(2.0))
    program.end()
    return {
        "first frame": f"{statistics.median(starts):.0f} ms",
        "key p50": f"{at(delays, 0.5):.1f} ms",
        "key p99": f"{at(delays, 0.99):.1f} ms",
        "keys answered": f"{len(delays)}/{SINGLE_KEYS}",
        "idle writes/s": f"{writes / IDLE:.1f}",
        "wake-ups/s": f"{woken:.1f}",
        "memory (PSS)": f"{memory:.0f} MB",
        f"{BURST} keys: frames": burst,
        f"{BURST} keys: bytes": f"{size}",
        f"{BURST} keys: done after": f"{(last - start) * 1e3:.0f} ms",
        f"{SIZES} sizes: frames": f"{storm[1]}" if storm[1] else f"{storm[2]} r",
        f"{SIZES} sizes: bytes": f"{storm[0]}",
        f"{SIZES} sizes: quiet after": f"{(storm[3] - start_storm) * 1e3:.0f} ms" + ("" if alive else ", dead"),
    }


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    aic, rounds = str(pathlib.Path(sys.argv[1]).resolve()), int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ.update(HOME=name, XDG_CACHE_HOME=f"{name}/cache", XDG_STATE_HOME=f"{name}/state")
        os.environ.pop("XDG_CONFIG_HOME", None)
        work = folder / "work"
        shutil.copytree(ROOT / "sample-specs", work, ignore=shutil.ignore_patterns(".aic"))
        (work / ".aic").mkdir()
        # Once before: the sandbox's guest is compiled at the first start on a machine, which is not what is measured here.
        subprocess.run([aic, "test", "user-management"], cwd=work, capture_output=True, check=True)
        spec = "user-management/.aicontainer.yml"
        programs = [
            # The first frame comes before anything is looked for; the specs are on the screen with the second marker. The
            # keys go through the text of a spec, as nvim's do.
            ("aic", [aic], b" aic ", b"3", [b"j", b"k"]),
            ("aic, specs shown", [aic], b"quickstart", b"3", [b"j", b"k"]),
            ("nvim", ["nvim", "--clean", spec], b"user-management", b"", [b"j", b"k"]),
            ("htop", ["htop", "-d", "20"], b"PID", b"", [b"\x1b[B", b"\x1b[A"]),
        ]
        columns = {}
        for label, command, ready, before, keys in programs:
            if shutil.which(command[0]):
                columns[label] = measure(command, work, ready, before, keys, rounds)
            else:
                print(f"{command[0]} is not installed: left out", file=sys.stderr)
        print("| what | " + " | ".join(columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for row in next(iter(columns.values())):
            print(f"| {row} | " + " | ".join(column[row] for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
