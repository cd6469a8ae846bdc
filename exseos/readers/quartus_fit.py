"""Quartus' fitter: ``*.fit.summary`` and the table ``Fitter Summary`` of ``*.fit.rpt``.

``m20k`` counts the RAM blocks of the family, M10K ones on Cyclone V; families with logic elements have no ``alm``.
"""

from __future__ import annotations

import re

from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.quartus_tables import RESOURCES, check_status, counted, fields, run_time, version

_SUMMARY = re.compile(r"\s*Fitter Status : ")
_TABLE = re.compile(r"^; Fitter Status +;", re.MULTILINE)


class QuartusFit(Reader):
    """Resources after place and route."""

    name = "quartus fit"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_SUMMARY.match(head) or _TABLE.search(head))

    def read(self, text: str, file_name: str) -> Report:
        found = fields(text, ("Fitter Summary",))
        check_status(found, "Fitter Status", file_name)
        numbers = counted(found, RESOURCES)
        if not numbers:
            raise ReportError("no resources in this fitter report", where=file_name, hint="It may be cut off; run the fitter again.")
        return Report("quartus", version(found), found.get("Device", ""), (*numbers, *run_time(text)))


READER = QuartusFit()
