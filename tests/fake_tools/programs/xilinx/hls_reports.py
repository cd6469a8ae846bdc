"""EXSEOS-STAND-IN: reports of Vivado HLS and Vitis HLS, in the layouts that their versions have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .design import Estimate, Part
from .session import stamp

RULE = "=" * 64


@dataclass(frozen=True)
class Heading:
    """What every report says on top. The layout follows from the release: absolute latencies since 2019.2, ``DSP`` since 2020.2."""

    release: tuple[int, ...]
    version: str
    build: str
    project: str
    solution: str
    part: Part

    @property
    def vitis(self) -> bool:
        return self.release >= (2020, 2)

    @property
    def absolute(self) -> bool:
        return self.release >= (2019, 2)

    @property
    def dsp(self) -> str:
        return "DSP" if self.vitis else "DSP48E"

    def facts(self, indent: str = "") -> list[str]:
        year = self.release[0]
        target = " (Vivado IP Flow Target)" if self.vitis else ""
        return [
            f"{indent}* Date:           {stamp()}",
            "",
            f"{indent}* Version:        {self.version} (Build {self.build} on Wed May 27 20:16:12 MDT {year})",
            f"{indent}* Project:        {self.project}",
            f"{indent}* Solution:       {self.solution}{target}",
            f"{indent}* Product family: {self.part.family}",
            f"{indent}* Target device:  {self.part.name}",
        ]


def heading_lines(title: str) -> list[str]:
    return ["", "", RULE, f"== {title}", RULE]


def table(rows: Sequence[Sequence[str]], *, rules: Iterable[int] = (), indent: str = "", titles: int = 1) -> list[str]:
    """A table with ``titles`` header rows and rules before the body rows that ``rules`` numbers."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    line = indent + "+" + "+".join("-" * (width + 1) for width in widths) + "+"
    drawn = [line]
    for number, row in enumerate(rows):
        if number == titles or number - titles in rules:
            drawn.append(line)
        cells = [
            cell.ljust(width) + " " if column == 0 else cell.rjust(width) + " "
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        if number >= titles:
            cells = [cell if column == 0 else " " + cell[:-1] for column, cell in enumerate(cells)]
        drawn.append(indent + "|" + "|".join(cells) + "|")
    return [*drawn, line]


def duration(cycles: int, clock_ns: float) -> str:
    nanoseconds = cycles * clock_ns
    return f"{nanoseconds / 1000:.3f} us" if nanoseconds >= 1000 else f"{nanoseconds:.3f} ns"


def module_text(heading: Heading, name: str, found: Estimate) -> str:
    """``<module>_csynth.rpt``."""
    tool = "Vitis" if heading.vitis else "Vivado"
    lines = [*heading_lines(f"{tool} HLS Report for '{name}'"), *heading.facts(), *heading_lines("Performance Estimates")]
    lines += _timing(heading, found) + _latency(heading, found)
    lines += ["    + Detail: ", "        * Instance: ", "        N/A", "", "        * Loop: ", "        N/A", "", ""]
    lines += [*heading_lines("Utilization Estimates"), "* Summary: ", *_utilization(heading, found), ""]
    lines += ["+ Detail: ", "    * Instance: ", "    N/A", "", "", *heading_lines("Interface"), "* Summary: "]
    ports = [("ap_clk", "in"), ("ap_rst", "in"), ("ap_start", "in"), ("ap_done", "out"), ("ap_idle", "out"), ("ap_ready", "out")]
    rows = [["RTL Ports", "Dir", "Bits", "Protocol", "Source Object", "C Type"]]
    rows += [[port, way, "1", "ap_ctrl_hs", name, "return value"] for port, way in ports]
    return "\n".join([*lines, *table(rows), "", ""])


def _timing(heading: Heading, found: Estimate) -> list[str]:
    unit = " ns" if heading.absolute else ""
    values = [found.clock_ns + unit, found.estimated_ns + unit, found.uncertainty_ns + unit]
    rows = [["Clock", "Target", "Estimated", "Uncertainty"], ["ap_clk", *values]]
    return ["+ Timing: " if unit else "+ Timing (ns): ", "    * Summary: ", *table(rows, indent="    "), ""]


def _latency(heading: Heading, found: Estimate) -> list[str]:
    """Drawn by hand: the cells of the first header row span two columns."""
    least, most, low, high = found.latency_min, found.latency_max, found.interval_min, found.interval_max
    if not heading.absolute:
        rule = "    +-----+-----+-----+-----+---------+"
        drawn = ["    |  Latency  |  Interval | Pipeline|", "    | min | max | min | max |   Type  |", rule]
        row = f"    |{least:5}|{most:5}|{low:5}|{high:5}| function|"
        return ["+ Latency (clock cycles): ", "    * Summary: ", rule, *drawn, row, rule, ""]
    clock = float(found.clock_ns)
    rule = "    +---------+---------+-----------+-----------+-----+-----+----------+"
    drawn = [
        "    |  Latency (cycles) |   Latency (absolute)  |  Interval | Pipeline |",
        "    |   min   |   max   |    min    |    max    | min | max |   Type   |",
        rule,
    ]
    row = f"    |{least:9}|{most:9}|{duration(least, clock):>11}|{duration(most, clock):>11}|{low:5}|{high:5}|  function|"
    return ["+ Latency: ", "    * Summary: ", rule, *drawn, row, rule, ""]


def _utilization(heading: Heading, found: Estimate) -> list[str]:
    part = heading.part
    used = [found.bram_18k, found.dsp, found.ff, found.lut, found.uram]
    available = [part.bram_18k, part.dsp, part.ff, part.lut, part.uram]
    rows = [["Name", "BRAM_18K", heading.dsp, "FF", "LUT", "URAM"]]
    rows += [[name, "-", "-", "-", "-", "-"] for name in ("DSP", "FIFO", "Memory")]
    # The parts of the total, so that a reader that adds rows up or takes the first one is wrong.
    rows.append(["Expression", "-", "-", "0", str(found.lut // 3), "-"])
    rows.append(["Instance", *(str(value - value // 3) for value in used)])
    rows.append(["Total", *map(str, used)])
    if part.slrs > 1:
        region = [value // part.slrs for value in available]
        rows += [["Available SLR", *map(str, region)], ["Utilization SLR (%)", *map(_percent, used, region)]]
    rows += [["Available", *map(str, available)], ["Utilization (%)", *map(_percent, used, available)]]
    return table(rows, rules=range(5, len(rows) - 1))


def _percent(used: int, available: int) -> str:
    share = 100 * used // available if available else 0
    return str(share) if share or not used else "~0"


def module_xml(heading: Heading, name: str, found: Estimate, modules: dict[str, Estimate] | None = None) -> str:
    """``<module>_csynth.xml``; with ``modules``, the ``csynth.xml`` of the whole design."""
    part = heading.part
    clock = float(found.clock_ns)
    latencies = (("Best", found.latency_min), ("Average", found.latency_average), ("Worst", found.latency_max))
    real = [f"<{case}-caseRealTimeLatency>{duration(cycles, clock)}</{case}-caseRealTimeLatency>" for case, cycles in latencies]
    used = {"BRAM_18K": found.bram_18k, heading.dsp: found.dsp, "FF": found.ff, "LUT": found.lut, "URAM": found.uram}
    available = {"BRAM_18K": part.bram_18k, heading.dsp: part.dsp, "FF": part.ff, "LUT": part.lut, "URAM": part.uram}
    lines = ["<profile>", "", "<ReportVersion>", f"<Version>{heading.version}</Version>", "</ReportVersion>", ""]
    lines += ["<UserAssignments>", "<unit>ns</unit>", f"<ProductFamily>{part.family}</ProductFamily>", f"<Part>{part.name}</Part>"]
    lines += [f"<TopModelName>{name}</TopModelName>", f"<TargetClockPeriod>{found.clock_ns}</TargetClockPeriod>"]
    lines += [f"<ClockUncertainty>{found.uncertainty_ns}</ClockUncertainty>"]
    lines += ["<FlowTarget>vivado</FlowTarget>"] if heading.release >= (2021, 1) else []
    lines += ["</UserAssignments>", "", "<PerformanceEstimates>", "<PipelineType>yes</PipelineType>", "<SummaryOfTimingAnalysis>"]
    lines += ["<unit>ns</unit>", f"<EstimatedClockPeriod>{found.estimated_ns}</EstimatedClockPeriod>", "</SummaryOfTimingAnalysis>"]
    lines += ["<SummaryOfOverallLatency>", "<unit>clock cycles</unit>"]
    lines += [f"<{case}-caseLatency>{cycles}</{case}-caseLatency>" for case, cycles in latencies]
    lines += real if heading.absolute else []
    lines += [f"<Interval-min>{found.interval_min}</Interval-min>", f"<Interval-max>{found.interval_max}</Interval-max>"]
    lines += ["</SummaryOfOverallLatency>", "</PerformanceEstimates>", "", "<AreaEstimates>", "<Resources>"]
    lines += [f"<{tag}>{value}</{tag}>" for tag, value in used.items()]
    lines += ["</Resources>", "<AvailableResources>", *(f"<{tag}>{value}</{tag}>" for tag, value in available.items())]
    lines += ["</AvailableResources>", "</AreaEstimates>", ""]
    if modules is not None:
        inner = [line for module, estimate in modules.items() for line in _module(module, estimate)]
        lines += ["<ModuleInformation>", *inner, "</ModuleInformation>", ""]
    return "\n".join([*lines, "</profile>", ""])


def _module(name: str, found: Estimate) -> list[str]:
    return [
        "<Module>",
        f"<Name>{name}</Name>",
        "<Loops/>",
        "<PerformanceEstimates>",
        "<SummaryOfOverallLatency>",
        f"<Best-caseLatency>{found.latency_min}</Best-caseLatency>",
        f"<Average-caseLatency>{found.latency_average}</Average-caseLatency>",
        f"<Worst-caseLatency>{found.latency_max}</Worst-caseLatency>",
        f"<PipelineInitiationInterval>{found.interval_min}</PipelineInitiationInterval>",
        "</SummaryOfOverallLatency>",
        "<SummaryOfTimingAnalysis>",
        f"<TargetClockPeriod>{found.clock_ns}</TargetClockPeriod>",
        f"<ClockUncertainty>{found.uncertainty_ns}</ClockUncertainty>",
        f"<EstimatedClockPeriod>{found.estimated_ns}</EstimatedClockPeriod>",
        "</SummaryOfTimingAnalysis>",
        "</PerformanceEstimates>",
        "<AreaEstimates>",
        "<Resources>",
        *(f"<{tag}>{value}</{tag}>" for tag, value in (("BRAM_18K", found.bram_18k), ("DSP", found.dsp), ("FF", found.ff))),
        *(f"<{tag}>{value}</{tag}>" for tag, value in (("LUT", found.lut), ("URAM", found.uram))),
        "</Resources>",
        "</AreaEstimates>",
        "</Module>",
    ]


def design_text(heading: Heading, top: str, found: dict[str, Estimate]) -> str:
    """Vitis HLS's ``csynth.rpt``: a row for each module, the first of ``found`` is the top one."""
    lines = [*heading_lines(f"Synthesis Summary Report of '{top}'"), "+ General Information: "]
    lines += [line for line in heading.facts("    ") if line]
    lines += ["", "", "+ Performance & Resource Estimates: ", "    ", "    PS: '+' for module; 'o' for loop; '*' for dataflow"]
    labels = [f"+ {name}" if place == 0 else f" + {name}" for place, name in enumerate(found)]
    rows = [_summary_row(heading, label, estimate) for label, estimate in zip(labels, found.values(), strict=True)]
    first = ["Modules", "Issue", "", "Latency", "Latency", "Iteration", "", "Trip", "", "", "", "", "", ""]
    second = [
        "& Loops",
        "Type",
        "Slack",
        "(cycles)",
        "(ns)",
        "Latency",
        "Interval",
        "Count",
        "Pipelined",
        "BRAM",
        "DSP",
        "FF",
        "LUT",
        "URAM",
    ]
    lines += table([first, second, *rows], indent="    ", titles=2)
    return "\n".join([*lines, "", "", *heading_lines("HW Interfaces"), "* TOP LEVEL CONTROL", ""])


def _summary_row(heading: Heading, label: str, found: Estimate) -> list[str]:
    part = heading.part
    total = found.latency_max * float(found.clock_ns)
    slack = -found.slack_ns if heading.release[:2] == (2020, 2) else found.slack_ns
    shares = [
        f"{used} ({_percent(used, available)}%)" if used else "-"
        for used, available in ((found.bram_18k, part.bram_18k), (found.dsp, part.dsp), (found.ff, part.ff), (found.lut, part.lut))
    ]
    uram = f"{found.uram} ({_percent(found.uram, part.uram)}%)" if found.uram else "-"
    timed = f"{total:.3e}" if total >= 1000 else f"{total:.3f}"
    return [label, "-", f"{slack:.2f}", str(found.latency_max), timed, "-", str(found.interval_max), "-", "yes", *shares, uram]


def cosim_text(heading: Heading, cycles: dict[str, int]) -> str:
    """``<top>_cosim.rpt``; with Vitis HLS it has a column for the total."""
    bar, unit = "+----------+----------+" + ("-" * 47 + "+") * 2, "(Clock Cycles)" if heading.vitis else ""
    names = ["min", "avg", "max"]
    passed = [cycles[f"{what}_{name}"] for what in ("latency", "interval") for name in names]
    total = (
        ("-" * 22 + "+", " Total Execution Time |", "    (Clock Cycles)    +", "                      |") if heading.vitis else ("",) * 4
    )
    lines = ["", f"Report time       : {stamp()}.", f"Solution          : {heading.solution}.", "Simulation tool   : xsim.", ""]
    lines += [bar + total[0], f"|          |          |{'Latency' + unit:^47}|{'Interval' + unit:^47}|{total[1]}"]
    lines += ["+   RTL    +  Status  +" + ("-" * 47 + "+") * 2 + total[2]]
    lines += ["|          |          |" + "".join(f"{name:^15}|" for name in names * 2) + total[3], bar + total[0]]
    for language, status, values in (("VHDL", "NA", ["NA"] * 6), ("Verilog", "Pass", [str(value) for value in passed])):
        end = f"{cycles['execution'] if status == 'Pass' else 'NA':>22}|" if heading.vitis else ""
        lines.append(f"|{language:>10}|{status:>10}|" + "".join(f"{value:>15}|" for value in values) + end)
    return "\n".join([*lines, bar + total[0], ""])


def export_text(heading: Heading, top: str, flow: str, used: dict[str, int], target: str, synth: str, route: str) -> str:
    """``export_syn.rpt`` and ``export_impl.rpt``, and Vivado HLS's ``<top>_export.rpt``."""
    if not heading.vitis:
        step = "Implementation" if flow == "impl" else "Synthesis"
        lines = ["", f"Implementation tool: Xilinx Vivado v.{heading.version}", f"Project:             {heading.project}"]
        lines += [
            f"Solution:            {heading.solution}",
            f"Device target:       {heading.part.name}",
            f"Report date:         {stamp()}",
        ]
        lines += ["", f"#=== Post-{step} Resource usage ==="]
        lines += [f"{name + ':':7}{value:>12}" for name, value in {"SLICE" if flow == "impl" else "CLB": 0, **used}.items()]
        lines += ["#=== Final timing ===", f"CP required:    {target}", f"CP achieved post-synthesis:    {synth}"]
        lines += [f"CP achieved post-implementation:    {route}"] if flow == "impl" else []
        met = float(route or synth) <= float(target)
        return "\n".join([*lines, "Timing met" if met else "Timing not met", ""])
    kind = "Place & Route" if flow == "impl" else "RTL Synthesis"
    title = "Place & Route Results" if flow == "impl" else "RTL Synthesis Results"
    lines = [RULE, f"== Vivado {title}", RULE, "+ General Information:", *(line for line in heading.facts("    ") if line)]
    lines += [*heading_lines("Run Constraints & Options"), "+ Design Constraints & Options:", f"    * {kind} target clock:  {target} ns"]
    lines += [*heading_lines(f"{kind} Resource Summary"), *(f"{name + ':':18}{value}" for name, value in used.items())]
    verdict = "* Timing was met" if float(route or synth) <= float(target) else "* Timing was not met"
    periods = [("Target", target), ("Post-Synthesis", synth), *([("Post-Route", route)] if flow == "impl" else [])]
    bar = "+----------------+-------------+"
    lines += [*heading_lines(f"{kind} Timing Summary"), verdict, bar, "| Timing         | Period (ns) |", bar]
    lines += [*(f"| {name:14} | {value:11} |" for name, value in periods), bar]
    row = f"| inst | {used['LUT']} | {used['FF']} |"
    return "\n".join([*lines, *heading_lines(f"{kind} Resources"), "| Name | LUT | FF |", row, "", ""])


def export_xml(heading: Heading, flow: str, used: dict[str, int], target: str, synth: str, route: str) -> str:
    """``export_syn.xml`` and ``export_impl.xml``."""
    final = route or synth
    part = heading.part
    worst = {name: float(target) - float(value) for name, value in (("FINAL", final), ("SYNTH", synth)) if value}
    available = {"BRAM": part.bram_18k, "CLB": 0, "DSP": part.dsp, "FF": part.ff, "LUT": part.lut, "URAM": part.uram}
    lines = ["<profile>", "  <RunData>", f"    <RUN_TYPE>{'impl' if flow == 'impl' else 'synth'}</RUN_TYPE>"]
    lines += [f"    <VIVADO_VERSION>v.{heading.version}</VIVADO_VERSION>", "  </RunData>", "  <TimingReport>"]
    lines += [f"    <TargetClockPeriod>{target}</TargetClockPeriod>", f"    <AchievedClockPeriod>{final}</AchievedClockPeriod>"]
    lines += ["    <CLOCK_NAME>ap_clk</CLOCK_NAME>", f"    <CP_FINAL>{final}</CP_FINAL>", f"    <CP_ROUTE>{route or 'NA'}</CP_ROUTE>"]
    lines += [f"    <CP_SYNTH>{synth}</CP_SYNTH>", f"    <CP_TARGET>{target}</CP_TARGET>"]
    lines += [f"    <TIMING_MET>{'TRUE' if worst['FINAL'] >= 0 else 'FALSE'}</TIMING_MET>"]
    lines += [f"    <TNS_{name}>{min(value, 0.0) * 7:.3f}</TNS_{name}>" for name, value in worst.items()]
    lines += [f"    <WNS_{name}>{value:.3f}</WNS_{name}>" for name, value in worst.items()]
    lines += ["  </TimingReport>", "  <AreaReport>", "    <Resources>", "      <CLB>0</CLB>"]
    lines += [f"      <{name}>{value}</{name}>" for name, value in used.items()]
    lines += ["    </Resources>", "    <AvailableResources>"]
    lines += [f"      <{name}>{value}</{name}>" for name, value in available.items()]
    return "\n".join([*lines, "    </AvailableResources>", "  </AreaReport>", "</profile>", ""])
