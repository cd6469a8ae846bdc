"""What all benchmarks share: their command line, and time and peak memory of one command."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


def start(main: Callable[[str | None, bool], int]) -> NoReturn:
    """Run ``main(argument, smallest)`` as the command line says; a missed target counts only at the full size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--smallest", action="store_true", help="run in seconds, whatever the figures: to see that it runs")
    parser.add_argument("argument", nargs="?", help="what to measure; see the module")
    found = parser.parse_args()
    code = main(found.argument, found.smallest)
    sys.exit(0 if found.smallest else code)


@dataclass(frozen=True)
class Measured:
    """Wall seconds, and the largest resident set in MiB of the command and of the children it waited for."""

    seconds: float
    peak_mib: float
    output: str


def run(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)) -> Measured:
    """Run ``command`` once in a process of its own; its standard error is kept out of the way but shown if it fails."""
    begin = time.perf_counter()
    with subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        output, errors = process.communicate(timeout=1800)
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode not in codes:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}\n{errors[-3000:]}")
    return Measured(time.perf_counter() - begin, usage.ru_maxrss / 1024, output)


def peak_of(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)) -> Measured:
    """As ``run``, with the peak of the command's own process (VmHWM sampled every 20 ms), not of its children."""
    begin = time.perf_counter()
    peak = 0.0
    with subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            try:
                lines = status.read_text().splitlines()
            except OSError:
                break
            peak = max([peak, *(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))])
            time.sleep(0.02)
        process.wait(1800)
    if process.returncode not in codes:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Measured(time.perf_counter() - begin, peak, "")


def load() -> str:
    """The machine's load, to be printed beside every result."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
