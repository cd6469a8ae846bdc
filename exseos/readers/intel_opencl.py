"""Intel FPGA OpenCL's ``acl_quartus_report.txt``: the whole image after place and route.

The kernels' clock is the design's ``fmax_mhz``; the 1x and 2x clocks have their names as scope.
"""

from __future__ import annotations

import re

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.figures import number, whole_lines
from exseos.readers.quartus_tables import counted

_HEAD = re.compile(r"^(?:Kernel fmax|Actual clock freq): ", re.MULTILINE)
_NAMES = {
    "ALUTs": "lut",
    "Registers": "ff",
    "Logic utilization": "alm",
    "I/O pins": "pins",
    "DSP blocks": "dsp",
    "Memory bits": "memory_bits",
    "RAM blocks": "m20k",
}
_CLOCKS = {
    "Actual clock freq": ("clock_mhz", "design"),
    "Kernel fmax": ("fmax_mhz", "design"),
    "1x clock fmax": ("fmax_mhz", "1x clock"),
    "2x clock fmax": ("fmax_mhz", "2x clock"),
}


class IntelOpenCL(Reader):
    """Resources and clocks of an OpenCL image."""

    name = "intel opencl"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.search(head)) and re.search(r"^(?:ALUTs|Registers|RAM blocks): ", head, re.MULTILINE) is not None

    def read(self, text: str, file_name: str) -> Report:
        found = {label: value.strip() for label, colon, value in (line.partition(": ") for line in whole_lines(text)) if colon}
        numbers = counted(found, _NAMES)
        for label, (name, scope) in _CLOCKS.items():
            value = number(found.get(label, ""))
            if value is not None:
                numbers.append(Number(name, value, "MHz", "routed", scope))
        if not numbers:
            raise ReportError("no resources and no clocks", where=file_name, hint="The file may be cut off; compile again.")
        return Report("intel_opencl", "", "", tuple(numbers))


READER = IntelOpenCL()
