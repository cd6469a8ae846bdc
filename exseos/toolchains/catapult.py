"""``catapult``: Catapult HLS.

    synthesize: {toolchain: catapult, part: xcku115-flvb2104-2-i, clock_ns: 5}
    implement: {toolchain: vivado}

It takes hls4ml's projects for Catapult and runs their ``build_prj.tcl``. The root is ``Mgc_home``, which ``MGC_HOME`` names. The
Verilog that it leaves is for ``vivado`` to synthesize, place and route; Catapult's own call of Vivado is left out, since that Vivado
would be pinned by nobody.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from exseos.errors import StageError
from exseos.toolchains.base import Work
from exseos.toolchains.vendor.base import DESIGN_FILE, LOCALE_PACKAGES, Design, Role, VendorSynthesis, VendorToolchain
from exseos.toolchains.vendor.hls_project import copy_project, replace_once
from exseos.toolchains.vendor.run import running

_OPTIONS = "reset csim synth cosim validation export vsynth fifo_opt bitfile sw_opt power da vhdl verilog bup"
_PART = re.compile(r"^([ \t]*setup_xilinx_part) \{.*\}$", re.MULTILINE)


class Synthesis(VendorSynthesis):
    """The ``synthesize`` section."""

    part: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]+$", description="a Xilinx part such as 'xcku115-flvb2104-2-i'; default: the project's"
    )


class Catapult(VendorToolchain):
    """Takes hls4ml's projects for Catapult."""

    name = "catapult"
    title = "Catapult"
    backends = ("Catapult",)
    packages = (*LOCALE_PACKAGES, "libncurses5", "libtinfo5", "libx11-6", "libxext6", "libxft2", "libxi6", "net-tools", "perl", "procps")
    synthesize_parameters = Synthesis
    programs = ("bin/catapult", "bin/_catapult*", "pkgs/*/.bin/catapult*", "pkgs/*/bin/catapult*", "bin/g++")
    version_pattern = r"Catapult[^\n]*? v?((?:20[0-9]{2}|10)\.[0-9]+[a-z]?(?:_[0-9]+)?)/[0-9]+"
    licence_variables = ("MGLS_LICENSE_FILE", "SALT_LICENSE_SERVER", "LM_LICENSE_FILE")
    variables = ("MGC_HOME", "CATAPULT_HOME")
    usual_places = tuple(
        f"{base}/{vendor}/{tail}/Mgc_home"
        for base in ("/opt", "/tools", "/cad")
        for vendor in ("siemens", "mentor", "mentorgraphics", "Siemens_EDA")
        for tail in ("[Cc]atapult*", "[Cc]atapult/*")
    )
    reports: ClassVar[Mapping[Role, tuple[str, ...]]] = {"synthesize": ("{top}_prj/{top}.v1/rtl.rpt", "{top}_prj/{top}.v1/cycle.rpt")}

    def environment(self, root: Path, home: Path) -> dict[str, str]:
        """``MGC_HOME``, and ``CATAPULT_HOME`` that hls4ml also asks for."""
        return {"PATH": str(root / "bin"), "MGC_HOME": str(root), "CATAPULT_HOME": str(root)}

    def synthesize(self, work: Work) -> None:
        """HLS; keeps the reports, the logs and the Verilog in one file."""
        section = Synthesis.model_validate(dict(work.parameters["synthesize"]))
        with running(self, work, "synthesize") as run:
            facts = copy_project(work, run.folder)
            part, clock_ns = section.part or facts["part"], section.clock_ns or facts["clock_ns"]
            design = Design(top=str(facts["project"]), clock="clk", part=part, clock_ns=clock_ns, rtl="rtl")
            script = run.folder / "build_prj.tcl"
            if section.clock_ns:
                replace_once(script, "set hls_clock_period ", f"set hls_clock_period {design.clock_ns}")
            if section.part:
                _set_part(script, section.part)
            options = " ".join(f"{name}={int(name in ('synth', 'verilog'))}" for name in _OPTIONS.split())
            program = str(run.tool.root / "bin/catapult")
            solution = f"{design.top}_prj/{design.top}.v1"
            try:
                run(
                    "high-level synthesis",
                    [program, "-product", "ultra", "-shell", "-f", "build_prj.tcl", "-eval", f'set ::argv "{options}"'],
                )
                run.require([f"{solution}/{name}" for name in ("rtl.rpt", "cycle.rpt", "concat_rtl.v")])
            finally:
                run.keep(["*.log", f"{solution}/messages.txt"])
            run.keep([f"{solution}/*.rpt"])
            (work.output / design.rtl).mkdir()
            shutil.copyfile(run.folder / solution / "concat_rtl.v", work.output / design.rtl / "concat_rtl.v")
            work.write_json(DESIGN_FILE, design.model_dump())


def _set_part(script: Path, part: str) -> None:
    """The script names the part once for each way to synthesize."""
    text, count = _PART.subn(rf"\1 {{{part}}}", script.read_text(encoding="utf-8"))
    if not count:
        raise StageError(
            f"{script.name} sets no Xilinx part",
            where="synthesize.part",
            hint="This version of hls4ml writes another project: leave out 'part' here and set it in 'convert'.",
        )
    script.write_text(text, encoding="utf-8")


TOOLCHAIN = Catapult()
