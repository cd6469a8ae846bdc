"""Time the reading of 1,000 reports against an ordinary reading of the same bytes, in the same run.

    .venv-dev/bin/python -m benchmarks.metrics [--smallest] [FOLDER]

The reports are those of FOLDER, else of EXSEOS_REPORTS, else the small ones of the repository's own tests, copied until there are 1,000.
The peer does with the same files what any reader must do, and nothing more: XML is parsed by lxml, and of every other line the numbers
are found by one regular expression. Exit code 1 if a target is missed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from benchmarks.measure import load, peak_of, run, start
from exseos.readers.base import readers
from exseos.readers.collect import collect

REPORTS = 1000
ROUNDS = 3
RATIO_TARGET = 0.5
SECONDS_TARGET = 1.0
"""Enough where the reports are so small that the peer has almost nothing to do."""
MEMORY_TARGET_MIB = 200
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")


def read_bytes(folder: Path) -> int:
    """Nothing but the bytes."""
    return sum(len(path.read_bytes()) for path in folder.iterdir())


def peer(folder: Path) -> int:
    """Elements of XML, numbers of everything else."""
    found = 0
    for path in folder.iterdir():
        data = path.read_bytes()
        if data.lstrip().startswith((b"<?xml", b"<profile")):
            found += sum(1 for _ in etree.fromstring(data).iter())
        else:
            found += sum(len(_NUMBER.findall(line)) for line in data.decode("utf-8", "replace").split("\n"))
    return found


def exseos(folder: Path) -> int:
    """Every number that the readers give."""
    return sum(len(report.numbers) for _, report in collect([folder]).reports)


MEASURED: dict[str, Callable[[Path], int]] = {function.__name__: function for function in (read_bytes, peer, exseos)}


def samples(folder: Path | None) -> list[tuple[str, bytes]]:
    """The reports of a folder that are readable, or those of the tests."""
    if folder:
        return [(path.name, path.read_bytes()) for path, _ in collect([folder]).reports]
    from tests.readers import hls_samples, test_intel, test_quartus, test_smarthls, vivado_samples

    texts = [
        *hls_samples.SAMPLES.values(),
        *vivado_samples.SAMPLES.values(),
        *test_quartus.SAMPLES,
        *test_intel.SAMPLES,
        *test_smarthls.SAMPLES,
    ]
    return [(f"{number}.rpt", text.encode()) for number, text in enumerate(texts)]


def make(folder: Path, source: Path | None, count: int) -> int:
    """Copies in ``folder``, with the names that readers know; their size in bytes."""
    found = samples(source)
    for number in range(count):
        name, data = found[number % len(found)]
        (folder / f"{number:04}-{name}").write_bytes(data)
    return read_bytes(folder)


def one(name: str, folder: Path) -> None:
    """Run one measurement here and print it as JSON."""
    readers()
    begin = time.perf_counter()
    found = MEASURED[name](folder)
    seconds = time.perf_counter() - begin
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps([seconds, int(status["VmHWM"].split()[0]) / 1024, found]))


def main(argument: str | None, smallest: bool) -> int:
    """Measure, print, and say whether the targets are met."""
    reports, rounds = (30, 1) if smallest else (REPORTS, ROUNDS)
    given = argument or ("" if smallest else os.environ.get("EXSEOS_REPORTS", ""))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "reports"
        folder.mkdir()
        size = make(folder, Path(given) if given else None, reports)
        best: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name in MEASURED:
                measured = json.loads(run([sys.executable, "-m", "benchmarks.metrics", "--one", name, str(folder)], cwd=Path.cwd()).output)
                best[name] = min(best.get(name, measured), measured)
        command = [sys.executable, "-m", "exseos", "metrics", str(folder), "--json"]
        whole = min((peak_of(command, cwd=Path(temporary)) for _ in range(rounds)), key=lambda measured: measured.seconds)
        shutil.rmtree(folder)
    print(f"{load()}; {reports} reports, {size / 1e6:.1f} MB\n{'':24}{'seconds':>9}{'relative':>10}{'peak MiB':>10}{'found':>10}")
    for name, (seconds, memory, found) in best.items():
        print(f"{name:24}{seconds:9.2f}{best['peer'][0] / seconds:10.2f}{memory:10.0f}{found:10.0f}")
    print(f"{'exseos metrics --json':24}{whole.seconds:9.2f}{best['peer'][0] / whole.seconds:10.2f}{whole.peak_mib:10.0f}")
    fast = best["peer"][0] / best["exseos"][0] >= RATIO_TARGET or best["exseos"][0] < SECONDS_TARGET
    met = fast and whole.peak_mib < MEMORY_TARGET_MIB
    wanted = f"at least {RATIO_TARGET} of the peer's speed or below {SECONDS_TARGET} s, peak < {MEMORY_TARGET_MIB} MiB"
    print(f"targets ({wanted}): {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]))
    else:
        start(main)
