"""Vivado HLS and Vitis HLS ``export_syn.xml``, ``export_impl.xml``: what Vivado made of the exported RTL.

Block RAM is counted in 18 Kb halves. With place and route, the numbers of the synthesis before it keep the level ``synthesized``.
Instances under the top one have their paths as scopes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.cells import Gathered, nanoseconds, number
from exseos.readers.xml_tree import words, xml_root

if TYPE_CHECKING:
    from lxml.etree import _Element

_RESOURCES = {
    "BRAM": "bram_18k",
    "CLB": "clb",
    "DSP": "dsp",
    "FF": "ff",
    "LATCH": "latch",
    "LUT": "lut",
    "SLICE": "slice",
    "SRL": "srl",
    "URAM": "uram",
}
_ZERO_IS_ABSENT = {"CLB", "SLICE"}
"""Written as 0 by synthesis, which places nothing."""


class ExportXml(Reader):
    """Levels are ``synthesized`` or ``routed``, as the run says."""

    name = "HLS export as XML"

    def recognises(self, head: str, file_name: str) -> bool:
        return "<profile>" in head and "<AchievedClockPeriod>" in head

    def read(self, text: str, file_name: str) -> Report:
        root = xml_root(text, file_name)
        timing = root.find("TimingReport")
        if root.tag != "profile" or timing is None:
            raise ReportError("this is no report of an export", where=file_name)
        routed = _routed(root, timing)
        gathered = Gathered("routed" if routed else "synthesized")
        _timing(timing, gathered, routed)
        for place, suffix in (("Resources", ""), ("AvailableResources", "_available")):
            for tag, name in _RESOURCES.items():
                value = number(words(root, f"AreaReport/{place}/{tag}"))
                gathered.add(name + suffix, None if tag in _ZERO_IS_ABSENT and not value else value)
        for instance in root.iterfind("RtlModules/RtlModule"):
            cells, resources = instance.get("CELL", "").split("/")[1:], instance.find("Resources")
            for tag, name in _RESOURCES.items() if cells and resources is not None else ():
                gathered.add(name, number(resources.get(tag)), "/".join(cells))
        version = words(root, "RunData/VIVADO_VERSION")
        return Report("vitis_hls" if version[2:8] >= "2020.2" else "vivado_hls", version, _device(root), gathered.numbers())


def _device(root: _Element) -> str:
    devices = [item.get("VALUE", "") for item in root.iterfind("GeneralInfo/item") if item.get("NAME") == "Target device"]
    return str(devices[0]) if devices else ""


def _routed(root: _Element, timing: _Element) -> bool:
    """Old reports have no ``RUN_TYPE``: then a clock period after routing tells."""
    run = words(root, "RunData/RUN_TYPE")
    return run == "impl" if run else number(words(timing, "CP_ROUTE")) is not None


def _timing(timing: _Element, gathered: Gathered, routed: bool) -> None:
    gathered.add("clock_target_ns", nanoseconds(words(timing, "TargetClockPeriod"), "ns"))
    gathered.add("clock_estimated_ns", nanoseconds(words(timing, "AchievedClockPeriod"), "ns"))
    for name in ("wns", "tns"):
        gathered.add(f"{name}_ns", number(words(timing, f"{name.upper()}_FINAL")))
        if routed:
            gathered.add(f"{name}_ns", number(words(timing, f"{name.upper()}_SYNTH")), level="synthesized")
    if routed:
        gathered.add("clock_estimated_ns", nanoseconds(words(timing, "CP_SYNTH"), "ns"), level="synthesized")


READER = ExportXml()
