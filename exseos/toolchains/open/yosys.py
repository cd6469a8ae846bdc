"""Yosys as a child process, and the simulators that its CXXRTL back end writes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exseos.toolchains.process import SECONDS, run_tool

if TYPE_CHECKING:
    import numpy as np

# Yosys ends its process on an error, so it never runs inside the worker.
_CHILD = "import sys; from pyosys import libyosys; libyosys.run_pass('script ' + sys.argv[1], libyosys.Design())"
_SIMULATE = Path(__file__).with_name("simulate.cc")


def yosys_version() -> str:
    """The version of the wheel that holds Yosys."""
    return version("pyosys")


def run_yosys(commands: Sequence[str], cwd: Path, name: str, *, seconds: float = SECONDS) -> None:
    """Run ``commands`` in ``cwd``; script and log are ``name.ys`` and ``name.log`` there. Raises as ``run_tool`` does.

    File names in the commands are relative to ``cwd``: absolute ones would end up in netlists.
    """
    (cwd / f"{name}.ys").write_text("\n".join(commands) + "\n")
    run_tool(
        [sys.executable, "-c", _CHILD, f"{name}.ys"],
        cwd,
        seconds,
        cwd / f"{name}.log",
        what=f"Yosys ({name})",
        environment={"YOSYS_MAX_THREADS": "1"},
    )


def share() -> Path:
    """Yosys' folder of cell libraries and headers."""
    import pyosys

    return Path(pyosys.__file__).parent / "share"


def build_simulator(cwd: Path, name: str, *, optimise: str, seconds: float = SECONDS) -> None:
    """Compile ``model.cc`` (from ``write_cxxrtl``, top module ``model``) and its driver in ``cwd`` to the program ``name``."""
    (cwd / "simulate.cc").write_bytes(_SIMULATE.read_bytes())
    runtime = share() / "include" / "backends" / "cxxrtl" / "runtime"
    run_tool(
        ["g++", "-std=c++17", optimise, f"-I{runtime}", "-o", name, "simulate.cc"],
        cwd,
        seconds,
        cwd / f"{name}-g++.log",
        what=f"g++ (simulator of the {name})",
    )


def run_simulator(
    cwd: Path, name: str, words: np.ndarray[Any, Any], output_words: int, latency: int, *, seconds: float = SECONDS
) -> np.ndarray[Any, Any]:
    """Clock rows of input words (uint32 [rows, words], low word first) through the program ``name``.

    Returns uint32 [rows, output_words]: each row's outputs ``latency`` clock edges after the edge that took it.
    """
    import numpy as np

    words.astype("<u4").tofile(cwd / f"{name}.in")
    run_tool([f"./{name}", str(latency), f"{name}.in", f"{name}.out"], cwd, seconds, cwd / f"{name}.log", what=f"simulation of the {name}")
    return np.fromfile(cwd / f"{name}.out", "<u4").reshape(len(words), output_words)
