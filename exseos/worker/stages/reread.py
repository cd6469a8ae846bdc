"""The ``reread`` stage: the metrics of a vendor's stage once more, from the reports that it left.

Parameters: ``{"toolchain": …, "role": "synthesize" | "implement"}``. Reads ``recorded``, the outputs of that stage; writes
``metrics.json``, the same bytes as there if the reports are the ones that it was made from. No tool is needed.
"""

from __future__ import annotations

import json

from exseos.errors import StageError
from exseos.toolchains.base import Tool
from exseos.toolchains.vendor.installation import vendor
from exseos.toolchains.vendor.reports import RUN_FILE
from exseos.worker.stages.base import Context, Stage


class Reread(Stage):
    """See the module."""

    name = "reread"

    def run(self, context: Context) -> None:
        """Raises ``StageError`` for reports that are damaged or say nothing."""
        folder = context.inputs["recorded"]
        toolchain = vendor(context.parameters["toolchain"])
        try:
            record = json.loads((folder / RUN_FILE).read_bytes())
            tool = Tool(folder, str(record["version"]), str(record["fingerprint"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StageError("the record of the run is missing or damaged", where=RUN_FILE) from error
        context.write_metrics(toolchain.metrics(context.parameters["role"], folder, tool))
