"""``smarthls``: SmartHLS, then synthesis, place and route by Libero SoC, for Microchip's FPGAs.

    synthesize: {toolchain: smarthls, part: MPF300, clock_ns: 5, cosim_rows: 20}
    implement: {}

It takes hls4ml's projects for Libero. The root is the folder ``SmartHLS`` that holds ``bin/shls``:
``…/microchip/Libero_SoC_v2024.2/SmartHLS-2024.2/SmartHLS``. Libero, Synplify and ModelSim beside it are mounted too.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from exseos.errors import StageError
from exseos.toolchains.base import Work
from exseos.toolchains.vendor.base import (
    DESIGN_FILE,
    LOCALE_PACKAGES,
    Design,
    Role,
    VendorSection,
    VendorSynthesis,
    VendorToolchain,
    read_design,
)
from exseos.toolchains.vendor.hls_project import copy_project, replace_once, write_test_data
from exseos.toolchains.vendor.run import running

_SOURCES = "project"
"""Folder of the project among the outputs: Libero starts from it again."""
_HLS = "hls_output"
_BESIDE = ("Libero", "Libero_SoC", "SynplifyPro", "Synplify", "ModelSimPro", "ModelSim_Pro", "QuestaSim_Pro")
_PROGRAMS = ("bin", "bin64", "linuxacoem", "modeltech/linuxacoem")


_FAMILIES = {"MPFS": "PolarFireSoC", "M2S": "SmartFusion2", "M2GL": "IGLOO2", "RT4G": "RTG4"}


class Synthesis(VendorSynthesis):
    """The ``synthesize`` section."""

    part: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]+$", description="a part such as 'MPF300'; default: the project's")
    cosim_rows: Annotated[int, Field(ge=0, lt=5000)] = Field(0, description="test rows of the RTL cosimulation; 0: none")


class SmartHls(VendorToolchain):
    """Takes hls4ml's projects for Libero and implements what it made of them."""

    name = "smarthls"
    title = "SmartHLS"
    backends = ("Libero",)
    packages = (
        *LOCALE_PACKAGES,
        *("libfontconfig1", "libfreetype6", "libglib2.0-0", "libgl1", "libncurses5", "libsm6", "libtinfo5", "libx11-6", "libxext6"),
        *("libxft2", "libxi6", "libxrender1", "libxtst6", "net-tools", "perl", "procps"),
    )
    implements = ("smarthls",)
    synthesize_parameters = Synthesis
    implement_parameters = VendorSection
    programs = (
        "bin/shls",
        *("dependencies/*/bin/clang*", "dependencies/*/*/bin/clang*", "llvm/*/bin/clang*", "dependencies/gcc/bin/g++"),
        "dependencies/python/python3*",
    )
    version_arguments = ("-v",)
    version_pattern = r"(?i)Smart High-Level Synthesis Tool Version (20[0-9]{2}\.[0-9]+(?:\.[0-9]+)*)"
    licence_variables = ("LM_LICENSE_FILE", "SNPSLMD_LICENSE_FILE")
    variables = ("SHLS_ROOT_DIR",)
    usual_places = tuple(
        f"{base}/{tail}"
        for base in ("/opt/microchip", "/usr/local/microchip", "/tools/microchip", "~/microchip")
        for tail in ("Libero_SoC_*/SmartHLS*/SmartHLS", "SmartHLS*/SmartHLS", "SmartHLS*")
    )
    reports: ClassVar[Mapping[Role, tuple[str, ...]]] = {
        "synthesize": (f"{_HLS}/reports/summary.results.rpt", f"{_HLS}/reports/summary.hls.{{top}}.rpt"),
        "implement": (f"{_HLS}/reports/summary.results.rpt",),
    }

    companion_programs = tuple(f"{folder}/{name}" for folder in _PROGRAMS for name in ("libero", "libero_bin", "synplify*", "vsim"))

    def companions(self, root: Path) -> list[Path]:
        """What Libero's installer lays beside SmartHLS."""
        return [above / name for above in list(root.parents)[:2] for name in _BESIDE]

    def environment(self, root: Path, home: Path) -> dict[str, str]:
        """The programs of SmartHLS, of its own Python and of what lies beside it."""
        beside = [folder / name for folder in self.companions(root) for name in _PROGRAMS]
        folders = [path for path in (root / "bin", root / "dependencies/python", *beside) if path.is_dir()]
        return {"PATH": ":".join(map(str, folders)), "SHLS_ROOT_DIR": str(root)}

    def synthesize(self, work: Work) -> None:
        """HLS, then on demand cosimulation; keeps the reports, the project and its RTL."""
        section = Synthesis.model_validate(dict(work.parameters["synthesize"]))
        with running(self, work, "synthesize") as run:
            facts = copy_project(work, run.folder)
            part, clock_ns = section.part or facts["part"], section.clock_ns or facts["clock_ns"]
            design = Design(top=str(facts["project"]), clock="clk", part=part, clock_ns=clock_ns, rtl=f"{_HLS}/rtl")
            config = run.folder / "config.tcl"
            if section.clock_ns:
                replace_once(config, "set_parameter CLOCK_PERIOD ", f"set_parameter CLOCK_PERIOD {design.clock_ns}")
            if section.part:
                replace_once(config, "set_project ", f"set_project {family(section.part)} {section.part} hw_only")
            run.keep(["config.tcl", "Makefile", "*.cpp", "firmware/**/*"], under=_SOURCES)
            program = str(run.tool.root / "bin/shls")
            try:
                run("high-level synthesis", [program, "-a", "hw"])
                run.require([f"{_HLS}/reports/summary.hls.{design.top}.rpt", f"{_HLS}/rtl/*.v"])
                if section.cosim_rows:
                    write_test_data(work, run.folder, section.cosim_rows)
                    # hls4ml's test bench takes a row that it prints, the first of 5000, twice from the queue of outputs.
                    replace_once(run.folder / f"{design.top}_test.cpp", "    int e = 0;", "    int e = 1;")
                    run("cosimulation", [program, "-a", "cosim"])
                    run.require([results := f"{_HLS}/reports/summary.results.rpt"])
                    _check_calls(run.folder / results, section.cosim_rows)
            finally:
                run.keep(["*.log", f"{_HLS}/*.log", f"{_HLS}/logs/*"])
            run.keep([f"{_HLS}/reports/*", f"{_HLS}/rtl/**/*"])
            work.write_json(DESIGN_FILE, design.model_dump())

    def implement(self, work: Work) -> None:
        """HLS again, since its results know their age, then synthesis, place and route by Libero; keeps the reports."""
        source = work.inputs["synthesize"]
        design = read_design(source)
        with running(self, work, "implement") as run:
            shutil.copytree(source / _SOURCES, run.folder, dirs_exist_ok=True)
            try:
                run("place and route", [str(run.tool.root / "bin/shls"), "-a", "fpga"])
                run.require([f"{_HLS}/reports/summary.results.rpt"])
            finally:
                run.keep(["*.log", f"{_HLS}/*.log", f"{_HLS}/logs/*"])
            run.keep([f"{_HLS}/reports/*"])
            work.write_json(DESIGN_FILE, design.model_dump())


def _check_calls(report: Path, rows: int) -> None:
    """Older versions give the cycles of all calls together, which would pass for those of one."""
    if rows > 1 and "\nCycle latency: " in report.read_text(encoding="utf-8"):
        raise StageError(
            f"this version of SmartHLS gives the cycles of {rows} rows together",
            where="synthesize.cosim_rows",
            hint="Use `cosim_rows: 1`, or SmartHLS 2024.2 or later.",
        )


def family(part: str) -> str:
    """The family of a part, by how its name begins: ``PolarFireSoC`` of ``MPFS250T``."""
    return next((name for start, name in _FAMILIES.items() if part.upper().startswith(start)), "PolarFire")


TOOLCHAIN = SmartHls()
