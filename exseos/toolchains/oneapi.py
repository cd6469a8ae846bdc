"""``oneapi``: oneAPI's C++ compiler with its FPGA support, for Intel's FPGAs; a full compile calls Quartus Prime Pro.

    synthesize: {toolchain: oneapi, part: Agilex7, clock_ns: 4}
    implement: {}

It takes hls4ml's projects for oneAPI. The root is the folder of the toolkit, ``/opt/intel/oneapi``, whose ``compiler/latest`` is
used, or that of one compiler, ``/opt/intel/oneapi/compiler/2024.0``. For ``implement`` a Quartus is looked for in the folders above:
``/opt/intelFPGA_pro/23.4`` beside ``/opt/intel``.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from exseos.toolchains.base import Work
from exseos.toolchains.quartus import LICENCE_VARIABLES, PACKAGES
from exseos.toolchains.vendor.base import DESIGN_FILE, Design, Role, VendorSection, VendorSynthesis, VendorToolchain, read_design
from exseos.toolchains.vendor.hls_project import copy_project, replace_once
from exseos.toolchains.vendor.run import Run, running

_SOURCES = "project"
"""Folder of the project's sources among the outputs: a full compile starts from them again."""
_SCRIPTS = ("setvars.sh", "oneapi-vars.sh", "env/vars.sh")
_QUARTUS = ("sh", "syn", "fit", "sta")
_FPGA_SCRIPT = "opt/oclfpga/fpgavars.sh"
_REPORTS = ("build/*.prj/reports/**/json/*", "build/*.prj/reports/lib/*data.js")
_PARENTS = 4
_WITH_VARIABLES = 'IFS=:; for script in $EXSEOS_SCRIPTS; do unset IFS; . "$script" --force >/dev/null || true; done; exec "$@"'


class Synthesis(VendorSynthesis):
    """The ``synthesize`` section."""

    part: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_:./+-]*$", description="a family, part or board, such as 'Agilex7'; default: the project's"
    )


class OneApi(VendorToolchain):
    """Takes hls4ml's projects for oneAPI and implements what it made of them."""

    name = "oneapi"
    title = "oneAPI"
    backends = ("oneAPI",)
    packages = (*PACKAGES, "cmake", "libnss3")
    implements = ("oneapi",)
    synthesize_parameters = Synthesis
    implement_parameters = VendorSection
    programs = tuple(
        f"{folder}{program}"
        for program in ("bin/icpx", "bin/compiler/clang++", "opt/oclfpga/bin/aoc", "opt/oclfpga/llvm/aocl-bin/aocl-*")
        for folder in ("", "compiler/latest/", "compiler/latest/linux/")
    )
    version_arguments = ("--version",)
    version_pattern = r"oneAPI DPC\+\+/C\+\+ Compiler (20[0-9]{2}\.[0-9]+(?:\.[0-9]+)?)"
    licence_variables = LICENCE_VARIABLES
    variables = ("ONEAPI_ROOT", "CMPLR_ROOT")
    usual_places = ("/opt/intel/oneapi", "~/intel/oneapi", "/opt/intel/oneapi/20*", "/opt/intel/oneapi/compiler/20*")
    reports: ClassVar[Mapping[Role, tuple[str, ...]]] = {
        "synthesize": (
            "build/{top}.report.prj/reports/resources/json/summary.ndjson",
            "build/{top}.report.prj/reports/lib/json/summary.json",
            "build/{top}.report.prj/reports/lib/report_data.js",
        ),
        "implement": (
            "build/{top}.fpga.prj/reports/resources/json/quartus.ndjson",
            "build/{top}.fpga.prj/reports/lib/json/quartus.json",
            "build/{top}.fpga.prj/reports/lib/quartus_data.js",
        ),
    }

    companion_programs = tuple(f"quartus/{name}" for name in ("bin/quartus_sh", *(f"linux64/quartus_{one}" for one in _QUARTUS)))

    def companions(self, root: Path) -> list[Path]:
        """The newest Quartus Prime Pro in a folder above."""
        above = list(root.parents)[:_PARENTS]
        found = [path for folder in above for name in ("intelFPGA_pro", "altera_pro") for path in folder.glob(f"{name}/*")]
        there = [path for path in found if (path / "quartus/bin/quartus_sh").exists()]
        return [max(there, key=lambda path: [int(part) if part.isdigit() else -1 for part in path.name.split(".")])] if there else []

    def environment(self, root: Path, home: Path) -> dict[str, str]:
        """The compiler and Quartus; the toolkit's scripts set the rest."""
        compilers = [root / folder for folder in ("bin", "compiler/latest/bin", "compiler/latest/linux/bin")]
        quartus = [path / "quartus" for path in self.companions(root)]
        folders = [path for path in [*compilers, *(path / "bin" for path in quartus)] if path.is_dir()]
        found = {"PATH": ":".join(map(str, folders))}
        for path in quartus:
            found |= {"QUARTUS_ROOTDIR": str(path), "QUARTUS_ROOTDIR_OVERRIDE": str(path)}
        return found

    def synthesize(self, work: Work) -> None:
        """HLS as far as the report; keeps the reports and the sources."""
        section = Synthesis.model_validate(dict(work.parameters["synthesize"]))
        with running(self, work, "synthesize") as run:
            facts = copy_project(work, run.folder)
            part, clock_ns = section.part or facts["part"], section.clock_ns or facts["clock_ns"]
            design = Design(top=str(facts["project"]), part=part, clock_ns=clock_ns, rtl="")
            if section.clock_ns:
                line = "set(USER_FPGA_FLAGS -Xsclock="
                replace_once(run.folder / "CMakeLists.txt", line, f"{line}{design.clock_ns}ns; ${{USER_FPGA_FLAGS}})")
            run.keep(["CMakeLists.txt", "src/**/*"], under=_SOURCES)
            self._build(run, design, "report", "high-level synthesis")
            work.write_json(DESIGN_FILE, design.model_dump())

    def implement(self, work: Work) -> None:
        """The whole compile, from the sources to the placed and routed design; keeps the reports."""
        source = work.inputs["synthesize"]
        design = read_design(source)
        with running(self, work, "implement") as run:
            shutil.copytree(source / _SOURCES, run.folder, dirs_exist_ok=True)
            self._build(run, design, "fpga", "place and route")
            work.write_json(DESIGN_FILE, design.model_dump())

    def _build(self, run: Run, design: Design, target: str, what: str) -> None:
        """One target of the project's makefile, which CMake writes."""
        build = run.folder / "build"
        build.mkdir()
        try:
            _run(run, "configuration", ["cmake", "..", f"-DFPGA_DEVICE={design.part}"], build)
            _run(run, what, ["make", target], build)
            wanted = {"report": "summary", "fpga": "quartus"}[target]
            run.require([f"build/{design.top}.{target}.prj/reports/**/json/{wanted}.*json"])
        finally:
            run.keep(["build/*.prj/*.log"])
        run.keep(_REPORTS)


def _run(run: Run, what: str, argv: Sequence[str], cwd: Path) -> None:
    """A command in the environment that the toolkit's own scripts set up. Their paths are no arguments: those are recorded."""
    root = run.tool.root
    first = next((root / name for name in _SCRIPTS if (root / name).exists()), None)
    scripts = [path for path in (first, root / _FPGA_SCRIPT) if path is not None and path.exists()]
    run(what, ["bash", "-c", _WITH_VARIABLES, "bash", *argv], cwd=cwd, variables={"EXSEOS_SCRIPTS": ":".join(map(str, scripts))})


TOOLCHAIN = OneApi()
