"""From the reports of a finished vendor stage to its metrics: a pure function of the files, so that a reviewer can read them again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

from exseos.errors import StageError
from exseos.lock import STAND_IN_VERSION
from exseos.metrics import Metric
from exseos.readers.base import Number, ReportError
from exseos.readers.collect import read_report
from exseos.toolchains.base import Tool
from exseos.toolchains.vendor.base import DESIGN_FILE, Role, VendorToolchain, read_design

RUN_FILE = "run.json"
"""How the tools were called, and for how long they ran."""
RUN_TIME = "tool_run_time_s"
"""The metric of that time: it differs from run to run, so nothing is judged by it."""
Key = tuple[str, str, str]


def read_metrics(toolchain: VendorToolchain, role: Role, folder: Path, tool: Tool) -> list[Metric]:
    """Numbers of the whole design and of super logic regions; of two reports with one number, the more trusted counts.

    Raises ``StageError`` for a report that is cut off or damaged, and if there is no number at all.
    """
    found: dict[Key, Metric] = {}
    for path in report_files(toolchain, role, folder):
        origin = path.relative_to(folder).as_posix()
        try:
            report = read_report(path)
        except (ReportError, OSError) as error:
            what = error.what if isinstance(error, ReportError) else str(error)
            raise StageError(
                f"a report of {toolchain.title} cannot be read: {what}",
                where=origin,
                hint="It may be cut off: is the disk full? Run the same command again.",
            ) from error
        if report is None:
            continue
        version = (report.version or tool.version) + (STAND_IN_VERSION if tool.stand_in else "")
        for number in report.numbers:
            if number.scope == "design" or number.scope.startswith("SLR"):
                metric = _metric(number, origin, report.tool, version)
                found.setdefault((metric.name, metric.level, metric.scope), metric)
    if not found:
        raise StageError(f"no report of {toolchain.title} holds a number", where=role, hint="See the reports in the stage's outputs.")
    metrics = list(found.values())
    return [*metrics, *_fmax(found), *_seconds(folder, toolchain, tool, metrics)]


def report_files(toolchain: VendorToolchain, role: Role, folder: Path) -> Iterator[Path]:
    """The files that the toolchain's patterns name, most trusted first, each once."""
    seen = set()
    top = _top(folder)
    for pattern in toolchain.reports[role]:
        for path in sorted(folder.glob(pattern.replace("{top}", top))):
            if path.is_file() and path not in seen:
                seen.add(path)
                yield path


def _top(folder: Path) -> str:
    """The design's top module, empty where there is no record of the design; raises ``StageError`` for a damaged one."""
    return read_design(folder).top if (folder / DESIGN_FILE).exists() else ""


def _metric(number: Number, origin: str, tool: str, version: str) -> Metric:
    return Metric(
        name=number.name,
        value=number.value,
        unit=number.unit,
        level=number.level,
        scope=number.scope,
        origin=origin,
        tool=tool,
        version=version,
    )


def _fmax(found: dict[Key, Metric]) -> Iterator[Metric]:
    """1 / (target period - worst negative slack), where a report has both and no maximum frequency of its own."""
    for (name, level, scope), slack in list(found.items()):
        target = found.get(("clock_target_ns", level, scope))
        if name == "wns_ns" and target is not None and ("fmax_mhz", level, scope) not in found and target.value > slack.value:
            value = round(1000 / (target.value - slack.value), 6)
            yield slack.model_copy(update={"name": "fmax_mhz", "value": value, "unit": "MHz"})


def _seconds(folder: Path, toolchain: VendorToolchain, tool: Tool, metrics: list[Metric]) -> Iterator[Metric]:
    try:
        seconds = float(json.loads((folder / RUN_FILE).read_bytes())["seconds"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError):
        return
    if not math.isfinite(seconds):
        return
    level = max((metric.level for metric in metrics), key=("estimated", "cosimulated", "synthesized", "routed").index)
    if any((metric.name, metric.level) == (RUN_TIME, level) for metric in metrics):
        return  # the tool's own report says it
    version = tool.version + (STAND_IN_VERSION if tool.stand_in else "")
    yield Metric(name=RUN_TIME, value=seconds, unit="s", level=level, origin=RUN_FILE, tool=toolchain.name, version=version)
