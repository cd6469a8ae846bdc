"""An experiment that goes through Vitis HLS and Vivado, and stand-ins for both of them."""

from __future__ import annotations

import shutil
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.running import Ended, Exseos
from tests.fake_tools import vitis, vivado

CAPSULE = "vendor.capsule.zip"
SECTIONS = """\
convert: {backend: Vitis, io_type: io_parallel, strategy: latency, clock_ns: 5, part: xczu9eg-ffvb1156-2-e}
simulate: {rows: 100}
synthesize:
  - {toolchain: open, part: LFE5U-25F-6BG256C, clock_ns: 10, latency_cutoff: 2}
  - {toolchain: vitis, cosim_rows: 5}
implement: {toolchain: vivado, design: vitis}
claims:
  - {text: "The hardware computes what Keras computes", metric: rtl_keras_mismatches, level: rtl, value: 0}
  - {text: "It has registers", metric: ff, level: routed, value: 50000, absolute: 1000000}
"""


@dataclass(frozen=True)
class Tools:
    """Installations of both, below one folder."""

    folder: Path

    @staticmethod
    def lay_out(folder: Path, behaviour: str = "good", *, version: str = "2023.2", vivado_behaviour: str | None = None) -> Tools:
        """Stand-ins that behave so; the folder replaces one that was there."""
        shutil.rmtree(folder, ignore_errors=True)
        vitis.install(folder, version, behaviour)
        vivado.install(folder, version, vivado_behaviour or behaviour)
        return Tools(folder)

    @property
    def arguments(self) -> list[str]:
        """What the command line needs to use them."""
        roots = {name: next(self.folder.glob(f"{name.capitalize()}/*")) for name in ("vitis", "vivado")}
        return [argument for name, root in roots.items() for argument in ("--toolchain", f"{name}={root}")]


def write_spec(sources: Path, folder: Path) -> Path:
    """``examples/tiny``, its hardware sections replaced. The stand-ins run their Tcl by ``tclsh``, which the image must hold."""
    shutil.copytree(sources / "examples/tiny", folder, ignore=shutil.ignore_patterns("*.lock"))
    text = (folder / "spec.yaml").read_text()
    text = (
        text[: text.index("convert:")].replace('python: "3.11"', 'python: "3.11"\n  packages: [tcl]').replace("name: tiny", "name: vendor")
    )
    (folder / "spec.yaml").write_text(text + SECTIONS)
    return folder / "spec.yaml"


def build(exseos: Exseos, spec: Path, tools: Tools | None, *more: str, engine: str = "bubblewrap", seconds: float = 900) -> Ended:
    """Build the capsule into the working folder."""
    arguments = tools.arguments if tools else []
    output = exseos.folder / CAPSULE
    return exseos("capsule", "build", spec, "-o", output, "--without", "image", "--engine", engine, *arguments, *more, seconds=seconds)


@contextmanager
def licence_server() -> Iterator[str]:
    """A stand-in for a licence server on the loopback; gives ``port@host``, as the licence variables want it."""

    class Handler(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self) -> None:
            if self.rfile.readline(100).startswith(b"checkout "):
                self.wfile.write(b"granted\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"{server.server_address[1]}@127.0.0.1"
        finally:
            server.shutdown()
