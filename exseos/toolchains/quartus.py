"""``quartus``: the Intel HLS compiler, then place and route by Quartus Prime.

    synthesize: {toolchain: quartus, part: Arria10, clock_ns: 5}
    implement: {power: true}

It takes hls4ml's projects for Quartus. The root is the folder of one release, which holds ``quartus`` and ``hls``:
``/opt/intelFPGA_pro/19.1``, ``intelFPGA_standard/18.1``, ``intelFPGA_lite/18.1``. The compiler is called as hls4ml's makefile calls it,
but with the clock of the spec, which that makefile leaves out, and without a simulator: ModelSim is a 32-bit program.

The project that the compiler makes for Quartus asks for a period of one nanosecond whatever the target is, so the slack of its
routed design is mostly negative: ``fmax_mhz`` says what was reached.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

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
from exseos.toolchains.vendor.hls_project import copy_project
from exseos.toolchains.vendor.run import running

LICENCE_VARIABLES = ("LM_LICENSE_FILE", "ALTERAD_LICENSE_FILE", "SALT_LICENSE_SERVER")
PACKAGES = (
    *LOCALE_PACKAGES,
    *("libfontconfig1", "libfreetype6", "libglib2.0-0", "libncurses5", "libsm6", "libtinfo5", "libudev1", "libx11-6", "libxext6"),
    *("libxrender1", "net-tools", "perl", "procps"),
)
"""Libraries that the tools load; the compiler's driver is a Perl script."""
_REVISION = "quartus_compile"
"""The project that the compiler makes for Quartus."""


class Synthesis(VendorSynthesis):
    """The ``synthesize`` section."""

    part: str | None = Field(
        None, pattern=r"^[A-Za-z0-9]+$", description="a family or part such as 'Arria10' or '10AX115U1F45I1SG'; default: the project's"
    )
    continue_if_large: bool = Field(False, description="go on where the estimate exceeds the device")


class Implement(VendorSection):
    """The ``implement`` section."""

    power: bool = Field(False, description="power, by quartus_pow without switching activity")


class Quartus(VendorToolchain):
    """Takes hls4ml's projects for Quartus and implements what it made of them."""

    name = "quartus"
    title = "Intel HLS and Quartus Prime"
    backends = ("Quartus",)
    packages = PACKAGES
    implements = ("quartus",)
    synthesize_parameters = Synthesis
    implement_parameters = Implement
    programs = (
        "quartus/bin/quartus_sh",
        "hls/bin/i++",
        *(f"quartus/linux64/quartus_{name}" for name in ("sh", "map", "syn", "fit", "sta")),
        *("hls/linux64/bin/aocl-*", "hls/llvm/aocl-bin/aocl-*", "hls/linux64/bin/system_integrator"),
    )
    version_files = ("quartus/version.txt",)
    version_arguments = ("--version",)
    version_pattern = r"Version ([0-9]+\.[0-9]+(?:\.[0-9]+)?) [^\n]*?(?:SJ |SC )?(\w+) Edition"
    licence_variables = LICENCE_VARIABLES
    usual_places = tuple(
        f"{base}/{vendor}{edition}/*"
        for base in ("/opt", "/tools", "/opt/intel", "~")
        for vendor in ("intelFPGA", "altera")
        for edition in ("_pro", "_standard", "_lite", "")
    )
    reports: ClassVar[Mapping[Role, tuple[str, ...]]] = {
        "synthesize": ("{top}-fpga.prj/reports/lib/report_data.js", "{top}-fpga.prj/reports/lib/json/summary.json"),
        "implement": (
            f"**/{_REVISION}.fit.summary",
            f"**/{_REVISION}.fit.rpt",
            f"**/{_REVISION}.sta.summary",
            f"**/{_REVISION}.sta.rpt",
            f"**/{_REVISION}.pow.summary",
            "{top}-fpga.prj/reports/lib/json/quartus.json",
        ),
    }

    def environment(self, root: Path, home: Path) -> dict[str, str]:
        """As the release's ``init_hls.sh`` sets them, with the programs of Quartus."""
        quartus, hls = root / "quartus", root / "hls"
        folders = (hls / "bin", quartus / "bin", quartus / "sopc_builder/bin", root / "qsys/bin")
        found = {
            "PATH": ":".join(str(path) for path in folders if path.is_dir()),
            "QUARTUS_ROOTDIR": str(quartus),
            "QUARTUS_ROOTDIR_OVERRIDE": str(quartus),
            "QSYS_ROOTDIR": str(next((path for path in folders[2:] if path.is_dir()), folders[2])),
        }
        return found | ({"INTELFPGAOCLSDKROOT": str(hls), "LD_LIBRARY_PATH": str(hls / "host/linux64/lib")} if hls.is_dir() else {})

    def synthesize(self, work: Work) -> None:
        """HLS; keeps the reports and what place and route needs: the RTL and Quartus' project."""
        section = Synthesis.model_validate(dict(work.parameters["synthesize"]))
        with running(self, work, "synthesize") as run:
            facts = copy_project(work, run.folder)
            top = str(facts["project"])
            project = f"{top}-fpga.prj"
            design = Design(
                top=top,
                clock="clock",
                part=section.part or facts["part"],
                clock_ns=section.clock_ns or facts["clock_ns"],
                rtl=f"{project}/components",
            )
            flags = f"CXXFLAGS=-march={design.part} --clock {design.clock_ns}ns --simulator none"
            large = ["CONT_IF_LARGE_AREA=--dont-error-if-large-area-est"] if section.continue_if_large else []
            try:
                run("high-level synthesis", ["make", f"{top}-fpga", "LOGGING_1=-v", flags, *large])
                run.require([f"{project}/reports/lib/report_data.js", f"{project}/quartus/{_REVISION}.qpf"])
            finally:
                run.keep(["*.log", f"{project}/*.log"])
            run.keep([f"{project}/reports/lib/*data.js", f"{project}/reports/lib/json/*"])
            run.keep([f"{project}/components/**/*", f"{project}/quartus/**/*"])
            work.write_json(DESIGN_FILE, design.model_dump())

    def implement(self, work: Work) -> None:
        """Place and route of the components alone, within registers and virtual pins; keeps the reports."""
        section = Implement.model_validate(dict(work.parameters["implement"]))
        source = work.inputs["synthesize"]
        design = read_design(source)
        project = f"{design.top}-fpga.prj"
        folder = f"{project}/quartus"
        if not (source / folder / f"{_REVISION}.qpf").exists():
            raise StageError(f"the design has no {folder}/{_REVISION}.qpf", where="implement", hint="Run its synthesis again.")
        with running(self, work, "implement") as run:
            shutil.copytree(source / project, run.folder / project)
            bin_folder, here = run.tool.root / "quartus/bin", run.folder / folder
            try:
                run("place and route", [str(bin_folder / "quartus_sh"), "--flow", "compile", _REVISION], cwd=here)
                run.require([f"{folder}/**/{_REVISION}.fit.summary", f"{folder}/**/{_REVISION}.sta.summary"])
                if section.power:
                    run("power", [str(bin_folder / "quartus_pow"), _REVISION], cwd=here)
                    run.require([f"{folder}/**/{_REVISION}.pow.summary"])
            finally:
                run.keep([f"{folder}/**/{_REVISION}.{report}" for report in ("fit.*", "sta.*", "pow.*", "flow.rpt", "map.*", "syn.*")])
            run.keep([f"{project}/reports/lib/json/quartus.json", f"{project}/reports/lib/quartus_data.js"])
            work.write_json(DESIGN_FILE, design.model_dump())


TOOLCHAIN = Quartus()
