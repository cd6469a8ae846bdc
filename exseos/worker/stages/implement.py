"""Place and route by the toolchain that synthesized, or by the one that ``toolchain`` names."""

from __future__ import annotations

from exseos.toolchains.base import find
from exseos.worker.stages.base import Context, Stage


class Implement(Stage):
    """Fills the output as the toolchain says; all write ``metrics.json``."""

    name = "implement"

    def run(self, context: Context) -> None:
        """Raises ``UsageError`` for an unknown toolchain, ``StageError`` for a part or design it cannot take."""
        name = context.parameters.get("toolchain", context.parameters["synthesize"]["toolchain"])
        find(name).implement(context)


STAGE = Implement()
