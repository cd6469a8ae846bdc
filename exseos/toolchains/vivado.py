"""``vivado``: logic synthesis, place and route of a design's RTL, out of context.

    implement: {toolchain: vivado, clock_ns: 5}

It takes the Verilog of ``vitis``, ``vivado_hls``, ``catapult``, ``bambu`` and ``open``. Out of context: the ports are those of a block
within a larger design, without pads. The root is the folder of one release, such as ``/tools/Xilinx/Vivado/2023.2`` or
``/tools/Xilinx/2025.1/Vivado``.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from exseos.errors import StageError
from exseos.toolchains import open as open_design
from exseos.toolchains.base import Work
from exseos.toolchains.vendor.base import DESIGN_FILE, Design, Role, VendorSection, VendorToolchain, read_design
from exseos.toolchains.vendor.run import running
from exseos.toolchains.vendor.xilinx import LICENCE_VARIABLES, PACKAGES, tool_environment

_REPORTS = ("utilization_synth", "timing_synth", "utilization_routed", "utilization_hierarchical", "timing_routed", "power_routed")
Directive = Annotated[str, Field(pattern=r"^[A-Za-z]\w*$", description="a directive of Vivado, such as 'Default' or 'Explore'")]


class Implement(VendorSection):
    """The ``implement`` section."""

    part: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]+$", description="default: the design's; needed for a design made for no Xilinx part"
    )
    clock_ns: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="target clock period; default: the design's"
    )
    synthesis: Directive = "Default"
    place: Directive = "Default"
    route: Directive = "Default"
    physical_optimization: bool = Field(True, description="phys_opt_design between place and route")


class Vivado(VendorToolchain):
    """Implements; it does not synthesize from an HLS project."""

    name = "vivado"
    title = "Vivado"
    packages = PACKAGES
    implements = ("vitis", "vivado_hls", "catapult", "bambu", "open")
    implement_parameters = Implement
    programs = ("bin/vivado", "bin/unwrapped/lnx64.o/vivado")
    version_pattern = r"(?i)vivado v(20[0-9]{2}\.[0-9](?:\.[0-9]+)?)"
    licence_variables = LICENCE_VARIABLES
    variables = ("XILINX_VIVADO",)
    usual_places = tuple(f"{base}/Xilinx/{tail}" for base in ("/tools", "/opt", "~") for tail in ("Vivado/20*", "20*/Vivado"))
    reports: ClassVar[Mapping[Role, tuple[str, ...]]] = {
        "implement": (
            "reports/utilization_routed.rpt",
            "reports/timing_routed.rpt",
            "reports/power_routed.rpt",
            "reports/utilization_synth.rpt",
            "reports/timing_synth.rpt",
        )
    }

    def environment(self, root: Path, home: Path) -> dict[str, str]:
        """As the release's ``settings64.sh`` sets them."""
        return tool_environment(root, "XILINX_VIVADO", [])

    def implement(self, work: Work) -> None:
        """Synthesis, place, route and reports by one script; keeps the reports, the script and the log."""
        section = Implement.model_validate(dict(work.parameters["implement"]))
        design = design_of(work)
        if section.part or section.clock_ns:
            changes = {"part": section.part or design.part, "clock_ns": section.clock_ns or design.clock_ns}
            design = design.model_copy(update=changes)
        if not design.part.lower().startswith("xc"):
            raise StageError(
                f"the design was made for {design.part}, which is no Xilinx part",
                where="implement.part",
                hint="Add `part: xc…` to `implement`.",
            )
        with running(self, work, "implement") as run:
            shutil.copytree(work.inputs["synthesize"] / design.rtl, run.folder / "rtl")
            (run.folder / "reports").mkdir()
            (run.folder / "clock.xdc").write_text(
                f"create_clock -period {design.clock_ns} -name {design.clock} [get_ports {design.clock}]\n", encoding="ascii"
            )
            (run.folder / "implement.tcl").write_text(script(design, section), encoding="ascii")
            try:
                program = str(run.tool.root / "bin/vivado")
                run(
                    "place and route",
                    [program, "-mode", "batch", "-notrace", "-nojournal", "-log", "vivado.log", "-source", "implement.tcl"],
                )
                run.require([f"reports/{name}.rpt" for name in _REPORTS])
            finally:
                run.keep(["*.log", "implement.tcl", "clock.xdc", "reports/*.rpt"])
            work.write_json(DESIGN_FILE, design.model_dump())


def design_of(work: Work) -> Design:
    """The design that the synthesizing toolchain left: ``design.json``, or the interface of the open toolchain."""
    folder = work.inputs["synthesize"]
    if (folder / DESIGN_FILE).exists():
        return read_design(folder)
    interface = work.read_json("synthesize", "interface.json")
    section = open_design.Synthesize.model_validate(dict(work.parameters["synthesize"]))
    return Design(top=interface["top"], clock=interface["clock"], part=section.part, clock_ns=section.clock_ns, rtl="rtl")


def script(design: Design, section: Implement) -> str:
    """Tcl for Vivado's batch mode; an error in any step ends it with exit code 1."""
    reports = {
        "synth": ("report_utilization -file reports/utilization_synth.rpt", "report_timing_summary -file reports/timing_synth.rpt"),
        "routed": (
            "report_utilization -file reports/utilization_routed.rpt",
            "report_utilization -hierarchical -file reports/utilization_hierarchical.rpt",
            "report_timing_summary -file reports/timing_routed.rpt",
            "report_power -file reports/power_routed.rpt",
        ),
    }
    lines = [
        f"create_project -in_memory -part {design.part}",
        "set_param general.maxThreads 1",
        "read_verilog [lsort [glob rtl/*.v]]",
        "foreach name [lsort [glob -nocomplain rtl/*.vhd]] { read_vhdl $name }",
        "foreach name [lsort [glob -nocomplain rtl/*_ip.tcl]] { source $name }",
        "read_xdc -mode out_of_context clock.xdc",
        f"synth_design -top {design.top} -part {design.part} -mode out_of_context{_directive(section.synthesis)}",
        *reports["synth"],
        "opt_design",
        f"place_design{_directive(section.place)}",
        *(["phys_opt_design"] if section.physical_optimization else []),
        f"route_design{_directive(section.route)}",
        *reports["routed"],
    ]
    return "\n".join(lines) + "\n"


def _directive(name: str) -> str:
    """Steps spell their default differently, and some releases take one spelling alone: it is what they do when told nothing."""
    return "" if name.lower() == "default" else f" -directive {name}"


TOOLCHAIN = Vivado()
