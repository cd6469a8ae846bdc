"""What Vitis HLS and Vivado HLS share: hls4ml's Tcl, its options, and the layout of a solution."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from exseos.toolchains.base import Work
from exseos.toolchains.vendor.base import DESIGN_FILE, LOCALE_PACKAGES, Design, Role, VendorSynthesis, VendorToolchain
from exseos.toolchains.vendor.hls_project import copy_project, write_test_data
from exseos.toolchains.vendor.run import running

LICENCE_VARIABLES = ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE")
PACKAGES = (*LOCALE_PACKAGES, "libncurses5", "libtinfo5", "libudev1", "libx11-6", "net-tools", "procps")
"""Libraries that the tools load; libudev is preloaded, since FlexLM's client crashes in containers without."""
UDEV = "/usr/lib/x86_64-linux-gnu/libudev.so.1"


class HlsSection(VendorSynthesis):
    """The ``synthesize`` section of both."""

    part: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]+$", description="a part such as 'xcvu13p-flga2577-2-e'; default: the project's")
    cosim_rows: Annotated[int, Field(ge=0, le=100_000)] = Field(0, description="test rows of the RTL cosimulation; 0: none")
    export: bool = Field(False, description="export the design as an IP")
    vivado_synthesis: bool = Field(False, description="logic synthesis by Vivado, for resources nearer to the truth")


def siblings(root: Path, products: tuple[str, ...]) -> list[Path]:
    """Folders of other products of the same release: ``…/Vivado/2023.2`` beside ``…/Vitis/2023.2``, or ``…/2025.1/Vivado``."""
    old = [root.parent.parent / product / root.name for product in products]
    new = [root.parent / product for product in products if re.match(r"20[0-9]{2}\.", root.parent.name)]
    return [path for path in [*old, *new] if path != root]


_VARIABLES = {"Vivado": "XILINX_VIVADO", "Vitis_HLS": "XILINX_HLS", "Vitis": "XILINX_VITIS"}


def product(root: Path) -> str:
    """``Vivado`` of ``…/Vivado/2023.2`` and of ``…/2025.1/Vivado``."""
    return next((part for part in reversed(root.parts) if part in _VARIABLES), "")


def tool_environment(root: Path, variable: str, others: list[Path]) -> dict[str, str]:
    """``PATH`` with every product's programs, each product's variable, and the preloaded library."""
    folders = [str(path / "bin") for path in [root, *others] if (path / "bin").is_dir()]
    found = {"PATH": ":".join(folders), variable: str(root)}
    for path in others:
        if name := _VARIABLES.get(product(path)):
            found.setdefault(name, str(path))
    return found | ({"LD_PRELOAD": UDEV} if Path(UDEV).exists() else {})


class XilinxHls(VendorToolchain):
    """A toolchain that runs hls4ml's ``build_prj.tcl``."""

    packages = PACKAGES
    licence_variables = LICENCE_VARIABLES
    synthesize_parameters = HlsSection
    reports: ClassVar[Mapping[Role, tuple[str, ...]]] = {
        "synthesize": (
            "{top}_prj/solution1/sim/report/{top}_cosim.rpt",
            "vivado_synth.rpt",
            "{top}_prj/solution1/syn/report/{top}_csynth.xml",
            "{top}_prj/solution1/syn/report/{top}_csynth.rpt",
        )
    }

    @abstractmethod
    def hls_command(self, root: Path, folder: Path, options: Mapping[str, int]) -> list[str]:
        """The command that runs ``build_prj.tcl`` in the project's ``folder``; writes ``options`` there where it takes them so."""

    def synthesize(self, work: Work) -> None:
        """HLS, then on demand cosimulation, export and logic synthesis; keeps reports, logs and Verilog."""
        section = HlsSection.model_validate(dict(work.parameters["synthesize"]))
        with running(self, work, "synthesize") as run:
            facts = copy_project(work, run.folder)
            top = str(facts["project"])
            solution = f"{top}_prj/solution1"
            design = Design(
                top=top,
                clock="ap_clk",
                part=section.part or facts["part"],
                clock_ns=section.clock_ns or facts["clock_ns"],
                rtl=f"{solution}/syn/verilog",
            )
            with (run.folder / "project.tcl").open("a", encoding="utf-8") as stream:
                stream.write(f'set part "{design.part}"\nset clock_period {design.clock_ns}\n')
            if section.cosim_rows:
                write_test_data(work, run.folder, section.cosim_rows)
            try:
                run("high-level synthesis", self.hls_command(run.tool.root, run.folder, _options(section)))
                run.require([f"{solution}/syn/report/{top}_csynth.xml", f"{solution}/syn/verilog/{top}.v"])
                run.require([f"{solution}/sim/report/{top}_cosim.rpt"] if section.cosim_rows else [])
                run.require([f"{solution}/impl/export.zip"] if section.export else [])
                run.require(["vivado_synth.rpt"] if section.vivado_synthesis else [])
            finally:
                run.keep(["*.log", f"{solution}/*.log"])
            run.keep([f"{solution}/{folder}" for folder in ("syn/report/*", "sim/report/*", "impl/report/**/*", "impl/export.zip")])
            run.keep(["vivado_synth.rpt", f"{design.rtl}/*"])
            work.write_json(DESIGN_FILE, design.model_dump())


def _options(section: HlsSection) -> dict[str, int]:
    """hls4ml's own names of what its build script does."""
    cosim = int(section.cosim_rows > 0)
    done = {"csim": cosim, "synth": 1, "cosim": cosim, "validation": 0, "export": int(section.export)}
    return {"reset": 1, **done, "vsynth": int(section.vivado_synthesis), "fifo_opt": 0}
