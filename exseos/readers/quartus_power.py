"""Quartus' power analyser: ``*.pow.summary`` and the summary table of ``*.pow.rpt``. Powers in W."""

from __future__ import annotations

import re
from decimal import Decimal

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.figures import number
from exseos.readers.quartus_tables import check_status, fields, run_time, version

_STATUS = r"(?:PowerPlay )?Power Analyzer Status"
_HEAD = re.compile(rf"^(?:{_STATUS} : |; {_STATUS} +;)", re.MULTILINE)
_TITLES = ("Power Analyzer Summary", "PowerPlay Power Analyzer Summary")
_NAMES = {
    "Total Thermal Power Dissipation": "power_w",
    "Core Dynamic Thermal Power Dissipation": "power_dynamic_w",
    "Core Static Thermal Power Dissipation": "power_static_w",
    "I/O Thermal Power Dissipation": "power_io_w",
}
_UNITS = {"W": Decimal(1), "mW": Decimal("1e-3"), "uW": Decimal("1e-6")}


class QuartusPower(Reader):
    """Power after place and route."""

    name = "quartus power"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.search(head))

    def read(self, text: str, file_name: str) -> Report:
        found = fields(text, _TITLES)
        for label in ("Power Analyzer Status", "PowerPlay Power Analyzer Status"):
            check_status(found, label, file_name)
        powers = ((name, _watts(found.get(label, ""))) for label, name in _NAMES.items())
        numbers = tuple(Number(name, watts, "W", "routed") for name, watts in powers if watts is not None)
        if not numbers:
            raise ReportError("no powers in this power report", where=file_name, hint="It may be cut off; run the power analyser again.")
        return Report("quartus", version(found), found.get("Device", ""), (*numbers, *run_time(text)))


def _watts(text: str) -> float | None:
    amount, _, unit = text.strip().partition(" ")
    value = number(amount)
    return None if value is None or unit.strip() not in _UNITS else float(Decimal(str(value)) * _UNITS[unit.strip()])


READER = QuartusPower()
