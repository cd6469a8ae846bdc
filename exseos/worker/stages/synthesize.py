"""Synthesis by the toolchain that ``synthesize.toolchain`` names."""

from __future__ import annotations

from exseos.toolchains.base import find
from exseos.worker.stages.base import Context, Stage


class Synthesize(Stage):
    """Fills the output as the toolchain says; all write ``metrics.json``."""

    name = "synthesize"
    libraries = ("tensorflow", "keras", "hgq", "da4ml", "da4ml.codegen", "pyosys.libyosys")

    def run(self, context: Context) -> None:
        """Raises ``UsageError`` for an unknown toolchain, ``StageError`` for a model or design it cannot take."""
        find(context.parameters["synthesize"]["toolchain"]).synthesize(context)


STAGE = Synthesize()
