"""Quartus' fitter: ``*.fit.summary`` and the table ``Fitter Summary`` of ``*.fit.rpt``.

``m20k`` counts the RAM blocks of the family, M10K ones on Cyclone V; families with logic elements have no ``alm``.
"""

from __future__ import annotations

import re

from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.quartus_tables import check_status, counted, fields, version

_HEAD = re.compile(r"^(?:Fitter Status : |; Fitter Status +;)", re.MULTILINE)
_NAMES = {
    "Logic utilization (in ALMs)": "alm",
    "Logic utilization (ALMs needed / total ALMs on device)": "alm",
    "Total logic elements": "logic_elements",
    "Total combinational functions": "combinational_functions",
    "Combinational ALUTs": "lut",
    "Total registers": "ff",
    "Total dedicated logic registers": "ff",
    "Dedicated logic registers": "registers",
    "Total DSP Blocks": "dsp",
    "Embedded Multiplier 9-bit elements": "multiplier_9bit",
    "DSP block 18-bit elements": "dsp_18bit",
    "Total RAM Blocks": "m20k",
    "Total block memory bits": "memory_bits",
    "Total memory bits": "memory_bits",
    "Total MLAB memory bits": "mlab_bits",
    "Total pins": "pins",
    "Total PLLs": "plls",
}


class QuartusFit(Reader):
    """Resources after place and route."""

    name = "quartus fit"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.search(head))

    def read(self, text: str, file_name: str) -> Report:
        found = fields(text, ("Fitter Summary",))
        check_status(found, "Fitter Status", file_name)
        numbers = counted(found, _NAMES)
        if not numbers:
            raise ReportError("no resources in this fitter report", where=file_name, hint="It may be cut off; run the fitter again.")
        return Report("quartus", version(found), found.get("Device", ""), tuple(numbers))


READER = QuartusFit()
