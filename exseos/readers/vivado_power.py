"""Vivado ``report_power``: the table of the Summary, in watts."""

from __future__ import annotations

import re

from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.cells import Gathered, number
from exseos.readers.tables import complete_lines
from exseos.readers.vivado_text import facts, headed, is_vivado, level_told, version_of

_ROWS = {
    "Total On-Chip Power": "power_w",
    "Dynamic": "power_dynamic_w",
    "Device Static": "power_static_w",
    "Junction Temperature": "junction_temperature_celsius",
}
_LABEL = re.compile(r"(.{,200}?) \((W|mW|C)\)")


class Power(Reader):
    """The level is the design state's: ``synthesized``, or ``routed`` for a placed or routed design."""

    name = "Vivado power"

    def recognises(self, head: str, file_name: str) -> bool:
        return is_vivado(head, "report_power") or ("| Tool Version" in head and "Total On-Chip Power (" in head)

    def read(self, text: str, file_name: str) -> Report:
        if not self.recognises(text, file_name):
            raise ReportError("this is no power report of Vivado", where=file_name)
        lines = complete_lines(text)
        found = facts(lines)
        gathered = Gathered(level_told(found) or "synthesized")
        for heading, table in headed(lines):
            if heading == "Summary" and not table.titles:
                for row in table.rows:
                    _row(row, gathered)
        return Report("vivado", version_of(found), found.get("Device", ""), gathered.numbers())


def _row(row: tuple[str, ...], gathered: Gathered) -> None:
    label = _LABEL.fullmatch(row[0].strip()) if len(row) == 2 else None
    if label and label[1] in _ROWS:
        value = number(row[1])
        gathered.add(_ROWS[label[1]], value / 1000 if value is not None and label[2] == "mW" else value)


READER = Power()
