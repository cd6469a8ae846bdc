"""Mutants before ``verify`` and ``inspect``, in a process of its own that tells what each took."""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exseos.digest import sha256_bytes
from tests.hostile.meaning import lies
from tests.hostile.mutation import CAPSULE, SEED, Mutant, mutant, original, original_bytes
from tests.hostile.resealing import BROKEN

MOST_SECONDS = 5.0
MOST_BYTES = 200 << 20
"""Of the whole process, Python and all that was imported included."""
BATCH = 250

_EXAMINER = r"""
import json, resource, sys, time, traceback
from pathlib import Path
from exseos.capsule import content
from exseos.capsule.inspect import inspect
from exseos.capsule.verify import verify
from exseos.errors import ExseosError

def peak(begin=False):
    # Linux forgets the peak on request; where it does not, the peak of all so far is still a bound.
    try:
        if begin:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

for line in sys.stdin:
    path, wheel = json.loads(line)
    content.wheel_bytes = lambda: wheel.encode()
    said = {"ok": False, "problems": [], "error": "", "inspected": False}
    peak(begin=True)
    start = time.process_time()
    try:
        report = verify(path)
        said["ok"], said["problems"] = report.ok, [str(one)[:300] for one in report.problems[:5]]
        try:
            inspect(path)
            said["inspected"] = True
        except ExseosError as error:
            str(error)
    except ExseosError as error:
        said["problems"] = [str(error)[:300]]
    except BaseException:
        said["error"] = traceback.format_exc()[-3000:]
    print(json.dumps({**said, "seconds": time.process_time() - start, "bytes": peak()}), flush=True)
"""


@dataclass(frozen=True)
class Examined:
    """How one mutant fared; ``fault`` is what is wrong with those that looked at it, empty if nothing is."""

    number: int
    what: str
    ok: bool
    fault: str
    seconds: float
    bytes: int
    problems: tuple[str, ...]


def examine(numbers: Iterable[int], seed: int = SEED) -> Iterator[Examined]:
    """Each mutant in turn, all by one process."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-c", _EXAMINER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        path = Path(folder, "mutant.capsule.zip")
        for number in numbers:
            one = mutant(number, seed)
            path.write_bytes(one.data)
            # Three of four as made by this very version, which then must have made just this.
            wheel = "a wheel" if number % 4 else "another wheel"
            process.stdin.write(json.dumps([str(path), wheel]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            if not answer:
                yield Examined(number, one.what, False, f"the process died: {process.stderr.read()[-2000:]}", 0, 0, ())
                return
            said = json.loads(answer)
            fault = _fault(one, said, wheel)
            yield Examined(number, one.what, said["ok"], fault, said["seconds"], said["bytes"], tuple(said["problems"]))
        process.stdin.close()


def _fault(one: Mutant, said: dict[str, Any], wheel: str) -> str:
    if said["error"]:
        return str(said["error"])
    if said["seconds"] > MOST_SECONDS:
        return f"it took {said['seconds']:.1f} s"
    if said["bytes"] > MOST_BYTES:
        return f"it took {said['bytes'] >> 20} MiB"
    if not said["ok"]:
        return ""
    if not said["inspected"]:
        return "verify takes it, and inspect does not"
    if one.data == original_bytes():
        return ""
    if one.entries is None:
        return "other bytes are taken for whole"
    if {name: data for name, data in one.entries.items() if not name.startswith("attestations/")} == _sealed_part():
        return ""
    try:
        found = lies(one.entries, sha256_bytes(wheel.encode()))
    except BROKEN:
        return f"it is taken for whole, and cannot be read: {traceback.format_exc()[-1500:]}"
    return f"it is taken for whole, and does not follow: {', '.join(found)}" if found else ""


def _sealed_part() -> dict[str, bytes]:
    return {name: data for name, data in original().items() if not name.startswith("attestations/")}


def batches(numbers: range, seed: int = SEED, workers: int = 2) -> Iterator[list[Examined]]:
    """``numbers`` in batches, as many at once as there are ``workers``."""

    def run(start: int) -> list[Examined]:
        part = [str(start), str(min(start + BATCH, numbers.stop)), str(seed)]
        done = subprocess.run([sys.executable, "-m", __name__, "--batch", *part], capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode:
            return [Examined(start, "batch", False, done.stderr[-3000:], 0, 0, ())]
        return [Examined(**{**json.loads(line), "problems": ()}) for line in done.stdout.splitlines()]

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(run, range(numbers.start, numbers.stop, BATCH))


ROOT = Path(__file__).parents[2]


def main() -> None:
    """The command line of ``tests.hostile.mutation``."""
    parser = argparse.ArgumentParser(description="Examine mutants of the frozen capsule.")
    parser.add_argument("count", nargs="?", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", type=int, help="one mutant: say what it is, and keep it as mutant.capsule.zip")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", nargs=3, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.batch:
        for one in examine(range(*given.batch[:2]), given.batch[2]):
            print(json.dumps({**vars(one), "problems": None}), flush=True)
        return
    if given.only is not None:
        Path("mutant.capsule.zip").write_bytes(mutant(given.only, given.seed).data)
        print(*(f"{key}: {value}" for one in examine([given.only], given.seed) for key, value in vars(one).items()), sep="\n")
        return
    sys.exit(1 if report(given.count, given.seed, given.workers) else 0)


def report(count: int, seed: int, workers: int) -> int:
    """Examine mutants 0 to ``count``; print what fails and how many were taken, and return the number of failures."""
    print(f"{count} mutants of {CAPSULE.name} ({len(original_bytes())} bytes when made small), seed {seed}")
    failed, seen, taken = 0, 0, collections.Counter[str]()
    slowest, largest = 0.0, 0
    for batch in batches(range(count), seed, workers):
        for one in batch:
            seen += 1
            slowest, largest = max(slowest, one.seconds), max(largest, one.bytes)
            taken[one.what.split()[0]] += one.ok
            if one.fault:
                failed += 1
                print(f"--- mutant {one.number}: {one.what}\n{one.fault}")
        print(f"{seen} examined, {failed} failed, {taken.total()} taken; at most {slowest:.2f} s, {largest >> 20} MiB", flush=True)
    print("taken:", dict(taken))
    return failed + (seen != count)


if __name__ == "__main__":
    main()
