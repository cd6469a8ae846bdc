"""Vivado HLS and Vitis HLS ``*_cosim.rpt``: latency and interval as the simulated RTL had them.

A language whose simulation did not pass has no numbers. Verilog is the design; VHDL is when only it was simulated.
"""

from __future__ import annotations

import re

from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.cells import Gathered, number
from exseos.readers.tables import Table, blocks, complete_lines

_HEADER = re.compile(r"^\+\s++RTL\s++\+\s++Status\s++\+", re.MULTILINE)
_EXECUTION = "totalexecutiontime(clockcycles)"


class Cosimulation(Reader):
    """Levels are ``cosimulated``. The report names neither version nor device, and its tool only by
    the column of total execution time, which Vitis HLS has and Vivado HLS has not."""

    name = "HLS cosimulation report"

    def recognises(self, head: str, file_name: str) -> bool:
        return _HEADER.search(head) is not None

    def read(self, text: str, file_name: str) -> Report:
        tables = [block for block in blocks(complete_lines(text)) if isinstance(block, Table) and {"rtl", "status"} <= set(block.columns())]
        if not tables:
            raise ReportError("the report has no table of results", where=file_name, hint="it is cut off: run the cosimulation again")
        gathered = Gathered("cosimulated")
        passed = {row["rtl"].strip(): row for row in tables[0].records() if row["status"].strip().lower() == "pass"}
        for language, row in passed.items():
            _row(row, "design" if language == "Verilog" or len(passed) == 1 else language, gathered)
        return Report("vitis_hls" if _EXECUTION in tables[0].columns() else "vivado_hls", "", "", gathered.numbers())


def _row(row: dict[str, str], scope: str, gathered: Gathered) -> None:
    cells = {name.replace("(clockcycles)", ""): cell for name, cell in row.items()}
    for end, name in (("min", "min"), ("avg", "average"), ("max", "max")):
        gathered.add(f"latency_{name}_cycles", number(cells.get(f"latency{end}")), scope)
        gathered.add(f"interval_{name}", number(cells.get(f"interval{end}")), scope)
    gathered.add("execution_cycles", number(row.get(_EXECUTION)), scope)


READER = Cosimulation()
