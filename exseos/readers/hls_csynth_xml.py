"""Vivado HLS and Vitis HLS ``*_csynth.xml`` and ``csynth.xml``: the estimates of one module, or of the whole design with its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exseos.readers.base import Reader, Report, ReportError
from exseos.readers.cells import Gathered, nanoseconds, number
from exseos.readers.xml_tree import words, xml_root

if TYPE_CHECKING:
    from lxml.etree import _Element

_RESOURCES = {"BRAM_18K": "bram_18k", "FF": "ff", "LUT": "lut", "URAM": "uram", "AVAIL_BRAM": "bram_18k_available"}
_RESOURCES |= {f"AVAIL_{tag}": f"{tag.lower()}_available" for tag in ("FF", "LUT", "URAM", "DSP")}
_LATENCIES = (("Best", "min"), ("Average", "average"), ("Worst", "max"))


class CsynthXml(Reader):
    """Levels are ``estimated``. The top module is the design; the modules of a whole design have their names as scopes."""

    name = "HLS estimates as XML"

    def recognises(self, head: str, file_name: str) -> bool:
        return "<profile>" in head and "<UserAssignments>" in head

    def read(self, text: str, file_name: str) -> Report:
        root = xml_root(text, file_name)
        if root.tag != "profile" or root.find("UserAssignments") is None:
            raise ReportError("this is no report of HLS estimates", where=file_name)
        version = words(root, "ReportVersion/Version")
        assigned = root.find("UserAssignments")
        unit = words(assigned, "unit") or words(root, "PerformanceEstimates/SummaryOfTimingAnalysis/unit")
        gathered = Gathered("estimated")
        gathered.add("clock_target_ns", nanoseconds(words(assigned, "TargetClockPeriod"), unit))
        gathered.add("clock_uncertainty_ns", nanoseconds(words(assigned, "ClockUncertainty"), unit))
        _estimates(root, "design", unit, gathered)
        for module in root.iterfind("ModuleInformation/Module"):
            if scope := words(module, "Name"):
                _estimates(module, scope, unit, gathered)
        return Report(_tool(root, version), version, words(assigned, "Part"), gathered.numbers())


def _tool(root: _Element, version: str) -> str:
    """Both tools wrote such files in 2020.1; only Vitis HLS knows flow targets."""
    if root.find("UserAssignments/FlowTarget") is not None or version[:4] > "2020":
        return "vitis_hls"
    return "vitis_hls" if version.startswith("2020.2") and root.find("AreaEstimates/Resources/DSP") is not None else "vivado_hls"


def _estimates(element: _Element, scope: str, unit: str, gathered: Gathered) -> None:
    timing = element.find("PerformanceEstimates/SummaryOfTimingAnalysis")
    unit = words(timing, "unit") or unit
    gathered.add("clock_estimated_ns", nanoseconds(words(timing, "EstimatedClockPeriod"), unit), scope)
    if scope != "design":
        gathered.add("clock_target_ns", nanoseconds(words(timing, "TargetClockPeriod"), unit), scope)
    latency = element.find("PerformanceEstimates/SummaryOfOverallLatency")
    for case, name in _LATENCIES:
        gathered.add(f"latency_{name}_cycles", number(words(latency, f"{case}-caseLatency")), scope)
        gathered.add(f"latency_{name}_ns", nanoseconds(words(latency, f"{case}-caseRealTimeLatency")), scope)
    for end in ("min", "max"):
        once = words(latency, "PipelineInitiationInterval") if scope != "design" else ""
        gathered.add(f"interval_{end}", number(words(latency, f"Interval-{end}") or once), scope)
    _resources(element.find("AreaEstimates/Resources"), "", scope, gathered)
    _resources(element.find("AreaEstimates/AvailableResources"), "_available", scope, gathered)


def _resources(table: _Element | None, suffix: str, scope: str, gathered: Gathered) -> None:
    for cell in table if table is not None else ():
        if isinstance(cell.tag, str):
            name = "dsp" if cell.tag.startswith("DSP") else _RESOURCES.get(cell.tag)
            gathered.add(f"{name}{suffix}", number(cell.text) if name else None, scope)


READER = CsynthXml()
