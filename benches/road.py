#!/usr/bin/env python3
"""The road from a save to a verdict, measured from outside, with a peer beside it in the same run.

usage: benches/road.py AIC [PROMPTFOO]

AIC is a release build of the program. PROMPTFOO, where given, is promptfoo's executable: both then run the same N cases
(one prompt, a model that echoes, one `contains` each). Everything happens in a temporary folder. Prints medians of
wall-clock times in milliseconds, and the disk's fsync time, which figures of the store contain.
"""
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CASES = 200


def timed(command, cwd, runs, expect=(0,)):
    """Median and worst of so many runs, in milliseconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        done = subprocess.run(command, cwd=cwd, capture_output=True)
        times.append((time.perf_counter() - start) * 1e3)
        if done.returncode not in expect:
            sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout.decode()}{done.stderr.decode()}")
    return statistics.median(times), max(times)


def show(what, figure, note=""):
    print(f"{what:<58} {figure:>9}  {note}")


def fsync(folder):
    times = []
    with open(folder / "fsync", "wb") as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            start = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def watch(aic, sample):
    """Ten saves, the fifth of them broken YAML; the time from each write to the line with its verdict."""
    spec = sample / ".aicontainer.yml"
    good = spec.read_text()
    process = subprocess.Popen([aic, "watch", "--format", "json"], cwd=sample, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    times, words = [], []
    for i in range(10):
        text = good.replace("Helps operators", f"Helps {i} operators")
        spec.write_text(text + "x: [\n" if i == 4 else text)
        start = time.perf_counter()
        document = json.loads(process.stdout.readline())
        times.append((time.perf_counter() - start) * 1e3)
        words.append("refused" if "refused" in document else f"{document['tally']['pass']} pass")
        time.sleep(0.15)
    process.send_signal(2)
    process.wait(timeout=10)
    spec.write_text(good)
    return times, words


def echo_bench(aic, promptfoo, folder):
    rules = "      - {match: {}, reply: {echo: prompt}}\n"
    tests = [
        f"  - {{name: c{i}, input: 'Hello user{i}, order {i} is ready.', expect: [{{contains: 'order {i} is ready'}}]}}\n"
        for i in range(CASES)
    ]
    ours = folder / "ours"
    ours.mkdir()
    (ours / ".aic").mkdir()
    text = f"name: echo\nmodels:\n  primary:\n    provider: scripted\n    rules:\n{rules}tests:\n{''.join(tests)}"
    (ours / "echo.ai.yml").write_text(text)
    median, worst = timed([aic, "test"], ours, 5)
    show(f"aic test, {CASES} cases of an echo model, recorded", f"{median:.0f} ms", f"worst of 5: {worst:.0f}")
    if not promptfoo:
        return
    theirs = folder / "theirs"
    theirs.mkdir()
    config = (
        "description: echo bench\nprompts:\n  - 'Hello {{name}}, order {{id}} is ready.'\n"
        "providers:\n  - echo\ntests: file://tests.jsonl\n"
    )
    (theirs / "promptfooconfig.yaml").write_text(config)
    with open(theirs / "tests.jsonl", "w") as file:
        for i in range(CASES):
            wanted = {"type": "contains", "value": f"order {i} is ready"}
            file.write(json.dumps({"vars": {"name": f"user{i}", "id": i}, "assert": [wanted]}) + "\n")
    os.environ.update(PROMPTFOO_DISABLE_TELEMETRY="1", PROMPTFOO_DISABLE_UPDATE="1", PROMPTFOO_CONFIG_DIR=str(theirs))
    command = promptfoo.split() + ["eval", "-c", "promptfooconfig.yaml", "--no-cache", "--no-table", "--no-progress-bar"]
    median, worst = timed(command, theirs, 3)
    show(f"promptfoo eval, the same {CASES} cases", f"{median:.0f} ms", f"worst of 3: {worst:.0f}")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    aic = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        sample = folder / "user-management"
        shutil.copytree(ROOT / "sample-specs/user-management", sample)
        (sample / ".aic").mkdir()
        show("fsync of this disk", f"{fsync(folder):.2f} ms", "median of 50")

        first, _ = timed([aic, "test"], sample, 1)
        show("aic test, user-management, guest not compiled yet", f"{first:.0f} ms")
        median, worst = timed([aic, "test"], sample, 20)
        show("aic test, user-management, warm", f"{median:.0f} ms", f"worst of 20: {worst:.0f}; target 150")
        median, worst = timed([aic, "check"], sample, 20)
        show("aic check, user-management", f"{median:.1f} ms", f"worst of 20: {worst:.1f}")
        median, worst = timed([aic, "--version"], sample, 20)
        show("aic --version", f"{median:.1f} ms", f"worst of 20: {worst:.1f}")

        times, words = watch(aic, sample)
        show("aic watch, save to verdict, ten saves", f"{statistics.median(times):.0f} ms", f"worst: {max(times):.0f}; target 100")
        print("  each:", ", ".join(f"{t:.0f} ({w})" for t, w in zip(times, words)))

        spec = sample / ".aicontainer.yml"
        subprocess.run([aic, "test"], cwd=sample, capture_output=True, check=True)
        took = []
        for _ in range(10):
            spec.write_text(spec.read_text().replace("message: Requires confirmation", "message: Other"))
            done = subprocess.run([aic, "rollback", "--no-test"], cwd=sample, capture_output=True, text=True)
            took.append(float(re.search(r" in ([\d.]+) ms", done.stdout).group(1)))
        show("rollback itself, as it reports it", f"{statistics.median(took):.1f} ms", f"worst of 10: {max(took):.1f}")
        echo_bench(aic, sys.argv[2] if len(sys.argv) > 2 else None, folder)


if __name__ == "__main__":
    main()
