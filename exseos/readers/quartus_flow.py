"""Quartus' flow: the table ``Flow Summary`` of ``*.flow.rpt``, and how long all steps took.

The resources are the fitter's where the fitter ran, and otherwise those of synthesis.
"""

from __future__ import annotations

import re

from exseos.metrics import Level
from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.quartus_tables import RESOURCES, check_status, counted, fields, seconds, tables, version

_HEAD = re.compile(r"^; Flow Status +;", re.MULTILINE)
_FITTER = re.compile(r"^quartus_fit ", re.MULTILINE)


class QuartusFlow(Reader):
    """Resources after the last step of the flow, and its run time."""

    name = "quartus flow"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.search(head))

    def read(self, text: str, file_name: str) -> Report:
        found = fields(text, ("Flow Summary",))
        check_status(found, "Flow Status", file_name)
        times = [table for table in tables(text) if table.title == "Flow Elapsed Time" and table.closed]
        steps = {row[0]: row[1] for table in times for row in table.rows[1:] if len(row) > 1}
        if "Total" not in steps:
            raise ReportError("the report does not say which steps ran", where=file_name, hint="It may be cut off; run the flow again.")
        if ("Fitter" in steps) != bool(_FITTER.search(text)):
            raise ReportError("the times and the log name different steps", where=file_name, hint="A line is missing; run the flow again.")
        level: Level = "routed" if "Fitter" in steps else "synthesized"
        numbers = counted(found, RESOURCES, level)
        total = seconds(steps["Total"])
        if total is not None:
            numbers.append(Number("tool_run_time_s", total, "s", level))
        return Report("quartus", version(found), found.get("Device", ""), tuple(numbers))


READER = QuartusFlow()
